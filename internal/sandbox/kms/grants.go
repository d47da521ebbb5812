package kms

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Grants let a principal use a key beside what its policy says.
// https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
const grantsBucket = "kms.grants" // key id NUL grant id -> grant

// grant is a grant as it is kept. It never changes.
type grant struct {
	ID, KeyID, KeyARN, Name    string
	Grantee, Retiring, Issuing string // ARNs, and the account
	Operations                 []types.GrantOperation
	Constraints                *types.GrantConstraints
	Created                    time.Time
	// Tokens are those that were given out for it: asking again for the same grant by
	// its name gives another.
	Tokens []string
}

func grantKey(keyID, id string) string { return keyID + "\x00" + id }

func (s *Service) registerGrants(r *wire.Router) {
	key := s.onKey("KeyId", false)
	wire.Handle(r, "kms", "CreateGrant", s.createGrant, wire.Access{On: key, Keys: grantKeys})
	wire.Handle(r, "kms", "ListGrants", s.listGrants, wire.On(key))
	wire.Handle(r, "kms", "RevokeGrant", s.revokeGrant, wire.On(key))
	wire.Handle(r, "kms", "RetireGrant", s.retireGrant, wire.Access{Inside: "the grant says who may"})
	wire.Handle(r, "kms", "ListRetirableGrants", s.listRetirable, wire.Access{})
}

// grantKeys are the condition keys of a grant that is asked for.
// https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
func grantKeys(_ *wire.Request, in wire.Input) map[string][]string {
	constraints, _ := in["Constraints"].(map[string]any)
	has := wire.Input(constraints).Has
	return grantConditions(in.Text("GranteePrincipal"), in.Text("RetiringPrincipal"), in.Texts("Operations"), has("EncryptionContextEquals"), has("EncryptionContextSubset"))
}

func grantConditions(grantee, retiring string, operations []string, equals, subset bool) map[string][]string {
	keys := map[string][]string{"kms:GranteePrincipal": {grantee}, "kms:GrantOperations": operations, "kms:GrantIsForAWSResource": {"false"}}
	if retiring != "" {
		keys["kms:RetiringPrincipal"] = []string{retiring}
	}
	if equals {
		keys["kms:GrantConstraintType"] = []string{"EncryptionContextEquals"}
	}
	if subset {
		keys["kms:GrantConstraintType"] = []string{"EncryptionContextSubset"}
	}
	return keys
}

// conditions are the condition keys of the grant, as of one that is asked for.
func (g *grant) conditions() map[string][]string {
	operations := make([]string, len(g.Operations))
	for i, op := range g.Operations {
		operations[i] = string(op)
	}
	c := g.Constraints
	return grantConditions(g.Grantee, g.Retiring, operations, c != nil && c.EncryptionContextEquals != nil, c != nil && c.EncryptionContextSubset != nil)
}

// grantsOf are the grants of a key.
func grantsOf(tx *store.Tx, keyID string) ([]grant, error) {
	return store.List[grant](tx, grantsBucket, keyID+"\x00")
}

// actionOf is the action that an operation of a grant stands for.
func actionOf(op types.GrantOperation) string { return "kms:" + string(op) }

// allowed is what grants allow, as statements of the key's policy, so that an explicit
// Deny is before them as it is on AWS. A constraint asks for the pairs of the encryption
// context, and the one for equality for no pair more; operations without a context have
// none of these conditions.
func allowed(grants []grant) (*policy.Document, error) {
	type statement struct {
		Effect    string
		Principal map[string]string
		Action    []string
		Resource  string
		Condition map[string]map[string][]string `json:",omitempty"`
	}
	var list []statement
	for _, g := range grants {
		var plain, bound []string
		for _, op := range g.Operations {
			if op == types.GrantOperationDescribeKey || op == types.GrantOperationGetPublicKey || op == types.GrantOperationRetireGrant || op == types.GrantOperationCreateGrant {
				plain = append(plain, actionOf(op))
			} else {
				bound = append(bound, actionOf(op))
			}
		}
		add := func(actions []string, condition map[string]map[string][]string) {
			if len(actions) > 0 {
				list = append(list, statement{"Allow", map[string]string{"AWS": g.Grantee}, actions, "*", condition})
			}
		}
		add(plain, nil)
		add(bound, g.condition())
	}
	if len(list) == 0 {
		return nil, nil // no grants allow nothing
	}
	raw, err := json.Marshal(map[string]any{"Version": "2008-10-17", "Statement": list}) // without variables: ${ is no more than that
	if err != nil {
		return nil, err
	}
	return policy.Parse(string(raw), policy.Resource)
}

func (g *grant) condition() map[string]map[string][]string {
	c := g.Constraints
	if c == nil {
		return nil
	}
	pairs := map[string][]string{}
	for k, v := range c.EncryptionContextSubset {
		pairs["kms:EncryptionContext:"+k] = []string{v}
	}
	for k, v := range c.EncryptionContextEquals {
		pairs["kms:EncryptionContext:"+k] = []string{v}
	}
	out := map[string]map[string][]string{"StringEquals": pairs}
	if len(c.EncryptionContextEquals) > 0 {
		out["ForAllValues:StringEquals"] = map[string][]string{"kms:EncryptionContextKeys": slices.Sorted(maps.Keys(c.EncryptionContextEquals))}
	}
	return out
}

// withGrants is the policy of a key and what its grants allow.
func withGrants(doc *policy.Document, grants []grant) (*policy.Document, error) {
	more, err := allowed(grants)
	if err != nil || more == nil {
		return doc, err
	}
	return &policy.Document{Version: doc.Version, Statements: slices.Concat(doc.Statements, more.Statements)}, nil
}

func (s *Service) createGrant(ctx context.Context, req *wire.Request, in *sdk.CreateGrantInput) (*sdk.CreateGrantOutput, error) {
	for _, p := range []*string{in.GranteePrincipal, in.RetiringPrincipal} {
		if a, ok := wire.ParseARN(aws.ToString(p)); p != nil && (!ok || a.Service != "iam" && a.Service != "sts") {
			return nil, wire.Errorf(http.StatusBadRequest, "InvalidArnException", "Invalid principal ARN: %s", *p)
		}
	}
	token, err := randomToken()
	if err != nil {
		return nil, err
	}
	g := grant{
		Name: aws.ToString(in.Name), Grantee: *in.GranteePrincipal, Retiring: aws.ToString(in.RetiringPrincipal), Issuing: req.Root(),
		Operations: in.Operations, Constraints: in.Constraints, Created: s.now(), Tokens: []string{token},
	}
	// Who may is asked before the store is written: that reads the store.
	all, k, err := s.keyAndGrants(req, in.KeyId)
	if err != nil {
		return nil, err
	}
	if err := g.fits(&k); err != nil {
		return nil, err
	}
	if err := s.mayGrant(ctx, req, &k, &g, all); err != nil {
		return nil, err
	}
	if err := onTrial(in.DryRun); err != nil {
		return nil, err
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		all, err := grantsOf(tx, k.ID)
		if err != nil {
			return err
		}
		// The same grant by the same name is the one that is there, with a token more.
		if i := slices.IndexFunc(all, func(o grant) bool { return g.Name != "" && o.same(&g) }); i >= 0 {
			o := all[i]
			o.Tokens = append(o.Tokens, token)
			g = o
			return store.Put(tx, grantsBucket, grantKey(k.ID, o.ID), o)
		}
		const most = 50000 // kms/latest/developerguide/resource-limits.html
		if len(all) >= most {
			return wire.Errorf(http.StatusBadRequest, "LimitExceededException", "%s has %d grants, as many as it may", k.ARN, most)
		}
		var id [32]byte
		_, _ = rand.Read(id[:]) // never fails (crypto/rand)
		g.ID, g.KeyID, g.KeyARN = hex.EncodeToString(id[:]), k.ID, k.ARN
		return store.Put(tx, grantsBucket, grantKey(k.ID, g.ID), g)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.CreateGrantOutput{GrantId: &g.ID, GrantToken: &token}, nil
}

// keyAndGrants is a key with its grants.
func (s *Service) keyAndGrants(req *wire.Request, ref *string) (all []grant, k key, err error) {
	err = s.DB.View(func(tx *store.Tx) error {
		if k, err = s.find(tx, req, ref, false); err == nil {
			all, err = grantsOf(tx, k.ID)
		}
		return err
	})
	return all, k, err
}

func randomToken() (string, error) {
	raw := make([]byte, 96)
	_, err := rand.Read(raw)
	return base64.StdEncoding.EncodeToString(raw), err
}

// fits refuses a grant that a key cannot have.
func (g *grant) fits(k *key) error {
	if k.Managed {
		return errManaged(*k)
	}
	if err := alive(k); err != nil {
		return err
	}
	if k.Disabled {
		return disabled(k)
	}
	spec := specs[k.kind()]
	for _, op := range g.Operations {
		fits := true
		switch op {
		case types.GrantOperationEncrypt, types.GrantOperationDecrypt, types.GrantOperationReEncryptFrom, types.GrantOperationReEncryptTo:
			fits = k.usage() == types.KeyUsageTypeEncryptDecrypt
		case types.GrantOperationGenerateDataKey, types.GrantOperationGenerateDataKeyWithoutPlaintext, types.GrantOperationGenerateDataKeyPair,
			types.GrantOperationGenerateDataKeyPairWithoutPlaintext:
			fits = k.kind() == types.KeySpecSymmetricDefault
		case types.GrantOperationSign, types.GrantOperationVerify:
			fits = len(spec.sign) > 0 && k.usage() == types.KeyUsageTypeSignVerify
		case types.GrantOperationGenerateMac, types.GrantOperationVerifyMac:
			fits = len(spec.mac) > 0
		case types.GrantOperationGetPublicKey:
			fits = len(spec.sign) > 0 || len(spec.encrypt) > 0 && k.kind() != types.KeySpecSymmetricDefault
		case types.GrantOperationDeriveSharedSecret:
			fits = false
		case types.GrantOperationCreateGrant, types.GrantOperationRetireGrant, types.GrantOperationDescribeKey:
		}
		if !fits {
			return validation("Grant operation %s is not valid for key %s of key spec %s and key usage %s.", op, k.ARN, k.kind(), k.usage())
		}
	}
	c := g.Constraints
	if c == nil {
		return nil
	}
	switch {
	case k.kind() != types.KeySpecSymmetricDefault:
		return validation("Grant constraints are valid for symmetric encryption keys only.")
	case len(c.EncryptionContextEquals) > 0 && len(c.EncryptionContextSubset) > 0:
		return validation("A grant has one of EncryptionContextEquals and EncryptionContextSubset.")
	}
	return nil
}

// same tells whether a grant is the one that is asked for again.
func (g *grant) same(o *grant) bool {
	return g.Name == o.Name && g.Grantee == o.Grantee && g.Retiring == o.Retiring && slices.Equal(g.Operations, o.Operations) && reflect.DeepEqual(g.Constraints, o.Constraints)
}

// mayGrant refuses who may make grants by a grant only, and asks for more than it has.
// https://docs.aws.amazon.com/kms/latest/developerguide/create-grant-overview.html
func (s *Service) mayGrant(ctx context.Context, req *wire.Request, k *key, g *grant, all []grant) error {
	t, err := s.targetWith(req, k.ARN, false)
	if err != nil {
		return err
	}
	refused := policy.Authorize(ctx, req, t, "kms:CreateGrant", g.conditions())
	if refused == nil {
		return nil
	}
	for _, parent := range all {
		if isPrincipal(req.Principal, parent.Grantee) && slices.Contains(parent.Operations, types.GrantOperationCreateGrant) &&
			!slices.ContainsFunc(g.Operations, func(op types.GrantOperation) bool { return !slices.Contains(parent.Operations, op) }) && g.stricter(parent.Constraints) {
			return nil
		}
	}
	return refused
}

// stricter tells whether a grant is bound at least as c binds.
func (g *grant) stricter(c *types.GrantConstraints) bool {
	if c == nil {
		return true
	}
	if g.Constraints == nil {
		return false
	}
	if len(c.EncryptionContextEquals) > 0 {
		return maps.Equal(c.EncryptionContextEquals, g.Constraints.EncryptionContextEquals)
	}
	has := g.Constraints.EncryptionContextSubset
	if len(g.Constraints.EncryptionContextEquals) > 0 {
		has = g.Constraints.EncryptionContextEquals
	}
	for k, v := range c.EncryptionContextSubset {
		if got, ok := has[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// isPrincipal tells whether a caller is the principal of an ARN: a user, a role in any
// of its sessions, a session, or all of an account.
func isPrincipal(p wire.Principal, arn string) bool {
	a, ok := wire.ParseARN(arn)
	return ok && (arn == p.ARN || arn == p.RoleARN || a.AccountID == p.Account && a.Resource == "root")
}

func (g *grant) entry() types.GrantListEntry {
	ptr := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	// Without a name AWS tells an empty one.
	return types.GrantListEntry{
		GrantId: &g.ID, KeyId: &g.KeyARN, Name: &g.Name, GranteePrincipal: &g.Grantee, RetiringPrincipal: ptr(g.Retiring), IssuingAccount: &g.Issuing,
		Operations: g.Operations, Constraints: g.Constraints, CreationDate: &g.Created,
	}
}

// entries is a page of grants, the oldest first.
func entries(all []grant, marker *string, limit *int32, keep func(*grant) bool) (out []types.GrantListEntry, next *string, err error) {
	out = []types.GrantListEntry{}
	slices.SortStableFunc(all, func(a, b grant) int { return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID)) })
	for i := range all {
		if keep(&all[i]) {
			out = append(out, all[i].entry())
		}
	}
	order := func(e types.GrantListEntry) string {
		return e.CreationDate.Format("20060102150405.000000000") + *e.GrantId
	}
	return pageOf(out, marker, limit, order)
}

func (s *Service) listGrants(_ context.Context, req *wire.Request, in *sdk.ListGrantsInput) (*sdk.ListGrantsOutput, error) {
	all, _, err := s.keyAndGrants(req, in.KeyId)
	if err != nil {
		return nil, err
	}
	some, next, err := entries(all, in.Marker, in.Limit, func(g *grant) bool {
		return (in.GrantId == nil || *in.GrantId == g.ID) && (in.GranteePrincipal == nil || *in.GranteePrincipal == g.Grantee)
	})
	return &sdk.ListGrantsOutput{Grants: some, NextMarker: next, Truncated: next != nil}, err
}

func (s *Service) listRetirable(_ context.Context, req *wire.Request, in *sdk.ListRetirableGrantsInput) (*sdk.ListRetirableGrantsOutput, error) {
	all, err := store.Look(s.DB, func(tx *store.Tx) ([]grant, error) { return store.List[grant](tx, grantsBucket, "") })
	if err != nil {
		return nil, err
	}
	prefix := arn(req.Scope, "")
	some, next, err := entries(all, in.Marker, in.Limit, func(g *grant) bool { return g.Retiring == *in.RetiringPrincipal && strings.HasPrefix(g.KeyARN, prefix) })
	return &sdk.ListRetirableGrantsOutput{Grants: some, NextMarker: next, Truncated: next != nil}, err
}

func noGrant(id string) error { return notFound("Grant ID %s not found", id) }

func (s *Service) revokeGrant(_ context.Context, req *wire.Request, in *sdk.RevokeGrantInput) (*sdk.RevokeGrantOutput, error) {
	return &sdk.RevokeGrantOutput{}, s.DB.Update(func(tx *store.Tx) error {
		k, err := s.find(tx, req, in.KeyId, false)
		if err != nil {
			return err
		}
		if _, err := store.Find[grant](tx, grantsBucket, grantKey(k.ID, *in.GrantId), noGrant(*in.GrantId)); err != nil {
			return err
		}
		if err := onTrial(in.DryRun); err != nil {
			return err
		}
		return tx.Delete(grantsBucket, grantKey(k.ID, *in.GrantId))
	})
}

// retireGrant is for the principal that the grant names, for who has it if that is one of
// its operations, and for who may by policies.
// https://docs.aws.amazon.com/kms/latest/developerguide/grant-delete.html
func (s *Service) retireGrant(ctx context.Context, req *wire.Request, in *sdk.RetireGrantInput) (*sdk.RetireGrantOutput, error) {
	g, err := store.Look(s.DB, func(tx *store.Tx) (grant, error) { return s.retirable(tx, req, in) })
	if err != nil { // who may retire none is not told what there is
		if denied := req.Authorize(ctx, "kms:RetireGrant", req.ARN("kms", "key/*"), nil); denied != nil {
			return nil, denied
		}
		return nil, err
	}
	own := isPrincipal(req.Principal, g.Retiring) || isPrincipal(req.Principal, g.Grantee) && slices.Contains(g.Operations, types.GrantOperationRetireGrant)
	if !own {
		if err := req.Authorize(ctx, "kms:RetireGrant", g.KeyARN, nil); err != nil {
			return nil, err
		}
	}
	if err := onTrial(in.DryRun); err != nil {
		return nil, err
	}
	return &sdk.RetireGrantOutput{}, s.DB.Update(func(tx *store.Tx) error { return tx.Delete(grantsBucket, grantKey(g.KeyID, g.ID)) })
}

func (s *Service) retirable(tx *store.Tx, req *wire.Request, in *sdk.RetireGrantInput) (grant, error) {
	if (in.GrantToken == nil) == (in.KeyId == nil || in.GrantId == nil) {
		return grant{}, validation("Specify a grant token, or a key ID and a grant ID.")
	}
	if in.GrantToken == nil {
		k, err := s.find(tx, req, in.KeyId, false)
		if err != nil {
			return grant{}, err
		}
		return store.Find[grant](tx, grantsBucket, grantKey(k.ID, *in.GrantId), noGrant(*in.GrantId))
	}
	all, err := store.List[grant](tx, grantsBucket, "")
	if err != nil {
		return grant{}, err
	}
	i := slices.IndexFunc(all, func(g grant) bool { return slices.Contains(g.Tokens, *in.GrantToken) })
	if i < 0 {
		return grant{}, wire.Errorf(http.StatusBadRequest, "InvalidGrantTokenException", "Invalid grant token.")
	}
	return all[i], nil
}
