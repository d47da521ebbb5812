// Package report writes what happened as one page for a browser: an execution with its
// graph, its timeline and its data, or the executions of a batch or a fleet with what they
// failed of. A page needs nothing beside itself, runs no script, and can be sent to people
// who have no access: what is in it came from elsewhere and is shown as text, whatever it is.
package report

import (
	"bytes"
	_ "embed"
	"html/template"
	"io"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// Made tells how a page came about.
type Made struct {
	At time.Time
	// By is the program with its version, Command the command line that makes it again.
	By, Command string
}

// Execution is what a page about one execution shows.
type Execution struct {
	// Pipeline is whose it is, "" if that is not known.
	Pipeline string
	Details  *executions.Details
	Timeline *executions.Timeline
	// Definition is what it ran, in the States Language; "" if AWS does not tell it.
	Definition string
	// Ran is what is known of the revision, a line.
	Ran     string
	MapRuns []MapRun
	// Missing are what could not be had, a line each.
	Missing []string
}

// MapRun is a Map Run and why children of it did not succeed.
type MapRun struct {
	executions.MapRun
	Failures []executions.Failure
}

// Fleet is what a page about many executions shows.
type Fleet struct {
	// Title says what was chosen: "batch monday of acme/iris", "acme/*".
	Title string
	// Chosen are further conditions, a line each.
	Chosen []string
	// Members are the executions.
	Members []Member
	Groups  []Group
	// Undescribed is how many of those that failed were not looked at, so that they are in
	// no group.
	Undescribed int
	// More says that there are more executions than were listed.
	More bool
	// Missing are what could not be had, a line each.
	Missing []string
}

// Member is one of many executions.
type Member struct {
	Pipeline string
	executions.Execution
	Error, Cause string
}

// Group is executions that failed alike.
type Group struct {
	Status         executions.Status
	Error, Message string
	Count          int
	First, Last    time.Time
	Pipelines      []string
	Versions       []string
	Example        string // ARN

	Look, Again, Data string // commands: to look at one, to run all again, to have their inputs
}

//go:embed page.html
var source string

// pages is parsed when the first page is written: no other command pays for it.
var pages = sync.OnceValues(func() (*template.Template, error) {
	return template.New("page").Parse(source)
})

// WriteExecution writes a page about one execution. It is bounded whatever the execution is:
// long texts, many states and large graphs are cut, and the page says so.
func WriteExecution(w io.Writer, made Made, x *Execution) error {
	return write(w, "execution", newExecutionView(made, x))
}

// WriteFleet writes a page about many executions, bounded like that about one.
func WriteFleet(w io.Writer, made Made, f *Fleet) error {
	return write(w, "fleet", newFleetView(made, f))
}

// write makes the page as a whole first: half of one is none.
func write(w io.Writer, name string, view any) error {
	all, err := pages()
	if err == nil {
		var b bytes.Buffer
		if err = all.ExecuteTemplate(&b, name, view); err == nil {
			_, err = w.Write(b.Bytes())
			return err
		}
	}
	return fault.New(fault.Internal, "the page cannot be made: %s", err).Because(err)
}

// head is what all pages begin and end with.
type head struct {
	Title       string
	Style       template.CSS
	MadeAt      stamp
	By, Command string
	Missing     []string
}

func newHead(made Made, title string, missing []string) head {
	h := head{Title: line(title, nameRoom), Style: style(), MadeAt: stampOf(made.At), By: line(made.By, nameRoom), Command: line(made.Command, textRoom)}
	if h.Title == "" { // a name of nothing but what is not shown
		h.Title = "Report"
	}
	for _, m := range missing {
		h.Missing = append(h.Missing, line(m, textRoom))
	}
	return h
}

// style is the page's colours as properties of CSS, by what the reader's system prefers.
func style() template.CSS {
	tokens := func(c theme.Web) string {
		return "--back:" + c.Back + ";--panel:" + c.Panel + ";--text:" + c.Text + ";--muted:" + c.Muted + ";--key:" + c.Key +
			";--good:" + c.Good + ";--bad:" + c.Bad + ";--warn:" + c.Warn + ";--busy:" + c.Busy +
			";--goodbar:" + c.GoodBar + ";--badbar:" + c.BadBar + ";--warnbar:" + c.WarnBar + ";--line:" + c.Line
	}
	return template.CSS(":root{color-scheme:light dark;" + tokens(theme.WebOn(false)) + "}" + // colours of our own
		"@media (prefers-color-scheme:dark){:root{" + tokens(theme.WebOn(true)) + "}}" +
		"@media print{:root{color-scheme:light;" + tokens(theme.WebOn(false)) + "}}")
}
