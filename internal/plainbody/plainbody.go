// Package plainbody keeps replies to the AWS SDK from being cut off.
//
// smithy-go v1.28.8 closes a request's body as soon as there is a reply. If that comes before
// net/http has looked for the body's end, WriteTo of the closed body answers io.EOF, which
// net/http takes for a failed write, and closes the connection while the reply is still being
// read ("use of closed network connection", in about one of twelve large replies of a busy
// server). Without a WriteTo it is read as any other body is.
//
// It imports nothing of this module.
package plainbody

import (
	"io"
	"net/http"
)

// Client hides the WriteTo of the bodies that it sends.
type Client struct {
	Next interface {
		Do(r *http.Request) (*http.Response, error)
	}
}

// Do implements aws.HTTPClient.
func (c Client) Do(r *http.Request) (*http.Response, error) { return c.Next.Do(plain(r)) }

// Transport is Client for who needs a transport.
type Transport struct{ Next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	return t.Next.RoundTrip(plain(r))
}

func plain(r *http.Request) *http.Request {
	if r.Body == nil || r.Body == http.NoBody {
		return r
	}
	r = r.Clone(r.Context())
	r.Body = struct{ io.ReadCloser }{r.Body}
	return r
}
