package process

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestTicksOfYears: a machine that has been up for years does not overflow.
func TestTicksOfYears(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * time.Hour
	require.Equal(t, 10*year, sinceBoot(int64(10*year/time.Second)*100))
	require.Equal(t, 70*time.Millisecond, sinceBoot(7))
}

// TestLocksOfOtherDevices: an inode's number means a file only together with its device.
func TestLocksOfOtherDevices(t *testing.T) {
	t.Parallel()
	const table = `1: FLOCK  ADVISORY  WRITE 11 fd:01:131 0 EOF
2: POSIX  ADVISORY  WRITE 12 fd:02:131 0 EOF
2: -> FLOCK  ADVISORY  WRITE 19 fd:02:131 0 EOF
3: FLOCK  ADVISORY  WRITE 13 fd:02:131 0 EOF
4: FLOCK  ADVISORY  WRITE 14 fd:02:1131 0 EOF
5: FLOCK  ADVISORY  WRITE 15 00:2c:77 0 EOF
6: FLOCK  ADVISORY  WRITE 16 00:2c:78 0 EOF
7: FLOCK  ADVISORY  WRITE 17 00:2d:78 0 EOF
8: FLOCK  ADVISORY  WRITE -1 fd:03:5 0 EOF
`
	for _, c := range []struct {
		major, minor uint32
		inode        uint64
		want         int
	}{
		{0xfd, 1, 131, 11},
		{0xfd, 2, 131, 13},
		{0xfd, 3, 131, 0},
		{0xfd, 2, 1131, 14},
		{0xfd, 2, 1, 0},
		{0xfd, 3, 5, 0},
		{0, 0x99, 77, 15},
		{0, 0x99, 78, 0},
		{0, 0x2d, 78, 17},
		{0xfd, 2, 77, 0},
	} {
		require.Equal(t, c.want, lockedBy(strings.NewReader(table), unix.Mkdev(c.major, c.minor), c.inode), c)
	}
}
