package executions

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// maxInputErrors bounds how many errors of a file of inputs are told.
const maxInputErrors = 10

// NewBatch returns a name for a batch: batch-<utc time>.
func NewBatch(now time.Time) string { return "batch-" + now.UTC().Format("20060102t150405") }

// reason is what is wrong with a file, without its path.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// CheckInputs refuses a file that cannot be read or parsed before anything is
// started, since a batch must not stop in the middle for its last line, and tells
// how many inputs it holds. The error tells the first ten that are not valid.
func CheckInputs(path string) (int, error) {
	if ext := filepath.Ext(path); ext != ".jsonl" && ext != ".ndjson" && ext != ".csv" {
		return 0, fault.New(fault.Invalid, "%s is neither a .jsonl nor a .csv file", path).
			WithHint("Write one JSON document a line, or a CSV file with a header.")
	}
	var errs fault.List
	n := 0
	for raw, err := range Inputs(path) {
		n++
		if err == nil {
			err = ValidateInput(raw)
		}
		if err == nil {
			continue
		}
		errs = append(errs, fault.Wrap(err, "%s: input %d", path, n))
		if len(errs) == maxInputErrors {
			break
		}
	}
	if n == 0 {
		return 0, fault.New(fault.Invalid, "%s holds no inputs", path).WithHint("Write one JSON document a line.")
	}
	return n, errs.OrNil()
}

// Inputs yields the inputs of a file one by one; it is never in memory whole: each
// line of JSON Lines, or each row of a CSV file (.csv) as an object.
func Inputs(path string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(nil, fault.New(fault.Invalid, "%s cannot be read: %s", path, reason(err)).Because(err))
			return
		}
		defer f.Close()
		if filepath.Ext(path) == ".csv" {
			csvInputs(f, yield)
			return
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 2*MaxInput)
		for lines.Scan() {
			line := bytes.TrimSpace(lines.Bytes())
			if len(line) > 0 && !yield(bytes.Clone(line), nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(nil, fault.New(fault.Invalid, "%s: %s", path, err).Because(err))
		}
	}
}

// csvInputs makes an object of each row: the header names the keys, all values
// are strings, as Step Functions reads CSV.
func csvInputs(r io.Reader, yield func([]byte, error) bool) {
	rows := csv.NewReader(r)
	head, err := rows.Read()
	if err != nil {
		yield(nil, fault.New(fault.Invalid, "the CSV file has no header: %s", err).Because(err))
		return
	}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			yield(nil, fault.New(fault.Invalid, "%s", err).Because(err))
			return
		}
		item := make(map[string]string, len(head))
		for i, key := range head {
			item[key] = row[i]
		}
		raw, err := json.Marshal(item)
		if !yield(raw, err) {
			return
		}
	}
}
