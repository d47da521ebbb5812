package services

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
)

func sagemakerResources() []Resource {
	return []Resource{sagemakerModel(), sagemakerEndpointConfiguration(), sagemakerEndpoint()}
}

// noSageMaker turns SageMaker's way to say that something does not exist into
// ErrGone.
func noSageMaker(err error) error {
	if isCode(err, "ValidationException") && strings.HasPrefix(strings.ToLower(message(err)), "could not find") {
		return ErrGone
	}
	return gone(err, "ResourceNotFound", "ResourceNotFoundException")
}

func smTag(k, v string) types.Tag        { return types.Tag{Key: aws.String(k), Value: aws.String(v)} }
func smTagOf(t types.Tag) (k, v *string) { return t.Key, t.Value }

func sagemakerTags(ctx context.Context, c *Call, arn *string, last Tagged) (Tagged, error) {
	live := map[string]string{}
	pages := sagemaker.NewListTagsPaginator(c.SageMaker(), &sagemaker.ListTagsInput{ResourceArn: arn})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return Tagged{}, noSageMaker(err)
		}
		for k, v := range tagMap(page.Tags, smTagOf) {
			live[k] = v
		}
	}
	return c.tagged(live, last), nil
}

func setSagemakerTags(ctx context.Context, c *Call, arn string, before, after map[string]string) error {
	add, remove := tagChanges(before, after)
	if len(remove) > 0 {
		if _, err := c.SageMaker().DeleteTags(ctx, &sagemaker.DeleteTagsInput{ResourceArn: aws.String(arn), TagKeys: remove}); err != nil {
			return err
		}
	}
	if len(add) > 0 {
		if _, err := c.SageMaker().AddTags(ctx, &sagemaker.AddTagsInput{ResourceArn: aws.String(arn), Tags: tagList(add, smTag)}); err != nil {
			return err
		}
	}
	return nil
}

type modelArgs struct {
	Containers             []modelContainer `pulumi:"containers,replace" check:"items=0..15"`
	EnableNetworkIsolation *bool            `pulumi:"enableNetworkIsolation,replace"`
	ExecutionRoleArn       string           `pulumi:"executionRoleArn,required,replace" check:"arn"`
	InferenceExecution     *modelExecution  `pulumi:"inferenceExecutionConfig,replace,computed"`
	Name                   *string          `pulumi:"name,replace,computed" check:"len=1..63;match=^[0-9A-Za-z](-*[0-9A-Za-z])*$"`
	PrimaryContainer       *modelContainer  `pulumi:"primaryContainer,replace"`
	VpcConfig              *modelVpc        `pulumi:"vpcConfig,replace"`
	Tagged
}

type modelExecution struct {
	Mode string `pulumi:"mode,required" check:"enum=Serial|Direct"`
}

// modelContainer has its fields named as the SDK's ContainerDefinition, for
// recast.
type modelContainer struct {
	ContainerHostname          *string           `pulumi:"containerHostname" check:"len=0..63"`
	Environment                map[string]string `pulumi:"environment"`
	Image                      *string           `pulumi:"image" check:"len=0..255;match=^\\S+$"`
	ImageConfig                *modelImageConfig `pulumi:"imageConfig"`
	InferenceSpecificationName *string           `pulumi:"inferenceSpecificationName"`
	Mode                       *string           `pulumi:"mode" default:"SingleModel" check:"enum=SingleModel|MultiModel"`
	ModelDataSource            *modelDataSource  `pulumi:"modelDataSource"`
	ModelDataURL               *string           `pulumi:"modelDataUrl" check:"len=0..1024;match=^(https|s3)://([^/]+)/?(.*)$"`
	ModelPackageName           *string           `pulumi:"modelPackageName"`
	MultiModelConfig           *modelMulti       `pulumi:"multiModelConfig"`
}

type modelImageConfig struct {
	RepositoryAccessMode string         `pulumi:"repositoryAccessMode,required" check:"enum=Platform|Vpc"`
	RepositoryAuthConfig *modelRepoAuth `pulumi:"repositoryAuthConfig"`
}

type modelRepoAuth struct {
	RepositoryCredentialsProviderArn string `pulumi:"repositoryCredentialsProviderArn,required" check:"arn"`
}

type modelDataSource struct {
	S3DataSources []modelS3Source `pulumi:"s3DataSources,required" check:"items=1..1" json:"-"`
	// S3DataSource is how the API calls the only element.
	S3DataSource *modelS3Source
}

type modelS3Source struct {
	CompressionType   string       `pulumi:"compressionType,required" check:"enum=None|Gzip"`
	ModelAccessConfig *modelAccess `pulumi:"modelAccessConfig"`
	S3DataType        string       `pulumi:"s3DataType,required" check:"enum=S3Prefix|S3Object"`
	S3Uri             string       `pulumi:"s3Uri,required" check:"match=^(https|s3)://([^/]+)/?(.*)$"`
}

type modelAccess struct {
	AcceptEula bool `pulumi:"acceptEula,required"`
}

type modelMulti struct {
	ModelCacheSetting *string `pulumi:"modelCacheSetting" check:"enum=Enabled|Disabled"`
}

type modelVpc struct {
	SecurityGroupIDs []string `pulumi:"securityGroupIds,required,set" check:"items=1..5" json:"SecurityGroupIds"`
	Subnets          []string `pulumi:"subnets,required,set" check:"items=1..16"`
}

type modelState struct {
	modelArgs
	Arn string `pulumi:"arn"`
}

func sagemakerModel() Resource {
	return define(Def[modelArgs, modelState]{
		Type: "aws:sagemaker/model:Model", Title: "SageMaker Model", Named: &Naming{Property: "name", Max: 63},
		CheckFn: func(in *modelArgs, known func(string) bool) []schema.Failure {
			if known("primaryContainer") && known("containers") && in.PrimaryContainer == nil && len(in.Containers) == 0 {
				return []schema.Failure{{Property: "primaryContainer", Reason: "one of containers, primaryContainer must be specified"}}
			}
			return nil
		},
		CreateFn: createModel, ReadFn: readModel,
		UpdateFn: func(ctx context.Context, c *Call, _ string, last *modelState, in *modelArgs) error {
			return setSagemakerTags(ctx, c, last.Arn, last.TagsAll, in.TagsAll)
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *modelState) error {
			_, err := c.SageMaker().DeleteModel(ctx, &sagemaker.DeleteModelInput{ModelName: aws.String(id)})
			return noSageMaker(err)
		},
	})
}

func (m modelContainer) toAPI() (types.ContainerDefinition, error) {
	if d := m.ModelDataSource; d != nil && len(d.S3DataSources) == 1 {
		m.ModelDataSource = &modelDataSource{S3DataSource: &d.S3DataSources[0]}
	}
	return recast[types.ContainerDefinition](m)
}

// modelContainerOf is the reverse of toAPI. SageMaker describes the data of a
// model in both ways; the one that was not used to make it is left out.
func modelContainerOf(api types.ContainerDefinition, last *modelContainer) (modelContainer, error) {
	m, err := recast[modelContainer](api)
	if err != nil {
		return m, err
	}
	if len(m.Environment) == 0 {
		m.Environment = nil
	}
	switch {
	case m.ModelDataSource == nil || m.ModelDataSource.S3DataSource == nil:
		m.ModelDataSource = nil
	case last != nil && last.ModelDataSource == nil && m.ModelDataURL != nil:
		m.ModelDataSource = nil
	default:
		m.ModelDataSource = &modelDataSource{S3DataSources: []modelS3Source{*m.ModelDataSource.S3DataSource}}
		if last != nil && last.ModelDataURL == nil {
			m.ModelDataURL = nil
		}
	}
	return m, nil
}

func createModel(ctx context.Context, c *Call, in *modelArgs) (string, error) {
	req := &sagemaker.CreateModelInput{
		ModelName: in.Name, ExecutionRoleArn: aws.String(in.ExecutionRoleArn), EnableNetworkIsolation: in.EnableNetworkIsolation,
		Tags: tagList(in.TagsAll, smTag),
	}
	for _, m := range in.Containers {
		api, err := m.toAPI()
		if err != nil {
			return "", err
		}
		req.Containers = append(req.Containers, api)
	}
	if in.PrimaryContainer != nil {
		api, err := in.PrimaryContainer.toAPI()
		if err != nil {
			return "", err
		}
		req.PrimaryContainer = &api
	}
	if e := in.InferenceExecution; e != nil {
		req.InferenceExecutionConfig = &types.InferenceExecutionConfig{Mode: types.InferenceExecutionMode(e.Mode)}
	}
	if v := in.VpcConfig; v != nil {
		req.VpcConfig = &types.VpcConfig{SecurityGroupIds: v.SecurityGroupIDs, Subnets: v.Subnets}
	}
	err := c.Propagated(ctx, func() error {
		_, err := c.SageMaker().CreateModel(ctx, req)
		return err
	}, "Could not assume role", "Could not access model data", "is not authorized to perform")
	return idUnless(err, *in.Name)
}

func readModel(ctx context.Context, c *Call, id string, last *modelState) (*modelState, error) {
	out, err := c.SageMaker().DescribeModel(ctx, &sagemaker.DescribeModelInput{ModelName: aws.String(id)})
	if err != nil {
		return nil, noSageMaker(err)
	}
	tags, err := sagemakerTags(ctx, c, out.ModelArn, last.Tagged)
	if err != nil {
		return nil, err
	}
	s := &modelState{
		modelArgs: modelArgs{
			EnableNetworkIsolation: out.EnableNetworkIsolation, ExecutionRoleArn: deref(out.ExecutionRoleArn), Name: out.ModelName, Tagged: tags,
		},
		Arn: deref(out.ModelArn),
	}
	for i, api := range out.Containers {
		var was *modelContainer
		if i < len(last.Containers) {
			was = &last.Containers[i]
		}
		m, err := modelContainerOf(api, was)
		if err != nil {
			return nil, err
		}
		s.Containers = append(s.Containers, m)
	}
	if out.PrimaryContainer != nil {
		m, err := modelContainerOf(*out.PrimaryContainer, last.PrimaryContainer)
		if err != nil {
			return nil, err
		}
		s.PrimaryContainer = &m
	}
	if e := out.InferenceExecutionConfig; e != nil && e.Mode != "" {
		s.InferenceExecution = &modelExecution{Mode: string(e.Mode)}
	}
	if v := out.VpcConfig; v != nil && len(v.Subnets)+len(v.SecurityGroupIds) > 0 {
		s.VpcConfig = &modelVpc{SecurityGroupIDs: v.SecurityGroupIds, Subnets: v.Subnets}
	}
	return s, nil
}
