package kms

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerKeys(r *wire.Router) {
	key := wire.On(s.onKey("KeyId", false))
	wire.Handle(r, "kms", "CreateKey", s.createKey, wire.Access{Tagging: "kms:TagResource"})
	wire.Handle(r, "kms", "DescribeKey", s.describeKey, wire.On(s.onKey("KeyId", true)))
	wire.Handle(r, "kms", "ListKeys", s.listKeys, wire.Access{})
	wire.Handle(r, "kms", "EnableKey", s.enableKey, key)
	wire.Handle(r, "kms", "DisableKey", s.disableKey, key)
	wire.Handle(r, "kms", "EnableKeyRotation", s.enableRotation, key)
	wire.Handle(r, "kms", "DisableKeyRotation", s.disableRotation, key)
	wire.Handle(r, "kms", "GetKeyRotationStatus", s.rotationStatus, key)
	wire.Handle(r, "kms", "PutKeyPolicy", s.putPolicy, key)
	wire.Handle(r, "kms", "GetKeyPolicy", s.getPolicy, key)
	wire.Handle(r, "kms", "UpdateKeyDescription", s.updateDescription, key)
	wire.Handle(r, "kms", "TagResource", s.tag, key)
	wire.Handle(r, "kms", "UntagResource", s.untag, key)
	wire.Handle(r, "kms", "ListResourceTags", s.listTags, key)
	wire.Handle(r, "kms", "ScheduleKeyDeletion", s.scheduleDeletion, key)
	wire.Handle(r, "kms", "CancelKeyDeletion", s.cancelDeletion, key)
	wire.Handle(r, "kms", "ListKeyPolicies", s.listPolicies, key)
	wire.Handle(r, "kms", "RotateKeyOnDemand", s.rotateNow, key)
	wire.Handle(r, "kms", "ListKeyRotations", s.listRotations, key)
}

func defaultPolicy(sc wire.Scope) string {
	return `{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "` + sc.Root() + `"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`
}

func (s *Service) createKey(_ context.Context, req *wire.Request, in *sdk.CreateKeyInput) (*sdk.CreateKeyOutput, error) {
	kind := cmp.Or(in.KeySpec, types.KeySpec(in.CustomerMasterKeySpec), types.KeySpecSymmetricDefault)
	origin := cmp.Or(in.Origin, types.OriginTypeAwsKms)
	if origin != types.OriginTypeAwsKms || aws.ToBool(in.MultiRegion) {
		return nil, wire.Errorf(http.StatusBadRequest, "UnsupportedOperationException", "the sandbox has only single-region keys with material from KMS")
	}
	if err := checkSpec(kind, in.KeyUsage); err != nil {
		return nil, err
	}
	material, err := specs[kind].material()
	if err != nil {
		return nil, err
	}
	id := wire.NewID()
	k := key{
		ID: id, ARN: arn(req.Scope, "key/"+id), Description: aws.ToString(in.Description), Created: s.now(),
		Policy: defaultPolicy(req.Scope), Material: [][]byte{material},
	}
	if kind != types.KeySpecSymmetricDefault {
		k.Spec, k.Usage = string(kind), string(in.KeyUsage)
	}
	if k.Tags, err = tagRules.Add(nil, tags.Of(in.Tags, splitTag)); err != nil {
		return nil, err
	}
	if in.Policy != nil {
		k.Policy = *in.Policy
		if err := s.checkPolicy(req, k, in.BypassPolicyLockoutSafetyCheck); err != nil {
			return nil, err
		}
	}
	if err := s.DB.Update(func(tx *store.Tx) error { return store.Put(tx, keysBucket, k.ID, k) }); err != nil {
		return nil, err
	}
	return &sdk.CreateKeyOutput{KeyMetadata: s.metadata(k)}, nil
}

func newMaterial() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

// checkPolicy refuses what is no policy and, unless told not to, what would lock
// the caller out.
func (s *Service) checkPolicy(req *wire.Request, k key, bypass bool) error {
	if len(k.Policy) > 32768 {
		return wire.Errorf(http.StatusBadRequest, "LimitExceededException", "The key policy is larger than 32768 bytes.")
	}
	doc, err := policy.Parse(k.Policy, policy.Resource)
	if err != nil {
		return wire.Errorf(http.StatusBadRequest, "MalformedPolicyDocumentException", "%s", err)
	}
	if bypass {
		return nil
	}
	g := doc.Grant(policy.NewRequest(req.Principal, "kms:PutKeyPolicy", k.ARN, req.ConditionKeys(nil), s.now()))
	if g.Decision != policy.Allow && !g.Delegated {
		return wire.Errorf(http.StatusBadRequest, "MalformedPolicyDocumentException", "The new key policy will not allow you to update the key policy in the future.")
	}
	return nil
}

func (s *Service) metadata(k key) *types.KeyMetadata {
	m := &types.KeyMetadata{
		KeyId: &k.ID, Arn: &k.ARN, AWSAccountId: aws.String(k.scope().Account), CreationDate: &k.Created, Description: &k.Description,
		Enabled: !k.Disabled && k.Deletion.IsZero(), KeyState: types.KeyStateEnabled,
		KeyManager: types.KeyManagerTypeCustomer, Origin: types.OriginTypeAwsKms, MultiRegion: aws.Bool(false),
	}
	k.describe(m)
	if k.Managed {
		m.KeyManager = types.KeyManagerTypeAws
	}
	switch {
	case !k.Deletion.IsZero():
		m.KeyState, m.DeletionDate = types.KeyStatePendingDeletion, &k.Deletion
	case k.Disabled:
		m.KeyState = types.KeyStateDisabled
	}
	return m
}

func (s *Service) describeKey(_ context.Context, req *wire.Request, in *sdk.DescribeKeyInput) (*sdk.DescribeKeyOutput, error) {
	k, err := s.read(req, in.KeyId, true)
	if err != nil {
		return nil, err
	}
	return &sdk.DescribeKeyOutput{KeyMetadata: s.metadata(k)}, nil
}

func (s *Service) listKeys(_ context.Context, req *wire.Request, in *sdk.ListKeysInput) (*sdk.ListKeysOutput, error) {
	out := []types.KeyListEntry{}
	err := s.DB.View(func(tx *store.Tx) error {
		all, err := store.List[key](tx, keysBucket, "")
		for _, k := range all {
			if strings.HasPrefix(k.ARN, arn(req.Scope, "")) && !s.gone(k) {
				out = append(out, types.KeyListEntry{KeyId: aws.String(k.ID), KeyArn: aws.String(k.ARN)})
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	some, next, err := pageOf(out, in.Marker, in.Limit, func(e types.KeyListEntry) string { return *e.KeyId })
	return &sdk.ListKeysOutput{Keys: some, NextMarker: next, Truncated: next != nil}, err
}

func (s *Service) enableKey(_ context.Context, req *wire.Request, in *sdk.EnableKeyInput) (*sdk.EnableKeyOutput, error) {
	_, err := s.change(req, in.KeyId, func(k *key) error { k.Disabled = false; return alive(k) })
	return &sdk.EnableKeyOutput{}, err
}

func (s *Service) disableKey(_ context.Context, req *wire.Request, in *sdk.DisableKeyInput) (*sdk.DisableKeyOutput, error) {
	_, err := s.change(req, in.KeyId, func(k *key) error { k.Disabled = true; return alive(k) })
	return &sdk.DisableKeyOutput{}, err
}

func (s *Service) enableRotation(_ context.Context, req *wire.Request, in *sdk.EnableKeyRotationInput) (*sdk.EnableKeyRotationOutput, error) {
	_, err := s.change(req, in.KeyId, func(k *key) error {
		days := int32(365)
		if in.RotationPeriodInDays != nil {
			days = *in.RotationPeriodInDays
		}
		if k.kind() != types.KeySpecSymmetricDefault {
			return wire.Errorf(http.StatusBadRequest, "UnsupportedOperationException", "You cannot perform this operation on a KMS key of spec %s.", k.kind())
		}
		if k.Disabled {
			return disabled(k)
		}
		k.Rotation, k.RotationDays, k.RotationSince = true, days, s.now()
		return alive(k)
	})
	return &sdk.EnableKeyRotationOutput{}, err
}

func (s *Service) disableRotation(_ context.Context, req *wire.Request, in *sdk.DisableKeyRotationInput) (*sdk.DisableKeyRotationOutput, error) {
	_, err := s.change(req, in.KeyId, func(k *key) error {
		if k.Disabled {
			return disabled(k)
		}
		k.Rotation = false
		return alive(k)
	})
	return &sdk.DisableKeyRotationOutput{}, err
}

func (s *Service) rotationStatus(_ context.Context, req *wire.Request, in *sdk.GetKeyRotationStatusInput) (*sdk.GetKeyRotationStatusOutput, error) {
	k, err := s.read(req, in.KeyId, false)
	if err != nil {
		return nil, err
	}
	out := &sdk.GetKeyRotationStatusOutput{KeyId: &k.ID, KeyRotationEnabled: k.Rotation && k.Deletion.IsZero()}
	if out.KeyRotationEnabled {
		out.RotationPeriodInDays = &k.RotationDays
		out.NextRotationDate = aws.Time(k.RotationSince.AddDate(0, 0, int(k.RotationDays)))
	}
	return out, nil
}

func policyName(name *string) error {
	if name != nil && *name != "default" {
		return notFound("Policy %s does not exist", *name)
	}
	return nil
}

func (s *Service) putPolicy(_ context.Context, req *wire.Request, in *sdk.PutKeyPolicyInput) (*sdk.PutKeyPolicyOutput, error) {
	if err := policyName(in.PolicyName); err != nil {
		return nil, err
	}
	_, err := s.change(req, in.KeyId, func(k *key) error {
		k.Policy = aws.ToString(in.Policy)
		if err := s.checkPolicy(req, *k, in.BypassPolicyLockoutSafetyCheck); err != nil {
			return err
		}
		return alive(k)
	})
	return &sdk.PutKeyPolicyOutput{}, err
}

func (s *Service) getPolicy(_ context.Context, req *wire.Request, in *sdk.GetKeyPolicyInput) (*sdk.GetKeyPolicyOutput, error) {
	if err := policyName(in.PolicyName); err != nil {
		return nil, err
	}
	k, err := s.read(req, in.KeyId, false)
	if err != nil {
		return nil, err
	}
	return &sdk.GetKeyPolicyOutput{Policy: &k.Policy, PolicyName: aws.String("default")}, nil
}

func (s *Service) updateDescription(_ context.Context, req *wire.Request, in *sdk.UpdateKeyDescriptionInput) (*sdk.UpdateKeyDescriptionOutput, error) {
	_, err := s.change(req, in.KeyId, func(k *key) error {
		k.Description = aws.ToString(in.Description)
		return alive(k)
	})
	return &sdk.UpdateKeyDescriptionOutput{}, err
}

var tagRules = tags.Rules{
	Max: 50, TooMany: wire.Errorf(http.StatusBadRequest, "TagException", "Too many tags"),
	Duplicate: wire.Errorf(http.StatusBadRequest, "TagException", "Duplicate tag keys"),
	Reserved:  wire.Errorf(http.StatusBadRequest, "TagException", "Tags beginning with aws: are reserved"),
}

func splitTag(t types.Tag) (key, value *string) { return t.TagKey, t.TagValue }

func joinTag(key, value *string) types.Tag { return types.Tag{TagKey: key, TagValue: value} }

func (s *Service) tag(_ context.Context, req *wire.Request, in *sdk.TagResourceInput) (*sdk.TagResourceOutput, error) {
	_, err := s.change(req, in.KeyId, func(k *key) (err error) {
		if k.Tags, err = tagRules.Add(k.Tags, tags.Of(in.Tags, splitTag)); err != nil {
			return err
		}
		return alive(k)
	})
	return &sdk.TagResourceOutput{}, err
}

func (s *Service) untag(_ context.Context, req *wire.Request, in *sdk.UntagResourceInput) (*sdk.UntagResourceOutput, error) {
	_, err := s.change(req, in.KeyId, func(k *key) error {
		k.Tags = tags.Without(k.Tags, in.TagKeys)
		return alive(k)
	})
	return &sdk.UntagResourceOutput{}, err
}

func (s *Service) listTags(_ context.Context, req *wire.Request, in *sdk.ListResourceTagsInput) (*sdk.ListResourceTagsOutput, error) {
	k, err := s.read(req, in.KeyId, false)
	if err != nil {
		return nil, err
	}
	some, next, err := pageOf(tags.List(k.Tags, joinTag), in.Marker, in.Limit, func(t types.Tag) string { return *t.TagKey })
	return &sdk.ListResourceTagsOutput{Tags: some, NextMarker: next, Truncated: next != nil}, err
}

func (s *Service) scheduleDeletion(_ context.Context, req *wire.Request, in *sdk.ScheduleKeyDeletionInput) (*sdk.ScheduleKeyDeletionOutput, error) {
	k, err := s.change(req, in.KeyId, func(k *key) error {
		days := int32(30)
		if in.PendingWindowInDays != nil {
			days = *in.PendingWindowInDays
		}
		if days < 7 || days > 30 {
			rule := constraint.AtMost(30)
			if days < 7 {
				rule = constraint.AtLeast(7)
			}
			return constraint.Broken("ValidationException", "pendingWindowInDays", days, rule)
		}
		if err := alive(k); err != nil {
			return err
		}
		k.Deletion, k.DeletionDays = s.now().AddDate(0, 0, int(days)), days
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.ScheduleKeyDeletionOutput{KeyId: &k.ARN, DeletionDate: &k.Deletion, KeyState: types.KeyStatePendingDeletion, PendingWindowInDays: &k.DeletionDays}, nil
}

// cancelDeletion leaves the key disabled, as on AWS.
func (s *Service) cancelDeletion(_ context.Context, req *wire.Request, in *sdk.CancelKeyDeletionInput) (*sdk.CancelKeyDeletionOutput, error) {
	k, err := s.change(req, in.KeyId, func(k *key) error {
		if k.Deletion.IsZero() {
			return wire.Errorf(http.StatusBadRequest, "KMSInvalidStateException", "%s is not pending deletion.", k.ARN)
		}
		k.Deletion, k.DeletionDays, k.Disabled = time.Time{}, 0, true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.CancelKeyDeletionOutput{KeyId: &k.ARN}, nil
}

func pageOf[T any](items []T, marker *string, limit *int32, id func(T) string) ([]T, *string, error) {
	some, next, err := page.Of(items, marker, limit, 100, id)
	if err != nil {
		return nil, nil, wire.Errorf(http.StatusBadRequest, "InvalidMarkerException", "The marker is not valid.")
	}
	return some, next, nil
}
