package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// batchesOptions are those of the commands about batches.
type batchesOptions struct {
	runOptions
}

func newBatches(deps *Deps) *cobra.Command {
	return group("batches", "batches of executions: those that were started here, how they are, and going on",
		newBatchesList(deps, runBatchesList), newBatchesShow(deps, runBatchesShow), newBatchesResume(deps, runBatchesResume))
}

func newBatchesList(deps *Deps, do action[batchesOptions]) *cobra.Command {
	o := &batchesOptions{}
	cmd := &cobra.Command{
		Use:   "list PIPELINE",
		Short: "list the batches that were started on this machine",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pipeline = args[0]
			return do(cmd.Context(), deps, o)
		},
	}
	cmd.ValidArgsFunction = deps.completes(onePipeline)
	return reads(cmd)
}

// batchRow is a batch in machine output.
type batchRow struct {
	Batch string `json:"batch"`
	executions.JournalCounts
}

func runBatchesList(ctx context.Context, deps *Deps, o *batchesOptions) error {
	id, err := spec.ParseID(o.pipeline)
	if err != nil {
		return err
	}
	doc := struct {
		console.Header
		Pipeline string     `json:"pipeline"`
		Batches  []batchRow `json:"batches"`
	}{console.NewHeader("BatchList"), id.String(), []batchRow{}}
	_, err = outside.Do(ctx, "the journals of batches", func() (struct{}, error) {
		for _, name := range deps.app().Batches(id) {
			counts, err := executions.ReadJournal(deps.app().BatchJournal(id, name))
			if err != nil {
				return struct{}{}, err
			}
			doc.Batches = append(doc.Batches, batchRow{name, counts})
		}
		return struct{}{}, nil
	})
	if err != nil {
		return err
	}
	return deps.Write(doc, func() string {
		if len(doc.Batches) == 0 {
			return "no batches\n"
		}
		rows := make([][]render.Cell, len(doc.Batches))
		for i, b := range doc.Batches {
			rows[i] = []render.Cell{render.T(b.Batch), render.T(render.Number(int64(b.Started))), render.T(render.Number(int64(b.Unsure))), render.T(render.Age(b.Changed, deps.now()))}
		}
		return render.Table(deps.OutStyle, []string{"BATCH", "STARTED", "UNSURE", "CHANGED"}, rows)
	})
}

func newBatchesShow(deps *Deps, do action[batchesOptions]) *cobra.Command {
	o := &batchesOptions{}
	cmd := &cobra.Command{
		Use:   "show PIPELINE BATCH",
		Short: "how many executions of a batch ended how",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pipeline, o.batch = args[0], args[1]
			return do(cmd.Context(), deps, o)
		},
	}
	cmd.ValidArgsFunction = deps.completes(arguments(onePipeline, batches))
	return reads(cmd)
}

func runBatchesShow(ctx context.Context, deps *Deps, o *batchesOptions) error {
	id, err := spec.ParseID(o.pipeline)
	if err != nil {
		return err
	}
	if err := executions.ValidateBatch(o.batch); err != nil {
		return err
	}
	m, err := deps.app().Machine(ctx, id)
	if err != nil {
		return err
	}
	list, err := m.Client.List(ctx, executions.ListInput{Machine: m.ARN, Batch: o.batch})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return noBatch(id, o.batch)
	}
	doc := struct {
		console.Header
		Pipeline   string                    `json:"pipeline"`
		Batch      string                    `json:"batch"`
		Executions int                       `json:"executions"`
		Summary    map[executions.Status]int `json:"summary"`
		First      time.Time                 `json:"first"`
		Last       time.Time                 `json:"last"`
	}{
		Header: console.NewHeader("BatchStatus"), Pipeline: id.String(), Batch: o.batch, Executions: len(list), Summary: map[executions.Status]int{},
		First: list[len(list)-1].Start, Last: list[0].Start,
	}
	for i := range list {
		doc.Summary[list[i].Status]++
	}
	return deps.Write(doc, func() string {
		text := fmt.Sprintf("%s  %s, started %s\n", deps.OutStyle.Title.Render(render.Line(o.batch, 0)), render.Count(len(list), "execution", "executions"),
			render.Age(doc.First, deps.now()))
		for _, s := range fleet.Statuses() {
			if n := doc.Summary[s]; n > 0 {
				text += fmt.Sprintf("  %s %d\n", render.StatusStyle(deps.OutStyle, s).Render(string(s)), n)
			}
		}
		return text
	})
}

// noBatch is that nothing of a batch is there.
func noBatch(id spec.ID, batch string) error {
	return fault.New(fault.NotFound, "there is no execution of a batch %s", batch).WithHint("Run `pipelinetui batches list %s` to see those that were started here.", id)
}

func newBatchesResume(deps *Deps, do action[batchesOptions]) *cobra.Command {
	o := &batchesOptions{}
	cmd := &cobra.Command{
		Use:   "resume PIPELINE BATCH --inputs FILE",
		Short: "start what of a batch is missing",
		Long: `Starts the executions of a batch that were not started, as "run --inputs FILE --batch BATCH"
does; the file has to be the one that the batch began with. A batch that never began is
refused.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pipeline, o.batch = args[0], args[1]
			return do(cmd.Context(), deps, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.inputs, "inputs", "", "the file of inputs: .jsonl, .csv or .tsv, or - for standard input")
	f.BoolVar(&o.wait, "wait", false, "wait for the end; exit with 10 unless all succeeded")
	durationFlag(f, &o.timeout, "timeout", 0, "give up waiting after this time, 0 for never; the executions go on")
	files(cmd, "inputs", "jsonl", "csv", "tsv")
	cmd.ValidArgsFunction = deps.completes(arguments(onePipeline, batches))
	return changes(cmd)
}

func runBatchesResume(ctx context.Context, deps *Deps, o *batchesOptions) error {
	id, err := spec.ParseID(o.pipeline)
	if err != nil {
		return err
	}
	if o.inputs == "" {
		return fault.New(fault.Invalid, "batches resume needs the file of inputs").WithHint("Add --inputs FILE: the one that the batch began with.")
	}
	known, err := outside.Do(ctx, "the journals of batches", func() ([]string, error) { return deps.app().Batches(id), nil })
	if err != nil {
		return err
	}
	for _, name := range known {
		if name == o.batch {
			return runBatch(ctx, deps, &o.runOptions, id)
		}
	}
	return fault.New(fault.NotFound, "no batch %s of %s was started on this machine", o.batch, id).
		WithHint("Run `pipelinetui run %s --inputs %s --batch %s`: what exists is not started twice.", id, o.inputs, o.batch)
}
