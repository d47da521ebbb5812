package eject

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/pipelinetui/pipelinetui/internal/document"
)

// Foreign text is read back as it was, and acts on nobody who looks at the file.
func TestNothingUnseenIsWritten(t *testing.T) {
	t.Parallel()
	texts := []string{
		"plain", "two\nlines\n", "tab\there\nand there", "a\u202eb", "\u2066x\u2069", "c1 \u009b2J", "\x1b]0;t\x07", "zero\u200bwidth", "\ufeffbom", "cr\r\nlf",
		"line\u2028sep", "tag \U000e0041", "nel\u0085", `back\slash "quoted" \u202e`, "\u202e", strings.Repeat("long \u202e ", 400), "- x: \u202ey", "",
		" ", "~", "yes", "0x1", "'\u200b'",
	}
	doc, want := mapping(), map[string]string{}
	for _, s := range texts {
		add(doc, "k"+s, text(s))
		want["k"+s] = s
	}
	out, err := encode(doc)
	require.NoError(t, err)
	for _, r := range out {
		require.False(t, r != '\n' && r != '\t' && document.Hidden(r), "%U in %q", r, out)
	}
	var got map[string]string
	require.NoError(t, yaml.Unmarshal([]byte(out), &got), out)
	require.Equal(t, want, got)
}
