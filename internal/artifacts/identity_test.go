package artifacts_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/artifacts"
	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// TestRefusedLooks: 400 has many reasons, and only some answers mean another region.
// (AmazonS3/latest/API/ErrorResponses.html)
func TestRefusedLooks(t *testing.T) {
	t.Parallel()
	const region = "is in another region"
	for _, c := range []struct {
		key, code, bucketRegion, want string
		status                        int
	}{
		{"models/", "AuthorizationHeaderMalformed", "", region, 400},
		{"models/", "PermanentRedirect", "eu-west-1", region, 301},
		{"models/", "ExpiredToken", "", "ExpiredToken: the reason", 400},
		{"models/", "InvalidToken", "us-east-1", "InvalidToken: the reason", 400},
		{"models/", "InvalidArgument", "", "InvalidArgument: the reason", 400},
		{"model.tar.gz", "", "eu-west-1", region, 400},
		{"model.tar.gz", "", "eu-west-1", region, 301},
		{"model.tar.gz", "", "", "without a reason (400 Bad Request)", 400},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c.bucketRegion != "" {
				w.Header().Set("X-Amz-Bucket-Region", c.bucketRegion)
			}
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(c.status)
			if r.Method != http.MethodHead {
				_, _ = io.WriteString(w, `<?xml version="1.0"?><Error><Code>`+c.code+`</Code><Message>the reason</Message></Error>`)
			}
		}))
		api := awss3.New(awss3.Options{
			Region: "us-east-1", BaseEndpoint: &server.URL, UsePathStyle: true, Retryer: aws.NopRetryer{},
			Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		})
		_, err := artifacts.Identity(t.Context(), api, "models", c.key)
		server.Close()
		require.ErrorContains(t, err, c.want, c)
		if c.want == region || c.code == "" {
			require.ErrorIs(t, err, fault.Invalid, c)
		}
	}
}
