package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The quotas of the sandbox, once they are on, are shared by a ledger; doctor shows it, and a
// damaged one stops nobody.
func TestLedgerOfQuotas(t *testing.T) {
	t.Parallel()
	w := newHome(t, t.TempDir())
	w.serve(t)
	t.Cleanup(func() { w.stop(); <-w.stopped })
	id := w.pipeline(t, "acme/iris").String()
	files := func() []string {
		found, err := filepath.Glob(filepath.Join(w.home, "quotas", "*.json"))
		require.NoError(t, err)
		return found
	}
	w.run(t, "executions", "list", id).ends(t, ExitOK)
	require.Empty(t, files(), "without quotas there is nothing to share")
	w.run(t, "sandbox", "faults", "set", "--quotas").ends(t, ExitOK)
	w.run(t, "executions", "list", id).ends(t, ExitOK)
	require.Len(t, files(), 1)
	require.Contains(t, files()[0], "sandbox-")
	text, err := os.ReadFile(files()[0])
	require.NoError(t, err)
	require.Contains(t, string(text), `"ListExecutions"`)

	require.NoError(t, os.WriteFile(files()[0], []byte(`{"version":1,"buckets":{"DescribeExecution":{"tokens":-5,"at":1,"rate":0.25,"burst":100,"perSecond":0}}}`), 0o600))
	require.Contains(t, w.run(t, "doctor").out.String(), "DescribeExecution 0 of 100 free, 0 a second (slowed to 25 % since AWS throttled)")
	require.NoError(t, os.WriteFile(files()[0], []byte("{"), 0o600))
	w.run(t, "executions", "list", id).ends(t, ExitOK, "was damaged and begins anew")
}
