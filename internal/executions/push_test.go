package executions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/plainbody"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	snssvc "github.com/pipelinetui/pipelinetui/internal/sandbox/sns"
	sqssvc "github.com/pipelinetui/pipelinetui/internal/sandbox/sqs"
)

// running is an API of executions that all run: what asks for them is counted.
type running struct {
	executions.API
	names     []string
	lists     atomic.Int32
	describes atomic.Int32
}

const pushed = "arn:aws:states:us-east-1:000000000000:stateMachine:ptui-acme-iris-dev"

func (r *running) ListExecutions(context.Context, *sfn.ListExecutionsInput, ...func(*sfn.Options)) (*sfn.ListExecutionsOutput, error) {
	r.lists.Add(1)
	out := &sfn.ListExecutionsOutput{}
	for _, name := range r.names {
		out.Executions = append(out.Executions, types.ExecutionListItem{
			ExecutionArn: aws.String("arn:aws:states:us-east-1:000000000000:execution:ptui-acme-iris-dev:" + name), Name: &name, StateMachineArn: aws.String(pushed),
			Status: types.ExecutionStatusRunning, StartDate: aws.Time(time.UnixMilli(1767225600000)),
		})
	}
	return out, nil
}

func (r *running) DescribeExecution(context.Context, *sfn.DescribeExecutionInput, ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error) {
	r.describes.Add(1)
	return nil, fmt.Errorf("nobody should ask")
}

// TestPushedEnds: two watchers of one topic hear of all ends, and ask Step Functions once
// each, for those that ended before; both leave nothing behind.
func TestPushedEnds(t *testing.T) {
	t.Parallel()
	cfg := messaging(t)
	topics, queues := sns.NewFromConfig(cfg), sqs.NewFromConfig(cfg)
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("ptui-acme-iris-dev-events")})
	require.NoError(t, err)
	api := &running{}
	for i := range 40 {
		api.names = append(api.names, executions.BatchName("night", i+1))
	}
	// Its time stands: however late the events come, nothing is looked at again because of it.
	still := clock.NewFake(time.Now())
	c := executions.New(executions.Config{API: api, Clock: still, Limits: executions.Limits{Unlimited: true}, Log: slog.New(slog.DiscardHandler)})
	var watches []*executions.BatchWatch
	var feeds []*executions.Push
	for range 2 {
		feed, err := executions.OpenPush(t.Context(), cfg, *topic.TopicArn, clock.Real{})
		require.NoError(t, err)
		feeds = append(feeds, feed)
		watches = append(watches, c.WatchBatch(t.Context(), pushed, api.names, feed))
	}
	for i, name := range append([]string{"of-another-batch"}, api.names...) {
		detail := map[string]any{
			"executionArn": "arn:aws:states:us-east-1:000000000000:execution:ptui-acme-iris-dev:" + name, "stateMachineArn": pushed, "name": name, "status": "SUCCEEDED",
			"startDate": 1767225600000, "stopDate": 1767225601000, "output": fmt.Sprint(i), "outputDetails": map[string]any{"included": true},
		}
		if i%10 == 0 {
			detail["status"], detail["error"], detail["output"] = "FAILED", "Boom", nil
		}
		raw, err := json.Marshal(map[string]any{"source": "aws.states", "detail": detail})
		require.NoError(t, err)
		_, err = topics.Publish(t.Context(), &sns.PublishInput{TopicArn: topic.TopicArn, Message: aws.String(string(raw))})
		require.NoError(t, err)
	}
	for i, w := range watches {
		var last executions.BatchProgress
		for p := range w.Events() {
			last = p
		}
		details, err := w.Wait()
		require.NoError(t, err)
		require.Equal(t, 36, last.Succeeded)
		require.Equal(t, 4, last.Failed)
		require.Equal(t, "1", details[0].Output)
		require.Equal(t, "Boom", details[9].Error)
		require.NoError(t, feeds[i].Close(t.Context()))
	}
	require.Zero(t, api.describes.Load(), "the events have told all")
	require.LessOrEqual(t, api.lists.Load(), int32(2))
	left, err := queues.ListQueues(t.Context(), &sqs.ListQueuesInput{})
	require.NoError(t, err)
	require.Empty(t, left.QueueUrls)
	subs, err := topics.ListSubscriptions(t.Context(), &sns.ListSubscriptionsInput{})
	require.NoError(t, err)
	require.Empty(t, subs.Subscriptions)
}

// broken is a feed that fails.
type broken struct{}

func (broken) Ends(context.Context) ([]executions.Ended, error) {
	return nil, fmt.Errorf("no such queue")
}

// silent is a feed that waits as one does, and tells nothing.
type silent struct{}

func (silent) Ends(ctx context.Context) ([]executions.Ended, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A feed that fails is not waited for, and it is told.
func TestAFeedThatFailsIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	c, create := stepFunctions(t)
	machine := create("fine", branchy)
	started, err := c.Start(t.Context(), executions.StartInput{Machine: machine, Name: "one", Input: []byte(`{"items": [1]}`)})
	require.NoError(t, err)
	w := c.WatchBatch(t.Context(), machine, []string{started.Name, "never"}, broken{})
	defer w.Cancel()
	for p := range w.Events() {
		if p.Lost != nil {
			require.ErrorContains(t, p.Lost, "no such queue")
			break
		}
	}
}

// ending is an API of executions that run when the list is read first, and have ended a
// minute later.
type ending struct {
	running
	clock *clock.Fake
	since time.Time
}

func (e *ending) ListExecutions(ctx context.Context, in *sfn.ListExecutionsInput, o ...func(*sfn.Options)) (*sfn.ListExecutionsOutput, error) {
	out, err := e.running.ListExecutions(ctx, in, o...)
	if e.clock.Now().Sub(e.since) >= 9*time.Second {
		out.Executions[0].Status = types.ExecutionStatusFailed
	}
	return out, err
}

// A feed that says nothing of what the list shows to have ended is not relied on: by it a
// watch would be slower than without one.
func TestASilentFeedIsNotReliedOn(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(time.UnixMilli(1767225600000))
	api := &ending{clock: clk, since: clk.Now()}
	api.names = []string{executions.BatchName("night", 1), executions.BatchName("night", 2)}
	c := executions.New(executions.Config{API: api, Clock: clk, Limits: executions.Limits{Unlimited: true}, Log: slog.New(slog.DiscardHandler)})
	w := c.WatchBatch(t.Context(), pushed, api.names, silent{})
	defer w.Cancel()
	lost := make(chan executions.BatchProgress)
	go func() {
		for p := range w.Events() {
			if p.Lost != nil {
				lost <- p
				return
			}
		}
	}()
	for told := false; !told; {
		select {
		case p := <-lost:
			require.ErrorContains(t, p.Lost, "nothing was heard of it")
			require.LessOrEqual(t, p.At.Sub(api.since), 30*time.Second)
			told = true
		default:
			require.NoError(t, clk.WaitTimers(t.Context(), 1))
			clk.Advance(time.Second)
		}
	}
	lists := api.lists.Load()
	for range 12 { // as without a feed
		require.NoError(t, clk.WaitTimers(t.Context(), 1))
		clk.Advance(time.Second)
	}
	require.NoError(t, clk.WaitTimers(t.Context(), 1))
	require.Greater(t, api.lists.Load(), lists)
}

// late is an API whose second look takes longer than a feed may be silent: its first page shows
// an end, and while the second is waited for the feed tells of all.
type late struct {
	running
	clock *clock.Fake
	ends  chan []executions.Ended
}

func (l *late) ListExecutions(ctx context.Context, in *sfn.ListExecutionsInput, o ...func(*sfn.Options)) (*sfn.ListExecutionsOutput, error) {
	out, err := l.running.ListExecutions(ctx, in, o...)
	switch {
	case in.NextToken != nil:
		l.clock.Advance(11 * time.Second)
		var ends []executions.Ended
		for _, x := range out.Executions {
			ends = append(ends, executions.Ended{Whole: true, Details: executions.Details{Execution: executions.Execution{
				ARN: *x.ExecutionArn, Name: *x.Name, Machine: pushed, Status: executions.Failed, Start: *x.StartDate,
			}}})
		}
		l.ends <- ends
		out.Executions = nil
	case l.lists.Load() > 1:
		out.Executions[0].Status = types.ExecutionStatusFailed
		out.NextToken = aws.String("more")
	}
	return out, err
}

// Ends implements executions.Feed.
func (l *late) Ends(ctx context.Context) ([]executions.Ended, error) {
	select {
	case ends := <-l.ends:
		return ends, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// While a long list is read nobody listens, for which the feed is not to blame.
func TestAFeedIsNotSilentWhileTheListIsRead(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(time.UnixMilli(1767225600000))
	api := &late{clock: clk, ends: make(chan []executions.Ended, 1)}
	api.names = []string{executions.BatchName("night", 1), executions.BatchName("night", 2)}
	c := executions.New(executions.Config{API: api, Clock: clk, Limits: executions.Limits{Unlimited: true}, Log: slog.New(slog.DiscardHandler)})
	w := c.WatchBatch(t.Context(), pushed, api.names, api)
	defer w.Cancel()
	require.NoError(t, clk.WaitTimers(t.Context(), 1))
	clk.Advance(10 * time.Second)
	var last executions.BatchProgress
	for last = range w.Events() {
		require.NoError(t, last.Lost)
	}
	require.Equal(t, 2, last.Failed)
	require.Zero(t, api.describes.Load())
}

// The queue of a watcher that lives is spared however old it is. What dead ones have left
// goes with the next watch: queues that nobody touches, and subscriptions whose queue is gone.
func TestSweepSparesWhoLives(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(time.Now().UTC().Truncate(time.Second))
	cfg := messagingAt(t, clk)
	topics, queues := sns.NewFromConfig(cfg), sqs.NewFromConfig(cfg)
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("ptui-acme-iris-dev-events")})
	require.NoError(t, err)
	open := func() *executions.Push {
		t.Helper()
		p, err := executions.OpenPush(t.Context(), cfg, *topic.TopicArn, clk)
		require.NoError(t, err)
		return p
	}
	there := func() (n, hang int) {
		t.Helper()
		list, err := queues.ListQueues(t.Context(), &sqs.ListQueuesInput{})
		require.NoError(t, err)
		subs, err := topics.ListSubscriptionsByTopic(t.Context(), &sns.ListSubscriptionsByTopicInput{TopicArn: topic.TopicArn})
		require.NoError(t, err)
		return len(list.QueueUrls), len(subs.Subscriptions)
	}
	for _, name := range []string{"ptui-acme-iris-dev-w-0a0b0c0d", "someone-else"} { // the first was killed between its two deletions
		_, err := topics.Subscribe(t.Context(), &sns.SubscribeInput{
			TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:us-east-1:000000000000:" + name),
		})
		require.NoError(t, err)
	}
	// Names of pipelines have hyphens: the dead letters of acme/iris-dev/w, the watchers of
	// acme/iris-dev-w/x, and what is named as a watcher's queue is but hears of another topic.
	others := []string{"ptui-acme-iris-dev-w-dlq", "ptui-acme-iris-dev-w-notices", "ptui-acme-iris-dev-w-x-w-1a2b3c4d", "ptui-acme-iris-dev-w-0f0f0f0f"}
	for _, name := range others {
		_, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
		require.NoError(t, err)
	}
	living, dead := open(), open()
	require.NotNil(t, dead)
	for range 25 {
		clk.Advance(time.Hour)
		_, err := topics.Publish(t.Context(), &sns.PublishInput{TopicArn: topic.TopicArn, Message: aws.String(`{}`)}) // so that nobody waits
		require.NoError(t, err)
		require.Eventually(t, func() bool { // it is delivered in its time
			_, err := living.Ends(t.Context())
			return err == nil
		}, time.Minute, time.Millisecond)
	}
	last := open()
	n, hang := there()
	require.Equal(t, 2+len(others), n, "the living one and the new one, and those of others")
	require.Equal(t, 3, hang, "theirs, and what is not ours")
	require.NoError(t, last.Close(t.Context()))

	// With the pipeline all go, whoever reads them.
	require.NoError(t, executions.SweepPush(t.Context(), cfg, *topic.TopicArn, clk))
	n, hang = there()
	require.Len(t, others, n)
	require.Equal(t, 1, hang)
	open()
	_, err = topics.DeleteTopic(t.Context(), &sns.DeleteTopicInput{TopicArn: topic.TopicArn})
	require.NoError(t, err)
	require.NoError(t, executions.SweepPush(t.Context(), cfg, *topic.TopicArn, clk), "the topic went first")
	list, err := queues.ListQueues(t.Context(), &sqs.ListQueuesInput{})
	require.NoError(t, err)
	require.Len(t, list.QueueUrls, len(others))
}

// messaging is SNS and SQS of the sandbox over HTTP.
func messaging(t *testing.T) aws.Config {
	t.Helper()
	return messagingAt(t, clock.Real{})
}

func messagingAt(t *testing.T, clk clock.Clock) aws.Config {
	t.Helper()
	w := iamtest.At(t, filepath.Join(t.TempDir(), "store.db"), clock.Real{}) // the SDK signs with the machine's time
	topics, err := snssvc.New(snssvc.Config{DB: w.DB, Clock: clk, Dir: t.TempDir(), Endpoint: "http://127.0.0.1"})
	require.NoError(t, err)
	topics.Register(w.Router)
	queues, err := sqssvc.New(sqssvc.Config{DB: w.DB, Clock: clk})
	require.NoError(t, err)
	queues.Register(w.Router)
	require.NoError(t, topics.Start(context.WithoutCancel(t.Context())))
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		require.NoError(t, topics.Close())
	})
	cfg := w.Admin()
	cfg.HTTPClient = &http.Client{Transport: plainbody.Transport{Next: transport}}
	return cfg
}
