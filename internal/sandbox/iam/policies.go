package iam

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerPolicies(r *wire.Router) {
	policy := wire.On(onPolicy)
	wire.Handle(r, "iam", "CreatePolicy", s.createPolicy, wire.Access{On: onNewPolicy, Tagging: "iam:TagPolicy"})
	wire.Handle(r, "iam", "GetPolicy", s.getPolicy, policy)
	wire.Handle(r, "iam", "DeletePolicy", s.deletePolicy, policy)
	wire.Handle(r, "iam", "ListPolicies", s.listPolicies, wire.On(func(req *wire.Request, _ wire.Input) []string { return []string{req.GlobalARN("iam", "policy/")} }))
	wire.Handle(r, "iam", "CreatePolicyVersion", s.createVersion, policy)
	wire.Handle(r, "iam", "GetPolicyVersion", s.getVersion, policy)
	wire.Handle(r, "iam", "ListPolicyVersions", s.listVersions, policy)
	wire.Handle(r, "iam", "DeletePolicyVersion", s.deleteVersion, policy)
	wire.Handle(r, "iam", "SetDefaultPolicyVersion", s.setDefaultVersion, policy)
	registerTags(r, kind[*managedPolicy]{
		noun: "Policy", on: onPolicy, id: func(in *kindInput) *string { return in.PolicyArn },
		read: func(_ *wire.Request, arn *string) (*managedPolicy, error) { return s.readPolicy(arn) },
		change: func(_ *wire.Request, arn *string, fn func(*store.Tx, **managedPolicy) error) error {
			return s.changePolicy(arn, func(tx *store.Tx, p *managedPolicy) error { return fn(tx, &p) })
		},
	}, func(p **managedPolicy) *map[string]string { return &(*p).Tags })
}

func onPolicy(_ *wire.Request, in wire.Input) []string { return []string{in.Text("PolicyArn")} }

func onNewPolicy(req *wire.Request, in wire.Input) []string {
	return []string{req.GlobalARN("iam", "policy"+pathOf(in)+in.Text("PolicyName"))}
}

// awsManaged are the policies of AWS that are small and in common use. Others can
// not be attached, as if they did not exist.
func awsManaged() map[string]*managedPolicy {
	out := map[string]*managedPolicy{}
	for _, partition := range []string{wire.PartitionAWS, wire.PartitionChina, wire.PartitionGov} {
		for _, p := range awsManagedIn(partition) {
			out[p.ARN] = p
		}
	}
	return out
}

func awsManagedIn(partition string) (out []*managedPolicy) {
	const allow = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":%s,"Resource":"*"}]}`
	created := time.Date(2015, 2, 6, 18, 39, 46, 0, time.UTC)
	for _, p := range []struct{ path, name, actions string }{
		{"/", "AdministratorAccess", `"*"`},
		{"/", "AmazonS3FullAccess", `["s3:*","s3-object-lambda:*"]`},
		{"/", "AmazonS3ReadOnlyAccess", `["s3:Get*","s3:List*","s3:Describe*","s3-object-lambda:Get*","s3-object-lambda:List*"]`},
		{"/", "AWSXRayDaemonWriteAccess", `["xray:PutTraceSegments","xray:PutTelemetryRecords","xray:GetSamplingRules","xray:GetSamplingTargets","xray:GetSamplingStatisticSummaries"]`},
		{"/service-role/", "AWSLambdaBasicExecutionRole", `["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"]`},
		{"/service-role/", "AWSLambdaRole", `["lambda:InvokeFunction"]`},
	} {
		arn := wire.Scope{Partition: partition, Account: "aws"}.GlobalARN("iam", "policy"+p.path+p.name)
		out = append(out, &managedPolicy{
			Name: p.name, Path: p.path, ARN: arn, ID: "ANPA" + strings.ToUpper(p.name), Created: created, Updated: created, Default: "v1", Next: 2,
			Versions: []policyVersion{{ID: "v1", Document: fmt.Sprintf(allow, p.actions), Created: created}},
		})
	}
	return out
}

// policyOutput shows a policy with how often it is in use.
func policyOutput(c census, p *managedPolicy) *types.Policy {
	attached, boundaries := int32(0), int32(0)
	count := func(to []string, boundary string) {
		if slices.Contains(to, p.ARN) {
			attached++
		}
		if boundary == p.ARN {
			boundaries++
		}
	}
	for i := range c.roles {
		count(c.roles[i].Attached, c.roles[i].Boundary)
	}
	for i := range c.users {
		count(c.users[i].Attached, c.users[i].Boundary)
	}
	for i := range c.groups {
		count(c.groups[i].Attached, "")
	}
	out := &types.Policy{
		PolicyName: &p.Name, Path: &p.Path, PolicyId: &p.ID, Arn: &p.ARN, CreateDate: &p.Created, UpdateDate: &p.Updated,
		DefaultVersionId: &p.Default, AttachmentCount: &attached, PermissionsBoundaryUsageCount: &boundaries,
		IsAttachable: true, Tags: nilIfNone(tagList(p.Tags)),
	}
	if p.Description != "" {
		out.Description = &p.Description
	}
	return out
}

// readPolicy loads the policy of an ARN.
func (s *Service) readPolicy(arn *string) (p *managedPolicy, err error) {
	if a, ok := wire.ParseARN(aws.ToString(arn)); !ok || a.Service != "iam" || !strings.HasPrefix(a.Resource, "policy/") {
		return nil, wire.Errorf(http.StatusBadRequest, "InvalidInput", "ARN %s is not valid.", aws.ToString(arn))
	}
	return store.Look(s.DB, func(tx *store.Tx) (*managedPolicy, error) { return s.managedPolicy(tx, *arn) })
}

// changePolicy lets fn change a policy of the account.
func (s *Service) changePolicy(arn *string, fn func(*store.Tx, *managedPolicy) error) error {
	if _, err := s.readPolicy(arn); err != nil {
		return err
	}
	if s.managed[*arn] != nil {
		return wire.Errorf(http.StatusForbidden, "AccessDenied", "Cannot change the AWS managed policy %s.", *arn)
	}
	return s.update(func(tx *store.Tx) error {
		p, err := s.managedPolicy(tx, *arn)
		if err != nil {
			return err
		}
		if err := fn(tx, p); err != nil {
			return err
		}
		return store.Put(tx, policiesBucket, p.ARN, p)
	})
}

func checkManaged(text string) error {
	if _, err := parsePolicy(text, policy.Identity); err != nil {
		return err
	}
	if visible(text) > maxManaged {
		return wire.Errorf(http.StatusConflict, "LimitExceeded", "Cannot exceed quota for PolicySize: %d", maxManaged)
	}
	return nil
}

func (s *Service) createPolicy(_ context.Context, req *wire.Request, in *sdk.CreatePolicyInput) (*sdk.CreatePolicyOutput, error) {
	if err := checkName("policyName", in.PolicyName); err != nil {
		return nil, err
	}
	path, err := checkPath(in.Path)
	if err != nil {
		return nil, err
	}
	now, doc := s.now(), aws.ToString(in.PolicyDocument)
	p := &managedPolicy{
		Name: *in.PolicyName, Path: path, ID: newID("ANPA"), ARN: req.GlobalARN("iam", "policy"+path+*in.PolicyName),
		Description: aws.ToString(in.Description), Created: now, Updated: now, Default: "v1", Next: 2,
		Versions: []policyVersion{{ID: "v1", Document: doc, Created: now}},
	}
	if err := checkManaged(doc); err != nil {
		return nil, err
	}
	if p.Tags, err = addTags(nil, in.Tags); err != nil {
		return nil, err
	}
	var out *types.Policy
	err = s.update(func(tx *store.Tx) error {
		all, err := store.List[managedPolicy](tx, policiesBucket, req.GlobalARN("iam", "policy/"))
		if err != nil {
			return err
		}
		for i := range all {
			if strings.EqualFold(all[i].Name, p.Name) {
				return wire.Errorf(http.StatusConflict, "EntityAlreadyExists", "A policy called %s already exists. Duplicate names are not allowed.", p.Name)
			}
		}
		out = policyOutput(census{}, p) // nobody has it yet
		out.Description = nil           // GetPolicy tells it
		return store.Put(tx, policiesBucket, p.ARN, p)
	})
	return &sdk.CreatePolicyOutput{Policy: out}, err
}

func (s *Service) getPolicy(_ context.Context, req *wire.Request, in *sdk.GetPolicyInput) (*sdk.GetPolicyOutput, error) {
	p, err := s.readPolicy(in.PolicyArn)
	if err != nil {
		return nil, err
	}
	var out *types.Policy
	err = s.DB.View(func(tx *store.Tx) error {
		c, err := takeCensus(tx, req.Scope)
		out = policyOutput(c, p)
		out.Tags = tagList(p.Tags) // here they are listed though there are none
		return err
	})
	return &sdk.GetPolicyOutput{Policy: out}, err
}

func (s *Service) listPolicies(_ context.Context, req *wire.Request, in *sdk.ListPoliciesInput) (*sdk.ListPoliciesOutput, error) {
	out := []types.Policy{}
	err := s.DB.View(func(tx *store.Tx) error {
		var all []*managedPolicy
		if in.Scope != types.PolicyScopeTypeLocal {
			for _, p := range s.managed {
				if a, _ := wire.ParseARN(p.ARN); a.Partition == req.Partition {
					all = append(all, p)
				}
			}
			slices.SortFunc(all, func(a, b *managedPolicy) int { return strings.Compare(a.ARN, b.ARN) })
		}
		if in.Scope != types.PolicyScopeTypeAws {
			local, err := store.List[managedPolicy](tx, policiesBucket, req.GlobalARN("iam", "policy/"))
			if err != nil {
				return err
			}
			for i := range local {
				all = append(all, &local[i])
			}
		}
		c, err := takeCensus(tx, req.Scope)
		if err != nil {
			return err
		}
		for _, p := range all {
			o := policyOutput(c, p)
			if (in.OnlyAttached && *o.AttachmentCount == 0) || !strings.HasPrefix(p.Path, aws.ToString(in.PathPrefix)) {
				continue
			}
			o.Tags, o.Description = nil, nil // GetPolicy has them
			out = append(out, *o)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	some, next, more, err := pageOf(out, in.Marker, in.MaxItems)
	return &sdk.ListPoliciesOutput{Policies: some, Marker: next, IsTruncated: more}, err
}

func (s *Service) deletePolicy(_ context.Context, req *wire.Request, in *sdk.DeletePolicyInput) (*sdk.DeletePolicyOutput, error) {
	if _, err := s.readPolicy(in.PolicyArn); err != nil {
		return nil, err
	}
	if s.managed[*in.PolicyArn] != nil {
		return nil, wire.Errorf(http.StatusForbidden, "AccessDenied", "Cannot delete the AWS managed policy %s.", *in.PolicyArn)
	}
	err := s.update(func(tx *store.Tx) error {
		p, err := s.managedPolicy(tx, *in.PolicyArn)
		if err != nil {
			return err
		}
		c, err := takeCensus(tx, req.Scope)
		if err != nil {
			return err
		}
		out := policyOutput(c, p)
		switch {
		case *out.AttachmentCount+*out.PermissionsBoundaryUsageCount > 0:
			return wire.Errorf(http.StatusConflict, "DeleteConflict", "Cannot delete a policy attached to entities.")
		case len(p.Versions) > 1:
			return wire.Errorf(http.StatusConflict, "DeleteConflict",
				"This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		return tx.Delete(policiesBucket, p.ARN)
	})
	return &sdk.DeletePolicyOutput{}, err
}

func versionOutput(p *managedPolicy, v policyVersion, document bool) *types.PolicyVersion {
	out := &types.PolicyVersion{VersionId: aws.String(v.ID), IsDefaultVersion: v.ID == p.Default, CreateDate: &v.Created}
	if document {
		out.Document = encoded(v.Document)
	}
	return out
}

func (s *Service) createVersion(_ context.Context, _ *wire.Request, in *sdk.CreatePolicyVersionInput) (*sdk.CreatePolicyVersionOutput, error) {
	var out *types.PolicyVersion
	err := s.changePolicy(in.PolicyArn, func(_ *store.Tx, p *managedPolicy) error {
		doc := aws.ToString(in.PolicyDocument)
		if err := checkManaged(doc); err != nil {
			return err
		}
		if len(p.Versions) >= maxVersions {
			return wire.Errorf(http.StatusConflict, "LimitExceeded",
				"A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxVersions)
		}
		v := policyVersion{ID: fmt.Sprintf("v%d", p.Next), Document: doc, Created: s.now()}
		p.Next++
		p.Versions = append(p.Versions, v)
		p.Updated = v.Created
		if in.SetAsDefault {
			p.Default = v.ID
		}
		out = versionOutput(p, v, false)
		return nil
	})
	return &sdk.CreatePolicyVersionOutput{PolicyVersion: out}, err
}

func noVersion(arn, id string) error {
	return wire.Errorf(http.StatusNotFound, "NoSuchEntity", "Policy %s version %s does not exist or is not attachable.", arn, id)
}

func (s *Service) getVersion(_ context.Context, _ *wire.Request, in *sdk.GetPolicyVersionInput) (*sdk.GetPolicyVersionOutput, error) {
	p, err := s.readPolicy(in.PolicyArn)
	if err != nil {
		return nil, err
	}
	v := p.version(aws.ToString(in.VersionId))
	if v == nil {
		return nil, noVersion(p.ARN, aws.ToString(in.VersionId))
	}
	return &sdk.GetPolicyVersionOutput{PolicyVersion: versionOutput(p, *v, true)}, nil
}

func (s *Service) listVersions(_ context.Context, _ *wire.Request, in *sdk.ListPolicyVersionsInput) (*sdk.ListPolicyVersionsOutput, error) {
	p, err := s.readPolicy(in.PolicyArn)
	if err != nil {
		return nil, err
	}
	out := []types.PolicyVersion{}
	for _, v := range slices.Backward(p.Versions) {
		out = append(out, *versionOutput(p, v, false))
	}
	some, next, more, err := pageOf(out, in.Marker, in.MaxItems)
	return &sdk.ListPolicyVersionsOutput{Versions: some, Marker: next, IsTruncated: more}, err
}

func (s *Service) deleteVersion(_ context.Context, _ *wire.Request, in *sdk.DeletePolicyVersionInput) (*sdk.DeletePolicyVersionOutput, error) {
	id := aws.ToString(in.VersionId)
	err := s.changePolicy(in.PolicyArn, func(_ *store.Tx, p *managedPolicy) error {
		if id == p.Default {
			return wire.Errorf(http.StatusConflict, "DeleteConflict", "Cannot delete the default version of a policy.")
		}
		i := slices.IndexFunc(p.Versions, func(v policyVersion) bool { return v.ID == id })
		if i < 0 {
			return noVersion(p.ARN, id)
		}
		p.Versions = slices.Delete(p.Versions, i, i+1)
		return nil
	})
	return &sdk.DeletePolicyVersionOutput{}, err
}

func (s *Service) setDefaultVersion(_ context.Context, _ *wire.Request, in *sdk.SetDefaultPolicyVersionInput) (*sdk.SetDefaultPolicyVersionOutput, error) {
	id := aws.ToString(in.VersionId)
	err := s.changePolicy(in.PolicyArn, func(_ *store.Tx, p *managedPolicy) error {
		if p.version(id) == nil {
			return noVersion(p.ARN, id)
		}
		p.Default, p.Updated = id, s.now()
		return nil
	})
	return &sdk.SetDefaultPolicyVersionOutput{}, err
}
