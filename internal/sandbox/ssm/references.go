package ssm

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// secretPath begins the names that stand for secrets of Secrets Manager.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/integration-ps-secretsmanager.html
const secretPath = "/aws/reference/secretsmanager/"

var versionID = lazyregexp.New(`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)

// secret reads a secret as a parameter, with the caller's own rights to it. What follows a
// colon is the id of a version, or a stage.
func (s *Service) secret(ctx context.Context, req *wire.Request, ref string, decrypt bool) (*types.Parameter, error) {
	if !decrypt {
		return nil, fail("ValidationException", "WithDecryption flag must be True for retrieving a Secret Manager secret.")
	}
	name, selector, selected := strings.Cut(strings.TrimPrefix(ref, secretPath), ":")
	in := map[string]string{"SecretId": name}
	switch {
	case selected && versionID.MatchString(selector):
		in["VersionId"] = selector
	case selected:
		in["VersionStage"] = selector
	}
	raw, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	raw, err = s.Router.Invoke(ctx, req.Scope, req.Principal, "secretsmanager", "GetSecretValue", raw)
	if err != nil {
		e := wire.AsError(err)
		if e.Code == "ResourceNotFoundException" {
			return nil, fail("ParameterNotFound", "An error occurred (ParameterNotFound) when referencing Secrets Manager: Secret %s not found.", ref)
		}
		return nil, fail(e.Code, "An error occurred (%s) when referencing Secrets Manager: %s", e.Code, e.Message)
	}
	var got struct {
		ARN          string
		CreatedDate  json.Number
		SecretString *string
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		return nil, err
	}
	if got.SecretString == nil {
		return nil, fail("ValidationException", "the secret %s is no text", name)
	}
	whole := strings.TrimSuffix(ref, ":"+selector)
	p := &types.Parameter{
		Name: &whole, ARN: &got.ARN, Type: types.ParameterTypeSecureString, Value: got.SecretString, DataType: aws.String("text"), SourceResult: aws.String(string(raw)),
	}
	if seconds, err := got.CreatedDate.Float64(); err == nil {
		p.LastModifiedDate = aws.Time(time.UnixMilli(int64(seconds * 1000)).UTC())
	}
	if selected {
		p.Selector = aws.String(":" + selector)
	}
	return p, nil
}
