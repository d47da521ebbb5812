package services

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// owned are the inputs of a configuration of a bucket that may name the bucket's
// owner; its id is "bucket" or "bucket,owner".
type owned struct {
	Bucket              string  `pulumi:"bucket,required,replace" check:"len=1..63"`
	ExpectedBucketOwner *string `pulumi:"expectedBucketOwner,replace" check:"match=^\\d{12}$"`
}

func (o owned) id() string {
	if s := set(o.ExpectedBucketOwner); s != nil {
		return o.Bucket + "," + *s
	}
	return o.Bucket
}

func ownedBy(id string) owned {
	bucket, owner, ok := strings.Cut(id, ",")
	o := owned{Bucket: bucket}
	if ok {
		o.ExpectedBucketOwner = aws.String(owner)
	}
	return o
}

type accessBlockArgs struct {
	BlockPublicAcls       *bool  `pulumi:"blockPublicAcls" default:"false"`
	BlockPublicPolicy     *bool  `pulumi:"blockPublicPolicy" default:"false"`
	Bucket                string `pulumi:"bucket,required,replace"`
	IgnorePublicAcls      *bool  `pulumi:"ignorePublicAcls" default:"false"`
	RestrictPublicBuckets *bool  `pulumi:"restrictPublicBuckets" default:"false"`
}

type accessBlockState struct{ accessBlockArgs }

func s3PublicAccessBlock() Resource {
	put := func(ctx context.Context, c *Call, in *accessBlockArgs) (string, error) {
		_, err := c.S3().PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
			Bucket: aws.String(in.Bucket), PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
				BlockPublicAcls: in.BlockPublicAcls, BlockPublicPolicy: in.BlockPublicPolicy,
				IgnorePublicAcls: in.IgnorePublicAcls, RestrictPublicBuckets: in.RestrictPublicBuckets,
			},
		})
		return idUnless(err, in.Bucket)
	}
	return define(Def[accessBlockArgs, accessBlockState]{
		Type: "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", Title: "S3 Bucket Public Access Block",
		CreateFn: put,
		ReadFn: func(ctx context.Context, c *Call, id string, _ *accessBlockState) (*accessBlockState, error) {
			out, err := c.S3().GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: aws.String(id)})
			if err != nil {
				return nil, gone(err, noBucket, "NoSuchPublicAccessBlockConfiguration")
			}
			p := out.PublicAccessBlockConfiguration
			return &accessBlockState{accessBlockArgs{
				BlockPublicAcls: aws.Bool(deref(p.BlockPublicAcls)), BlockPublicPolicy: aws.Bool(deref(p.BlockPublicPolicy)), Bucket: id,
				IgnorePublicAcls: aws.Bool(deref(p.IgnorePublicAcls)), RestrictPublicBuckets: aws.Bool(deref(p.RestrictPublicBuckets)),
			}}, nil
		},
		UpdateFn: func(ctx context.Context, c *Call, _ string, _ *accessBlockState, in *accessBlockArgs) error {
			_, err := put(ctx, c, in)
			return err
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *accessBlockState) error {
			_, err := c.S3().DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: aws.String(id)})
			return gone(err, noBucket, "NoSuchPublicAccessBlockConfiguration")
		},
	})
}

// idUnless returns the id of what was made, none if it was not.
func idUnless(err error, id string) (string, error) {
	if err != nil {
		return "", err
	}
	return id, nil
}

type ownershipArgs struct {
	Bucket string        `pulumi:"bucket,required,replace"`
	Rule   ownershipRule `pulumi:"rule,required"`
}

type ownershipRule struct {
	ObjectOwnership string `pulumi:"objectOwnership,required" check:"enum=BucketOwnerEnforced|BucketOwnerPreferred|ObjectWriter"`
}

type ownershipState struct{ ownershipArgs }

func s3Ownership() Resource {
	put := func(ctx context.Context, c *Call, in *ownershipArgs) (string, error) {
		_, err := c.S3().PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{
			Bucket: aws.String(in.Bucket), OwnershipControls: &types.OwnershipControls{
				Rules: []types.OwnershipControlsRule{{ObjectOwnership: types.ObjectOwnership(in.Rule.ObjectOwnership)}},
			},
		})
		return idUnless(err, in.Bucket)
	}
	return define(Def[ownershipArgs, ownershipState]{
		Type: "aws:s3/bucketOwnershipControls:BucketOwnershipControls", Title: "S3 Bucket Ownership Controls",
		CreateFn: put,
		ReadFn: func(ctx context.Context, c *Call, id string, _ *ownershipState) (*ownershipState, error) {
			out, err := c.S3().GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: aws.String(id)})
			if err != nil {
				return nil, gone(err, noBucket, "OwnershipControlsNotFoundError")
			}
			if out.OwnershipControls == nil || len(out.OwnershipControls.Rules) == 0 {
				return nil, ErrGone
			}
			rule := ownershipRule{ObjectOwnership: string(out.OwnershipControls.Rules[0].ObjectOwnership)}
			return &ownershipState{ownershipArgs{Bucket: id, Rule: rule}}, nil
		},
		UpdateFn: func(ctx context.Context, c *Call, _ string, _ *ownershipState, in *ownershipArgs) error {
			_, err := put(ctx, c, in)
			return err
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *ownershipState) error {
			_, err := c.S3().DeleteBucketOwnershipControls(ctx, &s3.DeleteBucketOwnershipControlsInput{Bucket: aws.String(id)})
			return gone(err, noBucket, "OwnershipControlsNotFoundError")
		},
	})
}

type encryptionArgs struct {
	owned
	Rules []encryptionRule `pulumi:"rules,required,set" check:"items=1..1"`
}

type encryptionRule struct {
	Default          *encryptionDefault `pulumi:"applyServerSideEncryptionByDefault"`
	BucketKeyEnabled *bool              `pulumi:"bucketKeyEnabled"`
}

type encryptionDefault struct {
	KmsMasterKeyID *string `pulumi:"kmsMasterKeyId"`
	SseAlgorithm   string  `pulumi:"sseAlgorithm,required" check:"enum=aws:kms|aws:kms:dsse|AES256"`
}

type encryptionState struct{ encryptionArgs }

func s3Encryption() Resource {
	put := func(ctx context.Context, c *Call, in *encryptionArgs) (string, error) {
		_, err := c.S3().PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
			Bucket: aws.String(in.Bucket), ExpectedBucketOwner: set(in.ExpectedBucketOwner),
			ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: each(in.Rules, encryptionToAPI)},
		})
		return idUnless(err, in.id())
	}
	return define(Def[encryptionArgs, encryptionState]{
		Type:  "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2",
		Title: "S3 Bucket Server-side Encryption Configuration", CreateFn: put,
		ReadFn: func(ctx context.Context, c *Call, id string, _ *encryptionState) (*encryptionState, error) {
			o := ownedBy(id)
			out, err := c.S3().GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: aws.String(o.Bucket), ExpectedBucketOwner: o.ExpectedBucketOwner})
			if err != nil {
				return nil, gone(err, noBucket, "ServerSideEncryptionConfigurationNotFoundError")
			}
			rules := each(out.ServerSideEncryptionConfiguration.Rules, encryptionOf)
			return &encryptionState{encryptionArgs{owned: o, Rules: rules}}, nil
		},
		UpdateFn: func(ctx context.Context, c *Call, _ string, _ *encryptionState, in *encryptionArgs) error {
			_, err := put(ctx, c, in)
			return err
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *encryptionState) error {
			o := ownedBy(id)
			_, err := c.S3().DeleteBucketEncryption(ctx, &s3.DeleteBucketEncryptionInput{Bucket: aws.String(o.Bucket), ExpectedBucketOwner: o.ExpectedBucketOwner})
			return gone(err, noBucket, "ServerSideEncryptionConfigurationNotFoundError")
		},
	})
}

func encryptionToAPI(r encryptionRule) types.ServerSideEncryptionRule {
	out := types.ServerSideEncryptionRule{BucketKeyEnabled: r.BucketKeyEnabled}
	if d := r.Default; d != nil {
		out.ApplyServerSideEncryptionByDefault = &types.ServerSideEncryptionByDefault{
			SSEAlgorithm: types.ServerSideEncryption(d.SseAlgorithm), KMSMasterKeyID: set(d.KmsMasterKeyID),
		}
	}
	return out
}

func encryptionOf(r types.ServerSideEncryptionRule) encryptionRule {
	out := encryptionRule{BucketKeyEnabled: r.BucketKeyEnabled}
	if d := r.ApplyServerSideEncryptionByDefault; d != nil {
		out.Default = &encryptionDefault{SseAlgorithm: string(d.SSEAlgorithm), KmsMasterKeyID: set(d.KMSMasterKeyID)}
	}
	return out
}

type versioningArgs struct {
	owned
	Configuration versioningConfiguration `pulumi:"versioningConfiguration,required"`
}

type versioningConfiguration struct {
	Status string `pulumi:"status,required" check:"enum=Enabled|Suspended|Disabled"`
}

type versioningState struct{ versioningArgs }

const versioningDisabled = "Disabled" // never enabled: S3 has no word for it

func putVersioning(ctx context.Context, c *Call, o owned, status string) error {
	if status == versioningDisabled {
		return nil
	}
	_, err := c.S3().PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: aws.String(o.Bucket), ExpectedBucketOwner: o.ExpectedBucketOwner,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatus(status)},
	})
	return err
}

func s3Versioning() Resource {
	return define(Def[versioningArgs, versioningState]{
		Type: "aws:s3/bucketVersioningV2:BucketVersioningV2", Title: "S3 Bucket Versioning",
		CreateFn: func(ctx context.Context, c *Call, in *versioningArgs) (string, error) {
			return idUnless(putVersioning(ctx, c, in.owned, in.Configuration.Status), in.id())
		},
		ReadFn: func(ctx context.Context, c *Call, id string, last *versioningState) (*versioningState, error) {
			o := ownedBy(id)
			out, err := c.S3().GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: aws.String(o.Bucket), ExpectedBucketOwner: o.ExpectedBucketOwner})
			if err != nil {
				return nil, gone(err, noBucket)
			}
			status := string(out.Status)
			if status == "" {
				if was := last.Configuration.Status; was != "" && was != versioningDisabled {
					return nil, ErrGone
				}
				status = versioningDisabled
			}
			return &versioningState{versioningArgs{owned: o, Configuration: versioningConfiguration{Status: status}}}, nil
		},
		UpdateFn: func(ctx context.Context, c *Call, _ string, _ *versioningState, in *versioningArgs) error {
			if in.Configuration.Status == versioningDisabled {
				return errors.New("versioning cannot be disabled on a bucket that had it enabled; use Suspended")
			}
			return putVersioning(ctx, c, in.owned, in.Configuration.Status)
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, last *versioningState) error {
			if last.Configuration.Status == versioningDisabled {
				return nil
			}
			err := putVersioning(ctx, c, ownedBy(id), string(types.BucketVersioningStatusSuspended))
			// A bucket with object lock keeps its versioning for ever.
			return ignore(gone(err, noBucket), "InvalidBucketState")
		},
	})
}

type bucketPolicyArgs struct {
	Bucket string `pulumi:"bucket,required,replace"`
	Policy string `pulumi:"policy,required,policy"`
}

type bucketPolicyState struct{ bucketPolicyArgs }

func s3Policy() Resource {
	put := func(ctx context.Context, c *Call, in *bucketPolicyArgs) (string, error) {
		err := c.Propagated(ctx, func() error {
			_, err := c.S3().PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String(in.Bucket), Policy: aws.String(in.Policy)})
			return err
		}, "Invalid principal in policy")
		return idUnless(err, in.Bucket)
	}
	return define(Def[bucketPolicyArgs, bucketPolicyState]{
		Type: "aws:s3/bucketPolicy:BucketPolicy", Title: "S3 Bucket Policy", CreateFn: put,
		ReadFn: func(ctx context.Context, c *Call, id string, _ *bucketPolicyState) (*bucketPolicyState, error) {
			out, err := c.S3().GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: aws.String(id)})
			if err != nil {
				return nil, gone(err, noBucket, "NoSuchBucketPolicy")
			}
			return &bucketPolicyState{bucketPolicyArgs{Bucket: id, Policy: deref(out.Policy)}}, nil
		},
		UpdateFn: func(ctx context.Context, c *Call, _ string, _ *bucketPolicyState, in *bucketPolicyArgs) error {
			_, err := put(ctx, c, in)
			return err
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *bucketPolicyState) error {
			_, err := c.S3().DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: aws.String(id)})
			return gone(err, noBucket, "NoSuchBucketPolicy")
		},
	})
}
