package iam

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// role is a role as it is kept.
type role struct {
	entity
	Trust, Description string
	MaxSession         int32 // seconds
	Boundary           string
	Tags               map[string]string
	grants
}

// managedPolicy is a managed policy as it is kept.
type managedPolicy struct {
	Name, Path, ID, ARN, Description string
	Created, Updated                 time.Time
	Versions                         []policyVersion // oldest first
	Default                          string          // version id
	Next                             int             // number of the next version
	Tags                             map[string]string
}

type policyVersion struct {
	ID, Document string
	Created      time.Time
}

// document is the text of the default version.
func (p *managedPolicy) document() string {
	if v := p.version(p.Default); v != nil {
		return v.Document
	}
	return ""
}

func (p *managedPolicy) version(id string) *policyVersion {
	for i := range p.Versions {
		if p.Versions[i].ID == id {
			return &p.Versions[i]
		}
	}
	return nil
}

// encoded is how IAM returns policy documents: RFC 3986 percent-encoded.
func encoded(doc string) *string {
	return aws.String(strings.ReplaceAll(url.QueryEscape(doc), "+", "%20"))
}

func (r *role) output() *types.Role {
	out := &types.Role{
		RoleName: &r.Name, Path: &r.Path, RoleId: &r.ID, Arn: &r.ARN, CreateDate: &r.Created,
		AssumeRolePolicyDocument: encoded(r.Trust), MaxSessionDuration: &r.MaxSession,
		Tags: nilIfNone(tagList(r.Tags)), RoleLastUsed: &types.RoleLastUsed{}, PermissionsBoundary: boundaryOutput(r.Boundary),
	}
	if r.Description != "" {
		out.Description = &r.Description
	}
	return out
}

var tagRules = tags.Rules{
	Max: 50, TooMany: wire.Errorf(http.StatusConflict, "LimitExceeded", "The number of tags has reached the maximum limit."),
	Reserved:  wire.Errorf(http.StatusBadRequest, "InvalidInput", "Tag keys that begin with aws: are reserved."),
	Duplicate: wire.Errorf(http.StatusBadRequest, "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive."), Fold: true,
}

func tagList(have map[string]string) []types.Tag {
	return tags.List(have, func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} })
}

func addTags(have map[string]string, add []types.Tag) (map[string]string, error) {
	for i, t := range add {
		if k := aws.ToString(t.Key); !tagForm.MatchString(k) {
			return nil, constraint.Broken("ValidationError", fmt.Sprintf("tags.%d.member.key", i+1), k, constraint.Pattern(`[\p{L}\p{Z}\p{N}_.:/=+\-@]+`))
		}
	}
	return tagRules.Add(have, tags.Of(add, func(t types.Tag) (key, value *string) { return t.Key, t.Value }))
}

var (
	nameForm = lazyregexp.New(`^[\w+=,.@-]+$`)
	tagForm  = lazyregexp.New(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]+$`)
	pathForm = lazyregexp.New(`^(/|/[!-~]+/)$`)
)

// checkName checks a role's or policy's name in IAM's words.
func checkName(field string, name *string) error {
	if !nameForm.MatchString(aws.ToString(name)) {
		return wire.Errorf(http.StatusBadRequest, "ValidationError",
			"The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", field)
	}
	return nil
}

func checkPath(path *string) (string, error) {
	p := aws.ToString(path)
	if path == nil {
		return "/", nil
	}
	if !pathForm.MatchString(p) {
		return "", wire.Errorf(http.StatusBadRequest, "ValidationError",
			"The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	return p, nil
}

func noRole(name string) error {
	return wire.Errorf(http.StatusNotFound, "NoSuchEntity", "The role with name %s cannot be found.", name)
}

func noPolicy(arn string) error {
	return wire.Errorf(http.StatusNotFound, "NoSuchEntity", "Policy %s was not found.", arn)
}

// managedPolicy reads a policy of the account or of AWS.
func (s *Service) managedPolicy(tx *store.Tx, arn string) (*managedPolicy, error) {
	if p := s.managed[arn]; p != nil {
		return p, nil
	}
	p, found, err := store.Get[managedPolicy](tx, policiesBucket, arn)
	if err == nil && !found {
		err = noPolicy(arn)
	}
	return &p, err
}

// pageOf cuts one page out of items. marker is opaque to the caller.
func pageOf[T any](items []T, marker *string, limit *int32) (out []T, next *string, truncated bool, err error) {
	out, next, err = page.At(items, marker, limit, 100)
	if err != nil {
		return nil, nil, false, invalidMarker()
	}
	return out, next, next != nil, nil
}

func invalidMarker() error {
	return wire.Errorf(http.StatusBadRequest, "ValidationError", "Invalid Marker.")
}

func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
