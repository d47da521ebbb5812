package spec

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// JSON is a JSON text.
type JSON = json.RawMessage

// Rule is a relation between parameters. The kinds are few and closed; the
// templates say which parameters they bind.
type Rule struct {
	Kind RuleKind `json:"kind"`
	// Parameters are those the rule binds; what they mean depends on the kind.
	Parameters []string `json:"parameters,omitempty"`
	// Left, Right and Margin belong to atMost.
	Left   string `json:"left,omitempty"`
	Right  string `json:"right,omitempty"`
	Margin int    `json:"margin,omitempty"`
	// Most and JSON belong to total: so many bytes, of the names and values as they are or as
	// a JSON document. Margin of them are the tool's own.
	Most int  `json:"most,omitempty"`
	JSON bool `json:"json,omitempty"`
	// When: the rule holds only under these conditions.
	When Conditions `json:"when,omitempty"`
	// Help is the hint of the error.
	Help string `json:"help"`
}

// RuleKind is a kind of rule between parameters.
type RuleKind string

// The kinds.
const (
	// RuleTogether: all of Parameters have a value, or none.
	RuleTogether RuleKind = "together"
	// RuleConflicts: at most one of Parameters has a value.
	RuleConflicts RuleKind = "conflicts"
	// RuleRequires: under When, every one of Parameters has a value.
	RuleRequires RuleKind = "requires"
	// RuleForbid: the conditions of When never hold together.
	RuleForbid RuleKind = "forbid"
	// RuleAtMost: Left + Margin <= Right.
	RuleAtMost RuleKind = "atMost"
	// RuleHandler: Parameters are code, handler and runtime of a function; the
	// code contains the file that the handler names.
	RuleHandler RuleKind = "handler"
	// RuleRegion: Parameters hold an ECR image URI in the pipeline's region.
	RuleRegion RuleKind = "region"
	// RuleModel: Parameters are image and model data; a local archive is one that the
	// image can serve, as far as that is known: of the image built into the sandbox.
	RuleModel RuleKind = "model"
	// RuleRollout: Parameters are how a rollout is done, in the order of rolloutParameters;
	// what they say together is within SageMaker's limits.
	RuleRollout RuleKind = "rollout"
	// RuleTotal: the names and values of each map of Parameters have Most - Margin bytes together
	// at most.
	RuleTotal RuleKind = "total"
)

// total tells which map is too long for a rule of kind total, and how long it is. "": none.
func (rule Rule) total(v Values) (name string, size int) {
	for _, name := range rule.Parameters {
		m := v.Map(name)
		size := 0
		for key, value := range m {
			size += len(key) + len(value)
		}
		if rule.JSON {
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			_ = enc.Encode(m) // texts can be written
			size = len(bytes.TrimSpace(b.Bytes()))
		}
		if len(m) > 0 && size > rule.Most-rule.Margin {
			return name, size
		}
	}
	return "", 0
}

// Totals holds values against the rules of kind total: secrets that were kept elsewhere have their
// length only when they were read.
func (t *Template) Totals(v Values) fault.List {
	var errs fault.List
	for _, rule := range t.Rules {
		if rule.Kind != RuleTotal || !rule.When.holds(v) {
			continue
		}
		if name, size := rule.total(v); name != "" {
			errs = append(errs, fault.New(fault.Invalid, tooLong, name, size, rule.Most-rule.Margin).WithHint("%s", rule.Help))
		}
	}
	return errs
}

// tooLong names a map, its bytes, and how many it may have.
const tooLong = "names and values of %s have %d bytes together, but may have %d"

// Conditions hold if every one holds, by parameter name.
type Conditions map[string]Condition

// Condition is a test of one value: one of In, matching Matches, more than
// Above, or Set (having a value that is not empty, 0 or false).
type Condition struct {
	In      []any    `json:"in,omitempty"`
	Matches string   `json:"matches,omitempty"`
	Above   *float64 `json:"above,omitempty"`
	Set     *bool    `json:"set,omitempty"`

	matches *regexp.Regexp
}

// decodeNode reads a condition: a scalar (equal to), a list (one of) or a map
// with matches, above or set.
func (c *Condition) decodeNode(n *node, path string) problems {
	switch n.kind {
	case kindMap:
		type fields Condition
		var f fields
		if errs := decode(n, &f); len(errs) > 0 {
			return errs
		}
		*c = Condition(f)
		if c.Matches == "" {
			return nil
		}
		var err error
		if c.matches, err = regexp.Compile(c.Matches); err != nil {
			return problems{n.problem(CodeBroken, "%s: %s", path, err).WithHint("Write a regular expression of Go's RE2 syntax.")}
		}
	case kindList:
		for _, item := range n.items {
			c.In = append(c.In, item.value)
		}
	case kindNull:
		return problems{n.problem(CodeMissing, "%s has no value to compare with", path).WithHint("Give a value, a list of values, or {matches|above|set: ...}.")}
	default:
		c.In = []any{n.value}
	}
	return nil
}

// holds tells whether every condition holds.
func (cs Conditions) holds(v Values) bool { return len(cs.failing(v)) == 0 }

// failing returns the names of the parameters whose condition does not hold.
func (cs Conditions) failing(v Values) []string {
	var names []string
	for _, name := range sortedKeys(cs) {
		if c := cs[name]; !c.holds(v[name]) {
			names = append(names, name)
		}
	}
	return names
}

func (c Condition) holds(value any) bool {
	switch {
	case c.Set != nil:
		return isSet(value) == *c.Set
	case c.Above != nil:
		f, ok := number(value)
		return ok && f > *c.Above
	case c.matches != nil:
		s, ok := value.(string)
		return ok && c.matches.MatchString(s)
	}
	return slices.Contains(c.In, value)
}

// String says the condition in words, to stand behind the parameter's name.
func (c Condition) String() string {
	switch {
	case c.Set != nil && *c.Set:
		return "is set"
	case c.Set != nil:
		return "is not set"
	case c.Above != nil:
		return "is above " + format(*c.Above)
	case c.Matches != "":
		return "matches " + c.Matches
	}
	choices := make([]string, len(c.In))
	for i, v := range c.In {
		choices[i] = format(v)
	}
	return "is " + strings.Join(choices, " or ")
}

// String says the conditions in words.
func (cs Conditions) String() string {
	parts := make([]string, 0, len(cs))
	for _, name := range sortedKeys(cs) {
		parts = append(parts, name+" "+cs[name].String())
	}
	return strings.Join(parts, " and ")
}

// isSet tells whether a value says anything: it is not "", 0, false or empty.
func isSet(value any) bool {
	switch v := value.(type) {
	case string:
		return v != ""
	case int:
		return v != 0
	case float64:
		return v != 0
	case bool:
		return v
	case []string:
		return len(v) > 0
	case map[string]string:
		return len(v) > 0
	}
	return false
}

func number(value any) (float64, bool) {
	switch v := value.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}
