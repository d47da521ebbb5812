package stack

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// A backend on a mount that is dead answers no call. Whatever asks it ends with the
// context, not when somebody loses patience.
func TestADeadBackendHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(ctx context.Context, e *Engine) error{
		"list":    func(ctx context.Context, e *Engine) error { _, err := e.List(ctx); return err },
		"state":   func(ctx context.Context, e *Engine) error { _, err := e.State(ctx, testStack); return err },
		"reveal":  func(ctx context.Context, e *Engine) error { _, err := e.Reveal(ctx, testStack); return err },
		"pending": func(ctx context.Context, e *Engine) error { _, err := e.Pending(ctx, testStack); return err },
		"history": func(ctx context.Context, e *Engine) error { _, err := e.History(ctx, testStack, 1); return err },
		"locks":   func(ctx context.Context, e *Engine) error { _, err := e.Locks(ctx, testStack); return err },
		"unlock":  func(ctx context.Context, e *Engine) error { return e.Unlock(ctx, testStack, []Lock{{name: "x.json"}}) },
		"copies":  func(ctx context.Context, e *Engine) error { _, err := e.Copies(ctx, testStack); return err },
		"restore": func(ctx context.Context, e *Engine) error { _, _, err := e.Restore(ctx, testStack); return err },
		"held": func(ctx context.Context, e *Engine) error {
			e.HeldBy(ctx, testStack)
			e.DeadLocks(ctx, testStack)
			return fault.New(fault.Canceled, "%v", ctx.Err())
		},
		"preview": func(ctx context.Context, e *Engine) error {
			run, err := e.Preview(ctx, Job{Stack: testStack, Program: stashes("s")})
			if err != nil {
				return err
			}
			go func() { // drained, as everybody has to
				for range run.Events() {
				}
			}()
			_, err = run.Wait()
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := withoutCLI(t)
			dead := make(chan struct{})
			t.Cleanup(func() { close(dead) })
			asked := make(chan struct{}, 8)
			f.touch = func() { asked <- struct{}{}; <-dead }
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- ask(ctx, f.Engine) }()
			<-asked
			cancel()
			select {
			case err := <-ended:
				require.ErrorIs(t, err, fault.Canceled)
			case <-time.After(time.Minute):
				t.Fatal("it still waits")
			}
		})
	}
}
