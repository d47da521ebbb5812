package console

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// environ is an environment.
type environ map[string]string

func (e environ) lookup(name string) (string, bool) { v, ok := e[name]; return v, ok }

// on returns a console on a terminal where in is typed, and what goes to its writers.
func on(t *testing.T, in string, env environ) (c *Console, out, errOut *bytes.Buffer) {
	t.Helper()
	streams, out, errOut := Buffers(in)
	streams.InTTY, streams.OutTTY, streams.ErrTTY = true, true, true
	return New(streams, env.lookup), out, errOut
}

func TestOnlyWhatCanBeSeenPasses(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	styled := true
	g := guard{&b, func() bool { return styled }}
	_, _ = io.WriteString(g, "\x1b[1mx\x1b[0m\x1b[2J\x1b]0;t\x07\u202e\n")
	require.Equal(t, "\x1b[1mx\x1b[0m\ufffd\n", b.String())
	b.Reset()
	styled = false
	_, _ = io.WriteString(g, "\x1b[1mx\x1b[0m")
	require.Equal(t, "x", b.String())
}

func TestWhatIsWrittenIsGuarded(t *testing.T) {
	t.Parallel()
	c, out, errOut := on(t, "", environ{"TERM": "xterm-256color"})
	c.Note("a\x1b]0;title\x07b")
	require.NotContains(t, errOut.String(), "\x1b")
	c.SetColor(ColorAlways, environ{}.lookup, true)
	_, err := io.WriteString(c.Out, c.OutStyle.Bad.Render("red")+"\x1b[2J\n")
	require.NoError(t, err)
	require.Contains(t, out.String(), "\x1b[")
	require.NotContains(t, out.String(), "\x1b[2J")
	out.Reset()
	c.SetColor(ColorNever, environ{"TERM": "xterm-256color"}.lookup, true)
	_, err = io.WriteString(c.Out, c.OutStyle.Bad.Render("red"))
	require.NoError(t, err)
	require.Equal(t, "red", out.String())
}

// Colours are for terminals: what is piped is plain unless they are asked for.
func TestColorsFollowTheTerminal(t *testing.T) {
	t.Parallel()
	streams, _, _ := Buffers("")
	streams.ErrTTY = true
	c := New(streams, environ{}.lookup)
	c.SetColor("auto", environ{"TERM": "xterm-256color"}.lookup, true)
	require.Equal(t, "x", c.OutStyle.Bad.Render("x"))
	require.NotEqual(t, "x", c.ErrStyle.Bad.Render("x"))
	c.SetColor(ColorAlways, environ{}.lookup, true)
	require.NotEqual(t, "x", c.OutStyle.Bad.Render("x"))
	c.SetColor(ColorNever, environ{"TERM": "xterm-256color"}.lookup, true)
	require.Equal(t, "x", c.ErrStyle.Bad.Render("x"))
}

func TestWhoCanBeAsked(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		env  environ
		with func(*Streams)
		form string
		want bool
	}{
		{"a person", environ{"TERM": "xterm"}, func(*Streams) {}, Table, true},
		{"nobody types", environ{}, func(s *Streams) { s.InTTY = false }, Table, false},
		{"nobody reads the question", environ{}, func(s *Streams) { s.ErrTTY = false }, Table, false},
		{"a pipeline of CI", environ{"CI": "true"}, func(*Streams) {}, Table, false},
		{"a dumb terminal", environ{"TERM": "dumb"}, func(*Streams) {}, Table, false},
		{"a machine reads", environ{}, func(*Streams) {}, JSON, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			streams, _, _ := Buffers("")
			streams.InTTY, streams.OutTTY, streams.ErrTTY = true, true, true
			tt.with(streams)
			c := New(streams, tt.env.lookup)
			c.SetForm(tt.form)
			require.NoError(t, c.Consent(true), "--yes agrees anywhere")
			err := c.Consent(false)
			if tt.want {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, fault.Invalid)
			require.Contains(t, fault.HintOf(err), "--yes")
		})
	}
}

func TestYesNo(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		agreed   bool
		details  int
	}{
		{"yes", "yes\n", true, 0},
		{"y, in capitals", "Y\n", true, 0},
		{"after details, twice", "d\ndetails\nyes\n", true, 2},
		{"after nonsense", "maybe\ny\n", true, 0},
		{"without a line's end", "yes", true, 0},
		{"no", "no\n", false, 0},
		{"just return", "\n", false, 0},
		{"end of input", "", false, 0},
		{"end of input after nonsense", "what?\n", false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, _, errOut := on(t, tt.in, nil)
			shown := 0
			err := c.YesNo(t.Context(), "Really?", func() { shown++ })
			require.Equal(t, tt.details, shown)
			require.Contains(t, errOut.String(), "Really? [yes/no/details] ")
			if tt.agreed {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, fault.Canceled)
		})
	}
	require.True(t, IsYes(" YES "))
	require.False(t, IsYes("yess"))
}

// All questions share a reader: what was typed ahead is the next answer.
func TestAnswersTypedAhead(t *testing.T) {
	t.Parallel()
	c, _, _ := on(t, "yes\nacme/iris\n", nil)
	require.NoError(t, c.YesNo(t.Context(), "Sure?", nil))
	line, err := c.ReadLine(t.Context())
	require.NoError(t, err)
	require.Equal(t, "acme/iris", line)
}

func TestASignalIsNoAnswer(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	defer w.Close()
	streams, _, _ := Buffers("")
	streams.In = r
	c := New(streams, environ{}.lookup)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.YesNo(ctx, "Sure?", nil), fault.Canceled)
}

func TestStandardInputIsAnnouncedToWhoTypes(t *testing.T) {
	t.Parallel()
	c, _, errOut := on(t, "{}", nil)
	raw, err := io.ReadAll(c.Stdin())
	require.NoError(t, err)
	require.Equal(t, "{}", string(raw))
	require.Contains(t, errOut.String(), "ctrl-D ends it")
}

type result struct {
	Header
	Name string `json:"name"`
}

func TestForms(t *testing.T) {
	t.Parallel()
	doc := result{NewHeader("Thing"), "a: b"}
	for form, want := range map[string]string{
		Table:     "a thing\n",
		"nothing": "a thing\n",
		JSON:      "{\n  \"apiVersion\": \"pipelinetui/v1\",\n  \"kind\": \"Thing\",\n  \"name\": \"a: b\"\n}\n",
		YAML:      "apiVersion: pipelinetui/v1\nkind: Thing\nname: \"a: b\"\n",
	} {
		c, out, _ := on(t, "", nil)
		c.SetForm(form)
		require.Equal(t, form != Table && form != "nothing", c.Machine())
		require.NoError(t, c.Write(doc, func() string { return "a thing\n" }))
		require.Equal(t, want, out.String(), form)
		require.Equal(t, c.Machine(), c.Printed(), form)
		s, err := c.Stream()
		require.NoError(t, err)
		require.NoError(t, s.Emit("nobody reads that"))
		require.Equal(t, want, out.String(), form)
	}
	c, out, _ := on(t, "", nil)
	require.NoError(t, c.Write(doc, nil))
	require.Empty(t, out.String(), "nothing is there for people")
}

// Lines begin with the version, once, and end with the result.
func TestStream(t *testing.T) {
	t.Parallel()
	c, out, _ := on(t, "", nil)
	c.SetForm(Lines)
	c.SetCommand("executions list")
	s, err := c.Stream()
	require.NoError(t, err)
	require.NoError(t, s.Emit(map[string]string{"type": "event"}))
	again, err := c.Stream()
	require.NoError(t, err)
	require.NoError(t, again.Emit(map[string]string{"type": "event"}))
	require.NoError(t, c.Write(result{NewHeader("Thing"), "x"}, nil))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 4)
	require.JSONEq(t, `{"type": "version", "apiVersion": "pipelinetui/v1", "command": "executions list"}`, lines[0])
	require.JSONEq(t, `{"type": "result", "apiVersion": "pipelinetui/v1", "kind": "Thing", "name": "x"}`, lines[3])
}

// odd cannot be written.
type odd struct {
	Header
	F func()
}

func TestWhatCannotBeADocumentIsAnError(t *testing.T) {
	t.Parallel()
	for _, form := range []string{JSON, YAML, Lines} {
		c, _, _ := on(t, "", nil)
		c.SetForm(form)
		require.Error(t, c.Write(odd{Header: NewHeader("Odd"), F: func() {}}, nil), form)
	}
	c, _, _ := on(t, "", nil)
	c.SetForm(Lines)
	s, err := c.Stream()
	require.NoError(t, err)
	require.Error(t, s.Emit(make(chan int)))
}

// broken takes no write.
type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

// Writing never ends an operation; at the end it is told, unless nobody wanted it.
func TestAStreamThatTakesNoMore(t *testing.T) {
	t.Parallel()
	for err, told := range map[error]bool{
		syscall.EPIPE: false, io.ErrClosedPipe: false, syscall.EIO: false, syscall.ENOSPC: true, errors.New("odd"): true,
	} {
		streams, _, _ := Buffers("")
		streams.Out, streams.OutTTY = broken{&os.PathError{Op: "write", Path: "x", Err: err}}, true
		c := New(streams, environ{}.lookup)
		require.NoError(t, c.Lost())
		c.SetForm(JSON)
		require.NoError(t, c.Write(NewHeader("Thing"), nil))
		require.Equal(t, told, c.Lost() != nil, "%v", err)
		if told {
			require.ErrorIs(t, c.Lost(), fault.Output)
		}
		n, werr := Lasting(streams.Out).Write([]byte("abc"))
		require.NoError(t, werr)
		require.Equal(t, 3, n)
	}
}

// A disk that fails says the same as a terminal that was closed, and is no such.
func TestADiskThatFails(t *testing.T) {
	t.Parallel()
	streams, _, _ := Buffers("")
	streams.Out = broken{&os.PathError{Op: "write", Path: "x", Err: syscall.EIO}}
	c := New(streams, environ{}.lookup)
	c.SetForm(JSON)
	require.NoError(t, c.Write(NewHeader("Thing"), nil))
	require.ErrorIs(t, c.Lost(), fault.Output)
}

func TestAStreamThatWasGivenAway(t *testing.T) {
	t.Parallel()
	c, _, _ := on(t, "", nil)
	c.GiveAway()
	require.True(t, c.Printed())
}
