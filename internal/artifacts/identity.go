package artifacts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// Looker is the part of the S3 client that Identity uses. *s3.Client implements it.
type Looker interface {
	HeadObject(ctx context.Context, in *s3.HeadObjectInput, opts ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	s3.ListObjectsV2APIClient
}

var _ Looker = (*s3.Client)(nil)

// maxListed bounds the objects of a prefix that are looked at: a model of more
// files than that is taken for a mistake, such as the whole of a bucket.
const maxListed = 100_000

// plainETag is an ETag that can stand for itself: hex, with the number of parts of
// an upload in parts. (AmazonS3/latest/API/API_Object.html)
var plainETag = lazyregexp.New(`^[0-9a-fA-F]{1,64}(-\d{1,5})?$`)

// Identity returns a short text that changes when what lies at a key changes: the
// object's ETag, or for a key that ends in "/" a digest of the names and ETags of
// all objects below it. Errors are NotFound if nothing is there, Denied if it may
// not be looked at, and Invalid if the bucket is in another region.
func Identity(ctx context.Context, api Looker, bucket, key string) (string, error) {
	if strings.HasSuffix(key, "/") {
		return prefixIdentity(ctx, api, bucket, key)
	}
	out, err := api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return "", unseen(err, bucket, key)
	}
	etag := strings.Trim(deref(out.ETag), `"`)
	if plainETag.MatchString(etag) {
		return strings.ToLower(etag), nil
	}
	return digest(etag, deref(out.VersionId)), nil
}

func prefixIdentity(ctx context.Context, api Looker, bucket, prefix string) (string, error) {
	var all []string
	pages := s3.NewListObjectsV2Paginator(api, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", unseen(err, bucket, prefix)
		}
		for _, o := range page.Contents {
			all = append(all, deref(o.Key), deref(o.ETag))
		}
		if len(all) > 2*maxListed {
			return "", fault.New(fault.Invalid, "there are more than %d objects under s3://%s/%s", maxListed, bucket, prefix).
				WithHint("Name the folder that holds the model and nothing else.")
		}
	}
	if len(all) == 0 {
		return "", fault.New(fault.NotFound, "there is nothing under s3://%s/%s", bucket, prefix).
			WithHint("Correct the URL, or upload what is meant.")
	}
	return digest(all...), nil
}

func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// elsewhere are the codes of a bucket in another region than the request was for.
// (AmazonS3/latest/API/ErrorResponses.html)
var elsewhere = []string{"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "IncorrectEndpoint"}

// unseen classifies by the code and, since the answer to HEAD has no body and so no
// code, by the status. The SDK calls that by the name of the status. One of 400 is of
// another region if it names the bucket's (AmazonS3/latest/API/API_HeadBucket.html);
// others are of credentials that have expired or of encryption.
func unseen(err error, bucket, key string) error {
	var answer *smithyhttp.ResponseError
	if !errors.As(err, &answer) {
		return classify(err)
	}
	where := "s3://" + bucket + "/" + key
	status, code := answer.HTTPStatusCode(), ""
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() != strings.ReplaceAll(http.StatusText(status), " ", "") {
		code = api.ErrorCode()
	}
	region := ""
	if answer.Response != nil {
		region = answer.Response.Header.Get("X-Amz-Bucket-Region")
	}
	switch {
	case slices.Contains(elsewhere, code), status == http.StatusMovedPermanently, status == http.StatusBadRequest && code == "" && region != "":
		return fault.New(fault.Invalid, "the bucket of %s is in another region", where).Because(err).
			WithHint("SageMaker reads models from buckets of its own region: copy it, or change the region.")
	case status == http.StatusBadRequest && code == "":
		return fault.New(fault.Invalid, "S3 refuses to tell of %s, without a reason (400 %s)", where, http.StatusText(status)).Because(err).
			WithHint("Look whether the credentials have expired, and whether the bucket is in the region of the pipeline and not encrypted with a key of your own (SSE-C).")
	case status == http.StatusNotFound:
		return fault.New(fault.NotFound, "there is no %s", where).Because(err).
			WithHint("Correct the URL, or upload what is meant.")
	case status == http.StatusForbidden:
		return fault.New(fault.Denied, "%s may not be looked at", where).Because(err).
			WithHint("Ask for the right s3:GetObject on it, and s3:ListBucket on its bucket.")
	}
	return classify(err)
}
