package sagemaker

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseLinear(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, doc, want string }{
		{"identity", `{"format":"linear/v1","weights":[[1,2]],"bias":[1],"activation":"identity"}`, ""},
		{"no bias", `{"format":"linear/v1","weights":[[1,2]]}`, ""},
		{"one-row sigmoid with two classes", `{"format":"linear/v1","weights":[[1]],"classes":["no","yes"],"activation":"sigmoid"}`, ""},
		{"format", `{"format":"linear/v2","weights":[[1]]}`, `format is "linear/v2"`},
		{"no weights", `{"format":"linear/v1"}`, "weights are empty"},
		{"ragged", `{"format":"linear/v1","weights":[[1],[1,2]]}`, "row 1 of weights"},
		{"bias", `{"format":"linear/v1","weights":[[1]],"bias":[1,2]}`, "bias has 2"},
		{"features", `{"format":"linear/v1","weights":[[1]],"features":["a","b"]}`, "2 features"},
		{"classes", `{"format":"linear/v1","weights":[[1]],"classes":["a","b"],"activation":"softmax"}`, "2 classes"},
		{"activation", `{"format":"linear/v1","weights":[[1]],"activation":"relu"}`, `activation is "relu"`},
		{"not JSON", `{`, "not valid"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := parseLinear([]byte(c.doc))
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestPredict(t *testing.T) {
	t.Parallel()
	m, err := parseLinear([]byte(`{"format":"linear/v1","weights":[[1]],"classes":["no","yes"],"activation":"sigmoid"}`))
	require.NoError(t, err)
	p := m.predict([]float64{2})
	require.Equal(t, "yes", p.Label)
	require.InDelta(t, 1/(1+math.Exp(-2)), p.Probabilities["yes"], 1e-12)
	require.InDelta(t, 1.0, p.Probabilities["yes"]+p.Probabilities["no"], 1e-12)

	m, err = parseLinear([]byte(`{"format":"linear/v1","weights":[[1000],[999]],"classes":["a","b"],"activation":"softmax"}`))
	require.NoError(t, err)
	p = m.predict([]float64{1000})
	require.Equal(t, "a", p.Label)
	require.InDelta(t, 1.0, p.Probabilities["a"], 1e-12, "large numbers do not overflow")

	m, err = parseLinear([]byte(`{"format":"linear/v1","weights":[[1],[2]]}`))
	require.NoError(t, err)
	require.Equal(t, []float64{3, 6}, m.predict([]float64{3}).Values)
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
		{"too large", tarball(t, file("model.json", maxModelFile+1)), "larger than"},
		{"cut off", tarball(t, file("model.json", 4))[:20], "EOF"},
		{"not gzip", []byte(strings.Repeat("a", 40)), "gzip"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			raw, err := readArchive(bytes.NewReader(c.raw))
			if c.want == "" {
				require.NoError(t, err)
				require.Equal(t, "xxxx", string(raw))
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestImageNames(t *testing.T) {
	t.Parallel()
	cases := []struct{ image, untagged, repository string }{
		{"sandbox/linear", "sandbox/linear", "sandbox/linear"},
		{"sandbox/linear:latest", "sandbox/linear", "sandbox/linear"},
		{"000000000000.dkr.ecr.us-east-1.amazonaws.com/sandbox/linear:1", "000000000000.dkr.ecr.us-east-1.amazonaws.com/sandbox/linear", "sandbox/linear"},
		{"000000000000.dkr.ecr.us-east-1.amazonaws.com/sandbox/linear@sha256:ab", "000000000000.dkr.ecr.us-east-1.amazonaws.com/sandbox/linear", "sandbox/linear"},
		{"localhost:5000/a/sandbox/linear:1", "localhost:5000/a/sandbox/linear", "a/sandbox/linear"},
	}
	for _, c := range cases {
		require.Equal(t, c.untagged, untagged(c.image))
		require.Equal(t, c.repository, repository(c.image))
	}
}

func TestSplitURI(t *testing.T) {
	t.Parallel()
	cases := []struct{ uri, bucket, key, fail string }{
		{"s3://b/a/b.tar.gz", "b", "a/b.tar.gz", ""},
		{"https://s3.us-east-1.amazonaws.com/b/a/m", "b", "a/m", ""},
		{"https://b.s3.us-east-1.amazonaws.com/a/m", "b", "a/m", ""},
		{"https://example.com/a", "", "", "not an S3 URL"},
		{"/etc/passwd", "", "", "not an S3 URL"},
		{"s3:///x", "", "", "not an S3 URL"},
	}
	for _, c := range cases {
		b, k, err := splitURI(c.uri)
		if c.fail != "" {
			require.ErrorContains(t, err, c.fail, c.uri)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.bucket, b)
		require.Equal(t, c.key, k)
	}
}
