package states

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/history"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// maxEventData is how much input and output a status-change event may carry.
const maxEventData = 248 * 1024

// announce tells the world of an execution's new status: an event for
// EventBridge rules and the metrics of CloudWatch. Express executions have no
// status-change events.
func (s *Service) announce(rec *record.Execution) {
	if s.Metrics != nil {
		s.measure(rec)
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
	status, reason := rec.Redrivable(s.now())
	detail["redriveStatus"], detail["redriveStatusReason"] = status, reason
	if len(rec.Input)+len(rec.Output) > maxEventData {
		detail["input"], detail["inputDetails"] = nil, dataDetails{}
		if rec.Status == record.Succeeded {
			detail["output"], detail["outputDetails"] = nil, dataDetails{}
		}
	}
	s.Events.PutEvent(s.ctx, rec.Scope, "aws.states", "Step Functions Execution Status Change", []string{arn}, detail)
}

func (s *Service) measure(rec *record.Execution) {
	name := map[string]string{
		record.Running: "ExecutionsStarted", record.Succeeded: "ExecutionsSucceeded", record.Failed: "ExecutionsFailed",
		record.TimedOut: "ExecutionsTimedOut", record.Aborted: "ExecutionsAborted",
	}[rec.Status]
	machine, _, _ := strings.Cut(rec.Machine, "/")
	dims := map[string]string{"StateMachineArn": record.ARN(rec.Scope, "stateMachine", machine)}
	s.Metrics.PutMetric(s.ctx, rec.Scope, "AWS/States", name, dims, 1)
	if rec.Stop != nil {
		s.Metrics.PutMetric(s.ctx, rec.Scope, "AWS/States", "ExecutionTime", dims, float64(rec.Stop.Sub(rec.Start).Milliseconds()))
	}
}

// execLogger writes an execution's events to CloudWatch Logs as its state
// machine's logging configuration says. A nil logger logs nothing.
type execLogger struct {
	s             *Service
	scope         wire.Scope
	group, stream string
	level         types.LogLevel
	data          bool
	arn           string
	redrives      int
}

func (s *Service) newExecLogger(x *execution) *execLogger {
	c := record.Logging(x.def.Logging)
	group := record.LogGroup(c)
	if group == "" || s.Logs == nil {
		return nil
	}
	return &execLogger{
		s: s, scope: x.rec.Scope, group: group, stream: logStream(x),
		level: c.Level, data: c.IncludeExecutionData, arn: x.arn(), redrives: x.rec.RedriveCount,
	}
}

// logStream is where an execution's lines go. Step Functions has streams for times,
// not for executions: those that start in the same hour share one.
func logStream(x *execution) string {
	hour := x.rec.Start.UTC().Format("2006-01-02-15") + "-00"
	sum := sha256.Sum256([]byte(x.rec.Scope.Account + " " + x.rec.Scope.Region + " " + x.def.Machine + " " + hour))
	return "states/" + x.def.Machine + "/" + hour + "/" + hex.EncodeToString(sum[:4])
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

// log queues the events that the level admits.
func (l *execLogger) log(events []history.Event) {
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
			details = encode(d)
		}
		lines = append(lines, wire.LogLine{Time: ev.Time, Message: string(encode(logEntry{
			ID: strconv.FormatInt(ev.ID, 10), Type: ev.Type, Details: details, Previous: strconv.FormatInt(ev.Previous, 10),
			Timestamp: strconv.FormatInt(ev.Time.UnixMilli(), 10), Execution: l.arn, Redrives: strconv.Itoa(l.redrives),
		}))})
	}
	if len(lines) > 0 {
		l.s.logs.add(l, lines)
	}
}

// admits tells whether the level logs a type of event.
func (l *execLogger) admits(typ string) bool {
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

// logQueue delivers log lines in the background, in order: delivery is best
// effort and must not hold up executions.
type logQueue struct {
	mu     sync.Mutex
	wake   *sync.Cond
	items  []logItem
	closed bool
	ended  chan struct{}
}

type logItem struct {
	logger *execLogger
	lines  []wire.LogLine
}

func newLogQueue() *logQueue {
	q := &logQueue{ended: make(chan struct{})}
	q.wake = sync.NewCond(&q.mu)
	guard.Go(nil, "the delivery of execution logs", q.run, nil)
	return q
}

func (q *logQueue) add(l *execLogger, lines []wire.LogLine) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(q.items, logItem{l, lines})
	q.wake.Signal()
}

func (q *logQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.wake.Signal()
	q.mu.Unlock()
	<-q.ended
}

func (q *logQueue) run() {
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
		}
	}
}
