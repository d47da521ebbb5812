package logs

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"

	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Limits of resource policies, which every logging state machine meets on AWS.
const (
	maxPolicies = 10
	maxPolicy   = 5120
)

type resourcePolicy struct {
	Name, Document, Revision string
	Updated                  int64
}

func (p resourcePolicy) describe() types.ResourcePolicy {
	return types.ResourcePolicy{PolicyName: &p.Name, PolicyDocument: &p.Document, LastUpdatedTime: &p.Updated, PolicyScope: types.PolicyScopeAccount, RevisionId: &p.Revision}
}

func (s *Service) putPolicy(_ context.Context, req *wire.Request, in *cwl.PutResourcePolicyInput) (*cwl.PutResourcePolicyOutput, error) {
	if in.ResourceArn != nil {
		return nil, errInvalid("The sandbox serves resource policies of the account, not of a single resource.")
	}
	p := resourcePolicy{Name: aws.ToString(in.PolicyName), Document: aws.ToString(in.PolicyDocument), Updated: s.Clock.Now().UnixMilli(), Revision: wire.NewID()}
	switch {
	case p.Name == "":
		return nil, errInvalid("Policy name is required.")
	case !json.Valid([]byte(p.Document)):
		return nil, errInvalid("Policy document is not valid JSON.")
	case len(p.Document) > maxPolicy:
		return nil, wire.Errorf(http.StatusBadRequest, "LimitExceededException", "Resource policy document is longer than %d characters.", maxPolicy)
	}
	err := s.DB.Update(func(tx *store.Tx) error {
		all, err := store.List[resourcePolicy](tx, dbPolicies, req.Prefix())
		if err != nil {
			return err
		}
		if len(all) >= maxPolicies && tx.GetRaw(dbPolicies, req.Key(p.Name)) == nil {
			return wire.Errorf(http.StatusBadRequest, "LimitExceededException", "Resource limit exceeded.")
		}
		return store.Put(tx, dbPolicies, req.Key(p.Name), p)
	})
	d := p.describe()
	return &cwl.PutResourcePolicyOutput{ResourcePolicy: &d, RevisionId: &p.Revision}, err
}

func (s *Service) describePolicies(_ context.Context, req *wire.Request, _ *cwl.DescribeResourcePoliciesInput) (*cwl.DescribeResourcePoliciesOutput, error) {
	out := &cwl.DescribeResourcePoliciesOutput{ResourcePolicies: []types.ResourcePolicy{}}
	err := s.DB.View(func(tx *store.Tx) error {
		all, err := store.List[resourcePolicy](tx, dbPolicies, req.Prefix())
		for _, p := range all {
			out.ResourcePolicies = append(out.ResourcePolicies, p.describe())
		}
		return err
	})
	return out, err
}

func (s *Service) deletePolicy(_ context.Context, req *wire.Request, in *cwl.DeleteResourcePolicyInput) (*cwl.DeleteResourcePolicyOutput, error) {
	return &cwl.DeleteResourcePolicyOutput{}, s.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(dbPolicies, req.Key(aws.ToString(in.PolicyName))) == nil {
			return wire.Errorf(http.StatusBadRequest, "ResourceNotFoundException", "Policy with name [%s] does not exist.", aws.ToString(in.PolicyName))
		}
		return tx.Delete(dbPolicies, req.Key(aws.ToString(in.PolicyName)))
	})
}

// byPolicies decides about an AWS service that acts without a role: by the resource
// policies of the account alone.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
func (s *Service) byPolicies(ctx context.Context, req *wire.Request, action, arn string, keys map[string][]string) error {
	a, _ := wire.ParseARN(arn)
	all, err := store.ReadAll[resourcePolicy](s.DB, dbPolicies, wire.ScopeOfARN(a).Prefix())
	if err != nil {
		return err
	}
	var refused error = wire.NoPolicy(req.Principal, action, arn, "resource-based")
	for _, p := range all {
		doc, err := policy.Parse(p.Document, policy.Resource)
		if err != nil {
			continue // it allows nothing
		}
		err = policy.Authorize(ctx, req, policy.Target{ARN: arn, Policy: doc}, action, keys)
		var denied *wire.DeniedError
		if err == nil {
			refused = nil
		} else if errors.As(err, &denied) && denied.Explicit {
			return err
		}
	}
	return refused
}
