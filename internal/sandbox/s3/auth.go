package s3

import (
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// caller is who asks, and over what.
type caller struct {
	wire.Principal
	scope wire.Scope
	keys  map[string][]string // condition keys that every request has
}

// inside is a caller within the sandbox: another service, as over TLS.
func inside(sc wire.Scope, p wire.Principal) caller {
	return newCaller(sc, p, "true", "1.3", "")
}

func outside(req *wire.Request, h *http.Request) caller {
	secure, version := "false", ""
	if h.TLS != nil {
		secure = "true"
		version = strings.TrimPrefix(tls.VersionName(h.TLS.Version), "TLS ")
	}
	ip, _, _ := net.SplitHostPort(h.RemoteAddr)
	return newCaller(req.Scope, req.Principal, secure, version, ip)
}

// newCaller adds what S3 knows beside the keys of every request, which come from
// the principal (policy.NewRequest).
func newCaller(sc wire.Scope, p wire.Principal, secure, tlsVersion, ip string) caller {
	keys := map[string][]string{
		"aws:SecureTransport": {secure},
		"aws:RequestedRegion": {sc.Region},
	}
	if tlsVersion != "" {
		keys["s3:TlsVersion"] = []string{tlsVersion}
	}
	if ip != "" {
		keys["aws:SourceIp"] = []string{ip}
	}
	return caller{p, sc, keys}
}

func bucketARN(sc wire.Scope, name string) string        { return sc.PublicARN("s3", name) }
func objectARN(sc wire.Scope, bucket, key string) string { return sc.PublicARN("s3", bucket+"/"+key) }

// authorize asks the identity's policies and the bucket's. Within one account
// either may allow and both may deny; between two accounts both must allow
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html).
// An account's own key counts as its root: a bucket policy binds it, but cannot
// lock it out of the policy itself.
func (s *Service) authorize(ctx context.Context, c caller, b bucketMeta, action, resource string, extra map[string][]string) error {
	owner := b.Scope.Account
	if owner == "" { // it is about to be made
		owner = c.scope.Account
	}
	// ARNs of buckets do not tell the account.
	keys := map[string][]string{"s3:ResourceAccount": {owner}, "aws:ResourceAccount": {owner}}
	maps.Copy(keys, c.keys)
	maps.Copy(keys, extra)
	r := policy.NewRequest(c.Principal, action, resource, keys, s.Clock.Now())
	var g policy.Grant
	rescue := c.Admin && c.Account == owner && strings.HasSuffix(action, "BucketPolicy")
	if text := b.Settings["policy"]; text != "" && !rescue {
		g = s.BucketPolicy(text, r)
	}
	err := policy.Decide(r, policy.Either, g, func() error {
		if c.Admin {
			return nil
		}
		return s.Auth.Authorize(ctx, c.Principal, action, resource, keys)
	})
	if err == nil {
		return nil
	}
	e := wire.AsError(err)
	if e.Status >= http.StatusInternalServerError {
		return e
	}
	return fail(http.StatusForbidden, "AccessDenied", e.Message)
}

// missing is the answer for a key that is not there: only who may list the
// bucket is told so.
func (s *Service) missing(ctx context.Context, c caller, b bucketMeta, notFound error) error {
	if err := s.authorize(ctx, c, b, "s3:ListBucket", bucketARN(b.Scope, b.Name), nil); err != nil {
		return err
	}
	return notFound
}
