package sqs_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// gauge keeps the last value and the number of points of each metric.
type gauge struct {
	mu   sync.Mutex
	last map[string]float64
	n    map[string]int
}

func (g *gauge) PutPoint(_ context.Context, _ wire.Scope, p wire.MetricPoint) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := fmt.Sprint(p.Namespace, " ", p.Dimensions["QueueName"], " ", p.Name, " ", p.Unit)
	g.last[key] = p.Value
	g.n[key]++
}

func (g *gauge) has(key string, value float64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	got, ok := g.last["AWS/SQS "+key]
	return ok && got == value
}

// Queues tell the metrics of
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
// so that an alarm on dead letters has something to look at, also while nothing happens.
func TestQueueMetrics(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	s, c := register(t, w)
	g := &gauge{last: map[string]float64{}, n: map[string]int{}}
	m := s.Meter(g)
	require.NoError(t, m.Start(ctx))
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	until := func(what string, value float64) {
		t.Helper()
		require.Eventually(t, func() bool {
			if g.has(what, value) {
				return true
			}
			w.Clock.Advance(time.Second)
			return false
		}, time.Minute, time.Millisecond, what)
	}
	create(t, c, "dead", nil)
	url := create(t, c, "q", map[string]string{"VisibilityTimeout": "1", "RedrivePolicy": `{"maxReceiveCount":1,"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead"}`})
	for range 2 {
		_, err := c.SendMessage(ctx, &sdk.SendMessageInput{QueueUrl: url, MessageBody: aws.String("hello")})
		require.NoError(t, err)
	}
	until("q NumberOfMessagesSent Count", 1)
	until("q SentMessageSize Bytes", 5)
	until("q ApproximateNumberOfMessagesVisible Count", 2)
	out, err := c.ReceiveMessage(ctx, &sdk.ReceiveMessageInput{QueueUrl: url, VisibilityTimeout: 43200})
	require.NoError(t, err)
	until("q NumberOfMessagesReceived Count", 1)
	until("q ApproximateNumberOfMessagesNotVisible Count", 1)
	_, err = c.DeleteMessage(ctx, &sdk.DeleteMessageInput{QueueUrl: url, ReceiptHandle: out.Messages[0].ReceiptHandle})
	require.NoError(t, err)
	until("q NumberOfMessagesDeleted Count", 1)

	_, err = c.ReceiveMessage(ctx, &sdk.ReceiveMessageInput{QueueUrl: url})
	require.NoError(t, err)
	w.Clock.Advance(2 * time.Second)
	_, err = c.ReceiveMessage(ctx, &sdk.ReceiveMessageInput{QueueUrl: url}) // which finds it to be received too often
	require.NoError(t, err)
	until("q NumberOfEmptyReceives Count", 1)
	until("dead ApproximateNumberOfMessagesVisible Count", 1)
	const visible = "AWS/SQS dead ApproximateNumberOfMessagesVisible Count"
	told := func() int {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.n[visible]
	}
	before := told()
	require.Eventually(t, func() bool {
		w.Clock.Advance(20 * time.Second)
		return told() >= before+3
	}, time.Minute, time.Millisecond, "each minute, whether it is used or not")
}
