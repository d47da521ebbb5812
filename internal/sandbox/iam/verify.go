package iam

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// maxSkew is how far a request's time may be from the sandbox's.
const maxSkew = 15 * time.Minute

// maxBody bounds a request whose body must be read to check its hash. The
// largest is a function's code given inline.
const maxBody = 128 << 20

// refuse is what the router words as the service does.
func refuse(fault wire.SignatureFault, detail string) error {
	return &wire.SignatureError{Fault: fault, Detail: detail}
}

// Verify implements wire.Verifier: AWS Signature Version 4 in the header or in
// the query. For S3 the body is checked against its hash while it is read; chunk
// signatures of streaming uploads are left to the S3 service.
func (s *Service) Verify(r *http.Request) (p wire.Principal, region, service string, err error) {
	switch {
	case oldPresigned(r):
		service, path := s.old(r)
		p, err := s.verifyOld(r, path)
		return p, "us-east-1", service, err // the signature names no region; it is from the time of one
	case formUpload(r):
		service, _ = s.old(r)
		p, region, err := s.verifyForm(r)
		return p, region, service, err
	case oldSignature(r):
		service, _ = s.old(r)
		return p, "", service, wire.Errorf(http.StatusBadRequest, "InvalidRequest", "The authorization mechanism you have provided is not supported. Please use %s.", algorithm)
	}
	sig, problem := readSignature(r)
	if problem != "" {
		return p, "", s.scopeHint(r), refuse(wire.IncompleteSignature, problem)
	}
	if sig == nil {
		if s.Signers != nil {
			service = s.Signers.Unsigned(r)
		}
		return p, "", service, refuse(wire.NoSignature, "")
	}
	region, service = sig.region, sig.service
	sig.stated = s.signing(service).Stated
	p, secret, err := s.credentials(sig)
	if err != nil {
		return p, region, service, err
	}
	if err := s.checkTime(sig); err != nil {
		return p, region, service, err
	}
	if name := unsigned(r, sig); sig.stated && name != "" {
		return p, region, service, refuse(wire.UnsignedHeader, name)
	}
	payload, err := payloadHash(r, sig)
	if err != nil {
		return p, region, service, err
	}
	if !sig.verify(r, secret, payload) {
		return wire.Principal{}, region, service, refuse(wire.WrongSignature, "")
	}
	if p.Role == "" && !p.Admin && p.Service == "" {
		s.noteUse(sig)
	}
	return p, region, service, nil
}

func (s *Service) signing(service string) wire.Signing {
	if s.Signers == nil {
		return wire.Signing{}
	}
	return s.Signers.Signing(service)
}

// old is the signing name of who takes old signatures, and the path that is signed.
func (s *Service) old(r *http.Request) (service, path string) {
	if s.Signers == nil {
		return "", r.URL.EscapedPath()
	}
	return s.Signers.Old(r)
}

// scopeHint names the service of a credential that cannot be read wholly, if it has
// words of its own for that.
func (s *Service) scopeHint(r *http.Request) string {
	text := r.Header.Get("Authorization") + "," + r.URL.Query().Get("X-Amz-Credential")
	before, _, _ := strings.Cut(text, "/aws4_request")
	if name := before[strings.LastIndexByte(before, '/')+1:]; s.signing(name).Stated {
		return name
	}
	return ""
}

// oldSignature recognises Signature Version 2 in a header, which S3 had before.
func oldSignature(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Authorization"), "AWS ")
}

// credentials finds the key and checks that it is still good.
func (s *Service) credentials(sig *signature) (wire.Principal, string, error) {
	if a, ok := s.accountOfKey(sig.accessKey); ok {
		if sig.token != "" {
			return wire.Principal{}, "", refuse(wire.UnknownKey, "")
		}
		return a.principal(wire.PartitionOf(sig.region)), a.Keys.SecretAccessKey, nil
	}
	if p, secret, ok, err := s.signer(sig); err != nil || ok {
		return p, secret, err
	}
	k, found, err := s.session(sig.accessKey)
	if err != nil {
		return wire.Principal{}, "", err
	}
	if !found || !hmacEqual(k.Token, sig.token) {
		return wire.Principal{}, "", refuse(wire.UnknownKey, "")
	}
	if !s.Clock.Now().Before(k.Expires) {
		return wire.Principal{}, "", refuse(wire.ExpiredToken, "")
	}
	return k.Principal, k.Secret, nil
}

func (s *Service) checkTime(sig *signature) error {
	now := s.Clock.Now()
	if sig.presigned {
		if now.After(sig.at.Add(sig.expires)) {
			return refuse(wire.ExpiredLink, "")
		}
		if sig.at.After(now.Add(maxSkew)) {
			return refuse(wire.SkewedTime, skewText("Signature not yet current: %s is still later than %s (%s + 15 min.)", sig.at, now.Add(maxSkew), now))
		}
		return nil
	}
	switch d := now.Sub(sig.at); {
	case d > maxSkew:
		return refuse(wire.SkewedTime, skewText("Signature expired: %s is now earlier than %s (%s - 15 min.)", sig.at, now.Add(-maxSkew), now))
	case d < -maxSkew:
		return refuse(wire.SkewedTime, skewText("Signature not yet current: %s is still later than %s (%s + 15 min.)", sig.at, now.Add(maxSkew), now))
	}
	return nil
}

func skewText(format string, at, limit, now time.Time) string {
	return fmt.Sprintf(format, at.Format(amzTime), limit.UTC().Format(amzTime), now.UTC().Format(amzTime))
}

// unsigned names a header that changes what an S3 request means and is not
// covered by its signature.
func unsigned(r *http.Request, sig *signature) string {
	for name := range r.Header {
		low := strings.ToLower(name)
		if strings.HasPrefix(low, "x-amz-") && low != "x-amz-user-agent" && !slices.Contains(sig.signedHeaders, low) {
			// A presigned upload may state its hash beside the URL.
			if sig.presigned && low == "x-amz-content-sha256" && r.Header.Get(name) == unsignedPayload {
				continue
			}
			return low
		}
	}
	return ""
}

var hexHash = lazyregexp.New(`^[0-9a-f]{64}$`)

// payloadHash is the last line of the canonical request. It leaves r.Body
// readable.
func payloadHash(r *http.Request, sig *signature) (string, error) {
	if sig.stated {
		return statedHash(r, sig)
	}
	if r.Body == nil || r.Body == http.NoBody {
		sum := sha256.Sum256(nil)
		return hex.EncodeToString(sum[:]), nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	var known *wire.Error
	if errors.As(err, &known) {
		return "", known
	}
	if err != nil {
		return "", wire.Errorf(http.StatusBadRequest, "RequestTimeout", "the request body could not be read: %s", err)
	}
	if len(body) > maxBody {
		return "", wire.Errorf(http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", "request is larger than %d bytes", maxBody)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:]), nil
}

func statedHash(r *http.Request, sig *signature) (string, error) {
	stated := r.Header.Get("X-Amz-Content-Sha256")
	if sig.presigned && stated == "" {
		stated = r.URL.Query().Get("X-Amz-Content-Sha256")
	}
	switch stated {
	case "":
		if sig.presigned {
			return unsignedPayload, nil
		}
		return "", wire.Errorf(http.StatusBadRequest, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
	case unsignedPayload, "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
		"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER":
		return stated, nil
	}
	if !hexHash.MatchString(stated) {
		return "", wire.Errorf(http.StatusBadRequest, "InvalidArgument",
			"x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "+
				"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.")
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &checkedBody{ReadCloser: r.Body, sum: sha256.New(), want: stated}
	} else if sum := sha256.Sum256(nil); stated != hex.EncodeToString(sum[:]) {
		return "", errPayload()
	}
	return stated, nil
}

// checkedBody fails at its end if the content is not what was signed.
type checkedBody struct {
	io.ReadCloser
	sum  hash.Hash
	want string
}

func (b *checkedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.sum.Write(p[:n])
	if errors.Is(err, io.EOF) && hex.EncodeToString(b.sum.Sum(nil)) != b.want {
		return n, errPayload()
	}
	return n, err
}

func errPayload() error {
	return wire.Errorf(http.StatusBadRequest, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
}
