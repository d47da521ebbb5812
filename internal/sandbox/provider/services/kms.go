package services

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func kmsResources() []Resource { return []Resource{kmsKey(), kmsAlias(), kmsGrant()} }

const noKey = "NotFoundException"

type keyArgs struct {
	BypassLockout     *bool   `pulumi:"bypassPolicyLockoutSafetyCheck,local" default:"false"`
	KeySpec           *string `pulumi:"customerMasterKeySpec,replace" default:"SYMMETRIC_DEFAULT"`
	DeletionWindow    *int    `pulumi:"deletionWindowInDays,local" check:"min=7;max=30"`
	Description       *string `pulumi:"description,computed" check:"len=0..8192"`
	EnableKeyRotation *bool   `pulumi:"enableKeyRotation" default:"false"`
	IsEnabled         *bool   `pulumi:"isEnabled" default:"true"`
	KeyUsage          *string `pulumi:"keyUsage,replace" default:"ENCRYPT_DECRYPT" check:"enum=ENCRYPT_DECRYPT|SIGN_VERIFY|GENERATE_VERIFY_MAC|KEY_AGREEMENT"`
	MultiRegion       *bool   `pulumi:"multiRegion,replace,computed"`
	Policy            *string `pulumi:"policy,computed,policy"`
	RotationPeriod    *int    `pulumi:"rotationPeriodInDays,computed" check:"min=90;max=2560"`
	Tagged
}

type keyState struct {
	keyArgs
	Arn   string `pulumi:"arn"`
	KeyID string `pulumi:"keyId"`
}

func kmsTag(k, v string) types.Tag        { return types.Tag{TagKey: aws.String(k), TagValue: aws.String(v)} }
func kmsTagOf(t types.Tag) (k, v *string) { return t.TagKey, t.TagValue }

func kmsKey() Resource {
	return define(Def[keyArgs, keyState]{
		Type: "aws:kms/key:Key", Title: "KMS Key",
		CreateFn: createKey, ReadFn: readKey, UpdateFn: updateKey,
		DeleteFn: func(ctx context.Context, c *Call, id string, last *keyState) error {
			_, err := c.KMS().ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: aws.String(id), PendingWindowInDays: i32(last.DeletionWindow)})
			if isCode(err, "KMSInvalidStateException") && strings.Contains(message(err), "pending deletion") {
				return ErrGone
			}
			return gone(err, noKey)
		},
	})
}

func createKey(ctx context.Context, c *Call, in *keyArgs) (string, error) {
	var id string
	err := c.Propagated(ctx, func() error {
		out, err := c.KMS().CreateKey(ctx, &kms.CreateKeyInput{
			BypassPolicyLockoutSafetyCheck: deref(in.BypassLockout), Description: set(in.Description), KeySpec: types.KeySpec(deref(in.KeySpec)),
			KeyUsage: types.KeyUsageType(deref(in.KeyUsage)), MultiRegion: in.MultiRegion, Policy: set(in.Policy), Tags: tagList(in.TagsAll, kmsTag),
		})
		if err == nil {
			id = deref(out.KeyMetadata.KeyId)
		}
		return err
	}, "MalformedPolicyDocumentException")
	if err != nil {
		return "", err
	}
	if deref(in.EnableKeyRotation) {
		if err := setRotation(ctx, c, id, in); err != nil {
			return id, err
		}
	}
	if !deref(in.IsEnabled) {
		_, err := c.KMS().DisableKey(ctx, &kms.DisableKeyInput{KeyId: aws.String(id)})
		return id, err
	}
	return id, nil
}

func setRotation(ctx context.Context, c *Call, id string, in *keyArgs) error {
	if !deref(in.EnableKeyRotation) {
		_, err := c.KMS().DisableKeyRotation(ctx, &kms.DisableKeyRotationInput{KeyId: aws.String(id)})
		return err
	}
	_, err := c.KMS().EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: aws.String(id), RotationPeriodInDays: i32(in.RotationPeriod)})
	return err
}

func readKey(ctx context.Context, c *Call, id string, last *keyState) (*keyState, error) {
	key := aws.String(id)
	out, err := c.KMS().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: key})
	if err != nil {
		return nil, gone(err, noKey)
	}
	m := out.KeyMetadata
	if m.KeyState == types.KeyStatePendingDeletion || m.KeyState == types.KeyStatePendingReplicaDeletion {
		return nil, ErrGone
	}
	policy, err := c.KMS().GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: key, PolicyName: aws.String("default")})
	if err != nil {
		return nil, gone(err, noKey)
	}
	tags := map[string]string{}
	pages := kms.NewListResourceTagsPaginator(c.KMS(), &kms.ListResourceTagsInput{KeyId: key})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, gone(err, noKey)
		}
		for k, v := range tagMap(page.Tags, kmsTagOf) {
			tags[k] = v
		}
	}
	s := &keyState{
		keyArgs: keyArgs{
			KeySpec: text(m.KeySpec), Description: set(m.Description), EnableKeyRotation: aws.Bool(false), IsEnabled: aws.Bool(m.Enabled),
			KeyUsage: text(m.KeyUsage), MultiRegion: aws.Bool(deref(m.MultiRegion)), Policy: policy.Policy, Tagged: c.tagged(tags, last.Tagged),
		},
		Arn: deref(m.Arn), KeyID: deref(m.KeyId),
	}
	if m.KeySpec != types.KeySpecSymmetricDefault {
		return s, nil // only symmetric keys rotate
	}
	rotation, err := c.KMS().GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: key})
	if err != nil {
		return nil, gone(err, noKey)
	}
	s.EnableKeyRotation, s.RotationPeriod = aws.Bool(rotation.KeyRotationEnabled), num(rotation.RotationPeriodInDays)
	return s, nil
}

func updateKey(ctx context.Context, c *Call, id string, last *keyState, in *keyArgs) error {
	key := aws.String(id)
	// A disabled key refuses other changes: enable it before, disable it after.
	if c.Changed("isEnabled") && deref(in.IsEnabled) {
		if _, err := c.KMS().EnableKey(ctx, &kms.EnableKeyInput{KeyId: key}); err != nil {
			return err
		}
	}
	if c.Changed("enableKeyRotation", "rotationPeriodInDays") {
		if err := setRotation(ctx, c, id, in); err != nil {
			return err
		}
	}
	if c.Changed("description") {
		if _, err := c.KMS().UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: key, Description: aws.String(deref(in.Description))}); err != nil {
			return err
		}
	}
	if c.Changed("policy") {
		if _, err := c.KMS().PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{
			KeyId: key, Policy: in.Policy, PolicyName: aws.String("default"), BypassPolicyLockoutSafetyCheck: deref(in.BypassLockout),
		}); err != nil {
			return err
		}
	}
	add, remove := tagChanges(last.TagsAll, in.TagsAll)
	if len(remove) > 0 {
		if _, err := c.KMS().UntagResource(ctx, &kms.UntagResourceInput{KeyId: key, TagKeys: remove}); err != nil {
			return err
		}
	}
	if len(add) > 0 {
		if _, err := c.KMS().TagResource(ctx, &kms.TagResourceInput{KeyId: key, Tags: tagList(add, kmsTag)}); err != nil {
			return err
		}
	}
	if c.Changed("isEnabled") && !deref(in.IsEnabled) {
		_, err := c.KMS().DisableKey(ctx, &kms.DisableKeyInput{KeyId: key})
		return err
	}
	return nil
}

type keyAliasArgs struct {
	Name        *string `pulumi:"name,replace,computed" check:"len=7..256;match=^alias/[a-zA-Z0-9/_-]+$"`
	NamePrefix  *string `pulumi:"namePrefix,replace,computed,local" check:"match=^alias/[a-zA-Z0-9/_-]*$"`
	TargetKeyID string  `pulumi:"targetKeyId,required"`
}

type keyAliasState struct {
	keyAliasArgs
	Arn          string `pulumi:"arn"`
	TargetKeyArn string `pulumi:"targetKeyArn"`
}

func kmsAlias() Resource {
	return define(Def[keyAliasArgs, keyAliasState]{
		Type: "aws:kms/alias:Alias", Title: "KMS Alias",
		Named: &Naming{Property: "name", Prefix: "namePrefix", Max: 256, Before: "alias/"},
		UnsettledFn: func(changed map[string]bool, _ *keyAliasArgs) []string {
			if changed["targetKeyId"] {
				return []string{"targetKeyArn"}
			}
			return nil
		},
		CreateFn: func(ctx context.Context, c *Call, in *keyAliasArgs) (string, error) {
			_, err := c.KMS().CreateAlias(ctx, &kms.CreateAliasInput{AliasName: in.Name, TargetKeyId: aws.String(in.TargetKeyID)})
			return idUnless(err, *in.Name)
		},
		ReadFn: readKeyAlias,
		UpdateFn: func(ctx context.Context, c *Call, id string, _ *keyAliasState, in *keyAliasArgs) error {
			_, err := c.KMS().UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: aws.String(id), TargetKeyId: aws.String(in.TargetKeyID)})
			return err
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *keyAliasState) error {
			_, err := c.KMS().DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: aws.String(id)})
			return gone(err, noKey)
		},
	})
}

func readKeyAlias(ctx context.Context, c *Call, id string, last *keyAliasState) (*keyAliasState, error) {
	pages := kms.NewListAliasesPaginator(c.KMS(), &kms.ListAliasesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, a := range page.Aliases {
			if deref(a.AliasName) != id {
				continue
			}
			target := deref(a.TargetKeyId)
			arn, err := c.arn("kms", "key/"+target)
			if err != nil {
				return nil, err
			}
			s := &keyAliasState{keyAliasArgs: keyAliasArgs{Name: a.AliasName, TargetKeyID: target}, Arn: deref(a.AliasArn), TargetKeyArn: arn}
			if strings.HasSuffix(last.TargetKeyID, "/"+target) {
				s.TargetKeyID = last.TargetKeyID // given as an ARN
			}
			return s, nil
		}
	}
	return nil, ErrGone
}
