package executions

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// Route is the share of an alias's executions, in percent, that a version gets.
type Route struct {
	// Version is its ARN.
	Version string
	Weight  int
}

// Alias is the alias of a state machine. It is safe for concurrent use.
type Alias struct {
	arn string
	api *sfn.Client
}

// NewAlias returns the alias that an ARN names, for an AWS configuration. Unlike those of a
// Client its calls are few, and the SDK repeats them.
func NewAlias(cfg aws.Config, arn string) *Alias { return &Alias{arn, sfn.NewFromConfig(cfg)} }

// Routes are where it leads to, one version or two.
// (step-functions/latest/apireference/API_DescribeStateMachineAlias.html)
func (a *Alias) Routes(ctx context.Context) ([]Route, error) {
	out, err := a.api.DescribeStateMachineAlias(ctx, &sfn.DescribeStateMachineAliasInput{StateMachineAliasArn: &a.arn})
	if err != nil {
		return nil, classify("DescribeStateMachineAlias", err)
	}
	routes := make([]Route, len(out.RoutingConfiguration))
	for i, r := range out.RoutingConfiguration {
		routes[i] = Route{aws.ToString(r.StateMachineVersionArn), int(r.Weight)}
	}
	return routes, nil
}

// Lead makes it lead to one version or two of its machine, whose weights are 100 together.
// (step-functions/latest/apireference/API_UpdateStateMachineAlias.html)
func (a *Alias) Lead(ctx context.Context, routes ...Route) error {
	in := &sfn.UpdateStateMachineAliasInput{StateMachineAliasArn: &a.arn}
	for _, r := range routes {
		if r.Weight < 0 || r.Weight > 100 {
			return fmt.Errorf("a weight of %d is none", r.Weight)
		}
		in.RoutingConfiguration = append(in.RoutingConfiguration, types.RoutingConfigurationListItem{
			StateMachineVersionArn: aws.String(r.Version), Weight: int32(r.Weight),
		})
	}
	if _, err := a.api.UpdateStateMachineAlias(ctx, in); err != nil {
		return classify("UpdateStateMachineAlias", err)
	}
	return nil
}

// Definition is what a version of its machine does, in the States Language.
func (a *Alias) Definition(ctx context.Context, version string) (string, error) {
	out, err := a.api.DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: &version})
	if err != nil {
		return "", classify("DescribeStateMachine", err)
	}
	return aws.ToString(out.Definition), nil
}

// TagsOf are the tags of a state machine.
func TagsOf(ctx context.Context, cfg aws.Config, arn string) (map[string]string, error) {
	out, err := sfn.NewFromConfig(cfg).ListTagsForResource(ctx, &sfn.ListTagsForResourceInput{ResourceArn: &arn})
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	for _, t := range out.Tags {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return tags, nil
}
