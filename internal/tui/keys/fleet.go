package keys

// Keys of the list of executions of several pipelines.
var (
	Fleet        = New("fleet", "executions of all pipelines, of those that are marked, or that the filter shows, as one list", "X")
	ByPipeline   = New("pipelines", "show executions of other pipelines: names, and patterns such as acme/*", "p")
	ByError      = New("error", "show executions with an error only: its name, a pattern with *, or a part of its cause", "e")
	ByInput      = New("input", "show executions whose input satisfies a JSONata condition only", "i")
	OnlyFailed   = New("failed", "show what failed or timed out only, with its errors, or everything", "F")
	Alike        = New("alike", "those that failed alike as one row, or each by itself", "c")
	ExportMarked = New("export", "write the marked executions to files, or their inputs alone; says where it will be", "w")
	RunFolder    = New("run inputs", "start executions with the inputs of a folder, a file for each pipeline as w writes them; asks first", "b")
)

func fleetPages() []Page {
	return []Page{{Name: "Executions of the fleet", Map: Map{
		{Title: "Executions", Bindings: []Binding{Open, Alike, OnlyFailed, StopMarked, RedriveAll, ExportMarked, RunFolder, Copy}},
		{Title: "Which", Bindings: []Binding{ByPipeline, ByStatus, BySince, ByError, ByInput, ByName, AllOfThem, MoreOfThem, Search, Sort, Reverse, Mark, MarkAll}},
		Moving(),
	}}}
}
