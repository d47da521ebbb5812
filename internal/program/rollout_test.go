package program

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDeploymentInSageMakersWords: what a rollout becomes, that it follows the configuration,
// and what it is watched by.
func TestDeploymentInSageMakersWords(t *testing.T) {
	t.Parallel()
	env := testEnv
	env.Endpoint = &EndpointNow{Config: "another", InitialInstances: 1}
	p, tmpl := pipelineOf(t, map[string]any{
		"rollout.strategy": "canary", "rollout.size": "20%", "rollout.interval": "5m", "rollout.bake": "1m", "rollout.timeout": "1h",
		"rollout.alarms": []string{"theirs"}, "thresholds.latencyP99Ms": 250,
	})
	r := execute(t, p, tmpl, env)
	endpoint := r.inputs(t, "endpoint")
	require.Equal(t, map[string]any{
		"blueGreenUpdatePolicy": map[string]any{
			"trafficRoutingConfiguration": map[string]any{
				"type": "CANARY", "waitIntervalInSeconds": 300.0, "canarySize": map[string]any{"type": "CAPACITY_PERCENT", "value": 20.0},
			},
			"terminationWaitInSeconds": 60.0, "maximumExecutionTimeoutInSeconds": 3600.0,
		},
		"autoRollbackConfiguration": map[string]any{"alarms": []any{
			map[string]any{"alarmName": testBase + "-5xx"},
			map[string]any{"alarmName": testBase + "-model-errors"},
			map[string]any{"alarmName": testBase + "-latency"},
			map[string]any{"alarmName": "theirs"},
		}},
	}, endpoint["deploymentConfig"])
	require.Contains(t, r.made["endpoint"].deps, "alarm-5xx", "what is watched has to be there")
	latency := r.inputs(t, "alarm-latency")
	require.Equal(t, 250000.0, latency["threshold"], "the metric is in microseconds")
	require.Equal(t, "p99", latency["extendedStatistic"])
	require.NotContains(t, latency, "statistic")

	// The configuration stays: so does what the last update was told.
	env.Endpoint = &EndpointNow{Config: testBase + "-c-0a1b2c3", InitialInstances: 1, Deployment: map[string]any{"rollingUpdatePolicy": map[string]any{}}}
	r = execute(t, p, tmpl, env)
	require.Equal(t, env.Endpoint.Deployment, r.inputs(t, "endpoint")["deploymentConfig"])

	p, tmpl = pipelineOf(t, nil)
	r = execute(t, p, tmpl, testEnv)
	require.NotContains(t, r.inputs(t, "endpoint"), "deploymentConfig")
	require.NotContains(t, r.names(), "alarm-5xx")
}

// TestInstancesThatAreAskedFor: a changed initialInstances counts without autoscaling, and
// for as long as the configuration is the one that it was asked for with.
func TestInstancesThatAreAskedFor(t *testing.T) {
	t.Parallel()
	excluded := []any{map[string]any{"variantPropertyType": instanceCount}}
	const config = testBase + "-c-0a1b2c3"
	for name, c := range map[string]struct {
		now    EndpointNow
		change map[string]any
		want   any
	}{
		"kept":                   {EndpointNow{Config: "old", InitialInstances: 1}, nil, nil},
		"asked for":              {EndpointNow{Config: "old", InitialInstances: 1}, map[string]any{"initialInstances": 3}, excluded},
		"with autoscaling":       {EndpointNow{Config: "old", InitialInstances: 1}, map[string]any{"initialInstances": 3, "maxInstances": 5}, nil},
		"nothing is new":         {EndpointNow{Config: config, InitialInstances: 3, Excluded: true}, map[string]any{"initialInstances": 3}, excluded},
		"something else is new":  {EndpointNow{Config: "old", InitialInstances: 3, Excluded: true}, map[string]any{"initialInstances": 3}, nil},
		"the configuration gone": {EndpointNow{Config: "old"}, map[string]any{"initialInstances": 3}, nil},
	} {
		env := testEnv
		env.Endpoint = &c.now
		p, tmpl := pipelineOf(t, c.change)
		r := execute(t, p, tmpl, env)
		require.Equal(t, c.want, r.inputs(t, "endpoint")["excludeRetainedVariantProperties"], name)
	}
}
