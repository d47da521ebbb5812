package iam

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// settings are what an account has once: its alias, and what its passwords must be.
type settings struct {
	Alias     string
	Passwords *types.PasswordPolicy
	// Report is the last credential report and Reported when it was made.
	Report   string `json:",omitempty"`
	Reported time.Time
}

func (s *Service) registerAccountWide(r *wire.Router) {
	all := wire.Access{}
	wire.Handle(r, "iam", "CreateAccountAlias", s.createAccountAlias, all)
	wire.Handle(r, "iam", "DeleteAccountAlias", s.deleteAccountAlias, all)
	wire.Handle(r, "iam", "ListAccountAliases", s.listAccountAliases, all)
	wire.Handle(r, "iam", "UpdateAccountPasswordPolicy", s.updatePasswords, all)
	wire.Handle(r, "iam", "GetAccountPasswordPolicy", s.getPasswords, all)
	wire.Handle(r, "iam", "DeleteAccountPasswordPolicy", s.deletePasswords, all)
	wire.Handle(r, "iam", "GetAccountSummary", s.summary, all)
	wire.Handle(r, "iam", "GetAccountAuthorizationDetails", s.details, all)
	wire.Handle(r, "iam", "ListEntitiesForPolicy", s.entities, wire.On(onPolicy))
}

func getSettings(tx *store.Tx, sc wire.Scope) (settings, error) {
	v, _, err := store.Get[settings](tx, settingsBucket, sc.GlobalKey(""))
	return v, err
}

func (s *Service) changeSettings(req *wire.Request, fn func(*store.Tx, *settings) error) error {
	return s.DB.Update(func(tx *store.Tx) error {
		v, err := getSettings(tx, req.Scope)
		if err != nil {
			return err
		}
		if err := fn(tx, &v); err != nil {
			return err
		}
		return store.Put(tx, settingsBucket, req.GlobalKey(""), v)
	})
}

var accountAlias = lazyregexp.New(`^[a-z0-9]([a-z0-9]|-[a-z0-9])*$`)

func (s *Service) createAccountAlias(_ context.Context, req *wire.Request, in *sdk.CreateAccountAliasInput) (*sdk.CreateAccountAliasOutput, error) {
	alias := aws.ToString(in.AccountAlias)
	if n := len(alias); !accountAlias.MatchString(alias) || n < 3 || n > 63 {
		return nil, constraint.Broken("ValidationError", "accountAlias", aws.ToString(in.AccountAlias), constraint.Pattern("^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$"))
	}
	// Aliases are global: no other account may have it. An account has one, and the
	// new one takes its place.
	err := s.changeSettings(req, func(tx *store.Tx, v *settings) error {
		err := tx.Scan(settingsBucket, "", "", func(key string, _ []byte) (bool, error) {
			other, _, err := store.Get[settings](tx, settingsBucket, key)
			if err == nil && other.Alias == alias && key != req.GlobalKey("") {
				err = wire.Errorf(http.StatusConflict, "EntityAlreadyExists", "The account alias %s already exists.", alias)
			}
			return true, err
		})
		v.Alias = alias
		return err
	})
	return &sdk.CreateAccountAliasOutput{}, err
}

func (s *Service) deleteAccountAlias(_ context.Context, req *wire.Request, in *sdk.DeleteAccountAliasInput) (*sdk.DeleteAccountAliasOutput, error) {
	err := s.changeSettings(req, func(_ *store.Tx, v *settings) error {
		if v.Alias != aws.ToString(in.AccountAlias) {
			return wire.Errorf(http.StatusNotFound, "NoSuchEntity", "The account alias %s cannot be found.", aws.ToString(in.AccountAlias))
		}
		v.Alias = ""
		return nil
	})
	return &sdk.DeleteAccountAliasOutput{}, err
}

func (s *Service) settings(req *wire.Request) (v settings, err error) {
	return store.Look(s.DB, func(tx *store.Tx) (settings, error) { return getSettings(tx, req.Scope) })
}

func (s *Service) listAccountAliases(_ context.Context, req *wire.Request, _ *sdk.ListAccountAliasesInput) (*sdk.ListAccountAliasesOutput, error) {
	v, err := s.settings(req)
	out := &sdk.ListAccountAliasesOutput{AccountAliases: []string{}}
	if v.Alias != "" {
		out.AccountAliases = append(out.AccountAliases, v.Alias)
	}
	return out, err
}

// passwords is the input of UpdateAccountPasswordPolicy, of which the SDK's own cannot
// tell 0 from absent. What is absent goes back to its default, as on AWS.
type passwords struct {
	AllowUsersToChangePassword, HardExpiry                                                 bool
	RequireLowercaseCharacters, RequireNumbers, RequireSymbols, RequireUppercaseCharacters bool
	MaxPasswordAge, MinimumPasswordLength, PasswordReusePrevention                         *int32
}

func (s *Service) updatePasswords(_ context.Context, req *wire.Request, in *passwords) (*sdk.UpdateAccountPasswordPolicyOutput, error) {
	p := &types.PasswordPolicy{
		AllowUsersToChangePassword: in.AllowUsersToChangePassword, HardExpiry: aws.Bool(in.HardExpiry),
		RequireLowercaseCharacters: in.RequireLowercaseCharacters, RequireNumbers: in.RequireNumbers, RequireSymbols: in.RequireSymbols,
		RequireUppercaseCharacters: in.RequireUppercaseCharacters, MinimumPasswordLength: aws.Int32(6),
		MaxPasswordAge: in.MaxPasswordAge, PasswordReusePrevention: in.PasswordReusePrevention,
	}
	if in.MinimumPasswordLength != nil {
		p.MinimumPasswordLength = in.MinimumPasswordLength
	}
	p.ExpirePasswords = aws.ToInt32(p.MaxPasswordAge) > 0
	err := s.changeSettings(req, func(_ *store.Tx, v *settings) error {
		v.Passwords = p
		return nil
	})
	return &sdk.UpdateAccountPasswordPolicyOutput{}, err
}

func (s *Service) getPasswords(_ context.Context, req *wire.Request, _ *sdk.GetAccountPasswordPolicyInput) (*sdk.GetAccountPasswordPolicyOutput, error) {
	v, err := s.settings(req)
	if err == nil && v.Passwords == nil {
		err = wire.Errorf(http.StatusNotFound, "NoSuchEntity", "The Password Policy with domain name %s cannot be found.", req.Account)
	}
	return &sdk.GetAccountPasswordPolicyOutput{PasswordPolicy: v.Passwords}, err
}

func (s *Service) deletePasswords(_ context.Context, req *wire.Request, _ *sdk.DeleteAccountPasswordPolicyInput) (*sdk.DeleteAccountPasswordPolicyOutput, error) {
	err := s.changeSettings(req, func(_ *store.Tx, v *settings) error {
		if v.Passwords == nil {
			return wire.Errorf(http.StatusNotFound, "NoSuchEntity", "The account policy with name PasswordPolicy cannot be found.")
		}
		v.Passwords = nil
		return nil
	})
	return &sdk.DeleteAccountPasswordPolicyOutput{}, err
}

// checkPassword holds a new password against the account's policy. Without one the
// default has eight characters at least, of three kinds.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_passwords_account-policy.html
func checkPassword(tx *store.Tx, sc wire.Scope, password *string) error {
	v, err := getSettings(tx, sc)
	if err != nil {
		return err
	}
	text, has := aws.ToString(password), map[string]bool{}
	for _, r := range text {
		switch {
		case unicode.IsLower(r):
			has["lowercase"] = true
		case unicode.IsUpper(r):
			has["uppercase"] = true
		case unicode.IsDigit(r):
			has["number"] = true
		default:
			has["symbol"] = true
		}
	}
	violation := func(what string) error {
		return wire.Errorf(http.StatusBadRequest, "PasswordPolicyViolation", "Password does not conform to the account password policy: %s.", what)
	}
	p := v.Passwords
	if p == nil {
		if len(text) < 8 || len(has) < 3 {
			return violation("it needs eight characters of three kinds among upper case, lower case, numbers and symbols")
		}
		return nil
	}
	if int32(len(text)) < cmp.Or(aws.ToInt32(p.MinimumPasswordLength), 6) { // at most 128 by the model
		return violation("it is too short")
	}
	for kind, required := range map[string]bool{
		"lowercase": p.RequireLowercaseCharacters, "uppercase": p.RequireUppercaseCharacters, "number": p.RequireNumbers, "symbol": p.RequireSymbols,
	} {
		if required && !has[kind] {
			return violation("it has no " + kind)
		}
	}
	return nil
}

// census is what an account's identities are, for answers about all of them.
type census struct {
	users    []user
	groups   []group
	roles    []role
	policies []managedPolicy
	profiles []profile
	devices  []device
	oidc     []oidcProvider
	saml     []samlProvider
}

func takeCensus(tx *store.Tx, sc wire.Scope) (c census, err error) {
	prefix := sc.GlobalPrefix()
	if c.users, err = store.List[user](tx, usersBucket, prefix); err != nil {
		return c, err
	}
	if c.groups, err = store.List[group](tx, groupsBucket, prefix); err != nil {
		return c, err
	}
	if c.roles, err = store.List[role](tx, rolesBucket, prefix); err != nil {
		return c, err
	}
	if c.policies, err = store.List[managedPolicy](tx, policiesBucket, sc.GlobalARN("iam", "policy/")); err != nil {
		return c, err
	}
	if c.profiles, err = store.List[profile](tx, profilesBucket, prefix); err != nil {
		return c, err
	}
	if c.oidc, err = store.List[oidcProvider](tx, oidcBucket, sc.GlobalARN("iam", "oidc-provider/")); err != nil {
		return c, err
	}
	if c.saml, err = store.List[samlProvider](tx, samlBucket, sc.GlobalARN("iam", "saml-provider/")); err != nil {
		return c, err
	}
	c.devices, err = devicesOf(tx, sc, "")
	return c, err
}

// summary counts, and tells the quotas that the sandbox keeps.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html
func (s *Service) summary(_ context.Context, req *wire.Request, _ *sdk.GetAccountSummaryInput) (*sdk.GetAccountSummaryOutput, error) {
	c, err := store.Look(s.DB, func(tx *store.Tx) (census, error) { return takeCensus(tx, req.Scope) })
	if err != nil {
		return nil, err
	}
	count := map[string]int{
		"Users": len(c.users) + 1, "Groups": len(c.groups), "Roles": len(c.roles), "Policies": len(c.policies), "InstanceProfiles": len(c.profiles),
		"Providers": len(c.oidc) + len(c.saml), "ServerCertificates": 0, "MFADevices": len(c.devices),
		"AccountMFAEnabled": 0, "AccountAccessKeysPresent": 0, "AccountSigningCertificatesPresent": 0, "AccountPasswordPresent": 0, "GlobalEndpointTokenVersion": 1,
		"AccessKeysPerUserQuota": maxKeys, "AssumeRolePolicySizeQuota": maxTrust, "AttachedPoliciesPerGroupQuota": maxAttached,
		"AttachedPoliciesPerRoleQuota": maxAttached, "AttachedPoliciesPerUserQuota": maxAttached, "GroupPolicySizeQuota": maxGroupInline,
		"GroupsPerUserQuota": maxGroups, "GroupsQuota": 300, "InstanceProfilesQuota": 1000, "PoliciesQuota": 1500, "PolicySizeQuota": maxManaged,
		"PolicyVersionsInUseQuota": 10000, "RolePolicySizeQuota": maxRoleInline, "RolesQuota": s.Limits.Limit(req.Scope, limits.IAMRoles), "ServerCertificatesQuota": 20,
		"SigningCertificatesPerUserQuota": maxCertificates, "UserPolicySizeQuota": maxUserInline, "UsersQuota": 5000, "VersionsPerPolicyQuota": maxVersions,
	}
	for _, d := range c.devices {
		if d.User != "" {
			count["MFADevicesInUse"]++
		}
	}
	for _, p := range c.policies {
		count["PolicyVersionsInUse"] += len(p.Versions)
	}
	out := map[string]int32{"MFADevicesInUse": 0, "PolicyVersionsInUse": 0}
	for k, n := range count {
		out[k] = int32(n) // counts of an account
	}
	return &sdk.GetAccountSummaryOutput{SummaryMap: out}, nil
}

// inlineDetails are inline policies with their documents, by their names.
func inlineDetails(inline map[string]string) []types.PolicyDetail {
	out := []types.PolicyDetail{}
	for _, name := range slices.Sorted(maps.Keys(inline)) {
		out = append(out, types.PolicyDetail{PolicyName: aws.String(name), PolicyDocument: encoded(inline[name])})
	}
	return out
}

func boundaryOutput(arn string) *types.AttachedPermissionsBoundary {
	if arn == "" {
		return nil
	}
	// Not the value of the API reference and the SDK, but what AWS answers (recorded:
	// github.com/localstack/localstack, tests/aws/services/iam/test_iam.py).
	return &types.AttachedPermissionsBoundary{PermissionsBoundaryArn: &arn, PermissionsBoundaryType: "Policy"}
}

// details are all identities with their policies.
func (s *Service) details(_ context.Context, req *wire.Request, in *sdk.GetAccountAuthorizationDetailsInput) (*sdk.GetAccountAuthorizationDetailsOutput, error) {
	want := func(t types.EntityType) bool { return len(in.Filter) == 0 || slices.Contains(in.Filter, t) }
	out := &sdk.GetAccountAuthorizationDetailsOutput{
		UserDetailList: []types.UserDetail{}, GroupDetailList: []types.GroupDetail{}, RoleDetailList: []types.RoleDetail{}, Policies: []types.ManagedPolicyDetail{},
	}
	err := s.DB.View(func(tx *store.Tx) error {
		c, err := takeCensus(tx, req.Scope)
		if err != nil {
			return err
		}
		if want(types.EntityTypeUser) {
			for _, u := range c.users {
				out.UserDetailList = append(out.UserDetailList, types.UserDetail{
					UserName: &u.Name, Path: &u.Path, UserId: &u.ID, Arn: &u.ARN, CreateDate: &u.Created, GroupList: nonNil(u.Groups), Tags: tagList(u.Tags),
					UserPolicyList: nilIfNone(inlineDetails(u.Inline)), AttachedManagedPolicies: attachedUnder(u.Attached, nil), PermissionsBoundary: boundaryOutput(u.Boundary),
				})
			}
		}
		if want(types.EntityTypeGroup) {
			for _, g := range c.groups {
				out.GroupDetailList = append(out.GroupDetailList, types.GroupDetail{
					GroupName: &g.Name, Path: &g.Path, GroupId: &g.ID, Arn: &g.ARN, CreateDate: &g.Created,
					GroupPolicyList: inlineDetails(g.Inline), AttachedManagedPolicies: attachedUnder(g.Attached, nil),
				})
			}
		}
		if want(types.EntityTypeRole) {
			for _, ro := range c.roles {
				d := types.RoleDetail{
					RoleName: &ro.Name, Path: &ro.Path, RoleId: &ro.ID, Arn: &ro.ARN, CreateDate: &ro.Created, AssumeRolePolicyDocument: encoded(ro.Trust), Tags: tagList(ro.Tags),
					RolePolicyList: inlineDetails(ro.Inline), AttachedManagedPolicies: attachedUnder(ro.Attached, nil), PermissionsBoundary: boundaryOutput(ro.Boundary),
					RoleLastUsed: &types.RoleLastUsed{}, InstanceProfileList: []types.InstanceProfile{},
				}
				for i := range c.profiles {
					if c.profiles[i].Role == ro.Name {
						p, err := s.profileOutput(tx, req.Scope, &c.profiles[i])
						if err != nil {
							return err
						}
						p.Tags = nil
						d.InstanceProfileList = append(d.InstanceProfileList, *p)
					}
				}
				out.RoleDetailList = append(out.RoleDetailList, d)
			}
		}
		s.policyDetails(req, c, want, out)
		return nil
	})
	return out, err
}

// policyDetails adds the managed policies that want asks for.
func (s *Service) policyDetails(req *wire.Request, c census, want func(types.EntityType) bool, out *sdk.GetAccountAuthorizationDetailsOutput) {
	var all []*managedPolicy
	if want(types.EntityTypeLocalManagedPolicy) {
		for i := range c.policies {
			all = append(all, &c.policies[i])
		}
	}
	if want(types.EntityTypeAWSManagedPolicy) {
		for _, arn := range slices.Sorted(maps.Keys(s.managed)) {
			if a, _ := wire.ParseARN(arn); a.Partition == req.Partition {
				all = append(all, s.managed[arn])
			}
		}
	}
	for _, p := range all {
		o := policyOutput(c, p)
		if s.managed[p.ARN] != nil && *o.AttachmentCount == 0 {
			continue // AWS's own are listed where they are attached
		}
		d := types.ManagedPolicyDetail{
			PolicyName: o.PolicyName, Path: o.Path, PolicyId: o.PolicyId, Arn: o.Arn, CreateDate: o.CreateDate, UpdateDate: o.UpdateDate, Description: o.Description,
			DefaultVersionId: o.DefaultVersionId, AttachmentCount: o.AttachmentCount, PermissionsBoundaryUsageCount: o.PermissionsBoundaryUsageCount, IsAttachable: true,
		}
		for _, v := range slices.Backward(p.Versions) {
			d.PolicyVersionList = append(d.PolicyVersionList, *versionOutput(p, v, true))
		}
		out.Policies = append(out.Policies, d)
	}
}

// entities lists to whom a policy is attached, or whose boundary it is.
func (s *Service) entities(_ context.Context, req *wire.Request, in *sdk.ListEntitiesForPolicyInput) (*sdk.ListEntitiesForPolicyOutput, error) {
	p, err := s.readPolicy(in.PolicyArn)
	if err != nil {
		return nil, err
	}
	want := func(kind types.EntityType, path string, attached []string, boundary string) bool {
		asBoundary, asPolicy := boundary == p.ARN, slices.Contains(attached, p.ARN)
		switch in.PolicyUsageFilter {
		case types.PolicyUsageTypePermissionsPolicy:
			asBoundary = false
		case types.PolicyUsageTypePermissionsBoundary:
			asPolicy = false
		}
		return (asBoundary || asPolicy) && (in.EntityFilter == "" || in.EntityFilter == kind) && strings.HasPrefix(path, aws.ToString(in.PathPrefix))
	}
	out := &sdk.ListEntitiesForPolicyOutput{PolicyGroups: []types.PolicyGroup{}, PolicyUsers: []types.PolicyUser{}, PolicyRoles: []types.PolicyRole{}}
	err = s.DB.View(func(tx *store.Tx) error {
		c, err := takeCensus(tx, req.Scope)
		for _, u := range c.users {
			if want(types.EntityTypeUser, u.Path, u.Attached, u.Boundary) {
				out.PolicyUsers = append(out.PolicyUsers, types.PolicyUser{UserName: &u.Name, UserId: &u.ID})
			}
		}
		for _, g := range c.groups {
			if want(types.EntityTypeGroup, g.Path, g.Attached, "") {
				out.PolicyGroups = append(out.PolicyGroups, types.PolicyGroup{GroupName: &g.Name, GroupId: &g.ID})
			}
		}
		for _, ro := range c.roles {
			if want(types.EntityTypeRole, ro.Path, ro.Attached, ro.Boundary) {
				out.PolicyRoles = append(out.PolicyRoles, types.PolicyRole{RoleName: &ro.Name, RoleId: &ro.ID})
			}
		}
		return err
	})
	return out, err
}
