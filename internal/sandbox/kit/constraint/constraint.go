// Package constraint owns what AWS checks of a request before the operation
// runs: enums, ranges, lengths, patterns and members that have to be there. The
// rules are data, taken from the API models (scripts/constraints.py); the texts
// are those of AWS's own validation ("1 validation error detected: Value 'x' at
// 'orderBy' failed to satisfy constraint: ..."). It knows no service.
package constraint

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

//go:embed data/*.json
var data embed.FS

// model is one service's part of the data.
type model struct {
	Operations map[string]string
	Shapes     map[string]*shape
}

type shape struct {
	Type      string
	Enum      []string
	Min, Max  *float64
	Pattern   string
	Required  []string
	Sensitive bool
	Members   members
	Member    string
	Key       string
	Value     string

	compile sync.Once
	matcher *regexp.Regexp
}

// member is a name with its shape; the order is the model's, and so is that of
// the violations.
type member struct{ name, shape string }

type members []member

// UnmarshalJSON keeps the order of the document.
func (m *members) UnmarshalJSON(raw []byte) error {
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	if _, err := dec.Token(); err != nil {
		return err // embedded data
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err // embedded data
		}
		var s string
		if err := dec.Decode(&s); err != nil {
			return err // embedded data
		}
		*m = append(*m, member{fmt.Sprint(key), s})
	}
	return nil
}

// load reads a service's model once. The data are part of the program: what is
// wrong with them is a mistake of the build.
var load = func() func(service string) *model {
	var all sync.Map
	return func(service string) *model {
		once, _ := all.LoadOrStore(service, sync.OnceValue(func() *model {
			raw, err := data.ReadFile("data/" + service + ".json")
			if err != nil {
				panic(err)
			}
			m := new(model)
			if err := json.Unmarshal(raw, m); err != nil {
				panic(fmt.Sprintf("constraints of %s: %s", service, err))
			}
			return m
		}))
		read, _ := once.(func() *model)
		return read()
	}
}()

// Rules are the constraints of one service.
type Rules struct {
	service, code, query string
	skip                 []string
}

// For returns a service's constraints. code is that of the error
// ("ValidationException"). skip names rules that the service words in its own
// way and checks itself: "runtime" is all about that member, "roleName:pattern"
// its pattern, "*:pattern" all patterns.
func For(service, code string, skip ...string) *Rules {
	return &Rules{service: service, code: code, skip: skip}
}

// Query sets the code by which clients of the query protocol know the error.
func (r *Rules) Query(code string) *Rules {
	r.query = code
	return r
}

// Check returns an *wire.Error that names every violation in the input of an
// operation, or nil. doc is the decoded JSON document, numbers as json.Number or,
// in the query protocol, as text. Operations without rules pass.
func (r *Rules) Check(operation string, doc any) error {
	m := load(r.service)
	name, ok := m.Operations[operation]
	if !ok {
		return nil
	}
	if doc == nil {
		doc = map[string]any{}
	}
	c := checker{model: m, skip: r.skip}
	c.value(m.Shapes[name], doc, "")
	if len(c.found) == 0 {
		return nil
	}
	noun := "errors"
	if len(c.found) == 1 {
		noun = "error"
	}
	e := wire.Errorf(http.StatusBadRequest, r.code, "%d validation %s detected: %s", len(c.found), noun, strings.Join(c.found, "; "))
	e.QueryCode = r.query
	return e
}

// Broken is the error of one broken rule that the API's model does not have. code is
// that of the error, rule as OneOf and the Check of a model word it.
func Broken(code, member string, value any, rule string) *wire.Error {
	shown := fmt.Sprintf(" '%v'", value)
	if value == nil {
		shown = " null"
	}
	return wire.Errorf(http.StatusBadRequest, code, "1 validation error detected: Value%s at '%s' failed to satisfy constraint: %s", shown, member, rule)
}

// OneOf is the rule of an enum.
func OneOf[T any](values ...T) string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = fmt.Sprint(v)
	}
	return "Member must satisfy enum value set: [" + strings.Join(all, ", ") + "]"
}

// AtLeast and AtMost are the rules of numbers; Pattern that of texts.
func AtLeast(n float64) string { return limit("value", "greater", n) }

// AtMost is the rule of the largest number.
func AtMost(n float64) string { return limit("value", "less", n) }

// Pattern is the rule of a regular expression.
func Pattern(p string) string { return "Member must satisfy regular expression pattern: " + p }

// NotNull is the rule of what has to be given.
const NotNull = "Member must not be null"

type checker struct {
	*model
	skip  []string
	found []string
}

func (c *checker) skips(path, kind string) bool {
	return slices.Contains(c.skip, path) || slices.Contains(c.skip, path+":"+kind) || slices.Contains(c.skip, "*:"+kind)
}

func (c *checker) violation(path, shown, kind, rule string) {
	if !c.skips(path, kind) {
		c.found = append(c.found, "Value"+shown+" at '"+path+"' failed to satisfy constraint: "+rule)
	}
}

// value checks v and what is below it. Values of a wrong type are left to the
// decoder, which refuses them.
func (c *checker) value(s *shape, v any, path string) {
	switch x := v.(type) {
	case map[string]any:
		if s.Type == "structure" {
			c.structure(s, x, path)
			return
		}
		c.entries(s, x, path)
	case []any:
		c.items(s, x, path)
	default:
		for _, b := range s.broken(v) {
			c.violation(path, s.shown(v), b.kind, b.rule)
		}
	}
}

func (c *checker) structure(s *shape, doc map[string]any, path string) {
	for _, m := range s.Members {
		at := strings.ToLower(m.name[:1]) + m.name[1:]
		if path != "" {
			at = path + "." + at
		}
		v, ok := find(doc, m.name)
		if !ok {
			if slices.Contains(s.Required, m.name) {
				c.violation(at, " null", "required", "Member must not be null")
			}
			continue
		}
		c.value(c.Shapes[m.shape], v, at)
	}
}

// find takes a member in any case, as the decoder does.
func find(doc map[string]any, name string) (any, bool) {
	if v, ok := doc[name]; ok {
		return v, v != nil
	}
	for k, v := range doc {
		if strings.EqualFold(k, name) {
			return v, v != nil
		}
	}
	return nil, false
}

func (c *checker) items(s *shape, list []any, path string) {
	for _, b := range s.size(len(list)) {
		c.violation(path, s.shown(list), b.kind, b.rule)
	}
	of := c.Shapes[s.Member]
	if of == nil {
		return
	}
	if of.Type == "structure" || of.Type == "list" {
		for i, v := range list {
			c.value(of, v, fmt.Sprintf("%s.%d.member", path, i+1))
		}
		return
	}
	if slices.ContainsFunc(list, func(v any) bool { return len(of.broken(v)) > 0 }) {
		c.violation(path, s.shown(list), "member", "Member must satisfy constraint: ["+strings.Join(append(of.rules(), "Member must not be null"), ", ")+"]")
	}
}

func (c *checker) entries(s *shape, m map[string]any, path string) {
	for _, b := range s.size(len(m)) {
		c.violation(path, s.shown(m), b.kind, b.rule)
	}
	if of := c.Shapes[s.Key]; of != nil {
		for k := range m {
			if len(of.broken(k)) > 0 {
				c.violation(path, s.shown(m), "key", "Map keys must satisfy constraint: ["+strings.Join(of.rules(), ", ")+"]")
				break
			}
		}
	}
	of := c.Shapes[s.Value]
	if of == nil {
		return
	}
	for k, v := range m {
		if of.Type == "structure" || of.Type == "list" || of.Type == "map" {
			c.value(of, v, path+"."+k+".member")
		} else if len(of.broken(v)) > 0 {
			c.violation(path, s.shown(m), "value", "Map value must satisfy constraint: ["+strings.Join(of.rules(), ", ")+"]")
			break
		}
	}
}

// Required are the members that an operation's input has to have, as the API's model names
// them; nil also for an operation or a service without rules.
func Required(service, operation string) []string {
	if _, err := data.Open("data/" + service + ".json"); err != nil {
		return nil
	}
	m := load(service)
	s := m.Shapes[m.Operations[operation]]
	if s == nil {
		return nil
	}
	return s.Required
}
