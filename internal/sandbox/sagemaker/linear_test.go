package sagemaker

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/linear"
)

func parsed(t *testing.T, doc []byte) *linearModel {
	t.Helper()
	m, err := linear.Parse(doc)
	require.NoError(t, err)
	return &linearModel{m}
}

func TestPredict(t *testing.T) {
	t.Parallel()
	m := parsed(t, []byte(`{"format":"linear/v1","weights":[[1]],"classes":["no","yes"],"activation":"sigmoid"}`))
	p := m.predict([]float64{2})
	require.Equal(t, "yes", p.Label)
	require.InDelta(t, 1/(1+math.Exp(-2)), p.Probabilities["yes"], 1e-12)
	require.InDelta(t, 1.0, p.Probabilities["yes"]+p.Probabilities["no"], 1e-12)

	m = parsed(t, []byte(`{"format":"linear/v1","weights":[[1000],[999]],"classes":["a","b"],"activation":"softmax"}`))
	p = m.predict([]float64{1000})
	require.Equal(t, "a", p.Label)
	require.InDelta(t, 1.0, p.Probabilities["a"], 1e-12, "large numbers do not overflow")

	m = parsed(t, []byte(`{"format":"linear/v1","weights":[[1],[2]]}`))
	require.Equal(t, []float64{3, 6}, m.predict([]float64{3}).Values)
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
