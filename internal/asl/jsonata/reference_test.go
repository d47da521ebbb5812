package jsonata

import (
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// TestReference evaluates what the reference implementation was asked too: jsonata 2.0.6
// of npm, which is the version that Step Functions says that it has (Developer Guide,
// "Transforming data with JSONata"). testdata/reference.json has an expression and its
// answer in each line: JSON, "undefined", "function", or an error. Step Functions shows
// the errors of the language in the same words (github.com/floci-io/floci, issues 2668
// and 2745), those of the syntax without their code.
func TestReference(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/reference.json")
	require.NoError(t, err)
	var cases [][2]string
	require.NoError(t, json.Unmarshal(raw, &cases))
	require.Greater(t, len(cases), 500)
	g := NewEngine(Env{UUID: func() string { return "u" }, Random: func() float64 { return 0.5 }})
	bound := map[string]Bound{"states": Bind(value.MustParse(`{"input":{"a":[1,2,3],"null":null,"o":{}}}`))}
	for _, c := range cases {
		expr, want := c[0], c[1]
		got := ask(t, g, expr, bound)
		if v, err := value.Parse(want); err == nil { // 1e21 and 1000000000000000000000 are the same number
			have, err := value.Parse(got)
			require.NoError(t, err, "%s: %s", expr, got)
			require.True(t, value.Equal(v, have), "%s: %s, not %s", expr, got, want)
			continue
		}
		require.Equal(t, want, got, expr)
	}
}

func ask(t *testing.T, g *Engine, expr string, bound map[string]Bound) string {
	t.Helper()
	e, err := Compile(expr)
	if err != nil {
		return "syntax error: " + err.Error()
	}
	v, err := g.Eval(t.Context(), e, bound)
	switch {
	case errors.Is(err, ErrUndefined):
		return "undefined"
	case errors.Is(err, ErrUnsupported):
		return "function"
	case err != nil:
		return "error: " + err.Error()
	}
	return value.String(v)
}
