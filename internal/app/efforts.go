package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// errOther is why an alias is turned back that nothing is wrong with.
var errOther = errors.New("something else of the update has failed")

// efforts are the aliases that the attempts of an operation move, and whether these have failed
// meanwhile: the engine waits for what is in flight when something fails, so that an alias
// would go on to its end, in an update that has failed long ago.
type efforts struct {
	mu sync.Mutex
	of map[spec.ID]*effort
}

type effort struct {
	ctx   context.Context // ends when the attempt fails, with why
	end   context.CancelCauseFunc
	moves sync.WaitGroup
	moved []effortAlias // those that were moved, as far as the provider's call
}

// effortAlias is an alias, and what moving it came to.
type effortAlias struct {
	program.Shift
	err     error
	arrived bool // the provider's call has gone well too
}

// begin begins an attempt.
func (s *efforts) begin(id spec.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[spec.ID]*effort{}
	}
	e := &effort{}
	e.ctx, e.end = context.WithCancelCause(context.Background())
	s.of[id] = e
}

// fail ends what moves in an attempt, and has nothing more move.
func (s *efforts) fail(id spec.ID, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.of[id]; e != nil {
		e.end(why)
	}
}

// arrived notes that a resource was updated to its end.
func (s *efforts) arrived(id spec.ID, urn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.of[id]; e != nil {
		for i := range e.moved {
			e.moved[i].arrived = e.moved[i].arrived || e.moved[i].URN == urn
		}
	}
}

// settled waits for what moves in an attempt that is over, and returns the aliases that it has
// not moved to their end.
func (s *efforts) settled(id spec.ID) []effortAlias {
	s.mu.Lock()
	e := s.of[id]
	s.mu.Unlock()
	if e == nil {
		return nil
	}
	e.end(errOther)
	e.moves.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(e.moved), func(a effortAlias) bool { return a.arrived })
}

// bound is move, ended when its attempt fails.
func (s *efforts) bound(id spec.ID, move func(context.Context, program.Shift) error) func(context.Context, program.Shift) error {
	return func(ctx context.Context, what program.Shift) error {
		s.mu.Lock()
		e := s.of[id]
		if e == nil {
			s.mu.Unlock()
			return move(ctx, what)
		}
		if why := context.Cause(e.ctx); why != nil {
			s.mu.Unlock()
			return fault.New(fault.Deployment, "%s of the %s does not move over: %v", spec.LiveAlias, what.Of, why)
		}
		e.moves.Add(1)
		s.mu.Unlock()
		defer e.moves.Done()
		ctx, stop := context.WithCancelCause(ctx)
		defer stop(nil)
		defer context.AfterFunc(e.ctx, func() { stop(context.Cause(e.ctx)) })()
		err := move(ctx, what)
		s.mu.Lock()
		defer s.mu.Unlock()
		e.moved = append(e.moved, effortAlias{Shift: what, err: err})
		return err
	}
}

// answers tells whether a resource of a type has a part in what answers.
func answers(kind string) bool {
	return slices.Contains([]string{kinds.Endpoint, kinds.EndpointConfig, kinds.Model, kinds.FunctionAlias, kinds.StateMachineAlias}, kind)
}

// failure is what has failed in an attempt.
type failure struct {
	first    string // the type of the first resource that has failed and has a part in what answers
	endpoint bool   // the endpoint has failed
	said     string // what is said of that
}

// follow takes in what an event tells of what has moved over and what could not.
func (t *proving) follow(ev stack.Event) {
	r, d := ev.Resource, ev.Diagnostic
	switch {
	case ev.Planning:
	case ev.Type == stack.EventResourceOutputs && r != nil && r.Op == stack.OpUpdate && movesTraffic(r):
		t.moved = true
		t.o.efforts.arrived(t.p.ID, r.URN)
	case ev.Type == stack.EventResourceOutputs && r != nil && r.Type == kinds.ScalingTarget:
		t.unscaled = r.Op == stack.OpDelete || r.Op == stack.OpDeleteReplaced
	case ev.Type == stack.EventDiagnostic && d != nil && d.Severity == stack.SeverityError && strings.Contains(d.URN, kinds.Endpoint+"::"):
		t.broke.said = d.Message
	case ev.Type == stack.EventResourceFailed && r != nil && answers(r.Type):
		if t.broke.first == "" {
			t.broke.first = r.Type
		}
		t.broke.endpoint = t.broke.endpoint || r.Type == kinds.Endpoint
		if !t.chosen { // what a rollback has on its way is what its user wants
			t.o.efforts.fail(t.p.ID, errOther)
		}
	}
}

// undo is what an update comes to that has failed: all of what answers is as before, or is
// brought back, or it is said what is not. rolled tells that the endpoint has failed and serves
// as before.
func (t *proving) undo(ctx context.Context, err error, rolled bool, say func(stack.Diagnostic)) (verdict error, goBack bool) {
	defer func() {
		if t.unscaled && !goBack {
			say(stack.Diagnostic{Severity: stack.SeverityWarning, Message: fmt.Sprintf(
				"autoscaling had let go of the endpoint for its new machines, and is off until an update comes to its end: `pipelinetui rollback %s`, or `pipelinetui up %s`",
				t.p.ID, t.p.ID)})
		}
	}()
	if t.atOnce {
		if t.unscaled && rolled {
			return t.halfway(ctx, err, "the update of the endpoint has failed")
		}
		return nil, false
	}
	stuck := t.takeBack(ctx, say)
	turned := t.o.shifts.turned(t.p.ID)
	if errors.Is(err, stack.ErrEngineGone) {
		return t.abandoned(err, turned, stuck), false
	}
	why, cause, own := err, "it has failed", true
	switch {
	case rolled && t.tripped != nil:
		if err := t.note(ctx, t.o.numbered.get(t.p.ID), t.tripped); err != nil {
			say(stack.Diagnostic{Severity: stack.SeverityWarning, Message: fmt.Sprintf("that a check has failed could not be noted: %v", err)})
		}
		own, cause = false, "check "+t.tripped.Check+" failed"
		why = fault.New(fault.Deployment, "the rollout was turned back: %s", t.tripped).WithHint("%s", mend(t.p.ID))
	case turned != nil && t.broke.byAlias():
		why, cause, own = turned, "an alias was turned back", false
		if t.broke.endpoint {
			why = fault.New(fault.KindOf(why), "%v. The update of the endpoint has failed too: %s", why, t.broke.said).WithHint("%s", fault.HintOf(why)).Because(err)
		}
	case t.broke.endpoint:
		cause = "the update of the endpoint has failed"
	}
	if stuck != nil {
		own = false
		why = fault.New(fault.KindOf(why), "%v. And %v", why, stuck).WithHint("The next up goes on with it; `pipelinetui rollback %s` goes back.", t.p.ID).Because(err)
	}
	if t.moved && (t.broke.first != "" || turned != nil) || t.unscaled && rolled {
		return t.halfway(ctx, why, cause)
	}
	if own && (!rolled || fault.HintOf(err) != "") {
		return nil, false // the update's own error stands
	}
	if own {
		why = fault.New(fault.KindOf(err), "%v", err).Because(err).WithHint(
			"What served before serves on. Mend the change (`pipelinetui logs %s --endpoint` has what the new fleet said) and bring it up again, or `pipelinetui rollback %s` takes it out of the stack.",
			t.p.ID, t.p.ID)
	}
	t.turned = stuck == nil && !t.moved && (rolled || turned != nil && !t.broke.endpoint)
	return why, false
}

// abandoned is what an update comes to whose engine was killed: nobody brings back what has moved over,
// for the same command goes on with it. An alias that was on its way has gone back.
func (t *proving) abandoned(err error, turned, stuck error) error {
	text := err.Error()
	for _, more := range []error{turned, stuck} {
		if more != nil {
			text += ". " + more.Error()
		}
	}
	if t.moved {
		text += "; what else the update has changed stays"
	}
	t.turned = stuck == nil && !t.moved && turned != nil
	return fault.New(fault.KindOf(err), "%s", text).WithHint("%s", fault.HintOf(err)).Because(err)
}

// byAlias tells whether it was an alias that has failed first.
func (f failure) byAlias() bool {
	return f.first == "" || f.first == kinds.FunctionAlias || f.first == kinds.StateMachineAlias
}

// undecided tells that an attempt has failed for nothing that says what became of what it was
// to bring into service.
func (t *proving) undecided() bool {
	if t == nil {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tripped == nil && (t.o.shifts.turned(t.p.ID) == nil || !t.broke.byAlias())
}

// takeBack leads the aliases back whose last call, the provider's, has failed, so that both
// versions answer or the new one does, and returns what is not as before.
func (t *proving) takeBack(ctx context.Context, say func(stack.Diagnostic)) error {
	if t.o.isKilled() {
		return nil // nobody waits any more
	}
	var stuck []string
	for _, a := range t.o.efforts.settled(t.p.ID) {
		if turned := (*turnedBackError)(nil); errors.As(a.err, &turned) {
			continue
		}
		led, err := t.takeOneBack(ctx, a)
		if err != nil {
			stuck = append(stuck, fmt.Sprintf("%s of the %s is not as before: %v", spec.LiveAlias, a.Of, err))
		}
		if led {
			say(stack.Diagnostic{URN: a.URN, Severity: stack.SeverityWarning, Message: fmt.Sprintf("%s of the %s was led back to version %s, since its update has failed",
				spec.LiveAlias, a.Of, number(a.From))})
		}
	}
	if len(stuck) == 0 {
		return nil
	}
	return errors.New(strings.Join(stuck, "; "))
}

// takeOneBack returns whether it has led the alias back, and why that is not as before.
func (t *proving) takeOneBack(ctx context.Context, a effortAlias) (led bool, err error) {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), backWait)
	defer done()
	at, err := t.aliasOf(ctx, a.Shift)
	if err != nil {
		return false, err
	}
	live, err := at.Routes(ctx)
	if err != nil {
		return false, err
	}
	home := executions.Route{Version: a.From, Weight: whole}
	if i := slices.IndexFunc(live, func(r executions.Route) bool { return r.Version != a.To }); home.Version == "" && i >= 0 {
		home.Version = live[i].Version
	}
	switch {
	case len(live) == 1 && live[0].Version == home.Version:
		return false, nil
	case home.Version == "" || a.err != nil || t.chosen || !slices.ContainsFunc(live, func(r executions.Route) bool { return r.Version == a.To }):
		return false, fmt.Errorf("it leads to %s", routesText(live))
	}
	if err := at.Lead(ctx, home); err != nil {
		return false, fmt.Errorf("it leads to %s, and could not be led back: %w", routesText(live), err)
	}
	return true, nil
}

// liveAlias is the alias that a shift is of.
func (t *proving) liveAlias(ctx context.Context, s program.Shift) (shared, error) {
	cfg, err := t.target.awsConfig(ctx, t.p.Region, t.p.AssumeRole)
	if err != nil {
		return nil, err
	}
	return aliasIn(cfg, s), nil
}

// halfway is what an update comes to that has failed when something answers otherwise than
// before: the way back of all of it.
func (t *proving) halfway(ctx context.Context, why error, cause string) (verdict error, goBack bool) {
	number := t.o.numbered.get(t.p.ID)
	switch to := t.ledger.Current; {
	case fault.KindOf(why) == fault.Canceled || errors.Is(why, stack.ErrNoRoom) || t.o.isHalted():
		return fault.New(fault.KindOf(why), "%v; what else the update has changed stays", why).WithHint("%s`pipelinetui up %s` goes on.", t.app.GoBack(ctx, t.p.ID), t.p.ID), false
	case t.chosen:
		return fault.New(fault.KindOf(why), "%v; what else the rollback has changed stays", why).WithHint("%s", fault.HintOf(why)), false
	case to == 0 || to == number:
		return fault.New(fault.KindOf(why), "%v; what else the update has changed stays, for there is no revision before it", why).WithHint("%s", fault.HintOf(why)), false
	default:
		job, err := t.jobBack(ctx, to, number, cause)
		if err != nil {
			return fault.New(fault.Deployment, "%v; what else the update has changed stays, for revision %d can't be brought back: %v", why, to, err).
				WithHint("%s", t.app.GoBack(ctx, t.p.ID)), false
		}
		t.back = job
		t.failed = fault.New(fault.Deployment, "the update was turned back to revision %d: %v", to, why).WithHint("%s", fault.HintOf(why))
		return t.failed, true
	}
}

// jobTo is the update that brings a revision back, at once, from another.
func (t *proving) jobTo(ctx context.Context, to, from int, why string) (*stack.Job, error) {
	x, err := t.app.Find(ctx, t.p.ID)
	if err != nil {
		return nil, err
	}
	p, _, err := t.app.RebuildAt(ctx, x, to, spec.Overrides{})
	if err != nil {
		return nil, err
	}
	req := Request{
		Operation: stack.OperationUp, Pipelines: []*spec.Pipeline{p}, Message: pipelines.TurnedBack + why,
		Origin: map[spec.ID]*revisions.Origin{p.ID: {RollbackTo: to, TurnedBack: from}}, AtOnce: true,
	}
	objects := t.app.lookUp(ctx, t.target, req)
	secrets := t.app.readReferences(ctx, t.target, req.Operation, req.Pipelines)
	job, err := t.app.job(ctx, t.o, t.target, p, req, objects, secrets)
	t.to = p
	return &job, err
}
