package s3_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/s3"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

var home = iamtest.Scope

// identities are what users may do, as "user action".
type identities map[string]bool

// sandbox is S3 with real IAM around it.
type sandbox struct {
	t      *testing.T
	svc    *s3.Service
	router *wire.Router
	world  *iamtest.World
	url    string
	dir    string
	close  func()

	may        identities
	mu         sync.Mutex
	principals map[string]wire.Principal
	configs    map[string]aws.Config
}

func open(t *testing.T, dir string, may identities) *sandbox {
	t.Helper()
	w := iamtest.At(t, filepath.Join(dir, "db"), clock.Real{})
	svc, err := s3.New(s3.Config{DB: w.DB, Dir: filepath.Join(dir, "s3"), Auth: w.IAM})
	require.NoError(t, err)
	svc.Register(w.Router)
	return &sandbox{
		t: t, svc: svc, router: w.Router, world: w, url: w.URL, dir: filepath.Join(dir, "s3"), close: w.Close,
		may: may, principals: map[string]wire.Principal{}, configs: map[string]aws.Config{},
	}
}

// user makes a user at its first use.
func (s *sandbox) user(name string) (wire.Principal, aws.Config) {
	s.t.Helper()
	if name == "admin" {
		return wire.Principal{Account: iamtest.Account, ARN: home.GlobalARN("iam", "user/"+iam.UserName), Admin: true}, s.world.Admin()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.configs[name]; !known {
		var actions []string
		for line := range s.may {
			if who, action, _ := strings.Cut(line, " "); who == name {
				actions = append(actions, action)
			}
		}
		policy := ""
		if len(actions) > 0 {
			policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["` + strings.Join(actions, `","`) + `"],"Resource":"*"}]}`
		}
		s.principals[name], s.configs[name] = s.world.User(s.t, name, policy)
	}
	return s.principals[name], s.configs[name]
}

func (s *sandbox) principal(name string) wire.Principal {
	p, _ := s.user(name)
	return p
}

func (s *sandbox) as(name string) *awss3.Client {
	_, cfg := s.user(name)
	return awss3.NewFromConfig(cfg, func(o *awss3.Options) {
		o.UsePathStyle = true
		o.RequestChecksumCalculation, o.ResponseChecksumValidation = aws.RequestChecksumCalculationWhenSupported, aws.ResponseChecksumValidationWhenSupported
	})
}

func (s *sandbox) bucket(t *testing.T, name string) {
	t.Helper()
	_, err := s.as("admin").CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &name})
	require.NoError(t, err)
}

func (s *sandbox) put(t *testing.T, bucket, key, body string) *awss3.PutObjectOutput {
	t.Helper()
	out, err := s.as("admin").PutObject(t.Context(), &awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)})
	require.NoError(t, err)
	return out
}

func (s *sandbox) get(t *testing.T, in *awss3.GetObjectInput) (string, *awss3.GetObjectOutput) {
	t.Helper()
	out, err := s.as("admin").GetObject(t.Context(), in)
	require.NoError(t, err)
	raw, err := io.ReadAll(out.Body)
	require.NoError(t, err)
	require.NoError(t, out.Body.Close())
	return string(raw), out
}

func code(t *testing.T, err error) string {
	t.Helper()
	require.Error(t, err)
	var e smithy.APIError
	require.ErrorAs(t, err, &e)
	return e.ErrorCode()
}

func str(s string) *string { return &s }

func TestObjects(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	c := s.as("admin")
	s.bucket(t, "models")

	put, err := c.PutObject(t.Context(), &awss3.PutObjectInput{
		Bucket: str("models"), Key: str("a b/ü+?.json"), Body: strings.NewReader(`{"w":[1,2]}`), ContentType: str("application/json"),
		Metadata: map[string]string{"owner": "acme"}, Tagging: str("tier=gold&x=1"), CacheControl: str("no-cache"),
	})
	require.NoError(t, err)
	require.Equal(t, `"9061616cc10cd6d1edb44ac40e9d8584"`, *put.ETag)
	require.Equal(t, types.ServerSideEncryptionAes256, put.ServerSideEncryption)
	require.NotEmpty(t, put.ChecksumCRC32, "the SDK sends CRC32 in a trailer")

	body, out := s.get(t, &awss3.GetObjectInput{Bucket: str("models"), Key: str("a b/ü+?.json"), ChecksumMode: types.ChecksumModeEnabled})
	require.Equal(t, `{"w":[1,2]}`, body)
	require.Equal(t, "application/json", *out.ContentType)
	require.Equal(t, map[string]string{"owner": "acme"}, out.Metadata)
	require.Equal(t, "no-cache", *out.CacheControl)
	require.EqualValues(t, 2, *out.TagCount)
	require.Equal(t, *put.ChecksumCRC32, *out.ChecksumCRC32)
	require.Nil(t, out.ContentEncoding, "aws-chunked is a transfer coding")
	require.Nil(t, out.VersionId)

	tags, err := c.GetObjectTagging(t.Context(), &awss3.GetObjectTaggingInput{Bucket: str("models"), Key: str("a b/ü+?.json")})
	require.NoError(t, err)
	require.Equal(t, []types.Tag{{Key: str("tier"), Value: str("gold")}, {Key: str("x"), Value: str("1")}}, tags.TagSet)

	_, err = c.CopyObject(t.Context(), &awss3.CopyObjectInput{Bucket: str("models"), Key: str("copy"), CopySource: str("models/a%20b/%C3%BC%2B%3F.json")})
	require.NoError(t, err)
	body, out = s.get(t, &awss3.GetObjectInput{Bucket: str("models"), Key: str("copy")})
	require.Equal(t, `{"w":[1,2]}`, body)
	require.Equal(t, map[string]string{"owner": "acme"}, out.Metadata)

	_, err = c.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: str("models"), Key: str("a b/ü+?.json")})
	require.NoError(t, err)
	_, err = c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: str("models"), Key: str("a b/ü+?.json")})
	require.Equal(t, "NoSuchKey", code(t, err))
	_, err = c.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: str("models"), Key: str("a b/ü+?.json")})
	require.Equal(t, "NotFound", code(t, err))
	_, err = c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: str("nothere"), Key: str("x")})
	require.Equal(t, "NoSuchBucket", code(t, err))
	body, _ = s.get(t, &awss3.GetObjectInput{Bucket: str("models"), Key: str("copy")})
	require.Equal(t, `{"w":[1,2]}`, body, "a copy outlives its source")
}

func TestGetRanges(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	s.bucket(t, "bkt")
	s.put(t, "bkt", "k", "0123456789")
	for name, tt := range map[string]struct{ rng, body, crange, code string }{
		"first bytes":   {"bytes=0-3", "0123", "bytes 0-3/10", ""},
		"middle":        {"bytes=4-5", "45", "bytes 4-5/10", ""},
		"open end":      {"bytes=7-", "789", "bytes 7-9/10", ""},
		"behind end":    {"bytes=8-99", "89", "bytes 8-9/10", ""},
		"suffix":        {"bytes=-2", "89", "bytes 8-9/10", ""},
		"long suffix":   {"bytes=-99", "0123456789", "bytes 0-9/10", ""},
		"unsatisfiable": {"bytes=10-", "", "", "InvalidRange"},
		"several":       {"bytes=0-1,4-5", "0123456789", "", ""},
		"nonsense":      {"lines=1-2", "0123456789", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := &awss3.GetObjectInput{Bucket: str("bkt"), Key: str("k"), Range: &tt.rng}
			if tt.code != "" {
				_, err := s.as("admin").GetObject(t.Context(), in)
				require.Equal(t, tt.code, code(t, err))
				return
			}
			body, out := s.get(t, in)
			require.Equal(t, tt.body, body)
			require.Equal(t, tt.crange, aws.ToString(out.ContentRange))
		})
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	c := s.as("admin")
	s.bucket(t, "bkt")
	etag := s.put(t, "bkt", "k", "one").ETag

	_, err := c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: str("bkt"), Key: str("k"), IfMatch: str(`"other"`)})
	require.Equal(t, "PreconditionFailed", code(t, err))
	_, err = c.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: str("bkt"), Key: str("k"), IfNoneMatch: etag})
	require.ErrorContains(t, err, "304")
	_, err = c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: str("bkt"), Key: str("k"), Body: strings.NewReader("two"), IfNoneMatch: str("*")})
	require.Equal(t, "PreconditionFailed", code(t, err))
	_, err = c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: str("bkt"), Key: str("k"), Body: strings.NewReader("two"), IfMatch: etag})
	require.NoError(t, err)
	_, err = c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: str("bkt"), Key: str("k"), Body: strings.NewReader("three"), IfMatch: etag})
	require.Equal(t, "PreconditionFailed", code(t, err))
	body, _ := s.get(t, &awss3.GetObjectInput{Bucket: str("bkt"), Key: str("k")})
	require.Equal(t, "two", body)
}

// Only one of many concurrent creators may win.
func TestCreateOnceUnderConcurrency(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	s.bucket(t, "bkt")
	var wg sync.WaitGroup
	results := make([]error, 16)
	for i := range results {
		wg.Go(func() {
			_, results[i] = s.as("admin").PutObject(t.Context(), &awss3.PutObjectInput{
				Bucket: str("bkt"), Key: str("k"), Body: strings.NewReader(strings.Repeat("x", 4096+i)), IfNoneMatch: str("*"),
			})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range results {
		if err == nil {
			won++
			continue
		}
		require.Equal(t, "PreconditionFailed", code(t, err))
	}
	require.Equal(t, 1, won)
	require.Len(t, files(t, filepath.Join(s.dir, "data")), 1, "losers leave no data behind")
	require.Empty(t, files(t, filepath.Join(s.dir, "tmp")))
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, path)
		}
		return err
	}))
	return out
}

func TestChecksums(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	s.bucket(t, "bkt")
	c := s.as("admin")
	// "123456789" is the check value of the CRC catalogue.
	for algorithm, want := range map[types.ChecksumAlgorithm]string{
		types.ChecksumAlgorithmCrc32: "y/Q5Jg==", types.ChecksumAlgorithmCrc32c: "4waSgw==", types.ChecksumAlgorithmCrc64nvme: "rosUhgp5mIg=",
		types.ChecksumAlgorithmSha1: "98O8HYCOBHMq32eZZczDTKeuNEE=", types.ChecksumAlgorithmSha256: "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
	} {
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			key := str(string(algorithm))
			_, err := c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: str("bkt"), Key: key, Body: strings.NewReader("123456789"), ChecksumAlgorithm: algorithm})
			require.NoError(t, err)
			out, err := c.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: str("bkt"), Key: key, ChecksumMode: types.ChecksumModeEnabled})
			require.NoError(t, err)
			got := map[types.ChecksumAlgorithm]*string{
				types.ChecksumAlgorithmCrc32: out.ChecksumCRC32, types.ChecksumAlgorithmCrc32c: out.ChecksumCRC32C, types.ChecksumAlgorithmCrc64nvme: out.ChecksumCRC64NVME,
				types.ChecksumAlgorithmSha1: out.ChecksumSHA1, types.ChecksumAlgorithmSha256: out.ChecksumSHA256,
			}[algorithm]
			require.Equal(t, want, aws.ToString(got))
			require.Equal(t, types.ChecksumTypeFullObject, out.ChecksumType)

			bad := &awss3.PutObjectInput{Bucket: str("bkt"), Key: key, Body: strings.NewReader("changed")}
			switch algorithm {
			case types.ChecksumAlgorithmCrc32:
				bad.ChecksumCRC32 = &want
			case types.ChecksumAlgorithmCrc32c:
				bad.ChecksumCRC32C = &want
			case types.ChecksumAlgorithmCrc64nvme:
				bad.ChecksumCRC64NVME = &want
			case types.ChecksumAlgorithmSha1:
				bad.ChecksumSHA1 = &want
			case types.ChecksumAlgorithmSha256:
				bad.ChecksumSHA256 = &want
			}
			_, err = c.PutObject(t.Context(), bad)
			require.Equal(t, "BadDigest", code(t, err))
			body, _ := s.get(t, &awss3.GetObjectInput{Bucket: str("bkt"), Key: key})
			require.Equal(t, "123456789", body, "a refused write changes nothing")
		})
	}
}

func TestVersioning(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	c := s.as("admin")
	s.bucket(t, "bkt")
	s.put(t, "bkt", "k", "before")
	versioning := func(status types.BucketVersioningStatus) {
		_, err := c.PutBucketVersioning(t.Context(), &awss3.PutBucketVersioningInput{Bucket: str("bkt"), VersioningConfiguration: &types.VersioningConfiguration{Status: status}})
		require.NoError(t, err)
	}
	versioning(types.BucketVersioningStatusEnabled)
	v1 := s.put(t, "bkt", "k", "one").VersionId
	v2 := s.put(t, "bkt", "k", "two").VersionId
	require.NotEqual(t, *v1, *v2)

	del, err := c.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: str("bkt"), Key: str("k")})
	require.NoError(t, err)
	require.True(t, *del.DeleteMarker)
	_, err = c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: str("bkt"), Key: str("k")})
	require.Equal(t, "NoSuchKey", code(t, err))
	_, err = c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: str("bkt"), Key: str("k"), VersionId: del.VersionId})
	require.Equal(t, "MethodNotAllowed", code(t, err))
	body, _ := s.get(t, &awss3.GetObjectInput{Bucket: str("bkt"), Key: str("k"), VersionId: v1})
	require.Equal(t, "one", body)
	body, _ = s.get(t, &awss3.GetObjectInput{Bucket: str("bkt"), Key: str("k"), VersionId: str("null")})
	require.Equal(t, "before", body)

	var seen []string
	pager := awss3.NewListObjectVersionsPaginator(c, &awss3.ListObjectVersionsInput{Bucket: str("bkt"), MaxKeys: aws.Int32(1)})
	for pager.HasMorePages() {
		p, err := pager.NextPage(t.Context())
		require.NoError(t, err)
		for _, v := range p.Versions {
			seen = append(seen, *v.VersionId)
			require.False(t, *v.IsLatest)
		}
		for _, m := range p.DeleteMarkers {
			seen = append(seen, *m.VersionId)
			require.True(t, *m.IsLatest)
		}
	}
	require.Equal(t, []string{*del.VersionId, *v2, *v1, "null"}, seen)
	list, err := c.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: str("bkt")})
	require.NoError(t, err)
	require.Empty(t, list.Contents)

	_, err = c.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: str("bkt"), Key: str("k"), VersionId: del.VersionId})
	require.NoError(t, err)
	body, _ = s.get(t, &awss3.GetObjectInput{Bucket: str("bkt"), Key: str("k")})
	require.Equal(t, "two", body, "removing the marker brings the object back")

	versioning(types.BucketVersioningStatusSuspended)
	s.put(t, "bkt", "k", "null again")
	_, err = c.DeleteBucket(t.Context(), &awss3.DeleteBucketInput{Bucket: str("bkt")})
	require.Equal(t, "BucketNotEmpty", code(t, err))

	all, err := c.ListObjectVersions(t.Context(), &awss3.ListObjectVersionsInput{Bucket: str("bkt")})
	require.NoError(t, err)
	require.Len(t, all.Versions, 3, "a suspended bucket keeps one null version")
	var ids []types.ObjectIdentifier
	for _, v := range all.Versions {
		ids = append(ids, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
	}
	gone, err := c.DeleteObjects(t.Context(), &awss3.DeleteObjectsInput{Bucket: str("bkt"), Delete: &types.Delete{Objects: ids}})
	require.NoError(t, err)
	require.Len(t, gone.Deleted, 3)
	require.Empty(t, gone.Errors)
	_, err = c.DeleteBucket(t.Context(), &awss3.DeleteBucketInput{Bucket: str("bkt")})
	require.NoError(t, err)
	require.Empty(t, files(t, filepath.Join(s.dir, "data")))
}

func TestListing(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	c := s.as("admin")
	s.bucket(t, "bkt")
	s.bucket(t, "bkt2")
	s.put(t, "bkt2", "in/zzz", "x")
	for _, k := range []string{"in/run4/a", "in/run42/b", "in/run42/c", "in/x", "out/é&<", "top", "top!"} {
		s.put(t, "bkt", k, k)
	}
	for name, tt := range map[string]struct {
		in       awss3.ListObjectsV2Input
		keys     []string
		prefixes []string
	}{
		"all":        {awss3.ListObjectsV2Input{}, []string{"in/run4/a", "in/run42/b", "in/run42/c", "in/x", "out/é&<", "top", "top!"}, nil},
		"prefix":     {awss3.ListObjectsV2Input{Prefix: str("in/run4/")}, []string{"in/run4/a"}, nil},
		"top level":  {awss3.ListObjectsV2Input{Delimiter: str("/")}, []string{"top", "top!"}, []string{"in/", "out/"}},
		"one folder": {awss3.ListObjectsV2Input{Delimiter: str("/"), Prefix: str("in/")}, []string{"in/x"}, []string{"in/run4/", "in/run42/"}},
		"url":        {awss3.ListObjectsV2Input{Prefix: str("out/"), EncodingType: types.EncodingTypeUrl}, []string{"out/%C3%A9%26%3C"}, nil},
		"start":      {awss3.ListObjectsV2Input{StartAfter: str("in/x")}, []string{"out/é&<", "top", "top!"}, nil},
		"nothing":    {awss3.ListObjectsV2Input{Prefix: str("nope")}, nil, nil},
	} {
		for _, size := range []int32{1, 2, 1000} {
			t.Run(name+"/"+string('0'+size%10), func(t *testing.T) {
				t.Parallel()
				in := tt.in
				in.Bucket, in.MaxKeys = str("bkt"), &size
				var keys, prefixes []string
				for p := awss3.NewListObjectsV2Paginator(c, &in); p.HasMorePages(); {
					out, err := p.NextPage(t.Context())
					require.NoError(t, err)
					require.LessOrEqual(t, len(out.Contents)+len(out.CommonPrefixes), int(size))
					for _, o := range out.Contents {
						keys = append(keys, *o.Key)
					}
					for _, p := range out.CommonPrefixes {
						prefixes = append(prefixes, *p.Prefix)
					}
				}
				require.Equal(t, tt.keys, keys)
				require.Equal(t, tt.prefixes, prefixes)
			})
		}
	}
	v1, err := c.ListObjects(t.Context(), &awss3.ListObjectsInput{Bucket: str("bkt"), Delimiter: str("/"), MaxKeys: aws.Int32(1)})
	require.NoError(t, err)
	require.Equal(t, "in/", *v1.NextMarker)
	v1, err = c.ListObjects(t.Context(), &awss3.ListObjectsInput{Bucket: str("bkt"), Delimiter: str("/"), Marker: v1.NextMarker})
	require.NoError(t, err)
	require.Len(t, v1.CommonPrefixes, 1)
	require.Len(t, v1.Contents, 2)
}

func TestMultipart(t *testing.T) {
	t.Parallel()
	for _, versioned := range []bool{false, true} {
		s := open(t, t.TempDir(), nil)
		c := s.as("admin")
		s.bucket(t, "bkt")
		if versioned {
			_, err := c.PutBucketVersioning(t.Context(), &awss3.PutBucketVersioningInput{Bucket: str("bkt"), VersioningConfiguration: &types.VersioningConfiguration{Status: "Enabled"}})
			require.NoError(t, err)
		}
		first, second := strings.Repeat("a", 5<<20), "tail"
		up, err := c.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{
			Bucket: str("bkt"), Key: str("big"),
			ContentType: str("text/plain"), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
		})
		require.NoError(t, err)
		part := func(n int32, body string) types.CompletedPart {
			out, err := c.UploadPart(t.Context(), &awss3.UploadPartInput{
				Bucket: str("bkt"), Key: str("big"), UploadId: up.UploadId, PartNumber: &n,
				Body: strings.NewReader(body), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
			})
			require.NoError(t, err)
			return types.CompletedPart{PartNumber: &n, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32}
		}
		part(3, "not used")
		p2, p1 := part(2, second), part(1, first)
		list, err := c.ListParts(t.Context(), &awss3.ListPartsInput{Bucket: str("bkt"), Key: str("big"), UploadId: up.UploadId})
		require.NoError(t, err)
		require.Len(t, list.Parts, 3)
		ups, err := c.ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: str("bkt")})
		require.NoError(t, err)
		require.Len(t, ups.Uploads, 1)

		complete := func(parts ...types.CompletedPart) (*awss3.CompleteMultipartUploadOutput, error) {
			return c.CompleteMultipartUpload(t.Context(), &awss3.CompleteMultipartUploadInput{
				Bucket: str("bkt"), Key: str("big"), UploadId: up.UploadId,
				MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
			})
		}
		_, err = complete(p2, p1)
		require.Equal(t, "InvalidPartOrder", code(t, err))
		_, err = complete(types.CompletedPart{PartNumber: aws.Int32(1), ETag: str("nope")})
		require.Equal(t, "InvalidPart", code(t, err))
		out, err := complete(p1, p2)
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(*out.ETag, `-2"`))
		require.True(t, strings.HasSuffix(*out.ChecksumCRC32, `-2`))
		require.Equal(t, versioned, out.VersionId != nil)
		body, got := s.get(t, &awss3.GetObjectInput{Bucket: str("bkt"), Key: str("big")})
		require.True(t, body == first+second)
		require.Equal(t, "text/plain", *got.ContentType)
		body, _ = s.get(t, &awss3.GetObjectInput{Bucket: str("bkt"), Key: str("big"), Range: str("bytes=5242878-5242881")})
		require.Equal(t, "aata", body)
		body, got = s.get(t, &awss3.GetObjectInput{Bucket: str("bkt"), Key: str("big"), PartNumber: aws.Int32(2)})
		require.Equal(t, "tail", body)
		require.EqualValues(t, 2, *got.PartsCount)
		require.Len(t, files(t, filepath.Join(s.dir, "data")), 2, "parts that are not used go")
		_, err = complete(p1, p2)
		require.NoError(t, err, "asked again, it answers the same")

		_, err = c.CopyObject(t.Context(), &awss3.CopyObjectInput{Bucket: str("bkt"), Key: str("copy"), CopySource: str("bkt/big")})
		require.NoError(t, err)
		body, _ = s.get(t, &awss3.GetObjectInput{Bucket: str("bkt"), Key: str("copy")})
		require.True(t, body == first+second)

		up, err = c.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: str("bkt"), Key: str("big")})
		require.NoError(t, err)
		n := int32(1)
		_, err = c.UploadPartCopy(t.Context(), &awss3.UploadPartCopyInput{
			Bucket: str("bkt"), Key: str("big"), UploadId: up.UploadId, PartNumber: &n,
			CopySource: str("bkt/copy"), CopySourceRange: str("bytes=0-9"),
		})
		require.NoError(t, err)
		_, err = c.AbortMultipartUpload(t.Context(), &awss3.AbortMultipartUploadInput{Bucket: str("bkt"), Key: str("big"), UploadId: up.UploadId})
		require.NoError(t, err)
		require.Len(t, files(t, filepath.Join(s.dir, "data")), 3)
	}
}

func TestBucketNames(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	for name, want := range map[string]string{
		"ab": "InvalidBucketName", "Upper": "InvalidBucketName", "192.168.5.4": "InvalidBucketName", "a..b": "InvalidBucketName",
		"xn--x": "InvalidBucketName", "x-s3alias": "InvalidBucketName", "-abc": "InvalidBucketName", strings.Repeat("a", 64): "InvalidBucketName",
		"ptui-acme-iris-dev-0123abcd": "", "a.b.c": "",
	} {
		_, err := s.as("admin").CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &name})
		if want == "" {
			require.NoError(t, err, name)
			_, err = s.as("admin").CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &name})
			require.NoError(t, err, "in us-east-1 it may be made again")
			continue
		}
		require.Equal(t, want, code(t, err), name)
	}
	out, err := s.as("admin").ListBuckets(t.Context(), &awss3.ListBucketsInput{})
	require.NoError(t, err)
	require.Len(t, out.Buckets, 2)
}

func TestAuthorisation(t *testing.T) {
	t.Parallel()
	auth := identities{"reader s3:GetObject": true, "lister s3:GetObject": true, "lister s3:ListBucket": true}
	s := open(t, t.TempDir(), auth)
	s.bucket(t, "bkt")
	s.put(t, "bkt", "k", "x")
	get := func(who, key string) error {
		out, err := s.as(who).GetObject(t.Context(), &awss3.GetObjectInput{Bucket: str("bkt"), Key: &key})
		if err == nil {
			err = out.Body.Close()
		}
		return err
	}
	require.NoError(t, get("reader", "k"))
	require.Equal(t, "AccessDenied", code(t, get("reader", "nothere")), "who may not list is not told what exists")
	require.Equal(t, "NoSuchKey", code(t, get("lister", "nothere")))
	require.Equal(t, "AccessDenied", code(t, get("nobody", "k")))

	policy := func(effect string) {
		doc := `{"Version":"2012-10-17","Statement":[{"Effect":"` + effect +
			`","Principal":{"AWS":["arn:aws:iam::000000000000:user/nobody","arn:aws:iam::000000000000:user/reader","arn:aws:iam::000000000000:user/` +
			iam.UserName + `"]},"Action":["s3:GetObject"],"Resource":"arn:aws:s3:::bkt/*"}]}`
		_, err := s.as("admin").PutBucketPolicy(t.Context(), &awss3.PutBucketPolicyInput{Bucket: str("bkt"), Policy: &doc})
		require.NoError(t, err)
		out, err := s.as("admin").GetBucketPolicy(t.Context(), &awss3.GetBucketPolicyInput{Bucket: str("bkt")})
		require.NoError(t, err)
		require.JSONEq(t, doc, *out.Policy)
	}
	policy("Allow")
	require.NoError(t, get("nobody", "k"), "the bucket policy may allow by itself")
	policy("Deny")
	require.Equal(t, "AccessDenied", code(t, get("reader", "k")))
	require.Equal(t, "AccessDenied", code(t, get("admin", "k")))

	_, _, err := s.svc.GetObject(t.Context(), home, s.principal("reader"), "bkt", "k", "")
	var e *wire.Error
	require.True(t, errors.As(err, &e))
	require.Equal(t, "AccessDenied", e.Code)

	_, err = s.as("admin").HeadBucket(t.Context(), &awss3.HeadBucketInput{Bucket: str("bkt"), ExpectedBucketOwner: str("111111111111")})
	require.ErrorContains(t, err, "403")
}

// What was acknowledged is there after a restart, what a crash left unfinished is not.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, nil)
	s.bucket(t, "bkt")
	s.put(t, "bkt", "k", "kept")
	up, err := s.as("admin").CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: str("bkt"), Key: str("mp")})
	require.NoError(t, err)
	n := int32(1)
	part, err := s.as("admin").UploadPart(t.Context(),
		&awss3.UploadPartInput{Bucket: str("bkt"), Key: str("mp"), UploadId: up.UploadId, PartNumber: &n, Body: strings.NewReader("part")})
	require.NoError(t, err)
	s.close()
	kept := files(t, filepath.Join(s.dir, "data"))
	// A write that was cut off, and one that was cut off before its commit.
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "tmp", "half"), []byte("ha"), 0o600))
	orphan := filepath.Join(s.dir, "data", "ff", "ff00000000000000000000000000000f")
	require.NoError(t, os.MkdirAll(filepath.Dir(orphan), 0o700))
	require.NoError(t, os.WriteFile(orphan, []byte("never acknowledged"), 0o600))

	s = open(t, dir, nil)
	require.Empty(t, files(t, filepath.Join(s.dir, "tmp")))
	require.Equal(t, kept, files(t, filepath.Join(s.dir, "data")))
	body, _ := s.get(t, &awss3.GetObjectInput{Bucket: str("bkt"), Key: str("k")})
	require.Equal(t, "kept", body)
	_, err = s.as("admin").CompleteMultipartUpload(t.Context(), &awss3.CompleteMultipartUploadInput{
		Bucket: str("bkt"), Key: str("mp"), UploadId: up.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: &n, ETag: part.ETag}}},
	})
	require.NoError(t, err)
	body, _ = s.get(t, &awss3.GetObjectInput{Bucket: str("bkt"), Key: str("mp")})
	require.Equal(t, "part", body)
}

// Small objects are kept in the store, larger ones in files of their own; nobody can
// tell the difference.
func TestSmallObjects(t *testing.T) {
	t.Parallel()
	const most = 2048
	dir := t.TempDir()
	s := open(t, dir, nil)
	s.bucket(t, "bkt")
	bodies := map[string]string{}
	for _, size := range []int{0, 1, most - 1, most, most + 1, 10 * most} {
		key := "k" + strconv.Itoa(size)
		bodies[key] = strings.Repeat("0123456789", size/10+1)[:size]
		s.put(t, "bkt", key, bodies[key])
		copied := key + "-copy"
		bodies[copied] = bodies[key]
		_, err := s.as("admin").CopyObject(t.Context(), &awss3.CopyObjectInput{Bucket: str("bkt"), Key: &copied, CopySource: str("bkt/" + key)})
		require.NoError(t, err)
	}
	s.put(t, "bkt", "k1", "2") // over one of them
	bodies["k1"] = "2"
	require.Len(t, files(t, filepath.Join(s.dir, "data")), 4, "two objects and their copies")
	s.close()
	s = open(t, dir, nil)
	for key, want := range bodies {
		body, out := s.get(t, &awss3.GetObjectInput{Bucket: str("bkt"), Key: &key})
		require.Equal(t, want, body, key)
		require.EqualValues(t, len(want), *out.ContentLength)
		if len(want) > 20 {
			body, _ = s.get(t, &awss3.GetObjectInput{Bucket: str("bkt"), Key: &key, Range: str("bytes=3-12")})
			require.Equal(t, want[3:13], body, key)
		}
		_, err := s.as("admin").DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: str("bkt"), Key: &key})
		require.NoError(t, err)
	}
	require.Empty(t, files(t, filepath.Join(s.dir, "data")))
}

// A reader gets the whole of one version, whatever writers do meanwhile.
func TestReadersAndWriters(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	s.bucket(t, "bkt")
	bodies := []string{strings.Repeat("a", 100_000), strings.Repeat("b", 200_000)}
	s.put(t, "bkt", "k", bodies[0])
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 10 {
				_, err := s.svc.PutObject(t.Context(), home, s.principal("admin"), "bkt", "k", "", strings.NewReader(bodies[i%2]))
				if err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 20 {
				r, info, err := s.svc.GetObject(t.Context(), home, s.principal("admin"), "bkt", "k", "")
				if err != nil {
					t.Error(err)
					return
				}
				raw, err := io.ReadAll(r)
				if err != nil || int64(len(raw)) != info.Size || !bytes.Equal(raw, []byte(bodies[0])) && !bytes.Equal(raw, []byte(bodies[1])) {
					t.Errorf("torn read: %d bytes, %v", len(raw), err)
				}
				_ = r.Close()
			}
		})
	}
	wg.Wait()
	require.Len(t, files(t, filepath.Join(s.dir, "data")), 1)
}
