package optional

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOf(t *testing.T) {
	t.Parallel()
	require.Nil(t, Of(""))
	require.Equal(t, "x", *Of("x"))
	require.Nil(t, Of(int64(0)))
	require.Nil(t, Of(time.Time{}))
	require.Nil(t, Of(time.Time{}.In(time.FixedZone("", 3600))))
	require.Equal(t, time.Unix(1, 0), *Of(time.Unix(1, 0)))
}
