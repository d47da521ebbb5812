package program

import (
	"context"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/stretchr/testify/require"
)

// Where a rollout waits, both aliases move bit by bit, watched by alarms that are there
// before, count minutes and are not made twice; nothing of that without a rollout.
func TestAliasesMoveBitByBit(t *testing.T) {
	t.Parallel()
	env := testEnv
	env.Shift = func(context.Context, Shift) error { return nil }
	rollout := map[string]any{"rollout.strategy": "canary", "rollout.size": "20%", "rollout.interval": "5m", "rollout.alarms": []string{"theirs"}, "alarms": true}
	p, tmpl := pipelineOf(t, rollout)
	r := execute(t, p, tmpl, env)
	require.Equal(t, []string{"rollout-alias"}, r.made["alias"].hooks)
	require.Equal(t, []string{"rollout-pre-live"}, r.made["pre-live"].hooks)
	require.Subset(t, r.made["alias"].deps, []string{"alarm-failed", "alarm-timed-out"})
	require.Contains(t, r.made["pre-live"].deps, "alarm-function-errors")
	for name, period := range map[string]float64{"failed": 60, "timed-out": 60, "function-errors": 60, "throttled": 300, "function-throttles": 300} {
		require.Equal(t, period, r.inputs(t, "alarm-"+name)["period"], name)
	}
	require.Len(t, r.order, len(r.made), "no alarm twice")

	// The way back is taken at once; its alarms stay.
	env.AtOnce = true
	r = execute(t, p, tmpl, env)
	require.Empty(t, r.made["alias"].hooks)
	require.Contains(t, r.names(), "alarm-failed")

	env.AtOnce = false
	p, tmpl = pipelineOf(t, nil)
	r = execute(t, p, tmpl, env)
	require.Empty(t, r.made["alias"].hooks)
	require.Empty(t, r.made["pre-live"].hooks)
	require.NotContains(t, r.names(), "alarm-failed")
	p, tmpl = pipelineOf(t, rollout)
	require.Empty(t, execute(t, p, tmpl, testEnv).made["alias"].hooks, "nobody is there to move it")
}

// What an alias is to lead to, by the inputs of either kind.
func TestLeadsTo(t *testing.T) {
	t.Parallel()
	route := func(version string, weight float64) any {
		return map[string]any{"stateMachineVersionArn": version, "weight": weight}
	}
	for want, inputs := range map[string]map[string]any{
		"7":   {"functionVersion": "7", "name": "live"},
		"m:2": {"routingConfiguration": []any{route("m:2", 100)}},
		"m:3": {"routingConfiguration": []any{route("m:1", 0), route("m:3", 100)}},
		"":    {"name": "live"},
	} {
		require.Equal(t, want, leadsTo(resource.NewPropertyMapFromMap(inputs)), want)
	}
	// As a refresh finds it when a rollout was cut off: the heavier may be the new one.
	cut := map[string]any{"routingConfiguration": []any{route("m:1", 10), route("m:2", 90)}}
	require.Empty(t, leadsTo(resource.NewPropertyMapFromMap(cut)))
}

// A definition that names another revision does the same; one that differs in anything else
// does not.
func TestDefinitionsAlike(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, nil)
	of := func(change map[string]any) *plan {
		p, tmpl := pipelineOf(t, change)
		pl, err := newPlan(p, tmpl, testEnv)
		require.NoError(t, err)
		return pl
	}
	pl, err := newPlan(p, tmpl, testEnv)
	require.NoError(t, err)
	values := map[string]any{}
	for k, v := range pl.expected {
		values[k] = v
	}
	values["revision"], values["modelDigest"], values["codeDigest"] = 17, "sha256:ab", "sha256:cd"
	older, err := render(pl.definition.tree, values)
	require.NoError(t, err)
	require.NotEqual(t, pl.definition.json, older)
	require.True(t, pl.alike(older))
	require.False(t, of(map[string]any{"preprocess.timeoutSec": 77}).alike(older))
	require.False(t, pl.alike(strings.Replace(older, "States.TaskFailed", "States.Timeout", 1)+" "+"{}"))
	require.False(t, pl.alike("{}"))
	require.False(t, pl.alike("not JSON"))

	for name, c := range map[string]struct {
		parts []string
		text  string
		want  bool
	}{
		"none":         {[]string{"a"}, "a", true},
		"another":      {[]string{"a"}, "b", false},
		"in between":   {[]string{"r", "m"}, "r12m", true},
		"nothing":      {[]string{"r", "m"}, "rm", true},
		"at the end":   {[]string{"r", ""}, "r12", true},
		"not at first": {[]string{"r", ""}, "xr12", false},
		"two":          {[]string{"a", "b", "c"}, "a1b2c", true},
		"one missing":  {[]string{"a", "b", "c"}, "a1c", false},
		"overlapping":  {[]string{"ab", "b"}, "ab", false},
	} {
		require.Equal(t, c.want, fits(c.parts, c.text), name)
	}
}
