package sagemaker

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
)

// plan is how an update brings the traffic to the new fleet.
// https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html
type plan struct {
	steps   []stage
	timeout time.Duration // 0: none
	// rolling says that the old fleet shrinks as the new one grows; back is the share of
	// the fleet that one step of a rolling rollback brings back.
	rolling bool
	back    float64
	alarms  []string
	// guarded says that the caller asked for a policy. Without one there are no stages to
	// see: traffic shifts at once.
	guarded bool
}

// stage is one shift of traffic and the waiting behind it.
type stage struct {
	share float64 // of the traffic that the new fleet has from here on
	bake  time.Duration
	// capacity and wait are what AWS's messages call the active part of the fleet and the
	// member that says how long is waited.
	capacity, wait string
}

const (
	fullCapacity = "full capacity"
	waitMember   = "WaitIntervalInSeconds"
	finalMember  = "TerminationWaitInSeconds"
)

func seconds(n *int32) time.Duration { return time.Duration(aws.ToInt32(n)) * time.Second }

// planOf is the plan of an endpoint's update. It follows from what is stored, so that a
// restart goes on by the same.
func (e *endpoint) planOf() plan {
	p := plan{steps: []stage{{share: 1, capacity: fullCapacity, wait: finalMember}}}
	dc := e.Deployment
	if dc == nil || e.Target == nil || unguarded(e.Target) {
		return p
	}
	p.guarded = true
	if a := dc.AutoRollbackConfiguration; a != nil {
		for _, x := range a.Alarms {
			p.alarms = append(p.alarms, aws.ToString(x.AlarmName))
		}
	}
	total := smallest(e.Target)
	switch {
	case dc.RollingUpdatePolicy != nil:
		r := dc.RollingUpdatePolicy
		p.rolling, p.back, p.timeout = true, 1, seconds(r.MaximumExecutionTimeoutInSeconds)
		if r.RollbackMaximumBatchSize != nil {
			p.back = batch(r.RollbackMaximumBatchSize, total)
		}
		p.steps = shifts(batch(r.MaximumBatchSize, total), seconds(r.WaitIntervalInSeconds), seconds(r.WaitIntervalInSeconds), "batch capacity", waitMember)
	case dc.BlueGreenUpdatePolicy != nil:
		b := dc.BlueGreenUpdatePolicy
		p.timeout = seconds(b.MaximumExecutionTimeoutInSeconds)
		p.steps = blueGreen(b, total)
	}
	return p
}

// blueGreen are the stages of a blue/green deployment. The baking behind the last shift
// is that of TerminationWaitInSeconds.
// https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green-canary.html
// https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green-linear.html
func blueGreen(b *types.BlueGreenUpdatePolicy, total int32) []stage {
	t, final := b.TrafficRoutingConfiguration, seconds(b.TerminationWaitInSeconds)
	last := stage{share: 1, bake: final, capacity: fullCapacity, wait: finalMember}
	switch t.Type {
	case types.TrafficRoutingConfigTypeCanary:
		return []stage{{portion(t.CanarySize, total), seconds(t.WaitIntervalInSeconds), "canary capacity", waitMember}, last}
	case types.TrafficRoutingConfigTypeLinear:
		return shifts(portion(t.LinearStepSize, total), seconds(t.WaitIntervalInSeconds), final, "linear step capacity", finalMember)
	case types.TrafficRoutingConfigTypeAllAtOnce:
	}
	return []stage{last}
}

// shifts are stages of one size, the last of which brings what is left.
func shifts(size float64, bake, final time.Duration, capacity, finally string) []stage {
	var out []stage
	for n := 1; float64(n)*size < 1-1e-9; n++ {
		out = append(out, stage{float64(n) * size, bake, capacity, waitMember})
	}
	return append(out, stage{1, final, fullCapacity, finally})
}

// portion is the share of a fleet that a size is.
func portion(c *types.CapacitySize, total int32) float64 {
	if c.Type == types.CapacitySizeTypeInstanceCount {
		return float64(aws.ToInt32(c.Value)) / float64(max(total, 1))
	}
	return float64(aws.ToInt32(c.Value)) / 100
}

// batch is portion for what moves by instances: a share is a maximum, so it is rounded
// down to whole instances, and to no less than one. How AWS rounds is said nowhere.
func batch(c *types.CapacitySize, total int32) float64 {
	whole := math.Floor(portion(c, total)*float64(max(total, 1)) + 1e-9)
	return max(whole, 1) / float64(max(total, 1))
}

// smallest is the instance count of the deployment's smallest variant: what is at most
// half of that is so of all.
func smallest(d *deployment) int32 {
	least := int32(0)
	for i := range d.Variants {
		if n := d.Variants[i].DesiredCount; least == 0 || n < least {
			least = n
		}
	}
	return least
}

// unguarded tells of what falls back to all at once without baking.
// https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html
// (Marketplace containers, the other kind, are model packages, which the sandbox has not.)
func unguarded(d *deployment) bool {
	for i := range d.Variants {
		if strings.HasPrefix(d.Variants[i].Instance, "ml.inf1.") {
			return true
		}
	}
	return false
}

// checkDeployment refuses a deployment configuration that AWS's pages rule out for a
// fleet. The pages have the rules, the words are ours.
// https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeploymentConfig.html
// https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TrafficRoutingConfig.html
// https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_RollingUpdatePolicy.html
func checkDeployment(dc *types.DeploymentConfig, d *deployment) error {
	if dc == nil {
		return nil
	}
	if dc.BlueGreenUpdatePolicy != nil && dc.RollingUpdatePolicy != nil {
		return invalid("Only one of BlueGreenUpdatePolicy and RollingUpdatePolicy can be specified in DeploymentConfig.")
	}
	serverless := false
	for i := range d.Variants {
		serverless = serverless || d.Variants[i].Serverless
	}
	total := smallest(d)
	if r := dc.RollingUpdatePolicy; r != nil {
		return checkRolling(r, d, serverless, total)
	}
	if b := dc.BlueGreenUpdatePolicy; b != nil {
		return checkBlueGreen(b, serverless, total)
	}
	return nil
}

func checkRolling(r *types.RollingUpdatePolicy, d *deployment, serverless bool, total int32) error {
	switch {
	case serverless:
		return invalid("RollingUpdatePolicy is not supported for serverless endpoints.")
	case len(d.Variants) > 1:
		return invalid("RollingUpdatePolicy is not supported for endpoints with multiple variants.")
	}
	if err := within("MaximumBatchSize", r.MaximumBatchSize, total, 0.05, 0.5); err != nil {
		return err
	}
	if r.RollbackMaximumBatchSize == nil {
		return nil
	}
	return within("RollbackMaximumBatchSize", r.RollbackMaximumBatchSize, total, 0, 1)
}

func checkBlueGreen(b *types.BlueGreenUpdatePolicy, serverless bool, total int32) error {
	t := b.TrafficRoutingConfiguration
	switch t.Type {
	case types.TrafficRoutingConfigTypeAllAtOnce:
		return nil
	case types.TrafficRoutingConfigTypeCanary:
		if t.CanarySize == nil {
			return invalid("CanarySize must be specified for traffic routing type CANARY.")
		}
	case types.TrafficRoutingConfigTypeLinear:
		if t.LinearStepSize == nil {
			return invalid("LinearStepSize must be specified for traffic routing type LINEAR.")
		}
	}
	if serverless {
		return invalid("Traffic routing type %s is not supported for serverless endpoints.", t.Type)
	}
	if t.Type == types.TrafficRoutingConfigTypeCanary {
		return within("CanarySize", t.CanarySize, total, 0, 0.5)
	}
	return within("LinearStepSize", t.LinearStepSize, total, 0.1, 0.5)
}

// within refuses a size that is less than low or more than high of a fleet.
func within(member string, c *types.CapacitySize, total int32, low, high float64) error {
	share := portion(c, total)
	if share >= low-1e-9 && share <= high+1e-9 {
		return nil
	}
	rule := "between " + percent(low) + " and " + percent(high)
	if low == 0 {
		rule = "less than or equal to " + percent(high)
	}
	return invalid("%s must be %s of the variant's total instance count (%d): it is %s %d.", member, rule, total, c.Type, aws.ToInt32(c.Value))
}

func percent(share float64) string { return fmt.Sprintf("%.0f%%", share*100) }
