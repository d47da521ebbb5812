package iam

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm       = "AWS4-HMAC-SHA256"
	amzTime         = "20060102T150405Z"
	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// signature is what a request says about its signature, in its Authorization
// header or, presigned, in its query.
type signature struct {
	stated                           bool // see wire.Signing
	accessKey, date, region, service string
	signedHeaders                    []string
	value                            string
	at                               time.Time
	token                            string
	presigned                        bool
	expires                          time.Duration // presigned only
}

func (s *signature) scope() string {
	return s.date + "/" + s.region + "/" + s.service + "/aws4_request"
}

// readSignature returns nil if the request has no signature, and a text if it
// has one that cannot be read.
func readSignature(r *http.Request) (sig *signature, problem string) {
	auth := r.Header.Get("Authorization")
	query := r.URL.Query()
	switch {
	case auth != "":
		rest, ok := strings.CutPrefix(auth, algorithm+" ")
		if !ok {
			return nil, "Unsupported authorization type; the sandbox takes " + algorithm
		}
		parts := map[string]string{}
		for part := range strings.SplitSeq(rest, ",") {
			k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
			parts[k] = v
		}
		for _, k := range []string{"Credential", "SignedHeaders", "Signature"} {
			if parts[k] == "" {
				return nil, "Authorization header requires '" + k + "' parameter. Authorization=" + algorithm
			}
		}
		sig = &signature{value: parts["Signature"], token: r.Header.Get("X-Amz-Security-Token")}
		at := r.Header.Get("X-Amz-Date")
		problem = sig.read(parts["Credential"], parts["SignedHeaders"], at)
		if at == "" {
			problem = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
		}
	case query.Has("X-Amz-Signature") || query.Has("X-Amz-Credential"):
		if query.Get("X-Amz-Algorithm") != algorithm {
			return nil, "X-Amz-Algorithm only supports \"" + algorithm + "\""
		}
		sig = &signature{presigned: true, value: query.Get("X-Amz-Signature"), token: query.Get("X-Amz-Security-Token")}
		problem = sig.read(query.Get("X-Amz-Credential"), query.Get("X-Amz-SignedHeaders"), query.Get("X-Amz-Date"))
		if problem == "" {
			problem = sig.readExpiry(query.Get("X-Amz-Expires"))
		}
	}
	if problem != "" {
		return nil, problem
	}
	return sig, ""
}

// readCredential reads whose key, and for what, a signature says that it is by.
func (s *signature) readCredential(credential string) (problem string) {
	parts := strings.Split(credential, "/")
	if len(parts) < 5 || parts[len(parts)-1] != "aws4_request" {
		return "Credential must have at least 5 slash-delimited elements and end in aws4_request, got '" + credential + "'"
	}
	n := len(parts)
	s.accessKey = strings.Join(parts[:n-4], "/")
	s.date, s.region, s.service = parts[n-4], parts[n-3], parts[n-2]
	return ""
}

func (s *signature) read(credential, headers, at string) string {
	if problem := s.readCredential(credential); problem != "" {
		return problem
	}
	s.signedHeaders = strings.Split(headers, ";")
	var err error
	if s.at, err = time.Parse(amzTime, at); err != nil {
		return "Date must be in ISO-8601 'basic format'. Got '" + at + "'."
	}
	if s.at.Format("20060102") != s.date {
		return "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" + s.date + "' != '" + s.at.Format("20060102") + "'"
	}
	if !slices.Contains(s.signedHeaders, "host") {
		return "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
	}
	if s.value == "" {
		return "Authorization requires 'Signature' parameter"
	}
	return ""
}

// readExpiry takes 1 second to 7 days; services other than S3 leave it out and
// mean 15 minutes.
func (s *signature) readExpiry(text string) string {
	if text == "" {
		s.expires = maxSkew
		return ""
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 604800 {
		return "X-Amz-Expires must be a number between 1 and 604800"
	}
	s.expires = time.Duration(n) * time.Second
	return ""
}

// verify recomputes the signature.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func (s *signature) verify(r *http.Request, secret, payloadHash string) bool {
	request := sha256.Sum256([]byte(s.canonical(r, payloadHash)))
	toSign := strings.Join([]string{algorithm, s.at.Format(amzTime), s.scope(), hex.EncodeToString(request[:])}, "\n")
	want := hex.EncodeToString(mac(s.key(secret), toSign))
	return hmac.Equal([]byte(want), []byte(s.value))
}

// key is what the secret signs with on that day, in that region, for that service.
func (s *signature) key(secret string) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.date, s.region, s.service, "aws4_request"} {
		key = mac(key, part)
	}
	return key
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func (s *signature) canonical(r *http.Request, payloadHash string) string {
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	// Services encode the path, which is encoded already, once more, but for those whose
	// requests state their payload.
	if !s.stated {
		path = escape(path, true)
	}
	var headers strings.Builder
	for _, name := range s.signedHeaders {
		headers.WriteString(name + ":" + headerValue(r, name) + "\n")
	}
	return strings.Join([]string{
		r.Method, path, s.canonicalQuery(r.URL.RawQuery), headers.String(),
		strings.Join(s.signedHeaders, ";"), payloadHash,
	}, "\n")
}

func (s *signature) canonicalQuery(raw string) string {
	var pairs [][2]string
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		k, v, _ := strings.Cut(pair, "=")
		if s.presigned && k == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, [2]string{reescape(k), reescape(v)})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int {
		return cmp.Or(strings.Compare(a[0], b[0]), strings.Compare(a[1], b[1]))
	})
	var out strings.Builder
	for i, p := range pairs {
		if i > 0 {
			out.WriteByte('&')
		}
		out.WriteString(p[0] + "=" + p[1])
	}
	return out.String()
}

// reescape brings a part of the query into the one form that is signed.
func reescape(s string) string {
	plain, err := url.QueryUnescape(s)
	if err != nil {
		plain = s
	}
	return escape(plain, false)
}

// escape is AWS's UriEncode: all but the unreserved characters, upper-case hex.
func escape(s string, keepSlash bool) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(s))
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == '/' && keepSlash:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}

// headerValue undoes what net/http does to headers on their way in: it takes
// Host, Content-Length and Transfer-Encoding out of the map.
func headerValue(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	case "transfer-encoding":
		return strings.Join(r.TransferEncoding, ",")
	}
	values := r.Header.Values(name)
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = strings.Join(strings.FieldsFunc(v, func(c rune) bool { return c == ' ' }), " ")
	}
	return strings.Join(out, ",")
}
