package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/version"
)

// TestGeneratedPagesAreFresh: docs/ says what the code says.
func TestGeneratedPagesAreFresh(t *testing.T) {
	t.Parallel()
	streams, _, _ := console.Buffers("")
	root := newRoot(newSession(nil, streams, func(string) (string, bool) { return "", false }))
	root.InitDefaultHelpCmd()
	pages, err := generated(root)
	require.NoError(t, err)
	for name, want := range pages {
		have, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, string(have)), "docs/%s is stale: run `make docs`", name)
	}
}

// TestEveryExitCodeIsTold: no code of the enum is missing on the page.
func TestEveryExitCodeIsTold(t *testing.T) {
	t.Parallel()
	f, err := parser.ParseFile(token.NewFileSet(), "exit.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	var codes []string
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Exit") {
			codes = append(codes, v.Values[0].(*ast.BasicLit).Value)
		}
		return true
	})
	require.Len(t, exitCodes, len(codes))
	page := exitReference()
	for _, c := range codes {
		require.Contains(t, page, "\n| "+c+" | ")
	}
}

// TestVersion: both forms answer, in every form of output, whatever is or is not there.
func TestVersion(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"version"}, {"--version"}, {"--version", "--read-only"}} {
		code, out, errOut := runIn(t, nil, args...)
		require.Equal(t, ExitOK, code, "%v: %s", args, errOut)
		require.True(t, strings.HasPrefix(out, "pipelinetui "+version.Version+" ("), "%v: %s", args, out)
		require.Empty(t, errOut)
		code, out, errOut = runIn(t, nil, append(args, "-o", "json")...)
		require.Equal(t, ExitOK, code, "%v: %s", args, errOut)
		require.Contains(t, out, `"kind": "Version"`)
	}
	for _, args := range [][]string{{"--version", "more"}, {"list", "--version"}, {"--version=perhaps"}} {
		code, out, _ := runIn(t, nil, args...)
		require.Equal(t, ExitUsage, code, "%v", args)
		require.Empty(t, out)
	}
}
