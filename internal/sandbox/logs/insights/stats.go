package insights

import (
	"encoding/json"
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// aggregate is a function of the records of a group.
type aggregate struct {
	name string
	of   func(records []Record) any
}

var aggregateCall = lazyregexp.New(`(?is)^([a-z_]+)\s*\(`)

// stats folds records into groups.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Stats.html
func (q *Query) stats(rest string) error {
	r, err := q.read(rest)
	if err != nil {
		return err
	}
	var folds []aggregate
	for {
		one, err := r.aggregate()
		if err != nil {
			return err
		}
		folds = append(folds, one)
		if r.token != "," {
			break
		}
		if err := r.next(); err != nil {
			return err
		}
	}
	var by []column
	if r.word("by") {
		if err := r.next(); err != nil {
			return err
		}
		if by, err = r.columns(""); err != nil {
			return err
		}
	}
	if r.token != "" {
		return wrong("unexpected symbol found %q", r.token+r.rest)
	}
	q.shown = nil
	for _, c := range by {
		q.shown = append(q.shown, column{c.name, fieldOf(c.name)})
	}
	for _, f := range folds {
		q.shown = append(q.shown, column{f.name, fieldOf(f.name)})
	}
	q.add(step{stats: true, all: func(records []Record) []Record { return q.grouped(records, by, folds) }}, r.fields)
	return nil
}

func (q *Query) grouped(records []Record, by []column, folds []aggregate) []Record {
	groups, order := map[string][]Record{}, []string{}
	for _, r := range records {
		key := keyOf(r, by)
		if groups[key] == nil {
			if !q.hold(len(key)) {
				return nil
			}
			order = append(order, key)
		}
		groups[key] = append(groups[key], r)
	}
	if len(by) == 0 && len(order) == 0 {
		order = []string{""}
	}
	var out []Record
	for _, key := range order {
		row := Record{}
		for _, c := range by {
			row[c.name] = c.of(groups[key][0])
		}
		for _, f := range folds {
			row[f.name] = f.of(groups[key])
		}
		if !q.hold(row.size()) {
			return nil
		}
		out = append(out, row)
	}
	return out
}

// aggregate reads one, with its name.
func (r *reader) aggregate() (aggregate, error) {
	begin := r.token + r.rest
	m := aggregateCall.FindStringSubmatch(begin)
	if m == nil {
		return aggregate{}, wrong("stats takes functions such as count(*), not %q", begin)
	}
	for range 2 {
		if err := r.next(); err != nil {
			return aggregate{}, err
		}
	}
	var args []expression
	var err error
	if r.token == "*" {
		err = r.next()
		if err == nil {
			err = r.expect(")")
		}
	} else {
		args, err = r.list(")")
	}
	if err != nil {
		return aggregate{}, err
	}
	out := aggregate{name: strings.TrimSpace(strings.TrimSuffix(begin, r.token+r.rest))}
	if out.of, err = r.fold(strings.ToLower(m[1]), args); err != nil {
		return out, err
	}
	if r.word("as") {
		if err := r.next(); err != nil {
			return out, err
		}
		out.name = strings.Trim(r.token, "`")
		return out, r.next()
	}
	return out, nil
}

// fold is an aggregate function of arguments.
func (r *reader) fold(name string, args []expression) (func([]Record) any, error) {
	if name == "count" && len(args) == 0 {
		return func(records []Record) any { return float64(len(records)) }, nil
	}
	want := 1
	if name == "pct" || name == "percentile" {
		want = 2
	}
	if len(args) != want {
		return nil, wrong("the function %s does not take %d arguments", name, len(args))
	}
	of := args[0]
	if fn := onValues[name]; fn != nil {
		return func(records []Record) any { return fn(values(records, of)) }, nil
	}
	if fn := onNumbers[name]; fn != nil {
		return func(records []Record) any {
			if list := numbers(records, of); len(list) > 0 {
				if out := fn(list); finite(out) {
					return out
				}
			}
			return nil
		}, nil
	}
	switch name {
	case "pct", "percentile":
		return func(records []Record) any {
			list := numbers(records, of)
			p, ok := number(args[1](Record{}))
			if len(list) == 0 || !ok {
				return nil
			}
			slices.Sort(list)
			return list[int(min(max(math.Ceil(p/100*float64(len(list)))-1, 0), float64(len(list)-1)))]
		}, nil
	case "count_distinct":
		return func(records []Record) any {
			seen := map[string]bool{}
			for v := range values(records, of) {
				if key := text(v); !seen[key] {
					if !r.q.hold(len(key)) {
						return nil
					}
					seen[key] = true
				}
			}
			return float64(len(seen))
		}, nil
	case "earliest", "latest":
		return func(records []Record) any { return byTime(records, of, name == "latest") }, nil
	}
	return nil, wrong("the function %s is not known to stats", name)
}

var onValues = map[string]func(iter.Seq[any]) any{
	"count": func(all iter.Seq[any]) any {
		n := 0.0
		for range all {
			n++
		}
		return n
	},
	"min": extreme(-1), "max": extreme(1), "sortsfirst": extreme(-1), "sortslast": extreme(1),
}

func extreme(sign int) func(iter.Seq[any]) any {
	return func(all iter.Seq[any]) any {
		var out any
		for v := range all {
			if out == nil || compare(v, out)*sign > 0 {
				out = v
			}
		}
		if s, isText := out.(string); isText {
			if _, ok := number(out); ok { // written as numbers are
				return json.Number(strings.TrimSpace(s))
			}
		}
		return out
	}
}

var onNumbers = map[string]func([]float64) float64{
	"sum": total,
	"avg": func(list []float64) float64 { return total(list) / float64(len(list)) },
	"stddev": func(list []float64) float64 {
		mean, sum := total(list)/float64(len(list)), 0.0
		for _, x := range list {
			sum += (x - mean) * (x - mean)
		}
		return math.Sqrt(sum / float64(len(list)))
	},
}

func total(list []float64) (sum float64) {
	for _, x := range list {
		sum += x
	}
	return sum
}

// values are what an expression is of the records, one at a time: texts that functions
// make are not kept.
func values(records []Record, of expression) iter.Seq[any] {
	return func(yield func(any) bool) {
		for _, r := range records {
			if v := of(r); v != nil && !yield(v) {
				return
			}
		}
	}
}

func numbers(records []Record, of expression) (out []float64) {
	for v := range values(records, of) {
		if n, ok := number(v); ok {
			out = append(out, n)
		}
	}
	return out
}

func byTime(records []Record, of expression, latest bool) any {
	var best Record
	for _, r := range records {
		if of(r) == nil {
			continue
		}
		c := 0
		if best != nil {
			c = compare(r["@timestamp"], best["@timestamp"])
		}
		if best == nil || latest && c > 0 || !latest && c < 0 {
			best = r
		}
	}
	if best == nil {
		return nil
	}
	return of(best)
}
