package services

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

func logsResources() []Resource { return []Resource{logGroup()} }

type logGroupArgs struct {
	KmsKeyID        *string `pulumi:"kmsKeyId" check:"arn"`
	LogGroupClass   *string `pulumi:"logGroupClass,replace,computed" check:"enum=STANDARD|INFREQUENT_ACCESS|DELIVERY"`
	Name            *string `pulumi:"name,replace,computed" check:"len=1..512;match=^[\\w.\\-/#]+$"`
	NamePrefix      *string `pulumi:"namePrefix,replace,computed,local" check:"len=1..486;match=^[\\w.\\-/#]+$"`
	RetentionInDays *int    `pulumi:"retentionInDays" default:"0" check:"enum=@log-retention"`
	SkipDestroy     *bool   `pulumi:"skipDestroy,local" default:"false"`
	Tagged
}

type logGroupState struct {
	logGroupArgs
	Arn string `pulumi:"arn"`
}

const noLogGroup = "ResourceNotFoundException"

func logGroup() Resource {
	return define(Def[logGroupArgs, logGroupState]{
		Type: "aws:cloudwatch/logGroup:LogGroup", Title: "CloudWatch Logs Log Group",
		Named:    &Naming{Property: "name", Prefix: "namePrefix", Max: 512},
		CreateFn: createLogGroup, ReadFn: readLogGroup, UpdateFn: updateLogGroup,
		DeleteFn: func(ctx context.Context, c *Call, id string, last *logGroupState) error {
			if deref(last.SkipDestroy) {
				return nil
			}
			_, err := c.Logs().DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String(id)})
			return gone(err, noLogGroup)
		},
	})
}

func createLogGroup(ctx context.Context, c *Call, in *logGroupArgs) (string, error) {
	_, err := c.Logs().CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{
		LogGroupName: in.Name, KmsKeyId: set(in.KmsKeyID), LogGroupClass: types.LogGroupClass(deref(in.LogGroupClass)), Tags: nilIfEmpty(in.TagsAll),
	})
	if err != nil {
		return "", err
	}
	if deref(in.RetentionInDays) == 0 {
		return *in.Name, nil
	}
	return *in.Name, setRetention(ctx, c, *in.Name, in.RetentionInDays)
}

func setRetention(ctx context.Context, c *Call, name string, days *int) error {
	if deref(days) == 0 {
		_, err := c.Logs().DeleteRetentionPolicy(ctx, &cloudwatchlogs.DeleteRetentionPolicyInput{LogGroupName: aws.String(name)})
		return err
	}
	_, err := c.Logs().PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: aws.String(name), RetentionInDays: i32(days)})
	return err
}

func readLogGroup(ctx context.Context, c *Call, id string, last *logGroupState) (*logGroupState, error) {
	pages := cloudwatchlogs.NewDescribeLogGroupsPaginator(c.Logs(), &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String(id)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, gone(err, noLogGroup)
		}
		for _, g := range page.LogGroups {
			if deref(g.LogGroupName) == id {
				return describeLogGroup(ctx, c, &g, last)
			}
		}
	}
	return nil, ErrGone
}

func describeLogGroup(ctx context.Context, c *Call, g *types.LogGroup, last *logGroupState) (*logGroupState, error) {
	arn := strings.TrimSuffix(deref(g.Arn), ":*")
	tags, err := c.Logs().ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: aws.String(arn)})
	if err != nil {
		return nil, gone(err, noLogGroup)
	}
	days := 0
	if g.RetentionInDays != nil {
		days = int(*g.RetentionInDays)
	}
	return &logGroupState{
		logGroupArgs: logGroupArgs{
			KmsKeyID: set(g.KmsKeyId), LogGroupClass: text(g.LogGroupClass), Name: g.LogGroupName, RetentionInDays: &days,
			Tagged: c.tagged(tags.Tags, last.Tagged),
		},
		Arn: arn,
	}, nil
}

func updateLogGroup(ctx context.Context, c *Call, id string, last *logGroupState, in *logGroupArgs) error {
	name := aws.String(id)
	if c.Changed("retentionInDays") {
		if err := setRetention(ctx, c, id, in.RetentionInDays); err != nil {
			return err
		}
	}
	if c.Changed("kmsKeyId") {
		var err error
		if key := set(in.KmsKeyID); key != nil {
			_, err = c.Logs().AssociateKmsKey(ctx, &cloudwatchlogs.AssociateKmsKeyInput{LogGroupName: name, KmsKeyId: key})
		} else {
			_, err = c.Logs().DisassociateKmsKey(ctx, &cloudwatchlogs.DisassociateKmsKeyInput{LogGroupName: name})
		}
		if err != nil {
			return err
		}
	}
	add, remove := tagChanges(last.TagsAll, in.TagsAll)
	if len(remove) > 0 {
		if _, err := c.Logs().UntagResource(ctx, &cloudwatchlogs.UntagResourceInput{ResourceArn: aws.String(last.Arn), TagKeys: remove}); err != nil {
			return err
		}
	}
	if len(add) > 0 {
		if _, err := c.Logs().TagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: aws.String(last.Arn), Tags: add}); err != nil {
			return err
		}
	}
	return nil
}
