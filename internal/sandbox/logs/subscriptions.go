package logs

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/bell"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	dbSubscriptions = "logs.subscriptions" // group's key NUL name
	dbOutbox        = "logs.outbox"        // when it is due, in milliseconds, and a sequence number: what is still to be sent
)

// maxSubscriptions is how many filters a group has.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
const maxSubscriptions = 2

// subscription sends the events of a group that match to a function.
type subscription struct {
	Name, Pattern, Destination, Role string
	Distribution                     types.Distribution
	Created                          int64
}

// parcel is a batch of events on its way to a function.
type parcel struct {
	Number              uint64
	Scope               wire.Scope
	Group, Stream       string
	Filter, Destination string
	Events              []parcelEvent
	Since               time.Time
	Due                 time.Time // when it is to be sent, at the earliest
	Tries               int       // that came to nothing
}

// key orders the outbox: what is due first comes first.
func (p parcel) key() string { return fmt.Sprintf("%020d\x00%020d", p.Due.UnixMilli(), p.Number) }

type parcelEvent struct {
	ID        string `json:"id"`
	Timestamp int64  `json:"timestamp"`
	Message   string `json:"message"`
}

func (s *Service) registerSubscriptions(r *wire.Router) {
	group := wire.On(onGroup)
	wire.Handle(r, id, "PutSubscriptionFilter", s.putSubscription, group)
	wire.Handle(r, id, "DescribeSubscriptionFilters", s.describeSubscriptions, group)
	wire.Handle(r, id, "DeleteSubscriptionFilter", s.deleteSubscription, group)
}

// putSubscription makes or changes a filter. The function has to let Logs call it.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html; the
// texts are recordings (https://github.com/localstack/localstack,
// test_logs_subscription_filters.snapshot.json), the one about permissions is by
// https://github.com/getmoto/moto (tests/test_logs/test_integration.py): unsure.
func (s *Service) putSubscription(ctx context.Context, req *wire.Request, in *cwl.PutSubscriptionFilterInput) (*cwl.PutSubscriptionFilterOutput, error) {
	group := ref{req.Scope, *in.LogGroupName}
	f := subscription{
		Name: *in.FilterName, Pattern: *in.FilterPattern, Destination: *in.DestinationArn, Role: aws.ToString(in.RoleArn),
		Distribution: in.Distribution, Created: s.Clock.Now().UnixMilli(),
	}
	if f.Distribution == "" {
		f.Distribution = types.DistributionByLogStream
	}
	if in.ApplyOnTransformedLogs || in.FieldSelectionCriteria != nil || len(in.EmitSystemFields) > 0 {
		return nil, wire.Errorf(http.StatusNotImplemented, "NotImplemented", "the sandbox does not serve subscription filters on transformed logs or system fields")
	}
	if err := s.DB.View(func(tx *store.Tx) error {
		_, err := getGroup(tx, group)
		return err
	}); err != nil {
		return nil, err
	}
	if _, err := parsePattern(f.Pattern); err != nil {
		return nil, err
	}
	if err := s.checkDestination(ctx, group, f); err != nil {
		return nil, err
	}
	return &cwl.PutSubscriptionFilterOutput{}, s.DB.Update(func(tx *store.Tx) error {
		if _, err := getGroup(tx, group); err != nil {
			return err
		}
		old, found, err := store.Get[subscription](tx, dbSubscriptions, group.streamKey(f.Name))
		if err != nil {
			return err
		}
		if found {
			f.Created = old.Created
		} else {
			all, err := store.List[subscription](tx, dbSubscriptions, group.streams())
			if err == nil && len(all) >= maxSubscriptions {
				err = wire.Errorf(http.StatusBadRequest, "LimitExceededException", "Resource limit exceeded.")
			}
			if err != nil {
				return err
			}
		}
		return store.Put(tx, dbSubscriptions, group.streamKey(f.Name), f)
	})
}

// checkDestination demands a function that Logs may call.
func (s *Service) checkDestination(ctx context.Context, group ref, f subscription) error {
	a, ok := wire.ParseARN(f.Destination)
	switch {
	case !ok:
		return errInvalid("destinationArn is no ARN: %s", f.Destination)
	case (a.Service == "kinesis" || a.Service == "firehose") && f.Role == "":
		return errInvalid("destinationArn for vendor %s cannot be used without roleArn", a.Service)
	case a.Service != "lambda":
		return errInvalid("The sandbox sends to functions only, not to %s.", f.Destination)
	case a.AccountID != group.scope.Account:
		return wire.Errorf(http.StatusBadRequest, "AccessDeniedException",
			"Cross-account lambda invocation passing is not allowed. You must use DestinationPolicies to create cross account lambda triggers.")
	}
	err := s.asService(ctx, group, wire.ScopeOfARN(a), "lambda", "Invoke", map[string]any{"FunctionName": f.Destination, "InvocationType": "DryRun"})
	if err != nil {
		return errInvalid("Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function.")
	}
	return nil
}

func (s *Service) describeSubscriptions(_ context.Context, req *wire.Request, in *cwl.DescribeSubscriptionFiltersInput) (*cwl.DescribeSubscriptionFiltersOutput, error) {
	group := ref{req.Scope, *in.LogGroupName}
	var all []subscription
	err := s.DB.View(func(tx *store.Tx) (err error) {
		if _, err = getGroup(tx, group); err == nil {
			all, err = store.List[subscription](tx, dbSubscriptions, group.streamKey(aws.ToString(in.FilterNamePrefix)))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	some, next, err := page.Of(all, in.NextToken, in.Limit, 50, func(f subscription) string { return f.Name })
	if err != nil {
		return nil, errInvalid("The specified nextToken is invalid.")
	}
	out := &cwl.DescribeSubscriptionFiltersOutput{SubscriptionFilters: []types.SubscriptionFilter{}, NextToken: next}
	for _, f := range some {
		one := types.SubscriptionFilter{
			FilterName: &f.Name, FilterPattern: &f.Pattern, LogGroupName: in.LogGroupName, DestinationArn: &f.Destination, Distribution: f.Distribution, CreationTime: &f.Created,
		}
		if f.Role != "" {
			one.RoleArn = &f.Role
		}
		out.SubscriptionFilters = append(out.SubscriptionFilters, one)
	}
	return out, nil
}

func (s *Service) deleteSubscription(_ context.Context, req *wire.Request, in *cwl.DeleteSubscriptionFilterInput) (*cwl.DeleteSubscriptionFilterOutput, error) {
	group := ref{req.Scope, *in.LogGroupName}
	return &cwl.DeleteSubscriptionFilterOutput{}, s.DB.Update(func(tx *store.Tx) error {
		if _, err := getGroup(tx, group); err != nil {
			return err
		}
		key := group.streamKey(*in.FilterName)
		if tx.GetRaw(dbSubscriptions, key) == nil {
			return errNotFound("subscription filter")
		}
		return tx.Delete(dbSubscriptions, key)
	})
}

// queueFor keeps what subscribers are to get of new lines, with the lines themselves.
func (s *Service) queueFor(tx *store.Tx, group ref, stream string, lines []wire.LogLine, places []position) (queued bool, err error) {
	filters, err := store.List[subscription](tx, dbSubscriptions, group.streams())
	if err != nil || len(filters) == 0 {
		return false, err
	}
	for _, f := range filters {
		p, err := parsePattern(f.Pattern)
		if err != nil {
			return queued, err
		}
		out := parcel{Scope: group.scope, Group: group.name, Stream: stream, Filter: f.Name, Destination: f.Destination, Since: s.Clock.Now(), Due: s.Clock.Now()}
		for i, l := range lines {
			if p.holds(l.Message) {
				out.Events = append(out.Events, parcelEvent{ID: eventID(places[i]), Timestamp: places[i].ms, Message: l.Message})
			}
		}
		if len(out.Events) == 0 {
			continue
		}
		if out.Number, err = tx.NextSequence(dbOutbox); err != nil {
			return queued, err
		}
		if err := store.Put(tx, dbOutbox, out.key(), out); err != nil {
			return queued, err
		}
		queued = true
	}
	return queued, nil
}

// eventID is an event's id as subscribers see it: 56 digits, in the order of the events.
func eventID(p position) string { return fmt.Sprintf("%028d%028d", p.ms, p.seq) }

// sendFor is how long Logs tries to send. The pauses between are ours.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
const (
	sendFor   = 24 * time.Hour
	longPause = 5 * time.Minute
)

// atATime is how many parcels, with all their lines, are in memory.
const atATime = 16

// sendAll sends what in the outbox is due, and returns when there is more. A function that
// is busy holds up no other: its parcels are due later.
func (s *Service) sendAll(ctx context.Context) (time.Duration, error) {
	var failed error
	for from := ""; ctx.Err() == nil; {
		some, next, err := s.dueParcels(from)
		if err != nil {
			return bell.Forever, errors.Join(failed, err)
		}
		if len(some) == 0 {
			return bell.Until(s.Clock.Now(), next), failed
		}
		for _, p := range some {
			if ctx.Err() != nil {
				break
			}
			from = p.key() + "\x00"
			failed = errors.Join(failed, s.sendOne(ctx, p))
		}
	}
	return bell.Forever, ctx.Err()
}

// dueParcels are the first that are due, from a key on. If there are none, next is when
// the one behind is, zero if there is none.
func (s *Service) dueParcels(from string) (some []parcel, next time.Time, err error) {
	now := s.Clock.Now()
	err = s.DB.View(func(tx *store.Tx) error {
		return store.Each(tx, dbOutbox, "", from, func(_ string, p parcel) bool {
			if p.Due.After(now) {
				next = p.Due
				return false
			}
			some = append(some, p)
			return len(some) < atATime
		})
	})
	return some, next, err
}

// sendOne tries to send a parcel, and takes it out of the outbox or puts it off. An error
// is one of the store.
func (s *Service) sendOne(ctx context.Context, p parcel) error {
	err := guard.Run(s.Log, "a subscription to logs", func() error { return s.send(ctx, p) })
	if ctx.Err() != nil {
		return nil //nolint:nilerr // it is sent after the next start
	}
	now := s.Clock.Now()
	var e *wire.Error
	again := errors.As(err, &e) && wire.Transient(err) && now.Sub(p.Since) < sendFor
	if err != nil && !again {
		s.Log.Warn("events not sent to a subscriber", "group", p.Group, "filter", p.Filter, "destination", p.Destination, "error", err.Error())
	}
	return s.DB.Update(func(tx *store.Tx) error {
		if err := tx.Delete(dbOutbox, p.key()); err != nil || !again {
			return err
		}
		p.Due = now.Add(min(time.Second<<min(p.Tries, 20), longPause))
		p.Tries++
		return store.Put(tx, dbOutbox, p.key(), p)
	})
}

// send calls the function, with the events compressed and in base64.
func (s *Service) send(ctx context.Context, p parcel) error {
	doc, err := json.Marshal(map[string]any{
		"messageType": "DATA_MESSAGE", "owner": p.Scope.Account, "logGroup": p.Group, "logStream": p.Stream, "subscriptionFilters": []string{p.Filter}, "logEvents": p.Events,
	})
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err = z.Write(doc)
	if err := errors.Join(err, z.Close()); err != nil {
		return err
	}
	payload, err := json.Marshal(map[string]any{"awslogs": map[string]any{"data": packed.Bytes()}})
	if err != nil {
		return err
	}
	a, _ := wire.ParseARN(p.Destination)
	return s.asService(ctx, ref{p.Scope, p.Group}, wire.ScopeOfARN(a), "lambda", "Invoke",
		map[string]any{"FunctionName": p.Destination, "InvocationType": "Event", "Payload": payload})
}
