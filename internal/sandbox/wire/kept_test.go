package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What a guard has read is the handler's once, and only under the key that it was read by.
func TestKeptIsTakenOnce(t *testing.T) {
	t.Parallel()
	req := &Request{}
	_, ok := Kept[string](req, "")
	require.False(t, ok, "nothing was kept")
	req.Keep("a", "x")
	_, ok = Kept[string](req, "b")
	require.False(t, ok, "another key")
	v, ok := Kept[string](req, "a")
	require.True(t, ok)
	require.Equal(t, "x", v)
	_, ok = Kept[string](req, "a")
	require.False(t, ok, "it is read anew the second time")
	req.Keep("a", "x")
	_, ok = Kept[int](req, "a")
	require.False(t, ok, "another type")
}
