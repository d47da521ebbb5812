package wizard_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// A key has one meaning in a place: no footer shows one twice.
func TestNoKeyTwiceInAFooter(t *testing.T) {
	t.Parallel()
	label := regexp.MustCompile(`(⏎|↑|↓|\^.|[a-z+]*tab|esc|space) `)
	files, err := filepath.Glob("../*/testdata/*.golden")
	require.NoError(t, err)
	footers := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, line := range regexp.MustCompile(`(?m)^.*: command +\? help.*$`).FindAllString(string(text), -1) {
			footers++
			seen := map[string]bool{}
			for _, m := range label.FindAllStringSubmatch(line, -1) {
				require.False(t, seen[m[1]], "%s: %s means two things: %s", file, m[1], line)
				seen[m[1]] = true
			}
		}
	}
	require.Greater(t, footers, 20)
}
