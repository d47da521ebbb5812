package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

type runOptions struct {
	pipeline  string
	input     string
	inputFile string
	inputs    string
	batch     string
	name      string
	wait      bool
	watch     bool
	detach    bool
	timeout   time.Duration
}

func newRun(e *env) *cobra.Command {
	o := &runOptions{}
	cmd := &cobra.Command{
		Use:   "run PIPELINE",
		Short: "start an execution, or many",
		Long: `Starts an execution of a pipeline. Without --wait or --watch it returns as soon as
the execution has started.

With --input-file the file (or the folder, if the template reads many files) is
uploaded to the pipeline's bucket and one execution works through it, as pipelines of
the template batch do. While it is waited for, the progress of its Map Run is shown.

With --inputs every line of a JSONL file (or row of a CSV file) becomes one
execution; a batch that was cut off goes on where it stopped when it is run again
with the same --batch name.`,
		Example: `  pipelinetui run acme/fraud --input '{"amount": 12}' --wait
  pipelinetui run acme/fraud --input @order.json --watch
  pipelinetui run acme/fraud --inputs orders.jsonl --batch monday --wait
  pipelinetui run acme/churn --input-file customers.jsonl --wait`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pipeline = args[0]
			return e.run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.input, "input", "i", "", "the input: JSON, @FILE, or - for standard input")
	f.StringVar(&o.inputFile, "input-file", "", "a data set that one execution works through")
	f.StringVar(&o.inputs, "inputs", "", "many inputs: a .jsonl, .csv or .tsv file, or - for standard input")
	f.StringVar(&o.batch, "batch", "", "name of the batch that --inputs starts")
	f.StringVar(&o.name, "name", "", "name of the execution; the same name and input start it once")
	f.BoolVar(&o.wait, "wait", false, "wait for the end; exit with 10 unless it succeeded")
	f.BoolVar(&o.watch, "watch", false, "like --wait, and show each state")
	f.BoolVar(&o.detach, "detach", false, "return as soon as it has started (the default)")
	durationFlag(f, &o.timeout, "timeout", 0, "give up waiting after this time, 0 for never; the execution goes on")
	cmd.MarkFlagsMutuallyExclusive("wait", "detach")
	cmd.MarkFlagsMutuallyExclusive("watch", "detach")
	cmd.MarkFlagsMutuallyExclusive("input", "input-file", "inputs")
	cmd.MarkFlagsMutuallyExclusive("name", "inputs")
	return changes(cmd)
}

func (e *env) run(ctx context.Context, o *runOptions) error {
	id, err := spec.ParseID(o.pipeline)
	if err != nil {
		return err
	}
	if o.input == "" && o.inputFile == "" && o.inputs == "" {
		return fault.New(fault.Invalid, "run needs an input").
			WithHint("Give it with --input JSON, --input @FILE, --input -, --input-file FILE or --inputs FILE. `pipelinetui show %s` has an example.", id)
	}
	if o.timeout != 0 && !o.wait && !o.watch {
		return fault.New(fault.Invalid, "--timeout means nothing without --wait or --watch").WithHint("Add --wait.")
	}
	if o.inputs != "" {
		return e.runBatch(ctx, o, id)
	}
	var input []byte
	if o.inputFile == "" {
		if input, err = e.readInput(ctx, o.input); err != nil {
			return err
		}
		if err := executions.ValidateInput(input); err != nil {
			return err
		}
	}
	ctx, cancel := e.interruptible(ctx)
	defer cancel()
	m, err := e.open().Machine(ctx, id)
	if err != nil {
		return err
	}
	if o.inputFile != "" {
		if input, err = e.uploadInput(ctx, o, m); err != nil {
			return err
		}
	}
	started, err := m.Client.Start(ctx, executions.StartInput{Machine: m.Alias, Name: o.name, Input: input})
	if err != nil {
		return fault.Wrap(err, "run %s", id)
	}
	if !o.wait && !o.watch {
		doc := struct {
			header
			Pipeline string `json:"pipeline"`
			executions.Started
		}{newHeader("Started"), id.String(), started}
		return e.write(doc, func() string {
			return fmt.Sprintf("%s\n", started.Name)
		})
	}
	return e.watchTo(ctx, watchOptions{id: id, arn: started.ARN, client: m.Client, events: o.watch, timeout: o.timeout, exit: true})
}

// readInput takes JSON as it is, @FILE, or - for standard input.
func (e *env) readInput(ctx context.Context, arg string) ([]byte, error) {
	var raw []byte
	var err error
	name := standardInput
	switch {
	case arg == "-":
		raw, err = outside.ReadAll(ctx, name, e.stdin(), executions.MaxInput)
	case strings.HasPrefix(arg, "@"):
		name = arg[1:]
		raw, err = outside.ReadFile(ctx, "the input file", name, executions.MaxInput)
	default:
		return []byte(arg), nil
	}
	if err != nil {
		return nil, err
	}
	return outside.Text(name, raw)
}

// standardInput is what it is called in messages.
const standardInput = "standard input"

type watchOptions struct {
	id      spec.ID
	arn     string
	client  *executions.Client
	events  bool // show each state as it comes
	timeout time.Duration
	exit    bool // an end other than SUCCEEDED is an error
}

// watchTo follows an execution to its end and writes its outcome. Interrupting
// it stops the watching, not the execution.
func (e *env) watchTo(ctx context.Context, o watchOptions) error {
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.timeout, errWatchTimeout)
		defer cancel()
	}
	l, err := e.newLines()
	if err != nil {
		return err
	}
	w := o.client.Watch(ctx, o.arn)
	defer w.Cancel()
	printer := &mapRunPrinter{began: e.now(), ended: map[string]bool{}}
	t, runs, err := e.followExecution(ctx, o, w, l, printer)
	if err != nil {
		return err
	}
	outcome, err := w.Wait()
	if err != nil {
		return e.watchEnded(ctx, o, err)
	}
	doc := newExecutionDoc(o.id, outcome, t)
	doc.MapRuns = e.mapRunDocs(ctx, o.client, runs)
	doc.ItemErrors = e.itemErrors(ctx, o.id, outcome, doc.MapRuns)
	// The execution's own end is often seen before the next look at its Map Runs.
	for i := range doc.MapRuns {
		r := doc.MapRuns[i].MapRun
		if err := e.tellMapRun(l, printer, executions.MapRunProgress{MapRun: r}, t.Start); err != nil {
			return err
		}
	}
	err = e.write(doc, func() string { return e.outcomeText(outcome, &doc) })
	if err != nil || !o.exit {
		return err
	}
	return verdictOf(outcome)
}

// followExecution shows an execution's events and the progress of its Map Runs until the
// events end. It returns what the events told, and the ARNs of the Map Runs.
func (e *env) followExecution(ctx context.Context, o watchOptions, w *executions.Watch, l *lines, printer *mapRunPrinter) (*executions.Timeline, []string, error) {
	ctx, cancel := context.WithCancel(ctx)
	runs := newMapRuns(ctx, o.client)
	defer func() { cancel(); runs.relays.Wait() }()
	t := &executions.Timeline{}
	for events := w.Events(); ; {
		select {
		case ev, more := <-events:
			if !more {
				return t, runs.arns, nil
			}
			t.Apply(ev)
			if err := e.tellEvent(l, o, ev, t.Start); err != nil {
				return nil, nil, err
			}
			runs.follow(ev)
		case p := <-runs.updates:
			if err := e.tellMapRun(l, printer, p, t.Start); err != nil {
				return nil, nil, err
			}
		}
	}
}

func (e *env) tellEvent(l *lines, o watchOptions, ev executions.Event, start time.Time) error {
	if l != nil {
		return l.emit(struct {
			Type  string           `json:"type"`
			Event executions.Event `json:"event"`
		}{"event", ev})
	}
	if line := render.EventLine(e.ErrStyle, ev, start); o.events && line != "" {
		fmt.Fprintln(e.Err, line)
	}
	return nil
}

var errWatchTimeout = errors.New("the time to wait is over")

func (e *env) watchEnded(ctx context.Context, o watchOptions, err error) error {
	again := fmt.Sprintf("The execution goes on; look again with `pipelinetui executions watch %s`.", o.arn)
	switch {
	case errors.Is(context.Cause(ctx), errWatchTimeout):
		return fault.New(fault.Timeout, "not ended after %s", o.timeout).Because(err).WithHint("%s", again)
	case ctx.Err() != nil:
		return fault.New(fault.Canceled, "stopped watching").Because(err).WithHint("%s", again)
	}
	return err
}

func verdictOf(out executions.Outcome) error {
	if out.Status == executions.Succeeded {
		return nil
	}
	where := ""
	if out.FailedState != "" {
		where = " in state " + out.FailedState
	}
	f := fault.New(fault.Execution, "execution %s %s%s: %s", out.Name, out.Status, where, strings.TrimSpace(out.Error+"\n"+executions.MessageOf(out.Cause)))
	return f.WithHint("Run `pipelinetui executions show %s` for the input of each state.", out.ARN)
}

func (e *env) outcomeText(out executions.Outcome, doc *executionDoc) string {
	st := e.OutStyle
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %s\n", st.Title.Render(render.Line(out.Name, 0)),
		render.StatusStyle(st, out.Status).Render(string(out.Status)), st.Muted.Render(render.Duration(out.Stop.Sub(out.Start))))
	for i := range doc.MapRuns {
		b.WriteString(render.MapRun(st, &doc.MapRuns[i].MapRun, doc.MapRuns[i].Failures, e.now()))
	}
	b.WriteString(e.itemErrorsText(doc.ItemErrors, doc.Pipeline, out.Name))
	if out.Output != "" {
		fmt.Fprintln(&b, render.JSON(out.Output, ""))
	}
	return b.String()
}

// executionDoc is an execution in machine output.
type executionDoc struct {
	header
	Pipeline    string            `json:"pipeline,omitempty"`
	ARN         string            `json:"arn"`
	Name        string            `json:"name"`
	Status      executions.Status `json:"status"`
	StartDate   time.Time         `json:"startDate,omitzero"`
	StopDate    time.Time         `json:"stopDate,omitzero"`
	Input       json.RawMessage   `json:"input,omitempty"`
	Output      json.RawMessage   `json:"output,omitempty"`
	Error       string            `json:"error,omitempty"`
	Cause       string            `json:"cause,omitempty"`
	FailedState string            `json:"failedState,omitempty"`
	States      []stateDoc        `json:"states"`
	MapRuns     []mapRunDoc       `json:"mapRuns,omitempty"`
	ItemErrors  *itemErrorsDoc    `json:"itemErrors,omitempty"`
}

type stateDoc struct {
	State           string                 `json:"state"`
	Type            string                 `json:"type"`
	Status          executions.VisitStatus `json:"status"`
	Entered         time.Time              `json:"entered"`
	DurationSeconds float64                `json:"durationSeconds"`
	Attempts        int                    `json:"attempts,omitempty"`
	Error           string                 `json:"error,omitempty"`
	Cause           string                 `json:"cause,omitempty"`
}

func newExecutionDoc(id spec.ID, out executions.Outcome, t *executions.Timeline) executionDoc {
	d := executionDoc{
		header: newHeader("Execution"), ARN: out.ARN, Name: out.Name, Status: out.Status,
		StartDate: out.Start, StopDate: out.Stop, Input: rawJSON(t.Input), Output: rawJSON(out.Output),
		Error: out.Error, Cause: out.Cause, FailedState: out.FailedState, States: []stateDoc{},
	}
	if id.Tenant != "" {
		d.Pipeline = id.String()
	}
	for i := range t.Visits {
		v := &t.Visits[i]
		d.States = append(d.States, stateDoc{
			State: v.State, Type: v.Type, Status: v.Status, Entered: v.Entered,
			DurationSeconds: v.Duration(out.Stop).Seconds(), Attempts: len(v.Attempts), Error: v.Error, Cause: v.Cause,
		})
	}
	return d
}

// rawJSON embeds a JSON text; what is not JSON becomes a JSON string.
func rawJSON(text string) json.RawMessage {
	switch {
	case text == "":
		return nil
	case json.Valid([]byte(text)):
		return json.RawMessage(text)
	}
	raw, _ := json.Marshal(text)
	return raw
}

func (e *env) machineAndExecution(ctx context.Context, args []string) (*executions.Client, spec.ID, string, error) {
	if len(args) == 1 {
		c, err := e.open().ClientFor(ctx, args[0])
		return c, spec.ID{}, args[0], err
	}
	id, err := spec.ParseID(args[0])
	if err != nil {
		return nil, id, "", err
	}
	m, err := e.open().Machine(ctx, id)
	if err != nil {
		return nil, id, "", err
	}
	arn, err := m.Client.Resolve(ctx, m.ARN, args[1])
	return m.Client, id, arn, err
}
