package app

import (
	"context"
	"slices"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
)

// FaultRule is one kind of trouble that the sandbox makes on purpose.
type FaultRule = sandbox.FaultRule

// FaultStatus is all that goes wrong on purpose, with how often it did.
type FaultStatus = sandbox.FaultStatus

// SandboxFaults tells what goes wrong on purpose. Faults hold until the sandbox's
// process ends, so there are none where it does not run.
func (a *App) SandboxFaults(ctx context.Context) (FaultStatus, error) {
	info, running, err := sandbox.Status(a.sandboxDir())
	if err != nil || !running {
		return FaultStatus{}, err
	}
	return sandbox.Faults(ctx, info)
}

// SandboxAddFaults switches AWS's quotas on or off, unless quotas is nil, and adds
// rules behind those that there are. Counters begin anew. It starts the sandbox.
func (a *App) SandboxAddFaults(ctx context.Context, quotas *bool, rules ...FaultRule) (FaultStatus, error) {
	info, err := a.startSandbox(ctx)
	if err != nil {
		return FaultStatus{}, err
	}
	now, err := sandbox.Faults(ctx, info)
	if err != nil {
		return FaultStatus{}, err
	}
	c := now.Config
	if quotas != nil {
		c.Quotas = *quotas
	}
	c.Rules = append(c.Rules, rules...)
	return sandbox.SetFaults(ctx, info, c)
}

// SandboxClearFaults ends the rules of the given numbers, counted from 1, or all
// rules and the quotas if there are none.
func (a *App) SandboxClearFaults(ctx context.Context, numbers ...int) (FaultStatus, error) {
	info, running, err := sandbox.Status(a.sandboxDir())
	if err != nil || !running && len(numbers) == 0 {
		return FaultStatus{}, err
	}
	if !running {
		return FaultStatus{}, noFault(numbers[0])
	}
	if len(numbers) == 0 {
		return sandbox.SetFaults(ctx, info, sandbox.FaultConfig{})
	}
	now, err := sandbox.Faults(ctx, info)
	if err != nil {
		return FaultStatus{}, err
	}
	c := sandbox.FaultConfig{Quotas: now.Quotas}
	for _, n := range numbers {
		if n < 1 || n > len(now.Rules) {
			return FaultStatus{}, noFault(n)
		}
	}
	for i, r := range now.Rules {
		if !slices.Contains(numbers, i+1) {
			c.Rules = append(c.Rules, r)
		}
	}
	return sandbox.SetFaults(ctx, info, c)
}

func noFault(number int) error {
	return fault.New(fault.NotFound, "there is no fault %d", number).
		WithHint("Run `pipelinetui sandbox faults list` for their numbers.")
}
