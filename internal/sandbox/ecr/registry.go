package ecr

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const registriesBucket = "ecr.registries" // scope's key of nothing -> settings

// settings are those of a registry: of an account in a region. They are kept; there is
// nothing that replicates or scans by them.
type settings struct {
	Policy string `json:",omitempty"`
	Scan   types.ScanType
	Rules  []types.RegistryScanningRule
}

// registerRegistry adds the operations on registries. Their actions have no resource.
func (s *Service) registerRegistry(r *wire.Router, many wire.Access) {
	wire.Handle(r, id, "DescribeRegistry", s.describeRegistry, wire.Access{})
	wire.Handle(r, id, "PutRegistryPolicy", s.putRegistryPolicy, wire.Access{})
	wire.Handle(r, id, "GetRegistryPolicy", s.getRegistryPolicy, wire.Access{})
	wire.Handle(r, id, "DeleteRegistryPolicy", s.removeRegistryPolicy, wire.Access{})
	wire.Handle(r, id, "PutRegistryScanningConfiguration", s.putRegistryScanning, wire.Access{})
	wire.Handle(r, id, "GetRegistryScanningConfiguration", s.getRegistryScanning, wire.Access{})
	wire.Handle(r, id, "BatchGetRepositoryScanningConfiguration", s.getRepositoryScanning, many)
}

// settingsOf are those of the caller's registry, which scans on request and nothing else
// until it is told otherwise.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning.html
func (s *Service) settingsOf(sc wire.Scope) (settings, error) {
	x, found, err := store.Read[settings](s.DB, registriesBucket, sc.Key(""))
	if !found {
		x = settings{Scan: types.ScanTypeBasic}
	}
	return x, err
}

// changeSettings lets fn change those of the caller's registry.
func (s *Service) changeSettings(sc wire.Scope, fn func(*settings) error) error {
	return s.DB.Update(func(tx *store.Tx) error {
		x, found, err := store.Get[settings](tx, registriesBucket, sc.Key(""))
		if err != nil {
			return err
		}
		if !found {
			x = settings{Scan: types.ScanTypeBasic}
		}
		if err := fn(&x); err != nil {
			return err
		}
		return store.Put(tx, registriesBucket, sc.Key(""), x)
	})
}

// describeRegistry tells that nothing is replicated: PutReplicationConfiguration is not served.
func (s *Service) describeRegistry(_ context.Context, req *wire.Request, _ *sdk.DescribeRegistryInput) (*sdk.DescribeRegistryOutput, error) {
	return &sdk.DescribeRegistryOutput{RegistryId: &req.Account, ReplicationConfiguration: &types.ReplicationConfiguration{Rules: []types.ReplicationRule{}}}, nil
}

// registryActions are what others may be allowed on a registry.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry-permissions.html
var registryActions = []string{"ecr:ReplicateImage", "ecr:BatchImportUpstreamImage", "ecr:CreateRepository", "ecr:*"}

// putRegistryPolicy keeps a policy. The refusal is AWS's as getmoto/moto has it
// (test_put_registry_policy_error_invalid_action).
func (s *Service) putRegistryPolicy(_ context.Context, req *wire.Request, in *sdk.PutRegistryPolicyInput) (*sdk.PutRegistryPolicyOutput, error) {
	if _, err := policy.Parse(*in.PolicyText, policy.Resource); err != nil || !onlyRegistryActions(*in.PolicyText) {
		return nil, fail("InvalidParameterException", "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid registry policy provided'")
	}
	return &sdk.PutRegistryPolicyOutput{RegistryId: &req.Account, PolicyText: in.PolicyText}, s.changeSettings(req.Scope, func(x *settings) error {
		x.Policy = *in.PolicyText
		return nil
	})
}

func onlyRegistryActions(text string) bool {
	var doc struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(text), &doc) != nil {
		return false
	}
	for _, statement := range oneOrMany(doc.Statement) {
		var st struct{ Action json.RawMessage }
		if json.Unmarshal(statement, &st) != nil {
			return false
		}
		for _, raw := range oneOrMany(st.Action) {
			var action string
			if json.Unmarshal(raw, &action) != nil || !slices.Contains(registryActions, action) {
				return false
			}
		}
	}
	return true
}

// oneOrMany are the members of a list, or the one thing that stands in place of one.
func oneOrMany(raw json.RawMessage) (out []json.RawMessage) {
	if json.Unmarshal(raw, &out) != nil {
		return []json.RawMessage{raw}
	}
	return out
}

// noRegistryPolicy is AWS's as getmoto/moto has it (moto/ecr/exceptions.py).
func noRegistryPolicy(sc wire.Scope) error {
	return fail("RegistryPolicyNotFoundException", "Registry policy does not exist in the registry with id '%s'", sc.Account)
}

func (s *Service) getRegistryPolicy(_ context.Context, req *wire.Request, _ *sdk.GetRegistryPolicyInput) (*sdk.GetRegistryPolicyOutput, error) {
	x, err := s.settingsOf(req.Scope)
	if err == nil && x.Policy == "" {
		err = noRegistryPolicy(req.Scope)
	}
	return &sdk.GetRegistryPolicyOutput{RegistryId: &req.Account, PolicyText: &x.Policy}, err
}

func (s *Service) removeRegistryPolicy(_ context.Context, req *wire.Request, _ *sdk.DeleteRegistryPolicyInput) (*sdk.DeleteRegistryPolicyOutput, error) {
	out := &sdk.DeleteRegistryPolicyOutput{RegistryId: &req.Account}
	return out, s.changeSettings(req.Scope, func(x *settings) error {
		if x.Policy == "" {
			return noRegistryPolicy(req.Scope)
		}
		out.PolicyText, x.Policy = aws.String(x.Policy), ""
		return nil
	})
}

func (s *Service) putRegistryScanning(
	_ context.Context, req *wire.Request, in *sdk.PutRegistryScanningConfigurationInput,
) (*sdk.PutRegistryScanningConfigurationOutput, error) {
	var x settings
	err := s.changeSettings(req.Scope, func(have *settings) error {
		if in.ScanType != "" {
			have.Scan = in.ScanType
		}
		have.Rules = in.Rules
		x = *have
		return nil
	})
	return &sdk.PutRegistryScanningConfigurationOutput{RegistryScanningConfiguration: x.scanning()}, err
}

func (x settings) scanning() *types.RegistryScanningConfiguration {
	return &types.RegistryScanningConfiguration{ScanType: x.Scan, Rules: append([]types.RegistryScanningRule{}, x.Rules...)}
}

func (s *Service) getRegistryScanning(
	_ context.Context, req *wire.Request, _ *sdk.GetRegistryScanningConfigurationInput,
) (*sdk.GetRegistryScanningConfigurationOutput, error) {
	x, err := s.settingsOf(req.Scope)
	return &sdk.GetRegistryScanningConfigurationOutput{RegistryId: &req.Account, ScanningConfiguration: x.scanning()}, err
}

// getRepositoryScanning tells how often each repository would be scanned: by the first rule
// of the registry that has a filter for it, else on request.
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_RepositoryScanningConfiguration.html
func (s *Service) getRepositoryScanning(
	_ context.Context, req *wire.Request, in *sdk.BatchGetRepositoryScanningConfigurationInput,
) (*sdk.BatchGetRepositoryScanningConfigurationOutput, error) {
	rules, err := s.settingsOf(req.Scope)
	if err != nil {
		return nil, err
	}
	out := &sdk.BatchGetRepositoryScanningConfigurationOutput{
		ScanningConfigurations: []types.RepositoryScanningConfiguration{}, Failures: []types.RepositoryScanningConfigurationFailure{},
	}
	for _, name := range in.RepositoryNames {
		x, found, err := store.Read[repository](s.DB, repositoriesBucket, req.Key(name))
		if err != nil {
			return nil, err
		}
		if !found {
			out.Failures = append(out.Failures, types.RepositoryScanningConfigurationFailure{
				RepositoryName: &name, FailureCode: types.ScanningConfigurationFailureCodeRepositoryNotFound, FailureReason: aws.String("REPOSITORY_NOT_FOUND"),
			})
			continue
		}
		frequency, filters := rules.scans(name)
		out.ScanningConfigurations = append(out.ScanningConfigurations, types.RepositoryScanningConfiguration{
			RepositoryArn: aws.String(arnOf(req.Scope, name)), RepositoryName: &name, ScanOnPush: x.Scanning.ScanOnPush,
			ScanFrequency: frequency, AppliedScanFilters: filters,
		})
	}
	return out, nil
}

// scans is how often a repository is scanned, and the filters that say so.
func (x settings) scans(name string) (types.ScanFrequency, []types.ScanningRepositoryFilter) {
	for _, rule := range x.Rules {
		applied := []types.ScanningRepositoryFilter{}
		for _, f := range rule.RepositoryFilters {
			if like(aws.ToString(f.Filter), name) {
				applied = append(applied, f)
			}
		}
		if len(applied) > 0 {
			return rule.ScanFrequency, applied
		}
	}
	return types.ScanFrequencyManual, []types.ScanningRepositoryFilter{}
}
