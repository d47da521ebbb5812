package stack

import (
	"context"

	"github.com/pipelinetui/pipelinetui/internal/outside"
)

// onDisk does what reads the files of a backend, or what the user named beside it: they
// may lie on a mount that is dead, or be a pipe. The end of ctx ends the waiting at once.
func onDisk[T any](ctx context.Context, e *Engine, f func() (T, error)) (T, error) {
	return outside.Do(ctx, "the backend "+e.Backend(), func() (T, error) {
		if e.touch != nil {
			e.touch()
		}
		return f()
	})
}

// reachable wants the backend to be there.
func (e *Engine) reachable(ctx context.Context) error {
	_, err := onDisk(ctx, e, func() (struct{}, error) { return struct{}{}, e.checkBackend() })
	return err
}

// told is what a look at the disk found, and whether the backend is one that can be looked
// at so. It is returned as one value: the look may go on after its caller went away.
type told[T any] struct {
	value T
	known bool
}

// withSecrets is an environment with what opens the secrets of stacks, which is read
// when the first process needs it.
func (e *Engine) withSecrets(ctx context.Context, env []string) ([]string, error) {
	secrets, err := e.secrets(ctx)
	all := make([]string, 0, len(secrets)+len(env))
	for k, v := range secrets {
		all = append(all, k+"="+v)
	}
	return append(all, env...), err // later entries win: a preview's own passphrase
}

// secrets are Options.Secrets, read once.
func (e *Engine) secrets(ctx context.Context) (map[string]string, error) {
	if e.opts.Secrets == nil {
		return nil, nil
	}
	e.secretsMu.Lock()
	defer e.secretsMu.Unlock()
	if e.opened == nil {
		secrets, err := e.opts.Secrets(ctx)
		if err != nil {
			return nil, err
		}
		e.opened = secrets
		if e.opened == nil {
			e.opened = map[string]string{}
		}
	}
	return e.opened, nil
}
