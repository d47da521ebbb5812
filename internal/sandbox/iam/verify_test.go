package iam_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// signed is a request as the SDK's own signer signs it and as a server gets it.
type signed struct {
	method, target, body, service string
	payload                       string // "" means the body's hash
	header                        http.Header
	at                            time.Time
	creds                         wire.Credentials
	presign                       time.Duration
}

func (s signed) request(t testing.TB) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), s.method, "http://127.0.0.1:4566"+s.target, strings.NewReader(s.body))
	require.NoError(t, err)
	for k, v := range s.header {
		req.Header[k] = v
	}
	payload := s.payload
	if payload == "" {
		payload = sha(s.body)
	}
	opts := func(o *v4.SignerOptions) { o.DisableURIPathEscaping = s.service == "s3" }
	creds := aws.Credentials{AccessKeyID: s.creds.AccessKeyID, SecretAccessKey: s.creds.SecretAccessKey, SessionToken: s.creds.SessionToken}
	if s.presign > 0 {
		q := req.URL.Query()
		q.Set("X-Amz-Expires", "60")
		req.URL.RawQuery = q.Encode()
		u, headers, err := v4.NewSigner().PresignHTTP(context.Background(), creds, req, payload, s.service, "eu-west-1", s.at, opts)
		require.NoError(t, err)
		parsed, err := url.Parse(u)
		require.NoError(t, err)
		req.URL = parsed
		for k, v := range headers {
			req.Header[k] = v
		}
	} else {
		if s.service == "s3" {
			req.Header.Set("X-Amz-Content-Sha256", payload)
		}
		require.NoError(t, v4.NewSigner().SignHTTP(context.Background(), creds, req, payload, s.service, "eu-west-1", s.at, opts))
	}
	// As net/http delivers it.
	in := httptest.NewRequest(s.method, req.URL.RequestURI(), strings.NewReader(s.body))
	in.Host = "127.0.0.1:4566"
	in.Header = req.Header.Clone()
	in.Header.Del("Host")
	return in
}

func TestVerifyMatchesSDKSigner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session := mustSession(t, w)
	for name, s := range map[string]signed{
		"post":                {method: "POST", target: "/", body: "Action=X", service: "iam"},
		"empty":               {method: "GET", target: "/", service: "sts"},
		"query order":         {method: "GET", target: "/?b=2&a=1&a-b=3&a=0&empty=&c%20d=e%2Bf%2Fg+h", service: "iam"},
		"double escaped path": {method: "POST", target: "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A0%3Afunction%3Aa%20b/invocations", body: "{}", service: "lambda"},
		"s3 path":             {method: "PUT", target: "/bucket/a%20b/%C3%BC/x+y%2Bz%25/~(1)'*!$&,;=:@", body: "data", service: "s3"},
		"s3 slashes":          {method: "PUT", target: "/bucket//a/../b/./c//", body: "data", service: "s3"},
		"s3 subresource":      {method: "GET", target: "/bucket?list-type=2&prefix=a%2Fb&versioning", service: "s3"},
		"s3 unsigned":         {method: "PUT", target: "/b/k", body: "data", payload: "UNSIGNED-PAYLOAD", service: "s3"},
		"s3 streaming":        {method: "PUT", target: "/b/k", body: "data", payload: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", service: "s3"},
		"headers": {
			method: "PUT", target: "/b/k", body: "d", service: "s3",
			header: http.Header{"X-Amz-Meta-A": {"  x   y "}, "Content-Type": {"text/plain;  charset=utf-8"}, "X-Amz-Meta-B": {"1", "2"}},
		},
		"session":           {method: "POST", target: "/", body: "x", service: "sqs", creds: session},
		"presigned s3":      {method: "GET", target: "/b/a%20b?response-content-type=text%2Fplain", payload: "UNSIGNED-PAYLOAD", service: "s3", presign: time.Minute},
		"presigned session": {method: "GET", target: "/b/k", payload: "UNSIGNED-PAYLOAD", service: "s3", presign: time.Minute, creds: session},
		"presigned sts":     {method: "GET", target: "/?Action=GetCallerIdentity&Version=2011-06-15", service: "sts", presign: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.at = w.clock.Now()
			if s.creds.AccessKeyID == "" {
				s.creds = w.Admin
			}
			r := s.request(t)
			p, region, service, err := w.Verify(r)
			require.NoError(t, err)
			require.Equal(t, "eu-west-1", region)
			require.Equal(t, s.service, service)
			require.Equal(t, s.creds.AccessKeyID == w.Admin.AccessKeyID, p.Admin)
			body, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			require.Equal(t, s.body, string(body), "the handler reads the body")
		})
	}
}

func mustSession(t *testing.T, w *world) wire.Credentials {
	t.Helper()
	r := w.role(t, "session", trustStates)
	p, err := w.AssumeServiceRole(t.Context(), home, "states.amazonaws.com", *r.Arn, "arn:aws:states:us-east-1:000000000000:stateMachine:m", "s")
	require.NoError(t, err)
	c, err := w.SessionCredentials(t.Context(), p, time.Hour)
	require.NoError(t, err)
	return c
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session := mustSession(t, w)
	noToken := session
	noToken.SessionToken = ""
	adminToken := w.Admin
	adminToken.SessionToken = "x"
	wrong := w.Admin
	wrong.SecretAccessKey = strings.Repeat("x", 40)
	s3 := signed{method: "PUT", target: "/b/k?x=1", body: "data", service: "s3"}
	sqs := signed{method: "POST", target: "/", body: "data", service: "sqs"}
	iamReq := signed{method: "POST", target: "/", body: "data", service: "iam"}
	with := func(s signed, fn func(*signed)) signed { fn(&s); return s }
	for name, tc := range map[string]struct {
		signed signed
		tamper func(*http.Request)
		code   string
		status int
	}{
		"secret, s3":        {with(s3, func(s *signed) { s.creds = wrong }), nil, "SignatureDoesNotMatch", 403},
		"secret, json":      {with(sqs, func(s *signed) { s.creds = wrong }), nil, "InvalidSignatureException", 400},
		"secret, query":     {with(iamReq, func(s *signed) { s.creds = wrong }), nil, "SignatureDoesNotMatch", 403},
		"unknown key, s3":   {with(s3, func(s *signed) { s.creds = iam.NewCredentials() }), nil, "InvalidAccessKeyId", 403},
		"unknown key, json": {with(sqs, func(s *signed) { s.creds = iam.NewCredentials() }), nil, "UnrecognizedClientException", 400},
		"unknown key":       {with(iamReq, func(s *signed) { s.creds = iam.NewCredentials() }), nil, "InvalidClientTokenId", 403},
		"no token":          {with(iamReq, func(s *signed) { s.creds = noToken }), nil, "InvalidClientTokenId", 403},
		"token too many":    {with(iamReq, func(s *signed) { s.creds = adminToken }), nil, "InvalidClientTokenId", 403},
		"method":            {s3, func(r *http.Request) { r.Method = "DELETE" }, "SignatureDoesNotMatch", 403},
		"path":              {s3, func(r *http.Request) { r.URL.Path = "/b/other" }, "SignatureDoesNotMatch", 403},
		"query":             {s3, func(r *http.Request) { r.URL.RawQuery = "x=2" }, "SignatureDoesNotMatch", 403},
		"added query":       {s3, func(r *http.Request) { r.URL.RawQuery += "&acl" }, "SignatureDoesNotMatch", 403},
		"host":              {s3, func(r *http.Request) { r.Host = "evil.example" }, "SignatureDoesNotMatch", 403},
		"body":              {sqs, func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("atad")) }, "InvalidSignatureException", 400},
		"unsigned header":   {s3, func(r *http.Request) { r.Header.Set("X-Amz-Acl", "public-read") }, "AccessDenied", 403},
		"no header":         {s3, func(r *http.Request) { r.Header.Del("Authorization") }, "AccessDenied", 403},
		"no header, json": {sqs, func(r *http.Request) {
			r.Header.Del("Authorization")
			r.Header.Set("X-Amz-Target", "AmazonSQS.ListQueues")
		}, "MissingAuthenticationTokenException", 403},
		"signature 2": {s3, func(r *http.Request) { r.Header.Set("Authorization", "AWS AKIA:x") }, "InvalidRequest", 400},
		"presigned by nobody, the old way": {s3, func(r *http.Request) {
			r.Header.Del("Authorization")
			r.URL.RawQuery = "AWSAccessKeyId=AKIA&Signature=x&Expires=1"
		}, "InvalidAccessKeyId", 403},
		"other algorithm": {s3, func(r *http.Request) { r.Header.Set("Authorization", "AWS4-ECDSA-P256-SHA256 x") }, "IncompleteSignatureException", 403},
		"no date":         {s3, func(r *http.Request) { r.Header.Del("X-Amz-Date") }, "AuthorizationHeaderMalformed", 400},
		"no hash":         {s3, func(r *http.Request) { r.Header.Del("X-Amz-Content-Sha256") }, "InvalidRequest", 400},
		"old, s3":         {with(s3, func(s *signed) { s.at = w.clock.Now().Add(-16 * time.Minute) }), nil, "RequestTimeTooSkewed", 403},
		"new, s3":         {with(s3, func(s *signed) { s.at = w.clock.Now().Add(16 * time.Minute) }), nil, "RequestTimeTooSkewed", 403},
		"old, json":       {with(sqs, func(s *signed) { s.at = w.clock.Now().Add(-16 * time.Minute) }), nil, "InvalidSignatureException", 400},
		"old, query":      {with(iamReq, func(s *signed) { s.at = w.clock.Now().Add(-16 * time.Minute) }), nil, "SignatureDoesNotMatch", 403},
		"presign over": {with(s3, func(s *signed) {
			s.presign, s.payload, s.at = 1, "UNSIGNED-PAYLOAD", w.clock.Now().Add(-61*time.Second)
		}), nil, "AccessDenied", 403},
		"presign longer": {
			with(s3, func(s *signed) { s.presign, s.payload = 1, "UNSIGNED-PAYLOAD" }),
			func(r *http.Request) {
				r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "Expires=60", "Expires=600", 1)
			}, "SignatureDoesNotMatch", 403,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := tc.signed
			if s.at.IsZero() {
				s.at = w.clock.Now()
			}
			if s.creds.AccessKeyID == "" {
				s.creds = w.Admin
			}
			r := s.request(t)
			if tc.tamper != nil {
				tc.tamper(r)
			}
			p, _, service, err := w.Verify(r)
			require.Error(t, err)
			e := worded(service, err)
			require.Equal(t, tc.code, e.Code, e.Message)
			require.Equal(t, tc.status, e.Status)
			require.False(t, p.Admin && tc.tamper == nil && s.creds.SecretAccessKey == wrong.SecretAccessKey)
		})
	}
}

// worded is the refusal as the router writes it for a service.
func worded(service string, err error) *wire.Error {
	switch service {
	case "s3":
		return wire.RESTXML.Refusals().Error(err)
	case "iam", "sts":
		return wire.Query.Refusals().Error(err)
	case "":
		return wire.Refusals{Signature: wire.JSONSignature(http.StatusForbidden)}.Error(err)
	}
	return wire.JSON10.Refusals().Error(err)
}

// The body of an S3 upload is checked while it is read: it may be large.
func TestVerifyS3Body(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := signed{method: "PUT", target: "/b/k", body: "data", service: "s3", at: w.clock.Now(), creds: w.Admin}.request(t)
	r.Body = io.NopCloser(strings.NewReader("atad"))
	_, _, _, err := w.Verify(r)
	require.NoError(t, err)
	_, err = io.ReadAll(r.Body)
	var e *wire.Error
	require.True(t, errors.As(err, &e))
	require.Equal(t, "XAmzContentSHA256Mismatch", e.Code)
}
