package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sagemaker"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// capacityWait bounds the question how many instances there are: it is asked for a
// word of warning only.
const capacityWait = 10 * time.Second

// capacityWarning is for the step that gives an endpoint another configuration:
// UpdateEndpoint sets the number of instances to that of the configuration, whatever
// autoscaling or somebody has made of it since. (API_UpdateEndpoint,
// RetainAllVariantProperties, which pulumi-aws does not have.) It is nil where
// nothing is lost or nobody answers.
func (a *App) capacityWarning(ctx context.Context, o *Operation, p *spec.Pipeline, ev stack.Event) *stack.Diagnostic {
	r := ev.Resource
	if ev.Type != stack.EventResourcePre || r == nil || r.Type != kinds.Endpoint || r.Op != stack.OpUpdate || r.ID == "" {
		return nil
	}
	moves := slices.ContainsFunc(r.Diff, func(d stack.PropertyDiff) bool { return d.Path == "endpointConfigName" })
	if !moves || p.Parameters.String("endpointKind") == "serverless" {
		return nil
	}
	initial := max(1, p.Parameters.Int("initialInstances"))
	ctx, cancel := o.whileLive(ctx)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, capacityWait)
	defer cancel()
	now, err := a.instances(ctx, p, r.ID)
	if err != nil || now <= initial {
		return nil
	}
	return &stack.Diagnostic{URN: r.URN, Severity: stack.SeverityWarning, Message: fmt.Sprintf(
		"the endpoint has %d instances now and falls back to initialInstances, which is %d: add --set initialInstances=%d to keep them", now, initial, now)}
}

// instances is how many instances an endpoint is meant to have at present.
func (a *App) instances(ctx context.Context, p *spec.Pipeline, endpoint string) (int, error) {
	t, err := a.Target(ctx)
	if err != nil {
		return 0, err
	}
	cfg, err := awscfg.Load(ctx, t.loadFor(p.Region, p.AssumeRole))
	if err != nil {
		return 0, err
	}
	out, err := sagemaker.NewFromConfig(cfg).DescribeEndpoint(ctx, &sagemaker.DescribeEndpointInput{EndpointName: &endpoint})
	if err != nil {
		return 0, awscfg.Classify(err)
	}
	n := 0
	for _, v := range out.ProductionVariants {
		if v.VariantName != nil && *v.VariantName == spec.Variant && v.DesiredInstanceCount != nil {
			n = int(*v.DesiredInstanceCount)
		}
	}
	return n, nil
}
