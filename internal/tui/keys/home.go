package keys

// What can be done with pipelines, in the list and on a pipeline's own page.
var (
	NewPipeline  = New("new", "create a pipeline: the form asks for what it needs", "n")
	LikePipeline = New("new like", "create a pipeline, beginning with the answers of the selected one", "N")
	Change       = New("change", "change the selected pipeline in the form it was made with", "e")
	ApplyAgain   = New("up", "create or update the marked pipelines; shows a preview and asks first", "u")
	PreviewOnly  = New("preview", "what an update of the marked pipelines would change", "p")
	ReadReal     = New("refresh", "read the real resources of the marked pipelines: finds and records drift", "r")
	Delete       = New("destroy", "delete the marked pipelines and all in them; wants typed which: the name of one, `destroy 27`, or their env", "D", "ctrl+d")
	Executions   = New("executions", "the executions of the selected pipeline", "x")
	RunOne       = New("run", "start an execution of the selected pipeline", "R")
	ByTenant     = New("tenants", "group by tenant, or not", "t")
	Facts        = New("details", "all that is known of the selected pipeline: errors whole, drift, ages", "i")
	Operation    = New("operation", "the operation that works, or worked last, on the selected pipeline", "o")
	HealthCols   = New("health", "show how pipelines are (calls, errors, latency, idle endpoints) in place of what was done to them; asks CloudWatch, which costs", "H")
	TagColumn    = New("tag", "show the next tag of pipelines as a column, or none; / filters by name=value", "#")
	Views        = New("views", "a look at the list that was saved, or save this one: filter, order, columns", "V")
	Example      = New("example", "create an example that works as it is: a built-in model on the built-in image; shows a preview and asks first", "E")
	CopyName     = New("copy name", "copy the pipeline's name to the clipboard (OSC 52)", "y")
)

func homePages() []Page {
	return []Page{{Name: "Pipelines", Map: Map{
		{Title: "Pipelines", Bindings: []Binding{
			Open, NewPipeline, ApplyAgain, PreviewOnly, ReadReal, Delete, RunOne, Executions, Fleet, Change, LikePipeline, Operation, Facts, CopyName, HealthCols, TagColumn, Views, Example,
		}},
		{Title: "List", Bindings: []Binding{Search, Sort, Reverse, Mark, MarkAll, ByTenant}},
		Moving(),
	}}}
}
