package spec

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// Check is a question to a pipeline of which it is known what a good answer is.
type Check struct {
	// Name is its own among those of the pipeline.
	Name string `json:"name"`
	// Input is the input of an execution.
	Input JSON `json:"input"`
	// Condition is an expression in JSONata that is true of a good answer; "": none. It
	// reads the names of CheckVariables.
	Condition string `json:"condition,omitempty"`
	// Latency is how long an execution may take; 0: as long as anybody waits, an hour.
	Latency time.Duration `json:"-"`
}

// MarshalJSON writes a check as a spec has it, and its name.
func (c Check) MarshalJSON() ([]byte, error) {
	type plain Check
	out := struct {
		plain

		Latency string `json:"latency,omitempty"`
	}{plain: plain(c)}
	if c.Latency > 0 {
		out.Latency = c.Latency.String()
	}
	return json.Marshal(out)
}

// Checks are those of a pipeline or of a template, by name.
type Checks []Check

// CheckVariables are what a condition reads: what was predicted, the output of the
// execution, and its input.
var CheckVariables = []string{"answer", "output", "input"}

// Bounds of checks. The input is bounded by that of an execution.
// (step-functions/latest/dg/service-quotas.html: 262,144 bytes)
const (
	mostChecks     = 20
	mostCheckInput = 256 << 10
	mostLatency    = time.Hour
)

const checksGroup = "checks"

// checkName is what can be a part of the name of an execution.
var checkName = lazyregexp.New(`^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$`)

// decodeNode reads the checks of a template.
func (c *Checks) decodeNode(n *node, _ string) problems {
	errs := checkChecks(n)
	if len(errs) == 0 {
		*c = checksIn(n)
	}
	return errs
}

// checkChecks holds the checks of one layer against the rules.
func checkChecks(n *node) problems {
	if n == nil || n.bad || n.kind == kindNull {
		return nil
	}
	if n.kind != kindMap {
		return problems{typeError(n, checksGroup, "a map of checks by name")}
	}
	var errs problems
	if len(n.entries) > mostChecks {
		errs = append(errs, n.problem(CodeCount, "there are %d checks, but there may be %d", len(n.entries), mostChecks).
			WithHint("An update asks all of them: keep those that tell most."))
	}
	for _, e := range n.entries {
		if !checkName.MatchString(e.key) {
			errs = append(errs, e.pos.problem(CodeCheck, "%q can't be the name of a check", clip(e.key)).WithHint("Use up to 32 of a-z, 0-9 and hyphens, a letter first."))
		}
		if !e.value.bad && e.value.kind != kindNull {
			errs = append(errs, checkCheck(e.value, checksGroup+"."+e.key)...)
		}
	}
	return errs
}

// checkFile is one check, as it is written.
type checkFile struct {
	Input     *node `json:"input"`
	Condition *node `json:"condition"`
	Latency   *node `json:"latency"`
}

func checkCheck(n *node, path string) problems {
	var f checkFile
	d := decoder{path: path}
	errs := d.decode(n, &f)
	if n.kind != kindMap {
		return errs
	}
	if f.Input == nil {
		errs = append(errs, n.problem(CodeMissing, "%s has no input", path).WithHint("Add `input: ...`: the input of an execution, such as `run --input` takes."))
	} else if !f.Input.broken() && len(inputOf(f.Input)) > mostCheckInput {
		errs = append(errs, f.Input.problem(CodeSize, "the input of %s has more than %d bytes", path, mostCheckInput).
			WithHint("Step Functions takes no longer input: put what is large into S3."))
	}
	if f.Condition == nil && f.Latency == nil {
		errs = append(errs, n.problem(CodeMissing, "%s has neither condition nor latency", path).
			WithHint("Say what a good answer is, such as `condition: $answer.predictions[0] > 0`, or how long it may take: `latency: 2s`."))
	}
	if text := text(f.Condition, path+".condition", &errs); f.Condition.isText() {
		if e := checkCondition(f.Condition, path, text); e != nil {
			errs = append(errs, e)
		}
	}
	if l := f.Latency; l != nil && !l.bad {
		if _, ok := latencyOf(l); !ok {
			errs = append(errs, l.problem(CodeCheck, "%s.latency is %s, but it must be a time from 1ms to %s", path, describe(l), Short(mostLatency)).WithHint("Write it like 800ms or 2s."))
		}
	}
	return errs
}

// checkCondition tells whether a text is an expression that reads only what there is.
func checkCondition(n *node, path, text string) *Problem {
	expr, err := jsonata.Compile(text)
	if err != nil {
		return n.problem(CodeCheck, "the condition of %s is no JSONata at character %d: %s", path, jsonata.ErrorOffset(text)+1, err).Because(err).
			WithHint("Write a condition such as $answer.predictions[0] > 0.")
	}
	names := "$" + strings.Join(CheckVariables, ", $")
	if bare := expr.TopLevel(); len(bare) > 0 {
		return n.problem(CodeCheck, "the condition of %s reads %q of nothing", path, clip(bare[0])).
			WithHint("Write $answer.%s; there are %s.", strings.TrimLeft(clip(bare[0]), "$"), names)
	}
	reads := false
	for _, name := range expr.Variables() {
		if !slices.Contains(CheckVariables, name) {
			e := n.problem(CodeCheck, "the condition of %s reads $%s, which there is not", path, clip(name))
			if meant := suggest(name, CheckVariables); meant != "" {
				return e.WithHint("Did you mean $%s?", meant)
			}
			return e.WithHint("There are %s.", names)
		}
		reads = reads || name != "input"
	}
	if !reads {
		return n.problem(CodeCheck, "the condition of %s does not look at the answer", path).WithHint("Read $answer or $output in it.")
	}
	return nil
}

// latencyOf reads a time; a number is one of seconds.
func latencyOf(n *node) (time.Duration, bool) {
	text, _ := n.value.(string)
	if seconds, ok := n.value.(int); ok {
		text = strconv.Itoa(seconds) + "s"
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= time.Millisecond && d <= mostLatency
}

func inputOf(n *node) JSON {
	raw, err := json.Marshal(n.plain())
	if err != nil {
		panic("spec: a value of YAML without places can't fail to marshal: " + err.Error())
	}
	return raw
}

// checksIn are the checks of a layer that is right, by name; one that is taken back is
// not among them.
func checksIn(n *node) Checks {
	if n == nil || n.kind != kindMap {
		return nil
	}
	var out Checks
	for _, e := range n.entries {
		var f checkFile
		if e.value.kind != kindMap || len(decode(e.value, &f)) > 0 || f.Input == nil || f.Input.broken() {
			continue
		}
		c := Check{Name: e.key, Input: inputOf(f.Input)}
		if f.Condition.isText() {
			c.Condition, _ = f.Condition.value.(string)
		}
		if f.Latency != nil && !f.Latency.bad {
			c.Latency, _ = latencyOf(f.Latency)
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Check) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// mergeChecks is what layers say of checks, those of the template beneath them: a check
// of a stronger layer stands in the place of one of the same name, `NAME: null` takes it
// away. said is what a stored spec has to say of it.
func mergeChecks(t Checks, layers []*layer) (all Checks, said map[string]any) {
	byName := map[string]Check{}
	for _, c := range t {
		byName[c.Name] = c
	}
	said = map[string]any{}
	for _, l := range layers {
		n := l.Checks
		if n == nil || n.bad || n.kind != kindMap {
			continue
		}
		for _, e := range n.entries {
			delete(byName, e.key)
			said[e.key] = e.value.plain()
		}
		for _, c := range checksIn(n) {
			byName[c.Name] = c
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		all = append(all, byName[name])
	}
	for name, v := range said {
		if v == nil && !slices.ContainsFunc(t, func(c Check) bool { return c.Name == name }) {
			delete(said, name) // there is nothing that it takes away
		}
	}
	return all, said
}

// checksField is checks in the JSON Schema.
func checksField() field {
	latency := &jsonschema.Schema{Description: "How long an execution may take: 800ms, 2s, or seconds.", Examples: []any{"2s"}, AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "integer"}}}
	one := object(
		field{"input", &jsonschema.Schema{Description: "The input of an execution.", Examples: []any{map[string]any{"amount": 12}}}},
		field{"condition", &jsonschema.Schema{
			Type: "string", Description: "JSONata that is true of a good answer; it reads $" + strings.Join(CheckVariables, ", $") + ".",
			Examples: []any{"$answer.predictions[0].value > 0.9"},
		}},
		field{"latency", latency},
	)
	one.Required = []string{"input"}
	return field{checksGroup, &jsonschema.Schema{
		Examples:    []any{map[string]any{"small": map[string]any{"input": map[string]any{"amount": 12}, "latency": "2s"}}},
		Description: "Questions of which it is known what a good answer is; `up`, `check` and `promote` ask them. null takes one of a weaker layer away.",
		AnyOf: []*jsonschema.Schema{{Type: "null"}, {
			Type: "object", MaxProperties: ptr(uint64(mostChecks)), PropertyNames: &jsonschema.Schema{Pattern: checkName.String()},
			AdditionalProperties: &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "null"}, one}},
		}},
	}}
}
