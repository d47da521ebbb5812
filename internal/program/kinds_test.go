package program

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// TestEveryTypeHasAKind takes every built-in template through its parameters, each with
// every value that may change what is made, and wants a row of kinds for each type that is
// asked for, no row for what nobody asks for, and no constructor of a provider's SDK in
// this package that the walk has not come by.
func TestEveryTypeHasAKind(t *testing.T) {
	t.Parallel()
	catalog, err := builtin()
	require.NoError(t, err)
	model := filepath.Join(t.TempDir(), "model.tar.gz")
	require.NoError(t, os.WriteFile(model, []byte(gzipMagic+"content"), 0o600))
	var mu sync.Mutex
	seen := map[string]string{} // by type, where
	recorded := 0
	t.Run("templates", func(t *testing.T) {
		for _, tmpl := range catalog.List() {
			t.Run(tmpl.Name, func(t *testing.T) {
				t.Parallel()
				for where, change := range walk(tmpl, model) {
					p, own := pipelineOfTemplate(t, tmpl.Name, change)
					for name, v := range change {
						if v == model {
							p.Files[name] = model
						}
					}
					rec, err := Record(t.Context(), p, own, testEnv)
					require.NoError(t, err, where)
					mu.Lock()
					recorded++
					for _, r := range rec.Resources {
						seen[r.Type] = tmpl.Name + ": " + where
					}
					mu.Unlock()
				}
			})
		}
	})
	require.Greater(t, recorded, 100, "the walk is too short to mean anything")
	for typ, where := range seen {
		_, ok := kinds.Of(typ)
		require.True(t, ok || kinds.Engines(typ), "%s (%s) has no row in internal/program/kinds: how it is found after a crash, what is lost with it and so "+
			"on has to be said there", typ, where)
	}
	reached := map[string]bool{}
	for typ := range seen {
		reached[constructed(typ)] = true
	}
	for _, k := range kinds.Made() {
		require.True(t, reached[constructed(k.Type)], "%s has a row in internal/program/kinds, and no template makes one", k.Type)
	}
	made := constructors(t)
	require.Greater(t, len(made), 20)
	for name, where := range made {
		require.True(t, reached[name], "%s: the walk through the parameters never comes by %s: a value that makes it is missing from it", where, name)
	}
}

// walk returns changes of a template's parameters: from its defaults and from all that can
// be on, each parameter in turn with every value that it may be worth asking.
func walk(tmpl *spec.Template, model string) map[string]map[string]any {
	on := map[string]any{}
	for i := range tmpl.Parameters {
		p := &tmpl.Parameters[i]
		if values := valuesOf(p, model); len(values) > 0 && holds(p.When, on, tmpl) {
			on[p.Name] = values[len(values)-1]
		}
	}
	out := map[string]map[string]any{"defaults": {}, "all": on}
	for from, base := range map[string]map[string]any{"defaults": {}, "all": on} {
		for i := range tmpl.Parameters {
			p := &tmpl.Parameters[i]
			for _, v := range valuesOf(p, model) {
				if v := fmt.Sprint(v); v == fmt.Sprint(base[p.Name]) || from == "defaults" && v == fmt.Sprint(p.Default) {
					continue
				}
				change := maps.Clone(base)
				for name, c := range p.When {
					if len(c.In) > 0 {
						change[name] = c.In[0]
					}
				}
				change[p.Name] = v
				out[fmt.Sprintf("%s, %s=%v", from, p.Name, v)] = change
			}
		}
	}
	return out
}

// holds tells whether conditions hold with values over the template's defaults.
func holds(when spec.Conditions, values map[string]any, tmpl *spec.Template) bool {
	for name, c := range when {
		v, ok := values[name]
		if p, known := tmpl.Parameter(name); !ok && known {
			v = p.Default
		}
		if !slices.ContainsFunc(c.In, func(a any) bool { return fmt.Sprint(a) == fmt.Sprint(v) }) {
			return false
		}
	}
	return true
}

// valuesOf are the values of a parameter that may make a difference, most last.
func valuesOf(p *spec.Parameter, model string) []any {
	switch p.Type {
	case spec.TypeBool:
		return []any{false, true}
	case spec.TypeEnum:
		if p.Name == "preprocess.runtime" { // each wants code in its language, and makes the same
			return nil
		}
		if len(p.Enum) > 12 { // instance types, retention in days
			return []any{p.Enum[0], p.Enum[len(p.Enum)-1]}
		}
		return p.Enum
	case spec.TypeInt:
		low, high := 0, 3
		if p.Min != nil {
			low = int(*p.Min)
		}
		if p.Max != nil {
			high = min(int(*p.Max), max(low+3, high))
		}
		return []any{low, max(low+1, high)}
	case spec.TypeFloat:
		return []any{1.5, 70.0}
	case spec.TypeList:
		if p.Name == "notify.email" {
			return []any{[]string{}, []string{"ops@example.com"}}
		}
		return []any{[]string{}, []string{"one-0a1b2c3d4e5f60718"}}
	case spec.TypeMap:
		return []any{map[string]string{}, map[string]string{"MODE": "fast"}}
	case spec.TypePath:
		if len(p.Artifact.URLs) > 0 { // a model, which may be a file here; the other paths are code
			return []any{model}
		}
	case spec.TypeString, spec.TypeARN:
		switch p.Name {
		case "notify.topic":
			return []any{spec.MadeTopic}
		case "notify.slack":
			return []any{"", "https://hooks.example.com/services/T0/B0/x"}
		}
	}
	return nil // what has a name only: another one makes the same
}

// constructed is a type as its constructor in the SDK is called: "s3.BucketV2".
func constructed(typ string) string {
	parts := strings.Split(typ, ":")
	module, _, _ := strings.Cut(parts[1], "/")
	if typ == kinds.Endpoint {
		module = "native" // the package of our own
	}
	return module + "." + parts[2]
}

// constructors are the resources that the sources of this package make, by name, with
// the place where.
func constructors(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	out := map[string]string{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		sdk := map[string]string{} // package of a service by its name in the file
		for _, imp := range f.Imports {
			target, err := strconv.Unquote(imp.Path.Value)
			require.NoError(t, err)
			if !strings.Contains(target, "/pulumi-aws") && !strings.HasSuffix(target, "/program/native") {
				continue
			}
			local := path.Base(target)
			if imp.Name != nil {
				local = imp.Name.Name
			}
			sdk[local] = path.Base(target)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok || sdk[x.Name] == "" {
				return true
			}
			// A provider is the engine's, and nothing in AWS.
			if made, ok := strings.CutPrefix(sel.Sel.Name, "New"); ok && made != "Provider" {
				out[sdk[x.Name]+"."+made] = set.Position(sel.Pos()).String()
			}
			return true
		})
	}
	return out
}
