package tui

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// pieces is an input that comes in pieces.
type pieces []string

func (p *pieces) Read(b []byte) (int, error) {
	if len(*p) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*p)[0])
	*p = (*p)[1:]
	return n, nil
}

func TestTheAnswerIsTakenOutAndNoKeyIsLost(t *testing.T) {
	t.Parallel()
	const black, white = "\x1b]11;rgb:0000/0000/0000\x07", "\x1b]11;rgb:ffff/ffff/ffff\x1b\\"
	tests := []struct {
		name string
		in   pieces
		keys string
		dark []bool
	}{
		{name: "none comes", in: pieces{"q", "\x1b", "\x1b[A"}, keys: "q\x1b\x1b[A"},
		{name: "dark", in: pieces{black}, dark: []bool{true}},
		{name: "light", in: pieces{white}, dark: []bool{false}},
		{name: "among keys", in: pieces{"a" + white + "b", "c"}, keys: "abc", dark: []bool{false}},
		{name: "in two pieces", in: pieces{"a\x1b]11;rgb:00", "00/0000/0000\x1b", "\\b"}, keys: "ab", dark: []bool{true}},
		{name: "behind its escape", in: pieces{"\x1b", "]11;rgb:ffff/ffff/ffff\x07x"}, keys: "\x1bx", dark: []bool{false}},
		{name: "two digits", in: pieces{"\x1b]11;rgb:ff/ff/ff\x07"}, dark: []bool{false}},
		{name: "with alpha it tells nothing", in: pieces{"\x1b]11;rgba:0/0/0/0\x07x"}, keys: "x"},
		{name: "only one", in: pieces{black, "\x1b]11;x\x07"}, keys: "\x1b]11;x\x07", dark: []bool{true}},
		{name: "it never ends", in: pieces{"\x1b]11;rgb:"}, keys: "\x1b]11;rgb:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var dark []bool
			r := answersIn(&tt.in, func(d bool) { dark = append(dark, d) })
			var keys []byte
			buf := make([]byte, 256)
			for {
				n, err := r.Read(buf)
				keys = append(keys, buf[:n]...)
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err)
			}
			require.Equal(t, tt.keys, string(keys))
			require.Equal(t, tt.dark, dark)
		})
	}
}
