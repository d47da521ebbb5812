package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/preflight"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// preflightPatience bounds all checks together: what does not answer is told as not asked.
const preflightPatience = 20 * time.Second

// Preflight asks the accounts of pipelines what would make an up of them fail. Findings of
// the codes in ignore are marked.
func (a *App) Preflight(ctx context.Context, pipelines []*spec.Pipeline, ignore ...preflight.Code) (preflight.Report, error) {
	t, err := a.Target(ctx)
	if err != nil {
		return preflight.Report{}, err
	}
	subjects := make([]preflight.Subject, len(pipelines))
	errs := make(fault.List, len(pipelines))
	var g errgroup.Group
	g.SetLimit(readers)
	for i, p := range pipelines {
		g.Go(func() (err error) {
			subjects[i], err = a.subject(ctx, t, p)
			errs[i] = fault.Wrap(err, "%s", p.ID)
			return nil
		})
	}
	_ = g.Wait() // none returns an error
	if err := slices.DeleteFunc(errs, func(err error) bool { return err == nil }).OrNil(); err != nil {
		return preflight.Report{}, err
	}
	report := a.preflight(ctx, t, subjects, ignore)
	report.Seconds = preflight.Span(subjects, a.DefaultParallel())
	return report, nil
}

// made is the state of a pipeline's stack, and whether it has anything in AWS: what has its
// name then is its own. A state that can't be read is nil, and the operation's to tell of.
func (a *App) made(ctx context.Context, p *spec.Pipeline) (state *stack.State, has bool) {
	e, err := a.Engine(ctx)
	if err != nil {
		return nil, false
	}
	state, err = e.State(ctx, p.StackName())
	switch {
	case fault.KindOf(err) == fault.NotFound, errors.Is(err, stack.ErrNoFolder): // the folder is made with the first stack
		return &stack.State{}, false
	case err != nil:
		return nil, true
	}
	return state, slices.ContainsFunc(state.Resources, func(r stack.Resource) bool { return !kinds.Engines(r.Type) })
}

// PreflightAccount asks about the account alone: who the credentials belong to, and the
// clock.
func (a *App) PreflightAccount(ctx context.Context) (preflight.Report, error) {
	t, err := a.Target(ctx)
	if err != nil {
		return preflight.Report{}, err
	}
	s := preflight.Subject{ID: "account", Place: preflight.Place{Account: t.Account, Region: t.Region}, Roles: 1, New: true}
	return a.preflight(ctx, t, []preflight.Subject{s}, nil), nil
}

// preflight asks. The time is that of the questions alone: a large fleet has all of it.
func (a *App) preflight(ctx context.Context, t *Target, subjects []preflight.Subject, ignore []preflight.Code) preflight.Report {
	ctx, cancel := context.WithTimeout(ctx, preflightPatience)
	defer cancel()
	return preflight.Run(ctx, subjects, func(p preflight.Place) preflight.Account { return &asker{target: t, place: p, clock: a.opts.Clock} }, ignore...)
}

// subject is what checks have to know of a pipeline.
func (a *App) subject(ctx context.Context, t *Target, p *spec.Pipeline) (preflight.Subject, error) {
	state, has := a.made(ctx, p)
	isNew := !has
	account := t.accountOf(p)
	n := p.Names(account)
	v := p.Parameters
	s := preflight.Subject{
		ID: p.ID.String(), Place: preflight.Place{Account: account, Region: p.Region, Role: p.AssumeRole}, New: isNew,
		Image: v.String("image"), Reader: n.SageMakerRoleARN, EstimatedSecond: 60,
	}
	if v.String("kmsMode") == "customer" && state != nil {
		s.Key, _ = state.Outputs["kmsKeyArn"].Value.(string) // there is none before the first up
	}
	if url := v.String("modelDataUrl"); strings.HasPrefix(url, "s3://") {
		s.ModelData = url
	}
	if t.Name != TargetSandbox { // which has no networks, and asks nothing of those that are named
		s.Subnets, s.Groups = v.Strings("subnets"), v.Strings("securityGroups")
	}
	tmpl, err := a.TemplateOf(ctx, p)
	if err != nil {
		return s, err
	}
	env := t.programEnv(p)
	planned, err := program.Describe(ctx, p, tmpl, env)
	if err != nil {
		return s, err
	}
	if s.Maps, err = hasMaps(p, tmpl, env); err != nil {
		return s, err
	}
	invokes := false
	for _, x := range planned {
		arn := ""
		switch x.AWSName {
		case "":
		case n.StatesRole, n.LambdaRole, n.InvokerRole, n.NotifierRole, n.SageMakerRole:
			s.Roles++
			arn = strings.TrimSuffix(n.StatesRoleARN, n.StatesRole) + x.AWSName
		case n.Bucket:
			s.Bucket, arn = n.Bucket, n.BucketARN
		case n.StateMachine:
			s.Workflow, arn = true, n.StateMachineARN
		case n.Function:
			s.Function, s.Reserved, arn = n.Function, max(0, v.Int("preprocess.reservedConcurrency")), n.FunctionARN
		case n.Invoker:
			invokes = true
		case n.Endpoint:
			s.EstimatedSecond, arn = 420, n.EndpointARN // AWS takes four to seven minutes for an endpoint
			if v.String("endpointKind") != "serverless" && v.String("instanceType") != "" {
				s.Machine, s.Count, s.Most = v.String("instanceType"), max(1, v.Int("initialInstances")), v.Int("maxInstances")
			}
		}
		s.Needs = append(s.Needs, needs(n, x.AWSName, arn, p.PermissionsBoundary, isNew)...)
	}
	s.Names = unmade(planned, state)
	s.Calls = callsAtOnce(v, v.Int("preprocess.reservedConcurrency") < 0 && s.Function != "", invokes)
	return s, nil
}

// callsAtOnce is how many calls of functions one execution makes at a time, of those for which
// none are kept: each child of a Map Run calls the function that prepares (own) and then, for
// several of its records at a time, the one that invokes the endpoint.
func callsAtOnce(v spec.Values, own, invokes bool) int {
	each := 0
	if own {
		each = 1
	}
	if invokes {
		each = max(1, v.Int("scoreConcurrency"))
	}
	return each * max(1, v.Int("maxConcurrency"))
}

// needs are the actions that an up wants to be allowed on a resource: those that make it if
// it is not there, else those that change it, which it may not want at all.
func needs(n spec.Names, name, arn, boundary string, isNew bool) (out []preflight.Need) {
	service := map[string]string{
		n.StatesRole: "states.amazonaws.com", n.LambdaRole: "lambda.amazonaws.com", n.InvokerRole: "lambda.amazonaws.com",
		n.NotifierRole: "lambda.amazonaws.com", n.SageMakerRole: "sagemaker.amazonaws.com",
	}[name]
	add := func(actions ...string) {
		for _, action := range actions {
			need := preflight.Need{Action: action, Resource: arn, Maybe: !isNew}
			switch {
			case action == passRole:
				need.PassedTo = service
			case strings.HasPrefix(action, "iam:"):
				need.Boundary = boundary
			}
			out = append(out, need)
		}
	}
	switch {
	case name == "":
	case service != "" && isNew:
		add("iam:CreateRole", "iam:PutRolePolicy", passRole)
	case service != "":
		add("iam:PutRolePolicy")
	case name == n.Bucket && isNew:
		add("s3:CreateBucket", "s3:PutBucketTagging")
	case name == n.StateMachine && isNew:
		add("states:CreateStateMachine")
	case name == n.StateMachine:
		add("states:UpdateStateMachine")
	case name == n.Function && isNew:
		add("lambda:CreateFunction")
	case name == n.Function:
		add("lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration")
	case name == n.Endpoint && isNew:
		add("sagemaker:CreateEndpoint")
	case name == n.Endpoint:
		add("sagemaker:UpdateEndpoint")
	}
	return out
}

const passRole = "iam:PassRole"
