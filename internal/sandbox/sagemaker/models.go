package sagemaker

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const servicePrinc = "sagemaker.amazonaws.com"

func (s *Service) createModel(ctx context.Context, req *wire.Request, in *sm.CreateModelInput) (*sm.CreateModelOutput, error) {
	name := aws.ToString(in.ModelName)
	arn := arnOf(req, kindModel, name)
	m := model{ARN: arn, Created: s.cfg.Clock.Now(), Spec: *in}
	if err := checkModel(&m, in.Tags); err != nil {
		return nil, err
	}
	role := aws.ToString(in.ExecutionRoleArn)
	if err := policy.PassRole(ctx, req, role, servicePrinc); err != nil {
		return nil, err
	}
	if err := s.probeModel(ctx, &m); err != nil {
		return nil, err
	}
	m.Spec.Tags = nil
	err := s.cfg.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(bucketModels, arn) != nil {
			return exists(kindModel, arn)
		}
		if err := putTags(tx, arn, in.Tags); err != nil {
			return err
		}
		return store.Put(tx, bucketModels, arn, m)
	})
	if err != nil {
		return nil, err
	}
	return &sm.CreateModelOutput{ModelArn: &arn}, nil
}

// checkModel refuses what AWS refuses, and what the sandbox cannot do.
func checkModel(m *model, tags []types.Tag) error {
	in := &m.Spec
	if err := checkTags(tags); err != nil {
		return err
	}
	switch {
	case in.ExecutionRoleArn == nil:
		return missing("executionRoleArn")
	case in.PrimaryContainer == nil && len(in.Containers) == 0:
		return invalid("Either PrimaryContainer or Containers must be specified.")
	case in.PrimaryContainer != nil && len(in.Containers) > 0:
		return invalid("PrimaryContainer and Containers cannot both be specified.")
	case in.InferenceExecutionConfig != nil && in.InferenceExecutionConfig.Mode == types.InferenceExecutionModeDirect:
		return invalid("The sandbox does not support InferenceExecutionConfig mode Direct.")
	}
	if v := in.VpcConfig; v != nil && (len(v.Subnets) == 0 || len(v.SecurityGroupIds) == 0) {
		return invalid("VpcConfig needs at least one subnet and one security group.")
	}
	for _, c := range m.containers() {
		if err := checkContainer(&c); err != nil {
			return err
		}
	}
	return nil
}

func checkContainer(c *types.ContainerDefinition) error {
	image := aws.ToString(c.Image)
	switch {
	case c.ModelPackageName != nil:
		return invalid("The sandbox does not support model packages.")
	case image == "":
		return invalid("Container image must be specified when no model package is given.")
	case c.Mode == types.ContainerModeMultiModel:
		return invalid("The sandbox does not support multi-model containers.")
	case len(c.AdditionalModelDataSources) > 0:
		return invalid("The sandbox does not support AdditionalModelDataSources.")
	case c.ModelDataUrl != nil && c.ModelDataSource != nil:
		return invalid("Only one of ModelDataUrl and ModelDataSource can be specified.")
	}
	if _, err := artifactOf(c); err != nil {
		return invalid("%s", err)
	}
	return nil
}

// probeModel does what AWS does in CreateModel: it assumes the execution role
// and looks for the image and, as that role, for the model artifact.
func (s *Service) probeModel(ctx context.Context, m *model) error {
	role := aws.ToString(m.Spec.ExecutionRoleArn)
	p, err := s.assume(ctx, role, m.ARN)
	if busy(err) {
		return err // who is busy refuses nothing
	}
	if err != nil {
		return invalid("Could not assume role %s. Please ensure that the role exists and allows principal '%s' to assume the role.", role, servicePrinc)
	}
	m.Resolved = nil
	for _, c := range m.containers() {
		resolved, err := s.probeImage(ctx, m.ARN, aws.ToString(c.Image), p)
		if err != nil {
			return err
		}
		m.Resolved = append(m.Resolved, resolved)
		a, err := artifactOf(&c)
		if err != nil || a == nil {
			continue // checked before
		}
		if err := s.probeArtifact(ctx, scopeOf(m.ARN), p, a); busy(err) {
			return err
		} else if err != nil {
			s.cfg.Log.Info("model data is out of reach", "model", m.ARN, "url", a.url, "error", err.Error())
			return invalid(`Could not access model data at %s. Please ensure that the role "%s" exists and that its trust relationship policy allows the `+
				`action "sts:AssumeRole" for the service principal "%s". Also ensure that the role has "s3:GetObject" permissions and that the object is located `+
				`in %s. If your Model uses multiple models or uncompressed models, please ensure that the role has "s3:ListBucket" permission.`,
				a.url, role, servicePrinc, scopeOf(m.ARN).Region)
		}
	}
	return nil
}

// assume acts as a role for a resource of ours.
func (s *Service) assume(ctx context.Context, role, source string) (wire.Principal, error) {
	if s.cfg.Roles == nil {
		return wire.Principal{}, errors.New("the sandbox runs without IAM")
	}
	return s.cfg.Roles.AssumeServiceRole(ctx, scopeOf(source), servicePrinc, role, source, "SageMaker")
}

func (s *Service) describeModel(_ context.Context, req *wire.Request, in *sm.DescribeModelInput) (*sm.DescribeModelOutput, error) {
	name := aws.ToString(in.ModelName)
	arn := arnOf(req, kindModel, name)
	m, err := load[model](s, bucketModels, kindModel, arn)
	if err != nil {
		return nil, err
	}
	isolated := aws.ToBool(m.Spec.EnableNetworkIsolation)
	return &sm.DescribeModelOutput{
		ModelName: &name, ModelArn: &arn, CreationTime: &m.Created, ExecutionRoleArn: m.Spec.ExecutionRoleArn,
		PrimaryContainer: described(m.Spec.PrimaryContainer), Containers: m.Spec.Containers,
		EnableNetworkIsolation: &isolated, VpcConfig: m.Spec.VpcConfig, InferenceExecutionConfig: m.Spec.InferenceExecutionConfig,
	}, nil
}

// described adds the mode that AWS fills in.
func described(c *types.ContainerDefinition) *types.ContainerDefinition {
	if c == nil {
		return nil
	}
	out := *c
	if out.Mode == "" {
		out.Mode = types.ContainerModeSingleModel
	}
	return &out
}

// load reads one resource or fails as AWS does.
func load[T any](s *Service, bucket, kind, arn string) (T, error) {
	return loadBy(s, store.Get[T], bucket, kind, arn)
}

func loadBy[T any](s *Service, get func(*store.Tx, string, string) (T, bool, error), bucket, kind, arn string) (T, error) {
	var out T
	err := s.cfg.DB.View(func(tx *store.Tx) error {
		v, found, err := get(tx, bucket, arn)
		if err == nil && !found {
			err = notFound(kind, arn)
		}
		out = v
		return err
	})
	return out, err
}

func (s *Service) deleteModel(_ context.Context, req *wire.Request, in *sm.DeleteModelInput) (*sm.DeleteModelOutput, error) {
	name := aws.ToString(in.ModelName)
	arn := arnOf(req, kindModel, name)
	if err := s.remove(bucketModels, kindModel, arn); err != nil {
		return nil, err
	}
	return &sm.DeleteModelOutput{}, nil
}

// remove deletes a resource and its tags.
func (s *Service) remove(bucket, kind, arn string) error {
	return s.cfg.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(bucket, arn) == nil {
			return notFound(kind, arn)
		}
		if err := tx.Delete(bucketTags, arn); err != nil {
			return err
		}
		return tx.Delete(bucket, arn)
	})
}

func (s *Service) listModels(_ context.Context, req *wire.Request, in *sm.ListModelsInput) (*sm.ListModelsOutput, error) {
	var rows []row[types.ModelSummary]
	err := scan(s, req, bucketModels, kindModel, func(m model) {
		rows = append(rows, row[types.ModelSummary]{
			name: aws.ToString(m.Spec.ModelName), created: m.Created,
			out: types.ModelSummary{ModelName: m.Spec.ModelName, ModelArn: aws.String(m.ARN), CreationTime: aws.Time(m.Created)},
		})
	})
	if err != nil {
		return nil, err
	}
	some, next, err := list(rows, query{
		nameContains: in.NameContains, createdAfter: in.CreationTimeAfter, createdBefore: in.CreationTimeBefore,
		sortBy: string(in.SortBy), order: in.SortOrder, max: in.MaxResults, token: in.NextToken,
	})
	if err != nil {
		return nil, err
	}
	return &sm.ListModelsOutput{Models: some, NextToken: next}, nil
}
