// Package kms owns the sandbox's AWS Key Management Service: symmetric, RSA, elliptic
// and HMAC keys with policies, rotation, aliases and deletion, and real cryptography. Key material is in the store and nowhere else.
package kms

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/defaults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	keysBucket    = "kms.keys"    // key id -> key
	aliasesBucket = "kms.aliases" // scope's key of the alias name -> alias
)

// Config is what the service needs. DB is required.
type Config struct {
	DB    *store.DB
	Clock clock.Clock  // nil: the machine's
	Log   *slog.Logger // nil: none
}

// Service is KMS. It is safe for concurrent use.
type Service struct{ Config }

// New returns the service over the store.
func New(c Config) (*Service, error) {
	if c.DB == nil {
		return nil, errors.New("kms: DB is required")
	}
	c.Clock, c.Log = defaults.Of(c.Clock, c.Log)
	return &Service{c}, nil
}

// Register adds the service and its operations to the router.
func (s *Service) Register(r *wire.Router) {
	r.Register(wire.Service{ID: "kms", Check: constraint.For("kms", "ValidationException").Check, Guard: policy.Guard(s.target)})
	s.registerKeys(r)
	s.registerAliases(r)
	s.registerCrypto(r)
	s.registerGrants(r)
}

// onKey is the key that a member names, as its own ARN. One that does not exist is
// asked for as it is written.
func (s *Service) onKey(member string, aliases bool) func(*wire.Request, wire.Input) []string {
	return func(req *wire.Request, in wire.Input) []string {
		ref := in.Text(member)
		if ref == "" {
			return nil
		}
		arns := []string{ref}
		if !wire.MeansARN(ref) {
			arns[0] = arn(req.Scope, "key/"+ref)
		}
		if aliases && s.ensureManaged(req, &ref) != nil {
			return arns // the handler comes to the same error
		}
		_ = s.DB.View(func(tx *store.Tx) error { // an error comes again where the key is read
			if k, err := s.find(tx, req, &ref, aliases); err == nil {
				arns[0] = k.ARN
			}
			return nil
		})
		return arns
	}
}

// target is what a decision about a key has to know. Unlike with other resources, the
// caller's own policies count only if the key's policy says so (by allowing the
// account). https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
func (s *Service) target(req *wire.Request, ref string) (policy.Target, error) {
	return s.targetWith(req, ref, true)
}

// targetWith is target, with or without what grants allow.
func (s *Service) targetWith(req *wire.Request, ref string, granted bool) (policy.Target, error) {
	t := policy.Target{ARN: ref, Keys: map[string][]string{"kms:CallerAccount": {req.Principal.Account}}}
	a, _ := wire.ParseARN(ref)
	if !strings.HasPrefix(a.Resource, "key/") {
		return t, nil
	}
	var grants []grant
	k, err := store.Look(s.DB, func(tx *store.Tx) (key, error) {
		k, err := s.find(tx, req, &ref, false)
		if err == nil && !req.Principal.Admin {
			if t.Keys["kms:ResourceAliases"], err = aliasesOf(tx, req, k.ID); err == nil && granted {
				grants, err = grantsOf(tx, k.ID)
			}
		}
		return k, err
	})
	var none *wire.Error
	if errors.As(err, &none) {
		return t, nil
	}
	if err != nil {
		return t, err
	}
	if t.Policy, err = policy.Parse(k.Policy, policy.Resource); err != nil {
		return t, fmt.Errorf("policy of key %s: %w", k.ID, err)
	}
	if t.Policy, err = withGrants(t.Policy, grants); err != nil {
		return t, fmt.Errorf("grants of key %s: %w", k.ID, err)
	}
	t.Mode, t.Tags = policy.ResourceFirst, k.Tags
	if k.Managed && req.HTTP == nil { // a service of the sandbox calls on behalf of its caller
		t.Keys["kms:ViaService"] = []string{strings.TrimPrefix(k.Description, managedFor) + "." + req.Region + ".amazonaws.com"}
	}
	return t, nil
}

// key is a key as it is kept.
type key struct {
	ID, ARN, Description string
	Created              time.Time
	Disabled             bool
	Deletion             time.Time // zero unless pending
	DeletionDays         int32
	Rotation             bool
	RotationDays         int32
	RotationSince        time.Time
	Policy               string
	Tags                 map[string]string
	// Managed marks a key that AWS keeps for one of its services in the account.
	Managed bool
	// Material is the 256-bit keys, newest last; ciphertexts name theirs. Of keys that
	// are not symmetric it is one (see asymmetric.go).
	Material [][]byte
	// Spec and Usage are "" for symmetric keys for encryption.
	Spec, Usage string      `json:",omitempty"`
	Rotations   []time.Time `json:",omitempty"` // on demand, the oldest first
}

type alias struct {
	Name, ARN, KeyID string
	Created, Updated time.Time
}

func (s *Service) now() time.Time { return s.Clock.Now().UTC() }

// scope is where the key is at home.
func (k *key) scope() wire.Scope {
	a, _ := wire.ParseARN(k.ARN)
	return wire.ScopeOfARN(a)
}

func arn(sc wire.Scope, rest string) string { return sc.ARN("kms", rest) }

func notFound(format string, args ...any) error {
	return wire.Errorf(http.StatusBadRequest, "NotFoundException", format, args...)
}

func validation(format string, args ...any) error {
	return wire.Errorf(http.StatusBadRequest, "ValidationException", format, args...)
}

var keyID = lazyregexp.New(`^mrk-[0-9a-f]{32}$|^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// find resolves a key's id, ARN, and, where the operation takes them, an alias
// or alias ARN.
func (s *Service) find(tx *store.Tx, req *wire.Request, ref *string, aliases bool) (key, error) {
	if ref == nil { // the constraints of the operations let none pass
		return key{}, notFound("Invalid keyId ''")
	}
	id, sc := *ref, req.Scope
	if wire.MeansARN(id) {
		a, ok := wire.ParseARN(id)
		if !ok || a.Service != "kms" {
			return key{}, wire.Errorf(http.StatusBadRequest, "InvalidArnException", "Invalid arn %s", id)
		}
		if sc = wire.ScopeOfARN(a); sc.Region != req.Region || sc.Partition != req.Partition {
			return key{}, notFound("Invalid arn %s", sc.Region)
		}
		id = strings.TrimPrefix(a.Resource, "key/")
	}
	if strings.HasPrefix(id, "alias/") {
		if !aliases {
			return key{}, notFound("Invalid keyId %s", id)
		}
		a, found, err := store.Get[alias](tx, aliasesBucket, sc.Key(id))
		if err != nil {
			return key{}, err
		}
		if !found {
			return key{}, notFound("Alias %s is not found.", arn(sc, id))
		}
		id = a.KeyID
	} else if !keyID.MatchString(id) {
		return key{}, notFound("Invalid keyId '%s'", id)
	}
	k, found, err := store.Get[key](tx, keysBucket, id)
	if err != nil {
		return key{}, err
	}
	if !found || k.scope() != sc || s.gone(k) {
		return key{}, notFound("Key '%s' does not exist", arn(sc, "key/"+id))
	}
	return k, nil
}

// gone tells whether the waiting period of a deletion is over.
func (s *Service) gone(k key) bool { return !k.Deletion.IsZero() && !s.now().Before(k.Deletion) }

// read loads a key.
func (s *Service) read(req *wire.Request, ref *string, aliases bool) (k key, err error) {
	if aliases {
		if err := s.ensureManaged(req, ref); err != nil {
			return k, err
		}
	}
	return store.Look(s.DB, func(tx *store.Tx) (key, error) { return s.find(tx, req, ref, aliases) })
}

// change lets fn change a key.
func (s *Service) change(req *wire.Request, ref *string, fn func(*key) error) (k key, err error) {
	err = s.DB.Update(func(tx *store.Tx) error {
		if k, err = s.find(tx, req, ref, false); err != nil {
			return err
		}
		if k.Managed {
			return errManaged(k)
		}
		if err := fn(&k); err != nil {
			return err
		}
		return store.Put(tx, keysBucket, k.ID, k)
	})
	return k, err
}

// alive refuses keys that wait for their deletion.
func alive(k *key) error {
	if !k.Deletion.IsZero() {
		return wire.Errorf(http.StatusBadRequest, "KMSInvalidStateException", "%s is pending deletion.", k.ARN)
	}
	return nil
}
