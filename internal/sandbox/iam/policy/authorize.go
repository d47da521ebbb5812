package policy

import (
	"context"
	"errors"
	"maps"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Caller is the caller's side of a decision.
type Caller struct {
	Policies []*Document
	// Boundary bounds what Policies allow; nil does not.
	Boundary *Document
	// Session are the policies that the session was made with, which together bound
	// what Policies allow; none do not.
	Session []*Document
}

// Decide decides by the caller's side alone. A refusal is a
// *wire.DeniedError.
func (id Caller) Decide(r Request) error {
	identity, boundary := Evaluate(id.Policies, r), Allow
	if id.Boundary != nil {
		boundary = Evaluate([]*Document{id.Boundary}, r)
	}
	session := Allow
	if len(id.Session) > 0 {
		session = Evaluate(id.Session, r)
	}
	denied := &wire.DeniedError{Principal: r.Principal, Action: r.Action, Resource: r.Resource, Boundary: boundary != Allow || session != Allow}
	switch {
	case identity == Deny:
		denied.Explicit, denied.Because = true, "with an explicit deny in an identity-based policy"
	case boundary == Deny:
		denied.Explicit, denied.Because = true, "with an explicit deny in a permissions boundary"
	case session == Deny:
		denied.Explicit, denied.Because = true, "with an explicit deny in a session policy"
	case identity != Allow:
		denied.Because = "because no identity-based policy allows the " + r.Action + " action"
	case boundary != Allow:
		denied.Because = "because no permissions boundary allows the " + r.Action + " action"
	case session != Allow:
		denied.Because = "because no session policy allows the " + r.Action + " action"
	default:
		return nil
	}
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
// *wire.DeniedError, or the error that kept identity from an answer.
//
// An explicit Deny of either side wins. An Allow that names the caller's role still
// needs the role's boundary; one that names the session, the user or everybody does
// not. A resource of another account needs the Allow of both sides. Services act
// by the resource's policy alone.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html
func Decide(req Request, mode Mode, g Grant, identity func() error) error {
	p := req.Principal
	if g.Decision == Deny {
		return &wire.DeniedError{Principal: p, Action: req.Action, Resource: req.Resource, Explicit: true, Because: "with an explicit deny in a resource-based policy"}
	}
	silent := wire.NoPolicy(p, req.Action, req.Resource, "resource-based")
	if p.Service != "" && p.Role == "" {
		if g.Decision == Allow {
			return nil
		}
		return silent
	}
	err := identity()
	var denied *wire.DeniedError
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

// Target is the resource that is asked for: all that a decision has to know of it.
type Target struct {
	ARN string
	// Policy is the resource's own; nil for none.
	Policy *Document
	Mode   Mode
	// Tags are the resource's (aws:ResourceTag).
	Tags map[string]string
	// Owner is the account that has it, where the ARN does not tell.
	Owner string
	// Keys are condition keys of the service about the resource.
	Keys map[string][]string
}

// conditionKeys adds what is known of the resource to keys, which win.
func (r Target) conditionKeys(keys map[string][]string) map[string][]string {
	out := make(map[string][]string, len(keys)+len(r.Tags)+len(r.Keys)+1)
	for k, v := range r.Tags {
		out["aws:ResourceTag/"+k] = []string{v}
	}
	if r.Owner != "" { // for services whose ARNs have no account
		out["aws:ResourceAccount"] = []string{r.Owner}
	}
	maps.Copy(out, r.Keys)
	maps.Copy(out, keys)
	return out
}

// Authorize decides whether the caller of req may do action on a resource. keys are
// condition keys beside those that every request and the resource have. The sandbox's
// own user may do everything that the policy of the resource does not deny. A refusal
// is a *wire.DeniedError.
func Authorize(ctx context.Context, req *wire.Request, res Target, action string, keys map[string][]string) error {
	if req.Principal.Admin && res.Policy == nil && res.Mode == Either && res.Owner == "" && !req.Principal.Foreign(res.ARN) {
		return nil // there is nothing that could deny it
	}
	keys = res.conditionKeys(keys)
	r := NewRequest(req.Principal, action, res.ARN, req.ConditionKeys(keys), req.Time)
	var g Grant
	if res.Policy != nil {
		g = res.Policy.Grant(r)
	}
	return Decide(r, res.Mode, g, func() error { return req.AuthorizeIdentity(ctx, action, res.ARN, keys) })
}

// Guard makes a service's guard of what it knows of its resources. find is told the
// request and an ARN as the operation's row has it ("*" for no resource); what it does
// not find it returns without tags and policy, since who may not ask is not told what
// there is. An error ends the call.
func Guard(find func(req *wire.Request, arn string) (Target, error)) wire.Guard {
	return func(ctx context.Context, req *wire.Request, action, arn string, keys map[string][]string) error {
		res, err := find(req, arn)
		if err != nil {
			return err
		}
		return Authorize(ctx, req, res, action, keys)
	}
}

// Tagged is the guard of a service whose resources have tags and no policies. tags
// returns those of the resource of an ARN, nil if there is none.
func Tagged(tags func(req *wire.Request, arn string) (map[string]string, error)) wire.Guard {
	return func(ctx context.Context, req *wire.Request, action, arn string, keys map[string][]string) (err error) {
		res := Target{ARN: arn}
		if arn != "*" && !req.Principal.Admin {
			if res.Tags, err = tags(req, arn); err != nil {
				return err
			}
		}
		return Authorize(ctx, req, res, action, keys)
	}
}

// PassRole asks whether the caller may give a role to a service. One of another account
// cannot be given at all; the text is what clients of many services quote, such as
// https://github.com/fabric8io/kubernetes-alexa/issues/6 (Lambda).
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
func PassRole(ctx context.Context, req *wire.Request, role, service string) error {
	if a, ok := wire.ParseARN(role); ok && a.AccountID != req.Account {
		return &wire.DeniedError{Principal: req.Principal, Action: "iam:PassRole", Resource: role, Text: "Cross-account pass role is not allowed."}
	}
	return req.Authorize(ctx, "iam:PassRole", role, map[string][]string{"iam:PassedToService": {service}})
}
