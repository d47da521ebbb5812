package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// whole is all of the calls of an alias, in percent.
const whole = 100

// shared is an alias whose calls two versions may share.
type shared interface {
	// Routes are one version or two, with their weights of 100.
	Routes(ctx context.Context) ([]executions.Route, error)
	Lead(ctx context.Context, routes ...executions.Route) error
}

// shifting is an alias on its way to another version (docs/decisions/0028-aliases-bit-by-bit.md).
// Whatever happens, it ends with all calls at one version: at the new one, but for the last
// call, which is the provider's, or at the old one. Only the death of the process leaves it
// in between, and the next update finds it there.
type shifting struct {
	program.Shift
	alias shared
	// definition reads what a version of a state machine does; nil of a function.
	definition func(ctx context.Context, version string) (string, error)
	// apartBy says why two versions can't share the calls, "" if they can; nil of a state
	// machine, whose versions always can.
	apartBy func(ctx context.Context, a, b string) (string, error)
	alarms  func(ctx context.Context, names []string) ([]stack.RolloutAlarm, error)
	tell    func(stack.Rollout)
	clock   clock.Clock
	haste   int
	poll    func() time.Duration // what lies between two looks at the alarms
	// fleeing is set for a rollback: what it leads away from may be what rings.
	fleeing bool

	origin string
	halted func() bool // somebody has asked for the end; nil: nobody else ends it
	last   stack.Rollout
	said   stack.Rollout
	apart  bool                 // the versions can't share the calls
	ours   [][]executions.Route // what this has found, and where it has led the alias, or has tried to
}

// aliasesOf moves the aliases of a pipeline over, for its program.
func (a *App) aliasesOf(o *Operation, t *Target, p *spec.Pipeline, origin *revisions.Origin) func(context.Context, program.Shift) error {
	return func(ctx context.Context, what program.Shift) (err error) {
		defer func() {
			if r := recover(); r != nil { // the engine is not to wait for ever
				err = fault.New(fault.Internal, "panic while %s moved over: %v", what.Alias, r)
			}
		}()
		t, err := a.stillThere(ctx, t) // it was made ready long ago, perhaps
		if err != nil {
			return err
		}
		cfg, err := t.awsConfig(ctx, p.Region, p.AssumeRole)
		if err != nil {
			return err
		}
		least := rolloutPoll
		if t.embedded {
			least = rolloutPollSandbox
		}
		s := &shifting{
			Shift: what, alarms: alarmStates(cloudwatch.NewFromConfig(cfg)), clock: a.opts.Clock, haste: a.haste(t),
			poll: func() time.Duration { return a.moving.pace(least) },
			tell: func(r stack.Rollout) { o.shifts.tell(p.ID, r) }, fleeing: origin != nil && origin.RollbackTo > 0,
			halted: o.isHalted,
		}
		if s.From == "" {
			s.From = a.inService(ctx, p.ID, what.Of)
		}
		s.alias = aliasIn(cfg, what)
		switch alias := s.alias.(type) {
		case *executions.Alias:
			s.definition = alias.Definition
		case *functionAlias:
			s.apartBy = alias.apart
		}
		ctx, done := o.whileLive(ctx)
		defer done()
		ctx, stop := context.WithCancelCause(ctx)
		defer stop(nil)
		defer a.moving.add(p.ID, stop)()
		err = s.run(ctx)
		if turned := (*turnedBackError)(nil); errors.As(err, &turned) {
			o.shifts.turn(p.ID, turned.err)
		}
		return err
	}
}

// aliasIn is the alias that a shift is of.
func aliasIn(cfg aws.Config, s program.Shift) shared {
	if s.Of == program.ShiftMachine {
		return executions.NewAlias(cfg, s.Alias)
	}
	return newFunctionAlias(lambda.NewFromConfig(cfg), s.Alias)
}

// turnedBackError says that an alias leads to what it led to before.
type turnedBackError struct{ err *fault.Error }

func (e *turnedBackError) Error() string { return e.err.Error() }
func (e *turnedBackError) Unwrap() error { return e.err }

// errEngineGone is why one is turned back whose engine has ended in the middle.
var errEngineGone = errors.New("the engine that waited for it is gone")

// errByHand is why a rollout is turned back that somebody wants to be.
var errByHand = errors.New("it was turned back by hand")

func (s *shifting) run(ctx context.Context) error {
	live, err := s.alias.Routes(ctx)
	if err != nil {
		return err
	}
	s.ours = append(s.ours, live)
	at := s.begin(live)
	if s.origin == "" {
		return nil // it leads there
	}
	if at == 0 && s.nothingNew(ctx) {
		return nil
	}
	ringing, err := s.look(ctx)
	switch {
	case err != nil && at > 0:
		return s.back(ctx, fmt.Errorf("its alarms can't be looked at: %w", err))
	case err != nil:
		return fault.Wrap(err, "look at the alarms of the rollout of %s", s.Alias)
	case ringing == "":
	case s.fleeing: // it rings because of what is left, as likely as not, and nobody wants to wait there
		s.say("AllAtOnce", 0, time.Time{}, ringing+" is in ALARM: the rollback does not wait")
		return nil
	case at > 0:
		return s.back(ctx, fmt.Errorf("%s is in ALARM", ringing))
	default:
		return &turnedBackError{fault.New(fault.Deployment, "%s of the %s does not move over: %s is in ALARM before the rollout has begun", spec.LiveAlias, s.Of, ringing).
			WithHint("If the change is what mends it, bring it up with --rollout all-at-once.")}
	}
	for i, step := range s.Steps {
		if step.Percent < at && i < len(s.Steps)-1 {
			continue // that far it had come, before it was cut off
		}
		if s.apart && step.Percent < whole {
			continue // what it baked for behind that is left
		}
		if at, err = s.step(ctx, step, at); err != nil {
			return err
		}
	}
	return nil
}

// begin finds out where the alias comes from, and how much the new version has already. Of
// two versions that are both others it comes from the one that the stack knows of: the other
// is of a rollout that was cut off.
func (s *shifting) begin(live []executions.Route) (at int) {
	weight := -1
	for _, r := range live {
		switch {
		case r.Version == s.To:
			at = r.Weight
		case r.Version == s.From:
			s.origin, weight = r.Version, whole+1
		case r.Weight > weight:
			s.origin, weight = r.Version, r.Weight
		}
	}
	return at
}

// nothingNew tells that the new version of a state machine differs from the old one only in
// what names its revision: nobody has to try that on a part of the executions.
func (s *shifting) nothingNew(ctx context.Context) bool {
	if s.definition == nil || s.Alike == nil {
		return false
	}
	text, err := s.definition(ctx, s.origin)
	return err == nil && s.Alike(text)
}

// step gives the new version its share, and watches for as long as the step says. at is the
// share that it has.
func (s *shifting) step(ctx context.Context, step spec.AliasStep, at int) (int, error) {
	if step.Percent != at {
		s.ours = append(s.ours, s.routes(step.Percent))
		if err := s.alias.Lead(ctx, s.routes(step.Percent)...); err != nil {
			if at > 0 || step.Percent == whole || !s.cannotShare(ctx, err) {
				return 0, s.back(ctx, err)
			}
			return 0, nil
		}
	}
	end := s.clock.Now().Add(step.Wait / time.Duration(max(1, s.haste)))
	for {
		ringing, err := s.look(ctx)
		if err != nil {
			return 0, s.back(ctx, fmt.Errorf("its alarms can't be looked at: %w", err))
		}
		s.say("Baking", step.Percent, end, "")
		if ringing != "" {
			return 0, s.back(ctx, fmt.Errorf("%s is in ALARM", ringing))
		}
		left := end.Sub(s.clock.Now())
		if left <= 0 {
			return step.Percent, s.undisturbed(ctx, step.Percent)
		}
		if err := clock.Sleep(ctx, s.clock, min(left, s.poll())); err != nil {
			return 0, s.back(ctx, context.Cause(ctx))
		}
	}
}

// cannotShare tells whether a refusal is of two versions that can't share the calls, and takes
// note of that. Lambda has one code for all that may be wrong, and its words are nobody's
// promise: the versions themselves are compared.
func (s *shifting) cannotShare(ctx context.Context, refusal error) bool {
	if s.apartBy == nil || !isAPI(refusal, "InvalidParameterValueException") {
		return false
	}
	why, err := s.apartBy(ctx, s.origin, s.To)
	if err != nil || why == "" {
		return false // the refusal is what is told
	}
	s.apart = true
	s.say("AllAtOnce", 0, time.Time{}, why)
	return true
}

// undisturbed makes sure that nobody else has moved the alias meanwhile.
func (s *shifting) undisturbed(ctx context.Context, percent int) error {
	live, err := s.alias.Routes(ctx)
	if err != nil {
		return s.back(ctx, err)
	}
	if sameRoutes(live, s.routes(percent)) {
		return nil
	}
	return s.disturbed(live, "")
}

// disturbed is what a rollout comes to into which somebody else has come: what they have
// chosen stays.
func (s *shifting) disturbed(live []executions.Route, more string) error {
	return fault.New(fault.Conflict, "somebody else has moved %s of the %s during its rollout: it leads to %s%s", spec.LiveAlias, s.Of, routesText(live), more).
		WithHint("Find out who does that, then run up again.")
}

// sameRoutes compares two, in whatever order they are.
func sameRoutes(a, b []executions.Route) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(r executions.Route) bool { return !slices.Contains(b, r) })
}

// routes are those of a share of the new version.
func (s *shifting) routes(percent int) []executions.Route {
	switch percent {
	case 0:
		return []executions.Route{{Version: s.origin, Weight: whole}}
	case whole:
		return []executions.Route{{Version: s.To, Weight: whole}}
	}
	return []executions.Route{{Version: s.origin, Weight: whole - percent}, {Version: s.To, Weight: percent}}
}

// backWait bounds the way back, which is taken though the operation was told to stop, and
// blindWait how long nobody may answer who is asked for the alarms: a network comes back.
const (
	backWait  = time.Minute
	blindWait = time.Minute
	// askWait bounds one question.
	askWait = 20 * time.Second
)

// back gives all calls to the old version, and returns why. Where somebody else has led the
// alias meanwhile it stays.
func (s *shifting) back(ctx context.Context, why error) error {
	if cause := context.Cause(ctx); cause != nil {
		why = cause // and not that a call was cut short because of it
	}
	kind := fault.Deployment
	switch {
	case !errors.Is(why, context.Canceled):
	case s.halted != nil && !s.halted():
		why = errEngineGone
	default:
		kind, why = fault.Canceled, errors.New("interrupted")
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), backWait)
	defer done()
	s.last.TurningBack = true
	s.say("TurningBack", 0, time.Time{}, why.Error())
	err := s.lead(ctx, s.routes(0))
	var theirs *theirsError
	if errors.As(err, &theirs) {
		return s.disturbed(theirs.routes, fmt.Sprintf(". It was to be turned back (%v), and stays as they have it", why))
	}
	if err != nil {
		return fault.New(fault.KindOf(err), "the rollout of %s of the %s could not be turned back (%v): %v", spec.LiveAlias, s.Of, why, err).Because(err).
			WithHint("Both versions get calls. The next up goes on with it; `pipelinetui rollback` goes back.")
	}
	return &turnedBackError{fault.New(kind, "the rollout of %s of the %s was turned back to version %s: %v", spec.LiveAlias, s.Of, number(s.origin), why)}
}

// theirsError says that an alias leads where this did not lead it.
type theirsError struct{ routes []executions.Route }

func (e *theirsError) Error() string { return "it leads to " + routesText(e.routes) }

// lead leads the alias back to where it came from, unless somebody else has led it away; it
// tries for as long as backWait.
func (s *shifting) lead(ctx context.Context, to []executions.Route) error {
	for end := s.clock.Now().Add(backWait); ; {
		live, err := s.alias.Routes(ctx)
		if err == nil && !sameRoutes(live, to) && !slices.ContainsFunc(s.ours, func(r []executions.Route) bool { return sameRoutes(live, r) }) {
			return &theirsError{live}
		}
		if err = s.alias.Lead(ctx, to...); err == nil || !fault.Passing(err) || !s.clock.Now().Before(end) {
			return err
		}
		if clock.Sleep(ctx, s.clock, s.poll()) != nil {
			return err
		}
	}
}

// look asks for the alarms, for a minute if nobody answers, and returns the name of one that
// has gone off.
func (s *shifting) look(ctx context.Context) (ringing string, err error) {
	for end := s.clock.Now().Add(blindWait); ; {
		if s.last.Alarms, err = s.ask(ctx); err == nil {
			break
		}
		if ctx.Err() != nil || !fault.Passing(err) || !s.clock.Now().Before(end) {
			return "", err
		}
		if s.said.Alias != nil {
			now := s.said
			now.Message = fmt.Sprintf("its alarms could not be looked at, trying again: %v", err)
			s.tell(now)
		}
		if clock.Sleep(ctx, s.clock, s.poll()) != nil {
			return "", err
		}
	}
	for _, a := range s.last.Alarms {
		if a.State == string(cwtypes.StateValueAlarm) {
			return a.Name, nil
		}
	}
	return "", nil
}

// ask asks for the alarms once. The new version has its share meanwhile, so that an answer which
// does not come is none after a part of blindWait.
func (s *shifting) ask(ctx context.Context) ([]stack.RolloutAlarm, error) {
	ctx, done := context.WithTimeoutCause(ctx, askWait, fault.New(fault.Timeout, "no answer within %s", askWait))
	defer done()
	out, err := s.alarms(ctx, s.Alarms)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return out, err
}

func (s *shifting) say(phase string, percent int, next time.Time, message string) {
	r := s.last
	r.URN, r.Phase, r.Message, r.Next = s.URN, phase, message, next
	r.Alias = &stack.AliasRollout{ARN: s.Shift.Alias, Of: string(s.Of), From: number(s.origin), To: number(s.To), Percent: percent}
	s.said = r
	s.tell(r)
}

// number is that of a version of either kind.
func number(version string) string { return version[strings.LastIndexByte(version, ':')+1:] }

func routesText(routes []executions.Route) string {
	parts := make([]string, len(routes))
	for i, r := range routes {
		parts[i] = fmt.Sprintf("version %s with %d%%", number(r.Version), r.Weight)
	}
	return strings.Join(parts, ", ")
}

// alarmStates asks for the states of alarms, by their names. One that is not there counts
// as quiet, as CloudWatch has it.
func alarmStates(api *cloudwatch.Client) func(context.Context, []string) ([]stack.RolloutAlarm, error) {
	return func(ctx context.Context, names []string) (out []stack.RolloutAlarm, err error) {
		if len(names) == 0 {
			return nil, nil
		}
		got, err := api.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{
			AlarmNames: names, AlarmTypes: []cwtypes.AlarmType{cwtypes.AlarmTypeMetricAlarm, cwtypes.AlarmTypeCompositeAlarm},
		})
		if err != nil {
			return nil, awscfg.Classify(err)
		}
		for i := range got.MetricAlarms {
			out = append(out, stack.RolloutAlarm{Name: aws.ToString(got.MetricAlarms[i].AlarmName), State: string(got.MetricAlarms[i].StateValue)})
		}
		for i := range got.CompositeAlarms {
			out = append(out, stack.RolloutAlarm{Name: aws.ToString(got.CompositeAlarms[i].AlarmName), State: string(got.CompositeAlarms[i].StateValue)})
		}
		return out, nil
	}
}

// functionAlias is the alias of a Lambda function: one version, and at most one more with a
// weight from 0 to 1. (lambda/latest/dg/configuring-alias-routing.html)
type functionAlias struct {
	api            *lambda.Client
	function, name string
}

func newFunctionAlias(api *lambda.Client, arn string) *functionAlias {
	i := strings.LastIndexByte(arn, ':')
	return &functionAlias{api, arn[:max(i, 0)], arn[i+1:]}
}

// Routes implements shared.
func (f *functionAlias) Routes(ctx context.Context) ([]executions.Route, error) {
	out, err := f.api.GetAlias(ctx, &lambda.GetAliasInput{FunctionName: &f.function, Name: &f.name})
	if err != nil {
		return nil, fault.Wrap(awscfg.Classify(err), "look where %s:%s leads to", f.function, f.name)
	}
	first := executions.Route{Version: aws.ToString(out.FunctionVersion), Weight: whole}
	routes := []executions.Route{}
	if out.RoutingConfig != nil {
		for version, weight := range out.RoutingConfig.AdditionalVersionWeights {
			more := executions.Route{Version: version, Weight: int(weight*whole + 0.5)}
			first.Weight -= more.Weight
			routes = append(routes, more)
		}
	}
	return append([]executions.Route{first}, routes...), nil
}

// Lead implements shared.
func (f *functionAlias) Lead(ctx context.Context, routes ...executions.Route) error {
	weights := map[string]float64{} // none takes those off that there are
	for _, r := range routes[1:] {
		weights[r.Version] = float64(r.Weight) / whole
	}
	_, err := f.api.UpdateAlias(ctx, &lambda.UpdateAliasInput{
		FunctionName: &f.function, Name: &f.name, FunctionVersion: &routes[0].Version,
		RoutingConfig: &lambdatypes.AliasRoutingConfiguration{AdditionalVersionWeights: weights},
	})
	if err != nil {
		return fault.Wrap(awscfg.Classify(err), "change where %s:%s leads to", f.function, f.name)
	}
	return nil
}

// apart says in what two versions differ that an alias may not lead to both of: they need the
// same role, and the same dead-letter queue or none, and have to be published.
// (lambda/latest/dg/configuring-alias-routing.html)
func (f *functionAlias) apart(ctx context.Context, a, b string) (string, error) {
	var roles, queues [2]string
	for i, version := range []string{a, b} {
		out, err := f.api.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &f.function, Qualifier: &version})
		if err != nil {
			return "", fault.Wrap(awscfg.Classify(err), "look at version %s of %s", version, f.function)
		}
		if aws.ToString(out.Version) == unpublished {
			return "only versions that are published can share calls", nil
		}
		roles[i] = aws.ToString(out.Role)
		if out.DeadLetterConfig != nil {
			queues[i] = aws.ToString(out.DeadLetterConfig.TargetArn)
		}
	}
	switch {
	case roles[0] != roles[1]:
		return fmt.Sprintf("versions %s and %s have different roles: they can't share calls", a, b), nil
	case queues[0] != queues[1]:
		return fmt.Sprintf("versions %s and %s have different dead-letter queues: they can't share calls", a, b), nil
	}
	return "", nil
}

// unpublished is what Lambda calls the code that is no version yet.
const unpublished = "$LATEST"

// moving are the aliases that this process moves over: what has them turned back.
type moving struct {
	mu   sync.Mutex
	next int
	of   map[spec.ID]map[int]context.CancelCauseFunc
}

// add takes one in, and returns what takes it out.
func (m *moving) add(id spec.ID, stop context.CancelCauseFunc) (remove func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil {
		m.of = map[spec.ID]map[int]context.CancelCauseFunc{}
	}
	if m.of[id] == nil {
		m.of[id] = map[int]context.CancelCauseFunc{}
	}
	m.next++
	key := m.next
	m.of[id][key] = stop
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.of[id], key)
	}
}

// pace is what lies between two looks at the alarms of one, at least so long: all aliases of
// this process ask no oftener than ten times in that, for an account has 9 DescribeAlarms a
// second in a region, for everybody.
func (m *moving) pace(least time.Duration) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, of := range m.of {
		n += len(of)
	}
	return max(least, time.Duration(n)*least/10)
}

// inService is the version that the newest revision has which was brought to its end, "" if
// that is not known.
func (a *App) inService(ctx context.Context, id spec.ID, of program.ShiftOf) string {
	x, err := a.Find(ctx, id)
	if err != nil {
		return ""
	}
	ledger, err := pipelines.Ledger(x.State)
	switch {
	case err != nil:
		return ""
	case of == program.ShiftMachine:
		return ledger.CurrentMade.Machine
	}
	return ledger.CurrentMade.Function
}

// stop has those of a pipeline turned back, and tells whether there are any.
func (m *moving) stop(id spec.ID, why error) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, stop := range m.of[id] {
		stop(why)
	}
	return len(m.of[id]) > 0
}

// shifts are the aliases that an operation moves over: who hears of them, and which were
// turned back.
type shifts struct {
	mu     sync.Mutex
	hears  map[spec.ID]audience
	failed map[spec.ID]error
}

// audience is who reads news of a pipeline, until gone is closed.
type audience struct {
	news chan<- stack.Rollout
	gone <-chan struct{}
}

// hear begins an attempt: news goes there, and nothing has been turned back.
func (s *shifts) hear(id spec.ID, who audience) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hears == nil {
		s.hears, s.failed = map[spec.ID]audience{}, map[spec.ID]error{}
	}
	s.hears[id] = who
	delete(s.failed, id)
}

// tell waits until the news is taken, or nobody is there.
func (s *shifts) tell(id spec.ID, r stack.Rollout) {
	s.mu.Lock()
	who := s.hears[id]
	s.mu.Unlock()
	if who.news == nil {
		return
	}
	select {
	case who.news <- r:
	case <-who.gone:
	}
}

// turn notes why an alias of a pipeline was turned back.
func (s *shifts) turn(id spec.ID, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed[id] = why
}

// turned is why an alias of a pipeline was turned back in this attempt, nil if none was.
func (s *shifts) turned(id spec.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed[id]
}
