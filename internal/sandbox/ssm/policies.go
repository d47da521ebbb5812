package ssm

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/bell"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// The policies of parameters: one lets a parameter end, the others give events.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-policies.html
const (
	expiration       = "Expiration"
	expirationNotice = "ExpirationNotification"
	noChangeNotice   = "NoChangeNotification"

	pending  = "Pending"
	finished = "Finished"

	maxPolicies = 10
)

// inlinePolicy is a policy as it is kept.
type inlinePolicy struct {
	Type, Text, Status string
	Due                time.Time
	After              time.Duration `json:",omitempty"` // of NoChangeNotification: how long nothing may change
}

// policyDocument is how a policy is written.
type policyDocument struct {
	Type, Version string
	Attributes    struct{ Timestamp, Before, After, Unit string }
}

func badAttribute(kind string) error {
	return fail("InvalidPolicyAttributeException", "The policy attributes of type %s are not valid.", kind) // the words are ours
}

// span reads the attributes of a notification.
func (d policyDocument) span(number string) (time.Duration, error) {
	n, err := strconv.Atoi(number)
	unit := map[string]time.Duration{"Days": 24 * time.Hour, "Hours": time.Hour}[d.Attributes.Unit]
	if err != nil || n < 1 || n > 365*24 || unit == 0 {
		return 0, badAttribute(d.Type)
	}
	return time.Duration(n) * unit, nil
}

// parsePolicies reads the policies of a parameter that was changed at a time. "[{}]" takes
// away those that there are.
func parsePolicies(text string, changed time.Time) ([]inlinePolicy, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return nil, fail("ValidationException", "Invalid policies input: %s.", text) // unsure: AWS's words are not documented
	}
	if len(raw) > maxPolicies {
		return nil, fail("PoliciesLimitExceededException", "You specified more than the maximum number of allowed policies for the parameter. The maximum is %d.", maxPolicies)
	}
	out := []inlinePolicy{}
	var docs []policyDocument
	for _, r := range raw {
		var d policyDocument
		if err := json.Unmarshal(r, &d); err != nil {
			return nil, fail("ValidationException", "Invalid policies input: %s.", text)
		}
		if d == (policyDocument{}) && len(raw) == 1 {
			return nil, nil
		}
		docs = append(docs, d)
		out = append(out, inlinePolicy{Type: d.Type, Text: string(r), Status: pending})
	}
	var ends time.Time
	for i, d := range docs {
		if d.Type != expiration {
			continue
		}
		if !ends.IsZero() {
			return nil, fail("IncompatiblePolicyException", "There is a conflict in the policies specified for this parameter. You can't, for example, specify "+
				"two Expiration policies for a parameter. Review your policies, and try again.")
		}
		at, err := time.Parse(time.RFC3339Nano, d.Attributes.Timestamp)
		if err != nil {
			return nil, badAttribute(d.Type)
		}
		ends, out[i].Due = at, at
	}
	for i, d := range docs {
		var err error
		switch p := &out[i]; d.Type {
		case expiration:
		case expirationNotice:
			var before time.Duration
			if before, err = d.span(d.Attributes.Before); ends.IsZero() {
				err = badAttribute(d.Type)
			}
			p.Due = ends.Add(-before)
		case noChangeNotice:
			p.After, err = d.span(d.Attributes.After)
			p.Due = changed.Add(p.After)
		default:
			err = fail("InvalidPolicyTypeException", "The policy type isn't supported. Parameter Store supports the following policy types: Expiration, "+
				"ExpirationNotification, and NoChangeNotification.")
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// renewed are policies after their parameter was changed.
func renewed(list []inlinePolicy, changed time.Time) []inlinePolicy {
	out := slices.Clone(list)
	for i := range out {
		if out[i].Type == noChangeNotice {
			out[i].Due, out[i].Status = changed.Add(out[i].After), pending
		}
	}
	return out
}

func policiesOf(list []inlinePolicy) []types.ParameterInlinePolicy {
	out := []types.ParameterInlinePolicy{}
	for _, p := range list {
		out = append(out, types.ParameterInlinePolicy{PolicyText: &p.Text, PolicyType: &p.Type, PolicyStatus: &p.Status})
	}
	return out
}

// Start begins to do what the policies of parameters say.
func (s *Service) Start(ctx context.Context) error {
	var run context.Context
	run, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.done.Go(guard.Func(s.Log, "the policies of parameters", func() {
		var retry bell.Retry
		for {
			next, err := s.apply(run)
			if err != nil {
				s.Log.Error("policies of parameters are not applied", "error", err.Error())
			}
			if !s.changed.Wait(run, s.Clock, retry.Wait(err, bell.Until(s.now(), next))) {
				return
			}
		}
	}))
	return ctx.Err()
}

// Close ends it.
func (s *Service) Close() error {
	if s.cancel != nil {
		s.cancel()
	}
	s.done.Wait()
	return nil
}

// apply does what is due, and returns when the next policy is, zero for none.
func (s *Service) apply(ctx context.Context) (next time.Time, err error) {
	now := s.now()
	type done struct {
		p  parameter
		by inlinePolicy
	}
	late := false
	look := func(p parameter) {
		for _, x := range p.Policies {
			switch {
			case x.Status != pending:
			case !x.Due.After(now):
				late = true
			case next.IsZero() || x.Due.Before(next):
				next = x.Due
			}
		}
	}
	err = s.DB.View(func(tx *store.Tx) error {
		return store.Each(tx, parametersBucket, "", "", func(_ string, p parameter) bool {
			look(p)
			return true
		})
	})
	if err != nil || !late {
		return next, err
	}
	var list []done
	err = s.DB.Update(func(tx *store.Tx) error {
		list = nil
		var all []parameter
		err := store.Each(tx, parametersBucket, "", "", func(_ string, p parameter) bool {
			all = append(all, p)
			return true
		})
		for _, p := range all {
			if err != nil {
				return err
			}
			over, touched := false, false
			for i, x := range p.Policies {
				if x.Status != pending || x.Due.After(now) {
					continue
				}
				p.Policies[i].Status, touched = finished, true
				over = over || x.Type == expiration
				list = append(list, done{p, x})
			}
			key := scopeOf(p).Key(p.Name)
			switch {
			case over:
				err = tx.Delete(parametersBucket, key)
			case touched:
				err = store.Put(tx, parametersBucket, key, p)
			}
		}
		return err
	})
	if err != nil {
		return next, err
	}
	for _, d := range list {
		s.tellPolicy(ctx, d.p, d.by)
	}
	return next, nil
}

func scopeOf(p parameter) wire.Scope {
	a, _ := wire.ParseARN(p.ARN)
	return wire.ScopeOfARN(a)
}

// tellPolicy and tellChange give the events of Parameter Store.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-cwe.html
func (s *Service) tellPolicy(ctx context.Context, p parameter, by inlinePolicy) {
	if s.Events == nil {
		return
	}
	s.Events.PutEvent(ctx, scopeOf(p), "aws.ssm", "Parameter Store Policy Action", []string{p.ARN}, map[string]any{
		"parameter-name": p.Name, "parameter-type": p.Type, "policy-type": by.Type, "policy-content": by.Text, "action-status": "Success",
	})
	if by.Type == expiration {
		s.tellChange(ctx, p, "Delete")
	}
}

func (s *Service) tellChange(ctx context.Context, p parameter, operation string) {
	if s.Events == nil {
		return
	}
	s.Events.PutEvent(ctx, scopeOf(p), "aws.ssm", "Parameter Store Change", []string{p.ARN}, map[string]any{
		"operation": operation, "name": p.Name, "type": p.Type, "description": p.Description,
	})
}
