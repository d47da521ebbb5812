package ui

import (
	"fmt"
	"runtime/debug"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// What a page may ask of the root, as messages: return Send(Request) from Update.
type (
	// OpenHome goes to the list of pipelines.
	OpenHome struct{}
	// OpenPipeline opens a pipeline's page on a tab ("" is the first one).
	// OpenPipeline's Input begins an execution with it, on the tab "run": JSON, or the
	// path of a file behind an @.
	OpenPipeline struct {
		ID    spec.ID
		Tab   string
		Input string
	}
	// OpenWizard opens the form: to create a pipeline, or to change one.
	OpenWizard struct {
		// Change is the pipeline to change; nil creates one.
		Change *spec.ID
		// Like is a pipeline whose answers a new one begins with; optional.
		Like *spec.ID
	}
	// OpenDeploy opens the page of an operation that is to begin: it previews,
	// asks and applies, as far as the operation wants that.
	OpenDeploy struct{ Request pipelines.Request }
	// OpenJob opens the page of an operation that runs or ran.
	OpenJob struct{ Job *Job }
	// OpenJobs opens the list of operations.
	OpenJobs struct{}
	// OpenExecution opens the page of one execution. ID may be empty for one that
	// is known by its ARN only (a child of a Map Run, a nested execution).
	OpenExecution struct {
		ID  spec.ID
		ARN string
	}
	// OpenExecutions opens the list of executions of several pipelines, all that a query
	// chooses.
	OpenExecutions struct{ Query fleet.Query }
	// OpenContext opens the page where the session goes elsewhere: at once, to a profile or
	// to the sandbox, if To is not empty.
	OpenContext struct{ To string }
	// Switched says that the session is elsewhere now: all pages are of the past.
	Switched struct{}
	// ShowView goes to the list of pipelines and has it look so.
	ShowView struct{ View View }
	// SaveView keeps how the list of pipelines looks under a name.
	SaveView struct{ View View }
	// Back closes the top page.
	Back struct{}
	// Quit leaves the program, after asking if an operation is running.
	Quit struct{}
	// Ask opens a dialog; its answer is delivered to the page of the host.
	Ask struct {
		From   *Host
		Dialog Dialog
	}
	// Toast shows a line for a while.
	Toast struct {
		Text string
		Bad  bool
	}
	// Copy puts a text on the clipboard and says so: What is "the ARN".
	Copy struct{ Text, What string }
	// Edit lets the user's editor have a text, as a file of a name; the dialog on top is
	// then told Edited.
	Edit struct{ Text, Name string }
	// EditFiles lets the user's editor have files, and says Done when it has ended well.
	EditFiles struct {
		Files []string
		Done  string
	}
	// Pager lets the user's pager show a text.
	Pager struct{ Text string }
	// Browse opens a link in the user's browser, or copies it where there is none: What
	// is "the console".
	Browse struct{ URL, What string }
	// Note adds lines to what stays in the scrollback after the program has ended.
	Note struct{ Text string }
)

// Edited is the text after an Edit, or why it is as it was.
type Edited struct {
	Text string
	Err  error
}

// What the root tells all pages.
type (
	// Changed says that pipelines were changed by this session: read them again.
	Changed struct{ IDs []spec.ID }
	// Shown is told to a page when it comes (back) on top.
	Shown struct{}
	// Hidden is told to a page when another one is opened over it: it may rest until
	// it is Shown again.
	Hidden struct{}
	// Reload is ctrl+r: read everything again, now. Only the top page is told.
	Reload struct{}
	// Placed says that Env.Place is known now.
	Placed struct{}
)

// Failed is an error to be shown in a toast: ui.Send(ui.Failed(err)).
func Failed(err error) Toast { return Toast{Text: err.Error(), Bad: true} }

// Deaf says that ends of executions are not heard of any more.
func Deaf(err error) Toast {
	return Toast{Text: "ends of executions are not heard of, and are looked for instead: " + fault.Reason(err).Error(), Bad: true}
}

// Crash is a panic of a background goroutine; the root ends the program with it.
type Crash struct {
	Value any
	Stack []byte
}

// Error says what the panic said.
func (c Crash) Error() string { return fmt.Sprint(c.Value) }

// Guard runs f and turns a panic into a Crash, which the root takes to the log
// file after the terminal is itself again. Every goroutine of the terminal's own
// runs under it.
func Guard(f func() tea.Msg) (msg tea.Msg) {
	defer func() {
		if r := recover(); r != nil {
			msg = Crash{Value: r, Stack: debug.Stack()}
		}
	}()
	return f()
}
