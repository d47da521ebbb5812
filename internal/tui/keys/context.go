package keys

// Keys of the page where the session goes elsewhere.
var (
	Switch       = New("switch", "go there; what is wrong with its credentials is told, and nothing has changed then", "enter")
	OtherRegion  = New("region", "another region, in the same context", "r")
	OtherBackend = New("backend", "another Pulumi backend, in the same context", "b")
	SignIn       = New("sign in", "copy the command that signs in to the selected profile", "y")
)

func contextPages() []Page {
	return []Page{{Name: "Context", Map: Map{
		{Title: "Context", Bindings: []Binding{Switch, OtherRegion, OtherBackend, SignIn, Back}},
		{Title: "List", Bindings: []Binding{Search}},
		Moving(),
	}}}
}
