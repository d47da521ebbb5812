package kinds

import (
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"
)

func TestEveryKindHasAnIcon(t *testing.T) {
	t.Parallel()
	unknown := IconOf("other:thing/x:X")
	for _, typ := range append(types(), "pulumi:pulumi:Stack", "pulumi:index:Stash") {
		icon := IconOf(typ)
		require.NotEqual(t, unknown, icon, "%s: a line in icons gives its service one", typ)
		require.Equal(t, 1, ansi.StringWidth(icon.Sign), typ)
		require.Len(t, icon.ASCII, 1, typ)
	}
}

func types() []string {
	var out []string
	for _, k := range All() {
		out = append(out, k.Type)
	}
	return out
}
