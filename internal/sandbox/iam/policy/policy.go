// Package policy owns the IAM policy language: reading and checking policy
// documents, and deciding what they allow. It is shared by every sandbox service
// that has policies of its own (S3 buckets, SQS queues, KMS keys, Lambda
// functions). Deciding is pure; Authorize and the guards ask the IAM service. It imports
// nothing of the sandbox but wire.
//
// The rules are those of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
package policy

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Decision is what a set of policies says about a request.
type Decision int

// None is the implicit deny: no statement applies.
const (
	None Decision = iota
	Allow
	Deny
)

// Kind says where a document is attached, which decides what it must contain.
type Kind int

// Identity policies have resources and no principal, Trust policies have a
// principal and no resources, Resource policies have both.
const (
	Identity Kind = iota
	Trust
	Resource
)

// Document is a checked policy. It is immutable and safe for concurrent use.
type Document struct {
	Version    string
	Statements []Statement
}

// ConditionKeys are the keys that the conditions of the statements ask for, as they are
// written, sorted.
func (d *Document) ConditionKeys() []string {
	var out []string
	for _, s := range d.Statements {
		for _, c := range s.conditions {
			out = append(out, c.name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Knows reports whether a condition key has a value in the request.
func (r *Request) Knows(key string) bool { return len(r.keys[strings.ToLower(key)]) > 0 }

// Statement is one statement of a Document.
type Statement struct {
	SID          string
	Deny         bool
	principals   *principals
	notPrincipal bool
	actions      []string
	notAction    bool
	resources    []string // nil in a trust policy
	notResource  bool
	conditions   []condition
}

// Request is what is decided about. Build it with NewRequest.
type Request struct {
	Principal wire.Principal
	Action    string
	Resource  string
	keys      map[string][]string // lower-cased condition keys
}

// NewRequest returns a request with the global condition keys that follow from
// the caller, the resource and the time; keys adds the others and wins. A key
// with no values is absent.
func NewRequest(p wire.Principal, action, resource string, keys map[string][]string, now time.Time) Request {
	now = now.UTC()
	k := map[string][]string{
		"aws:currenttime":           {now.Format(time.RFC3339)},
		"aws:epochtime":             {strconv.FormatInt(now.Unix(), 10)},
		"aws:principalisawsservice": {boolText(p.Service != "" && p.Role == "")},
		"aws:viaawsservice":         {"false"},
		"aws:securetransport":       {"true"},
	}
	if p.Account != "" {
		k["aws:principalaccount"] = []string{p.Account}
	}
	if p.UserID != "" {
		k["aws:userid"] = []string{p.UserID}
	}
	switch {
	case p.Role != "":
		k["aws:principaltype"] = []string{"AssumedRole"}
		k["aws:principalarn"] = []string{roleARN(p)}
	case strings.Contains(p.ARN, ":user/"):
		k["aws:principaltype"] = []string{"User"}
		k["aws:principalarn"] = []string{p.ARN}
		k["aws:username"] = []string{p.ARN[strings.LastIndexByte(p.ARN, '/')+1:]}
	case p.Service != "":
		k["aws:principalservicename"] = []string{p.Service}
	}
	if p.Session != nil {
		for key, value := range p.Session.Tags {
			k["aws:principaltag/"+strings.ToLower(key)] = []string{value}
		}
	}
	if owner := accountOf(resource, p.Account); owner != "" {
		k["aws:resourceaccount"] = []string{owner}
	}
	for key, values := range keys {
		if len(values) == 0 {
			delete(k, strings.ToLower(key))
			continue
		}
		k[strings.ToLower(key)] = values
	}
	return Request{Principal: p, Action: action, Resource: resource, keys: k}
}

// foreign tells whether the resource belongs to another account than the caller's.
func (r *Request) foreign() bool {
	owner := r.keys["aws:resourceaccount"]
	return len(owner) == 1 && r.Principal.Account != "" && owner[0] != r.Principal.Account
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// roleARN is the role's own ARN, which policies name, not the session's.
func roleARN(p wire.Principal) string {
	if p.RoleARN != "" {
		return p.RoleARN
	}
	return wire.Scope{Partition: wire.PartitionAWS, Account: p.Account}.GlobalARN("iam", "role/"+p.Role)
}

// accountOf is the account that owns the resource. ARNs of buckets have none:
// the sandbox has one account, so it is the caller's.
func accountOf(resource, fallback string) string {
	a, ok := wire.ParseARN(resource)
	if ok && a.AccountID == "" {
		return fallback
	}
	return a.AccountID
}

// Evaluate decides by identity policies: one Deny that applies wins, else one
// Allow, else None. Principals of statements are not looked at.
func Evaluate(docs []*Document, req Request) Decision {
	d := None
	for _, doc := range docs {
		for i := range doc.Statements {
			s := &doc.Statements[i]
			if d == Allow && !s.Deny {
				continue
			}
			if !s.covers(req, doc.variables()) {
				continue
			}
			if s.Deny {
				return Deny
			}
			d = Allow
		}
	}
	return d
}

// Grant is what a policy with principals says: a trust policy or the policy of a
// resource.
type Grant struct {
	Decision Decision
	// Delegated says that the policy allows the action to the caller's whole
	// account (Principal "arn:aws:iam::ACCOUNT:root"), which leaves it to the
	// caller's identity policies. Decision is None then.
	Delegated bool
	// Role says that the Allow names the caller's role, not the session or
	// everybody: a permissions boundary of the role still limits it.
	Role bool
}

// Grant decides by the document's statements whose principal is the caller.
func (d *Document) Grant(req Request) Grant {
	var g Grant
	for i := range d.Statements {
		s := &d.Statements[i]
		m := s.principal(req.Principal)
		if m == matchNone || !s.covers(req, d.variables()) {
			continue
		}
		if s.Deny {
			return Grant{Decision: Deny}
		}
		switch m {
		case matchAccount:
			g.Delegated = true
		case matchRole:
			if g.Decision != Allow {
				g.Decision, g.Role = Allow, true
			}
		default:
			g.Decision, g.Role = Allow, false
		}
	}
	if g.Decision == Allow {
		g.Delegated = false
	}
	return g
}

// variables reports whether ${...} is replaced: since version 2012-10-17.
func (d *Document) variables() bool { return d.Version == "2012-10-17" }

// covers tells whether action, resource and conditions of the statement apply.
func (s *Statement) covers(req Request, vars bool) bool {
	if s.matchAction(req.Action) == s.notAction {
		return false
	}
	if s.resources != nil && s.matchResource(req, vars) == s.notResource {
		return false
	}
	for i := range s.conditions {
		if !s.conditions[i].holds(req, vars) {
			return false
		}
	}
	return true
}

func (s *Statement) matchAction(action string) bool {
	a := []rune(strings.ToLower(action))
	for _, p := range s.actions {
		if glob(wildcards(strings.ToLower(p)), a) {
			return true
		}
	}
	return false
}

func (s *Statement) matchResource(req Request, vars bool) bool {
	for _, p := range s.resources {
		if p == "*" {
			return true
		}
		pattern, ok := expand(p, req.keys, vars)
		if ok && matchARN(pattern, req.Resource) {
			return true
		}
	}
	return false
}

// Actions lists the actions that the statements name.
func (d *Document) Actions() []string {
	var out []string
	for i := range d.Statements {
		out = append(out, d.Statements[i].actions...)
	}
	return out
}

// Principals lists the AWS principals that the statements name: ARNs, account ids
// and "*".
func (d *Document) Principals() []string {
	var out []string
	for i := range d.Statements {
		if p := d.Statements[i].principals; p != nil {
			out = append(out, p.aws...)
		}
	}
	return out
}
