package app

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/preflight"
)

// dryCall is a call that asks for a permission and changes nothing whoever makes it, since
// what it brings can be no such thing.
type dryCall struct {
	call func(ctx context.Context, cfg aws.Config, resource, name, boundary string) error
	// wrong are the codes with which AWS refuses what the call brings to who may make it.
	wrong []string
}

// malformed is no JSON, so that it can be no policy, and no archive either.
const malformed = "{"

// dryCalls are those that there are. Of IAM's passing of roles, of buckets and of new
// functions there is none.
var dryCalls = map[string]dryCall{
	"iam:CreateRole": {func(ctx context.Context, cfg aws.Config, _, name, boundary string) error {
		in := &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(malformed)}
		if boundary != "" {
			in.PermissionsBoundary = &boundary
		}
		_, err := iam.NewFromConfig(cfg).CreateRole(ctx, in)
		return err
	}, []string{"MalformedPolicyDocument", "EntityAlreadyExists"}},
	"iam:PutRolePolicy": {func(ctx context.Context, cfg aws.Config, _, name, _ string) error {
		_, err := iam.NewFromConfig(cfg).PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("check"), PolicyDocument: aws.String(malformed)})
		return err
	}, []string{"MalformedPolicyDocument", "NoSuchEntity"}},
	"states:CreateStateMachine": {func(ctx context.Context, cfg aws.Config, resource, name, _ string) error {
		parts := strings.SplitN(resource, ":", 6)
		role := strings.Join([]string{"arn", parts[1], "iam", "", parts[4], "role/" + name + "-states"}, ":")
		return executions.DryCreate(ctx, cfg, name, role)
	}, []string{"InvalidDefinition"}},
	"states:UpdateStateMachine": {func(ctx context.Context, cfg aws.Config, resource, _, _ string) error {
		return executions.DryUpdate(ctx, cfg, resource)
	}, []string{"InvalidDefinition", "StateMachineDoesNotExist"}},
	"sagemaker:CreateEndpoint": {func(ctx context.Context, cfg aws.Config, _, name, _ string) error {
		_, err := sagemaker.NewFromConfig(cfg).CreateEndpoint(ctx, &sagemaker.CreateEndpointInput{EndpointName: &name, EndpointConfigName: noConfig(name)})
		return err
	}, []string{notFoundInSageMaker}},
	"sagemaker:UpdateEndpoint": {func(ctx context.Context, cfg aws.Config, _, name, _ string) error {
		_, err := sagemaker.NewFromConfig(cfg).UpdateEndpoint(ctx, &sagemaker.UpdateEndpointInput{EndpointName: &name, EndpointConfigName: noConfig(name)})
		return err
	}, []string{notFoundInSageMaker}},
	"lambda:UpdateFunctionCode": {func(ctx context.Context, cfg aws.Config, resource, _, _ string) error {
		_, err := lambda.NewFromConfig(cfg).UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: &resource, DryRun: true, ZipFile: []byte(malformed)})
		return err
	}, []string{"InvalidParameterValueException", "ResourceNotFoundException"}},
}

// noConfig is a configuration that is not there, under a name as those of the endpoint have,
// which the policies of who deploys are about.
func noConfig(endpoint string) *string {
	return aws.String(strings.TrimSuffix(endpoint, "-ep") + "-c-none")
}

// dry asks for one need of each kind: policies are about the names of all. Only a refusal
// that names the action is one of it.
func (q *asker) dry(ctx context.Context, cfg aws.Config, needs []preflight.Need) (lacks []preflight.Lack, err error) {
	var kinds []preflight.Need
	for _, n := range needs {
		like := func(x preflight.Need) bool {
			x.Resource = n.Resource
			return x == n
		}
		if !slices.ContainsFunc(kinds, like) {
			kinds = append(kinds, n)
		}
	}
	var mu sync.Mutex
	add := func(l preflight.Lack) {
		mu.Lock()
		defer mu.Unlock()
		lacks = append(lacks, l)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, n := range kinds {
		dry, there := dryCalls[n.Action]
		if !there {
			add(preflight.Lack{Need: n, Blind: true})
			continue
		}
		g.Go(func() error {
			name := n.Resource[strings.LastIndexAny(n.Resource, ":/")+1:]
			err := dry.call(ctx, cfg, n.Resource, name, n.Boundary)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case refused(err) && strings.Contains(err.Error(), n.Action):
				add(preflight.Lack{Need: n})
			case err != nil && !slices.Contains(dry.wrong, code(err)):
				add(preflight.Lack{Need: n, Blind: true})
			}
			return nil
		})
	}
	return lacks, g.Wait()
}
