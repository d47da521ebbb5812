package executions

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
)

const (
	throttleTries  = 12
	transientTries = 5
	backoffBase    = 200 * time.Millisecond
	backoffMax     = 20 * time.Second
	// outage is how long a watch or a launch, which may go on for hours, waits for a network
	// that has worked before: one that changes its Wi-Fi or its VPN is away for a minute. So
	// long it also asks again where AWS throttles one of its calls: others of the account
	// share the quota.
	outage = 5 * time.Minute
)

type patienceKey struct{}

// patiently marks calls that belong to something long, which is not to end because the network
// was away for a while.
func patiently(ctx context.Context) context.Context {
	return context.WithValue(ctx, patienceKey{}, true)
}

func isPatient(ctx context.Context) bool { return ctx.Value(patienceKey{}) != nil }

// call makes one API call within the limits and retries throttling and passing
// faults with full jitter. The error is a *fault.Error; unclear says that an
// attempt had no clear answer, so that it may have had its effect.
func call[T any](ctx context.Context, c *Client, op operation, fn func(context.Context) (T, error)) (out T, unclear bool, err error) {
	lim := c.limits.of(op)
	throttles, transients := 0, 0
	var away, refused time.Time // since when nobody answers, and since when AWS throttles this call
	for {
		if err := lim.wait(ctx); err != nil {
			return out, unclear, ctxFault(op, err)
		}
		out, err = fn(ctx)
		if err == nil {
			lim.ok(ctx)
			c.answered.Store(true)
			return out, unclear, nil
		}
		if ctx.Err() != nil { // it was on its way
			return out, unclear || codeOf(err) == "", ctxFault(op, ctx.Err())
		}
		var tries int
		switch {
		case isThrottle(err):
			lim.throttled(ctx)
			if refused.IsZero() {
				refused = c.cfg.Clock.Now()
			}
			// What goes on for long does not end because this call was the unlucky one.
			if throttles++; throttles >= throttleTries && (!isPatient(ctx) || c.cfg.Clock.Now().Sub(refused) >= outage) {
				return out, unclear, classify(op, err)
			}
			tries = throttles
		case isTransient(err) || c.isOutage(ctx, err):
			unclear = true
			if away.IsZero() {
				away = c.cfg.Clock.Now()
			}
			if transients++; transients >= transientTries && (!c.isOutage(ctx, err) || c.cfg.Clock.Now().Sub(away) >= outage) {
				return out, unclear, classify(op, err)
			}
			tries = transients
		default:
			return out, unclear, classify(op, err)
		}
		c.cfg.Log.Debug("retry api call", "operation", string(op), "try", tries, "error", err.Error())
		if err := clock.Sleep(ctx, c.cfg.Clock, backoff(tries)); err != nil {
			return out, unclear, ctxFault(op, err)
		}
	}
}

// isOutage tells that the network is away, of a client that has been answered before, in a call
// that can wait for it. Where this machine itself refuses, nobody will listen again: that is a
// sandbox which has ended.
func (c *Client) isOutage(ctx context.Context, err error) bool {
	if !isPatient(ctx) || !c.answered.Load() {
		return false
	}
	var dns *net.DNSError
	return errors.As(err, &dns) || isNetwork(err) && !(isRefused(err) && isLocal(err))
}

// isLocal tells that it was this machine that was asked.
func isLocal(err error) bool {
	var op *net.OpError
	if !errors.As(err, &op) {
		return false
	}
	addr, ok := op.Addr.(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}

// backoff is a random time up to base*2^(try-1), not less than half the base.
func backoff(try int) time.Duration {
	limit := min(backoffMax, backoffBase<<min(try-1, 16)) // a long outage is many tries
	return backoffBase/2 + rand.N(limit)                  // jitter needs no secrecy
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func isThrottle(err error) bool {
	switch codeOf(err) {
	case "ThrottlingException", "Throttling", "ThrottledException", "RequestLimitExceeded", "TooManyRequestsException", "RequestThrottled", "SlowDown":
		return true
	}
	return statusOf(err) == 429
}

func statusOf(err error) int {
	var re *smithyhttp.ResponseError
	if errors.As(err, &re) {
		return re.HTTPStatusCode()
	}
	return 0
}

// isTransient tells faults that pass: the server's own, and a connection that
// broke. A refused connection is not one: nothing listens there.
func isTransient(err error) bool {
	if s := statusOf(err); s >= 500 && s != 501 {
		return true
	}
	switch codeOf(err) {
	case "InternalFailure", "InternalServerError", "ServiceUnavailable", "RequestTimeout", "RequestTimeoutException":
		return true
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return dns.IsTemporary || dns.IsTimeout
	}
	return isNetwork(err) && !isRefused(err)
}

func isNetwork(err error) bool {
	var op *net.OpError
	var send *smithyhttp.RequestSendError
	return errors.As(err, &op) || errors.As(err, &send)
}

func isRefused(err error) bool { return errors.Is(err, errRefused) }

func ctxFault(op operation, err error) error {
	kind := fault.KindOf(err)
	msg := "cancelled"
	if kind == fault.Timeout {
		msg = "timed out"
	}
	return &fault.Error{Kind: kind, Op: string(op), Msg: msg, Err: err}
}
