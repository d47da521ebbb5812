package executions

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOfBatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		batch, name string
		want        bool
	}{
		{"monday", BatchName("monday", 1), true},
		{"monday", BatchName("monday", 1_234_567), true},
		{"monday-2", BatchName("monday-2", 1), true},
		{"monday", BatchName("monday-2", 1), false},
		{"monday", BatchName("mondays", 1), false},
		{"monday", "monday-", false},
		{"monday", "monday-evenin", false},
		{"monday", "monday-000", false},
		{"monday", "monday-0000001", false},
		{"monday", "monday--00001", false},
		{"monday", "monday-99999999999999999999", false},
		{"monday", "monday", false},
	} {
		require.Equal(t, c.want, OfBatch(c.batch, c.name), "%s in %s", c.name, c.batch)
	}
}
