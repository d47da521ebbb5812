package keys

// Keys of a pipeline's own page.
var (
	TabNumber     = New("tab", "to a tab by its number", "1", "2", "3", "4", "5", "6", "7", "8", "9")
	WholeValue    = New("whole", "what is selected, whole: long values, properties, details", "enter")
	CopyConsole   = New("console", "copy the link to the AWS console", "C")
	CopyURN       = New("copy URN", "copy the resource's URN", "U")
	Lock          = New("lock", "who holds the stack, and the way to clear a lock that was left behind", "L")
	CutOff        = New("cut off", "operations whose end was never recorded, or a state that is damaged, and the way out", "M")
	GraphText     = New("graph/text", "the definition as a graph or as text", "v")
	DiffRevision  = New("diff", "what the selected revision was made from, against the one in service", "d")
	RollbackTo    = New("rollback", "bring the selected revision back: shows a preview and asks first", "b")
	OpenAll       = New("open all", "open all branches of the tree, or shut them", "z")
	LogPause      = New("pause", "stop following, or go on", " ")
	LogSource     = New("from", "the next source: all, function, endpoint, state machine", "f")
	LogLevel      = New("level", "the next least level: all, debug, info, warn, error", "v")
	LogGrep       = New("grep", "only lines that match a regular expression; esc clears it", "/")
	LogSince      = New("since", "read from an earlier or a later time on", "t")
	NextPart      = New("next page", "to the page of predictions behind this one", ">", ".")
	PartBefore    = New("page before", "to the page of predictions before this one", "<", ",")
	ResultPlace   = New("place", "to any place of the predictions: a share such as 50%, or @end", "%")
	SearchResults = New("search", "only predictions of the whole data set with a text in them", "/")
	ResultSummary = New("summary", "how many predictions, which labels, quantiles and histograms", "i")
	ResultLink    = New("copy link", "copy an address from which anybody can download the result for an hour", "C")
	ResultBrowse  = New("open link", "open such an address in the browser", "O")
	HealthSince   = New("since", "look further back, or less far", "t")
	AllLines      = New("all", "all lines of all sources again", "0")
)

func pipelinePages() []Page {
	return []Page{{Name: "Pipeline", Map: Map{
		{Title: "Pipeline", Bindings: []Binding{ApplyAgain, PreviewOnly, ReadReal, Delete, RunOne, Change, LikePipeline, Operation, Lock, CutOff}},
		{Title: "Tabs", Bindings: []Binding{TabNumber, NextTab, PrevTab}},
		{Title: "Overview", Bindings: []Binding{WholeValue, Copy, SaveSpec, Search}},
		{Title: "Resources", Bindings: []Binding{WholeValue, Copy, CopyConsole, InBrowser, CopyURN, OpenAll, Search, Right, Left}},
		{Title: "Updates", Bindings: []Binding{WholeValue, Copy, Search, Sort, Reverse}},
		{Title: "Revisions", Bindings: []Binding{WholeValue, DiffRevision, RollbackTo, Copy, Search, Sort, Reverse}},
		{Title: "Health", Bindings: []Binding{WholeValue, HealthSince, Copy, Search}},
		{Title: "Results", Bindings: []Binding{Open, NextPart, PartBefore, ResultPlace, SearchResults, ResultSummary, Copy, ResultLink, ResultBrowse, MoreOfThem, Search}},
		{Title: "Logs", Bindings: []Binding{LogPause, LogSource, LogLevel, LogGrep, LogSince, WholeValue, Copy, Pager, AllLines}},
		{Title: "Definition", Bindings: append([]Binding{GraphText, GraphList, WholeValue, Search, Next, Previous, Copy, Save, Pager}, Document()...)},
		Moving(),
	}}}
}
