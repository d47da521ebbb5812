package spec_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// TestChecks reads checks through all layers: a stronger one of the same name counts,
// null takes one away, and what is kept with the stack says the same again.
func TestChecks(t *testing.T) {
	fsys := tinyFS()
	fsys["tiny/template.yaml"] = &fstest.MapFile{Data: []byte(tiny + "checks:\n  alive: {input: {}, latency: 5s}\n  gone: {input: 1, latency: 1s}\n")}
	cat, err := spec.LoadCatalog(fsys)
	require.NoError(t, err)
	set, errs := load(t, cat, `
apiVersion: pipelinetui/v1
defaults: {template: tiny, region: us-east-1, checks: {low: {input: [1, 2.5], condition: $answer < 3}, other: {input: a, latency: 2}}}
tenants: {acme: {checks: {other: null}}}
pipelines:
  - {tenant: acme, model: fraud, checks: {low: {input: {x: 7}, condition: '$answer.y = $input.x', latency: 800ms}, gone: null, never: null}}
`, spec.Options{})
	require.Empty(t, errs)
	p := set.Pipelines[0]
	want := spec.Checks{
		{Name: "alive", Input: spec.JSON(`{}`), Latency: 5 * time.Second},
		{Name: "low", Input: spec.JSON(`{"x":7}`), Condition: "$answer.y = $input.x", Latency: 800 * time.Millisecond},
	}
	require.Equal(t, want, p.Checks)
	var doc struct{ Checks map[string]any }
	require.NoError(t, json.Unmarshal(p.Document, &doc))
	require.Len(t, doc.Checks, 2, "what the template says stays there: %s", p.Document)
	again, err := spec.FromDocument(p.Document, cat, spec.Options{})
	require.NoError(t, err)
	require.Equal(t, want, again.Checks)
	require.JSONEq(t, string(p.Document), string(again.Document))
	tmpl, err := cat.Lookup("tiny")
	require.NoError(t, err)
	kept, err := spec.ChecksIn(p.Document, tmpl)
	require.NoError(t, err)
	require.Equal(t, want, kept)
	without, err := spec.ChecksIn(p.Document, nil)
	require.NoError(t, err)
	require.Len(t, without, 1)
}

// TestChecksRefused wants each mistake with its place, all of them at once.
func TestChecksRefused(t *testing.T) {
	for text, want := range map[string]string{
		`[]`:                           "checks must be a map of checks by name, not a list",
		`{A: {input: 1, latency: 1s}}`: `"A" can't be the name of a check`,
		`{a: 3}`:                       "checks.a must be a map, not an int (3)",
		`{a: {input: 1}}`:              "checks.a has neither condition nor latency",
		`{a: {latency: 1s}}`:           "checks.a has no input",
		`{a: {input: 1, latency: 1s, conditoin: x}}`: `unknown key "conditoin" in checks.a`,
		`{a: {input: 1, latency: fast}}`:             "checks.a.latency is a string (fast), but it must be a time from 1ms to 1h",
		`{a: {input: 1, latency: 0}}`:                "checks.a.latency is an int (0), but",
		`{a: {input: 1, latency: 2h}}`:               "checks.a.latency is a string (2h), but",
		`{a: {input: 1, condition: "$answer >"}}`:    "the condition of checks.a is no JSONata at character 10",
		`{a: {input: 1, condition: "score > 2"}}`:    `the condition of checks.a reads "score" of nothing`,
		`{a: {input: 1, condition: "$anser > 2"}}`:   "the condition of checks.a reads $anser, which there is not",
		`{a: {input: 1, condition: "$input = 1"}}`:   "the condition of checks.a does not look at the answer",
		`{a: {input: 1, condition: 3}}`:              "checks.a.condition must be a string, not an int (3)",
	} {
		_, errs := load(t, tinyCatalog(t), "apiVersion: pipelinetui/v1\ndefaults: {template: tiny, region: us-east-1}\npipelines:\n  - tenant: acme\n    "+
			"model: fraud\n    checks: "+text+"\n", spec.Options{})
		require.Len(t, errs, 1, "%s: %v", text, errs)
		require.Contains(t, errs[0], want, text)
		require.Contains(t, errs[0], ":6:", "the line that says it")
	}
	_, errs := load(t, tinyCatalog(t), "apiVersion: pipelinetui/v1\ndefaults: {template: tiny, region: us-east-1, checks: {a: {input: 1}}}\npipelines:\n "+
		" - {tenant: acme, model: fraud, checks: {b: {latency: 1s}}}\n", spec.Options{})
	require.Len(t, errs, 2)
}

// The bound holds for all layers together: an update asks all of them.
func TestChecksAreBoundedTogether(t *testing.T) {
	t.Parallel()
	some := func(prefix string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%s%d: {input: 1, latency: 1s}, ", prefix, i)
		}
		return "{" + b.String() + "}"
	}
	of := func(taken string) []string {
		_, errs := load(t, tinyCatalog(t), "apiVersion: pipelinetui/v1\ndefaults: {template: tiny, region: us-east-1, checks: "+some("d", 11)+"}\n"+
			"pipelines:\n  - {tenant: acme, model: fraud, checks: "+strings.TrimSuffix(some("p", 10), "}")+taken+"}}\n", spec.Options{})
		return errs
	}
	require.Empty(t, of("d3: null"))
	errs := of("")
	require.Len(t, errs, 1)
	require.Contains(t, errs[0], "21 checks with those of its template, its tenant and the defaults, but there may be 20")
}
