package keys

// Keys of the table of executions.
var (
	StartOne    = New("run", "start an execution: edit its input first", "R")
	StartMany   = New("from file", "start from a file: one input, a data set, or many inputs", "b")
	OpenLatest  = New("latest", "open the newest execution", "@")
	StopMarked  = New("stop", "stop the marked executions, with a cause; asks first", "x")
	RedriveAll  = New("redrive", "redrive the marked executions; asks first", "X")
	ByStatus    = New("status", "show executions in some states only", "f")
	BySince     = New("since", "show executions since some time only", "t")
	ByName      = New("name", "show executions by the beginning of their name, or a pattern with *", "n")
	AllOfThem   = New("all", "show all executions again", "0")
	MoreOfThem  = New("more", "list older executions too", "m")
	CancelBatch = New("cancel start", "start no more of the batch; what was started goes on", "c")
	BatchErrors = New("errors", "the inputs of the batch that could not be started", "e")
)

func executionsPages() []Page {
	return []Page{{Name: "Executions of a pipeline", Map: Map{
		{Title: "Executions", Bindings: []Binding{Open, StartOne, StartMany, OpenLatest, StopMarked, RedriveAll, Copy, CancelBatch, BatchErrors}},
		{Title: "Which", Bindings: []Binding{Search, ByStatus, BySince, ByName, AllOfThem, MoreOfThem, Sort, Reverse, Mark, MarkAll}},
		Moving(),
	}}}
}
