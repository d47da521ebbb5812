package keys

// Keys of the page of an operation and of the list of operations.
var (
	Apply      = New("yes", "apply what the preview shows", "y")
	Decline    = New("no", "leave everything as it is and go back", "n")
	Details    = New("details", "show or hide the properties of everything that changes", "d")
	Unchanged  = New("unchanged", "show or hide what does not change", "a")
	Inspect    = New("inspect", "everything about the selected resource: old and new values whole, messages, ids", "enter")
	Abort      = New("cancel", "cancel the operation: gracefully, or by force", "c")
	TurnBack   = New("turn back", "turn the rollout back: all traffic goes to what answered before", "b")
	Anew       = New("preview anew", "preview again, or repeat a refresh", "p")
	Follow     = New("follow", "keep the cursor on what is being worked on", "f")
	BottomPane = New("log", "what is shown below: the log, the outputs, or nothing", "v")
	Problem    = New("error", "the first error, whole, with what to do about it", "e")
	Visit      = New("open", "open the pipeline", "o")
	Execute    = New("run", "open the pipeline's executions, to start one", "R")
	Reapply    = New("mend", "preview an update that puts back what has drifted", "u")
	Pane       = New("next pane", "to the next pane: pipelines, resources, log", "tab")
	PaneBefore = New("pane before", "to the pane before", "shift+tab", "[")
)

func deployPages() []Page {
	return []Page{
		{Name: "Operation", Map: Map{
			{Title: "Question", Bindings: []Binding{Apply, Decline, Details}},
			{Title: "Operation", Bindings: []Binding{Abort, TurnBack, Problem, Inspect, Unchanged, BottomPane, Follow, Pane, PaneBefore}},
			{Title: "Afterwards", Bindings: []Binding{Visit, Execute, Anew, Reapply}},
			{Title: "Tree", Bindings: []Binding{Search, Right, Left}},
			Moving(),
		}},
		{Name: "Operations", Map: Map{
			{Title: "Operations", Bindings: []Binding{Open, Search, Sort, Reverse}},
			Moving(),
		}},
	}
}
