package iam

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// compiledRole is a role, or a user, with its policies parsed.
type compiledRole struct {
	role     role // zero for a user
	trust    *policy.Document
	userID   string // of a user
	identity []*policy.Document
	boundary *policy.Document // nil without one
}

// compile returns the role by its ARN, nil if there is none.
func (s *Service) compile(roleARN string) (*compiledRole, error) {
	a, ok := wire.ParseARN(roleARN)
	path, isRole := strings.CutPrefix(a.Resource, "role/")
	if !ok || a.Service != "iam" || !isRole {
		return nil, nil
	}
	key := wire.ScopeOfARN(a).GlobalKey(path[strings.LastIndexByte(path, '/')+1:])
	c, err := s.compileKey(key, s.roleByKey)
	if err != nil || c == nil || c.role.ARN != roleARN {
		return nil, err
	}
	return c, nil
}

// compileUser returns the user of a principal, nil if there is none by now.
func (s *Service) compileUser(p wire.Principal) (*compiledRole, error) {
	a, ok := wire.ParseARN(p.ARN)
	path, isUser := strings.CutPrefix(a.Resource, "user/")
	if !ok || !isUser {
		return nil, nil
	}
	key := wire.ScopeOfARN(a).GlobalKey(path[strings.LastIndexByte(path, '/')+1:])
	c, err := s.compileKey("user|"+key, s.userByKey)
	if err != nil || c == nil || c.userID != p.UserID {
		return nil, err
	}
	return c, nil
}

// compileKey compiles what load reads by a key, unless it is known. load returns nil
// for what is not there.
func (s *Service) compileKey(key string, load func(tx *store.Tx, key string) (*compiledRole, error)) (*compiledRole, error) {
	s.mu.RLock()
	c, ok := s.compiled[key]
	gen := s.generation
	s.mu.RUnlock()
	if ok {
		return c, nil
	}
	err := s.DB.View(func(tx *store.Tx) (err error) {
		c, err = load(tx, key)
		return err
	})
	if err != nil || c == nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.generation == gen {
		s.compiled[key] = c
	}
	return c, nil
}

func (s *Service) roleByKey(tx *store.Tx, key string) (*compiledRole, error) {
	ro, found, err := store.Get[role](tx, rolesBucket, key)
	if err != nil || !found {
		return nil, err
	}
	c := &compiledRole{role: ro}
	if c.trust, err = policy.Parse(ro.Trust, policy.Trust); err != nil {
		return nil, fmt.Errorf("trust policy of role %s: %w", ro.Name, err)
	}
	if err := s.grant(tx, c, "role "+ro.Name, ro.grants); err != nil {
		return nil, err
	}
	return c, s.bound(tx, c, ro.Boundary)
}

// userByKey compiles a user with what its groups grant.
func (s *Service) userByKey(tx *store.Tx, key string) (*compiledRole, error) {
	u, found, err := store.Get[user](tx, usersBucket, strings.TrimPrefix(key, "user|"))
	if err != nil || !found {
		return nil, err
	}
	c := &compiledRole{userID: u.ID}
	if err := s.grant(tx, c, "user "+u.Name, u.grants); err != nil {
		return nil, err
	}
	a, _ := wire.ParseARN(u.ARN)
	for _, name := range u.Groups {
		g, err := s.groups().get(tx, wire.ScopeOfARN(a), name)
		if err != nil {
			return nil, err
		}
		if err := s.grant(tx, c, "group "+g.Name, g.grants); err != nil {
			return nil, err
		}
	}
	return c, s.bound(tx, c, u.Boundary)
}

// grant adds policies to what c is allowed; of names whose they are.
func (s *Service) grant(tx *store.Tx, c *compiledRole, of string, g grants) error {
	add := func(text string) error {
		doc, err := policy.Parse(text, policy.Identity)
		if err == nil {
			c.identity = append(c.identity, doc)
		}
		return err
	}
	for name, text := range g.Inline {
		if err := add(text); err != nil {
			return fmt.Errorf("policy %s of %s: %w", name, of, err)
		}
	}
	for _, arn := range g.Attached {
		p, err := s.managedPolicy(tx, arn)
		if err != nil {
			return err
		}
		if err := add(p.document()); err != nil {
			return fmt.Errorf("policy %s: %w", arn, err)
		}
	}
	return nil
}

// bound gives c its permissions boundary, if there is one.
func (s *Service) bound(tx *store.Tx, c *compiledRole, boundary string) error {
	if boundary == "" {
		return nil
	}
	p, err := s.managedPolicy(tx, boundary)
	if err != nil {
		return err
	}
	if c.boundary, err = policy.Parse(p.document(), policy.Identity); err != nil {
		return fmt.Errorf("policy %s: %w", boundary, err)
	}
	return nil
}

// update changes the store and forgets compiled roles.
func (s *Service) update(fn func(*store.Tx) error) error {
	err := s.DB.Update(fn)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	clear(s.compiled)
	return err
}

// Authorize implements wire.Authorizer. A refusal is a *wire.DeniedError.
func (s *Service) Authorize(_ context.Context, p wire.Principal, action, resource string, keys map[string][]string) error {
	if p.Admin {
		return nil
	}
	implicit := wire.NoPolicy(p, action, resource, "identity-based")
	c, err := s.callerOf(p)
	if err != nil {
		return err
	}
	if c == nil {
		return implicit
	}
	id := policy.Caller{Policies: c.identity, Boundary: c.boundary}
	if p.Session != nil {
		for _, text := range p.Session.Policies {
			doc, err := policy.Parse(text, policy.Identity)
			if err != nil {
				return err
			}
			id.Session = append(id.Session, doc)
		}
	}
	if err := id.Decide(policy.NewRequest(p, action, resource, keys, s.Clock.Now())); err != nil {
		s.Log.Info("denied", "principal", p.ARN, "action", action, "resource", resource, "reason", err.Error())
		return err
	}
	// What was allowed is what the least policy has to allow: with --debug the log tells.
	s.Log.Debug("allowed", "principal", p.ARN, "action", action, "resource", resource, "keys", keys)
	return nil
}

// callerOf is the role whose session calls, or the user; nil for who is neither, or is
// gone by now.
func (s *Service) callerOf(p wire.Principal) (*compiledRole, error) {
	if p.Role == "" {
		return s.compileUser(p)
	}
	c, err := s.compile(p.RoleARN)
	if err != nil || c == nil || !sessionOf(p, c.role) {
		return nil, err
	}
	return c, nil
}

// sessionOf tells whether p's session is of this role and not of one of the same
// name that was deleted since.
func sessionOf(p wire.Principal, ro role) bool {
	return p.UserID == "" || strings.HasPrefix(p.UserID, ro.ID+":")
}

var notSessionName = lazyregexp.New(`[^\w+=,.@-]+`)

// AssumeServiceRole implements wire.Roles.
func (s *Service) AssumeServiceRole(_ context.Context, sc wire.Scope, service, roleARN, sourceARN, name string) (wire.Principal, error) {
	caller := wire.Principal{Service: service}
	denied := &wire.DeniedError{Principal: caller, Action: "sts:AssumeRole", Resource: roleARN}
	refused := wire.Errorf(http.StatusForbidden, "AccessDenied", "%s", denied) // STS refuses, whichever service asks
	c, err := s.compile(roleARN)
	if err != nil {
		return wire.Principal{}, err
	}
	if c == nil {
		return wire.Principal{}, refused
	}
	keys := map[string][]string{}
	if sourceARN != "" {
		keys["aws:SourceArn"] = []string{sourceARN}
		keys["aws:SourceAccount"] = []string{sc.Account}
	}
	g := c.trust.Grant(policy.NewRequest(caller, "sts:AssumeRole", roleARN, keys, s.Clock.Now()))
	if g.Decision != policy.Allow {
		s.Log.Info("assume role refused", "service", service, "role", roleARN, "source", sourceARN)
		return wire.Principal{}, refused
	}
	p := c.role.session(name)
	p.Service = service
	return p, nil
}

// session names a session of the role; the name is made to fit.
func (r *role) session(name string) wire.Principal {
	name = notSessionName.ReplaceAllString(name, "-")
	if len(name) > 64 {
		name = name[:64]
	}
	if len(name) < 2 {
		name += "session"
	}
	a, _ := wire.ParseARN(r.ARN)
	p := wire.Principal{
		Account: a.AccountID, ARN: wire.ScopeOfARN(a).GlobalARN("sts", "assumed-role/"+r.Name+"/"+name),
		UserID: r.ID + ":" + name, Role: r.Name, RoleARN: r.ARN,
	}
	if len(r.Tags) > 0 {
		p.Session = &wire.Session{Tags: r.Tags}
	}
	return p
}

// SessionCredentials implements wire.Roles. Requests that are signed with them
// come from code, not from the service: Principal.Service is dropped.
func (s *Service) SessionCredentials(_ context.Context, p wire.Principal, ttl time.Duration) (wire.Credentials, error) {
	if p.Admin || p.Role == "" {
		return wire.Credentials{}, wire.Errorf(http.StatusForbidden, "AccessDenied", "only sessions of a role get temporary keys in this way")
	}
	p.Service = ""
	return s.newSession(p, ttl)
}
