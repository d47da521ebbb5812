// Package results owns where a Map Run's results go: one file in S3 after the other for
// each kind of child, and a manifest that lists them. It knows nothing of how children
// run.
package results

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/integration"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Kinds of result files.
const (
	Succeeded = "SUCCEEDED"
	Failed    = "FAILED"
	Pending   = "PENDING"
)

// Exported is a child execution as the result files show it.
func Exported(rec *record.Execution) *value.Object {
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

// KindOf is the kind of result file that a child belongs into. What was stopped
// because the run failed is among the failed.
func KindOf(rec *record.Execution) string {
	if rec.Status == record.Succeeded {
		return Succeeded
	}
	return Failed
}

// Writer writes the result files of one Map Run. It belongs to one goroutine; Abort
// must be called in the end. Objects may be nil: then nothing can be written.
type Writer struct {
	Objects   wire.Objects
	Log       *slog.Logger
	Scope     wire.Scope
	Principal wire.Principal
	Bucket    string
	Prefix    string // of the run's files
	Lines     bool   // JSON lines, not an array

	ctx   context.Context
	kinds map[string]*kind
}

// Open makes what was filled in ready; ctx bounds all that is written.
func (w Writer) Open(ctx context.Context) *Writer {
	w.ctx, w.kinds = ctx, map[string]*kind{}
	for _, name := range []string{Failed, Pending, Succeeded} {
		w.kinds[name] = &kind{w: &w, prefix: w.Prefix + name + "_", list: []any{}}
	}
	return &w
}

// Add writes entries into a file of a kind.
func (w *Writer) Add(name string, entries ...any) error { return w.kinds[name].add(entries...) }

// Close completes the files and writes the manifest, whose key it returns.
func (w *Writer) Close(run string) (manifest string, err error) {
	files := value.NewObject(len(w.kinds))
	for _, name := range []string{Failed, Pending, Succeeded} {
		if err := w.kinds[name].close(); err != nil {
			return "", err
		}
		files.Set(name, w.kinds[name].list)
	}
	manifest = w.Prefix + "manifest.json"
	return manifest, w.put(manifest, bytes.NewReader(value.Encode(value.Of("DestinationBucket", w.Bucket, "MapRunArn", run, "ResultFiles", files))))
}

// Abort ends the uploads of files that are not to be.
func (w *Writer) Abort() {
	for _, k := range w.kinds {
		k.abort()
	}
}

// errAborted ends the upload of a file that is not to be.
var errAborted = errors.New("the map run ends")

// maxResultFile bounds one result file.
const maxResultFile = 64 << 20

// kind writes the results of one kind, into one file after the other. A file
// is uploaded while it is written.
type kind struct {
	w      *Writer
	prefix string
	list   []any // the files that are complete

	key  string // of the file that is being written, "" if none is
	pipe *io.PipeWriter
	buf  *bufio.Writer
	size int64
	done chan error
}

func (f *kind) add(entries ...any) error {
	for _, e := range entries {
		first := f.key == ""
		if first {
			f.open()
		}
		text := value.Encode(e)
		switch {
		case f.w.Lines:
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

func (f *kind) write(text []byte) error {
	n, err := f.buf.Write(text)
	f.size += int64(n)
	if err != nil {
		return f.outcome(err)
	}
	return nil
}

func (f *kind) open() {
	ext := ".json"
	if f.w.Lines {
		ext = ".jsonl"
	}
	f.key = f.prefix + value.Int(int64(len(f.list))).String() + ext
	r, w := io.Pipe()
	f.pipe, f.buf, f.size, f.done = w, bufio.NewWriterSize(w, 64<<10), 0, make(chan error, 1)
	done, key := f.done, f.key
	guard.Go(f.w.Log, "a result file", func() {
		err := f.w.put(key, r)
		_ = r.CloseWithError(errors.Join(err, io.ErrClosedPipe))
		done <- err
	}, func(err error) {
		_ = r.CloseWithError(err)
		done <- err
	})
}

// outcome prefers what the upload says to what became of the pipe.
func (f *kind) outcome(err error) error {
	_ = f.pipe.CloseWithError(err)
	if upload := <-f.done; upload != nil {
		err = upload
	}
	f.key = ""
	return err
}

// close completes the file that is being written.
func (f *kind) close() error {
	if f.key == "" {
		return nil
	}
	if !f.w.Lines {
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
func (f *kind) abort() {
	if f.key != "" {
		_ = f.outcome(errAborted)
	}
}

// put writes an object of the run.
func (w *Writer) put(key string, body io.Reader) error {
	if w.Objects == nil {
		return failure.New(failure.ResultWriter, "The sandbox runs without S3.").Err()
	}
	_, err := w.Objects.PutObject(w.ctx, w.Scope, w.Principal, w.Bucket, key, "application/json", body)
	if err == nil || w.ctx.Err() != nil {
		return err
	}
	var we *wire.Error
	if errors.As(err, &we) {
		return failure.New(failure.ResultWriter, integration.Cause("s3", we)).Err()
	}
	return failure.New(failure.ResultWriter, err.Error()).Err()
}
