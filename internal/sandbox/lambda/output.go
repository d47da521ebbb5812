package lambda

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Records that the bootstraps write into the output, so that they are not taken
// for lines of text: RS, a letter, the content, RS, LF. L is a log event that
// may have many lines (JSON text), E says that the invocation printed all it
// had to ("request-id peak-KiB").
const frameMark = 0x1e

const (
	maxEvent   = 256 << 10 // bytes of one log event
	maxPending = 4 << 20   // bytes that wait for CloudWatch Logs
)

// output collects what an environment prints and what Lambda itself reports
// about it, and passes it on to CloudWatch Logs in the background, in order.
type output struct {
	e      *environment
	stream string
	ends   chan string // E records

	mu      sync.Mutex
	room    *sync.Cond // pending shrank, or the writer ended
	pending []wire.LogLine
	size    int
	closed  bool
	wake    chan struct{}
	ended   chan struct{} // the writer has ended
	pipe    *os.File
	readEnd chan struct{} // the process' output has ended; nil if there is none
}

func newOutput(e *environment) *output {
	now := e.s.Clock.Now().UTC()
	o := &output{
		e: e, ends: make(chan string, 16), wake: make(chan struct{}, 1), ended: make(chan struct{}),
		stream: fmt.Sprintf("%s/[%s]%s", now.Format("2006/01/02"), *e.version.Config.Version, randomHex(16)),
	}
	o.room = sync.NewCond(&o.mu)
	e.s.pool.wg.Go(guard.Func(e.s.Log, "the output of a function", o.write))
	return o
}

// put queues a log event. It waits while too much is queued.
func (o *output) put(inv *invocation, text string) {
	if inv != nil {
		inv.note(text)
	}
	if len(text) > maxEvent {
		text = text[:maxEvent]
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.size > maxPending && !o.closed {
		o.room.Wait()
	}
	o.pending = append(o.pending, wire.LogLine{Time: o.e.s.Clock.Now(), Message: text})
	o.size += len(text)
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// write passes events on until the output is closed and empty.
func (o *output) write() {
	defer close(o.ended)
	for {
		o.mu.Lock()
		lines, closed := o.pending, o.closed
		o.pending, o.size = nil, 0
		o.room.Broadcast()
		o.mu.Unlock()
		if len(lines) > 0 {
			o.send(lines)
			continue
		}
		if closed {
			return
		}
		<-o.wake
	}
}

// send writes as the function's role, which may lack the permission: then the
// log is lost, as on AWS. The group is made if it is missing and the role may.
func (o *output) send(lines []wire.LogLine) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, group := o.e.s, *o.e.version.Config.LoggingConfig.LogGroup
	err := s.Logs.PutLog(ctx, o.e.version.scope(), o.e.principal, group, o.stream, lines...)
	var we *wire.Error
	if errors.As(err, &we) && we.Code == "ResourceNotFoundException" && s.router != nil {
		in, merr := json.Marshal(map[string]string{"logGroupName": group})
		if merr != nil {
			return
		}
		if _, err = s.router.Invoke(ctx, o.e.version.scope(), o.e.principal, "cloudwatchlogs", "CreateLogGroup", in); err == nil || wire.AsError(err).
			Code == "ResourceAlreadyExistsException" {
			err = s.Logs.PutLog(ctx, o.e.version.scope(), o.e.principal, group, o.stream, lines...)
		}
	}
	if err != nil {
		s.Log.Debug("function log not written", "service", "lambda", "function", *o.e.version.Config.FunctionName, "group", group, "lines", len(lines), "error", err)
	}
}

// attach begins to read the process' output.
func (o *output) attach(r *os.File) {
	o.pipe, o.readEnd = r, make(chan struct{})
	o.e.s.pool.wg.Go(guard.Func(o.e.s.Log, "the output of a function", func() {
		defer close(o.readEnd)
		o.read(r)
	}))
}

// close waits until everything was passed on. The process has ended; something
// that it left running in a session of its own may still hold the pipe.
func (o *output) close() {
	if o.readEnd != nil {
		select {
		case <-o.readEnd:
		case <-time.After(settle):
		}
		_ = o.pipe.Close()
		<-o.readEnd
	}
	o.mu.Lock()
	o.closed = true
	o.room.Broadcast()
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
	<-o.ended
}

// read takes the process' output apart until it ends.
func (o *output) read(r *os.File) {
	b := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	for {
		c, err := b.ReadSlice('\n')
		line = append(line, c...)
		if errors.Is(err, bufio.ErrBufferFull) && len(line) < maxEvent+maxPayload {
			continue
		}
		if len(line) > 0 {
			o.line(bytes.TrimRight(line, "\r\n"))
			line = line[:0]
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrClosed) {
				o.e.s.Log.Debug("function output", "service", "lambda", "error", err)
			}
			return
		}
	}
}

func (o *output) line(text []byte) {
	inv := o.e.current.Load()
	before, frame, framed := bytes.Cut(text, []byte{frameMark})
	if len(before) > 0 || !framed {
		o.put(inv, string(before))
	}
	if !framed {
		return
	}
	frame = bytes.TrimSuffix(frame, []byte{frameMark})
	if len(frame) == 0 {
		return
	}
	switch body := string(frame[1:]); frame[0] {
	case 'L':
		var message string
		if json.Unmarshal([]byte(body), &message) != nil {
			message = body
		}
		o.put(inv, message)
	case 'E':
		select {
		case o.ends <- body:
		default:
		}
	default:
		o.put(inv, string(frame))
	}
}

// settle waits until what the function printed before its answer has been read,
// and returns its peak memory in KiB, 0 if unknown. A bootstrap of our own says
// when that is; of another one we can only wait a moment, of an ended process
// until its output ends.
func (o *output) settle(inv *invocation, alive bool) int {
	limit := time.NewTimer(settle)
	defer limit.Stop()
	if !alive || o.readEnd == nil {
		if o.readEnd != nil {
			select {
			case <-o.readEnd:
			case <-limit.C:
			}
		}
		return 0
	}
	if !runtimeOf(o.e.version.Config.Runtime).ours {
		limit.Reset(2 * time.Millisecond)
	}
	for {
		select {
		case end := <-o.ends:
			id, kib, _ := strings.Cut(end, " ")
			if n, err := strconv.Atoi(kib); id == inv.id && err == nil {
				return n
			}
		case <-o.readEnd:
			return 0
		case <-limit.C:
			return 0
		}
	}
}

// json tells the JSON log format.
func (o *output) json() bool {
	return o.e.version.Config.LoggingConfig.LogFormat == types.LogFormatJson
}

// quiet tells that the start and report records are filtered out by the system
// log level.
func (o *output) quiet() bool {
	return o.e.version.Config.LoggingConfig.SystemLogLevel == types.SystemLogLevelWarn
}

// system writes a line of Lambda itself.
func (o *output) system(inv *invocation, text string) { o.put(inv, text) }

func (o *output) platform(inv *invocation, kind string, record any) {
	raw, err := json.Marshal(struct {
		Time   string `json:"time"`
		Type   string `json:"type"`
		Record any    `json:"record"`
	}{o.e.s.Clock.Now().UTC().Format("2006-01-02T15:04:05.000Z"), kind, record})
	if err == nil {
		o.put(inv, string(raw))
	}
}

func (o *output) begin(inv *invocation) {
	v := *o.e.version.Config.Version
	switch {
	case !o.json():
		o.put(inv, "START RequestId: "+inv.id+" Version: "+v)
	case !o.quiet():
		o.platform(inv, "platform.start", map[string]string{"requestId": inv.id, "version": v})
	}
}

// end writes the lines that close an invocation's log.
func (o *output) end(inv *invocation, res result, peakKiB int, start time.Duration) {
	ms := func(d time.Duration) float64 { return math.Round(float64(d.Microseconds())/10) / 100 }
	size, peak := int(*o.e.version.Config.MemorySize), (peakKiB+1023)/1024
	duration, billed := ms(res.duration), int(math.Ceil(ms(res.duration)+ms(start)))
	if o.json() {
		if o.quiet() {
			return
		}
		metrics := map[string]any{"durationMs": duration, "billedDurationMs": billed, "memorySizeMB": size, "maxMemoryUsedMB": peak}
		if start > 0 {
			metrics["initDurationMs"] = ms(start)
		}
		record := map[string]any{"requestId": inv.id, "metrics": metrics, "status": res.status}
		if res.status == "error" {
			record["errorType"] = res.errorType
		}
		o.platform(inv, "platform.report", record)
		return
	}
	if inv.started.Load() == 0 {
		o.begin(inv)
	}
	o.put(inv, "END RequestId: "+inv.id)
	text := fmt.Sprintf("REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %d MB\tMax Memory Used: %d MB", inv.id, duration, billed, size, peak)
	if start > 0 {
		text += fmt.Sprintf("\tInit Duration: %.2f ms", ms(start))
	}
	switch res.status {
	case "timeout":
		text += "\tStatus: timeout"
	case "error":
		if strings.HasPrefix(res.errorType, "Runtime.") {
			text += "\tStatus: error\tError Type: " + res.errorType
		}
	}
	o.put(inv, text)
}
