package app

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Counting item errors is listing them; what is not ours is left alone.
func TestItemErrorsCount(t *testing.T) {
	t.Parallel()
	x := ItemErrors{Bucket: "b", Prefix: "batch/one/errors/"}
	for _, key := range []string{
		"A/10-child.json", "A/2-c-d.json", "B.c/1-child.json", "B.c/notes.txt", "B.c/x-y.json", "B.c/-1-y.json", "readme-1",
	} {
		x.add(x.Prefix + key)
	}
	require.EqualValues(t, 13, x.Count)
	require.Equal(t, []ItemErrorCount{{Error: "A", Count: 12}, {Error: "B.c", Count: 1}}, x.Counts)
	require.Len(t, x.keys, 3)
	require.Equal(t, "s3://b/batch/one/errors/", x.URI())
}
