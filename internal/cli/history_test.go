package cli

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// The stack tells of revisions whether or not AWS answers: what could not be asked is said.
func TestHistoryWhereNobodyAnswers(t *testing.T) { // the SDK reads the process's environment
	for k, v := range map[string]string{"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "", "AWS_REGION": "us-east-1", "AWS_PROFILE": ""} {
		t.Setenv(k, v)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // it takes connections, and says nothing
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	w := newHome(t, t.TempDir())
	id := spec.ID{Tenant: "silent", Model: "iris", Env: "dev"}
	var doc map[string]any
	w.plant(t, id, map[string]any{"revision": 1}, func(d map[string]any) {
		d["checks"] = map[string]any{"small": map[string]any{"input": map[string]any{"amount": 1}, "condition": "$answer.value < 1"}}
		doc = d
	})
	ledger, err := json.Marshal(map[string]any{"revisions": map[string]any{"r1": map[string]any{
		"number": 1, "begun": "2026-11-30T00:00:00Z", "by": "ana@work", "document": doc, "template": map[string]any{"name": "realtime"}, "digest": "d",
	}}})
	require.NoError(t, err)
	path := filepath.Join(w.home, "state", ".pulumi", "stacks", app.Project, id.StackName()+".json")
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var state map[string]any
	require.NoError(t, json.Unmarshal(raw, &state))
	latest := state["checkpoint"].(map[string]any)["latest"].(map[string]any)
	list := latest["resources"].([]any)
	stash := map[string]any{}
	for k, v := range list[1].(map[string]any) {
		stash[k] = v
	}
	stash["urn"], stash["id"] = stash["urn"].(string)[:len(stash["urn"].(string))-len("spec")]+"revisions", "revisions"
	stash["inputs"] = map[string]any{"input": string(ledger)}
	latest["resources"] = append(list, stash)
	w.write(t, filepath.Join("state", ".pulumi", "stacks", app.Project, id.StackName()+".json"), state)

	at := []string{"history", "silent/iris", "--target", "aws", "--endpoint-url", "http://" + l.Addr().String()}
	w.run(t, at...).ends(t, ExitOK, "ana@work", "live", "whether it passed its checks can't be read", "no answer within 3s")
	got := w.run(t, append(at, "-o", "json")...).ends(t, ExitOK).doc(t, "History")
	require.Len(t, got["revisions"], 1)
	require.Equal(t, "unknown", got["revisions"].([]any)[0].(map[string]any)["checks"])
	require.Equal(t, "Timeout", got["checksError"].(map[string]any)["kind"])
}
