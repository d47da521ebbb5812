package spec_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// mixed is a fleet of which some can roll out, and some cannot.
const mixed = header + `pipelines:
- {tenant: acme, model: iris, tags: {tier: gold}}
- {tenant: globex, model: iris, tags: {tier: gold}}
- {tenant: initech, model: iris, parameters: {endpointKind: serverless}}
- {tenant: umbrella, model: iris, parameters: {endpointKind: serverless}}
`

// named selects pipelines by patterns and labels.
func named(patterns, labels []string) func([]spec.Pipeline) ([]spec.Pipeline, error) {
	return func(all []spec.Pipeline) ([]spec.Pipeline, error) { return spec.Select(all, patterns, labels) }
}

// Flags are those of the pipelines that are selected: what they would be to others is nobody's
// business, nor is what is wrong with those.
func TestFlagsAreForTheSelected(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]spec.Options{
		"a rollout, by name":        {Rollout: "canary:10%:10m", Select: named([]string{"acme/iris"}, nil)},
		"a parameter, by name":      {Set: []string{"instanceType=ml.m5.xlarge"}, Select: named([]string{"acme/iris"}, nil)},
		"by the tag that it had":    {Set: []string{"tags.tier=silver", "instanceType=ml.m5.xlarge"}, Select: named([]string{"acme/*"}, []string{"tier=gold"})},
		"what only another may set": {Set: []string{"serverlessMemoryMb=4096"}, Select: named([]string{"initech/iris"}, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, errs := load(t, builtin(t), mixed, opts)
			require.Empty(t, errs)
			require.Len(t, set.Pipelines, 1)
			require.Empty(t, set.Aside)
		})
	}
	t.Run("the values", func(t *testing.T) {
		t.Parallel()
		set, errs := load(t, builtin(t), mixed, spec.Options{Rollout: "canary:20%:5m", Select: named(nil, []string{"tier=gold"})})
		require.Empty(t, errs)
		require.Len(t, set.Pipelines, 2)
		for _, p := range set.Pipelines {
			require.Equal(t, "20%", p.Parameters["rollout.size"])
		}
	})
}

// What is wrong with a pipeline that is not selected stops nobody, and is told.
func TestWrongOnesThatAreNotSelected(t *testing.T) {
	t.Parallel()
	text := mixed + "- {tenant: stark, model: iris, parameters: {endpointKind: serverles, wrd: 1}, tgs: {}}\n"
	set, errs := load(t, builtin(t), text, spec.Options{Select: named([]string{"acme/iris"}, nil)})
	require.Empty(t, errs)
	require.Len(t, set.Pipelines, 1)
	require.NotEmpty(t, set.Aside)
	for _, p := range set.Aside {
		require.Equal(t, "stark/iris", p.Pipeline, p)
	}

	_, errs = load(t, builtin(t), text, spec.Options{Select: named([]string{"stark/iris"}, nil)})
	require.Len(t, errs, 3, errs)

	// What of the file is nobody's own is wrong for all.
	for _, more := range []string{"- {tenant: acme, model: iris}\n", "- {model: iris}\n", "typo: 1\n"} {
		_, errs = load(t, builtin(t), mixed+more, spec.Options{Select: named([]string{"globex/iris"}, nil)})
		require.NotEmpty(t, errs, more)
	}

	// A name in common settings is unknown only if it is to those who are selected.
	shared := header + "tenants: {acme: {parameters: {wrd: 1}}, globex: {}}\npipelines: [{tenant: acme, model: iris}, {tenant: globex, model: iris}]\n"
	_, errs = load(t, builtin(t), shared, spec.Options{Select: named([]string{"globex/iris"}, nil)})
	require.Empty(t, errs)
	_, errs = load(t, builtin(t), shared, spec.Options{Select: named([]string{"acme/iris"}, nil)})
	require.Len(t, errs, 1)
}

// A flag that some of the selected cannot take is refused: by the flag that was typed, once, with
// all who cannot.
func TestFlagsThatSomeCannotTake(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		opts spec.Options
		want string
	}{
		"a rollout": {
			spec.Options{Rollout: "canary:10%:10m"},
			"--rollout: initech/iris, umbrella/iris: a rollout does not apply when endpointKind is serverless",
		},
		"one of them": {
			spec.Options{Rollout: "canary:10%:10m", Select: named([]string{"initech/iris", "acme/iris"}, nil)},
			"--rollout: initech/iris: a rollout does not apply when endpointKind is serverless",
		},
		"a parameter": {
			spec.Options{Set: []string{"instanceType=ml.m5.xlarge"}},
			"--set instanceType: initech/iris, umbrella/iris: instanceType does not apply when endpointKind is serverless",
		},
		"a rule": {
			spec.Options{Rollout: "canary:60%", Select: named(nil, []string{"tier=gold"})},
			"--rollout: acme/iris, globex/iris: rollout.size is",
		},
		"a part of it": {
			spec.Options{Rollout: "all-at-once:10%", Select: named([]string{"acme/iris"}, nil)},
			"--rollout: acme/iris: rollout.size ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := spec.Parse("p.yaml", []byte(mixed), t.TempDir(), builtin(t), tc.opts)
			got := lines(t, err, "")
			require.Len(t, got, 1, got)
			require.Contains(t, got[0], tc.want)
			if len(tc.opts.Set) == 0 {
				require.NotContains(t, got[0], "--set")
			}
			problems := spec.Problems(err)
			require.NotEmpty(t, problems[0].Pipeline)
			require.True(t, len(problems[0].Pipelines) == 0 || slices.Contains(problems[0].Pipelines, problems[0].Pipeline))
		})
	}
}
