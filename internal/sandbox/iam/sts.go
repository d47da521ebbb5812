package iam

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerSTS(r *wire.Router) {
	wire.Handle(r, "sts", "GetCallerIdentity", s.getCallerIdentity, wire.Free("https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html"))
	wire.Handle(r, "sts", "AssumeRole", s.assumeRole, wire.Access{On: onAssumed, Keys: assumeKeys, Tagging: "sts:TagSession"})
	wire.Handle(r, "sts", "GetSessionToken", s.getSessionToken, wire.Free("https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_getsessiontoken.html"))
	wire.Handle(r, "sts", "GetAccessKeyInfo", s.getAccessKeyInfo, wire.Access{})
}

func onAssumed(_ *wire.Request, in wire.Input) []string { return []string{in.Text("RoleArn")} }

// assumeKeys are the condition keys of the request for a session,
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
func assumeKeys(_ *wire.Request, in wire.Input) map[string][]string {
	keys := map[string][]string{"sts:RoleSessionName": {in.Text("RoleSessionName")}}
	if in.Has("ExternalId") {
		keys["sts:ExternalId"] = []string{in.Text("ExternalId")}
	}
	if transitive := in.Texts("TransitiveTagKeys"); len(transitive) > 0 {
		keys["sts:TransitiveTagKeys"] = transitive
	}
	return keys
}

// guardRoles asks a role's trust policy and the caller's own: where the trust policy
// names the caller they need not allow, but what they deny stays denied, and so does
// what a boundary keeps from a role. A role that does not exist is refused with the
// same words, and STS tells no reason.
func (s *Service) guardRoles(ctx context.Context, req *wire.Request, action, arn string, keys map[string][]string) error {
	t := policy.Target{ARN: arn, Mode: policy.ResourceFirst}
	if isRole(arn) {
		c, err := s.compile(arn)
		if err != nil {
			return err
		}
		refused := &wire.DeniedError{Principal: req.Principal, Action: action, Resource: arn}
		if c == nil {
			return refused
		}
		t.Policy, t.Tags = c.trust, c.role.Tags
		var denied *wire.DeniedError
		if err := policy.Authorize(ctx, req, t, action, keys); errors.As(err, &denied) {
			return refused
		} else if err != nil {
			return err
		}
		return nil
	}
	return req.Authorize(ctx, action, arn, keys)
}

// getAccessKeyInfo tells the account of a key, whoever asks.
func (s *Service) getAccessKeyInfo(_ context.Context, _ *wire.Request, in *sts.GetAccessKeyInfoInput) (*sts.GetAccessKeyInfoOutput, error) {
	id := aws.ToString(in.AccessKeyId)
	if a, ok := s.accountOfKey(id); ok {
		return &sts.GetAccessKeyInfoOutput{Account: &a.ID}, nil
	}
	own, found, err := store.Read[accessKey](s.DB, keysBucket, id)
	if err == nil && found {
		return &sts.GetAccessKeyInfoOutput{Account: &own.Account}, nil
	}
	if err != nil {
		return nil, err
	}
	k, found, err := s.session(id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, wire.Errorf(http.StatusBadRequest, "ValidationError", "Invalid Access Key: %s", id)
	}
	return &sts.GetAccessKeyInfoOutput{Account: &k.Principal.Account}, nil
}

// getCallerIdentity needs no permission.
func (s *Service) getCallerIdentity(_ context.Context, req *wire.Request, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
	p := req.Principal
	return &sts.GetCallerIdentityOutput{Account: &p.Account, Arn: &p.ARN, UserId: &p.UserID}, nil
}

func (s *Service) assumeRole(_ context.Context, req *wire.Request, in *sts.AssumeRoleInput) (*sts.AssumeRoleOutput, error) {
	arn, name := aws.ToString(in.RoleArn), aws.ToString(in.RoleSessionName)
	if !isRole(arn) {
		return nil, wire.Errorf(http.StatusBadRequest, "ValidationError", "%s is invalid", arn)
	}
	c, err := s.compile(arn)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, &wire.DeniedError{Principal: req.Principal, Action: "sts:AssumeRole", Resource: arn}
	}
	seconds := int32(3600)
	if in.DurationSeconds != nil {
		seconds = *in.DurationSeconds
	}
	switch {
	case req.Principal.Role != "" && seconds > 3600:
		return nil, wire.Errorf(http.StatusBadRequest, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	case seconds > c.role.MaxSession:
		return nil, wire.Errorf(http.StatusBadRequest, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	p := c.role.session(name)
	if p.Session, err = s.newSessionOf(req, c.role, in); err != nil {
		return nil, err
	}
	creds, err := s.newSession(p, time.Duration(seconds)*time.Second)
	if err != nil {
		return nil, err
	}
	return &sts.AssumeRoleOutput{
		Credentials:     credentialsOutput(creds),
		AssumedRoleUser: &types.AssumedRoleUser{Arn: &p.ARN, AssumedRoleId: &p.UserID}, PackedPolicySize: packed(in),
	}, nil
}

// packed is how much of the room for session policies and tags is used, in percent; nil
// where there are none. AWS does not say how it packs them: unsure but for the plain text.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
func packed(in *sts.AssumeRoleInput) *int32 {
	const room = 2048
	size := len(aws.ToString(in.Policy))
	for _, a := range in.PolicyArns {
		size += len(aws.ToString(a.Arn))
	}
	for _, t := range in.Tags {
		size += len(aws.ToString(t.Key)) + len(aws.ToString(t.Value))
	}
	if size == 0 {
		return nil
	}
	return aws.Int32(int32(min(1+size*100/room, 100)))
}

func isRole(text string) bool {
	a, ok := wire.ParseARN(text)
	return ok && a.Service == "iam" && strings.HasPrefix(a.Resource, "role/")
}

// newSessionOf is what a session is made with: the policies that bound it, and its
// tags over those of the role and the transitive ones of the caller's session.
func (s *Service) newSessionOf(req *wire.Request, ro role, in *sts.AssumeRoleInput) (*wire.Session, error) {
	out := &wire.Session{Tags: map[string]string{}}
	maps.Copy(out.Tags, ro.Tags)
	if from := req.Principal.Session; from != nil {
		for _, key := range from.Transitive {
			out.Tags[key] = from.Tags[key]
		}
		out.Transitive = slices.Clone(from.Transitive)
	}
	for _, t := range in.Tags {
		if slices.Contains(out.Transitive, *t.Key) {
			return nil, wire.Errorf(http.StatusBadRequest, "InvalidParameterValue",
				"One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
		out.Tags[*t.Key] = *t.Value
	}
	for _, key := range in.TransitiveTagKeys {
		if _, ok := out.Tags[key]; !ok {
			return nil, wire.Errorf(http.StatusBadRequest, "InvalidParameterValue", "The specified transitive tag key must be included in the requested tags.")
		}
		out.Transitive = append(out.Transitive, key)
	}
	var err error
	if out.Policies, err = s.sessionPolicies(in); err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Service) sessionPolicies(in *sts.AssumeRoleInput) (texts []string, err error) {
	if in.Policy != nil {
		if _, err := policy.Parse(*in.Policy, policy.Identity); err != nil {
			return nil, wire.Errorf(http.StatusBadRequest, "MalformedPolicyDocument", "%s", wire.AsError(err).Message)
		}
		texts = append(texts, *in.Policy)
	}
	err = s.DB.View(func(tx *store.Tx) error {
		for _, a := range in.PolicyArns {
			p, err := s.managedPolicy(tx, aws.ToString(a.Arn))
			if err != nil {
				return err
			}
			texts = append(texts, p.document())
		}
		return nil
	})
	return texts, err
}

func (s *Service) getSessionToken(_ context.Context, req *wire.Request, in *sts.GetSessionTokenInput) (*sts.GetSessionTokenOutput, error) {
	if callerName(req) == "" {
		return nil, wire.Errorf(http.StatusForbidden, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	}
	seconds := int32(43200)
	if in.DurationSeconds != nil {
		seconds = *in.DurationSeconds
	}
	creds, err := s.newSession(req.Principal, time.Duration(seconds)*time.Second)
	if err != nil {
		return nil, err
	}
	return &sts.GetSessionTokenOutput{Credentials: credentialsOutput(creds)}, nil
}

func credentialsOutput(c wire.Credentials) *types.Credentials {
	return &types.Credentials{
		AccessKeyId: &c.AccessKeyID, SecretAccessKey: &c.SecretAccessKey, SessionToken: &c.SessionToken, Expiration: &c.Expires,
	}
}
