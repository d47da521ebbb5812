package sandbox

import (
	"context"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/faults"
)

// What callers of this package configure faults with.
type (
	// FaultConfig is all that is to go wrong.
	FaultConfig = faults.Config
	// FaultRule is one kind of call that is to.
	FaultRule = faults.Rule
	// FaultStatus is what has gone wrong so far.
	FaultStatus = faults.Status
)

// SetFaults tells a running daemon what is to go wrong on purpose from now on;
// the zero Config ends that. It holds until the daemon ends. Errors are
// *fault.Error: Invalid if the configuration is wrong.
func SetFaults(ctx context.Context, i Info, c faults.Config) (faults.Status, error) {
	return callFaults(ctx, i, "PutFaults", c)
}

// Faults tells what goes wrong on purpose, and how often it did.
func Faults(ctx context.Context, i Info) (faults.Status, error) {
	return callFaults(ctx, i, "DescribeFaults", struct{}{})
}

func callFaults(ctx context.Context, i Info, operation string, in any) (out faults.Status, err error) {
	return out, control(ctx, i, operation, in, &out)
}
