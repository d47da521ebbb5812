package sagemaker

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	metricNamespace = "AWS/SageMaker"
	logBacklog      = 1024
	captureWindow   = time.Second // how long captured lines are gathered into one object
	captureLines    = 200         // ... or how many
)

func logGroup(endpoint string) string { return "/aws/sagemaker/Endpoints/" + endpoint }

// observation is an invocation as it is recorded.
type observation struct {
	e   *endpoint
	f   *fleet
	r   *running
	v   *variant
	in  invocation
	out *answer
	err error
	// began is when the model was called, overhead what passed before that.
	began    time.Time
	overhead time.Duration
}

// observe records an invocation: metrics, a log line, captured data. All of it
// is best effort and happens beside the invocation.
func (s *Service) observe(o *observation) {
	took := time.Since(o.began)
	status := http.StatusOK
	var rep *reply
	switch {
	case errors.As(o.err, &rep):
		status = rep.status
	case o.err != nil:
		status = http.StatusServiceUnavailable
	}
	s.metrics(o, status, took)
	size := 0
	if o.out != nil {
		size = len(o.out.body)
	}
	line := fmt.Sprintf(`127.0.0.1 - - [%s] "POST /invocations HTTP/1.1" %d %d "-" "AHC/2.0" %dms`,
		s.cfg.Clock.Now().Format("02/Jan/2006:15:04:05 -0700"), status, size, took.Milliseconds())
	if o.in.inferenceID != "" {
		line += " inferenceId=" + o.in.inferenceID
	}
	if rep != nil {
		line += " " + rep.text
	}
	s.log(logItem{role: o.r.role, source: o.e.ARN, group: logGroup(o.e.Name), stream: o.r.stream, line: wire.LogLine{Time: s.cfg.Clock.Now(), Message: line}})
	if o.f.capture != nil && o.out != nil {
		o.f.capture.take(o.r, o.in, o.out, s.cfg.Clock.Now())
	}
}

// metrics are those of
// https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html with their
// units, by endpoint and variant, and once more by the configuration too, so that an alarm
// can watch the new fleet alone:
// https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-configuration.html
func (s *Service) metrics(o *observation, status int, took time.Duration) {
	if s.cfg.Metrics == nil {
		return
	}
	both := map[string]string{"EndpointName": o.e.Name, "VariantName": o.v.Name}
	fleet := map[string]string{"EndpointName": o.e.Name, "VariantName": o.v.Name, "EndpointConfigName": o.f.config}
	now := s.cfg.Clock.Now()
	put := func(metric, unit string, value float64) {
		for _, dims := range []map[string]string{both, fleet} {
			s.cfg.Metrics.PutPoint(s.ctx, scopeOf(o.e.ARN), wire.MetricPoint{Namespace: metricNamespace, Name: metric, Dimensions: dims, Value: value, Unit: unit, Time: now})
		}
	}
	flag := func(yes bool) float64 {
		if yes {
			return 1
		}
		return 0
	}
	put("Invocations", none, 1)
	if n := o.e.serving(o.v); n > 0 {
		put("InvocationsPerInstance", none, 1/float64(n))
	}
	put("Invocation4XXErrors", none, flag(status >= 400 && status < 500))
	put("Invocation5XXErrors", none, flag(status >= 500 || status == 0))
	put("InvocationModelErrors", none, flag(status < 200 || status > 299))
	put("ModelLatency", "Microseconds", float64(took.Microseconds()))
	put("OverheadLatency", "Microseconds", float64(o.overhead.Microseconds()))
	put("ConcurrentRequestsPerModel", "Count", float64(o.r.inside.Load()))
}

const none = "None"

// serving is how many instances of a variant, old and new, take requests.
func (e *endpoint) serving(v *variant) int32 {
	n, share := int32(0), 0.0
	if e.Rollout != nil && e.Target != nil {
		share = e.Rollout.Share
	}
	if old := e.Active.variant(v.Name); old != nil {
		n = old.CurrentCount - active(old.CurrentCount, share)
	}
	if e.Rollout != nil && e.Target != nil {
		if next := e.Target.variant(v.Name); next != nil {
			n += active(next.DesiredCount, share)
		}
	}
	return n
}

// logItem is a line on its way to CloudWatch Logs.
type logItem struct {
	role, source, group, stream string
	line                        wire.LogLine
}

// log hands a line to the writer; if that is far behind the line is dropped.
func (s *Service) log(it logItem) {
	if s.cfg.Logs == nil {
		return
	}
	select {
	case s.lines <- it:
	default:
	}
}

// writeLogs writes lines as the endpoint's execution role, which may not be
// allowed to; then nothing is written, as on AWS.
func (s *Service) writeLogs() {
	for {
		select {
		case it := <-s.lines:
			if err := guard.Run(s.cfg.Log, "the logs of endpoints", func() error { return s.writeLog(it) }); err != nil {
				s.cfg.Log.Debug("endpoint log", "group", it.group, "error", err.Error())
			}
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *Service) writeLog(it logItem) error {
	p, err := s.assume(s.ctx, it.role, it.source)
	if err != nil {
		return err
	}
	err = s.cfg.Logs.PutLog(s.ctx, scopeOf(it.source), p, it.group, it.stream, it.line)
	var we *wire.Error
	if !errors.As(err, &we) || we.Code != "ResourceNotFoundException" || s.router == nil {
		return err
	}
	if _, err := load[endpoint](s, bucketEndpoints, kindEndpoint, it.source); err != nil {
		return nil //nolint:nilerr // a late line of an endpoint that is gone makes no new log group
	}
	in, err := json.Marshal(map[string]string{"logGroupName": it.group})
	if err != nil {
		return err
	}
	if _, err := s.router.Invoke(s.ctx, scopeOf(it.source), p, "cloudwatchlogs", "CreateLogGroup", in); err != nil {
		return err
	}
	return s.cfg.Logs.PutLog(s.ctx, scopeOf(it.source), p, it.group, it.stream, it.line)
}

// capturer gathers sampled requests and replies and writes them as JSON lines
// below the configured prefix:
// <prefix>/<endpoint>/<variant>/yyyy/mm/dd/hh/<file>.jsonl, as AWS does.
// See https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html.
type capturer struct {
	s             *Service
	spec          types.DataCaptureConfig
	endpoint, arn string
	input, output bool
	ctx           context.Context // life of the capturer, ended by close
	cancel        context.CancelFunc
	work          sync.WaitGroup

	mu      sync.Mutex
	pending map[*running][]json.RawMessage
	closed  bool
}

func (s *Service) newCapturer(e *endpoint, d *deployment) *capturer {
	ctx, cancel := context.WithCancel(s.ctx)
	c := &capturer{s: s, spec: *d.Config.Spec.DataCaptureConfig, endpoint: e.Name, arn: e.ARN, ctx: ctx, cancel: cancel, pending: map[*running][]json.RawMessage{}}
	for _, o := range c.spec.CaptureOptions {
		c.input = c.input || o.CaptureMode != types.CaptureModeOutput
		c.output = c.output || o.CaptureMode != types.CaptureModeInput
	}
	return c
}

// capturedData is one side of a captured exchange.
type capturedData struct {
	ObservedContentType string `json:"observedContentType"`
	Mode                string `json:"mode"`
	Data                string `json:"data"`
	Encoding            string `json:"encoding"`
}

type capturedLine struct {
	CaptureData struct {
		EndpointInput  *capturedData `json:"endpointInput,omitempty"`
		EndpointOutput *capturedData `json:"endpointOutput,omitempty"`
	} `json:"captureData"`
	EventMetadata struct {
		EventID       string `json:"eventId"`
		InferenceID   string `json:"inferenceId,omitempty"`
		InferenceTime string `json:"inferenceTime"`
	} `json:"eventMetadata"`
	EventVersion string `json:"eventVersion"`
}

func (c *capturer) take(r *running, in invocation, out *answer, now time.Time) {
	if 100*c.s.cfg.Chance() >= float64(aws.ToInt32(c.spec.InitialSamplingPercentage)) {
		return
	}
	var line capturedLine
	if c.input {
		line.CaptureData.EndpointInput = c.side("INPUT", in.contentType, in.body)
	}
	if c.output {
		line.CaptureData.EndpointOutput = c.side("OUTPUT", out.contentType, out.body)
	}
	line.EventMetadata.EventID, line.EventMetadata.InferenceID = wire.NewID(), in.inferenceID
	line.EventMetadata.InferenceTime = now.UTC().Format(time.RFC3339)
	line.EventVersion = "0"
	raw, err := json.Marshal(line)
	if err != nil {
		c.s.cfg.Log.Error("encode captured data", "error", err.Error())
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.pending[r] = append(c.pending[r], raw)
	switch n := len(c.pending[r]); {
	case n == 1:
		c.work.Go(guard.Func(c.s.cfg.Log, "captured data", func() {
			_ = clock.Sleep(c.ctx, c.s.cfg.Clock, captureWindow) // an early end means: write now
			c.flush(r)
		}))
	case n >= captureLines:
		c.work.Go(guard.Func(c.s.cfg.Log, "captured data", func() { c.flush(r) }))
	}
}

// side encodes data as AWS does: CSV and JSON as text, all else as base64.
func (c *capturer) side(mode, contentType string, body []byte) *capturedData {
	d := &capturedData{ObservedContentType: contentType, Mode: mode, Data: string(body)}
	kind := mediaType(contentType)
	listed := func(l []string) bool {
		for _, t := range l {
			if strings.EqualFold(t, kind) {
				return true
			}
		}
		return false
	}
	var csv, jsn []string
	if h := c.spec.CaptureContentTypeHeader; h != nil {
		csv, jsn = h.CsvContentTypes, h.JsonContentTypes
	}
	switch {
	case listed(csv) || kind == "text/csv":
		d.Encoding = "CSV"
	case listed(jsn) || kind == "application/json":
		d.Encoding = "JSON"
	default:
		d.Encoding, d.Data = "BASE64", base64.StdEncoding.EncodeToString(body)
	}
	return d
}

// flush writes what has gathered for a variant.
func (c *capturer) flush(r *running) {
	c.mu.Lock()
	lines := c.pending[r]
	delete(c.pending, r)
	c.mu.Unlock()
	if len(lines) == 0 {
		return
	}
	if err := c.write(r, lines); err != nil {
		c.s.cfg.Log.Warn("write captured data", "endpoint", c.endpoint, "lines", len(lines), "error", err.Error())
	}
}

func (c *capturer) write(r *running, lines []json.RawMessage) error {
	ctx := context.WithoutCancel(c.ctx) // what was captured is written even at the end
	p, err := c.s.assume(ctx, r.role, c.arn)
	if err != nil {
		return err
	}
	bucket, prefix, err := splitURI(aws.ToString(c.spec.DestinationS3Uri))
	if err != nil {
		return err
	}
	now := c.s.cfg.Clock.Now().UTC()
	parts := []string{c.endpoint, r.name, now.Format("2006/01/02/15"), now.Format("04-05-000") + "-" + wire.NewID() + ".jsonl"}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		parts = append([]string{prefix}, parts...)
	}
	var b strings.Builder
	for _, l := range lines {
		b.Write(l)
		b.WriteByte('\n')
	}
	if c.s.cfg.Objects == nil {
		return errors.New("the sandbox runs without S3")
	}
	_, err = c.s.cfg.Objects.PutObject(ctx, scopeOf(c.arn), p, bucket, strings.Join(parts, "/"), "application/jsonlines", strings.NewReader(b.String()))
	return err
}

// close writes what is left and waits for it.
func (c *capturer) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.work.Wait()
}
