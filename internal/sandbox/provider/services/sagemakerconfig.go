package services

import (
	"context"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
)

// The structs of this file have their fields named as those of the SDK, for
// recast.

type endpointConfigArgs struct {
	AsyncInferenceConfig     *asyncConfig      `pulumi:"asyncInferenceConfig,replace"`
	DataCaptureConfig        *captureConfig    `pulumi:"dataCaptureConfig,replace"`
	KmsKeyArn                *string           `pulumi:"kmsKeyArn,replace" check:"arn"`
	Name                     *string           `pulumi:"name,replace,computed" check:"len=1..63;match=^[0-9A-Za-z](-*[0-9A-Za-z])*$"`
	NamePrefix               *string           `pulumi:"namePrefix,replace,computed,local" check:"len=1..37"`
	ProductionVariants       []endpointVariant `pulumi:"productionVariants,required,replace" check:"items=1..10"`
	ShadowProductionVariants []endpointVariant `pulumi:"shadowProductionVariants,replace" check:"items=0..10"`
	Tagged
}

type endpointVariant struct {
	AcceleratorType                             *string          `pulumi:"acceleratorType"`
	ContainerStartupHealthCheckTimeoutInSeconds *int             `pulumi:"containerStartupHealthCheckTimeoutInSeconds" check:"min=60;max=3600"`
	CoreDumpConfig                              *coreDumpConfig  `pulumi:"coreDumpConfig"`
	EnableSSMAccess                             *bool            `pulumi:"enableSsmAccess"`
	InferenceAmiVersion                         *string          `pulumi:"inferenceAmiVersion"`
	InitialInstanceCount                        *int             `pulumi:"initialInstanceCount" check:"min=1"`
	InitialVariantWeight                        *float64         `pulumi:"initialVariantWeight" default:"1" check:"min=0"`
	InstanceType                                *string          `pulumi:"instanceType" check:"enum=@instance-types"`
	ManagedInstanceScaling                      *managedScaling  `pulumi:"managedInstanceScaling"`
	ModelDataDownloadTimeoutInSeconds           *int             `pulumi:"modelDataDownloadTimeoutInSeconds" check:"min=60;max=3600"`
	ModelName                                   string           `pulumi:"modelName,required"`
	RoutingConfigs                              []variantRouting `pulumi:"routingConfigs" check:"items=0..1" json:"-"`
	RoutingConfig                               *variantRouting  // how the API calls the only element
	ServerlessConfig                            *serverless      `pulumi:"serverlessConfig"`
	VariantName                                 *string          `pulumi:"variantName,computed" check:"len=1..63"`
	VolumeSizeInGB                              *int             `pulumi:"volumeSizeInGb" check:"min=1;max=512"`
}

type coreDumpConfig struct {
	DestinationS3Uri string  `pulumi:"destinationS3Uri,required" check:"match=^(https|s3)://"`
	KmsKeyID         *string `pulumi:"kmsKeyId" check:"arn"`
}

type managedScaling struct {
	MaxInstanceCount *int    `pulumi:"maxInstanceCount" check:"min=1"`
	MinInstanceCount *int    `pulumi:"minInstanceCount" check:"min=0"`
	Status           *string `pulumi:"status" check:"enum=ENABLED|DISABLED"`
}

type variantRouting struct {
	RoutingStrategy string `pulumi:"routingStrategy,required" check:"enum=LEAST_OUTSTANDING_REQUESTS|RANDOM"`
}

type serverless struct {
	MaxConcurrency         int  `pulumi:"maxConcurrency,required" check:"min=1;max=200"`
	MemorySizeInMB         int  `pulumi:"memorySizeInMb,required" check:"enum=1024|2048|3072|4096|5120|6144"`
	ProvisionedConcurrency *int `pulumi:"provisionedConcurrency" check:"min=1;max=200"`
}

type captureConfig struct {
	CaptureContentTypeHeader  *captureHeader  `pulumi:"captureContentTypeHeader"`
	CaptureOptions            []captureOption `pulumi:"captureOptions,required" check:"items=1..2"`
	DestinationS3Uri          string          `pulumi:"destinationS3Uri,required" check:"match=^(https|s3)://([^/]+)/?(.*)$"`
	EnableCapture             *bool           `pulumi:"enableCapture"`
	InitialSamplingPercentage int             `pulumi:"initialSamplingPercentage,required" check:"min=0;max=100"`
	KmsKeyID                  *string         `pulumi:"kmsKeyId" check:"arn"`
}

type captureHeader struct {
	CsvContentTypes  []string `pulumi:"csvContentTypes,set" check:"items=0..10"`
	JSONContentTypes []string `pulumi:"jsonContentTypes,set" check:"items=0..10"`
}

type captureOption struct {
	CaptureMode string `pulumi:"captureMode,required" check:"enum=Input|Output|InputAndOutput"`
}

type asyncConfig struct {
	ClientConfig *asyncClient `pulumi:"clientConfig"`
	OutputConfig asyncOutput  `pulumi:"outputConfig,required"`
}

type asyncClient struct {
	MaxConcurrentInvocationsPerInstance *int `pulumi:"maxConcurrentInvocationsPerInstance" check:"min=1;max=1000"`
}

type asyncOutput struct {
	KmsKeyID           *string            `pulumi:"kmsKeyId" check:"arn"`
	NotificationConfig *asyncNotification `pulumi:"notificationConfig"`
	S3FailurePath      *string            `pulumi:"s3FailurePath" check:"match=^(https|s3)://([^/]+)/?(.*)$"`
	S3OutputPath       string             `pulumi:"s3OutputPath,required" check:"match=^(https|s3)://([^/]+)/?(.*)$"`
}

type asyncNotification struct {
	ErrorTopic                 *string  `pulumi:"errorTopic" check:"arn"`
	IncludeInferenceResponseIn []string `pulumi:"includeInferenceResponseIns,set"`
	SuccessTopic               *string  `pulumi:"successTopic" check:"arn"`
}

type endpointConfigState struct {
	endpointConfigArgs
	Arn string `pulumi:"arn"`
}

func sagemakerEndpointConfiguration() Resource {
	return define(Def[endpointConfigArgs, endpointConfigState]{
		Type: "aws:sagemaker/endpointConfiguration:EndpointConfiguration", Title: "SageMaker Endpoint Configuration",
		Named:    &Naming{Property: "name", Prefix: "namePrefix", Max: 63},
		CreateFn: createEndpointConfig, ReadFn: readEndpointConfig,
		UpdateFn: func(ctx context.Context, c *Call, _ string, last *endpointConfigState, in *endpointConfigArgs) error {
			return setSagemakerTags(ctx, c, last.Arn, last.TagsAll, in.TagsAll)
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *endpointConfigState) error {
			_, err := c.SageMaker().DeleteEndpointConfig(ctx, &sagemaker.DeleteEndpointConfigInput{EndpointConfigName: aws.String(id)})
			return noSageMaker(err)
		},
	})
}

func variantsToAPI(list []endpointVariant) ([]types.ProductionVariant, error) {
	var out []types.ProductionVariant
	for i, v := range list {
		if v.VariantName == nil {
			v.VariantName = aws.String("variant-" + strconv.Itoa(i+1))
		}
		if len(v.RoutingConfigs) == 1 {
			v.RoutingConfig = &v.RoutingConfigs[0]
		}
		api, err := recast[types.ProductionVariant](v)
		if err != nil {
			return nil, err
		}
		out = append(out, api)
	}
	return out, nil
}

func variantsOf(list []types.ProductionVariant) ([]endpointVariant, error) {
	var out []endpointVariant
	for _, api := range list {
		v, err := recast[endpointVariant](api)
		if err != nil {
			return nil, err
		}
		if v.RoutingConfig != nil && v.RoutingConfig.RoutingStrategy != "" {
			v.RoutingConfigs = []variantRouting{*v.RoutingConfig}
		}
		for _, p := range []**string{&v.AcceleratorType, &v.InferenceAmiVersion, &v.InstanceType} {
			*p = set(*p)
		}
		out = append(out, v)
	}
	return out, nil
}

func createEndpointConfig(ctx context.Context, c *Call, in *endpointConfigArgs) (string, error) {
	req := &sagemaker.CreateEndpointConfigInput{EndpointConfigName: in.Name, KmsKeyId: set(in.KmsKeyArn), Tags: tagList(in.TagsAll, smTag)}
	var err error
	if req.ProductionVariants, err = variantsToAPI(in.ProductionVariants); err != nil {
		return "", err
	}
	if req.ShadowProductionVariants, err = variantsToAPI(in.ShadowProductionVariants); err != nil {
		return "", err
	}
	if req.AsyncInferenceConfig, err = recast[*types.AsyncInferenceConfig](in.AsyncInferenceConfig); err != nil {
		return "", err
	}
	if req.DataCaptureConfig, err = recast[*types.DataCaptureConfig](in.DataCaptureConfig); err != nil {
		return "", err
	}
	_, err = c.SageMaker().CreateEndpointConfig(ctx, req)
	return idUnless(err, *in.Name)
}

func readEndpointConfig(ctx context.Context, c *Call, id string, last *endpointConfigState) (*endpointConfigState, error) {
	out, err := c.SageMaker().DescribeEndpointConfig(ctx, &sagemaker.DescribeEndpointConfigInput{EndpointConfigName: aws.String(id)})
	if err != nil {
		return nil, noSageMaker(err)
	}
	tags, err := sagemakerTags(ctx, c, out.EndpointConfigArn, last.Tagged)
	if err != nil {
		return nil, err
	}
	s := &endpointConfigState{
		endpointConfigArgs: endpointConfigArgs{KmsKeyArn: set(out.KmsKeyId), Name: out.EndpointConfigName, Tagged: tags},
		Arn:                deref(out.EndpointConfigArn),
	}
	if s.ProductionVariants, err = variantsOf(out.ProductionVariants); err != nil {
		return nil, err
	}
	if s.ShadowProductionVariants, err = variantsOf(out.ShadowProductionVariants); err != nil {
		return nil, err
	}
	if a := out.AsyncInferenceConfig; a != nil && a.OutputConfig != nil {
		if s.AsyncInferenceConfig, err = recast[*asyncConfig](a); err != nil {
			return nil, err
		}
	}
	if d := out.DataCaptureConfig; d != nil && deref(d.DestinationS3Uri) != "" {
		if s.DataCaptureConfig, err = recast[*captureConfig](d); err != nil {
			return nil, err
		}
	}
	return s, nil
}
