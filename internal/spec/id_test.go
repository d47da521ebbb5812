package spec_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

func TestParseID(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]spec.ID{
		"acme/fraud":      {Tenant: "acme", Model: "fraud", Env: "dev"},
		"acme/fraud/dev":  {Tenant: "acme", Model: "fraud", Env: "dev"},
		"a/b-2/prod":      {Tenant: "a", Model: "b-2", Env: "prod"},
		"a-b/c0/e2345678": {Tenant: "a-b", Model: "c0", Env: "e2345678"},
	} {
		got, err := spec.ParseID(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
		again, err := spec.ParseStackName(got.StackName())
		require.NoError(t, err)
		require.Equal(t, want, again)
		again, err = spec.ParseID(got.String())
		require.NoError(t, err)
		require.Equal(t, want, again)
	}
}

func TestParseIDRefuses(t *testing.T) {
	t.Parallel()
	for in, hint := range map[string]string{
		"":                                "tenant/model",
		"acme":                            "tenant/model",
		"a/b/c/d":                         "tenant/model",
		"/fraud":                          "another tenant",
		"Acme/fraud":                      `"acme"`,
		"acme/fraud_detection":            `"fraud-detection"`,
		"acme/fraud--x":                   `"fraud-x"`,
		"acme/fraud-":                     `"fraud"`,
		"acme/1fraud":                     `"fraud"`,
		"acme/fraud/pr-od":                `"prod"`,
		"acme/fraud/production":           `"producti"`,
		strings.Repeat("a", 17) + "/b":    `"aaaaaaaaaaaaaaaa"`,
		"acme/" + strings.Repeat("m", 21): `"mmmmmmmmmmmmmmmmmmmm"`,
		"acme/fr\x1b[31maud":              "",
	} {
		_, err := spec.ParseID(in)
		require.ErrorIs(t, err, fault.Invalid, in)
		var e *fault.Error
		require.ErrorAs(t, err, &e)
		require.Contains(t, e.Hint, hint, in)
	}
	for _, in := range []string{"acme.fraud", "acme.fraud.dev.x", "Acme.fraud.dev", "acme..dev"} {
		_, err := spec.ParseStackName(in)
		require.ErrorIs(t, err, fault.Invalid, in)
	}
}

func TestIDForms(t *testing.T) {
	t.Parallel()
	id := spec.ID{Tenant: "acme", Model: "iris"}
	require.Equal(t, "acme/iris", id.String())
	require.Equal(t, "acme.iris.dev", id.StackName())
	require.Equal(t, "ptui-acme-iris-dev", id.BaseName())
	id.Env = "prod"
	require.Equal(t, "acme/iris/prod", id.String())
	require.Equal(t, "ptui-acme-iris-prod", id.BaseName())
}

func TestCompareGoesByTenantModelAndEnv(t *testing.T) {
	t.Parallel()
	var list []spec.ID
	for _, s := range []string{"b/a", "acme/iris-batch", "acme/iris/prod", "acme/iris/dev", "acme-x/iris"} {
		id, err := spec.ParseID(s)
		require.NoError(t, err)
		list = append(list, id)
	}
	slices.SortFunc(list, spec.ID.Compare)
	require.Equal(t, "[acme/iris acme/iris/prod acme/iris-batch acme-x/iris b/a]", fmt.Sprint(list))
}
