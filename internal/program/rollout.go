package program

import (
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program/native"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// rehearsalWait is how long the rollout that nobody asked for waits in the sandbox.
const rehearsalWait = 10 * time.Second

// planRollout settles how the endpoint moves over.
func planRollout(p *plan) fault.List {
	r, wrong := spec.RolloutOf(p.pipe)
	if wrong != nil {
		return fault.List{fault.New(fault.Invalid, "%s", wrong.Msg).WithHint("%s", wrong.Hint)}
	}
	if p.env.PlainHTTP && spec.Strategy(p.text("rollout.strategy")) == spec.ByEnv && p.text("rollout.interval") == "" {
		r.Interval = min(r.Interval, rehearsalWait) // nobody asked to wait: the sandbox keeps to real time
	}
	p.rollout = r
	if len(p.rollbackAlarms()) > 0 {
		// The execution role of the model is who looks at the alarms.
		// (sagemaker/latest/dg/deployment-guardrails-configuration.html)
		p.grant(sagemakerRole, allow("RollbackAlarms", oneOrMany{"cloudwatch:DescribeAlarms"}, anything))
	}
	return nil
}

// rollbackAlarms are the alarms that turn a rollout back, by name: those of the endpoint and
// those that were named. None if there is no while in which they could.
func (p *plan) rollbackAlarms() []string {
	if !p.rollout.Guarded() && len(p.rollout.Alarms) == 0 {
		return nil
	}
	var names []string
	for _, a := range p.endpointAlarms() {
		names = append(names, p.alarmName(a.name))
	}
	return append(names, p.rollout.Alarms...)
}

// RollbackAlarms are the names of the alarms that turn a rollout of a pipeline back: those
// of its endpoint, and those that the spec names, which somebody else may watch too.
func RollbackAlarms(p *spec.Pipeline, env Env) (own, named []string) {
	pl := &plan{pipe: p, env: env, names: p.Names(env.Account), values: p.Parameters, grants: map[role][]statement{}}
	if len(planRollout(pl)) > 0 {
		return nil, nil
	}
	all := pl.rollbackAlarms()
	n := max(0, len(all)-len(pl.rollout.Alarms))
	return all[:n], all[n:]
}

// deployment is the rollout in SageMaker's words; nil is all at once, with nothing to watch.
func (p *plan) deployment() *native.DeploymentConfig {
	if p.env.AtOnce {
		return nil
	}
	r, alarms := p.rollout, p.rollbackAlarms()
	if !r.Guarded() && len(alarms) == 0 {
		return nil
	}
	d := &native.DeploymentConfig{}
	for _, name := range alarms {
		if d.AutoRollbackConfiguration == nil {
			d.AutoRollbackConfiguration = &native.AutoRollbackConfig{}
		}
		d.AutoRollbackConfiguration.Alarms = append(d.AutoRollbackConfiguration.Alarms, native.Alarm{AlarmName: name})
	}
	size := &native.CapacitySize{Type: "INSTANCE_COUNT", Value: r.Size}
	if r.Percent {
		size.Type = "CAPACITY_PERCENT"
	}
	if r.Strategy == spec.Rolling {
		d.RollingUpdatePolicy = &native.RollingUpdatePolicy{
			MaximumBatchSize: *size, WaitIntervalInSeconds: seconds(r.Interval), MaximumExecutionTimeoutInSeconds: secondsOrNil(r.Timeout),
		}
		return d
	}
	interval := seconds(r.Interval)
	route := native.TrafficRoutingConfig{Type: "ALL_AT_ONCE", WaitIntervalInSeconds: &interval}
	switch r.Strategy {
	case spec.Canary:
		route.Type, route.CanarySize = "CANARY", size
	case spec.Linear:
		route.Type, route.LinearStepSize = "LINEAR", size
	}
	d.BlueGreenUpdatePolicy = &native.BlueGreenUpdatePolicy{
		TrafficRoutingConfiguration: route, TerminationWaitInSeconds: secondsOrNil(r.Bake), MaximumExecutionTimeoutInSeconds: secondsOrNil(r.Timeout),
	}
	return d
}

// deploymentFor is what the endpoint is told of rollouts. It follows the name of its
// configuration: a rollout that was asked for otherwise counts from the next change, and is
// none by itself. (What Cloud Control does of a change of this alone is not told anywhere.)
func (b *build) deploymentFor(config pulumi.StringOutput) pulumi.Input {
	wanted := b.deployment().Properties()
	now := b.env.Endpoint
	if now == nil || now.Config == "" {
		// CreateEndpoint would only keep it for later; and the alarms come after.
		return nil
	}
	if wanted == nil && now.Deployment == nil {
		return nil
	}
	return config.ApplyT(func(name string) any {
		value := wanted
		if name == now.Config {
			value = now.Deployment
		}
		if value == nil {
			return nil
		}
		return value
	})
}

func seconds(d time.Duration) int { return int(d / time.Second) }

// secondsOrNil is a time in seconds, or not set if it is 0.
func secondsOrNil(d time.Duration) *int {
	if d == 0 {
		return nil
	}
	n := seconds(d)
	return &n
}
