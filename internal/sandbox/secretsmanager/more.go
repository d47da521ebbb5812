package secretsmanager

import (
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/optional"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// The bounds of a random password, and its kinds of characters.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetRandomPassword.html
const (
	standardPassword = 32
	longestPassword  = 4096
	lowercase        = "abcdefghijklmnopqrstuvwxyz"
	numbers          = "0123456789"
	punctuation      = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
)

// password is a random text with one character of each kind at least, unless that is
// not required. Each character is as likely as every other.
func password(kinds []string, size int, each bool) string {
	var all strings.Builder
	for _, k := range kinds {
		all.WriteString(k)
	}
	pick := func(from string) byte {
		n, _ := rand.Int(rand.Reader, big.NewInt(int64(len(from)))) // never fails (crypto/rand)
		return from[n.Int64()]
	}
	out := make([]byte, size)
	for i := range out {
		if each && i < len(kinds) {
			out[i] = pick(kinds[i])
		} else {
			out[i] = pick(all.String())
		}
	}
	for i := len(out) - 1; i > 0; i-- { // so that the kinds are in no order
		n, _ := rand.Int(rand.Reader, big.NewInt(int64(i+1))) // never fails (crypto/rand)
		out[i], out[n.Int64()] = out[n.Int64()], out[i]
	}
	return string(out)
}

func (s *Service) randomPassword(_ context.Context, _ *wire.Request, in *sdk.GetRandomPasswordInput) (*sdk.GetRandomPasswordOutput, error) {
	size := int64(standardPassword)
	if in.PasswordLength != nil {
		size = *in.PasswordLength
	}
	var kinds []string
	for _, k := range []struct {
		characters string
		left       bool
	}{
		{lowercase, aws.ToBool(in.ExcludeLowercase)},
		{strings.ToUpper(lowercase), aws.ToBool(in.ExcludeUppercase)},
		{numbers, aws.ToBool(in.ExcludeNumbers)},
		{punctuation, aws.ToBool(in.ExcludePunctuation)},
		{" ", !aws.ToBool(in.IncludeSpace)},
	} {
		if k.left {
			continue
		}
		if left := strings.Map(func(r rune) rune {
			if strings.ContainsRune(aws.ToString(in.ExcludeCharacters), r) {
				return -1
			}
			return r
		}, k.characters); left != "" {
			kinds = append(kinds, left)
		}
	}
	each := in.RequireEachIncludedType == nil || *in.RequireEachIncludedType
	switch {
	case size > longestPassword:
		return nil, fail("InvalidParameterException", "Password length can't be greater than %d.", longestPassword)
	case len(kinds) == 0:
		return nil, fail("InvalidParameterException", "The password has no character that it may be made of.")
	case size < 1 || each && size < int64(len(kinds)):
		return nil, fail("InvalidParameterException", "Password length is too short based on the required types.")
	}
	return &sdk.GetRandomPasswordOutput{RandomPassword: aws.String(password(kinds, int(size), each))}, nil
}

func (s *Service) tag(_ context.Context, req *wire.Request, in *sdk.TagResourceInput) (*sdk.TagResourceOutput, error) {
	_, err := s.change(req, *in.SecretId, func(x *secret) error {
		if !x.Deletion.IsZero() {
			return deleted()
		}
		if x.Tags == nil {
			x.Tags = map[string]string{}
		}
		for _, t := range in.Tags {
			x.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
		if len(x.Tags) > maxTags {
			return fail("InvalidParameterException", "You have exceeded the maximum number of tags, which is %d.", maxTags)
		}
		return nil
	})
	return &sdk.TagResourceOutput{}, err
}

const maxTags = 50

func (s *Service) untag(_ context.Context, req *wire.Request, in *sdk.UntagResourceInput) (*sdk.UntagResourceOutput, error) {
	_, err := s.change(req, *in.SecretId, func(x *secret) error {
		if !x.Deletion.IsZero() {
			return deleted()
		}
		for _, k := range in.TagKeys {
			delete(x.Tags, k)
		}
		return nil
	})
	return &sdk.UntagResourceOutput{}, err
}

func (s *Service) putPolicy(_ context.Context, req *wire.Request, in *sdk.PutResourcePolicyInput) (*sdk.PutResourcePolicyOutput, error) {
	if aws.ToBool(in.BlockPublicPolicy) {
		return nil, fail("InvalidParameterException", "the sandbox does not tell whether a policy is public")
	}
	x, err := s.change(req, *in.SecretId, func(x *secret) error {
		if !x.Deletion.IsZero() {
			return deleted()
		}
		if _, err := policy.Parse(*in.ResourcePolicy, policy.Resource); err != nil {
			return fail("MalformedPolicyDocumentException", "This resource policy contains invalid Json: %s", err)
		}
		x.Policy = *in.ResourcePolicy
		return nil
	})
	return &sdk.PutResourcePolicyOutput{ARN: &x.ARN, Name: &x.Name}, err
}

func (s *Service) getPolicy(_ context.Context, req *wire.Request, in *sdk.GetResourcePolicyInput) (*sdk.GetResourcePolicyOutput, error) {
	x, err := s.open(req, in.SecretId)
	return &sdk.GetResourcePolicyOutput{ARN: &x.ARN, Name: &x.Name, ResourcePolicy: optional.Of(x.Policy)}, err
}

func (s *Service) deletePolicy(_ context.Context, req *wire.Request, in *sdk.DeleteResourcePolicyInput) (*sdk.DeleteResourcePolicyOutput, error) {
	x, err := s.change(req, *in.SecretId, func(x *secret) error { x.Policy = ""; return nil })
	return &sdk.DeleteResourcePolicyOutput{ARN: &x.ARN, Name: &x.Name}, err
}

// versions lists a secret's versions, those without a stage only if they are asked for.
func (s *Service) versions(_ context.Context, req *wire.Request, in *sdk.ListSecretVersionIdsInput) (*sdk.ListSecretVersionIdsOutput, error) {
	x, err := s.open(req, in.SecretId)
	if err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(slices.Clone(x.Versions), func(v version) bool { return len(v.Stages) == 0 && !aws.ToBool(in.IncludeDeprecated) })
	slices.SortFunc(all, func(a, b version) int { return strings.Compare(a.ID, b.ID) })
	some, next, err := page.Of(all, in.NextToken, in.MaxResults, 100, func(v version) string { return v.ID })
	if errors.Is(err, page.ErrToken) {
		return nil, fail("InvalidNextTokenException", "Invalid nextToken specified.")
	}
	key := x.Key
	if key == "" {
		key = "DefaultEncryptionKey"
	}
	out := &sdk.ListSecretVersionIdsOutput{ARN: &x.ARN, Name: &x.Name, NextToken: next, Versions: []types.SecretVersionsListEntry{}}
	for _, v := range some {
		if len(v.Stages) == 0 {
			v.Stages = nil // the member is left out
		}
		out.Versions = append(out.Versions, types.SecretVersionsListEntry{
			VersionId: &v.ID, VersionStages: v.Stages, CreatedDate: &v.Created, LastAccessedDate: optional.Of(v.Accessed), KmsKeyIds: []string{key},
		})
	}
	return out, err
}

// moveStage takes a stage from one version and gives it to another. The version that
// AWSCURRENT is taken from becomes AWSPREVIOUS.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
func (s *Service) moveStage(_ context.Context, req *wire.Request, in *sdk.UpdateSecretVersionStageInput) (*sdk.UpdateSecretVersionStageOutput, error) {
	stage, from, to := *in.VersionStage, aws.ToString(in.RemoveFromVersionId), aws.ToString(in.MoveToVersionId)
	x, err := s.change(req, *in.SecretId, func(x *secret) error {
		if !x.Deletion.IsZero() {
			return deleted()
		}
		for _, id := range []string{from, to} {
			if _, err := x.at(id, ""); id != "" && err != nil {
				return err
			}
		}
		holder := slices.IndexFunc(x.Versions, func(v version) bool { return has(v.Stages, stage) })
		switch {
		case from == "" && to == "":
			return fail("InvalidParameterException", "You must provide either MoveToVersionId or RemoveFromVersionId.")
		case from != "" && (holder < 0 || x.Versions[holder].ID != from):
			return fail("InvalidParameterException", "Not a valid version: staging label %s is not attached to version %s.", stage, from)
		case holder >= 0 && from == "" && x.Versions[holder].ID != to:
			return fail("InvalidParameterException", "The parameter RemoveFromVersionId can't be empty. Staging label %s is currently attached to version %s, "+
				"so you must explicitly reference that version in RemoveFromVersionId.", stage, x.Versions[holder].ID)
		case stage == current && to == "":
			return fail("InvalidParameterException", "You can only move staging label %s to a different secret version. It can't be completely removed.", current)
		}
		if from == to || holder >= 0 && x.Versions[holder].ID == to {
			return nil
		}
		x.take(stage, from)
		for i := range x.Versions {
			if v := &x.Versions[i]; v.ID == to {
				v.Stages = append(v.Stages, stage)
			}
		}
		x.Changed = s.now()
		return nil
	})
	return &sdk.UpdateSecretVersionStageOutput{ARN: &x.ARN, Name: &x.Name}, err
}

// take takes a stage from the version of an id, "" for none.
func (x *secret) take(stage, from string) {
	if from == "" {
		return
	}
	for i := range x.Versions {
		v := &x.Versions[i]
		v.Stages = slices.DeleteFunc(slices.Clone(v.Stages), func(s string) bool {
			return s == stage && v.ID == from || stage == current && s == previous
		})
		if stage == current && v.ID == from {
			v.Stages = append(v.Stages, previous)
		}
	}
}

// batch reads several secrets, by a list or by filters; what cannot be read is told
// beside the others.
func (s *Service) batch(ctx context.Context, req *wire.Request, in *sdk.BatchGetSecretValueInput) (*sdk.BatchGetSecretValueOutput, error) {
	ids := in.SecretIdList
	out := &sdk.BatchGetSecretValueOutput{SecretValues: []types.SecretValueEntry{}, Errors: []types.APIErrorType{}}
	switch {
	case len(ids) > 0 && len(in.Filters) > 0:
		return nil, fail("InvalidParameterException", "Either 'SecretIdList' or 'Filters' must be provided, but not both.")
	case len(ids) > 0 && in.MaxResults != nil:
		return nil, fail("InvalidParameterException", "'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided.")
	case len(ids) == 0:
		listed, err := s.list(ctx, req, &sdk.ListSecretsInput{Filters: in.Filters, MaxResults: in.MaxResults, NextToken: in.NextToken})
		if err != nil {
			return nil, err
		}
		out.NextToken = listed.NextToken
		for _, x := range listed.SecretList {
			ids = append(ids, *x.ARN)
		}
	}
	for _, id := range ids {
		v, err := s.readOne(ctx, req, id)
		if err != nil {
			var e *wire.Error
			if !errors.As(err, &e) || e.Status >= 500 {
				return nil, err
			}
			out.Errors = append(out.Errors, types.APIErrorType{SecretId: aws.String(id), ErrorCode: &e.Code, Message: &e.Message})
			continue
		}
		out.SecretValues = append(out.SecretValues, types.SecretValueEntry{
			ARN: v.ARN, Name: v.Name, VersionId: v.VersionId, VersionStages: v.VersionStages, CreatedDate: v.CreatedDate, SecretString: v.SecretString, SecretBinary: v.SecretBinary,
		})
	}
	return out, nil
}

// readOne reads a secret of a batch, which needs the permission to read that secret.
func (s *Service) readOne(ctx context.Context, req *wire.Request, id string) (*sdk.GetSecretValueOutput, error) {
	for _, arn := range s.onSecret(req, wire.Input{"SecretId": id}) {
		if err := req.May(ctx, "secretsmanager:GetSecretValue", arn, nil); err != nil {
			return nil, fail("AccessDeniedException", "%s", err)
		}
	}
	return s.get(ctx, req, &sdk.GetSecretValueInput{SecretId: &id})
}
