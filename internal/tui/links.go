package tui

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// linked makes the web addresses in a screen links that the terminal opens itself (OSC 8,
// https://gist.github.com/egmontkob/eb114294efbcd5adb1944c9f3cb5feda). The address is what
// is shown, so that nobody is led elsewhere; one that is cut off is no address.
func linked(screen, ellipsis string) string {
	if !strings.Contains(screen, "://") {
		return screen
	}
	var b strings.Builder
	for rest := screen; ; {
		i := addressAt(rest)
		if i < 0 {
			b.WriteString(rest)
			return b.String()
		}
		b.WriteString(rest[:i])
		rest = rest[i:]
		n := addressLen(rest)
		url := strings.TrimRight(rest[:n], ".,:;!?)]'")
		if cut := rest[n:]; strings.HasPrefix(cut, ellipsis) || strings.HasSuffix(url, ellipsis) || strings.HasSuffix(url, "//") {
			b.WriteString(rest[:n])
		} else {
			b.WriteString(ansi.SetHyperlink(url) + url + ansi.ResetHyperlink() + rest[len(url):n])
		}
		rest = rest[n:]
	}
}

// addressAt is where the first web address begins, -1 if there is none.
func addressAt(s string) int {
	a, b := strings.Index(s, "https://"), strings.Index(s, "http://")
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

// addressLen is how long the address is that s begins with: as long as RFC 3986 has such
// characters, of which none is a control character.
func addressLen(s string) int {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			return i
		}
	}
	return len(s)
}
