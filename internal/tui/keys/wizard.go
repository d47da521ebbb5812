package keys

// Keys of the form that makes and changes pipelines. Letters are text there, so
// that most of them are control characters.
var (
	NextField = New("next", "to the next field; after the last one to the next step", "enter", "tab", "down")
	PrevField = New("previous", "to the field before", "shift+tab", "up")
	NextStep  = New("next step", "to the next step", "pgdown", "ctrl+n")
	PrevStep  = New("step back", "to the step before; answers are kept", "pgup")
	ToReview  = New("review", "to the end: the spec as a whole, and all problems", "ctrl+s")
	ToDefault = New("default", "take the answer back, so that the default holds", "ctrl+u")
	Browse    = New("files", "choose a file or folder", "ctrl+f")
	Toggle    = New("toggle", "the next choice, or yes and no", " ", "right", "l")
	Untoggle  = New("other way", "the choice before", "h", "shift+left")
	PickList  = New("choose", "a list of all choices that can be filtered; an editor for lists and maps", "enter")
	TakeOne   = New("take", "take what is selected", "enter")
	TakeDir   = New("take folder", "take the folder that is shown", "ctrl+s")
	UpDir     = New("parent", "to the folder above", "left")
	Continue  = New("preview", "preview it; asks before anything is made. With problems: to the field of the selected one", "enter")
	SaveSpec  = New("save spec", "save the spec to a file, for `pipelinetui up -f`", "w")
)

func wizardPages() []Page {
	return []Page{
		{Name: "Form of a pipeline", Map: Map{
			{Title: "Fields", Bindings: []Binding{NextField, PrevField, Toggle, Untoggle, PickList, ToDefault, Browse}},
			{Title: "Steps", Bindings: []Binding{NextStep, PrevStep, ToReview, Back}},
		}},
		{Name: "Review of a pipeline", Map: Map{
			{Title: "Review", Bindings: []Binding{Continue, SaveSpec, Copy, Back}},
			Moving(),
		}},
		{Name: "Choosing a file", Map: Map{
			{Title: "Files", Bindings: []Binding{TakeOne, TakeDir, UpDir, Search, Back}},
		}},
	}
}
