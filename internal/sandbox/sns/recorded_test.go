package sns_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

// TestRecorded holds answers that were recorded from AWS in
// https://github.com/localstack/localstack, tests/aws/services/sns/test_sns.snapshot.json.
func TestRecorded(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	tags := []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("2")}}
	made, err := s.c.CreateTopic(ctx, &sdk.CreateTopicInput{Name: aws.String("t"), Tags: tags})
	require.NoError(t, err)
	for _, some := range [][]types.Tag{tags, tags[:1], {}} {
		again, err := s.c.CreateTopic(ctx, &sdk.CreateTopicInput{Name: aws.String("t"), Tags: some})
		require.NoError(t, err)
		require.Equal(t, *made.TopicArn, *again.TopicArn)
	}
	says := func(err error, code, text string) {
		t.Helper()
		require.Equal(t, text, iamtest.RequireCode(t, err, code).ErrorMessage())
	}
	_, err = s.c.CreateTopic(ctx, &sdk.CreateTopicInput{Name: aws.String("name.fifo")})
	says(err, "InvalidParameter", "Invalid parameter: Topic Name")
	_, err = s.c.CreateTopic(ctx, &sdk.CreateTopicInput{Name: aws.String("name"), Attributes: map[string]string{"FifoTopic": "true"}})
	says(err, "InvalidParameter", "Invalid parameter: Topic Name")
	for id, text := range map[string]string{
		"message.id":            "The Id of a batch entry in the batch request contains an impermissible character: message.id",
		strings.Repeat("a", 81): "The Id of a batch entry in the batch request is too long: " + strings.Repeat("a", 81),
	} {
		_, err = s.c.PublishBatch(ctx, &sdk.PublishBatchInput{TopicArn: made.TopicArn, PublishBatchRequestEntries: []types.PublishBatchRequestEntry{{Id: &id, Message: aws.String("m")}}})
		says(err, "InvalidBatchEntryId", text)
	}
	for token, text := range map[string]string{"randomtoken": "Invalid token", strings.Repeat("51b2ff3edb475b7d", 18): "Invalid parameter: Token"} {
		_, err = s.c.ConfirmSubscription(ctx, &sdk.ConfirmSubscriptionInput{TopicArn: made.TopicArn, Token: &token})
		says(err, "InvalidParameter", text)
	}
	_, err = s.c.ConfirmSubscription(ctx, &sdk.ConfirmSubscriptionInput{TopicArn: aws.String(*made.TopicArn + "i"), Token: aws.String(strings.Repeat("51b2ff3edb475b7d", 18))})
	says(err, "InvalidParameter", "Invalid parameter: Token")
	_, queue := s.queue(t, "q", *made.TopicArn)
	sub, err := s.c.Subscribe(ctx, &sdk.SubscribeInput{
		TopicArn: made.TopicArn, Protocol: aws.String("sqs"), Endpoint: &queue, Attributes: map[string]string{"RawMessageDelivery": "TrUe"}, ReturnSubscriptionArn: true,
	})
	require.NoError(t, err)
	got, err := s.c.GetSubscriptionAttributes(ctx, &sdk.GetSubscriptionAttributesInput{SubscriptionArn: sub.SubscriptionArn})
	require.NoError(t, err)
	require.Equal(t, "true", got.Attributes["RawMessageDelivery"])
}
