package executions

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

func TestInputsOfAFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file, text string
		want             []string
		wrong            string
	}{
		{"lines", "a.jsonl", "{\"a\":1}\n\n [2] \n", []string{`{"a":1}`, `[2]`}, ""},
		{"rows", "a.csv", "id,name\n1,\"x,y\"\n2,z\n", []string{`{"id":"1","name":"x,y"}`, `{"id":"2","name":"z"}`}, ""},
		{"not JSON", "a.jsonl", "{\"a\":1}\n{a}\n", nil, "input 2: input is not valid JSON at line 1, column 2"},
		{"a short row", "a.csv", "id,name\n1\n", nil, "wrong number of fields"},
		{"nothing", "a.jsonl", "\n", nil, "holds no inputs"},
		{"another sort of file", "a.txt", "{}", nil, "neither a .jsonl nor a .csv file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), c.file)
			require.NoError(t, os.WriteFile(path, []byte(c.text), 0o600))
			n, err := CheckInputs(path)
			if c.wrong != "" {
				require.ErrorContains(t, err, c.wrong)
				require.Equal(t, fault.Invalid, fault.KindOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, len(c.want), n)
			var got []string
			for raw, err := range Inputs(path) {
				require.NoError(t, err)
				got = append(got, string(raw))
			}
			require.Equal(t, c.want, got)
		})
	}
	_, err := CheckInputs(filepath.Join(t.TempDir(), "none.jsonl"))
	require.ErrorContains(t, err, "no such file")
}

func TestParseSince(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	got, err := ParseSince("24h", now)
	require.NoError(t, err)
	require.Equal(t, now.Add(-24*time.Hour), got)
	got, err = ParseSince("2026-01-31T08:00:00Z", now)
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC), got.UTC())
	_, err = ParseSince("soon", now)
	require.ErrorContains(t, err, "neither a duration nor a time")
}
