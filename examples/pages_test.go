package examples

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

var contract = regexp.MustCompile("(?ms)^```(json event|json answer|python)( batch)?\n(.*?)^```$")

// TestPreprocessPage: the functions of docs/preprocess.md return of its events what it says.
func TestPreprocessPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "docs", "preprocess.md"))
	require.NoError(t, err)
	of := map[string]string{}
	for _, m := range contract.FindAllStringSubmatch(string(page), -1) {
		of[m[1]+m[2]] = m[3]
	}
	for _, kind := range []string{"", " batch"} {
		require.NotEmpty(t, of["python"+kind])
		cmd := python(t, "-c", of["python"+kind]+"\nimport json, sys\nprint(json.dumps(handler(json.load(sys.stdin), None)))")
		cmd.Stdin = bytes.NewReader([]byte(of["json event"+kind]))
		got, err := cmd.Output()
		require.NoError(t, err)
		require.JSONEq(t, of["json answer"+kind], string(got))
	}
}
