package servicequotas

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/servicequotas/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// The operations of the sandbox's own service that set quotas and list them.
const (
	OpSet  = "SetQuotas"
	OpList = "ListQuotas"
)

// Setting is what the caller's account is to have of quotas in a region.
type Setting struct {
	Region string `json:"region"`
	// Values are by SERVICE/CODE, or by SERVICE/NAME; nil is AWS's own default.
	Values map[string]*float64 `json:"values,omitempty"`
	// Service is whose quotas are listed; "" for all.
	Service string `json:"service,omitempty"`
}

// Quota is what an account has of a quota.
type Quota struct {
	Quota   string  `json:"quota"` // SERVICE/CODE
	Name    string  `json:"name"`
	Value   float64 `json:"value"`
	Default float64 `json:"default"` // AWS's own
	Global  bool    `json:"global,omitempty"`
	// Requested is what an open request asks for.
	Requested *float64 `json:"requested,omitempty"`
}

// Quotas are those of an account in a region.
type Quotas struct {
	Account string  `json:"account"`
	Region  string  `json:"region"`
	Quotas  []Quota `json:"quotas"`
}

// RegisterControl adds the operations to the sandbox's own service, which has an id.
func (s *Service) RegisterControl(r *wire.Router, service string) {
	own := wire.Access{Inside: "they are the account's own user's, whatever a policy says"}
	for op, fn := range map[string]func(wire.Scope, Setting) (Quotas, error){OpSet: s.set, OpList: s.list} {
		r.Handle(service, op, func(_ context.Context, req *wire.Request, in []byte) (any, error) {
			if !req.Principal.Admin {
				return nil, wire.Errorf(http.StatusForbidden, "AccessDeniedException", "only the account's own user controls the sandbox")
			}
			var set Setting
			if err := json.Unmarshal(in, &set); err != nil {
				return nil, wire.Errorf(http.StatusBadRequest, "SerializationException", "%s", err)
			}
			sc := req.Scope
			if set.Region != "" {
				sc = wire.ScopeOf(sc.Account, set.Region)
			}
			out, err := fn(sc, set)
			if err != nil {
				return nil, err
			}
			raw, err := json.Marshal(out)
			return json.RawMessage(raw), err // as it is: members of the sandbox's own have no model
		}, own)
	}
}

func invalid(format string, args ...any) error { return fail("ValidationException", format, args...) }

// named is the quota of SERVICE/CODE or SERVICE/NAME, where the name of machines for
// endpoints may be the type alone.
func named(text string) (limits.Quota, error) {
	if q, ok := limits.ByID(text); ok {
		return q, nil
	}
	service, name, ok := strings.Cut(text, "/")
	if !ok || limits.ServiceName(service) == "" {
		return limits.Quota{}, invalid("%q is no quota: write SERVICE/CODE, such as sagemaker/L-614B09FD", text)
	}
	if id, ok := limits.Endpoint(name); ok && service == "sagemaker" {
		q, _ := limits.ByID(id)
		return q, nil
	}
	for _, q := range limits.Of(service) {
		if strings.EqualFold(q.Name, name) {
			return q, nil
		}
	}
	return limits.Quota{}, invalid("%s has no quota %q in the sandbox", service, name)
}

// set keeps what the account of a scope has of quotas, all or none of them, and decides
// the open requests that ask for no more.
func (s *Service) set(sc wire.Scope, set Setting) (Quotas, error) {
	values := map[string]float64{}
	now := s.Clock.Now().UTC()
	err := s.DB.Update(func(tx *store.Tx) error {
		for text, v := range set.Values {
			q, err := named(text)
			if err != nil {
				return err
			}
			value := q.Default
			if v != nil {
				value = *v
			}
			if value < 0 || value != math.Trunc(value) || value > 1e9 {
				return invalid("%s is %v: it must be a whole number from 0 to 1000000000", text, value)
			}
			values[limits.Key(sc, q)] = value
			if err := store.Put(tx, valuesBucket, limits.Key(sc, q), applied{value, now}); err != nil {
				return err
			}
			if err := s.decide(tx, sc, q, value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Quotas{}, err
	}
	for key, v := range values {
		s.book.Set(key, v)
	}
	return s.list(sc, set)
}

// decide approves the open requests that a value grants.
func (s *Service) decide(tx *store.Tx, sc wire.Scope, q limits.Quota, value float64) error {
	list, err := asked(tx, sc)
	if err != nil {
		return err
	}
	for key, r := range list {
		if r.Service != q.Service || r.Code != q.Code || r.Desired > value {
			continue
		}
		r.Status, r.Updated = types.RequestStatusApproved, s.Clock.Now().UTC()
		if err := store.Put(tx, requestsBucket, key, r); err != nil {
			return err
		}
	}
	return nil
}

// asked are the open requests of an account by their keys: of the region, and those for
// quotas that the whole account has of every region of the partition.
func asked(tx *store.Tx, sc wire.Scope) (map[string]request, error) {
	out := map[string]request{}
	err := store.Each(tx, requestsBucket, sc.Account+"|", "", func(key string, r request) bool {
		a, _ := wire.ParseARN(r.ARN)
		q, _ := limits.ByID(r.Service + "/" + r.Code)
		if r.open() && (wire.ScopeOfARN(a) == sc || q.Global && a.Partition == sc.Partition) {
			out[key] = r
		}
		return true
	})
	return out, err
}

// list is what the account of a scope has of all quotas, or of those of a service.
func (s *Service) list(sc wire.Scope, set Setting) (Quotas, error) {
	if set.Service != "" && limits.ServiceName(set.Service) == "" {
		return Quotas{}, invalid("the sandbox keeps no quotas of %q", set.Service)
	}
	out := Quotas{Account: sc.Account, Region: sc.Region, Quotas: []Quota{}}
	err := s.DB.View(func(tx *store.Tx) error {
		list, err := asked(tx, sc)
		open := map[string]float64{} // the most that is asked for
		for _, r := range list {
			open[r.Service+"/"+r.Code] = max(open[r.Service+"/"+r.Code], r.Desired)
		}
		for _, q := range limits.Of(set.Service) {
			row := Quota{Quota: q.ID(), Name: q.Name, Value: s.book.Value(sc, q), Default: q.Default, Global: q.Global}
			if v, ok := open[q.ID()]; ok {
				row.Requested = &v
			}
			out.Quotas = append(out.Quotas, row)
		}
		return err
	})
	return out, err
}
