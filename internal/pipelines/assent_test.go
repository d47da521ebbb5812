package pipelines_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

func TestWhatAgreesToADestroy(t *testing.T) {
	t.Parallel()
	dev := spec.ID{Tenant: "acme", Model: "iris", Env: "dev"}
	prod := spec.ID{Tenant: "acme", Model: "iris", Env: "prod"}
	other := spec.ID{Tenant: "globex", Model: "vision", Env: "prod"}
	for _, tt := range []struct {
		name        string
		ids         []spec.ID
		asked       []string
		yes, refuse []string
	}{
		{"one", []spec.ID{prod}, []string{"acme/iris/prod"}, []string{" acme/iris/prod "}, []string{"acme/iris", "prod", "destroy 1", "y", ""}},
		{"one env", []spec.ID{prod, other}, []string{"destroy 2", "prod"}, []string{"destroy 2", "destroy  2 pipelines", "prod"}, []string{"destroy 3", "dev", "destroy", "2", ""}},
		{"several envs", []spec.ID{dev, other}, []string{"destroy 2"}, []string{"destroy 2"}, []string{"prod", "dev", "destroy 1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := pipelines.AssentTo(tt.ids)
			require.Equal(t, tt.asked, a.Asked)
			for _, line := range tt.yes {
				require.True(t, a.Given(line), line)
			}
			for _, line := range tt.refuse {
				require.False(t, a.Given(line), line)
			}
		})
	}
}
