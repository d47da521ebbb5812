package cli

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// question is everything between what was chosen and what is done: where it happens is
// shown, and who is at work there; an up is previewed; executions that would be disturbed
// are told of; and somebody agrees, by an answer or by --yes.
type question struct {
	deps   *Deps
	o      *deployOptions
	target *app.Target
	chosen
	// expects is the state of each pipeline that the user saw and agreed to change.
	expects map[spec.ID]string
	// planned is what the preview found.
	planned map[spec.ID][]stack.Row
	// to says whose executions are to be waited for or stopped first.
	to map[spec.ID]pipelines.Running
	// looked is what the preview came to, once there was one.
	looked *looked
	// salt goes into digests of secrets; nil if nobody needs them.
	salt []byte
	// clearDead allows locks to be removed whose owner is gone.
	clearDead bool
}

// settle asks what has to be asked. Whoever does not agree gets fault.Canceled.
func (q *question) settle(ctx context.Context) error {
	showTarget(q.deps, q.target, q.pipelines)
	for _, r := range q.aside {
		q.deps.Note("%s is left out: %v", r.ID, r.Err)
	}
	if len(q.pipelines) == 0 {
		q.deps.Note("of %s none failed last time", render.Count(q.all, "pipeline", "pipelines"))
		if q.agreed != nil {
			return q.hold(ctx, q.agreed) // those of the plan are not there
		}
		return nil
	}
	if err := q.tellHeld(ctx); err != nil {
		return err
	}
	q.clearDead = q.o.yes
	if q.agreed != nil {
		if err := q.hold(ctx, q.agreed); err != nil {
			return err
		}
	}
	if q.o.changing() && !q.o.yes {
		if err := q.askAboutLocks(ctx); err != nil {
			return err
		}
		if err := q.confirm(ctx); err != nil {
			return err
		}
	}
	return q.beforehand(ctx)
}

// showTarget names the place and the identity before anything happens there. The
// pipelines have regions, and roles, of their own.
func showTarget(deps *Deps, t *app.Target, pipelines []*spec.Pipeline) {
	var regions, roles []string
	for _, p := range pipelines {
		if p.Region != "" && !slices.Contains(regions, p.Region) {
			regions = append(regions, p.Region)
		}
		if p.AssumeRole != "" && !slices.Contains(roles, p.AssumeRole) {
			roles = append(roles, p.AssumeRole)
		}
	}
	showPlace(deps, t, regions, roles)
}

func showPlace(deps *Deps, t *app.Target, regions, roles []string) {
	place := t.Name
	if t.Endpoint != "" {
		place += " " + t.Endpoint
	}
	if len(regions) == 0 {
		regions = []string{t.Region}
	}
	identity := render.Line(t.Identity, 0)
	if len(roles) > 0 {
		identity += " as " + someOf(roles)
	}
	deps.Note("target %s · account %s · region %s · identity %s · backend %s", place, t.Account, someOf(regions), identity, deps.app().Backend())
}

// agree tells where something is about to be done, and asks, unless yes says so already.
func agree(ctx context.Context, deps *Deps, yes bool, pipelines []*spec.Pipeline, question string, details func()) error {
	t, err := deps.app().Target(ctx)
	if err != nil {
		return err
	}
	showTarget(deps, t, pipelines)
	if yes {
		return nil
	}
	return deps.YesNo(ctx, question, details)
}

// agreeOn is agree about executions: where they are is in their ARNs.
func agreeOn(ctx context.Context, deps *Deps, yes bool, arns iter.Seq[string], question string, details func()) error {
	t, err := deps.app().Target(ctx)
	if err != nil {
		return err
	}
	var regions []string
	for text := range arns {
		if region := executions.RegionOf(text); region != "" && !slices.Contains(regions, region) {
			regions = append(regions, region)
		}
	}
	showPlace(deps, t, regions, nil)
	if yes {
		return nil
	}
	return deps.YesNo(ctx, question, details)
}

// someOf lists a few of many.
func someOf(list []string) string {
	const few = 4
	if len(list) <= few {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:few], ", "), len(list)-few)
}

// tellHeld says who is at work on pipelines now, or what is left of a lock, before
// anything is asked.
func (q *question) tellHeld(ctx context.Context) error {
	engine, err := q.deps.app().Engine(ctx)
	if err != nil {
		return err
	}
	held := engine.HeldBy(ctx, stackNames(q.pipelines)...)
	for _, p := range q.pipelines {
		c := (&pipelines.Pipeline{ID: p.ID, Summary: stack.Summary{Locks: held[p.StackName()]}}).Condition()
		switch {
		case c.Status != pipelines.Updating && c.Note != "":
			q.deps.Note("%s: %s", p.ID, c.Note)
		case c.Status == pipelines.Updating && c.Lock != nil:
			q.deps.Note("%s is %s, since %s: what is shown may be different when that has ended", p.ID, render.Line(c.Note, 0), render.Age(c.Lock.Since, q.deps.now()))
		}
	}
	return nil
}

func stackNames(list []*spec.Pipeline) []string {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.StackName()
	}
	return names
}

// askAboutLocks asks whether locks of operations that were killed may go.
func (q *question) askAboutLocks(ctx context.Context) error {
	engine, err := q.deps.app().Engine(ctx)
	if err != nil {
		return err
	}
	dead := engine.DeadLocks(ctx, stackNames(q.pipelines)...)
	for _, p := range q.pipelines {
		for _, l := range dead[p.StackName()] {
			q.clearDead = true
			noteLock(q.deps, p.ID, l)
		}
	}
	if !q.clearDead {
		return nil
	}
	return q.deps.YesNo(ctx, "Clear what the killed operation left behind, and repair its stack?", nil)
}

// noteLock says who holds a stack and what that means.
func noteLock(deps *Deps, id spec.ID, l stack.Lock) {
	if half := l.Half(); half != "" {
		deps.Note("%s: %s", id, half)
		return
	}
	state := "its process may still run: wait for it, or make sure that it is gone"
	if l.Stale {
		state = "its process is gone: it was killed, and what it was doing may be half done"
	}
	deps.Note("%s is locked by %s@%s, process %d, since %s: %s", id, render.Line(l.User, 0), render.Line(l.Host, 0), l.PID, render.Age(l.Since, deps.now()), state)
}

// confirm shows what would happen and asks. up previews first; destroy wants
// the name typed; refresh only changes our records of the world.
func (q *question) confirm(ctx context.Context) error {
	switch q.o.operation {
	case stack.OperationUp:
		return q.confirmUp(ctx)
	case stack.OperationDestroy:
		if err := q.tellRunning(ctx); err != nil {
			return err
		}
		return q.confirmDestroy(ctx)
	default:
		return q.deps.YesNo(ctx, fmt.Sprintf("Read the real state of %s into the backend?", render.Count(len(q.pipelines), "pipeline", "pipelines")), nil)
	}
}

func (q *question) confirmUp(ctx context.Context) error {
	v, results, err := q.look(ctx)
	if err != nil {
		return err
	}
	v.costs = costsBefore(ctx, q.deps, q.pipelines)
	show := func(details bool) {
		for _, r := range results {
			fmt.Fprintf(q.deps.Err, "%s  %s\n", q.deps.ErrStyle.Title.Render(r.ID.String()), render.Changes(r.Result.Changes, false))
			fmt.Fprint(q.deps.Err, v.plan(q.deps.ErrStyle, r.ID, details))
		}
	}
	show(false)
	if err := q.tellRunning(ctx); err != nil {
		return err
	}
	return q.deps.YesNo(ctx, "Apply these changes?", func() { show(true) })
}

// confirmDestroy wants the pipeline's name typed, or for several how many or which
// env: what is deleted is gone. A stack that has changed since it was read for
// this is left alone.
func (q *question) confirmDestroy(ctx context.Context) error {
	ids := make([]spec.ID, len(q.pipelines))
	for i, p := range q.pipelines {
		ids[i] = p.ID
		fmt.Fprintf(q.deps.Err, "  %s %s\n", q.deps.ErrStyle.Delete.Render("-"), p.ID)
	}
	assent := pipelines.AssentTo(ids)
	asked := make([]string, len(assent.Asked))
	for i, text := range assent.Asked {
		asked[i] = q.deps.ErrStyle.Title.Render(text)
	}
	fmt.Fprintln(q.deps.Err, q.deps.ErrStyle.Warn.Render("This deletes the endpoint, the state machine, and the bucket with all inputs and results."))
	fmt.Fprintf(q.deps.Err, "Type %s to go ahead: ", strings.Join(asked, " or "))
	answer, err := q.deps.ReadLine(ctx)
	if err != nil {
		return err
	}
	if !assent.Given(answer) {
		return fault.New(fault.Canceled, "nothing was deleted")
	}
	q.expects = q.seen
	return nil
}

// looked is what a preview came to.
type looked struct {
	v       *view
	results []app.PipelineResult
	err     error
}

// look is plan, once.
func (q *question) look(ctx context.Context) (*view, []app.PipelineResult, error) {
	if q.looked == nil {
		v, results, err := q.plan(ctx)
		q.looked = &looked{v, results, err}
	}
	return q.looked.v, q.looked.results, q.looked.err
}

// plan finds out what an up would do and keeps it for the update itself. With an
// error the results are there as far as there are any.
func (q *question) plan(ctx context.Context) (*view, []app.PipelineResult, error) {
	preview := *q.o
	preview.operation, preview.command = stack.OperationPreview, string(stack.OperationPreview)
	// Without lines: the stream, if there is one, is the update's.
	v := &view{deps: q.deps, board: newBoard(q.deps, len(q.pipelines), true), progress: map[spec.ID]*stack.Progress{}}
	results, err := operate(ctx, q.deps, preview.request(q), v)
	if err != nil {
		return v, nil, err
	}
	q.expects, q.planned = pipelines.Expect(results, q.pipelines), map[spec.ID][]stack.Row{}
	for _, r := range results {
		if p := v.progress[r.ID]; r.Err == nil && p != nil {
			q.planned[r.ID] = p.Rows()
		}
	}
	return v, results, verdict(&preview, results)
}

// disturbed are the pipelines whose executions the operation takes the ground away
// from: all of a destroy; of an up those that replace or delete something they may
// be using.
func (q *question) disturbed() []*spec.Pipeline {
	if q.o.operation == stack.OperationDestroy {
		return q.pipelines
	}
	var out []*spec.Pipeline
	for _, p := range q.pipelines {
		if pipelines.Disturbs(q.planned[p.ID]) {
			out = append(out, p)
		}
	}
	return out
}

// tellRunning says how many executions an operation would disturb, before it is
// asked for.
func (q *question) tellRunning(ctx context.Context) error {
	list := q.disturbed()
	if len(list) == 0 {
		return nil
	}
	how := q.o.running()
	found, err := q.deps.app().Running(ctx, list)
	if err != nil {
		if !how.Settles() {
			q.deps.Note("it is not known how many executions run: %s", render.Line(err.Error(), 0))
			return nil
		}
		return err
	}
	what := map[pipelines.Running]string{
		pipelines.RunningIgnore: "they will fail where they need what is gone (--running wait or --running stop)",
		pipelines.RunningWait:   "they are waited for", pipelines.RunningStop: "they are stopped",
	}[how]
	for _, r := range found {
		fmt.Fprintln(q.deps.Err, q.deps.ErrStyle.Warn.Render(fmt.Sprintf("! %s: %s now: %s", r.ID, pipelines.Counted(len(r.Executions)).Running(), what)))
	}
	return nil
}

// beforehand says what runs, if nobody was asked, and whose executions are to be
// settled before the operation. With --yes an up is looked at first only if it is to
// wait or stop: for that it has to be known whether anything is replaced.
func (q *question) beforehand(ctx context.Context) error {
	settles := q.o.running().Settles()
	switch {
	case q.o.operation != stack.OperationUp && q.o.operation != stack.OperationDestroy:
		return nil
	case q.o.yes && q.o.operation == stack.OperationUp && !settles:
		return nil
	case q.o.yes && q.o.operation == stack.OperationUp:
		_, results, err := q.look(ctx)
		if err := q.leaveOut(results, err); err != nil {
			return err
		}
	}
	if q.o.yes {
		if err := q.tellRunning(ctx); err != nil {
			return err
		}
	}
	if settles {
		q.to = map[spec.ID]pipelines.Running{}
		for _, p := range q.disturbed() {
			q.to[p.ID] = q.o.running()
		}
	}
	return nil
}

// leaveOut takes the pipelines out whose plan failed: it is not known what they would
// disturb. They are reported as failed, and the others go on. err is that of the plan
// as a whole; it stays where nothing could be planned, or where nothing more is wanted.
func (q *question) leaveOut(results []app.PipelineResult, err error) error {
	failed := map[spec.ID]error{}
	for _, r := range results {
		if r.Err != nil {
			failed[r.ID] = r.Err
		}
		if fault.KindOf(r.Err) == fault.Canceled {
			return err
		}
	}
	if err != nil && (len(failed) == 0 || len(failed) == len(q.pipelines) || q.o.failFast) {
		return err
	}
	var left []*spec.Pipeline
	for _, p := range q.pipelines {
		err, bad := failed[p.ID]
		if !bad {
			left = append(left, p)
			continue
		}
		q.aside = append(q.aside, app.PipelineResult{ID: p.ID, Err: fault.Wrap(err, "nothing was changed: preview")})
	}
	q.pipelines = left
	return nil
}
