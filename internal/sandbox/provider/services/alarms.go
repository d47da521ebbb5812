package services

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
)

func alarmResources() []Resource { return []Resource{metricAlarm(), compositeAlarm(), dashboard()} }

type alarmArgs struct {
	ActionsEnabled          *bool             `pulumi:"actionsEnabled" default:"true"`
	AlarmActions            []string          `pulumi:"alarmActions,set" check:"items=0..5"`
	AlarmDescription        *string           `pulumi:"alarmDescription" check:"len=0..1024"`
	ComparisonOperator      string            `pulumi:"comparisonOperator,required" check:"enum=GreaterThanOrEqualToThreshold|GreaterThanThreshold|LessThanThreshold|LessThanOrEqualToThreshold|LessThanLowerOrGreaterThanUpperThreshold|LessThanLowerThreshold|GreaterThanUpperThreshold"`
	DatapointsToAlarm       *int              `pulumi:"datapointsToAlarm" check:"min=1"`
	Dimensions              map[string]string `pulumi:"dimensions"`
	LowSamples              *string           `pulumi:"evaluateLowSampleCountPercentiles,computed" check:"enum=evaluate|ignore"`
	EvaluationPeriods       int               `pulumi:"evaluationPeriods,required" check:"min=1"`
	ExtendedStatistic       *string           `pulumi:"extendedStatistic"`
	InsufficientDataActions []string          `pulumi:"insufficientDataActions,set" check:"items=0..5"`
	MetricName              *string           `pulumi:"metricName" check:"len=0..255"`
	MetricQueries           []alarmQuery      `pulumi:"metricQueries,set"`
	Name                    *string           `pulumi:"name,replace,computed" check:"len=1..255"`
	Namespace               *string           `pulumi:"namespace" check:"len=0..255;match=^[^:].*$"`
	OKActions               []string          `pulumi:"okActions,set" check:"items=0..5"`
	Period                  *int              `pulumi:"period"`
	Statistic               *string           `pulumi:"statistic" check:"enum=Average|Maximum|Minimum|SampleCount|Sum"`
	Threshold               *float64          `pulumi:"threshold"`
	ThresholdMetricID       *string           `pulumi:"thresholdMetricId" check:"len=0..255"`
	TreatMissingData        *string           `pulumi:"treatMissingData" default:"missing" check:"enum=breaching|notBreaching|ignore|missing"`
	Unit                    *string           `pulumi:"unit"`
	Tagged
}

type alarmQuery struct {
	AccountID  *string      `pulumi:"accountId"`
	Expression *string      `pulumi:"expression"`
	ID         string       `pulumi:"id,required" check:"len=1..255"`
	Label      *string      `pulumi:"label"`
	Metric     *alarmMetric `pulumi:"metric"`
	Period     *int         `pulumi:"period"`
	ReturnData *bool        `pulumi:"returnData" default:"false"`
}

type alarmMetric struct {
	Dimensions map[string]string `pulumi:"dimensions"`
	MetricName string            `pulumi:"metricName,required"`
	Namespace  *string           `pulumi:"namespace"`
	Period     int               `pulumi:"period,required"`
	Stat       string            `pulumi:"stat,required"`
	Unit       *string           `pulumi:"unit"`
}

type alarmState struct {
	alarmArgs
	Arn string `pulumi:"arn"`
}

func cwTag(k, v string) types.Tag        { return types.Tag{Key: aws.String(k), Value: aws.String(v)} }
func cwTagOf(t types.Tag) (k, v *string) { return t.Key, t.Value }
func cwDimension(k, v string) types.Dimension {
	return types.Dimension{Name: aws.String(k), Value: aws.String(v)}
}
func cwDimensionOf(d types.Dimension) (k, v *string) { return d.Name, d.Value }

func metricAlarm() Resource {
	return define(Def[alarmArgs, alarmState]{
		Type: "aws:cloudwatch/metricAlarm:MetricAlarm", Title: "CloudWatch Metric Alarm", Named: &Naming{Property: "name", Max: 255},
		CheckFn: checkAlarm,
		CreateFn: func(ctx context.Context, c *Call, in *alarmArgs) (string, error) {
			return idUnless(putAlarm(ctx, c, in, in.TagsAll), *in.Name)
		},
		ReadFn: readAlarm,
		UpdateFn: func(ctx context.Context, c *Call, _ string, last *alarmState, in *alarmArgs) error {
			if err := putAlarm(ctx, c, in, nil); err != nil {
				return err
			}
			return c.retagAlarm(ctx, last.Arn, last.Tagged, in.Tagged)
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *alarmState) error { return c.deleteAlarm(ctx, id) },
	})
}

func checkAlarm(in *alarmArgs, known func(string) bool) []schema.Failure {
	if !known("metricName") || !known("metricQueries") || !known("statistic") || !known("extendedStatistic") {
		return nil
	}
	if in.MetricName == nil && len(in.MetricQueries) == 0 {
		return []schema.Failure{{Property: "metricName", Reason: "one of metricName, metricQueries must be specified"}}
	}
	if in.MetricName != nil && in.Statistic == nil && in.ExtendedStatistic == nil {
		return []schema.Failure{{Property: "statistic", Reason: "one of statistic, extendedStatistic must be set for a given metricName"}}
	}
	return nil
}

func putAlarm(ctx context.Context, c *Call, in *alarmArgs, tags map[string]string) error {
	_, err := c.CloudWatch().PutMetricAlarm(ctx, &cloudwatch.PutMetricAlarmInput{
		AlarmName: in.Name, ActionsEnabled: in.ActionsEnabled, AlarmActions: in.AlarmActions, AlarmDescription: set(in.AlarmDescription),
		ComparisonOperator: types.ComparisonOperator(in.ComparisonOperator), DatapointsToAlarm: i32(in.DatapointsToAlarm),
		Dimensions: tagList(in.Dimensions, cwDimension), EvaluateLowSampleCountPercentile: set(in.LowSamples), EvaluationPeriods: i32(&in.EvaluationPeriods),
		ExtendedStatistic: set(in.ExtendedStatistic), InsufficientDataActions: in.InsufficientDataActions, MetricName: set(in.MetricName),
		Metrics: each(in.MetricQueries, alarmQueryToAPI), Namespace: set(in.Namespace), OKActions: in.OKActions, Period: i32(in.Period),
		Statistic: types.Statistic(deref(in.Statistic)), Tags: tagList(tags, cwTag), Threshold: in.Threshold, ThresholdMetricId: set(in.ThresholdMetricID),
		TreatMissingData: set(in.TreatMissingData), Unit: types.StandardUnit(deref(in.Unit)),
	})
	return err
}

func alarmQueryToAPI(q alarmQuery) types.MetricDataQuery {
	out := types.MetricDataQuery{
		Id: aws.String(q.ID), AccountId: set(q.AccountID), Expression: set(q.Expression), Label: set(q.Label), Period: i32(q.Period), ReturnData: q.ReturnData,
	}
	if m := q.Metric; m != nil {
		out.MetricStat = &types.MetricStat{
			Metric: &types.Metric{Dimensions: tagList(m.Dimensions, cwDimension), MetricName: aws.String(m.MetricName), Namespace: set(m.Namespace)},
			Period: i32(&m.Period), Stat: aws.String(m.Stat), Unit: types.StandardUnit(deref(m.Unit)),
		}
	}
	return out
}

func alarmQueryOf(q types.MetricDataQuery) alarmQuery {
	out := alarmQuery{
		AccountID: set(q.AccountId), Expression: set(q.Expression), ID: deref(q.Id), Label: set(q.Label), Period: num(q.Period),
		ReturnData: aws.Bool(deref(q.ReturnData)),
	}
	if m := q.MetricStat; m != nil && m.Metric != nil {
		out.Metric = &alarmMetric{
			Dimensions: nilIfEmpty(tagMap(m.Metric.Dimensions, cwDimensionOf)), MetricName: deref(m.Metric.MetricName), Namespace: set(m.Metric.Namespace),
			Period: deref(num(m.Period)), Stat: deref(m.Stat), Unit: text(m.Unit),
		}
	}
	return out
}

func readAlarm(ctx context.Context, c *Call, id string, last *alarmState) (*alarmState, error) {
	out, err := c.CloudWatch().DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{
		AlarmNames: []string{id}, AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm},
	})
	if err != nil {
		return nil, err
	}
	if len(out.MetricAlarms) == 0 {
		return nil, ErrGone
	}
	a := out.MetricAlarms[0]
	tags, err := c.CloudWatch().ListTagsForResource(ctx, &cloudwatch.ListTagsForResourceInput{ResourceARN: a.AlarmArn})
	if err != nil {
		return nil, gone(err, "ResourceNotFoundException")
	}
	return &alarmState{
		alarmArgs: alarmArgs{
			ActionsEnabled: aws.Bool(deref(a.ActionsEnabled)), AlarmActions: a.AlarmActions, AlarmDescription: set(a.AlarmDescription),
			ComparisonOperator: string(a.ComparisonOperator), DatapointsToAlarm: num(a.DatapointsToAlarm),
			Dimensions: nilIfEmpty(tagMap(a.Dimensions, cwDimensionOf)), LowSamples: set(a.EvaluateLowSampleCountPercentile),
			EvaluationPeriods: deref(num(a.EvaluationPeriods)), ExtendedStatistic: set(a.ExtendedStatistic), InsufficientDataActions: a.InsufficientDataActions,
			MetricName: set(a.MetricName), MetricQueries: each(a.Metrics, alarmQueryOf), Name: a.AlarmName, Namespace: set(a.Namespace), OKActions: a.OKActions,
			Period: num(a.Period), Statistic: text(a.Statistic), Threshold: a.Threshold, ThresholdMetricID: set(a.ThresholdMetricId),
			TreatMissingData: set(a.TreatMissingData), Unit: text(a.Unit), Tagged: c.tagged(tagMap(tags.Tags, cwTagOf), last.Tagged),
		},
		Arn: deref(a.AlarmArn),
	}, nil
}
