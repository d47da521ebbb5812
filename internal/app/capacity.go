package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// capacityWait bounds the question how many instances there are: it is asked for a
// word to the reader only.
const capacityWait = 10 * time.Second

// capacityNote is for the step that gives an endpoint another configuration: it says how
// many instances the endpoint keeps, or that it gets another number. It is nil where
// nobody answers.
func (a *App) capacityNote(ctx context.Context, o *Operation, p *spec.Pipeline, ev stack.Event) *stack.Diagnostic {
	r := ev.Resource
	if ev.Type != stack.EventResourcePre || r == nil || r.Type != kinds.Endpoint || r.Op != stack.OpUpdate || r.ID == "" {
		return nil
	}
	moves := slices.ContainsFunc(r.Diff, func(d stack.PropertyDiff) bool { return d.Path == "endpointConfigName" })
	if !moves || p.Parameters.String("endpointKind") == "serverless" {
		return nil
	}
	ctx, cancel := o.whileLive(ctx)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, capacityWait)
	defer cancel()
	now, err := a.instances(ctx, p, kinds.EndpointName(r.ID))
	if err != nil || now == 0 {
		return nil
	}
	count := func(n int) string { return fault.Count(n, "instance", "instances") }
	text := "the endpoint keeps its " + count(now)
	if sets := program.SetsInstances(p, a.endpointNow(ctx, p)); sets > 0 && sets != now {
		text = fmt.Sprintf("the endpoint has %s now and gets %d, since initialInstances was changed", count(now), sets)
	}
	return &stack.Diagnostic{URN: r.URN, Severity: stack.SeverityInfo, Message: text}
}

// endpointNow is what the stack records of the endpoint; nil if there is none, or if it
// can't be read, which the operation itself will say.
func (a *App) endpointNow(ctx context.Context, p *spec.Pipeline) *program.EndpointNow {
	e, err := a.Engine(ctx)
	if err != nil {
		return nil
	}
	state, err := e.State(ctx, p.StackName())
	if err != nil {
		return nil
	}
	return endpointIn(state)
}

func endpointIn(state *stack.State) *program.EndpointNow {
	var now *program.EndpointNow
	for _, r := range state.Resources {
		if (r.Type == kinds.Endpoint || r.Type == kinds.FormerEndpoint) && !r.PendingDelete {
			now = &program.EndpointNow{}
			now.Config, _ = r.Inputs["endpointConfigName"].(string)
			excluded, _ := r.Inputs["excludeRetainedVariantProperties"].([]any)
			now.Excluded = len(excluded) > 0
			now.Deployment, _ = r.Inputs["deploymentConfig"].(map[string]any)
		}
	}
	if now == nil {
		return nil
	}
	for _, r := range state.Resources {
		if r.Type != kinds.EndpointConfig || r.ID != now.Config {
			continue
		}
		variants, _ := r.Inputs["productionVariants"].([]any)
		for _, v := range variants {
			variant, _ := v.(map[string]any)
			n, _ := variant["initialInstanceCount"].(float64)
			now.InitialInstances = int(n)
		}
	}
	return now
}

// turnedBack tells whether an update ended with the endpoint in service as it was before:
// the new fleet was taken back, by an alarm, by SageMaker, or because it was not to be made.
// What AWS says of it is not enough, since it may come by way of Cloud Control.
func (a *App) turnedBack(ctx context.Context, p *spec.Pipeline, before *program.EndpointNow, name string) bool {
	if before == nil || before.Config == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, capacityWait)
	defer cancel()
	out, err := a.describeEndpoint(ctx, p, name)
	return err == nil && out.EndpointStatus == types.EndpointStatusInService && aws.ToString(out.EndpointConfigName) == before.Config
}

// instances is how many instances an endpoint is meant to have at present.
func (a *App) instances(ctx context.Context, p *spec.Pipeline, endpoint string) (int, error) {
	out, err := a.describeEndpoint(ctx, p, endpoint)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, v := range out.ProductionVariants {
		if v.VariantName != nil && *v.VariantName == spec.Variant && v.DesiredInstanceCount != nil {
			n = int(*v.DesiredInstanceCount)
		}
	}
	return n, nil
}

func (a *App) describeEndpoint(ctx context.Context, p *spec.Pipeline, name string) (*sagemaker.DescribeEndpointOutput, error) {
	t, err := a.Target(ctx)
	if err != nil {
		return nil, err
	}
	return t.endpoint(ctx, p, name)
}
