// Package servicequotas owns the sandbox's Service Quotas: what AWS gives every account of
// each quota that the sandbox keeps, what an account has, and its requests for more. Nobody
// of AWS decides about those: the sandbox's own user sets quotas. Of the sandbox it may
// import only wire, store, iam/policy and kit; which things count against a quota, the
// services know that have it (kit/limits).
package servicequotas

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas/types"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/defaults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const id = "servicequotas"

// Buckets of the store.
const (
	valuesBucket   = "servicequotas.values"   // limits.Key -> applied
	requestsBucket = "servicequotas.requests" // scope's key of the time and id -> request
	tagsBucket     = "servicequotas.tags"     // ARN -> tags
)

// Config is what the service needs. DB is required.
type Config struct {
	DB    *store.DB
	Clock clock.Clock  // nil: the machine's
	Log   *slog.Logger // nil: none
}

// Service is Service Quotas. It is safe for concurrent use.
type Service struct {
	Config
	book *limits.Book
}

// applied is what an account was given of a quota.
type applied struct {
	Value float64
	Set   time.Time
}

// request is a request for more.
type request struct {
	ID, Service, Code string
	Desired           float64
	Status            types.RequestStatus
	Created, Updated  time.Time
	Requester         string // JSON
	ARN               string
}

// open: nobody has decided yet.
func (r request) open() bool {
	return r.Status == types.RequestStatusPending || r.Status == types.RequestStatusCaseOpened
}

// New returns the service over the store, with what it says in the Book.
func New(c Config) (*Service, error) {
	if c.DB == nil {
		return nil, errors.New("servicequotas: DB is required")
	}
	c.Clock, c.Log = defaults.Of(c.Clock, c.Log)
	s := &Service{Config: c, book: limits.NewBook()}
	return s, c.DB.View(func(tx *store.Tx) error {
		return store.Each(tx, valuesBucket, "", "", func(key string, a applied) bool {
			s.book.Set(key, a.Value)
			return true
		})
	})
}

// Book has what accounts have of quotas.
func (s *Service) Book() *limits.Book { return s.book }

// Register adds the service and its operations to the router. Only tagging and requests
// know resources.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_servicequotas.html
func (s *Service) Register(r *wire.Router) {
	r.Register(wire.Service{ID: id, Check: constraint.For(id, "ValidationException").Check, Guard: policy.Tagged(s.tagsOf)})
	all, tagged := wire.Access{}, wire.On(func(_ *wire.Request, in wire.Input) []string { return []string{in.Text("ResourceARN")} })
	wire.Handle(r, id, "ListServices", s.listServices, all)
	wire.Handle(r, id, "GetServiceQuota", s.getQuota, all)
	wire.Handle(r, id, "ListServiceQuotas", s.listQuotas, all)
	wire.Handle(r, id, "GetAWSDefaultServiceQuota", s.getDefault, all)
	wire.Handle(r, id, "ListAWSDefaultServiceQuotas", s.listDefaults, all)
	wire.Handle(r, id, "RequestServiceQuotaIncrease", s.ask, wire.On(onQuota))
	wire.Handle(r, id, "GetRequestedServiceQuotaChange", s.getRequest, all)
	wire.Handle(r, id, "ListRequestedServiceQuotaChangeHistory", s.listRequests, all)
	wire.Handle(r, id, "ListRequestedServiceQuotaChangeHistoryByQuota", s.listRequestsByQuota, all)
	wire.Handle(r, id, "TagResource", s.tag, tagged)
	wire.Handle(r, id, "UntagResource", s.untag, tagged)
	wire.Handle(r, id, "ListTagsForResource", s.listTags, tagged)
}

func onQuota(req *wire.Request, in wire.Input) []string {
	return []string{req.ARN(id, in.Text("ServiceCode")+"/"+in.Text("QuotaCode"))}
}

func (s *Service) tagsOf(_ *wire.Request, arn string) (map[string]string, error) {
	have, _, err := store.Read[map[string]string](s.DB, tagsBucket, arn)
	return have, err
}

func fail(code, format string, args ...any) *wire.Error {
	return wire.Errorf(http.StatusBadRequest, code, format, args...)
}

// The texts are AWS's: https://github.com/brennerm/aws-quota-checker/pull/23 has that of a
// service; that of a quota is alike, and unsure.
func noService() error {
	return fail("NoSuchResourceException", "The request failed because the specified service does not exist.")
}

func noQuota() error {
	return fail("NoSuchResourceException", "The request failed because the specified quota does not exist.")
}

// there: the quotas of global services are asked for in one region.
func there(sc wire.Scope, q limits.Quota) bool {
	return !q.Global || sc.Region == limits.Home || sc.Partition != wire.PartitionAWS
}

// of are the quotas that a service has in a region.
func of(sc wire.Scope, service string) ([]limits.Quota, error) {
	out := slices.DeleteFunc(limits.Of(service), func(q limits.Quota) bool { return !there(sc, q) })
	if len(out) == 0 {
		return nil, noService()
	}
	return out, nil
}

func find(sc wire.Scope, service, code *string) (limits.Quota, error) {
	if _, err := of(sc, *service); err != nil {
		return limits.Quota{}, err
	}
	q, ok := limits.ByID(*service + "/" + *code)
	if !ok || !there(sc, q) {
		return q, noQuota()
	}
	return q, nil
}

func (s *Service) listServices(_ context.Context, req *wire.Request, in *sdk.ListServicesInput) (*sdk.ListServicesOutput, error) {
	codes := []string{}
	for _, q := range limits.Of("") {
		if there(req.Scope, q) && !slices.Contains(codes, q.Service) {
			codes = append(codes, q.Service)
		}
	}
	some, next, err := page.Of(codes, in.NextToken, in.MaxResults, 100, func(c string) string { return c })
	if err != nil {
		return nil, badToken()
	}
	out := &sdk.ListServicesOutput{Services: []types.ServiceInfo{}, NextToken: next}
	for _, c := range some {
		out.Services = append(out.Services, types.ServiceInfo{ServiceCode: aws.String(c), ServiceName: aws.String(limits.ServiceName(c))})
	}
	return out, nil
}

func badToken() error { return fail("InvalidPaginationTokenException", "Invalid token was used.") }

// output shows a quota: AWS's default in an ARN of no account, or what the account has.
func output(sc wire.Scope, q limits.Quota, value float64, isDefault bool) types.ServiceQuota {
	if isDefault {
		sc.Account = ""
	}
	return types.ServiceQuota{
		ServiceCode: &q.Service, ServiceName: aws.String(limits.ServiceName(q.Service)), QuotaCode: &q.Code, QuotaName: &q.Name,
		QuotaArn: aws.String(sc.ARN(id, q.ID())), Value: &value, Unit: aws.String("None"), Adjustable: q.Adjustable, GlobalQuota: q.Global,
		QuotaAppliedAtLevel: types.AppliedLevelEnumAccount,
	}
}

func (s *Service) getQuota(_ context.Context, req *wire.Request, in *sdk.GetServiceQuotaInput) (*sdk.GetServiceQuotaOutput, error) {
	q, err := find(req.Scope, in.ServiceCode, in.QuotaCode)
	if err != nil {
		return nil, err
	}
	out := output(req.Scope, q, s.book.Value(req.Scope, q), false)
	return &sdk.GetServiceQuotaOutput{Quota: &out}, nil
}

func (s *Service) getDefault(_ context.Context, req *wire.Request, in *sdk.GetAWSDefaultServiceQuotaInput) (*sdk.GetAWSDefaultServiceQuotaOutput, error) {
	q, err := find(req.Scope, in.ServiceCode, in.QuotaCode)
	if err != nil {
		return nil, err
	}
	out := output(req.Scope, q, q.Default, true)
	return &sdk.GetAWSDefaultServiceQuotaOutput{Quota: &out}, nil
}

// pageOf is a page of a service's quotas.
func pageOf(sc wire.Scope, service, token *string, limit *int32, show func(limits.Quota) types.ServiceQuota) ([]types.ServiceQuota, *string, error) {
	list, err := of(sc, *service)
	if err != nil {
		return nil, nil, err
	}
	some, next, err := page.Of(list, token, limit, 100, limits.Quota.ID)
	if err != nil {
		return nil, nil, badToken()
	}
	out := make([]types.ServiceQuota, len(some))
	for i, q := range some {
		out[i] = show(q)
	}
	return out, next, nil
}

func (s *Service) listQuotas(_ context.Context, req *wire.Request, in *sdk.ListServiceQuotasInput) (*sdk.ListServiceQuotasOutput, error) {
	if in.QuotaCode != nil {
		q, err := find(req.Scope, in.ServiceCode, in.QuotaCode)
		if err != nil {
			return nil, err
		}
		return &sdk.ListServiceQuotasOutput{Quotas: []types.ServiceQuota{output(req.Scope, q, s.book.Value(req.Scope, q), false)}}, nil
	}
	list, next, err := pageOf(req.Scope, in.ServiceCode, in.NextToken, in.MaxResults, func(q limits.Quota) types.ServiceQuota {
		return output(req.Scope, q, s.book.Value(req.Scope, q), false)
	})
	return &sdk.ListServiceQuotasOutput{Quotas: list, NextToken: next}, err
}

func (s *Service) listDefaults(_ context.Context, req *wire.Request, in *sdk.ListAWSDefaultServiceQuotasInput) (*sdk.ListAWSDefaultServiceQuotasOutput, error) {
	list, next, err := pageOf(req.Scope, in.ServiceCode, in.NextToken, in.MaxResults, func(q limits.Quota) types.ServiceQuota {
		return output(req.Scope, q, q.Default, true)
	})
	return &sdk.ListAWSDefaultServiceQuotasOutput{Quotas: list, NextToken: next}, err
}

// decimal is a value as AWS's messages have it: "4000000.0".
func decimal(v float64) string {
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if v == math.Trunc(v) {
		text += ".0"
	}
	return text
}

// ask records a request for more. That a request must be for more than the default, and
// that some quotas are not adjustable, are AWS's texts; that of what the account has is
// alike, and unsure. The text of a second request is matched by Terraform's own provider:
// https://github.com/hashicorp/terraform-provider-aws (internal/service/servicequotas/service_quota.go).
func (s *Service) ask(_ context.Context, req *wire.Request, in *sdk.RequestServiceQuotaIncreaseInput) (*sdk.RequestServiceQuotaIncreaseOutput, error) {
	q, err := find(req.Scope, in.ServiceCode, in.QuotaCode)
	if err != nil {
		return nil, err
	}
	switch have := s.book.Value(req.Scope, q); {
	case !q.Adjustable:
		return nil, fail("IllegalArgumentException", "The request failed because the specified quota is not adjustable.")
	case *in.DesiredValue <= q.Default:
		return nil, fail("IllegalArgumentException", "You must provide a quota value greater than the default quota value of %s", decimal(q.Default))
	case *in.DesiredValue <= have:
		return nil, fail("IllegalArgumentException", "You must provide a quota value greater than the current quota value of %s", decimal(have))
	}
	who, err := json.Marshal(map[string]string{"accountId": req.Account, "callerArn": req.Principal.ARN})
	if err != nil {
		return nil, err
	}
	now := s.Clock.Now().UTC()
	r := request{
		ID: strings.ReplaceAll(wire.NewID(), "-", "") + "sandbox", Service: q.Service, Code: q.Code, Desired: *in.DesiredValue, Status: types.RequestStatusPending,
		Created: now, Updated: now, Requester: string(who), ARN: req.ARN(id, q.ID()),
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		old, err := store.List[request](tx, requestsBucket, req.Key(""))
		if err != nil {
			return err
		}
		if slices.ContainsFunc(old, func(o request) bool { return o.open() && o.Service == r.Service && o.Code == r.Code }) {
			return fail("ResourceAlreadyExistsException", "Only one open service quota increase request is allowed per quota.")
		}
		return store.Put(tx, requestsBucket, requestKey(req.Scope, r), r)
	})
	if err != nil {
		return nil, err
	}
	out := r.output()
	return &sdk.RequestServiceQuotaIncreaseOutput{RequestedQuota: &out}, nil
}

// requestKey puts requests in the order in which they came.
func requestKey(sc wire.Scope, r request) string {
	return sc.Key(r.Created.Format("20060102T150405.000000000") + "|" + r.ID)
}

func (r request) output() types.RequestedServiceQuotaChange {
	q, _ := limits.ByID(r.Service + "/" + r.Code)
	return types.RequestedServiceQuotaChange{
		Id: &r.ID, ServiceCode: &r.Service, ServiceName: aws.String(limits.ServiceName(r.Service)), QuotaCode: &r.Code, QuotaName: &q.Name,
		DesiredValue: &r.Desired, Status: r.Status, Created: &r.Created, LastUpdated: &r.Updated, Requester: &r.Requester, QuotaArn: &r.ARN,
		GlobalQuota: q.Global, Unit: aws.String("None"), QuotaRequestedAtLevel: types.AppliedLevelEnumAccount,
	}
}

func (s *Service) getRequest(_ context.Context, req *wire.Request, in *sdk.GetRequestedServiceQuotaChangeInput) (*sdk.GetRequestedServiceQuotaChangeOutput, error) {
	list, err := store.ReadAll[request](s.DB, requestsBucket, req.Key(""))
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		if r.ID == *in.RequestId {
			out := r.output()
			return &sdk.GetRequestedServiceQuotaChangeOutput{RequestedQuota: &out}, nil
		}
	}
	return nil, fail("NoSuchResourceException", "The request failed because the specified quota increase request does not exist.")
}

// history is a page of requests, the newest first.
func (s *Service) history(req *wire.Request, token *string, limit *int32, want func(request) bool) (out []types.RequestedServiceQuotaChange, next *string, err error) {
	list, err := store.ReadAll[request](s.DB, requestsBucket, req.Key(""))
	if err != nil {
		return nil, nil, err
	}
	list = slices.DeleteFunc(list, func(r request) bool { return !want(r) })
	slices.Reverse(list)
	some, next, err := page.At(list, token, limit, 100)
	if err != nil {
		return nil, nil, badToken()
	}
	out = make([]types.RequestedServiceQuotaChange, len(some))
	for i, r := range some {
		out[i] = r.output()
	}
	return out, next, nil
}

func (s *Service) listRequests(_ context.Context, req *wire.Request,
	in *sdk.ListRequestedServiceQuotaChangeHistoryInput,
) (*sdk.ListRequestedServiceQuotaChangeHistoryOutput, error) {
	out, next, err := s.history(req, in.NextToken, in.MaxResults, func(r request) bool {
		return (in.ServiceCode == nil || *in.ServiceCode == r.Service) && (in.Status == "" || in.Status == r.Status)
	})
	return &sdk.ListRequestedServiceQuotaChangeHistoryOutput{RequestedQuotas: out, NextToken: next}, err
}

func (s *Service) listRequestsByQuota(_ context.Context, req *wire.Request,
	in *sdk.ListRequestedServiceQuotaChangeHistoryByQuotaInput,
) (*sdk.ListRequestedServiceQuotaChangeHistoryByQuotaOutput, error) {
	if _, err := find(req.Scope, in.ServiceCode, in.QuotaCode); err != nil {
		return nil, err
	}
	out, next, err := s.history(req, in.NextToken, in.MaxResults, func(r request) bool {
		return *in.ServiceCode == r.Service && *in.QuotaCode == r.Code && (in.Status == "" || in.Status == r.Status)
	})
	return &sdk.ListRequestedServiceQuotaChangeHistoryByQuotaOutput{RequestedQuotas: out, NextToken: next}, err
}

var tagRules = tags.Rules{Max: 50, TooMany: fail("TooManyTagsException",
	"You've exceeded the number of tags allowed for a resource. For more information, see Tag restrictions in the Service Quotas User Guide.")}

// changeTags lets fn change the tags of an applied quota. What has none is told apart from
// what there is not.
func (s *Service) changeTags(req *wire.Request, arn string, fn func(map[string]string) (map[string]string, error)) error {
	a, ok := wire.ParseARN(arn)
	q, known := limits.ByID(a.Resource)
	if !ok || !known || a.Service != id || a.AccountID != req.Account || a.Region != req.Region || !there(req.Scope, q) {
		return fail("NoSuchResourceException", "The specified resource does not exist.")
	}
	return s.DB.Update(func(tx *store.Tx) error {
		have, _, err := store.Get[map[string]string](tx, tagsBucket, arn)
		if err != nil {
			return err
		}
		if have, err = fn(have); err != nil || have == nil {
			return err
		}
		return store.Put(tx, tagsBucket, arn, have)
	})
}

func (s *Service) tag(_ context.Context, req *wire.Request, in *sdk.TagResourceInput) (*sdk.TagResourceOutput, error) {
	return &sdk.TagResourceOutput{}, s.changeTags(req, *in.ResourceARN, func(have map[string]string) (map[string]string, error) {
		return tagRules.Add(have, tags.Of(in.Tags, func(t types.Tag) (key, value *string) { return t.Key, t.Value }))
	})
}

func (s *Service) untag(_ context.Context, req *wire.Request, in *sdk.UntagResourceInput) (*sdk.UntagResourceOutput, error) {
	return &sdk.UntagResourceOutput{}, s.changeTags(req, *in.ResourceARN, func(have map[string]string) (map[string]string, error) {
		return tags.Without(have, in.TagKeys), nil
	})
}

func (s *Service) listTags(_ context.Context, req *wire.Request, in *sdk.ListTagsForResourceInput) (*sdk.ListTagsForResourceOutput, error) {
	out := &sdk.ListTagsForResourceOutput{}
	err := s.changeTags(req, *in.ResourceARN, func(have map[string]string) (map[string]string, error) {
		out.Tags = tags.List(have, func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} })
		return nil, nil
	})
	return out, err
}
