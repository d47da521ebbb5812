package iam

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// role is a role as it is kept.
type role struct {
	Name, Path, ID, ARN string
	Created             time.Time
	Trust, Description  string
	MaxSession          int32 // seconds
	Boundary            string
	Tags                map[string]string
	Inline              map[string]string // policy name -> document
	Attached            []string          // policy ARNs in the order of attaching
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
		Tags: nilIfNone(tagList(r.Tags)), RoleLastUsed: &types.RoleLastUsed{},
	}
	if r.Description != "" {
		out.Description = &r.Description
	}
	if r.Boundary != "" {
		out.PermissionsBoundary = &types.AttachedPermissionsBoundary{
			PermissionsBoundaryArn: &r.Boundary, PermissionsBoundaryType: types.PermissionsBoundaryAttachmentTypePolicy,
		}
	}
	return out
}

func tagList(tags map[string]string) []types.Tag {
	out := make([]types.Tag, 0, len(tags))
	for k, v := range tags {
		out = append(out, types.Tag{Key: aws.String(k), Value: aws.String(v)})
	}
	slices.SortFunc(out, func(a, b types.Tag) int { return cmp.Compare(*a.Key, *b.Key) })
	return out
}

// addTags checks new tags and adds them to tags.
func addTags(tags map[string]string, add []types.Tag) (map[string]string, error) {
	if len(add) == 0 {
		return tags, nil
	}
	out := map[string]string{}
	for k, v := range tags {
		out[k] = v
	}
	seen := map[string]bool{}
	for i, t := range add {
		k, v := aws.ToString(t.Key), aws.ToString(t.Value)
		if n := utf8.RuneCountInString(k); n < 1 || n > 128 {
			return nil, invalid("tags.%d.member.key", "Member must have length between 1 and 128", i+1)
		}
		if utf8.RuneCountInString(v) > 256 {
			return nil, invalid("tags.%d.member.value", "Member must have length less than or equal to 256", i+1)
		}
		if !tagForm.MatchString(k) {
			return nil, invalid("tags.%d.member.key", `Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+`, i+1)
		}
		if strings.HasPrefix(strings.ToLower(k), "aws:") {
			return nil, wire.Errorf(http.StatusBadRequest, "InvalidInput", "Tag keys that begin with aws: are reserved.")
		}
		if low := strings.ToLower(k); seen[low] {
			return nil, wire.Errorf(http.StatusBadRequest, "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		} else {
			seen[low] = true
		}
		out[k] = v
	}
	if len(out) > 50 {
		return nil, wire.Errorf(http.StatusConflict, "LimitExceeded", "The number of tags has reached the maximum limit.")
	}
	return out, nil
}

func removeTags(tags map[string]string, keys []string) map[string]string {
	out := map[string]string{}
	for k, v := range tags {
		if !slices.Contains(keys, k) {
			out[k] = v
		}
	}
	return out
}

func invalid(field, constraint string, args ...any) error {
	return wire.Errorf(http.StatusBadRequest, "ValidationError", "1 validation error detected: Value at '"+field+"' failed to satisfy constraint: "+constraint, args...)
}

var (
	nameForm = regexp.MustCompile(`^[\w+=,.@-]+$`)
	tagForm  = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]+$`)
	pathForm = regexp.MustCompile(`^(/|/[!-~]+/)$`)
)

// checkName checks a role's (64) or policy's (128) name.
func checkName(field string, name *string, limit int) error {
	n := aws.ToString(name)
	switch {
	case n == "":
		return invalid(field, "Member must not be null")
	case len(n) > limit:
		return invalid(field, "Member must have length less than or equal to %d", limit)
	case !nameForm.MatchString(n):
		return wire.Errorf(http.StatusBadRequest, "ValidationError", "The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", field)
	}
	return nil
}

func checkPath(path *string) (string, error) {
	p := aws.ToString(path)
	if path == nil {
		return "/", nil
	}
	if len(p) > 512 || !pathForm.MatchString(p) {
		return "", wire.Errorf(http.StatusBadRequest, "ValidationError", "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	return p, nil
}

func noRole(name string) error {
	return wire.Errorf(http.StatusNotFound, "NoSuchEntity", "The role with name %s cannot be found.", name)
}

func noPolicy(arn string) error {
	return wire.Errorf(http.StatusNotFound, "NoSuchEntity", "Policy %s was not found.", arn)
}

// key is where the store has the role.
func (r *role) key() string {
	a, _ := wire.ParseARN(r.ARN)
	return wire.ScopeOfARN(a).GlobalKey(r.Name)
}

func getRole(tx *store.Tx, sc wire.Scope, name string) (role, error) {
	r, found, err := store.Get[role](tx, rolesBucket, sc.GlobalKey(name))
	if err == nil && !found {
		err = noRole(name)
	}
	return r, err
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

// page cuts one page out of items. marker is opaque to the caller.
func page[T any](items []T, marker *string, max *int32) (out []T, next *string, truncated bool, err error) {
	limit := 100
	if max != nil {
		if *max < 1 || *max > 1000 {
			return nil, nil, false, invalid("maxItems", "Member must have value between 1 and 1000")
		}
		limit = int(*max)
	}
	start := 0
	if m := aws.ToString(marker); m != "" {
		raw, err := base64.RawURLEncoding.DecodeString(m)
		if err == nil {
			start, err = strconv.Atoi(string(raw))
		}
		if err != nil || start < 0 {
			return nil, nil, false, wire.Errorf(http.StatusBadRequest, "ValidationError", "Invalid Marker.")
		}
	}
	start = min(start, len(items))
	end := min(start+limit, len(items))
	if end < len(items) {
		next = aws.String(base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(end))))
	}
	return items[start:end], next, end < len(items), nil
}
