package render

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/theme"
)

func TestSafe(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"plain", "flower α 花", "flower α 花"},
		{"colour", "\x1b[31mred\x1b[0m", "red"},
		{"title and clipboard", "a\x1b]0;own\x07b\x1b]52;c;aGk=\x07c", "abc"},
		{"carriage return hides", "ok\rno", "ok\ufffdno"},
		{"c1 control", "a\u009b31mb", "a\ufffd31mb"},
		{"bidi override", "a\u202egnp.exe", "a\ufffdgnp.exe"},
		{"bell and backspace", "x\a\by", "x\ufffd\ufffdy"},
		{"line breaks stay", "a\n\tb", "a\n\tb"},
		{"broken utf-8", "a\xffb", "a\ufffdb"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Safe(tt.in)
			require.NotContains(t, got, "\x1b")
			require.Equal(t, tt.want, got)
		})
	}
}

func FuzzSafe(f *testing.F) {
	f.Add("\x1b[2J\x9b31m\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range Safe(s) {
			if r != '\n' && r != '\t' && (r < 0x20 || r >= 0x7f && r < 0xa0) {
				t.Fatalf("control character %q survives in %q", r, Safe(s))
			}
		}
	})
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"850ms": 850 * time.Millisecond, "4.2s": 4200 * time.Millisecond, "59s": 59900 * time.Millisecond,
		"3m12s": 192 * time.Second, "2h5m": 125 * time.Minute, "3d": 80 * time.Hour, "0s": -time.Second,
	} {
		require.Equal(t, want, Duration(d))
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	st := theme.New(io.Discard, theme.NoColors, true)
	got := Table(st, []string{"NAME", "STATUS"}, [][]Cell{{T("acme/iris"), S("ok", st.Good)}, {T("b\x1b[31m"), T("a\nb")}})
	require.Equal(t, "NAME       STATUS\nacme/iris  ok\nb          a b\n", got)
}
