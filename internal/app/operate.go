package app

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// The domain's words for an operation (see the package pipelines).
type (
	// Request is what is to be done.
	Request = pipelines.Request
	// Update is news of it.
	Update = pipelines.Update
	// PipelineResult is what came of it for one pipeline.
	PipelineResult = pipelines.Outcome
)

// Operation is a running operation on one or several pipelines.
type Operation struct {
	updates chan Update
	done    chan struct{}
	// notices are what each pipeline's reader is told before its engine starts.
	notices map[spec.ID][]string
	// numbered are the revisions as far as they are known.
	numbered *numbered
	// shifts are the aliases that move over, efforts the attempts in which they do.
	shifts  shifts
	efforts efforts
	atOnce  sync.Map        // of a pipeline's ID: whether its endpoint takes over at once, with no alarm to turn it back
	live    context.Context // ends when somebody asks for it to stop, or everything has ended
	halt    func()          // ends live
	// begins ends with live, and when no further pipeline is to be begun (--fail-fast): what
	// is in the middle of its update then goes on.
	begins context.Context
	noMore func() // ends begins
	// slots bound the pipelines that are worked on at once.
	slots chan struct{}

	mu      sync.Mutex
	runs    map[spec.ID]*stack.Run // nil as long as a pipeline waits for its executions
	results []PipelineResult
	stop    bool // what runs was asked to stop
	kill    bool
}

var _ pipelines.Operation = (*Operation)(nil)

// Updates are the events of all pipelines, in the order they arrive. The channel
// is closed when everything has ended.
func (o *Operation) Updates() <-chan Update { return o.updates }

// Wait returns the results in the order of the request, after everything ended.
// Updates must be read, or Wait may block for ever.
func (o *Operation) Wait() []PipelineResult {
	<-o.done
	return o.results
}

// Cancel asks politely: nothing new is started, what is in flight is waited for.
func (o *Operation) Cancel() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.halt()
	o.stop = true
	for _, r := range o.runs {
		if r != nil {
			r.Cancel()
		}
	}
}

// Kill ends the engines at once. Resources in flight may be orphaned.
func (o *Operation) Kill() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.halt()
	o.stop, o.kill = true, true
	for _, r := range o.runs {
		if r != nil {
			r.Kill()
		}
	}
}

// Running returns the pipelines that are being worked on.
func (o *Operation) Running() []spec.ID {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make([]spec.ID, 0, len(o.runs))
	for id := range o.runs {
		out = append(out, id)
	}
	return out
}

// Prepared is an operation of which nothing has been begun. It need not be.
type Prepared struct {
	app       *App
	ctx       context.Context // carries values only: an operation ends by Cancel or Kill
	target    *Target
	request   Request
	jobs      []stack.Job
	operation *Operation
}

// Begin begins it, once.
func (p *Prepared) Begin() *Operation {
	go p.app.operateAll(p.ctx, p.operation, p.target, p.request, p.jobs)
	return p.operation
}

// Operate is Prepare and Begin. ctx bounds the former only.
func (a *App) Operate(ctx context.Context, req Request) (*Operation, error) {
	p, err := a.Prepare(ctx, req)
	if err != nil {
		return nil, err
	}
	return p.Begin(), nil
}

// Prepare makes an operation ready. Everything that can be checked beforehand is
// checked, for all pipelines, and what the engine needs is installed; nothing of the
// pipelines is touched. It ends with ctx.
func (a *App) Prepare(ctx context.Context, req Request) (*Prepared, error) {
	if err := req.Check(); err != nil {
		return nil, err
	}
	t, err := a.Target(ctx)
	if err != nil {
		return nil, err
	}
	e, err := a.Engine(ctx)
	if err != nil {
		return nil, err
	}
	if req.Operation == stack.OperationUp {
		if err := a.WithinCosts(ctx, req.Pipelines, req.Origin, req.MaxMonthlyCost); err != nil {
			return nil, err
		}
	}
	if req.Operation == stack.OperationUp && !req.NamesAsked {
		err = a.NamesFree(ctx, req.Pipelines)
	} else if req.Operation == stack.OperationUp || req.Operation == stack.OperationPreview {
		err = a.claimNames(ctx, t, e, req.Pipelines)
	}
	if err != nil {
		return nil, err
	}
	objects := a.lookUp(ctx, t, req)
	secrets := a.readReferences(ctx, t, req.Operation, req.Pipelines)
	o := newOperation(len(req.Pipelines))
	jobs := make([]stack.Job, len(req.Pipelines))
	var errs fault.List
	for i, p := range req.Pipelines {
		job, err := a.job(ctx, o, t, p, req, objects, secrets)
		if err != nil {
			errs = append(errs, fault.Wrap(err, "%s", p.ID))
		}
		jobs[i] = job
	}
	if err := errs.OrNil(); err != nil {
		return nil, err
	}
	if err := a.makeReady(ctx, t, e, req.Pipelines); err != nil {
		return nil, err
	}
	if req.Operation == stack.OperationUp || req.Operation == stack.OperationPreview {
		a.lookAgain(ctx, e, req.Pipelines, jobs)
		a.refreshGone(ctx, t, e, req.Pipelines, jobs)
	}
	o.notices = objects.notices(req.Pipelines)
	if req.Operation == stack.OperationPreview && req.Doubt == nil {
		a.noteTaken(ctx, t, req.Pipelines, o.notices)
	}
	if req.Parallel <= 0 {
		req.Parallel = a.DefaultParallel()
	}
	return &Prepared{a, context.WithoutCancel(ctx), t, req, jobs, o}, nil
}

func newOperation(size int) *Operation {
	o := &Operation{
		updates: make(chan Update), done: make(chan struct{}), runs: map[spec.ID]*stack.Run{},
		results: make([]PipelineResult, size), numbered: &numbered{of: map[spec.ID]int{}, made: map[spec.ID]madeFrom{}},
	}
	o.live, o.halt = context.WithCancel(context.Background())
	o.begins, o.noMore = context.WithCancel(o.live)
	return o
}

func (a *App) job(ctx context.Context, o *Operation, t *Target, p *spec.Pipeline, req Request, objects lookedUp, secrets *referred) (stack.Job, error) {
	if req.Operation == stack.OperationDestroy && p.Protect {
		// The engine would delete all the rest and only then stop at the bucket.
		return stack.Job{}, fault.New(fault.Invalid, "the pipeline is protected: its data may not be deleted").
			WithHint("Take the protection off with `pipelinetui up %s --set protect=false` (or in its spec), then destroy it.", p.ID)
	}
	job := stack.Job{
		Stack: p.StackName(), Message: req.Message, Refresh: req.Refresh, Remove: req.Operation == stack.OperationDestroy && !req.Keep,
		ClearPendingCreates: req.ClearPending, Doubt: req.Doubt, Expect: req.Expect[p.ID],
		Recovery: a.recovery(t, p, req.ClearDeadLocks),
	}
	if p.Region == "" { // nothing is known of the stack but its name
		return job, nil
	}
	job.Config = t.config(p)
	if req.Operation != stack.OperationUp && req.Operation != stack.OperationPreview {
		return job, nil
	}
	tmpl, err := a.TemplateOf(ctx, p)
	if err != nil {
		return job, err
	}
	env := t.programEnv(p)
	if env.Objects, err = objects.of(p, tmpl); err != nil {
		return job, err
	}
	env.ImageDigest = objects.images.of(p, tmpl)
	if env.Secrets, err = secrets.of(p, tmpl); err != nil {
		return job, err
	}
	env.Endpoint, env.AtOnce = a.endpointNow(ctx, p), req.AtOnce
	o.atOnce.Store(p.ID, req.AtOnce)
	job.Migration = migration()
	job.PolicyPacks, job.PolicyConfigs = req.PolicyPacks, req.PolicyConfigs
	a.keepLedger(&env, p, &req, o.numbered)
	if req.Operation == stack.OperationUp {
		env.Shift = o.efforts.bound(p.ID, a.aliasesOf(o, t, p, req.Origin[p.ID]))
	}
	job.Program, err = program.Pipeline(p, tmpl, env)
	return job, err
}

// migration takes over what earlier versions made otherwise.
func migration() *stack.Migration {
	return &stack.Migration{
		From: program.Formers(), Edit: program.Migrate,
		Why:     "the stack is of an earlier version: its endpoint is taken over as it is, and from now on kept by another provider",
		Lost:    map[string]string{kinds.Endpoint: "endpointName"},
		WhyLost: "the provider has lost the name of the endpoint when it read it, and would replace the endpoint for that: the name is put back first",
	}
}

func (a *App) operateAll(ctx context.Context, o *Operation, t *Target, req Request, jobs []stack.Job) {
	defer close(o.done)
	defer close(o.updates)
	defer o.halt()
	o.slots = make(chan struct{}, req.Parallel)
	var wg sync.WaitGroup
	for i, job := range jobs {
		o.slots <- struct{}{}
		p := req.Pipelines[i]
		res := &o.results[i]
		*res = PipelineResult{ID: p.ID}
		if o.begins.Err() != nil {
			res.Skipped = true
			res.Err = fault.New(fault.Canceled, "not begun")
			<-o.slots
			continue
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer func() { <-o.slots }()
			res.Result, res.Err = a.operateOne(ctx, o, t, req, p, job)
			res.Revision = o.numbered.get(p.ID)
			res.Content, res.Secrets = o.numbered.content(p.ID)
			if res.Err != nil && req.FailFast {
				o.noMore()
			}
		}()
	}
	wg.Wait()
}

// whileLive bounds what is only useful: it ends with ctx, and as soon as the user
// asks the operation to stop.
func (o *Operation) whileLive(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(o.live, cancel)
	return ctx, func() { stop(); cancel() }
}

func (o *Operation) isHalted() bool { return o.live.Err() != nil }

func (o *Operation) isKilled() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.kill
}

func (a *App) operateOne(ctx context.Context, o *Operation, t *Target, req Request, p *spec.Pipeline, job stack.Job) (res stack.Result, err error) {
	op := req.Operation
	defer func() {
		// One pipeline's fault must not take the others down with it.
		if r := recover(); r != nil {
			err = fault.New(fault.Internal, "panic while working on %s: %v", p.ID, r)
		}
	}()
	if t, err = a.stillThere(ctx, t); err != nil {
		return res, err
	}
	said, err := a.settleFirst(o, op, p, req.Settle[p.ID])
	if err != nil {
		return res, err
	}
	if op == stack.OperationDestroy && p.Region != "" {
		if said, err = a.awaitRollout(o, p, said); err != nil {
			return res, err
		}
	}
	if op == stack.OperationDestroy && p.Region != "" {
		job.Before = func(ctx context.Context) { a.freed(ctx, t, p) }
	}
	region := p.Region
	if region == "" {
		region = t.Region
	}
	env, closeProviders, err := a.serveProviders(ctx, t, region)
	if err != nil {
		return res, err
	}
	defer closeProviders()
	job.Env = env
	trial := a.newProving(ctx, o, t, req, p)
	for attempt := 1; ; attempt++ {
		again := op == stack.OperationUp && !t.attached && attempt < propagationAttempts
		res, again, err = a.attempt(ctx, o, t, op, p, job, said, again, trial)
		if back, to := trial.wayBack(); back != nil {
			back.Env = env
			res, _, err = a.attempt(ctx, o, t, op, to, *back, said, false, trial)
			return res, a.withoutSandbox(t, err)
		}
		if !again {
			return res, a.withoutSandbox(t, err)
		}
		job.Expect = ""                                        // the stack has changed: by us
		_ = clock.Sleep(o.live, a.opts.Clock, propagationWait) // cut short: the next attempt sees it
	}
}

// withoutSandbox gives the way out of an operation under which the sandbox has ended.
func (a *App) withoutSandbox(t *Target, err error) error {
	if err == nil || !t.embedded || fault.KindOf(err) != fault.Deployment || a.alive(t) {
		return err
	}
	return fault.New(fault.Deployment, "%v", err).Because(err).
		WithHint("The sandbox has ended meanwhile. Run the same command again: it starts it, and finishes what was cut off.")
}

// stillThere is the target of an operation at the time when its next pipeline begins: a
// sandbox that was killed since is started again, and has another port then.
func (a *App) stillThere(ctx context.Context, t *Target) (*Target, error) {
	if !t.embedded || a.alive(t) {
		return t, nil
	}
	return a.Target(ctx)
}

// attempt runs the operation once. With mayRepeat, a failure that only tells that
// IAM has not spread yet is kept from the reader, and again is true. said events of
// ours came before.
func (a *App) attempt(
	ctx context.Context, o *Operation, t *Target, op stack.Operation, p *spec.Pipeline, job stack.Job, said int, mayRepeat bool, trial *proving,
) (res stack.Result, again bool, err error) {
	after := a.afterwards(ctx, o, t, op, p)
	run, err := a.begin(ctx, op, job)
	if err != nil {
		return res, false, err
	}
	o.track(p.ID, run)
	defer o.untrack(p.ID)
	added := said // events of ours, so that the numbers have no gaps
	told := false
	var before *program.EndpointNow
	if op == stack.OperationUp {
		before = a.endpointNow(ctx, p)
	}
	turned := false
	updated := "" // the endpoint whose update failed
	moved := false
	var verdict error
	trial.begin()
	defer trial.stop()
	say := func(d stack.Diagnostic, after stack.Event) {
		added++
		o.updates <- Update{ID: p.ID, Event: stack.Event{
			Seq: after.Seq + added, Time: after.Time, Stack: after.Stack, Type: stack.EventDiagnostic, Planning: after.Planning, Diagnostic: &d,
		}}
	}
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	news, seen := make(chan stack.Rollout), 0
	o.efforts.begin(p.ID)
	o.shifts.hear(p.ID, audience{news, watching.Done()})
	for ev := range withRollouts(run.Events(), news, a.opts.Clock.Now) {
		if ev.Type == stack.EventRollout {
			added++
			ev.Seq, ev.Stack = seen+added, p.StackName()
			o.updates <- Update{ID: p.ID, Event: ev}
			continue
		}
		if seen = ev.Seq; movesOver(&ev) {
			go a.watchRollout(watching, t, p, ev.Resource.URN, kinds.EndpointName(ev.Resource.ID), news)
		}
		if r := ev.Resource; ev.Type == stack.EventResourceFailed && r != nil && r.Type == kinds.Endpoint && r.Op == stack.OpUpdate {
			updated = r.ID
		}
		if r := ev.Resource; ev.Type == stack.EventResourceOutputs && !ev.Planning && r != nil && r.Op == stack.OpUpdate && movesTraffic(r) {
			moved = true
		}
		if ev.Type == stack.EventEnd {
			stopWatching() // who has news still is not waited for
			res, err = run.Wait()
			if !o.isKilled() {
				o.efforts.settled(p.ID)
			}
			rolled := updated != "" && ev.End != nil && a.turnedBack(ctx, p, before, kinds.EndpointName(updated))
			if turned = rolled && !moved; turned {
				ev.End.RolledBack = true
			}
			if err == nil {
				if warning := after(); warning != "" {
					say(stack.Diagnostic{Severity: stack.SeverityWarning, Message: warning}, ev)
				}
			}
			if op == stack.OperationUp {
				repeat := mayRepeat && notSpreadYet(err) && !o.isHalted() && trial.undecided()
				if !repeat {
					verdict, again = trial.judge(ctx, res, err, rolled, func(d stack.Diagnostic) { say(d, ev) })
				}
				if verdict != nil {
					turned = trial.turned
					ev.End = endOf(verdict, turned)
				}
				if repeat {
					again = true
					ev = stack.Event{
						Seq: ev.Seq, Time: ev.Time, Stack: ev.Stack, Type: stack.EventDiagnostic,
						Diagnostic: &stack.Diagnostic{Severity: stack.SeverityWarning, Message: "a role is not known everywhere in AWS yet: trying again"},
					}
				}
			}
		}
		if ev.Type == stack.EventEnd && again && verdict != nil {
			ev = stack.Event{
				Seq: ev.Seq, Time: ev.Time, Stack: ev.Stack, Type: stack.EventDiagnostic,
				Diagnostic: &stack.Diagnostic{Severity: stack.SeverityWarning, Message: verdict.Error()},
			}
		}
		plain := ev
		ev.Seq += added
		o.updates <- Update{ID: p.ID, Event: ev}
		if r := ev.Resource; ev.Type == stack.EventResourcePre && !told && r != nil && r.Type == "pulumi:pulumi:Stack" {
			told = true
			for _, notice := range o.notices[p.ID] {
				say(stack.Diagnostic{URN: r.URN, Severity: stack.SeverityWarning, Message: notice}, plain)
			}
		}
		if d := a.capacityNote(ctx, o, p, ev); d != nil {
			say(*d, plain)
		}
		if d := a.ringingNote(ctx, o, t, p, ev); d != nil {
			say(*d, plain)
		}
		trial.see(ctx, ev)
		for _, d := range trial.news() {
			say(d, plain)
		}
	}
	if !again {
		res, err = run.Wait()
	}
	if verdict != nil {
		res.Outcome, err = outcomeOf(verdict), verdict
	}
	res.RolledBack = turned
	return res, again, err
}

// afterwards is to be called before an operation; what it returns does what is left to do
// when the operation has ended well, and says what of that was not possible.
func (a *App) afterwards(ctx context.Context, o *Operation, t *Target, op stack.Operation, p *spec.Pipeline) func() string {
	bounded := func(do func(context.Context) error) error {
		ctx, done := o.whileLive(ctx)
		defer done()
		return do(ctx)
	}
	if op != stack.OperationUp && op != stack.OperationDestroy {
		return func() string { return "" }
	}
	unwatch := a.unwatch(ctx, t, op, p)
	return func() string {
		var said []string
		if op == stack.OperationUp {
			if err := bounded(func(ctx context.Context) error { return a.keepCopies(ctx, t, p) }); err != nil {
				said = append(said, notKept(err))
			}
			if err := bounded(func(ctx context.Context) error { return a.pruneVersions(ctx, t, p) }); err != nil && fault.KindOf(err) != fault.Canceled {
				said = append(said, versionsLeft(err))
			}
		}
		if op == stack.OperationDestroy {
			if err := a.forgetBatches(p.ID); err != nil {
				said = append(said, "what is known of its batches could not be taken away: "+fault.Reason(err).Error())
			}
		}
		if err := bounded(unwatch); err != nil {
			said = append(said, mayBeLeft(p.Names(t.accountOf(p)).Base, err))
		}
		return strings.Join(said, "; ")
	}
}

// mayBeLeft says that queues of watches could not all be looked for, or taken away.
func mayBeLeft(base string, err error) string {
	return "it is not known whether queues of watches are left behind (their names would be " + base + "-w- and eight digits): " + fault.Reason(err).Error()
}

// settleFirst deals with what runs on a pipeline before its engine begins, and tells
// how many events it has told of it.
func (a *App) settleFirst(o *Operation, op stack.Operation, p *spec.Pipeline, how pipelines.Running) (said int, err error) {
	if !how.Settles() {
		return 0, nil
	}
	o.track(p.ID, nil)
	defer o.untrack(p.ID)
	doing := map[pipelines.Running]string{pipelines.RunningWait: "waiting for them to end", pipelines.RunningStop: "stopping them"}[how]
	err = a.settle(o.begins, p, how, "stopped before "+string(op)+" of the pipeline", func(left int) {
		said++
		text := "no execution is running any more"
		if left > 0 {
			text = pipelines.Counted(left).Running() + ": " + doing
		}
		o.updates <- Update{ID: p.ID, Event: stack.Event{
			Seq: said, Time: a.opts.Clock.Now().UTC(), Stack: p.StackName(), Type: stack.EventDiagnostic,
			Diagnostic: &stack.Diagnostic{Severity: stack.SeverityInfo, Message: text},
		}}
	}, func(ctx context.Context) error {
		return o.lend(func() error { return clock.Sleep(ctx, a.opts.Clock, settlePoll) })
	})
	return said, err
}

// lend gives a pipeline's slot to others while it only waits, which may be hours, and
// returns when it has one again.
func (o *Operation) lend(wait func() error) error {
	<-o.slots
	defer func() { o.slots <- struct{}{} }()
	return wait()
}

// propagationAttempts is how often an update is tried in all while IAM spreads,
// which is said to take about ten seconds; propagationWait lies between two.
const (
	propagationAttempts = 4
	propagationWait     = 5 * time.Second
)

// spreading are the words with which AWS refuses a role or policy that was made
// seconds ago and is not known everywhere. The official providers try again for
// some of them, not for all.
var spreading = lazyregexp.New(`(?i)authorized to assume|cannot be assumed|not authorized to access the Log Destination|could not assume role`)

func notSpreadYet(err error) bool {
	return fault.KindOf(err) == fault.Deployment && spreading.MatchString(err.Error())
}

func (a *App) begin(ctx context.Context, op stack.Operation, job stack.Job) (*stack.Run, error) {
	e, err := a.Engine(ctx)
	if err != nil {
		return nil, err
	}
	switch op {
	case stack.OperationPreview:
		return e.Preview(ctx, job)
	case stack.OperationUp:
		return e.Up(ctx, job)
	case stack.OperationRefresh:
		return e.Refresh(ctx, job)
	case stack.OperationDestroy:
		return e.Destroy(ctx, job)
	default:
		return nil, fmt.Errorf("unknown operation %q", op)
	}
}

func (o *Operation) track(id spec.ID, r *stack.Run) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.runs[id] = r
	switch {
	case r == nil:
	case o.kill:
		r.Kill()
	case o.stop:
		r.Cancel()
	}
}

func (o *Operation) untrack(id spec.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.runs, id)
}
