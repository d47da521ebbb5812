package sagemaker

import (
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Kinds of resources as they stand in ARNs.
const (
	kindModel    = "model"
	kindConfig   = "endpoint-config"
	kindEndpoint = "endpoint"
)

// spoken is how AWS's messages call a kind.
func spoken(kind string) string {
	if kind == kindConfig {
		return "endpoint configuration"
	}
	return kind
}

func arnOf(req *wire.Request, kind, name string) string { return req.ARN("sagemaker", kind+"/"+name) }

// scopeOf is where the resource of an ARN of ours is at home.
func scopeOf(arn string) wire.Scope {
	a, _ := wire.ParseARN(arn)
	return wire.ScopeOfARN(a)
}

// invalid is a ValidationException with SageMaker's status.
func invalid(format string, args ...any) *wire.Error {
	return wire.Errorf(http.StatusBadRequest, "ValidationException", format, args...)
}

// violation is the text that AWS's own request validation writes.
func violation(value, member, rule string) *wire.Error {
	return constraint.Broken("ValidationException", member, value, rule)
}

func missing(member string) *wire.Error {
	return constraint.Broken("ValidationException", member, nil, constraint.NotNull)
}

func notFound(kind, arn string) *wire.Error {
	return invalid("Could not find %s %q.", spoken(kind), arn)
}

func exists(kind, arn string) *wire.Error {
	return invalid("Cannot create already existing %s %q.", spoken(kind), arn)
}

// tagRules are what SageMaker demands of tags.
var tagRules = tags.Rules{
	Max: 50, TooMany: invalid("The number of tags exceeds the limit of 50."),
	Reserved: invalid("Tag keys must not begin with 'aws:': {key}"), Duplicate: invalid("Duplicate tag key: {key}"),
}

func splitTag(t types.Tag) (key, value *string) { return t.Key, t.Value }

func checkTags(list []types.Tag) error {
	_, err := tagRules.Add(nil, tags.Of(list, splitTag))
	return err
}

func onModel(req *wire.Request, in wire.Input) []string {
	return []string{arnOf(req, kindModel, in.Text("ModelName"))}
}

func onConfig(req *wire.Request, in wire.Input) []string {
	return []string{arnOf(req, kindConfig, in.Text("EndpointConfigName"))}
}

func onEndpoint(req *wire.Request, in wire.Input) []string {
	return []string{arnOf(req, kindEndpoint, in.Text("EndpointName"))}
}

// onEndpointAndConfig: who gives an endpoint a configuration has to be allowed that on
// both.
func onEndpointAndConfig(req *wire.Request, in wire.Input) []string {
	return append(onEndpoint(req, in), onConfig(req, in)...)
}

func onARN(_ *wire.Request, in wire.Input) []string { return []string{in.Text("ResourceArn")} }

// target is what a decision about a resource has to know.
func (s *Service) target(req *wire.Request, arn string) (policy.Target, error) {
	t := policy.Target{ARN: arn, Keys: map[string][]string{}}
	if req.Principal.Admin {
		return t, nil // tags decide nothing
	}
	var list []types.Tag
	err := s.cfg.DB.View(func(tx *store.Tx) (err error) {
		list, _, err = store.Get[[]types.Tag](tx, bucketTags, arn)
		return err
	})
	t.Tags = make(map[string]string, len(list))
	for _, tag := range list {
		t.Tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
		t.Keys["sagemaker:ResourceTag/"+aws.ToString(tag.Key)] = []string{aws.ToString(tag.Value)}
	}
	return t, err
}
