package policy

import (
	"context"
	"errors"
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
	// Boundary: the permissions boundary or the session's policies do not allow the
	// action.
	Boundary bool
}

// Error is the reply's text.
func (e *DeniedError) Error() string { return e.Reply.Error() }

// Unwrap returns the reply.
func (e *DeniedError) Unwrap() error { return e.Reply }

// Caller is the caller's side of a decision.
type Caller struct {
	Policies []*Document
	// Boundary bounds what Policies allow; nil does not.
	Boundary *Document
	// Session are the policies that the session was made with, which together bound
	// what Policies allow; none do not.
	Session []*Document
}

// Decide decides by the caller's side alone. A refusal is a *DeniedError.
func (id Caller) Decide(r Request) error {
	identity, boundary := Evaluate(id.Policies, r), Allow
	if id.Boundary != nil {
		boundary = Evaluate([]*Document{id.Boundary}, r)
	}
	session := Allow
	if len(id.Session) > 0 {
		session = Evaluate(id.Session, r)
	}
	denied := &DeniedError{Boundary: boundary != Allow || session != Allow}
	var because string
	switch {
	case identity == Deny:
		denied.Explicit, because = true, "with an explicit deny in an identity-based policy"
	case boundary == Deny:
		denied.Explicit, because = true, "with an explicit deny in a permissions boundary"
	case session == Deny:
		denied.Explicit, because = true, "with an explicit deny in a session policy"
	case identity != Allow:
		because = "because no identity-based policy allows the " + r.Action + " action"
	case boundary != Allow:
		because = "because no permissions boundary allows the " + r.Action + " action"
	case session != Allow:
		because = "because no session policy allows the " + r.Action + " action"
	default:
		return nil
	}
	denied.Reply = wire.Denied(r.Principal, r.Action, r.Resource, because)
	return denied
}

// Mode says how the policy of a resource and the caller's own policies go together
// within one account.
type Mode int

// Either: an Allow of one side is enough (S3, SQS, Lambda and most others).
// ResourceFirst: the resource's policy has to allow the caller, or to leave it to
// the caller's account; only then do the caller's policies count (KMS keys, and
// roles, whose trust policy it is).
const (
	Either Mode = iota
	ResourceFirst
)

// Decide decides about a request by both sides. g is what the policy of the
// resource says (the zero Grant if there is none), identity asks the caller's side:
// identity policies, permissions boundary and session. It returns nil, a
// *DeniedError, or the error that kept identity from an answer.
//
// An explicit Deny of either side wins. An Allow that names the caller's role still
// needs the role's boundary; one that names the session, the user or everybody does
// not. A resource of another account needs the Allow of both sides. Services act
// by the resource's policy alone.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html
func Decide(req Request, mode Mode, g Grant, identity func() error) error {
	p, resource := req.Principal, req.Resource
	if g.Decision == Deny {
		return &DeniedError{Explicit: true, Reply: wire.Denied(p, req.Action, resource, "with an explicit deny in a resource-based policy")}
	}
	silent := &DeniedError{Reply: wire.Denied(p, req.Action, resource, "because no resource-based policy allows the "+req.Action+" action")}
	if p.Service != "" && p.Role == "" {
		if g.Decision == Allow {
			return nil
		}
		return silent
	}
	err := identity()
	var denied *DeniedError
	if err != nil && !errors.As(err, &denied) || denied != nil && denied.Explicit {
		return err
	}
	switch {
	case req.foreign():
		if err == nil && g.Decision != Allow && !g.Delegated {
			return silent
		}
		return err
	case g.Decision == Allow:
		if denied != nil && denied.Boundary && g.Role {
			return err
		}
		return nil
	case mode == ResourceFirst && !g.Delegated:
		return silent
	}
	return err
}

// Authorize decides whether the caller of req may do action on a resource with the
// policy doc, which may be nil. keys are condition keys beside those that every
// request has. The sandbox's own user may do everything that the policy of the
// resource does not deny.
func Authorize(ctx context.Context, req *wire.Request, mode Mode, doc *Document, action, resource string, keys map[string][]string, now time.Time) error {
	r := NewRequest(req.Principal, action, resource, req.ConditionKeys(keys), now)
	var g Grant
	if doc != nil {
		g = doc.Grant(r)
	}
	return Decide(r, mode, g, func() error { return req.AuthorizeIdentity(ctx, action, resource, keys) })
}
