// Package cloudcontrol owns the sandbox's Cloud Control API: resources by the names and
// properties of CloudFormation, made and changed by the services of the sandbox themselves,
// as whoever asks. It has the three types of Step Functions, SageMaker's endpoints, and those of networks to look at. Of the
// sandbox it may import only wire, store, guard and kit.
package cloudcontrol

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudcontrol"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol/types"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/defaults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	id             = "cloudcontrol"
	requestsBucket = "cloudcontrol.requests" // scope's key of the token -> request
)

// kept is how long a request can be asked for, tokenFor how long a client token names one.
// https://docs.aws.amazon.com/cloudcontrolapi/latest/userguide/resource-operations-manage-requests.html
const (
	kept     = 7 * 24 * time.Hour
	tokenFor = 36 * time.Hour
)

// Config is what the service needs. DB and Router are required.
type Config struct {
	DB     *store.DB
	Router *wire.Router
	Clock  clock.Clock  // nil: the machine's
	Log    *slog.Logger // nil: none
	// Haste is how many times faster than on AWS the waits of a deployment pass; 0 and 1
	// are as on AWS.
	Haste int
}

// Service is Cloud Control. It is safe for concurrent use.
type Service struct {
	Config
	ctx    context.Context // that of the work in the background, ended by Close
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// request is a request for a change as it is kept. What it asks for is whole in it, and
// what it leads to is kept before it is begun, so that one that a crash has cut off can be
// done again whether or not it was done: a creation names what it makes, an update brings
// what it finds to what its patch led to, and what a removal does not find it has removed.
type request struct {
	Scope                   wire.Scope
	Principal               wire.Principal
	Token, Client           string // the client's own token, or ""
	Type, Identifier, Patch string
	Operation               types.Operation
	Desired                 model       // of a creation
	Was, Now                model       // of an update that was begun: before it and after
	Begun                   bool        // a creation, or the update of an endpoint, was begun
	Removing                bool        // a removal was begun
	Deployment              *deployment // of an alias, if one was begun
	Status                  types.OperationStatus
	Code                    types.HandlerErrorCode
	Message, Model          string
	Began, Changed          time.Time
}

func (r *request) key() string { return r.Scope.Key(r.Token) }

func (r *request) over() bool {
	return r.Status == types.OperationStatusSuccess || r.Status == types.OperationStatusFailed || r.Status == types.OperationStatusCancelComplete
}

func (r *request) event() *types.ProgressEvent {
	text := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	return &types.ProgressEvent{
		TypeName: &r.Type, Identifier: text(r.Identifier), RequestToken: &r.Token, Operation: r.Operation, OperationStatus: r.Status, EventTime: &r.Changed,
		ErrorCode: r.Code, StatusMessage: text(r.Message), ResourceModel: text(r.Model),
	}
}

// New returns the service over the store.
func New(c Config) (*Service, error) {
	if c.DB == nil || c.Router == nil {
		return nil, errors.New("cloudcontrol: DB and Router are required")
	}
	c.Clock, c.Log = defaults.Of(c.Clock, c.Log)
	ctx, cancel := context.WithCancel(context.Background())
	return &Service{Config: c, ctx: ctx, cancel: cancel}, nil
}

// Register adds the service and its operations to the router. Its actions are those of
// CloudFormation; what the resources' own services ask for comes on top, in the name of
// who calls.
// https://docs.aws.amazon.com/cloudcontrolapi/latest/userguide/security-iam.html
func (s *Service) Register(r *wire.Router) {
	// The SDK for Go signs by the other name where a caller resolves the endpoint by its older
	// interface and names none, as the official aws-native does with its setting "endpoints":
	// https://github.com/aws/aws-sdk-go-v2/blob/main/service/cloudcontrol/endpoints.go
	r.Register(wire.Service{ID: id, Also: "cloudapiservice", Actions: "cloudformation", Check: constraint.For(id, "ValidationException").Check})
	wire.Handle(r, id, "CreateResource", s.create, wire.Access{})
	wire.Handle(r, id, "GetResource", s.get, wire.Access{})
	wire.Handle(r, id, "UpdateResource", s.update, wire.Access{})
	wire.Handle(r, id, "DeleteResource", s.remove, wire.Access{})
	wire.Handle(r, id, "ListResources", s.list, wire.Access{})
	wire.Handle(r, id, "GetResourceRequestStatus", s.status, wire.Access{})
	wire.Handle(r, id, "ListResourceRequests", s.requests, wire.Access{})
	wire.Handle(r, id, "CancelResourceRequest", s.cancelRequest, wire.Access{})
}

func fail(code, format string, args ...any) error {
	return wire.Errorf(http.StatusBadRequest, code, format, args...)
}

// as is the type of a name, in the name of whom it is asked for.
func as(name *string, role, version *string) (*kind, error) {
	k := kinds[aws.ToString(name)]
	switch {
	case k == nil && strings.HasPrefix(aws.ToString(name), "AWS::"):
		return nil, fail("UnsupportedActionException", "The sandbox has no resource type %s in Cloud Control: it has those of AWS::StepFunctions, AWS::SageMaker::Endpoint, and of AWS::EC2 what a VPC consists of.", *name)
	case k == nil:
		return nil, fail("TypeNotFoundException", "The type '%s' cannot be found.", aws.ToString(name))
	case aws.ToString(role) != "":
		return nil, fail("UnsupportedActionException", "The sandbox's Cloud Control acts as who calls: it takes no RoleArn.")
	case aws.ToString(version) != "":
		return nil, fail("UnsupportedActionException", "The sandbox has one version of each resource type: it takes no TypeVersionId.")
	}
	return k, nil
}

func notFound(k *kind, identifier string) error {
	return fail("ResourceNotFoundException", "Resource of type '%s' with identifier '%s' was not found.", k.name, identifier)
}

func (s *Service) create(_ context.Context, req *wire.Request, in *sdk.CreateResourceInput) (*sdk.CreateResourceOutput, error) {
	k, err := as(in.TypeName, in.RoleArn, in.TypeVersionId)
	if err != nil {
		return nil, err
	}
	if k.create == nil {
		return nil, fail("UnsupportedActionException", "The sandbox's resources of type %s are those that every account has: none is made.", k.name)
	}
	desired, err := parse(*in.DesiredState)
	if err != nil {
		return nil, err
	}
	if err := k.check(desired, false); err != nil {
		return nil, err
	}
	event, err := s.begin(req, request{Type: k.name, Operation: types.OperationCreate, Desired: desired, Client: aws.ToString(in.ClientToken)})
	return &sdk.CreateResourceOutput{ProgressEvent: event}, err
}

func (s *Service) get(ctx context.Context, req *wire.Request, in *sdk.GetResourceInput) (*sdk.GetResourceOutput, error) {
	k, err := as(in.TypeName, in.RoleArn, in.TypeVersionId)
	if err != nil {
		return nil, err
	}
	m, err := k.read(s.looking(ctx, req), *in.Identifier)
	if err != nil {
		return nil, k.refusal(err, *in.Identifier)
	}
	text := m.text()
	return &sdk.GetResourceOutput{TypeName: in.TypeName, ResourceDescription: &types.ResourceDescription{Identifier: in.Identifier, Properties: &text}}, nil
}

func (s *Service) update(ctx context.Context, req *wire.Request, in *sdk.UpdateResourceInput) (*sdk.UpdateResourceOutput, error) {
	k, err := as(in.TypeName, in.RoleArn, in.TypeVersionId)
	if err != nil {
		return nil, err
	}
	if k.update == nil {
		return nil, fail("UnsupportedActionException", "Resource type %s does not support UPDATE action", k.name)
	}
	was, err := k.read(s.looking(ctx, req), *in.Identifier)
	if err != nil {
		return nil, k.refusal(err, *in.Identifier)
	}
	if _, err := k.patched(was, *in.PatchDocument); err != nil {
		return nil, err
	}
	event, err := s.begin(req, request{Type: k.name, Operation: types.OperationUpdate, Identifier: *in.Identifier, Patch: *in.PatchDocument, Client: aws.ToString(in.ClientToken)})
	return &sdk.UpdateResourceOutput{ProgressEvent: event}, err
}

func (s *Service) remove(_ context.Context, req *wire.Request, in *sdk.DeleteResourceInput) (*sdk.DeleteResourceOutput, error) {
	k, err := as(in.TypeName, in.RoleArn, in.TypeVersionId)
	if err != nil {
		return nil, err
	}
	if k.remove == nil {
		return nil, fail("UnsupportedActionException", "The sandbox's resources of type %s are those that every account has: none is deleted.", k.name)
	}
	event, err := s.begin(req, request{Type: k.name, Operation: types.OperationDelete, Identifier: *in.Identifier, Client: aws.ToString(in.ClientToken)})
	return &sdk.DeleteResourceOutput{ProgressEvent: event}, err
}

func (s *Service) list(ctx context.Context, req *wire.Request, in *sdk.ListResourcesInput) (*sdk.ListResourcesOutput, error) {
	k, err := as(in.TypeName, in.RoleArn, in.TypeVersionId)
	if err != nil {
		return nil, err
	}
	filter := model{}
	if in.ResourceModel != nil {
		if filter, err = parse(*in.ResourceModel); err != nil {
			return nil, err
		}
	}
	if k.parent != "" && filter.text1(k.parent) == "" {
		return nil, fail("InvalidRequestException", "Missing or invalid ResourceModel property in %s list handler request input. Required property:  (#: "+
			"required key [%s] not found)", k.name, k.parent)
	}
	all, err := k.list(s.looking(ctx, req), filter.text1(k.parent))
	if err != nil {
		return nil, k.refusal(err, filter.text1(k.parent))
	}
	slices.Sort(all)
	some, next, err := page.Of(all, in.NextToken, in.MaxResults, 100, func(arn string) string { return arn })
	if err != nil {
		return nil, fail("InvalidRequestException", "Invalid next token")
	}
	out := &sdk.ListResourcesOutput{TypeName: in.TypeName, NextToken: next, ResourceDescriptions: []types.ResourceDescription{}}
	for _, arn := range some {
		text := model{cmp.Or(k.identifier, "Arn"): arn}.text()
		out.ResourceDescriptions = append(out.ResourceDescriptions, types.ResourceDescription{Identifier: aws.String(arn), Properties: &text})
	}
	return out, nil
}

// looking is a call that changes nothing, in the name of who asks.
func (s *Service) looking(ctx context.Context, req *wire.Request) *call {
	may := func(action string) error { return req.Authorize(ctx, action, "*", nil) }
	return &call{ctx: ctx, s: s, scope: req.Scope, as: req.Principal, may: may}
}

// begin keeps a request and lets it be done. A client's token names its request for a
// while; what is being done to a resource has to be over before the next may begin.
func (s *Service) begin(req *wire.Request, r request) (*types.ProgressEvent, error) {
	now := s.Clock.Now().UTC()
	r.Scope, r.Principal, r.Token, r.Status, r.Began, r.Changed = req.Scope, req.Principal, wire.NewID(), types.OperationStatusInProgress, now, now
	if r.Operation == types.OperationCreate {
		kinds[r.Type].complete(r.Desired, r.Token)
	}
	made := true
	err := s.DB.Update(func(tx *store.Tx) error {
		all, err := store.List[request](tx, requestsBucket, req.Prefix())
		if err != nil {
			return err
		}
		for _, o := range all {
			switch {
			case now.Sub(o.Changed) > kept && o.over():
				if err := tx.Delete(requestsBucket, o.key()); err != nil {
					return err
				}
			case r.Client != "" && o.Client == r.Client && now.Sub(o.Began) < tokenFor:
				if o.Operation != r.Operation || o.Type != r.Type || o.Patch != r.Patch || r.Identifier != "" && o.Identifier != r.Identifier || !kinds[r.Type].asked(o.Desired, r.Desired) {
					return fail("ClientTokenConflictException", "The specified client token has already been used in another resource request.")
				}
				r, made = o, false
				return nil
			case !o.over() && o.Type == r.Type && o.Identifier != "" && o.Identifier == r.Identifier:
				return fail("ConcurrentOperationException", "Another resource operation is currently being performed on this resource. (%s, request token %s)", o.Operation, o.Token)
			}
		}
		return store.Put(tx, requestsBucket, r.key(), r)
	})
	if err != nil {
		return nil, err
	}
	event := r.event()
	if made {
		s.drive(r)
	}
	return event, nil
}

// asked tells whether two creations ask for the same, names that were made up aside.
func (k *kind) asked(a, b model) bool {
	a, b = a.copy(), b.copy()
	if k.named != "" && (strings.HasPrefix(a.text1(k.named), k.madeUp()) || strings.HasPrefix(b.text1(k.named), k.madeUp())) {
		delete(a, k.named)
		delete(b, k.named)
	}
	return reflect.DeepEqual(a, b)
}

func (s *Service) find(req *wire.Request, token string) (request, error) {
	r, found, err := store.Read[request](s.DB, requestsBucket, req.Key(token))
	if err == nil && (!found || r.over() && s.Clock.Now().Sub(r.Changed) > kept) {
		err = fail("RequestTokenNotFoundException", "Request with token %s was not found", token)
	}
	return r, err
}

func (s *Service) status(_ context.Context, req *wire.Request, in *sdk.GetResourceRequestStatusInput) (*sdk.GetResourceRequestStatusOutput, error) {
	r, err := s.find(req, *in.RequestToken)
	if err != nil {
		return nil, err
	}
	return &sdk.GetResourceRequestStatusOutput{ProgressEvent: r.event()}, nil
}

func (s *Service) requests(_ context.Context, req *wire.Request, in *sdk.ListResourceRequestsInput) (*sdk.ListResourceRequestsOutput, error) {
	now := s.Clock.Now()
	all, err := store.Select(s.DB, requestsBucket, req.Prefix(), func(r request) bool {
		f := in.ResourceRequestStatusFilter
		return !(r.over() && now.Sub(r.Changed) > kept) &&
			(f == nil || (len(f.Operations) == 0 || slices.Contains(f.Operations, r.Operation)) && (len(f.OperationStatuses) == 0 || slices.Contains(f.OperationStatuses, r.Status)))
	})
	if err != nil {
		return nil, err
	}
	order := func(r request) string { return fmt.Sprintf("%020d%s", ^uint64(r.Began.UnixNano()), r.Token) } // the newest first
	slices.SortFunc(all, func(a, b request) int { return strings.Compare(order(a), order(b)) })
	some, next, err := page.Of(all, in.NextToken, in.MaxResults, 100, order)
	if err != nil {
		return nil, fail("InvalidRequestException", "Invalid next token")
	}
	out := &sdk.ListResourceRequestsOutput{NextToken: next, ResourceRequestStatusSummaries: []types.ProgressEvent{}}
	for _, r := range some {
		out.ResourceRequestStatusSummaries = append(out.ResourceRequestStatusSummaries, *r.event())
	}
	return out, nil
}

// cancelRequest ends a request that is on its way. What it has made until then stays, as
// on AWS. The words about one that is over are ours.
func (s *Service) cancelRequest(_ context.Context, req *wire.Request, in *sdk.CancelResourceRequestInput) (*sdk.CancelResourceRequestOutput, error) {
	if _, err := s.find(req, *in.RequestToken); err != nil {
		return nil, err
	}
	r, err := s.settle(req.Key(*in.RequestToken), func(r *request) error {
		if r.over() {
			return fail("ConcurrentModificationException", "Request with token %s is %s: only what is PENDING or IN_PROGRESS can be canceled", r.Token, r.Status)
		}
		r.Status = types.OperationStatusCancelComplete
		return nil
	})
	return &sdk.CancelResourceRequestOutput{ProgressEvent: r.event()}, err
}

// settle changes a request as it is now.
func (s *Service) settle(key string, fn func(*request) error) (r request, err error) {
	err = s.DB.Update(func(tx *store.Tx) error {
		r, err = store.Change[request](tx, requestsBucket, key, fail("RequestTokenNotFoundException", "the request is gone"), func(r *request) error {
			r.Changed = s.Clock.Now().UTC()
			return fn(r)
		})
		return err
	})
	return r, err
}
