package iam

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerSimulation(r *wire.Router) {
	source := wire.On(func(_ *wire.Request, in wire.Input) []string { return []string{in.Text("PolicySourceArn")} })
	wire.Handle(r, "iam", "SimulateCustomPolicy", s.simulateCustom, wire.Access{})
	wire.Handle(r, "iam", "SimulatePrincipalPolicy", s.simulatePrincipal, source)
	wire.Handle(r, "iam", "GetContextKeysForCustomPolicy", s.customKeys, wire.Access{})
	wire.Handle(r, "iam", "GetContextKeysForPrincipalPolicy", s.principalKeys, source)
}

// identityPolicy is what AWS answers for every policy of an identity, though the API
// reference lists user, role, aws-managed and others (recorded from AWS:
// github.com/localstack/localstack, test_iam.snapshot.json, test_simulate_principle_policy).
const identityPolicy types.PolicySourceType = "IAM Policy"

// named is a policy of a simulation, by the name that answers have of it.
type named struct {
	id  string
	doc *policy.Document
}

// simulation is a question to the same decisions that requests get: policy.Decide and
// policy.Caller. What AWS tells beside the verdict and this does not: at which characters
// of a document a statement that matched stands.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulateCustomPolicy.html
type simulation struct {
	caller   wire.Principal
	policies []named
	boundary *policy.Document
	resource *policy.Document // its policy; nil for none
	owner    string           // of resources whose ARN has no account
	keys     map[string][]string
}

func documents(list []named) []*policy.Document {
	out := make([]*policy.Document, len(list))
	for i, n := range list {
		out[i] = n.doc
	}
	return out
}

func invalidInput(format string, args ...any) error {
	return wire.Errorf(http.StatusBadRequest, "InvalidInput", format, args...)
}

// inputs parses the policies that a request brings.
func inputs(list []string, prefix string) ([]named, error) {
	out := make([]named, len(list))
	for i, text := range list {
		doc, err := policy.Parse(text, policy.Identity)
		if err != nil {
			return nil, invalidInput("%s", err)
		}
		out[i] = named{fmt.Sprintf("%s.%d", prefix, i+1), doc}
	}
	return out, nil
}

// bounded parses the one boundary that a request may bring.
func bounded(list []string) (*policy.Document, error) {
	docs, err := inputs(list, "")
	if err != nil || len(docs) == 0 {
		return nil, err
	}
	return docs[0].doc, nil
}

// given completes a simulation with what both operations take.
func (m *simulation) given(entries []types.ContextEntry, resourcePolicy, owner *string) (err error) {
	m.keys = map[string][]string{}
	for _, e := range entries {
		m.keys[aws.ToString(e.ContextKeyName)] = e.ContextKeyValues
	}
	if resourcePolicy != nil {
		if m.resource, err = policy.Parse(*resourcePolicy, policy.Resource); err != nil {
			return invalidInput("%s", err)
		}
	}
	if owner != nil {
		a, ok := wire.ParseARN(*owner)
		if m.owner = a.AccountID; !ok {
			m.owner = *owner
		}
		m.keys["aws:ResourceAccount"] = []string{m.owner}
	}
	return nil
}

// decide is the verdict about an action on a resource.
func (m *simulation) decide(s *Service, action, resource string) types.EvaluationResult {
	r := policy.NewRequest(m.caller, action, resource, m.keys, s.Clock.Now())
	id := policy.Caller{Policies: documents(m.policies), Boundary: m.boundary}
	var grant policy.Grant
	if m.resource != nil {
		grant = m.resource.Grant(r)
	}
	err := policy.Decide(r, policy.Either, grant, func() error { return id.Decide(r) })
	out := types.EvaluationResult{
		EvalActionName: &action, EvalResourceName: &resource, EvalDecision: types.PolicyEvaluationDecisionTypeAllowed,
		MatchedStatements: []types.Statement{}, MissingContextValues: m.missing(r),
		EvalDecisionDetails: map[string]types.PolicyEvaluationDecisionType{},
	}
	want := policy.Allow
	var denied *wire.DeniedError
	switch errors.As(err, &denied); {
	case denied == nil:
	case denied.Explicit:
		out.EvalDecision, want = types.PolicyEvaluationDecisionTypeExplicitDeny, policy.Deny
	default:
		out.EvalDecision, want = types.PolicyEvaluationDecisionTypeImplicitDeny, policy.None
	}
	for _, p := range m.policies {
		if want != policy.None && policy.Evaluate([]*policy.Document{p.doc}, r) == want {
			out.MatchedStatements = append(out.MatchedStatements, types.Statement{SourcePolicyId: aws.String(p.id), SourcePolicyType: identityPolicy})
		}
	}
	if want != policy.None && grant.Decision == want {
		out.MatchedStatements = append(out.MatchedStatements, types.Statement{SourcePolicyId: aws.String("ResourcePolicy"), SourcePolicyType: types.PolicySourceTypeResource})
	}
	if m.boundary != nil {
		out.PermissionsBoundaryDecisionDetail = &types.PermissionsBoundaryDecisionDetail{
			AllowedByPermissionsBoundary: policy.Evaluate([]*policy.Document{m.boundary}, r) == policy.Allow,
		}
	}
	return out
}

// missing are the condition keys that the policies ask for and nobody gave.
func (m *simulation) missing(r policy.Request) []string {
	out := []string{}
	for _, key := range m.conditionKeys() {
		if !r.Knows(key) {
			out = append(out, key)
		}
	}
	return out
}

func (m *simulation) conditionKeys() []string {
	docs := documents(m.policies)
	for _, d := range []*policy.Document{m.boundary, m.resource} {
		if d != nil {
			docs = append(docs, d)
		}
	}
	out := []string{}
	for _, d := range docs {
		out = append(out, d.ConditionKeys()...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// run answers for each action and each resource ("*" if none is named). Only what is on the
// page is decided: a request may name a million pairs.
func (m *simulation) run(ctx context.Context, s *Service, actions, resources []string, marker *string, limit *int32) (some []types.EvaluationResult,
	next *string, truncated bool, err error,
) {
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	start, end, next, err := page.Within(len(actions)*len(resources), marker, limit, 100)
	if err != nil {
		return nil, nil, false, invalidMarker()
	}
	some = make([]types.EvaluationResult, 0, end-start)
	for i := start; i < end; i++ {
		if err := ctx.Err(); err != nil {
			return nil, nil, false, err
		}
		some = append(some, m.decide(s, actions[i/len(resources)], resources[i%len(resources)]))
	}
	return some, next, next != nil, nil
}

// someone is who asks in a simulation that names nobody.
func someone(req *wire.Request, arn *string) (wire.Principal, error) {
	p := wire.Principal{Account: req.Account}
	if arn == nil {
		return p, nil
	}
	a, ok := wire.ParseARN(*arn)
	if !ok || a.Service != "iam" || !strings.HasPrefix(a.Resource, "user/") {
		return p, invalidInput("CallerArn must be the ARN of an IAM user: %s", *arn) // unsure
	}
	p.Account, p.ARN = a.AccountID, *arn
	return p, nil
}

func (s *Service) simulateCustom(ctx context.Context, req *wire.Request, in *sdk.SimulateCustomPolicyInput) (*sdk.SimulateCustomPolicyOutput, error) {
	caller, err := someone(req, in.CallerArn)
	if err != nil {
		return nil, err
	}
	if in.ResourcePolicy != nil && in.CallerArn == nil {
		return nil, invalidInput("CallerArn is required when ResourcePolicy is given.") // unsure of the text
	}
	m := &simulation{caller: caller}
	if m.policies, err = inputs(in.PolicyInputList, "PolicyInputList"); err != nil {
		return nil, err
	}
	if m.boundary, err = bounded(in.PermissionsBoundaryPolicyInputList); err != nil {
		return nil, err
	}
	if err := m.given(in.ContextEntries, in.ResourcePolicy, in.ResourceOwner); err != nil {
		return nil, err
	}
	list, next, truncated, err := m.run(ctx, s, in.ActionNames, in.ResourceArns, in.Marker, in.MaxItems)
	return &sdk.SimulateCustomPolicyOutput{EvaluationResults: list, Marker: next, IsTruncated: truncated}, err
}

func (s *Service) simulatePrincipal(ctx context.Context, req *wire.Request, in *sdk.SimulatePrincipalPolicyInput) (*sdk.SimulatePrincipalPolicyOutput, error) {
	m, err := s.source(req, *in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	if in.CallerArn != nil {
		if m.caller, err = someone(req, in.CallerArn); err != nil {
			return nil, err
		}
	}
	if in.ResourcePolicy != nil && m.caller.ARN == "" || in.ResourcePolicy != nil && m.caller.Role != "" {
		// "Simulation of resource-based policies isn't supported for IAM roles."
		return nil, invalidInput("CallerArn must be the ARN of an IAM user when ResourcePolicy is given.") // unsure of the text
	}
	more, err := inputs(in.PolicyInputList, "PolicyInputList")
	if err != nil {
		return nil, err
	}
	m.policies = append(m.policies, more...)
	if len(in.PermissionsBoundaryPolicyInputList) > 0 {
		if m.boundary, err = bounded(in.PermissionsBoundaryPolicyInputList); err != nil {
			return nil, err
		}
	}
	if err := m.given(in.ContextEntries, in.ResourcePolicy, in.ResourceOwner); err != nil {
		return nil, err
	}
	list, next, truncated, err := m.run(ctx, s, in.ActionNames, in.ResourceArns, in.Marker, in.MaxItems)
	return &sdk.SimulatePrincipalPolicyOutput{EvaluationResults: list, Marker: next, IsTruncated: truncated}, err
}

func (s *Service) customKeys(_ context.Context, _ *wire.Request, in *sdk.GetContextKeysForCustomPolicyInput) (*sdk.GetContextKeysForCustomPolicyOutput, error) {
	list, err := inputs(in.PolicyInputList, "PolicyInputList")
	if err != nil {
		return nil, err
	}
	return &sdk.GetContextKeysForCustomPolicyOutput{ContextKeyNames: (&simulation{policies: list}).conditionKeys()}, nil
}

func (s *Service) principalKeys(_ context.Context, req *wire.Request, in *sdk.GetContextKeysForPrincipalPolicyInput) (*sdk.GetContextKeysForPrincipalPolicyOutput, error) {
	m, err := s.source(req, *in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	more, err := inputs(in.PolicyInputList, "PolicyInputList")
	m.policies = append(m.policies, more...)
	return &sdk.GetContextKeysForPrincipalPolicyOutput{ContextKeyNames: m.conditionKeys()}, err
}

// everything is what the user that an account has from the start may do.
const everything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// source is a simulation with the policies of a user, group or role, and as whom it asks.
func (s *Service) source(req *wire.Request, arn string) (*simulation, error) {
	a, ok := wire.ParseARN(arn)
	kind, name := lastName(a.Resource)
	if !ok || a.Service != "iam" || a.AccountID != req.Account {
		return nil, invalidInput("Invalid Entity Arn: %s does not clearly define entity type and name.", arn) // moto has the beginning: unsure
	}
	m := &simulation{caller: wire.Principal{Account: a.AccountID, ARN: arn}}
	if kind == "user" && name == UserName {
		doc, err := policy.Parse(everything, policy.Identity)
		m.policies = []named{{"AdministratorAccess", doc}}
		return m, err
	}
	return m, s.DB.View(func(tx *store.Tx) error {
		switch kind {
		case "user":
			u, err := s.users().get(tx, req.Scope, name)
			if err != nil {
				return err
			}
			m.caller.UserID = u.ID
			if err := s.collect(tx, m, "user", u.Name, u.grants); err != nil {
				return err
			}
			for _, of := range u.Groups {
				g, err := s.groups().get(tx, req.Scope, of)
				if err != nil {
					return err
				}
				if err := s.collect(tx, m, "group", g.Name, g.grants); err != nil {
					return err
				}
			}
			return s.limit(tx, m, u.Boundary)
		case "group":
			g, err := s.groups().get(tx, req.Scope, name)
			if err != nil {
				return err
			}
			m.caller.ARN = ""
			return s.collect(tx, m, "group", g.Name, g.grants)
		case "role":
			ro, err := s.roles().get(tx, req.Scope, name)
			if err != nil {
				return err
			}
			m.caller = ro.session("simulation")
			if err := s.collect(tx, m, "role", ro.Name, ro.grants); err != nil {
				return err
			}
			return s.limit(tx, m, ro.Boundary)
		}
		return invalidInput("Invalid Entity Arn: %s does not clearly define entity type and name.", arn)
	})
}

// collect adds the policies that an entity was given.
func (s *Service) collect(tx *store.Tx, m *simulation, kind, entity string, g grants) error {
	add := func(id, text string) error {
		doc, err := policy.Parse(text, policy.Identity)
		m.policies = append(m.policies, named{id, doc})
		return err
	}
	for name, text := range g.Inline {
		if err := add(kind+"_"+entity+"_"+name, text); err != nil {
			return err
		}
	}
	for _, arn := range g.Attached {
		p, err := s.managedPolicy(tx, arn)
		if err != nil {
			return err
		}
		if err := add(p.Name, p.document()); err != nil {
			return err
		}
	}
	slices.SortFunc(m.policies, func(a, b named) int { return strings.Compare(a.id, b.id) })
	return nil
}

func (s *Service) limit(tx *store.Tx, m *simulation, boundary string) error {
	c := &compiledRole{}
	err := s.bound(tx, c, boundary)
	m.boundary = c.boundary
	return err
}
