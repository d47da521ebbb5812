package widget

import (
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// TestWidthsAreThoseOfTheLibrary compares with the slow way: for each character, for
// the signs of the theme, and for texts of all of them with styles between.
func TestWidthsAreThoseOfTheLibrary(t *testing.T) {
	t.Parallel()
	var parts []string
	for r := rune(0x20); r < 0x3000; r++ {
		s := string(r)
		require.Equal(t, ansi.StringWidth(s), cellsOf(s), "%U", r)
		if single(r) {
			require.Equal(t, 2, ansi.StringWidth("x"+s), "%U joins with what is before it", r)
			parts = append(parts, s)
		}
	}
	th := theme.NewScreen(io.Discard, theme.ScreenOptions{Unicode: true, Colors: theme.Colors256})
	signs := reflect.ValueOf(th.Glyphs)
	for i := range signs.NumField() {
		if f := signs.Field(i); f.Kind() == reflect.String {
			require.Equal(t, ansi.StringWidth(f.String()), cellsOf(f.String()))
			parts = append(parts, f.String())
		}
	}
	parts = append(parts, "\x1b[1m", "\x1b[38;5;60m", "\x1b[m", "\x1b[0m", "\x1b]8;;x\x1b\\", "\x1b", "模型", "é", "e\u0301", "✔\ufe0f", "👩\u200d🔬", "\t", "abc", "")
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var b strings.Builder
		for range r.IntN(12) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		require.Equal(t, ansi.StringWidth(b.String()), cellsOf(b.String()), "%q", b.String())
	}
}
