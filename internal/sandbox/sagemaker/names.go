package sagemaker

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
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

const namePattern = `[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}`

var (
	nameRule = regexp.MustCompile(`^` + namePattern + `$`)
	roleRule = regexp.MustCompile(`^arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+$`)
)

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
	return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", value, member, rule)
}

func missing(member string) *wire.Error {
	return invalid("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", member)
}

func notFound(kind, arn string) *wire.Error {
	return invalid("Could not find %s %q.", spoken(kind), arn)
}

func exists(kind, arn string) *wire.Error {
	return invalid("Cannot create already existing %s %q.", spoken(kind), arn)
}

// checkName validates a resource name and returns it.
func checkName(name *string, member string) (string, error) {
	if name == nil {
		return "", missing(member)
	}
	if n := len(*name); n > 63 {
		return "", violation(*name, member, "Member must have length less than or equal to 63")
	}
	if !nameRule.MatchString(*name) {
		return "", violation(*name, member, "Member must satisfy regular expression pattern: "+namePattern)
	}
	return *name, nil
}

const maxTags = 50

func checkTags(tags []types.Tag) error {
	if len(tags) > maxTags {
		return violation(fmt.Sprint(len(tags)), "tags", "Member must have length less than or equal to 50")
	}
	seen := map[string]bool{}
	for _, t := range tags {
		k, v := aws.ToString(t.Key), aws.ToString(t.Value)
		switch {
		case k == "" || utf8.RuneCountInString(k) > 128:
			return violation(k, "tags.member.key", "Member must have length between 1 and 128")
		case utf8.RuneCountInString(v) > 256:
			return violation(v, "tags.member.value", "Member must have length less than or equal to 256")
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return invalid("Tag keys must not begin with 'aws:': %s", k)
		case seen[k]:
			return invalid("Duplicate tag key: %s", k)
		}
		seen[k] = true
	}
	return nil
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
	var tags []types.Tag
	err := s.cfg.DB.View(func(tx *store.Tx) (err error) {
		tags, _, err = store.Get[[]types.Tag](tx, bucketTags, arn)
		return err
	})
	t.Tags = make(map[string]string, len(tags))
	for _, tag := range tags {
		t.Tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
		t.Keys["sagemaker:ResourceTag/"+aws.ToString(tag.Key)] = []string{aws.ToString(tag.Value)}
	}
	return t, err
}
