package form

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// TestMapLines: the editor of a map shows no secret, and a line that is left as it is
// keeps it.
func TestMapLines(t *testing.T) {
	t.Parallel()
	const answer = `{"A":"plain","B":{"secret":"hush"},"C":{"key":"k","secretsManager":"db"},"D":"{\"x\": 1}","E":"two\nlines"}`
	lines := Field{Type: spec.TypeMap, Text: answer}.Lines()
	require.Equal(t, "A=plain\nB=(secret)\nC={\"key\":\"k\",\"secretsManager\":\"db\"}\nD=\"{\\\"x\\\": 1}\"\nE=\"two\\nlines\"", lines)
	text, err := mapText(lines, answer)
	require.NoError(t, err)
	require.JSONEq(t, answer, text)

	text, err = mapText("B=other\nF={\"secret\":\"new\"}\nG={\"x\": 1}\nH=\"(secret)\"\nI= {\"secret\":\"i\"}", answer)
	require.NoError(t, err)
	require.JSONEq(t, `{"B":"other","F":{"secret":"new"},"G":"{\"x\": 1}","H":"(secret)","I":{"secret":"i"}}`, text, "a new line means what it says")
	text, err = mapText("H=(secret)", `{"H":"(secret)"}`)
	require.NoError(t, err)
	require.JSONEq(t, `{"H":"(secret)"}`, text, "a text that was there")
	for _, lines := range []string{"RENAMED=(secret)", "A=(secret)"} {
		_, err = mapText(lines, answer)
		require.ErrorContains(t, err, "there is no secret under this name yet", lines)
	}
	for _, v := range []string{`{"secret":"hush"`, `{secret: hush}`, ` {"secret": hush"}`, `{"key":"k","ssm":"hush}`, `{'secretsManager': 'hush'}`} {
		_, err = mapText("A="+v, answer)
		require.ErrorContains(t, err, "A: this looks like a secret", v)
		require.NotContains(t, err.Error(), "hush")
	}
	_, err = mapText("A=1\nA=", "")
	require.ErrorContains(t, err, "A is given twice")
	_, err = mapText("hush", "")
	require.ErrorContains(t, err, "not KEY=value")
	require.NotContains(t, err.Error(), "hush")
}
