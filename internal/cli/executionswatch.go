package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/results"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// executionsWatchOptions are those of executions watch.
type executionsWatchOptions struct {
	executionOptions
	batch   string
	timeout time.Duration
}

func newExecutionsWatch(deps *Deps, do action[executionsWatchOptions]) *cobra.Command {
	o := &executionsWatchOptions{}
	cmd := &cobra.Command{
		Use:   "watch " + executionArgs,
		Short: "follow an execution, state by state, or a batch to its end",
		Long: `Follows an execution to its end; exits with 10 unless it succeeded. With --batch, and a
pipeline alone, it follows the executions of a batch, as "run --inputs --wait" does.

A pipeline with "events: push" tells of ends by itself: they are seen within two seconds, and
looked for seldom.` + executionHelp,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return do(cmd.Context(), deps, o)
		},
	}
	durationFlag(cmd.Flags(), &o.timeout, "timeout", 0, "give up watching after this time; 0 for never")
	cmd.Flags().StringVar(&o.batch, "batch", "", "follow all executions of this batch of the pipeline")
	deps.flag(cmd, "batch", batches)
	cmd.ValidArgsFunction = deps.completes(anExecution)
	return reads(cmd)
}

func runExecutionsWatch(ctx context.Context, deps *Deps, o *executionsWatchOptions) error {
	if o.batch != "" {
		return watchBatch(ctx, deps, o)
	}
	m, arn, err := findRun(ctx, deps, o.args)
	if err != nil {
		return err
	}
	// What was started elsewhere may be missing; do not wait for it.
	if _, err := m.Client.Describe(ctx, arn); err != nil {
		return err
	}
	return watchExecution(ctx, deps, watchOptions{machine: m, arn: arn, events: true, timeout: o.timeout, exit: true})
}

// watchBatch follows the executions that there are of a batch.
func watchBatch(ctx context.Context, deps *Deps, o *executionsWatchOptions) error {
	if len(o.args) > 1 {
		return wrongFlag("batch", o.batch, "it means nothing with an execution").WithHint("Name the pipeline alone: pipelinetui executions watch %s --batch %s", o.args[0], o.batch)
	}
	if err := aboutFlag("batch", o.batch, executions.ValidateBatch(o.batch)); err != nil {
		return err
	}
	id, err := spec.ParseID(o.args[0])
	if err != nil {
		return err
	}
	m, err := deps.app().Machine(ctx, id)
	if err != nil {
		return err
	}
	list, err := m.Client.List(ctx, executions.ListInput{Machine: m.ARN, Batch: o.batch})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return noBatch(id, o.batch)
	}
	of := &runOptions{batch: o.batch, timeout: o.timeout}
	ctx, stop := of.bounded(ctx)
	defer stop()
	doc := batchDoc{console.NewHeader("Batch"), newBatchRun(id, o.batch)}
	doc.Existed = len(list)
	for i := range list {
		doc.Executions = append(doc.Executions, batchItem{Index: executions.BatchNumber(list[i].Name), Name: list[i].Name, ARN: list[i].ARN})
	}
	slices.SortFunc(doc.Executions, func(a, b batchItem) int { return a.Index - b.Index })
	return endBatch(ctx, deps, of, m, &doc)
}

type watchOptions struct {
	// machine is that of the execution; without its pipeline it has a client only.
	machine *app.Machine
	arn     string
	events  bool // show each state as it comes
	timeout time.Duration
	exit    bool // an end other than SUCCEEDED is an error
}

// watchTo follows an execution to its end and writes its outcome. Interrupting
// it stops the watching, not the execution.
func watchExecution(ctx context.Context, deps *Deps, o watchOptions) error {
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.timeout, errWatchTimeout)
		defer cancel()
	}
	l, err := deps.Stream()
	if err != nil {
		return err
	}
	w := o.machine.Client.Watch(ctx, o.arn, func(ctx context.Context) executions.Feed { return deps.app().Listen(ctx, o.machine.Pipeline) })
	defer w.Cancel()
	printer := &mapRunPrinter{began: deps.now(), ended: map[string]bool{}}
	t, runs, err := followExecution(ctx, deps, o, w, l, printer)
	if err != nil {
		return err
	}
	outcome, err := w.Wait()
	if err != nil {
		return watchEnded(ctx, o, err)
	}
	doc := newExecutionDoc(o.machine.ID, outcome, t)
	doc.MapRuns = mapRunDocs(ctx, deps, o.machine.Client, runs)
	doc.ItemErrors = itemErrors(ctx, deps, o.machine.ID, outcome, doc.MapRuns)
	doc.Prediction = predictionOf(ctx, deps, o.machine.ID, outcome)
	// The execution's own end is often seen before the next look at its Map Runs.
	for i := range doc.MapRuns {
		r := doc.MapRuns[i].MapRun
		if err := tellMapRun(deps, l, printer, executions.MapRunProgress{MapRun: r}, t.Start); err != nil {
			return err
		}
	}
	err = deps.Write(doc, func() string { return outcomeText(deps, outcome, &doc) })
	if err != nil || !o.exit {
		return err
	}
	return verdictOf(outcome)
}

// followExecution shows an execution's events and the progress of its Map Runs until the
// events end. It returns what the events told, and the ARNs of the Map Runs.
func followExecution(ctx context.Context, deps *Deps, o watchOptions, w *executions.Watch, l *console.Stream, printer *mapRunPrinter) (*executions.Timeline, []string, error) {
	ctx, cancel := context.WithCancel(ctx)
	runs := newMapRuns(ctx, o.machine.Client)
	defer func() { cancel(); runs.relays.Wait() }()
	t := &executions.Timeline{}
	for events := w.Events(); ; {
		select {
		case ev, more := <-events:
			if !more {
				return t, runs.arns, nil
			}
			t.Apply(ev)
			if err := tellEvent(deps, l, o, ev, t.Start); err != nil {
				return nil, nil, err
			}
			runs.follow(ev)
		case err := <-w.Lost():
			noteLost(deps, err)
		case p := <-runs.updates:
			if err := tellMapRun(deps, l, printer, p, t.Start); err != nil {
				return nil, nil, err
			}
		}
	}
}

func tellEvent(deps *Deps, l *console.Stream, o watchOptions, ev executions.Event, start time.Time) error {
	if l != nil {
		return l.Emit(struct {
			Type  string           `json:"type"`
			Event executions.Event `json:"event"`
		}{"event", ev})
	}
	if line := render.EventLine(deps.ErrStyle, ev, start); o.events && line != "" {
		fmt.Fprintln(deps.Err, line)
	}
	return nil
}

var errWatchTimeout = errors.New("the time to wait is over")

func watchEnded(ctx context.Context, o watchOptions, err error) error {
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
	why, cut := strings.TrimSpace(out.Error+"\n"+executions.MessageOf(out.Cause)), "the input of each state"
	if text := []rune(why); len(text) > mostCause {
		why, cut = string(text[:mostCause])+"…", "all of it and "+cut
	}
	f := fault.New(fault.Execution, "execution %s %s%s: %s", out.Name, out.Status, where, why)
	return f.WithHint("Run `pipelinetui executions show %s` for %s.", out.ARN, cut)
}

// mostCause is how much of why an execution failed its error tells, in characters: AWS keeps
// 32,768 of it.
const mostCause = 1000

func outcomeText(deps *Deps, out executions.Outcome, doc *executionDoc) string {
	st := deps.OutStyle
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %s\n", st.Title.Render(render.Line(out.Name, 0)),
		render.StatusStyle(st, out.Status).Render(string(out.Status)), st.Muted.Render(render.Duration(out.Stop.Sub(out.Start))))
	for i := range doc.MapRuns {
		b.WriteString(render.MapRun(st, &doc.MapRuns[i].MapRun, doc.MapRuns[i].Failures, deps.now()))
	}
	b.WriteString(itemErrorsText(deps, doc.ItemErrors, doc.Pipeline, out.Name))
	if out.Output != "" {
		fmt.Fprintln(&b, render.JSON(out.Output, ""))
	}
	if doc.Prediction != nil {
		fmt.Fprintf(&b, "%s\n%s\n", st.Key.Render("Prediction"), render.JSON(string(doc.Prediction), ""))
	}
	if results.Locate(out.Output).Manifest != nil && doc.Pipeline != "" {
		fmt.Fprintln(&b, st.Muted.Render(fmt.Sprintf("the predictions: pipelinetui results show %s %s", doc.Pipeline, render.Line(out.Name, 0))))
	}
	return b.String()
}

// predictionOf reads the prediction that an execution has stored. That it can't be had is
// told and it is left out: its address is in the output.
func predictionOf(ctx context.Context, deps *Deps, id spec.ID, out executions.Outcome) json.RawMessage {
	if id.Tenant == "" || out.Status != executions.Succeeded || results.Locate(out.Output).Object == nil {
		return nil
	}
	f, err := openResults(ctx, deps, id.String())
	var r *app.Result
	if err == nil {
		r, err = f.store.Of(ctx, &executions.Details{Execution: executions.Execution{Name: out.Name, Status: out.Status}, Output: out.Output})
	}
	if err != nil {
		deps.Note("the prediction can't be shown: %s", render.Line(err.Error(), 0))
		return nil
	}
	if r.Item.Prediction == nil {
		deps.Note("the prediction has %s: results get --link tells where", render.Bytes(r.Item.Size))
	}
	return r.Item.Prediction
}
