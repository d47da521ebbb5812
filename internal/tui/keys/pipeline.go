package keys

// Keys of a pipeline's own page.
var (
	TabNumber   = New("tab", "to a tab by its number", "1", "2", "3", "4", "5")
	WholeValue  = New("whole", "what is selected, whole: long values, properties, details", "enter")
	CopyConsole = New("console", "copy the link to the AWS console", "C")
	CopyURN     = New("copy URN", "copy the resource's URN", "U")
	Lock        = New("lock", "who holds the stack, and the way to clear a lock that was left behind", "L")
	CutOff      = New("cut off", "operations whose end was never recorded, or a state that is damaged, and the way out", "M")
	GraphText   = New("graph/text", "the definition as a graph or as text", "v")
	OpenAll     = New("open all", "open all branches of the tree, or shut them", "z")
)

func pipelinePages() []Page {
	return []Page{{Name: "Pipeline", Map: Map{
		{Title: "Pipeline", Bindings: []Binding{ApplyAgain, PreviewOnly, ReadReal, Delete, RunOne, Change, LikePipeline, Operation, Lock, CutOff}},
		{Title: "Tabs", Bindings: []Binding{TabNumber, NextTab, PrevTab}},
		{Title: "Overview", Bindings: []Binding{WholeValue, Copy, SaveSpec, Search}},
		{Title: "Resources", Bindings: []Binding{WholeValue, Copy, CopyConsole, InBrowser, CopyURN, OpenAll, Search, Right, Left}},
		{Title: "Updates", Bindings: []Binding{WholeValue, Copy, Search, Sort, Reverse}},
		{Title: "Definition", Bindings: append([]Binding{GraphText, GraphList, WholeValue, Search, Next, Previous, Copy, Save, Pager}, Document()...)},
		Moving(),
	}}}
}
