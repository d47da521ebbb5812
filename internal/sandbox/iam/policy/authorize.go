package policy

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// DeniedError is the refusal that the IAM service gives. It carries what a
// resource's own policy needs to know to weigh in. errors.As finds the
// *wire.Error in it.
type DeniedError struct {
	Reply *wire.Error
	// Explicit: a Deny statement, which nothing overrides.
	Explicit bool
	// Boundary: the permissions boundary does not allow the action.
	Boundary bool
}

// Error is the reply's text.
func (e *DeniedError) Error() string { return e.Reply.Error() }

// Unwrap returns the reply.
func (e *DeniedError) Unwrap() error { return e.Reply }

// Denied makes the refusal with AWS's text and the code of the action's service.
// because is the end of the sentence.
func Denied(p wire.Principal, action, resource, because string) *wire.Error {
	who := p.ARN
	if who == "" {
		who = p.Service
	}
	text := "User: " + who + " is not authorized to perform: " + action
	if resource != "" && resource != "*" {
		text += " on resource: " + resource
	}
	vendor, _, _ := strings.Cut(action, ":")
	switch vendor {
	case "s3", "iam", "sts", "cloudwatch":
		return wire.Errorf(http.StatusForbidden, "AccessDenied", "%s %s", text, because)
	case "sqs":
		e := wire.Errorf(http.StatusForbidden, "AccessDeniedException", "%s %s", text, because)
		e.QueryCode = "AccessDenied"
		return e
	case "lambda":
		return wire.Errorf(http.StatusForbidden, "AccessDeniedException", "%s %s", text, because)
	}
	return wire.Errorf(http.StatusBadRequest, "AccessDeniedException", "%s %s", text, because)
}

// Authorize decides by the caller's identity policies and the policy of the
// resource together, as AWS does within one account: a Deny in either wins, an
// Allow in either is enough. doc may be nil. The sandbox's own user may do
// everything, but for a Deny of the resource's policy.
func Authorize(ctx context.Context, req *wire.Request, doc *Document, action, resource string, keys map[string][]string) error {
	if doc == nil {
		return req.Authorize(ctx, action, resource, keys)
	}
	g := doc.Grant(NewRequest(req.Principal, action, resource, req.ConditionKeys(keys), time.Now()))
	if g.Decision == Deny {
		return &DeniedError{Explicit: true, Reply: Denied(req.Principal, action, resource, "with an explicit deny in a resource-based policy")}
	}
	err := req.Authorize(ctx, action, resource, keys)
	if g.Decision != Allow || err == nil {
		return err
	}
	var denied *DeniedError
	if errors.As(err, &denied) && (denied.Explicit || (denied.Boundary && g.Role)) {
		return err
	}
	return nil
}
