package app

import (
	"context"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// backendObjects reads a backend in S3 as the engine does: with the URL's own
// parameters and the credentials of the environment. (gocloud.dev/aws, V2ConfigFromURLParams,
// and gocloud.dev/blob/s3blob, URLOpener)
func backendObjects(backend string) func(context.Context) (stack.Objects, error) {
	u, err := url.Parse(backend)
	if err != nil || u.Scheme != "s3" {
		return nil
	}
	return func(ctx context.Context) (stack.Objects, error) {
		q := u.Query()
		endpoint := q.Get("endpoint")
		if host := q.Get("hostname"); endpoint == "" && host != "" {
			endpoint = host
		}
		if endpoint != "" && !strings.Contains(endpoint, "://") {
			scheme := "https://"
			if isTrue(q.Get("disableSSL")) || isTrue(q.Get("disable_https")) {
				scheme = "http://"
			}
			endpoint = scheme + endpoint
		}
		cfg, err := awscfg.Load(ctx, awscfg.Options{Profile: q.Get("profile"), Region: q.Get("region"), EndpointURL: endpoint})
		if err != nil {
			return nil, err
		}
		client := s3.NewFromConfig(cfg, func(o *s3.Options) {
			o.UsePathStyle = cfg.BaseEndpoint != nil || isTrue(q.Get("s3ForcePathStyle")) || isTrue(q.Get("use_path_style"))
		})
		return &s3Objects{client: client, bucket: u.Host, folder: folderOf(u)}, nil
	}
}

func isTrue(s string) bool {
	b, err := strconv.ParseBool(s)
	return err == nil && b
}

// folderOf is the prefix of everything of a backend in a folder of its bucket.
func folderOf(u *url.URL) string {
	folder := strings.Trim(u.Path, "/")
	if folder != "" {
		folder += "/"
	}
	return folder
}

// s3Objects implements stack.Objects.
type s3Objects struct {
	client *s3.Client
	bucket string
	folder string // "" or ends in a slash
}

var _ stack.Objects = (*s3Objects)(nil)

// List implements stack.Objects.
func (o *s3Objects) List(ctx context.Context, prefix string) ([]stack.Object, error) {
	var out []stack.Object
	pages := s3.NewListObjectsV2Paginator(o.client, &s3.ListObjectsV2Input{Bucket: &o.bucket, Prefix: aws.String(o.folder + prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fault.Wrap(awscfg.Classify(err), "list the state backend s3://%s", o.bucket)
		}
		for _, x := range page.Contents {
			out = append(out, stack.Object{Name: strings.TrimPrefix(aws.ToString(x.Key), o.folder), Modified: aws.ToTime(x.LastModified)})
		}
	}
	return out, nil
}

// Read implements stack.Objects.
func (o *s3Objects) Read(ctx context.Context, name string) ([]byte, error) {
	out, err := o.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &o.bucket, Key: aws.String(o.folder + name)})
	if err != nil {
		return nil, fault.Wrap(awscfg.Classify(err), "read %s", o.URL(name))
	}
	raw, err := io.ReadAll(out.Body)
	_ = out.Body.Close() // it was read
	return raw, err
}

// URL implements stack.Objects.
func (o *s3Objects) URL(name string) string { return "s3://" + o.bucket + "/" + o.folder + name }
