package asl

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/asl/jsonpath"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// fieldSet tells which fields a state type has.
type fieldSet struct{ both, path, jsonata []string }

var (
	pathIO     = []string{"InputPath", "OutputPath"}
	pathResult = []string{"InputPath", "OutputPath", "ResultPath", "ResultSelector", "Parameters"}
)

var fieldsOf = map[Type]fieldSet{
	Pass: {[]string{"Next", "End", "Assign"}, []string{"InputPath", "OutputPath", "ResultPath", "Parameters", "Result"}, []string{"Output"}},
	Task: {
		[]string{"Resource", "Credentials", "TimeoutSeconds", "HeartbeatSeconds", "Retry", "Catch", "Next", "End", "Assign"},
		append([]string{"TimeoutSecondsPath", "HeartbeatSecondsPath"}, pathResult...),
		[]string{"Arguments", "Output"},
	},
	Choice:   {[]string{"Choices", "Default", "Assign"}, pathIO, []string{"Output"}},
	Wait:     {[]string{"Seconds", "Timestamp", "Next", "End", "Assign"}, append([]string{"SecondsPath", "TimestampPath"}, pathIO...), []string{"Output"}},
	Succeed:  {nil, pathIO, []string{"Output"}},
	Fail:     {[]string{"Error", "Cause"}, append([]string{"ErrorPath", "CausePath"}, pathIO...), nil},
	Parallel: {[]string{"Branches", "Retry", "Catch", "Next", "End", "Assign"}, pathResult, []string{"Arguments", "Output"}},
	Map: {
		[]string{
			"ItemProcessor", "Iterator", "MaxConcurrency", "ItemReader", "ItemSelector", "ItemBatcher", "ResultWriter", "Label",
			"ToleratedFailureCount", "ToleratedFailurePercentage", "Retry", "Catch", "Next", "End", "Assign",
		},
		append([]string{"ItemsPath", "MaxConcurrencyPath", "ToleratedFailureCountPath", "ToleratedFailurePercentagePath"}, pathResult...),
		[]string{"Items", "Output"},
	},
}

// fields reports the fields that the state's type and language do not have.
func (p *parser) fields(n *value.Node, loc string, s *State, set fieldSet) {
	own, other := set.path, set.jsonata
	if s.QueryLanguage == JSONata {
		own, other = other, own
	}
	for _, f := range n.Fields {
		switch k := f.Key; {
		case k == "Type" || k == "Comment" || k == "QueryLanguage" || slices.Contains(set.both, k) || slices.Contains(own, k):
		case slices.Contains(other, k) || k == "Arguments" || k == "Output" && s.QueryLanguage == JSONPath:
			p.wrongLanguage(f.Node, loc, k, s.QueryLanguage)
		default:
			p.schema(f.Node, loc, "Field '%s' is not supported", k)
		}
	}
}

func (p *parser) wrongLanguage(n *value.Node, loc, field string, has QueryLanguage) {
	needs := JSONata
	if has == JSONata {
		needs = JSONPath
	}
	p.schema(n, loc, "The QueryLanguage is set to '%s', but field '%s' is only supported for the '%s' QueryLanguage", has, field, needs)
}

// known reports the fields of an object that are not in the list.
func (p *parser) known(n *value.Node, loc string, names ...string) {
	for _, f := range n.Fields {
		if !slices.Contains(names, f.Key) {
			p.schema(f.Node, at(loc), "Field '%s' is not supported", f.Key)
		}
	}
}

// at is the location of an object; the whole definition is "/".
func at(loc string) string {
	if loc == "" {
		return "/"
	}
	return loc
}

func (p *parser) required(n *value.Node, loc string, names ...string) {
	var missing []string
	for _, name := range names {
		if n.Get(name) == nil {
			missing = append(missing, name)
		}
	}
	loc = at(loc)
	switch {
	case len(missing) == 0:
	case len(missing) == 1 && len(names) == 1:
		p.schema(n, loc, "The field '%s' is required but was missing", missing[0])
	default: // of an object that needs several
		p.schema(n, loc, "These fields are required: [%s]", strings.Join(missing, ", "))
	}
}

func (p *parser) object(n *value.Node, loc string) bool {
	if !n.IsObject() {
		p.schema(n, loc, "Expected value of type Object")
	}
	return n.IsObject()
}

func (p *parser) text(n *value.Node, loc, field string) (string, bool) {
	f := n.Get(field)
	if f == nil {
		return "", false
	}
	s, ok := f.Value.(string)
	if !ok {
		p.schema(f, loc+"/"+field, "Expected value of type String")
	}
	return s, ok
}

func (p *parser) list(n *value.Node, loc, field string) []*value.Node {
	f := n.Get(field)
	if f == nil {
		return nil
	}
	if !f.IsArray() {
		p.schema(f, loc+"/"+field, "Expected value of type Array")
	}
	return f.Items
}

func (p *parser) integer(n *value.Node, loc string, lo, hi int64) int64 {
	if msg := wantInt(lo, hi)(n.Value); msg != "" {
		p.schema(n, loc, "%s", msg)
		return 0
	}
	num, _ := n.Value.(value.Number)
	i, _ := num.Int64()
	return i
}

// want judges a literal; it returns what is wrong, or "".
type want func(v any) string

func wantText(v any) string {
	if _, ok := v.(string); !ok {
		return "Expected value of type String"
	}
	return ""
}

func wantInt(lo, hi int64) want {
	return func(v any) string {
		n, ok := v.(value.Number)
		if !ok {
			return "Expected value of type Integer"
		}
		i, ok := n.Int64()
		if !ok {
			return "Expected value of type Integer"
		}
		switch {
		case i < lo:
			return fmt.Sprintf("Minimum value is %d", lo)
		case i > hi:
			return fmt.Sprintf("Maximum value is %d", hi)
		}
		return ""
	}
}

func wantNumber(lo float64) want {
	return func(v any) string {
		n, ok := v.(value.Number)
		if !ok {
			return "Expected value of type Number"
		}
		if n.Float64() < lo {
			return fmt.Sprintf("Minimum value is %.1f", lo)
		}
		return ""
	}
}

func wantTime(v any) string {
	s, ok := v.(string)
	if !ok {
		return "Expected value of type String"
	}
	if _, err := ParseTimestamp(s); err != nil {
		return "String does not match RFC3339 timestamp"
	}
	return ""
}

// Timestamp writes a time as the context object does: with three digits of a second,
// or with none where they would be zeros. Source: the Developer Guide's page on the
// Context object, "Timestamp format with fractional seconds".
func Timestamp(t time.Time) string {
	if t.Truncate(time.Second).Equal(t.Truncate(time.Millisecond)) {
		return t.UTC().Format("2006-01-02T15:04:05Z")
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// ParseTimestamp reads a time of the language: RFC 3339 with an upper-case T and
// Z, seconds or a fraction of them.
func ParseTimestamp(s string) (time.Time, error) {
	if strings.ContainsAny(s, "tz ") {
		return time.Time{}, fmt.Errorf("not an RFC 3339 timestamp: %s", s)
	}
	return time.Parse(time.RFC3339Nano, s)
}

// scalar parses a field that may be a literal, an expression of JSONata, or (as
// field+"Path") a JSONPath.
func (p *parser) scalar(n *value.Node, loc string, s *State, field string, ok want) Scalar {
	lit, path := n.Get(field), n.Get(field+"Path")
	if lit != nil && path != nil {
		p.schema(n, loc, "There should only be one of the following fields: [%s, %sPath]", field, field)
	}
	if path != nil && s.QueryLanguage == JSONata && s.Type == Map {
		p.wrongLanguage(path, loc, field+"Path", JSONata)
		return Scalar{}
	}
	if path != nil {
		e := p.expr(path, loc+"/"+field+"Path", field+"Path", field == "Error" || field == "Cause")
		if e != nil && s.Type == Map && (e.Ref.Source == jsonpath.FromContext || !e.Ref.Path.Reference()) {
			p.schema(path, loc+"/"+field+"Path", "Value is not a Reference Path")
		}
		return Scalar{Name: field + "Path", Expr: e}
	}
	if lit == nil {
		return Scalar{}
	}
	if text, isText := lit.Value.(string); isText && s.QueryLanguage == JSONata {
		if body, isExpr := jsonataText(text); isExpr {
			return Scalar{Name: field, Expr: p.jsonata(lit, body, field, loc+"/"+field)}
		}
	}
	if msg := ok(lit.Value); msg != "" {
		p.schema(lit, loc+"/"+field, "%s", msg)
	}
	return Scalar{Name: field, Literal: lit.Value}
}

// expr compiles a field that holds a path.
func (p *parser) expr(n *value.Node, loc, field string, intrinsics bool) *Expr {
	s, ok := n.Value.(string)
	if !ok {
		p.schema(n, loc, "Expected value of type String")
		return nil
	}
	e, err := CompilePath(s, intrinsics)
	if err != nil {
		p.schema(n, loc, "Value is not a valid JSONPath")
		return nil
	}
	e.Field = field
	return e
}

// path parses an optional path that may be null. A target must be a Reference
// Path into the state's data.
func (p *parser) path(n *value.Node, loc, field string, target bool) Path {
	f := n.Get(field)
	if f == nil {
		return Path{}
	}
	if f.Value == nil {
		return Path{Set: true, Null: true}
	}
	e := p.expr(f, loc+"/"+field, field, false)
	if e != nil && target && (e.Ref.Source != jsonpath.FromData || !e.Ref.Path.Reference()) {
		p.schema(f, loc+"/"+field, "Value is not a Reference Path")
	}
	return Path{Set: true, Expr: e}
}

// template parses a payload template in the language of the state.
func (p *parser) template(n *value.Node, loc string, s *State, field string) *Template {
	f := n.Get(field)
	if f == nil {
		return nil
	}
	return p.templateOf(f, loc+"/"+field, s, field)
}

func (p *parser) templateOf(f *value.Node, loc string, s *State, field string) *Template {
	if s.QueryLanguage == JSONata {
		return p.jsonataTemplate(f, field, loc)
	}
	return p.pathTemplate(f, loc)
}

func validVariable(name string) bool { return name != "states" && jsonpath.ValidName(name) }
