package results

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Of items whose results have come nothing is kept: a data set may have any number.
func TestJoinForgetsWhatHasCome(t *testing.T) {
	t.Parallel()
	const n = 5 * joinSlack
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "{\"id\":%d}\n", i)
	}
	j := &Joiner{src: &items{lines: bufio.NewReader(strings.NewReader(text.String()))}, waiting: map[string]json.RawMessage{}}
	for i := range n {
		it := Item{ID: json.RawMessage(strconv.Itoa(i ^ 1))} // each second one waits for its neighbour
		require.NoError(t, j.Fill(&it))
		require.NotNil(t, it.Input)
		require.LessOrEqual(t, len(j.order), joinSlack+4)
	}
	require.Empty(t, j.waiting)
	require.Zero(t, j.size)
}
