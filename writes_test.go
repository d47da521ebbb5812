package pipelinetui_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// loggedOnly says why a function of the sandbox may log that a write failed, and do no more.
var loggedOnly = map[string]string{
	"internal/sandbox/cloudwatch.evaluate":       "the next round, ten seconds later, is another try",
	"internal/sandbox/cloudwatch.evaluatePlaced": "the next look at all alarms is another try",
	"internal/sandbox/cloudwatch.expire":         "what is too old goes with the next round",
	"internal/sandbox/cloudwatch.forget":         "what is too old goes with the next round",
	"internal/sandbox/lambda.handle":             "what is not taken from its queue comes again",
	"internal/sandbox/s3.bringReport":            "its courier brings it ten times more, and at its next time",
	"internal/sandbox/sns.bury":                  "the last that can be done for a message, as on AWS",
}

// TestWritesAreNotOnlyLogged: what goes on in the sandbox's background has nobody who tries
// again when the store refuses a write, as on a full disk: what only logs it stays as it was
// for ever, an endpoint in Creating. Such a write goes by persist.Until, or the loop that it
// is made in waits by bell.Retry and makes it again. Writes are found by the names of
// functions in their package.
func TestWritesAreNotOnlyLogged(t *testing.T) {
	t.Parallel()
	packages := map[string][]*ast.FuncDecl{}
	require.NoError(t, filepath.WalkDir("internal/sandbox", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := path.Dir(filepath.ToSlash(file))
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
				packages[dir] = append(packages[dir], fn)
			}
		}
		return nil
	}))
	require.Greater(t, len(packages), 30, "the walk found too few packages to mean anything")
	used := map[string]bool{}
	for dir, funcs := range packages {
		writers := writersOf(funcs)
		for _, fn := range funcs {
			name := dir + "." + fn.Name.Name
			if !logsWrite(fn, writers) {
				continue
			}
			if used[name] = true; loggedOnly[name] == "" {
				t.Errorf("%s logs that a write failed, and nobody makes it again: use persist.Until", name)
			}
		}
	}
	for name := range loggedOnly {
		require.True(t, used[name], "%s logs no write any more", name)
	}
	require.True(t, logsWrite(parsedFunc(t, `func f() { if err := s.DB.Update(g); err != nil { s.Log.Error("x") } }`), nil))
	require.True(t, logsWrite(parsedFunc(t, `func f() { err := s.keep(); if err != nil { s.Log.Warn("x") } }`), []string{"keep"}))
	require.False(t, logsWrite(parsedFunc(t, `func f() { err := s.keep(); if err != nil { s.Log.Warn("x") }; s.wait(retry.Wait(err, 0)) }`), []string{"keep"}))
	require.False(t, logsWrite(parsedFunc(t, `func f() { if err := persist.Until(s.keep); err != nil { s.Log.Error("x") } }`), []string{"keep"}))
}

func parsedFunc(t *testing.T, text string) *ast.FuncDecl {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\n"+text, parser.SkipObjectResolution)
	require.NoError(t, err)
	return f.Decls[0].(*ast.FuncDecl)
}

// writersOf are the functions of a package that write to the store and return the error.
func writersOf(funcs []*ast.FuncDecl) (names []string) {
	for again := true; again; {
		again = false
		for _, fn := range funcs {
			if !slices.Contains(names, fn.Name.Name) && returnsError(fn) && writes(fn.Body, names) {
				names, again = append(names, fn.Name.Name), true
			}
		}
	}
	return names
}

func returnsError(fn *ast.FuncDecl) bool {
	if fn.Type.Results == nil {
		return false
	}
	list := fn.Type.Results.List
	last, ok := list[len(list)-1].Type.(*ast.Ident)
	return ok && last.Name == "error"
}

// called is the name of what is called, and that of what it is a part of.
func called(c *ast.CallExpr) (of, name string) {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return "", f.Name
	case *ast.SelectorExpr:
		switch x := f.X.(type) {
		case *ast.Ident:
			of = x.Name
		case *ast.SelectorExpr:
			of = x.Sel.Name
		}
		return of, f.Sel.Name
	}
	return "", ""
}

// writes tells whether code writes to the store by itself or by one of the functions.
func writes(n ast.Node, writers []string) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		c, ok := n.(*ast.CallExpr)
		if !ok {
			return !found
		}
		of, name := called(c)
		switch {
		case of == "persist" || name == "persist" || name == "Insist":
			return false
		case of == "DB" && (name == "Update" || name == "Batch"), slices.Contains(writers, name):
			found = true
		}
		return !found
	})
	return found
}

// logsWrite tells whether a function logs the error of a write and leaves it at that.
func logsWrite(fn *ast.FuncDecl, writers []string) bool {
	from, kept := map[string]bool{}, map[string]bool{}
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.AssignStmt:
			if len(x.Rhs) == 1 && writes(x.Rhs[0], writers) {
				if last, ok := x.Lhs[len(x.Lhs)-1].(*ast.Ident); ok {
					from[last.Name] = true
				}
			}
		case *ast.CallExpr: // by bell.Retry, or handed on
			if _, name := called(x); name == "Wait" || name == "Join" {
				for _, a := range x.Args {
					if id, ok := a.(*ast.Ident); ok {
						kept[id.Name] = true
					}
				}
			}
		case *ast.ReturnStmt:
			for _, r := range x.Results {
				if id, ok := r.(*ast.Ident); ok {
					kept[id.Name] = true
				}
			}
		}
		return true
	})
	found := false
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		x, ok := n.(*ast.IfStmt)
		if !ok {
			return true
		}
		for name := range from {
			found = found || !kept[name] && mentions(x.Cond, name) && logs(x.Body)
		}
		return true
	})
	return found
}

func mentions(n ast.Node, name string) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		found = found || ok && id.Name == name
		return true
	})
	return found
}

func logs(n ast.Node) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok {
			of, name := called(c)
			found = found || strings.EqualFold(of, "log") && (strings.HasPrefix(name, "Error") || strings.HasPrefix(name, "Warn"))
		}
		return true
	})
	return found
}
