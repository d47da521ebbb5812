package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/plainbody"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
	"github.com/pipelinetui/pipelinetui/internal/signaltest"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
)

// asProgram makes the test binary pipelinetui itself, for shells and programs that run it.
const asProgram = "PIPELINETUI_TEST_PROGRAM"

func TestMain(m *testing.M) {
	signaltest.Reset()
	if os.Getenv(asProgram) != "" {
		tabPatience = time.Hour // a busy machine is no reason to answer nothing
		os.Exit(int(Main(os.Args[1:])))
	}
	if len(os.Args) > 1 && os.Args[1] == "sandbox" {
		// A test is about to start a daemon: all of them would run again, in it.
		_, _ = io.WriteString(os.Stderr, "tests of this package start no sandbox: serve one in the process\n")
		os.Exit(int(ExitError))
	}
	code := m.Run()
	theWorld.close()
	os.Exit(code)
}

// world is a home with pipelines, without any process: states as the engine writes them,
// the real application over them, and a sandbox that runs in this process. Operations are
// played from recordings of the real engine.
type world struct {
	home    string
	info    sandbox.Info
	stop    context.CancelFunc
	stopped chan error
}

// theWorld is the one that tests share which name their own pipelines. Each round of -count
// and -cpu has one of its own, since names of executions stay taken.
var theWorld sharedWorld

type sharedWorld struct {
	mu    sync.Mutex
	users map[string]*testing.T // of the newest, by name
	all   []*world
}

func (s *sharedWorld) close() {
	for _, w := range s.all {
		w.stop()
		<-w.stopped
		_ = os.RemoveAll(w.home)
	}
}

// inWorld returns the shared world.
func inWorld(t *testing.T) *world {
	t.Helper()
	s := &theWorld
	s.mu.Lock()
	defer s.mu.Unlock()
	if before := s.users[t.Name()]; len(s.all) == 0 || before != nil && before != t {
		home, err := os.MkdirTemp("", "pipelinetui-cli") //nolint:usetesting // it outlives the test that comes first
		require.NoError(t, err)
		w := newHome(t, home)
		w.serve(t)
		s.all, s.users = append(s.all, w), map[string]*testing.T{}
	}
	s.users[t.Name()] = t
	return s.all[len(s.all)-1]
}

// newHome is a home without a sandbox.
func newHome(t *testing.T, home string) *world {
	t.Helper()
	w := &world{home: home}
	// The engine is found, and its version known: nothing has to run for that.
	pulumi := filepath.Join(home, "bin", "pulumi")
	require.NoError(t, os.MkdirAll(filepath.Dir(pulumi), 0o700))
	require.NoError(t, os.WriteFile(pulumi, []byte("no program"), 0o700)) // has to look like one
	info, err := os.Stat(pulumi)
	require.NoError(t, err)
	memory, err := json.Marshal(map[string]any{pulumi: map[string]any{"size": info.Size(), "modTime": info.ModTime(), "version": "v3.240.0"}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(home, "pulumi-versions.json"), memory, 0o600))
	return w
}

const (
	trust   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"states.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	allowed = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
)

// serve runs the sandbox of the home in this process.
func (w *world) serve(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ready := make(chan sandbox.Info, 1)
	w.stop, w.stopped = stop, make(chan error, 1)
	go func() {
		w.stopped <- sandbox.Serve(ctx, sandbox.ServeOptions{Dir: filepath.Join(w.home, "sandbox"), Ready: func(i sandbox.Info) { ready <- i }})
	}()
	select {
	case w.info = <-ready:
	case err := <-w.stopped:
		t.Fatal(err)
	}
	role, policy := aws.String("machines"), allowed
	roles := iam.NewFromConfig(w.aws())
	_, err := roles.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: role, AssumeRolePolicyDocument: aws.String(trust)})
	require.NoError(t, err)
	_, err = roles.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: role, PolicyName: aws.String("all"), PolicyDocument: &policy})
	require.NoError(t, err)
}

func (w *world) aws() aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &w.info.Endpoint, RetryMaxAttempts: 1, HTTPClient: plainbody.Client{Next: awshttp.NewBuildableClient()},
		Credentials: credentials.NewStaticCredentialsProvider(w.info.AccessKeyID, w.info.SecretAccessKey, ""),
	}
}

// machine does what its input says: nothing, fail, wait, or a distributed Map whose items
// may be bad.
const machine = `{"StartAt":"Which","States":{
	"Which":{"Type":"Choice","Default":"Fine","Choices":[
		{"And":[{"Variable":"$.do","IsPresent":true},{"Variable":"$.do","StringEquals":"fail"}],"Next":"Broken"},
		{"And":[{"Variable":"$.do","IsPresent":true},{"Variable":"$.do","StringEquals":"wait"}],"Next":"Wait"},
		{"And":[{"Variable":"$.do","IsPresent":true},{"Variable":"$.do","StringEquals":"map"}],"Next":"Each"}]},
	"Fine":{"Type":"Pass","Result":{"species":"setosa"},"End":true},
	"Broken":{"Type":"Fail","Error":"InvalidFlower","Cause":"petal_width: missing"},
	"Wait":{"Type":"Wait","Seconds":3600,"End":true},
	"Each":{"Type":"Map","ItemsPath":"$.items","ToleratedFailurePercentage":100,"End":true,
		"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"One","States":{
			"One":{"Type":"Choice","Choices":[{"Variable":"$.bad","IsPresent":true,"Next":"Bad"}],"Default":"Good"},
			"Good":{"Type":"Pass","End":true},
			"Bad":{"Type":"Fail","Error":"BadItem","Cause":"told so"}}}}}}`

// machineOf makes a state machine and the bucket of a pipeline, and returns the outputs of
// its stack.
func (w *world) machineOf(t *testing.T, id spec.ID) map[string]any {
	t.Helper()
	c := sfn.NewFromConfig(w.aws())
	name := id.BaseName()
	m, err := c.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: &name, Definition: aws.String(machine), RoleArn: aws.String("arn:aws:iam::" + sandbox.Account + ":role/machines"), Publish: true,
	})
	require.NoError(t, err)
	alias, err := c.CreateStateMachineAlias(t.Context(), &sfn.CreateStateMachineAliasInput{
		Name: aws.String("live"), RoutingConfiguration: []types.RoutingConfigurationListItem{{StateMachineVersionArn: m.StateMachineVersionArn, Weight: 100}},
	})
	require.NoError(t, err)
	bucket := name + "-data"
	_, err = w.s3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket})
	require.NoError(t, err)
	return map[string]any{"stateMachineArn": *m.StateMachineArn, "stateMachineAliasArn": *alias.StateMachineAliasArn, "bucketName": bucket}
}

func (w *world) s3() *s3.Client {
	return s3.NewFromConfig(w.aws(), func(o *s3.Options) { o.UsePathStyle = true })
}

// put writes an object.
func (w *world) put(t *testing.T, bucket, key, text string) {
	t.Helper()
	_, err := w.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(text)})
	require.NoError(t, err)
}

// pipeline makes a pipeline that was brought up: its machine, and its stack.
func (w *world) pipeline(t *testing.T, name string) spec.ID {
	t.Helper()
	id, err := spec.ParseID(name)
	require.NoError(t, err)
	w.plant(t, id, w.machineOf(t, id), nil)
	return id
}

// plant writes the state of a stack, as the engine has it on disk, and an entry of its
// history. change may change the spec that it holds.
func (w *world) plant(t *testing.T, id spec.ID, outputs map[string]any, change func(doc map[string]any)) {
	t.Helper()
	env := id.Env
	if env == "" {
		env = "dev"
	}
	doc := map[string]any{
		"apiVersion": "pipelinetui/v1", "tenant": id.Tenant, "model": id.Model, "env": env, "template": "realtime", "templateVersion": "1", "region": "us-east-1",
		"parameters": map[string]any{
			"image": "sandbox/linear", "instanceType": "ml.m5.xlarge", "modelDataUrl": "s3://models/model.tar.gz",
		},
		"tags": map[string]any{"team": "botany"},
	}
	if change != nil {
		change(doc)
	}
	text, err := json.Marshal(doc)
	require.NoError(t, err)
	name := id.StackName()
	root := fmt.Sprintf("urn:pulumi:%s::%s::pulumi:pulumi:Stack::%s-%s", name, app.Project, app.Project, name)
	under := func(kind, of string) string {
		return fmt.Sprintf("urn:pulumi:%s::%s::pulumi:pulumi:Stack$%s::%s", name, app.Project, kind, of)
	}
	now := time.Now().UTC().Format(time.RFC3339)
	var made any = "machine-of-" + name
	if arn := outputs["stateMachineArn"]; arn != nil {
		made = arn // else what has its name is nobody's of the stack
	}
	state := map[string]any{"version": 3, "checkpoint": map[string]any{
		"stack": "organization/" + app.Project + "/" + name,
		"latest": map[string]any{
			"manifest":          map[string]any{"time": now, "magic": "", "version": "v3.240.0"},
			"secrets_providers": map[string]any{"type": "passphrase", "state": map[string]any{"salt": "v1:x"}},
			"resources": []any{
				map[string]any{"urn": root, "custom": false, "type": "pulumi:pulumi:Stack", "outputs": outputs},
				map[string]any{
					"urn": under("pulumi:index:Stash", "spec"), "custom": true, "id": "spec", "type": "pulumi:index:Stash", "parent": root,
					"inputs": map[string]any{"input": string(text)},
				},
				map[string]any{
					"urn": under("aws:sfn/stateMachine:StateMachine", "machine"), "custom": true, "id": made,
					"type": "aws:sfn/stateMachine:StateMachine", "parent": root,
				},
			},
		},
	}}
	w.write(t, filepath.Join("state", ".pulumi", "stacks", app.Project, name+".json"), state)
	w.history(t, id, "succeeded")
}

// history writes an entry of a stack's history.
func (w *world) history(t *testing.T, id spec.ID, result string) {
	t.Helper()
	now, name := time.Now(), id.StackName()
	w.write(t, filepath.Join("state", ".pulumi", "history", app.Project, name, fmt.Sprintf("%s-%019d.history.json", name, now.UnixNano())), map[string]any{
		"kind": "update", "startTime": now.Unix() - 60, "endTime": now.Unix(), "message": "the first", "result": result,
		"resourceChanges": map[string]int{"create": 3}, "environment": map[string]string{},
	})
}

func (w *world) write(t *testing.T, file string, doc any) {
	t.Helper()
	raw, err := json.Marshal(doc)
	require.NoError(t, err)
	path := filepath.Join(w.home, file)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, raw, 0o600))
}

// line is a command line that a test runs, and what it sees.
type line struct {
	w     *world
	typed string // what is typed as answers
	tty   bool   // a person sits there
	// terminal says that the result is read by a person too.
	terminal bool
	environ  map[string]string
	engine   *engine
	signals  chan os.Signal
	// hears gets what is written to standard error as it comes.
	hears chan string

	code      ExitCode
	out, errs *bytes.Buffer
}

// run runs a command line in the world, in this process.
func (w *world) run(t *testing.T, args ...string) *line {
	t.Helper()
	return (&line{w: w}).run(t, args...)
}

func (l *line) run(t *testing.T, args ...string) *line {
	t.Helper()
	environ := map[string]string{"PIPELINETUI_HOME": l.w.home, "PIPELINETUI_PULUMI": filepath.Join(l.w.home, "bin", "pulumi")}
	for k, v := range l.environ {
		environ[k] = v
	}
	streams, out, errs := console.Buffers(l.typed)
	streams.InTTY, streams.ErrTTY, streams.OutTTY = l.tty || l.terminal, l.tty || l.terminal, l.terminal
	l.out, l.errs = out, errs
	if l.hears != nil {
		streams.Err = io.MultiWriter(errs, spoken(l.hears))
	}
	s := newSession(args, streams, func(k string) (string, bool) { v, ok := environ[k]; return v, ok })
	s.deps.patience = time.Hour
	if l.engine != nil {
		s.deps.prepare = l.engine.prepare
	}
	l.code = s.run(t.Context(), l.signals)
	return l
}

// spoken hands on what is written.
type spoken chan string

func (s spoken) Write(p []byte) (int, error) {
	s <- string(p)
	return len(p), nil
}

// ends wants an exit code and texts on standard error or output.
func (l *line) ends(t *testing.T, want ExitCode, texts ...string) *line {
	t.Helper()
	require.Equal(t, want, l.code, "out: %s\nerr: %s", l.out, l.errs)
	for _, text := range texts {
		require.Contains(t, l.out.String()+l.errs.String(), text)
	}
	return l
}

// doc reads the document on standard output, of a kind.
func (l *line) doc(t *testing.T, kind string) map[string]any {
	t.Helper()
	var doc map[string]any
	dec := json.NewDecoder(bytes.NewReader(l.out.Bytes()))
	require.NoError(t, dec.Decode(&doc), "out: %s\nerr: %s", l.out, l.errs)
	var more any
	require.ErrorIs(t, dec.Decode(&more), io.EOF, "one document: %s", l.out)
	require.Equal(t, kind, doc["kind"], l.out.String())
	return doc
}

// lines reads standard output as lines of JSON: all but the version line and the result,
// and the result.
func (l *line) lines(t *testing.T, kind string) (events []map[string]any, result map[string]any) {
	t.Helper()
	for i, text := range strings.Split(strings.TrimSpace(l.out.String()), "\n") {
		var doc map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &doc), text)
		if i == 0 {
			require.Equal(t, "version", doc["type"], text)
			continue
		}
		events = append(events, doc)
	}
	require.NotEmpty(t, events, l.out.String())
	result = events[len(events)-1]
	require.Equal(t, "result", result["type"])
	require.Equal(t, kind, result["kind"])
	return events[:len(events)-1], result
}

// engine plays recordings of the real engine in place of it.
type engine struct {
	mu       sync.Mutex
	requests []app.Request
	// replaces: a preview finds that an endpoint is replaced.
	replaces bool
	// fails says whose operation of a kind fails; "" is all.
	fails map[stack.Operation]string
	// refused is what nothing can be prepared for.
	refused error
	// hold keeps operations from ending until it is closed, or until they are told to.
	hold  chan struct{}
	begun chan struct{} // gets one for each operation that was held
	drift bool
	// moved is another state than that which was there before.
	moved string
}

func (g *engine) prepare(_ context.Context, req app.Request) (func() pipelines.Operation, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests = append(g.requests, req)
	if g.refused != nil {
		return nil, g.refused
	}
	p := &played{g: g, req: req, updates: make(chan app.Update), done: make(chan struct{}), told: make(chan struct{})}
	for _, one := range req.Pipelines {
		events, err := datatest.Events(g.recording(req.Operation, one.ID))
		if err != nil {
			return nil, err
		}
		p.logs = append(p.logs, events)
	}
	return func() pipelines.Operation { go p.play(); return p }, nil
}

// last is the newest request.
func (g *engine) last(t *testing.T) app.Request {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	require.NotEmpty(t, g.requests)
	return g.requests[len(g.requests)-1]
}

// operations are what was asked for, in order.
func (g *engine) operations() (out []stack.Operation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.requests {
		out = append(out, g.requests[i].Operation)
	}
	return out
}

func (g *engine) failing(op stack.Operation, id spec.ID) bool {
	who, ok := g.fails[op]
	return ok && (who == "" || who == id.String())
}

func (g *engine) recording(op stack.Operation, id spec.ID) (log, of string, as spec.ID) {
	switch {
	case g.failing(op, id):
		return datatest.UpMany, "globex/churn", id
	case op == stack.OperationPreview && g.replaces:
		return datatest.PreviewReplace, "acme/iris", id
	case op == stack.OperationPreview:
		return datatest.PreviewCreate, "acme/iris", id
	case op == stack.OperationUp:
		return datatest.UpMany, "globex/flowers", id
	case op == stack.OperationRefresh:
		return datatest.Refresh, "acme/iris", id
	default:
		return datatest.Destroy, "globex/flowers", id
	}
}

// played is an operation that is played.
type played struct {
	g       *engine
	req     app.Request
	logs    [][]stack.Event
	updates chan app.Update
	done    chan struct{}
	results []app.PipelineResult

	mu        sync.Mutex
	cancelled bool
	killed    bool
	told      chan struct{} // closed when it was told to end
}

var _ pipelines.Operation = (*played)(nil)

func (p *played) play() {
	defer close(p.done)
	defer close(p.updates)
	for i, log := range p.logs {
		id := p.req.Pipelines[i].ID
		for j, ev := range log {
			if p.g.hold != nil && j == len(log)/2 {
				p.g.begun <- struct{}{}
				select {
				case <-p.g.hold:
				case <-p.told:
				}
			}
			p.updates <- app.Update{ID: id, Event: ev}
		}
		p.results = append(p.results, p.end(id, log))
	}
}

func (p *played) end(id spec.ID, log []stack.Event) app.PipelineResult {
	var progress stack.Progress
	for _, ev := range log {
		progress.Apply(ev)
	}
	res := app.PipelineResult{ID: id, Result: stack.Result{
		Operation: p.req.Operation, Stack: id.StackName(), Outcome: progress.End.Outcome, Changes: progress.Changes(), Basis: "basis of " + id.String() + p.g.moved,
		Started: progress.Started, Duration: progress.Updated.Sub(progress.Started),
	}}
	if p.req.Operation == stack.OperationUp {
		res.Result.Outputs = map[string]stack.Output{"endpointName": {Value: "endpoint-of-" + id.Model}}
	}
	if p.g.drift && p.req.Operation == stack.OperationRefresh {
		res.Result.Drift = []stack.Drift{{URN: "urn:pulumi:x::y::aws:s3/bucket:Bucket::bucket", Type: "aws:s3/bucket:Bucket", Name: "bucket"}}
	}
	res.Content = p.content(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.cancelled || p.killed:
		res.Err = fault.New(fault.Canceled, "cancelled")
	case progress.End.Outcome == stack.Failed || p.g.failing(p.req.Operation, id):
		res.Err = fault.New(fault.Deployment, "%s", progress.End.Error).WithHint("%s", progress.End.Hint)
	}
	return res
}

// content is what the application tells that a revision is made from.
func (p *played) content(id spec.ID) *revisions.Content {
	for _, one := range p.req.Pipelines {
		var doc map[string]any
		if one.ID == id && json.Unmarshal(one.Document, &doc) == nil {
			return &revisions.Content{Document: doc}
		}
	}
	return nil
}

func (p *played) Updates() <-chan app.Update { return p.updates }

func (p *played) Wait() []app.PipelineResult {
	<-p.done
	return p.results
}

func (p *played) Running() []spec.ID {
	var out []spec.ID
	for _, one := range p.req.Pipelines {
		out = append(out, one.ID)
	}
	return out
}

// Cancel asks politely; held operations go on only when they are killed or let go.
func (p *played) Cancel() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancelled = true
}

func (p *played) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.killed {
		p.killed = true
		close(p.told)
	}
}

// nothing are streams where nothing is typed and nobody reads.
func nothing() *console.Streams {
	streams, _, _ := console.Buffers("")
	return streams
}

func none(string) (string, bool) { return "", false }
