package states

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/integration"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/items"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// exported is a child execution as the result files show it.
func (m *mapRunner) exported(rec *record.Execution) *value.Object {
	included := value.Of("Included", true)
	o := value.NewObject(12)
	if rec.Cause != nil {
		o.Set("Cause", *rec.Cause)
	}
	if rec.Error != nil {
		o.Set("Error", *rec.Error)
	}
	o.Set("ExecutionArn", rec.ARN())
	o.Set("Input", rec.Input)
	o.Set("InputDetails", included)
	o.Set("Name", rec.Name)
	if rec.Status == record.Succeeded {
		o.Set("Output", rec.Output)
		o.Set("OutputDetails", included)
	}
	o.Set("RedriveCount", value.Int(int64(rec.RedriveCount)))
	o.Set("RedriveStatus", "NOT_REDRIVABLE")
	o.Set("StartDate", asl.Timestamp(rec.Start))
	o.Set("StateMachineArn", rec.MachineARN())
	o.Set("Status", rec.Status)
	if rec.Stop != nil {
		o.Set("StopDate", asl.Timestamp(*rec.Stop))
	}
	return o
}

// write exports the results to S3: one file for each status that occurred, and a
// manifest that lists them.
func (m *mapRunner) write(ctx context.Context, p wire.Principal, feed items.Feed) (any, error) {
	w := m.st.Map.Writer
	var params any = value.NewObject(0)
	if w.Parameters != nil {
		in, err := m.ev.input()
		if err != nil {
			return nil, err
		}
		if params, err = m.ev.with(in).template(w.Parameters); err != nil {
			return nil, err
		}
	}
	bucket, err := m.ev.textOf(params, "ResultWriter", "Bucket", true)
	if err != nil {
		return nil, err
	}
	prefix, err := m.ev.textOf(params, "ResultWriter", "Prefix", false)
	if err != nil {
		return nil, err
	}
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	prefix += m.run.ID + "/"
	files, err := m.writeFiles(ctx, p, w, bucket, prefix, feed)
	if err != nil {
		return nil, err
	}
	manifest := value.Of("DestinationBucket", bucket, "MapRunArn", m.run.ARN(), "ResultFiles", files)
	if _, err := m.putObject(ctx, p, bucket, prefix+"manifest.json", bytes.NewReader(value.Encode(manifest))); err != nil {
		return nil, err
	}
	return value.Of("MapRunArn", m.run.ARN(), "ResultWriterDetails", value.Of("Bucket", bucket, "Key", prefix+"manifest.json")), nil
}

// maxResultFile bounds one result file.
const maxResultFile = 64 << 20

// writeFiles writes the result files and lists them by status.
func (m *mapRunner) writeFiles(ctx context.Context, p wire.Principal, w *asl.ResultWriter, bucket, prefix string, feed items.Feed) (*value.Object, error) {
	statuses := []string{"FAILED", "PENDING", "SUCCEEDED"}
	files := map[string]*resultFiles{}
	for _, status := range statuses {
		f := &resultFiles{list: []any{}, m: m, ctx: ctx, p: p, bucket: bucket, prefix: prefix + status + "_", lines: w.OutputType == "JSONL"}
		defer f.abort()
		files[status] = f
	}
	gaps := map[int]bool{} // children that could not begin
	ended := 0
	err := m.ended(func(i int, rec *record.Execution) error {
		for j := ended; j < i; j++ {
			gaps[j] = true
		}
		ended = i + 1
		entries, err := m.entries(w, rec)
		if err != nil {
			return err
		}
		if err := files[fileOf(rec)].add(entries...); err != nil {
			return err
		}
		m.written(rec)
		return nil
	})
	if err == nil && (len(gaps) > 0 || ended < m.started || m.pending()) {
		err = m.unstarted(ctx, feed, files["PENDING"], func(i int) bool { return gaps[i] || i >= ended })
	}
	out := value.NewObject(len(statuses))
	for _, status := range statuses {
		if err == nil {
			err = files[status].close()
		}
		out.Set(status, files[status].list)
	}
	return out, err
}

// pending reports whether there are items of which no child was begun.
func (m *mapRunner) pending() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.run.Items.Pending > 0
}

// written counts a result as handed over.
func (m *mapRunner) written(rec *record.Execution) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.run.Items.Written += int64(rec.Items)
	m.run.Children.Written++
}

// fileOf is the kind of result file that a child belongs into. What was stopped
// because the run failed is among the failed.
func fileOf(rec *record.Execution) string {
	if rec.Status == record.Succeeded {
		return "SUCCEEDED"
	}
	return "FAILED"
}

// unstarted adds the children that never began, which only their items tell.
func (m *mapRunner) unstarted(ctx context.Context, feed items.Feed, to *resultFiles, never func(i int) bool) error {
	i := -1
	return m.inputs(ctx, feed, func(in childInput) error {
		if i++; !never(i) {
			return nil
		}
		return to.add(value.Of("Input", in.text, "InputDetails", value.Of("Included", true),
			"StateMachineArn", record.ARN(m.run.Scope, "stateMachine", m.run.Machine+"/"+m.run.Label), "Status", "PENDING"))
	})
}

// resultFiles writes the results of one kind, into one file after the other. A file
// is uploaded while it is written.
type resultFiles struct {
	m              *mapRunner
	ctx            context.Context
	p              wire.Principal
	bucket, prefix string
	lines          bool
	list           []any // the files that are complete

	key  string // of the file that is being written, "" if none is
	pipe *io.PipeWriter
	buf  *bufio.Writer
	size int64
	done chan error
}

func (f *resultFiles) add(entries ...any) error {
	for _, e := range entries {
		first := f.key == ""
		if first {
			f.open()
		}
		text := value.Encode(e)
		switch {
		case f.lines:
			text = append(text, '\n')
		case first:
			text = append([]byte{'['}, text...)
		default:
			text = append([]byte{','}, text...)
		}
		if err := f.write(text); err != nil {
			return err
		}
	}
	if f.size > maxResultFile { // the results of one child are in one file
		return f.close()
	}
	return nil
}

func (f *resultFiles) write(text []byte) error {
	n, err := f.buf.Write(text)
	f.size += int64(n)
	if err != nil {
		return f.outcome(err)
	}
	return nil
}

func (f *resultFiles) open() {
	ext := ".json"
	if f.lines {
		ext = ".jsonl"
	}
	f.key = f.prefix + value.Int(int64(len(f.list))).String() + ext
	r, w := io.Pipe()
	f.pipe, f.buf, f.size, f.done = w, bufio.NewWriterSize(w, 64<<10), 0, make(chan error, 1)
	done, key := f.done, f.key
	guard.Go(f.m.b.x.s.Log, "a result file", func() {
		_, err := f.m.putObject(f.ctx, f.p, f.bucket, key, r)
		_ = r.CloseWithError(errors.Join(err, io.ErrClosedPipe))
		done <- err
	}, func(err error) {
		_ = r.CloseWithError(err)
		done <- err
	})
}

// outcome prefers what the upload says to what became of the pipe.
func (f *resultFiles) outcome(err error) error {
	_ = f.pipe.CloseWithError(err)
	if upload := <-f.done; upload != nil {
		err = upload
	}
	f.key = ""
	return err
}

// close completes the file that is being written.
func (f *resultFiles) close() error {
	if f.key == "" {
		return nil
	}
	if !f.lines {
		if err := f.write([]byte{']'}); err != nil {
			return err
		}
	}
	if err := f.buf.Flush(); err != nil {
		return f.outcome(err)
	}
	_ = f.pipe.Close()
	if err := <-f.done; err != nil {
		f.key = ""
		return err
	}
	f.list = append(f.list, value.Of("Key", f.key, "Size", value.Int(f.size)))
	f.key = ""
	return nil
}

// abort ends the upload of a file that is not to be.
func (f *resultFiles) abort() {
	if f.key != "" {
		_ = f.outcome(errCut)
	}
}

// export writes the results of a run that failed or was stopped, as far as they
// go. It is best effort: the reason of the failure matters more.
// (step-functions/latest/dg/input-output-resultwriter.html)
func (m *mapRunner) export(p wire.Principal, feed items.Feed, reason error) {
	if w := m.st.Map.Writer; w == nil || w.Resource == "" || errors.Is(reason, failure.ErrShutdown) {
		return
	}
	if _, err := m.write(context.WithoutCancel(m.b.ctx), p, feed); err != nil {
		m.b.x.s.Log.Warn("export results of a map run", "map_run", m.run.Key(), "error", err.Error())
	}
}

// entries are what a child contributes to its result file.
func (m *mapRunner) entries(w *asl.ResultWriter, rec *record.Execution) ([]any, error) {
	if w.Transformation == "NONE" || rec.Status != record.Succeeded {
		return []any{m.exported(rec)}, nil
	}
	output, err := outputOf(rec)
	if list, ok := output.([]any); ok && w.Transformation == "FLATTEN" {
		return list, err
	}
	return []any{output}, err
}

func (m *mapRunner) putObject(ctx context.Context, p wire.Principal, bucket, key string, body io.Reader) (wire.ObjectInfo, error) {
	objects := m.b.x.s.Objects
	if objects == nil {
		return wire.ObjectInfo{}, failure.New(failure.ResultWriter, "The sandbox runs without S3.").Err()
	}
	info, err := objects.PutObject(ctx, m.run.Scope, p, bucket, key, "application/json", body)
	if err == nil || ctx.Err() != nil {
		return info, err
	}
	var we *wire.Error
	if errors.As(err, &we) {
		return info, failure.New(failure.ResultWriter, integration.Cause("s3", we)).Err()
	}
	return info, failure.New(failure.ResultWriter, err.Error()).Err()
}
