package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// inside is a request of another service of the sandbox, as over TLS.
func (s *Service) inside(sc wire.Scope, p wire.Principal) *wire.Request {
	return wire.Inside(s.Auth, sc, p, s.Clock.Now())
}

// tlsVersion is the condition key for it; requests from inside count as the newest.
func tlsVersion(req *wire.Request) []string {
	switch {
	case req.HTTP == nil:
		return []string{"1.3"}
	case req.HTTP.TLS == nil:
		return nil
	}
	return []string{strings.TrimPrefix(tls.VersionName(req.HTTP.TLS.Version), "TLS ")}
}

func bucketARN(sc wire.Scope, name string) string        { return sc.PublicARN("s3", name) }
func objectARN(sc wire.Scope, bucket, key string) string { return sc.PublicARN("s3", bucket+"/"+key) }

// The rows of the operations: what they are about and their condition keys,
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html

func onBucket(req *wire.Request, in wire.Input) []string {
	return []string{bucketARN(req.Scope, in.Text("Bucket"))}
}

func onObject(req *wire.Request, in wire.Input) []string {
	return []string{objectARN(req.Scope, in.Text("Bucket"), in.Text("Key"))}
}

// object is a row on an object; with version another action is that of a version.
func object(action, version string) wire.Access {
	return wire.Access{Action: action, On: onObject, Keys: versionKeys, Variant: func(in wire.Input) string {
		if in.Has("VersionId") {
			return version
		}
		return ""
	}}
}

func versionKeys(_ *wire.Request, in wire.Input) map[string][]string {
	if !in.Has("VersionId") {
		return nil
	}
	return map[string][]string{"s3:VersionId": {in.Text("VersionId")}}
}

// listKeys: s3:prefix exists for every listing; without the parameter it is empty.
func listKeys(_ *wire.Request, in wire.Input) map[string][]string {
	keys := map[string][]string{"s3:prefix": {in.Text("Prefix")}}
	for member, key := range map[string]string{"Delimiter": "s3:delimiter", "MaxKeys": "s3:max-keys"} {
		if in.Has(member) {
			keys[key] = []string{in.Text(member)}
		}
	}
	return keys
}

// writeKeys are the headers of a write that policies may ask for.
func writeKeys(req *wire.Request, _ wire.Input) map[string][]string {
	keys := map[string][]string{}
	for _, name := range []string{
		"X-Amz-Acl", "X-Amz-Server-Side-Encryption", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "X-Amz-Storage-Class",
		"X-Amz-Content-Sha256", "X-Amz-Copy-Source", "X-Amz-Metadata-Directive",
	} {
		if x := req.HTTP.Header.Get(name); x != "" {
			keys["s3:"+strings.ToLower(name)] = []string{x}
		}
	}
	return keys
}

// signing are the parameters of links that tell of the signature and of nothing else.
var signing = []string{
	"x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires", "x-amz-signature", "x-amz-signedheaders", "x-amz-security-token",
	"x-amz-content-sha256",
}

// linked makes headers of what SDKs move from them into the query of a link: S3 takes all
// that begin with x-amz- from there (https://github.com/aws/aws-sdk-js-v3/issues/4694,
// https://github.com/smithy-lang/smithy-typescript/pull/1421). They are signed there.
func linked(h *http.Request) {
	q := h.URL.Query()
	if !q.Has("X-Amz-Signature") && !q.Has("AWSAccessKeyId") {
		return
	}
	for name, v := range q {
		low := strings.ToLower(name)
		if strings.HasPrefix(low, "x-amz-") && !slices.Contains(signing, low) && h.Header.Get(name) == "" {
			h.Header.Set(name, strings.Join(v, ","))
		}
	}
}

// tagging is what writes with tags need too.
func tagging(in wire.Input) []string {
	if !in.Has("Tagging") {
		return nil
	}
	return []string{"s3:PutObjectTagging"}
}

// attributes are read by an action of their own beside that of the object.
func attributes(in wire.Input) []string {
	if in.Has("VersionId") {
		return []string{"s3:GetObjectVersionAttributes"}
	}
	return []string{"s3:GetObjectAttributes"}
}

// guard decides about buckets and objects. A bucket that does not exist is said to
// everybody: its name is free for all.
func (s *Service) guard(ctx context.Context, req *wire.Request, action, arn string, keys map[string][]string) error {
	var b bucketMeta
	a, ok := wire.ParseARN(arn)
	if name, _, _ := strings.Cut(a.Resource, "/"); ok && action != "s3:CreateBucket" {
		var err error
		if b, err = s.bucket(name); err != nil {
			return err
		}
		arn = b.Scope.PublicARN("s3", a.Resource)
	}
	return s.authorize(ctx, req, b, action, arn, keys)
}

// authorize asks the identity's policies and the bucket's. An account's own key
// counts as its root: a bucket policy binds it, but cannot lock it out of the policy
// itself.
func (s *Service) authorize(ctx context.Context, req *wire.Request, b bucketMeta, action, resource string, keys map[string][]string) error {
	owner := b.Scope.Account
	if owner == "" { // it is about to be made
		owner = req.Account
	}
	t := policy.Target{ARN: resource, Owner: owner, Keys: map[string][]string{"s3:ResourceAccount": {owner}, "s3:TlsVersion": tlsVersion(req)}}
	if p := req.Principal; !p.Admin || p.Account != owner || !strings.HasSuffix(action, "BucketPolicy") {
		var err error
		if t.Policy, err = s.policies.Parse(b.Settings["policy"], policy.Resource); err != nil {
			return err
		}
	}
	return policy.Authorize(ctx, req, t, action, keys)
}

// refusals are S3's words, for calls that do not come through the router.
var refusals = wire.RESTXML.Refusals()

// missing is the answer for a key that is not there: only who may list the
// bucket is told so.
func (s *Service) missing(ctx context.Context, req *wire.Request, b bucketMeta, notFound error) error {
	if err := s.authorize(ctx, req, b, "s3:ListBucket", bucketARN(b.Scope, b.Name), nil); err != nil {
		return err
	}
	return notFound
}

// find authorises a read and returns the version: the current one for id "".
func (s *Service) find(ctx context.Context, req *wire.Request, bucket, key, id string) (*version, error) {
	action := "s3:GetObject"
	var keys map[string][]string
	if id != "" {
		action, keys = "s3:GetObjectVersion", map[string][]string{"s3:VersionId": {id}}
	}
	if err := s.guard(ctx, req, action, objectARN(req.Scope, bucket, key), keys); err != nil {
		return nil, err
	}
	return s.lookup(ctx, req, bucket, key, id)
}

// lookup returns the version that the request names; of a delete marker it tells what may
// be done with it. (As AWS answers the tests of getmoto/moto that are verified against it:
// test_delete_versioned_bucket_returns_metadata, test_put_object_tagging_on_deleted_version.)
func (c *call) lookup() (*version, error) {
	id := c.q.Get("versionId")
	v, err := c.s.lookup(c.ctx(), c.req, c.bucket, c.key, id)
	if v != nil && v.Marker && id != "" {
		c.w.Header().Set("Allow", http.MethodDelete)
		err = errMethod(c.h.Method)
	}
	return v, err
}

// lookup returns a version for who may have it: the current one for id "".
func (s *Service) lookup(ctx context.Context, req *wire.Request, bucket, key, id string) (*version, error) {
	var b bucketMeta
	var v *version
	err := s.DB.View(func(tx *store.Tx) (err error) {
		if b, err = getBucket(tx, bucket); err != nil {
			return err
		}
		if id == "" {
			v, err = current(tx, bucket, key)
		} else {
			v, err = byID(tx, bucket, key, id)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case v == nil && id != nullID && id != "" && !versionID.MatchString(id):
		return nil, errInvalid("versionId", id, "Invalid version id specified")
	case v == nil && id != "":
		return nil, s.missing(ctx, req, b, errNoSuchVersion(key, id))
	case v == nil:
		return nil, s.missing(ctx, req, b, errNoSuchKey(key))
	case v.Marker && id != "":
		return v, errMethod("GET")
	case v.Marker:
		return v, s.missing(ctx, req, b, errNoSuchKey(key))
	}
	return v, nil
}

// worded is an error in S3's words; nil stays nil.
func worded(err error) error {
	var denied *wire.DeniedError
	if errors.As(err, &denied) {
		return refusals.Error(err)
	}
	return err
}
