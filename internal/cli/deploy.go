package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// deployOptions are those of up, preview, destroy and refresh.
type deployOptions struct {
	selection
	operation stack.Operation
	parallel  int
	failFast  bool
	refresh   bool
	details   bool
	expect    bool // --expect-no-changes
	keep      bool // destroy: keep the empty stack and its history
	clear     bool // refresh: forget creations that were cut off
	clearDead bool // remove locks whose owner is gone
	// runningHow is what is to become of executions that run, as it was typed.
	runningHow string
	// settle are the pipelines whose executions are to end before they are changed.
	settle map[spec.ID]pipelines.Running
	// expects is the state of each pipeline that the user saw and agreed to change.
	expects map[spec.ID]string
	// planned is what the preview found.
	planned map[spec.ID][]stack.Row
	message string
}

func (o *deployOptions) common(cmd *cobra.Command) {
	f := cmd.Flags()
	countFlag(f, &o.parallel, "parallel", 0, 1, noLimit, "pipelines to work on at the same time (default by memory and cores)")
	f.BoolVar(&o.failFast, "fail-fast", false, "begin no further pipeline after one has failed")
	f.StringVarP(&o.message, "message", "m", "", "message for the history")
}

// secretsHelp tells how to keep a value secret.
const secretsHelp = `Entries of maps (environment variables), and texts that only the definition of your
own template uses, may be secret: ` + "\n  " + spec.SecretForms + `
The first three are kept encrypted in the state, the others read at each deployment;
nothing shows them. In --set they are JSON, in quotes for the shell:
  --set 'modelEnvironment={"TOKEN": {"secret": {"env": "TOKEN"}}, "DB": {"ssm": "/prod/db"}}'`

func newUp(e *env) *cobra.Command {
	o := &deployOptions{operation: stack.OperationUp}
	cmd := &cobra.Command{
		Use:   "up [PIPELINE...] [-f SPEC]",
		Short: "create or update pipelines",
		Long: `Creates or updates pipelines: shows what will change, asks, and applies it.

Pipelines come from a spec file, or are named: an existing one is updated with
--set, a new one is made with --template.

` + secretsHelp,
		Example: `  pipelinetui up -f pipelines.yaml
  pipelinetui up acme/fraud --set instanceType=ml.m5.xlarge
  pipelinetui up acme/fraud --template realtime --set image=... --set modelDataUrl=s3://...
  pipelinetui up 'acme/*' --yes -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return e.runDeploy(cmd, o)
		},
	}
	o.flags(cmd, true)
	o.common(cmd)
	cmd.Flags().BoolVar(&o.refresh, "refresh", false, "read the real state of every resource first")
	o.runningFlag(cmd, "on what is replaced")
	e.yesFlag(cmd)
	return instead(changes(cmd), "preview")
}

func newPreview(e *env) *cobra.Command {
	o := &deployOptions{operation: stack.OperationPreview}
	cmd := &cobra.Command{
		Use:   "preview [PIPELINE...] [-f SPEC]",
		Short: "show what up would change, property by property",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return e.runDeploy(cmd, o)
		},
	}
	o.flags(cmd, true)
	o.common(cmd)
	cmd.Flags().BoolVar(&o.refresh, "refresh", false, "read the real state of every resource first")
	cmd.Flags().BoolVar(&o.expect, "expect-no-changes", false, "exit with 7 if there are any changes")
	cmd.Flags().BoolVar(&o.details, "details", false, "show the properties of new resources too")
	return reads(cmd)
}

func newDestroy(e *env) *cobra.Command {
	o := &deployOptions{operation: stack.OperationDestroy}
	cmd := &cobra.Command{
		Use:   "destroy [PIPELINE...] [-f SPEC]",
		Short: "delete pipelines and everything in them",
		Long: `Deletes pipelines: endpoints, functions, state machines, roles, and the bucket with
all inputs and results. Protected pipelines are refused; set protect: false first.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return e.runDeploy(cmd, o)
		},
	}
	o.flags(cmd, false)
	o.common(cmd)
	cmd.Flags().BoolVar(&o.refresh, "refresh", false, "read the real state of every resource first")
	o.runningFlag(cmd, "on what is deleted")
	cmd.Flags().BoolVar(&o.keep, "keep-stack", false, "keep the empty stack with its history")
	e.yesFlag(cmd)
	return changes(cmd)
}

func newRefresh(e *env) *cobra.Command {
	o := &deployOptions{operation: stack.OperationRefresh}
	cmd := &cobra.Command{
		Use:   "refresh [PIPELINE...] [-f SPEC]",
		Short: "read the real state and report drift",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return e.runDeploy(cmd, o)
		},
	}
	o.flags(cmd, false)
	o.common(cmd)
	cmd.Flags().BoolVar(&o.expect, "expect-no-changes", false, "exit with 7 if anything has drifted")
	cmd.Flags().BoolVar(&o.clear, "clear-pending-creates", false, "forget creations that were cut off")
	e.yesFlag(cmd)
	return instead(changes(cmd), "preview --refresh")
}

// runDeploy is the one path of the four operations: select, validate, ask,
// work, sum up.
func (e *env) runDeploy(cmd *cobra.Command, o *deployOptions) error {
	ctx := cmd.Context()
	if err := o.check(cmd); err != nil {
		return err
	}
	if err := o.checkRunning(); err != nil {
		return err
	}
	if o.operation != stack.OperationPreview {
		if err := e.mutating(string(o.operation)); err != nil {
			return err
		}
	}
	var pipelines []*spec.Pipeline
	var err error
	if o.operation == stack.OperationUp || o.operation == stack.OperationPreview {
		pipelines, err = o.toBuild(ctx, e)
	} else {
		pipelines, err = o.existing(ctx, e)
	}
	if err != nil {
		return err
	}
	return e.apply(ctx, cmd.Name(), o, pipelines)
}

// apply asks, works and sums up.
func (e *env) apply(ctx context.Context, command string, o *deployOptions, pipelines []*spec.Pipeline) error {
	changes := o.operation != stack.OperationPreview
	all := len(pipelines)
	pipelines, err := o.onlyFailed(ctx, e, pipelines)
	if err != nil {
		return err
	}
	target, err := e.open().Target(ctx)
	if err != nil {
		return err
	}
	e.showTarget(target, pipelines)
	for _, r := range o.damaged {
		e.note("%s is left out: %v", r.ID, r.Err)
	}
	if len(pipelines) == 0 {
		e.note("of %s none failed last time", render.Count(all, "pipeline", "pipelines"))
		return e.report(command, o, target, &view{e: e}, o.damaged)
	}
	if err := e.tellHeld(ctx, pipelines); err != nil {
		return err
	}
	o.clearDead = e.yes
	if changes && !e.yes {
		if err := e.askAboutLocks(ctx, o, pipelines); err != nil {
			return err
		}
		if err := e.confirm(ctx, o, pipelines); err != nil {
			return err
		}
	}
	if pipelines, err = e.beforehand(ctx, o, pipelines); err != nil {
		return err
	}
	return e.deploy(ctx, command, o, target, pipelines)
}

func (o *deployOptions) request(pipelines []*spec.Pipeline) app.Request {
	return app.Request{
		Operation: o.operation, Pipelines: pipelines, Parallel: o.parallel, FailFast: o.failFast,
		Refresh: o.refresh, Remove: !o.keep, Message: o.message, ClearPending: o.clear,
		ClearDeadLocks: o.clearDead, Expect: o.expects,
		Settle: o.settle,
	}
}

// showTarget names the place and the identity before anything happens there. The
// pipelines have regions, and roles, of their own.
func (e *env) showTarget(t *app.Target, pipelines []*spec.Pipeline) {
	place := t.Name
	if t.Endpoint != "" {
		place += " " + t.Endpoint
	}
	var regions, roles []string
	for _, p := range pipelines {
		if p.Region != "" && !slices.Contains(regions, p.Region) {
			regions = append(regions, p.Region)
		}
		if p.AssumeRole != "" && !slices.Contains(roles, p.AssumeRole) {
			roles = append(roles, p.AssumeRole)
		}
	}
	if len(regions) == 0 {
		regions = []string{t.Region}
	}
	identity := render.Line(t.Identity, 0)
	if len(roles) > 0 {
		identity += " as " + someOf(roles)
	}
	e.note("target %s · account %s · region %s · identity %s · backend %s", place, t.Account, someOf(regions), identity, e.open().Backend())
}

// someOf lists a few of many.
func someOf(list []string) string {
	const few = 4
	if len(list) <= few {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:few], ", "), len(list)-few)
}

// view folds the updates of an operation and shows them as they come.
type view struct {
	e        *env
	lines    *lines
	live     bool   // print a line per event
	board    *board // several pipelines on a terminal; nil elsewhere
	progress map[spec.ID]*stack.Progress
}

// newView prepares the view of an operation on several pipelines. quiet shows no
// line per event.
func (e *env) newView(quiet bool, total int, planning bool) (*view, error) {
	l, err := e.newLines()
	return &view{e: e, lines: l, live: !quiet, board: e.newBoard(total, planning), progress: map[spec.ID]*stack.Progress{}}, err
}

// expect tells what was planned, so that it is known how much is to come.
func (v *view) expect(planned map[spec.ID][]stack.Row) {
	for id, rows := range planned {
		v.progress[id] = &stack.Progress{}
		v.progress[id].Expect(rows)
	}
}

func (v *view) apply(u app.Update) error {
	p := v.progress[u.ID]
	if p == nil {
		p = &stack.Progress{}
		v.progress[u.ID] = p
	}
	p.Apply(u.Event)
	if v.lines != nil {
		return v.lines.emit(struct {
			Type string `json:"type"`
			app.Update
		}{"event", u})
	}
	if v.board != nil {
		if line := v.line(p, u); line != "" && v.live && noteworthy(u.Event) {
			v.board.say(line)
		}
		v.board.event(u.ID, p, u.Event)
		return nil
	}
	if line := v.line(p, u); line != "" && v.live {
		fmt.Fprintln(v.e.Err, line)
	}
	return nil
}

func (v *view) line(p *stack.Progress, u app.Update) string {
	var took time.Duration
	if u.Event.Resource != nil {
		if row, ok := p.Row(u.Event.Resource.URN); ok {
			took = row.Ended.Sub(row.Started)
		}
	}
	return render.DeployLine(v.e.ErrStyle, u.Name, u.Event, took)
}

// noteworthy tells what stays on the screen beside a live view.
func noteworthy(ev stack.Event) bool {
	switch ev.Type {
	case stack.EventResourceFailed, stack.EventError, stack.EventPolicy:
		return true
	case stack.EventDiagnostic:
		return ev.Diagnostic != nil && (ev.Diagnostic.Severity == stack.SeverityError || ev.Diagnostic.Severity == stack.SeverityWarning)
	default:
		return false
	}
}

// ticks is when to draw.
func (v *view) ticks() <-chan time.Time {
	if v.board == nil {
		return nil
	}
	return v.board.ticker.C
}

func (v *view) draw() {
	if v.board != nil {
		v.board.draw()
	}
}

func (v *view) erase() {
	if v.board != nil {
		v.board.erase()
	}
}

// pause keeps the live view off the screen, for a question.
func (v *view) pause(on bool) {
	if v.board != nil {
		v.board.erase()
		v.board.paused = on
	}
}

// end takes the live view away for good: the summary follows.
func (v *view) end() {
	if v.board != nil {
		v.board.ticker.Stop()
		v.board.erase()
		v.board.paused = true
	}
}

func (e *env) deploy(ctx context.Context, command string, o *deployOptions, target *app.Target, pipelines []*spec.Pipeline) error {
	planning := o.operation == stack.OperationPreview
	v, err := e.newView(planning, len(pipelines), planning)
	if err != nil {
		return err
	}
	v.expect(o.planned)
	results, err := e.operate(ctx, o.request(pipelines), v)
	if err != nil {
		return err
	}
	return e.report(command, o, target, v, append(results, o.damaged...))
}

// report writes the one summary at the end and decides the exit code.
func (e *env) report(command string, o *deployOptions, target *app.Target, v *view, results []app.PipelineResult) error {
	doc := newDeployment(command, target, e.open().Backend(), v, results)
	err := o.verdict(results)
	if werr := e.write(doc, func() string { return e.deploySummary(o, v, results) }); werr != nil {
		return werr
	}
	return err
}

// verdict is the error the command ends with: nil, the pipeline's own, or one
// for several.
func (o *deployOptions) verdict(results []app.PipelineResult) error {
	var errs fault.List
	changed := 0
	for _, r := range results {
		switch {
		case fault.KindOf(r.Err) == fault.Damaged && len(results) > 1:
			// One of several that fails, like others.
			errs = append(errs, fault.New(fault.Deployment, "%s %s: %v", o.operation, r.ID, r.Err).WithHint("%s", fault.HintOf(r.Err)).Because(r.Err))
		case r.Err != nil:
			errs = append(errs, fault.Wrap(r.Err, "%s %s", o.operation, r.ID))
		}
		if r.Result.HasChanges() || len(r.Result.Drift) > 0 {
			changed++
		}
	}
	if len(errs) > 0 {
		return worst(errs)
	}
	if o.expect && changed > 0 {
		return fault.New(fault.Changes, "%s would change, and no changes were expected", render.Count(changed, "pipeline", "pipelines")).
			WithHint("Look at the changes above; `pipelinetui up` applies them.")
	}
	return nil
}

// worst puts the error that decides the exit code first: a failed deployment
// counts more than what was cancelled because of it.
func worst(errs fault.List) error {
	for i, err := range errs {
		if fault.KindOf(err) != fault.Canceled {
			errs[0], errs[i] = errs[i], errs[0]
			break
		}
	}
	return errs
}

func (e *env) deploySummary(o *deployOptions, v *view, results []app.PipelineResult) string {
	st := e.OutStyle
	var b strings.Builder
	for _, r := range results {
		p := v.progress[r.ID]
		if p != nil && (o.operation == stack.OperationPreview) {
			fmt.Fprintf(&b, "%s\n%s", st.Title.Render(r.ID.String()), render.Plan(st, p.Rows(), o.details))
			for _, line := range render.Attention(p.Rows()) {
				fmt.Fprintln(&b, st.Warn.Render("  ! "+line))
			}
		}
		for _, d := range r.Result.Drift {
			fmt.Fprintf(&b, "%s\n", render.Drift(st, d))
		}
	}
	for _, r := range results {
		done := o.operation != stack.OperationPreview
		text, style := render.Changes(r.Result.Changes, done), st.Good
		switch {
		case r.Skipped:
			text, style = "not begun", st.Warn
		case fault.KindOf(r.Err) == fault.Canceled:
			text, style = "cancelled: "+text, st.Warn
		case r.Err != nil:
			text, style = "failed: "+text, st.Bad
		case o.operation == stack.OperationRefresh && len(r.Result.Drift) == 0:
			text = "no drift"
		}
		fmt.Fprintf(&b, "%s  %s %s\n", st.Title.Render(r.ID.String()), style.Render(text), st.Muted.Render("("+render.Duration(r.Result.Duration)+")"))
		if o.operation == stack.OperationUp && len(results) == 1 {
			b.WriteString(render.Outputs(st, r.Result.Outputs))
		}
	}
	if len(results) > 1 {
		b.WriteString(tally(results) + "\n")
	}
	return b.String()
}

func tally(results []app.PipelineResult) string {
	s := count(results)
	parts := []string{fmt.Sprintf("%d succeeded", s.Succeeded)}
	for _, x := range []struct {
		n    int
		word string
	}{{s.Failed, "failed"}, {s.Cancelled, "cancelled"}, {s.NotBegun, "not begun"}} {
		if x.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", x.n, x.word))
		}
	}
	return render.Count(len(results), "pipeline", "pipelines") + ": " + strings.Join(parts, ", ")
}
