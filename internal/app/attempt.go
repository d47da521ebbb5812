package app

import (
	"context"

	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// attempt is one run of the engine for a pipeline: what the engine tells of it goes on to the
// operation's reader, with what is known besides.
type attempt struct {
	app   *App
	o     *Operation
	t     *Target
	op    stack.Operation
	p     *spec.Pipeline
	trial *proving
	// mayRepeat keeps a failure from the reader that only tells that IAM has not spread yet.
	mayRepeat bool
	before    *program.EndpointNow // what the endpoint was before an up
	after     func() string        // what is left to do when it has gone well (afterwards)

	run *stack.Run
	// watching ends when nobody hears news of rollouts any more.
	watching     context.Context
	stopWatching context.CancelFunc
	news         chan stack.Rollout

	seen  int // the number of the engine's last event
	added int // events of ours, so that the numbers have no gaps
	told  bool

	updated string // the endpoint whose update has failed
	moved   bool   // something answers otherwise than before
	turned  bool   // and was turned back
	verdict error  // what the update comes to, whatever the engine says
	again   bool   // it is to be done once more
	res     stack.Result
	err     error
}

// attempt runs the operation once. With mayRepeat, a failure that only tells that
// IAM has not spread yet is kept from the reader, and again is true. said events of
// ours came before.
func (a *App) attempt(
	ctx context.Context, o *Operation, t *Target, op stack.Operation, p *spec.Pipeline, job stack.Job, said int, mayRepeat bool, trial *proving,
) (res stack.Result, again bool, err error) {
	at := &attempt{
		app: a, o: o, t: t, op: op, p: p, trial: trial, mayRepeat: mayRepeat, added: said,
		after: a.afterwards(ctx, o, t, op, p), news: make(chan stack.Rollout),
	}
	if at.run, err = a.begin(ctx, op, job); err != nil {
		return res, false, err
	}
	o.track(p.ID, at.run)
	defer o.untrack(p.ID)
	if op == stack.OperationUp {
		at.before = a.endpointNow(ctx, p)
	}
	trial.begin()
	defer trial.stop()
	at.watching, at.stopWatching = context.WithCancel(ctx)
	defer at.stopWatching()
	o.efforts.begin(p.ID)
	o.shifts.hear(p.ID, audience{at.news, at.watching.Done()})
	for ev := range withRollouts(at.run.Events(), at.news, a.opts.Clock.Now) {
		at.pass(ctx, ev)
	}
	if !at.again {
		at.res, at.err = at.run.Wait()
	}
	if at.verdict != nil {
		at.res.Outcome, at.err = outcomeOf(at.verdict), at.verdict
	}
	at.res.RolledBack = at.turned
	return at.res, at.again, at.err
}

// pass hands an event on.
func (t *attempt) pass(ctx context.Context, ev stack.Event) {
	if ev.Type == stack.EventRollout {
		t.added++
		ev.Seq, ev.Stack = t.seen+t.added, t.p.StackName()
		t.o.updates <- Update{ID: t.p.ID, Event: ev}
		return
	}
	t.seen = ev.Seq
	t.follow(ev)
	if ev.Type == stack.EventEnd {
		ev = t.end(ctx, ev)
	}
	plain := ev
	ev.Seq += t.added
	t.o.updates <- Update{ID: t.p.ID, Event: ev}
	t.remark(ctx, ev, plain)
}

// follow takes in what an event tells of the endpoint and of what answers.
func (t *attempt) follow(ev stack.Event) {
	r := ev.Resource
	if movesOver(&ev) {
		go t.app.watchRollout(t.watching, t.t, t.p, r.URN, kinds.EndpointName(r.ID), t.news)
	}
	switch {
	case r == nil || r.Op != stack.OpUpdate:
	case ev.Type == stack.EventResourceFailed && r.Type == kinds.Endpoint:
		t.updated = r.ID
	case ev.Type == stack.EventResourceOutputs && !ev.Planning && movesTraffic(r):
		t.moved = true
	}
}

// end is the last event, with what the operation comes to; or a warning if it is not the last.
func (t *attempt) end(ctx context.Context, ev stack.Event) stack.Event {
	t.stopWatching() // who has news still is not waited for
	t.res, t.err = t.run.Wait()
	if !t.o.isKilled() {
		t.o.efforts.settled(t.p.ID)
	}
	rolled := t.updated != "" && ev.End != nil && t.app.turnedBack(ctx, t.p, t.before, kinds.EndpointName(t.updated))
	if t.turned = rolled && !t.moved; t.turned {
		ev.End.RolledBack = true
	}
	if t.err == nil {
		if warning := t.after(); warning != "" {
			t.say(stack.Diagnostic{Severity: stack.SeverityWarning, Message: warning}, ev)
		}
	}
	if t.op != stack.OperationUp {
		return ev
	}
	if t.mayRepeat && notSpreadYet(t.err) && !t.o.isHalted() && t.trial.undecided() {
		t.again = true
		return warningFor(ev, "a role is not known everywhere in AWS yet: trying again")
	}
	t.verdict, t.again = t.trial.judge(ctx, t.res, t.err, rolled, func(d stack.Diagnostic) { t.say(d, ev) })
	if t.verdict == nil {
		return ev
	}
	t.turned = t.trial.turned
	if t.again {
		return warningFor(ev, t.verdict.Error())
	}
	ev.End = endOf(t.verdict, t.turned)
	return ev
}

// warningFor is what a reader is told in the place of an end that is none.
func warningFor(end stack.Event, message string) stack.Event {
	return stack.Event{
		Seq: end.Seq, Time: end.Time, Stack: end.Stack, Type: stack.EventDiagnostic,
		Diagnostic: &stack.Diagnostic{Severity: stack.SeverityWarning, Message: message},
	}
}

// remark adds what is known besides, behind an event. plain is it as the engine numbered it.
func (t *attempt) remark(ctx context.Context, ev, plain stack.Event) {
	if r := ev.Resource; ev.Type == stack.EventResourcePre && !t.told && r != nil && r.Type == "pulumi:pulumi:Stack" {
		t.told = true
		for _, notice := range t.o.notices[t.p.ID] {
			t.say(stack.Diagnostic{URN: r.URN, Severity: stack.SeverityWarning, Message: notice}, plain)
		}
	}
	if d := t.app.capacityNote(ctx, t.o, t.p, ev); d != nil {
		t.say(*d, plain)
	}
	if d := t.app.ringingNote(ctx, t.o, t.t, t.p, ev); d != nil {
		t.say(*d, plain)
	}
	t.trial.see(ctx, ev)
	for _, d := range t.trial.news() {
		t.say(d, plain)
	}
}

// say tells the reader something of ours, behind an event of the engine.
func (t *attempt) say(d stack.Diagnostic, after stack.Event) {
	t.added++
	t.o.updates <- Update{ID: t.p.ID, Event: stack.Event{
		Seq: after.Seq + t.added, Time: after.Time, Stack: after.Stack, Type: stack.EventDiagnostic, Planning: after.Planning, Diagnostic: &d,
	}}
}
