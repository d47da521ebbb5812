package sagemaker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/pipelinetui/pipelinetui/internal/linear"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/persist"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// source is where a container's model data lies in S3.
type source struct {
	url, bucket, key string
	gzip             bool // one tar.gz; otherwise plain files
	prefix           bool // key is a prefix, below which linear.File lies
}

// artifactOf reads where a container's model data is; nil if it has none.
func artifactOf(c *types.ContainerDefinition) (*source, error) {
	s := source{gzip: true}
	switch {
	case c.ModelDataUrl != nil:
		s.url = *c.ModelDataUrl
	case c.ModelDataSource != nil && c.ModelDataSource.S3DataSource != nil:
		d := c.ModelDataSource.S3DataSource
		if d.HubAccessConfig != nil || d.ManifestS3Uri != nil {
			return nil, errors.New("the sandbox does not support HubAccessConfig and manifests of model data")
		}
		s.url = aws.ToString(d.S3Uri)
		s.gzip = d.CompressionType != types.ModelCompressionTypeNone
		s.prefix = d.S3DataType == types.S3ModelDataTypeS3Prefix
		if s.gzip && s.prefix {
			return nil, errors.New("CompressionType Gzip needs S3DataType S3Object")
		}
		if s.prefix && !strings.HasSuffix(s.url, "/") {
			return nil, fmt.Errorf("S3Uri %q of S3DataType S3Prefix must end with /", s.url)
		}
	default:
		return nil, nil // a container without model data is fine
	}
	var err error
	if s.bucket, s.key, err = splitURI(s.url); err != nil {
		return nil, err
	}
	if s.key == "" {
		return nil, fmt.Errorf("%q names no object", s.url)
	}
	return &s, nil
}

// splitURI reads s3://bucket/key and the https forms of S3 URLs.
func splitURI(uri string) (bucket, key string, err error) {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || u.RawQuery != "" {
		return "", "", fmt.Errorf("%q is not an S3 URL", uri)
	}
	key = strings.TrimPrefix(u.Path, "/")
	switch {
	case u.Scheme == "s3":
		return u.Host, key, nil
	case u.Scheme != "https":
		return "", "", fmt.Errorf("%q is not an S3 URL", uri)
	case strings.HasPrefix(u.Host, "s3.") || strings.HasPrefix(u.Host, "s3-"):
		bucket, key, _ = strings.Cut(key, "/")
		return bucket, key, nil
	}
	for _, mark := range []string{".s3.", ".s3-"} {
		if b, _, ok := strings.Cut(u.Host, mark); ok {
			return b, key, nil
		}
	}
	return "", "", fmt.Errorf("%q is not an S3 URL", uri)
}

// open opens the object that holds the model.
func (s *Service) open(ctx context.Context, sc wire.Scope, p wire.Principal, a *source) (io.ReadCloser, error) {
	if s.cfg.Objects == nil {
		return nil, errors.New("the sandbox runs without S3")
	}
	key := a.key
	if a.prefix {
		key += linear.File
	}
	body, _, err := s.cfg.Objects.GetObject(ctx, sc, p, a.bucket, key, "")
	return body, err
}

func (s *Service) probeArtifact(ctx context.Context, sc wire.Scope, p wire.Principal, a *source) error {
	if a.prefix {
		if s.cfg.Objects == nil {
			return errors.New("the sandbox runs without S3")
		}
		found := false
		err := s.cfg.Objects.ListObjects(ctx, sc, p, a.bucket, a.key, func(wire.ObjectInfo) bool { found = true; return false })
		if err == nil && !found {
			err = fmt.Errorf("no object below %s", a.url)
		}
		return err
	}
	body, err := s.open(ctx, sc, p, a)
	if err != nil {
		return err
	}
	return body.Close()
}

func artifactKey(arn string, generation int, variant string, index int) string {
	return fmt.Sprintf("%s%s/%d", artifactsOf(arn, generation), variant, index)
}

// artifactsOf begins the keys of a generation.
func artifactsOf(arn string, generation int) string { return fmt.Sprintf("%s/%08d/", arn, generation) }

// artifact returns the model file of a container: the copy that was kept when
// the endpoint was made, or else fetched from S3 as the execution role and kept,
// as an instance keeps its copy whatever becomes of the object. Without parse it
// only makes sure that the data can be read. A container without model data has
// none. With resume only the kept copy is looked for.
func (s *Service) artifact(ctx context.Context, sc wire.Scope, p wire.Principal, key string, c *types.ContainerDefinition, parse, resume bool) ([]byte, error) {
	a, err := artifactOf(c)
	if err != nil {
		return nil, failf("%s.", err)
	}
	if a == nil {
		return nil, nil
	}
	var kept []byte
	if err := s.cfg.DB.View(func(tx *store.Tx) error { kept = tx.GetRaw(bucketArtifacts, key); return nil }); err != nil {
		return nil, err
	}
	if kept != nil || resume {
		return kept, nil
	}
	if !parse {
		if err := s.probeArtifact(ctx, sc, p, a); err != nil {
			return nil, s.downloadFailed(c, a, err)
		}
		return nil, nil
	}
	body, err := s.open(ctx, sc, p, a)
	if err != nil {
		return nil, s.downloadFailed(c, a, err)
	}
	defer body.Close()
	read := linear.ReadFile
	if a.gzip {
		read = linear.ReadArchive
	}
	raw, err := read(body)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, failf("Failed to extract model data archive from URL %q: %s. Please ensure that the object is a valid tar.gz archive that holds %s.", a.url, err, linear.File)
	}
	err = persist.Until(ctx, s.cfg.Clock, s.cfg.Log, "the model data of an endpoint", func() error {
		return s.cfg.DB.Update(func(tx *store.Tx) error { return tx.PutRaw(bucketArtifacts, key, raw) })
	}, "key", key)
	return raw, err
}

// downloadFailed is AWS's text for model data that the role cannot read.
func (s *Service) downloadFailed(c *types.ContainerDefinition, a *source, err error) error {
	host := aws.ToString(c.ContainerHostname)
	if host == "" {
		host = "container_1"
	}
	return failf("Failed to download model data for container %q from URL: %q. Please ensure that there is an object located at the URL and that the "+
		"role passed to CreateModel has permissions to download the model. (%s)", host, a.url, err)
}

// keepArtifacts drops what is kept of an endpoint's generations but one: of the fleet that
// was replaced, and of those that a rollback which failed has left.
func (s *Service) keepArtifacts(arn string, generation int) error {
	return s.cfg.DB.Update(func(tx *store.Tx) error {
		var gone []string
		err := tx.Scan(bucketArtifacts, arn+"/", "", func(key string, _ []byte) (bool, error) {
			if !strings.HasPrefix(key, artifactsOf(arn, generation)) {
				gone = append(gone, key)
			}
			return true, nil
		})
		for _, key := range gone {
			err = errors.Join(err, tx.Delete(bucketArtifacts, key))
		}
		return err
	})
}

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
