package app

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/pipelinetui/pipelinetui/internal/checks"
	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// proving is an update on trial: the checks of its pipeline are asked while the new fleet of
// the endpoint takes a part of the traffic, and once more when everything is new; one that
// fails turns the update back (docs/decisions/0022-checks.md). So does an alias that was
// turned back when other things had moved over. A nil one asks nothing.
type proving struct {
	app    *App
	o      *Operation
	target *Target
	p      *spec.Pipeline
	// chosen is set for a rollback: who has asked for it is not brought back to what they
	// fled from.
	chosen bool
	// atOnce tells that nothing is asked and nothing moves bit by bit: all that may have to be
	// brought back is autoscaling.
	atOnce bool
	// ledger is what there was before, alias what executions were started through; "": none.
	ledger *revisions.Ledger
	alias  string

	back   *stack.Job     // the way back
	to     *spec.Pipeline // what it leads to
	failed error          // why it is taken
	turned bool           // it was taken, and came to its end; or there was nothing to be taken back
	moved  bool           // something answers otherwise than before
	// unscaled tells that autoscaling has let go of the endpoint, for other machines, and has not
	// taken hold of it again.
	unscaled bool
	broke    failure // what has failed in this attempt

	// The ways to what is brought back: jobTo and liveAlias.
	jobBack func(ctx context.Context, to, from int, why string) (*stack.Job, error)
	aliasOf func(ctx context.Context, s program.Shift) (shared, error)

	baking context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	pending []stack.Diagnostic // what is to be told
	tripped *checks.Result     // what was found while the fleets shared the traffic
}

// newProving is nil if there is nothing to ask, or nobody.
func (a *App) newProving(ctx context.Context, o *Operation, t *Target, req Request, p *spec.Pipeline) *proving {
	if req.Operation != stack.OperationUp {
		return nil
	}
	rollout, wrong := spec.RolloutOf(p)
	origin := req.Origin[p.ID]
	tr := &proving{app: a, o: o, target: t, p: p, chosen: origin != nil && origin.RollbackTo > 0, ledger: &revisions.Ledger{}}
	tr.atOnce = len(p.Checks) == 0 && (wrong != nil || len(rollout.AliasSteps()) == 0)
	tr.jobBack, tr.aliasOf = tr.jobTo, tr.liveAlias
	x, err := a.Find(ctx, p.ID)
	if tr.atOnce && (err != nil || x.State == nil || !scaled(x.State)) {
		return nil
	}
	if err != nil {
		return tr // it is new, or the update will say what is wrong with it
	}
	if ledger, err := pipelines.Ledger(x.State); err == nil {
		tr.ledger = ledger
	}
	if m, err := pipelines.NewMachine(x); err == nil {
		tr.alias = m.Alias
	}
	return tr
}

func (t *proving) begin() {
	if t != nil {
		t.baking, t.broke = nil, failure{} // autoscaling may be off since an attempt before
	}
}

// stop ends what is asked while the fleets share the traffic.
func (t *proving) stop() {
	if t == nil {
		return
	}
	if t.baking != nil {
		t.baking()
	}
	t.wg.Wait()
}

// news is what is to be told, once.
func (t *proving) news() []stack.Diagnostic {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.pending
	t.pending = nil
	return out
}

func (t *proving) tell(severity stack.Severity, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pending = append(t.pending, stack.Diagnostic{Severity: severity, Message: fmt.Sprintf(format, args...)})
}

// see begins to ask when the endpoint gets another configuration bit by bit.
func (t *proving) see(ctx context.Context, ev stack.Event) {
	r := ev.Resource
	if t != nil {
		t.follow(ev)
	}
	if t == nil || len(t.p.Checks) == 0 || t.chosen || t.failed != nil || t.baking != nil || t.alias == "" || ev.Type != stack.EventResourcePre || ev.Planning ||
		r == nil || r.Type != kinds.Endpoint || r.Op != stack.OpUpdate || r.ID == "" {
		return
	}
	rollout, wrong := spec.RolloutOf(t.p)
	moves := slices.ContainsFunc(r.Diff, func(d stack.PropertyDiff) bool { return d.Path == "endpointConfigName" })
	if wrong != nil || !rollout.Guarded() || !moves {
		return
	}
	ctx, t.baking = t.o.whileLive(ctx)
	t.wg.Go(func() {
		defer func() {
			if r := recover(); r != nil { // the update is not to go down with it
				t.tell(stack.SeverityWarning, "panic while checks were asked: %v", r)
			}
		}()
		if err := t.bake(ctx, rollout, kinds.EndpointName(r.ID)); err != nil && ctx.Err() == nil {
			t.tell(stack.SeverityWarning, "checks can't be asked while the rollout goes on, but when it has ended: %v", err)
		}
	})
}

// scaled tells whether a stack has an endpoint that autoscaling takes care of.
func scaled(s *stack.State) bool {
	return slices.ContainsFunc(s.Resources, func(r stack.Resource) bool { return r.Type == kinds.ScalingTarget && !r.PendingDelete })
}

// movesTraffic tells whether the update of a resource makes something else answer.
func movesTraffic(r *stack.Step) bool {
	return slices.ContainsFunc(r.Diff, func(d stack.PropertyDiff) bool {
		of := func(kind, property string) bool { return r.Type == kind && strings.HasPrefix(d.Path, property) }
		return of(kinds.Endpoint, "endpointConfigName") || of(kinds.FunctionAlias, "functionVersion") || of(kinds.StateMachineAlias, "routingConfiguration")
	})
}

// unlikely is how likely it may be that no question reaches the new fleet.
const unlikely = 0.001

// mostRounds bounds the questions to a new fleet that takes next to nothing.
const mostRounds = 300

// lookEvery is how often it is asked how far the rollout is.
const lookEvery = time.Second

// bake asks while both fleets answer: nobody can ask the new one alone, since SageMaker
// spreads requests by their shares and does not tell which fleet has answered
// (sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html: the variant only). So
// each check is asked as often as it takes to reach the new fleet almost surely, and those
// only that the old one answers as it should: an answer that is wrong is the new one's. That
// holds for answers alone. One that comes late, or not at all, may be the old one's, whose
// requests are the most: these are for the endpoint's alarms, and for the end.
func (t *proving) bake(ctx context.Context, rollout spec.Rollout, endpoint string) error {
	target, err := t.app.checkTarget(ctx, t.p, t.alias)
	if err != nil {
		return err
	}
	ask := func(some spec.Checks) ([]checks.Result, error) { return target.Run(ctx, some, nil) }
	list, err := passedBefore(conditions(t.p.Checks), ask, func() (float64, error) {
		out, err := t.app.describeEndpoint(ctx, t.p, endpoint)
		if err != nil {
			return 0, err
		}
		return bakingShare(out, rollout), nil
	})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		t.tell(stack.SeverityInfo, "what is in service does not pass the checks either: they are asked when the rollout has ended")
		return nil
	}
	share, err := t.traffic(ctx, rollout, endpoint)
	if err != nil || share == 0 {
		return err
	}
	n := rounds(share)
	t.tell(stack.SeverityInfo, "the new fleet takes %.0f%% of the traffic: %s up to %s each, in %s", 100*share,
		fault.Count(len(list), "check is asked", "checks are asked"), fault.Count(n, "time", "times"), fault.Count(n*len(list), "execution", "executions"))
	found, err := provoke(list, n, ask)
	if err != nil {
		return err
	}
	if found != nil {
		t.mu.Lock()
		t.tripped = found
		t.mu.Unlock()
		t.tell(stack.SeverityWarning, "%s", *found)
		return t.trip(ctx, *found)
	}
	t.tell(stack.SeverityInfo, "%s, asked %s while the new fleet takes %.0f%% of the traffic: no answer is wrong for certain",
		fault.Count(len(list), "check", "checks"), fault.Count(n, "time", "times"), 100*share)
	return nil
}

// passedBefore are the checks that what is in service passes. shared tells which part of the traffic
// the new fleet takes already: where it takes some, a wrong answer may be its own, so that a
// check is left out only if it fails as often as the new fleet alone would almost never be asked.
func passedBefore(list spec.Checks, ask func(spec.Checks) ([]checks.Result, error), shared func() (float64, error)) (spec.Checks, error) {
	var doubtful spec.Checks
	passed := spec.Checks{}
	sort := func(of spec.Checks, results []checks.Result) {
		doubtful = nil
		for _, c := range of {
			if slices.ContainsFunc(results, func(r checks.Result) bool { return r.Check == c.Name && !r.Passed }) {
				doubtful = append(doubtful, c)
			} else {
				passed = append(passed, c)
			}
		}
	}
	results, err := ask(list)
	if err != nil {
		return nil, err
	}
	sort(list, results)
	if len(doubtful) == 0 {
		return passed, nil
	}
	share, err := shared()
	if err != nil || share <= 0 || share >= 1 {
		return passed, err // it was asked before the new fleet took any, or nobody else is asked
	}
	for again := rounds(1 - share); again > 1 && len(doubtful) > 0; again-- {
		if results, err = ask(doubtful); err != nil {
			return nil, err
		}
		sort(doubtful, results)
	}
	return passed, nil
}

// conditions are the checks that look at the answer, whenever it comes.
func conditions(all spec.Checks) spec.Checks {
	var out spec.Checks
	for _, c := range all {
		if c.Condition != "" {
			c.Latency = 0
			out = append(out, c)
		}
	}
	return out
}

// together is how many questions are asked at a time at least.
const together = 4

// provoke asks each check n times, and returns the second answer to one that is wrong: the
// first might be an accident. After a first one that check is asked n times more.
func provoke(list spec.Checks, n int, run func(spec.Checks) ([]checks.Result, error)) (*checks.Result, error) {
	wrong := map[string]bool{}
	left := make([]int, len(list))
	for i := range left {
		left[i] = n
	}
	for {
		var some spec.Checks
		for again := true; again && len(some) < max(together, len(list)); {
			again = false
			for i, c := range list {
				if left[i] > 0 {
					left[i]--
					some, again = append(some, c), true
				}
			}
		}
		if len(some) == 0 {
			return nil, nil
		}
		got, err := run(some)
		if err != nil {
			return nil, err
		}
		for _, r := range got {
			switch i := slices.IndexFunc(list, func(c spec.Check) bool { return c.Name == r.Check }); {
			case !r.Wrong || i < 0:
			case wrong[r.Check]:
				return &r, nil
			default:
				wrong[r.Check] = true
				left[i] += n
			}
		}
	}
}

// rounds is how often one has to ask so that the new fleet is asked almost surely.
func rounds(share float64) int {
	if share >= 1 {
		return 1
	}
	return min(mostRounds, int(math.Ceil(math.Log(unlikely)/math.Log(1-share))))
}

// traffic waits until the new fleet takes traffic, and tells how much; 0 if the rollout is
// over.
func (t *proving) traffic(ctx context.Context, rollout spec.Rollout, endpoint string) (float64, error) {
	for began := false; ; {
		out, err := t.app.describeEndpoint(ctx, t.p, endpoint)
		if err != nil {
			return 0, err
		}
		updating := out.EndpointStatus == types.EndpointStatusUpdating
		if began && !updating {
			return 0, nil
		}
		began = began || updating
		if share := bakingShare(out, rollout); share > 0 {
			return share, nil
		}
		if err := clock.Sleep(ctx, t.app.opts.Clock, lookEvery); err != nil {
			return 0, err
		}
	}
}

// bakingShare is the share of the traffic that the new fleet of an endpoint takes while it
// bakes; 0 while it takes none, or there is none.
func bakingShare(out *sagemaker.DescribeEndpointOutput, rollout spec.Rollout) float64 {
	if d := out.PendingDeploymentSummary; d != nil {
		for _, v := range d.ProductionVariants {
			for _, s := range v.VariantStatus {
				if s.Status == types.VariantStatusBaking {
					return shareOf(rollout, aws.ToInt32(v.CurrentInstanceCount), aws.ToInt32(v.DesiredInstanceCount))
				}
			}
		}
	}
	return 0
}

// shareOf is the share of the traffic that the new fleet takes at least.
func shareOf(r spec.Rollout, current, wanted int32) float64 {
	switch {
	case r.Strategy == spec.AllAtOnce:
		return 1
	case r.Percent:
		return float64(r.Size) / 100
	case wanted > 0:
		return min(1, float64(max(current, 1))/float64(wanted))
	}
	return min(1, float64(r.Size)/100)
}

// trip has SageMaker turn back. No call does that: one of the rollback alarms has to go off.
func (t *proving) trip(ctx context.Context, r checks.Result) error {
	return t.app.setOff(ctx, t.target, t.p, t.p.Names(t.target.accountOf(t.p)).Base+"-"+program.ChecksAlarm, r.String())
}

// judge is asked when an update has come to its end: res, err and rolled are how. It returns
// what the update comes to if that is not how it has ended, and whether it goes back.
func (t *proving) judge(ctx context.Context, res stack.Result, err error, rolled bool, say func(stack.Diagnostic)) (verdict error, goBack bool) {
	if t == nil {
		return nil, false
	}
	t.stop()
	for _, d := range t.news() {
		say(d)
	}
	switch {
	case t.failed != nil && err == nil: // this was the way back
		t.turned = true
		return t.arrived(ctx, say), false
	case t.failed != nil:
		return t.stranded(err), false
	case err != nil:
		return t.undo(ctx, err, rolled, say)
	case len(t.p.Checks) == 0:
		return nil, false
	}
	number := t.o.numbered.get(t.p.ID)
	noted, unread := t.read(ctx)
	// Only what this update has brought into service is taken out again, or what one brought
	// that was cut off before it could ask.
	fresh := number != t.ledger.Current || noted[number] == revisions.Begun
	warn := func(format string, args ...any) {
		say(stack.Diagnostic{Severity: stack.SeverityWarning, Message: fmt.Sprintf(format, args...)})
	}
	switch {
	case !fresh && unread != nil:
		warn("whether revision %d has passed its checks can't be read: %v. `pipelinetui check %s` asks them", number, unread, t.p.ID)
		return nil, false
	case !fresh && noted[number] == revisions.Passed && !res.HasChanges():
		return nil, false
	case t.ledger.Current == number && !res.HasChanges():
		warn("revision %d has not passed its checks yet: they are asked now", number)
	}
	if fresh && unread == nil {
		unread = t.write(ctx, number, revisions.Begun)
	}
	worst, err := t.ask(ctx, t.p, say)
	if err != nil {
		kind := fault.KindOf(err)
		return fault.New(kind, "revision %d is in service, but its checks could not be asked: %v", number, err).Because(err).
			WithHint("`pipelinetui check %s` asks them; so does the next up.", t.p.ID), false
	}
	if err := t.note(ctx, number, worst); err != nil {
		warn("that the checks were asked could not be noted: the next up asks again: %v", err)
	}
	if worst == nil {
		say(stack.Diagnostic{Severity: stack.SeverityInfo, Message: fault.Count(len(t.p.Checks), "check: its answer is as it should be", "checks: all answers are as they should be")})
		return nil, false
	}
	if !fresh {
		return fault.New(fault.Deployment, "%s. Revision %d was in service before this update and stays", worst, number).
			WithHint("%s%s", t.app.GoBack(ctx, t.p.ID), mend(t.p.ID)), false
	}
	return t.turn(ctx, number, unread, *worst)
}

// stranded is what an update comes to whose way back has failed too.
func (t *proving) stranded(err error) error {
	text, hint := fmt.Sprintf("%v. Turning back failed too: %v", t.failed, err), fault.HintOf(err)
	if t.unscaled {
		text += ". Autoscaling had let go of the endpoint for its new machines, and is off: it keeps the instances that it has"
		hint = strings.TrimSpace(hint + fmt.Sprintf(" Autoscaling is put back by what comes to its end: `pipelinetui rollback %s`, or `pipelinetui up %s`.", t.p.ID, t.p.ID))
	}
	return fault.New(fault.KindOf(err), "%s", text).WithHint("%s", hint).Because(err)
}

// arrived is what an update comes to that was turned back: what it was turned back to is
// asked as well.
func (t *proving) arrived(ctx context.Context, say func(stack.Diagnostic)) error {
	if len(t.to.Checks) == 0 {
		return t.failed
	}
	number := t.o.numbered.get(t.p.ID)
	worst, err := t.ask(ctx, t.to, say)
	if err == nil {
		err = t.note(ctx, number, worst)
	}
	if err != nil {
		say(stack.Diagnostic{Severity: stack.SeverityWarning, Message: fmt.Sprintf("that revision %d, which was brought back, answers as it should is not known: %v", number, err)})
	}
	if worst == nil {
		return t.failed
	}
	return fault.New(fault.Deployment, "%v. What was brought back fails too, and stays: %s", t.failed, worst).WithHint("%s", mend(t.p.ID))
}

// note writes down what came of the checks of a revision.
func (t *proving) note(ctx context.Context, number int, worst *checks.Result) error {
	if worst != nil {
		return t.write(ctx, number, revisions.Failed)
	}
	return t.write(ctx, number, revisions.Passed)
}

// ask asks all checks of a pipeline as it is in service now, and returns one that failed.
func (t *proving) ask(ctx context.Context, p *spec.Pipeline, say func(stack.Diagnostic)) (*checks.Result, error) {
	ctx, done := t.o.whileLive(ctx)
	defer done()
	x, err := t.app.Find(ctx, t.p.ID)
	if err != nil {
		return nil, err
	}
	got, err := t.app.Check(ctx, x, p.Checks, nil)
	if t.o.isHalted() {
		return nil, fault.New(fault.Canceled, "interrupted")
	}
	if err != nil {
		return nil, err
	}
	failed := checks.Failed(got)
	for _, r := range failed {
		say(stack.Diagnostic{Severity: stack.SeverityError, Message: r.String()})
	}
	if len(failed) == 0 {
		return nil, nil
	}
	return &failed[0], nil
}

// turn prepares the way back from a revision whose checks failed.
func (t *proving) turn(ctx context.Context, number int, unread error, r checks.Result) (verdict error, goBack bool) {
	stays := func(why string) error {
		return fault.New(fault.Deployment, "%s. Revision %d stays in service: %s", r, number, why).
			WithHint("%s%s", t.app.GoBack(ctx, t.p.ID), mend(t.p.ID))
	}
	switch {
	case t.chosen:
		return stays("it is what the rollback was to bring back"), false
	case unread != nil:
		return stays(fmt.Sprintf("which revisions have passed their checks can't be read: %v", unread)), false
	}
	x, err := t.app.Find(ctx, t.p.ID)
	to := 0
	if err == nil {
		to, err = t.app.WayBack(ctx, x)
	}
	if err != nil {
		return stays(err.Error()), false
	}
	job, err := t.jobTo(ctx, to, number, "check "+r.Check+" failed")
	if err != nil {
		return stays(fmt.Sprintf("revision %d can't be brought back: %v", to, err)), false
	}
	t.back = job
	t.failed = fault.New(fault.Deployment, "the update was turned back to revision %d: %s", to, r).WithHint("%s", mend(t.p.ID))
	return t.failed, true
}

func mend(id spec.ID) string {
	return fmt.Sprintf("Mend what was changed, or correct the check, and bring %s up again; `pipelinetui history %s` shows its revisions.", id, id)
}

// wayBack is the update that is to be done next, and the pipeline that it makes; nil if
// there is none.
func (t *proving) wayBack() (*stack.Job, *spec.Pipeline) {
	if t == nil {
		return nil, nil
	}
	return t.back, t.to
}

func outcomeOf(err error) stack.Outcome {
	if fault.KindOf(err) == fault.Canceled {
		return stack.Canceled
	}
	return stack.Failed
}

// endOf is the last event of an update that comes to err.
func endOf(err error, rolledBack bool) *stack.End {
	return &stack.End{Outcome: outcomeOf(err), Kind: string(fault.KindOf(err)), Error: err.Error(), Hint: fault.HintOf(err), RolledBack: rolledBack}
}
