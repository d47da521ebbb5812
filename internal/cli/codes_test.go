package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// constantsOf are the texts of all constants of a type, as the sources of a package have
// them: one that is added is found.
func constantsOf(t *testing.T, folder, kind string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	var out []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if of, ok := v.Type.(*ast.Ident); ok && of.Name == kind {
				for _, value := range v.Values {
					if text, ok := value.(*ast.BasicLit); ok {
						plain, err := strconv.Unquote(text.Value)
						require.NoError(t, err)
						out = append(out, plain)
					}
				}
			}
			return true
		})
	}
	return out
}

// Every kind of error and every rule has a page, each code one, and no page is of nothing.
func TestEveryCodeHasItsPage(t *testing.T) {
	t.Parallel()
	kinds := constantsOf(t, "../fault", "Kind")
	rules := append(constantsOf(t, "../spec", "ProblemCode"), constantsOf(t, "../spec", "RuleKind")...)
	require.Greater(t, len(kinds), 10)
	require.Greater(t, len(rules), 30)
	want := map[string]string{usageCode: "the command line"}
	for _, k := range kinds {
		want[kindCode(fault.Kind(k))] = "kind " + k
	}
	for _, r := range rules {
		code := ruleCode(spec.ProblemCode(r))
		require.NotContains(t, want, code, "%s: two errors would share a code", r)
		want[code] = "rule " + r
	}
	checks := constantsOf(t, "../preflight", "Code")
	require.Greater(t, len(checks), 10)
	for _, c := range checks {
		want[c] = "check " + c
	}
	seen := map[string]bool{}
	for _, p := range pages {
		require.False(t, seen[p.code], "%s is there twice", p.code)
		seen[p.code] = true
		require.Contains(t, want, p.code, "a page of nothing")
		require.Regexp(t, `^([a-z]+(-[a-z]+)*|P\d00|P\d\d0)$`, p.code)
		require.Regexp(t, `^[a-z].*[^.]$`, p.title, p.code)
		require.Regexp(t, `^[A-Z].*\.$`, p.what, p.code)
		require.Regexp(t, "^[A-Z`].*\\.$", p.way, p.code)
	}
	for code, of := range want {
		require.True(t, seen[code], "%s has no page: add one to pages", of)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.run(t, "explain", "locked").ends(t, ExitOK, "another operation holds", "pipelinetui cancel")
	w.run(t, "explain", "p200").ends(t, ExitOK, "P200", "machines for endpoints")
	doc := w.run(t, "explain", "Unknown-Key", "-o", "json").ends(t, ExitOK).doc(t, "ErrorCode")
	require.Equal(t, "unknown-key", doc["code"])
	require.NotEmpty(t, doc["wayOut"])
	require.Equal(t, len(pages), len(w.run(t, "explain", "-o", "json").ends(t, ExitOK).doc(t, "ErrorCodeList")["codes"].([]any)))
	w.run(t, "explain", "loked").ends(t, ExitNotFound, "explain locked")
	w.run(t, "explain", "nothing-like-it-at-all").ends(t, ExitNotFound, "all codes")

	// What an error shows is a code that is told of, in text and in documents.
	for code, args := range map[string][]string{
		"usage": {"frob"}, "flag": {"list", "--frob"}, "setting": {"list"}, "not-found": {"show", "no/body"}, "name": {"show", "A/b"},
		"unreadable": {"up", "-f", "none.yaml", "--yes"}, "unknown-template": {"up", "a/b", "--template", "none", "--yes"},
	} {
		l := &line{w: w}
		if code == "setting" {
			l.environ = map[string]string{"PIPELINETUI_TARGET": "mars"}
		}
		l.run(t, args...)
		require.Contains(t, l.errs.String(), "\ncode: "+code+" (pipelinetui explain "+code+")\n", args)
		failed := l.run(t, append(args, "-o", "json")...).doc(t, "Error")["error"].(map[string]any)
		require.Equal(t, code, failed["code"], args)
		_, ok := pageOf(code)
		require.True(t, ok)
	}
}
