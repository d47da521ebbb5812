package value_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// Positions finds what a count from the start of the text finds, wherever its marks
// lie: inside characters, before and behind line breaks, at the end.
func TestPositionsAreThoseOfTheText(t *testing.T) {
	t.Parallel()
	pieces := []string{"a", "é", "日", "😀", "\n", "{}", strings.Repeat("x", 700)}
	for range 20 {
		var b strings.Builder
		for range rand.IntN(40) { // test data
			b.WriteString(pieces[rand.IntN(len(pieces))]) // test data
		}
		text := b.String()
		p := value.NewPositions(text)
		for at := range text {
			line, column := value.Position(text, at)
			before := text[:at]
			require.Equal(t, strings.Count(before, "\n")+1, line)
			require.Equal(t, len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))+1, column)
			gotLine, gotColumn := p.Of(at)
			require.Equal(t, []int{line, column}, []int{gotLine, gotColumn}, "at %d of %d", at, len(text))
		}
		line, column := value.Position(text, len(text)+5)
		gotLine, gotColumn := p.Of(len(text) + 5)
		require.Equal(t, []int{line, column}, []int{gotLine, gotColumn})
	}
}
