package artifacts_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/artifacts"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/s3"
)

const bucket = "ptui-acme-iris-dev-000000000000-use1"

// open is the sandbox's S3 over HTTP, with the bucket.
func open(t *testing.T) *awss3.Client {
	t.Helper()
	w := iamtest.New(t)
	svc, err := s3.New(s3.Config{DB: w.DB, Dir: t.TempDir(), Auth: w.IAM, Clock: w.Clock})
	require.NoError(t, err)
	svc.Register(w.Router)
	client, ok := artifacts.Connect(w.Admin()).(*awss3.Client)
	require.True(t, ok)
	_, err = client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String(bucket)})
	require.NoError(t, err)
	return client
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
	require.NoError(t, os.WriteFile(name, data, 0o600))
	return name
}

// what is n bytes that differ from place to place.
func what(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>16) ^ byte(i*7)
	}
	return b
}

func get(t *testing.T, c *awss3.Client, key string) ([]byte, string) {
	t.Helper()
	out, err := c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String(bucket), Key: &key})
	require.NoError(t, err)
	raw, err := io.ReadAll(out.Body)
	require.NoError(t, errors.Join(err, out.Body.Close()))
	return raw, *out.ETag
}

func TestUpload(t *testing.T) {
	t.Parallel()
	c := open(t)
	dir := t.TempDir()
	store := artifacts.Store{API: c, Bucket: bucket, PartSize: 5 << 20}
	for name, size := range map[string]int{"empty": 0, "small.jsonl": 1000, "one part": 5 << 20, "parts ü?.csv": 12<<20 + 3} {
		data := what(size)
		files, err := artifacts.Files(write(t, filepath.Join(dir, name), data), "in/run/")
		require.NoError(t, err)
		require.Equal(t, []artifacts.File{{Path: filepath.Join(dir, name), Key: "in/run/" + name, Size: int64(size)}}, files)
		var mu sync.Mutex
		var told []int64
		require.NoError(t, store.Upload(t.Context(), files, func(done, total int64) {
			mu.Lock()
			defer mu.Unlock()
			require.Equal(t, int64(size), total)
			told = append(told, done)
		}))
		got, etag := get(t, c, "in/run/"+name)
		require.True(t, bytes.Equal(data, got), name)
		require.Equal(t, size > 5<<20, strings.Contains(etag, "-3"), "in three parts or in one piece: %s %s", name, etag)
		require.Equal(t, int64(size), slices.Max(told))
	}

	write(t, filepath.Join(dir, "set", "a.jsonl"), []byte("1\n"))
	write(t, filepath.Join(dir, "set", "sub", "b.jsonl"), []byte("2\n"))
	files, err := artifacts.Files(filepath.Join(dir, "set"), "in/x/")
	require.NoError(t, err)
	require.NoError(t, store.Upload(t.Context(), files, nil))
	b, _ := get(t, c, "in/x/sub/b.jsonl")
	require.Equal(t, "2\n", string(b))
	require.Len(t, files, 2)
}

func TestFilesRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, want := range map[string]string{
		filepath.Join(dir, "none"): "can't be read: no such file or directory",
		dir:                        "has no files",
		os.DevNull:                 "is neither a file nor a folder",
	} {
		_, err := artifacts.Files(name, "in/")
		require.ErrorIs(t, err, fault.Invalid)
		require.ErrorContains(t, err, want)
		require.NotEmpty(t, fault.HintOf(err))
	}
}

// breaking fails a part, and knows which uploads are still open.
type breaking struct {
	artifacts.API
	fail func(number int32) error
}

func (b breaking) UploadPart(ctx context.Context, in *awss3.UploadPartInput, opts ...func(*awss3.Options)) (*awss3.UploadPartOutput, error) {
	if err := b.fail(*in.PartNumber); err != nil {
		return nil, err
	}
	return b.API.UploadPart(ctx, in, opts...)
}

// A broken upload leaves neither an object nor parts that cost money.
func TestBrokenUploadLeavesNothing(t *testing.T) {
	t.Parallel()
	c := open(t)
	file := write(t, filepath.Join(t.TempDir(), "big"), what(12<<20))
	files, err := artifacts.Files(file, "in/")
	require.NoError(t, err)
	broken := errors.New("the line is down")
	store := artifacts.Store{Bucket: bucket, PartSize: 5 << 20, API: breaking{c, func(n int32) error {
		if n == 2 {
			return broken
		}
		return nil
	}}}
	err = store.Upload(t.Context(), files, nil)
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "upload "+file)
	require.ErrorContains(t, err, "part 2 of 3")

	ctx, cancel := context.WithCancel(t.Context())
	store.API = breaking{c, func(int32) error { cancel(); return nil }}
	require.ErrorIs(t, store.Upload(ctx, files, nil), fault.Canceled)

	left, err := c.ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: aws.String(bucket)})
	require.NoError(t, err)
	require.Empty(t, left.Uploads)
	list, err := c.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: aws.String(bucket)})
	require.NoError(t, err)
	require.Empty(t, list.Contents)

	// A file that another program writes to is not taken for whole.
	store.API = breaking{c, func(n int32) error {
		if n == 1 {
			return os.Truncate(file, 12<<20+1)
		}
		return nil
	}}
	err = store.Upload(t.Context(), files, nil)
	require.ErrorIs(t, err, fault.Conflict)
	require.ErrorContains(t, err, "changed while it was uploaded")

	store.API, store.Bucket = c, "no-such-bucket-of-ours"
	err = store.Upload(t.Context(), files, nil)
	require.ErrorIs(t, err, fault.NotFound)
	require.ErrorContains(t, err, "NoSuchBucket")
}

// aged is a bucket whose objects are as old by the clock of S3 as it is said.
type aged struct {
	*awss3.Client

	age  map[string]time.Duration
	mute bool // S3 does not tell its time
}

func (a aged) ListObjectsV2(ctx context.Context, in *awss3.ListObjectsV2Input, opts ...func(*awss3.Options)) (*awss3.ListObjectsV2Output, error) {
	in.MaxKeys = aws.Int32(2) // several pages
	out, err := a.Client.ListObjectsV2(ctx, in, opts...)
	if err != nil {
		return nil, err
	}
	now, told := awsmiddleware.GetServerTime(out.ResultMetadata)
	if !told {
		return nil, errors.New("the sandbox does not tell its time")
	}
	if a.mute {
		now, out.ResultMetadata = time.Unix(1e9, 0), middleware.Metadata{}
	}
	for i := range out.Contents {
		out.Contents[i].LastModified = aws.Time(now.Add(-a.age[*out.Contents[i].Key]))
	}
	return out, nil
}

// HeadObject tells the age of an object, unless it is not said: then it was written just now.
func (a aged) HeadObject(ctx context.Context, in *awss3.HeadObjectInput, opts ...func(*awss3.Options)) (*awss3.HeadObjectOutput, error) {
	out, err := a.Client.HeadObject(ctx, in, opts...)
	if age, said := a.age[*in.Key]; err == nil && said {
		now := *out.LastModified
		if a.mute {
			now = time.Unix(1e9, 0)
		}
		out.LastModified = aws.Time(now.Add(-age))
	}
	return out, err
}

// What is ours by its name and old and that nothing needs goes; everything else stays.
func TestPrune(t *testing.T) {
	t.Parallel()
	const day = artifacts.Spared
	for name, mute := range map[string]bool{"by the time that S3 tells": false, "by the newest object": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := aged{open(t), map[string]time.Duration{
				"artifacts/model-1": day, "artifacts/model-2": 2 * day, "artifacts/model-3": day - time.Minute, "artifacts/model-4": 400 * day, "artifacts/notes": 9 * day,
			}, mute}
			for _, key := range []string{"artifacts/model-1", "artifacts/model-2", "artifacts/model-3", "artifacts/model-4", "artifacts/new", "artifacts/notes", "in/model-1"} {
				_, err := c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: strings.NewReader("x")})
				require.NoError(t, err)
			}
			left := func() (keys []string) {
				list, err := c.Client.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: aws.String(bucket)})
				require.NoError(t, err)
				for _, o := range list.Contents {
					keys = append(keys, *o.Key)
				}
				return keys
			}
			ours := func(key string) bool { return strings.HasPrefix(key, "artifacts/model-") }
			unknown := func(context.Context) (map[string]bool, error) { return nil, errors.New("nobody knows") }
			require.ErrorContains(t, artifacts.Prune(t.Context(), c, bucket, "artifacts/", ours, unknown), "nobody knows")
			require.Len(t, left(), 7)
			needed := func(context.Context) (map[string]bool, error) {
				delete(c.age, "artifacts/model-1") // another machine writes it anew meanwhile: it may need it
				return map[string]bool{"artifacts/model-2": true}, nil
			}
			require.NoError(t, artifacts.Prune(t.Context(), c, bucket, "artifacts/", ours, needed))
			require.Equal(t, []string{"artifacts/model-1", "artifacts/model-2", "artifacts/model-3", "artifacts/new", "artifacts/notes", "in/model-1"}, left())
			c.age["artifacts/model-1"] = day
			again := func(context.Context) (map[string]bool, error) { return map[string]bool{"artifacts/model-2": true}, nil }
			require.NoError(t, artifacts.Prune(t.Context(), c, bucket, "artifacts/", ours, again))
			require.NotContains(t, left(), "artifacts/model-1")
			require.Error(t, artifacts.Prune(t.Context(), c, "no-such-bucket-of-ours", "artifacts/", ours, needed))
			require.NoError(t, artifacts.Prune(t.Context(), c, bucket, "in/", ours, unknown), "nobody is asked if nothing might go")
		})
	}
}

// What was written before whoever needs it began is written anew: its age is all that another
// machine knows of it.
func TestStays(t *testing.T) {
	t.Parallel()
	c := open(t)
	key := "artifacts/code-1"
	require.False(t, artifacts.Stays(t.Context(), c, bucket, key, time.Time{}), "there is none")
	out, err := c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: strings.NewReader("x")})
	require.NoError(t, err)
	at, told := awsmiddleware.GetServerTime(out.ResultMetadata)
	require.True(t, told)
	require.True(t, artifacts.Stays(t.Context(), c, bucket, key, time.Time{}))
	require.True(t, artifacts.Stays(t.Context(), c, bucket, key, at.Add(-time.Minute)))
	require.False(t, artifacts.Stays(t.Context(), c, bucket, key, at.Add(time.Hour)))
}
