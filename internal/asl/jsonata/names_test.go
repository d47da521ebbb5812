package jsonata

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestNames(t *testing.T) {
	t.Parallel()
	got := Names(`( $n := $states.result.count; $map($x, function($v) { $v & '$no' }) /* $never */ ; $string)`)
	want := []Name{
		{Name: "n", Offset: 2, Bound: true},
		{Name: "states", Offset: 8, Member: "result"},
		{Name: "map", Offset: 30, Call: true},
		{Name: "x", Offset: 35},
		{Name: "v", Offset: 48, Bound: true},
		{Name: "v", Offset: 54, Bound: true},
		{Name: "string", Offset: 83},
	}
	require.Empty(t, cmp.Diff(want, got))
}

func TestErrorOffset(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"$a +": 4, "(1": 2, "$a b": 3, "{'a' 1}": 5, "1 + 'abc": 4, "$x ~> /abc": 6, "": 0,
		"$states.input.(a": 16, "$sum([1, 2)": 10, "$a ? 1 : )": 9, "$merge([{'a': 1}, {'b' 2}])": 23,
	} {
		_, err := Compile(text)
		require.Error(t, err, text)
		require.Equal(t, want, ErrorOffset(text), text)
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"$a +", "'abc", "$x.y{'a': $b}", "/re/", "`q", "\"\\", "/*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, n := range Names(text) {
			require.Equal(t, "$"+n.Name, text[n.Offset:n.Offset+1+len(n.Name)])
		}
		at := ErrorOffset(text)
		require.GreaterOrEqual(t, at, 0)
		require.LessOrEqual(t, at, len(text))
	})
}
