package logs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/frametest"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/pipeline"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// written are logs of all three sources, in the hour before the recordings end.
func written() *datatest.Logs {
	l := &datatest.Logs{}
	at := func(seconds int) time.Time {
		return datatest.Recorded.Add(time.Duration(seconds-600) * time.Second)
	}
	l.Add("function", at(1), "START RequestId: 11 Version: 3\n")
	l.Add("function", at(2), `{"level":"INFO","message":"read 4 features","tenant":"acme"}`)
	l.Add("endpoint", at(3), `127.0.0.1 - - "POST /invocations HTTP/1.1" 200 41`)
	l.Add("endpoint", at(5), `127.0.0.1 - - "POST /invocations HTTP/1.1" 500 12`)
	l.Add("function", at(6), "[ERROR] ValueError: petal\x1b[31m 4 has no colour\nTraceback (most recent call last):\n  File \"app.py\", line 7")
	l.Add("states", at(7), `{"execution_arn":"arn:aws:states:us-east-1:000000000000:execution:m:x","type":"ExecutionFailed","id":"9"}`)
	return l
}

func open(t *testing.T, l *datatest.Logs, opts ...tuitest.Option) *tuitest.Session {
	t.Helper()
	source := datatest.New(t)
	source.LogsAPI = l
	opts = append([]tuitest.Option{tuitest.Now(datatest.Recorded)}, opts...)
	s := tuitest.Open(t, source, func(h *ui.Host) ui.Page { return pipeline.New(h, datatest.Iris, "logs") }, opts...)
	s.Until("following")
	return s
}

func TestGoldens(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{60, 16}, {80, 24}, {120, 40}, {200, 60}} {
		name := fmt.Sprintf("logs-%dx%d", size[0], size[1])
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, written(), tuitest.Size(size[0], size[1]))
			s.Golden(name)
			colour := open(t, written(), tuitest.Size(size[0], size[1]), tuitest.Color("light"))
			require.Equal(t, s.Screen(), colour.Screen(), "nothing is told by colour alone")
			require.NotEqual(t, s.Styled(), colour.Styled())
		})
	}
	t.Run("ascii", func(t *testing.T) {
		t.Parallel()
		for _, r := range open(t, written(), tuitest.ASCII(), tuitest.Size(120, 40)).Screen() {
			require.Less(t, r, rune(0x80))
		}
	})
}

// Lines of all sources are one stream in the order of time; JSON is folded to level,
// message and fields; what the terminal would obey is taken out.
func TestLinesAreOneStream(t *testing.T) {
	t.Parallel()
	s := open(t, written(), tuitest.Size(140, 30))
	var from []string
	for l := range strings.Lines(s.Screen()) {
		for _, source := range []string{"function", "endpoint", "states"} {
			if strings.Contains(l, " "+source+" ") && strings.Contains(l, "23:15:") {
				from = append(from, source)
			}
		}
	}
	require.Equal(t, []string{"function", "function", "endpoint", "endpoint", "function", "states"}, from)
	require.Contains(t, s.Screen(), "INFO   read 4 features tenant=acme")
	require.Contains(t, s.Screen(), "ERROR  ExecutionFailed execution_arn=")
	require.NotContains(t, s.Styled(), "\x1b[31m 4")
	s.Press("up")
	s.Until("G: the newest")
	s.Press("enter")
	s.Until(`File "app.py", line 7`)
	s.Press("esc", "y")
	require.Contains(t, s.Copied()[0], "Traceback")
}

func TestSourceLevelAndGrep(t *testing.T) {
	t.Parallel()
	s := open(t, written(), tuitest.Size(140, 30))
	s.Press("f")
	s.Until("function only")
	require.NotContains(t, s.Screen(), "/invocations")
	s.Press("f")
	s.Until("endpoint only")
	require.NotContains(t, s.Screen(), "4 features")
	require.Contains(t, s.Screen(), "/invocations")
	s.Press("f", "f")
	s.Until("function, endpoint and states")
	s.Press("v", "v", "v")
	s.Until("WARN or worse")
	require.NotContains(t, s.Screen(), "4 features")
	require.Contains(t, s.Screen(), "500 12")
	s.Press("/")
	s.Type(`petal.*colour$|^none`)
	s.Press("enter")
	s.Until("0 of 6")
	s.Press("/")
	s.Type(`x[`)
	s.Until("no regular expression")
	s.Press("esc")
	s.Press("/")
	s.Type("(?i)valueERROR")
	s.Press("enter")
	s.Until("1 of 6")
	s.Press("esc")
	s.UntilGone("1 of 6")
	s.Press("0")
	s.Until("all levels")
	require.Contains(t, s.Screen(), "4 features")
}

// New lines come by themselves, each once, and not while it is paused or out of sight.
func TestFollowingAndPausing(t *testing.T) {
	t.Parallel()
	l := written()
	s := open(t, l, tuitest.Size(140, 30))
	l.Add("states", datatest.Recorded.Add(time.Second), "first of the new")
	s.Advance(ui.LogsEvery)
	s.Until("first of the new")
	s.Press(" ")
	s.Until("paused")
	l.Add("states", datatest.Recorded.Add(2*time.Second), "second of the new")
	asked := l.Asked()
	s.Advance(10 * ui.LogsEvery)
	require.Equal(t, asked, l.Asked())
	s.Press(" ")
	s.Until("second of the new")
	s.Press("1")
	asked = l.Asked()
	s.Advance(10 * ui.LogsEvery)
	require.Equal(t, asked, l.Asked(), "nobody looks")
	l.Fail("no answer today")
	s.Press("7")
	s.Until("no answer today")
	require.Equal(t, 1, strings.Count(s.Screen(), "first of the new"), "what is known stays, once")
	l.Fail("")
	s.Advance(ui.RetryAfter)
	s.UntilGone("no answer today")
}

// What is kept is bound by bytes too; of a long line its row has the beginning, the filter
// and the reader have all of it.
func TestLongLines(t *testing.T) {
	if testing.Short() {
		t.Skip("much text, and no goroutine that others have not: runs without -short")
	}
	t.Parallel()
	l := &datatest.Logs{}
	long := strings.Repeat("petal ", 150_000) // 900 kB
	for i := range 50 {
		l.Add("function", datatest.Recorded.Add(time.Duration(i-100)*time.Second), fmt.Sprintf("line %d %s ends %d", i, long, i))
	}
	s := open(t, l, tuitest.Size(140, 60))
	s.Until("the newest 37") // 32 MiB
	require.Contains(t, s.Screen(), "line 49 petal")
	require.Contains(t, s.Screen(), "line 13 petal")
	require.NotContains(t, s.Screen(), "line 12 petal")
	s.Press("/")
	s.Type("ends 4$|ends 4.$")
	s.Press("enter")
	s.Until("10 of 37")
	s.Press("y")
	require.Contains(t, s.Copied()[0], "ends 49")
	l.Add("function", datatest.Recorded.Add(time.Second), "no such thing")
	l.Add("function", datatest.Recorded.Add(2*time.Second), "it ends 42")
	s.Advance(ui.LogsEvery)
	s.Until("11 of ")
	require.Contains(t, s.Screen(), "it ends 42")
}

func TestNothingLoggedYet(t *testing.T) {
	t.Parallel()
	s := open(t, &datatest.Logs{}, tuitest.Size(100, 24))
	s.Until("Nothing was logged in the last 1h")
	s.Until("Not there yet, or switched off: states, function, endpoint")
	s.Press("t")
	s.Press("4")
	s.Until("since 24h")
}

// A frame of 10,000 lines costs no more than what is in sight.
func BenchmarkFrame(b *testing.B) {
	l := &datatest.Logs{}
	for i := range 10_000 {
		l.Add("function", datatest.Recorded.Add(-time.Duration(10_000-i)*100*time.Millisecond), fmt.Sprintf(`{"level":"INFO","message":"item %d","tenant":"acme"}`, i))
	}
	source := datatest.New(b)
	source.LogsAPI = l
	s := tuitest.Open(b, source, func(h *ui.Host) ui.Page { return pipeline.New(h, datatest.Iris, "logs") }, tuitest.Now(datatest.Recorded), tuitest.Size(120, 40))
	s.Until("item 9999")
	meter := frametest.Start()
	for b.Loop() {
		s.App.Update(keys.Msg("up"))
		_ = s.App.View()
	}
	meter.Report(b, b.N)
}
