// Package datatest is a data.Source over recordings of the real engine and the
// sandbox, for tests of pages: states, histories, event logs of operations and
// histories of executions, in recorded/. What a test needs otherwise it sets in a
// func field. It may be imported by tests only.
package datatest

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/costs"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/health"
	"github.com/pipelinetui/pipelinetui/internal/logstream"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/preflight"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/results"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/templates"
)

//go:embed recorded
var recorded embed.FS

// Recorded is shortly after the newest of the recordings: the clock's time for
// tests.
var Recorded = time.Date(2026, 11, 25, 23, 25, 0, 0, time.UTC)

// The recorded pipelines: acme/iris runs and has run; acme/fraud/prod is
// protected; globex/churn failed with its endpoint; acme/iris-batch has worked
// through two data sets, one of which failed.
var (
	Iris      = spec.ID{Tenant: "acme", Model: "iris", Env: "dev"}
	Fraud     = spec.ID{Tenant: "acme", Model: "fraud", Env: "prod"}
	Churn     = spec.ID{Tenant: "globex", Model: "churn", Env: "dev"}
	IrisBatch = spec.ID{Tenant: "acme", Model: "iris-batch", Env: "dev"}
)

// TB is the part of testing.TB that is used.
type TB interface {
	require.TestingT
	Helper()
}

// Source implements data.Source. The func fields replace a method if set. It is
// safe for concurrent use after its fields are set.
type Source struct {
	PlaceFunc     func(ctx context.Context) (data.Place, error)
	ContextsFunc  func() (data.Contexts, error)
	SwitchFunc    func(ctx context.Context, to data.Context) error
	ExampleFunc   func() (*spec.Pipeline, error)
	CatalogFunc   func() (*spec.Catalog, error)
	RebuildFunc   func(p pipelines.Pipeline) (*spec.Pipeline, error)
	PipelinesFunc func(ctx context.Context) ([]pipelines.Pipeline, error)
	ReadFunc      func(ctx context.Context, id spec.ID) (pipelines.Pipeline, error)
	LiveFunc      func(ctx context.Context, p pipelines.Pipeline) (pipelines.Live, error)
	LocksFunc     func(ctx context.Context, id spec.ID) ([]stack.Lock, error)
	CopiesFunc    func(ctx context.Context, id spec.ID) ([]stack.Copy, error)
	RestoreFunc   func(ctx context.Context, id spec.ID) (pipelines.Restored, error)
	RevisionsFunc func(ctx context.Context, id spec.ID) ([]pipelines.Revision, error)
	OperateFunc   func(ctx context.Context, req pipelines.Request) (pipelines.Operation, error)
	MachineFunc   func(ctx context.Context, id spec.ID) (*pipelines.Machine, error)
	LogsFunc      func(ctx context.Context, id spec.ID, q pipelines.LogQuery) ([]pipelines.LogLine, error)
	EndsFunc      func(ctx context.Context, p *pipelines.Pipeline) executions.Feed
	WaitsFunc     func() []data.Wait
	FleetFunc     func(ctx context.Context, c fleet.Choice, far fleet.Far) (*fleet.Found, error)
	TurnBackFunc  func(p *spec.Pipeline, endpoint string) error
	HealthFunc    func(ctx context.Context, list []pipelines.Pipeline, q health.Question) ([]pipelines.Health, error)
	// CostsFunc is what executions of a pipeline cost; nil knows nothing of it.
	CostsFunc func(id spec.ID, executions int64) *costs.Use
	// ResultsAPI is S3 for Results; nil has no objects.
	ResultsAPI results.API
	// LogsAPI is CloudWatch Logs for LogStream; nil has no log groups.
	LogsAPI      logstream.API
	UploadFunc   func(ctx context.Context, id spec.ID, file string) ([]byte, error)
	DescribeFunc func(ctx context.Context, p *spec.Pipeline) ([]spec.Planned, error)
	// PreflightFunc replaces what the account answers; Pages ask it in the background.
	PreflightFunc func(ctx context.Context, p *spec.Pipeline) (preflight.Report, error)
	ConsoleFunc   func(r stack.Resource) string
	// EventFunc changes what operations play, before they do.
	EventFunc func(e *stack.Event)
	ReadOnly  bool
	// HoldAfter makes operations stop after so many events of each pipeline until
	// Release is called; 0 means they run through.
	HoldAfter int
	// States are what a sandbox would know: API is Step Functions in memory.
	API *API

	catalog *spec.Catalog
	client  *executions.Client
	release chan struct{}
	once    sync.Once
	// playing counts the operations that are about to tell of more.
	playing atomic.Int64

	mu        sync.Mutex
	pipelines map[spec.ID]pipelines.Pipeline
	histories map[spec.ID][]stack.Update
	unread    map[spec.ID]bool
	unlocked  []spec.ID
	requests  []pipelines.Request
}

var _ data.Source = (*Source)(nil)

// New returns a Source with all recorded pipelines.
func New(t TB) *Source {
	t.Helper()
	cat, err := spec.LoadCatalog(templates.FS)
	require.NoError(t, err)
	s := &Source{
		catalog: cat, release: make(chan struct{}), pipelines: map[spec.ID]pipelines.Pipeline{}, histories: map[spec.ID][]stack.Update{},
		unread: map[spec.ID]bool{}, API: newAPI(t),
	}
	s.client = executions.New(executions.Config{API: s.API, Limits: executions.Limits{Unlimited: true}})
	for _, id := range []spec.ID{Iris, Fraud, Churn, IrisBatch} {
		s.load(t, id)
	}
	return s
}

// recording is a file of recorded/ about one pipeline.
type recording struct {
	Stack      string                   `json:"stack"`
	Endpoint   string                   `json:"endpoint"`
	LastUpdate time.Time                `json:"lastUpdate"`
	Outputs    map[string]stack.Output  `json:"outputs"`
	State      []stack.Resource         `json:"state"`
	Pending    []stack.PendingOperation `json:"pendingOperations"`
	History    []stack.Update           `json:"history"`
	Spec       json.RawMessage          `json:"spec"`
}

func (s *Source) load(t TB, id spec.ID) {
	t.Helper()
	raw, err := recorded.ReadFile("recorded/" + id.StackName() + ".json")
	require.NoError(t, err)
	var r recording
	require.NoError(t, json.Unmarshal(raw, &r))
	var doc bytes.Buffer
	require.NoError(t, json.Compact(&doc, r.Spec))
	r.Spec = doc.Bytes()
	p, err := spec.FromDocument(r.Spec, s.catalog, spec.Options{Region: "us-east-1", SkipFiles: true})
	require.NoError(t, err)
	s.pipelines[id] = pipelines.Pipeline{
		ID: id, Summary: stack.Summary{Name: r.Stack, LastUpdate: r.LastUpdate, Resources: len(r.State)}, Spec: p, Read: Recorded,
		State: &stack.State{Stack: r.Stack, Updated: r.LastUpdate, Resources: r.State, Outputs: r.Outputs, Pending: r.Pending, Spec: r.Spec, SecretsProvider: "passphrase", Basis: "1"},
	}
	s.histories[id] = r.History
	x := s.pipelines[id]
	x.History = r.History
	s.pipelines[id] = x
}

// Template implements data.Source.
func (s *Source) Template(_ context.Context, p *spec.Pipeline) (*spec.Template, error) {
	return s.catalog.Lookup(p.Template)
}

// Rebuild implements data.Source: recordings have no secrets.
func (s *Source) Rebuild(_ context.Context, p pipelines.Pipeline) (*spec.Pipeline, error) {
	if s.RebuildFunc != nil {
		return s.RebuildFunc(p)
	}
	return spec.FromDocument(p.State.Spec, s.catalog, s.SpecOptions())
}

// Add adds a pipeline, or replaces one.
func (s *Source) Add(p pipelines.Pipeline, history ...stack.Update) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pipelines[p.ID] = p
	s.histories[p.ID] = history
}

// Remove removes a pipeline.
func (s *Source) Remove(id spec.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pipelines, id)
}

// Unread makes Pipelines leave the states out until they were asked for, as with
// a fresh program.
func (s *Source) Unread() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.pipelines {
		s.unread[id] = true
	}
}

// Release lets held operations go on.
func (s *Source) Release() { s.once.Do(func() { close(s.release) }) }

// Playing is how many operations are about to tell of more: those that are held do not.
func (s *Source) Playing() int { return int(s.playing.Load()) }

// Requests are the operations that were asked for.
func (s *Source) Requests() []pipelines.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Unlocked are the pipelines whose locks were removed.
func (s *Source) Unlocked() []spec.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.unlocked)
}

// Place implements data.Source.
func (s *Source) Place(ctx context.Context) (data.Place, error) {
	if s.PlaceFunc != nil {
		return s.PlaceFunc(ctx)
	}
	return data.Place{
		Target: "sandbox", Account: "000000000000", Identity: "arn:aws:iam::000000000000:user/sandbox", Region: "us-east-1",
		Endpoint: "http://127.0.0.1:36819", Backend: "file:///home/ana/.local/share/pipelinetui/state", ReadOnly: s.ReadOnly,
	}, nil
}

// Catalog implements data.Source.
func (s *Source) Catalog(context.Context) (*spec.Catalog, error) {
	if s.CatalogFunc != nil {
		return s.CatalogFunc()
	}
	return s.catalog, nil
}

// SpecOptions implements data.Source.
func (s *Source) SpecOptions() spec.Options { return spec.Options{Region: "us-east-1"} }

// Pipelines implements data.Source.
func (s *Source) Pipelines(ctx context.Context) ([]pipelines.Pipeline, error) {
	if s.PipelinesFunc != nil {
		return s.PipelinesFunc(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]pipelines.Pipeline, 0, len(s.pipelines))
	for id, p := range s.pipelines {
		if s.unread[id] {
			p = pipelines.Pipeline{ID: id, Summary: p.Summary}
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b pipelines.Pipeline) int { return strings.Compare(a.ID.StackName(), b.ID.StackName()) })
	return out, ctx.Err()
}

// Read implements data.Source.
func (s *Source) Read(ctx context.Context, id spec.ID) (pipelines.Pipeline, error) {
	if s.ReadFunc != nil {
		return s.ReadFunc(ctx, id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.pipelines[id]
	if !ok {
		return p, fault.New(fault.NotFound, "there is no pipeline %s on this backend", id)
	}
	delete(s.unread, id)
	return p, ctx.Err()
}

// Live implements data.Source.
func (s *Source) Live(ctx context.Context, p pipelines.Pipeline) (pipelines.Live, error) {
	if s.LiveFunc != nil {
		return s.LiveFunc(ctx, p)
	}
	return pipelines.Look(ctx, world{s.client}, &p, pipelines.CountsAndLast, Recorded), nil
}

// world is what can be asked about recorded pipelines: their endpoints are well.
type world struct{ client *executions.Client }

func (world) Elsewhere(*pipelines.Pipeline) (string, error) { return "", nil }

func (world) Endpoint(_ context.Context, p *pipelines.Pipeline) (string, error) {
	if p.Output("endpointName") == "" {
		return "", nil
	}
	return "InService", nil
}

func (w world) Shared(context.Context, *pipelines.Pipeline) ([]pipelines.Shared, error) {
	return nil, nil
}

func (w world) Executions(context.Context, *pipelines.Pipeline) (*executions.Client, error) {
	return w.client, nil
}

// History implements data.Source.
func (s *Source) History(ctx context.Context, id spec.ID, limit int) ([]stack.Update, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.histories[id]
	if limit > 0 {
		h = h[:min(limit, len(h))]
	}
	return slices.Clone(h), ctx.Err()
}

// Locks implements data.Source.
func (s *Source) Locks(ctx context.Context, id spec.ID) ([]stack.Lock, error) {
	if s.LocksFunc != nil {
		return s.LocksFunc(ctx, id)
	}
	return nil, ctx.Err()
}

// Unlock implements data.Source.
func (s *Source) Unlock(ctx context.Context, id spec.ID, _ []stack.Lock) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unlocked = append(s.unlocked, id)
	return ctx.Err()
}

// Revisions implements data.Source.
func (s *Source) Revisions(ctx context.Context, id spec.ID) ([]pipelines.Revision, error) {
	if s.RevisionsFunc != nil {
		return s.RevisionsFunc(ctx, id)
	}
	return nil, ctx.Err()
}

// RebuildAt implements data.Source: every revision was made as the pipeline is now, and
// needs no file but what the stack keeps.
func (s *Source) RebuildAt(ctx context.Context, p pipelines.Pipeline, _ int) (*spec.Pipeline, error) {
	return p.Spec, ctx.Err()
}

// Copies implements data.Source.
func (s *Source) Copies(ctx context.Context, id spec.ID) ([]stack.Copy, error) {
	if s.CopiesFunc != nil {
		return s.CopiesFunc(ctx, id)
	}
	return nil, ctx.Err()
}

// Restore implements data.Source.
func (s *Source) Restore(ctx context.Context, id spec.ID) (pipelines.Restored, error) {
	if s.RestoreFunc != nil {
		return s.RestoreFunc(ctx, id)
	}
	return pipelines.Restored{}, fault.New(fault.Conflict, "the state of %s is not damaged", id.StackName())
}

// Describe implements data.Source.
func (s *Source) Describe(ctx context.Context, p *spec.Pipeline) ([]spec.Planned, error) {
	if s.DescribeFunc != nil {
		return s.DescribeFunc(ctx, p)
	}
	names := p.Names("000000000000")
	return []spec.Planned{
		{Block: "storage", Type: kinds.Bucket, Name: "data", AWSName: names.Bucket},
		{Block: "endpoint", Type: kinds.Endpoint, Name: "endpoint", AWSName: names.Endpoint, Idle: "1 × " + p.Parameters.String("instanceType") + " by the hour"},
		{Block: "workflow", Type: kinds.StateMachine, Name: "machine", AWSName: names.StateMachine},
	}, ctx.Err()
}

// Preflight implements data.Source: nothing is wrong with the account.
func (s *Source) Preflight(ctx context.Context, p *spec.Pipeline) (preflight.Report, error) {
	if s.PreflightFunc != nil {
		return s.PreflightFunc(ctx, p)
	}
	return preflight.Report{Questions: 12, Seconds: 420}, ctx.Err()
}

// Machine implements data.Source.
func (s *Source) Machine(ctx context.Context, id spec.ID) (*pipelines.Machine, error) {
	if s.MachineFunc != nil {
		return s.MachineFunc(ctx, id)
	}
	p, err := s.Read(ctx, id)
	if err != nil {
		return nil, err
	}
	m, err := pipelines.NewMachine(&p)
	if err != nil {
		return nil, err
	}
	m.Client = s.client
	if t, err := s.catalog.Lookup(p.Spec.Template); err == nil {
		m.Template = t
	}
	return m, nil
}

// MachineOf implements data.Source.
func (s *Source) MachineOf(ctx context.Context, executionARN string) (*pipelines.Machine, error) {
	for id := range map[spec.ID]bool{Iris: true, IrisBatch: true} {
		if strings.Contains(executionARN, ":"+id.BaseName()+":") || strings.Contains(executionARN, ":"+id.BaseName()+"/") {
			return s.Machine(ctx, id)
		}
	}
	return &pipelines.Machine{Client: s.client}, ctx.Err()
}

// Ends implements data.Source.
func (s *Source) Ends(ctx context.Context, p *pipelines.Pipeline) executions.Feed {
	if s.EndsFunc != nil {
		return s.EndsFunc(ctx, p)
	}
	return nil
}

// Waits implements data.Source.
func (s *Source) Waits(context.Context) []data.Wait {
	if s.WaitsFunc != nil {
		return s.WaitsFunc()
	}
	return nil
}

// Fleet implements data.Source.
func (s *Source) Fleet(ctx context.Context, c fleet.Choice, far fleet.Far) (*fleet.Found, error) {
	if s.FleetFunc != nil {
		return s.FleetFunc(ctx, c, far)
	}
	return fleet.Gather(ctx, fleetOf{s}, c, far)
}

// fleetOf are the recorded pipelines, all of one account.
type fleetOf struct{ s *Source }

func (f fleetOf) Existing(ctx context.Context, patterns, _ []string) ([]pipelines.Pipeline, error) {
	list, err := f.s.Pipelines(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(p pipelines.Pipeline) bool {
		return len(patterns) > 0 && !slices.ContainsFunc(patterns, func(pattern string) bool {
			ok, _ := spec.Match(pattern, p.ID)
			return ok
		})
	}), nil
}

func (f fleetOf) Executions(context.Context, string, string) (*executions.Client, error) {
	return f.s.client, nil
}

// EndsDir keeps nothing.
func (f fleetOf) EndsDir() string { return "" }

// Upload implements data.Source.
func (s *Source) Upload(ctx context.Context, id spec.ID, file string, _ func(done, total int64)) ([]byte, error) {
	if s.UploadFunc != nil {
		return s.UploadFunc(ctx, id, file)
	}
	return []byte(`{"inputKey":"in/uploaded/` + file + `"}`), ctx.Err()
}

// BatchCosts implements data.Source.
func (s *Source) BatchCosts(_ context.Context, m *pipelines.Machine, executions int64) (*costs.Use, error) {
	if s.CostsFunc == nil {
		return nil, nil
	}
	return s.CostsFunc(m.ID, executions), nil
}

// Journal implements data.Source.
func (s *Source) Journal(spec.ID, string) string { return "" }

// Logs implements data.Source.
func (s *Source) Logs(ctx context.Context, id spec.ID, q pipelines.LogQuery) ([]pipelines.LogLine, error) {
	if s.LogsFunc != nil {
		return s.LogsFunc(ctx, id, q)
	}
	return nil, ctx.Err()
}

// ConsoleURL implements data.Source.
func (s *Source) ConsoleURL(r stack.Resource) string {
	if s.ConsoleFunc != nil {
		return s.ConsoleFunc(r)
	}
	return ""
}

// LogFile implements data.Source.
func (s *Source) LogFile() string { return "/home/ana/.local/share/pipelinetui/logs/pipelinetui.log" }
