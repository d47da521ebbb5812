package iam

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerSTS(r *wire.Router) {
	wire.Handle(r, "sts", "GetCallerIdentity", s.getCallerIdentity)
	wire.Handle(r, "sts", "AssumeRole", s.assumeRole)
	wire.Handle(r, "sts", "GetSessionToken", s.getSessionToken)
	wire.Handle(r, "sts", "GetAccessKeyInfo", s.getAccessKeyInfo)
}

// getAccessKeyInfo tells the account of a key, whoever asks.
func (s *Service) getAccessKeyInfo(_ context.Context, _ *wire.Request, in *sts.GetAccessKeyInfoInput) (*sts.GetAccessKeyInfoOutput, error) {
	id := aws.ToString(in.AccessKeyId)
	if a, ok := s.accountOfKey(id); ok {
		return &sts.GetAccessKeyInfoOutput{Account: &a.ID}, nil
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

var sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

func (s *Service) assumeRole(ctx context.Context, req *wire.Request, in *sts.AssumeRoleInput) (*sts.AssumeRoleOutput, error) {
	arn, name := aws.ToString(in.RoleArn), aws.ToString(in.RoleSessionName)
	switch {
	case !strings.HasPrefix(arn, "arn:") || !strings.Contains(arn, ":role/"):
		return nil, wire.Errorf(http.StatusBadRequest, "ValidationError", "%s is invalid", arn)
	case !sessionName.MatchString(name):
		return nil, invalid("roleSessionName", `Member must satisfy regular expression pattern: [\w+=,.@-]*`)
	case in.Policy != nil || len(in.PolicyArns) > 0:
		return nil, wire.Errorf(http.StatusNotImplemented, "NotImplemented", "the sandbox does not support session policies")
	case len(in.Tags) > 0 || len(in.TransitiveTagKeys) > 0:
		return nil, wire.Errorf(http.StatusNotImplemented, "NotImplemented", "the sandbox does not support session tags")
	}
	c, err := s.mayAssume(ctx, req, arn, in)
	if err != nil {
		return nil, err
	}
	seconds := int32(3600)
	if in.DurationSeconds != nil {
		seconds = *in.DurationSeconds
	}
	switch {
	case seconds < 900:
		return nil, invalid("durationSeconds", "Member must have value greater than or equal to 900")
	case req.Principal.Role != "" && seconds > 3600:
		return nil, wire.Errorf(http.StatusBadRequest, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	case seconds > c.role.MaxSession:
		return nil, wire.Errorf(http.StatusBadRequest, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	p := c.role.session(name)
	creds, err := s.newSession(p, time.Duration(seconds)*time.Second)
	if err != nil {
		return nil, err
	}
	return &sts.AssumeRoleOutput{
		Credentials:     credentialsOutput(creds),
		AssumedRoleUser: &types.AssumedRoleUser{Arn: &p.ARN, AssumedRoleId: &p.UserID},
	}, nil
}

// mayAssume asks the role's trust policy and the caller's own: where the trust
// policy names the caller they need not allow, but what they deny stays denied, and
// so does what a boundary keeps from a role. A role that does not exist is refused
// with the same words.
func (s *Service) mayAssume(ctx context.Context, req *wire.Request, arn string, in *sts.AssumeRoleInput) (*compiledRole, error) {
	refused := wire.Errorf(http.StatusForbidden, "AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", req.Principal.ARN, arn)
	c, err := s.compile(arn)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, refused
	}
	keys := req.ConditionKeys(map[string][]string{"sts:RoleSessionName": {*in.RoleSessionName}})
	if in.ExternalId != nil {
		keys["sts:ExternalId"] = []string{*in.ExternalId}
	}
	err = policy.Authorize(ctx, req, policy.ResourceFirst, c.trust, "sts:AssumeRole", arn, keys, s.Clock.Now())
	var denied *policy.DeniedError
	switch {
	case errors.As(err, &denied):
		return nil, refused
	case err != nil:
		return nil, err
	}
	return c, nil
}

func (s *Service) getSessionToken(_ context.Context, req *wire.Request, in *sts.GetSessionTokenInput) (*sts.GetSessionTokenOutput, error) {
	if !req.Principal.Admin {
		return nil, wire.Errorf(http.StatusForbidden, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	}
	seconds := int32(43200)
	if in.DurationSeconds != nil {
		seconds = *in.DurationSeconds
	}
	if seconds < 900 || seconds > 129600 {
		return nil, invalid("durationSeconds", "Member must have value between 900 and 129600")
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
