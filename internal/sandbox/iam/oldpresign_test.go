package iam

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// The key, the time and the signature of Amazon's own example of query string
// authentication: GET /johnsmith/photos/puppy.jpg, expiring at 1175139620
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html).
func TestOldPresignedURL(t *testing.T) {
	t.Parallel()
	const link = "http://127.0.0.1/johnsmith/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1175139620&Signature="
	ask := func(url string, now int64) error {
		db, err := store.Open(filepath.Join(t.TempDir(), "db"))
		require.NoError(t, err)
		t.Cleanup(func() { _ = db.Close() })
		signers := wire.NewRouter(nil, nil)
		signers.Register(wire.Service{ID: "s3", Signing: wire.Signing{Stated: true, Old: true}})
		s, err := New(Config{
			Signers: signers,
			DB:      db, Clock: clock.NewFake(time.Unix(now, 0)), Home: "000000000000",
			Admin: wire.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
		})
		require.NoError(t, err)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		require.NoError(t, err)
		_, _, service, err := s.Verify(r)
		require.Equal(t, "s3", service)
		if err == nil {
			return nil
		}
		return wire.RESTXML.Refusals().Error(err)
	}
	good := link + "NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D"
	require.NoError(t, ask(good, 1175139610))
	require.Equal(t, "AccessDenied: Request has expired", ask(good, 1175139621).Error())
	require.ErrorContains(t, ask(link+"AAAA", 1175139610), "SignatureDoesNotMatch")
	require.ErrorContains(t, ask(good+"&versionId=3", 1175139610), "SignatureDoesNotMatch", "a subresource is signed")
}

// A type that was signed has to be sent: that it is in the link's query, where boto3 puts
// it, does not count (https://github.com/boto/boto3/issues/2501).
func TestOldPresignedURLWithAType(t *testing.T) {
	t.Parallel()
	secret := "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	h := hmac.New(sha1.New, []byte(secret))
	h.Write([]byte("PUT\n\nimage/png\n1175139620\n/johnsmith/a.png"))
	link := "/johnsmith/a.png?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&content-type=image%2Fpng&Expires=1175139620&Signature=" +
		url.QueryEscape(base64.StdEncoding.EncodeToString(h.Sum(nil)))
	db, err := store.Open(filepath.Join(t.TempDir(), "db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	signers := wire.NewRouter(nil, nil)
	signers.Register(wire.Service{ID: "s3", Signing: wire.Signing{Stated: true, Old: true}})
	s, err := New(Config{
		Signers: signers, DB: db, Clock: clock.NewFake(time.Unix(1175139610, 0)), Home: "000000000000",
		Admin: wire.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: secret},
	})
	require.NoError(t, err)
	for kind, good := range map[string]bool{"image/png": true, "": false, "text/plain": false} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://127.0.0.1"+link, nil)
		require.NoError(t, err)
		r.Header.Set("Content-Type", kind)
		_, _, _, err = s.Verify(r)
		require.Equal(t, good, err == nil, kind)
	}
}

// The path that is signed is the service's: one that has the bucket in the host's name.
func TestOldPresignedURLOfAHost(t *testing.T) {
	t.Parallel()
	signers := wire.NewRouter(nil, nil)
	signers.Register(wire.Service{ID: "s3", Signing: wire.Signing{Stated: true, Old: true}, Path: func(h *http.Request) string { return "/johnsmith" + h.URL.EscapedPath() }})
	db, err := store.Open(filepath.Join(t.TempDir(), "db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	s, err := New(Config{
		Signers: signers,
		DB:      db, Clock: clock.NewFake(time.Unix(1175139610, 0)), Home: "000000000000",
		Admin: wire.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
	})
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		"http://johnsmith.any/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1175139620&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D", nil)
	require.NoError(t, err)
	_, _, service, err := s.Verify(r)
	require.NoError(t, err)
	require.Equal(t, "s3", service)
}

// Whose request an unsigned one is, is told by the bindings of the services that there are.
func TestUnsignedRequestsAreOfWhomTheyMean(t *testing.T) {
	t.Parallel()
	signers := wire.NewRouter(nil, nil)
	signers.Register(wire.Service{ID: "s3", Signing: wire.Signing{Stated: true, Old: true}})
	signers.Register(wire.Service{ID: "lambda"})
	s := &Service{Config: Config{Signers: signers}}
	for url, want := range map[string]string{"/": "s3", "/bucket/key": "s3", "/2015-03-31/functions": "", "/2015-03-31/functions/fn": "", "/2015-report/key": "s3"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1"+url, nil)
		require.NoError(t, err)
		_, _, service, err := s.Verify(r)
		require.Error(t, err)
		require.Equal(t, want, service, url)
	}
}
