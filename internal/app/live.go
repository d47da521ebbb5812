package app

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Live asks AWS for what the stacks of pipelines cannot know, in the order of the list.
// What could not be asked of one is told in its place; the error is that the target
// can't be asked anything.
func (a *App) Live(ctx context.Context, list []Existing, ask pipelines.Question) ([]pipelines.Live, error) {
	t, err := a.Target(ctx)
	if err != nil {
		return nil, err
	}
	return pipelines.LookAll(ctx, world{a, t}, list, ask, a.opts.Clock.Now().UTC()), nil
}

// world is the target as it can be asked about pipelines.
type world struct {
	app    *App
	target *Target
}

var _ pipelines.World = world{}

// Elsewhere implements pipelines.World.
func (w world) Elsewhere(x *Existing) (string, error) {
	return w.target.Elsewhere(x), w.target.NotHere(x)
}

// Executions implements pipelines.World.
func (w world) Executions(ctx context.Context, x *Existing) (*executions.Client, error) {
	return w.app.Executions(ctx, x.Spec.Region, x.Spec.AssumeRole)
}

// Endpoint implements pipelines.World: it asks for the status of a pipeline's endpoint ("InService"), or
// "" if it has none.
func (w world) Endpoint(ctx context.Context, x *Existing) (string, error) {
	// By the resource, not by the output, which stays when a destroy ends half way.
	name := endpointNamed(x.State)
	if name == "" || x.Spec == nil {
		return "", nil
	}
	cfg, err := w.target.awsConfig(ctx, x.Spec.Region, x.Spec.AssumeRole)
	if err != nil {
		return "", err
	}
	out, err := sagemaker.NewFromConfig(cfg).DescribeEndpoint(ctx, &sagemaker.DescribeEndpointInput{EndpointName: &name})
	if err != nil {
		return "", endpointErr(x.ID, name, err)
	}
	return string(out.EndpointStatus), nil
}

// Shared implements pipelines.World.
func (w world) Shared(ctx context.Context, x *Existing) ([]pipelines.Shared, error) {
	if x.Spec == nil || x.State == nil {
		return nil, nil
	}
	cfg, err := w.target.awsConfig(ctx, x.Spec.Region, x.Spec.AssumeRole)
	if err != nil {
		return nil, err
	}
	var out []pipelines.Shared
	for _, r := range x.State.Resources {
		var alias shared
		of := program.ShiftMachine
		switch {
		case r.PendingDelete || r.ID == "":
			continue
		case r.Type == kinds.StateMachineAlias:
			alias = executions.NewAlias(cfg, r.ID)
		case r.Type == kinds.FunctionAlias:
			alias, of = newFunctionAlias(lambda.NewFromConfig(cfg), r.ID), program.ShiftFunction
		default:
			continue
		}
		routes, err := alias.Routes(ctx)
		if fault.KindOf(err) == fault.NotFound {
			continue // deleted by hand, or by a destroy that was cut off
		}
		if err != nil {
			return out, err
		}
		if len(routes) < 2 {
			continue
		}
		s := pipelines.Shared{Of: string(of), Alias: r.ID}
		for _, to := range routes {
			s.Routes = append(s.Routes, pipelines.Route{Version: number(to.Version), Percent: to.Weight})
		}
		out = append(out, s)
	}
	return out, nil
}

// endpointErr is why an endpoint could not be described.
// (API_DescribeEndpoint has no error for it; the service says Could not find endpoint "...".)
func endpointErr(id spec.ID, name string, err error) error {
	if isAPI(err, "ValidationException") && strings.Contains(err.Error(), "Could not find endpoint") {
		return fault.New(fault.NotFound, "the endpoint %s is gone", name).Because(err).
			WithHint("Somebody deleted it by hand, perhaps: `pipelinetui up %s --refresh` makes it anew.", id)
	}
	return awscfg.Classify(err)
}
