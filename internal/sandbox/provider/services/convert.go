package services

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// deref returns what p points to, or the zero value.
func deref[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// i32 converts an optional number for a request.
func i32(p *int) *int32 {
	if p == nil {
		return nil
	}
	return aws.Int32(int32(*p)) // checked against far smaller limits
}

// i64 converts an optional number for a request.
func i64(p *int) *int64 {
	if p == nil {
		return nil
	}
	return aws.Int64(int64(*p))
}

// num converts an optional number of an answer.
func num[T int32 | int64](p *T) *int {
	if p == nil {
		return nil
	}
	return aws.Int(int(*p))
}

// text returns nil for an empty string: the provider's convention for "not set".
func text[T ~string](s T) *string {
	if s == "" {
		return nil
	}
	return aws.String(string(s))
}

// set returns nil for an empty string, else the pointer.
func set(p *string) *string {
	if p == nil || *p == "" {
		return nil
	}
	return p
}

// each converts a list.
func each[A, B any](list []A, fn func(A) B) []B {
	if list == nil {
		return nil
	}
	out := make([]B, len(list))
	for i, a := range list {
		out[i] = fn(a)
	}
	return out
}

// enums converts strings to a service's own string type.
func enums[T ~string](list []string) []T {
	return each(list, func(s string) T { return T(s) })
}

// names is the reverse of enums.
func names[T ~string](list []T) []string {
	return each(list, func(s T) string { return string(s) })
}

// anyOf reports whether one of the properties is among the changed ones.
func anyOf(changed map[string]bool, properties ...string) bool {
	return slices.ContainsFunc(properties, func(p string) bool { return changed[p] })
}

func sameMap(a, b map[string]string) bool { return maps.Equal(a, b) }

// cutLast splits s at the last sep.
func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// recast converts between structs whose fields have the same names but for
// case, as the nested configurations here and in the SDK have. What only one
// side has is left out.
func recast[B, A any](from A) (B, error) {
	var to B
	raw, err := json.Marshal(from)
	if err != nil {
		return to, fmt.Errorf("converting %T: %w", from, err)
	}
	if err := json.Unmarshal(raw, &to); err != nil {
		return to, fmt.Errorf("converting %T to %T: %w", from, to, err)
	}
	return to, nil
}
