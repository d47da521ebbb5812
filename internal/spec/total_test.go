package spec_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// TestTotals: what AWS bounds in all is refused when the spec is read, by the bytes of names
// and values of all layers together, and nothing is refused that AWS takes.
func TestTotals(t *testing.T) {
	t.Parallel()
	const lambda, model = 4096 - 190, 32768
	// a value so long that {"AB":"..."} has n bytes
	variable := func(n int) string { return strings.Repeat("x", n-len(`{"AB":""}`)) }
	models := func(last int) string {
		var b strings.Builder
		for i := range 31 { // 3 and 1021 bytes each
			fmt.Fprintf(&b, "V%02d: %s, ", i, strings.Repeat("x", 1021))
		}
		return "{" + b.String() + "AB: " + strings.Repeat("x", last-2) + "}"
	}
	for name, tc := range map[string]struct {
		defaults, own string // what is set of it for all, and for the pipeline
		want          string
	}{
		"as much as it takes":  {own: "preprocess: {environment: {AB: " + variable(lambda) + "}}"},
		"one byte more":        {own: "preprocess: {environment: {AB: " + variable(lambda+1) + "}}", want: "preprocess.environment have 3907 bytes together, but may have 3906"},
		"bytes, not letters":   {own: "preprocess: {environment: {AB: " + strings.Repeat("ä", 2000) + "}}", want: "preprocess.environment have 4009 bytes together"},
		"quotes are written":   {own: "preprocess: {environment: {AB: '" + strings.Repeat(`"`, 2000) + "'}}", want: "preprocess.environment have 4009 bytes together"},
		"others are not":       {own: "preprocess: {environment: {AB: '" + strings.Repeat(`<`, 2000) + "'}}"},
		"for all of the file":  {defaults: "preprocess: {environment: {AB: " + variable(lambda+1) + "}}", want: "preprocess.environment have 3907 bytes"},
		"a model's":            {own: "modelEnvironment: " + models(1024)},
		"a model's, one more":  {own: "modelEnvironment: " + models(1025), want: "modelEnvironment have 32769 bytes together, but may have 32768"},
		"secrets from outside": {own: "preprocess: {environment: {AB: " + variable(lambda+1) + ", CD: {ssm: /x}}}"}, // when it is read
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := "apiVersion: pipelinetui/v1\ndefaults: {template: realtime, region: us-east-1, parameters: {image: sandbox/linear, modelDataUrl: s3://b/k}}\npipelines:\n" +
				"- {tenant: a, model: b, parameters: {" + tc.own + "}}\n"
			if tc.defaults != "" {
				text = strings.Replace(text, "image:", tc.defaults+", image:", 1)
			}
			_, errs := load(t, builtin(t), text, spec.Options{})
			if tc.want == "" {
				require.Empty(t, errs)
				return
			}
			require.Len(t, errs, 1)
			require.Contains(t, errs[0], "names and values of "+tc.want)
			require.NotContains(t, errs[0], "xxxx", "an error is a line")
		})
	}
}
