// Package fetch downloads large files: it tells how far it is, goes on where it was cut
// off, and checks what it has got. Proxies (HTTPS_PROXY, NO_PROXY) and certificates
// (SSL_CERT_FILE, SSL_CERT_DIR) are those of Go's own HTTP client.
package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// attempts is how often a download may come no further than it has been before it is given
// up.
const attempts = 3

// headLimit is how long a server may take to begin its answer, gapLimit how long nothing
// may come of it.
const (
	headLimit = 30 * time.Second
	gapLimit  = time.Minute
)

// maxText bounds what Text reads: lists of checksums have some kilobytes.
const maxText = 1 << 20

var errLarge = fmt.Errorf("it is larger than %d bytes", maxText)

// Progress is told how many bytes are there and how many there will be, 0 if the server
// did not say. It is called from the goroutine of File, at most every tenth of a second
// and once at the end.
type Progress func(done, total int64)

// Request is a file to download.
type Request struct {
	URL string
	// Path is where it goes. Meanwhile it is Path + ".part", which stays when the download
	// is cut off: the next one goes on from there if the server says that the file is the
	// same (RFC 9110, section 14: Range, If-Range).
	Path string
	// SHA256 is what the file must have, in hexadecimal digits; "" accepts any.
	SHA256   string
	Progress Progress
	// Pause waits before another attempt; nil is a second.
	Pause func(context.Context)
}

// File downloads a file and returns its SHA-256. It is not for two downloads of one Path
// at a time. Errors are Canceled, NotFound (the server has no such file), Unreachable (there is no
// way to it, or it has none to the file) or Internal; they
// name the URL without user and password.
func File(ctx context.Context, r Request) (sum string, err error) {
	part := r.Path + ".part"
	if err := os.MkdirAll(filepath.Dir(r.Path), 0o700); err != nil {
		return "", fault.Wrap(err, "make the folder of %s", r.Path)
	}
	if r.Pause == nil {
		r.Pause = pauseSecond
	}
	idle, furthest := 0, int64(0)
	for {
		reached, err := attempt(ctx, r, part)
		switch {
		case err == nil:
			return finish(r, part)
		case ctx.Err() != nil:
			return "", stopped(ctx, r.URL).WithHint("What is there stays: the next attempt goes on from it.")
		case final(err):
			return "", err
		}
		// A server that gives all of it each time, and cuts it, brings something and nothing new.
		if idle++; reached > furthest {
			idle, furthest = 0, reached
		}
		if idle >= attempts {
			return "", fault.New(kindOf(err), "download %s: %s", Safe(r.URL), reason(err)).Because(err).
				WithHint("Check the network and HTTPS_PROXY. What is there stays: the next attempt goes on from it.")
		}
		r.Pause(ctx)
	}
}

// stopped is the error of a download whose context has ended.
func stopped(ctx context.Context, address string) *fault.Error {
	return fault.New(fault.Canceled, "the download of %s was stopped", Safe(address)).Because(ctx.Err())
}

func pauseSecond(ctx context.Context) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// final tells whether another attempt would end alike.
func final(err error) bool {
	var fe *fault.Error
	return errors.As(err, &fe)
}

// attempt asks once, from the end of what is there, and returns up to which byte there is
// something if any came, else 0.
func attempt(ctx context.Context, r Request, part string) (reached int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(headLimit, func() { cancel(errors.New("the server says nothing")) })
	defer quiet.Stop()
	have, validator := kept(part)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL, nil)
	if err != nil {
		return 0, fault.New(fault.Invalid, "%s is no address of a download", Safe(r.URL)).Because(err)
	}
	if have > 0 {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(have, 10)+"-")
		req.Header.Set("If-Range", validator)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, cause(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case http.StatusOK:
		have = 0
	case http.StatusPartialContent:
	case http.StatusRequestedRangeNotSatisfiable:
		forget(part) // it has become shorter: from the beginning
		return 0, errors.New("the file at the server is another one")
	default:
		return 0, refused(r.URL, resp)
	}
	if err := remember(part, resp.Header); err != nil {
		return 0, err
	}
	got, err := receive(ctx, quiet, r, part, have, resp)
	if got == 0 {
		return 0, err
	}
	return have + got, err
}

// receive writes what comes behind the first have bytes of part, and returns how much.
func receive(ctx context.Context, quiet *time.Timer, r Request, part string, have int64, resp *http.Response) (int64, error) {
	f, err := wholefile.Open(part, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, fault.Wrap(err, "write %s", part)
	}
	defer func() { _ = f.Close() }()
	if err := f.Truncate(have); err != nil {
		return 0, fault.Wrap(err, "write %s", part)
	}
	if _, err := f.Seek(have, io.SeekStart); err != nil {
		return 0, fault.Wrap(err, "write %s", part)
	}
	var total int64
	if resp.ContentLength > 0 {
		total = have + resp.ContentLength
	}
	told := time.Time{}
	tell := func(done int64, force bool) {
		if now := time.Now(); r.Progress != nil && (force || now.Sub(told) >= 100*time.Millisecond) {
			told = now
			r.Progress(done, total)
		}
	}
	buf, got := make([]byte, 256<<10), int64(0)
	for {
		quiet.Reset(gapLimit)
		n, err := resp.Body.Read(buf)
		if n > 0 {
			if _, werr := f.Write(buf[:n]); werr != nil {
				return got, fault.New(fault.Internal, "write %s: %s", part, fault.Reason(werr)).Because(werr).
					WithHint("Make room on the disk: the next attempt goes on from what is there.")
			}
			got += int64(n)
			tell(have+got, false)
		}
		switch {
		case errors.Is(err, io.EOF):
			tell(have+got, true)
			return got, f.Close()
		case err != nil:
			return got, cause(ctx, err)
		}
	}
}

// finish checks what is there, and gives it its name.
func finish(r Request, part string) (string, error) {
	sum, err := Sum(part)
	if err != nil {
		return "", err
	}
	if r.SHA256 != "" && !strings.EqualFold(sum, r.SHA256) {
		forget(part)
		return "", fault.New(fault.Internal, "%s has the SHA-256 %s, but it must be %s", Safe(r.URL), sum, strings.ToLower(r.SHA256)).
			WithHint("Somebody changed the file, or the proxy answered in its place. It was deleted; try again or another mirror.")
	}
	if err := os.Rename(part, r.Path); err != nil {
		return "", fault.Wrap(err, "rename %s", part)
	}
	forget(part)
	return sum, nil
}

// Sum is the SHA-256 of a file in hexadecimal digits.
func Sum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fault.Wrap(err, "read %s", path)
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fault.Wrap(err, "read %s", path)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Text downloads a small text, such as a list of checksums. Errors are as those of File.
func Text(ctx context.Context, address string) (string, error) {
	bounded, cancel := context.WithTimeout(ctx, headLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(bounded, http.MethodGet, address, nil)
	if err != nil {
		return "", fault.New(fault.Invalid, "%s is no address of a download", Safe(address)).Because(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusOK {
			if err = refused(address, resp); final(err) {
				return "", err
			}
		}
		var raw []byte
		if err != nil {
			return "", fault.New(kindOf(err), "download %s: %s", Safe(address), err).Because(err).WithHint("Check the network and HTTPS_PROXY.")
		}
		if raw, err = io.ReadAll(io.LimitReader(resp.Body, maxText+1)); err == nil && len(raw) > maxText {
			err = errLarge
		}
		if err == nil {
			return string(raw), nil
		}
	}
	if ctx.Err() != nil {
		return "", stopped(ctx, address)
	}
	return "", fault.New(kindOf(err), "download %s: %s", Safe(address), reason(err)).Because(err).
		WithHint("Check the network and HTTPS_PROXY.")
}

// SumOf finds a file's SHA-256 in a list as sha256sum writes it, "" if it is not there.
func SumOf(list, file string) string {
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		if len(fields) == 2 && strings.TrimPrefix(fields[1], "*") == file && len(fields[0]) == hex.EncodedLen(sha256.Size) {
			return fields[0]
		}
	}
	return ""
}

// Safe is an address without what is secret in it: user, password, query.
func Safe(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an address that is none"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// answerError is an answer that is no file, and may be another one the next time.
type answerError struct {
	code   int
	status string
}

func (e *answerError) Error() string { return "the server answers " + e.status }

// kindOf is what kind of error ended a download: that there is no way to the server is also
// what those between say.
func kindOf(err error) fault.Kind {
	var answer *answerError
	switch {
	case errors.Is(err, errLarge):
		return fault.Internal
	case errors.As(err, &answer) && answer.code != http.StatusBadGateway && answer.code != http.StatusServiceUnavailable && answer.code != http.StatusGatewayTimeout:
		return fault.Internal
	}
	return fault.Unreachable
}

func refused(address string, resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusForbidden, http.StatusGone:
		return fault.New(fault.NotFound, "%s is not there: the server answers %s", Safe(address), resp.Status).
			WithHint("Check the mirror, if one is set, and that it has this version for this system.")
	case http.StatusProxyAuthRequired, http.StatusUnauthorized:
		return fault.New(fault.NotFound, "%s is refused: the server answers %s", Safe(address), resp.Status).
			WithHint("Give user and password in HTTPS_PROXY, or in the mirror's address.")
	default:
		return &answerError{resp.StatusCode, resp.Status}
	}
}

// reason is an error without the address, which http puts in front.
func reason(err error) string {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return fault.Reason(err).Error()
}

// cause is why the request's own context ended, if it did.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil && !errors.Is(c, context.Canceled) {
		return c
	}
	return err
}

// kept is what an earlier download left: its length, and what says that the server's file
// is still the same. Without the latter it counts as nothing.
func kept(part string) (have int64, validator string) {
	raw, err := wholefile.Read(part + ".same")
	if err != nil || len(raw) == 0 {
		return 0, ""
	}
	info, err := os.Stat(part)
	if err != nil || !info.Mode().IsRegular() {
		return 0, ""
	}
	return info.Size(), string(raw)
}

// remember keeps a strong validator of the file (RFC 9110, section 13.1.5); without one the
// next download begins anew.
func remember(part string, h http.Header) error {
	validator := h.Get("ETag")
	if strings.HasPrefix(validator, "W/") || validator == "" {
		validator = h.Get("Last-Modified")
	}
	if validator == "" || h.Get("Accept-Ranges") == "none" {
		_ = os.Remove(part + ".same")
		return nil
	}
	if err := wholefile.WriteFile(part+".same", []byte(validator), 0o600); err != nil {
		return fault.Wrap(err, "write %s", part+".same")
	}
	return nil
}

// forget removes what an unfinished download left.
func forget(part string) {
	_ = os.Remove(part)
	_ = os.Remove(part + ".same")
}
