package keys

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// One letter leaves for the browser, on every page, and does nothing else; the small one
// stays in the program.
func TestOneKeyLeavesForTheBrowser(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, p := range Pages() {
		for _, g := range p.Map {
			for _, b := range g.Bindings {
				leaves := strings.Contains(b.Help, "browser")
				require.Equal(t, leaves, slices.Contains(b.Keys, "O"), "%s: %s", p.Name, b.Help)
				require.False(t, leaves && slices.Contains(b.Keys, "o"), "%s: %s", p.Name, b.Help)
				if leaves {
					seen++
				}
			}
		}
	}
	require.Positive(t, seen)
}
