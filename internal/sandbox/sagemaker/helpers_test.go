package sagemaker_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cw "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	sm "github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/plainbody"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/autoscaling"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/cloudwatch"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/faults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/sagemaker"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	account = "000000000000"
	region  = "us-east-1"
	role    = "arn:aws:iam::000000000000:role/endpoint"
	image   = "000000000000.dkr.ecr.us-east-1.amazonaws.com/sandbox/linear:1"
	iris    = `{"format":"linear/v1","classes":["setosa","versicolor"],"features":["length","width"],` +
		`"weights":[[2,0],[0,1]],"bias":[0,0.5],"activation":"softmax"}`
)

// objects is an S3 that only the role "endpoint" may read and write.
type objects struct {
	mu   sync.Mutex
	data map[string][]byte
	deny bool
	// busy throttles everybody; asked counts who was.
	busy  bool
	asked int
}

func (o *objects) check(p wire.Principal, action, path string) error {
	if o.busy {
		o.asked++
		return wire.Errorf(http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
	}
	if o.deny || p.Role != "endpoint" {
		return wire.Errorf(http.StatusForbidden, "AccessDenied", "User: %s is not authorized to perform: %s on %s", p.ARN, action, path)
	}
	return nil
}

func (o *objects) GetObject(_ context.Context, _ wire.Scope, p wire.Principal, bucket, key, _ string) (io.ReadCloser, wire.ObjectInfo, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	path := bucket + "/" + key
	if err := o.check(p, "s3:GetObject", path); err != nil {
		return nil, wire.ObjectInfo{}, err
	}
	raw, ok := o.data[path]
	if !ok {
		return nil, wire.ObjectInfo{}, wire.Errorf(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
	}
	return io.NopCloser(bytes.NewReader(raw)), wire.ObjectInfo{Bucket: bucket, Key: key, Size: int64(len(raw))}, nil
}

func (o *objects) PutObject(_ context.Context, _ wire.Scope, p wire.Principal, bucket, key, _ string, body io.Reader) (wire.ObjectInfo, error) {
	raw, err := io.ReadAll(body)
	if err != nil {
		return wire.ObjectInfo{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.check(p, "s3:PutObject", bucket+"/"+key); err != nil {
		return wire.ObjectInfo{}, err
	}
	o.data[bucket+"/"+key] = raw
	return wire.ObjectInfo{Bucket: bucket, Key: key}, nil
}

func (o *objects) ListObjects(_ context.Context, _ wire.Scope, p wire.Principal, bucket, prefix string, fn func(wire.ObjectInfo) bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.check(p, "s3:ListBucket", bucket); err != nil {
		return err
	}
	for k := range o.data {
		if key, ok := strings.CutPrefix(k, bucket+"/"); ok && strings.HasPrefix(key, prefix) && !fn(wire.ObjectInfo{Bucket: bucket, Key: key}) {
			return nil
		}
	}
	return nil
}

func (o *objects) put(path string, raw []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.data[path] = raw
}

func (o *objects) remove(path string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.data, path)
}

func (o *objects) below(prefix string) map[string]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := map[string]string{}
	for k, v := range o.data {
		if strings.HasPrefix(k, prefix) {
			out[k] = string(v)
		}
	}
	return out
}

// logs keeps lines by group; a group has to be created first.
type logs struct {
	mu     sync.Mutex
	groups map[string][]string
}

func (l *logs) PutLog(_ context.Context, _ wire.Scope, p wire.Principal, group, _ string, lines ...wire.LogLine) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.groups[group]; !ok {
		return wire.Errorf(http.StatusBadRequest, "ResourceNotFoundException", "The specified log group does not exist.")
	}
	if p.Role != "endpoint" {
		return wire.Errorf(http.StatusBadRequest, "AccessDeniedException", "no")
	}
	for _, x := range lines {
		l.groups[group] = append(l.groups[group], x.Message)
	}
	return nil
}

func (l *logs) lines(group string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string{}, l.groups[group]...)
}

func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	for name, text := range files {
		require.NoError(t, tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}))
		_, err := tw.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, tw.Close())
	require.NoError(t, zw.Close())
	return b.Bytes()
}

// world is a sandbox with SageMaker alone.
type world struct {
	t       *testing.T
	path    string
	clock   *clock.Fake
	objects *objects
	logs    *logs
	images  map[string]string

	around    *iamtest.World
	db        *store.DB
	svc       *sagemaker.Service
	router    *wire.Router
	transport *http.Transport
	ctl       *sm.Client
	run       *sagemakerruntime.Client
	stop      func()
	patience  time.Duration // of an invocation; 0 is AWS's
	haste     int
	events    wire.Events
	limits    *limits.Book
	gate      *faults.Gate
	metrics   *cloudwatch.Service
	alarms    *cw.Client
}

func newWorld(t *testing.T, setup ...func(*world)) *world {
	t.Helper()
	w := &world{
		t: t, path: filepath.Join(t.TempDir(), "sandbox.db"),
		clock:   clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)),
		objects: &objects{data: map[string][]byte{"models/iris/model.tar.gz": archive(t, map[string]string{"./model.json": iris, "README": "x"})}},
		logs:    &logs{groups: map[string][]string{}},
		images:  map[string]string{},
	}
	for _, f := range setup {
		f(w)
	}
	w.start()
	w.around.Role(t, "endpoint", "")
	t.Cleanup(func() { w.stop() })
	return w
}

// evenly returns numbers that fall into each part of [0, 1) as often as it is wide, so that
// few requests show the share that each side has and no test depends on luck: the multiples
// of the golden ratio (en.wikipedia.org/wiki/Low-discrepancy_sequence#Additive_recurrence).
func evenly() func() float64 {
	var n atomic.Int64
	return func() float64 {
		_, f := math.Modf(float64(n.Add(1)) * (math.Sqrt(5) - 1) / 2)
		return f
	}
}

func (w *world) start() {
	w.t.Helper()
	var err error
	w.around = iamtest.At(w.t, w.path, clock.Real{}) // signatures are of the machine's time
	w.db, w.router = w.around.DB, w.around.Router
	w.gate = faults.New(w.clock)
	w.router.SetGate(w.gate)
	w.metrics, err = cloudwatch.New(cloudwatch.Config{DB: w.db, Clock: w.clock})
	require.NoError(w.t, err)
	w.metrics.Register(w.router)
	scaling, err := autoscaling.New(autoscaling.Config{DB: w.db, Clock: w.clock})
	require.NoError(w.t, err)
	scaling.Register(w.router)
	w.svc, err = sagemaker.New(sagemaker.Config{
		DB: w.db, Clock: w.clock, Roles: w.around.IAM, Objects: w.objects, Logs: w.logs,
		Images: w.images, CreateDelay: 2 * time.Second, Haste: w.haste, Metrics: w.metrics, Events: w.events, Limits: w.limits, InvokeTimeout: w.patience, Chance: evenly(),
	})
	require.NoError(w.t, err)
	w.svc.Register(w.router)
	w.router.Register(wire.Service{ID: "cloudwatchlogs", Scope: "logs", Protocol: wire.JSON11})
	w.router.Handle("cloudwatchlogs", "CreateLogGroup", func(_ context.Context, _ *wire.Request, in []byte) (any, error) {
		var v struct {
			LogGroupName string `json:"logGroupName"`
		}
		if err := json.Unmarshal(in, &v); err != nil {
			return nil, err
		}
		w.logs.mu.Lock()
		defer w.logs.mu.Unlock()
		w.logs.groups[v.LogGroupName] = nil
		return struct{}{}, nil
	})
	require.NoError(w.t, w.svc.Start(w.t.Context()))
	w.transport = &http.Transport{}
	w.ctl, w.run = w.clients("admin")
	w.alarms = cw.NewFromConfig(w.around.Admin())
	stopped := false
	w.stop = func() {
		if stopped {
			return
		}
		stopped = true
		w.transport.CloseIdleConnections()
		require.NoError(w.t, w.svc.Close())
		w.around.Close()
	}
}

func (w *world) restart() {
	w.t.Helper()
	w.stop()
	w.start()
}

// clients are those of "admin", the account's user, or of a user that is made.
func (w *world) clients(user string) (*sm.Client, *sagemakerruntime.Client) {
	cfg := w.around.Admin()
	if user != "admin" {
		_, cfg = w.around.User(w.t, user, "")
	}
	cfg.HTTPClient = &http.Client{Transport: plainbody.Transport{Next: w.transport}}
	return sm.NewFromConfig(cfg), sagemakerruntime.NewFromConfig(cfg)
}

// dropRole removes the role that endpoints act as.
func (w *world) dropRole() {
	w.t.Helper()
	_, err := iam.NewFromConfig(w.around.Admin()).DeleteRole(w.t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("endpoint")})
	require.NoError(w.t, err)
}

func (w *world) model(name, img, url string) error {
	c := &types.ContainerDefinition{Image: &img}
	if url != "" {
		c.ModelDataUrl = &url
	}
	_, err := w.ctl.CreateModel(w.t.Context(), &sm.CreateModelInput{ModelName: &name, ExecutionRoleArn: aws.String(role), PrimaryContainer: c})
	return err
}

func (w *world) config(name string, change func(*sm.CreateEndpointConfigInput)) error {
	in := &sm.CreateEndpointConfigInput{
		EndpointConfigName: &name,
		ProductionVariants: []types.ProductionVariant{{
			VariantName: aws.String("AllTraffic"), ModelName: aws.String("iris"), InstanceType: types.ProductionVariantInstanceTypeMlM5Large, InitialInstanceCount: aws.Int32(1),
		}},
	}
	if change != nil {
		change(in)
	}
	_, err := w.ctl.CreateEndpointConfig(w.t.Context(), in)
	return err
}

func (w *world) endpoint(name, cfg string) error {
	_, err := w.ctl.CreateEndpoint(w.t.Context(), &sm.CreateEndpointInput{EndpointName: &name, EndpointConfigName: &cfg})
	return err
}

func (w *world) describe(name string) *sm.DescribeEndpointOutput {
	w.t.Helper()
	out, err := w.ctl.DescribeEndpoint(w.t.Context(), &sm.DescribeEndpointInput{EndpointName: &name})
	require.NoError(w.t, err)
	return out
}

// settle lets the transition's time pass and waits for its end.
func (w *world) settle(name string) *sm.DescribeEndpointOutput {
	w.t.Helper()
	var out *sm.DescribeEndpointOutput
	require.Eventually(w.t, func() bool {
		w.pass(time.Second)
		out = w.describe(name)
		switch out.EndpointStatus {
		case types.EndpointStatusInService, types.EndpointStatusFailed:
			return true
		default:
			return false
		}
	}, time.Minute, 5*time.Millisecond)
	return out
}

// pass lets time pass if something waits for it: while nothing does, something is asked or
// done, which has a time limit of its own.
func (w *world) pass(d time.Duration) {
	if w.waits() {
		w.clock.Advance(d)
	}
}

// waits reports whether an endpoint waits for time to pass: then it does nothing else.
func (w *world) waits() bool {
	ctx, cancel := context.WithTimeout(w.t.Context(), 50*time.Millisecond)
	defer cancel()
	return w.clock.WaitTimers(ctx, 1) == nil
}

// ready makes an endpoint "iris" in service.
func (w *world) ready() {
	w.t.Helper()
	require.NoError(w.t, w.model("iris", image, "s3://models/iris/model.tar.gz"))
	require.NoError(w.t, w.config("c1", nil))
	require.NoError(w.t, w.endpoint("iris", "c1"))
	require.Equal(w.t, types.EndpointStatusInService, w.settle("iris").EndpointStatus)
}

func (w *world) invoke(name, contentType, body string) (*sagemakerruntime.InvokeEndpointOutput, error) {
	return w.run.InvokeEndpoint(w.t.Context(), &sagemakerruntime.InvokeEndpointInput{EndpointName: &name, ContentType: &contentType, Body: []byte(body)})
}

func requireCode(t *testing.T, err error, code, text string) {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, code, api.ErrorCode())
	require.Contains(t, api.ErrorMessage(), text)
}
