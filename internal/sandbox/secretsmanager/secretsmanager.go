// Package secretsmanager owns the sandbox's AWS Secrets Manager: secrets with their
// versions and stages, encrypted under KMS keys, and their deletion with a waiting
// period. Rotation and replication are refused. Of the sandbox it
// may import only wire, store, iam/policy and kit.
package secretsmanager

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/defaults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/envelope"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const secretsBucket = "secretsmanager.secrets" // scope's key of the name -> secret

// managedKey is the key of secrets that name none.
const managedKey = "alias/aws/secretsmanager"

// Stages that Secrets Manager moves by itself.
const (
	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"
)

// maxVersions is how many versions without a stage are kept.
// (secretsmanager/latest/userguide/reference_limits.html)
const maxVersions = 100

// Config is what the service needs. DB and Router are required; the router serves KMS.
type Config struct {
	DB     *store.DB
	Router *wire.Router
	Clock  clock.Clock  // nil: the machine's
	Log    *slog.Logger // nil: none
}

// Service is Secrets Manager. It is safe for concurrent use.
type Service struct{ Config }

// New returns the service over the store.
func New(c Config) (*Service, error) {
	if c.DB == nil || c.Router == nil {
		return nil, errors.New("secretsmanager: DB and Router are required")
	}
	c.Clock, c.Log = defaults.Of(c.Clock, c.Log)
	return &Service{c}, nil
}

// Register adds the service and its operations to the router.
func (s *Service) Register(r *wire.Router) {
	const id = "secretsmanager"
	r.Register(wire.Service{ID: id, Check: constraint.For(id, "ValidationException").Check, Guard: policy.Guard(s.target)})
	secret := wire.On(s.onSecret)
	wire.Handle(r, id, "CreateSecret", s.create, wire.Access{On: onNew, Keys: nameKeys, Tagging: "secretsmanager:TagResource"})
	wire.Handle(r, id, "PutSecretValue", s.put, secret)
	wire.Handle(r, id, "UpdateSecret", s.update, secret)
	wire.Handle(r, id, "GetSecretValue", s.get, wire.Access{On: s.onSecret, Keys: versionKeys})
	wire.Handle(r, id, "DescribeSecret", s.describe, secret)
	wire.Handle(r, id, "ListSecrets", s.list, wire.Access{})
	wire.Handle(r, id, "DeleteSecret", s.remove, secret)
	wire.Handle(r, id, "RestoreSecret", s.restore, secret)
	wire.Handle(r, id, "GetRandomPassword", s.randomPassword, wire.Access{})
	wire.Handle(r, id, "TagResource", s.tag, secret)
	wire.Handle(r, id, "UntagResource", s.untag, secret)
	wire.Handle(r, id, "PutResourcePolicy", s.putPolicy, secret)
	wire.Handle(r, id, "GetResourcePolicy", s.getPolicy, secret)
	wire.Handle(r, id, "DeleteResourcePolicy", s.deletePolicy, secret)
	wire.Handle(r, id, "ListSecretVersionIds", s.versions, secret)
	wire.Handle(r, id, "UpdateSecretVersionStage", s.moveStage, secret)
	wire.Handle(r, id, "BatchGetSecretValue", s.batch, wire.Access{})
}

// onNew is the ARN of a secret that is to be made, but for its random letters.
func onNew(req *wire.Request, in wire.Input) []string {
	return []string{req.ARN("secretsmanager", "secret:"+in.Text("Name")+newSuffix())}
}

// onSecret is the secret that a document names. One that does not exist is asked for
// as it is written: whether there is one is nobody's business who may not ask.
func (s *Service) onSecret(req *wire.Request, in wire.Input) []string {
	id := in.Text("SecretId")
	arns := []string{id}
	if !wire.MeansARN(id) {
		arns[0] = req.ARN("secretsmanager", "secret:"+id)
	}
	_ = s.DB.View(func(tx *store.Tx) error { // an error comes again where the secret is read
		if x, err := s.find(tx, req, id); err == nil {
			arns[0] = x.ARN
		}
		return nil
	})
	return arns
}

// The condition keys of Secrets Manager's own,
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_iam-permissions.html#iam-contextkeys
func nameKeys(_ *wire.Request, in wire.Input) map[string][]string {
	return map[string][]string{"secretsmanager:Name": {in.Text("Name")}}
}

func versionKeys(_ *wire.Request, in wire.Input) map[string][]string {
	keys := map[string][]string{}
	for member, key := range map[string]string{"VersionId": "secretsmanager:VersionId", "VersionStage": "secretsmanager:VersionStage"} {
		if in.Has(member) {
			keys[key] = []string{in.Text(member)}
		}
	}
	return keys
}

// target is what a decision about a secret has to know.
func (s *Service) target(req *wire.Request, arn string) (policy.Target, error) {
	t := policy.Target{ARN: arn, Keys: map[string][]string{}}
	var none *wire.Error
	err := s.DB.View(func(tx *store.Tx) error {
		x, err := s.find(tx, req, arn)
		if t.Tags = x.Tags; err == nil && x.Policy != "" {
			t.Policy, err = policy.Parse(x.Policy, policy.Resource)
		}
		return err
	})
	if errors.As(err, &none) {
		return t, nil
	}
	t.Keys["secretsmanager:SecretId"] = []string{arn}
	for k, v := range t.Tags {
		t.Keys["secretsmanager:ResourceTag/"+k] = []string{v}
	}
	return t, err
}

// secret is a secret as it is kept.
type secret struct {
	Name, ARN, Description, Key string // Key is "" for managedKey
	Created, Changed, Accessed  time.Time
	Deletion                    time.Time // zero unless scheduled
	Tags                        map[string]string
	Versions                    []version // the oldest first
	Policy                      string    `json:",omitempty"`
	// Owner is the AWS service that made the secret for its own use.
	Owner string `json:",omitempty"`
}

// version is one value of a secret.
type version struct {
	ID      string
	Created time.Time
	Stages  []string
	// Accessed is the day on which the value was read last.
	Accessed time.Time
	Binary   bool
	Value    envelope.Sealed
	// Digest tells the same value from another one, for requests that are repeated.
	Digest []byte
}

func (s *Service) now() time.Time { return s.Clock.Now().UTC() }

// gone tells whether the waiting period of a deletion is over.
func (s *Service) gone(x secret) bool { return !x.Deletion.IsZero() && !s.now().Before(x.Deletion) }

// bound is the encryption context that Secrets Manager uses.
// (secretsmanager/latest/userguide/security-encryption.html)
func bound(arn, id string) map[string]string {
	return map[string]string{"SecretARN": arn, "SecretVersionId": id}
}

func fail(code, format string, args ...any) *wire.Error {
	return wire.Errorf(http.StatusBadRequest, code, format, args...)
}

// notFound and deleted are in the words of AWS.
func notFound() error {
	return fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

func deleted() error {
	return fail("InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.")
}

// suffix ends the ARN of a secret: a hyphen and six random letters, so that a secret
// which is deleted and made again is another one to policies.
var suffix = lazyregexp.New(`-[A-Za-z0-9]{6}$`)

func newSuffix() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return "-" + string(b[:])
}

// find resolves a name, an ARN, or an ARN without the random letters at its end.
func (s *Service) find(tx *store.Tx, req *wire.Request, id string) (secret, error) {
	sc, names := req.Scope, []string{id}
	if wire.MeansARN(id) {
		a, ok := wire.ParseARN(id)
		name, isSecret := strings.CutPrefix(a.Resource, "secret:")
		if !ok || a.Service != "secretsmanager" || !isSecret {
			return secret{}, fail("ValidationException", "Invalid ARN.")
		}
		if sc = wire.ScopeOfARN(a); sc.Region != req.Region || sc.Partition != req.Partition {
			return secret{}, notFound()
		}
		names = []string{suffix.ReplaceAllString(name, ""), name}
	} else if !nameForm.MatchString(id) {
		return secret{}, badName()
	}
	for _, name := range names {
		x, found, err := store.Get[secret](tx, secretsBucket, sc.Key(name))
		if err != nil {
			return x, err
		}
		whole := !wire.MeansARN(id) || x.ARN == id || suffix.ReplaceAllString(x.ARN, "") == id
		if found && whole && !s.gone(x) {
			return x, nil
		}
	}
	return secret{}, notFound()
}

// open loads a secret.
func (s *Service) open(req *wire.Request, id *string) (x secret, err error) {
	return store.Look(s.DB, func(tx *store.Tx) (secret, error) { return s.find(tx, req, *id) })
}

// change lets fn change a secret as it is now.
func (s *Service) change(req *wire.Request, id string, fn func(*secret) error) (x secret, err error) {
	err = s.DB.Update(func(tx *store.Tx) error {
		if x, err = s.find(tx, req, id); err != nil {
			return err
		}
		if err := fn(&x); err != nil {
			return err
		}
		a, _ := wire.ParseARN(x.ARN)
		return store.Put(tx, secretsBucket, wire.ScopeOfARN(a).Key(x.Name), x)
	})
	return x, err
}

// at returns the version with an id, or with a stage if the id is empty.
func (x *secret) at(id, stage string) (version, error) {
	for _, v := range x.Versions {
		if id != "" && v.ID != id {
			continue
		}
		if stage == "" || has(v.Stages, stage) {
			return v, nil
		}
	}
	if id != "" && stage != "" && slices.ContainsFunc(x.Versions, func(v version) bool { return v.ID == id }) {
		return version{}, fail("InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId.")
	}
	if id != "" {
		return version{}, fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: %s", id)
	}
	return version{}, fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: %s", stage)
}

func has(list []string, s string) bool { return slices.Contains(list, s) }
