package linear

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, doc, want string }{
		{"identity", `{"format":"linear/v1","weights":[[1,2]],"bias":[1],"activation":"identity"}`, ""},
		{"no bias", `{"format":"linear/v1","weights":[[1,2]]}`, ""},
		{"one-row sigmoid with two classes", `{"format":"linear/v1","weights":[[1]],"classes":["no","yes"],"activation":"sigmoid"}`, ""},
		{"format", `{"format":"linear/v2","weights":[[1]]}`, `format is "linear/v2"`},
		{"no weights", `{"format":"linear/v1"}`, "weights are empty"},
		{"ragged", `{"format":"linear/v1","weights":[[1],[1,2]]}`, "row 1 of weights"},
		{"bias", `{"format":"linear/v1","weights":[[1]],"bias":[1,2]}`, "bias is of length 2"},
		{"features", `{"format":"linear/v1","weights":[[1]],"features":["a","b"]}`, "features are of length 2"},
		{"classes", `{"format":"linear/v1","weights":[[1]],"classes":["a","b"],"activation":"softmax"}`, "classes are of length 2"},
		{"activation", `{"format":"linear/v1","weights":[[1]],"activation":"relu"}`, `activation is "relu"`},
		{"not JSON", `{`, "not valid"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(c.doc))
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func tarball(t *testing.T, entries ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	for _, h := range entries {
		require.NoError(t, tw.WriteHeader(&h))
		_, err := tw.Write(bytes.Repeat([]byte("x"), int(h.Size)))
		require.NoError(t, err)
	}
	require.NoError(t, tw.Close())
	require.NoError(t, zw.Close())
	return b.Bytes()
}

func TestReadArchiveIsGuarded(t *testing.T) {
	t.Parallel()
	file := func(name string, size int64) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Size: size}
	}
	cases := []struct {
		name string
		raw  []byte
		want string
	}{
		{"found below ./", tarball(t, file("./model.json", 4)), ""},
		{"in a folder", tarball(t, file("code/model.json", 4)), "no model.json"},
		{"path that climbs", tarball(t, file("../model.json", 4)), "no model.json"},
		{"absolute path", tarball(t, file("/model.json", 4)), "no model.json"},
		{"symbolic link", tarball(t, tar.Header{Name: "model.json", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}), "no model.json"},
		{"too large", tarball(t, file("model.json", maxFile+1)), "larger than"},
		{"cut off", tarball(t, file("model.json", 4))[:20], "EOF"},
		{"not gzip", []byte(strings.Repeat("a", 40)), "gzip"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			raw, err := ReadArchive(bytes.NewReader(c.raw))
			if c.want == "" {
				require.NoError(t, err)
				require.Equal(t, "xxxx", string(raw))
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]bool{
		"sandbox/linear": true, "sandbox/linear:2": true, "sandbox/linear@sha256:ab": true,
		"sandbox/linearly": false, "acme/linear": false, "000000000000.dkr.ecr.us-east-1.amazonaws.com/sandbox/linear:1": false,
	} {
		require.Equal(t, want, Names(image), image)
	}
}
