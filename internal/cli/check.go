package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// checkOptions are those of check.
type checkOptions struct {
	pipeline string
	only     []string
	timeout  time.Duration
}

func newCheck(deps *Deps, do action[checkOptions]) *cobra.Command {
	o := &checkOptions{}
	cmd := &cobra.Command{
		Use:   "check PIPELINE",
		Short: "ask a pipeline its checks",
		Long: `Asks a pipeline the checks of its spec: starts an execution with the input of each, waits
for its end, and holds the answer against the condition and the time it took against the
latency. A check looks like this in a spec:

  checks:
    setosa:
      input: {features: [5.1, 3.5, 1.4, 0.2]}
      condition: $answer.predictions[0] > 0.9
      latency: 2s

The condition is JSONata: $answer is the prediction, $output the output of the execution,
$input its input. It has to be true. A check needs a condition, a latency, or both. Checks in
defaults, of a tenant and of a template hold for all of their pipelines; NAME: null takes one away.

` + "`up`" + ` asks them too, and turns back what does not answer as it should.

A check whose answer stands nowhere, or takes more than an hour, has failed. After --timeout
nobody waits any more: executions that have not ended are stopped, and what was answered
is told all the same.

The exit code is 10 if a check failed, 6 if there is none to ask, 9 after --timeout.`,
		Example: `  pipelinetui check acme/fraud
  pipelinetui check acme/fraud --check setosa -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pipeline = args[0]
			return do(cmd.Context(), deps, o)
		},
	}
	cmd.Flags().StringSliceVar(&o.only, "check", nil, "only these checks, by name")
	durationFlag(cmd.Flags(), &o.timeout, "timeout", 0, "give up after this time and stop what was asked; 0 for never")
	cmd.ValidArgsFunction = deps.completes(onePipeline)
	deps.flag(cmd, "check", checkNames)
	return changes(cmd)
}

// checkNames offers the checks of the pipeline that is named.
func checkNames(ctx context.Context, p place) offer {
	x, err := glanced(ctx, p)
	if err != nil {
		return offer{}
	}
	list, err := p.deps.app().ChecksOf(ctx, x)
	if err != nil {
		return offer{}
	}
	var out offer
	for _, c := range list {
		out.words = append(out.words, cobra.CompletionWithDesc(c.Name, render.Line(c.Condition, 60)))
	}
	return out
}

// checksDoc is the document of check.
type checksDoc struct {
	console.Header
	Pipeline string            `json:"pipeline"`
	Passed   bool              `json:"passed"`
	Checks   []app.CheckResult `json:"checks"`
}

func runChecks(ctx context.Context, deps *Deps, o *checkOptions) error {
	id, err := spec.ParseID(o.pipeline)
	if err != nil {
		return err
	}
	x, err := deps.app().Find(ctx, id)
	if err != nil {
		return err
	}
	list, err := deps.app().ChecksOf(ctx, x)
	if err != nil {
		return err
	}
	if list, err = chosenChecks(list, o.only, id); err != nil {
		return err
	}
	lines, err := deps.Stream()
	if err != nil {
		return err
	}
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.timeout, errWatchTimeout)
		defer cancel()
	}
	got, err := deps.ask(id, func(told func(app.CheckResult)) ([]app.CheckResult, error) {
		return deps.app().Check(ctx, x, list, func(r app.CheckResult) {
			told(r)
			_ = lines.Emit(struct { // a reader that went away ends nothing
				Type string `json:"type"`
				app.CheckResult
			}{"check", r})
		})
	})
	if err != nil { // what there is of results is told all the same
		got = slices.DeleteFunc(got, func(r app.CheckResult) bool { return r.Check == "" })
		if errors.Is(context.Cause(ctx), errWatchTimeout) {
			err = fault.New(fault.Timeout, "%d of %s answered after %s", len(got), render.Count(len(list), "check", "checks"), o.timeout).Because(err).
				WithHint("What had not ended was stopped. `pipelinetui executions list %s --name check-` shows what was asked.", id)
		}
		if len(got) > 0 {
			doc := checksDoc{Header: console.NewHeader("Checks"), Pipeline: id.String(), Checks: got}
			if wrong := deps.Write(doc, func() string { return deps.checkTable(got) }); wrong != nil {
				return wrong
			}
		}
		return fault.Wrap(err, "check %s", id)
	}
	doc := checksDoc{Header: console.NewHeader("Checks"), Pipeline: id.String(), Passed: true, Checks: got}
	var failed []string
	for _, r := range got {
		if !r.Passed {
			doc.Passed, failed = false, append(failed, r.Check)
		}
	}
	if err := deps.Write(doc, func() string { return deps.checkTable(got) }); err != nil {
		return err
	}
	if len(failed) > 0 {
		return fault.New(fault.Execution, "%s of %s: %s", render.Count(len(failed), "check failed", "checks failed"), id, strings.Join(failed, ", ")).
			WithHint("`pipelinetui executions show %s NAME` shows the way of the answer. %s", id, deps.app().GoBack(ctx, id))
	}
	return nil
}

// ask asks a pipeline its checks, which takes as long as their executions, and says how far
// that is.
func (deps *Deps) ask(id spec.ID, do func(told func(app.CheckResult)) ([]app.CheckResult, error)) (got []app.CheckResult, err error) {
	var answered atomic.Int32
	err = deps.patiently(func() error {
		var err error
		got, err = do(func(app.CheckResult) { answered.Add(1) })
		return err
	}, func() string {
		return fmt.Sprintf("asking %s: %s answered", id, render.Count(int(answered.Load()), "check", "checks"))
	})
	return got, err
}

// chosenChecks are those of a pipeline that are asked for.
func chosenChecks(list spec.Checks, only []string, id spec.ID) (spec.Checks, error) {
	if len(list) == 0 {
		return nil, fault.New(fault.NotFound, "%s has no checks", id).
			WithHint("Add `checks:` to its spec, and bring it up: `pipelinetui check --help` shows how they look.")
	}
	if len(only) == 0 {
		return list, nil
	}
	var out spec.Checks
	for _, name := range only {
		i := slices.IndexFunc(list, func(c spec.Check) bool { return c.Name == name })
		if i < 0 {
			names := make([]string, len(list))
			for j, c := range list {
				names[j] = c.Name
			}
			return nil, fault.New(fault.NotFound, "%s has no check %q", id, name).WithHint("There are %s.", strings.Join(names, ", "))
		}
		if !slices.ContainsFunc(out, func(c spec.Check) bool { return c.Name == name }) {
			out = append(out, list[i])
		}
	}
	return out, nil
}

// checkTable shows results, and below them what is wrong with those that failed.
func (deps *Deps) checkTable(list []app.CheckResult) string {
	st := deps.OutStyle
	rows := make([][]render.Cell, 0, len(list))
	var below strings.Builder
	for _, r := range list {
		state := render.S("passed", st.Good)
		if !r.Passed {
			state = render.S("failed", st.Bad)
			fmt.Fprintf(&below, "%s\n", st.Bad.Render(render.Line(r.String(), 0)))
		}
		took := fmt.Sprintf("%.2fs", r.Seconds)
		if r.LatencySeconds > 0 {
			took += fmt.Sprintf(" of %gs", r.LatencySeconds)
		}
		rows = append(rows, []render.Cell{
			render.T(r.Check), state, render.T(took), render.T(render.Dash(render.Line(string(r.Answer), valueWidth))), render.T(render.Dash(render.Line(r.Condition, valueWidth))),
		})
	}
	return render.Table(st, []string{"CHECK", "STATE", "TOOK", "ANSWER", "CONDITION"}, rows) + below.String()
}
