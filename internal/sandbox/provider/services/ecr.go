package services

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

func ecrResources() []Resource {
	return []Resource{ecrRepository(), ecrRepositoryPolicy(), ecrLifecyclePolicy()}
}

const noRepository = "RepositoryNotFoundException"

type repositoryArgs struct {
	Encryption  []repositoryEncryption `pulumi:"encryptionConfigurations,replace,computed" check:"items=0..1"`
	ForceDelete *bool                  `pulumi:"forceDelete,local"`
	Scanning    *repositoryScanning    `pulumi:"imageScanningConfiguration,computed"`
	Mutability  *string                `pulumi:"imageTagMutability" default:"MUTABLE" check:"enum=MUTABLE|IMMUTABLE"`
	Name        *string                `pulumi:"name,replace,computed" check:"len=2..256;match=^(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*$"`
	Tagged
}

type repositoryEncryption struct {
	Type *string `pulumi:"encryptionType,replace" default:"AES256" check:"enum=AES256|KMS|KMS_DSSE"`
	Key  *string `pulumi:"kmsKey,replace,computed" check:"arn"`
}

type repositoryScanning struct {
	OnPush bool `pulumi:"scanOnPush,required"`
}

type repositoryState struct {
	repositoryArgs
	Arn        string `pulumi:"arn"`
	RegistryID string `pulumi:"registryId"`
	URL        string `pulumi:"repositoryUrl"`
}

func ecrTag(k, v string) types.Tag        { return types.Tag{Key: aws.String(k), Value: aws.String(v)} }
func ecrTagOf(t types.Tag) (k, v *string) { return t.Key, t.Value }

func ecrRepository() Resource {
	return define(Def[repositoryArgs, repositoryState]{
		Type: "aws:ecr/repository:Repository", Title: "ECR Repository", Named: &Naming{Property: "name", Max: 256, Lower: true},
		CreateFn: func(ctx context.Context, c *Call, in *repositoryArgs) (string, error) {
			x := &ecr.CreateRepositoryInput{RepositoryName: in.Name, ImageTagMutability: types.ImageTagMutability(deref(in.Mutability)), Tags: tagList(in.TagsAll, ecrTag)}
			for _, e := range in.Encryption {
				x.EncryptionConfiguration = &types.EncryptionConfiguration{EncryptionType: types.EncryptionType(deref(e.Type)), KmsKey: set(e.Key)}
			}
			if in.Scanning != nil {
				x.ImageScanningConfiguration = &types.ImageScanningConfiguration{ScanOnPush: in.Scanning.OnPush}
			}
			_, err := c.ECR().CreateRepository(ctx, x)
			return idUnless(err, *in.Name)
		},
		ReadFn: readRepository, UpdateFn: updateRepository,
		DeleteFn: func(ctx context.Context, c *Call, id string, last *repositoryState) error {
			_, err := c.ECR().DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: &id, Force: deref(last.ForceDelete)})
			return gone(err, noRepository)
		},
	})
}

func readRepository(ctx context.Context, c *Call, id string, last *repositoryState) (*repositoryState, error) {
	out, err := c.ECR().DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RepositoryNames: []string{id}})
	if err != nil {
		return nil, gone(err, noRepository)
	}
	if len(out.Repositories) == 0 {
		return nil, ErrGone
	}
	r := out.Repositories[0]
	tags, err := c.ECR().ListTagsForResource(ctx, &ecr.ListTagsForResourceInput{ResourceArn: r.RepositoryArn})
	if err != nil {
		return nil, gone(err, noRepository)
	}
	s := &repositoryState{Arn: deref(r.RepositoryArn), RegistryID: deref(r.RegistryId), URL: deref(r.RepositoryUri), repositoryArgs: repositoryArgs{
		Mutability: text(r.ImageTagMutability), Name: r.RepositoryName, Tagged: c.tagged(tagMap(tags.Tags, ecrTagOf), last.Tagged),
	}}
	if e := r.EncryptionConfiguration; e != nil {
		s.Encryption = []repositoryEncryption{{Type: text(e.EncryptionType), Key: set(e.KmsKey)}}
	}
	if i := r.ImageScanningConfiguration; i != nil {
		s.Scanning = &repositoryScanning{OnPush: i.ScanOnPush}
	}
	return s, nil
}

func updateRepository(ctx context.Context, c *Call, id string, last *repositoryState, in *repositoryArgs) error {
	if c.Changed("imageTagMutability") {
		if _, err := c.ECR().PutImageTagMutability(ctx, &ecr.PutImageTagMutabilityInput{
			RepositoryName:     &id,
			ImageTagMutability: types.ImageTagMutability(deref(in.Mutability)),
		}); err != nil {
			return err
		}
	}
	if c.Changed("imageScanningConfiguration") {
		x := &types.ImageScanningConfiguration{ScanOnPush: in.Scanning != nil && in.Scanning.OnPush}
		if _, err := c.ECR().PutImageScanningConfiguration(ctx, &ecr.PutImageScanningConfigurationInput{RepositoryName: &id, ImageScanningConfiguration: x}); err != nil {
			return err
		}
	}
	return retag(last.Tagged, in.Tagged,
		func(tags map[string]string) error {
			_, err := c.ECR().TagResource(ctx, &ecr.TagResourceInput{ResourceArn: &last.Arn, Tags: tagList(tags, ecrTag)})
			return err
		},
		func(keys []string) error {
			_, err := c.ECR().UntagResource(ctx, &ecr.UntagResourceInput{ResourceArn: &last.Arn, TagKeys: keys})
			return err
		})
}

type repositoryPolicyArgs struct {
	Policy     string `pulumi:"policy,required,policy"`
	Repository string `pulumi:"repository,required,replace"`
}

type repositoryPolicyState struct {
	repositoryPolicyArgs
	RegistryID string `pulumi:"registryId"`
}

func (in *repositoryPolicyArgs) put(ctx context.Context, c *Call) error {
	return c.Propagated(ctx, func() error {
		_, err := c.ECR().SetRepositoryPolicy(ctx, &ecr.SetRepositoryPolicyInput{RepositoryName: &in.Repository, PolicyText: &in.Policy})
		return err
	}, "Principal not found")
}

func ecrRepositoryPolicy() Resource {
	return define(Def[repositoryPolicyArgs, repositoryPolicyState]{
		Type: "aws:ecr/repositoryPolicy:RepositoryPolicy", Title: "ECR Repository Policy",
		CreateFn: func(ctx context.Context, c *Call, in *repositoryPolicyArgs) (string, error) {
			return idUnless(in.put(ctx, c), in.Repository)
		},
		ReadFn: func(ctx context.Context, c *Call, id string, _ *repositoryPolicyState) (*repositoryPolicyState, error) {
			out, err := c.ECR().GetRepositoryPolicy(ctx, &ecr.GetRepositoryPolicyInput{RepositoryName: &id})
			if err != nil {
				return nil, gone(err, noRepository, "RepositoryPolicyNotFoundException")
			}
			return &repositoryPolicyState{repositoryPolicyArgs{Policy: deref(out.PolicyText), Repository: deref(out.RepositoryName)}, deref(out.RegistryId)}, nil
		},
		UpdateFn: func(ctx context.Context, c *Call, _ string, _ *repositoryPolicyState, in *repositoryPolicyArgs) error {
			return in.put(ctx, c)
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *repositoryPolicyState) error {
			_, err := c.ECR().DeleteRepositoryPolicy(ctx, &ecr.DeleteRepositoryPolicyInput{RepositoryName: &id})
			return gone(err, noRepository, "RepositoryPolicyNotFoundException")
		},
	})
}

// A change of a lifecycle policy replaces the resource, as the provider has it, which
// deletes the old one after the new one is set: it must go first.
type lifecyclePolicyArgs struct {
	Policy     string `pulumi:"policy,required,replace,json"`
	Repository string `pulumi:"repository,required,replace"`
}

type lifecyclePolicyState struct {
	lifecyclePolicyArgs
	RegistryID string `pulumi:"registryId"`
}

func ecrLifecyclePolicy() Resource {
	return define(Def[lifecyclePolicyArgs, lifecyclePolicyState]{
		Type: "aws:ecr/lifecyclePolicy:LifecyclePolicy", Title: "ECR Lifecycle Policy",
		InPlaceFn: func(changed map[string]bool) bool { return !changed["repository"] },
		CreateFn: func(ctx context.Context, c *Call, in *lifecyclePolicyArgs) (string, error) {
			_, err := c.ECR().PutLifecyclePolicy(ctx, &ecr.PutLifecyclePolicyInput{RepositoryName: &in.Repository, LifecyclePolicyText: &in.Policy})
			return idUnless(err, in.Repository)
		},
		ReadFn: func(ctx context.Context, c *Call, id string, _ *lifecyclePolicyState) (*lifecyclePolicyState, error) {
			out, err := c.ECR().GetLifecyclePolicy(ctx, &ecr.GetLifecyclePolicyInput{RepositoryName: &id})
			if err != nil {
				return nil, gone(err, noRepository, "LifecyclePolicyNotFoundException")
			}
			return &lifecyclePolicyState{lifecyclePolicyArgs{Policy: deref(out.LifecyclePolicyText), Repository: deref(out.RepositoryName)}, deref(out.RegistryId)}, nil
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *lifecyclePolicyState) error {
			_, err := c.ECR().DeleteLifecyclePolicy(ctx, &ecr.DeleteLifecyclePolicyInput{RepositoryName: &id})
			return gone(err, noRepository, "LifecyclePolicyNotFoundException")
		},
	})
}
