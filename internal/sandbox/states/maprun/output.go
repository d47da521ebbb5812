package maprun

import (
	"context"
	"errors"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/items"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/results"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// output makes the state's result: the children's outputs, or where they were
// written.
func (m *Run) output(ctx context.Context, p wire.Principal, feed items.Feed) (any, error) {
	w := m.Spec.Writer
	if m.writes() {
		return m.write(ctx, p, feed)
	}
	m.mu.Lock()
	m.rec.Items.Written, m.rec.Children.Written = m.rec.Items.Total, m.rec.Children.Total
	m.mu.Unlock()
	out, err := m.result(ctx, w)
	if err != nil {
		return nil, err
	}
	if out == nil || !value.Fits(out, record.MaxData) {
		return nil, failure.TooLarge(m.State)
	}
	if value.Deep(out) {
		return nil, failure.TooDeep(m.State)
	}
	return out, nil
}

// result is the list of all results; nil if it is too large to be a state's.
func (m *Run) result(ctx context.Context, w *asl.ResultWriter) ([]any, error) {
	if w != nil && w.Transformation == "NONE" {
		left := 2 * record.MaxData
		out := []any{}
		err := m.ended(ctx, func(_ int, rec *record.Execution) error {
			o := results.Exported(rec)
			if left = value.Room(o, left); left < 0 {
				return errCut
			}
			out = append(out, o)
			return nil
		})
		if errors.Is(err, errCut) {
			return nil, nil
		}
		return out, err
	}
	out := m.outputs.list(m.started)
	if out == nil || w == nil || w.Transformation != "FLATTEN" {
		return out, nil
	}
	flat := []any{}
	for _, o := range out {
		if list, ok := o.([]any); ok {
			flat = append(flat, list...)
		} else {
			flat = append(flat, o)
		}
	}
	return flat, nil
}

// outputs are what the children returned, as long as that may become the state's
// output: a Map Run that writes its results, or whose results are too many, keeps
// none of them. It is guarded by the runner's lock.
type outputs struct {
	byIndex map[int]any
	size    int
	over    bool
}

// maxOutputs is more than a state may return, since a transformation can make the
// results smaller.
const maxOutputs = 4 * record.MaxData

func (o *outputs) put(i int, v any) {
	if o.over {
		return
	}
	left := value.Room(v, maxOutputs-o.size)
	if left < 0 {
		o.over, o.byIndex = true, nil
		return
	}
	if o.byIndex == nil {
		o.byIndex = map[int]any{}
	}
	o.byIndex[i], o.size = v, maxOutputs-left+1
}

// list returns the outputs of n children in order, nil if they were too many.
func (o *outputs) list(n int) []any {
	if o.over {
		return nil
	}
	out := make([]any, n)
	for i := range out {
		out[i] = o.byIndex[i]
	}
	return out
}

// writes reports whether the results go to S3.
func (m *Run) writes() bool { return m.Spec.Writer != nil && m.Spec.Writer.Resource != "" }

// write exports the results to S3: one file for each kind that occurred, and a manifest
// that lists them.
func (m *Run) write(ctx context.Context, p wire.Principal, feed items.Feed) (any, error) {
	bucket, prefix, err := m.Parent.Destination()
	if err != nil {
		return nil, err
	}
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	w := results.Writer{
		Objects: m.Objects, Log: m.Log, Scope: m.rec.Scope, Principal: p,
		Bucket: bucket, Prefix: prefix + m.rec.ID + "/", Lines: m.Spec.Writer.OutputType == "JSONL",
	}.Open(ctx)
	defer w.Abort()
	if err := m.writeAll(ctx, w, feed); err != nil {
		return nil, err
	}
	manifest, err := w.Close(m.rec.ARN())
	if err != nil {
		return nil, err
	}
	return value.Of("MapRunArn", m.rec.ARN(), "ResultWriterDetails", value.Of("Bucket", bucket, "Key", manifest)), nil
}

// writeAll writes what came of all children, and of the items of which none was begun.
func (m *Run) writeAll(ctx context.Context, w *results.Writer, feed items.Feed) error {
	gaps := map[int]bool{} // children that could not begin
	ended := 0
	err := m.ended(ctx, func(i int, rec *record.Execution) error {
		for j := ended; j < i; j++ {
			gaps[j] = true
		}
		ended = i + 1
		entries, err := m.entries(rec)
		if err != nil {
			return err
		}
		if err := w.Add(results.KindOf(rec), entries...); err != nil {
			return err
		}
		m.written(rec)
		return nil
	})
	if err != nil || len(gaps) == 0 && ended == m.started && !m.pending() {
		return err
	}
	return m.unstarted(ctx, feed, w, func(i int) bool { return gaps[i] || i >= ended })
}

// pending reports whether there are items of which no child was begun.
func (m *Run) pending() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rec.Items.Pending > 0
}

// written counts a result as handed over.
func (m *Run) written(rec *record.Execution) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rec.Items.Written += int64(rec.Items)
	m.rec.Children.Written++
}

// unstarted adds the children that never began, which only their items tell.
func (m *Run) unstarted(ctx context.Context, feed items.Feed, to *results.Writer, never func(i int) bool) error {
	i := -1
	return m.inputs(ctx, feed, func(in childInput) error {
		if i++; !never(i) {
			return nil
		}
		return to.Add(results.Pending, value.Of("Input", in.text, "InputDetails", value.Of("Included", true),
			"StateMachineArn", record.ARN(m.rec.Scope, "stateMachine", m.rec.Machine+"/"+m.rec.Label), "Status", "PENDING"))
	})
}

// export writes the results of a run that failed or was stopped, as far as they
// go. It is best effort: the reason of the failure matters more.
// (step-functions/latest/dg/input-output-resultwriter.html)
func (m *Run) export(ctx context.Context, p wire.Principal, feed items.Feed, reason error) {
	if !m.writes() || errors.Is(reason, failure.ErrShutdown) {
		return
	}
	if _, err := m.write(context.WithoutCancel(ctx), p, feed); err != nil {
		m.Log.Warn("export results of a map run", "map_run", m.rec.Key(), "error", err.Error())
	}
}

// entries are what a child contributes to its result file.
func (m *Run) entries(rec *record.Execution) ([]any, error) {
	how := m.Spec.Writer.Transformation
	if how == "NONE" || rec.Status != record.Succeeded {
		return []any{results.Exported(rec)}, nil
	}
	output, err := outputOf(rec)
	if list, ok := output.([]any); ok && how == "FLATTEN" {
		return list, err
	}
	return []any{output}, err
}
