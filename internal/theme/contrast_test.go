package theme_test

import (
	"fmt"
	"io"
	"strconv"
	"testing"

	"github.com/charmbracelet/lipgloss"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// palette is one of the 256 colours as terminals draw it; the first 16 are theirs to choose.
func palette(t *testing.T, number string) string {
	t.Helper()
	n, err := strconv.Atoi(number)
	require.NoError(t, err)
	require.Greater(t, n, 15, "how it looks is not known")
	if n >= 232 {
		v := 8 + 10*(n-232)
		return fmt.Sprintf("#%02x%02x%02x", v, v, v)
	}
	steps := []int{0, 95, 135, 175, 215, 255}
	n -= 16
	return fmt.Sprintf("#%02x%02x%02x", steps[n/36], steps[n/6%6], steps[n%6])
}

// What is written can be read, on a light and on a dark background; what can't be used now
// is faint, but to be read.
func TestScreenContrast(t *testing.T) {
	t.Parallel()
	s := theme.NewScreen(io.Discard, theme.ScreenOptions{Colors: theme.Colors256})
	texts := map[string]lipgloss.Style{
		"muted": s.Muted, "key of a table": s.Styles.Key, "good": s.Good, "bad": s.Bad, "warn": s.Warn, "busy": s.Busy, "replace": s.Replace,
		"header": s.Header, "brand": s.Brand, "safe": s.Safe, "danger": s.Danger, "crumb": s.Crumb, "stale": s.Stale, "cursor": s.Cursor,
		"marked": s.Marked, "column": s.Column, "match": s.Match, "tab": s.Tab, "tab that is open": s.TabOn, "focus": s.Focus, "key": s.Key,
		"hint": s.Hint, "input": s.Input, "good toast": s.ToastGood, "bad toast": s.ToastBad,
	}
	faint := map[string]lipgloss.Style{"disabled": s.Disabled, "key off": s.KeyOff, "bar": s.Bar, "failed bar": s.BarFailed}
	for _, light := range []bool{true, false} {
		of := func(c lipgloss.TerminalColor, none string) string {
			a, ok := c.(lipgloss.AdaptiveColor)
			switch {
			case !ok:
				return none
			case light:
				return palette(t, a.Light)
			}
			return palette(t, a.Dark)
		}
		ground := "#000000"
		if light {
			ground = "#ffffff"
		}
		contrast := func(style lipgloss.Style) float64 {
			a, b := luminance(t, of(style.GetForeground(), "")), luminance(t, of(style.GetBackground(), ground))
			return (max(a, b) + 0.05) / (min(a, b) + 0.05)
		}
		for name, style := range texts {
			require.GreaterOrEqual(t, contrast(style), 4.5, "light %v: %s", light, name)
		}
		for name, style := range faint {
			require.GreaterOrEqual(t, contrast(style), 3.0, "light %v: %s", light, name)
		}
	}
}
