package program

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Planned is one resource that a pipeline will have.
type Planned = spec.Planned

// Described is a pipeline as it will be.
type Described struct {
	// Planned are its resources, in building order.
	Planned []Planned
	// Definition is its state machine in the Amazon States Language, "" if it has none.
	Definition string
}

// InvokerMemory is the memory of the invoker function in MB.
const InvokerMemory = invokerMemory

// Describe returns what a pipeline will consist of, in building order, without
// an engine and without a request to anybody: it runs the same blocks as
// Pipeline and takes down what they ask for.
func Describe(ctx context.Context, p *spec.Pipeline, t *spec.Template, env Env) ([]Planned, error) {
	d, err := Outline(ctx, p, t, env)
	if err != nil {
		return nil, err
	}
	return d.Planned, nil
}

// Outline is Describe, with the state machine.
func Outline(ctx context.Context, p *spec.Pipeline, t *spec.Template, env Env) (*Described, error) {
	if env.Revise == nil { // nobody numbers it, but its ledger counts too
		env.Revise = func(context.Context, revisions.Content, map[string]any) (*revisions.Step, error) {
			return &revisions.Step{Same: true}, nil
		}
	}
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
	// The engine makes the stack itself: no program asks for it.
	own := Planned{Block: keptBlock, Type: "pulumi:pulumi:Stack", Name: "pipelinetui-" + p.StackName()}
	// What a block makes of them is described with the block.
	kept := slices.DeleteFunc(seen.kept, func(x Planned) bool {
		return slices.ContainsFunc(planned, func(y Planned) bool { return y.Name == x.Name && y.Type == x.Type })
	})
	out := &Described{Planned: append(append(planned, own), kept...)}
	if pl.definition != nil {
		out.Definition = pl.definition.json
	}
	return out, nil
}

// keptBlock is the block of what only the stack's state has.
const keptBlock = "state"

// idle says what a resource costs by time rather than by use.
func (p *plan) idle(token string) string {
	kind, _ := kinds.Of(token) // all that blocks make is known, by test
	switch kind.Idle {
	case kinds.ByInstance:
		if !p.serverless() {
			return fmt.Sprintf("%d x %s by the hour", p.numberOr("initialInstances", 1), p.instanceType())
		}
		if n := p.number("provisionedConcurrency"); n > 0 {
			return fault.Count(n, "request's", "requests'") + " worth of kept capacity by the hour"
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
	// kept are the stashes, which only the stack's state has and which count all the same
	// (stack.Counted). No block makes a provider.
	kept []Planned
}

// nameProperties are the inputs that hold a resource's name in AWS. (A version
// or policy is told apart by what it belongs to; the name of that is not its
// own.)
var nameProperties = []resource.PropertyKey{"name", "bucket", "stateMachineName", "endpointName"}

// NewResource gives back the inputs; what AWS would make up stays unknown.
func (r *recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if kinds.Engines(args.TypeToken) {
		r.kept = append(r.kept, Planned{Block: keptBlock, Type: args.TypeToken, Name: args.Name})
		return "", args.Inputs, nil
	}
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
