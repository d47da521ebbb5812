package services

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
)

func secretResources() []Resource { return []Resource{secret(), secretVersion()} }

const (
	noSecret     = "ResourceNotFoundException"
	stageCurrent = "AWSCURRENT"
)

// Replicas are refused, as the sandbox has no other regions that secrets go to.
type secretArgs struct {
	Description     *string `pulumi:"description" check:"len=0..2048"`
	ForceOverwrite  *bool   `pulumi:"forceOverwriteReplicaSecret,local" default:"false"`
	KmsKeyID        *string `pulumi:"kmsKeyId"`
	Name            *string `pulumi:"name,replace,computed" check:"len=1..512;match=^[0-9A-Za-z/_+=.@-]+$"`
	NamePrefix      *string `pulumi:"namePrefix,replace,computed,local" check:"len=1..486;match=^[0-9A-Za-z/_+=.@-]+$"`
	Policy          *string `pulumi:"policy,computed,policy"`
	RecoveryWindows *int    `pulumi:"recoveryWindowInDays,local" default:"30"`
	Tagged
}

type secretState struct {
	secretArgs
	Arn string `pulumi:"arn"`
}

func secretTag(k, v string) types.Tag        { return types.Tag{Key: aws.String(k), Value: aws.String(v)} }
func secretTagOf(t types.Tag) (k, v *string) { return t.Key, t.Value }

func secret() Resource {
	return define(Def[secretArgs, secretState]{
		Type: "aws:secretsmanager/secret:Secret", Title: "Secrets Manager Secret", Named: &Naming{Property: "name", Prefix: "namePrefix", Max: 512},
		CheckFn: func(in *secretArgs, known func(string) bool) []schema.Failure {
			const least, most = 7, 30
			if n := deref(in.RecoveryWindows); known("recoveryWindowInDays") && n != 0 && (n < least || n > most) {
				return []schema.Failure{{Property: "recoveryWindowInDays", Reason: fmt.Sprintf("expected recoveryWindowInDays to be 0, or in the range (%d - %d), got %d", least, most, n)}}
			}
			return nil
		},
		CreateFn: createSecret, ReadFn: readSecret, UpdateFn: updateSecret,
		DeleteFn: func(ctx context.Context, c *Call, id string, last *secretState) error {
			x := &secretsmanager.DeleteSecretInput{SecretId: &id, RecoveryWindowInDays: i64(last.RecoveryWindows)}
			if deref(last.RecoveryWindows) == 0 {
				x.RecoveryWindowInDays, x.ForceDeleteWithoutRecovery = nil, aws.Bool(true)
			}
			_, err := c.SecretsManager().DeleteSecret(ctx, x)
			return gone(err, noSecret)
		},
	})
}

func createSecret(ctx context.Context, c *Call, in *secretArgs) (string, error) {
	out, err := c.SecretsManager().CreateSecret(ctx, &secretsmanager.CreateSecretInput{
		Name: in.Name, Description: set(in.Description), KmsKeyId: set(in.KmsKeyID), ForceOverwriteReplicaSecret: deref(in.ForceOverwrite), Tags: tagList(in.TagsAll, secretTag),
	})
	if err != nil {
		return "", err
	}
	return *out.ARN, c.putSecretPolicy(ctx, *out.ARN, in.Policy)
}

// putSecretPolicy sets or, as "{}" and "" say, takes away the policy of a secret.
func (c *Call) putSecretPolicy(ctx context.Context, id string, policy *string) error {
	if policy == nil {
		return nil
	}
	if *policy == "" || *policy == "{}" {
		_, err := c.SecretsManager().DeleteResourcePolicy(ctx, &secretsmanager.DeleteResourcePolicyInput{SecretId: &id})
		return err
	}
	return c.Propagated(ctx, func() error {
		_, err := c.SecretsManager().PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{SecretId: &id, ResourcePolicy: policy})
		return err
	}, "This resource policy contains an unsupported principal")
}

func readSecret(ctx context.Context, c *Call, id string, last *secretState) (*secretState, error) {
	out, err := c.SecretsManager().DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &id})
	if err != nil {
		return nil, gone(err, noSecret)
	}
	if out.DeletedDate != nil {
		return nil, ErrGone
	}
	policy, err := c.SecretsManager().GetResourcePolicy(ctx, &secretsmanager.GetResourcePolicyInput{SecretId: &id})
	if err != nil {
		return nil, gone(err, noSecret)
	}
	s := &secretState{Arn: deref(out.ARN), secretArgs: secretArgs{
		Description: set(out.Description), KmsKeyID: set(out.KmsKeyId), Name: out.Name, Policy: set(policy.ResourcePolicy),
		Tagged: c.tagged(tagMap(out.Tags, secretTagOf), last.Tagged),
	}}
	if s.Policy == nil && deref(last.Policy) == "{}" {
		s.Policy = last.Policy
	}
	return s, nil
}

func updateSecret(ctx context.Context, c *Call, id string, last *secretState, in *secretArgs) error {
	if c.Changed("description", "kmsKeyId") {
		_, err := c.SecretsManager().UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: &id, Description: aws.String(deref(in.Description)), KmsKeyId: set(in.KmsKeyID)})
		if err != nil {
			return err
		}
	}
	if c.Changed("policy") {
		if err := c.putSecretPolicy(ctx, id, aws.String(deref(in.Policy))); err != nil {
			return err
		}
	}
	return retag(last.Tagged, in.Tagged,
		func(tags map[string]string) error {
			_, err := c.SecretsManager().TagResource(ctx, &secretsmanager.TagResourceInput{SecretId: &id, Tags: tagList(tags, secretTag)})
			return err
		},
		func(keys []string) error {
			_, err := c.SecretsManager().UntagResource(ctx, &secretsmanager.UntagResourceInput{SecretId: &id, TagKeys: keys})
			return err
		})
}

type secretVersionArgs struct {
	Binary   *string  `pulumi:"secretBinary,replace,secret"`
	SecretID string   `pulumi:"secretId,required,replace"`
	String   *string  `pulumi:"secretString,replace,secret"`
	Stages   []string `pulumi:"versionStages,set,computed"`
}

type secretVersionState struct {
	secretVersionArgs
	Arn       string `pulumi:"arn"`
	VersionID string `pulumi:"versionId"`
}

func secretVersion() Resource {
	return define(Def[secretVersionArgs, secretVersionState]{
		Type: "aws:secretsmanager/secretVersion:SecretVersion", Title: "Secrets Manager Secret Version",
		CheckFn: func(in *secretVersionArgs, known func(string) bool) []schema.Failure {
			if known("secretBinary") && known("secretString") && in.Binary != nil && in.String != nil {
				return []schema.Failure{{Property: "secretString", Reason: `"secretBinary": conflicts with secretString`}}
			}
			if in.Binary == nil || !known("secretBinary") {
				return nil
			}
			if _, err := base64.StdEncoding.DecodeString(*in.Binary); err != nil {
				return []schema.Failure{{Property: "secretBinary", Reason: `"secretBinary" must be base64-encoded`}}
			}
			return nil
		},
		CreateFn: func(ctx context.Context, c *Call, in *secretVersionArgs) (string, error) {
			x := &secretsmanager.PutSecretValueInput{SecretId: &in.SecretID, SecretString: in.String, VersionStages: in.Stages}
			if in.Binary != nil {
				var err error
				if x.SecretBinary, err = base64.StdEncoding.DecodeString(*in.Binary); err != nil {
					return "", err
				}
			}
			out, err := c.SecretsManager().PutSecretValue(ctx, x)
			if err != nil {
				return "", err
			}
			return in.SecretID + "|" + deref(out.VersionId), nil
		},
		ReadFn: func(ctx context.Context, c *Call, id string, _ *secretVersionState) (*secretVersionState, error) {
			secretID, version, ok := strings.Cut(id, "|")
			if !ok {
				return nil, fmt.Errorf("unexpected format of id %q, expected SECRET_ID|VERSION_ID", id)
			}
			out, err := c.SecretsManager().GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &secretID, VersionId: &version})
			if err != nil {
				return nil, deletedSecret(err)
			}
			s := &secretVersionState{
				Arn: deref(out.ARN), VersionID: deref(out.VersionId),
				secretVersionArgs: secretVersionArgs{SecretID: secretID, String: out.SecretString, Stages: out.VersionStages},
			}
			if len(out.SecretBinary) > 0 {
				s.Binary = aws.String(base64.StdEncoding.EncodeToString(out.SecretBinary))
			}
			return s, nil
		},
		UpdateFn: moveStages,
		// A version can't be deleted: it loses its stages, but for the current one.
		DeleteFn: func(ctx context.Context, c *Call, id string, last *secretVersionState) error {
			for _, stage := range last.Stages {
				if stage == stageCurrent {
					continue
				}
				if err := c.moveStage(ctx, id, stage, false); err != nil {
					return deletedSecret(err)
				}
			}
			return nil
		},
	})
}

// deletedSecret is ErrGone for a secret that is deleted or waits for it.
func deletedSecret(err error) error {
	if isCode(err, "InvalidRequestException") && (strings.Contains(message(err), "because it was deleted") || strings.Contains(message(err), "because it was marked for deletion")) {
		return ErrGone
	}
	return gone(err, noSecret)
}

// moveStage gives a stage to the version of an id, or takes it away.
func (c *Call) moveStage(ctx context.Context, id, stage string, here bool) error {
	secretID, version, _ := strings.Cut(id, "|")
	x := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &secretID, VersionStage: &stage, RemoveFromVersionId: &version}
	if here {
		x.MoveToVersionId, x.RemoveFromVersionId = &version, nil
		if stage == stageCurrent { // it has to be said whose it was
			now, err := c.SecretsManager().GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &secretID})
			if err != nil {
				return err
			}
			x.RemoveFromVersionId = now.VersionId
		}
	}
	_, err := c.SecretsManager().UpdateSecretVersionStage(ctx, x)
	return err
}

func moveStages(ctx context.Context, c *Call, id string, last *secretVersionState, in *secretVersionArgs) error {
	for _, stage := range in.Stages {
		if slices.Contains(last.Stages, stage) {
			continue
		}
		if err := c.moveStage(ctx, id, stage, true); err != nil {
			return err
		}
	}
	for _, stage := range last.Stages {
		if slices.Contains(in.Stages, stage) || stage == stageCurrent || stage == "AWSPREVIOUS" && slices.Contains(in.Stages, stageCurrent) {
			continue // the current one can only be moved, and takes the previous one along
		}
		if err := c.moveStage(ctx, id, stage, false); err != nil {
			return err
		}
	}
	return nil
}
