package services

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// The exclusive resources take off a role what somebody else has put on it. They are
// about the assignment only: deleting one deletes nothing.
// (registry.terraform.io, aws_iam_role_policies_exclusive and
// aws_iam_role_policy_attachments_exclusive)

type policiesExclusiveArgs struct {
	PolicyNames []string `pulumi:"policyNames,required,set"`
	RoleName    string   `pulumi:"roleName,required,replace"`
}

type policiesExclusiveState struct{ policiesExclusiveArgs }

func iamRolePoliciesExclusive() Resource {
	return define(Def[policiesExclusiveArgs, policiesExclusiveState]{
		Type: "aws:iam/rolePoliciesExclusive:RolePoliciesExclusive", Title: "IAM Role Policies Exclusive",
		CreateFn: func(ctx context.Context, c *Call, in *policiesExclusiveArgs) (string, error) {
			return idUnless(keepInline(ctx, c, in.RoleName, in.PolicyNames), in.RoleName)
		},
		ReadFn: func(ctx context.Context, c *Call, id string, _ *policiesExclusiveState) (*policiesExclusiveState, error) {
			names, err := inlineOf(ctx, c, id)
			if err != nil {
				return nil, gone(err, noEntity)
			}
			return &policiesExclusiveState{policiesExclusiveArgs{PolicyNames: names, RoleName: id}}, nil
		},
		UpdateFn: func(ctx context.Context, c *Call, id string, _ *policiesExclusiveState, in *policiesExclusiveArgs) error {
			return keepInline(ctx, c, id, in.PolicyNames)
		},
		DeleteFn: func(context.Context, *Call, string, *policiesExclusiveState) error { return nil },
		ImportFn: func(_ context.Context, _ *Call, id string, _ *policiesExclusiveState) (string, error) { return id, nil },
	})
}

type attachmentsExclusiveArgs struct {
	PolicyArns []string `pulumi:"policyArns,required,set"`
	RoleName   string   `pulumi:"roleName,required,replace"`
}

type attachmentsExclusiveState struct{ attachmentsExclusiveArgs }

func iamRoleAttachmentsExclusive() Resource {
	return define(Def[attachmentsExclusiveArgs, attachmentsExclusiveState]{
		Type: "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive", Title: "IAM Role Policy Attachments Exclusive",
		CreateFn: func(ctx context.Context, c *Call, in *attachmentsExclusiveArgs) (string, error) {
			return idUnless(syncAttached(ctx, c, in.RoleName, in.PolicyArns), in.RoleName)
		},
		ReadFn: func(ctx context.Context, c *Call, id string, _ *attachmentsExclusiveState) (*attachmentsExclusiveState, error) {
			arns, err := attachedTo(ctx, c, id)
			if err != nil {
				return nil, gone(err, noEntity)
			}
			return &attachmentsExclusiveState{attachmentsExclusiveArgs{PolicyArns: arns, RoleName: id}}, nil
		},
		UpdateFn: func(ctx context.Context, c *Call, id string, _ *attachmentsExclusiveState, in *attachmentsExclusiveArgs) error {
			return syncAttached(ctx, c, id, in.PolicyArns)
		},
		DeleteFn: func(context.Context, *Call, string, *attachmentsExclusiveState) error { return nil },
		ImportFn: func(_ context.Context, _ *Call, id string, _ *attachmentsExclusiveState) (string, error) {
			return id, nil
		},
	})
}

// inlineOf lists the names of a role's inline policies.
func inlineOf(ctx context.Context, c *Call, role string) ([]string, error) {
	names := []string{}
	pages := iam.NewListRolePoliciesPaginator(c.IAM(), &iam.ListRolePoliciesInput{RoleName: aws.String(role)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		names = append(names, page.PolicyNames...)
	}
	return names, nil
}

// attachedTo lists the ARNs of the policies that are attached to a role.
func attachedTo(ctx context.Context, c *Call, role string) ([]string, error) {
	arns := []string{}
	pages := iam.NewListAttachedRolePoliciesPaginator(c.IAM(), &iam.ListAttachedRolePoliciesInput{RoleName: aws.String(role)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range page.AttachedPolicies {
			arns = append(arns, deref(p.PolicyArn))
		}
	}
	return arns, nil
}

// keepInline deletes every inline policy of a role but some. One that is missing is
// no matter of it: it has a resource of its own.
func keepInline(ctx context.Context, c *Call, role string, keep []string) error {
	names, err := inlineOf(ctx, c, role)
	if err != nil {
		return err
	}
	for _, name := range names {
		if slices.Contains(keep, name) {
			continue
		}
		_, err := c.IAM().DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: aws.String(role), PolicyName: aws.String(name)})
		if err := ignore(err, noEntity); err != nil {
			return err
		}
	}
	return nil
}

// keepAttached detaches every policy from a role but some.
func keepAttached(ctx context.Context, c *Call, role string, keep []string) error {
	arns, err := attachedTo(ctx, c, role)
	if err != nil {
		return err
	}
	for _, arn := range arns {
		if slices.Contains(keep, arn) {
			continue
		}
		_, err := c.IAM().DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: aws.String(role), PolicyArn: aws.String(arn)})
		if err := ignore(err, noEntity); err != nil {
			return err
		}
	}
	return nil
}

// syncAttached attaches what is missing too.
func syncAttached(ctx context.Context, c *Call, role string, want []string) error {
	if err := keepAttached(ctx, c, role, want); err != nil {
		return err
	}
	have, err := attachedTo(ctx, c, role)
	if err != nil {
		return err
	}
	for _, arn := range want {
		if slices.Contains(have, arn) {
			continue
		}
		if _, err := c.IAM().AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String(role), PolicyArn: aws.String(arn)}); err != nil {
			return err
		}
	}
	return nil
}
