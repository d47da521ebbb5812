package cli

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// glanced is the pipeline that is named first, without asking AWS for anything.
func glanced(ctx context.Context, p place) (*app.Existing, error) {
	if len(p.args) == 0 {
		return nil, fault.New(fault.Invalid, "no pipeline is named yet")
	}
	id, err := spec.ParseID(p.args[0])
	if err != nil {
		return nil, err
	}
	return p.deps.app().Glance(ctx, id)
}

// revisionNumbers are the revisions of the pipeline that is named, the newest first.
func revisionNumbers(ctx context.Context, p place) offer {
	x, err := glanced(ctx, p)
	if err != nil {
		return offer{}
	}
	ledger, err := pipelines.Ledger(x.State)
	if err != nil {
		return offer{}
	}
	var out offer
	for _, r := range ledger.List() {
		out.words = append(out.words, cobra.CompletionWithDesc(strconv.Itoa(r.Number), revisionRemark(ledger.Current, ledger.Complete(r.Number), r.Number)))
	}
	return out
}

func revisionRemark(current int, whole bool, number int) string {
	switch {
	case number == current:
		return "in service"
	case !whole:
		return "not brought to its end"
	}
	return "was in service"
}

// revisionsOrPipelines are the revisions of a pipeline and the pipelines to compare it with.
func revisionsOrPipelines(ctx context.Context, p place) offer {
	out := revisionNumbers(ctx, p)
	out.words = append(out.words, manyPipelines(ctx, p).words...)
	return out
}
