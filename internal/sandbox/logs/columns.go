package logs

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// columnsPattern matches messages that are columns with spaces between them:
// [ip, user, ..., status = 4*, bytes >= 1000]. One "..." stands for any number of
// columns. What is between quotation marks or square brackets is one column.
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html)
type columnsPattern struct {
	columns []column
	rest    int // where "..." stands, -1 without
}

type column struct {
	name  string
	holds condition // nil: any value
}

const columnsStop = jsonStop + ",]"

var columnName = lazyregexp.New(`^[A-Za-z0-9_][A-Za-z0-9_.\-]*`)

func parseColumns(p string) (pattern, error) {
	r := &patternReader{rest: strings.TrimPrefix(p, "["), stop: columnsStop}
	out := &columnsPattern{rest: -1}
	if r.take("]") && r.peek() == "" { // no columns are any, by recordings of AWS
		out.rest = 0
		return out, nil
	}
	for {
		if r.take("...") {
			if out.rest >= 0 {
				return nil, badPattern("an ellipsis stands for columns twice")
			}
			out.rest = len(out.columns)
		} else {
			c, err := r.column()
			if err != nil {
				return nil, err
			}
			out.columns = append(out.columns, c)
		}
		if r.take(",") {
			continue
		}
		if !r.take("]") || r.peek() != "" {
			return nil, badPattern("unexpected " + strconv.Quote(r.rest) + " behind a column")
		}
		return out, nil
	}
}

// column reads a name, or conditions on it that are joined by && and ||.
func (r *patternReader) column() (column, error) {
	name := columnName.FindString(r.peek())
	if name == "" {
		return column{}, badPattern("the name of a column is missing before " + strconv.Quote(r.rest))
	}
	if after := strings.TrimLeft(r.rest[len(name):], " \t\r\n"); after == "" || after[0] == ',' || after[0] == ']' {
		r.rest = after
		return column{name: name}, nil
	}
	r.operand = func() (operand, error) {
		if again := columnName.FindString(r.peek()); again != name {
			return nil, badPattern("a condition of the column " + name + " is about " + strconv.Quote(again))
		}
		r.rest = r.rest[len(name):]
		return func(doc any) []any { return []any{doc} }, nil
	}
	holds, err := r.alternatives(0)
	return column{name, holds}, err
}

func (p *columnsPattern) holds(message string) bool {
	_, ok := p.match(message)
	return ok
}

func (p *columnsPattern) values(message string) map[string]string {
	found, _ := p.match(message)
	return found
}

func (p *columnsPattern) value(message, selector string) (string, bool) {
	found, ok := p.match(message)
	if !ok {
		return "", false
	}
	text, ok := found[selector]
	return text, ok
}

// match returns the columns of a message by their names, "$name", or "$" and the
// number of the column where an ellipsis stands for it.
func (p *columnsPattern) match(message string) (map[string]string, bool) {
	texts := splitColumns(message)
	extra := len(texts) - len(p.columns)
	if extra < 0 || extra > 0 && p.rest < 0 {
		return nil, false
	}
	out := make(map[string]string, len(texts))
	for i, text := range texts {
		c := i
		if p.rest >= 0 && i >= p.rest {
			if i < p.rest+extra {
				out["$"+strconv.Itoa(i+1)] = text
				continue
			}
			c = i - extra
		}
		if holds := p.columns[c].holds; holds != nil && !holds(columnValue(text)) {
			return nil, false
		}
		out["$"+p.columns[c].name] = text
	}
	return out, true
}

// columnValue is the text as conditions look at it: a number is compared as one.
func columnValue(text string) any {
	if n := json.Number(text); json.Valid([]byte(text)) {
		if _, err := n.Float64(); err == nil {
			return n
		}
	}
	return text
}

// splitColumns cuts a message at its spaces.
func splitColumns(message string) []string {
	var out []string
	for rest := strings.TrimLeft(message, " \t\r\n"); rest != ""; rest = strings.TrimLeft(rest, " \t\r\n") {
		if closing := map[byte]string{'"': `"`, '[': "]"}[rest[0]]; closing != "" {
			if inside, after, ok := strings.Cut(rest[1:], closing); ok && (after == "" || strings.ContainsAny(after[:1], " \t\r\n")) {
				out, rest = append(out, inside), after
				continue
			}
		}
		end := strings.IndexAny(rest, " \t\r\n")
		if end < 0 {
			end = len(rest)
		}
		out, rest = append(out, rest[:end]), rest[end:]
	}
	return out
}
