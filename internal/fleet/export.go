package fleet

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/document"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// Export is how executions are written.
type Export struct {
	// Out is a folder, or a file that ends in .jsonl.
	Out string
	// Inputs has their inputs written alone, a file for each pipeline: what "run --inputs"
	// reads.
	Inputs bool
	// Force has what is there written over.
	Force bool
	// Note is told what is left out, by one goroutine at a time; Far how far it is.
	Note func(format string, args ...any)
	Far  Far
	// Wrong makes an error of a place that cannot be written one of what the user has said.
	Wrong func(place string, err error) error
}

// Lines tells whether all go into one file of lines.
func (e *Export) Lines() bool { return strings.HasSuffix(e.Out, ".jsonl") && !e.Inputs }

// Vacant refuses a file that is there already, unless Force says to write over it.
func (e *Export) Vacant(ctx context.Context, file string) error {
	if e.Force {
		return nil
	}
	return e.wrong(file, outside.Vacant(ctx, file))
}

func (e *Export) wrong(place string, err error) error {
	if err == nil || e.Wrong == nil {
		return err
	}
	return e.Wrong(place, err)
}

// Exported is what became of an export.
type Exported struct {
	// Written were written now, Existed by an earlier run that was cut off.
	Written, Existed int
	// Files are those of inputs, by pipeline.
	Files  map[string]string
	Failed []Failed
}

// childrenKept is how many failed children of a Map Run are in one execution's document of
// many: the Map Run has the counts of all.
const childrenKept = 1000

// Write writes executions, the oldest first, and goes on where an earlier run was cut off. It
// holds a page of one history at a time. The error is of the place, or of ctx: what could not
// be asked for is in Failed. What was done is told in any case.
func (e *Export) Write(ctx context.Context, list []*Execution) (*Exported, error) {
	list = slices.Clone(list)
	slices.Reverse(list) // as they were begun
	x := newExporter(e, len(list))
	var err error
	switch {
	case e.Inputs:
		err = x.inputs(ctx, list)
	case e.Lines():
		if err = e.Vacant(ctx, e.Out); err == nil {
			err = x.lines(ctx, list)
		}
	default:
		err = x.folder(ctx, list)
	}
	return x.done, err
}

// Definition is what an execution ran, as JSON.
func Definition(ctx context.Context, c *executions.Client, arn string) (json.RawMessage, error) {
	text, err := c.Definition(ctx, arn)
	if err == nil && !json.Valid([]byte(text)) {
		err = fault.New(fault.Internal, "it is no JSON")
	}
	if err != nil {
		return nil, err
	}
	return json.RawMessage(text), nil
}

// exporter writes executions.
type exporter struct {
	*Export
	chosen int

	mu          sync.Mutex // over what follows
	done        *Exported
	definitions map[string]*definition // by version of the machine
}

func newExporter(e *Export, chosen int) *exporter {
	return &exporter{Export: e, chosen: chosen, done: &Exported{}, definitions: map[string]*definition{}}
}

// definition is what a version of a machine runs.
type definition struct {
	mu   sync.Mutex // held while it is asked for
	had  bool
	text json.RawMessage // nil if AWS does not tell it to us
}

// tell counts what was done with one execution.
func (x *exporter) tell(ctx context.Context, e *Execution, existed bool, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case err != nil && ctx.Err() == nil:
		x.done.Failed = append(x.done.Failed, Failed{e, err})
	case err != nil:
	case existed:
		x.done.Existed++
	default:
		x.done.Written++
	}
	x.Far(func() string {
		return fmt.Sprintf("%s of %s executions exported", render.Number(int64(x.done.Written+x.done.Existed)), render.Number(int64(x.chosen)))
	})
}

// each does something with all executions, some at a time. An error of do ends it.
func (x *exporter) each(ctx context.Context, list []*Execution, do func(context.Context, *Execution) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(Askers)
	for _, e := range list {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error { return do(gctx, e) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err() // the last ones were cut off without an error of their own
}

// plainName is what is one file on every system; reservedName is a device on Windows.
var (
	plainName    = lazyregexp.New(`^[a-z0-9_-][a-z0-9._-]*$`)
	reservedName = lazyregexp.New(`^(con|prn|aux|nul|com[0-9]|lpt[0-9])($|\.)`)
)

// longestName is how many bytes of a name are in that of a file: 80 characters may be 320.
const longestName = 160

// fileOf is the file of an execution, by its name alone, so that a later run finds it. On macOS
// and Windows names that differ in case only, or in how accents are composed, are one file: such
// a name gets a digest. Executions have no "~" in their names.
func fileOf(name string) string {
	if plainName.MatchString(name) && !reservedName.MatchString(name) {
		return name + ".json"
	}
	sum := sha256.Sum256([]byte(name))
	if reservedName.MatchString(strings.ToLower(name)) {
		name = "_" + name
	}
	if len(name) > longestName {
		name = strings.ToValidUTF8(name[:longestName], "")
	}
	return name + "~" + hex.EncodeToString(sum[:4]) + ".json"
}

// folder writes each execution into a file of its own.
func (x *exporter) folder(ctx context.Context, list []*Execution) error {
	return x.each(ctx, list, func(ctx context.Context, e *Execution) error {
		id, err := spec.ParseID(e.Pipeline)
		if err != nil {
			return err
		}
		dir := filepath.Join(x.Out, id.StackName())
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return x.wrong(x.Out, outside.WriteFault("the folder", dir, err))
		}
		path := filepath.Join(dir, fileOf(e.Name))
		if !x.Force && e.Status.Terminal() {
			is, err := outside.Do(ctx, path, func() (bool, error) { return upToDate(path, e), nil })
			if err != nil {
				return err
			}
			if is {
				x.tell(ctx, e, true, nil)
				return nil
			}
		}
		// Inputs and outputs are the users' data: the file is for its owner alone.
		file, err := wholefile.New(path, 0o600)
		if err != nil {
			return x.wrong(x.Out, outside.WriteFault("the file", path, err))
		}
		defer file.Cleanup() //nolint:errcheck // what is whole has its name by then
		err = x.write(ctx, file, e)
		if err == nil {
			if err := file.CloseAtomicallyReplace(); err != nil {
				return x.wrong(x.Out, outside.WriteFault("the file", path, err))
			}
		}
		x.tell(ctx, e, false, err)
		return diskFault(err)
	})
}

// diskError is what went wrong with writing, which would go wrong with the next one too.
type diskError struct{ error }

func (e diskError) Unwrap() error { return e.error }

// diskFault is the error if it is one of writing.
func diskFault(err error) error {
	var disk diskError
	if errors.As(err, &disk) {
		return err
	}
	return nil
}

// isOf tells whether an export that begins with head is of an execution as it is now: how it
// ended, and after how many redrives, is at its beginning in the words of a list.
func isOf(head []byte, e *Execution) bool {
	want, err := document.JSON(e.Execution, "")
	return err == nil && e.Status.Terminal() && bytes.Contains(head[:min(len(head), headSize)], bytes.Trim(want, "{}\n"))
}

// headSize is how much of an export is looked at to know what it is, in bytes.
const headSize = 8 << 10

// upToDate tells whether a file has an execution as it is now.
func upToDate(path string, e *Execution) bool {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() { // a pipe would be waited for
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, headSize)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false
	}
	return isOf(head[:n], e)
}

// lines writes all executions into one file, a line each. Until it is whole it has another
// name, under which a later run finds what is there.
func (x *exporter) lines(ctx context.Context, list []*Execution) error {
	part := x.Out + ".part"
	wrong := func(err error) error { return x.wrong(x.Out, outside.WriteFault("the file", part, err)) }
	of := make(map[string]*Execution, len(list))
	for _, e := range list {
		of[e.ARN] = e
	}
	var f *os.File
	have, err := outside.Do(ctx, part, func() (have map[string]bool, err error) {
		f, have, err = reopen(part, func(arn string, head []byte) bool {
			e := of[arn]
			return e != nil && !x.Force && isOf(head, e)
		})
		return have, err
	})
	if err != nil {
		return wrong(err)
	}
	defer f.Close()
	end, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return wrong(err)
	}
	// A line is long and written as it comes, so that there is one at a time.
	for _, e := range list {
		if ctx.Err() != nil {
			break
		}
		if have[e.ARN] {
			x.tell(ctx, e, true, nil)
			continue
		}
		err := x.write(ctx, f, e)
		if err != nil { // half a line is none
			if err := f.Truncate(end); err != nil {
				return wrong(err)
			}
			if _, err := f.Seek(end, io.SeekStart); err != nil {
				return wrong(err)
			}
		}
		x.tell(ctx, e, false, err)
		if err := diskFault(err); err != nil {
			return err
		}
		if end, err = f.Seek(0, io.SeekCurrent); err != nil {
			return wrong(err)
		}
	}
	if ctx.Err() != nil || len(x.done.Failed) > 0 {
		x.Note("what was exported is in %s: run it again for the rest", render.Line(part, 0))
		return ctx.Err()
	}
	if err := f.Sync(); err != nil {
		return wrong(err)
	}
	if err := os.Rename(part, x.Out); err != nil {
		return wrong(err)
	}
	return nil
}

// reopen opens a file of lines that an earlier run left, at its end, and tells of which
// executions it has lines. Lines that keep does not want, for they are of executions that are
// not chosen or have gone on since, and what was cut off are taken out.
func reopen(path string, keep func(arn string, head []byte) bool) (*os.File, map[string]bool, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, err
	}
	have, kept, err := exportedLines(f, keep)
	if err == nil && kept.holes {
		err = kept.copy(f, path)
		if err == nil {
			_ = f.Close() // it was only read
			f, err = os.OpenFile(path, os.O_RDWR, 0o600)
		}
	}
	if err == nil {
		err = f.Truncate(kept.size)
	}
	if err == nil {
		_, err = f.Seek(kept.size, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, have, nil
}

// keptLines are the places of the lines of a file that are kept, in bytes.
type keptLines struct {
	from, to []int64
	size     int64
	holes    bool // they do not stand one after the other from the beginning on
}

func (k *keptLines) add(from, to int64) {
	if n := len(k.to); n > 0 && k.to[n-1] == from {
		k.to[n-1] = to
	} else {
		k.from, k.to = append(k.from, from), append(k.to, to)
		k.holes = k.holes || from > 0
	}
	k.size += to - from
}

// copy puts them alone in the place of the file.
func (k *keptLines) copy(f *os.File, path string) error {
	next, err := wholefile.New(path, 0o600)
	if err != nil {
		return err
	}
	defer next.Cleanup() //nolint:errcheck // what is whole has its name by then
	for i := range k.from {
		if _, err := io.Copy(next, io.NewSectionReader(f, k.from[i], k.to[i]-k.from[i])); err != nil {
			return err
		}
	}
	return next.CloseAtomicallyReplace()
}

// exportedLines finds which executions a file of lines has, and where the lines stand that
// are kept. It holds the beginning of one line at a time.
func exportedLines(f *os.File, keep func(arn string, head []byte) bool) (map[string]bool, *keptLines, error) {
	have, kept := map[string]bool{}, &keptLines{}
	rd := bufio.NewReaderSize(f, 64<<10)
	whose, wanted := "", false // the line that is being read, known from its first piece
	for at, from, first := int64(0), int64(0), true; ; {
		piece, err := rd.ReadSlice('\n')
		at += int64(len(piece))
		if first {
			_, rest, _ := bytes.Cut(piece, []byte(`"arn":"`))
			arn, _, _ := bytes.Cut(rest, []byte{'"'})
			whose = string(arn)
			wanted = keep(whose, piece) && !have[whose]
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			first = false
		case errors.Is(err, io.EOF): // what was cut off is not there
			return have, kept, nil
		case err != nil:
			return nil, nil, err
		default:
			if wanted {
				have[whose] = true
				kept.add(from, at)
			}
			from, first = at, true
		}
	}
}

// write writes one execution with all that is known of it as one line. It holds one page of
// its history.
func (x *exporter) write(ctx context.Context, to io.Writer, e *Execution) error {
	d, err := e.Client.Describe(ctx, e.ARN)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(to, 64<<10)
	put := func(text ...[]byte) error {
		for _, t := range text {
			if _, err := w.Write(t); err != nil {
				return diskError{x.wrong(x.Out, outside.WriteFault("the export", x.Out, err))}
			}
		}
		return nil
	}
	ran, err := x.definition(ctx, e)
	if err != nil {
		return fault.Wrap(err, "its definition")
	}
	head, err := document.JSON(struct {
		APIVersion string              `json:"apiVersion"`
		Kind       string              `json:"kind"`
		Pipeline   string              `json:"pipeline"`
		Execution  *executions.Details `json:"execution"`
		Definition json.RawMessage     `json:"definition,omitempty"`
	}{document.Version, "ExecutionExport", e.Pipeline, d, ran}, "")
	if err != nil {
		return err
	}
	if err := put(bytes.TrimSuffix(bytes.TrimSpace(head), []byte{'}'}), []byte(`,"events":[`)); err != nil {
		return err
	}
	var runs []string
	comma := []byte(nil)
	err = e.Client.EachEvent(ctx, e.ARN, true, func(ev executions.Event) error {
		if ev.MapRun != "" && !slices.Contains(runs, ev.MapRun) {
			runs = append(runs, ev.MapRun)
		}
		text, err := document.JSON(ev, "")
		if err != nil {
			return err
		}
		err = put(comma, bytes.TrimSpace(text))
		comma = []byte{','}
		return err
	})
	if err != nil {
		return err
	}
	tail, err := x.tail(ctx, e, runs)
	if err != nil {
		return err
	}
	if err := put([]byte{']'}, tail, []byte("}\n")); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return diskError{x.wrong(x.Out, outside.WriteFault("the export", x.Out, err))}
	}
	return nil
}

// tail is what follows the events: the Map Runs, and children of theirs that did not succeed.
func (x *exporter) tail(ctx context.Context, e *Execution, runs []string) ([]byte, error) {
	if len(runs) == 0 {
		return nil, nil
	}
	var doc struct {
		MapRuns  []executions.MapRun    `json:"mapRuns"`
		Children []executions.Execution `json:"failedChildren,omitempty"`
	}
	for _, arn := range runs {
		r, err := e.Client.DescribeMapRun(ctx, arn)
		if err != nil {
			return nil, err
		}
		doc.MapRuns = append(doc.MapRuns, *r)
		if r.Children.Unsuccessful() == 0 {
			continue
		}
		failed, err := e.Client.Children(ctx, arn, []executions.Status{executions.Failed, executions.TimedOut, executions.Aborted}, childrenKept)
		if err != nil {
			return nil, err
		}
		doc.Children = append(doc.Children, failed...)
	}
	text, err := document.JSON(doc, "")
	text = bytes.TrimSpace(text)
	return append([]byte{','}, text[1:len(text)-1]...), err
}

// definition is what an execution ran, asked for once for each version of a machine: AWS
// answers that question once a second. It is left out of what ran no version, and where AWS
// does not tell it to us; an answer that failed for another reason is asked for again.
func (x *exporter) definition(ctx context.Context, e *Execution) (json.RawMessage, error) {
	if e.Version == "" {
		return nil, nil
	}
	x.mu.Lock()
	d := x.definitions[e.Version]
	if d == nil {
		d = &definition{}
		x.definitions[e.Version] = d
	}
	x.mu.Unlock()
	d.mu.Lock() // those of other versions go on
	defer d.mu.Unlock()
	if d.had {
		return d.text, nil
	}
	text, err := Definition(ctx, e.Client, e.ARN)
	kind := fault.KindOf(err)
	d.text, d.had = text, err == nil || kind == fault.Denied // what is gone is this execution, not the version
	if kind == fault.Denied || kind == fault.NotFound {
		x.mu.Lock() // others tell how far they are
		x.Note("the definition is left out: %s", render.Line(err.Error(), 0))
		x.mu.Unlock()
		text, err = nil, nil
	}
	return text, err
}

// PartialInputs is how the name of a file ends that has not all inputs that were chosen.
const PartialInputs = ".part.jsonl"

// inputs writes the inputs of executions, a line each, into a file for each pipeline: what
// "run --inputs" reads. Only when all were read have the files their names: one that lacks
// some would be taken for whole.
func (x *exporter) inputs(ctx context.Context, list []*Execution) error {
	of := map[string][]*Execution{}
	for _, e := range list {
		of[e.Pipeline] = append(of[e.Pipeline], e)
	}
	one := strings.HasSuffix(x.Out, ".jsonl")
	if one && len(of) > 1 {
		return x.wrong(x.Out, fault.New(fault.Invalid, "the inputs of %d pipelines do not go into one file", len(of)).WithHint("Name a folder: it gets a file for each pipeline."))
	}
	x.done.Files = map[string]string{}
	for pipeline := range of {
		id, err := spec.ParseID(pipeline)
		if err != nil {
			return err
		}
		path := filepath.Join(x.Out, id.StackName()+".jsonl")
		if one {
			path = x.Out
		} else if err := os.MkdirAll(x.Out, 0o700); err != nil {
			return x.wrong(x.Out, outside.WriteFault("the folder", x.Out, err))
		}
		if err := x.Vacant(ctx, path); err != nil {
			return err
		}
		x.done.Files[pipeline] = path
	}
	parts := make(map[string]string, len(of))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(Askers)
	for pipeline, some := range of {
		part := strings.TrimSuffix(x.done.Files[pipeline], ".jsonl") + PartialInputs
		parts[pipeline] = part
		g.Go(func() error { return x.inputsOf(gctx, part, some) })
	}
	err := g.Wait()
	switch {
	case err != nil:
		for _, part := range parts {
			_ = os.Remove(part) // those that were read whole before the others were stopped
		}
		x.done.Written, x.done.Files = 0, nil
		return err
	case len(x.done.Failed) > 0:
		x.done.Files = parts
		return nil
	}
	for pipeline, part := range parts {
		if err := os.Rename(part, x.done.Files[pipeline]); err != nil {
			return x.wrong(x.Out, outside.WriteFault("the file", x.done.Files[pipeline], err))
		}
	}
	return nil
}

func (x *exporter) inputsOf(ctx context.Context, path string, list []*Execution) error {
	wrong := func(err error) error { return x.wrong(x.Out, outside.WriteFault("the file", path, err)) }
	file, err := wholefile.New(path, 0o600)
	if err != nil {
		return wrong(err)
	}
	defer file.Cleanup() //nolint:errcheck // what is whole has its name by then
	w := bufio.NewWriter(file)
	for _, e := range list {
		d, err := e.Client.Describe(ctx, e.ARN)
		var text bytes.Buffer
		if err == nil {
			err = json.Compact(&text, []byte(d.Input))
		}
		if err == nil {
			text.WriteByte('\n')
			if _, err := w.Write(text.Bytes()); err != nil {
				return wrong(err)
			}
		}
		if x.tell(ctx, e, false, err); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if err := w.Flush(); err != nil {
		return wrong(err)
	}
	if err := file.CloseAtomicallyReplace(); err != nil {
		return wrong(err)
	}
	return nil
}
