package live

import (
	"context"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
)

// Machine implements data.Source.
func (s *Source) Machine(ctx context.Context, id spec.ID) (*data.Machine, error) {
	return s.app.Machine(ctx, id)
}

// MachineOf implements data.Source. An execution of a pipeline of ours is known
// by the name of its machine.
func (s *Source) MachineOf(ctx context.Context, executionARN string) (*data.Machine, error) {
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
	c, err := s.app.ClientFor(ctx, executionARN)
	if err != nil {
		return nil, err
	}
	return &data.Machine{ARN: strings.Join(parts[:5], ":") + ":stateMachine:" + machine, Region: parts[3], Client: c}, nil
}

// Upload implements data.Source.
func (s *Source) Upload(ctx context.Context, id spec.ID, file string, progress func(done, total int64)) ([]byte, error) {
	m, err := s.app.Machine(ctx, id)
	if err != nil {
		return nil, err
	}
	set, err := s.app.DataSet(ctx, m, executions.NewName(s.now()), file)
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

// Logs implements data.Source.
func (s *Source) Logs(ctx context.Context, id spec.ID, q data.LogQuery) ([]data.LogLine, error) {
	m, err := s.app.Machine(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.app.Logs(ctx, m, q)
}
