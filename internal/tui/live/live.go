// Package live is the terminal's data.Source over the application: it translates
// between app's types and data's and remembers what was read. It may import app,
// tui/data and the domain packages; only cli imports it.
package live

import (
	"context"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
)

// Source implements data.Source. It is safe for concurrent use.
type Source struct {
	app *app.App
	now func() time.Time

	mu sync.Mutex
	// known are the pipelines as they were read last, with the time of the last
	// update that the list told at that time: as long as it is the same, so is the
	// state.
	known map[spec.ID]knownPipeline
}

type knownPipeline struct {
	pipeline data.Pipeline
	update   time.Time
}

var _ data.Source = (*Source)(nil)

// New returns a Source over a.
func New(a *app.App) *Source {
	return &Source{app: a, now: func() time.Time { return time.Now().UTC() }, known: map[spec.ID]knownPipeline{}}
}

// Place implements data.Source.
func (s *Source) Place(ctx context.Context) (data.Place, error) {
	t, err := s.app.Target(ctx)
	if err != nil {
		return data.Place{}, err
	}
	return data.Place{
		Target: t.Name, Account: t.Account, Identity: t.Identity, Region: t.Region, Endpoint: t.Endpoint,
		Backend: s.app.Backend(), ReadOnly: s.app.Settings().Bool(settings.ReadOnly),
	}, nil
}

// Catalog implements data.Source.
func (s *Source) Catalog(ctx context.Context) (*spec.Catalog, error) { return s.app.Catalog(ctx) }

// SpecOptions implements data.Source.
func (s *Source) SpecOptions() spec.Options { return s.app.SpecOptions(nil) }

// Pipelines implements data.Source.
func (s *Source) Pipelines(ctx context.Context) ([]data.Pipeline, error) {
	list, err := s.app.Stacks(ctx, nil)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]data.Pipeline, len(list))
	there := map[spec.ID]bool{}
	for i, x := range list {
		there[x.ID] = true
		out[i] = data.Pipeline{ID: x.ID, Summary: x.Summary, Err: x.Summary.Err}
		k, ok := s.known[x.ID]
		if ok && k.update.Equal(x.Summary.LastUpdate) && !x.Summary.InProgress && x.Summary.Err == nil {
			k.pipeline.Summary = x.Summary
			out[i] = k.pipeline
		}
	}
	for id := range s.known {
		if !there[id] {
			delete(s.known, id)
		}
	}
	return out, nil
}

// Read implements data.Source.
func (s *Source) Read(ctx context.Context, id spec.ID) (data.Pipeline, error) {
	summary, err := s.summary(ctx, id)
	if err != nil {
		return data.Pipeline{}, err
	}
	x, err := s.app.Find(ctx, id)
	if err != nil {
		if ctx.Err() != nil || fault.KindOf(err) == fault.NotFound {
			return data.Pipeline{}, err
		}
		return data.Pipeline{ID: id, Summary: summary, Err: err, Read: s.now()}, nil
	}
	p := *x
	p.Summary, p.Read = summary, s.now()
	p.History, p.HistoryErr = s.History(ctx, id, pipelines.RecentHistory)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[id] = knownPipeline{p, summary.LastUpdate}
	return p, nil
}

// Template implements data.Source.
func (s *Source) Template(ctx context.Context, p *spec.Pipeline) (*spec.Template, error) {
	return s.app.TemplateOf(ctx, p)
}

// Rebuild implements data.Source.
func (s *Source) Rebuild(ctx context.Context, p data.Pipeline) (*spec.Pipeline, error) {
	return s.app.Rebuild(ctx, &p, nil)
}

// summary is what the list says of one pipeline.
func (s *Source) summary(ctx context.Context, id spec.ID) (stack.Summary, error) {
	list, err := s.app.Stacks(ctx, []string{id.Tenant + "/" + id.Model + "/" + id.Env})
	if err != nil {
		return stack.Summary{}, err
	}
	if len(list) == 0 {
		return stack.Summary{}, fault.New(fault.NotFound, "there is no pipeline %s on this backend", id).
			WithHint("It may have been destroyed meanwhile.")
	}
	return list[0].Summary, nil
}

// Live implements data.Source.
func (s *Source) Live(ctx context.Context, p data.Pipeline) (data.Live, error) {
	list, err := s.app.Live(ctx, []data.Pipeline{p}, pipelines.CountsAndLast)
	if err != nil {
		return data.Live{}, err
	}
	return list[0], nil
}

// History implements data.Source.
func (s *Source) History(ctx context.Context, id spec.ID, limit int) ([]stack.Update, error) {
	e, err := s.app.Engine(ctx)
	if err != nil {
		return nil, err
	}
	return e.History(ctx, id.StackName(), limit)
}

// Locks implements data.Source.
func (s *Source) Locks(ctx context.Context, id spec.ID) ([]stack.Lock, error) {
	e, err := s.app.Engine(ctx)
	if err != nil {
		return nil, err
	}
	return e.Locks(ctx, id.StackName())
}

// Unlock implements data.Source.
func (s *Source) Unlock(ctx context.Context, id spec.ID) error {
	e, err := s.app.Engine(ctx)
	if err != nil {
		return err
	}
	return e.Unlock(ctx, id.StackName())
}

// Copies implements data.Source.
func (s *Source) Copies(ctx context.Context, id spec.ID) ([]stack.Copy, error) {
	e, err := s.app.Engine(ctx)
	if err != nil {
		return nil, err
	}
	return e.Copies(ctx, id.StackName())
}

// Restore implements data.Source.
func (s *Source) Restore(ctx context.Context, id spec.ID) (stack.Copy, string, error) {
	e, err := s.app.Engine(ctx)
	if err != nil {
		return stack.Copy{}, "", err
	}
	return e.Restore(ctx, id.StackName())
}

// Describe implements data.Source.
func (s *Source) Describe(ctx context.Context, p *spec.Pipeline) ([]data.Planned, error) {
	return s.app.Describe(ctx, p)
}

// Operate implements data.Source.
func (s *Source) Operate(ctx context.Context, req data.Request) (data.Operation, error) {
	op, err := s.app.Operate(ctx, req)
	if err != nil {
		return nil, err
	}
	return op, nil
}

// ConsoleURL implements data.Source.
func (s *Source) ConsoleURL(r stack.Resource) string { return s.app.ConsoleURL(r) }

// LogFile implements data.Source.
func (s *Source) LogFile() string { return s.app.LogFile() }

// Journal implements data.Source.
func (s *Source) Journal(id spec.ID, batch string) string { return s.app.BatchJournal(id, batch) }
