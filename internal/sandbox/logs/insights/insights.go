// Package insights owns the query language of CloudWatch Logs Insights: fields, display,
// filter, parse, stats, sort, limit and dedup over records. It knows no groups and no
// streams: who runs a query gives it the records.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
package insights

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Record is one log event by the names of its fields: texts, numbers, or nothing for
// fields that are not there.
type Record map[string]any

// Field is a field of a row.
type Field struct{ Name, Value string }

// Result is what a query found.
type Result struct {
	Rows             [][]Field
	Matched, Scanned int
}

// Error is what is wrong with a query.
type Error struct{ What string }

func (e *Error) Error() string { return e.What }

func wrong(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Query is a query that was read. It is run once: Add gives it the records, End what it
// found. It is not for concurrent use.
type Query struct {
	steps  []step
	shown  []column // of fields and display
	limit  int
	groups bool // stats made of records something else

	most    int             // rows, 0 for any number
	lead    int             // so many steps at the beginning look at one record at a time
	matches int             // the step that decides what matches: the last filter of events, or -1
	needed  map[string]bool // fields that the steps behind lead and the rows read

	records          []timed
	scanned, matched int
	held             int // bytes, about
	failed           *Error
}

// timed is a record with its event's time.
type timed struct {
	at time.Time
	Record
}

// step turns records into others: each of them alone, or all together.
type step struct {
	each func(r Record) bool // false drops it
	all  func(records []Record) []Record

	filter, stats bool
	limit         int
}

// add appends a step that reads fields.
func (q *Query) add(s step, fields map[string]bool) {
	if s.filter && !q.groups {
		q.matches = len(q.steps)
	}
	q.groups = q.groups || s.stats
	q.steps = append(q.steps, s)
	if s.each != nil && q.lead == len(q.steps)-1 {
		q.lead++
		return
	}
	maps.Copy(q.needed, fields)
}

// column is an expression with the name that it has in answers.
type column struct {
	name string
	of   expression
}

// DefaultLimit is how many rows a query gives that asks for no number.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Limit.html
const DefaultLimit = 10_000

// Event makes a record of an event: its own fields, and those of a message that is JSON.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html
func Event(message, log, stream, ptr string, at, ingested time.Time) Record {
	r := Record{"@message": message, "@log": log, "@logStream": stream, "@ptr": ptr, "@timestamp": at, "@ingestionTime": ingested}
	if at := strings.IndexByte(message, '{'); at >= 0 {
		var doc map[string]any
		dec := json.NewDecoder(strings.NewReader(message[at:]))
		dec.UseNumber() // ids have more digits than a float64
		if dec.Decode(&doc) == nil {
			r.discover("", doc, 0)
		}
	}
	return r
}

// Limits of discovery, by the same page.
const (
	maxDiscovered = 200
	maxLevels     = 32
)

// set gives the record a field of its event's. One that begins with @ is not the system's:
// it gets another @ before it, by the page above.
func (r Record) set(name string, value any) {
	if strings.HasPrefix(name, "@") {
		name = "@" + name
	}
	r[name] = value
}

func (r Record) discover(prefix string, doc any, level int) {
	if len(r) >= maxDiscovered || level > maxLevels {
		return
	}
	switch x := doc.(type) {
	case map[string]any:
		for k, v := range x {
			r.discover(strings.TrimPrefix(prefix+"."+k, "."), v, level+1)
		}
	case []any:
		for i, v := range x {
			r.discover(prefix+"."+strconv.Itoa(i), v, level+1)
		}
	case nil:
	case bool:
		r.set(prefix, strconv.FormatBool(x))
	default:
		r.set(prefix, x)
	}
}

// What a query may hold at a time. AWS has other limits, by time and by the size of what
// is found; these are of one machine.
const (
	maxText = 2 << 20   // bytes of a text that a function makes
	maxHeld = 256 << 20 // bytes of records
	maxRows = 64 << 20  // bytes of rows
)

func (q *Query) fail(format string, args ...any) {
	if q.failed == nil {
		q.failed = &Error{fmt.Sprintf(format, args...)}
	}
}

// err is the failure, if there was one.
func (q *Query) err() error {
	if q.failed == nil {
		return nil
	}
	return q.failed
}

// hold counts bytes that are held until the end. It returns false, and the query fails,
// if they are too many.
func (q *Query) hold(n int) bool {
	if q.held += n; q.held > maxHeld {
		q.fail("the query has to hold more than %d MB at a time; filter more, or name fewer fields", maxHeld>>20)
	}
	return q.failed == nil
}

// size is about how many bytes a record takes.
func (r Record) size() int {
	n := 64
	for k, v := range r {
		n += 48 + len(k)
		switch x := v.(type) {
		case string:
			n += len(x)
		case json.Number:
			n += len(x)
		}
	}
	return n
}

// Add takes a record, which the query may change. What it does with single records it
// does at once, so that it holds only what is left of those that it still needs. An
// *Error is that it cannot go on.
func (q *Query) Add(r Record) error {
	q.scanned++
	at, _ := r["@timestamp"].(time.Time)
	for i, s := range q.steps[:q.lead] {
		if !s.each(r) || q.failed != nil {
			return q.err()
		}
		if i == q.matches {
			q.matched++
		}
	}
	for k, v := range r {
		if !q.needed[k] {
			delete(r, k)
		} else if s, ok := v.(string); ok && k != "@message" {
			r[k] = strings.Clone(s) // it may be a part of the message
		}
	}
	q.records = append(q.records, timed{at, r})
	q.hold(r.size())
	if most := q.newest(); most > 0 && len(q.records) >= 2*most {
		q.order()
		clear(q.records[most:])
		q.records, q.held = q.records[:most], 0
		for _, k := range q.records {
			q.held += k.size()
		}
	}
	return q.err()
}

// newest is how many records are enough: of a query that but shows the newest, 0 of others.
func (q *Query) newest() int {
	out := q.rows()
	for _, s := range q.steps[q.lead:] {
		if s.limit == 0 {
			return 0
		}
		out = min(out, s.limit)
	}
	return out
}

// rows is how many are given at most.
func (q *Query) rows() int {
	limit := cmp.Or(q.limit, DefaultLimit)
	if q.most > 0 {
		limit = min(limit, q.most)
	}
	return limit
}

// order puts the newest first.
func (q *Query) order() {
	slices.SortStableFunc(q.records, func(a, b timed) int { return b.at.Compare(a.at) })
}

// End returns what the query found, or an *Error.
func (q *Query) End() (Result, error) {
	out := Result{Scanned: q.scanned}
	q.order()
	records := make([]Record, len(q.records))
	for i, k := range q.records {
		records[i] = k.Record
	}
	q.records = nil
	for i, s := range q.steps[q.lead:] {
		if s.each != nil {
			records = slices.DeleteFunc(records, func(r Record) bool { return !s.each(r) })
		} else {
			records = s.all(records)
		}
		if q.failed != nil {
			return out, q.failed
		}
		if q.lead+i == q.matches {
			q.matched = len(records)
		}
	}
	if out.Matched = q.matched; q.matches < 0 {
		out.Matched = q.scanned
	}
	size := 0
	for _, r := range records[:min(q.rows(), len(records))] {
		row := q.row(r, &size)
		if q.failed != nil {
			return out, q.failed
		}
		out.Rows = append(out.Rows, row)
	}
	return out, nil
}

// row are the fields of a record that are shown. size counts the bytes of all rows.
func (q *Query) row(r Record, size *int) []Field {
	row := []Field{}
	for _, c := range q.shown {
		v := c.of(r)
		if v == nil {
			continue
		}
		f := Field{c.name, text(v)}
		if *size += len(f.Name) + len(f.Value); *size > maxRows {
			q.fail("the rows have more than %d MB; limit them, or name fewer fields", maxRows>>20)
			return nil
		}
		row = append(row, f)
	}
	if ptr, ok := r["@ptr"]; ok && !q.groups {
		row = append(row, Field{"@ptr", text(ptr)})
	}
	return row
}

const stamp = "2006-01-02 15:04:05.000"

// text writes a value as answers have it.
func text(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case time.Time:
		return x.UTC().Format(stamp)
	case bool:
		if x {
			return "1"
		}
		return "0"
	case json.Number:
		if n, ok := decimal(string(x)); ok && !whole(string(x)) {
			return text(n)
		}
		return string(x)
	case float64:
		if x == math.Trunc(x) || math.Abs(x) > 1e15 {
			return strconv.FormatFloat(x, 'f', -1, 64)
		}
		return strconv.FormatFloat(math.Round(x*10_000)/10_000, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// decimal reads a number as logs and JSON have them. "NaN" and "Infinity" are words, and
// hexadecimal floats are of Go only.
func decimal(s string) (float64, bool) {
	if strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}

// whole reports whether a number is written as an integer.
func whole(s string) bool { return !strings.ContainsAny(s, ".eE") }

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// number reads a value as one, which is finite.
func number(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, finite(x)
	case json.Number:
		return decimal(string(x))
	case time.Time:
		return float64(x.UnixMilli()), true
	case bool:
		if x {
			return 1, true
		}
		return 0, true
	case string:
		return decimal(strings.TrimSpace(x))
	}
	return 0, false
}

// compare orders values: numbers as such, others as texts, nothing first.
func compare(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	x, ok := number(a)
	y, both := number(b)
	if !ok || !both {
		return strings.Compare(text(a), text(b))
	}
	if c := cmp.Compare(x, y); c != 0 || math.Abs(x) < 1<<53 {
		return c
	}
	// Integers that a float64 does not tell apart.
	m, exact := new(big.Int).SetString(strings.TrimSpace(text(a)), 10)
	n, too := new(big.Int).SetString(strings.TrimSpace(text(b)), 10)
	if !exact || !too {
		return 0
	}
	return m.Cmp(n)
}

// truth is what a condition says.
func truth(v any) bool {
	switch x := v.(type) {
	case nil:
		return false
	case bool:
		return x
	case string:
		return x != ""
	}
	n, _ := number(v)
	return n != 0
}
