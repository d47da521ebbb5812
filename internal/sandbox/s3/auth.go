package s3

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// caller is who asks, and over what.
type caller struct {
	wire.Principal
	keys map[string][]string // condition keys that every request has
}

// inside is a caller within the sandbox: another service, as over TLS.
func (s *Service) inside(p wire.Principal) caller {
	return s.caller(p, "true", "1.3", "")
}

func (s *Service) outside(p wire.Principal, h *http.Request) caller {
	secure, version := "false", ""
	if h.TLS != nil {
		secure = "true"
		version = strings.TrimPrefix(tls.VersionName(h.TLS.Version), "TLS ")
	}
	ip, _, _ := net.SplitHostPort(h.RemoteAddr)
	return s.caller(p, secure, version, ip)
}

func (s *Service) caller(p wire.Principal, secure, tlsVersion, ip string) caller {
	account := p.Account
	if account == "" {
		account = s.Account
	}
	keys := map[string][]string{
		"aws:SecureTransport":       {secure},
		"aws:PrincipalArn":          {p.ARN},
		"aws:PrincipalAccount":      {account},
		"aws:PrincipalIsAWSService": {"false"},
		"s3:ResourceAccount":        {s.Account},
		"aws:ResourceAccount":       {s.Account},
	}
	if tlsVersion != "" {
		keys["s3:TlsVersion"] = []string{tlsVersion}
	}
	if ip != "" {
		keys["aws:SourceIp"] = []string{ip}
	}
	return caller{p, keys}
}

func bucketARN(name string) string        { return "arn:aws:s3:::" + name }
func objectARN(bucket, key string) string { return "arn:aws:s3:::" + bucket + "/" + key }

// authorize asks the identity's policies and the bucket's. Within one account
// either may allow and both may deny
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html).
// The sandbox's own key counts as the account's root: a bucket policy binds it,
// but cannot lock it out of the policy itself.
func (s *Service) authorize(ctx context.Context, c caller, b bucketMeta, action, resource string, extra map[string][]string) error {
	keys := c.keys
	if len(extra) > 0 {
		keys = make(map[string][]string, len(c.keys)+len(extra))
		for _, m := range []map[string][]string{c.keys, extra} {
			for k, v := range m {
				keys[k] = v
			}
		}
	}
	decision := NoOpinion
	if policy := b.Settings["policy"]; policy != "" {
		decision = s.BucketPolicy(policy, c.Principal, action, resource, keys)
	}
	rescue := c.Admin && strings.HasSuffix(action, "BucketPolicy")
	if decision == ExplicitDeny && !rescue {
		return fail(http.StatusForbidden, "AccessDenied", "User: "+c.ARN+" is not authorized to perform: "+action+
			` on resource: "`+resource+`" with an explicit deny in a resource-based policy`)
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
	if decision == Allow && !limited {
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
	if err := s.authorize(ctx, c, b, "s3:ListBucket", bucketARN(b.Name), nil); err != nil {
		return err
	}
	return notFound
}
