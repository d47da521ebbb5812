package keys

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every binding has a name in keymaps: that of its variable.
func TestEveryBindingHasAName(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	n := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		f, err := parser.ParseFile(token.NewFileSet(), file, raw, 0)
		require.NoError(t, err)
		ast.Inspect(f, func(x ast.Node) bool {
			v, ok := x.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 || !v.Names[0].IsExported() {
				return true
			}
			call, ok := v.Values[0].(*ast.CallExpr)
			if !ok {
				return true
			}
			if made, ok := call.Fun.(*ast.Ident); ok && made.Name == "New" {
				n++
				found := false
				for name := range byName() {
					found = found || strings.ReplaceAll(name, "-", "") == strings.ToLower(v.Names[0].Name)
				}
				require.True(t, found, "%s is missing in names.go", v.Names[0].Name)
			}
			return true
		})
	}
	require.Len(t, byName(), n)
}

func TestRebind(t *testing.T) { // it changes what all of the process goes by
	refused := func(by map[string][]string) string {
		var out []string
		for _, r := range Rebind(by) {
			out = append(out, r.Name+": "+r.Why)
		}
		return strings.Join(out, "\n")
	}
	before := Delete.Keys
	require.Equal(t, `no-such: no action is called "no-such"`, refused(map[string][]string{"no-such": {"x"}, "delete": {"X"}}))
	require.Equal(t, before, Delete.Keys, "nothing of a refused keymap holds")
	require.Equal(t, "delete: delete needs a key", refused(map[string][]string{"delete": nil}))
	require.Equal(t, `delete: "ctrl+shift+nonsense" is no key`, refused(map[string][]string{"delete": {"ctrl+shift+nonsense"}}))
	require.Contains(t, refused(map[string][]string{"delete": {"u"}}), `delete: "u" would do two things on the page Pipeline`)
	require.Contains(t, refused(map[string][]string{"delete": {":"}}), `":" would do two things`)
	require.Equal(t, before, Delete.Keys)

	t.Cleanup(func() { Delete.Keys, Palette.Keys = before, []string{":", "ctrl+p"} })
	require.Empty(t, refused(map[string][]string{"delete": {"K", "f8"}, "palette": {";"}}))
	require.True(t, Delete.Is(Msg("K")))
	require.True(t, Delete.Is(Msg("f8")))
	require.False(t, Delete.Is(Msg("D")))
	require.Equal(t, "K", homePages()[0].Map[0].Bindings[5].Label(false), "what is shown is what is dispatched")
	require.Equal(t, "delete", NameOf(Delete))
	for _, b := range Typing().Bindings {
		require.NotContains(t, b.Keys, ";", "in a text it is typed")
	}
}
