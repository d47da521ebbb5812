package pipelinetui_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// calledByOthers are methods that no line of ours has to name: the libraries call them
// through their interfaces.
var calledByOthers = map[string]string{
	"Error": "error", "Unwrap": "errors", "Is": "errors", "As": "errors", "String": "fmt", "Format": "fmt", "GoString": "fmt",
	"MarshalJSON": "encoding/json", "UnmarshalJSON": "encoding/json", "MarshalText": "encoding", "UnmarshalText": "encoding",
	"MarshalYAML": "yaml", "UnmarshalYAML": "yaml", "Read": "io", "Write": "io", "Close": "io", "ReadAt": "io", "Seek": "io", "ReadFrom": "io",
	"WriteTo": "io", "Flush": "net/http", "Hijack": "net/http", "ServeHTTP": "net/http", "RoundTrip": "net/http",
	"NewResource": "pulumi's mocks", "StreamEvents": "pulumi's event log", "Network": "net.Addr",
	"CheckConfig": "pulumirpc", "DiffConfig": "pulumirpc", "Configure": "pulumirpc", "GetSchema": "pulumirpc", "Handshake": "pulumirpc", "GetPluginInfo": "pulumirpc",
	"TagConn": "grpc/stats", "HandleConn": "grpc/stats", "TagRPC": "grpc/stats", "HandleRPC": "grpc/stats",
	"Len": "sort", "Less": "sort", "Swap": "sort", "Push": "container/heap", "Pop": "container/heap",
}

// forTests are names that tests of other packages share, and nothing else has.
var forTests = map[string]string{
	"internal/asl/jsonpath.Canonical":                "what a path means, in the tests' tables",
	"internal/asl/value.MustParse":                   "values as JSON",
	"internal/cli/console.Buffers":                   "the command line without a process",
	"internal/clock.WaitTimers":                      "the played clock",
	"internal/sandbox/states/integration.JavaClient": "the names of errors of every service that is served",
	"internal/spec.Load":                             "specs as files; the program reads in outside.Do and calls Parse",
	"internal/spec.Regions":                          "every region of every partition",
	"internal/stack.Spawned":                         "how many processes an operation costs",
	"internal/tui/widget.SetExample":                 "of the one line editor, to which the pages are moving",
	"internal/tui/widget.SetFocus":                   "as above",
	"internal/tui/widget.SetSecret":                  "as above",
	"internal/version.Pulumi":                        "the same version in Makefile, go.mod and here",
}

// declared is an exported name of a package.
type declared struct {
	pkg, name string
	node      ast.Node // uses inside do not count: a function that calls itself
	method    bool
	where     token.Position
}

// TestNothingExportedIsDead: what a package exports is used by the program, not by tests
// alone. (What is not exported the linter unused looks after. golang.org/x/tools/cmd/deadcode
// finds the same and more by following calls, but takes more than two minutes of processor
// and 6 GB for this program, SDKs and engine included; this takes two seconds.) Names of
// packages are looked up as imports say, those of methods are taken by name.
func TestNothingExportedIsDead(t *testing.T) {
	t.Parallel()
	var all []declared
	uses := map[string][]ast.Node{} // by package and name, of methods by name
	set := token.NewFileSet()
	files := 0
	for _, root := range []string{"cmd", "internal", "templates", "e2e"} {
		require.NoError(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			name = filepath.ToSlash(name)
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.Contains(name, "/testdata/") {
				return err
			}
			f, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				return err
			}
			files++
			pkg := path.Dir(name)
			if !helps(pkg) {
				all = append(all, exported(set, pkg, f)...)
			}
			collectUses(f, pkg, uses)
			return nil
		}))
	}
	require.Greater(t, files, 500, "the walk found too few files to mean anything")
	require.Greater(t, len(all), 1000)
	var dead []string
	for _, d := range all {
		key := d.pkg + "." + d.name
		if d.method {
			key = "." + d.name
		}
		alive := slices.ContainsFunc(uses[key], func(n ast.Node) bool { return n.Pos() < d.node.Pos() || n.Pos() > d.node.End() })
		name := d.pkg + "." + d.name
		if forTests[name] != "" {
			continue
		}
		if !alive {
			dead = append(dead, d.where.String()+": "+d.name)
		}
	}
	slices.Sort(dead)
	for _, one := range dead {
		t.Errorf("%s is used by nothing but tests, if by them: remove it, or make it the test's own", one)
	}
}

// TestNoDirectiveIsForALinterThatIsOff: nolintlint finds directives that hide nothing, but
// not those for linters that do not run. Why a line is as it is can be said without one.
func TestNoDirectiveIsForALinterThatIsOff(t *testing.T) {
	t.Parallel()
	config, err := os.ReadFile(".golangci.yml")
	require.NoError(t, err)
	_, list, ok := strings.Cut(string(config), "  enable:\n")
	require.True(t, ok)
	list, _, ok = strings.Cut(list, "  settings:\n")
	require.True(t, ok)
	on := map[string]bool{}
	for line := range strings.Lines(list) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "- "); ok {
			on[name] = true
		}
	}
	require.True(t, on["govet"] && on["unused"], "the list of linters was not found")
	directive := regexp.MustCompile(`//\s*nolint:([a-z,]+)`)
	seen := 0
	for _, root := range []string{".", "cmd", "internal", "templates", "e2e"} {
		require.NoError(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && root == "." && name != "." {
				return filepath.SkipDir
			}
			// The JSONata library is as it came.
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.Contains(filepath.ToSlash(name), "/gnata/") {
				return err
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			for _, m := range directive.FindAllStringSubmatch(string(text), -1) {
				seen++
				for linter := range strings.SplitSeq(m[1], ",") {
					if !on[linter] {
						t.Errorf("%s: nolint for %s, which is off: say why in a plain comment", name, linter)
					}
				}
			}
			return nil
		}))
	}
	require.Greater(t, seen, 20, "the walk found too few directives to mean anything")
}

// helps tells whether a package is there for tests, or is somebody else's.
func helps(pkg string) bool {
	return strings.HasSuffix(pkg, "test") || strings.HasPrefix(pkg, "e2e") || strings.HasPrefix(pkg, "internal/asl/jsonata/gnata")
}

// exported are the exported declarations of a file.
func exported(set *token.FileSet, pkg string, f *ast.File) []declared {
	var out []declared
	add := func(id *ast.Ident, node ast.Node, method bool) {
		if id.IsExported() {
			out = append(out, declared{pkg, id.Name, node, method, set.Position(id.Pos())})
		}
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				add(d.Name, d, false)
			} else if calledByOthers[d.Name.Name] == "" {
				add(d.Name, d, true)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					add(s.Name, s, false)
				case *ast.ValueSpec:
					if d.Tok == token.CONST && s.Type != nil {
						continue // a member of an enum: that is complete by what it enumerates
					}
					for _, id := range s.Names {
						add(id, id, false)
					}
				}
			}
		}
	}
	return out
}

// collectUses notes what a file names.
func collectUses(f *ast.File, pkg string, uses map[string][]ast.Node) {
	imports := map[string]string{}
	for _, imp := range f.Imports {
		target, err := strconv.Unquote(imp.Path.Value)
		own, ok := strings.CutPrefix(target, module)
		if err != nil || !ok {
			continue
		}
		local := path.Base(own)
		if imp.Name != nil {
			local = imp.Name.Name
		}
		imports[local] = own
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && imports[x.Name] != "" {
				key := imports[x.Name] + "." + n.Sel.Name
				uses[key] = append(uses[key], n)
			}
			uses["."+n.Sel.Name] = append(uses["."+n.Sel.Name], n)
		case *ast.InterfaceType:
			for _, m := range n.Methods.List {
				for _, id := range m.Names {
					uses["."+id.Name] = append(uses["."+id.Name], n)
				}
			}
		case *ast.Ident:
			if n.IsExported() && n.Obj == nil || n.Obj != nil && n.Obj.Pos() != n.Pos() {
				uses[pkg+"."+n.Name] = append(uses[pkg+"."+n.Name], n)
			}
		}
		return true
	})
}
