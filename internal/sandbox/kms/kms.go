// Package kms owns the sandbox's AWS Key Management Service: symmetric keys with
// policies, rotation settings, aliases and deletion, and real encryption with
// AES-GCM. Key material is in the store and nowhere else.
package kms

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
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
	if c.Clock == nil {
		c.Clock = clock.Real{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c}, nil
}

// Register adds the service and its operations to the router.
func (s *Service) Register(r *wire.Router) {
	r.Register(wire.Service{ID: "kms", Check: constraint.For("kms", "ValidationException").Check})
	s.registerKeys(r)
	s.registerAliases(r)
	s.registerCrypto(r)
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
	// Material is the 256-bit keys, newest last; ciphertexts name theirs.
	Material [][]byte
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

var keyID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// find resolves a key's id, ARN, and, where the operation takes them, an alias
// or alias ARN.
func (s *Service) find(tx *store.Tx, req *wire.Request, ref *string, aliases bool) (key, error) {
	if ref == nil || *ref == "" {
		return key{}, validation("1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null")
	}
	id, sc := *ref, req.Scope
	if strings.HasPrefix(id, "arn:") {
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

// allow decides by the key's policy and the caller's own. Unlike with other
// resources, the caller's own policies count only if the key's policy says so
// (by allowing the account).
// https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
func (s *Service) allow(ctx context.Context, req *wire.Request, k key, action string, keys map[string][]string) error {
	doc, err := policy.Parse(k.Policy, policy.Resource)
	if err != nil {
		return fmt.Errorf("policy of key %s: %w", k.ID, err)
	}
	all := map[string][]string{"kms:CallerAccount": {req.Principal.Account}}
	if k.Managed && req.HTTP == nil { // a service of the sandbox calls on behalf of its caller
		all["kms:ViaService"] = []string{strings.TrimPrefix(k.Description, managedFor) + "." + req.Region + ".amazonaws.com"}
	}
	for name, values := range keys {
		all[name] = values
	}
	return policy.Authorize(ctx, req, policy.ResourceFirst, doc, action, k.ARN, all, s.now())
}

// read loads a key that the caller may use with the request's operation.
func (s *Service) read(ctx context.Context, req *wire.Request, ref *string, aliases bool) (k key, err error) {
	if aliases {
		if err := s.ensureManaged(req, ref); err != nil {
			return k, err
		}
	}
	err = s.DB.View(func(tx *store.Tx) error {
		k, err = s.find(tx, req, ref, aliases)
		return err
	})
	if err != nil {
		return k, err
	}
	return k, s.allow(ctx, req, k, "kms:"+req.Operation, nil)
}

// change lets fn change a key that the caller may change.
func (s *Service) change(ctx context.Context, req *wire.Request, ref *string, fn func(*key) error) (k key, err error) {
	if _, err := s.read(ctx, req, ref, false); err != nil {
		return k, err
	}
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
