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
)

// call makes one API call within the limits and retries throttling and passing
// faults with full jitter. The error is a *fault.Error; retried says that an
// earlier attempt had no clear answer, so that it may have had its effect.
func call[T any](ctx context.Context, c *Client, op operation, fn func(context.Context) (T, error)) (out T, retried bool, err error) {
	lim := c.limits.of(op)
	throttles, transients := 0, 0
	for {
		if err := lim.wait(ctx); err != nil {
			return out, retried, ctxFault(op, err)
		}
		out, err = fn(ctx)
		if err == nil {
			lim.ok(ctx)
			return out, retried, nil
		}
		if ctx.Err() != nil {
			return out, retried, ctxFault(op, ctx.Err())
		}
		var tries int
		switch {
		case isThrottle(err):
			lim.throttled(ctx)
			if throttles++; throttles >= throttleTries {
				return out, retried, classify(op, err)
			}
			tries = throttles
		case isTransient(err):
			retried = true
			if transients++; transients >= transientTries {
				return out, retried, classify(op, err)
			}
			tries = transients
		default:
			return out, retried, classify(op, err)
		}
		c.cfg.Log.Debug("retry api call", "operation", string(op), "try", tries, "error", err.Error())
		if err := clock.Sleep(ctx, c.cfg.Clock, backoff(tries)); err != nil {
			return out, retried, ctxFault(op, err)
		}
	}
}

// backoff is a random time up to base*2^(try-1), not less than half the base.
func backoff(try int) time.Duration {
	limit := min(backoffMax, backoffBase<<(try-1))
	return backoffBase/2 + rand.N(limit) // jitter needs no secrecy
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
