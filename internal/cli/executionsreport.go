package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/render"
	htmlpage "github.com/pipelinetui/pipelinetui/internal/report"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/version"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// executionsReportOptions are those of executions report.
type executionsReportOptions struct {
	executionOptions
	fleet   manyOptions
	reasons int
	out     string
	force   bool
}

func newExecutionsReport(deps *Deps, do action[executionsReportOptions]) *cobra.Command {
	o := &executionsReportOptions{}
	cmd := &cobra.Command{
		Use:   "report " + executionArgs,
		Short: "write what happened as one page for a browser: an execution, a batch, or a fleet",
		Long: `Writes one HTML file that needs nothing beside itself and runs no script, to be looked at,
printed or sent to who has no access. Of an execution it has the graph with the way taken,
the timeline, failures by cause, Map Runs, inputs and outputs. Of a batch (--batch), or of
several executions (--all, or a pattern in place of the pipeline, with --since, --name,
--failed, --error and --input; a pipeline alone is its last 7 days), it has how many ended how, by pipeline and over time, and the
failures grouped by error and cause. What is too large is cut, and the page says so.` + executionHelp,
		Example: `  pipelinetui executions report acme/fraud @latest --out order-17.html
  pipelinetui executions report acme/fraud --batch monday --out monday.html
  pipelinetui executions report 'acme/*' --since 7d --out week.html`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return do(cmd.Context(), deps, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.out, "out", "", "file to write, or - for standard output")
	f.BoolVar(&o.force, "force", false, "overwrite the file")
	countFlag(f, &o.reasons, "reasons", 1000, 0, noLimit, "of how many that failed the error is asked for; 0 for all")
	o.fleet.flags(cmd)
	o.fleet.errors(cmd)
	o.fleet.when(deps, cmd)
	files(cmd, "out", "html")
	cmd.ValidArgsFunction = deps.completes(anExecution)
	return reads(cmd)
}

func runExecutionsReport(ctx context.Context, deps *Deps, o *executionsReportOptions) error {
	if o.out == "" {
		return wrongFlag("out", nil, "executions report was not told where to write").WithHint("Add --out FILE.html, or --out - for standard output.")
	}
	if o.out == "-" && deps.Machine() {
		return wrongFlag("out", o.out, "the page and a document cannot both go to standard output").WithHint("Add --out FILE.html.")
	}
	if o.out != "-" {
		if err := notThere(ctx, "out", o.out, o.force); err != nil {
			return err
		}
	}
	made := htmlpage.Made{At: deps.now(), By: "pipelinetui " + version.Version, Command: reportCommand(o)}
	var page bytes.Buffer
	var err error
	f := &fleet.Found{List: make([]*fleet.Execution, 1)}
	if o.usual() {
		deps.Note("of %s those that began in the last 7 days: --since chooses others", o.args[0])
	}
	if o.fleet.several(o.args) {
		f, err = reportFleet(ctx, deps, o, made, &page)
	} else {
		err = reportOne(ctx, deps, o, made, &page)
	}
	if err != nil {
		return err
	}
	if o.out == "-" {
		if err := deps.WriteText(page.Bytes()); err != nil {
			return err
		}
		return f.Unasked()
	}
	// Inputs and outputs are the users' data: the file is for its owner alone.
	if err := wholefile.WriteFile(o.out, page.Bytes(), 0o600); err != nil {
		return aboutFlag("out", o.out, outside.WriteFault("the page", o.out, err))
	}
	deps.Note("%s: %s, %s", render.Line(o.out, 0), render.Bytes(int64(page.Len())), render.Count(len(f.List), "execution", "executions"))
	err = deps.Write(struct {
		console.Header
		File       string `json:"file"`
		Bytes      int    `json:"bytes"`
		Executions int    `json:"executions"`
	}{console.NewHeader("ReportMade"), o.out, page.Len(), len(f.List)}, nil)
	if err != nil {
		return err
	}
	return f.Unasked() // the page is there, and says what is missing
}

// usualSince is what a report of a pipeline goes back where nothing says how far.
const usualSince = "7d"

// usual takes the executions of the last days where a pipeline is named and nothing else, and
// tells whether it did: one of them cannot be meant, and all may be many.
func (o *executionsReportOptions) usual() bool {
	if len(o.args) != 1 || o.fleet.several(o.args) {
		return false
	}
	if _, err := spec.ParseID(o.args[0]); err != nil {
		return false
	}
	o.fleet.since = usualSince
	return true
}

// reportCommand is the command line that makes a page again.
func reportCommand(o *executionsReportOptions) string {
	words := []string{"pipelinetui", "executions", "report"}
	if o.fleet.all {
		words = append(words, "--all")
	}
	words = append(words, o.args...)
	for _, f := range [][2]string{{"--batch", o.fleet.batch}, {"--since", o.fleet.since}, {"--name", o.fleet.name}, {"--error", o.fleet.error}, {"--input", o.fleet.filter}} {
		if f[1] != "" {
			words = append(words, f[0], f[1])
		}
	}
	if o.fleet.failed {
		words = append(words, "--failed")
	}
	return commandLine(append(words, "--out", o.out)...)
}

// commandLine writes words as a POSIX shell reads them.
func commandLine(words ...string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+:,./=-"
	out := make([]string, len(words))
	for i, w := range words {
		if w == "" || strings.Trim(w, plain) != "" {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		out[i] = w
	}
	return strings.Join(out, " ")
}

// keptOfState bounds the inputs and outputs of states that are held for a page, in bytes; it
// shows less of them.
const (
	keptOfState  = 64 << 10
	keptOfStates = 32 << 20
)

func reportOne(ctx context.Context, deps *Deps, o *executionsReportOptions, made htmlpage.Made, w io.Writer) error {
	if n := len(o.args); n < 1 || n > 2 {
		return &usageError{err: fmt.Errorf("accepts between 1 and 2 arg(s), received %d", n), command: "pipelinetui executions report"}
	}
	c, id, arn, err := findExecution(ctx, deps, o.args)
	if err != nil {
		return err
	}
	x := &htmlpage.Execution{Timeline: &executions.Timeline{}}
	if id.Tenant != "" {
		x.Pipeline = id.String()
	}
	if x.Details, err = c.Describe(ctx, arn); err != nil {
		return err
	}
	left, say, n := keptOfStates, deps.nowAndThen(), 0
	keep := func(text string) (kept string, was int) {
		if kept = text[:min(len(text), keptOfState, left)]; len(kept) < len(text) {
			was = len(text)
		}
		left -= len(kept)
		return strings.Clone(kept), was // the rest of the event is not held
	}
	var runs []string
	err = c.EachEvent(ctx, arn, true, func(e executions.Event) error {
		e.Input, e.InputBytes = keep(e.Input)
		e.Output, e.OutputBytes = keep(e.Output)
		x.Timeline.Apply(e)
		if e.MapRun != "" && !slices.Contains(runs, e.MapRun) {
			runs = append(runs, e.MapRun)
		}
		n++
		say(func() string { return render.Number(int64(n)) + " events read" })
		return nil
	})
	if err != nil {
		return err
	}
	if x.Definition = string(definitionOf(ctx, deps, c, arn)); x.Definition == "" {
		x.Missing = append(x.Missing, "the definition, and with it the graph")
	}
	for _, d := range mapRunDocs(ctx, deps, c, runs) {
		x.MapRuns = append(x.MapRuns, htmlpage.MapRun{MapRun: d.MapRun, Failures: d.Failures})
	}
	if n := len(runs) - len(x.MapRuns); n > 0 {
		x.Missing = append(x.Missing, render.Count(n, "Map Run", "Map Runs"))
	}
	x.Ran = strings.TrimSpace(ranText(deps.OutStyle, ranOn(ctx, deps, id, x.Details)))
	return htmlpage.WriteExecution(w, made, x)
}

func reportFleet(ctx context.Context, deps *Deps, o *executionsReportOptions, made htmlpage.Made, w io.Writer) (*fleet.Found, error) {
	if err := o.fleet.check(o.args, "executions report"); err != nil {
		return nil, err
	}
	f, err := o.fleet.gather(ctx, deps, false)
	if err != nil {
		return nil, err
	}
	if o.fleet.batch != "" && len(f.List) == 0 && len(f.Notices) == 0 {
		return nil, fault.New(fault.NotFound, "there is no execution of a batch %s", o.fleet.batch).
			WithHint("Run `pipelinetui batches list PIPELINE` to see those that were started here.")
	}
	page := &htmlpage.Fleet{Title: o.title(), Chosen: o.chosen(deps)}
	var bad []*fleet.Execution
	for _, x := range f.List {
		if x.Status != executions.Succeeded && x.Status.Terminal() {
			bad = append(bad, x)
		}
	}
	if o.reasons > 0 && len(bad) > o.reasons {
		page.Undescribed = len(bad) - o.reasons
		bad = bad[:o.reasons]
	}
	if o.fleet.error == "" && o.fleet.filter == "" { // else all were described when they were chosen
		if err := f.Describe(ctx, bad, deps.nowAndThen()); err != nil {
			return nil, err
		}
	}
	for _, n := range noticeDocs(deps, f) {
		page.Missing = append(page.Missing, n.Pipeline+": "+n.Error.Message)
	}
	for _, g := range fleet.Groups(bad) {
		page.Groups = append(page.Groups, o.groupOf(&g, bad))
	}
	for _, x := range f.List {
		page.Members = append(page.Members, htmlpage.Member{Pipeline: x.Pipeline, Execution: x.Execution, Error: x.Error, Cause: x.Cause})
	}
	warn(deps, f)
	return f, htmlpage.WriteFleet(w, made, page)
}

// title says in short what a page is about.
func (o *executionsReportOptions) title() string {
	what := strings.Join(o.args, ", ")
	if o.fleet.all {
		what = "all pipelines"
	}
	if o.fleet.batch != "" {
		return "Batch " + o.fleet.batch + " of " + what
	}
	return "Executions of " + what
}

// chosen are the conditions on executions, in words.
func (o *executionsReportOptions) chosen(deps *Deps) []string {
	var out []string
	if since, err := executions.ParseSince(o.fleet.since, deps.now()); err == nil && !since.IsZero() {
		out = append(out, "begun since "+since.UTC().Format("2006-01-02 15:04:05")+" UTC")
	}
	for _, c := range [][2]string{{"named ", o.fleet.name}, {"with the error ", o.fleet.error}, {"whose input satisfies ", o.fleet.filter}} {
		if c[1] != "" {
			out = append(out, c[0]+c[1])
		}
	}
	if o.fleet.failed {
		out = append(out, "that failed or timed out")
	}
	return out
}

// groupOf is a group with the commands that go on from it.
func (o *executionsReportOptions) groupOf(g *fleet.Group, of []*fleet.Execution) htmlpage.Group {
	out := htmlpage.Group{
		Status: g.Status, Error: g.Error, Message: g.Message, Count: g.Count, First: g.First, Last: g.Last, Pipelines: g.Pipelines, Versions: g.Versions, Example: g.Example,
	}
	if i := slices.IndexFunc(of, func(x *fleet.Execution) bool { return x.ARN == g.Example }); i >= 0 {
		out.Look = commandLine("pipelinetui", "executions", "show", of[i].Pipeline, of[i].Name)
	}
	selection := slices.Clone(o.args)
	if o.fleet.all {
		selection = []string{"--all"}
	}
	for _, f := range [][2]string{{"--name", o.fleet.name}, {"--batch", o.fleet.batch}, {"--since", o.fleet.since}, {"--input", o.fleet.filter}} {
		if f[1] != "" {
			selection = append(selection, f[0], f[1])
		}
	}
	// Else the commands would take what was aborted with the same error, which the page has not.
	if o.fleet.failed {
		selection = append(selection, "--failed")
	}
	// What was chosen by a part of its cause cannot be told by its error: a command would take more.
	named, _ := path.Match(o.fleet.error, g.Error)
	if only, ok := exactly(g, of); ok && g.Error != "" && (o.fleet.error == "" || named) {
		exact := []string{"--error", only}
		out.Data = commandLine(slices.Concat([]string{"pipelinetui", "executions", "export"}, selection, exact, []string{"--inputs", "--out", "inputs"})...)
		out.Again = commandLine(slices.Concat([]string{"pipelinetui", "executions", "redrive"}, selection, exact)...)
	}
	return out
}

// exactly is what --error is for a group and none of the others: the name of its error, or with
// it what its cause says, where others have that error too.
func exactly(g *fleet.Group, of []*fleet.Execution) (only string, ok bool) {
	count := func(is func(*fleet.Execution) bool) (n int) {
		for _, x := range of {
			if is(x) {
				n++
			}
		}
		return n
	}
	if count(func(x *fleet.Execution) bool { return x.Error == g.Error }) == g.Count {
		return fleet.ErrorPattern(g.Error), true // it is a pattern
	}
	only = g.Error + ": " + g.Message
	return only, !strings.ContainsAny(only, `\*?[`) && count(func(x *fleet.Execution) bool { return strings.Contains(x.Error+": "+x.Cause, only) }) == g.Count
}
