package states_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// A panic ends the execution that it happened in, wherever that was, and no other.
func TestPanicFailsItsExecutionOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const bad = `{"Type":"Pass","QueryLanguage":"JSONata","Output":"{% 1 %}","End":true}`
	machines := map[string]string{
		"root": `{"StartAt":"A","States":{"A":` + bad + `}}`,
		"parallel": `{"StartAt":"P","States":{"P":{"Type":"Parallel","End":true,"Branches":[{"StartAt":"A","States":{"A":` + bad +
			`}},{"StartAt":"B","States":{"B":{"Type":"Pass","End":true}}}]}}}`,
		"map": `{"StartAt":"M","States":{"M":{"Type":"Map","End":true,"ItemProcessor":{"StartAt":"A","States":{"A":` + bad + `}}}}}`,
		"children": `{"StartAt":"M","States":{"M":{"Type":"Map","End":true,"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED",` +
			`"ExecutionType":"STANDARD"},"StartAt":"A","States":{"A":` + bad + `}}}}}`,
	}
	w.svc.BreakExpressions()
	for name, definition := range machines {
		got := w.await(w.start(w.machine(name, definition), "e", `[1,2]`))
		require.Equal(t, "FAILED", got["status"], name)
		if name == "children" { // the Map Run counts its children's failures
			require.Equal(t, "States.ExceedToleratedFailureThreshold", got["error"])
			continue
		}
		require.Equal(t, "States.Runtime", got["error"], name)
		require.Contains(t, got["cause"], "internal error", name)
		types := w.eventTypes(got["executionArn"].(string))
		require.Equal(t, "ExecutionStarted", types[0], name)
		require.Equal(t, "ExecutionFailed", types[len(types)-1], name)
	}
	ok := w.await(w.start(w.machine("ok", `{"StartAt":"B","States":{"B":{"Type":"Pass","End":true}}}`), "e", `{}`))
	require.Equal(t, "SUCCEEDED", ok["status"])
}

// An execution that was being evaluated at three deaths in a row is failed, and
// the others go on. One that got on in between is not.
func TestFailedAfterTheThirdDeath(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "evaluating")
	w := newWorld(t, func(w *world) {
		w.config.Evaluating = file
		w.clock = clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	})
	m := w.machine("m", `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":3600,"End":true}}}`)
	deadly, other := w.start(m, "deadly", `{}`), w.start(m, "other", `{}`)
	die := func(key, path string) {
		w.close()
		require.NoError(t, os.WriteFile(file, states.Evaluated(home.Key(key), path), 0o600))
		w.open()
	}
	running := func(arn string) bool {
		return w.must("DescribeExecution", map[string]any{"executionArn": arn})["status"] == "RUNNING"
	}
	for range 2 {
		die("m:deadly", "0")
		require.True(t, running(deadly))
	}
	die("m:other", "0") // not in a row for the first one
	for range 2 {
		die("m:deadly", "0")
		require.True(t, running(deadly))
	}
	die("m:deadly", "0")
	got := w.await(deadly)
	require.Equal(t, "FAILED", got["status"])
	require.Equal(t, "States.Runtime", got["error"])
	require.Contains(t, got["cause"], "ended 3 times")
	require.Equal(t, []string{"ExecutionStarted", "WaitStateEntered", "ExecutionFailed"}, w.eventTypes(deadly))
	require.True(t, running(other))

	w.close()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Empty(t, raw, "nothing is evaluated after an orderly end")
	w.open()
	require.True(t, running(other))
}

// While nothing can be written an execution stands still. It goes on when there is room,
// calls nothing twice and has a whole history.
func TestExecutionsOutliveAFullDisk(t *testing.T) {
	t.Parallel()
	const call = `{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:000000000000:function:`
	items := func(kind string) string {
		return `{"StartAt":"M","States":{"M":{"Type":"Map","ItemsPath":"$.items","MaxConcurrency":1,"End":true,"ItemProcessor":{
			"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"` + kind + `"},"StartAt":"T","States":{"T":` + call + `full","End":true}}}}}}`
	}
	for name, definition := range map[string]string{
		"task": `{"StartAt":"T","States":{"T":` + call + `full","Next":"W"},"W":{"Type":"Wait","Seconds":1,"Next":"U"},"U":` + call + `plain","End":true}}}`,
		"both": `{"StartAt":"B","States":{"B":{"Type":"Parallel","End":true,"Branches":[{"StartAt":"T","States":{"T":` + call + `full","Next":"U"},"U":` + call + `plain","End":true}}},
			{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":1,"End":true}}}]}}}`,
		"children": items("STANDARD"), "express": items("EXPRESS"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			full := make(chan func(), 1)
			var refused func() int64
			var w *world
			once := sync.OnceFunc(func() {
				free, n := w.around.FillDisk()
				refused = n
				full <- free
			})
			w = newWorld(t, func(x *world) {
				w = x
				x.lambda.all["full"] = function{handle: func(json.RawMessage) (string, error) { once(); return "1", nil }}
				x.lambda.all["plain"] = function{handle: func(json.RawMessage) (string, error) { return "2", nil }}
			})
			arn := w.start(w.machine("m", definition), "e", `{"items":[1,2,3]}`)
			free := <-full
			require.Eventually(t, func() bool { return refused() > 5 }, time.Minute, time.Millisecond, "nobody tries again")
			free()
			got := w.await(arn)
			require.Equal(t, "SUCCEEDED", got["status"], "%v %v", got["error"], got["cause"])
			for i, e := range w.history(arn) {
				require.Equal(t, strconv.Itoa(i+1), fmt.Sprint(e.(map[string]any)["id"]))
			}
			if name == "task" || name == "both" {
				require.Equal(t, []int{1, 1}, []int{w.lambda.calls("full"), w.lambda.calls("plain")})
				return
			}
			require.Equal(t, 3, w.lambda.calls("full"))
			require.Equal(t, "[1,1,1]", got["output"])
		})
	}
}

// told hears of the events of executions.
type told func()

func (f told) PutEvent(context.Context, wire.Scope, string, string, []string, any) { f() }

// A machine whose deletion meets a full disk is gone when there is room.
func TestDeletionsOutliveAFullDisk(t *testing.T) {
	t.Parallel()
	var w *world
	var events atomic.Int64
	full := make(chan func(), 1)
	var refused func() int64
	w = newWorld(t, func(x *world) {
		w = x
		x.config.Events = told(func() {
			if events.Add(1) == 2 { // it began, and was aborted
				free, n := w.around.FillDisk()
				refused = n
				full <- free
			}
		})
	})
	m := w.machine("m", `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":36000,"End":true}}}`)
	w.start(m, "e", `{}`)
	w.must("DeleteStateMachine", map[string]any{"stateMachineArn": m})
	free := <-full
	require.Eventually(t, func() bool { return refused() > 3 }, time.Minute, time.Millisecond, "nobody tries again")
	require.Equal(t, "DELETING", w.must("DescribeStateMachine", map[string]any{"stateMachineArn": m})["status"])
	free()
	require.Eventually(t, func() bool {
		return w.call("DescribeStateMachine", map[string]any{"stateMachineArn": m}).status == http.StatusBadRequest
	}, time.Minute, time.Millisecond)
}

// An execution that cannot run any more, since its definition is damaged, ends
// with a history instead of staying for ever.
func TestEndsThoughItCannotBegin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.clock = clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) })
	arn := w.start(w.machine("m", `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":3600,"End":true}}}`), "e", `{}`)
	w.close()
	db, err := store.Open(w.path)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *store.Tx) error {
		for _, bucket := range []string{"sfn.events", "sfn.cursors"} {
			if err := tx.DeletePrefix(bucket, home.Key("m:e#")); err != nil {
				return err
			}
		}
		damaged := map[string][]byte{}
		err := tx.Scan("sfn.revisions", "", "", func(key string, raw []byte) (bool, error) {
			damaged[key] = bytes.ReplaceAll(raw, []byte(`StartAt`), []byte(`StartAs`))
			return true, nil
		})
		for key, raw := range damaged {
			if err == nil {
				err = tx.PutRaw("sfn.revisions", key, raw)
			}
		}
		return err
	}))
	require.NoError(t, db.Close())
	w.open()
	got := w.await(arn)
	require.Equal(t, "FAILED", got["status"])
	require.Equal(t, []string{"ExecutionStarted", "ExecutionFailed"}, w.eventTypes(arn))
}

// A small object that unpacks to more than a Map Run may hold fails its reader.
func TestItemBombs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ kind, text string }{
		"array":  {"JSON", "[" + strings.Repeat("1,", 600_000) + "1]"},
		"string": {"JSON", `["` + strings.Repeat("x", 2<<20) + `"]`},
		"lines":  {"JSONL", strings.Repeat("1\n", 600_000)},
		"csv":    {"CSV", "a\n" + strings.Repeat("1\n", 600_000)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(w *world) { w.config.MaxItemBytes = 1 << 20 })
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			_, err := z.Write([]byte(c.text))
			require.NoError(t, err)
			require.NoError(t, z.Close())
			require.Less(t, packed.Len(), 64<<10)
			w.s3.store("b", "items.gz", packed.Bytes())
			header := ""
			if c.kind == "CSV" {
				header = `,"CSVHeaderLocation":"FIRST_ROW"`
			}
			m := w.machine("m", `{"StartAt":"M","States":{"M":{"Type":"Map","End":true,"ItemReader":{"Resource":"arn:aws:states:::s3:getObject",
				"ReaderConfig":{"InputType":"`+c.kind+`"`+header+`},"Parameters":{"Bucket":"b","Key":"items.gz"}},
				"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}}}}`)
			got := w.await(w.start(m, "e", `{}`))
			require.Equal(t, "States.ItemReaderFailed", got["error"], "%v", got)
			require.Contains(t, got["cause"], "more than the sandbox reads")
		})
	}
}

// What a template, an intrinsic or the branches of a state make is bounded, however
// often they name the same data.
func TestMuchOfLittle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	big := `{"x":"` + strings.Repeat("x", 200_000) + `"}`
	fields := func(n int, field string) string { return strings.TrimSuffix(strings.Repeat(field+",", n), ",") }
	keys := make([]string, 2000)
	for i := range keys {
		keys[i] = `"k` + strings.Repeat("k", i) + `.$":"$"`
	}
	branches := make([]string, 60)
	for i := range branches {
		branches[i] = strings.ReplaceAll(`{"StartAt":"B#","States":{"B#":{"Type":"Pass","End":true}}}`, "#", strconv.Itoa(i))
	}
	for name, definition := range map[string]string{
		"template": `{"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":{` + strings.Join(keys[:500], ",") + `},"End":true}}}`,
		"format":   `{"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":{"a.$":"States.Format('` + strings.Repeat("{}", 3000) + `',` + fields(3000, "$.x") + `)"},"End":true}}}`,
		"array":    `{"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":{"a.$":"States.Array(` + fields(1000, `States.Array(`+fields(50, "$.x")+`)`) + `)"},"End":true}}}`,
		"branches": `{"StartAt":"P","States":{"P":{"Type":"Parallel","End":true,"Branches":[` + strings.Join(branches, ",") + `]}}}`,
		"jsonata":  `{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Pass","Output":[` + fields(500, `"{% $pad('', 6000000) %}"`) + `],"End":true}}}`,
	} {
		got := w.await(w.start(w.machine(name, definition), "e", big))
		require.Equal(t, "States.DataLimitExceeded", got["error"], "%s: %v %v", name, got["status"], got["error"])
	}
}
