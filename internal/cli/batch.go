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
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// batchDoc is the document of run --inputs.
type batchDoc struct {
	console.Header
	Pipeline   string                    `json:"pipeline"`
	Batch      string                    `json:"batch"`
	Started    int                       `json:"started"`
	Existed    int                       `json:"existed"`
	Summary    map[executions.Status]int `json:"summary,omitempty"`
	Executions []batchItem               `json:"executions"`
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
	file, err := openInputs(ctx, deps, o.inputs)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Check(ctx); err != nil {
		return err
	}
	m, err := deps.app().Machine(ctx, id)
	if err != nil {
		return err
	}
	if o.batch != "" {
		if err := executions.ValidateBatch(o.batch); err != nil {
			return err
		}
	} else {
		o.batch = executions.NewBatch(deps.now())
	}
	if o.timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, o.timeout, errWatchTimeout)
		defer stop()
	}
	doc := batchDoc{Header: console.NewHeader("Batch"), Pipeline: id.String(), Batch: o.batch, Executions: []batchItem{}}
	if err := launch(ctx, deps, o, m, file, &doc); err != nil {
		return err
	}
	deps.Note("batch %s: %s started, %d were there already", o.batch, render.Count(doc.Started, "execution", "executions"), doc.Existed)
	if o.wait || o.watch {
		if err := awaitBatch(ctx, deps, o, m, &doc); err != nil {
			return err
		}
	}
	if err := deps.Write(doc, func() string { return batchText(deps, doc) }); err != nil {
		return err
	}
	if bad := len(doc.Executions) - doc.Summary[executions.Succeeded]; doc.Summary != nil && bad > 0 {
		return fault.New(fault.Execution, "%d of %d executions of batch %s did not succeed", bad, len(doc.Executions), o.batch).
			WithHint("Run `pipelinetui executions list %s --name %s --status FAILED` to see them.", id, o.batch)
	}
	return nil
}

// openInputs opens a file of inputs. Standard input (-) and pipes are taken whole
// first.
func openInputs(ctx context.Context, deps *Deps, path string) (*executions.InputFile, error) {
	if path == "-" {
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

func launch(ctx context.Context, deps *Deps, o *runOptions, m *app.Machine, file *executions.InputFile, doc *batchDoc) error {
	l := m.Client.Launch(ctx, executions.LaunchInput{
		Machine: m.Alias, Batch: o.batch, Items: file.Items(), Journal: deps.app().BatchJournal(m.ID, o.batch),
		Busy: func() { deps.Note("batch %s is being started by another process; waiting for it", o.batch) },
	})
	var errs fault.List
	for ev := range l.Events() {
		if ev.Err != nil {
			errs = append(errs, fault.Wrap(ev.Err, "input %d", ev.Index))
			continue
		}
		doc.Executions = append(doc.Executions, batchItem{Index: ev.Index, Name: ev.Name, ARN: ev.ARN})
	}
	// They are started side by side; a reader wants the order of the file.
	slices.SortFunc(doc.Executions, func(a, b batchItem) int { return a.Index - b.Index })
	res, err := l.Wait()
	doc.Started, doc.Existed = res.Started, res.Existed
	again := fmt.Sprintf("Run it again with --batch %s: what was started is not started twice.", o.batch)
	switch {
	case len(errs) > maxShown:
		return append(errs[:maxShown], fault.New(fault.KindOf(errs[0]), "and %d more inputs", len(errs)-maxShown).WithHint("%s", again))
	case len(errs) > 0:
		return errs
	case errors.Is(context.Cause(ctx), errWatchTimeout):
		return fault.New(fault.Timeout, "batch %s has not been started whole after %s: %s", o.batch, o.timeout,
			render.Count(res.Started+res.Existed, "execution is", "executions are")+" there").Because(err).WithHint("%s", again)
	case ctx.Err() != nil:
		return fault.New(fault.Canceled, "stopped after %d executions", res.Started+res.Existed).Because(err).WithHint("%s", again)
	}
	return err
}

// maxShown bounds how many errors of the same sort are printed.
const maxShown = 10

func awaitBatch(ctx context.Context, deps *Deps, o *runOptions, m *app.Machine, doc *batchDoc) error {
	names := make([]string, len(doc.Executions))
	for i, x := range doc.Executions {
		names[i] = x.Name
	}
	w := m.Client.WatchBatch(ctx, m.Alias, names)
	defer w.Cancel()
	var shown time.Time
	for p := range w.Events() {
		// A line every few seconds is enough for a log; a terminal gets more.
		if deps.now().Sub(shown) < 2*time.Second && !p.Done() {
			continue
		}
		shown = deps.now()
		ended := p.Total - p.Running - p.Missing
		deps.Note("%d of %d ended: %d succeeded, %d did not", ended, p.Total, p.Succeeded, ended-p.Succeeded)
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

// causes groups failures by error and message, the most frequent ones first come.
func causes(items []batchItem) []string {
	counts := map[string]int{}
	var order []string
	for _, x := range items {
		if x.Error == "" && x.Cause == "" {
			continue
		}
		key := strings.TrimSpace(x.Error + ": " + executions.MessageOf(x.Cause))
		if counts[key] == 0 {
			order = append(order, key)
		}
		counts[key]++
	}
	if len(order) > maxShown {
		order = order[:maxShown]
	}
	for i, key := range order {
		order[i] = fmt.Sprintf("%d × %s", counts[key], key)
	}
	return order
}
