// Package ssm owns the sandbox's AWS Systems Manager Parameter Store: parameters with
// their versions, those of type SecureString encrypted under KMS keys. Nothing else of
// Systems Manager is served: documents, maintenance windows, patches and commands run on
// instances, of which the sandbox has none. Of the sandbox it may import only wire, store, guard, iam/policy
// and kit.
package ssm

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/bell"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/defaults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/envelope"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const parametersBucket = "ssm.parameters" // scope's key of the name -> parameter

// managedKey is the key of SecureStrings that name none.
const managedKey = "alias/aws/ssm"

// Limits of Parameter Store. (general/latest/gr/ssm.html)
const (
	maxStandard = 4096
	maxAdvanced = 8192
	maxVersions = 100
	maxLevels   = 15
)

// Config is what the service needs. DB and Router are required; the router serves KMS and
// Secrets Manager.
type Config struct {
	DB     *store.DB
	Router *wire.Router
	Clock  clock.Clock  // nil: the machine's
	Log    *slog.Logger // nil: none
	Events wire.Events  // of parameters; nil: nobody hears them
}

// Service is Parameter Store. It is safe for concurrent use.
type Service struct {
	Config
	changed bell.Bell // rung when policies have changed
	cancel  context.CancelFunc
	done    sync.WaitGroup
}

// New returns the service over the store.
func New(c Config) (*Service, error) {
	if c.DB == nil || c.Router == nil {
		return nil, errors.New("ssm: DB and Router are required")
	}
	c.Clock, c.Log = defaults.Of(c.Clock, c.Log)
	return &Service{Config: c, changed: bell.New()}, nil
}

// Register adds the service and its operations to the router.
func (s *Service) Register(r *wire.Router) {
	const id = "ssm"
	// What has an error of its own is checked where that is: kinds of resources, the number of labels.
	r.Register(wire.Service{ID: id, Check: constraint.For(id, "ValidationException", "resourceType:enum", "labels:max").Check, Guard: policy.Guard(s.target)})
	one := wire.On(onParameters)
	wire.Handle(r, id, "PutParameter", s.put, one.Tags("ssm:AddTagsToResource"))
	wire.Handle(r, id, "GetParameter", s.get, one)
	wire.Handle(r, id, "GetParameters", s.getMany, one)
	wire.Handle(r, id, "DeleteParameter", s.remove, one)
	wire.Handle(r, id, "DescribeParameters", s.describe, wire.Access{})
	wire.Handle(r, id, "DeleteParameters", s.removeMany, one)
	wire.Handle(r, id, "GetParametersByPath", s.byPath, wire.On(onFolder))
	wire.Handle(r, id, "GetParameterHistory", s.history, one)
	wire.Handle(r, id, "LabelParameterVersion", s.label, one)
	wire.Handle(r, id, "UnlabelParameterVersion", s.unlabel, one)
	tagged := wire.On(onTagged)
	wire.Handle(r, id, "AddTagsToResource", s.tag, tagged)
	wire.Handle(r, id, "RemoveTagsFromResource", s.untag, tagged)
	wire.Handle(r, id, "ListTagsForResource", s.tags, tagged)
}

// onParameters are the parameters that a document names.
func onParameters(req *wire.Request, in wire.Input) (arns []string) {
	names := in.Texts("Names")
	if name := in.Text("Name"); name != "" {
		names = append(names, name)
	}
	for _, name := range names {
		a, err := parse(req, name)
		if err != nil {
			arns = append(arns, name)
			continue
		}
		arns = append(arns, arnOf(a.scope, a.name))
	}
	return arns
}

// target is what a decision about a parameter has to know.
func (s *Service) target(req *wire.Request, arn string) (policy.Target, error) {
	t := policy.Target{ARN: arn, Keys: map[string][]string{}}
	a, err := parse(req, arn)
	if err != nil {
		return t, nil //nolint:nilerr // no parameter: the identity decides
	}
	var none *wire.Error
	err = s.DB.View(func(tx *store.Tx) error {
		p, err := find(tx, a)
		t.Tags = p.Tags
		return err
	})
	if errors.As(err, &none) {
		return t, nil
	}
	for k, v := range t.Tags {
		t.Keys["ssm:resourceTag/"+k] = []string{v}
	}
	return t, err
}

// parameter is a parameter as it is kept.
type parameter struct {
	Name, ARN, Type, Description, Tier string
	Key                                string // of a SecureString
	Tags                               map[string]string
	User                               string         // who changed it last
	Versions                           []version      // the oldest first; the last one counts
	Policies                           []inlinePolicy `json:",omitempty"`
}

// version is one value of a parameter.
type version struct {
	Number   int64
	Modified time.Time
	Text     string          `json:",omitempty"`
	Sealed   envelope.Sealed // of a SecureString
	Labels   []string        `json:",omitempty"`
	// Description and User are those of the change that made it.
	Description, User, Pattern string `json:",omitempty"`
}

func (p *parameter) last() version { return p.Versions[len(p.Versions)-1] }

func (s *Service) now() time.Time { return s.Clock.Now().UTC() }

// bound is the encryption context that Parameter Store uses.
// (kms/latest/developerguide/services-parameter-store.html)
func bound(arn string) map[string]string { return map[string]string{"PARAMETER_ARN": arn} }

func fail(code, format string, args ...any) *wire.Error {
	return wire.Errorf(http.StatusBadRequest, code, format, args...)
}

// notFound has no message, as on AWS.
func notFound() error { return fail("ParameterNotFound", "") }

// arnOf is the ARN of a parameter: a name that is a path has its slash already.
func arnOf(sc wire.Scope, name string) string {
	return sc.ARN("ssm", "parameter/"+strings.TrimPrefix(name, "/"))
}

// address is where a reference leads: to a parameter, perhaps to one of its versions.
type address struct {
	scope          wire.Scope
	name, selector string
}

// parse reads a name or ARN with an optional ":version" or ":label".
func parse(req *wire.Request, ref string) (address, error) {
	a := address{scope: req.Scope, name: ref}
	if wire.MeansARN(ref) {
		arn, ok := wire.ParseARN(ref)
		rest, isParameter := strings.CutPrefix(arn.Resource, "parameter/")
		if !ok || arn.Service != "ssm" || !isParameter {
			return a, fail("ValidationException", "Invalid parameter ARN.")
		}
		a.scope, a.name = wire.ScopeOfARN(arn), rest
		if a.scope.Region != req.Region || a.scope.Partition != req.Partition {
			return a, notFound()
		}
		if name, _, _ := strings.Cut(rest, ":"); strings.Contains(name, "/") {
			a.name = "/" + rest
		}
	}
	name, selector, has := strings.Cut(a.name, ":")
	if has {
		a.name, a.selector = name, ":"+selector
	}
	if strings.Contains(selector, ":") {
		return a, notFound() // there is one selector only
	}
	return a, nil
}

// find loads a parameter. The path /a and the name a are one, as in their ARN; that
// AWS finds each by the other is recorded in https://github.com/getmoto/moto
// (tests/test_ssm/test_ssm.py, test_parameter_lifecycle_with_leading_slash).
func find(tx *store.Tx, a address) (parameter, error) {
	names := []string{a.name}
	if bare := strings.TrimPrefix(a.name, "/"); !strings.Contains(bare, "/") {
		names = append(names, "/"+bare, bare)
	}
	for _, name := range names {
		p, found, err := store.Get[parameter](tx, parametersBucket, a.scope.Key(name))
		if err != nil || found {
			return p, err
		}
	}
	return parameter{}, notFound()
}

// open loads a parameter.
func (s *Service) open(req *wire.Request, ref string) (p parameter, a address, err error) {
	if a, err = parse(req, ref); err != nil {
		return p, a, err
	}
	err = s.DB.View(func(tx *store.Tx) error {
		p, err = find(tx, a)
		return err
	})
	return p, a, err
}

// selected returns the version that a selector names, the last one without.
func (p *parameter) selected(selector string) (version, error) {
	if selector == "" {
		return p.last(), nil
	}
	n, err := strconv.ParseInt(selector[1:], 10, 64)
	for _, v := range p.Versions {
		if err == nil && v.Number == n || err != nil && slices.Contains(v.Labels, selector[1:]) {
			return v, nil
		}
	}
	what := "version"
	if err != nil {
		what = "label"
	}
	return version{}, fail("ParameterVersionNotFound", "Systems Manager could not find %s %s of %s. Verify the %s and try again.", what, selector[1:], p.Name, what)
}

// value is the text of a version: of a SecureString the encrypted text, unless it is to
// be decrypted.
func (s *Service) value(ctx context.Context, req *wire.Request, p parameter, v version, decrypt bool) (string, error) {
	if p.Type != secureString {
		return v.Text, nil
	}
	if !decrypt {
		return base64.StdEncoding.EncodeToString(v.Sealed.Text), nil
	}
	raw, err := v.Sealed.Open(ctx, s.Router, req, bound(p.ARN))
	return string(raw), err
}

var (
	nameForm = lazyregexp.New(`^/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$`)
	reserved = lazyregexp.New(`(?i)^/?(aws|ssm)`)
)

// checkName refuses names in the words of AWS: to a path below /aws nobody has access, and
// AWS names it without its slash.
func checkName(name string) error {
	lower, path := strings.ToLower(name), strings.Count(name, "/") > 1
	switch {
	case path && strings.HasPrefix(lower, "/aws"):
		return fail("AccessDeniedException", "No access to reserved parameter name: %s.", strings.TrimPrefix(name, "/"))
	case path && strings.HasPrefix(lower, "/ssm"):
		return badName()
	case reserved.MatchString(name):
		return fail("ValidationException", `Parameter name: can't be prefixed with "aws" or "ssm" (case-insensitive).`)
	case strings.Contains(strings.TrimPrefix(name, "/"), "/") && !strings.HasPrefix(name, "/"):
		return fail("ValidationException", "Parameter name must be a fully qualified name.")
	case !nameForm.MatchString(name):
		return badName()
	case strings.Count(name, "/") > maxLevels:
		return fail("HierarchyLevelLimitExceededException", "A hierarchy can have a maximum of %d levels.", maxLevels)
	}
	return nil
}

func badName() error {
	return fail("ValidationException", `Parameter name: can't be prefixed with "ssm" (case-insensitive). If formed as a path, it can consist of `+
		`sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_`)
}
