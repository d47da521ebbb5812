package cli

import (
	"context"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
)

// What list and show still go by.
type (
	env    = Deps
	header = console.Header
)

func newHeader(kind string) header { return console.NewHeader(kind) }

func (deps *Deps) open() *app.App                           { return deps.app() }
func (deps *Deps) note(format string, args ...any)          { deps.Note(format, args...) }
func (deps *Deps) describe(err error) errorDoc              { return describe(deps, err) }
func (deps *Deps) write(doc any, human func() string) error { return deps.Write(doc, human) }
func (deps *Deps) interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}
