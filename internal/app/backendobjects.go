package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// backendObjects reads a backend in S3, removes locks and restores states there, as the engine does: with the URL's own
// parameters and the credentials of the environment. It is nil where the engine might
// read at another place, or in another way. The store is opened when it is first asked
// for, and once. (pkg/backend/diy/backend.go, newDIYBackend and translateLegacyS3Params;
// gocloud.dev/aws, V2ConfigFromURLParams; gocloud.dev/blob/s3blob, URLOpener)
func backendObjects(backend string) func(context.Context) (stack.Objects, error) {
	u, err := url.Parse(backend)
	if err != nil || u.Scheme != "s3" || u.Host == "" || !plainKey(u.Path) {
		return nil
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil || !understood(q) {
		return nil
	}
	var store cell[stack.Objects]
	return func(ctx context.Context) (stack.Objects, error) {
		return store.get(ctx, "the state backend", func(ctx context.Context) (stack.Objects, error) { return openS3(ctx, u, q) })
	}
}

// s3Parameters are what is understood of a URL's parameters, or does not matter to who
// only reads; those in it that are true are switches. Whatever is not here may be another
// place: "prefix" is.
var s3Parameters = map[string]bool{
	"region": false, "endpoint": false, "profile": false, "awssdk": false,
	"disableSSL": true, "disable_https": true, "s3ForcePathStyle": true, "use_path_style": true,
	"ssetype": false, "kmskeyid": false, "request_checksum_calculation": false,
}

// understood tells whether all parameters are, and each is given once: of several the
// engine takes now the first and now the last.
func understood(q url.Values) bool {
	for name, values := range q {
		isSwitch, known := s3Parameters[name]
		if !known || len(values) != 1 {
			return false
		}
		if _, err := strconv.ParseBool(values[0]); isSwitch && err != nil {
			return false
		}
	}
	return true
}

// plainKey tells whether a path is what it says as the beginning of a key: the engine
// writes control characters and what follows ".." in another way. (s3blob, escapeKey)
func plainKey(path string) bool {
	return !strings.Contains(path, "..") && !strings.ContainsFunc(path, func(r rune) bool { return r < ' ' })
}

func openS3(ctx context.Context, u *url.URL, q url.Values) (stack.Objects, error) {
	endpoint := q.Get("endpoint")
	plain := isTrue(q.Get("disableSSL")) || isTrue(q.Get("disable_https"))
	if endpoint != "" && !strings.Contains(endpoint, "://") {
		scheme := "https://"
		if plain {
			scheme = "http://"
		}
		endpoint = scheme + endpoint
	}
	cfg, err := awscfg.Load(ctx, awscfg.Options{
		Profile: q.Get("profile"), Region: q.Get("region"), EndpointURL: endpoint, ServiceEndpoints: endpoint == "",
	})
	if err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = o.BaseEndpoint != nil || isTrue(q.Get("s3ForcePathStyle")) || isTrue(q.Get("use_path_style"))
		o.EndpointOptions.DisableHTTPS = plain
	})
	return &s3Objects{
		client: client, bucket: u.Host, folder: folderOf(u), patience: storePatience,
		encryption: types.ServerSideEncryption(q.Get("ssetype")), key: q.Get("kmskeyid"),
	}, nil
}

func isTrue(s string) bool {
	b, err := strconv.ParseBool(s)
	return err == nil && b
}

// folderOf is the prefix of everything of a backend in a folder of its bucket, as the
// engine has it: slashes within and at the end are part of it.
func folderOf(u *url.URL) string {
	folder := strings.TrimLeft(u.Path, "/")
	if folder != "" && !strings.HasSuffix(folder, "/") {
		folder += "/"
	}
	return folder
}

// storePatience is how long a store may say nothing, all retries included.
const storePatience = 20 * time.Second

var errSilent = errors.New("it does not answer")

// s3Objects implements stack.Objects.
type s3Objects struct {
	client *s3.Client
	bucket string
	folder string // "" or ends in a slash
	// encryption and key are those of what is written, "" for the bucket's own.
	encryption types.ServerSideEncryption
	key        string
	// patience is how long a request may go without an answer.
	patience time.Duration
}

var _ stack.Objects = (*s3Objects)(nil)

// List implements stack.Objects.
func (o *s3Objects) List(ctx context.Context, prefix string) ([]stack.Object, error) {
	var out []stack.Object
	pages := s3.NewListObjectsV2Paginator(o.client, &s3.ListObjectsV2Input{Bucket: &o.bucket, Prefix: aws.String(o.folder + prefix)})
	for pages.HasMorePages() {
		page, err := o.nextPage(ctx, pages)
		if err != nil {
			return nil, err
		}
		for _, x := range page.Contents {
			out = append(out, stack.Object{
				Name: strings.TrimPrefix(aws.ToString(x.Key), o.folder), Modified: aws.ToTime(x.LastModified), ETag: aws.ToString(x.ETag),
			})
		}
	}
	return out, nil
}

func (o *s3Objects) nextPage(ctx context.Context, pages *s3.ListObjectsV2Paginator) (*s3.ListObjectsV2Output, error) {
	ctx, heard, done := o.impatient(ctx)
	defer done()
	page, err := pages.NextPage(ctx)
	heard()
	if err != nil {
		return nil, o.failed(ctx, err, "list the state backend "+o.URL(""))
	}
	return page, nil
}

// Read implements stack.Objects.
func (o *s3Objects) Read(ctx context.Context, name string) ([]byte, error) {
	ctx, heard, done := o.impatient(ctx)
	defer done()
	out, err := o.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &o.bucket, Key: aws.String(o.folder + name)})
	heard()
	if err != nil {
		return nil, o.failed(ctx, err, "read "+o.URL(name))
	}
	raw, err := io.ReadAll(out.Body)
	_ = out.Body.Close() // it was read
	if err != nil {
		return nil, o.failed(ctx, err, "read "+o.URL(name))
	}
	return raw, nil
}

// Folders implements stack.Objects.
func (o *s3Objects) Folders(ctx context.Context, prefix string) (names []string, err error) {
	pages := s3.NewListObjectsV2Paginator(o.client, &s3.ListObjectsV2Input{Bucket: &o.bucket, Prefix: aws.String(o.folder + prefix), Delimiter: aws.String("/")})
	for pages.HasMorePages() {
		page, err := o.nextPage(ctx, pages)
		if err != nil {
			return nil, err
		}
		for _, x := range page.CommonPrefixes {
			names = append(names, strings.TrimSuffix(strings.TrimPrefix(aws.ToString(x.Prefix), o.folder+prefix), "/"))
		}
	}
	return names, nil
}

// Write implements stack.Objects.
// (AmazonS3/latest/userguide/conditional-writes.html)
func (o *s3Objects) Write(ctx context.Context, name string, content []byte, fresh bool) error {
	ctx, heard, done := o.impatient(ctx)
	defer done()
	in := &s3.PutObjectInput{Bucket: &o.bucket, Key: aws.String(o.folder + name), Body: bytes.NewReader(content), ServerSideEncryption: o.encryption}
	if o.key != "" {
		in.SSEKMSKeyId = &o.key
	}
	if fresh {
		in.IfNoneMatch = aws.String("*")
	}
	_, err := o.client.PutObject(ctx, in)
	heard()
	switch {
	case isAPI(err, "PreconditionFailed", "ConditionalRequestConflict"):
		return fault.New(fault.Conflict, "write %s: somebody has written it meanwhile", o.URL(name)).Because(errors.Join(fs.ErrExist, err))
	case err != nil:
		return o.failed(ctx, err, "write "+o.URL(name))
	}
	return nil
}

// Remove implements stack.Objects.
func (o *s3Objects) Remove(ctx context.Context, name string) error {
	ctx, heard, done := o.impatient(ctx)
	defer done()
	_, err := o.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &o.bucket, Key: aws.String(o.folder + name)})
	heard()
	if err != nil {
		return o.failed(ctx, err, "delete "+o.URL(name))
	}
	return nil
}

// impatient is a context that ends when nothing is heard in time.
func (o *s3Objects) impatient(ctx context.Context) (_ context.Context, heard, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(o.patience, func() { cancel(errSilent) })
	return ctx, func() { timer.Stop() }, func() { timer.Stop(); cancel(nil) }
}

// failed classifies an error of a request. One of the way to the store is the answer, see
// stack.ErrNoAnswer; but for the way to credentials: the engine may have others.
func (o *s3Objects) failed(ctx context.Context, err error, op string) error {
	unreached := func(kind fault.Kind, why error) error {
		return fault.New(kind, "%s: the state backend cannot be reached (%s): %v", op, o.URL(""), why).
			WithHint("Check --backend, the network and the endpoint of the state backend.").Because(errors.Join(stack.ErrNoAnswer, err))
	}
	classified := awscfg.Classify(err)
	var way net.Error
	switch {
	case errors.Is(context.Cause(ctx), errSilent):
		return unreached(fault.Unreachable, errSilent)
	case ctx.Err() == nil && fault.KindOf(classified) != fault.Unauthenticated && answeredNothing(err) && errors.As(err, &way):
		return unreached(fault.KindOf(classified), way)
	case isAPI(err, "NoSuchKey"):
		return fault.New(fault.NotFound, "%s: there is no such object", op).Because(errors.Join(fs.ErrNotExist, err))
	}
	return fault.Wrap(classified, "%s", op)
}

// answeredNothing tells that an error is not what a server has said, nor one of getting
// the credentials.
func answeredNothing(err error) bool {
	var said smithy.APIError
	return !errors.As(err, &said) && !strings.Contains(err.Error(), "get identity:")
}

// URL implements stack.Objects.
func (o *s3Objects) URL(name string) string { return "s3://" + o.bucket + "/" + o.folder + name }
