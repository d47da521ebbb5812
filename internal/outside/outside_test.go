//go:build unix

package outside

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

func TestReadsEndWithTheContext(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	silent, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { silent.Close(); w.Close() })
	for name, read := range map[string]func(context.Context) error{
		"a pipe that nobody opens": func(ctx context.Context) error { _, err := ReadFile(ctx, "the spec", fifo, 0); return err },
		"a stream":                 func(ctx context.Context) error { _, err := ReadAll(ctx, "standard input", silent, 10); return err },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- read(ctx) }()
		select {
		case err := <-ended:
			t.Fatalf("%s: ended by itself: %v", name, err)
		default:
		}
		cancel()
		require.ErrorIs(t, <-ended, fault.Canceled, name)
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	go func() { _, _ = w.Write(make([]byte, 100)) }()
	raw, err := ReadAll(t.Context(), "x", r, 10)
	require.NoError(t, err)
	require.Len(t, raw, 11)
}

func TestFileFaultsHaveTheirOwnHints(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.Symlink("loop", filepath.Join(dir, "loop")))
	require.NoError(t, os.Symlink("/nowhere/x", filepath.Join(dir, "dead")))
	for path, hint := range map[string]string{
		filepath.Join(dir, "absent"): "no such file",
		filepath.Join(dir, "dead"):   "Mend the link",
		filepath.Join(dir, "dead/y"): "Mend the link",
		dir:                          "That is a folder",
		filepath.Join(file, "x"):     "is a file, not a folder",
		filepath.Join(dir, "loop"):   "in a circle",
	} {
		_, err := ReadFile(t.Context(), "the spec", path, 0)
		require.ErrorIs(t, err, fault.Invalid)
		require.Contains(t, fault.HintOf(err), hint, path)
	}
	require.Contains(t, FileFault("the spec", "x", &os.PathError{Op: "open", Path: "x", Err: syscall.EACCES}).Hint, "permissions")
	require.Contains(t, FileFault("the spec", "x", &os.PathError{Op: "read", Path: "x", Err: syscall.EIO}).Hint, "disk")
}

func TestText(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, raw, want, refused string }{
		{name: "plain", raw: "a: ä\n", want: "a: ä\n"},
		{name: "empty"},
		{name: "UTF-8 with a mark", raw: "\xef\xbb\xbfid\n", want: "id\n"},
		{name: "only one mark is taken off", raw: "\xef\xbb\xbf\xef\xbb\xbfid", want: "\ufeffid"},
		{name: "UTF-16 LE", raw: "\xff\xfea\x00:\x00", refused: "x is UTF-16"},
		{name: "UTF-16 BE", raw: "\xfe\xff\x00a\x00:", refused: "x is UTF-16"},
		{name: "UTF-16 without a mark", raw: "a\x00:\x00 \x00", refused: "x is UTF-16"},
		{name: "UTF-16 BE without a mark", raw: "\x00a\x00:\x00 ", refused: "x is UTF-16"},
		{name: "UTF-32", raw: "\xff\xfe\x00\x00a\x00\x00\x00", refused: "x is UTF-32"},
		{name: "Latin-1", raw: "a: b\nc: \xe4\n", refused: "x:2: this line is not UTF-8"},
		{name: "gzip", raw: "\x1f\x8b\x08", refused: "gzip"},
		{name: "spreadsheet", raw: "PK\x03\x04", refused: "ZIP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Text("x", []byte(tt.raw))
			if tt.refused != "" {
				require.ErrorIs(t, err, fault.Invalid)
				require.ErrorContains(t, err, tt.refused)
				require.Contains(t, fault.HintOf(err), "UTF-8")
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, string(got))
		})
	}
}
