package live

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/costs"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/health"
	"github.com/pipelinetui/pipelinetui/internal/logstream"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
)

// Machine implements data.Source.
func (s *Source) Machine(ctx context.Context, id spec.ID) (*pipelines.Machine, error) {
	return s.app().Machine(ctx, id)
}

// Ends implements data.Source.
func (s *Source) Ends(ctx context.Context, p *pipelines.Pipeline) executions.Feed {
	return s.app().Listen(ctx, p)
}

// Waits implements data.Source.
func (s *Source) Waits(context.Context) []data.Wait {
	var out []data.Wait
	for _, l := range s.app().Quotas() {
		if l.Tokens < 0 && l.PerSecond > 0 {
			out = append(out, data.Wait{API: l.Name, Left: time.Duration(-l.Tokens / l.PerSecond * float64(time.Second))})
		}
	}
	slices.SortStableFunc(out, func(a, b data.Wait) int { return cmp.Compare(b.Left, a.Left) })
	return out
}

// Fleet implements data.Source.
func (s *Source) Fleet(ctx context.Context, c fleet.Choice, far fleet.Far) (*fleet.Found, error) {
	return fleet.Gather(ctx, s.app(), c, far)
}

// MachineOf implements data.Source. An execution of a pipeline of ours is known
// by the name of its machine.
func (s *Source) MachineOf(ctx context.Context, executionARN string) (*pipelines.Machine, error) {
	parts := strings.Split(executionARN, ":")
	if len(parts) < 8 {
		return nil, fault.New(fault.Invalid, "%q is not the ARN of an execution", executionARN)
	}
	machine, _, _ := strings.Cut(parts[6], "/")
	list, err := s.Pipelines(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		if p.ID.BaseName() == machine {
			return s.Machine(ctx, p.ID)
		}
	}
	c, err := s.app().ClientFor(ctx, executionARN)
	if err != nil {
		return nil, err
	}
	return &pipelines.Machine{ARN: strings.Join(parts[:5], ":") + ":stateMachine:" + machine, Region: parts[3], Client: c}, nil
}

// Upload implements data.Source.
func (s *Source) Upload(ctx context.Context, id spec.ID, file string, progress func(done, total int64)) ([]byte, error) {
	m, err := s.app().Machine(ctx, id)
	if err != nil {
		return nil, err
	}
	set, err := s.app().DataSet(ctx, m, executions.NewName(s.clock()), file)
	if err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(int64, int64) {}
	}
	if err := set.Upload(ctx, progress); err != nil {
		return nil, err
	}
	return set.Input, nil
}

// BatchCosts implements data.Source.
func (s *Source) BatchCosts(ctx context.Context, m *pipelines.Machine, executions int64) (*costs.Use, error) {
	return s.app().BatchCosts(ctx, m, executions, 0)
}

// Logs implements data.Source.
func (s *Source) Logs(ctx context.Context, id spec.ID, q pipelines.LogQuery) ([]pipelines.LogLine, error) {
	m, err := s.app().Machine(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.app().Logs(ctx, m, q)
}

// LogStream implements data.Source.
func (s *Source) LogStream(ctx context.Context, id spec.ID, sources []string, of string) (*logstream.Reader, error) {
	m, err := s.app().Machine(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.app().LogStream(ctx, m, sources, of)
}

// Health implements data.Source.
func (s *Source) Health(ctx context.Context, list []pipelines.Pipeline, q health.Question) ([]pipelines.Health, error) {
	out, _, err := s.app().Health(ctx, list, q)
	return out, err
}

// Results implements data.Source.
func (s *Source) Results(ctx context.Context, id spec.ID) (data.Results, error) {
	m, err := s.app().Machine(ctx, id)
	if err != nil {
		return nil, err
	}
	r, err := s.app().Results(ctx, m)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// TurnBack implements data.Source.
func (s *Source) TurnBack(ctx context.Context, p *spec.Pipeline, endpoint string) error {
	return s.app().TurnBack(ctx, p, endpoint)
}
