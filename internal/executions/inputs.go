package executions

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
)

// maxInputErrors bounds how many errors of a file of inputs are told.
const maxInputErrors = 10

// NewBatch returns a name for a batch: batch-<utc time>.
func NewBatch(now time.Time) string { return "batch-" + now.UTC().Format("20060102t150405") }

// InputFile is a file of many inputs: JSON Lines, or CSV with a header.
type InputFile struct {
	// Name is what it is called in messages.
	Name string

	path      string
	csv       bool
	comma     rune // between the fields of csv
	temporary bool
}

// OpenInputs returns the file of inputs at path: .jsonl, .ndjson, .csv or .tsv, in upper
// or lower case. It does not open it.
func OpenInputs(path string) (*InputFile, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".jsonl", ".ndjson":
		return &InputFile{Name: path, path: path}, nil
	case ".csv":
		return &InputFile{Name: path, path: path, csv: true, comma: ','}, nil
	case ".tsv", ".tab":
		return &InputFile{Name: path, path: path, csv: true, comma: '\t'}, nil
	}
	return nil, fault.New(fault.Invalid, "%s is neither a .jsonl nor a .csv or .tsv file", path).
		WithHint("Write one JSON document a line, or a CSV file with a header.")
}

// JSONLines is the file at path as one of JSON Lines, whatever its name ends with.
func JSONLines(path string) *InputFile { return &InputFile{Name: path, path: path} }

// SpoolInputs takes the inputs that a stream holds, called name, into a temporary
// file: they are read twice, to be checked before the first of them is started.
// They are JSON Lines if the first line is a JSON text, or begins as an object or
// a list does, and CSV otherwise. The file has to be closed.
func SpoolInputs(ctx context.Context, name string, r io.Reader) (*InputFile, error) {
	f, err := os.CreateTemp("", "pipelinetui-inputs-")
	if err != nil {
		return nil, fault.New(fault.Internal, "keep %s: %v", name, fault.Reason(err)).Because(err).
			WithHint("Make room where TMPDIR points, or write the inputs to a file and name it.")
	}
	spool := &InputFile{Name: name, path: f.Name(), comma: ',', temporary: true}
	isCSV, err := outside.Do(ctx, name, func() (bool, error) {
		text := bufio.NewReader(r)
		begin, _ := text.Peek(2048) // what there is; an error comes again with the copy
		_, err := io.Copy(f, text)
		if err = errors.Join(err, f.Close()); err != nil {
			return false, fault.New(fault.Invalid, "read %s: %v", name, fault.Reason(err)).Because(err)
		}
		return !isJSONLine(begin), nil
	})
	if err != nil {
		spool.Close() // also where the copy goes on: it writes to a file without a name then
		return nil, err
	}
	spool.csv = isCSV
	return spool, nil
}

func isJSONLine(begin []byte) bool {
	text := bytes.TrimSpace(bytes.TrimPrefix(begin, []byte("\xef\xbb\xbf")))
	line, _, _ := bytes.Cut(text, []byte{'\n'})
	line = bytes.TrimSpace(line)
	return len(line) > 0 && (line[0] == '{' || line[0] == '[' || json.Valid(line))
}

// Close removes what was made for it.
func (f *InputFile) Close() {
	if f.temporary {
		_ = os.Remove(f.path) // the system clears its folder of such files
	}
}

// Check refuses a file that cannot be read or parsed before anything is started,
// since a batch must not stop in the middle for its last line, and tells how many
// inputs it holds. The error tells the first ten that are not valid, by the lines of
// the file.
func (f *InputFile) Check(ctx context.Context) (int, error) {
	return outside.Do(ctx, f.Name, func() (int, error) {
		var errs fault.List
		n := 0
		f.each(func(in input) bool {
			n++
			if in.err == nil {
				if err := validateInput(in.raw, in.line); err != nil {
					in.err = fault.Wrap(err, "%s:%d", f.Name, in.line)
				}
			}
			if in.err != nil {
				errs = append(errs, in.err)
			}
			return len(errs) < maxInputErrors && ctx.Err() == nil
		})
		if n == 0 {
			return 0, fault.New(fault.Invalid, "%s holds no inputs", f.Name).WithHint("Write one JSON document a line, or a CSV file with a header and rows.")
		}
		return n, errs.OrNil()
	})
}

// Items yields the inputs one by one; the file is never in memory whole: each line
// of JSON Lines, or each row of a CSV file as an object.
func (f *InputFile) Items() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		f.each(func(in input) bool { return yield(in.raw, in.err) })
	}
}

// CheckInputs is OpenInputs and Check.
func CheckInputs(ctx context.Context, path string) (int, error) {
	f, err := OpenInputs(path)
	if err != nil {
		return 0, err
	}
	return f.Check(ctx)
}

// Inputs is OpenInputs and Items.
func Inputs(path string) iter.Seq2[[]byte, error] {
	f, err := OpenInputs(path)
	if err != nil {
		return func(yield func([]byte, error) bool) { yield(nil, err) }
	}
	return f.Items()
}

// input is one of a file, or why it is none; line is that of the file where it
// begins.
type input struct {
	line int
	raw  []byte
	err  error
}

func (f *InputFile) each(yield func(input) bool) {
	file, err := os.Open(f.path)
	if err != nil {
		yield(input{line: 1, err: outside.FileFault("the file of inputs", f.Name, err)})
		return
	}
	defer file.Close()
	text := bufio.NewReaderSize(file, 64<<10)
	begin, _ := text.Peek(16)
	if err := outside.CheckEncoding(f.Name, begin); err != nil {
		yield(input{line: 1, err: err})
		return
	}
	// Excel's "CSV UTF-8" begins with a byte order mark, and so does what some
	// editors save.
	if bytes.HasPrefix(begin, []byte("\xef\xbb\xbf")) {
		_, _ = text.Discard(3) // they are there
	}
	begin, _ = text.Peek(sniffed)
	if err := f.sniff(begin); err != nil {
		yield(input{line: 1, err: err})
		return
	}
	if f.csv {
		f.rows(text, yield)
		return
	}
	f.lines(text, yield)
}

// lines yields the lines that are not blank.
func (f *InputFile) lines(text *bufio.Reader, yield func(input) bool) {
	for number := 1; ; number++ {
		line, tooLong, err := readLine(text, maxLine)
		in := input{line: number, raw: bytes.TrimSpace(line)}
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			in.err = outside.FileFault("the file of inputs", f.Name, err)
		case tooLong:
			in.raw, in.err = nil, f.tooLong("line", number)
		case !utf8.Valid(line):
			in.raw, in.err = nil, outside.NotUTF8(f.Name, number)
		case bytes.IndexByte(line, 0) >= 0:
			in.raw, in.err = nil, f.holdsZero(number)
		}
		if (len(in.raw) > 0 || in.err != nil) && !yield(in) || err != nil {
			return
		}
	}
}

// maxLine bounds a line of JSON Lines and a row of CSV, in bytes: room for the
// largest input (MaxInput), and for white space and quotes around it.
const maxLine = 2 * MaxInput

func (f *InputFile) tooLong(what string, line int) error {
	return fault.New(fault.Invalid, "%s:%d: the %s that begins here has more than %d KiB; an input may have %d KiB", f.Name, line, what, maxLine>>10, MaxInput>>10).
		WithHint("Put large data in S3 and pass its key. A quote that is never closed makes one long row of what follows.")
}

// readLine reads a line with its end. Of one that is longer than limit it drops
// what is too much, so that the next call is at the next line.
func readLine(r *bufio.Reader, limit int) (line []byte, tooLong bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > limit {
			tooLong = true
		} else {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, tooLong, err
		}
	}
}

// errLongRow ends the reading of a row that does not end.
var errLongRow = errors.New("the row is too long")

// rowReader fails if more than limit bytes were read behind a mark.
type rowReader struct {
	r           io.Reader
	read, limit int64
}

// Read implements io.Reader.
func (b *rowReader) Read(p []byte) (int, error) {
	if b.read > b.limit {
		return 0, errLongRow
	}
	n, err := b.r.Read(p)
	b.read += int64(n)
	return n, err
}

// rows makes an object of each row: the header names the keys, all values are
// strings, as Step Functions reads CSV.
func (f *InputFile) rows(text io.Reader, yield func(input) bool) {
	bounded := &rowReader{r: text, limit: maxLine}
	rows := csv.NewReader(bounded)
	rows.Comma = f.comma
	head, err := rows.Read()
	if errors.Is(err, io.EOF) {
		return
	}
	if err == nil {
		err = f.checkHead(head)
	} else {
		err = f.rowFault(1, err)
	}
	if err != nil {
		yield(input{line: 1, err: err})
		return
	}
	for line := 2; ; {
		bounded.limit = rows.InputOffset() + maxLine
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		in := input{line: line, err: f.rowFault(line, err)}
		if err == nil {
			in = f.row(rows, head, row)
			line = in.line + 1 // at least: a row may have several
		}
		// After a row with a wrong number of fields the next one is read; after a
		// wrong quote nobody knows where that begins.
		if !yield(in) || err != nil && !errors.Is(err, csv.ErrFieldCount) {
			return
		}
	}
}

func (f *InputFile) row(rows *csv.Reader, head, row []string) input {
	in := input{}
	in.line, _ = rows.FieldPos(0)
	item := make(map[string]string, len(head))
	for i, key := range head {
		if !utf8.ValidString(row[i]) {
			line, _ := rows.FieldPos(i)
			in.err = outside.NotUTF8(f.Name, line)
			return in
		}
		if strings.IndexByte(row[i], 0) >= 0 {
			line, _ := rows.FieldPos(i)
			in.err = f.holdsZero(line)
			return in
		}
		item[key] = row[i]
	}
	in.raw, in.err = json.Marshal(item)
	return in
}

// checkHead refuses a header that would lose a column.
func (f *InputFile) checkHead(head []string) error {
	seen := map[string]int{}
	for i, name := range head {
		if !utf8.ValidString(name) {
			return outside.NotUTF8(f.Name, 1)
		}
		if strings.IndexByte(name, 0) >= 0 {
			return f.holdsZero(1)
		}
		if name == "" {
			return fault.New(fault.Invalid, "%s:1: column %d has no name", f.Name, i+1).
				WithHint("Name every column in the first line: each becomes a key of the input.")
		}
		if first, ok := seen[name]; ok {
			return fault.New(fault.Invalid, "%s:1: columns %d and %d are both called %q", f.Name, first, i+1, name).
				WithHint("Name them differently: each column becomes a key of the input, and one value would be lost.")
		}
		seen[name] = i + 1
	}
	return nil
}

// rowFault says what is wrong with a row, with its line in the file; nil for nil.
// line is where the row begins, unless the error knows better.
func (f *InputFile) rowFault(line int, err error) error {
	if err == nil {
		return nil
	}
	var parse *csv.ParseError
	switch {
	case errors.Is(err, errLongRow):
		return f.tooLong("row", line)
	case errors.Is(err, csv.ErrFieldCount) && errors.As(err, &parse):
		return fault.New(fault.Invalid, "%s:%d: this row has another number of fields than the header", f.Name, parse.StartLine).Because(err).
			WithHint("A value with a comma in it needs double quotes around it.")
	case errors.As(err, &parse):
		place := fmt.Sprintf("%s:%d:%d", f.Name, parse.Line, parse.Column)
		if parse.StartLine != parse.Line {
			place += fmt.Sprintf(" (in the row that begins in line %d)", parse.StartLine)
		}
		return fault.New(fault.Invalid, "%s: %s", place, parse.Err).Because(err).
			WithHint(`Put double quotes around the whole value, and double those in it: "a ""quoted"" word".`)
	}
	return outside.FileFault("the file of inputs", f.Name, err)
}
