package console

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// headers are the kinds of documents that the sources make.
func headers(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../*.go")
	require.NoError(t, err)
	var found []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			if f, ok := call.Fun.(*ast.SelectorExpr); !ok || f.Sel.Name != "NewHeader" {
				return true
			}
			text, ok := call.Args[0].(*ast.BasicLit)
			require.True(t, ok, "%s: a kind has to be written where it is used", file)
			kind, err := strconv.Unquote(text.Value)
			require.NoError(t, err)
			found = append(found, kind)
			return true
		})
	}
	return found
}

// Each kind of document says what --quiet shows of it, and docs/json-output.md tells of it.
func TestEveryKindOfDocumentIsKnown(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/json-output.md")
	require.NoError(t, err)
	found := headers(t)
	require.Greater(t, len(found), 20)
	for _, kind := range found {
		require.Contains(t, kinds, kind, "kinds.go has no row for it: what do --quiet and the hints say of it?")
		require.Contains(t, string(page), "`"+kind+"`", "docs/json-output.md")
	}
}

// The programs of all kinds are ones.
func TestProgramsOfKinds(t *testing.T) {
	t.Parallel()
	for name, k := range kinds {
		for _, program := range []string{k.names, k.next} {
			if program != "" {
				_, err := newQuery(program)
				require.NoError(t, err, name)
			}
		}
	}
}

type pipelineDoc struct {
	Header
	Pipeline string `json:"pipeline"`
	Status   string `json:"status"`
}

// What is suggested for a pipeline is what may be done in its state: no update of one that
// cannot be read, or that is being updated.
func TestWhatSuggestsItselfForAPipeline(t *testing.T) {
	t.Parallel()
	for status, want := range map[string][]string{
		"ready": {"run a/b --input @FILE --watch"}, "damaged": {"cancel a/b --restore"}, "updating": nil, "unreadable": nil, "": nil,
		"failed": {"up a/b"}, "cancelled": {"up a/b"}, "incomplete": {"up a/b"}, "empty": {"up a/b"},
	} {
		got, err := ask(pipelineDoc{NewHeader("Pipeline"), "a/b", status}, func(k kind) string { return k.next })
		require.NoError(t, err)
		require.Equal(t, want, got, status)
	}
}

type pipelineList struct {
	Header
	Pipelines []map[string]any `json:"pipelines"`
}

func TestViews(t *testing.T) {
	t.Parallel()
	doc := pipelineList{NewHeader("PipelineList"), []map[string]any{
		{"pipeline": "a/b", "status": "ready", "n": 12345678901234567, "at": "2026-01-31T08:00:00Z", "odd": "x\u001b[31m"},
	}}
	for _, tt := range []struct {
		view View
		want string
	}{
		{View{Quiet: true}, "a/b\n"},
		{View{Query: ".pipelines[].n"}, "12345678901234567\n"},
		{View{Query: ".pipelines[0] | {n, odd}"}, `{"n":12345678901234567,"odd":"x\u001b[31m"}` + "\n"},
		{View{Query: ".pipelines[].odd"}, "x\n"},
		{View{Query: "nan, infinite"}, "null\n1.7976931348623157e+308\n"},
		{View{Query: "empty"}, ""},
		{View{Template: `{{range .pipelines}}{{tablerow .pipeline .n}}{{tablerow "longer" "x"}}{{end}}{{tablerender}}end`}, "a/b     12345678901234567\nlonger  x\nend\n"},
		{
			View{Template: `{{range .pipelines}}{{timeago .at}} {{timefmt "2006" .at}} {{truncate 2 .pipeline}} {{color "red" .n}} {{json .status}}{{end}}`},
			"2h ago 2026 a… 12345678901234567 \"ready\"\n",
		},
		{View{Template: `{{.nothing}}`}, "<no value>\n"},
	} {
		c, out, _ := on(t, "", environ{})
		c.now = func() time.Time { return time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC) }
		if !tt.view.Quiet {
			c.SetForm(JSON)
		}
		require.NoError(t, c.SetView(tt.view))
		require.NoError(t, c.Write(doc, nil))
		require.Equal(t, tt.want, out.String(), "%+v", tt.view)
	}
	for _, bad := range []View{{Query: "." + "["}, {Query: "nosuch"}, {Template: "{{"}, {Template: "{{nosuch}}"}} {
		c, _, _ := on(t, "", environ{})
		err := c.SetView(bad)
		require.ErrorIs(t, err, fault.Invalid)
		require.NotEmpty(t, fault.HintOf(err))
		require.False(t, c.Filtered(), "the error is told whole: through nothing, nothing is seen")
	}
	// Each line goes through a program, and the protocol's own first one does not.
	c, out, _ := on(t, "", environ{})
	c.SetForm(Lines)
	require.NoError(t, c.SetView(View{Query: ".type"}))
	s, err := c.Stream()
	require.NoError(t, err)
	require.NoError(t, s.Emit(map[string]string{"type": "event"}))
	require.NoError(t, c.Write(doc, nil))
	require.Equal(t, "event\nresult\n", out.String())
}
