package spec

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
)

// TestRolloutOf holds rollouts against SageMaker's limits.
// (sagemaker/latest/APIReference: API_TrafficRoutingConfig, API_BlueGreenUpdatePolicy,
// API_RollingUpdatePolicy; sagemaker/latest/dg/deployment-guardrails-exclusions.html)
func TestRolloutOf(t *testing.T) {
	t.Parallel()
	of := func(env string, v Values) (Rollout, *RolloutFault) {
		return RolloutOf(&Pipeline{ID: ID{Tenant: "a", Model: "b", Env: env}, Parameters: v})
	}
	for name, c := range map[string]struct {
		env  string
		v    Values
		want Rollout
	}{
		"dev":                {"dev", Values{}, Rollout{Strategy: AllAtOnce}},
		"prod":               {"prod", Values{"rollout.strategy": "by-env"}, Rollout{Strategy: Canary, Size: 10, Percent: true, Interval: 10 * time.Minute}},
		"prod, serverless":   {"prod", Values{"endpointKind": "serverless"}, Rollout{Strategy: AllAtOnce}},
		"prod, inf1":         {"prod", Values{"instanceType": "ml.inf1.xlarge"}, Rollout{Strategy: AllAtOnce}},
		"linear":             {"dev", Values{"rollout.strategy": "linear"}, Rollout{Strategy: Linear, Size: 25, Percent: true, Interval: 10 * time.Minute}},
		"rolling, instances": {"dev", Values{"rollout.strategy": "rolling", "rollout.size": "2", "rollout.interval": "0s"}, Rollout{Strategy: Rolling, Size: 2}},
		"all at once, baked": {"prod", Values{"rollout.strategy": "all-at-once", "rollout.bake": "1h"}, Rollout{Strategy: AllAtOnce, Bake: time.Hour}},
	} {
		got, wrong := of(c.env, c.v)
		require.Nil(t, wrong, name)
		require.Equal(t, c.want, got, name)
	}
	for name, c := range map[string]struct {
		v       Values
		blames  string
		because string
	}{
		"half and more":        {Values{"rollout.strategy": "canary", "rollout.size": "51%"}, "rollout.size", "1% to 50%"},
		"a small step":         {Values{"rollout.strategy": "linear", "rollout.size": "9%"}, "rollout.size", "10% to 50%"},
		"a small batch":        {Values{"rollout.strategy": "rolling", "rollout.size": "4%"}, "rollout.size", "5% to 50%"},
		"a long wait":          {Values{"rollout.strategy": "canary", "rollout.interval": "61m"}, "rollout.interval", "0s to 1h"},
		"half a second":        {Values{"rollout.strategy": "canary", "rollout.interval": "500ms"}, "rollout.interval", "whole seconds"},
		"a short timeout":      {Values{"rollout.strategy": "canary", "rollout.timeout": "9m"}, "rollout.timeout", "10m to 8h"},
		"a timeout in between": {Values{"rollout.strategy": "linear", "rollout.size": "10%", "rollout.timeout": "90m"}, "rollout.timeout", "waits 1h30m in all"},
		"too many waits":       {Values{"rollout.strategy": "linear", "rollout.size": "10%", "rollout.interval": "1h"}, "rollout.interval", "8h"},
		"rolling, baked":       {Values{"rollout.strategy": "rolling", "rollout.bake": "1m"}, "rollout.bake", "rolling"},
		"a step of nothing":    {Values{"rollout.size": "5%"}, "rollout.size", "all-at-once"},
		"serverless":           {Values{"endpointKind": "serverless", "rollout.strategy": "canary"}, "rollout.strategy", "serverless"},
		"many alarms":          {Values{"rollout.alarms": []string{"1", "2", "3", "4", "5", "6", "7"}}, "rollout.alarms", "7 names"},
	} {
		_, wrong := of("dev", c.v)
		require.NotNil(t, wrong, name)
		require.Equal(t, c.blames, wrong.Parameter, name)
		require.Contains(t, wrong.Msg, c.because, name)
		require.NotEmpty(t, wrong.Hint, name)
	}
}

// TestAliasSteps: which shares an alias has on its way, and that nobody waits for nothing.
func TestAliasSteps(t *testing.T) {
	t.Parallel()
	const wait = 10 * time.Minute
	for name, c := range map[string]struct {
		r    Rollout
		want []AliasStep
	}{
		"at once":               {Rollout{Strategy: AllAtOnce}, nil},
		"at once, baked":        {Rollout{Strategy: AllAtOnce, Bake: wait}, []AliasStep{{100, wait}}},
		"canary":                {Rollout{Strategy: Canary, Size: 7, Percent: true, Interval: wait}, []AliasStep{{7, wait}}},
		"canary, baked":         {Rollout{Strategy: Canary, Size: 7, Percent: true, Interval: wait, Bake: time.Minute}, []AliasStep{{7, wait}, {100, time.Minute}}},
		"canary of instances":   {Rollout{Strategy: Canary, Size: 3, Interval: wait}, []AliasStep{{10, wait}}},
		"canary without a wait": {Rollout{Strategy: Canary, Size: 7, Percent: true}, nil},
		"linear":                {Rollout{Strategy: Linear, Size: 40, Percent: true, Interval: wait}, []AliasStep{{40, wait}, {80, wait}}},
		"rolling":               {Rollout{Strategy: Rolling, Size: 50, Percent: true, Interval: wait}, []AliasStep{{50, wait}, {100, wait}}},
		"none was planned":      {Rollout{}, nil},
	} {
		require.Empty(t, cmp.Diff(c.want, c.r.AliasSteps(), cmpopts.EquateEmpty()), name)
	}
}

// What --rollout asks for at once takes back the steps that a spec asks for.
func TestSetRollout(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"canary:10%:5m": {"rollout.strategy=canary", "rollout.size=10%", "rollout.interval=5m"},
		"linear":        {"rollout.strategy=linear"},
		"all-at-once":   {"rollout.strategy=all-at-once", "rollout.size=null", "rollout.interval=null", "rollout.bake=null"},
	} {
		got, wrong := setRollout(text)
		require.Nil(t, wrong)
		require.Equal(t, want, got, text)
	}
}
