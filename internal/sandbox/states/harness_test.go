package states_test

import (
	"bytes"
	"context"
	"crypto/md5" // S3 ETags
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	account = "000000000000"
	region  = "us-east-1"
)

// fastClock runs faster than the machine's clock by a factor. Timers of half a minute and more
// do not: they are time limits, which no busy machine is to meet.
type fastClock struct {
	start  time.Time
	factor time.Duration
}

func newFastClock(factor int) *fastClock { return &fastClock{time.Now(), time.Duration(factor)} }

func (c *fastClock) Now() time.Time {
	return c.start.Add(time.Since(c.start) * c.factor).UTC()
}

func (c *fastClock) NewTimer(d time.Duration) clock.Timer {
	if d < 30*time.Second {
		d /= c.factor
	}
	return clock.Real{}.NewTimer(d)
}

// world is a service behind HTTP with what it needs.
type world struct {
	t      testing.TB
	path   string
	around *iamtest.World
	db     *store.DB
	router *wire.Router
	svc    *states.Service
	clock  clock.Clock
	config states.Config
	lambda *functions
	s3     *buckets
	logs   *logGroups
	extra  func(*wire.Router) // more operations
}

var home = wire.ScopeOf(account, region)

type anyRequest = *http.Request

// newWorld starts a service; setup may change its configuration before.
func newWorld(t testing.TB, setup ...func(*world)) *world {
	t.Helper()
	w := &world{t: t, path: filepath.Join(t.TempDir(), "store.db"), clock: newFastClock(40)}
	w.lambda, w.s3, w.logs = &functions{w: w, all: map[string]function{}}, &buckets{all: map[string]map[string][]byte{}}, &logGroups{all: map[string][]string{}}
	for _, f := range setup {
		f(w)
	}
	w.open()
	t.Cleanup(w.close)
	return w
}

func (w *world) open() {
	var err error
	w.around = iamtest.At(w.t, w.path, clock.Real{}) // signatures are of the machine's time
	w.db, w.router = w.around.DB, w.around.Router
	w.lambda.register(w.router)
	w.s3.register(w.router)
	w.logs.register(w.router)
	if w.extra != nil {
		w.extra(w.router)
	}
	c := w.config
	c.DB, c.Router, c.Clock = w.db, w.router, w.clock
	c.Logs, c.Objects = w.logs, w.s3
	w.svc, err = states.New(c)
	require.NoError(w.t, err)
	w.svc.Register(w.router)
	require.NoError(w.t, w.svc.Start(context.Background()))
}

func (w *world) close() {
	if w.around == nil {
		return
	}
	require.NoError(w.t, w.svc.Close())
	w.around.Close()
	w.around = nil
}

// reply is an answer of the API.
type reply struct {
	status int
	body   map[string]any
}

// call makes a raw request, so that parameters go out as they are given.
func (w *world) call(op string, params any) reply {
	w.t.Helper()
	raw, err := json.Marshal(params)
	require.NoError(w.t, err)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, w.around.URL, bytes.NewReader(raw))
	require.NoError(w.t, err)
	req.Header.Set("X-Amz-Target", "AWSStepFunctions."+op)
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	w.around.Sign(w.t, req, "states", region)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	out := reply{status: resp.StatusCode}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	require.NoError(w.t, dec.Decode(&out.body), "%s: %s", op, body)
	return out
}

// must is call for requests that succeed.
func (w *world) must(op string, params any) map[string]any {
	w.t.Helper()
	r := w.call(op, params)
	require.Equal(w.t, http.StatusOK, r.status, "%s: %v", op, r.body)
	return r.body
}

// await polls until an execution has ended.
func (w *world) await(arn string) map[string]any {
	w.t.Helper()
	var out map[string]any
	require.Eventually(w.t, func() bool {
		out = w.must("DescribeExecution", map[string]any{"executionArn": arn})
		return out["status"] != "RUNNING"
	}, time.Minute, 2*time.Millisecond, "%s still runs", arn)
	return out
}

// pass lets the time of a clock that stands pass until an execution has ended.
func (w *world) pass(fake *clock.Fake, arn string) map[string]any {
	w.t.Helper()
	var out map[string]any
	require.Eventually(w.t, func() bool {
		fake.Advance(time.Second)
		out = w.must("DescribeExecution", map[string]any{"executionArn": arn})
		return out["status"] != "RUNNING"
	}, time.Minute, time.Millisecond, "%s still runs", arn)
	return out
}

// history reads the whole history.
func (w *world) history(arn string) []any {
	var out []any
	params := map[string]any{"executionArn": arn, "maxResults": 1000}
	for {
		r := w.must("GetExecutionHistory", params)
		events, _ := r["events"].([]any)
		out = append(out, events...)
		if r["nextToken"] == nil {
			return out
		}
		params["nextToken"] = r["nextToken"]
	}
}

// function is a Lambda function that is played.
type function struct {
	literal      *string // payload text
	errorType    string
	errorMessage string
	sleep        time.Duration
	calls        int
	handle       func(event json.RawMessage) (string, error)
}

type functions struct {
	w   *world
	mu  sync.Mutex
	all map[string]function
}

func (f *functions) register(r *wire.Router) {
	r.Handle("lambda", "Invoke", withBlob("Payload", f.invoke))
}

// withBlob lets a played operation have a blob as the JSON text that a task gave,
// and answer it as text.
func withBlob(member string, op wire.Op) wire.Op {
	return func(ctx context.Context, req *wire.Request, raw []byte) (any, error) {
		var in map[string]json.RawMessage
		if err := json.Unmarshal(raw, &in); err != nil {
			return nil, err
		}
		if text, given := in[member]; given {
			var blob []byte
			if err := json.Unmarshal(text, &blob); err != nil {
				return nil, err
			}
			in[member] = blob
		}
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		out, err := op(ctx, req, raw)
		if reply, ok := out.(map[string]any); ok {
			if text, ok := reply[member].(string); ok {
				reply[member] = []byte(text)
			}
		}
		return out, err
	}
}

// calls is how often a function was called.
func (f *functions) calls(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all[name].calls
}

func functionName(s string) string {
	if _, name, ok := strings.Cut(s, ":function:"); ok {
		s = name
	}
	name, _, _ := strings.Cut(s, ":")
	return name
}

func (f *functions) invoke(ctx context.Context, _ *wire.Request, in []byte) (any, error) {
	var req struct {
		FunctionName string
		Payload      json.RawMessage
	}
	if err := json.Unmarshal(in, &req); err != nil {
		return nil, err
	}
	f.mu.Lock()
	fn, ok := f.all[functionName(req.FunctionName)]
	fn.calls++
	f.all[functionName(req.FunctionName)] = fn
	f.mu.Unlock()
	if !ok {
		return nil, wire.Errorf(404, "ResourceNotFoundException", "Function not found: %s", req.FunctionName)
	}
	if fn.sleep > 0 {
		if err := clock.Sleep(ctx, f.w.clock, fn.sleep); err != nil {
			return nil, err
		}
	}
	if len(req.Payload) == 0 {
		req.Payload = json.RawMessage("{}")
	}
	out := map[string]any{"StatusCode": 200, "ExecutedVersion": "$LATEST"}
	switch {
	case fn.handle != nil:
		text, err := fn.handle(req.Payload)
		if err != nil {
			return nil, err
		}
		out["Payload"] = text
	case fn.errorType != "":
		out["FunctionError"] = "Unhandled"
		out["Payload"] = fmt.Sprintf(`{"errorMessage": %q, "errorType": %q, "requestId": "id", "stackTrace": []}`, fn.errorMessage, fn.errorType)
	case fn.literal != nil:
		out["Payload"] = *fn.literal
	default:
		out["Payload"] = string(req.Payload)
	}
	return out, nil
}

// buckets are the S3 operations that cases use, in memory.
type buckets struct {
	mu  sync.Mutex
	all map[string]map[string][]byte
}

func (b *buckets) register(r *wire.Router) {
	for name, op := range map[string]wire.Op{"GetObject": b.get, "PutObject": b.put, "ListBuckets": b.list} {
		r.Handle("s3", name, withBlob("Body", op))
	}
}

type objectRequest struct {
	Bucket, Key string
	Body        json.RawMessage
}

func (b *buckets) get(_ context.Context, _ *wire.Request, in []byte) (any, error) {
	var req objectRequest
	if err := json.Unmarshal(in, &req); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	body, ok := b.all[req.Bucket][req.Key]
	if !ok {
		return nil, wire.Errorf(404, "NoSuchKey", "The specified key does not exist.")
	}
	return map[string]any{
		"AcceptRanges": "bytes", "ContentLength": len(body), "ContentType": "binary/octet-stream", "ETag": etag(body), "LastModified": 1700000000,
		"Metadata": map[string]string{}, "ServerSideEncryption": "AES256", "Body": string(body),
	}, nil
}

func (b *buckets) put(_ context.Context, _ *wire.Request, in []byte) (any, error) {
	var req objectRequest
	if err := json.Unmarshal(in, &req); err != nil {
		return nil, err
	}
	b.store(req.Bucket, req.Key, req.Body)
	return map[string]any{"ETag": `"e"`, "ServerSideEncryption": "AES256"}, nil
}

func (b *buckets) list(context.Context, *wire.Request, []byte) (any, error) {
	return map[string]any{"Buckets": []any{}}, nil
}

func (b *buckets) store(bucket, key string, body []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all[bucket] == nil {
		b.all[bucket] = map[string][]byte{}
	}
	b.all[bucket][key] = bytes.Clone(body)
}

func (b *buckets) GetObject(_ context.Context, _ wire.Scope, _ wire.Principal, bucket, key, _ string) (io.ReadCloser, wire.ObjectInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	body, ok := b.all[bucket][key]
	if !ok {
		return nil, wire.ObjectInfo{}, wire.Errorf(404, "NoSuchKey", "The specified key does not exist.")
	}
	return io.NopCloser(bytes.NewReader(body)), wire.ObjectInfo{Bucket: bucket, Key: key, Size: int64(len(body)), ETag: etag(body)}, nil
}

func (b *buckets) PutObject(_ context.Context, _ wire.Scope, _ wire.Principal, bucket, key, _ string, body io.Reader) (wire.ObjectInfo, error) {
	raw, err := io.ReadAll(body)
	if err != nil {
		return wire.ObjectInfo{}, err
	}
	b.store(bucket, key, raw)
	return wire.ObjectInfo{Bucket: bucket, Key: key, Size: int64(len(raw)), ETag: `"e"`}, nil
}

func (b *buckets) ListObjects(_ context.Context, _ wire.Scope, _ wire.Principal, bucket, prefix string, fn func(wire.ObjectInfo) bool) error {
	b.mu.Lock()
	objects, ok := b.all[bucket]
	var infos []wire.ObjectInfo
	for key, body := range objects {
		if strings.HasPrefix(key, prefix) {
			infos = append(infos, wire.ObjectInfo{Bucket: bucket, Key: key, Size: int64(len(body)), ETag: `"e"`, StorageClass: "STANDARD", LastModified: time.Unix(1700000000, 0)})
		}
	}
	b.mu.Unlock()
	if !ok {
		return wire.Errorf(404, "NoSuchBucket", "The specified bucket does not exist")
	}
	sortInfos(infos)
	for _, info := range infos {
		if !fn(info) {
			break
		}
	}
	return nil
}

func etag(body []byte) string { return fmt.Sprintf("%q", fmt.Sprintf("%x", md5.Sum(body))) } // what S3 does

func sortInfos(infos []wire.ObjectInfo) {
	for i := range infos {
		for j := i; j > 0 && infos[j].Key < infos[j-1].Key; j-- {
			infos[j], infos[j-1] = infos[j-1], infos[j]
		}
	}
}

// logGroups keep the lines of each group.
type logGroups struct {
	mu  sync.Mutex
	all map[string][]string
}

func (l *logGroups) register(r *wire.Router) {
	r.Handle("cloudwatchlogs", "DescribeLogGroups", func(context.Context, *wire.Request, []byte) (any, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		groups := []any{}
		for name := range l.all {
			groups = append(groups, map[string]any{"logGroupName": name})
		}
		return map[string]any{"logGroups": groups}, nil
	})
}

func (l *logGroups) PutLog(_ context.Context, _ wire.Scope, _ wire.Principal, group, _ string, lines ...wire.LogLine) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all[group] == nil {
		return errors.New("no such group")
	}
	for _, line := range lines {
		l.all[group] = append(l.all[group], line.Message)
	}
	return nil
}

func (l *logGroups) create(group string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all[group] == nil {
		l.all[group] = []string{}
	}
}

func (l *logGroups) lines(group string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.all[group]...)
}
