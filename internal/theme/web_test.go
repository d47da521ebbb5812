package theme_test

import (
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// luminance is the relative luminance of #rrggbb
// (https://www.w3.org/TR/WCAG22/#dfn-relative-luminance).
func luminance(t *testing.T, color string) float64 {
	t.Helper()
	require.Regexp(t, "^#[0-9a-f]{6}$", color)
	n, err := strconv.ParseUint(color[1:], 16, 32)
	require.NoError(t, err)
	part := func(shift uint) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}

// TestWebContrast: what is written can be read, on a light and on a dark background.
func TestWebContrast(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]theme.Web{"light": theme.WebOn(false), "dark": theme.WebOn(true)} {
		for _, back := range []string{c.Back, c.Panel} {
			contrast := func(color string) float64 {
				a, b := luminance(t, color), luminance(t, back)
				return (max(a, b) + 0.05) / (min(a, b) + 0.05)
			}
			for _, text := range []string{c.Text, c.Muted, c.Key, c.Good, c.Bad, c.Warn, c.Busy} {
				require.GreaterOrEqual(t, contrast(text), 4.5, "%s: text %s on %s", name, text, back)
			}
			for _, bar := range []string{c.GoodBar, c.BadBar, c.WarnBar, c.Line} {
				require.GreaterOrEqual(t, contrast(bar), 3.0, "%s: %s on %s", name, bar, back)
			}
		}
	}
}
