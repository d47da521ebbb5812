package pipelinetui_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNoRegexpIsCompiledAtStart: every command, however short, pays for what package
// variables do before main. A regular expression there is a lazyregexp.
func TestNoRegexpIsCompiledAtStart(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, root := range []string{"cmd", "internal", "templates"} {
		require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			seen++
			files := token.NewFileSet()
			f, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, d := range f.Decls {
				if vars, ok := d.(*ast.GenDecl); ok && vars.Tok == token.VAR {
					ast.Inspect(vars, func(n ast.Node) bool {
						if compiles(n) {
							t.Errorf("%s: a regular expression compiled at every start: use lazyregexp.New", files.Position(n.Pos()))
						}
						_, later := n.(*ast.FuncLit)
						return !later
					})
				}
			}
			return nil
		}))
	}
	require.Greater(t, seen, 500, "the walk found too few files to mean anything")
}

func compiles(n ast.Node) bool {
	s, ok := n.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != "MustCompile" {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == "regexp"
}

// TestNoSchemasAtStart: the SDK's clients since summer 2026 build the schema of every
// shape of their service before main, SageMaker's alone 3.8 MB in 20 ms. The
// clients of go.mod are those before (docs/decisions/0015); the three that package
// config brings are small.
func TestNoSchemasAtStart(t *testing.T) {
	t.Parallel()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "./cmd/pipelinetui")
	list.Stderr = os.Stderr
	out, err := list.Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "github.com/aws/aws-sdk-go-v2/service/sagemaker\n")
	var heavy []string
	for pkg := range strings.Lines(string(out)) {
		service, ok := strings.CutSuffix(strings.TrimSpace(pkg), "/schemas")
		if ok && strings.HasPrefix(service, "github.com/aws/aws-sdk-go-v2/service/s") &&
			(strings.HasSuffix(service, "/sso") || strings.HasSuffix(service, "/ssooidc") || strings.HasSuffix(service, "/signin")) {
			continue
		}
		if ok && strings.HasPrefix(service, "github.com/aws/aws-sdk-go-v2/service/") {
			heavy = append(heavy, service)
		}
	}
	require.Empty(t, heavy, "these clients make every start slower: see docs/decisions/0015")
}
