package iam

import (
	"crypto/hmac"
	"crypto/sha1" // what the old signature is made with
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Uploads by a form (presigned POST): the fields hold a policy and a signature over
// it, by which a browser without keys may put one object
// (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html).

// maxForm bounds what comes before the file
// (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTForms.html).
const maxForm = 20_000

// formUpload recognises one.
func formUpload(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	q := r.URL.Query()
	return err == nil && kind == "multipart/form-data" && r.Method == http.MethodPost &&
		r.Header.Get("Authorization") == "" && !q.Has("X-Amz-Signature") && !oldPresigned(r)
}

// verifyForm returns who signed the form's policy, and the region of the signature.
// Afterwards r.MultipartForm has the fields, by their names in lower case, and the
// file's header; r.Body is the file's content. What the policy demands is for S3 to
// check.
func (s *Service) verifyForm(r *http.Request) (wire.Principal, string, error) {
	form, file, err := readForm(r)
	if err != nil {
		return wire.Principal{}, "", err
	}
	r.MultipartForm = form
	r.Body = struct {
		io.Reader
		io.Closer
	}{file, r.Body}
	r.ContentLength = -1
	field := func(name string) string { return strings.Join(form.Value[name], ",") }
	text := field("policy")
	if text == "" {
		return wire.Principal{}, "", refuse(wire.NoSignature, "") // nobody in particular, and no bucket here is public
	}
	if key := field("awsaccesskeyid"); key != "" {
		p, secret, err := s.credentials(&signature{accessKey: key, token: field("x-amz-security-token")})
		if err != nil {
			return p, "", err
		}
		h := hmac.New(sha1.New, []byte(secret))
		h.Write([]byte(text))
		if !hmacEqual(base64.StdEncoding.EncodeToString(h.Sum(nil)), field("signature")) {
			return wire.Principal{}, "", refuse(wire.WrongSignature, "")
		}
		return p, "us-east-1", nil
	}
	sig := &signature{token: field("x-amz-security-token")}
	if problem := sig.readCredential(field("x-amz-credential")); problem != "" || field("x-amz-algorithm") != algorithm {
		return wire.Principal{}, "", wire.Errorf(http.StatusBadRequest, "InvalidArgument",
			"Bucket POST must contain a field named 'x-amz-algorithm' of the value %s and one named 'x-amz-credential'. %s", algorithm, problem)
	}
	p, secret, err := s.credentials(sig)
	if err != nil {
		return p, sig.region, err
	}
	if !hmacEqual(hex.EncodeToString(mac(sig.key(secret), text)), field("x-amz-signature")) {
		return wire.Principal{}, sig.region, refuse(wire.WrongSignature, "")
	}
	return p, sig.region, nil
}

// readForm reads the fields up to the file, which is the last one that counts.
func readForm(r *http.Request) (*multipart.Form, io.Reader, error) {
	malformed := wire.Errorf(http.StatusBadRequest, "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, nil, malformed
	}
	form := &multipart.Form{Value: map[string][]string{}, File: map[string][]*multipart.FileHeader{}}
	for size := 0; ; {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil, nil, wire.Errorf(http.StatusBadRequest, "InvalidArgument", "POST requires exactly one file upload per request.")
		}
		if err != nil {
			return nil, nil, malformed
		}
		name := strings.ToLower(part.FormName())
		if name == "file" {
			form.File[name] = []*multipart.FileHeader{{Filename: part.FileName(), Header: part.Header}}
			return form, part, nil
		}
		value, err := io.ReadAll(io.LimitReader(part, maxForm+1))
		if err != nil {
			return nil, nil, malformed
		}
		if size += len(name) + len(value); size > maxForm {
			return nil, nil, wire.Errorf(http.StatusBadRequest, "MaxPostPreDataLengthExceeded", "Your POST request fields preceding the upload file were too large.")
		}
		form.Value[name] = append(form.Value[name], string(value))
	}
}
