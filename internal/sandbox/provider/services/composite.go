package services

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// retagAlarm brings the tags of an alarm from those of its state to the program's.
func (c *Call) retagAlarm(ctx context.Context, arn string, last, in Tagged) error {
	return retag(last, in,
		func(tags map[string]string) error {
			_, err := c.CloudWatch().TagResource(ctx, &cloudwatch.TagResourceInput{ResourceARN: &arn, Tags: tagList(tags, cwTag)})
			return err
		},
		func(keys []string) error {
			_, err := c.CloudWatch().UntagResource(ctx, &cloudwatch.UntagResourceInput{ResourceARN: &arn, TagKeys: keys})
			return err
		})
}

type compositeArgs struct {
	ActionsEnabled          *bool                `pulumi:"actionsEnabled,replace" default:"true"`
	Suppressor              *compositeSuppressor `pulumi:"actionsSuppressor"`
	AlarmActions            []string             `pulumi:"alarmActions,set" check:"items=0..5"`
	AlarmDescription        *string              `pulumi:"alarmDescription" check:"len=0..1024"`
	AlarmName               string               `pulumi:"alarmName,required,replace" check:"len=0..255"`
	AlarmRule               string               `pulumi:"alarmRule,required" check:"len=1..10240"`
	InsufficientDataActions []string             `pulumi:"insufficientDataActions,set" check:"items=0..5"`
	OKActions               []string             `pulumi:"okActions,set" check:"items=0..5"`
	Tagged
}

type compositeSuppressor struct {
	Alarm     string `pulumi:"alarm,required" check:"len=1..1600"`
	Extension int    `pulumi:"extensionPeriod,required"`
	Wait      int    `pulumi:"waitPeriod,required"`
}

type compositeState struct {
	compositeArgs
	Arn string `pulumi:"arn"`
}

func (in *compositeArgs) put(ctx context.Context, c *Call, tags map[string]string) error {
	x := &cloudwatch.PutCompositeAlarmInput{
		AlarmName: &in.AlarmName, AlarmRule: &in.AlarmRule, ActionsEnabled: in.ActionsEnabled, AlarmActions: in.AlarmActions, AlarmDescription: set(in.AlarmDescription),
		InsufficientDataActions: in.InsufficientDataActions, OKActions: in.OKActions, Tags: tagList(tags, cwTag),
	}
	if s := in.Suppressor; s != nil {
		x.ActionsSuppressor, x.ActionsSuppressorExtensionPeriod, x.ActionsSuppressorWaitPeriod = &s.Alarm, i32(&s.Extension), i32(&s.Wait)
	}
	_, err := c.CloudWatch().PutCompositeAlarm(ctx, x)
	return err
}

func compositeAlarm() Resource {
	return define(Def[compositeArgs, compositeState]{
		Type: "aws:cloudwatch/compositeAlarm:CompositeAlarm", Title: "CloudWatch Composite Alarm",
		InPlaceFn: func(changed map[string]bool) bool { return !changed["alarmName"] },
		CreateFn: func(ctx context.Context, c *Call, in *compositeArgs) (string, error) {
			return idUnless(in.put(ctx, c, in.TagsAll), in.AlarmName)
		},
		ReadFn: readComposite,
		UpdateFn: func(ctx context.Context, c *Call, _ string, last *compositeState, in *compositeArgs) error {
			if err := in.put(ctx, c, nil); err != nil {
				return err
			}
			return c.retagAlarm(ctx, last.Arn, last.Tagged, in.Tagged)
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *compositeState) error { return c.deleteAlarm(ctx, id) },
	})
}

func (c *Call) deleteAlarm(ctx context.Context, name string) error {
	_, err := c.CloudWatch().DeleteAlarms(ctx, &cloudwatch.DeleteAlarmsInput{AlarmNames: []string{name}})
	return gone(err, "ResourceNotFound", "ResourceNotFoundException")
}

func readComposite(ctx context.Context, c *Call, id string, last *compositeState) (*compositeState, error) {
	out, err := c.CloudWatch().DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{id}, AlarmTypes: []types.AlarmType{types.AlarmTypeCompositeAlarm}})
	if err != nil {
		return nil, err
	}
	if len(out.CompositeAlarms) == 0 {
		return nil, ErrGone
	}
	a := out.CompositeAlarms[0]
	tags, err := c.CloudWatch().ListTagsForResource(ctx, &cloudwatch.ListTagsForResourceInput{ResourceARN: a.AlarmArn})
	if err != nil {
		return nil, gone(err, "ResourceNotFoundException")
	}
	s := &compositeState{Arn: deref(a.AlarmArn), compositeArgs: compositeArgs{
		ActionsEnabled: a.ActionsEnabled, AlarmActions: a.AlarmActions, AlarmDescription: set(a.AlarmDescription), AlarmName: deref(a.AlarmName), AlarmRule: deref(a.AlarmRule),
		InsufficientDataActions: a.InsufficientDataActions, OKActions: a.OKActions, Tagged: c.tagged(tagMap(tags.Tags, cwTagOf), last.Tagged),
	}}
	if a.ActionsSuppressor != nil && *a.ActionsSuppressor != "" {
		s.Suppressor = &compositeSuppressor{Alarm: *a.ActionsSuppressor, Extension: deref(num(a.ActionsSuppressorExtensionPeriod)), Wait: deref(num(a.ActionsSuppressorWaitPeriod))}
	}
	return s, nil
}

type dashboardArgs struct {
	Body string `pulumi:"dashboardBody,required,json"`
	Name string `pulumi:"dashboardName,required,replace" check:"len=1..255;match=^[0-9A-Za-z_-]+$"`
}

type dashboardState struct {
	dashboardArgs
	Arn string `pulumi:"dashboardArn"`
}

func (in *dashboardArgs) put(ctx context.Context, c *Call) error {
	_, err := c.CloudWatch().PutDashboard(ctx, &cloudwatch.PutDashboardInput{DashboardName: &in.Name, DashboardBody: &in.Body})
	return err
}

func dashboard() Resource {
	const noDashboard = "ResourceNotFound"
	return define(Def[dashboardArgs, dashboardState]{
		Type: "aws:cloudwatch/dashboard:Dashboard", Title: "CloudWatch Dashboard",
		CreateFn: func(ctx context.Context, c *Call, in *dashboardArgs) (string, error) {
			return idUnless(in.put(ctx, c), in.Name)
		},
		ReadFn: func(ctx context.Context, c *Call, id string, _ *dashboardState) (*dashboardState, error) {
			out, err := c.CloudWatch().GetDashboard(ctx, &cloudwatch.GetDashboardInput{DashboardName: &id})
			if err != nil {
				return nil, gone(err, noDashboard)
			}
			return &dashboardState{dashboardArgs{Body: deref(out.DashboardBody), Name: deref(out.DashboardName)}, deref(out.DashboardArn)}, nil
		},
		UpdateFn: func(ctx context.Context, c *Call, _ string, _ *dashboardState, in *dashboardArgs) error {
			return in.put(ctx, c)
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *dashboardState) error {
			_, err := c.CloudWatch().DeleteDashboards(ctx, &cloudwatch.DeleteDashboardsInput{DashboardNames: []string{id}})
			return gone(err, noDashboard)
		},
	})
}
