package program

import (
	"maps"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// TestSecretEntries: of an environment only what is secret is a secret to the engine,
// in the resources and in the stored spec, where a reference stays a reference.
func TestSecretEntries(t *testing.T) {
	t.Parallel()
	_, tmpl := pipelineOf(t, nil)
	cat, err := builtin()
	require.NoError(t, err)
	p, err := spec.Build(spec.Answers{ID: spec.ID{Tenant: "acme", Model: "churn", Env: "dev"}, Template: "realtime", Values: map[string]string{
		"image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/churn:1", "modelDataUrl": "s3://models/churn/model.tar.gz",
		"preprocess.environment": `{"TOKEN":{"secret":"hush"},"URL":{"ssm":"/url"},"LEVEL":"info","secret":"a name like any"}`,
		"modelEnvironment":       `{"KEY":{"secretsManager":"db","key":"password"},"MODE":"fast"}`,
	}}, cat, spec.Options{Region: "us-east-1"})
	require.NoError(t, err)

	_, err = Pipeline(p, tmpl, testEnv)
	require.ErrorContains(t, err, "was not read before its deployment")
	_, err = Record(t.Context(), p, tmpl, testEnv)
	require.ErrorContains(t, err, "was not read before its deployment")

	env := testEnv
	env.Secrets = map[spec.SecretPath]string{{Parameter: "preprocess.environment", Entry: "URL"}: "https://there", {Parameter: "modelEnvironment", Entry: "KEY"}: "pass"}
	r := execute(t, p, tmpl, env)
	variables := r.made["pre"].inputs["environment"].ObjectValue()["variables"].ObjectValue()
	require.Equal(t, resource.MakeSecret(resource.NewStringProperty("hush")), variables["TOKEN"])
	require.Equal(t, resource.MakeSecret(resource.NewStringProperty("https://there")), variables["URL"])
	require.Equal(t, resource.NewStringProperty("info"), variables["LEVEL"])
	require.Equal(t, resource.NewStringProperty("a name like any"), variables["secret"])
	container := r.made[testBase+"-m"].inputs["primaryContainer"].ObjectValue()["environment"].ObjectValue()
	require.Equal(t, resource.MakeSecret(resource.NewStringProperty("pass")), container["KEY"])
	require.Equal(t, resource.NewStringProperty("fast"), container["MODE"])

	kept := r.made["spec"].inputs["input"].ObjectValue()["parameters"].ObjectValue()
	require.Equal(t, resource.PropertyMap{
		"TOKEN": resource.NewObjectProperty(resource.PropertyMap{"secret": resource.MakeSecret(resource.NewStringProperty("hush"))}),
		"URL":   resource.NewObjectProperty(resource.PropertyMap{"ssm": resource.NewStringProperty("/url")}),
		"LEVEL": resource.NewStringProperty("info"), "secret": resource.NewStringProperty("a name like any"),
	}, kept["preprocess.environment"].ObjectValue())
	require.NotContains(t, string(p.Document), "https://there")

	// What is too long in all is known when it has been read.
	env.Secrets = maps.Clone(env.Secrets)
	env.Secrets[spec.SecretPath{Parameter: "preprocess.environment", Entry: "URL"}] = strings.Repeat("x", 4000)
	_, err = newPlan(p, tmpl, env)
	require.ErrorIs(t, err, fault.Invalid)
	require.ErrorContains(t, err, "names and values of preprocess.environment have 40")
	require.NotContains(t, err.Error(), "xxx")
}

// TestSecretsThatWouldShow: a value that ends where everybody can see it is refused as a
// secret, one that only the definition has is not.
func TestSecretsThatWouldShow(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, map[string]any{"image": "sandbox/hush", "word": "hush"})
	p.Secrets = map[spec.SecretPath]spec.Secret{{Parameter: "image"}: {}}
	_, err := newPlan(p, tmpl, testEnv)
	require.ErrorIs(t, err, fault.Invalid)
	require.ErrorContains(t, err, `image can't be secret: the block "model" puts it where everybody can see it`)
	require.NotContains(t, err.Error(), "hush")

	p.Secrets = map[spec.SecretPath]spec.Secret{{Parameter: "word"}: {SSM: "/word"}}
	tmpl.Definition, tmpl.Substitutions = []byte(`{"Comment":"${word}"}`), nil
	env := testEnv
	env.Secrets = map[spec.SecretPath]string{{Parameter: "word"}: "sesame"}
	r := execute(t, p, tmpl, env)
	require.True(t, r.made["machine"].inputs["definitionString"].IsSecret())
	require.Equal(t, `{"Comment":"sesame"}`, r.inputs(t, "machine")["definitionString"])
}
