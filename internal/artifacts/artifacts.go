// Package artifacts owns what the tool itself puts into a pipeline's bucket: the
// data sets of executions. Files of any size go up in parts, several at a time,
// so that a broken connection costs one part.
//
// It talks to S3 only and may import fault of this module and nothing else; it
// prints nothing.
package artifacts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// S3's limits of an upload in parts, and what is chosen within them.
// (AmazonS3/latest/userguide/qfacts.html)
const (
	maxParts    = 10_000
	defaultPart = 16 << 20
	parallel    = 4
	// abortWait bounds taking back an upload that has failed.
	abortWait = 15 * time.Second
)

// API is the part of the S3 client that is used. *s3.Client implements it.
type API interface {
	PutObject(ctx context.Context, in *s3.PutObjectInput, opts ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	CreateMultipartUpload(ctx context.Context, in *s3.CreateMultipartUploadInput, opts ...func(*s3.Options)) (*s3.CreateMultipartUploadOutput, error)
	UploadPart(ctx context.Context, in *s3.UploadPartInput, opts ...func(*s3.Options)) (*s3.UploadPartOutput, error)
	CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput, opts ...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error)
	AbortMultipartUpload(ctx context.Context, in *s3.AbortMultipartUploadInput, opts ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error)
	DeleteObject(ctx context.Context, in *s3.DeleteObjectInput, opts ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
}

var _ API = (*s3.Client)(nil)

// Connect returns the S3 API for an AWS configuration. With an endpoint of its
// own, buckets are part of the path: such a server has no name for each.
func Connect(cfg aws.Config) API { return Client(cfg) }

// Client is the same as the SDK's client.
func Client(cfg aws.Config) *s3.Client {
	return s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = cfg.BaseEndpoint != nil })
}

// Store uploads files to one bucket. It is safe for concurrent use.
type Store struct {
	API    API
	Bucket string
	// PartSize is the size of a part and the most that goes up in one piece, in
	// bytes; 0 means 16 MiB. It grows for a file that would have too many parts.
	PartSize int64
}

// File is something to upload.
type File struct {
	Path string
	Key  string
	Size int64
}

// Progress is told how many bytes of all have been taken. It may be called by
// several goroutines at once.
type Progress func(done, total int64)

// Files lists what is to be uploaded for a path: itself, or every regular file of
// the folder that it is, under the key prefix (which ends in a slash).
func Files(name, prefix string) ([]File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, unreadable(name, err)
	}
	if info.Mode().IsRegular() {
		return []File{{Path: name, Key: prefix + filepath.Base(name), Size: info.Size()}}, nil
	}
	if !info.IsDir() {
		return nil, fault.New(fault.Invalid, "%s is neither a file nor a folder", name).WithHint("Write it to a file first.")
	}
	var files []File
	err = filepath.WalkDir(name, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(name, p)
		if err != nil {
			return err
		}
		files = append(files, File{Path: p, Key: path.Join(prefix, filepath.ToSlash(rel)), Size: info.Size()})
		return nil
	})
	if err != nil {
		return nil, unreadable(name, err)
	}
	if len(files) == 0 {
		return nil, fault.New(fault.Invalid, "the folder %s has no files", name).WithHint("Put the data set there, or name another folder.")
	}
	return files, nil
}

func unreadable(name string, err error) *fault.Error {
	var p *fs.PathError
	text := err
	if errors.As(err, &p) {
		text = p.Err
	}
	return fault.New(fault.Invalid, "%s can't be read: %s", name, text).Because(err).WithHint("Check the path and that you may read it.")
}

// Upload puts all files into the bucket. If it fails no half of a file is left,
// but whole files may be.
func (s *Store) Upload(ctx context.Context, files []File, progress Progress) error {
	var total int64
	for _, f := range files {
		total += f.Size
	}
	var done atomic.Int64
	taken := func(n int64) {
		if sum := done.Add(n); progress != nil {
			progress(sum, total)
		}
	}
	for _, f := range files {
		if err := s.upload(ctx, f, taken); err != nil {
			return fault.Wrap(classify(err), "upload %s", f.Path)
		}
	}
	return nil
}

// Remove takes files out of the bucket again; one that is not there is none too many. It
// tries all, and tells of the first that stays.
func (s *Store) Remove(ctx context.Context, files []File) error {
	var first error
	for _, f := range files {
		if _, err := s.API.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.Bucket, Key: &f.Key}); err != nil && first == nil {
			first = fault.Wrap(classify(err), "remove %s", f.Key)
		}
	}
	return first
}

func (s *Store) upload(ctx context.Context, f File, taken func(int64)) error {
	src, err := os.Open(f.Path)
	if err != nil {
		return unreadable(f.Path, err)
	}
	defer func() { _ = src.Close() }() // it was only read
	if part := s.partSize(f.Size); f.Size > part {
		err = s.inParts(ctx, f, src, part, taken)
	} else {
		_, err = s.API.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &s.Bucket, Key: &f.Key, Body: io.NewSectionReader(src, 0, f.Size), ContentLength: &f.Size,
		})
		taken(f.Size)
	}
	if err != nil {
		return err
	}
	if now, err := src.Stat(); err != nil || now.Size() != f.Size {
		return fault.New(fault.Conflict, "%s changed while it was uploaded", f.Path).WithHint("Try again when nothing writes to it.")
	}
	return nil
}

func (s *Store) partSize(size int64) int64 {
	part := s.PartSize
	if part == 0 {
		part = defaultPart
	}
	return max(part, (size+maxParts-1)/maxParts)
}

// inParts uploads a file in parts; parts that are not made into an object are
// removed again, for they would cost money without being seen.
func (s *Store) inParts(ctx context.Context, f File, src io.ReaderAt, size int64, taken func(int64)) error {
	begun, err := s.API.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &s.Bucket, Key: &f.Key, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		return err
	}
	parts := make([]types.CompletedPart, (f.Size+size-1)/size)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range parts {
		from := int64(i) * size
		length := min(size, f.Size-from)
		number := int32(i + 1) // at most 10,000
		g.Go(func() error {
			out, err := s.API.UploadPart(gctx, &s3.UploadPartInput{
				Bucket: &s.Bucket, Key: &f.Key, UploadId: begun.UploadId, PartNumber: &number,
				Body: io.NewSectionReader(src, from, length), ContentLength: &length, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
			})
			if err != nil {
				return fmt.Errorf("part %d of %d: %w", number, len(parts), err)
			}
			parts[i] = types.CompletedPart{ETag: out.ETag, PartNumber: &number, ChecksumCRC32: out.ChecksumCRC32}
			taken(length)
			return nil
		})
	}
	err = g.Wait()
	if err == nil {
		_, err = s.API.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &s.Bucket, Key: &f.Key, UploadId: begun.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		})
	}
	if err != nil {
		// Even if the reason is that ctx is done; but nobody waits long for a network that is away.
		ctx, done := context.WithTimeout(context.WithoutCancel(ctx), abortWait)
		defer done()
		_, aborted := s.API.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.Bucket, Key: &f.Key, UploadId: begun.UploadId})
		return errors.Join(err, aborted)
	}
	return nil
}

// classify turns an SDK error into a *fault.Error.
func classify(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	out := &fault.Error{Kind: fault.KindOf(err), Msg: err.Error(), Err: err}
	var api smithy.APIError
	if errors.As(err, &api) {
		out.Msg = api.ErrorCode() + ": " + api.ErrorMessage()
		switch api.ErrorCode() {
		case "NoSuchBucket":
			out.Kind, out.Hint = fault.NotFound, "Run `pipelinetui up` to make the pipeline's bucket."
		case "AccessDenied", "AccessDeniedException":
			out.Kind, out.Hint = fault.Denied, "Ask for the right s3:PutObject on in/* of the pipeline's bucket."
		case "SlowDown", "ServiceUnavailable":
			out.Kind, out.Hint = fault.Throttled, "Try again in a minute."
		}
	}
	return out
}
