package app

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sagemaker"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
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
	name, err := x.State.Text("endpointName")
	if err != nil || name == "" || x.Spec == nil {
		return "", err
	}
	cfg, err := awscfg.Load(ctx, w.target.loadFor(x.Spec.Region, x.Spec.AssumeRole))
	if err != nil {
		return "", err
	}
	out, err := sagemaker.NewFromConfig(cfg).DescribeEndpoint(ctx, &sagemaker.DescribeEndpointInput{EndpointName: &name})
	// (API_DescribeEndpoint has no error for it; the service says Could not find endpoint "...".)
	if isAPI(err, "ValidationException") && strings.Contains(err.Error(), "Could not find endpoint") {
		return "", fault.New(fault.NotFound, "the endpoint %s is gone", name).Because(err).
			WithHint("Somebody deleted it by hand, perhaps: `pipelinetui up %s --refresh` makes it anew.", x.ID)
	}
	if err != nil {
		return "", awscfg.Classify(err)
	}
	return string(out.EndpointStatus), nil
}
