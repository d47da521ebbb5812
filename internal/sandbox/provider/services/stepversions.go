package services

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
)

type versionArgs struct {
	Description     *string `pulumi:"description,replace" check:"len=0..256"`
	StateMachineArn string  `pulumi:"stateMachineArn,required,replace"`
	RevisionID      *string `pulumi:"stateMachineRevisionId,replace" check:"len=1..256"`
}

type versionState struct {
	versionArgs
	Arn string `pulumi:"arn"`
}

func stateMachineVersion() Resource {
	return define(Def[versionArgs, versionState]{
		Type: "aws-native:stepfunctions:StateMachineVersion", Title: "State Machine Version",
		// To publish the same revision again gives the version that is there.
		InPlaceFn: func(changed map[string]bool) bool {
			return changed["description"] && !changed["stateMachineRevisionId"] && !changed["stateMachineArn"]
		},
		CreateFn: func(ctx context.Context, c *Call, in *versionArgs) (string, error) {
			out, err := c.SFN().PublishStateMachineVersion(ctx, &sfn.PublishStateMachineVersionInput{
				StateMachineArn: aws.String(in.StateMachineArn), RevisionId: set(in.RevisionID), Description: set(in.Description),
			})
			if err != nil {
				return "", err
			}
			return deref(out.StateMachineVersionArn), nil
		},
		ReadFn:   readVersion,
		DeleteFn: deleteVersion,
	})
}

func readVersion(ctx context.Context, c *Call, id string, last *versionState) (*versionState, error) {
	out, err := c.SFN().DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: aws.String(id)})
	if err != nil {
		return nil, gone(err, noMachine)
	}
	if out.Status == types.StateMachineStatusDeleting {
		return nil, ErrGone
	}
	machine, _, _ := cutLast(id, ":")
	revision := deref(out.RevisionId)
	if revision == "" {
		revision = initialRevision
	}
	s := &versionState{versionArgs: versionArgs{Description: set(out.Description), StateMachineArn: machine, RevisionID: &revision}, Arn: id}
	if last.StateMachineArn != "" && last.RevisionID == nil {
		s.RevisionID = nil // the newest was asked for, whichever that was
	}
	return s, nil
}

// deleteVersion deletes a version. A version that an alias still routes to
// cannot go; the answer names the aliases.
func deleteVersion(ctx context.Context, c *Call, id string, _ *versionState) error {
	_, err := c.SFN().DeleteStateMachineVersion(ctx, &sfn.DeleteStateMachineVersionInput{StateMachineVersionArn: aws.String(id)})
	if isCode(err, "ConflictException") {
		out, lerr := c.SFN().ListStateMachineAliases(ctx, &sfn.ListStateMachineAliasesInput{StateMachineArn: aws.String(id)})
		if lerr == nil && len(out.StateMachineAliases) > 0 {
			aliases := each(out.StateMachineAliases, func(a types.StateMachineAliasListItem) string { return deref(a.StateMachineAliasArn) })
			return fmt.Errorf("still in use by %s; route the alias to another version first: %w", strings.Join(aliases, ", "), err)
		}
	}
	return gone(err, noMachine, "ResourceNotFound")
}

type machineAliasArgs struct {
	Deployment      *aliasDeployment `pulumi:"deploymentPreference,local"`
	Description     *string          `pulumi:"description" check:"len=0..256"`
	Name            *string          `pulumi:"name,replace,computed" check:"len=1..80;match=^[a-zA-Z0-9_.-]*[a-zA-Z_.-][a-zA-Z0-9_.-]*$"`
	Routing         []aliasRoute     `pulumi:"routingConfiguration,set" check:"items=0..2"`
	StateMachineArn *string          `pulumi:"stateMachineArn,replace,computed"`
}

type aliasDeployment struct {
	Alarms     []string `pulumi:"alarms,set" check:"items=0..100"`
	Interval   *int     `pulumi:"interval" check:"min=1;max=2100"`
	Percentage *int     `pulumi:"percentage" check:"min=1;max=99"`
	VersionArn string   `pulumi:"stateMachineVersionArn,required"`
	Type       string   `pulumi:"type,required" check:"enum=LINEAR|ALL_AT_ONCE|CANARY"`
}

type aliasRoute struct {
	VersionArn string `pulumi:"stateMachineVersionArn,required"`
	Weight     int    `pulumi:"weight,required" check:"min=0;max=100"`
}

type machineAliasState struct {
	machineAliasArgs
	Arn string `pulumi:"arn"`
}

func stateMachineAlias() Resource {
	return define(Def[machineAliasArgs, machineAliasState]{
		Type: "aws-native:stepfunctions:StateMachineAlias", Title: "State Machine Alias",
		Named: &Naming{Property: "name", Max: 80}, Slow: 36 * time.Hour, CheckFn: checkMachineAlias,
		CreateFn: func(ctx context.Context, c *Call, in *machineAliasArgs) (string, error) {
			out, err := c.SFN().CreateStateMachineAlias(ctx, &sfn.CreateStateMachineAliasInput{
				Name: in.Name, Description: set(in.Description), RoutingConfiguration: each(in.routes(), aliasRouteToAPI),
			})
			if err != nil {
				return "", err
			}
			return deref(out.StateMachineAliasArn), nil
		},
		ReadFn: readMachineAlias, UpdateFn: updateMachineAlias,
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *machineAliasState) error {
			_, err := c.SFN().DeleteStateMachineAlias(ctx, &sfn.DeleteStateMachineAliasInput{StateMachineAliasArn: aws.String(id)})
			return gone(err, "ResourceNotFound", noMachine)
		},
	})
}

// longestDeployment is how many minutes a linear deployment may take.
const longestDeployment = 2100

func checkMachineAlias(in *machineAliasArgs, known func(string) bool) []schema.Failure {
	if !known("routingConfiguration") || !known("deploymentPreference") {
		return nil
	}
	switch {
	case in.Deployment == nil && len(in.Routing) == 0:
		return []schema.Failure{{Property: "routingConfiguration", Reason: "one of routingConfiguration, deploymentPreference must be specified"}}
	case in.Deployment != nil && len(in.Routing) > 0:
		return []schema.Failure{{Property: "deploymentPreference", Reason: "only one of routingConfiguration, deploymentPreference can be specified"}}
	case in.Deployment != nil && in.Deployment.Type != "ALL_AT_ONCE" && (in.Deployment.Interval == nil || in.Deployment.Percentage == nil):
		return []schema.Failure{{Property: "deploymentPreference", Reason: "interval and percentage are required for type " + in.Deployment.Type}}
	case in.Deployment != nil && in.Deployment.Type == "LINEAR" && (100+*in.Deployment.Percentage-1)/(*in.Deployment.Percentage)**in.Deployment.Interval > longestDeployment:
		return []schema.Failure{{Property: "deploymentPreference", Reason: fmt.Sprintf("a linear deployment may take %d minutes, and this one takes more", longestDeployment)}}
	case in.Deployment != nil:
		return nil
	}
	sum := 0
	for _, r := range in.Routing {
		sum += r.Weight
	}
	if sum != 100 {
		return []schema.Failure{{Property: "routingConfiguration", Reason: fmt.Sprintf("the weights must add up to 100, not %d", sum)}}
	}
	return nil
}

// routes is where the alias is to lead in the end.
func (in *machineAliasArgs) routes() []aliasRoute {
	if d := in.Deployment; d != nil {
		return []aliasRoute{{VersionArn: d.VersionArn, Weight: 100}}
	}
	return in.Routing
}

func aliasRouteToAPI(r aliasRoute) types.RoutingConfigurationListItem {
	return types.RoutingConfigurationListItem{StateMachineVersionArn: aws.String(r.VersionArn), Weight: int32(r.Weight)} // at most 100
}

func aliasRouteOf(r types.RoutingConfigurationListItem) aliasRoute {
	return aliasRoute{VersionArn: deref(r.StateMachineVersionArn), Weight: int(r.Weight)}
}

func readMachineAlias(ctx context.Context, c *Call, id string, last *machineAliasState) (*machineAliasState, error) {
	out, err := c.SFN().DescribeStateMachineAlias(ctx, &sfn.DescribeStateMachineAliasInput{StateMachineAliasArn: aws.String(id)})
	if err != nil {
		return nil, gone(err, "ResourceNotFound", noMachine)
	}
	machine, _, _ := cutLast(id, ":")
	s := &machineAliasState{
		machineAliasArgs: machineAliasArgs{
			Description: set(out.Description), Name: out.Name, Routing: each(out.RoutingConfiguration, aliasRouteOf), StateMachineArn: &machine,
		},
		Arn: id,
	}
	// With a deployment preference the routes are not the program's business, as
	// long as they are what the deployment led to.
	if d := last.Deployment; d != nil && slices.Equal(s.Routing, last.routes()) {
		s.Routing = nil
	}
	return s, nil
}

func updateMachineAlias(ctx context.Context, c *Call, id string, _ *machineAliasState, in *machineAliasArgs) error {
	live, err := c.SFN().DescribeStateMachineAlias(ctx, &sfn.DescribeStateMachineAliasInput{StateMachineAliasArn: aws.String(id)})
	if err != nil {
		return err
	}
	if d := in.Deployment; d != nil && d.Type != "ALL_AT_ONCE" {
		if len(live.RoutingConfiguration) != 1 {
			// So does CloudFormation's handler, performPreflightCheck.
			return fmt.Errorf("a deployment of type %s can't begin: the alias leads to %d versions; let it lead to one with 100%% first", d.Type, len(live.RoutingConfiguration))
		}
		if from := deref(live.RoutingConfiguration[0].StateMachineVersionArn); from != d.VersionArn {
			if err := shift(ctx, c, id, from, d); err != nil {
				return err
			}
		}
	}
	return route(ctx, c, id, in.Description, in.routes()...)
}

func route(ctx context.Context, c *Call, id string, description *string, routes ...aliasRoute) error {
	req := &sfn.UpdateStateMachineAliasInput{StateMachineAliasArn: aws.String(id), RoutingConfiguration: each(routes, aliasRouteToAPI)}
	if description != nil {
		req.Description = description
	}
	_, err := c.SFN().UpdateStateMachineAlias(ctx, req)
	return err
}

// shift moves the traffic step by step, as CloudFormation does for CANARY (one
// step) and LINEAR (equal steps), and back if an alarm goes off or the user
// cancels. One that is in ALARM already ends it before the first step.
// https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-stepfunctions (UpdateHandler.java)
func shift(ctx context.Context, c *Call, id, from string, d *aliasDeployment) error {
	if err := c.alarmed(ctx, d.Alarms); err != nil {
		return fmt.Errorf("the deployment did not begin: %w", err)
	}
	step := deref(d.Percentage)
	for weight := step; weight < 100; weight += step {
		if err := route(ctx, c, id, nil, aliasRoute{from, 100 - weight}, aliasRoute{d.VersionArn, weight}); err != nil {
			return err
		}
		if err := c.bake(ctx, d.Alarms, time.Duration(deref(d.Interval))*time.Minute); err != nil {
			back, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			return errors.Join(fmt.Errorf("the deployment was rolled back: %w", err), route(back, c, id, nil, aliasRoute{from, 100}))
		}
		if d.Type == "CANARY" {
			break
		}
	}
	return nil
}

// bake waits for d while none of the alarms goes off.
func (c *Call) bake(ctx context.Context, alarms []string, d time.Duration) error {
	end := time.Now().Add(d)
	for {
		if err := c.alarmed(ctx, alarms); err != nil {
			return err
		}
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		if err := c.pause(ctx, min(left, 10*time.Second)); err != nil {
			return err
		}
	}
}

// alarmed returns an error if one of the alarms is in ALARM. One that is not there, or is
// named by its ARN, counts as quiet, as AWS warns of.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-stepfunctions-statemachinealias-deploymentpreference.html
func (c *Call) alarmed(ctx context.Context, alarms []string) error {
	names := slices.DeleteFunc(slices.Clone(alarms), arn.IsARN)
	if len(names) == 0 {
		return nil
	}
	out, err := c.CloudWatch().DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{
		AlarmNames: names, StateValue: cwtypes.StateValueAlarm, AlarmTypes: []cwtypes.AlarmType{cwtypes.AlarmTypeMetricAlarm, cwtypes.AlarmTypeCompositeAlarm},
	})
	if err != nil {
		return err
	}
	for _, a := range out.MetricAlarms {
		return fmt.Errorf("alarm %s went off: %s", deref(a.AlarmName), deref(a.StateReason))
	}
	for _, a := range out.CompositeAlarms {
		return fmt.Errorf("alarm %s went off: %s", deref(a.AlarmName), deref(a.StateReason))
	}
	return nil
}
