package fleet

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/executions"
)

func TestWords(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]string{
		"":                                       nil,
		"  a  b ":                                {"a", "b"},
		`'acme/*' --input '$input.amount > 100'`: {"acme/*", "--input", "$input.amount > 100"},
		`--error "a \"b\" \x" ''`:                {"--error", `a "b" \x`, ""},
		`a\ b'c d'e`:                             {"a bc de"},
	} {
		got, err := Words(line)
		require.NoError(t, err)
		require.Equal(t, want, got, line)
	}
	for _, open := range []string{`'a`, `"a`, `a\`} {
		_, err := Words(open)
		require.ErrorContains(t, err, "not closed", open)
	}
}

// What a query is read from is what it is written as.
func TestQueryThereAndBack(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--all"},
		{"acme/*", "globex/churn", "--failed", "--since", "24h", "--name", "mon*", "--error", "Pipeline.*", "--input", "$input.amount > 100"},
		{"acme/fraud", "--batch", "monday", "--status", "FAILED,ABORTED"},
	} {
		q, err := ParseQuery(args)
		require.NoError(t, err)
		require.Equal(t, args, q.Args())
		_, err = q.Choice(time.Now())
		require.NoError(t, err)
	}
	q, err := ParseQuery([]string{"--since=1h", "--group"})
	require.NoError(t, err)
	require.Equal(t, Query{Since: "1h", Group: true}, q)
	c, err := q.Choice(time.Unix(7200, 0))
	require.NoError(t, err)
	require.Equal(t, Failures(), c.Statuses, "groups are of what failed")
	require.True(t, c.Described)
	require.Equal(t, time.Unix(3600, 0), c.Since)
}

func TestWhatCannotBeMeant(t *testing.T) {
	t.Parallel()
	for text, args := range map[string][]string{
		"no option --sinc":      {"--sinc", "1h"},
		"wants a value":         {"--error"},
		"--all and names":       {"--all", "acme/*"},
		"--failed and --status": {"--failed", "--status", "RUNNING"},
		"no option --failed=no": {"--failed=no"},
	} {
		_, err := ParseQuery(args)
		require.ErrorContains(t, err, text)
	}
	for option, q := range map[string]Query{
		"since": {Since: "soon"}, "status": {Statuses: []string{"DONE"}}, "name": {Name: "["}, "error": {Error: "["}, "input": {Input: "$input.("}, "batch": {Batch: "a b"},
	} {
		_, err := q.Choice(time.Now())
		var o *OptionError
		require.True(t, errors.As(err, &o), option)
		require.Equal(t, option, o.Option)
	}
	some, err := ParseStatuses([]string{"failed", "Timed_Out"})
	require.NoError(t, err)
	require.Equal(t, []executions.Status{executions.Failed, executions.TimedOut}, some)
}
