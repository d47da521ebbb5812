package services

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// Call is one operation on one resource, as its functions see it.
type Call struct {
	*Env
	// Name is the logical name of the resource in the program.
	Name string
	// Stop is closed when the user cancels: waits end, requests do not.
	Stop <-chan struct{}
	// changed are the top-level inputs that differ from the state; Update only.
	changed map[string]bool
}

// Changed reports whether an input differs from the state of the resource.
func (c *Call) Changed(properties ...string) bool {
	return anyOf(c.changed, properties...)
}

// ErrGone is what Read returns for a resource that does not exist.
var ErrGone = errors.New("the resource does not exist")

// ErrCanceled is what a wait returns when the user cancelled.
var ErrCanceled = errors.New("cancelled")

// Wait calls done again and again, with pauses that grow, until it returns true
// or an error. what completes "waiting for ..." in errors.
func (c *Call) Wait(ctx context.Context, what string, done func(ctx context.Context) (bool, error)) error {
	const growth, most = 1.5, 20
	pause := c.Poll
	for {
		ok, err := done(ctx)
		if ok || err != nil {
			if err != nil && ctx.Err() != nil {
				return fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
			}
			return err
		}
		if err := c.pause(ctx, pause); err != nil {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		pause = min(time.Duration(float64(pause)*growth), most*c.Poll)
	}
}

// pause waits for about d.
func (c *Call) pause(ctx context.Context, d time.Duration) error {
	// A little jitter keeps many resources from asking at the same moment.
	t := time.NewTimer(d + time.Duration(rand.Int64N(int64(d)/10+1)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-c.Stop:
		return ErrCanceled
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Propagated calls fn until it succeeds or fails with something that has none of
// the texts in it: what IAM says while a new role or policy is not known
// everywhere yet. It gives up after Env.Propagation.
func (c *Call) Propagated(ctx context.Context, fn func() error, texts ...string) error {
	deadline := time.Now().Add(c.Propagation)
	pause := c.Poll
	for {
		err := fn()
		if err == nil || !time.Now().Add(pause).Before(deadline) || !containsAny(err.Error(), texts) {
			return err
		}
		if perr := c.pause(ctx, pause); perr != nil {
			return errors.Join(perr, err)
		}
		pause = min(2*pause, 5*time.Second)
	}
}

func containsAny(s string, texts []string) bool {
	return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(s, t) })
}

// code returns the AWS error code of err, or "".
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// message returns the AWS error message of err, or "".
func message(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorMessage()
	}
	return ""
}

// isCode reports whether err is an AWS error with one of the codes.
func isCode(err error, codes ...string) bool {
	c := code(err)
	if i := strings.LastIndexAny(c, "#."); i >= 0 && !slices.Contains(codes, c) {
		c = c[i+1:]
	}
	return c != "" && slices.Contains(codes, c)
}

// isNotFound reports whether err is an answer with status 404.
func isNotFound(err error) bool {
	var resp *awshttp.ResponseError
	return errors.As(err, &resp) && resp.HTTPStatusCode() == http.StatusNotFound
}

// gone turns an error with one of the codes into ErrGone.
func gone(err error, codes ...string) error {
	if isCode(err, codes...) {
		return ErrGone
	}
	return err
}

// ignore turns an error with one of the codes into none.
func ignore(err error, codes ...string) error {
	if isCode(err, codes...) {
		return nil
	}
	return err
}
