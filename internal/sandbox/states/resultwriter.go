package states

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// transform shapes the children's outputs for a writer without a resource.
func (m *mapRunner) transform(w *asl.ResultWriter, outputs []any) (any, error) {
	switch w.Transformation {
	case "FLATTEN":
		flat := []any{}
		for _, o := range outputs {
			if list, ok := o.([]any); ok {
				flat = append(flat, list...)
			} else {
				flat = append(flat, o)
			}
		}
		return flat, nil
	case "COMPACT":
		return outputs, nil
	default:
		all := make([]any, len(m.results))
		for i := range m.results {
			all[i] = m.exported(m.results[i].rec)
		}
		return all, nil
	}
}

// exported is a child execution as the result files show it.
func (m *mapRunner) exported(rec *execRecord) *value.Object {
	included := value.Of("Included", true)
	o := value.NewObject(12)
	if rec.Cause != nil {
		o.Set("Cause", *rec.Cause)
	}
	if rec.Error != nil {
		o.Set("Error", *rec.Error)
	}
	o.Set("ExecutionArn", rec.arn())
	o.Set("Input", rec.Input)
	o.Set("InputDetails", included)
	o.Set("Name", rec.Name)
	if rec.Status == statusSucceeded {
		o.Set("Output", rec.Output)
		o.Set("OutputDetails", included)
	}
	o.Set("RedriveCount", value.Int(int64(rec.RedriveCount)))
	o.Set("RedriveStatus", "NOT_REDRIVABLE")
	o.Set("StartDate", timestamp(rec.Start))
	o.Set("StateMachineArn", rec.machineARN())
	o.Set("Status", rec.Status)
	if rec.Stop != nil {
		o.Set("StopDate", timestamp(*rec.Stop))
	}
	return o
}

// write exports the results to S3: one file for each status that occurred, and a
// manifest that lists them.
func (m *mapRunner) write(ctx context.Context, p wire.Principal) (any, error) {
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
	files := value.NewObject(3)
	for _, status := range []string{"FAILED", "PENDING", "SUCCEEDED"} {
		list, err := m.writeFiles(ctx, p, w, bucket, prefix, status)
		if err != nil {
			return nil, err
		}
		files.Set(status, list)
	}
	manifest := value.Of("DestinationBucket", bucket, "MapRunArn", m.run.arn(), "ResultFiles", files)
	if _, err := m.putObject(ctx, p, bucket, prefix+"manifest.json", value.Encode(manifest)); err != nil {
		return nil, err
	}
	return value.Of("MapRunArn", m.run.arn(), "ResultWriterDetails", value.Of("Bucket", bucket, "Key", prefix+"manifest.json")), nil
}

// maxResultFile bounds one result file.
const maxResultFile = 64 << 20

func (m *mapRunner) writeFiles(ctx context.Context, p wire.Principal, w *asl.ResultWriter, bucket, prefix, status string) ([]any, error) {
	list := []any{}
	var entries []any
	size := 0
	ext := ".json"
	if w.OutputType == "JSONL" {
		ext = ".jsonl"
	}
	flush := func() error {
		if len(entries) == 0 {
			return nil
		}
		key := prefix + status + "_" + value.Int(int64(len(list))).String() + ext
		body := value.Encode(entries)
		if w.OutputType == "JSONL" {
			body = jsonLines(entries)
		}
		if _, err := m.putObject(ctx, p, bucket, key, body); err != nil {
			return err
		}
		list = append(list, value.Of("Key", key, "Size", value.Int(int64(len(body)))))
		entries, size = nil, 0
		return nil
	}
	for i, r := range m.results {
		if r.file() != status {
			continue
		}
		if r.rec == nil {
			entries = append(entries, m.unstarted(i))
			continue
		}
		for _, e := range m.entries(w, r) {
			entries = append(entries, e)
			size += len(value.String(e))
		}
		if size > maxResultFile {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		m.written(r)
	}
	return list, flush()
}

// written counts a result as handed over, to the state's output or to S3.
func (m *mapRunner) written(r childResult) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.run.Items.Written += int64(r.rec.Items)
	m.run.Children.Written++
}

// file is the kind of result file that a child belongs into. What was stopped
// because the run failed is among the failed; what never began is pending.
func (r childResult) file() string {
	switch {
	case r.rec == nil:
		return "PENDING"
	case r.rec.Status == statusSucceeded:
		return "SUCCEEDED"
	default:
		return "FAILED"
	}
}

// unstarted is a child that never began, as the result files show it.
func (m *mapRunner) unstarted(i int) *value.Object {
	return value.Of("Input", value.String(m.pending[i]), "InputDetails", value.Of("Included", true),
		"StateMachineArn", arnIn(m.run.Scope, "stateMachine", m.run.Machine+"/"+m.run.Label), "Status", "PENDING")
}

// export writes the results of a run that failed or was stopped, as far as they
// go. It is best effort: the reason of the failure matters more.
// (step-functions/latest/dg/input-output-resultwriter.html)
func (m *mapRunner) export(p wire.Principal, reason error) {
	if w := m.st.Map.Writer; w == nil || w.Resource == "" || errors.Is(reason, errShutdown) {
		return
	}
	if _, err := m.write(context.WithoutCancel(m.b.ctx), p); err != nil {
		m.b.x.s.Log.Warn("export results of a map run", "map_run", m.run.key(), "error", err.Error())
	}
}

// entries are what a child contributes to its result file.
func (m *mapRunner) entries(w *asl.ResultWriter, r childResult) []any {
	if w.Transformation == "NONE" || r.rec.Status != statusSucceeded {
		return []any{m.exported(r.rec)}
	}
	if list, ok := r.output.([]any); ok && w.Transformation == "FLATTEN" {
		return list
	}
	return []any{r.output}
}

func jsonLines(entries []any) []byte {
	var b bytes.Buffer
	for _, e := range entries {
		b.Write(value.Encode(e))
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func (m *mapRunner) putObject(ctx context.Context, p wire.Principal, bucket, key string, body []byte) (wire.ObjectInfo, error) {
	objects := m.b.x.s.Objects
	if objects == nil {
		return wire.ObjectInfo{}, fail(errResultWriter, "The sandbox runs without S3.").err()
	}
	info, err := objects.PutObject(ctx, m.run.Scope, p, bucket, key, "application/json", bytes.NewReader(body))
	if err == nil || ctx.Err() != nil {
		return info, err
	}
	var we *wire.Error
	if errors.As(err, &we) {
		return info, fail(errResultWriter, cause("s3", we)).err()
	}
	return info, fail(errResultWriter, err.Error()).err()
}
