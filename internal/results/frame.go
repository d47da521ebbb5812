package results

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/document"
	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Format is a form of a table of results as a file.
type Format string

// The formats.
const (
	JSONL   Format = "jsonl"
	CSV     Format = "csv"
	Parquet Format = "parquet"
)

// FormatOf is the format that the name of a file says; false if it says none.
func FormatOf(name string) (Format, bool) {
	for _, f := range []Format{JSONL, CSV, Parquet} {
		if strings.HasSuffix(strings.ToLower(name), "."+string(f)) {
			return f, true
		}
	}
	return "", false
}

// schemaRows is how many rows decide what columns there are.
const schemaRows = 1000

// kind is what the cells of a column are.
type kind int

const (
	numbers kind = iota // each a number that a float64 holds
	texts               // each a text
	values              // each anything, as JSON
)

// column is one of a table.
type column struct {
	name string
	kind kind
}

// rest is the column of what has no other.
const rest = "rest"

// Writer writes a table of results: the columns execution (if there are several), id,
// input, error and cause as far as they are there, one for each field of the predictions
// (prediction.label), and rest, a JSON object of what has no column. The first 1,000 rows
// decide which columns there are. Nothing is lost: a field that is not in its column, for
// it came later or is of another kind, is in rest.
//
// JSON lines hold each result as it is, without columns.
type Writer struct {
	format Format
	// sheet says that cells which a spreadsheet would take for formulas begin with an
	// apostrophe (Spreadsheet).
	sheet   bool
	out     io.Writer
	rows    []*Item // until the columns are decided
	begun   bool
	columns []column
	at      map[string]int // columns by name
	csv     *csv.Writer
	parquet *parquetWriter
	count   int64
}

// NewWriter returns a writer of a format. Spreadsheet matters to CSV only: cells that a
// spreadsheet would run as formulas get an apostrophe in front, and so do those that begin
// with one, so that what was written can be told: one apostrophe less. Without it a cell
// is what the prediction says, for a data frame knows no such rule.
func NewWriter(out io.Writer, format Format, spreadsheet bool) *Writer {
	return &Writer{format: format, sheet: spreadsheet, out: out}
}

// Count is how many results were added.
func (w *Writer) Count() int64 { return w.count }

// Add writes a result.
func (w *Writer) Add(it Item) error {
	w.count++
	if w.format == JSONL {
		it.At, it.Size = Cursor{}, 0
		return w.line(&it)
	}
	if !w.begun {
		if w.rows = append(w.rows, &it); len(w.rows) < schemaRows {
			return nil
		}
		return w.begin()
	}
	return w.row(&it)
}

// Close writes what is left. It does not close the writer below.
func (w *Writer) Close() error {
	if w.format == JSONL {
		return nil
	}
	if !w.begun {
		if err := w.begin(); err != nil {
			return err
		}
	}
	if w.parquet != nil {
		return w.parquet.close()
	}
	w.csv.Flush()
	return w.csv.Error()
}

// line writes a result as a line of JSON; what was given as JSON keeps its numbers as
// they are written.
func (w *Writer) line(it *Item) error {
	text, err := document.JSON(it, "")
	if err != nil {
		return fault.New(fault.Damaged, "the result %s is not JSON: %s", it.Key(), err).Because(err)
	}
	_, err = w.out.Write(text)
	return err
}

// begin decides on the columns and writes the rows that wait.
func (w *Writer) begin() error {
	w.begun = true
	w.columns, w.at = columnsOf(w.rows), map[string]int{}
	for i, c := range w.columns[:len(w.columns)-1] {
		w.at[c.name] = i
	}
	if w.format == Parquet {
		w.parquet = newParquetWriter(w.out, w.columns)
	} else {
		w.csv = csv.NewWriter(w.out)
		names := make([]string, len(w.columns))
		for i, c := range w.columns {
			names[i] = w.cell(c.name)
		}
		if err := w.csv.Write(names); err != nil {
			return err
		}
	}
	for _, it := range w.rows {
		if err := w.row(it); err != nil {
			return err
		}
	}
	w.rows = nil
	return nil
}

// cellsOf are all that a result says, by the name of the column.
func cellsOf(it *Item) []Field {
	var out []Field
	own := func(name string, raw json.RawMessage) {
		if len(raw) > 0 {
			out = append(out, Field{name, raw})
		}
	}
	own("execution", textOrNil(it.Execution))
	own("id", it.ID)
	own("input", it.Input)
	own("error", textOrNil(it.Error))
	own("cause", textOrNil(it.Cause))
	own("head", textOrNil(it.Head))
	for _, f := range Flatten(it.Prediction) {
		name := "prediction"
		switch {
		case strings.HasPrefix(f.Path, "["):
			name += f.Path
		case f.Path != "":
			name += "." + f.Path
		}
		out = append(out, Field{name, f.Value})
	}
	return out
}

// columnsOf are the columns for what is in some rows; rest is the last one.
func columnsOf(rows []*Item) []column {
	var out []column
	at := map[string]int{}
	for _, it := range rows {
		for _, f := range cellsOf(it) {
			is := kindOf(f.Value)
			i, seen := at[f.Path]
			switch {
			case seen && out[i].kind != is:
				out[i].kind = values
			case !seen && len(out) < maxFields:
				at[f.Path] = len(out)
				out = append(out, column{f.Path, is})
			}
		}
	}
	order := []string{"execution", "id", "input", "error", "cause"}
	slices.SortStableFunc(out, func(a, b column) int {
		place := func(c column) int {
			if i := slices.Index(order, c.name); i >= 0 {
				return i
			}
			return len(order)
		}
		return place(a) - place(b)
	})
	return append(out, column{rest, values})
}

func kindOf(raw json.RawMessage) kind {
	switch {
	case exactNumber(raw):
		return numbers
	case raw[0] == '"':
		return texts
	}
	return values
}

// exactNumber tells whether a JSON value is a number that a float64 holds: one that comes
// out as it went in.
func exactNumber(raw json.RawMessage) bool {
	f := Field{Value: raw}
	n, ok := f.Number()
	if !ok {
		return false
	}
	for _, form := range []byte{'g', 'f', 'e'} {
		if strconv.FormatFloat(n, form, -1, 64) == string(raw) {
			return true
		}
	}
	// 1.0 and 1E2 are written otherwise, and mean a number that a float64 holds all the
	// same; whole numbers beyond 2^53 may not be.
	return strings.ContainsAny(string(raw), ".eE") && len(raw) <= 17
}

func textOrNil(s string) json.RawMessage {
	if s == "" {
		return nil
	}
	raw, _ := json.Marshal(s) // a text is always JSON
	return raw
}

// row writes a row.
func (w *Writer) row(it *Item) error {
	cells := make([]json.RawMessage, len(w.columns))
	left := map[string]json.RawMessage{}
	for _, f := range cellsOf(it) {
		i, known := w.at[f.Path]
		// An empty cell of CSV is one that is not there.
		blank := w.csv != nil && string(f.Value) == `""`
		if !known || blank || w.columns[i].kind != values && w.columns[i].kind != kindOf(f.Value) {
			left[f.Path] = f.Value
			continue
		}
		cells[i] = f.Value
	}
	if len(left) > 0 {
		raw, err := json.Marshal(left)
		if err != nil {
			return fault.New(fault.Damaged, "the result %s is not JSON: %s", it.Key(), err).Because(err)
		}
		cells[len(cells)-1] = raw
	}
	if w.parquet != nil {
		return w.parquet.row(cells)
	}
	line := make([]string, len(cells))
	for i, raw := range cells {
		switch w.columns[i].kind {
		case numbers:
			line[i] = string(raw) // -5 is no formula
		case texts:
			line[i] = w.cell(plain(raw))
		default:
			line[i] = w.cell(string(raw))
		}
	}
	return w.csv.Write(line)
}

// cell is a text as it is written into CSV.
func (w *Writer) cell(text string) string {
	if w.sheet && text != "" && strings.ContainsRune("=+-@\t\r'", rune(text[0])) {
		return "'" + text
	}
	return text
}
