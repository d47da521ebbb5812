package wire

import (
	"errors"
	"net/http"
)

// Refusals are how a service words what every service refuses. They are data of its
// entry; complete gives those of the protocol.
type Refusals struct {
	// Denied has the status and the codes of who may not.
	Denied *Error
	// Throttled is the whole answer to who comes too fast.
	Throttled *Error
	// Signature words what is wrong with a signature.
	Signature func(*SignatureError) *Error
}

// Refusals are those of the services of a protocol.
func (p Protocol) Refusals() Refusals {
	switch p {
	case Query:
		return Refusals{&Error{Status: http.StatusForbidden, Code: "AccessDenied"}, Errorf(http.StatusBadRequest, "Throttling", "Rate exceeded"), querySignature}
	case RESTXML:
		return Refusals{&Error{Status: http.StatusForbidden, Code: "AccessDenied"}, Errorf(http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate."), xmlSignature}
	}
	return Refusals{
		&Error{Status: http.StatusBadRequest, Code: "AccessDeniedException"},
		Errorf(http.StatusBadRequest, "ThrottlingException", "Rate exceeded"), JSONSignature(http.StatusBadRequest),
	}
}

// or fills in what is not given.
func (r Refusals) or(standard Refusals) Refusals {
	if r.Denied == nil {
		r.Denied = standard.Denied
	}
	if r.Throttled == nil {
		r.Throttled = standard.Throttled
	}
	if r.Signature == nil {
		r.Signature = standard.Signature
	}
	return r
}

// Error words a refusal as the service does; other errors are as AsError has them.
func (r Refusals) Error(err error) *Error {
	var denied *DeniedError
	var signature *SignatureError
	switch {
	case errors.As(err, &denied):
		e := *r.Denied
		e.Message = denied.Error()
		return &e
	case errors.As(err, &signature):
		return r.Signature(signature)
	}
	return AsError(err)
}

// DeniedError says that a caller may not do something. The service that was asked
// words it at its edge; what decides looks at the fields.
type DeniedError struct {
	Principal        Principal
	Action, Resource string
	// Because is the end of the sentence; "" where AWS tells no reason.
	Because string
	// Text is the whole sentence, where AWS says another.
	Text string
	// Explicit: a Deny statement, which nothing overrides.
	Explicit bool
	// Boundary: the permissions boundary or the session's policies do not allow the
	// action.
	Boundary bool
}

// Error is AWS's sentence.
func (e *DeniedError) Error() string {
	if e.Text != "" {
		return e.Text
	}
	who := e.Principal.ARN
	if who == "" {
		who = e.Principal.Service
	}
	text := "User: " + who + " is not authorized to perform: " + e.Action
	if e.Resource != "" && e.Resource != "*" {
		text += " on resource: " + e.Resource
	}
	if e.Because != "" {
		text += " " + e.Because
	}
	return text
}

// NoPolicy is the refusal for want of an Allow in a policy of a kind ("identity-based").
func NoPolicy(p Principal, action, resource, kind string) *DeniedError {
	return &DeniedError{Principal: p, Action: action, Resource: resource, Because: "because no " + kind + " policy allows the " + action + " action"}
}

// SignatureFault is what can be wrong with a signature.
type SignatureFault int

// The faults. Incomplete, Unsigned and Skewed have a detail.
const (
	NoSignature SignatureFault = iota
	IncompleteSignature
	UnknownKey
	WrongSignature
	ExpiredToken
	SkewedTime
	ExpiredLink
	UnsignedHeader
)

// SignatureError is a refused signature. Services word it in three ways.
type SignatureError struct {
	Fault  SignatureFault
	Detail string
}

// Error is the wording of JSON services.
func (e *SignatureError) Error() string { return JSONSignature(http.StatusBadRequest)(e).Error() }

const (
	textInvalidToken = "The security token included in the request is invalid."
	textExpiredToken = "The security token included in the request is expired"
	textMismatch     = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing " +
		"method. Consult the service documentation for details."
)

// JSONSignature is the wording of JSON services, with the status that a service has for
// them.
func JSONSignature(status int) func(*SignatureError) *Error {
	return func(e *SignatureError) *Error {
		switch e.Fault {
		case NoSignature:
			return Errorf(http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token")
		case IncompleteSignature, UnsignedHeader:
			return Errorf(status, "IncompleteSignatureException", "%s", e.Detail)
		case UnknownKey:
			return Errorf(status, "UnrecognizedClientException", textInvalidToken)
		case ExpiredToken:
			return Errorf(status, "ExpiredTokenException", textExpiredToken)
		case SkewedTime:
			return Errorf(status, "InvalidSignatureException", "%s", e.Detail)
		case ExpiredLink:
			return Errorf(status, "RequestExpired", "Request has expired.")
		default:
			return Errorf(status, "InvalidSignatureException", textMismatch)
		}
	}
}

func querySignature(e *SignatureError) *Error {
	switch e.Fault {
	case NoSignature:
		return Errorf(http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token")
	case IncompleteSignature, UnsignedHeader:
		return Errorf(http.StatusForbidden, "IncompleteSignature", "%s", e.Detail)
	case UnknownKey:
		return Errorf(http.StatusForbidden, "InvalidClientTokenId", textInvalidToken)
	case ExpiredToken:
		return Errorf(http.StatusForbidden, "ExpiredToken", textExpiredToken)
	case SkewedTime:
		return Errorf(http.StatusForbidden, "SignatureDoesNotMatch", "%s", e.Detail)
	case ExpiredLink:
		return Errorf(http.StatusForbidden, "RequestExpired", "Request has expired.")
	default:
		return Errorf(http.StatusForbidden, "SignatureDoesNotMatch", textMismatch)
	}
}

func xmlSignature(e *SignatureError) *Error {
	switch e.Fault {
	case NoSignature:
		return Errorf(http.StatusForbidden, "AccessDenied", "Access Denied")
	case IncompleteSignature:
		return Errorf(http.StatusBadRequest, "AuthorizationHeaderMalformed", "The authorization header is malformed; %s", e.Detail)
	case UnsignedHeader:
		out := Errorf(http.StatusForbidden, "AccessDenied", "There were headers present in the request which were not signed")
		out.Fields = map[string]any{"HeadersNotSigned": e.Detail}
		return out
	case UnknownKey:
		return Errorf(http.StatusForbidden, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
	case ExpiredToken:
		return Errorf(http.StatusBadRequest, "ExpiredToken", "The provided token has expired.")
	case SkewedTime:
		return Errorf(http.StatusForbidden, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
	case ExpiredLink:
		return Errorf(http.StatusForbidden, "AccessDenied", "Request has expired")
	default:
		return Errorf(http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	}
}
