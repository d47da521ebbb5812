package fault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"strings"
)

// OfNetwork tells whether an error is one of the way to a server: a name that nobody knows, a
// connection that is refused, cut or gives no answer, a certificate, a proxy. What a server
// has said, and an end that was asked for, are none.
func OfNetwork(err error) bool {
	var name *net.DNSError
	var op *net.OpError
	var verified *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var certificate x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var request *url.Error
	switch {
	case errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &op):
		return op.Op != "listen" && op.Op != "accept"
	case errors.As(err, &name), errors.As(err, &verified), errors.As(err, &authority), errors.As(err, &host), errors.As(err, &certificate),
		errors.As(err, &record), errors.As(err, &alert):
		return true
	case errors.Is(err, context.DeadlineExceeded):
		return false // of ours
	}
	// Of what a proxy has said there is a text only.
	return errors.As(err, &request) && request.Op != "parse" && !strings.Contains(request.Err.Error(), "unsupported protocol scheme")
}
