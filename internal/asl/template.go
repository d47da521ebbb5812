package asl

import (
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl/intrinsic"
	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata"
	"github.com/pipelinetui/pipelinetui/internal/asl/jsonpath"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// ExprKind tells what an expression is written in.
type ExprKind int

// The kinds of expressions.
const (
	KindRef       ExprKind = iota // "$.a", "$$.Execution.Id", "$variable.a"
	KindIntrinsic                 // "States.Format(...)"
	KindJSONata                   // "{% ... %}"
)

// Expr is a compiled expression.
type Expr struct {
	Kind ExprKind
	// Text is the expression as written, without the {% %} of JSONata.
	Text string
	// Field is the field's place inside its state: "Output/error", "value.$".
	Field string

	Ref       *jsonpath.Ref
	Intrinsic *intrinsic.Call
	JSONata   *jsonata.Expr
}

// Variables lists the workflow variables that the expression reads.
func (e *Expr) Variables() []string {
	switch {
	case e == nil:
		return nil
	case e.JSONata != nil:
		return e.JSONata.Variables()
	case e.Intrinsic != nil:
		var out []string
		e.Intrinsic.Walk(func(r *jsonpath.Ref) {
			if r.Source == jsonpath.FromVariable {
				out = append(out, r.Variable)
			}
		})
		return out
	case e.Ref != nil && e.Ref.Source == jsonpath.FromVariable:
		return []string{e.Ref.Variable}
	}
	return nil
}

// Template is a JSON document in which some places are expressions.
type Template struct {
	// Static is true if there is no expression inside; Literal is then the value.
	Static  bool
	Literal any
	// Expr is the expression of a leaf.
	Expr *Expr
	// Keys and Elems are the members of an object; Elems alone (List) an array.
	Keys  []string
	Elems []*Template
	List  bool
}

// Field returns an object template's member, nil if there is none.
func (t *Template) Field(key string) *Template {
	if t == nil {
		return nil
	}
	for i, k := range t.Keys {
		if k == key {
			return t.Elems[i]
		}
	}
	return nil
}

// jsonataText returns the expression between {% and %}.
func jsonataText(s string) (string, bool) {
	if !strings.HasPrefix(s, "{%") || !strings.HasSuffix(s, "%}") || len(s) < 4 {
		return "", false
	}
	return strings.TrimSpace(s[2 : len(s)-2]), true
}

// jsonataTemplate compiles a template of a JSONata state.
func (p *parser) jsonataTemplate(n *value.Node, field, loc string) *Template {
	if s, ok := n.Value.(string); ok {
		text, isExpr := jsonataText(s)
		if !isExpr {
			if strings.HasPrefix(s, "{%") || strings.HasSuffix(s, "%}") {
				p.schema(n, loc, "The value for the field '%s' must be a valid JSONata expression", lastField(field))
			}
			return &Template{Static: true, Literal: s}
		}
		return &Template{Expr: p.jsonata(n, text, field, loc)}
	}
	switch {
	case n.IsObject():
		t := &Template{Static: true, Literal: n.Value}
		for _, f := range n.Fields {
			e := p.jsonataTemplate(f.Node, join(field, f.Key), loc+"/"+f.Key)
			t.Keys, t.Elems = append(t.Keys, f.Key), append(t.Elems, e)
			t.Static = t.Static && e.Static
		}
		return t
	case n.IsArray():
		t := &Template{Static: true, Literal: n.Value, List: true}
		for i, item := range n.Items {
			at := "[" + strconv.Itoa(i) + "]"
			e := p.jsonataTemplate(item, field+at, loc+at)
			t.Elems = append(t.Elems, e)
			t.Static = t.Static && e.Static
		}
		return t
	default:
		return &Template{Static: true, Literal: n.Value}
	}
}

// pathTemplate compiles a payload template of a JSONPath state: members whose
// name ends with ".$" are expressions.
func (p *parser) pathTemplate(n *value.Node, loc string) *Template {
	switch {
	case n.IsObject():
		t := &Template{Static: true, Literal: n.Value}
		seen := map[string]bool{}
		for _, f := range n.Fields {
			key, dynamic := strings.CutSuffix(f.Key, ".$")
			if seen[key] {
				p.schema(f.Node, loc, "The field '%s' is specified more than once", key)
			}
			seen[key] = true
			var e *Template
			if dynamic {
				e = &Template{Expr: p.payloadExpr(f, loc)}
			} else {
				e = p.pathTemplate(f.Node, loc+"/"+f.Key)
				if text, ok := f.Node.Value.(string); ok && looksDynamic(text) {
					p.warn(f.Node, CodeNoDollar, loc+"/"+f.Key, "The name of the field '%s' should end with '.$': its value looks like a JSONPath or an intrinsic function", f.Key)
				}
			}
			t.Keys, t.Elems = append(t.Keys, key), append(t.Elems, e)
			t.Static = t.Static && e.Static && e.Expr == nil
		}
		return t
	case n.IsArray():
		t := &Template{Static: true, Literal: n.Value, List: true}
		for i, item := range n.Items {
			e := p.pathTemplate(item, loc+"["+strconv.Itoa(i)+"]")
			t.Elems = append(t.Elems, e)
			t.Static = t.Static && e.Static
		}
		return t
	default:
		return &Template{Static: true, Literal: n.Value}
	}
}

// looksDynamic tells texts that are probably meant as expressions.
func looksDynamic(s string) bool {
	return strings.HasPrefix(s, "$.") || strings.HasPrefix(s, "$$.") || strings.HasPrefix(s, "States.") && strings.HasSuffix(s, ")")
}

// payloadExpr compiles the value of a member "x.$".
func (p *parser) payloadExpr(f value.Field, loc string) *Expr {
	s, ok := f.Node.Value.(string)
	if ok {
		if e, err := CompilePath(s, true); err == nil {
			e.Field = f.Key
			return e
		}
	}
	p.schema(f.Node, loc, "The value for the field '%s' must be a valid JSONPath or a valid intrinsic function call", f.Key)
	return nil
}

// CompilePath compiles "$.a", "$$.a", "$variable.a", or (if intrinsics are
// allowed) "States.Format(...)".
func CompilePath(s string, intrinsics bool) (*Expr, error) {
	if intrinsics && !strings.HasPrefix(s, "$") {
		call, err := intrinsic.Compile(s)
		if err != nil {
			return nil, err
		}
		return &Expr{Kind: KindIntrinsic, Text: s, Intrinsic: call}, nil
	}
	ref, err := jsonpath.CompileRef(s)
	if err != nil {
		return nil, err
	}
	return &Expr{Kind: KindRef, Text: s, Ref: ref}, nil
}

func join(field, key string) string {
	if field == "" {
		return key
	}
	return field + "/" + key
}

func lastField(field string) string {
	return field[strings.LastIndexByte(field, '/')+1:]
}
