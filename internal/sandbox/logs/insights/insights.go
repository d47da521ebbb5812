// Package insights owns the query language of CloudWatch Logs Insights: fields, display,
// filter, parse, stats, sort, limit and dedup over records. It knows no groups and no
// streams: who runs a query gives it the records.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
package insights

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
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

// Query is a query that was read.
type Query struct {
	steps  []step
	shown  []column // of fields and display
	limit  int
	groups bool // stats made of records something else
}

// step turns records into others.
type step func(records []Record) []Record

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
		r[prefix] = strconv.FormatBool(x)
	default:
		r[prefix] = x
	}
}

// Run runs the query over records. most bounds the rows, 0 does not.
func (q *Query) Run(records []Record, most int) Result {
	out := Result{Scanned: len(records)}
	slices.SortStableFunc(records, func(a, b Record) int { return -compare(a["@timestamp"], b["@timestamp"]) })
	for _, s := range q.steps {
		records = s(records)
	}
	out.Matched = len(records)
	limit := cmp.Or(q.limit, DefaultLimit)
	if most > 0 {
		limit = min(limit, most)
	}
	for _, r := range records[:min(limit, len(records))] {
		out.Rows = append(out.Rows, q.row(r))
	}
	return out
}

// row are the fields of a record that are shown.
func (q *Query) row(r Record) []Field {
	row := []Field{}
	shown := q.shown
	if len(shown) == 0 && !q.groups {
		shown = []column{{"@timestamp", fieldOf("@timestamp")}, {"@message", fieldOf("@message")}}
	}
	for _, c := range shown {
		if v := c.of(r); v != nil {
			row = append(row, Field{c.name, text(v)})
		}
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
	case float64:
		if x == math.Trunc(x) && math.Abs(x) < 1e15 {
			return strconv.FormatFloat(x, 'f', -1, 64)
		}
		return strconv.FormatFloat(math.Round(x*10_000)/10_000, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// number reads a value as one.
func number(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case time.Time:
		return float64(x.UnixMilli()), true
	case bool:
		if x {
			return 1, true
		}
		return 0, true
	case string:
		n, err := strconv.ParseFloat(strings.TrimSpace(x), 64)
		return n, err == nil
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
	if ok && both {
		return cmp.Compare(x, y)
	}
	return strings.Compare(text(a), text(b))
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
