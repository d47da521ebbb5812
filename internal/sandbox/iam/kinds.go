package iam

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// kind is a kind of entity. Of all kinds policies, boundaries and tags are asked in the
// same operations, with the kind's noun in their names and with a member of its own that
// names the entity: PutRolePolicy, PutUserPolicy.
type kind[T any] struct {
	noun   string // "Role"
	on     func(*wire.Request, wire.Input) []string
	id     func(*kindInput) *string
	read   func(*wire.Request, *string) (T, error)
	change func(*wire.Request, *string, func(*store.Tx, *T) error) error
	// boundary is the permissions boundary of an entity; nil for kinds that have none.
	boundary func(*T) *string
}

// bounded are the condition keys of an operation that gives an entity rights or takes them:
// its boundary, besides what more has.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
func (k kind[T]) bounded(more func(*wire.Request, wire.Input) map[string][]string) func(*wire.Request, wire.Input) map[string][]string {
	return func(req *wire.Request, in wire.Input) map[string][]string {
		keys := map[string][]string{}
		if more != nil {
			maps.Copy(keys, more(req, in))
		}
		if k.boundary == nil {
			return keys
		}
		name := in.Text(k.noun + "Name")
		if e, err := k.read(req, &name); err == nil { // what is not there has no boundary
			if b := *k.boundary(&e); b != "" {
				keys[boundaryKey] = []string{b}
			}
		}
		return keys
	}
}

// kindInput is what those operations take.
type kindInput struct {
	GroupName, UserName, RoleName, InstanceProfileName, OpenIDConnectProviderArn *string
	PolicyName, PolicyDocument, PolicyArn, PermissionsBoundary                   *string
	PathPrefix, Marker                                                           *string
	MaxItems                                                                     *int32
	Tags                                                                         []types.Tag
	TagKeys                                                                      []string
}

// kindOutput is what they answer.
type kindOutput struct {
	GroupName, UserName, RoleName, PolicyName, PolicyDocument, Marker *string
	IsTruncated                                                       *bool
	PolicyNames                                                       []string
	AttachedPolicies                                                  []types.AttachedPolicy
	Tags                                                              []types.Tag
}

// changing is an operation that changes an entity and answers nothing.
func (k kind[T]) changing(r *wire.Router, operation string, keys func(*wire.Request, wire.Input) map[string][]string, fn func(*store.Tx, *T, *kindInput) error) {
	wire.Handle(r, "iam", operation, func(_ context.Context, req *wire.Request, in *kindInput) (*kindOutput, error) {
		return &kindOutput{}, k.change(req, k.id(in), func(tx *store.Tx, e *T) error { return fn(tx, e, in) })
	}, wire.Access{On: k.on, Keys: keys})
}

// reading is an operation that shows something of an entity.
func (k kind[T]) reading(r *wire.Router, operation string, fn func(*T, *kindInput) (*kindOutput, error)) {
	wire.Handle(r, "iam", operation, func(_ context.Context, req *wire.Request, in *kindInput) (*kindOutput, error) {
		e, err := k.read(req, k.id(in))
		if err != nil {
			return nil, err
		}
		return fn(&e, in)
	}, wire.On(k.on))
}

// paged is an answer with a page of what to makes of it.
func paged[I any](all []I, in *kindInput, to func(*kindOutput, []I)) (*kindOutput, error) {
	some, next, more, err := pageOf(all, in.Marker, in.MaxItems)
	out := &kindOutput{Marker: next, IsTruncated: &more}
	to(out, some)
	return out, err
}

// registerTags adds the operations about the tags of a kind.
func registerTags[T any](r *wire.Router, k kind[T], of func(*T) *map[string]string) {
	k.changing(r, "Tag"+k.noun, nil, func(_ *store.Tx, e *T, in *kindInput) (err error) {
		have := of(e)
		*have, err = addTags(*have, in.Tags)
		return err
	})
	k.changing(r, "Untag"+k.noun, nil, func(_ *store.Tx, e *T, in *kindInput) error {
		have := of(e)
		*have = tags.Without(*have, in.TagKeys)
		return nil
	})
	k.reading(r, "List"+k.noun+"Tags", func(e *T, in *kindInput) (*kindOutput, error) {
		return paged(tagList(*of(e)), in, func(out *kindOutput, some []types.Tag) { out.Tags = some })
	})
}

// registerBoundary adds the operations about the permissions boundary of a kind.
func registerBoundary[T any](s *Service, r *wire.Router, k kind[T]) {
	of := k.boundary
	k.changing(r, "Put"+k.noun+"PermissionsBoundary", boundaryKeys, func(tx *store.Tx, e *T, in *kindInput) error {
		*of(e) = aws.ToString(in.PermissionsBoundary)
		return s.checkBoundary(tx, *of(e))
	})
	k.changing(r, "Delete"+k.noun+"PermissionsBoundary", k.bounded(nil), func(_ *store.Tx, e *T, _ *kindInput) error {
		*of(e) = ""
		return nil
	})
}

// registerGrants adds the operations about the policies of a kind. of tells the policies
// of an entity, and where an answer has its name. limit is how long its inline policies
// together may be.
func registerGrants[T any](s *Service, r *wire.Router, k kind[T], limit int, of func(*T, *kindOutput) (g *grants, name string)) {
	word := strings.ToLower(k.noun)
	wire.Handle(r, "iam", "Put"+k.noun+"Policy", func(_ context.Context, req *wire.Request, in *kindInput) (*kindOutput, error) {
		if err := checkName("policyName", in.PolicyName); err != nil {
			return nil, err
		}
		return &kindOutput{}, k.change(req, k.id(in), func(_ *store.Tx, e *T) error {
			g, name := of(e, &kindOutput{})
			return g.put(word, name, limit, *in.PolicyName, in.PolicyDocument)
		})
	}, wire.Access{On: k.on, Keys: k.bounded(nil)})
	k.reading(r, "Get"+k.noun+"Policy", func(e *T, in *kindInput) (*kindOutput, error) {
		out := &kindOutput{PolicyName: in.PolicyName}
		g, _ := of(e, out)
		doc, err := g.inline(word, in.PolicyName)
		out.PolicyDocument = encoded(doc)
		return out, err
	})
	k.changing(r, "Delete"+k.noun+"Policy", k.bounded(nil), func(_ *store.Tx, e *T, in *kindInput) error {
		g, _ := of(e, &kindOutput{})
		return g.remove(word, in.PolicyName)
	})
	k.reading(r, "List"+k.noun+"Policies", func(e *T, in *kindInput) (*kindOutput, error) {
		g, _ := of(e, &kindOutput{})
		return paged(slices.Sorted(maps.Keys(g.Inline)), in, func(out *kindOutput, some []string) { out.PolicyNames = some })
	})
	k.changing(r, "Attach"+k.noun+"Policy", k.bounded(policyKeys), func(tx *store.Tx, e *T, in *kindInput) error {
		g, _ := of(e, &kindOutput{})
		return s.attach(tx, g, k.noun, in.PolicyArn)
	})
	k.changing(r, "Detach"+k.noun+"Policy", k.bounded(policyKeys), func(_ *store.Tx, e *T, in *kindInput) error {
		g, _ := of(e, &kindOutput{})
		return g.detach(in.PolicyArn)
	})
	k.reading(r, "ListAttached"+k.noun+"Policies", func(e *T, in *kindInput) (*kindOutput, error) {
		g, _ := of(e, &kindOutput{})
		return paged(attachedUnder(g.Attached, in.PathPrefix), in, func(out *kindOutput, some []types.AttachedPolicy) { out.AttachedPolicies = some })
	})
}

// entity is what all entities have that are found by a name.
type entity struct {
	Name, Path, ID, ARN string
	Created             time.Time
}

// key is where the store has the entity: its name in the account and partition of its ARN.
func (e *entity) key() string {
	a, _ := wire.ParseARN(e.ARN)
	return wire.ScopeOfARN(a).GlobalKey(e.Name)
}

func (e *entity) base() *entity { return e }

// based is a pointer to what has an entity in it.
type based[T any] interface {
	*T
	base() *entity
}

// home is where the store has the entities of a kind.
type home[T any, P based[T]] struct {
	s                          *Service
	bucket, member, path, sort string // member names one in documents, path in ARNs; sort begins their ids
	missing                    func(name string) error
}

func (h home[T, P]) get(tx *store.Tx, sc wire.Scope, name string) (T, error) {
	return store.Find[T](tx, h.bucket, sc.GlobalKey(name), h.missing(name))
}

// named refuses names of a wrong form: a member is called in refusals as in documents, but
// for its first letter.
func (h home[T, P]) named(name *string) error {
	return checkName(strings.ToLower(h.member[:1])+h.member[1:], name)
}

func (h home[T, P]) arn(sc wire.Scope, path, name string) string {
	return sc.GlobalARN("iam", h.path+path+name)
}

// fresh is a new entity, which is not kept yet.
func (h home[T, P]) fresh(req *wire.Request, name, path *string) (e entity, err error) {
	if err := h.named(name); err != nil {
		return e, err
	}
	e = entity{Name: *name, ID: newID(h.sort), Created: h.s.now()}
	e.Path, err = checkPath(path)
	e.ARN = h.arn(req.Scope, e.Path, e.Name)
	return e, err
}

func (h home[T, P]) read(req *wire.Request, name *string) (e T, err error) {
	if err := h.named(name); err != nil {
		return e, err
	}
	return store.Look(h.s.DB, func(tx *store.Tx) (T, error) { return h.get(tx, req.Scope, *name) })
}

// change loads an entity, lets fn change it and keeps it by the name that it then has.
func (h home[T, P]) change(req *wire.Request, name *string, fn func(*store.Tx, *T) error) error {
	if err := h.named(name); err != nil {
		return err
	}
	return h.s.update(func(tx *store.Tx) error {
		e, err := h.get(tx, req.Scope, *name)
		if err != nil {
			return err
		}
		if err := fn(tx, &e); err != nil {
			return err
		}
		return store.Put(tx, h.bucket, P(&e).base().key(), e)
	})
}

// on is the entity by the name that a document gives. Its path is in the ARN, so it is
// looked up; one that does not exist is asked for without a path.
func (h home[T, P]) on(req *wire.Request, in wire.Input) []string {
	name := in.Text(h.member)
	e, err := store.Look(h.s.DB, func(tx *store.Tx) (T, error) { return h.get(tx, req.Scope, name) })
	if err != nil { // it comes again where the entity is read
		return []string{h.arn(req.Scope, "/", name)}
	}
	return []string{P(&e).base().ARN}
}

// onNew is the entity that a document makes.
func (h home[T, P]) onNew(req *wire.Request, in wire.Input) []string {
	return []string{h.arn(req.Scope, pathOf(in), in.Text(h.member))}
}

// kind is the kind of the entities.
func (h home[T, P]) kind(noun string, id func(*kindInput) *string) kind[T] {
	return kind[T]{noun: noun, on: h.on, id: id, read: h.read, change: h.change}
}

// move gives an entity another name or path, where one is given. Its caller deletes what
// is under the old name.
func (h home[T, P]) move(tx *store.Tx, req *wire.Request, e *entity, noun string, name, path *string) error {
	if path != nil {
		p, err := checkPath(path)
		if err != nil {
			return err
		}
		e.Path = p
	}
	if to := aws.ToString(name); to != "" && to != e.Name {
		if err := checkName("new"+h.member, name); err != nil {
			return err
		}
		if !strings.EqualFold(to, e.Name) {
			if err := free(tx, h.bucket, req.Scope, noun, to); err != nil {
				return err
			}
		}
		e.Name = to
	}
	e.ARN = h.arn(req.Scope, e.Path, e.Name)
	return nil
}
