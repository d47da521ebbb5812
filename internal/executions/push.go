package executions

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Feed tells of executions that have ended.
type Feed interface {
	// Ends waits until it knows of some, or for a while, and returns them. Any may come
	// more than once, and one that ended before the feed was opened does not come.
	Ends(ctx context.Context) ([]Ended, error)
}

// Heard are ends that a feed tells, or why it tells nothing any more.
type Heard struct {
	Ends []Ended
	Err  error
}

// Hear reads a feed until ctx is done, or the feed fails, of which the last one tells. The
// channel is not closed.
func Hear(ctx context.Context, feed Feed) <-chan Heard {
	out := make(chan Heard)
	go func() {
		for {
			ends, err := feed.Ends(ctx)
			if len(ends) == 0 && err == nil && ctx.Err() == nil {
				continue
			}
			select {
			case out <- Heard{ends, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return out
}

// Ended is an execution that has ended, as an event tells it.
type Ended struct {
	Details
	// Whole is whether the event had the output; it leaves out what is large.
	Whole bool
}

// How a watcher's queue is kept: what nobody has read for an hour is read by nobody. Who
// reads a queue changes something of it now and then, so that one that nobody has changed for
// a day is that of a watcher that died.
const (
	pushKept    = time.Hour
	pushBeat    = time.Hour
	pushStale   = 24 * time.Hour
	pushWait    = 20 // seconds: the most that SQS waits
	pushShut    = 10 * time.Second
	pushAtOnce  = 10 // messages: the most that SQS gives
	watcherPart = "-w-"
	// watcherBytes are what tells watchers apart, in hexadecimal digits at the end of a name.
	watcherBytes = 4
	topicPart    = "-events"
)

// Push hears of the ends of a pipeline's executions by a queue of its own, which hangs on
// the topic that the pipeline has with events: push. So several watchers take no message
// from each other. (docs/decisions/0023)
//
// It needs sqs:CreateQueue, ReceiveMessage, DeleteMessage, DeleteQueue, ListQueues, GetQueueUrl,
// GetQueueAttributes and SetQueueAttributes on queues that begin with the pipeline's name, and
// sns:Subscribe, Unsubscribe and ListSubscriptionsByTopic on the topic. It is for one goroutine.
type Push struct {
	pushers

	queue        string // URL
	subscription string // ARN
	beat         time.Time
	beats        int
}

// pushers are the services by which a topic of executions is heard.
type pushers struct {
	queues      *sqs.Client
	topics      *sns.Client
	clock       clock.Clock
	topic, base string // ARN; what the names of its watchers' queues begin with
}

func pushersOf(cfg aws.Config, topic string, clk clock.Clock) (pushers, arn.ARN, error) {
	at, err := arn.Parse(topic)
	base, ours := strings.CutSuffix(at.Resource, topicPart)
	if err != nil || !ours {
		return pushers{}, at, fault.New(fault.Internal, "%q is no topic of executions", topic)
	}
	return pushers{queues: sqs.NewFromConfig(cfg), topics: sns.NewFromConfig(cfg), clock: clk, topic: topic, base: base + watcherPart}, at, nil
}

// OpenPush opens a feed of a topic. Close has to be called once.
func OpenPush(ctx context.Context, cfg aws.Config, topic string, clk clock.Clock) (*Push, error) {
	with, at, err := pushersOf(cfg, topic, clk)
	if err != nil {
		return nil, err
	}
	_ = with.sweep(ctx, false) // what it may not do somebody else does
	p := &Push{pushers: with, beat: clk.Now()}
	var id [watcherBytes]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	name := with.base + hex.EncodeToString(id[:])
	own := arn.ARN{Partition: at.Partition, Service: "sqs", Region: at.Region, AccountID: at.AccountID, Resource: name}.String()
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage",`+
		`"Resource":%q,"Condition":{"ArnEquals":{"aws:SourceArn":%q}}}]}`, own, topic)
	made, err := p.queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{
		"MessageRetentionPeriod": strconv.Itoa(int(pushKept / time.Second)), "SqsManagedSseEnabled": "true", "Policy": policy,
	}})
	if err != nil {
		return nil, pushFault(err)
	}
	p.queue = aws.ToString(made.QueueUrl)
	out, err := p.topics.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: &own, Attributes: map[string]string{"RawMessageDelivery": "true"}, ReturnSubscriptionArn: true,
	})
	if err != nil {
		// Also if somebody has given up, and whether or not it was made.
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), pushShut)
		defer stop()
		return nil, errors.Join(pushFault(err), p.Close(ctx))
	}
	p.subscription = aws.ToString(out.SubscriptionArn)
	return p, nil
}

// pushFault classifies what SQS or SNS has refused.
func pushFault(err error) error {
	var api smithy.APIError
	out := &fault.Error{Kind: fault.KindOf(err), Msg: err.Error(), Err: err}
	if errors.As(err, &api) {
		out.Msg = messageOf(api)
		if r := ruleOf(api.ErrorCode()); r.kind != "" {
			out.Kind, out.Hint = r.kind, r.hint
		}
	}
	return out
}

// Close takes the queue and its subscription away.
func (p *Push) Close(ctx context.Context) error {
	var first error
	if p.subscription != "" {
		_, first = p.topics.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: &p.subscription})
	}
	_, err := p.queues.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &p.queue})
	if err = errors.Join(first, err); err != nil {
		return pushFault(err)
	}
	return nil
}

// SweepPush takes away the queues of all watchers of a topic, and what hangs on it, also if
// the topic is not there any more: nothing comes to them.
func SweepPush(ctx context.Context, cfg aws.Config, topic string, clk clock.Clock) error {
	with, _, err := pushersOf(cfg, topic, clk)
	if err != nil {
		return err
	}
	if err := with.sweep(ctx, true); err != nil {
		return pushFault(err)
	}
	return nil
}

// sweep takes away what watchers have left that died, or what all have. The subscription goes
// before its queue: whoever is cut off in between leaves a queue, which the next one finds.
func (p *pushers) sweep(ctx context.Context, all bool) error {
	hanging, err := p.hanging(ctx) // before the queues: each of these has had its queue by now
	var gone *snstypes.NotFoundException
	if errors.As(err, &gone) {
		err = nil // its subscriptions went with it (sns/latest/api/API_DeleteTopic.html)
	}
	errs := []error{err}
	list := sqs.NewListQueuesPaginator(p.queues, &sqs.ListQueuesInput{QueueNamePrefix: &p.base, MaxResults: aws.Int32(queuesAtOnce)})
	for list.HasMorePages() {
		page, err := list.NextPage(ctx)
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		for _, url := range page.QueueUrls {
			if !p.watchers(url[strings.LastIndexByte(url, '/')+1:]) {
				continue
			}
			own, live, err := p.living(ctx, url)
			if err == nil && own != "" && (all || !live) {
				err = p.drop(ctx, url, hanging[own])
			}
			delete(hanging, own)
			errs = append(errs, err)
		}
	}
	for own, subscription := range hanging {
		at, err := arn.Parse(own)
		if err != nil || !p.without(ctx, at.Resource) {
			continue
		}
		_, err = p.topics.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: &subscription})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// watchers tells whether a queue may be one of a watcher by its name. Names of pipelines have
// hyphens too: the queues of acme/fraud-dev/w begin as those of the watchers of acme/fraud/dev
// do.
func (p *pushers) watchers(name string) bool {
	id, ok := strings.CutPrefix(name, p.base)
	raw, err := hex.DecodeString(id)
	return ok && err == nil && len(raw) == watcherBytes
}

// queuesAtOnce is the most that ListQueues gives.
const queuesAtOnce = 1000

// hanging are the subscriptions of watchers' queues, by the ARNs of these.
func (p *pushers) hanging(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	pages := sns.NewListSubscriptionsByTopicPaginator(p.topics, &sns.ListSubscriptionsByTopicInput{TopicArn: &p.topic})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return out, err
		}
		for _, s := range page.Subscriptions {
			own := aws.ToString(s.Endpoint)
			if at, err := arn.Parse(own); err == nil && at.Service == "sqs" && p.watchers(at.Resource) {
				out[own] = aws.ToString(s.SubscriptionArn)
			}
		}
	}
	return out, nil
}

// living tells the ARN of a watcher's queue, "" of one to which this topic does not send, and
// whether somebody has changed it within a day.
func (p *pushers) living(ctx context.Context, url string) (own string, live bool, err error) {
	out, err := p.queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameLastModifiedTimestamp, sqstypes.QueueAttributeNameQueueArn, sqstypes.QueueAttributeNamePolicy},
	})
	var gone *sqstypes.QueueDoesNotExist
	if errors.As(err, &gone) {
		return "", true, nil
	}
	if err != nil {
		return "", true, err
	}
	if !strings.Contains(out.Attributes["Policy"], strconv.Quote(p.topic)) {
		return "", true, nil
	}
	changed, err := strconv.ParseInt(out.Attributes["LastModifiedTimestamp"], 10, 64)
	return out.Attributes["QueueArn"], err != nil || p.clock.Now().Sub(time.Unix(changed, 0)) <= pushStale, nil //nolint:nilerr // of no time it is not known to be old
}

// drop takes a queue and its subscription ("": it has none) away.
func (p *pushers) drop(ctx context.Context, url, subscription string) error {
	if subscription != "" {
		if _, err := p.topics.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: &subscription}); err != nil {
			return err
		}
	}
	_, err := p.queues.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &url})
	var gone *sqstypes.QueueDoesNotExist
	if errors.As(err, &gone) {
		return nil // its watcher has just ended
	}
	return err
}

// without tells that there certainly is no queue of a name; a list may lag behind.
func (p *pushers) without(ctx context.Context, name string) bool {
	_, err := p.queues.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
	var gone *sqstypes.QueueDoesNotExist
	return errors.As(err, &gone)
}

// live changes something of the queue that means nothing, every hour: it is not to be taken
// for a dead watcher's.
func (p *Push) live(ctx context.Context) {
	now := p.clock.Now()
	if now.Sub(p.beat) < pushBeat {
		return
	}
	p.beat = now
	p.beats++
	// Each call to read says itself how long it waits.
	_, _ = p.queues.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &p.queue, Attributes: map[string]string{
		"ReceiveMessageWaitTimeSeconds": strconv.Itoa(pushWait - p.beats%2),
	}})
}

// Ends implements Feed. It waits for 20 seconds at most.
func (p *Push) Ends(ctx context.Context) ([]Ended, error) {
	p.live(ctx)
	out, err := p.queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &p.queue, MaxNumberOfMessages: pushAtOnce, WaitTimeSeconds: pushWait})
	if err != nil {
		return nil, pushFault(err)
	}
	if len(out.Messages) == 0 {
		return nil, nil
	}
	var ends []Ended
	var read []sqstypes.DeleteMessageBatchRequestEntry
	for i, m := range out.Messages {
		if e, ok := endOf(aws.ToString(m.Body)); ok {
			ends = append(ends, e)
		}
		read = append(read, sqstypes.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle})
	}
	// One that stays is told once more, which does no harm.
	_, _ = p.queues.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &p.queue, Entries: read})
	return ends, nil
}

// endOf reads the event of an execution that has ended.
// (step-functions/latest/dg/eventbridge-integration.html)
func endOf(body string) (Ended, bool) {
	var event struct {
		Detail struct {
			ExecutionArn           string
			StateMachineArn        string
			StateMachineVersionArn string
			StateMachineAliasArn   string
			Name                   string
			Status                 Status
			StartDate, StopDate    int64
			Input, Output          *string
			OutputDetails          *struct{ Included bool }
			Error, Cause           string
			RedriveCount           int
		} `json:"detail"`
	}
	if json.Unmarshal([]byte(body), &event) != nil {
		return Ended{}, false
	}
	d := event.Detail
	if d.ExecutionArn == "" || !d.Status.Terminal() {
		return Ended{}, false
	}
	return Ended{
		Details: Details{
			Execution: Execution{
				ARN: d.ExecutionArn, Name: d.Name, Machine: d.StateMachineArn, Version: d.StateMachineVersionArn, Alias: d.StateMachineAliasArn, Status: d.Status,
				Start: time.UnixMilli(d.StartDate), Stop: time.UnixMilli(d.StopDate), Redrives: d.RedriveCount,
			},
			Input: aws.ToString(d.Input), Output: aws.ToString(d.Output), Error: d.Error, Cause: d.Cause,
		},
		Whole: d.Status != Succeeded || d.Output != nil && d.OutputDetails != nil && d.OutputDetails.Included,
	}, true
}
