package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// ringingNote is for the step that begins a rollout: it names the alarms of the rollout
// that have gone off before, such as by the one before it, since SageMaker turns the new
// fleet back because of them. (sagemaker/latest/dg/deployment-guardrails-configuration.html)
// It is nil where none has, or nobody answers.
func (a *App) ringingNote(ctx context.Context, o *Operation, t *Target, p *spec.Pipeline, ev stack.Event) *stack.Diagnostic {
	r := ev.Resource
	if ev.Type != stack.EventResourcePre || ev.Planning || r == nil || r.Type != kinds.Endpoint || r.Op != stack.OpUpdate ||
		!slices.ContainsFunc(r.Diff, func(d stack.PropertyDiff) bool { return d.Path == "endpointConfigName" }) {
		return nil
	}
	if at, _ := o.atOnce.Load(p.ID); at == true {
		return nil
	}
	own, named := program.RollbackAlarms(p, t.programEnv(p))
	names := slices.Concat(own, named)
	if len(names) == 0 {
		return nil
	}
	ctx, cancel := o.whileLive(ctx)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, capacityWait)
	defer cancel()
	cfg, err := t.awsConfig(ctx, p.Region, p.AssumeRole)
	if err != nil {
		return nil
	}
	out, err := cloudwatch.NewFromConfig(cfg).DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{
		AlarmNames: names, StateValue: cwtypes.StateValueAlarm, AlarmTypes: []cwtypes.AlarmType{cwtypes.AlarmTypeMetricAlarm, cwtypes.AlarmTypeCompositeAlarm},
	})
	if err != nil {
		return nil
	}
	var ringing []string
	say := func(name *string, since *time.Time) {
		text := aws.ToString(name)
		if since != nil {
			text += since.UTC().Format(" since 15:04:05 UTC")
		}
		ringing = append(ringing, text)
	}
	for _, m := range out.MetricAlarms {
		say(m.AlarmName, m.StateUpdatedTimestamp)
	}
	for _, c := range out.CompositeAlarms {
		say(c.AlarmName, c.StateUpdatedTimestamp)
	}
	if len(ringing) == 0 {
		return nil
	}
	return &stack.Diagnostic{URN: r.URN, Severity: stack.SeverityWarning, Message: fmt.Sprintf(
		"in ALARM before the rollout has begun: %s. SageMaker turns it back because of that, unless it ends before the new fleet takes traffic. "+
			"If the change is what mends it, bring it up with --rollout all-at-once", strings.Join(ringing, ", "))}
}

// endpointPoll lies between two looks at an endpoint that is waited for, and so between two
// lines on it.
const endpointPoll = 5 * time.Second

// awaitRollout waits, before a pipeline is destroyed, until its endpoint can be: while it
// is updated SageMaker refuses to delete it, and no call ends a deployment
// (sagemaker/latest/APIReference/API_DeleteEndpoint.html: not while Creating or Updating). It
// says so at once and then as long as it lasts; said events of ours came before, and the
// number of all of them is returned.
func (a *App) awaitRollout(o *Operation, p *spec.Pipeline, said int) (int, error) {
	ctx := o.begins
	if e, err := a.Engine(ctx); err == nil && slices.ContainsFunc(e.HeldBy(ctx, p.StackName())[p.StackName()], func(l stack.Lock) bool { return !l.Stale }) {
		return said, nil // whoever holds the stack is at it: the operation says so, and is refused
	}
	name := a.endpointName(ctx, p)
	if name == "" {
		return said, nil
	}
	o.track(p.ID, nil)
	defer o.untrack(p.ID)
	began := a.opts.Clock.Now()
	for waited := false; ; waited = true {
		out, err := a.describeEndpoint(ctx, p, name)
		if ctx.Err() != nil {
			return said, fault.New(fault.Canceled, "interrupted while it waited for SageMaker to end the update of %s", name).
				WithHint("Nothing was destroyed. The update of the endpoint goes on.")
		}
		if err != nil || !busy(out.EndpointStatus) {
			return said, nil // the engine will say what is wrong
		}
		said++
		text := waitingFor(name, out)
		if !waited {
			text += a.wayToEnd(ctx, p, name)
		} else {
			text += fmt.Sprintf("; waiting for %s", a.opts.Clock.Now().Sub(began).Round(time.Second))
		}
		o.updates <- Update{ID: p.ID, Event: stack.Event{
			Seq: said, Time: a.opts.Clock.Now().UTC(), Stack: p.StackName(), Type: stack.EventDiagnostic,
			Diagnostic: &stack.Diagnostic{Severity: stack.SeverityInfo, Message: text},
		}}
		_ = o.lend(func() error { return clock.Sleep(ctx, a.opts.Clock, endpointPoll) }) // cut short: seen above
	}
}

// endpointName is the name of a pipeline's endpoint, "" if it has none or that is not known.
func (a *App) endpointName(ctx context.Context, p *spec.Pipeline) string {
	e, err := a.Engine(ctx)
	if err != nil {
		return ""
	}
	state, err := e.State(ctx, p.StackName())
	if err != nil {
		return ""
	}
	return endpointNamed(state)
}

// endpointNamed is the name of the endpoint that a stack has, "" if it has none.
func endpointNamed(state *stack.State) string {
	for _, r := range state.Resources {
		if (r.Type == kinds.Endpoint || r.Type == kinds.FormerEndpoint) && !r.PendingDelete {
			return kinds.EndpointName(r.ID)
		}
	}
	return ""
}

// busy are the states in which SageMaker deletes no endpoint.
func busy(s types.EndpointStatus) bool {
	return slices.Contains([]types.EndpointStatus{
		types.EndpointStatusCreating, types.EndpointStatusUpdating, types.EndpointStatusSystemUpdating, types.EndpointStatusRollingBack,
	}, s)
}

func waitingFor(name string, out *sagemaker.DescribeEndpointOutput) string {
	text := fmt.Sprintf("SageMaker deletes no endpoint while it is %s: waiting for %s", out.EndpointStatus, name)
	if d := out.PendingDeploymentSummary; d != nil {
		for _, v := range d.ProductionVariants {
			for _, s := range v.VariantStatus {
				text += fmt.Sprintf(", %s", s.Status)
				if m := aws.ToString(s.StatusMessage); m != "" {
					text += " (" + strings.TrimSuffix(m, ".") + ")"
				}
			}
		}
	}
	return text
}

// wayToEnd says how a rollout is ended sooner: no call does, but an alarm of the pipeline's own.
func (a *App) wayToEnd(ctx context.Context, p *spec.Pipeline, endpoint string) string {
	end := ". Ctrl-C stops waiting; nothing is destroyed then"
	t, err := a.Target(ctx)
	if err != nil {
		return end
	}
	if r, err := a.rollout(ctx, t, p, endpoint); err == nil && r != nil && r.Brake != "" {
		end += ". To end it sooner, have it turned back: aws cloudwatch set-alarm-state --alarm-name " + r.Brake + " --state-value ALARM --state-reason destroy"
	}
	return end
}
