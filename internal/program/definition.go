package program

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

var errTrailing = errors.New("there is something after the end of the JSON value")

// maxDefinition is Step Functions' limit of a definition, in bytes.
// (step-functions/latest/dg/service-quotas.html)
const maxDefinition = 1 << 20

// reference is ${name}. Anything else that begins with "${" is left alone: it
// is an expression of JSONata, such as ${"key": value}.
var reference = lazyregexp.New(`\$\{([A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z][A-Za-z0-9_-]*)*)\}`)

// definition is a template's state machine: States Language with ${names} in
// its strings. It is handled as data, never as text, so that no value can break
// the JSON around it.
type definition struct {
	tree  any
	names []string // every ${name} in it, sorted
	json  string   // as it will be, with the expected values
}

// readDefinition parses the template's definition and finds its references.
func (p *plan) readDefinition() fault.List {
	text, err := p.tmpl.DefinitionFor(p.values)
	if err != nil {
		return fault.List{fault.Wrap(err, "read the definition")}
	}
	tree, err := decodeJSON(text)
	if err != nil {
		return fault.List{fault.New(fault.Invalid, "the definition of template %s is not JSON: %s", p.tmpl.Name, jsonError(text, err)).
			Because(err).WithHint("Correct statemachine.asl.json of the template.")}
	}
	if _, ok := tree.(map[string]any); !ok {
		return fault.List{fault.New(fault.Invalid, "the definition of template %s is not a JSON object", p.tmpl.Name).
			WithHint("Correct statemachine.asl.json of the template.")}
	}
	found := map[string]bool{}
	var errs fault.List
	walkStrings(tree, func(s string, key bool) {
		for _, m := range reference.FindAllStringSubmatch(s, -1) {
			if key {
				errs = append(errs, fault.New(fault.Invalid, "the definition of template %s uses %s in the name of a field", p.tmpl.Name, m[0]).
					WithHint("Use substitutions in values only."))
			}
			found[m[1]] = true
		}
	})
	d := &definition{tree: tree}
	for name := range found {
		d.names = append(d.names, name)
	}
	sort.Strings(d.names)
	p.definition = d
	return errs
}

// checkDefinition renders the definition with the values as they will be.
func (p *plan) checkDefinition() fault.List {
	if p.definition == nil {
		return nil
	}
	errs := p.checkReferences()
	if len(errs) > 0 {
		return errs
	}
	text, err := render(p.definition.tree, p.expected)
	if err != nil {
		return fault.List{fault.New(fault.Invalid, "the definition of template %s can't be filled in: %v", p.tmpl.Name, err).
			Because(err).WithHint("Change the value, or the place in statemachine.asl.json.")}
	}
	if len(text) > maxDefinition {
		return fault.List{fault.New(fault.Invalid, "the definition of template %s has %d bytes; Step Functions takes at most %d", p.tmpl.Name, len(text), maxDefinition).
			WithHint("Shorten statemachine.asl.json.")}
	}
	p.definition.json = text
	return nil
}

// checkReferences finds what is used and not there, and what was declared and
// is not used.
func (p *plan) checkReferences() fault.List {
	var errs fault.List
	for _, name := range p.definition.names {
		if _, ok := p.expected[name]; ok {
			continue
		}
		e := fault.New(fault.Invalid, "the definition of template %s uses ${%s}, which neither a parameter nor a block provides", p.tmpl.Name, name)
		if slices.ContainsFunc(p.tmpl.Parameters, func(param spec.Parameter) bool { return param.Name == name }) {
			e.Msg = fmt.Sprintf("the definition of template %s uses ${%s}, and that parameter has no value", p.tmpl.Name, name)
			errs = append(errs, e.WithHint("Set it with --set %s=... or give it a default in template.yaml.", name))
			continue
		}
		errs = append(errs, e.WithHint("Use some of: %s.", strings.Join(p.offered(), ", ")))
	}
	used := p.tmpl.UsedSubstitutions() // in any case, not in the chosen ones only
	for _, s := range p.tmpl.Substitutions {
		if !slices.Contains(used, s.Name) {
			errs = append(errs, fault.New(fault.Invalid, "template %s declares the substitution %s, and its definition does not use it", p.tmpl.Name, s.Name).
				WithHint("Remove it from template.yaml, or use ${%s} in statemachine.asl.json.", s.Name))
		}
	}
	return errs
}

// offered lists what a definition may use.
func (p *plan) offered() []string {
	var names []string
	for name := range p.expected {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// definitionText is the definition for the state machine: with the values of
// real resources, so that it waits for them.
func (b *build) definitionText() pulumi.StringInput {
	var names []string
	var inputs []any
	for _, name := range b.definition.names {
		if out, ok := b.outputs[name]; ok {
			names = append(names, name)
			inputs = append(inputs, out)
			continue
		}
		if b.holdsSecret(name) {
			names = append(names, name)
			inputs = append(inputs, pulumi.ToSecret(pulumi.Any(b.expected[name])))
		}
	}
	if len(names) == 0 {
		return pulumi.String(b.definition.json)
	}
	return pulumi.All(inputs...).ApplyT(func(values []any) (string, error) {
		all := make(map[string]any, len(b.expected))
		for k, v := range b.expected {
			all[k] = v
		}
		for i, name := range names {
			all[name] = values[i]
		}
		return render(b.definition.tree, all)
	}).(pulumi.StringOutput)
}

// render fills in the tree and writes it in one canonical form: sorted keys, no
// spaces. The same definition is always the same text, so it never shows as
// changed.
func render(tree any, values map[string]any) (string, error) {
	filled, err := fill(tree, values)
	if err != nil {
		return "", err
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(filled); err != nil {
		return "", err
	}
	return strings.TrimSuffix(buf.String(), "\n"), nil
}

func fill(tree any, values map[string]any) (any, error) {
	switch v := tree.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			filled, err := fill(item, values)
			if err != nil {
				return nil, err
			}
			out[k] = filled
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			filled, err := fill(item, values)
			if err != nil {
				return nil, err
			}
			out[i] = filled
		}
		return out, nil
	case string:
		return fillString(v, values)
	}
	return tree, nil
}

// fillString replaces the references in one string. A string that is nothing
// but one reference takes the value with its type.
func fillString(s string, values map[string]any) (any, error) {
	if m := reference.FindStringSubmatch(s); m != nil && m[0] == s {
		if v, ok := values[m[1]]; ok {
			return v, nil
		}
		return nil, fmt.Errorf("nothing provides ${%s}", m[1])
	}
	expression := strings.HasPrefix(s, "{%") && strings.HasSuffix(s, "%}")
	var failed error
	out := reference.ReplaceAllStringFunc(s, func(ref string) string {
		name := reference.FindStringSubmatch(ref)[1]
		v, ok := values[name]
		if !ok {
			failed = fmt.Errorf("nothing provides ${%s}", name)
			return ref
		}
		text, err := inText(v)
		if err == nil && expression && strings.ContainsAny(text, "'\"`\\\n\r") {
			err = errors.New("a quote, a backslash or a line break can't stand inside a JSONata expression")
		}
		if err != nil {
			failed = fmt.Errorf("${%s}: %w", name, err)
			return ref
		}
		return text
	})
	return out, failed
}

// inText is a value as part of a longer string.
func inText(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", errors.New("a list or map can't be part of a longer text")
}

// walkStrings visits every string of a JSON value; key tells that it is the
// name of a field.
func walkStrings(v any, visit func(s string, key bool)) {
	switch v := v.(type) {
	case map[string]any:
		for k, item := range v {
			visit(k, true)
			walkStrings(item, visit)
		}
	case []any:
		for _, item := range v {
			walkStrings(item, visit)
		}
	case string:
		visit(v, false)
	}
}

// jsonError adds line and column to an error of encoding/json.
func jsonError(data []byte, err error) string {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return err.Error()
	}
	before := data[:min(int(syntax.Offset), len(data))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n') - 1
	return fmt.Sprintf("line %d, column %d: %v", line, max(column, 1), err)
}
