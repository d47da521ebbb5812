package interpreter

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// assumeRole lets p assume another role through STS, which checks both p's
// permission and the role's trust.
func (s *Engine) assumeRole(ctx context.Context, sc wire.Scope, p wire.Principal, role, session string) (wire.Principal, error) {
	if len(session) > 64 { // the limit of a role session's name
		session = session[:64]
	}
	in, err := json.Marshal(map[string]string{"RoleArn": role, "RoleSessionName": session})
	if err != nil {
		return wire.Principal{}, err
	}
	raw, err := s.Router.Invoke(ctx, sc, p, "sts", "AssumeRole", in)
	if err != nil {
		return wire.Principal{}, err
	}
	var out struct {
		AssumedRoleUser struct{ Arn, AssumedRoleId string }
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return wire.Principal{}, err
	}
	named, _ := wire.ParseARN(role)
	return wire.Principal{
		Account: named.AccountID, ARN: out.AssumedRoleUser.Arn, UserID: out.AssumedRoleUser.AssumedRoleId,
		Role: role[strings.LastIndexByte(role, '/')+1:], RoleARN: role,
	}, nil
}
