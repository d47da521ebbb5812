package services

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// noEntity is IAM's code for what does not exist.
const noEntity = "NoSuchEntity"

func iamResources() []Resource {
	return []Resource{iamRole(), iamRolePolicy(), iamPolicy(), iamRolePolicyAttachment(), iamRolePoliciesExclusive(), iamRoleAttachmentsExclusive()}
}

type roleArgs struct {
	AssumeRolePolicy    string  `pulumi:"assumeRolePolicy,required,policy"`
	Description         *string `pulumi:"description" check:"len=0..1000"`
	ForceDetachPolicies *bool   `pulumi:"forceDetachPolicies,local" default:"false"`
	MaxSessionDuration  *int    `pulumi:"maxSessionDuration" default:"3600" check:"min=3600;max=43200"`
	Name                *string `pulumi:"name,replace,computed" check:"len=1..64;match=^[\\w+=,.@-]*$"`
	NamePrefix          *string `pulumi:"namePrefix,replace,computed,local" check:"len=1..38;match=^[\\w+=,.@-]*$"`
	Path                *string `pulumi:"path,replace" default:"/" check:"len=0..512"`
	PermissionsBoundary *string `pulumi:"permissionsBoundary" check:"len=0..2048;arn"`
	Tagged
}

type roleState struct {
	roleArgs
	Arn        string `pulumi:"arn"`
	CreateDate string `pulumi:"createDate"`
	UniqueID   string `pulumi:"uniqueId"`
}

func iamRole() Resource {
	return define(Def[roleArgs, roleState]{
		Type: "aws:iam/role:Role", Title: "IAM Role",
		Named:    &Naming{Property: "name", Prefix: "namePrefix", Max: 64},
		CreateFn: createRole, ReadFn: readRole, UpdateFn: updateRole, DeleteFn: deleteRole,
		ImportFn: func(_ context.Context, _ *Call, id string, _ *roleState) (string, error) { return id, nil },
	})
}

func iamTag(k, v string) types.Tag         { return types.Tag{Key: aws.String(k), Value: aws.String(v)} }
func iamTagOf(t types.Tag) (k, v *string)  { return t.Key, t.Value }
func unescape(doc *string) (string, error) { return url.QueryUnescape(deref(doc)) }

func createRole(ctx context.Context, c *Call, in *roleArgs) (string, error) {
	err := c.Propagated(ctx, func() error {
		_, err := c.IAM().CreateRole(ctx, &iam.CreateRoleInput{
			RoleName: in.Name, AssumeRolePolicyDocument: aws.String(in.AssumeRolePolicy), Path: in.Path,
			Description: set(in.Description), MaxSessionDuration: i32(in.MaxSessionDuration),
			PermissionsBoundary: set(in.PermissionsBoundary), Tags: tagList(in.TagsAll, iamTag),
		})
		return err
	}, "Invalid principal in policy")
	if err != nil {
		return "", err
	}
	return *in.Name, nil
}

func readRole(ctx context.Context, c *Call, id string, last *roleState) (*roleState, error) {
	out, err := c.IAM().GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(id)})
	if err != nil {
		return nil, gone(err, noEntity)
	}
	r := out.Role
	doc, err := unescape(r.AssumeRolePolicyDocument)
	if err != nil {
		return nil, err
	}
	s := &roleState{
		roleArgs: roleArgs{
			AssumeRolePolicy: doc, Description: r.Description, MaxSessionDuration: num(r.MaxSessionDuration),
			Name: r.RoleName, Path: r.Path, Tagged: c.tagged(tagMap(r.Tags, iamTagOf), last.Tagged),
		},
		Arn: deref(r.Arn), CreateDate: deref(r.CreateDate).UTC().Format(time.RFC3339), UniqueID: deref(r.RoleId),
	}
	if b := r.PermissionsBoundary; b != nil {
		s.PermissionsBoundary = b.PermissionsBoundaryArn
	}
	return s, nil
}

func updateRole(ctx context.Context, c *Call, id string, last *roleState, in *roleArgs) error {
	name := aws.String(id)
	if c.Changed("assumeRolePolicy") {
		if _, err := c.IAM().UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{
			RoleName: name, PolicyDocument: aws.String(in.AssumeRolePolicy),
		}); err != nil {
			return err
		}
	}
	if c.Changed("description") {
		if _, err := c.IAM().UpdateRoleDescription(ctx, &iam.UpdateRoleDescriptionInput{
			RoleName: name, Description: aws.String(deref(in.Description)),
		}); err != nil {
			return err
		}
	}
	if c.Changed("maxSessionDuration") {
		if _, err := c.IAM().UpdateRole(ctx, &iam.UpdateRoleInput{
			RoleName: name, MaxSessionDuration: i32(in.MaxSessionDuration), Description: aws.String(deref(in.Description)),
		}); err != nil {
			return err
		}
	}
	if c.Changed("permissionsBoundary") {
		if err := setBoundary(ctx, c, name, set(in.PermissionsBoundary)); err != nil {
			return err
		}
	}
	add, remove := tagChanges(last.TagsAll, in.TagsAll)
	if len(remove) > 0 {
		if _, err := c.IAM().UntagRole(ctx, &iam.UntagRoleInput{RoleName: name, TagKeys: remove}); err != nil {
			return err
		}
	}
	if len(add) > 0 {
		if _, err := c.IAM().TagRole(ctx, &iam.TagRoleInput{RoleName: name, Tags: tagList(add, iamTag)}); err != nil {
			return err
		}
	}
	return nil
}

func setBoundary(ctx context.Context, c *Call, role, boundary *string) error {
	if boundary == nil {
		_, err := c.IAM().DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: role})
		return ignore(err, noEntity)
	}
	_, err := c.IAM().PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{
		RoleName: role, PermissionsBoundary: boundary,
	})
	return err
}

// As the provider does it, a role is taken out of the instance profiles that somebody has put
// it into, which would hold it. (terraform-provider-aws, internal/service/iam/role.go, deleteRole)
func deleteRole(ctx context.Context, c *Call, id string, last *roleState) error {
	if err := leaveProfiles(ctx, c, id); err != nil {
		return gone(err, noEntity)
	}
	if deref(last.ForceDetachPolicies) {
		if err := emptyRole(ctx, c, id); err != nil {
			return gone(err, noEntity)
		}
	}
	_, err := c.IAM().DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String(id)})
	return gone(err, noEntity)
}

func leaveProfiles(ctx context.Context, c *Call, role string) error {
	pages := iam.NewListInstanceProfilesForRolePaginator(c.IAM(), &iam.ListInstanceProfilesForRoleInput{RoleName: &role})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for i := range page.InstanceProfiles {
			_, err := c.IAM().RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{
				RoleName: &role, InstanceProfileName: page.InstanceProfiles[i].InstanceProfileName,
			})
			if err := ignore(err, noEntity); err != nil {
				return err
			}
		}
	}
	return nil
}

// emptyRole takes all policies off a role.
func emptyRole(ctx context.Context, c *Call, role string) error {
	if err := keepAttached(ctx, c, role, nil); err != nil {
		return err
	}
	return keepInline(ctx, c, role, nil)
}

type rolePolicyArgs struct {
	Name       *string `pulumi:"name,replace,computed" check:"len=1..128;match=^[\\w+=,.@-]*$"`
	NamePrefix *string `pulumi:"namePrefix,replace,computed,local" check:"len=1..102;match=^[\\w+=,.@-]*$"`
	Policy     string  `pulumi:"policy,required,policy"`
	Role       string  `pulumi:"role,required,replace"`
}

type rolePolicyState struct{ rolePolicyArgs }

func iamRolePolicy() Resource {
	put := func(ctx context.Context, c *Call, role, name, doc string) error {
		_, err := c.IAM().PutRolePolicy(ctx, &iam.PutRolePolicyInput{
			RoleName: aws.String(role), PolicyName: aws.String(name), PolicyDocument: aws.String(doc),
		})
		return err
	}
	return define(Def[rolePolicyArgs, rolePolicyState]{
		Type: "aws:iam/rolePolicy:RolePolicy", Title: "IAM Role Policy",
		Named: &Naming{Property: "name", Prefix: "namePrefix", Max: 128},
		CreateFn: func(ctx context.Context, c *Call, in *rolePolicyArgs) (string, error) {
			if err := put(ctx, c, in.Role, *in.Name, in.Policy); err != nil {
				return "", err
			}
			return in.Role + ":" + *in.Name, nil
		},
		ReadFn: func(ctx context.Context, c *Call, id string, _ *rolePolicyState) (*rolePolicyState, error) {
			role, name, _ := strings.Cut(id, ":")
			out, err := c.IAM().GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: aws.String(role), PolicyName: aws.String(name)})
			if err != nil {
				return nil, gone(err, noEntity)
			}
			doc, err := unescape(out.PolicyDocument)
			if err != nil {
				return nil, err
			}
			return &rolePolicyState{rolePolicyArgs{Name: aws.String(name), Policy: doc, Role: role}}, nil
		},
		UpdateFn: func(ctx context.Context, c *Call, id string, _ *rolePolicyState, in *rolePolicyArgs) error {
			role, name, _ := strings.Cut(id, ":")
			return put(ctx, c, role, name, in.Policy)
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *rolePolicyState) error {
			role, name, _ := strings.Cut(id, ":")
			_, err := c.IAM().DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: aws.String(role), PolicyName: aws.String(name)})
			return gone(err, noEntity)
		},
	})
}

type policyArgs struct {
	Description *string `pulumi:"description,replace" check:"len=0..1000"`
	Name        *string `pulumi:"name,replace,computed" check:"len=1..128;match=^[\\w+=,.@-]*$"`
	NamePrefix  *string `pulumi:"namePrefix,replace,computed,local" check:"len=1..102;match=^[\\w+=,.@-]*$"`
	Path        *string `pulumi:"path,replace" default:"/"`
	Policy      string  `pulumi:"policy,required,policy"`
	Tagged
}

type policyState struct {
	policyArgs
	Arn             string `pulumi:"arn"`
	AttachmentCount int    `pulumi:"attachmentCount"`
	PolicyID        string `pulumi:"policyId"`
}

func iamPolicy() Resource {
	return define(Def[policyArgs, policyState]{
		Type: "aws:iam/policy:Policy", Title: "IAM Policy",
		Named: &Naming{Property: "name", Prefix: "namePrefix", Max: 128},
		CreateFn: func(ctx context.Context, c *Call, in *policyArgs) (string, error) {
			out, err := c.IAM().CreatePolicy(ctx, &iam.CreatePolicyInput{
				PolicyName: in.Name, PolicyDocument: aws.String(in.Policy), Path: in.Path,
				Description: set(in.Description), Tags: tagList(in.TagsAll, iamTag),
			})
			if err != nil {
				return "", err
			}
			return deref(out.Policy.Arn), nil
		},
		ReadFn: readPolicy, UpdateFn: updatePolicy, DeleteFn: deletePolicy,
	})
}

func readPolicy(ctx context.Context, c *Call, id string, last *policyState) (*policyState, error) {
	out, err := c.IAM().GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String(id)})
	if err != nil {
		return nil, gone(err, noEntity)
	}
	p := out.Policy
	v, err := c.IAM().GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: aws.String(id), VersionId: p.DefaultVersionId})
	if err != nil {
		return nil, gone(err, noEntity)
	}
	doc, err := unescape(v.PolicyVersion.Document)
	if err != nil {
		return nil, err
	}
	return &policyState{
		policyArgs: policyArgs{
			Description: p.Description, Name: p.PolicyName, Path: p.Path, Policy: doc,
			Tagged: c.tagged(tagMap(p.Tags, iamTagOf), last.Tagged),
		},
		Arn: deref(p.Arn), AttachmentCount: deref(num(p.AttachmentCount)), PolicyID: deref(p.PolicyId),
	}, nil
}

func updatePolicy(ctx context.Context, c *Call, id string, last *policyState, in *policyArgs) error {
	if c.Changed("policy") {
		if err := prunePolicy(ctx, c, id, 4); err != nil {
			return err
		}
		if _, err := c.IAM().CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{
			PolicyArn: aws.String(id), PolicyDocument: aws.String(in.Policy), SetAsDefault: true,
		}); err != nil {
			return err
		}
	}
	add, remove := tagChanges(last.TagsAll, in.TagsAll)
	if len(remove) > 0 {
		if _, err := c.IAM().UntagPolicy(ctx, &iam.UntagPolicyInput{PolicyArn: aws.String(id), TagKeys: remove}); err != nil {
			return err
		}
	}
	if len(add) > 0 {
		if _, err := c.IAM().TagPolicy(ctx, &iam.TagPolicyInput{PolicyArn: aws.String(id), Tags: tagList(add, iamTag)}); err != nil {
			return err
		}
	}
	return nil
}

// prunePolicy deletes the oldest versions that are not the default one until at
// most keep are left. A policy has at most five.
func prunePolicy(ctx context.Context, c *Call, id string, keep int) error {
	out, err := c.IAM().ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: aws.String(id)})
	if err != nil {
		return err
	}
	versions := out.Versions
	slices.SortFunc(versions, func(a, b types.PolicyVersion) int { return deref(a.CreateDate).Compare(deref(b.CreateDate)) })
	left := len(versions)
	for _, v := range versions {
		if left <= keep {
			return nil
		}
		if v.IsDefaultVersion {
			continue
		}
		if _, err := c.IAM().DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: aws.String(id), VersionId: v.VersionId}); err != nil {
			return err
		}
		left--
	}
	return nil
}

func deletePolicy(ctx context.Context, c *Call, id string, _ *policyState) error {
	if err := prunePolicy(ctx, c, id, 1); err != nil {
		return gone(err, noEntity)
	}
	_, err := c.IAM().DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: aws.String(id)})
	return gone(err, noEntity)
}

type attachmentArgs struct {
	PolicyArn string `pulumi:"policyArn,required,replace" check:"arn"`
	Role      string `pulumi:"role,required,replace"`
}

type attachmentState struct{ attachmentArgs }

func iamRolePolicyAttachment() Resource {
	split := func(id string) (role, policy *string) {
		r, p, _ := strings.Cut(id, "/")
		return aws.String(r), aws.String(p)
	}
	return define(Def[attachmentArgs, attachmentState]{
		Type: "aws:iam/rolePolicyAttachment:RolePolicyAttachment", Title: "IAM Role Policy Attachment",
		CreateFn: func(ctx context.Context, c *Call, in *attachmentArgs) (string, error) {
			_, err := c.IAM().AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{
				RoleName: aws.String(in.Role), PolicyArn: aws.String(in.PolicyArn),
			})
			if err != nil {
				return "", err
			}
			return in.Role + "/" + in.PolicyArn, nil
		},
		ReadFn: func(ctx context.Context, c *Call, id string, _ *attachmentState) (*attachmentState, error) {
			role, policy := split(id)
			pages := iam.NewListAttachedRolePoliciesPaginator(c.IAM(), &iam.ListAttachedRolePoliciesInput{RoleName: role})
			for pages.HasMorePages() {
				page, err := pages.NextPage(ctx)
				if err != nil {
					return nil, gone(err, noEntity)
				}
				for _, p := range page.AttachedPolicies {
					if deref(p.PolicyArn) == *policy {
						return &attachmentState{attachmentArgs{PolicyArn: *policy, Role: *role}}, nil
					}
				}
			}
			return nil, ErrGone
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *attachmentState) error {
			role, policy := split(id)
			_, err := c.IAM().DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: role, PolicyArn: policy})
			return gone(err, noEntity)
		},
	})
}
