package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/costs"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// batchDoc is the document of run --inputs.
type batchDoc struct {
	console.Header
	batchRun
}

// batchRun is a batch of a pipeline as it was started and, if that was waited for, has ended.
type batchRun struct {
	Pipeline string                    `json:"pipeline"`
	Batch    string                    `json:"batch"`
	Started  int                       `json:"started"`
	Existed  int                       `json:"existed"`
	Summary  map[executions.Status]int `json:"summary,omitempty"`
	// Estimate is what it was expected to cost before it was started.
	Estimate   *costs.Use  `json:"estimate,omitempty"`
	Executions []batchItem `json:"executions"`
}

type batchItem struct {
	Index  int               `json:"index"`
	Name   string            `json:"name"`
	ARN    string            `json:"arn"`
	Status executions.Status `json:"status,omitempty"`
	Output json.RawMessage   `json:"output,omitempty"`
	Error  string            `json:"error,omitempty"`
	Cause  string            `json:"cause,omitempty"`
}

// runBatch starts one execution for each input of a file. Names follow from the
// batch's name and the position, so that running it again starts only what is
// missing.
func runBatch(ctx context.Context, deps *Deps, o *runOptions, id spec.ID) error {
	if err := o.nameBatch(deps); err != nil {
		return err
	}
	file, err := openInputs(ctx, deps, o.inputs)
	if err != nil {
		return aboutFlag("inputs", o.inputs, err)
	}
	defer file.Close()
	n, err := file.Check(ctx)
	if err != nil {
		return aboutFlag("inputs", o.inputs, err)
	}
	m, err := deps.app().Machine(ctx, id)
	if err != nil {
		return err
	}
	ctx, stop := o.bounded(ctx)
	defer stop()
	deps.Note("batch %s", o.batch) // who is killed in the middle goes on with it
	doc := batchDoc{console.NewHeader("Batch"), newBatchRun(id, o.batch)}
	doc.Estimate = batchCosts(ctx, deps, m, render.Count(n, "execution", "executions"), int64(n), 0)
	if err := launch(ctx, deps, o, m, file, &doc.batchRun, func() {}); err != nil {
		return err
	}
	deps.Note("batch %s: %s started, %d were there already", o.batch, render.Count(doc.Started, "execution", "executions"), doc.Existed)
	if o.wait || o.watch {
		return endBatch(ctx, deps, o, m, &doc)
	}
	return deps.Write(doc, func() string { return batchText(deps, doc) })
}

// endBatch waits for the ends of a batch, tells how far it is, and writes how it has ended.
func endBatch(ctx context.Context, deps *Deps, o *runOptions, m *app.Machine, doc *batchDoc) error {
	var shown time.Time
	err := awaitBatch(ctx, deps, o, m, &doc.batchRun, executions.MaxDescribed, func(p *executions.BatchProgress) {
		// A line every few seconds is enough for a log; a terminal gets more.
		if since := deps.now().Sub(shown); p.ToRead > 0 && since < sayEvery || since < 2*time.Second && !p.Done() {
			return
		}
		shown = deps.now()
		deps.Note("%s", ended(p))
	})
	if err != nil {
		return err
	}
	if err := deps.Write(doc, func() string { return batchText(deps, *doc) }); err != nil {
		return err
	}
	if bad := doc.bad(); bad > 0 {
		return fault.New(fault.Execution, "%d of %s of batch %s did not succeed", bad, render.Count(len(doc.Executions), "execution", "executions"), o.batch).
			WithHint("Run `pipelinetui executions list %s --batch %s --status FAILED` to see them.", m.ID, o.batch)
	}
	return nil
}

// ended says how far a batch is.
func ended(p *executions.BatchProgress) string {
	n := p.Total - p.Running - p.Missing
	text := fmt.Sprintf("%d of %d ended: %d succeeded, %d did not", n, p.Total, p.Succeeded, n-p.Succeeded)
	if p.ToRead > 0 {
		text += fmt.Sprintf("; %s of %s outputs and errors read", render.Number(int64(p.Read)), render.Number(int64(p.ToRead)))
	}
	return text
}

func newBatchRun(id spec.ID, batch string) batchRun {
	return batchRun{Pipeline: id.String(), Batch: batch, Executions: []batchItem{}}
}

// bad is how many executions have ended otherwise than well, as far as it is known.
func (b *batchRun) bad() int {
	if b.Summary == nil {
		return 0
	}
	return len(b.Executions) - b.Summary[executions.Succeeded]
}

// nameBatch checks the name of the batch, and makes one if there is none.
func (o *runOptions) nameBatch(deps *Deps) error {
	if o.batch == "" {
		o.batch = executions.NewBatch(deps.now())
		return nil
	}
	return aboutFlag("batch", o.batch, executions.ValidateBatch(o.batch))
}

// bounded is ctx with the end that --timeout sets.
func (o *runOptions) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if o.timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, o.timeout, errWatchTimeout)
}

// fromStdin is what stands for standard input in place of a file.
const fromStdin = "-"

// openInputs opens a file of inputs. Standard input (-) and pipes are taken whole
// first.
func openInputs(ctx context.Context, deps *Deps, path string) (*executions.InputFile, error) {
	if path == fromStdin {
		return executions.SpoolInputs(ctx, console.StandardInput, deps.Stdin())
	}
	pipe, err := outside.Do(ctx, path, func() (bool, error) {
		info, err := os.Stat(path)
		return err == nil && !info.Mode().IsRegular() && !info.IsDir(), nil // what is wrong is told when it is read
	})
	if err != nil {
		return nil, err
	}
	if !pipe {
		return executions.OpenInputs(path)
	}
	f, err := outside.Do(ctx, path, func() (*os.File, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, outside.FileFault("the file of inputs", path, err)
		}
		return f, nil
	})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return executions.SpoolInputs(ctx, path, f)
}

// launch starts a batch, and calls started after each execution.
func launch(
	ctx context.Context, deps *Deps, o *runOptions, m *app.Machine, file *executions.InputFile, doc *batchRun, started func(),
) error {
	l := m.Client.Launch(ctx, executions.LaunchInput{
		Machine: m.Alias, Made: m.Made, Batch: o.batch, Items: file.Items(), Journal: deps.app().BatchJournal(m.ID, o.batch),
		Busy: func() { deps.Note("batch %s is being started by another process; waiting for it", o.batch) },
	})
	var errs fault.List
	for ev := range l.Events() {
		if ev.Err != nil {
			errs = append(errs, fault.Wrap(ev.Err, "input %d", ev.Index))
			continue
		}
		doc.Executions = append(doc.Executions, batchItem{Index: ev.Index, Name: ev.Name, ARN: ev.ARN})
		started()
	}
	// They are started side by side; a reader wants the order of the file.
	slices.SortFunc(doc.Executions, func(a, b batchItem) int { return a.Index - b.Index })
	res, err := l.Wait()
	doc.Started, doc.Existed = res.Started, res.Existed
	again := fmt.Sprintf("Run it again with --batch %s: what was started is not started twice.", o.batch)
	switch {
	case len(errs) > maxShown:
		return append(errs[:maxShown], fault.New(fault.KindOf(errs[0]), "and %s", render.Count(len(errs)-maxShown, "more input", "more inputs")).WithHint("%s", again))
	case len(errs) > 0:
		return errs
	case errors.Is(context.Cause(ctx), errWatchTimeout):
		return fault.New(fault.Timeout, "batch %s has not been started whole after %s: %s", o.batch, o.timeout,
			render.Count(res.Started+res.Existed, "execution is", "executions are")+" there").Because(err).WithHint("%s", again)
	case ctx.Err() != nil:
		return fault.New(fault.Canceled, "stopped after %s", render.Count(res.Started+res.Existed, "execution", "executions")).Because(err).WithHint("%s", again)
	}
	return err
}

// maxShown bounds how many errors of the same sort are printed.
const maxShown = 10

// awaitBatch waits for the ends of a batch, and tells how far it is whenever it has looked. Of
// so many successes the outputs are read, if anybody will see them.
func awaitBatch(
	ctx context.Context, deps *Deps, o *runOptions, m *app.Machine, doc *batchRun, outputs int, passed func(*executions.BatchProgress),
) error {
	if !deps.Machine() {
		outputs = 0 // a text counts them
	}
	names := make([]string, len(doc.Executions))
	for i, x := range doc.Executions {
		names[i] = x.Name
	}
	feed, shut := openFeed(ctx, deps, m)
	defer shut()
	w := m.Client.WatchBatch(ctx, m.Alias, names, feed, executions.Successes(outputs))
	defer w.Cancel()
	for p := range w.Events() {
		if p.Lost != nil {
			noteLost(deps, p.Lost)
		}
		passed(&p)
	}
	ends, err := w.Wait()
	if err != nil {
		if errors.Is(context.Cause(ctx), errWatchTimeout) {
			return fault.New(fault.Timeout, "batch %s has not ended after %s", o.batch, o.timeout).Because(err)
		}
		return err
	}
	doc.Summary = map[executions.Status]int{}
	for i, d := range ends {
		x := &doc.Executions[i]
		x.Status, x.Output, x.Error, x.Cause = d.Status, rawJSON(d.Output), d.Error, d.Cause
		doc.Summary[d.Status]++
	}
	return nil
}

// noteLost says why a watch hears nothing of ends.
func noteLost(deps *Deps, err error) {
	deps.Note("warning: the ends of executions are not heard of, and are looked for instead: %s", fault.Reason(err))
}

// openFeed opens the pipeline's feed of ends, nil if it has none or there is no way to it:
// then they are looked for. shut closes it, also when ctx is done.
func openFeed(ctx context.Context, deps *Deps, m *app.Machine) (feed executions.Feed, shut func()) {
	push, err := deps.app().Ends(ctx, m.Pipeline)
	if err != nil {
		noteLost(deps, err)
	}
	if push == nil {
		return nil, func() {}
	}
	return push, func() {
		// Who has given up leaves no queue behind either.
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), shutPatience)
		defer stop()
		if err := push.Close(ctx); err != nil {
			deps.Note("warning: the queue of this watch is left behind, for the next one to delete: %s", fault.Reason(err))
		}
	}
}

// shutPatience is how long taking the queue of a watch away may take.
const shutPatience = 10 * time.Second

func batchText(deps *Deps, doc batchDoc) string {
	st := deps.OutStyle
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", st.Title.Render(render.Line(doc.Batch, 0)), render.Count(len(doc.Executions), "execution", "executions"))
	for _, s := range []executions.Status{executions.Succeeded, executions.Failed, executions.TimedOut, executions.Aborted} {
		if n := doc.Summary[s]; n > 0 {
			fmt.Fprintf(&b, "  %s %d\n", render.StatusStyle(st, s).Render(string(s)), n)
		}
	}
	for _, c := range causes(doc.Executions) {
		fmt.Fprintf(&b, "  %s\n", st.Bad.Render(render.Line(c, 120)))
	}
	return b.String()
}

// causes groups failures by error and message, whatever the numbers, ids and quoted values in
// them, the most frequent first.
func causes(items []batchItem) []string {
	counts, shown := map[string]int{}, map[string]string{}
	var order []string
	for _, x := range items {
		if x.Error == "" && x.Cause == "" {
			continue
		}
		message := executions.MessageOf(x.Cause)
		key := strings.TrimSpace(x.Error + ": " + executions.Alike(message))
		text := strings.TrimSpace(x.Error + ": " + message)
		if counts[key]++; counts[key] == 1 {
			order = append(order, key)
			shown[key] = text
		}
		shown[key] = executions.Shared(shown[key], text)
	}
	slices.SortStableFunc(order, func(a, b string) int { return counts[b] - counts[a] })
	if len(order) > maxShown {
		order = order[:maxShown]
	}
	for i, key := range order {
		order[i] = fmt.Sprintf("%d × %s", counts[key], shown[key])
	}
	return order
}
