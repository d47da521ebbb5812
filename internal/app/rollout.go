package app

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// How often an endpoint is looked at while it moves over: a DescribeEndpoint and a
// DescribeAlarms each, of which an account has few a second for everybody. Where nobody
// else asks, in the sandbox, it is looked at more often.
const (
	rolloutPoll        = 5 * time.Second
	rolloutPollSandbox = 500 * time.Millisecond
)

// turnPatience is how long SageMaker may take to see an alarm that is set off on purpose: it
// looks at them while a fleet bakes, and making one takes minutes.
const turnPatience = 10 * time.Minute

// baking is the wait in SageMaker's message: "Baking for 600 seconds (...) with traffic ...".
var baking = lazyregexp.New(`(?i)baking for (\d+) seconds`)

// movesOver tells that an event begins the update of an endpoint.
func movesOver(ev *stack.Event) bool {
	r := ev.Resource
	return ev.Type == stack.EventResourcePre && !ev.Planning && r != nil && r.Type == kinds.Endpoint && r.Op == stack.OpUpdate && r.ID != ""
}

// withRollouts are the events of a run, and between them news of a rollout, as long as the
// run goes on. News has no number.
func withRollouts(events <-chan stack.Event, news <-chan stack.Rollout, now func() time.Time) iter.Seq[stack.Event] {
	return func(yield func(stack.Event) bool) {
		for {
			select {
			case ev, ok := <-events:
				if !ok {
					return
				}
				if ev.Type == stack.EventEnd {
					news = nil
				}
				if !yield(ev) {
					return
				}
			case r := <-news:
				if !yield(stack.Event{Time: now().UTC(), Type: stack.EventRollout, Rollout: &r}) {
					return
				}
			}
		}
	}
}

// watchRollout tells of each change of how far an endpoint has come, until ctx ends.
func (a *App) watchRollout(ctx context.Context, t *Target, p *spec.Pipeline, urn, endpoint string, news chan<- stack.Rollout) {
	every := rolloutPace(t)
	// What is only shown is not to end the process in the middle of an update.
	defer func() { _ = recover() }()
	var last stack.Rollout
	for {
		// What could not be looked at is looked at again.
		if r, err := a.rollout(ctx, t, p, endpoint); err == nil && r != nil {
			if r.URN = urn; !reflect.DeepEqual(*r, last) {
				select {
				case news <- *r:
					last = *r
				case <-ctx.Done():
					return
				}
			}
		}
		if clock.Sleep(ctx, a.opts.Clock, every) != nil {
			return
		}
	}
}

// rolloutPace is the time between two looks.
func rolloutPace(t *Target) time.Duration {
	if t.embedded {
		return rolloutPollSandbox
	}
	return rolloutPoll
}

// endpoint asks SageMaker for an endpoint of a pipeline.
func (t *Target) endpoint(ctx context.Context, p *spec.Pipeline, name string) (*sagemaker.DescribeEndpointOutput, error) {
	cfg, err := t.awsConfig(ctx, p.Region, p.AssumeRole)
	if err != nil {
		return nil, err
	}
	out, err := sagemaker.NewFromConfig(cfg).DescribeEndpoint(ctx, &sagemaker.DescribeEndpointInput{EndpointName: &name})
	if err != nil {
		return nil, fault.Wrap(awscfg.Classify(err), "look at the endpoint %s", name)
	}
	return out, nil
}

// rollout is how far an endpoint has come; nil if none is under way.
func (a *App) rollout(ctx context.Context, t *Target, p *spec.Pipeline, endpoint string) (*stack.Rollout, error) {
	out, err := t.endpoint(ctx, p, endpoint)
	if err != nil {
		return nil, err
	}
	if out.PendingDeploymentSummary == nil {
		return nil, nil // documented
	}
	r := rolloutOf(p, out, a.haste(t))
	own, named := program.RollbackAlarms(p, t.programEnv(p))
	if len(own)+len(named) == 0 {
		return r, nil
	}
	cfg, err := t.awsConfig(ctx, p.Region, p.AssumeRole)
	if err != nil {
		return nil, err
	}
	names := slices.Concat(own, named)
	if r.Alarms, err = alarmStates(cloudwatch.NewFromConfig(cfg))(ctx, names); err != nil {
		return r, nil //nolint:nilerr // who may not see the alarms sees the rest
	}
	r.Brake = brakeOf(own, r.Alarms)
	return r, nil
}

// brakeOf is the alarm that may be set off to turn a rollout back: the pipeline's own, that
// of its checks before others. Those that the spec names belong to somebody: they may page
// people, scale, and turn back the rollouts of others.
func brakeOf(own []string, there []stack.RolloutAlarm) string {
	brake := ""
	for _, name := range own {
		if !slices.ContainsFunc(there, func(a stack.RolloutAlarm) bool { return a.Name == name }) {
			continue
		}
		if brake == "" || strings.HasSuffix(name, "-"+program.ChecksAlarm) {
			brake = name
		}
	}
	return brake
}

// haste is how many times faster the waits of deployments pass here: as the sandbox that
// runs says, which another process may have started with settings of its own.
func (a *App) haste(t *Target) int {
	if !t.embedded {
		return 1
	}
	if info, running, err := sandbox.Status(a.sandboxDir()); err == nil && running && info.Settings != nil {
		return max(1, info.Settings.Haste)
	}
	return max(1, a.opts.Settings.Int(settings.SandboxHaste)) // one of a version that does not tell
}

// rolloutOf reads what SageMaker tells of the endpoint of a pipeline that moves over.
// (sagemaker/latest/APIReference/API_PendingDeploymentSummary.html)
func rolloutOf(p *spec.Pipeline, out *sagemaker.DescribeEndpointOutput, haste int) *stack.Rollout {
	r := &stack.Rollout{Endpoint: aws.ToString(out.EndpointName), TurningBack: out.EndpointStatus == types.EndpointStatusRollingBack}
	for _, v := range out.ProductionVariants {
		r.Old += int(aws.ToInt32(v.CurrentInstanceCount))
	}
	for _, v := range out.PendingDeploymentSummary.ProductionVariants {
		r.New += int(aws.ToInt32(v.CurrentInstanceCount))
		r.Wanted += int(aws.ToInt32(v.DesiredInstanceCount))
		for _, s := range v.VariantStatus {
			r.Phase, r.Message = string(s.Status), aws.ToString(s.StatusMessage)
			if m := baking.FindStringSubmatch(r.Message); m != nil && s.StartTime != nil {
				seconds, _ := strconv.Atoi(m[1]) // digits
				r.Next = s.StartTime.Add(time.Duration(seconds) * time.Second / time.Duration(haste)).UTC()
			}
		}
	}
	if plan, wrong := spec.RolloutOf(p); wrong == nil {
		r.Percent = trafficOf(plan, r)
	}
	return r
}

// trafficOf is the share of the traffic that a new fleet takes by its plan: of few instances
// their number does not tell, since 10 % of one instance is one instance. It is 0 if it takes
// none, or if SageMaker's message leaves open which step it is.
func trafficOf(plan spec.Rollout, r *stack.Rollout) int {
	size := plan.Size
	if !plan.Percent {
		size = size * whole / max(r.Wanted, 1)
	}
	switch {
	case r.New == 0 || r.TurningBack:
		return 0
	case plan.Strategy == spec.Rolling:
		return r.New * whole / (r.New + r.Old)
	case plan.Strategy == spec.AllAtOnce || strings.Contains(r.Message, "full capacity"):
		return whole
	case plan.Strategy == spec.Canary && (r.New < r.Wanted || strings.Contains(r.Message, "canary")):
		return min(size, whole)
	case plan.Strategy == spec.Linear:
		return linearShare(size, r.New, r.Wanted)
	}
	return 0
}

// linearShare is the one share of a linear deployment that makes so many instances take
// traffic; 0 if several do.
func linearShare(step, now, wanted int) int {
	found := 0
	for share := step; step > 0; share += step {
		share = min(share, whole)
		if (wanted*share+whole-1)/whole == now {
			if found > 0 {
				return 0
			}
			found = share
		}
		if share == whole {
			break
		}
	}
	return found
}

// Turnable is the rollout of a pipeline's endpoint ("": that of its stack), which can be turned
// back: one is under way, and an alarm of the pipeline's own watches it.
func (a *App) Turnable(ctx context.Context, p *spec.Pipeline, endpoint string) (*stack.Rollout, error) {
	t, err := a.Target(ctx)
	if err != nil {
		return nil, err
	}
	var r *stack.Rollout
	if endpoint == "" {
		endpoint = a.endpointName(ctx, p)
	}
	if endpoint != "" {
		r, err = a.rollout(ctx, t, p, endpoint)
	}
	switch {
	case err != nil:
		return nil, err
	case r == nil:
		return nil, a.notTurnable(ctx, t, p.ID)
	case r.TurningBack:
		return nil, fault.New(fault.Conflict, "the rollout of %s is being turned back already", p.ID)
	case r.Brake == "":
		return nil, fault.New(fault.Unsupported, "no alarm of its own watches the rollout of %s, and AWS has no other way to stop one", p.ID).
			WithHint("Wait for its end, then go back: `pipelinetui history %s` shows its revisions.", p.ID)
	}
	return r, nil
}

// notTurnable says why no rollout of a pipeline's endpoint can be turned back, and what is
// under way instead: an alias is moved by whoever updates it, who alone turns it back.
func (a *App) notTurnable(ctx context.Context, t *Target, id spec.ID) error {
	var split []string
	var locks []stack.Lock
	if x, err := a.Find(ctx, id); err == nil {
		locks = x.Summary.Locks
		if e, err := a.Engine(ctx); err == nil && len(locks) == 0 {
			locks = e.HeldBy(ctx, id.StackName())[id.StackName()]
		}
		aliases, _ := world{a, t}.Shared(ctx, x) // who may not ask is told of the update all the same
		for _, s := range aliases {
			split = append(split, s.String())
		}
	}
	return notTurnable(id, split, locks, a.GoBack(ctx, id))
}

// notTurnable words that: split are the aliases whose calls two versions share, locks who
// holds the stack as far as that is known, goBack the hint that leads back.
func notTurnable(id spec.ID, split []string, locks []stack.Lock, goBack string) error {
	i := slices.IndexFunc(locks, func(l stack.Lock) bool { return !l.Stale && !l.Broken })
	shared := strings.Join(split, "; ")
	switch {
	case i >= 0:
		l := locks[i]
		who := "somebody"
		if l.PID > 0 {
			who = fmt.Sprintf("%s@%s (pid %d)", l.User, l.Host, l.PID)
		}
		msg := fmt.Sprintf("no endpoint of %s moves over, but %s is at work on it", id, who)
		if shared != "" {
			msg = fmt.Sprintf("%s is at work on %s, of which no endpoint moves over but an alias (%s)", who, id, shared)
		}
		return fault.New(fault.Conflict, "%s", msg).WithHint("An alias is turned back where its update runs: by Ctrl-C there, or by `b` on its page. Nothing else can begin before that ends.")
	case shared != "" && len(locks) > 0:
		return fault.New(fault.Conflict, "no rollout of %s is under way: one was cut off (%s)", id, shared).WithHint("%s`pipelinetui up %s` goes on with it.", goBack, id)
	case shared != "":
		return fault.New(fault.Conflict, "no endpoint of %s moves over, but an alias does, or its rollout was cut off (%s)", id, shared).
			WithHint("If an update is at it, it is turned back there: by Ctrl-C, or by `b` on its page. If none is: %s`pipelinetui up %s` goes on with it.", goBack, id)
	}
	return fault.New(fault.Conflict, "no rollout of %s is under way", id).WithHint("%s`pipelinetui history %s` shows its revisions.", goBack, id)
}

// TurnBack has the rollout of a pipeline's endpoint turned back, and returns when SageMaker has
// begun to. AWS has no call for that: one of the alarms that it is watched by is brought to
// ALARM, and OK again by its next evaluation. (docs/rollouts.md) A rollout that comes to its
// end before is an error. Without an endpoint it is that of an alias, which this process
// moves itself.
func (a *App) TurnBack(ctx context.Context, p *spec.Pipeline, endpoint string) error {
	if endpoint == "" {
		if !a.moving.stop(p.ID, errByHand) {
			return fault.New(fault.Conflict, "no rollout of %s is under way here", p.ID).
				WithHint("If another process does it, stop that one. %s", a.GoBack(ctx, p.ID))
		}
		return nil
	}
	r, err := a.Turnable(ctx, p, endpoint)
	if err != nil {
		return err
	}
	t, err := a.Target(ctx)
	if err != nil {
		return err
	}
	return a.brake(ctx, t, p, r)
}

// brake sets the alarm of a rollout off until SageMaker has seen it: the evaluation that makes
// it OK again may come before the look of SageMaker.
func (a *App) brake(ctx context.Context, t *Target, p *spec.Pipeline, r *stack.Rollout) error {
	begun := a.opts.Clock.Now()
	wanted := ""
	for {
		out, err := t.endpoint(ctx, p, r.Endpoint)
		switch {
		case err != nil:
			return err
		case out.EndpointStatus == types.EndpointStatusRollingBack:
			return nil
		case out.PendingDeploymentSummary == nil && wanted != "" && aws.ToString(out.EndpointConfigName) != wanted:
			return nil // it has gone back meanwhile
		case out.PendingDeploymentSummary == nil:
			return fault.New(fault.Conflict, "the rollout of %s came to its end before it could be turned back", p.ID).WithHint("%s", a.GoBack(ctx, p.ID))
		case a.opts.Clock.Now().Sub(begun) > turnPatience:
			return fault.New(fault.Timeout, "SageMaker has not begun to turn the rollout of %s back, though the alarm %s was set off", p.ID, r.Brake).
				WithHint("`pipelinetui rollback %s --abort` sets it off again.", p.ID)
		}
		wanted = aws.ToString(out.PendingDeploymentSummary.EndpointConfigName)
		if err := a.setOff(ctx, t, p, r.Brake, fmt.Sprintf("the rollout of %s was turned back by hand", p.ID)); err != nil {
			return err
		}
		if err := clock.Sleep(ctx, a.opts.Clock, rolloutPace(t)); err != nil {
			return fault.Wrap(err, "wait for SageMaker to turn the rollout of %s back; the alarm %s was set off", p.ID, r.Brake)
		}
	}
}

// setOff brings an alarm of a pipeline's own to ALARM, until it is evaluated again. A point
// of the metric of that of its checks keeps it there for a minute.
// (AmazonCloudWatch/latest/APIReference/API_SetAlarmState.html)
func (a *App) setOff(ctx context.Context, t *Target, p *spec.Pipeline, name, reason string) error {
	cfg, err := t.awsConfig(ctx, p.Region, p.AssumeRole)
	if err != nil {
		return err
	}
	api := cloudwatch.NewFromConfig(cfg)
	counted := errors.New("it has no metric of ours")
	if strings.HasSuffix(name, "-"+program.ChecksAlarm) {
		_, counted = api.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{
			Namespace: aws.String(program.ChecksNamespace),
			MetricData: []cwtypes.MetricDatum{{
				MetricName: aws.String(program.ChecksMetric), Value: aws.Float64(1), Unit: cwtypes.StandardUnitCount,
				Dimensions: []cwtypes.Dimension{{Name: aws.String(program.ChecksDimension), Value: aws.String(p.StackName())}},
			}},
		})
	}
	text := []rune(reason)
	_, set := api.SetAlarmState(ctx, &cloudwatch.SetAlarmStateInput{
		AlarmName: &name, StateValue: cwtypes.StateValueAlarm, StateReason: aws.String(string(text[:min(len(text), 1023)])),
	})
	if counted != nil && set != nil {
		return fault.Wrap(awscfg.Classify(set), "set off the alarm %s", name)
	}
	return nil
}
