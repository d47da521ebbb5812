package program

import (
	"context"
	"fmt"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Planned is one resource that a pipeline will have.
type Planned = spec.Planned

// Describe returns what a pipeline will consist of, in building order, without
// an engine and without a request to anybody: it runs the same blocks as
// Pipeline and takes down what they ask for.
func Describe(ctx context.Context, p *spec.Pipeline, t *spec.Template, env Env) ([]Planned, error) {
	pl, err := newPlan(p, t, env)
	if err != nil {
		return nil, err
	}
	seen := &recorder{names: map[string]string{}}
	pctx, err := pulumi.NewContext(ctx, pulumi.RunInfo{
		Project: "pipelinetui", Stack: p.StackName(), Mocks: seen, DryRun: true,
	})
	if err != nil {
		return nil, fault.Wrap(err, "describe %s", p.ID)
	}
	var planned []Planned
	err = pulumi.RunWithContext(pctx, func(ctx *pulumi.Context) error {
		b, err := pl.build(ctx)
		if err == nil {
			planned = b.planned
		}
		return err
	})
	if err == nil {
		err = pctx.Close()
	}
	if err != nil {
		return nil, fault.Wrap(err, "describe %s", p.ID)
	}
	for i := range planned {
		planned[i].AWSName = seen.names[planned[i].Name]
		planned[i].Idle = pl.idle(planned[i].Type)
	}
	return planned, nil
}

// idle says what a resource costs by time rather than by use.
func (p *plan) idle(token string) string {
	kind, _ := kinds.Of(token) // all that blocks make is known, by test
	switch kind.Idle {
	case kinds.ByInstance:
		if !p.serverless() {
			return fmt.Sprintf("%d x %s by the hour", p.numberOr("initialInstances", 1), p.instanceType())
		}
		if n := p.number("provisionedConcurrency"); n > 0 {
			return fmt.Sprintf("%d requests' worth of kept capacity by the hour", n)
		}
	case kinds.Monthly:
		return "by the month"
	case kinds.ByUse:
	}
	return ""
}

// recorder stands in for the engine and takes down the names in AWS.
type recorder struct {
	mu    sync.Mutex
	names map[string]string
}

// nameProperties are the inputs that hold a resource's name in AWS. (A version
// or policy is told apart by what it belongs to; the name of that is not its
// own.)
var nameProperties = []resource.PropertyKey{"name", "bucket", "stateMachineName"}

// NewResource gives back the inputs; what AWS would make up stays unknown.
func (r *recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range nameProperties {
		if v, ok := args.Inputs[key]; ok && v.IsString() {
			r.names[args.Name] = v.StringValue()
			break
		}
	}
	return "", args.Inputs, nil
}

// Call answers no question: the blocks ask none.
func (r *recorder) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, fmt.Errorf("a program may not ask for %s", args.Token)
}
