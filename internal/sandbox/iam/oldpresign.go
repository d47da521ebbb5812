package iam

import (
	"crypto/hmac"
	"crypto/sha1" // what the old signature is made with
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// URLs that were presigned with Signature Version 2, which boto3 makes by
// default in us-east-1 and for endpoints of one's own, and which S3 takes there
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html#RESTAuthenticationQueryStringAuth).

// oldPresigned recognises them.
func oldPresigned(r *http.Request) bool { return r.URL.Query().Has("AWSAccessKeyId") }

// verifyOld returns who signed the URL, for a request to what has a path.
func (s *Service) verifyOld(r *http.Request, path string) (wire.Principal, error) {
	q := r.URL.Query()
	expires, err := strconv.ParseInt(q.Get("Expires"), 10, 64)
	if err != nil || q.Get("Signature") == "" {
		return wire.Principal{}, wire.Errorf(http.StatusForbidden, "AccessDenied",
			"Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
	}
	p, secret, err := s.credentials(&signature{accessKey: q.Get("AWSAccessKeyId"), token: q.Get("x-amz-security-token")})
	if err != nil {
		return p, err
	}
	if s.Clock.Now().After(time.Unix(expires, 0)) {
		return wire.Principal{}, refuse(wire.ExpiredLink, "")
	}
	h := hmac.New(sha1.New, []byte(secret))
	h.Write([]byte(oldStringToSign(r, q, path)))
	if !hmacEqual(base64.StdEncoding.EncodeToString(h.Sum(nil)), q.Get("Signature")) {
		return wire.Principal{}, refuse(wire.WrongSignature, "")
	}
	return p, nil
}

// oldStringToSign is what the signature is over. Headers that begin with x-amz-
// may stand in the query instead. Content-Type and Content-MD5 may not, though boto3
// writes them there too: who leaves the header out is refused by S3
// (https://github.com/boto/boto3/issues/610, https://github.com/boto/boto3/issues/2501).
func oldStringToSign(r *http.Request, q url.Values, path string) string {
	amz := map[string]string{}
	for name, v := range r.Header {
		if low := strings.ToLower(name); strings.HasPrefix(low, "x-amz-") {
			amz[low] = strings.Join(v, ",")
		}
	}
	for name, v := range q {
		if low := strings.ToLower(name); strings.HasPrefix(low, "x-amz-") {
			amz[low] = strings.Join(v, ",")
		}
	}
	names := make([]string, 0, len(amz))
	for name := range amz {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	b.WriteString(r.Method + "\n" + r.Header.Get("Content-MD5") + "\n" + r.Header.Get("Content-Type") + "\n" + q.Get("Expires") + "\n")
	for _, name := range names {
		b.WriteString(name + ":" + strings.TrimSpace(amz[name]) + "\n")
	}
	b.WriteString(oldResource(path, q))
	return b.String()
}

// subresources are the parameters that belong to the resource.
var subresources = []string{
	"accelerate", "acl", "cors", "defaultObjectAcl", "delete", "lifecycle", "location", "logging", "notification", "partNumber", "policy", "replication",
	"requestPayment", "response-cache-control", "response-content-disposition", "response-content-encoding", "response-content-language",
	"response-content-type", "response-expires", "restore", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
}

// oldResource is the path, which has the bucket in it, and the subresources.
func oldResource(path string, q url.Values) string {
	var parts []string
	for _, name := range subresources {
		if !q.Has(name) {
			continue
		}
		if v := q.Get(name); v != "" {
			parts = append(parts, name+"="+v)
		} else {
			parts = append(parts, name)
		}
	}
	if len(parts) == 0 {
		return path
	}
	return path + "?" + strings.Join(parts, "&")
}
