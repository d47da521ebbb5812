package datatest

import (
	"context"

	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
)

// Contexts implements data.Source.
func (s *Source) Contexts(context.Context) (data.Contexts, error) {
	if s.ContextsFunc != nil {
		return s.ContextsFunc()
	}
	return data.Contexts{Now: data.Context{Target: "sandbox"}}, nil
}

// Switch implements data.Source.
func (s *Source) Switch(ctx context.Context, to data.Context) error {
	if s.SwitchFunc != nil {
		return s.SwitchFunc(ctx, to)
	}
	return nil
}

// Environ implements data.Source.
func (s *Source) Environ(context.Context) (set, without []string, err error) {
	return []string{"FROM_THE_SESSION=yes"}, []string{"AWS_PROFILE"}, nil
}

// Example implements data.Source.
func (s *Source) Example(context.Context) (*spec.Pipeline, error) {
	if s.ExampleFunc != nil {
		return s.ExampleFunc()
	}
	return &spec.Pipeline{ID: spec.ID{Tenant: "example", Model: "iris", Env: "dev"}, Template: "realtime", Region: "us-east-1"}, nil
}
