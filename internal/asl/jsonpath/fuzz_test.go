package jsonpath

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// FuzzEval holds that a path ends with values of its document, or an error.
func FuzzEval(f *testing.F) {
	for _, s := range []string{
		"$", "$.a[0].b", "$..b", "$.a[-1]", "$.a[0,2]", "$.a[1:]", "$.a[*].b", "$['a','s']", "$.a[?(@.b > 1 && @.c =~ /x.*/i)]", "$.a[?(!(@.b in [1, 2]))]",
		"$.a.length()", "$..*..*", "$.a[?(@.b == $.n)]", "$.a[?(@.b size 2 || @.b empty true)]", "$.a..b.sum()", "$.a[?('x' nin @.c)]",
		"$.a[9223372036854775807]", "$.a[-9223372036854775808:]",
	} {
		f.Add(s)
	}
	doc := value.MustParse(`{"a":[{"b":1,"c":"x"},{"b":[2,3],"c":"xy"},{"b":1e300}],"s":"text","n":null,"o":{"p":{"q":[[]]}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Compile(text)
		if err != nil {
			return
		}
		v, err := p.Eval(doc)
		if err != nil {
			return
		}
		written := value.String(v)
		_, err = value.Parse(written)
		require.NoError(t, err, written)
	})
}
