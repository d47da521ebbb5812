package cli

import (
	"context"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// uploadInput puts the data set of an execution into the pipeline's bucket and
// returns it, with the input that names it. It settles the execution's name, which is
// part of the place.
func uploadInput(ctx context.Context, deps *Deps, o *runOptions, m *app.Machine) (*app.DataSet, error) {
	if o.name == "" {
		o.name = executions.NewName(deps.now())
	}
	d, err := deps.app().DataSet(ctx, m, o.name, o.inputFile)
	if err != nil {
		return nil, aboutFlag("input-file", o.inputFile, err)
	}
	began := deps.now()
	var mu sync.Mutex
	shown := began
	err = d.Upload(ctx, func(done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		if now := deps.now(); done < total && now.Sub(shown) >= 2*time.Second {
			shown = now
			deps.Note("%s of %s uploaded", render.Bytes(done), render.Bytes(total))
		}
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, fault.New(fault.Canceled, "stopped while the data set was uploaded").Because(err).WithHint("Nothing was started.")
		}
		return nil, err
	}
	deps.Note("%s (%s) is at %s, after %s", render.Line(o.inputFile, 0), render.Bytes(d.Bytes), render.Line(d.URI(), 0), render.Duration(deps.now().Sub(began)))
	return d, nil
}
