package linear

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheExampleIsAModel(t *testing.T) {
	t.Parallel()
	raw, err := Example()
	require.NoError(t, err)
	require.NoError(t, CheckArchive(bytes.NewReader(raw)))
	again, err := Example()
	require.NoError(t, err)
	require.Equal(t, raw, again)
}
