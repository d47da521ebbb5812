// Package render turns domain values into text: safe strings, times, sizes,
// tables, diffs. It holds no state and writes nowhere. It may import theme and
// the domain packages it renders.
package render

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Safe makes outside text fit for a terminal: escape sequences are removed,
// control and bidirectional formatting characters are replaced by U+FFFD, line
// breaks and tabs stay.
func Safe(s string) string {
	if !needsCleaning(s) {
		return s
	}
	s = ansi.Strip(strings.ToValidUTF8(s, string(utf8.RuneError)))
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == utf8.RuneError, unicode.Is(unicode.Cc, r), bidi(r):
			return utf8.RuneError
		default:
			return r
		}
	}, s)
}

// sgr is what styles are made of: "select graphic rendition" (ECMA-48, 8.3.117).
var sgr = lazyregexp.New("\x1b\\[[0-9;:]*m")

// Visible is Safe for a text that has been styled already: the sequences of styles
// stay, others go.
func Visible(s string, styled bool) string {
	if !styled || !strings.Contains(s, "\x1b[") {
		return Safe(s)
	}
	var b strings.Builder
	from := 0
	for _, at := range sgr.FindAllStringIndex(s, -1) {
		b.WriteString(Safe(s[from:at[0]]))
		b.WriteString(s[at[0]:at[1]])
		from = at[1]
	}
	b.WriteString(Safe(s[from:]))
	return b.String()
}

// Screen is Visible for a whole screen that is drawn often: it costs a look at the
// text as long as there is nothing to clean.
func Screen(s string) string {
	clean := true
	for rest := s; clean; {
		i := strings.IndexByte(rest, '\x1b')
		if i < 0 {
			clean = !needsCleaning(rest)
			break
		}
		n := sgrLen(rest[i:])
		clean = n > 0 && !needsCleaning(rest[:i])
		rest = rest[i+n:]
	}
	if clean {
		return s
	}
	return Visible(s, true)
}

// sgrLen is the length of the style that s begins with, 0 if it begins with
// another sequence.
func sgrLen(s string) int {
	if len(s) < 3 || s[1] != '[' {
		return 0
	}
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case c == 'm':
			return i + 1
		case c != ';' && c != ':' && (c < '0' || c > '9'):
			return 0
		}
	}
	return 0
}

func needsCleaning(s string) bool {
	for _, r := range s {
		if r != '\n' && r != '\t' && (unicode.Is(unicode.Cc, r) || r == utf8.RuneError || bidi(r)) {
			return true
		}
	}
	return false
}

// bidi tells the characters that reorder what follows (Unicode TR 9), which can
// make a name look like another one.
func bidi(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f || r == 0x061c
}

// oneLine tells that Line would leave a text as it is: most are, and are looked at for
// each frame.
func oneLine(s string) bool {
	space := true
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ' && space, c < ' ', c > '~':
			return false
		default:
			space = c == ' '
		}
	}
	return !space || s == ""
}

// Line is Safe on one line: breaks and tabs become spaces, and what is wider
// than width cells (0: no limit) is cut with an ellipsis.
func Line(s string, width int) string {
	if !oneLine(s) {
		s = strings.Join(strings.Fields(Safe(s)), " ")
	}
	if width > 0 {
		s = ansi.Truncate(s, width, "…")
	}
	return s
}

// Duration is short and has two units at most: 850ms, 4.2s, 3m12s, 2h5m.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd", int(d.Hours())/24)
	}
}

// Period is a length of time that somebody chose, in whole units: "2m", "1h30m".
func Period(d time.Duration) string { return spec.Short(d) }

// Age is how long before now t was, or "-" if t is zero.
func Age(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := now.Sub(t)
	if d < 2*time.Second {
		return "now"
	}
	if d >= time.Minute && d < time.Hour {
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	}
	if d >= time.Hour && d < 48*time.Hour {
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	}
	return Duration(d.Truncate(time.Second)) + " ago"
}

// ShortAge is how long before now t was, in one unit: now, 40s, 5m, 3h, 12d, 2y; or
// "-" if t is zero.
func ShortAge(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	const day = 24 * time.Hour
	d := now.Sub(t)
	unit, sign := time.Second, "s"
	switch {
	case d < 2*time.Second:
		return "now"
	case d >= 2*365*day:
		unit, sign = 365*day, "y"
	case d >= 2*day:
		unit, sign = day, "d"
	case d >= time.Hour:
		unit, sign = time.Hour, "h"
	case d >= time.Minute:
		unit, sign = time.Minute, "m"
	}
	return strconv.FormatInt(int64(d/unit), 10) + sign
}

// Stamp is a moment to the second, "2026-11-25 23:22:35 UTC"; "" if it is zero.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateTime) + " UTC"
}

// Count is "1 pipeline", "2 pipelines".
func Count(n int, one, many string) string { return fault.Count(n, one, many) }

// Dash stands for an empty value in tables.
func Dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
