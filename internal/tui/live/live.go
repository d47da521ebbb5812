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
	"github.com/pipelinetui/pipelinetui/internal/preflight"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
)

// Source implements data.Source. It is safe for concurrent use.
type Source struct {
	clock func() time.Time

	mu sync.Mutex // guards at and left
	at *session
	// left are the applications of places that were left: what they have begun goes on.
	left []*app.App
}

// session is the work in one place, from one Switch to the next.
type session struct {
	app *app.App

	mu sync.Mutex
	// known are the pipelines as they were read last, with the time of the last
	// update that the list told at that time: as long as it is the same, so is the
	// state.
	known map[spec.ID]knownPipeline
}

type knownPipeline struct {
	pipeline pipelines.Pipeline
	update   time.Time
}

var _ data.Source = (*Source)(nil)

// New returns a Source over a.
func New(a *app.App) *Source {
	return &Source{clock: func() time.Time { return time.Now().UTC() }, at: begin(a)}
}

func begin(a *app.App) *session { return &session{app: a, known: map[spec.ID]knownPipeline{}} }

func (s *Source) session() *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

// app is that of the place where the session is now.
func (s *Source) app() *app.App { return s.session().app }

// Place implements data.Source.
func (s *Source) Place(ctx context.Context) (data.Place, error) {
	a := s.app()
	t, err := a.Target(ctx)
	if err != nil {
		return data.Place{}, err
	}
	return data.Place{
		Target: t.Name, Account: t.Account, Identity: t.Identity, Region: t.Region, Endpoint: t.Endpoint,
		Backend: a.Backend(), ReadOnly: a.Settings().Bool(settings.ReadOnly),
	}, nil
}

// Catalog implements data.Source.
func (s *Source) Catalog(ctx context.Context) (*spec.Catalog, error) { return s.app().Catalog(ctx) }

// SpecOptions implements data.Source.
func (s *Source) SpecOptions() spec.Options { return s.app().SpecOptions(nil) }

// Pipelines implements data.Source.
func (s *Source) Pipelines(ctx context.Context) ([]pipelines.Pipeline, error) {
	at := s.session()
	list, err := at.app.Stacks(ctx, nil)
	if err != nil {
		return nil, err
	}
	at.mu.Lock()
	defer at.mu.Unlock()
	out := make([]pipelines.Pipeline, len(list))
	there := map[spec.ID]bool{}
	for i, x := range list {
		there[x.ID] = true
		out[i] = pipelines.Pipeline{ID: x.ID, Summary: x.Summary, Err: x.Summary.Err}
		k, ok := at.known[x.ID]
		if ok && k.update.Equal(x.Summary.LastUpdate) && !x.Summary.InProgress && x.Summary.Err == nil {
			k.pipeline.Summary = x.Summary
			out[i] = k.pipeline
		}
	}
	for id := range at.known {
		if !there[id] {
			delete(at.known, id)
		}
	}
	return out, nil
}

// Read implements data.Source.
func (s *Source) Read(ctx context.Context, id spec.ID) (pipelines.Pipeline, error) {
	at := s.session()
	summary, err := at.summary(ctx, id)
	if err != nil {
		return pipelines.Pipeline{}, err
	}
	x, err := at.app.Find(ctx, id)
	if err != nil {
		if ctx.Err() != nil || fault.KindOf(err) == fault.NotFound {
			return pipelines.Pipeline{}, err
		}
		return pipelines.Pipeline{ID: id, Summary: summary, Err: err, Read: s.clock()}, nil
	}
	p := *x
	p.Summary, p.Read = summary, s.clock()
	p.History, p.HistoryErr = at.history(ctx, id, pipelines.RecentHistory)
	at.mu.Lock()
	defer at.mu.Unlock()
	at.known[id] = knownPipeline{p, summary.LastUpdate}
	return p, nil
}

// Template implements data.Source.
func (s *Source) Template(ctx context.Context, p *spec.Pipeline) (*spec.Template, error) {
	return s.app().TemplateOf(ctx, p)
}

// Rebuild implements data.Source.
func (s *Source) Rebuild(ctx context.Context, p pipelines.Pipeline) (*spec.Pipeline, error) {
	return s.app().Rebuild(ctx, &p, spec.Overrides{})
}

// Revisions implements data.Source.
func (s *Source) Revisions(ctx context.Context, id spec.ID) ([]pipelines.Revision, error) {
	list, _, err := s.app().Revisions(ctx, id) // the note of each says so
	return list, err
}

// RebuildAt implements data.Source.
func (s *Source) RebuildAt(ctx context.Context, p pipelines.Pipeline, number int) (*spec.Pipeline, error) {
	out, _, err := s.app().RebuildAt(ctx, &p, number, spec.Overrides{})
	return out, err
}

// summary is what the list says of one pipeline.
func (s *session) summary(ctx context.Context, id spec.ID) (stack.Summary, error) {
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
func (s *Source) Live(ctx context.Context, p pipelines.Pipeline) (pipelines.Live, error) {
	list, err := s.app().Live(ctx, []pipelines.Pipeline{p}, pipelines.CountsAndLast)
	if err != nil {
		return pipelines.Live{}, err
	}
	return list[0], nil
}

// History implements data.Source.
func (s *Source) History(ctx context.Context, id spec.ID, limit int) ([]stack.Update, error) {
	return s.session().history(ctx, id, limit)
}

func (s *session) history(ctx context.Context, id spec.ID, limit int) ([]stack.Update, error) {
	e, err := s.app.Engine(ctx)
	if err != nil {
		return nil, err
	}
	return e.History(ctx, id.StackName(), limit)
}

// Locks implements data.Source.
func (s *Source) Locks(ctx context.Context, id spec.ID) ([]stack.Lock, error) {
	e, err := s.app().Engine(ctx)
	if err != nil {
		return nil, err
	}
	return e.Locks(ctx, id.StackName())
}

// Unlock implements data.Source.
func (s *Source) Unlock(ctx context.Context, id spec.ID, shown []stack.Lock) error {
	e, err := s.app().Engine(ctx)
	if err != nil {
		return err
	}
	return e.Unlock(ctx, id.StackName(), shown)
}

// Copies implements data.Source.
func (s *Source) Copies(ctx context.Context, id spec.ID) ([]stack.Copy, error) {
	e, err := s.app().Engine(ctx)
	if err != nil {
		return nil, err
	}
	return e.Copies(ctx, id.StackName())
}

// Restore implements data.Source.
func (s *Source) Restore(ctx context.Context, id spec.ID) (pipelines.Restored, error) {
	return s.app().Restore(ctx, id)
}

// Describe implements data.Source.
func (s *Source) Describe(ctx context.Context, p *spec.Pipeline) ([]spec.Planned, error) {
	return s.app().Describe(ctx, p)
}

// Preflight implements data.Source.
func (s *Source) Preflight(ctx context.Context, p *spec.Pipeline) (preflight.Report, error) {
	return s.app().Preflight(ctx, []*spec.Pipeline{p})
}

// Operate implements data.Source.
func (s *Source) Operate(ctx context.Context, req pipelines.Request) (pipelines.Operation, error) {
	op, err := s.app().Operate(ctx, req)
	if err != nil {
		return nil, err
	}
	return op, nil
}

// ConsoleURL implements data.Source.
func (s *Source) ConsoleURL(r stack.Resource) string { return s.app().ConsoleURL(r) }

// LogFile implements data.Source.
func (s *Source) LogFile() string { return s.app().LogFile() }

// Journal implements data.Source.
func (s *Source) Journal(id spec.ID, batch string) string { return s.app().BatchJournal(id, batch) }
