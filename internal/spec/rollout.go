package spec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// Strategy is how a change of what answers takes over the traffic.
type Strategy string

// The strategies. ByEnv stands for CANARY in env prod, and for ALL_AT_ONCE elsewhere.
const (
	ByEnv     Strategy = "by-env"
	AllAtOnce Strategy = "all-at-once"
	Canary    Strategy = "canary"
	Linear    Strategy = "linear"
	Rolling   Strategy = "rolling"
)

// Rollout is how an endpoint moves over to another configuration. It is within SageMaker's
// limits. (docs/rollouts.md)
type Rollout struct {
	Strategy Strategy
	// Size is the canary, the step or the batch: in percent of the new fleet, or in
	// instances.
	Size    int
	Percent bool
	// Interval is what is waited behind a step, Bake what is waited before the old fleet
	// goes, Timeout what all of it may take; 0 leaves it to SageMaker.
	Interval, Bake, Timeout time.Duration
	// Alarms are those of others that turn it back, by name.
	Alarms []string
}

// Guarded tells whether there is a while in which a bad change is seen and turned back.
func (r Rollout) Guarded() bool { return r.Strategy != AllAtOnce || r.Bake > 0 }

// What SageMaker allows. (API_TrafficRoutingConfig, API_BlueGreenUpdatePolicy,
// API_RollingUpdatePolicy, API_AutoRollbackConfig of sagemaker/latest/APIReference)
const (
	mostWait       = time.Hour
	leastTimeout   = 10 * time.Minute
	mostTimeout    = 8 * time.Hour
	mostShare      = 50
	leastStep      = 10
	leastBatch     = 5
	mostAlarms     = 10
	whole          = 100 // percent
	ownAlarms      = 4   // of the endpoint itself, see Rollout.Alarms; that of checks is one more
	defaultCanary  = 10
	defaultStep    = 25
	defaultBatch   = 20
	defaultWait    = 10 * time.Minute
	rolloutGroup   = "rollout"
	rolloutHelp    = "a map such as {strategy: canary, size: 10%, interval: 10m}, or canary:10%:10m in short"
	rolloutOfShort = "strategy, size and interval with colons between them"
)

// RolloutFault is what is wrong with a rollout: the parameter to blame, and why.
type RolloutFault struct{ Parameter, Msg, Hint string }

var (
	sizeForm = lazyregexp.New(`^([1-9][0-9]{0,3})(%?)$`)
	// withoutGuardrails are machines for which SageMaker falls back to all at once.
	// (sagemaker/latest/dg/deployment-guardrails-exclusions.html)
	withoutGuardrails = lazyregexp.New(`^ml\.inf1\.`)
)

// RolloutOf is how the pipeline's endpoint moves over, by its parameters and its env; wrong
// is what can't be.
func RolloutOf(p *Pipeline) (r Rollout, wrong *RolloutFault) {
	v := p.Parameters
	bad := func(name, hint, format string, args ...any) (Rollout, *RolloutFault) {
		name = rolloutGroup + "." + name
		return Rollout{}, &RolloutFault{name, name + " " + fmt.Sprintf(format, args...), hint}
	}
	said := func(name string) string { return v.String(rolloutGroup + "." + name) }
	r.Strategy = Strategy(said("strategy"))
	excluded := ""
	switch {
	case v.String("endpointKind") == "serverless":
		excluded = "a serverless endpoint"
	case withoutGuardrails.MatchString(v.String("instanceType")):
		excluded = "machines of type " + v.String("instanceType")
	}
	if r.Strategy == ByEnv || r.Strategy == "" {
		r.Strategy = AllAtOnce
		if p.Env == ProdEnv && excluded == "" {
			r.Strategy = Canary
		}
	}
	var err error
	for _, wait := range []struct {
		name        string
		into        *time.Duration
		least, most time.Duration
	}{{"interval", &r.Interval, 0, mostWait}, {"bake", &r.Bake, 0, mostWait}, {"timeout", &r.Timeout, leastTimeout, mostTimeout}} {
		text := said(wait.name)
		if text == "" {
			continue
		}
		if *wait.into, err = time.ParseDuration(text); err != nil || *wait.into%time.Second != 0 || *wait.into < wait.least || *wait.into > wait.most {
			return bad(wait.name, "Write it like 10m or 90s.", "is %q, but it must be a time from %s to %s, in whole seconds", text, Short(wait.least), Short(wait.most))
		}
	}
	r.Alarms = v.Strings(rolloutGroup + ".alarms")
	guarded, own := r.Guarded() || len(r.Alarms) > 0, ownAlarms
	if len(p.Checks) > 0 {
		own++
	}
	switch {
	case excluded != "" && guarded:
		return bad("strategy", "Use all-at-once, without bake and alarms.", "is %s, but SageMaker's deployment guardrails exclude %s", r.Strategy, excluded)
	case len(r.Alarms) > mostAlarms-own:
		return bad("alarms", fmt.Sprintf("SageMaker watches %d alarms, of which %d are the pipeline's own.", mostAlarms, own),
			"has %d names, but there may be %d", len(r.Alarms), mostAlarms-own)
	case r.Strategy == Rolling && r.Bake > 0:
		return bad("bake", "Use interval: it is waited behind each batch, the last one too.", "does not go with strategy rolling")
	case r.Strategy == AllAtOnce && said("interval") != "":
		return bad("interval", "Use bake: the time for which both fleets are kept.", "does not go with strategy all-at-once")
	case r.Strategy == AllAtOnce && said("size") != "":
		return bad("size", "Leave it out, or choose another strategy.", "does not go with strategy all-at-once")
	}
	if r.Strategy == AllAtOnce {
		return r, r.fits(bad)
	}
	if said("interval") == "" {
		r.Interval = defaultWait
	}
	least, size := 1, said("size")
	switch r.Strategy {
	case Linear:
		least, r.Size = leastStep, defaultStep
	case Rolling:
		least, r.Size = leastBatch, defaultBatch
	default:
		r.Size = defaultCanary
	}
	r.Percent = true
	if size != "" {
		m := sizeForm.FindStringSubmatch(size)
		if m == nil {
			return bad("size", "Write 10% of the new fleet, or a number of instances.", "is %q", size)
		}
		r.Size, _ = strconv.Atoi(m[1]) // at most four digits
		r.Percent = m[2] != ""
	}
	if r.Percent && (r.Size < least || r.Size > mostShare) {
		return bad("size", "Choose a size in those bounds.", "is %d%%, but with strategy %s SageMaker takes %d%% to %d%% of the new fleet", r.Size, r.Strategy, least, mostShare)
	}
	return r, r.fits(bad)
}

// AliasStep is a step of an alias on its way to another version: how many percent of the
// calls that version takes, and for how long alarms are watched then.
type AliasStep struct {
	Percent int
	Wait    time.Duration
}

// AliasSteps are the steps of an alias, none if it moves at once. Nobody counts instances
// there: a size in instances is the strategy's own share. A rolling one is a linear one,
// with a wait at its end too.
func (r Rollout) AliasSteps() []AliasStep {
	size := r.Size
	if !r.Percent {
		size = map[Strategy]int{Canary: defaultCanary, Linear: defaultStep, Rolling: defaultBatch}[r.Strategy]
	}
	var steps []AliasStep
	for at := size; size > 0 && at < whole; at += size {
		steps = append(steps, AliasStep{at, r.Interval})
		if r.Strategy == Canary {
			break
		}
	}
	end := r.Bake
	if r.Strategy == Rolling {
		end = r.Interval
	}
	steps = append(steps, AliasStep{whole, end})
	return slices.DeleteFunc(steps, func(s AliasStep) bool { return s.Wait <= 0 })
}

// Waits is the time that a rollout spends waiting, as far as that is known beforehand: of a
// size in instances the number of steps is not.
func (r Rollout) Waits() time.Duration {
	steps := 0
	switch {
	case r.Strategy == Canary, !r.Percent && r.Strategy != AllAtOnce:
		steps = 1
	case r.Strategy == Linear:
		steps = (100+r.Size-1)/r.Size - 1
	case r.Strategy == Rolling:
		steps = (100 + r.Size - 1) / r.Size
	}
	return time.Duration(steps)*r.Interval + r.Bake
}

// fits tells what is wrong with the time that all of it may take.
func (r Rollout) fits(bad func(name, hint, format string, args ...any) (Rollout, *RolloutFault)) *RolloutFault {
	least := r.Waits()
	var wrong *RolloutFault
	switch {
	case least > mostTimeout:
		_, wrong = bad("interval", "Wait less, or in fewer steps.", "makes the rollout wait %s in all, but SageMaker gives it %s", Short(least), Short(mostTimeout))
	case r.Timeout > 0 && r.Timeout <= least:
		_, wrong = bad("timeout", "Leave room for instances to start.", "is %s, but the rollout waits %s in all", Short(r.Timeout), Short(least))
	}
	return wrong
}

// Short is a duration as people write it, in whole units: 10m, not 10m0s.
func Short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// parameters are what a layer says of parameters, rollout and notify with them.
func (l *layer) parameters() *node {
	if l.Rollout == nil && l.Notify == nil || l.Parameters != nil && l.Parameters.bad {
		return l.Parameters
	}
	all := &node{kind: kindMap}
	if l.Parameters != nil {
		*all = *l.Parameters
		all.entries = slices.Clone(all.entries)
	}
	add := func(group string, said *node) {
		if l.Parameters == nil {
			all.pos = said.pos
		}
		all.entries = append(all.entries, entry{key: group, pos: said.pos, value: said})
	}
	if l.Rollout != nil {
		add(rolloutGroup, l.rollout())
	}
	if l.Notify != nil {
		add(notifyGroup, l.Notify)
	}
	return all
}

// rollout is what the layer says of it, in texts: a number of instances, or of seconds, is
// as good as its text.
func (l *layer) rollout() *node {
	said := *l.Rollout
	said.entries = slices.Clone(said.entries)
	for i, e := range said.entries {
		if n, ok := e.value.value.(int); ok && e.value.kind == kindInt {
			text := strconv.Itoa(n)
			if e.key != "size" {
				text += "s"
			}
			said.entries[i].value = textNode(e.value.pos, text)
		}
	}
	return &said
}

// rolloutFlag is what gives Options.Rollout.
const rolloutFlag = "--rollout"

// CheckRollout refuses a text that is no rollout in its short form, whatever pipeline it is for.
func CheckRollout(text string) error {
	if _, e := setRollout(text); e != nil {
		return problems{e}.err()
	}
	return nil
}

// setRollout turns the text of --rollout into what --set says.
func setRollout(text string) ([]string, *Problem) {
	parts, e := splitRollout(pos{source: rolloutFlag}, text)
	if e != nil {
		return nil, e
	}
	var set []string
	for i, part := range parts {
		set = append(set, rolloutGroup+"."+rolloutShort[i]+"="+part)
	}
	if Strategy(parts[0]) == AllAtOnce { // the steps and waits that the spec asks for are none of its own
		for _, name := range append(slices.Clone(rolloutShort[len(parts):]), "bake") {
			set = append(set, rolloutGroup+"."+name+"=null")
		}
	}
	return set, nil
}

// rolloutShort are the parameters of the short form, in its order.
var rolloutShort = []string{"strategy", "size", "interval"}

func splitRollout(at pos, text string) ([]string, *Problem) {
	parts := strings.Split(text, ":")
	if text == "" || len(parts) > len(rolloutShort) || slices.Contains(parts, "") {
		return nil, at.problem(CodeFlag, "%q is no rollout", clip(text)).WithHint("Write %s: canary:10%%:10m, linear:25%%, rolling:20%%:2m or all-at-once.", rolloutOfShort)
	}
	return parts, nil
}

// shortRollout reads the short form where a spec has it.
func shortRollout(n *node) (*node, *Problem) {
	text, ok := n.value.(string)
	if !ok {
		return nil, typeError(n, rolloutGroup, "a map")
	}
	parts, e := splitRollout(n.pos, text)
	if e != nil {
		return nil, e
	}
	m := &node{pos: n.pos, kind: kindMap}
	for i, part := range parts {
		at := n.pos.in(rolloutShort[i])
		m.put(entry{key: rolloutShort[i], pos: at, value: textNode(at, part)})
	}
	return m, nil
}

// rolloutField is rollout in the JSON Schema.
func rolloutField() field {
	text := func(description, example string) *jsonschema.Schema {
		return &jsonschema.Schema{Type: "string", Description: description, Examples: []any{example}}
	}
	orNumber := func(s *jsonschema.Schema) *jsonschema.Schema {
		return &jsonschema.Schema{Description: s.Description, Examples: s.Examples, AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "integer"}}}
	}
	return field{rolloutGroup, &jsonschema.Schema{
		Description: "How a change of what answers takes over the traffic; another way to write parameters.rollout.",
		Examples:    []any{"canary:10%:10m"},
		AnyOf: []*jsonschema.Schema{text("In short: canary:10%:10m.", "canary:10%:10m"), object(
			field{"strategy", &jsonschema.Schema{Description: "In which steps the traffic moves.", Examples: []any{string(Canary)}, Enum: []any{string(ByEnv), string(AllAtOnce), string(Canary), string(Linear), string(Rolling)}}},
			field{"size", orNumber(text("10% of the new fleet, or a number of instances.", "10%"))},
			field{"interval", orNumber(text("What is waited behind a step: 10m, or seconds.", "10m"))},
			field{"bake", orNumber(text("What is waited before the old fleet goes.", "5m"))},
			field{"timeout", orNumber(text("What all of it may take.", "2h"))},
			field{"alarms", &jsonschema.Schema{
				Type: "array", Items: &jsonschema.Schema{Type: "string"}, UniqueItems: true,
				Description: "Names of alarms that turn it back, besides the pipeline's own.", Examples: []any{[]string{"checkout-errors"}},
			}},
		)},
	}}
}
