package permissions

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

const version = "2012-10-17"

// Document is a policy of IAM.
type Document struct {
	Version   string
	Statement []Statement
}

// Statement is one statement of a policy.
type Statement struct {
	Sid       string
	Effect    string
	Principal *Principal                   `json:",omitempty"`
	Action    Values                       `json:",omitempty"`
	Resource  Values                       `json:",omitempty"`
	Condition map[string]map[string]Values `json:",omitempty"`
}

// Principal is who a trust policy is about.
type Principal struct{ AWS string }

// Values are a list, which IAM may write as a text if it has one element.
type Values []string

// UnmarshalJSON takes a text for a list of one.
func (v *Values) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*v = Values{one}
		return nil
	}
	var list []string
	err := json.Unmarshal(raw, &list)
	*v = list
	return err
}

// ParseStatements reads statements in IAM's words. ownKey is what stands in them for a key
// that is still to be made.
func ParseStatements(raw []byte, ownKey string) ([]Statement, error) {
	var out []Statement
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fault.New(fault.Internal, "read statements: %v", err).Because(err)
	}
	for i := range out {
		for j, r := range out[i].Resource {
			if r == ownKey {
				out[i].Resource[j] = anyKey
			}
		}
	}
	return out, nil
}

// anyKey stands for the key of a pipeline.
const anyKey = "key"

// MaxSize is how many characters a managed policy may have, white space apart.
// (IAM/latest/UserGuide/reference_iam-quotas.html)
const MaxSize = 6144

// Size is how many characters of a policy IAM counts.
func (d Document) Size() int {
	n := 0
	for _, c := range d.text() {
		if !unicode.IsSpace(c) {
			n++
		}
	}
	return n
}

// pack puts statements into as few policies as take them, in their order. One that is too
// large by itself is divided. Those about nothing are left out: IAM refuses them.
func pack(statements []Statement) []Document {
	var out []Document
	current := Document{Version: version}
	for queue := slices.Clone(statements); len(queue) > 0; {
		s := queue[0]
		alone := Document{version, []Statement{s}}
		if len(s.Resource) == 0 {
			queue = queue[1:]
			continue
		}
		if alone.Size() > MaxSize {
			if a, b, ok := s.halves(); ok {
				queue = append([]Statement{a, b}, queue[1:]...)
				continue
			}
		}
		queue = queue[1:]
		next := Document{version, append(slices.Clone(current.Statement), s)}
		if next.Size() > MaxSize && len(current.Statement) > 0 {
			out = append(out, current)
			next = alone
		}
		current = next
	}
	if len(current.Statement) > 0 {
		out = append(out, current)
	}
	return out
}

// halves are two statements that together allow what one does: each for half of what it has
// most of, its resources or the values of one of its conditions, of which one has to match.
func (s Statement) halves() (a, b Statement, ok bool) {
	a, b, b.Sid = s, s, s.Sid+"More"
	list, operator, key := s.Resource, "", ""
	for op, keys := range s.Condition {
		for k, values := range keys {
			if len(values) > len(list) || len(values) == len(list) && op+k < operator+key {
				list, operator, key = values, op, k
			}
		}
	}
	half := len(list) / 2
	if half == 0 {
		return a, b, false
	}
	if operator == "" {
		a.Resource, b.Resource = list[:half], list[half:]
		return a, b, true
	}
	a.Condition, b.Condition = nil, nil
	for op, keys := range s.Condition {
		for k, values := range keys {
			first, second := values, values
			if op == operator && k == key {
				first, second = values[:half], values[half:]
			}
			a, b = a.when(op, k, first...), b.when(op, k, second...)
		}
	}
	return a, b, true
}

func number(n int) string { return strconv.Itoa(n) }

// allow is a statement that allows actions on resources; each is there once.
func allow(sid string, actions, resources []string) Statement {
	return Statement{Sid: sid, Effect: "Allow", Action: once(actions), Resource: once(resources)}
}

// when adds a condition.
func (s Statement) when(operator, key string, values ...string) Statement {
	conditions := map[string]map[string]Values{operator: {key: once(values)}}
	for op, keys := range s.Condition {
		if conditions[op] == nil {
			conditions[op] = map[string]Values{}
		}
		maps.Copy(conditions[op], keys)
	}
	s.Condition = conditions
	return s
}

func once(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// sid makes the id of a statement of words: letters and digits only.
func sid(words string) string {
	var b strings.Builder
	for _, w := range strings.FieldsFunc(words, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }) {
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	return b.String()
}

// text is the document in one line.
func (d Document) text() string {
	raw, err := json.Marshal(d)
	if err != nil {
		return "" // texts and lists of them
	}
	return string(raw)
}
