package artifacts

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Getter is the part of the S3 client that Download uses. *s3.Client implements it.
type Getter interface {
	GetObject(ctx context.Context, in *s3.GetObjectInput, opts ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

var _ Getter = (*s3.Client)(nil)

// Download writes an object to a new file, readable by its owner only. Errors are as
// those of Identity; a file that is not whole is removed.
func Download(ctx context.Context, api Getter, bucket, key, file string) (err error) {
	out, err := api.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return unseen(err, bucket, key)
	}
	defer func() { _ = out.Body.Close() }() // it was only read
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, out.Body)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(file) // it is of no use
	}
	return err
}
