package cloudwatch

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/cloudwatch/metricmath"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Search expressions: which metrics a SEARCH of metric math means.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html

// maxFound is how many time series a search finds at most, of which AWS takes any.
const maxFound = 500

// sought is a search that was read.
type sought struct {
	schema []string // the namespace and the names of all dimensions; nil: any
	term   func(m types.Metric) bool
}

// searching reads a search: words and signs, one after the other.
type searching struct {
	tokens []word
	failed bool
}

// word is a token: of letters, or quoted, or one sign.
type word struct {
	text   string
	quoted bool
	sign   bool
}

func (w word) is(sign string) bool { return w.sign && w.text == sign }

func words(text string) (out []word, ok bool) {
	const signs = "{}(),="
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		end := strings.IndexFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(signs+`"`, r) })
		switch {
		case text[0] == '"':
			inside, rest, closed := strings.Cut(text[1:], `"`)
			if !closed {
				return nil, false
			}
			out, text = append(out, word{text: inside, quoted: true}), rest
		case strings.ContainsRune(signs, rune(text[0])):
			out, text = append(out, word{text: text[:1], sign: true}), text[1:]
		case end < 0:
			out, text = append(out, word{text: text}), ""
		default:
			out, text = append(out, word{text: text[:end]}), text[end:]
		}
	}
	return out, true
}

func (p *searching) peek() word {
	if len(p.tokens) == 0 {
		return word{}
	}
	return p.tokens[0]
}

func (p *searching) next() word {
	w := p.peek()
	if len(p.tokens) > 0 {
		p.tokens = p.tokens[1:]
	}
	return w
}

// end is set where no more terms follow.
func (p *searching) end() bool { return len(p.tokens) == 0 || p.peek().is(")") }

func parseSearch(text string) (sought, bool) {
	list, ok := words(text)
	p := &searching{tokens: list}
	out := sought{term: func(types.Metric) bool { return true }}
	if !ok || len(list) == 0 {
		return out, false
	}
	if p.peek().is("{") {
		out.schema = p.names()
		if p.peek().is(",") {
			p.next()
		}
	}
	if len(p.tokens) > 0 {
		out.term = p.either("")
	}
	return out, !p.failed && len(p.tokens) == 0
}

// names are those of a schema, in braces.
func (p *searching) names() (out []string) {
	for p.next(); !p.failed; {
		w := p.next()
		p.failed = w.sign || w.text == ""
		out = append(out, w.text)
		if sep := p.next(); !sep.is(",") {
			p.failed = p.failed || !sep.is("}")
			break
		}
	}
	return out
}

func (p *searching) either(of string) func(types.Metric) bool {
	a := p.both(of)
	for !p.failed && p.peek() == (word{text: "OR"}) {
		p.next()
		left, right := a, p.both(of)
		a = func(m types.Metric) bool { return left(m) || right(m) }
	}
	return a
}

// both are terms that all have to be met, with AND between them or nothing.
func (p *searching) both(of string) func(types.Metric) bool {
	a := p.one(of)
	for !p.failed && !p.end() && p.peek() != (word{text: "OR"}) {
		if p.peek() == (word{text: "AND"}) {
			p.next()
		}
		left, right := a, p.one(of)
		a = func(m types.Metric) bool { return left(m) && right(m) }
	}
	return a
}

// one is a term, of is the property that it was said to be about.
func (p *searching) one(of string) func(types.Metric) bool {
	w := p.next()
	switch {
	case w == (word{text: "NOT"}):
		inner := p.one(of)
		return func(m types.Metric) bool { return !inner(m) }
	case w.is("("):
		inner := p.either(of)
		p.failed = p.failed || !p.next().is(")")
		return inner
	case w.sign || w.text == "" || w == (word{text: "OR"}) || w == (word{text: "AND"}):
		p.failed = true
		return nil
	case p.peek().is("=") && of == "":
		p.next()
		return p.one(w.text)
	}
	return func(m types.Metric) bool { return slices.ContainsFunc(properties(m, of), w.meets) }
}

// properties are the texts of a metric that are searched: all, or one by its name.
func properties(m types.Metric, of string) []string {
	switch of {
	case "":
		out := []string{*m.Namespace, *m.MetricName}
		for _, d := range m.Dimensions {
			out = append(out, *d.Name, *d.Value)
		}
		return out
	case "Namespace":
		return []string{*m.Namespace}
	case "MetricName":
		return []string{*m.MetricName}
	}
	for _, d := range m.Dimensions {
		if *d.Name == of {
			return []string{*d.Value}
		}
	}
	return nil
}

// meets compares a text as a whole if the word is quoted, else by their parts.
func (w word) meets(text string) bool {
	if w.quoted {
		return w.text == text
	}
	have := parts(text)
	for _, t := range parts(w.text) {
		if !slices.Contains(have, t) {
			return strings.EqualFold(w.text, text)
		}
	}
	return true
}

// parts are what a text is found by: what stands between other signs than letters and
// digits, and in that its words, where case changes or digits begin.
func parts(text string) (out []string) {
	for _, piece := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		rs, from := []rune(piece), 0
		for i := 1; i <= len(rs); i++ {
			if i < len(rs) && !breaks(rs, i) {
				continue
			}
			out, from = append(out, strings.ToLower(string(rs[from:i]))), i
		}
	}
	return out
}

func breaks(rs []rune, i int) bool {
	a, b := rs[i-1], rs[i]
	return unicode.IsDigit(a) != unicode.IsDigit(b) || unicode.IsLower(a) && unicode.IsUpper(b) ||
		unicode.IsUpper(a) && unicode.IsUpper(b) && i+1 < len(rs) && unicode.IsLower(rs[i+1])
}

func (q sought) meets(m types.Metric) bool {
	if q.schema != nil {
		names := make([]string, 0, len(m.Dimensions))
		for _, d := range m.Dimensions {
			names = append(names, *d.Name)
		}
		wanted := slices.Sorted(slices.Values(q.schema[1:]))
		if *m.Namespace != q.schema[0] || !slices.Equal(slices.Sorted(slices.Values(names)), wanted) {
			return false
		}
	}
	return q.term(m)
}

// search is what a SEARCH finds, each with its points.
func (a *asking) search(query, statistic string, period int64) ([]metricmath.Series, error) {
	q, ok := parseSearch(query)
	if !ok {
		return nil, &metricmath.Error{What: "The search expression is not valid: " + query}
	}
	found, err := a.s.found(a.scope, q)
	if err != nil {
		return nil, err
	}
	var out []metricmath.Series
	for _, m := range found {
		stat := &types.MetricStat{Metric: &m, Period: aws.Int32(int32(period)), Stat: &statistic}
		if err := a.checkMetric("SEARCH", stat); err != nil {
			return nil, err
		}
		series, err := a.metric("", stat)
		if err != nil {
			return nil, err
		}
		series.Label = labelAmong(found, m)
		out = append(out, series)
	}
	return out, nil
}

// labelAmong is what tells a metric from the others that were found: the values of its
// dimensions and its name, as far as they are not the same in all. AWS documents no more
// than that labels differ: unsure.
func labelAmong(all []types.Metric, m types.Metric) string {
	differ := func(of string) bool {
		return slices.ContainsFunc(all, func(o types.Metric) bool { return !slices.Equal(properties(o, of), properties(m, of)) })
	}
	var out []string
	for _, d := range m.Dimensions {
		if differ(*d.Name) {
			out = append(out, *d.Value)
		}
	}
	if len(out) == 0 || differ("MetricName") {
		out = append(out, *m.MetricName)
	}
	return strings.Join(out, " ")
}

// found are the metrics of an account and region that a search means.
func (s *Service) found(sc wire.Scope, q sought) (out []types.Metric, err error) {
	last := ""
	err = s.DB.View(func(tx *store.Tx) error {
		return tx.Scan(dataBucket, "", "", func(key string, _ []byte) (bool, error) {
			series, _, _ := strings.Cut(key, "\x00")
			if series == last {
				return true, nil
			}
			last = series
			var parts []string
			if err := json.Unmarshal([]byte(series), &parts); err != nil {
				return false, err
			}
			if m, ok := wanted(parts, sc, &sdk.ListMetricsInput{}); ok && q.meets(m) {
				out = append(out, m)
			}
			return len(out) < maxFound, nil
		})
	})
	return out, err
}
