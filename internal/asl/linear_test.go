package asl_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pipelinetui/pipelinetui/internal/asl"
)

func branches(n int) string {
	var b strings.Builder
	b.WriteString(`{"StartAt":"P","States":{"P":{"Type":"Parallel","End":true,"Branches":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"StartAt":"S%[1]d","States":{"S%[1]d":{"Type":"Pass","End":true}}}`, i)
	}
	b.WriteString(`]}}}`)
	return b.String()
}

func chain(n int) string {
	var b strings.Builder
	b.WriteString(`{"StartAt":"S0","States":{`)
	for i := range n {
		fmt.Fprintf(&b, `"S%d":{"Type":"Pass","Next":"S%d"},`, i, i+1)
	}
	fmt.Fprintf(&b, `"S%d":{"Type":"Succeed"}}}`, n)
	return b.String()
}

// BenchmarkParse shows that the time grows with the length of the definition, and
// not with its square.
func BenchmarkParse(b *testing.B) {
	for name, make := range map[string]func(int) string{"branches": branches, "chain": chain} {
		for _, n := range []int{1000, 8000} {
			text := make(n)
			b.Run(fmt.Sprintf("%s-%d", name, n), func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					if _, err := asl.Parse(text, asl.Options{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
