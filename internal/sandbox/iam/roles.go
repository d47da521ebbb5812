package iam

import (
	"context"
	"net/http"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Quotas of https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	maxTrust    = 2048
	maxManaged  = 6144
	maxAttached = 10
	maxVersions = 5
)

func (s *Service) registerRoles(r *wire.Router) {
	h := s.roles()
	role := wire.On(h.on)
	wire.Handle(r, "iam", "CreateRole", s.createRole, wire.Access{On: h.onNew, Keys: boundaryKeys, Tagging: "iam:TagRole"})
	wire.Handle(r, "iam", "GetRole", s.getRole, role)
	wire.Handle(r, "iam", "ListRoles", s.listRoles, wire.On(func(req *wire.Request, _ wire.Input) []string { return []string{req.GlobalARN("iam", "role/")} }))
	wire.Handle(r, "iam", "DeleteRole", s.deleteRole, role)
	wire.Handle(r, "iam", "UpdateRole", s.updateRole, role)
	wire.Handle(r, "iam", "UpdateRoleDescription", s.updateRoleDescription, role)
	wire.Handle(r, "iam", "UpdateAssumeRolePolicy", s.updateAssumeRolePolicy, role)
	s.registerRoleKind(r, h.kind("Role", func(in *kindInput) *string { return in.RoleName }))
}

func (s *Service) registerRoleKind(r *wire.Router, k kind[role]) {
	k.boundary = func(ro *role) *string { return &ro.Boundary }
	registerTags(r, k, func(ro *role) *map[string]string { return &ro.Tags })
	registerBoundary(s, r, k)
	registerGrants(s, r, k, maxRoleInline, func(ro *role, out *kindOutput) (*grants, string) {
		out.RoleName = &ro.Name
		return &ro.grants, ro.Name
	})
}

func (s *Service) roles() home[role, *role] {
	return home[role, *role]{s, rolesBucket, "RoleName", "role", "AROA", noRole}
}

// room refuses a role more than the account may have. Those that are linked to a service
// count, and are the only ones that may be more.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create-service-linked-role.html
func (s *Service) room(tx *store.Tx, sc wire.Scope) error {
	have := 0
	err := tx.Scan(rolesBucket, sc.GlobalPrefix(), "", func(string, []byte) (bool, error) { have++; return true, nil })
	if most := s.Limits.Limit(sc, limits.IAMRoles); err == nil && have >= most {
		err = wire.Errorf(http.StatusConflict, "LimitExceeded", "Cannot exceed quota for RolesPerAccount: %d", most)
	}
	return err
}

func pathOf(in wire.Input) string {
	if path := in.Text("Path"); path != "" {
		return path
	}
	return "/"
}

const boundaryKey = "iam:PermissionsBoundary"

// The condition keys of IAM's own,
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html#awsidentityandaccessmanagementiam-policy-keys
func boundaryKeys(_ *wire.Request, in wire.Input) map[string][]string {
	if !in.Has("PermissionsBoundary") {
		return nil
	}
	return map[string][]string{boundaryKey: {in.Text("PermissionsBoundary")}}
}

func policyKeys(_ *wire.Request, in wire.Input) map[string][]string {
	return map[string][]string{"iam:PolicyARN": {in.Text("PolicyArn")}}
}

// lastName cuts an ARN's resource into its kind and the name behind its path.
func lastName(resource string) (kind, name string) {
	kind, path, _ := strings.Cut(resource, "/")
	return kind, path[strings.LastIndexByte(path, '/')+1:]
}

// target is what decisions about a role or policy have to know of it.
func (s *Service) target(req *wire.Request, arn string) (t policy.Target, err error) {
	t.ARN = arn
	var tags map[string]string
	a, _ := wire.ParseARN(arn)
	kind, name := lastName(a.Resource)
	err = s.DB.View(func(tx *store.Tx) error {
		switch kind {
		case "role":
			ro, _, err := store.Get[role](tx, rolesBucket, req.GlobalKey(name))
			tags = ro.Tags
			return err
		case "user":
			u, _, err := store.Get[user](tx, usersBucket, req.GlobalKey(name))
			tags = u.Tags
			return err
		case "policy":
			p, _, err := store.Get[managedPolicy](tx, policiesBucket, arn)
			tags = p.Tags
			return err
		}
		return nil
	})
	t.Tags, t.Keys = tags, map[string][]string{}
	for k, v := range tags {
		t.Keys["iam:ResourceTag/"+k] = []string{v}
	}
	return t, err
}

func (s *Service) createRole(_ context.Context, req *wire.Request, in *sdk.CreateRoleInput) (*sdk.CreateRoleOutput, error) {
	e, err := s.roles().fresh(req, in.RoleName, in.Path)
	if err != nil {
		return nil, err
	}
	ro := role{entity: e, Trust: aws.ToString(in.AssumeRolePolicyDocument), Description: aws.ToString(in.Description), MaxSession: 3600}
	if err := checkTrust(ro.Trust); err != nil {
		return nil, err
	}
	if in.MaxSessionDuration != nil {
		ro.MaxSession = *in.MaxSessionDuration
	}
	if ro.Tags, err = addTags(nil, in.Tags); err != nil {
		return nil, err
	}
	err = s.update(func(tx *store.Tx) error {
		if err := free(tx, rolesBucket, req.Scope, "Role", ro.Name); err != nil {
			return err
		}
		if err := s.room(tx, req.Scope); err != nil {
			return err
		}
		if err := s.checkPrincipals(tx, req.Scope, ro.Trust); err != nil {
			return err
		}
		if in.PermissionsBoundary != nil {
			ro.Boundary = *in.PermissionsBoundary
			if err := s.checkBoundary(tx, ro.Boundary); err != nil {
				return err
			}
		}
		return store.Put(tx, rolesBucket, ro.key(), ro)
	})
	if err != nil {
		return nil, err
	}
	shown := ro.output()
	shown.MaxSessionDuration, shown.RoleLastUsed = nil, nil // GetRole has them
	return &sdk.CreateRoleOutput{Role: shown}, nil
}

func checkTrust(text string) error {
	doc, err := parsePolicy(text, policy.Trust)
	if err != nil {
		return err
	}
	if visible(text) > maxTrust {
		return wire.Errorf(http.StatusConflict, "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: %d", maxTrust)
	}
	for _, a := range doc.Actions() {
		if a != "*" && !strings.HasPrefix(strings.ToLower(a), "sts:") {
			return wire.Errorf(http.StatusBadRequest, "MalformedPolicyDocument", "AssumeRole policy may only specify STS AssumeRole actions.")
		}
	}
	return nil
}

// checkPrincipals refuses a trust policy that names a role or user which does not
// exist. Accounts that the sandbox does not have cannot be looked into.
func (s *Service) checkPrincipals(tx *store.Tx, sc wire.Scope, trust string) error {
	doc, err := parsePolicy(trust, policy.Trust)
	if err != nil {
		return err
	}
	for _, arn := range doc.Principals() {
		a, ok := wire.ParseARN(arn)
		owner, ours := s.account(a.AccountID)
		if !ok || a.Service != "iam" || a.Partition != sc.Partition || !ours || a.Resource == "root" || arn == owner.principal(a.Partition).ARN {
			continue
		}
		there, err := "", error(nil)
		switch kind, name := lastName(a.Resource); kind {
		case "user":
			var u user
			u, _, err = store.Get[user](tx, usersBucket, wire.ScopeOfARN(a).GlobalKey(name))
			there = u.ARN
		case "role":
			var ro role
			ro, _, err = store.Get[role](tx, rolesBucket, wire.ScopeOfARN(a).GlobalKey(name))
			there = ro.ARN
		}
		if err != nil {
			return err
		}
		if there == arn {
			continue
		}
		return wire.Errorf(http.StatusBadRequest, "MalformedPolicyDocument", `Invalid principal in policy: "AWS":"%s"`, arn)
	}
	return nil
}

// visible counts the characters that count for quotas.
func visible(text string) (n int) {
	for _, r := range text {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

func (s *Service) getRole(_ context.Context, req *wire.Request, in *sdk.GetRoleInput) (*sdk.GetRoleOutput, error) {
	ro, err := s.roles().read(req, in.RoleName)
	if err != nil {
		return nil, err
	}
	return &sdk.GetRoleOutput{Role: ro.output()}, nil
}

func (s *Service) listRoles(_ context.Context, req *wire.Request, in *sdk.ListRolesInput) (*sdk.ListRolesOutput, error) {
	all, err := store.ReadAll[role](s.DB, rolesBucket, req.GlobalPrefix())
	if err != nil {
		return nil, err
	}
	var roles []types.Role
	for i := range all {
		if !strings.HasPrefix(all[i].Path, aws.ToString(in.PathPrefix)) {
			continue
		}
		out := all[i].output()
		out.Tags, out.PermissionsBoundary, out.RoleLastUsed = nil, nil, nil // GetRole has them
		roles = append(roles, *out)
	}
	some, next, more, err := pageOf(roles, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &sdk.ListRolesOutput{Roles: some, Marker: next, IsTruncated: more}, nil
}

func (s *Service) deleteRole(_ context.Context, req *wire.Request, in *sdk.DeleteRoleInput) (*sdk.DeleteRoleOutput, error) {
	if _, err := s.roles().read(req, in.RoleName); err != nil {
		return nil, err
	}
	err := s.update(func(tx *store.Tx) error {
		ro, err := s.roles().get(tx, req.Scope, *in.RoleName)
		switch {
		case err != nil:
			return err
		case len(ro.Attached) > 0:
			return wire.Errorf(http.StatusConflict, "DeleteConflict", "Cannot delete entity, must detach all policies first.")
		case len(ro.Inline) > 0:
			return wire.Errorf(http.StatusConflict, "DeleteConflict", "Cannot delete entity, must delete policies first.")
		}
		if used, err := inProfile(tx, req.Scope, ro.Name); err != nil {
			return err
		} else if used {
			return wire.Errorf(http.StatusConflict, "DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
		}
		return tx.Delete(rolesBucket, ro.key())
	})
	return &sdk.DeleteRoleOutput{}, err
}

func (s *Service) updateRole(_ context.Context, req *wire.Request, in *sdk.UpdateRoleInput) (*sdk.UpdateRoleOutput, error) {
	err := s.roles().change(req, in.RoleName, func(_ *store.Tx, ro *role) error {
		if in.Description != nil {
			ro.Description = *in.Description
		}
		// A duration that is not given goes back to its default, as on AWS.
		ro.MaxSession = 3600
		if in.MaxSessionDuration != nil {
			ro.MaxSession = *in.MaxSessionDuration
		}
		return nil
	})
	return &sdk.UpdateRoleOutput{}, err
}

func (s *Service) updateRoleDescription(_ context.Context, req *wire.Request, in *sdk.UpdateRoleDescriptionInput) (*sdk.UpdateRoleDescriptionOutput, error) {
	var out *types.Role
	err := s.roles().change(req, in.RoleName, func(_ *store.Tx, ro *role) error {
		ro.Description = aws.ToString(in.Description)
		out = ro.output()
		return nil
	})
	return &sdk.UpdateRoleDescriptionOutput{Role: out}, err
}

func (s *Service) updateAssumeRolePolicy(_ context.Context, req *wire.Request, in *sdk.UpdateAssumeRolePolicyInput) (*sdk.UpdateAssumeRolePolicyOutput, error) {
	err := s.roles().change(req, in.RoleName, func(tx *store.Tx, ro *role) error {
		ro.Trust = aws.ToString(in.PolicyDocument)
		if err := checkTrust(ro.Trust); err != nil {
			return err
		}
		return s.checkPrincipals(tx, req.Scope, ro.Trust)
	})
	return &sdk.UpdateAssumeRolePolicyOutput{}, err
}
