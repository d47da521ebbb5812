// Package report owns what the world is told of executions: status-change events,
// metrics and log lines.
package report

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/history"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// maxEventData is how much input and output a status-change event may carry.
const maxEventData = 248 * 1024

// Reporter tells the world of executions: by events for EventBridge rules, the metrics
// of CloudWatch and the lines of CloudWatch Logs. What is nil of the first three is not
// told. It is safe for concurrent use; Close ends it.
type Reporter struct {
	Events  wire.Events
	Metrics wire.MetricPoints
	Logs    wire.Logs
	Clock   clock.Clock
	Log     *slog.Logger

	queue *queue
}

// Start makes what was filled in ready to be used.
func (s Reporter) Start() *Reporter {
	s.queue = newQueue()
	return &s
}

// Close delivers what waits.
func (s *Reporter) Close() { s.queue.close() }

// Announce tells of an execution's new status: an event and metrics. Express
// executions have no status-change events.
func (s *Reporter) Announce(ctx context.Context, rec *record.Execution) {
	if s.Metrics != nil {
		s.measure(ctx, rec)
	}
	if s.Events == nil || rec.Express {
		return
	}
	arn := rec.ARN()
	type dataDetails struct {
		Included bool `json:"included"`
	}
	detail := map[string]any{
		"executionArn": arn, "stateMachineArn": rec.MachineARN(), "name": rec.Name, "status": rec.Status,
		"startDate": rec.Start.UnixMilli(), "stopDate": nil, "input": rec.Input, "output": nil,
		"inputDetails": dataDetails{true}, "outputDetails": nil, "error": rec.Error, "cause": rec.Cause,
		"stateMachineVersionArn": nil, "stateMachineAliasArn": nil, "redriveCount": rec.RedriveCount, "redriveDate": nil,
	}
	if rec.Stop != nil {
		detail["stopDate"] = rec.Stop.UnixMilli()
	}
	if rec.Status == record.Succeeded {
		detail["output"], detail["outputDetails"] = rec.Output, dataDetails{true}
	}
	if rec.Version > 0 {
		detail["stateMachineVersionArn"] = rec.VersionARN()
	}
	if rec.Alias != "" {
		detail["stateMachineAliasArn"] = rec.AliasARN()
	}
	if rec.RedriveAt != nil {
		detail["redriveDate"] = rec.RedriveAt.UnixMilli()
	}
	status, reason := rec.Redrivable(s.Clock.Now())
	detail["redriveStatus"], detail["redriveStatusReason"] = status, reason
	if len(rec.Input)+len(rec.Output) > maxEventData {
		detail["input"], detail["inputDetails"] = nil, dataDetails{}
		if rec.Status == record.Succeeded {
			detail["output"], detail["outputDetails"] = nil, dataDetails{}
		}
	}
	s.Events.PutEvent(ctx, rec.Scope, "aws.states", "Step Functions Execution Status Change", []string{arn}, detail)
}

// measure tells the metrics of
// https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html, by the
// machine and by the version and the alias that the execution was started by. (The names of
// these two dimensions are unsure.)
func (s *Reporter) measure(ctx context.Context, rec *record.Execution) {
	name := map[string]string{
		record.Running: "ExecutionsStarted", record.Succeeded: "ExecutionsSucceeded", record.Failed: "ExecutionsFailed",
		record.TimedOut: "ExecutionsTimedOut", record.Aborted: "ExecutionsAborted",
	}[rec.Status]
	machine, _, _ := strings.Cut(rec.Machine, "/")
	arn := record.ARN(rec.Scope, "stateMachine", machine)
	all := []map[string]string{{"StateMachineArn": arn}}
	if rec.Version > 0 {
		all = append(all, map[string]string{"StateMachineArn": arn, "Version": strconv.Itoa(rec.Version)})
	}
	if rec.Alias != "" {
		all = append(all, map[string]string{"StateMachineArn": arn, "Alias": rec.Alias})
	}
	now := s.Clock.Now()
	for _, dims := range all {
		put := func(name, unit string, value float64) {
			s.Metrics.PutPoint(ctx, rec.Scope, wire.MetricPoint{Namespace: "AWS/States", Name: name, Dimensions: dims, Value: value, Unit: unit, Time: now})
		}
		put(name, "Count", 1)
		if rec.Stop != nil {
			put("ExecutionTime", "Milliseconds", float64(rec.Stop.Sub(rec.Start).Milliseconds()))
		}
	}
}

// MapRuns tells how many Map Runs are open in a scope: at once, each minute, and once more
// when stop is called. It is a metric of the account, without dimensions.
// https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
func (s *Reporter) MapRuns(sc wire.Scope, open func() int) (stop func()) {
	if s.Metrics == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	tell := func() {
		s.Metrics.PutPoint(ctx, sc, wire.MetricPoint{Namespace: "AWS/States", Name: "ApproximateOpenMapRunCount", Value: float64(open()), Unit: "Count", Time: s.Clock.Now()})
	}
	tell()
	var told sync.WaitGroup
	told.Go(guard.Func(s.Log, "the count of Map Runs", func() {
		for clock.Sleep(ctx, s.Clock, time.Minute) == nil {
			tell()
		}
	}))
	return func() {
		cancel()
		told.Wait()
		tell()
	}
}

// Logger writes an execution's events to CloudWatch Logs as its state
// machine's logging configuration says. A nil logger logs nothing.
type Logger struct {
	s             *Reporter
	scope         wire.Scope
	group, stream string
	level         types.LogLevel
	data          bool
	arn           string
	redrives      int
}

// Logger makes the logger of an execution; nil if its machine logs nothing.
func (s *Reporter) Logger(rec *record.Execution, def *record.Revision) *Logger {
	c := record.Logging(def.Logging)
	group := record.LogGroup(c)
	if group == "" || s.Logs == nil {
		return nil
	}
	return &Logger{
		s: s, scope: rec.Scope, group: group, stream: logStream(rec, def.Machine),
		level: c.Level, data: c.IncludeExecutionData, arn: rec.ARN(), redrives: rec.RedriveCount,
	}
}

// logStream is where an execution's lines go. Step Functions has streams for times,
// not for executions: those that start in the same hour share one.
func logStream(rec *record.Execution, machine string) string {
	hour := rec.Start.UTC().Format("2006-01-02-15") + "-00"
	sum := sha256.Sum256([]byte(rec.Scope.Account + " " + rec.Scope.Region + " " + machine + " " + hour))
	return "states/" + machine + "/" + hour + "/" + hex.EncodeToString(sum[:4])
}

// logEntry is a line as Step Functions writes it.
type logEntry struct {
	ID        string          `json:"id"`
	Type      string          `json:"type"`
	Details   json.RawMessage `json:"details"`
	Previous  string          `json:"previous_event_id"`
	Timestamp string          `json:"event_timestamp"`
	Execution string          `json:"execution_arn"`
	Redrives  string          `json:"redrive_count"`
}

// Write queues the events that the level admits.
func (l *Logger) Write(events []history.Event) {
	if l == nil {
		return
	}
	var lines []wire.LogLine
	for i := range events {
		ev := &events[i]
		if !l.admits(ev.Type) {
			continue
		}
		details := json.RawMessage("{}")
		if ev.Details != nil {
			d := *ev.Details
			if !l.data {
				d.Strip()
			}
			details = encoded(d)
		}
		lines = append(lines, wire.LogLine{Time: ev.Time, Message: string(encoded(logEntry{
			ID: strconv.FormatInt(ev.ID, 10), Type: ev.Type, Details: details, Previous: strconv.FormatInt(ev.Previous, 10),
			Timestamp: strconv.FormatInt(ev.Time.UnixMilli(), 10), Execution: l.arn, Redrives: strconv.Itoa(l.redrives),
		}))})
	}
	if len(lines) > 0 {
		l.s.queue.add(l, lines)
	}
}

// admits tells whether the level logs a type of event.
func (l *Logger) admits(typ string) bool {
	fatal := typ == "ExecutionFailed" || typ == "ExecutionTimedOut" || typ == "ExecutionAborted"
	switch l.level {
	case types.LogLevelAll:
		return true
	case types.LogLevelError:
		return fatal || strings.HasSuffix(typ, "Failed") || strings.HasSuffix(typ, "TimedOut") || strings.HasSuffix(typ, "Aborted") || typ == "FailStateEntered"
	case types.LogLevelFatal:
		return fatal
	}
	return false
}

// deliveryTime bounds the delivery of a few lines.
const deliveryTime = 10 * time.Second

// maxUndelivered is how many bytes of lines may wait to be delivered before executions wait.
const maxUndelivered = 16 << 20

// queue delivers log lines in the background, in order: delivery is best effort, and
// executions wait for it only where they make lines much faster than it delivers.
type queue struct {
	mu     sync.Mutex
	wake   *sync.Cond
	items  []item
	bytes  int           // of all lines that are not delivered yet
	room   chan struct{} // closed when there is room, if somebody waits for that
	closed bool
	ended  chan struct{}
}

type item struct {
	logger *Logger
	lines  []wire.LogLine
}

func (it item) size() int {
	n := 0
	for i := range it.lines {
		n += len(it.lines[i].Message)
	}
	return n
}

// Room waits until few enough lines wait to be delivered, or ctx is done.
func (s *Reporter) Room(ctx context.Context) {
	q := s.queue
	for {
		q.mu.Lock()
		if q.closed || q.bytes <= maxUndelivered {
			q.mu.Unlock()
			return
		}
		if q.room == nil {
			q.room = make(chan struct{})
		}
		room := q.room
		q.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return
		}
	}
}

// delivered makes room of lines that are delivered, or never will be.
func (q *queue) delivered(it item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bytes -= it.size(); q.bytes <= maxUndelivered && q.room != nil {
		close(q.room)
		q.room = nil
	}
}

func newQueue() *queue {
	q := &queue{ended: make(chan struct{})}
	q.wake = sync.NewCond(&q.mu)
	guard.Go(nil, "the delivery of execution logs", q.run, nil)
	return q
}

func (q *queue) add(l *Logger, lines []wire.LogLine) {
	q.mu.Lock()
	defer q.mu.Unlock()
	it := item{l, lines}
	q.items = append(q.items, it)
	q.bytes += it.size()
	q.wake.Signal()
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.wake.Signal()
	q.mu.Unlock()
	<-q.ended
}

func (q *queue) run() {
	defer close(q.ended)
	for {
		q.mu.Lock()
		for len(q.items) == 0 && !q.closed {
			q.wake.Wait()
		}
		items := q.items
		q.items = nil
		q.mu.Unlock()
		if len(items) == 0 {
			return
		}
		for _, it := range items {
			s := it.logger.s
			ctx, cancel := context.WithTimeout(context.Background(), deliveryTime)
			sc := it.logger.scope
			p := wire.Principal{Account: sc.Account, ARN: sc.Root(), Admin: true, Service: "delivery.logs.amazonaws.com"}
			err := guard.Run(s.Log, "the delivery of execution logs", func() error {
				return s.Logs.PutLog(ctx, sc, p, it.logger.group, it.logger.stream, it.lines...)
			})
			if err != nil {
				s.Log.Warn("deliver execution log", "group", it.logger.group, "error", err)
			}
			cancel()
			q.delivered(it)
		}
	}
}

// encoded marshals what cannot fail to marshal.
func encoded(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return raw
}
