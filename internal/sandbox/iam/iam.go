// Package iam owns the sandbox's AWS Identity and Access Management and Security
// Token Service: users, groups, roles and policies, who may sign requests
// (wire.Verifier), what a caller may do (wire.Authorizer) and acting as a role
// (wire.Roles). Each account has a user from the start, whose key the sandbox
// generates and who may do everything.
package iam

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/defaults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// UserName is the name of the user that each account has from the start.
const UserName = "sandbox"

// Buckets of the store.
const (
	rolesBucket    = "iam.roles"    // global key of the name -> role
	policiesBucket = "iam.policies" // ARN -> managedPolicy
	sessionsBucket = "iam.sessions" // access key id -> session
	accountsBucket = "iam.accounts" // id -> account
	usersBucket    = "iam.users"    // global key of the name -> user
	groupsBucket   = "iam.groups"   // global key of the name -> group
	keysBucket     = "iam.keys"     // access key id -> accessKey
	devicesBucket  = "iam.devices"  // ARN -> device
	profilesBucket = "iam.profiles" // global key of the name -> profile
	settingsBucket = "iam.settings" // global key of "" -> settings
	oidcBucket     = "iam.oidc"     // ARN -> oidcProvider
	samlBucket     = "iam.saml"     // ARN -> samlProvider
)

// Config is what the service needs. DB, Home and Admin are required.
type Config struct {
	DB    *store.DB
	Clock clock.Clock  // nil: the machine's
	Log   *slog.Logger // nil: none
	// Home is the id of the first account, which the sandbox has from the start.
	Home string
	// Signers tells how requests to services are signed; nil: all alike.
	Signers wire.Signers
	// Admin is the key of the first account's user, which may do everything in it.
	// It has no session token and does not expire.
	Admin wire.Credentials
	// Limits has how many roles an account may have; nil: what accounts start with.
	Limits *limits.Book
}

// Service is IAM and STS. It is safe for concurrent use.
type Service struct {
	Config
	managed map[string]*managedPolicy // AWS's own policies, by ARN; never changed

	// compiled holds the parsed policies of roles by their global key; every change
	// of IAM empties it and counts up, so that what was read before the change is
	// not kept.
	mu         sync.RWMutex
	compiled   map[string]*compiledRole
	generation uint64
	accounts   map[string]account   // by id
	used       map[string]time.Time // access key id -> when its use was noted
}

var (
	_ wire.Verifier   = (*Service)(nil)
	_ wire.Authorizer = (*Service)(nil)
	_ wire.Roles      = (*Service)(nil)
)

// account is an account of the sandbox with its first user, who administers it.
type account struct {
	ID      string // 12 digits
	UserID  string
	Created time.Time
	Keys    wire.Credentials
}

// principal is the account's user, as who signs in a partition.
func (a account) principal(partition string) wire.Principal {
	sc := wire.Scope{Partition: partition, Account: a.ID}
	return wire.Principal{Account: a.ID, ARN: sc.GlobalARN("iam", "user/"+UserName), UserID: a.UserID, Admin: true}
}

// session is a set of temporary keys.
type session struct {
	Secret, Token string
	Principal     wire.Principal
	Expires       time.Time
}

// New returns the service over the store and removes sessions that have expired.
func New(c Config) (*Service, error) {
	if c.DB == nil || c.Home == "" || c.Admin.AccessKeyID == "" || c.Admin.SecretAccessKey == "" {
		return nil, errors.New("iam: DB, Home and Admin are required")
	}
	c.Clock, c.Log = defaults.Of(c.Clock, c.Log)
	s := &Service{Config: c, compiled: map[string]*compiledRole{}, managed: awsManaged(), accounts: map[string]account{}, used: map[string]time.Time{}}
	err := c.DB.Update(func(tx *store.Tx) error {
		if err := s.openAccounts(tx); err != nil {
			return err
		}
		return dropExpired(tx, s.now())
	})
	if err != nil {
		return nil, fmt.Errorf("iam: %w", err)
	}
	return s, nil
}

// Register adds the services iam and sts to the router. The caller makes the
// service the router's verifier and authorizer (Router.SetSecurity).
func (s *Service) Register(r *wire.Router) {
	r.Register(wire.Service{
		ID: "iam",
		// IAM has sentences of its own for characters that a name may not have.
		Check: constraint.For("iam", "ValidationError", "*:pattern").Check, ChecksFirst: true, Guard: policy.Guard(s.target),
	})
	r.Register(wire.Service{
		ID: "sts", Check: constraint.For("sts", "ValidationError").Check, ChecksFirst: true, Guard: s.guardRoles,
		Unsigned: []string{"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"},
	})
	s.registerRoles(r)
	s.registerPolicies(r)
	s.registerUsers(r)
	s.registerGroups(r)
	s.registerKeys(r)
	s.registerDevices(r)
	s.registerCertificates(r)
	s.registerProfiles(r)
	s.registerProviders(r)
	s.registerAccountWide(r)
	s.registerLinked(r)
	s.registerSimulation(r)
	s.registerSTS(r)
}

// now is the time to the second, as IAM keeps it.
func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Second) }

func dropExpired(tx *store.Tx, now time.Time) error {
	var old []string
	err := tx.Scan(sessionsBucket, "", "", func(key string, raw []byte) (bool, error) {
		k, _, err := store.Get[session](tx, sessionsBucket, key)
		if err == nil && !now.Before(k.Expires) {
			old = append(old, key)
		}
		return true, err
	})
	if err != nil {
		return err
	}
	for _, key := range old {
		if err := tx.Delete(sessionsBucket, key); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) session(accessKey string) (k session, found bool, err error) {
	err = s.DB.View(func(tx *store.Tx) error {
		k, found, err = store.Get[session](tx, sessionsBucket, accessKey)
		return err
	})
	return k, found, err
}

// newSession makes and keeps temporary keys for p.
func (s *Service) newSession(p wire.Principal, ttl time.Duration) (wire.Credentials, error) {
	c := wire.Credentials{
		AccessKeyID: newID("ASIA"), SecretAccessKey: newSecret(), SessionToken: "ptui" + newSecret() + newSecret(),
		Expires: s.now().Add(ttl),
	}
	k := session{Secret: c.SecretAccessKey, Token: c.SessionToken, Principal: p, Expires: c.Expires}
	err := s.DB.Batch(func(tx *store.Tx) error {
		n, err := tx.NextSequence(sessionsBucket)
		if err != nil {
			return err
		}
		if n%64 == 0 {
			if err := dropExpired(tx, s.now()); err != nil {
				return err
			}
		}
		return store.Put(tx, sessionsBucket, c.AccessKeyID, k)
	})
	if err != nil {
		return wire.Credentials{}, fmt.Errorf("keep session: %w", err)
	}
	return c, nil
}

// ServiceSession issues temporary keys that stand for an AWS service
// ("lambda.amazonaws.com"). By policy they may do nothing; the service knows what
// it signed with them.
func (s *Service) ServiceSession(_ context.Context, service string, ttl time.Duration) (wire.Credentials, error) {
	return s.newSession(wire.Principal{Service: service}, ttl)
}

// NewCredentials generates a long-lived key for Config.Admin.
func NewCredentials() wire.Credentials {
	return wire.Credentials{AccessKeyID: newID("AKIA"), SecretAccessKey: newSecret()}
}

// newID returns prefix and 16 random characters, as AWS forms unique ids.
func newID(prefix string) string { return prefix + randomText(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") }

// newSecret returns 40 random characters (240 bits of chance).
func newSecret() string {
	return randomText(40, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
}

// randomText picks n characters out of 32 or 64, each as likely.
func randomText(n int, alphabet string) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}

func hmacEqual(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

// parsePolicy parses, and words the refusal as IAM does.
func parsePolicy(text string, kind policy.Kind) (*policy.Document, error) {
	doc, err := policy.Parse(text, kind)
	if err != nil {
		return nil, wire.Errorf(400, "MalformedPolicyDocument", "%s", err)
	}
	return doc, nil
}
