package iam

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Quotas of https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	maxInline   = 10240 // characters of all inline policies of a role, without white space
	maxTrust    = 2048
	maxManaged  = 6144
	maxAttached = 10
	maxVersions = 5
)

func (s *Service) registerRoles(r *wire.Router) {
	role := wire.On(s.onRole)
	wire.Handle(r, "iam", "CreateRole", s.createRole, wire.Access{On: onNewRole, Keys: boundaryKeys, Tagging: "iam:TagRole"})
	wire.Handle(r, "iam", "GetRole", s.getRole, role)
	wire.Handle(r, "iam", "ListRoles", s.listRoles, wire.On(func(req *wire.Request, _ wire.Input) []string { return []string{req.GlobalARN("iam", "role/")} }))
	wire.Handle(r, "iam", "DeleteRole", s.deleteRole, role)
	wire.Handle(r, "iam", "UpdateRole", s.updateRole, role)
	wire.Handle(r, "iam", "UpdateRoleDescription", s.updateRoleDescription, role)
	wire.Handle(r, "iam", "UpdateAssumeRolePolicy", s.updateAssumeRolePolicy, role)
	wire.Handle(r, "iam", "PutRolePermissionsBoundary", s.putBoundary, wire.Access{On: s.onRole, Keys: boundaryKeys})
	wire.Handle(r, "iam", "DeleteRolePermissionsBoundary", s.deleteBoundary, role)
	wire.Handle(r, "iam", "TagRole", s.tagRole, role)
	wire.Handle(r, "iam", "UntagRole", s.untagRole, role)
	wire.Handle(r, "iam", "ListRoleTags", s.listRoleTags, role)
	wire.Handle(r, "iam", "PutRolePolicy", s.putRolePolicy, role)
	wire.Handle(r, "iam", "GetRolePolicy", s.getRolePolicy, role)
	wire.Handle(r, "iam", "DeleteRolePolicy", s.deleteRolePolicy, role)
	wire.Handle(r, "iam", "ListRolePolicies", s.listRolePolicies, role)
	wire.Handle(r, "iam", "AttachRolePolicy", s.attachRolePolicy, wire.Access{On: s.onRole, Keys: policyKeys})
	wire.Handle(r, "iam", "DetachRolePolicy", s.detachRolePolicy, wire.Access{On: s.onRole, Keys: policyKeys})
	wire.Handle(r, "iam", "ListAttachedRolePolicies", s.listAttached, role)
}

// onRole is the role by the name that a document gives. Its path is in the ARN, so
// it is looked up; one that does not exist is asked for without a path.
func (s *Service) onRole(req *wire.Request, in wire.Input) []string {
	name := in.Text("RoleName")
	arn := roleARN(req.Scope, "/", name)
	_ = s.DB.View(func(tx *store.Tx) error { // an error comes again where the role is read
		if ro, err := getRole(tx, req.Scope, name); err == nil {
			arn = ro.ARN
		}
		return nil
	})
	return []string{arn}
}

func onNewRole(req *wire.Request, in wire.Input) []string {
	return []string{roleARN(req.Scope, pathOf(in), in.Text("RoleName"))}
}

func pathOf(in wire.Input) string {
	if path := in.Text("Path"); path != "" {
		return path
	}
	return "/"
}

// The condition keys of IAM's own,
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html#awsidentityandaccessmanagementiam-policy-keys
func boundaryKeys(_ *wire.Request, in wire.Input) map[string][]string {
	if !in.Has("PermissionsBoundary") {
		return nil
	}
	return map[string][]string{"iam:PermissionsBoundary": {in.Text("PermissionsBoundary")}}
}

func policyKeys(_ *wire.Request, in wire.Input) map[string][]string {
	return map[string][]string{"iam:PolicyARN": {in.Text("PolicyArn")}}
}

// target is what decisions about a role or policy have to know of it.
func (s *Service) target(req *wire.Request, arn string) (t policy.Target, err error) {
	t.ARN = arn
	var tags map[string]string
	a, _ := wire.ParseARN(arn)
	if path, isRole := strings.CutPrefix(a.Resource, "role/"); isRole {
		err = s.DB.View(func(tx *store.Tx) error {
			ro, _, err := store.Get[role](tx, rolesBucket, req.GlobalKey(path[strings.LastIndexByte(path, '/')+1:]))
			tags = ro.Tags
			return err
		})
	} else if path, isUser := strings.CutPrefix(a.Resource, "user/"); isUser {
		err = s.DB.View(func(tx *store.Tx) error {
			u, _, err := store.Get[user](tx, usersBucket, req.GlobalKey(path[strings.LastIndexByte(path, '/')+1:]))
			tags = u.Tags
			return err
		})
	} else if strings.HasPrefix(a.Resource, "policy/") {
		err = s.DB.View(func(tx *store.Tx) error {
			p, found, err := store.Get[managedPolicy](tx, policiesBucket, arn)
			if found {
				tags = p.Tags
			}
			return err
		})
	}
	t.Tags, t.Keys = tags, map[string][]string{}
	for k, v := range tags {
		t.Keys["iam:ResourceTag/"+k] = []string{v}
	}
	return t, err
}

// readRole loads the role that a call names.
func (s *Service) readRole(req *wire.Request, name *string) (ro role, err error) {
	if err := checkName("roleName", name); err != nil {
		return ro, err
	}
	err = s.DB.View(func(tx *store.Tx) error {
		ro, err = getRole(tx, req.Scope, *name)
		return err
	})
	return ro, err
}

// changeRole loads the role, lets fn change it and keeps it.
func (s *Service) changeRole(req *wire.Request, name *string, fn func(*store.Tx, *role) error) error {
	if err := checkName("roleName", name); err != nil {
		return err
	}
	return s.update(func(tx *store.Tx) error {
		ro, err := getRole(tx, req.Scope, *name)
		if err != nil {
			return err
		}
		if err := fn(tx, &ro); err != nil {
			return err
		}
		return store.Put(tx, rolesBucket, ro.key(), ro)
	})
}

func roleARN(sc wire.Scope, path, name string) string { return sc.GlobalARN("iam", "role"+path+name) }

func (s *Service) createRole(_ context.Context, req *wire.Request, in *sdk.CreateRoleInput) (*sdk.CreateRoleOutput, error) {
	if err := checkName("roleName", in.RoleName); err != nil {
		return nil, err
	}
	path, err := checkPath(in.Path)
	if err != nil {
		return nil, err
	}
	ro := role{
		Name: *in.RoleName, Path: path, ID: newID("AROA"), ARN: roleARN(req.Scope, path, *in.RoleName), Created: s.now(),
		Trust: aws.ToString(in.AssumeRolePolicyDocument), Description: aws.ToString(in.Description), MaxSession: 3600,
	}
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
		if err := s.checkPrincipals(tx, req.Scope, ro.Trust); err != nil {
			return err
		}
		if in.PermissionsBoundary != nil {
			if err := s.setBoundary(tx, &ro, *in.PermissionsBoundary); err != nil {
				return err
			}
		}
		return store.Put(tx, rolesBucket, ro.key(), ro)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.CreateRoleOutput{Role: ro.output()}, nil
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
		if path, isUser := strings.CutPrefix(a.Resource, "user/"); isUser {
			u, found, err := store.Get[user](tx, usersBucket, wire.ScopeOfARN(a).GlobalKey(path[strings.LastIndexByte(path, '/')+1:]))
			if err != nil {
				return err
			}
			if found && u.ARN == arn {
				continue
			}
		}
		if path, isRole := strings.CutPrefix(a.Resource, "role/"); isRole {
			ro, found, err := store.Get[role](tx, rolesBucket, wire.ScopeOfARN(a).GlobalKey(path[strings.LastIndexByte(path, '/')+1:]))
			if err != nil {
				return err
			}
			if found && ro.ARN == arn {
				continue
			}
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
	ro, err := s.readRole(req, in.RoleName)
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
	if _, err := s.readRole(req, in.RoleName); err != nil {
		return nil, err
	}
	err := s.update(func(tx *store.Tx) error {
		ro, err := getRole(tx, req.Scope, *in.RoleName)
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
	err := s.changeRole(req, in.RoleName, func(_ *store.Tx, ro *role) error {
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
	err := s.changeRole(req, in.RoleName, func(_ *store.Tx, ro *role) error {
		ro.Description = aws.ToString(in.Description)
		out = ro.output()
		return nil
	})
	return &sdk.UpdateRoleDescriptionOutput{Role: out}, err
}

func (s *Service) updateAssumeRolePolicy(_ context.Context, req *wire.Request, in *sdk.UpdateAssumeRolePolicyInput) (*sdk.UpdateAssumeRolePolicyOutput, error) {
	err := s.changeRole(req, in.RoleName, func(tx *store.Tx, ro *role) error {
		ro.Trust = aws.ToString(in.PolicyDocument)
		if err := checkTrust(ro.Trust); err != nil {
			return err
		}
		return s.checkPrincipals(tx, req.Scope, ro.Trust)
	})
	return &sdk.UpdateAssumeRolePolicyOutput{}, err
}

func (s *Service) setBoundary(tx *store.Tx, ro *role, arn string) error {
	ro.Boundary = arn
	return s.checkBoundary(tx, arn)
}

func (s *Service) putBoundary(_ context.Context, req *wire.Request, in *sdk.PutRolePermissionsBoundaryInput) (*sdk.PutRolePermissionsBoundaryOutput, error) {
	err := s.changeRole(req, in.RoleName, func(tx *store.Tx, ro *role) error {
		return s.setBoundary(tx, ro, aws.ToString(in.PermissionsBoundary))
	})
	return &sdk.PutRolePermissionsBoundaryOutput{}, err
}

func (s *Service) deleteBoundary(_ context.Context, req *wire.Request, in *sdk.DeleteRolePermissionsBoundaryInput) (*sdk.DeleteRolePermissionsBoundaryOutput, error) {
	err := s.changeRole(req, in.RoleName, func(_ *store.Tx, ro *role) error {
		ro.Boundary = ""
		return nil
	})
	return &sdk.DeleteRolePermissionsBoundaryOutput{}, err
}

func (s *Service) tagRole(_ context.Context, req *wire.Request, in *sdk.TagRoleInput) (*sdk.TagRoleOutput, error) {
	err := s.changeRole(req, in.RoleName, func(_ *store.Tx, ro *role) (err error) {
		ro.Tags, err = addTags(ro.Tags, in.Tags)
		return err
	})
	return &sdk.TagRoleOutput{}, err
}

func (s *Service) untagRole(_ context.Context, req *wire.Request, in *sdk.UntagRoleInput) (*sdk.UntagRoleOutput, error) {
	err := s.changeRole(req, in.RoleName, func(_ *store.Tx, ro *role) error {
		ro.Tags = tags.Without(ro.Tags, in.TagKeys)
		return nil
	})
	return &sdk.UntagRoleOutput{}, err
}

func (s *Service) listRoleTags(_ context.Context, req *wire.Request, in *sdk.ListRoleTagsInput) (*sdk.ListRoleTagsOutput, error) {
	ro, err := s.readRole(req, in.RoleName)
	if err != nil {
		return nil, err
	}
	some, next, more, err := pageOf(tagList(ro.Tags), in.Marker, in.MaxItems)
	return &sdk.ListRoleTagsOutput{Tags: some, Marker: next, IsTruncated: more}, err
}

func (s *Service) putRolePolicy(_ context.Context, req *wire.Request, in *sdk.PutRolePolicyInput) (*sdk.PutRolePolicyOutput, error) {
	if err := checkName("policyName", in.PolicyName); err != nil {
		return nil, err
	}
	err := s.changeRole(req, in.RoleName, func(_ *store.Tx, ro *role) error {
		text := aws.ToString(in.PolicyDocument)
		if _, err := parsePolicy(text, policy.Identity); err != nil {
			return err
		}
		if ro.Inline == nil {
			ro.Inline = map[string]string{}
		}
		ro.Inline[*in.PolicyName] = text
		size := 0
		for _, doc := range ro.Inline {
			size += visible(doc)
		}
		if size > maxInline {
			return wire.Errorf(http.StatusConflict, "LimitExceeded", "Maximum policy size of %d bytes exceeded for role %s", maxInline, ro.Name)
		}
		return nil
	})
	return &sdk.PutRolePolicyOutput{}, err
}

func noRolePolicy(name string) error {
	return wire.Errorf(http.StatusNotFound, "NoSuchEntity", "The role policy with name %s cannot be found.", name)
}

func (s *Service) getRolePolicy(_ context.Context, req *wire.Request, in *sdk.GetRolePolicyInput) (*sdk.GetRolePolicyOutput, error) {
	ro, err := s.readRole(req, in.RoleName)
	if err != nil {
		return nil, err
	}
	doc, ok := ro.Inline[aws.ToString(in.PolicyName)]
	if !ok {
		return nil, noRolePolicy(aws.ToString(in.PolicyName))
	}
	return &sdk.GetRolePolicyOutput{RoleName: &ro.Name, PolicyName: in.PolicyName, PolicyDocument: encoded(doc)}, nil
}

func (s *Service) deleteRolePolicy(_ context.Context, req *wire.Request, in *sdk.DeleteRolePolicyInput) (*sdk.DeleteRolePolicyOutput, error) {
	err := s.changeRole(req, in.RoleName, func(_ *store.Tx, ro *role) error {
		name := aws.ToString(in.PolicyName)
		if _, ok := ro.Inline[name]; !ok {
			return noRolePolicy(name)
		}
		delete(ro.Inline, name)
		return nil
	})
	return &sdk.DeleteRolePolicyOutput{}, err
}

func (s *Service) listRolePolicies(_ context.Context, req *wire.Request, in *sdk.ListRolePoliciesInput) (*sdk.ListRolePoliciesOutput, error) {
	ro, err := s.readRole(req, in.RoleName)
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(ro.Inline))
	some, next, more, err := pageOf(names, in.Marker, in.MaxItems)
	return &sdk.ListRolePoliciesOutput{PolicyNames: some, Marker: next, IsTruncated: more}, err
}

func (s *Service) attachRolePolicy(_ context.Context, req *wire.Request, in *sdk.AttachRolePolicyInput) (*sdk.AttachRolePolicyOutput, error) {
	arn := aws.ToString(in.PolicyArn)
	err := s.changeRole(req, in.RoleName, func(tx *store.Tx, ro *role) error {
		if _, err := s.managedPolicy(tx, arn); err != nil {
			return wire.Errorf(http.StatusNotFound, "NoSuchEntity", "Policy %s does not exist or is not attachable.", arn)
		}
		if slices.Contains(ro.Attached, arn) {
			return nil
		}
		if len(ro.Attached) >= maxAttached {
			return wire.Errorf(http.StatusConflict, "LimitExceeded", "Cannot exceed quota for PoliciesPerRole: %d", maxAttached)
		}
		ro.Attached = append(ro.Attached, arn)
		return nil
	})
	return &sdk.AttachRolePolicyOutput{}, err
}

func (s *Service) detachRolePolicy(_ context.Context, req *wire.Request, in *sdk.DetachRolePolicyInput) (*sdk.DetachRolePolicyOutput, error) {
	arn := aws.ToString(in.PolicyArn)
	err := s.changeRole(req, in.RoleName, func(_ *store.Tx, ro *role) error {
		i := slices.Index(ro.Attached, arn)
		if i < 0 {
			return noPolicy(arn)
		}
		ro.Attached = slices.Delete(ro.Attached, i, i+1)
		return nil
	})
	return &sdk.DetachRolePolicyOutput{}, err
}

func (s *Service) listAttached(_ context.Context, req *wire.Request, in *sdk.ListAttachedRolePoliciesInput) (*sdk.ListAttachedRolePoliciesOutput, error) {
	ro, err := s.readRole(req, in.RoleName)
	if err != nil {
		return nil, err
	}
	some, next, more, err := pageOf(attachedUnder(ro.Attached, in.PathPrefix), in.Marker, in.MaxItems)
	return &sdk.ListAttachedRolePoliciesOutput{AttachedPolicies: some, Marker: next, IsTruncated: more}, err
}
