package sagemaker

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) createConfig(_ context.Context, req *wire.Request, in *sm.CreateEndpointConfigInput) (*sm.CreateEndpointConfigOutput, error) {
	name := aws.ToString(in.EndpointConfigName)
	arn := arnOf(req, kindConfig, name)
	if err := checkConfig(in); err != nil {
		return nil, err
	}
	c := config{ARN: arn, Created: s.cfg.Clock.Now(), Spec: *in}
	c.Spec.Tags = nil
	for i := range c.Spec.ProductionVariants {
		if pv := &c.Spec.ProductionVariants[i]; pv.InitialVariantWeight == nil {
			pv.InitialVariantWeight = aws.Float32(1)
		}
	}
	err := s.cfg.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(bucketConfigs, arn) != nil {
			return exists(kindConfig, arn)
		}
		for _, pv := range in.ProductionVariants {
			m := arnOf(req, kindModel, aws.ToString(pv.ModelName))
			if tx.GetRaw(bucketModels, m) == nil {
				return notFound(kindModel, m)
			}
		}
		if err := putTags(tx, arn, in.Tags); err != nil {
			return err
		}
		return store.Put(tx, bucketConfigs, arn, c)
	})
	if err != nil {
		return nil, err
	}
	return &sm.CreateEndpointConfigOutput{EndpointConfigArn: &arn}, nil
}

func checkConfig(in *sm.CreateEndpointConfigInput) error {
	if err := checkTags(in.Tags); err != nil {
		return err
	}
	unsupported := map[string]bool{
		"AsyncInferenceConfig": in.AsyncInferenceConfig != nil, "ExplainerConfig": in.ExplainerConfig != nil,
		"ShadowProductionVariants": len(in.ShadowProductionVariants) > 0, "MetricsConfig": in.MetricsConfig != nil,
		"ExecutionRoleArn (inference components)": in.ExecutionRoleArn != nil,
	}
	for what, given := range unsupported {
		if given {
			return invalid("The sandbox does not support %s.", what)
		}
	}
	names := map[string]bool{}
	serverless := false
	for i := range in.ProductionVariants {
		pv := &in.ProductionVariants[i]
		if err := checkVariant(pv, fmt.Sprintf("productionVariants.%d.member.", i+1)); err != nil {
			return err
		}
		if names[*pv.VariantName] {
			return invalid("Variant names must be unique: %s", *pv.VariantName)
		}
		names[*pv.VariantName] = true
		serverless = serverless || pv.ServerlessConfig != nil
	}
	switch {
	case serverless && len(in.ProductionVariants) > 1:
		return invalid("Serverless endpoints support exactly one production variant.")
	case serverless && in.DataCaptureConfig != nil:
		return invalid("Data capture is not supported for serverless endpoints.")
	case serverless && in.VpcConfig != nil:
		return invalid("VpcConfig is not supported for serverless endpoints.")
	}
	return checkCapture(in.DataCaptureConfig)
}

func checkVariant(pv *types.ProductionVariant, at string) error {
	if pv.ModelName == nil {
		return invalid("The sandbox does not support inference components: variant %s needs a ModelName.", *pv.VariantName)
	}
	if pv.ManagedInstanceScaling != nil || len(pv.InstancePools) > 0 || pv.CapacityReservationConfig != nil {
		return invalid("The sandbox does not support ManagedInstanceScaling, InstancePools and CapacityReservationConfig.")
	}
	if pv.ServerlessConfig != nil {
		return checkServerless(pv, at)
	}
	if pv.InstanceType == "" {
		return missing(at + "instanceType")
	}
	if pv.InitialInstanceCount == nil {
		return missing(at + "initialInstanceCount")
	}
	return nil
}

// checkServerless knows the limits of serverless variants.
// See https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html.
func checkServerless(pv *types.ProductionVariant, at string) error {
	c := pv.ServerlessConfig
	mem, conc := aws.ToInt32(c.MemorySizeInMB), aws.ToInt32(c.MaxConcurrency)
	switch {
	case pv.InstanceType != "" || pv.InitialInstanceCount != nil:
		return invalid("InstanceType and InitialInstanceCount cannot be specified for a serverless variant.")
	case pv.VolumeSizeInGB != nil || pv.ModelDataDownloadTimeoutInSeconds != nil || pv.ContainerStartupHealthCheckTimeoutInSeconds != nil:
		return invalid("VolumeSizeInGB and the download and startup time-outs cannot be specified for a serverless variant.")
	case mem < 1024 || mem > 6144 || mem%1024 != 0:
		return violation(fmt.Sprint(mem), at+"serverlessConfig.memorySizeInMB", "Member must be one of 1024, 2048, 3072, 4096, 5120, 6144")
	case c.ProvisionedConcurrency != nil && (*c.ProvisionedConcurrency < 1 || *c.ProvisionedConcurrency > conc):
		return violation(fmt.Sprint(*c.ProvisionedConcurrency), at+"serverlessConfig.provisionedConcurrency", "Member must have value between 1 and MaxConcurrency")
	}
	return nil
}

func checkCapture(c *types.DataCaptureConfig) error {
	if c == nil {
		return nil
	}
	if _, _, err := splitURI(aws.ToString(c.DestinationS3Uri)); err != nil {
		return invalid("DestinationS3Uri: %s", err)
	}
	return nil
}

func (s *Service) describeConfig(_ context.Context, req *wire.Request, in *sm.DescribeEndpointConfigInput) (*sm.DescribeEndpointConfigOutput, error) {
	name := aws.ToString(in.EndpointConfigName)
	arn := arnOf(req, kindConfig, name)
	c, err := load[config](s, bucketConfigs, kindConfig, arn)
	if err != nil {
		return nil, err
	}
	return &sm.DescribeEndpointConfigOutput{
		EndpointConfigName: &name, EndpointConfigArn: &arn, CreationTime: &c.Created,
		ProductionVariants: c.Spec.ProductionVariants, DataCaptureConfig: c.Spec.DataCaptureConfig, KmsKeyId: c.Spec.KmsKeyId,
		EnableNetworkIsolation: c.Spec.EnableNetworkIsolation, VpcConfig: c.Spec.VpcConfig,
	}, nil
}

func (s *Service) deleteConfig(_ context.Context, req *wire.Request, in *sm.DeleteEndpointConfigInput) (*sm.DeleteEndpointConfigOutput, error) {
	name := aws.ToString(in.EndpointConfigName)
	arn := arnOf(req, kindConfig, name)
	if err := s.remove(bucketConfigs, kindConfig, arn); err != nil {
		return nil, err
	}
	return &sm.DeleteEndpointConfigOutput{}, nil
}

func (s *Service) listConfigs(_ context.Context, req *wire.Request, in *sm.ListEndpointConfigsInput) (*sm.ListEndpointConfigsOutput, error) {
	var rows []row[types.EndpointConfigSummary]
	err := scan(s, req, bucketConfigs, kindConfig, func(c config) {
		rows = append(rows, row[types.EndpointConfigSummary]{
			name: aws.ToString(c.Spec.EndpointConfigName), created: c.Created,
			out: types.EndpointConfigSummary{EndpointConfigName: c.Spec.EndpointConfigName, EndpointConfigArn: aws.String(c.ARN), CreationTime: aws.Time(c.Created)},
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
	return &sm.ListEndpointConfigsOutput{EndpointConfigs: some, NextToken: next}, nil
}
