package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/costs"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// batchesDoc is the document of run --inputs of several pipelines.
type batchesDoc struct {
	console.Header
	Batch   string     `json:"batch"`
	Batches []batchRun `json:"batches"`
	// Failed are the pipelines whose batch was not started whole, or could not be waited for.
	Failed []fleetNotice `json:"failed"`
}

// several tells whether the inputs are for more than one pipeline, or may be.
func (o *runOptions) several(ctx context.Context) (bool, error) {
	switch {
	case o.all && len(o.patterns) > 0:
		return false, fault.New(fault.Invalid, "--all and names cannot go together").WithHint("Leave one of them out.")
	case o.all || len(o.patterns) > 1 || slices.ContainsFunc(o.patterns, func(a string) bool { return strings.ContainsAny(a, "*?[") }):
		return true, nil
	case o.inputs == "" || o.inputs == fromStdin:
		if len(o.patterns) == 0 {
			return false, &usageError{err: errors.New("run was not told which pipeline"), command: "pipelinetui run"}
		}
		return false, nil
	}
	folder, err := outside.Do(ctx, o.inputs, func() (bool, error) {
		info, err := os.Stat(o.inputs)
		return err == nil && info.IsDir(), nil // what is wrong is told when it is read
	})
	if err == nil && !folder && len(o.patterns) == 0 {
		err = &usageError{err: errors.New("run was not told which pipeline"), command: "pipelinetui run"}
	}
	return folder, err
}

// fleetBatch is the batch of one of several pipelines.
type fleetBatch struct {
	batchRun
	of   *app.Existing
	m    *app.Machine
	file *executions.InputFile
	n    int // inputs
	err  error
}

// fleetRun starts batches of several pipelines and waits for them.
type fleetRun struct {
	deps *Deps
	o    *runOptions
	list []*fleetBatch

	mu       sync.Mutex // over what follows
	say      func(func() string)
	started  int
	progress map[*fleetBatch]executions.BatchProgress
}

// runMany starts a batch in each of the pipelines that are chosen. Everything that can be
// wrong with files and names is told before the first execution; what fails in one pipeline
// later stops no other.
func runMany(ctx context.Context, deps *Deps, o *runOptions) error {
	switch {
	case o.inputs == "":
		return wrongFlag("inputs", nil, "several pipelines take --inputs only").WithHint("Add --inputs FILE, a line of it for each execution, or name one pipeline.")
	case o.timeout != 0 && !o.wait && !o.watch:
		return wrongFlag("timeout", o.timeout.String(), "it means nothing without --wait or --watch").WithHint("Add --wait.")
	}
	if err := deps.Consent(o.yes); err != nil {
		return err
	}
	if err := o.nameBatch(deps); err != nil {
		return err
	}
	r := &fleetRun{deps: deps, o: o, say: deps.nowAndThen(), progress: map[*fleetBatch]executions.BatchProgress{}}
	defer r.close()
	if err := r.choose(ctx); err != nil {
		return err
	}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if err := r.ask(ctx); err != nil {
		return err
	}
	ctx, stop := o.bounded(ctx)
	defer stop()
	r.each(fleet.Askers, func(b *fleetBatch) error {
		return launch(ctx, deps, o, b.m, b.file, &b.batchRun, func() { r.note(func() { r.started++ }) })
	})
	if o.wait || o.watch {
		// Each takes its turn with the quotas; that one of many is slow holds up no other.
		r.each(len(r.list), func(b *fleetBatch) error {
			return awaitBatch(ctx, deps, o, b.m, &b.batchRun, executions.MaxDescribed/len(r.list), func(p *executions.BatchProgress) { r.note(func() { r.progress[b] = *p }) })
		})
	}
	return r.summary(ctx)
}

// choose finds the pipelines and the file of inputs of each.
func (r *fleetRun) choose(ctx context.Context) error {
	var files map[spec.ID]*executions.InputFile
	var err error
	if r.o.inputs != fromStdin {
		files, err = fleet.InputFolder(ctx, r.o.inputs)
	}
	if err != nil {
		return aboutFlag("inputs", r.o.inputs, err)
	}
	patterns := r.o.patterns
	if files != nil && !r.o.all && len(patterns) == 0 {
		for id := range files {
			patterns = append(patterns, id.String())
		}
		slices.Sort(patterns)
	}
	known, err := r.deps.app().Existing(ctx, patterns, nil)
	if err != nil {
		return err
	}
	var all *executions.InputFile
	if files == nil && len(known) > 0 {
		if all, err = openInputs(ctx, r.deps, r.o.inputs); err != nil {
			return aboutFlag("inputs", r.o.inputs, err)
		}
	}
	without, left := 0, maps.Clone(files)
	for i := range known {
		b := &fleetBatch{batchRun: newBatchRun(known[i].ID, r.o.batch), of: &known[i], file: all}
		if files != nil {
			if b.file = files[known[i].ID]; b.file == nil {
				without++
				continue
			}
			delete(left, known[i].ID)
		}
		r.list = append(r.list, b)
	}
	switch {
	case len(known) == 0:
		return fault.New(fault.NotFound, "no pipeline matches").WithHint("Run `pipelinetui list` to see what there is.")
	case len(left) > 0 && r.o.all:
		names := slices.SortedFunc(maps.Keys(left), spec.ID.Compare)
		return fault.New(fault.NotFound, "%s is for %s, which is not there", left[names[0]].Name, names[0]).
			WithHint("Name the file after a pipeline that `pipelinetui list` shows, or take it away.")
	case len(r.list) == 0:
		return wrongFlag("inputs", r.o.inputs, "none of the pipelines that are chosen has a file there").
			WithHint("Files are named after stacks: %s.jsonl.", known[0].ID.StackName())
	}
	if without > 0 {
		r.deps.Note("%s without a file in %s: nothing is started there", render.Count(without, "pipeline is", "pipelines are"), r.o.inputs)
	}
	if len(left) > 0 {
		r.deps.Note("%s in %s for pipelines that are not chosen: nothing of them is started", render.Count(len(left), "file is", "files are"), r.o.inputs)
	}
	return nil
}

// prepare checks all files and finds all state machines. One that is not there, or not to be
// reached, is an error if the pipeline was named; of a pattern it fails alone.
func (r *fleetRun) prepare(ctx context.Context) error {
	type checked struct {
		n   int
		err error
	}
	seen := map[*executions.InputFile]checked{}
	var errs fault.List
	for _, b := range r.list {
		c, ok := seen[b.file]
		if !ok {
			c.n, c.err = b.file.Check(ctx)
			if seen[b.file] = c; c.err != nil {
				errs = append(errs, c.err)
			}
		}
		b.n = c.n
	}
	if len(errs) > 0 {
		return aboutFlag("inputs", r.o.inputs, errs.OrNil())
	}
	r.each(fleet.Askers, func(b *fleetBatch) error {
		m, err := pipelines.NewMachine(b.of)
		if err == nil {
			m.Client, err = r.deps.app().Executions(ctx, b.of.Spec.Region, b.of.Spec.AssumeRole)
		}
		if b.m = m; err != nil {
			return err
		}
		// That it can't be told holds nothing up.
		b.Estimate, _ = r.deps.app().BatchCosts(ctx, m, int64(b.n), 0)
		return nil
	})
	named := map[spec.ID]bool{}
	for _, text := range r.o.patterns {
		if id, err := spec.ParseID(text); err == nil {
			named[id] = true
		}
	}
	for _, b := range r.list {
		if b.err != nil && named[b.of.ID] {
			errs = append(errs, fault.Wrap(b.err, "%s", b.Pipeline))
		}
	}
	return errs.OrNil()
}

// ask says what will be started and what that will cost, and asks.
func (r *fleetRun) ask(ctx context.Context) error {
	total, at := 0, 0
	uses := make([]*costs.Use, 0, len(r.list))
	for _, b := range r.list {
		if b.err != nil {
			continue // the summary tells it
		}
		at, total = at+1, total+b.n
		uses = append(uses, b.Estimate)
	}
	what := render.Count(total, "execution", "executions") + " of " + render.Count(at, "pipeline", "pipelines")
	if sum := costs.Together(uses); sum != nil {
		r.deps.Note("%s will cost %s by being run (an estimate; docs/costs.md)", what, sum.About())
	}
	if at == 0 {
		return nil
	}
	where := make([]*spec.Pipeline, 0, at)
	for _, b := range r.list {
		if b.err == nil {
			where = append(where, b.of.Spec)
		}
	}
	if r.deps.Note("batch %s", r.o.batch); r.o.yes { // killed in the middle, this is what goes on
		return agree(ctx, r.deps, true, where, "", nil)
	}
	return agree(ctx, r.deps, false, where, fmt.Sprintf("Start %s (batch %s)?", what, r.o.batch), func() {
		for _, b := range r.list {
			if b.err != nil {
				continue
			}
			fmt.Fprintf(r.deps.Err, "  %s  %s\n", b.Pipeline, render.Count(b.n, "execution", "executions"))
		}
	})
}

// each does something in each pipeline where nothing has failed yet, so many at a time.
func (r *fleetRun) each(atOnce int, do func(*fleetBatch) error) {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, b := range r.list {
		if b.err != nil {
			continue
		}
		g.Go(func() error {
			b.err = do(b)
			return nil
		})
	}
	_ = g.Wait() // none returns an error
}

// note changes what is known of the progress, and tells it now and then.
func (r *fleetRun) note(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
	r.say(func() string {
		if len(r.progress) == 0 {
			return fmt.Sprintf("%s started", render.Count(r.started, "execution", "executions"))
		}
		var p executions.BatchProgress
		for _, of := range r.progress {
			p.Succeeded, p.Running, p.Missing = p.Succeeded+of.Succeeded, p.Running+of.Running, p.Missing+of.Missing
			p.Total, p.Read, p.ToRead = p.Total+of.Total, p.Read+of.Read, p.ToRead+of.ToRead
		}
		p.Missing += r.started - p.Total // what was not looked for yet
		p.Total = r.started
		return ended(&p)
	})
}

// close takes away what standard input was kept in.
func (r *fleetRun) close() {
	for _, b := range r.list {
		b.file.Close()
	}
}

// summary writes the document and returns the worst that there is to say.
func (r *fleetRun) summary(ctx context.Context) error {
	doc := batchesDoc{Header: console.NewHeader("Batches"), Batch: r.o.batch, Batches: make([]batchRun, len(r.list)), Failed: []fleetNotice{}}
	started, bad := 0, 0
	var first error
	for i, b := range r.list {
		doc.Batches[i] = b.batchRun
		started += len(b.Executions)
		bad += b.bad()
		if b.err != nil {
			first = cmp.Or(first, b.err)
			doc.Failed = append(doc.Failed, fleetNotice{b.Pipeline, describe(r.deps, b.err)})
		}
	}
	if err := r.deps.Write(doc, func() string { return batchesText(r.deps, &doc) }); err != nil {
		return err
	}
	again := fmt.Sprintf("Run it again with --batch %s: what was started is not started twice.", r.o.batch)
	switch {
	case errors.Is(context.Cause(ctx), errWatchTimeout):
		return fault.New(fault.Timeout, "batch %s of %s has not ended after %s", r.o.batch, render.Count(len(r.list), "pipeline", "pipelines"), r.o.timeout).WithHint("%s", again)
	case ctx.Err() != nil:
		return fault.New(fault.Canceled, "stopped: %s are there", render.Count(started, "execution", "executions")).WithHint("%s", again)
	case first != nil:
		return fault.New(fault.KindOf(first), "the batch failed in %d of %s", len(doc.Failed), render.Count(len(r.list), "pipeline", "pipelines")).
			WithHint("The summary says why. %s", again)
	case bad > 0:
		return fault.New(fault.Execution, "%d of %s of batch %s did not succeed", bad, render.Count(started, "execution", "executions"), r.o.batch).
			WithHint("Run `pipelinetui executions list --all --batch %s --failed --group` to see why.", r.o.batch)
	}
	return nil
}

func batchesText(deps *Deps, doc *batchesDoc) string {
	var rows [][]render.Cell
	var items []batchItem
	for i := range doc.Batches {
		b := &doc.Batches[i]
		ended := ""
		for _, s := range fleet.Statuses() {
			if n := b.Summary[s]; n > 0 {
				ended += fmt.Sprintf("  %s %d", s, n)
			}
		}
		rows = append(rows, []render.Cell{
			render.T(b.Pipeline), render.T(render.Number(int64(b.Started))), render.T(render.Number(int64(b.Existed))), render.T(strings.TrimSpace(ended)),
		})
		items = append(items, b.Executions...)
	}
	text := deps.OutStyle.Title.Render(render.Line(doc.Batch, 0)) + "\n" +
		render.Table(deps.OutStyle, []string{"PIPELINE", "STARTED", "EXISTED", "ENDED"}, rows)
	for _, c := range causes(items) {
		text += "  " + deps.OutStyle.Bad.Render(render.Line(c, 120)) + "\n"
	}
	for _, f := range doc.Failed {
		text += deps.OutStyle.Bad.Render(render.Line(f.Pipeline+": "+f.Error.Message, 0)) + "\n"
	}
	return text
}
