package spec

import (
	"encoding/json"
	"regexp"
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
)

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

type compiledRules struct {
	pattern, keyPattern *regexp.Regexp
}
