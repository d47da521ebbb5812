package s3

import (
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"strings"

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

func newCaller(sc wire.Scope, p wire.Principal, secure, tlsVersion, ip string) caller {
	account := p.Account
	if account == "" {
		account = sc.Account
	}
	keys := map[string][]string{
		"aws:SecureTransport":       {secure},
		"aws:PrincipalArn":          {p.ARN},
		"aws:PrincipalAccount":      {account},
		"aws:PrincipalIsAWSService": {"false"},
		"aws:RequestedRegion":       {sc.Region},
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
	keys := map[string][]string{"s3:ResourceAccount": {owner}, "aws:ResourceAccount": {owner}}
	maps.Copy(keys, c.keys)
	maps.Copy(keys, extra)
	decision := NoOpinion
	if policy := b.Settings["policy"]; policy != "" {
		decision = s.BucketPolicy(policy, c.Principal, action, resource, keys)
	}
	foreign := c.Account != "" && c.Account != owner
	rescue := c.Admin && !foreign && strings.HasSuffix(action, "BucketPolicy")
	if decision == ExplicitDeny && !rescue {
		return fail(http.StatusForbidden, "AccessDenied", "User: "+c.ARN+" is not authorized to perform: "+action+
			` on resource: "`+resource+`" with an explicit deny in a resource-based policy`)
	}
	if foreign && decision != Allow {
		return fail(http.StatusForbidden, "AccessDenied", "User: "+c.ARN+" is not authorized to perform: "+action+
			` on resource: "`+resource+`" because no resource-based policy allows the `+action+" action")
	}
	if c.Admin {
		return nil
	}
	err := s.Auth.Authorize(ctx, c.Principal, action, resource, keys)
	if err == nil {
		return nil
	}
	e := wire.AsError(err)
	limited := strings.Contains(e.Message, "explicit deny") || strings.Contains(e.Message, "permissions boundary")
	if decision == Allow && !limited && !foreign {
		return nil
	}
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
