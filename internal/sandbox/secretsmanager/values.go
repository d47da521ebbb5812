package secretsmanager

import (
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/envelope"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

var nameForm = lazyregexp.New(`^[A-Za-z0-9/_+=.@!-]+$`)

// seal makes a version of the value of a request; nil if it has none.
func (s *Service) seal(ctx context.Context, req *wire.Request, x secret, token, text *string, raw []byte) (*version, error) {
	if text != nil && raw != nil {
		return nil, fail("InvalidParameterException", "You can't specify both a binary secret value and a string secret value in the same secret.")
	}
	if text == nil && raw == nil {
		return nil, nil
	}
	v := version{ID: aws.ToString(token), Created: s.now(), Binary: text == nil}
	if v.ID == "" {
		v.ID = wire.NewID()
	}
	if text != nil {
		raw = []byte(*text)
	}
	key := x.Key
	if key == "" {
		key = managedKey
	}
	sum := sha256.Sum256(append([]byte(v.ID), raw...)) // salted: it tells nothing of the value
	v.Digest = sum[:]
	var err error
	v.Value, err = envelope.Seal(ctx, s.Router, req, key, bound(x.ARN, v.ID), raw)
	return &v, err
}

// add makes a version the one of some stages. The same version may be added again.
func (x *secret) add(v version, stages []string) error {
	for _, old := range x.Versions {
		switch {
		case old.ID != v.ID:
		case !slices.Equal(old.Digest, v.Digest):
			return errTokenUsed(v.ID, x.ARN)
		default:
			return nil
		}
	}
	if len(stages) == 0 {
		stages = []string{current}
	}
	for i := range x.Versions {
		old := &x.Versions[i]
		if has(stages, current) && has(old.Stages, previous) {
			old.Stages = slices.DeleteFunc(old.Stages, func(s string) bool { return s == previous })
		}
	}
	for i := range x.Versions {
		old := &x.Versions[i]
		was := has(old.Stages, current)
		old.Stages = slices.DeleteFunc(old.Stages, func(s string) bool { return has(stages, s) })
		if was && has(stages, current) {
			old.Stages = append(old.Stages, previous)
		}
	}
	v.Stages = slices.Clone(stages)
	x.Versions = append(x.Versions, v)
	for unstaged := len(x.Versions) - maxVersions; unstaged > 0; unstaged-- {
		i := slices.IndexFunc(x.Versions, func(v version) bool { return len(v.Stages) == 0 })
		if i < 0 {
			break
		}
		x.Versions = slices.Delete(x.Versions, i, i+1)
	}
	return nil
}

func badName() error {
	return fail("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
}

func (s *Service) create(ctx context.Context, req *wire.Request, in *sdk.CreateSecretInput) (*sdk.CreateSecretOutput, error) {
	if !nameForm.MatchString(*in.Name) {
		return nil, badName()
	}
	if len(in.AddReplicaRegions) > 0 || aws.ToString(in.Type) != "" {
		return nil, fail("InvalidParameterException", "the sandbox neither replicates secrets nor manages external ones")
	}
	x := secret{
		Name: *in.Name, ARN: req.ARN("secretsmanager", "secret:"+*in.Name+newSuffix()), Description: aws.ToString(in.Description),
		Key: aws.ToString(in.KmsKeyId), Created: s.now(), Changed: s.now(),
	}
	var err error
	if x.Tags, err = tagRules.Add(nil, tags.Of(in.Tags, func(t types.Tag) (key, value *string) { return t.Key, t.Value })); err != nil {
		return nil, err
	}
	if len(x.Tags) == 0 {
		x.Tags = nil
	}
	x.own(req.Principal)
	v, err := s.seal(ctx, req, x, in.ClientRequestToken, in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	out := &sdk.CreateSecretOutput{ARN: &x.ARN, Name: &x.Name}
	err = s.DB.Update(func(tx *store.Tx) error {
		old, err := s.find(tx, req, x.Name)
		if err == nil {
			return created(old, v, out)
		}
		if v != nil {
			if err := x.add(*v, nil); err != nil {
				return err
			}
			out.VersionId = &v.ID
		}
		return store.Put(tx, secretsBucket, req.Key(x.Name), x)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// own marks a secret that an AWS service makes for its own use, as EventBridge does.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/service-linked-secrets.html
func (x *secret) own(p wire.Principal) {
	if p.Service == "" || p.Role != "" {
		return
	}
	x.Owner, _, _ = strings.Cut(p.Service, ".")
	x.Tags = maps.Clone(x.Tags)
	if x.Tags == nil {
		x.Tags = map[string]string{}
	}
	x.Tags["aws:secretsmanager:owningService"] = x.Owner
}

// errTokenUsed refuses another value for a version that there is, in CreateSecret too
// (getmoto/moto, test_create_different_secret_with_same_token, verified against AWS).
func errTokenUsed(token, arn string) error {
	return fail("ResourceExistsException", "You can't use ClientRequestToken %s because that value is already in use for a version of secret %s.", token, arn)
}

// created answers for a secret that is there: it was made by the same request, or the
// name is taken.
func created(old secret, v *version, out *sdk.CreateSecretOutput) error {
	if !old.Deletion.IsZero() {
		return fail("InvalidRequestException", "You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	if v != nil && len(old.Versions) == 1 && old.Versions[0].ID == v.ID && slices.Equal(old.Versions[0].Digest, v.Digest) {
		out.ARN, out.VersionId = &old.ARN, &v.ID
		return nil
	}
	if v != nil && slices.ContainsFunc(old.Versions, func(o version) bool { return o.ID == v.ID }) {
		return errTokenUsed(v.ID, old.ARN)
	}
	return fail("ResourceExistsException", "The operation failed because the secret %s already exists.", old.Name)
}

func (s *Service) put(ctx context.Context, req *wire.Request, in *sdk.PutSecretValueInput) (*sdk.PutSecretValueOutput, error) {
	x, err := s.open(req, in.SecretId)
	if err != nil {
		return nil, err
	}
	v, err := s.seal(ctx, req, x, in.ClientRequestToken, in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, fail("InvalidParameterException", "You must provide either SecretString or SecretBinary.")
	}
	x, err = s.change(req, x.ARN, func(x *secret) error {
		if !x.Deletion.IsZero() {
			return deleted()
		}
		x.Changed = s.now()
		stages := in.VersionStages
		if len(x.Versions) == 0 && len(stages) > 0 && !has(stages, current) {
			stages = append(stages, current) // the first version always is it
		}
		return x.add(*v, stages)
	})
	if err != nil {
		return nil, err
	}
	now, err := x.at(v.ID, "")
	return &sdk.PutSecretValueOutput{ARN: &x.ARN, Name: &x.Name, VersionId: &v.ID, VersionStages: now.Stages}, err
}

func (s *Service) update(ctx context.Context, req *wire.Request, in *sdk.UpdateSecretInput) (*sdk.UpdateSecretOutput, error) {
	x, err := s.open(req, in.SecretId)
	if err != nil {
		return nil, err
	}
	if in.KmsKeyId != nil {
		x.Key = *in.KmsKeyId
	}
	v, err := s.seal(ctx, req, x, in.ClientRequestToken, in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	key, out := x.Key, &sdk.UpdateSecretOutput{ARN: &x.ARN, Name: &x.Name}
	_, err = s.change(req, x.ARN, func(x *secret) error {
		if !x.Deletion.IsZero() {
			return deleted()
		}
		x.Changed, x.Key = s.now(), key
		if in.Description != nil {
			x.Description = *in.Description
		}
		if v == nil {
			return nil
		}
		out.VersionId = &v.ID
		return x.add(*v, nil)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Service) get(ctx context.Context, req *wire.Request, in *sdk.GetSecretValueInput) (*sdk.GetSecretValueOutput, error) {
	x, err := s.open(req, in.SecretId)
	if err != nil {
		return nil, err
	}
	if !x.Deletion.IsZero() {
		return nil, deleted()
	}
	stage := aws.ToString(in.VersionStage)
	if stage == "" && in.VersionId == nil {
		stage = current
	}
	v, err := x.at(aws.ToString(in.VersionId), stage)
	if err != nil {
		return nil, err
	}
	raw, err := v.Value.Open(ctx, s.Router, req, bound(x.ARN, v.ID))
	if err != nil {
		return nil, err
	}
	if day := s.now().Truncate(24 * time.Hour); !x.Accessed.Equal(day) || !v.Accessed.Equal(day) { // kept to the day
		_, err := s.change(req, x.ARN, func(x *secret) error {
			x.Accessed = day
			for i := range x.Versions {
				if x.Versions[i].ID == v.ID {
					x.Versions[i].Accessed = day
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	out := &sdk.GetSecretValueOutput{ARN: &x.ARN, Name: &x.Name, VersionId: &v.ID, VersionStages: v.Stages, CreatedDate: &v.Created}
	if v.Binary {
		out.SecretBinary = raw
	} else {
		out.SecretString = aws.String(string(raw))
	}
	return out, nil
}

// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
var tagRules = tags.Rules{
	Max: 50, TooMany: fail("InvalidRequestException", "You can't have more than 50 tags on a secret."),
	Reserved: fail("InvalidParameterException", "The tag key {key} begins with aws:, which is reserved."),
}

// tagsOf are a secret's tags; the member is left out until there was one.
func tagsOf(x secret) []types.Tag {
	if x.Tags == nil {
		return nil
	}
	return tags.List(x.Tags, func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} })
}
