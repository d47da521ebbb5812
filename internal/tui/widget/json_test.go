package widget_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

const order = `{"id":"o-1","items":[{"sku":"a b","n":2},{"sku":"ß","n":10000000000000000001}],"none":{},"note":null,"a 'key'":[[true]]}`

func documentOf(text string) *widget.Viewer {
	v := widget.NewViewer(plainScreen())
	v.SetJSON(text)
	v.View(60, 30)
	return v
}

func view(v *widget.Viewer) string {
	lines := strings.Split(ansi.Strip(v.View(60, 30)), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

func hit(v *widget.Viewer, names ...string) {
	for _, k := range names {
		v.Update(keys.Msg(k))
		v.View(60, 30)
	}
}

func TestDocument(t *testing.T) {
	t.Parallel()
	v := documentOf(order)
	require.Equal(t, strings.TrimPrefix(`
▌{
   "id": "o-1",
   "items": [
     {
       "sku": "a b",
       "n": 2
     },
     {
       "sku": "ß",
       "n": 10000000000000000001
     }
   ],
   "none": {},
   "note": null,
   "a 'key'": [
     [
       true
     ]
   ]
 }`, "\n"), view(v))

	hit(v, "j", "j", "left")
	require.Equal(t, strings.TrimPrefix(`
 {
   "id": "o-1",
▌  "items": [ 2 items ],
   "none": {},
   "note": null,
   "a 'key'": [
     [
       true
     ]
   ]
 }`, "\n"), view(v))
	hit(v, "right", "G", "k", "left", "left")
	require.Equal(t, "$['a \\'key\\'']", v.Path(), "from an end to its beginning; what is folded is shut, then what is around")

	hit(v, "g", "-", "-")
	require.Equal(t, 7, strings.Count(view(v), "\n")+1)
	hit(v, "/", "1", "0", "0", "enter")
	require.Equal(t, "$.items[1].n", v.Path(), "a search looks into what is folded")
}

// TestSearchInADocumentThatChanges folds what was searched, and shows another document:
// the places that were found before are nowhere in it.
func TestSearchInADocumentThatChanges(t *testing.T) {
	t.Parallel()
	v := documentOf(order)
	hit(v, "/", "t", "r", "u", "e", "enter")
	require.Equal(t, "$['a \\'key\\''][0][0]", v.Path())

	hit(v, "-")
	require.Contains(t, view(v), "no match in sight")
	hit(v, "n")
	require.Equal(t, "$['a \\'key\\''][0][0]", v.Path(), "the next place is looked for in what is folded, too")

	v.SetJSON(`{"a":1,"b":true,"c":[true]}`)
	hit(v, "n")
	require.Equal(t, "$.b", v.Path(), "the first place from the cursor on")
	require.Contains(t, view(v), "1 of 2")
	hit(v, "n")
	require.Equal(t, "$.c[0]", v.Path())
	hit(v, "N")
	require.Equal(t, "$.b", v.Path())

	v.SetJSON(`{"a":1}`)
	hit(v, "n", "N")
	require.Equal(t, "$", v.Path())
	require.Contains(t, view(v), "no match")
}

func TestDocumentCopiesPathsAndValues(t *testing.T) {
	t.Parallel()
	copied := func(v *widget.Viewer, key string) string {
		text, _, ok := v.Copied(keys.Msg(key))
		require.True(t, ok)
		return text
	}
	for _, tc := range []struct {
		downs       int
		path, value string
	}{
		{1, "$.id", "o-1"},
		{5, "$.items[0].n", "2"},
		{6, "$.items[0]", "{\n  \"sku\": \"a b\",\n  \"n\": 2\n}"},
		{9, "$.items[1].n", "10000000000000000001"},
		{12, "$.none", "{}"},
		{13, "$.note", "null"},
		{16, "$['a \\'key\\''][0][0]", "true"},
	} {
		v := documentOf(order)
		for range tc.downs {
			hit(v, "j")
		}
		require.Equal(t, tc.path, copied(v, "P"))
		require.Equal(t, tc.value, copied(v, "c"))
	}
	v := documentOf("no JSON at all")
	_, _, ok := v.Copied(keys.Msg("c"))
	require.False(t, ok)
	require.Equal(t, "no JSON at all", view(v))
	require.Empty(t, v.Path())
}

// TestAnyDocumentIsShownWhole compares what is shown with what encoding/json makes of
// it, and folds and opens at random.
func TestAnyDocumentIsShownWhole(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		text, err := json.Marshal(anything(r, 4))
		require.NoError(t, err)
		v := documentOf(string(text))
		require.JSONEq(t, string(text), v.Text())
		for range 40 {
			switch r.IntN(8) {
			case 0:
				hit(v, "/", []string{"k", "1", "x", "l"}[r.IntN(4)], "enter")
			case 1:
				other, err := json.Marshal(anything(r, 4))
				require.NoError(t, err)
				v.SetJSON(string(other))
				v.Update(keys.Msg("n"))
			default:
				hit(v, []string{"j", "k", "left", "right", "-", "G", "g", "pgdown", "n", "N"}[r.IntN(10)])
			}
			for _, l := range strings.Split(v.View(20, 9), "\n") {
				require.Equal(t, 20, ansi.StringWidth(l))
			}
		}
		if v = documentOf(string(text)); v.Path() != "" {
			all := ansi.Strip(v.View(400, 3000))
			require.JSONEq(t, string(text), strings.ReplaceAll(all, "▌", " "))
		}
	}
}

func anything(r *rand.Rand, depth int) any {
	if depth == 0 {
		return []any{nil, true, "x \"y\" <&>", 12.5, ""}[r.IntN(5)]
	}
	if r.IntN(2) == 0 {
		out := make([]any, r.IntN(4))
		for i := range out {
			out[i] = anything(r, depth-1)
		}
		return out
	}
	out := map[string]any{}
	for i := range r.IntN(4) {
		out[fmt.Sprint("k", i)] = anything(r, depth-1)
	}
	return out
}

// TestForeignTextInADocument holds escapes, and what turns the reading round.
func TestForeignTextInADocument(t *testing.T) {
	t.Parallel()
	v := documentOf(`{"a\u001b[31m":"b\u001b]0;x\u0007 \u202e","c":"` + "\u202e" + `"}`)
	for _, bad := range []string{"\x1b]", "\x1b[31m", "\u202e", "\x07"} {
		require.NotContains(t, v.View(60, 10), bad)
	}
}

// TestStylesEndWithTheirLine wraps a coloured text: each line of the screen ends the
// style that it begins, since lines are drawn one by one.
func TestStylesEndWithTheirLine(t *testing.T) {
	t.Parallel()
	th := theme.NewScreen(io.Discard, theme.ScreenOptions{Unicode: true, Colors: theme.Colors256})
	v := widget.NewViewer(&th)
	v.SetJSON(`{"text":"` + strings.Repeat("long ", 40) + `"}`)
	for _, l := range strings.Split(v.View(30, 12), "\n") {
		if i := strings.LastIndex(l, "\x1b["); i >= 0 {
			require.True(t, strings.HasPrefix(l[i:], "\x1b[0m") || strings.HasPrefix(l[i:], "\x1b[m"), "%q", l)
		}
	}
	require.Greater(t, strings.Count(v.View(30, 12), "\x1b["), 12, "each part has its colour")
}
