package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/eventpattern"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// mappings reads the queues of event source mappings: one reader for each that is
// enabled. What it has read is hidden in the queue until the function is done with it,
// so that nothing is lost with the reader.
type mappings struct {
	s       *Service
	mu      sync.Mutex
	running map[string]context.CancelFunc // by the mapping's key; mu is held over stop and start
}

const (
	longPoll = 20 // seconds, the longest that SQS waits for messages
	perCall  = 10 // messages, the most that SQS gives at once
	atOnce   = 5  // calls of the function, unless the mapping says otherwise
)

// run makes what reads for a mapping what the store says now: a reader with the mapping's
// settings, in place of the one before, or none. Changes of a mapping call it when they are
// kept, in any order: the last one to look leaves what is kept.
func (p *mappings) run(key string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cancel := p.running[key]; cancel != nil {
		cancel()
		delete(p.running, key)
	}
	var m mapping
	err := p.s.DB.View(func(tx *store.Tx) (err error) {
		m, _, err = store.Get[mapping](tx, dbMappings, key)
		return err
	})
	if err != nil || !m.Enabled { // one that is gone is not enabled
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	if !p.s.pool.spawn(func(life context.Context) {
		end := context.AfterFunc(life, cancel)
		defer end()
		defer cancel()
		p.read(ctx, m)
	}) {
		cancel() // the sandbox ends, and begins with it
		return nil
	}
	p.running[key] = cancel
	return nil
}

func (p *mappings) resume() error {
	var all []mapping
	err := p.s.DB.View(func(tx *store.Tx) (err error) {
		all, err = store.List[mapping](tx, dbMappings, "")
		return err
	})
	for _, m := range all {
		err = errors.Join(err, p.run(m.key()))
	}
	return err
}

// message is a message as SQS gives it.
type message struct {
	ID                                                     string `json:"MessageId"`
	ReceiptHandle, MD5OfBody, Body, MD5OfMessageAttributes string
	Attributes                                             map[string]string
	MessageAttributes                                      map[string]struct {
		StringValue, DataType string
		BinaryValue           []byte
	}

	size int // of the record, once it is asked for
}

// cut divides messages into those that one call of the function gets, at least one, and
// those that are for the next: a batch ends at 6 MB of the payload, too.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
func (m mapping) cut(all []message) (batch, rest []message, err error) {
	size := len(`{"Records":[]}`)
	for i := range all {
		if all[i].size == 0 {
			raw, err := json.Marshal(m.record(all[i]))
			if err != nil {
				return nil, all, err
			}
			all[i].size = len(raw) + len(",")
		}
		if size += all[i].size; i > 0 && size > maxPayload || i >= int(m.Batch) {
			return all[:i:i], all[i:], nil
		}
	}
	return all, nil, nil
}

// read reads messages until it is stopped. Where it cannot, it tries again later and
// later.
func (p *mappings) read(ctx context.Context, m mapping) {
	most := int32(atOnce)
	if m.Most != nil {
		most = *m.Most
	}
	slots, pause := make(chan struct{}, most), time.Second
	var rest []message // what was read and did not fit
	var calls sync.WaitGroup
	defer calls.Wait()
	for ctx.Err() == nil {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		var batch []message
		var err error
		batch, rest, err = p.batch(ctx, m, rest)
		if err != nil && ctx.Err() == nil {
			p.s.Log.Warn("event source mapping", "id", m.ID, "source", m.Source, "error", err.Error())
		}
		if err != nil {
			<-slots
			if clock.Sleep(ctx, p.s.Clock, pause) != nil {
				return
			}
			pause = min(2*pause, time.Minute)
			continue
		}
		pause = time.Second
		if len(batch) == 0 {
			<-slots
			continue
		}
		calls.Add(1)
		if !p.s.pool.spawn(func(life context.Context) {
			defer func() { <-slots; calls.Done() }()
			p.handle(life, m, batch)
		}) {
			calls.Done()
			return
		}
	}
}

// batch waits for the next messages behind those that are left, and for more until there
// are enough or the window is over. It returns none if none came for a while, and what
// did not fit.
func (p *mappings) batch(ctx context.Context, m mapping, left []message) (batch, rest []message, err error) {
	_, v, err := p.s.read(m.ref())
	if err != nil {
		return nil, left, err
	}
	if batch, rest, err = m.cut(left); err != nil {
		return nil, left, err
	}
	until := p.s.Clock.Now().Add(time.Duration(m.Window) * time.Second)
	for len(rest) == 0 && int32(len(batch)) < m.Batch {
		wait := time.Duration(longPoll) * time.Second
		if len(batch) > 0 {
			if wait = min(wait, until.Sub(p.s.Clock.Now())); m.Window == 0 || wait <= 0 {
				break
			}
		}
		var out struct{ Messages []message }
		err := p.call(ctx, m, v, "ReceiveMessage", map[string]any{
			"MaxNumberOfMessages": min(perCall, m.Batch-int32(len(batch))), "WaitTimeSeconds": int(wait.Seconds()), "AttributeNames": []string{"All"},
			"MessageAttributeNames": []string{"All"},
		}, &out)
		if err != nil {
			if len(batch) > 0 { // what was read already goes to the function first
				return batch, nil, nil
			}
			return nil, nil, err
		}
		if len(out.Messages) == 0 && (len(batch) == 0 || wait < time.Second) {
			break
		}
		if len(batch) == 0 {
			until = p.s.Clock.Now().Add(time.Duration(m.Window) * time.Second)
		}
		if batch, rest, err = m.cut(append(batch, out.Messages...)); err != nil {
			return nil, nil, err
		}
	}
	return batch, rest, nil
}

// call calls SQS about the mapping's queue as the function's role.
func (p *mappings) call(ctx context.Context, m mapping, v version, operation string, in map[string]any, out any) error {
	s := p.s
	role, err := s.Roles.AssumeServiceRole(ctx, m.Scope, servicePrincipal, *v.Config.Role, m.ref().with("").arn(), m.Name)
	if err != nil {
		return err
	}
	queue, _ := wire.ParseARN(m.Source)
	in["QueueUrl"] = s.Endpoint() + "/" + queue.AccountID + "/" + queue.Resource
	raw, err := json.Marshal(in)
	if err != nil {
		return err
	}
	answer, err := s.router.Invoke(ctx, wire.ScopeOf(m.Scope.Account, queue.Region), role, "sqs", operation, raw)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

// record is a message as the function gets it.
// https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
func (m mapping) record(x message) map[string]any {
	attributes := map[string]any{}
	for name, a := range x.MessageAttributes {
		one := map[string]any{"stringListValues": []string{}, "binaryListValues": []string{}, "dataType": a.DataType}
		if a.StringValue != "" {
			one["stringValue"] = a.StringValue
		}
		if len(a.BinaryValue) > 0 {
			one["binaryValue"] = a.BinaryValue
		}
		attributes[name] = one
	}
	out := map[string]any{
		"messageId": x.ID, "receiptHandle": x.ReceiptHandle, "body": x.Body, "attributes": x.Attributes, "messageAttributes": attributes,
		"md5OfBody": x.MD5OfBody, "eventSource": "aws:sqs", "eventSourceARN": m.Source, "awsRegion": m.Scope.Region,
	}
	if x.MD5OfMessageAttributes != "" {
		out["md5OfMessageAttributes"] = x.MD5OfMessageAttributes
	}
	return out
}

// fits reports whether a record passes one of the filters, which are patterns as
// EventBridge has them. A body that is JSON is looked at as what it says.
// https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-filtering.html
func fits(filters []types.Filter, record map[string]any) (bool, error) {
	event := maps.Clone(record)
	if text, ok := record["body"].(string); ok && json.Valid([]byte(text)) {
		event["body"] = json.RawMessage(text)
	}
	raw, err := json.Marshal(event)
	if err != nil {
		return false, err
	}
	doc, err := eventpattern.Decode(string(raw))
	if err != nil {
		return false, err
	}
	doc = eventpattern.Nested(doc)
	for _, f := range filters {
		p, err := eventpattern.Compile(aws.ToString(f.Pattern))
		if err != nil {
			return false, err
		}
		if p.Matches(doc) {
			return true, nil
		}
	}
	return len(filters) == 0, nil
}

// handle calls the function with a batch and takes from the queue what it is done with.
// What it is not comes again when the queue shows it again.
func (p *mappings) handle(ctx context.Context, m mapping, batch []message) {
	done, err := p.invoke(ctx, m, batch)
	if err != nil && ctx.Err() == nil {
		p.s.Log.Warn("event source mapping", "id", m.ID, "function", m.Name, "error", err.Error())
	}
	_, v, rerr := p.s.read(m.ref())
	if rerr != nil {
		return
	}
	for some := range slices.Chunk(done, perCall) {
		var entries []map[string]string
		for _, x := range some {
			entries = append(entries, map[string]string{"Id": x.ID, "ReceiptHandle": x.ReceiptHandle})
		}
		if err := p.call(ctx, m, v, "DeleteMessageBatch", map[string]any{"Entries": entries}, nil); err != nil && ctx.Err() == nil {
			p.s.Log.Warn("event source mapping", "id", m.ID, "source", m.Source, "error", err.Error())
		}
	}
}

// invoke returns the messages that are done with: those that no filter lets through,
// and those that the function did not fail on.
func (p *mappings) invoke(ctx context.Context, m mapping, batch []message) (done []message, err error) {
	var given []message
	var records []map[string]any
	for _, x := range batch {
		record := m.record(x)
		ok := true
		if len(m.Filters) > 0 {
			if ok, err = fits(m.Filters, record); err != nil {
				return done, err
			}
		}
		if !ok {
			done = append(done, x)
			continue
		}
		given, records = append(given, x), append(records, record)
	}
	if len(given) == 0 {
		return done, nil
	}
	payload, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		return done, err
	}
	f, v, err := p.s.read(m.ref())
	if err != nil {
		return done, err
	}
	inv := &invocation{id: wire.NewID(), payload: payload, arn: m.ref().arn(), traceID: newTraceID(p.s.Clock.Now()), done: make(chan result, 1)}
	res, err := p.s.run(ctx, f, v, inv)
	if err != nil || res.functionError != "" {
		return done, err
	}
	return append(done, m.succeeded(given, res.payload)...), nil
}

// succeeded are the messages that a function does not report as failed. A report that
// makes no sense fails all.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
func (m mapping) succeeded(given []message, payload []byte) []message {
	if !slices.Contains(m.Report, types.FunctionResponseTypeReportBatchItemFailures) {
		return given
	}
	var report *struct {
		BatchItemFailures []struct{ ItemIdentifier *string }
	}
	if err := json.Unmarshal(payload, &report); err != nil {
		return nil
	}
	if report == nil {
		return given
	}
	failed := map[string]bool{}
	for _, x := range report.BatchItemFailures {
		if x.ItemIdentifier == nil || !slices.ContainsFunc(given, func(g message) bool { return g.ID == *x.ItemIdentifier }) {
			return nil
		}
		failed[*x.ItemIdentifier] = true
	}
	return slices.DeleteFunc(slices.Clone(given), func(g message) bool { return failed[g.ID] })
}
