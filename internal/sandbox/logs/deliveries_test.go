package logs_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/logs"
)

// Answers and errors are those of the recordings that deliveries.go names.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	c := s.admin()
	distribution := aws.String("arn:aws:cloudfront::000000000000:distribution/EDFDVBD6EXAMPLE")
	source, err := c.PutDeliverySource(ctx, &cwl.PutDeliverySourceInput{
		Name: aws.String("edge"), ResourceArn: distribution,
		LogType: aws.String("ACCESS_LOGS"), Tags: map[string]string{"k": "v"},
	})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:logs:us-east-1:000000000000:delivery-source:edge", *source.DeliverySource.Arn)
	require.Equal(t, "cloudfront", *source.DeliverySource.Service)
	require.Equal(t, map[string]string{"k": "v"}, source.DeliverySource.Tags)
	to := func(name, arn string, format types.OutputFormat) error {
		_, err := c.PutDeliveryDestination(ctx, &cwl.PutDeliveryDestinationInput{
			Name: &name, OutputFormat: format,
			DeliveryDestinationConfiguration: &types.DeliveryDestinationConfiguration{DestinationResourceArn: &arn},
		})
		return err
	}
	require.NoError(t, to("bucket", "arn:aws:s3:::b", types.OutputFormatJson))
	require.NoError(t, to("bucket", "arn:aws:s3:::other", ""))
	iamtest.RequireCode(t, to("bucket", "arn:aws:s3:::b", types.OutputFormatPlain), "ValidationException")
	iamtest.RequireCode(t, to("x", "arn:aws:s3:::b", "xml"), "ValidationException")
	iamtest.RequireCode(t, to("x", "arn:aws:sqs:us-east-1:000000000000:q", ""), "ValidationException")
	put := func(name, arn, kind string) error {
		_, err := c.PutDeliverySource(ctx, &cwl.PutDeliverySourceInput{Name: &name, ResourceArn: &arn, LogType: &kind})
		return err
	}
	err = put("x", "arn:aws:s3:::b", "ACCESS_LOGS")
	iamtest.RequireCode(t, err, "ResourceNotFoundException")
	require.ErrorContains(t, err, "Cannot access provided service.")
	iamtest.RequireCode(t, put("x", *distribution, "EVENT_LOGS"), "ValidationException")
	iamtest.RequireCode(t, put("edge", *distribution+"2", "ACCESS_LOGS"), "ConflictException")

	create := func(source, destination string) (*cwl.CreateDeliveryOutput, error) {
		return c.CreateDelivery(ctx, &cwl.CreateDeliveryInput{
			DeliverySourceName:     &source,
			DeliveryDestinationArn: aws.String("arn:aws:logs:us-east-1:000000000000:delivery-destination:" + destination), RecordFields: []string{"date"},
		})
	}
	made, err := create("edge", "bucket")
	require.NoError(t, err)
	require.Equal(t, types.DeliveryDestinationTypeS3, made.Delivery.DeliveryDestinationType)
	for _, bad := range [][2]string{{"edge", "none"}, {"none", "bucket"}} {
		_, err = create(bad[0], bad[1])
		iamtest.RequireCode(t, err, "ResourceNotFoundException")
	}
	_, err = create("edge", "bucket")
	iamtest.RequireCode(t, err, "ConflictException")
	_, err = c.DeleteDeliverySource(ctx, &cwl.DeleteDeliverySourceInput{Name: aws.String("edge")})
	iamtest.RequireCode(t, err, "ConflictException")

	s.Reopen(t)
	s.serve(t, logs.Config{})
	c = s.admin()
	got, err := c.GetDelivery(ctx, &cwl.GetDeliveryInput{Id: made.Delivery.Id})
	require.NoError(t, err)
	require.Equal(t, []string{"date"}, got.Delivery.RecordFields)
	destination, err := c.GetDeliveryDestination(ctx, &cwl.GetDeliveryDestinationInput{Name: aws.String("bucket")})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:s3:::other", *destination.DeliveryDestination.DeliveryDestinationConfiguration.DestinationResourceArn)
	require.Equal(t, types.OutputFormatJson, destination.DeliveryDestination.OutputFormat)
	all, err := c.DescribeDeliveries(ctx, &cwl.DescribeDeliveriesInput{})
	require.NoError(t, err)
	require.Len(t, all.Deliveries, 1)

	_, err = c.PutDeliveryDestinationPolicy(ctx, &cwl.PutDeliveryDestinationPolicyInput{
		DeliveryDestinationName:   aws.String("bucket"),
		DeliveryDestinationPolicy: aws.String(`{"Statement":[]}`),
	})
	require.NoError(t, err)
	_, err = c.DeleteDeliveryDestinationPolicy(ctx, &cwl.DeleteDeliveryDestinationPolicyInput{DeliveryDestinationName: aws.String("bucket")})
	require.NoError(t, err)
	policy, err := c.GetDeliveryDestinationPolicy(ctx, &cwl.GetDeliveryDestinationPolicyInput{DeliveryDestinationName: aws.String("bucket")})
	require.NoError(t, err)
	require.Nil(t, policy.Policy.DeliveryDestinationPolicy)

	_, err = c.TagResource(ctx, &cwl.TagResourceInput{ResourceArn: source.DeliverySource.Arn, Tags: map[string]string{"l": "w"}})
	require.NoError(t, err)
	tags, err := c.ListTagsForResource(ctx, &cwl.ListTagsForResourceInput{ResourceArn: source.DeliverySource.Arn})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"k": "v", "l": "w"}, tags.Tags)

	_, err = c.DeleteDelivery(ctx, &cwl.DeleteDeliveryInput{Id: made.Delivery.Id})
	require.NoError(t, err)
	_, err = c.DeleteDeliverySource(ctx, &cwl.DeleteDeliverySourceInput{Name: aws.String("edge")})
	require.NoError(t, err)
	_, err = c.GetDeliverySource(ctx, &cwl.GetDeliverySourceInput{Name: aws.String("edge")})
	require.ErrorContains(t, err, "Requested Delivery Source does not exist in this account.")
}
