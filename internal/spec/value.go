package spec

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// compiledRules are a parameter's patterns, compiled when its template is read.
type compiledRules struct {
	pattern, keyPattern *regexp.Regexp
}

// arnRule is the form of any ARN.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html.
var arnRule = lazyregexp.New(`^arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:(\d{12}|aws)?:\S+$`)

// maxListed is the number of choices up to which an error names them all.
const maxListed = 24

// Allowed says in words which values the parameter takes.
func (p *Parameter) Allowed() string {
	switch p.Type {
	case TypeEnum:
		if len(p.Enum) > maxListed {
			return fmt.Sprintf("one of %d choices", len(p.Enum))
		}
		return "one of " + strings.Join(p.Choices(), ", ")
	case TypeInt, TypeFloat:
		return "a" + map[Type]string{TypeInt: "n int", TypeFloat: " number"}[p.Type] + p.bounds()
	case TypeBool:
		return "true or false"
	case TypeList:
		s := "a list"
		if p.Max != nil {
			s += " of up to " + format(*p.Max)
		}
		if p.PatternHelp != "" {
			s += ", each " + p.PatternHelp
		}
		return s
	case TypeMap:
		s := "a map of strings"
		if p.KeyPatternHelp != "" {
			s += "; keys are " + p.KeyPatternHelp
		}
		return s
	case TypePath:
		return p.Artifact.allowed()
	case TypeARN:
		if p.PatternHelp != "" {
			return p.PatternHelp
		}
		return "an ARN"
	}
	if p.PatternHelp != "" {
		return p.PatternHelp
	}
	return "a string"
}

func (p *Parameter) bounds() string {
	switch {
	case p.Above != nil:
		return " above " + format(*p.Above)
	case p.Min != nil && p.Max != nil:
		return " from " + format(*p.Min) + " to " + format(*p.Max)
	case p.Min != nil:
		return " of at least " + format(*p.Min)
	case p.Max != nil:
		return " of at most " + format(*p.Max)
	}
	return ""
}

// Choices returns the choices of an enum as text.
func (p *Parameter) Choices() []string {
	choices := make([]string, len(p.Enum))
	for i, c := range p.Enum {
		choices[i] = format(c)
	}
	return choices
}

// Format writes a value the way Parse reads it; what is secret of it is hidden:
// secrets are those that Read has found.
func (p *Parameter) Format(value any, secrets map[string]Secret) string {
	return line(p.Shown(value, secrets, BlankedSecret))
}

func format(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []string:
		return strings.Join(v, ",")
	case map[string]string:
		text, err := json.Marshal(v)
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	return fmt.Sprint(value)
}

// Parse reads a value typed by a person or given as --set name=value, by the
// same rules as the spec file: a list by commas or as JSON, a map as JSON.
// Relative paths are relative to dir and have to exist.
func (p *Parameter) Parse(text, dir string) (any, error) {
	value, _, err := p.Read(text, dir)
	return value, err
}

// Read is Parse that also tells what of the value is secret, by entry of a map; "" is
// the value as a whole.
func (p *Parameter) Read(text, dir string) (any, map[string]Secret, error) {
	n := textNode(pos{}, text)
	n.raw = true
	value, secrets, errs := p.coerce(n, source{dir: dir})
	if len(errs) == 0 && p.Type == TypePath {
		_, errs = p.artifact(n, value.(string), dir)
	}
	if len(errs) > 0 {
		return nil, nil, errs.err()
	}
	return value, secrets, nil
}

// coerce checks a node against type and rules and returns the typed value, and what of
// it is secret: by entry of a map, "" for the value as a whole.
func (p *Parameter) coerce(n *node, from source) (any, map[string]Secret, problems) {
	if n.raw {
		var err *Problem
		if n, err = p.fromText(n); err != nil {
			return nil, nil, problems{err}
		}
	}
	n, errs := p.uncover(n, from)
	if n == nil {
		return nil, nil, errs
	}
	var secrets map[string]Secret
	if n.secret != nil {
		secrets = map[string]Secret{"": *n.secret}
		if n.secret.Hidden {
			return p.hidden(), secrets, nil
		}
	}
	for _, e := range n.entries {
		if e.value.secret == nil {
			continue
		}
		if secrets == nil {
			secrets = map[string]Secret{}
		}
		secrets[e.key] = *e.value.secret
	}
	value, wrong := p.typed(n)
	return value, secrets, append(errs, wrong...)
}

// uncover finds what is written as a secret: the value of a string, entries of a map.
// A document of ours may hide a value of any type. The node is nil if the value as a
// whole is wrong; an entry that is wrong is bad, and hides nothing of the others.
func (p *Parameter) uncover(n *node, from source) (*node, problems) {
	hides := from.stored && isSecretForm(n) && len(n.entries) == 1 && n.get(secretKey) != nil && n.get(secretKey).kind == kindNull
	switch {
	case hides, p.Type == TypeString && isSecretForm(n):
		out, err := from.uncover(n, p.Name)
		if err != nil {
			return nil, problems{err}
		}
		return out, nil
	case p.Type != TypeMap || n.kind != kindMap:
		return n, nil
	}
	out := *n
	out.entries = nil
	var errs problems
	for _, e := range n.entries {
		if isSecretForm(e.value) {
			v, err := from.uncover(e.value, p.Name+"."+e.key)
			if err != nil {
				errs = append(errs, err)
				v = &node{pos: e.value.pos, bad: true}
			}
			e.value = v
		}
		out.entries = append(out.entries, e)
	}
	return &out, errs
}

// hidden stands for a value that is not known here.
func (p *Parameter) hidden() any {
	switch p.Type {
	case TypeMap:
		return map[string]string{}
	case TypeList:
		return []string{}
	case TypeString, TypePath, TypeARN:
		return ""
	}
	return p.Default
}

// typed is coerce of a node in which nothing is covered any more.
func (p *Parameter) typed(n *node) (any, problems) {
	if n.bad {
		return nil, nil // said
	}
	if n.kind == kindNull {
		return nil, problems{n.problem(CodeMissing, "%s has no value: it must be %s", p.Name, p.Allowed()).
			WithHint("Give it a value, or leave it out.")}
	}
	switch p.Type {
	case TypeInt, TypeFloat:
		return p.number(n)
	case TypeBool:
		if b, ok := n.value.(bool); ok {
			return b, nil
		}
	case TypeEnum:
		return p.choice(n)
	case TypeList:
		return p.list(n)
	case TypeMap:
		return p.mapValue(n)
	default:
		if s, ok := n.value.(string); ok {
			return s, p.checkText(n, p.Name, s)
		}
	}
	return nil, problems{p.typeError(n)}
}

// fromText turns what was typed into a node of the parameter's type.
func (p *Parameter) fromText(n *node) (*node, *Problem) {
	text := strings.TrimSpace(n.text)
	isJSON := func() bool {
		return p.Type == TypeList && strings.HasPrefix(text, "[") || p.Type == TypeMap && text != ""
	}
	switch p.Type {
	case TypeString:
		if out, err := secretText(n); out != nil || err != nil {
			return out, err
		}
	case TypeInt, TypeFloat, TypeBool:
		if out, err := parseJSON(n.pos, []byte(text)); err == nil {
			return out, nil
		}
	case TypeEnum:
		if _, ints := p.Enum[0].(int); ints {
			if i, err := strconv.Atoi(text); err == nil {
				return &node{pos: n.pos, kind: kindInt, text: text, value: i}, nil
			}
		}
		return textNode(n.pos, text), nil
	case TypeList, TypeMap:
		if isJSON() {
			out, err := parseJSON(n.pos, []byte(text))
			if err != nil {
				return nil, n.pos.problem(CodeSyntax, "%s must be %s: %s", p.Name, p.Allowed(), err).WithHint(`Write JSON, for example %s.`, p.jsonExample())
			}
			return out, nil
		}
		out := &node{pos: n.pos, kind: map[Type]kind{TypeList: kindList, TypeMap: kindMap}[p.Type]}
		if text != "" {
			for item := range strings.SplitSeq(text, ",") {
				out.items = append(out.items, textNode(n.pos, strings.TrimSpace(item)))
			}
		}
		return out, nil
	}
	return textNode(n.pos, n.text), nil
}

func (p *Parameter) jsonExample() string {
	if p.Type == TypeList {
		return `["a","b"]`
	}
	return `{"NAME":"value"}`
}

// problem makes a Problem of a value of the parameter, which it shows unless it is secret.
func (p *Parameter) problem(n *node, rule ProblemCode, format string, args ...any) *Problem {
	out := n.problem(rule, format, args...)
	if p.covers(n) {
		out.Value = nil
	}
	return out
}

// covers tells whether the text of a node may not be shown.
func (p *Parameter) covers(n *node) bool {
	return p.Secret || n.secret != nil || meantAsSecret.MatchString(n.text)
}

// show quotes a value in an error text.
func (p *Parameter) show(n *node) string {
	switch {
	case p.covers(n):
		return "the secret value"
	case n.kind == kindList || n.kind == kindMap:
		return n.kind.String()
	}
	return strconv.Quote(n.text)
}

// noIntHolds are whole numbers that no int holds.
var noIntHolds = lazyregexp.New(`^[-+]?[0-9]{19,}$`)

func (p *Parameter) typeError(n *node) *Problem {
	want := "a string"
	switch p.Type {
	case TypeInt, TypeFloat, TypeBool, TypeEnum:
		want = p.Allowed()
	case TypeList, TypeMap:
		want = "a " + string(p.Type)
	}
	e := p.problem(n, CodeType, "%s must be %s, not %s", p.Name, want, p.describe(n))
	switch {
	case p.Type == TypeString && n.kind == kindMap:
		return e.WithHint("Write a text, or a secret: %s.", SecretForms)
	case want == "a string" && n.text != "" && !p.covers(n):
		return e.WithHint("Put it in quotes: %q.", n.text)
	case n.kind == kindString && p.Type == TypeInt && noIntHolds.MatchString(n.text): // the parser's word for it is text
		return p.problem(n, CodeRange, "%s is %s, which is too large a number", p.Name, p.show(n)).WithHint("Write %s, for example `%s: %s`.", p.Allowed(), p.Name, p.sample())
	case n.kind == kindString && (p.Type == TypeInt || p.Type == TypeBool || p.Type == TypeFloat):
		return e.WithHint("Write it without quotes, for example `%s: %s`.", p.Name, p.sample())
	}
	return e.WithHint("Write %s, for example `%s: %s`.", p.Allowed(), p.Name, p.sample())
}

func (p *Parameter) describe(n *node) string {
	if p.covers(n) || n.text == "" {
		return n.kind.String()
	}
	return describe(n)
}

// sample is a value to show in a hint, as JSON.
func (p *Parameter) sample() string {
	value := p.Example
	switch {
	case value != nil:
	case p.Default != nil:
		value = p.Default
	case p.Type == TypeBool:
		value = true
	case p.Min != nil:
		value = *p.Min
	case len(p.Enum) > 0:
		value = p.Enum[0]
	default:
		value = ""
	}
	text, err := json.Marshal(value)
	if err != nil {
		return "..."
	}
	return string(text)
}

func (p *Parameter) number(n *node) (any, problems) {
	f, ok := number(n.value)
	_, isInt := n.value.(int)
	if !ok || p.Type == TypeInt && !isInt {
		return nil, problems{p.typeError(n)}
	}
	if p.Min != nil && f < *p.Min || p.Max != nil && f > *p.Max || p.Above != nil && f <= *p.Above {
		shown := n.text
		if p.Secret {
			shown = "a secret value"
		}
		return nil, problems{p.problem(n, CodeRange, "%s is %s, but it must be %s", p.Name, shown, p.Allowed()).
			WithHint("Choose %s%s.", p.Allowed(), p.unit())}
	}
	if p.Type == TypeFloat {
		return f, nil
	}
	return n.value, nil
}

func (p *Parameter) unit() string {
	if p.Unit == "" {
		return ""
	}
	return " (" + p.Unit + ")"
}

func (p *Parameter) choice(n *node) (any, problems) {
	if n.kind == kindList || n.kind == kindMap {
		return nil, problems{p.typeError(n)}
	}
	if slices.Contains(p.Enum, n.value) {
		return n.value, nil
	}
	e := p.problem(n, CodeChoice, "%s is %s, but it must be %s", p.Name, p.show(n), p.Allowed())
	switch s := suggest(n.text, p.Choices()); {
	case s != "" && s == n.text:
		e = e.WithHint("Write it as %s.", p.sampleChoice(s))
	case s != "":
		e = e.WithHint("Did you mean %q?", s)
	case len(p.Enum) > maxListed:
		e = e.WithHint("Choose for example %s; `pipelinetui templates show` lists them all.", strings.Join(p.Choices()[:5], ", "))
	default:
		e = e.WithHint("Choose one of %s.", strings.Join(p.Choices(), ", "))
	}
	return nil, problems{e}
}

// sampleChoice writes a choice as YAML, quoted if it is a string.
func (p *Parameter) sampleChoice(s string) string {
	if _, isInt := p.Enum[0].(int); isInt {
		return s
	}
	return strconv.Quote(s)
}

func (p *Parameter) checkText(n *node, name, s string) problems {
	shown := strconv.Quote(s)
	if p.covers(n) {
		shown = "a secret value"
	}
	if n.secret != nil && n.secret.unknown() {
		return nil // CheckSecret looks at it once it is there
	}
	if p.MaxLength > 0 && utf8.RuneCountInString(s) > p.MaxLength {
		return problems{p.problem(n, CodeLength, "%s has %d characters, but it may have %d", name, utf8.RuneCountInString(s), p.MaxLength).WithHint("Shorten it.")}
	}
	var form interface {
		MatchString(s string) bool
		String() string
	}
	switch {
	case p.rules.pattern != nil:
		form = p.rules.pattern
	case p.Type == TypeARN:
		form = arnRule
	}
	if form == nil || form.MatchString(s) || s == "" && p.Default == "" {
		return nil
	}
	rule := p.PatternHelp
	if rule == "" {
		rule = p.Allowed() + " that matches " + form.String()
	}
	e := p.problem(n, CodePattern, "%s is %s, but it must be %s", name, shown, rule)
	if p.Example != nil && p.Type != TypeList {
		return problems{e.WithHint("Write it like %s.", format(p.Example))}
	}
	return problems{e.WithHint("The rule is %s.", form)}
}

func (p *Parameter) list(n *node) (any, problems) {
	if n.kind != kindList {
		return nil, problems{p.typeError(n)}
	}
	errs := p.checkCount(n, len(n.items))
	out := make([]string, 0, len(n.items))
	for _, item := range n.items {
		s, ok := item.value.(string)
		if item.bad {
			continue
		}
		if !ok {
			errs = append(errs, p.problem(item, CodeType, "%s must hold strings, not %s", p.Name, p.describe(item)).WithHint("Put it in quotes."))
			continue
		}
		if slices.Contains(out, s) {
			errs = append(errs, p.problem(item, CodeDuplicate, "%s holds %s twice", p.Name, p.show(item)).WithHint("Remove one of the two."))
			continue
		}
		errs = append(errs, p.checkText(item, p.Name, s)...)
		out = append(out, s)
	}
	return out, errs
}

func (p *Parameter) checkCount(n *node, count int) problems {
	if p.Max != nil && float64(count) > *p.Max || p.Min != nil && float64(count) < *p.Min {
		want := "at most " + format(deref(p.Max))
		if p.Min != nil && float64(count) < *p.Min {
			want = "at least " + format(*p.Min)
		}
		return problems{n.problem(CodeCount, "%s has %s, but it must have %s", p.Name, fault.Count(count, "entry", "entries"), want).WithHint("Change the number of entries.")}
	}
	return nil
}

func deref(f *float64) float64 {
	if f == nil {
		return 0
	}
	return *f
}

func (p *Parameter) mapValue(n *node) (any, problems) {
	if n.kind != kindMap || len(n.items) > 0 {
		return nil, problems{p.typeError(n)}
	}
	errs := p.checkCount(n, len(n.entries))
	out := make(map[string]string, len(n.entries))
	for _, e := range n.entries {
		name := p.Name + "." + e.key
		if form := p.rules.keyPattern; form != nil && !form.MatchString(e.key) {
			rule := p.KeyPatternHelp
			if rule == "" {
				rule = "a name that matches " + form.String()
			}
			errs = append(errs, e.pos.problem(CodePattern, "%s: the key %q must be %s", p.Name, e.key, rule).WithHint("Choose another key."))
		}
		if slices.Contains(p.KeyReserved, e.key) {
			errs = append(errs, e.pos.problem(CodeName, "%s: the key %q is reserved", p.Name, e.key).WithHint("Choose another key."))
		}
		s, ok := e.value.value.(string)
		if e.value.bad {
			continue
		}
		if !ok {
			err := p.problem(e.value, CodeType, "%s must be a string, not %s", name, p.describe(e.value))
			switch {
			case e.value.text != "" && !p.Secret:
				err = err.WithHint("Put it in quotes: %q.", e.value.text)
			case e.value.kind == kindMap:
				err = err.WithHint("Write a text, or a secret: %s.", SecretForms)
			case e.value.kind == kindNull:
				err = err.WithHint("Give it a text, or leave it out.")
			default:
				err = err.WithHint("Write a text, in quotes.")
			}
			errs = append(errs, err)
			continue
		}
		errs = append(errs, p.checkText(e.value, name, s)...)
		out[e.key] = s
	}
	return out, errs
}
