package keys

// Keys of the page of an execution.
var (
	StopExecution = New("stop", "stop the execution, with a cause; asks first", "x")
	Redrive       = New("redrive", "go on from where it failed; asks first", "X")
	RunAgain      = New("run again", "start another execution with the same input, which can be edited first", "R")
	Parent        = New("parent", "open the execution that started this one", "p")
	Definition    = New("definition", "open the pipeline's definition", "d")
	OpenRevisions = New("revisions", "open the pipeline's revisions: which update made what this execution runs", "V")
	CopyARN       = New("copy ARN", "copy the execution's ARN", "Y")
	ConsoleLink   = New("console", "copy the link to the AWS console", "u")
	StateLogs     = New("logs", "what was logged of the selected state, or else of the one that failed or runs; there: read again", "L")
	WholeError    = New("error", "the error and its cause, whole", "e")
	ShowInput     = New("input", "input of what is selected", "i")
	ShowOutput    = New("output", "output of what is selected", "o")
	ShowAttempts  = New("attempts", "each attempt with what it sent and got", "a")
	ShowWhole     = New("state/execution", "data of the selected state, or of the whole execution", "s")
	NextVisit     = New("next visit", "to the next visit of the state: attempt, iteration, round of a loop", ">", ".")
	PreviousVisit = New("visit before", "to the visit of the state before", "<", ",")
	GoToVisit     = New("visit ...", "to a visit of the state by its number", "v")
	FollowState   = New("follow", "keep the state that runs selected", "f")
	EventKind     = New("kind", "all events, transitions between states only, or failures only", "f")
	EventState    = New("state only", "events of the selected state only", "s")
	NextRun       = New("next run", "to the next Map Run", ">", ".")
	PreviousRun   = New("run before", "to the Map Run before", "<", ",")
	ShowChildren  = New("children", "list children: failed ones, running ones, all, or failures in groups", "c")
	MoreFailures  = New("more", "look at more failed children", "m")
	SetMapRun     = New("set", "change how many children run at once, and how many items may fail, while the Map Run runs", "t")
	LogScope      = New("scope", "lines of this request only, or everything of that time", "f")
	ReadLogs      = New("read again", "read the log again", "L")
)

func executionPages() []Page {
	return []Page{{Name: "Execution", Map: Map{
		{Title: "Execution", Bindings: []Binding{WholeError, StateLogs, StopExecution, Redrive, RunAgain, Parent, Definition, OpenRevisions, CopyARN, ConsoleLink, InBrowser}},
		{Title: "Graph and timeline", Bindings: []Binding{Open, ShowInput, NextVisit, PreviousVisit, GoToVisit, FollowState, GraphList, GanttZoom, Up, Down, Left, Right}},
		{Title: "Events", Bindings: []Binding{Open, Search, EventKind, EventState, Copy, Save, Pager}},
		{Title: "Data", Bindings: append([]Binding{
			ShowInput, ShowOutput, ShowAttempts, ShowWhole, NextVisit, PreviousVisit, SearchText, Next, Previous,
			Copy, Save, Pager,
		}, Document()...)},
		{Title: "Map Runs", Bindings: []Binding{Open, ShowChildren, MoreFailures, SetMapRun, NextRun, PreviousRun, Search, Sort, Reverse}},
		{Title: "Logs", Bindings: []Binding{LogScope, ReadLogs, SearchText, Next, Previous, Copy, Save, Pager}},
		{Title: "Tabs", Bindings: []Binding{ToTab, NextTab, PrevTab}},
		Moving(),
	}}}
}
