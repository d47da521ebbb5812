package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// SameText reports whether two texts of that kind mean the same.
func SameText(kind Text, a, b string) bool {
	if a == b {
		return true
	}
	switch kind {
	case Plain:
		return false
	case Named:
		return sameName(a, b) || sameName(b, a)
	}
	av, aerr := parseJSON(a)
	bv, berr := parseJSON(b)
	if aerr != nil || berr != nil {
		return false
	}
	if kind == Policy {
		av, bv = policy(av), policy(bv)
	}
	return reflect.DeepEqual(av, bv)
}

// document is set where a text is one of JSON.
func (p *Prop) document() bool { return p.Text == JSON || p.Text == Policy }

// sameName tells whether an ARN ends with a name.
func sameName(whole, name string) bool {
	return name != "" && arn.IsARN(whole) && !arn.IsARN(name) && strings.HasSuffix(whole, ":"+name)
}

func parseJSON(s string) (any, error) {
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return numbers(v), nil
}

// numbers replaces json.Number so that 1 and 1.0 are equal and large integers
// keep their digits.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		if f, err := v.Float64(); err == nil {
			if i := int64(f); float64(i) == f {
				return i
			}
			return f
		}
		return v.String()
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return v
}

// policy brings an IAM policy document into a form in which documents that mean
// the same are equal: AWS gives policies back with single values in place of
// lists of one, with other orders, and with account ids as ARNs.
func policy(v any) any {
	doc, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for k, e := range doc {
		if k != "Statement" {
			out[k] = e
			continue
		}
		list := anyList(e)
		for i := range list {
			list[i] = statement(list[i])
		}
		out[k] = sorted(list)
	}
	return out
}

func statement(v any) any {
	st, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for k, e := range st {
		switch k {
		case "Sid":
			if e != "" {
				out[k] = e
			}
		case "Action", "NotAction":
			list := anyList(e)
			for i, a := range list {
				if s, ok := a.(string); ok {
					list[i] = strings.ToLower(s)
				}
			}
			out[k] = sorted(list)
		case "Resource", "NotResource":
			out[k] = sorted(anyList(e))
		case "Principal", "NotPrincipal":
			out[k] = principal(e)
		case "Condition":
			out[k] = condition(e)
		default:
			out[k] = e
		}
	}
	return out
}

var accountID = lazyregexp.New(`^\d{12}$`)

func principal(v any) any {
	if v == "*" {
		v = map[string]any{"AWS": "*"}
	}
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for kind, e := range m {
		list := anyList(e)
		for i, p := range list {
			if s, ok := p.(string); ok && kind == "AWS" && accountID.MatchString(s) {
				list[i] = arn.ARN{Partition: "aws", Service: "iam", AccountID: s, Resource: "root"}.String()
			}
		}
		out[kind] = sorted(list)
	}
	return out
}

func condition(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for op, keys := range m {
		km, ok := keys.(map[string]any)
		if !ok {
			out[op] = keys
			continue
		}
		ko := map[string]any{}
		for key, e := range km {
			list := anyList(e)
			for i, x := range list {
				if _, ok := x.(string); !ok {
					list[i] = fmt.Sprint(x)
				}
			}
			// Condition keys are compared without regard to case.
			ko[strings.ToLower(key)] = sorted(list)
		}
		out[op] = ko
	}
	return out
}

// anyList returns a new list: of the elements of v, or of v alone.
func anyList(v any) []any {
	if list, ok := v.([]any); ok {
		return slices.Clone(list)
	}
	return []any{v}
}

// sorted sorts by JSON text and drops duplicates, in place.
func sorted(list []any) any {
	slices.SortFunc(list, func(a, b any) int {
		ab, _ := json.Marshal(a)
		bb, _ := json.Marshal(b)
		return bytes.Compare(ab, bb)
	})
	return slices.CompactFunc(list, reflect.DeepEqual)
}
