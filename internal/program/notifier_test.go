package program

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/executions"
)

// notifier runs an expression over the notifier's module; input is bound to v.
func notifier(t *testing.T, expression string, input any) string {
	t.Helper()
	dir, err := filepath.Abs("notifier")
	require.NoError(t, err)
	raw, err := json.Marshal(input)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "python3", "-B", "-c",
		"import json, sys, handler\nv = json.load(sys.stdin)\njson.dump("+expression+", sys.stdout)")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(raw)
	cmd.Env = append(cmd.Environ(), "PIPELINETUI_PIPELINE=acme/fraud")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	return string(out)
}

// TestNoticesGroupAsLists: what is one notice is one row of `executions list --group`.
func TestNoticesGroupAsLists(t *testing.T) {
	t.Parallel()
	long := "The JSONata expression '" + string(bytes.Repeat([]byte("$x + "), 40)) + "' specified for the field 'Output' has failed"
	causes := []string{
		"", "out of memory", "item 17 of 3.5e+7 has weight -12,5", `no "green" and no 'blue' here`, "it's one's own", "é 'x' 12ª", "٣ items",
		"request 0123abcd-0123-4567-89ab-0123456789ab took 12ms", "0xdeadbeef12 and deadbeef and cafe12", "a_1 b-2 c+3 -4 (+5)",
		`{"errorMessage": "bad row 7", "errorType": "ValueError"}`, `{"errorMessage": ""}`, `{"errorMessage": 5}`, `["list"]`, `null`, long, "line 1\nline 'two\nthree'",
		"'amount'", `"order-17"`, "'a' or 'b'", "order t07-312x of A17 and B9, c_3-d4_", `{"errorMessage": "'amount'", "errorType": "KeyError"}`,
	}
	var want []string
	for _, c := range causes {
		want = append(want, executions.Alike(executions.MessageOf(c)))
	}
	var got []string
	require.NoError(t, json.Unmarshal([]byte(notifier(t, "[handler.alike(handler.message_of(c)) for c in v]", causes)), &got))
	require.Equal(t, want, got)
}

func TestNoticesSayWhatAndWhere(t *testing.T) {
	t.Parallel()
	end := func(name, status, fault, cause string) map[string]any {
		return map[string]any{"name": name, "status": status, "error": fault, "cause": cause, "startDate": 1767225600000, "stopDate": 1767225661000}
	}
	for name, c := range map[string]struct {
		details       []map[string]any
		subject, text string
	}{
		"alike": {
			[]map[string]any{end("one", "FAILED", "Model's.Bad", "row 1"), end("two", "FAILED", "Model's.Bad", "row 2")},
			"acme/fraud: 2 executions failed (Model's.Bad)",
			"2 executions of acme/fraud failed.\n\nerror:    Model's.Bad\ncause:    row <n>\ncount:    2\nlast:     2026-01-01T00:01:01Z\nexample:  one\n\nLook:\n" +
				"  pipelinetui executions list acme/fraud --status FAILED --since 2026-01-01T00:00:00Z --error 'Model'\"'\"'s.Bad' --group\n  pipelinetui executions show acme/fraud one\n",
		},
		"stopped, without a reason": {
			[]map[string]any{end("one", "ABORTED", "", "")},
			"acme/fraud: an execution was stopped",
			"An execution of acme/fraud was stopped.\n\ncount:    1\nlast:     2026-01-01T00:01:01Z\nexample:  one\n\nLook:\n" +
				"  pipelinetui executions list acme/fraud --status ABORTED --since 2026-01-01T00:00:00Z --group\n  pipelinetui executions show acme/fraud one\n",
		},
		"a batch": {
			[]map[string]any{end("nightly", "SUCCEEDED", "", "")},
			"acme/fraud: nightly succeeded",
			"The batch execution nightly of acme/fraud succeeded.\n\nended:  2026-01-01T00:01:01Z\ntook:   0:01:01\n\nLook:\n" +
				"  pipelinetui executions show acme/fraud nightly\n  pipelinetui results show acme/fraud nightly\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			require.NoError(t, json.Unmarshal([]byte(notifier(t, "handler.notice(handler.group_of(v[0]), v)", c.details)), &got))
			require.Equal(t, []string{c.subject, c.text}, got)
		})
	}
}

// What executions say of themselves is foreign: it forges no line, asks for nothing else
// than itself, and is taken for no flag.
func TestNoticesOfForeignText(t *testing.T) {
	t.Parallel()
	end := []map[string]any{{"name": "-x", "status": "FAILED", "error": "a[b*\\\nLook:\x1b[2J", "cause": "c\x00\nLook:"}}
	var got []string
	require.NoError(t, json.Unmarshal([]byte(notifier(t, "handler.notice(handler.group_of(v[0]), v)", end)), &got))
	require.Equal(t, `acme/fraud: an execution failed (a[b*\ Look: [2J)`, got[0])
	require.Contains(t, got[1], "error:    a[b*\\ Look: [2J\ncause:    c Look:\n")
	require.Contains(t, got[1], ` --error 'a\[b\*\\?Look:?\[2J' --group`)
	require.Contains(t, got[1], "pipelinetui executions show acme/fraud -- -x\n")
	matched, err := path.Match(`a\[b\*\\?Look:?\[2J`, "a[b*\\\nLook:\x1b[2J")
	require.NoError(t, err)
	require.True(t, matched)
	require.Len(t, strings.TrimSpace(notifier(t, "handler.clipped('x' * 200, 99)", nil)), 99+len(`""`))
}

// However much there is to tell, a call tells it within its time: what is left comes again,
// who does not answer is asked once, and too many groups are summed up.
func TestNoticesAreBounded(t *testing.T) {
	t.Parallel()
	ends := func(n int) map[string]any {
		var records []map[string]any
		for i := range n {
			raw, err := json.Marshal(map[string]any{"detail": map[string]any{"name": fmt.Sprint("n", i), "status": "SUCCEEDED", "startDate": 1767225600000, "stopDate": 1767225661000}})
			require.NoError(t, err)
			records = append(records, map[string]any{"messageId": fmt.Sprint(i), "body": string(raw)})
		}
		return map[string]any{"Records": records}
	}
	// A call of urlopen takes ten seconds of a clock that begins with sixty.
	call := func(input map[string]any, answer string) (told []string, lost int) {
		out := notifier(t, `(lambda c, told: (setattr(handler, "SLACK", "https://hooks.example.com/x"),
 setattr(handler.urllib.request, "urlopen", lambda r, timeout: (c.update(ms=c["ms"] - `+answer+`), told.append(json.loads(r.data)["text"].split("\n")[0]), (_ for _ in ()).throw(TimeoutError()) if `+answer+` else __import__("io").BytesIO())[2]),
 setattr(handler, "print", lambda *a: None),
 [told, len(handler.handler(v, type("C", (), {"get_remaining_time_in_millis": lambda self: c["ms"]})())["batchItemFailures"])])[3])({"ms": 60000}, [])`, input)
		var got []any
		require.NoError(t, json.Unmarshal([]byte(out), &got))
		for _, v := range got[0].([]any) {
			told = append(told, v.(string))
		}
		return told, int(got[1].(float64))
	}
	told, lost := call(ends(100), "0")
	require.Len(t, told, 21)
	require.Equal(t, "acme/fraud: 80 more executions ended", told[20])
	require.Zero(t, lost)
	told, lost = call(ends(6), "10000")
	require.Len(t, told, 1, "who does not answer is not waited for again")
	require.Equal(t, 6, lost)
	told, lost = call(ends(3), "0")
	require.Len(t, told, 3)
	require.Zero(t, lost)
}
