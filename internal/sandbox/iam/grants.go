package iam

import (
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// grants are the policies of a user, group or role, as they are kept in each.
type grants struct {
	Inline   map[string]string // policy name -> document
	Attached []string          // policy ARNs in the order of attaching
}

// Quotas of the inline policies of an entity together, in characters without white
// space: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	maxRoleInline  = 10240
	maxUserInline  = 2048
	maxGroupInline = 5120
)

// put keeps an inline policy; kind is what the entity is called in refusals.
func (g *grants) put(kind, entity string, limit int, name string, document *string) error {
	if _, err := parsePolicy(aws.ToString(document), policy.Identity); err != nil {
		return err
	}
	if g.Inline == nil {
		g.Inline = map[string]string{}
	}
	g.Inline[name] = aws.ToString(document)
	size := 0
	for _, doc := range g.Inline {
		size += visible(doc)
	}
	if size > limit {
		return wire.Errorf(http.StatusConflict, "LimitExceeded", "Maximum policy size of %d bytes exceeded for %s %s", limit, kind, entity)
	}
	return nil
}

func (g *grants) inline(kind string, name *string) (string, error) {
	doc, ok := g.Inline[aws.ToString(name)]
	if !ok {
		return "", wire.Errorf(http.StatusNotFound, "NoSuchEntity", "The %s policy with name %s cannot be found.", kind, aws.ToString(name))
	}
	return doc, nil
}

func (g *grants) remove(kind string, name *string) error {
	if _, err := g.inline(kind, name); err != nil {
		return err
	}
	delete(g.Inline, *name)
	return nil
}

// attach adds a managed policy; kind names the quota.
func (s *Service) attach(tx *store.Tx, g *grants, kind string, ref *string) error {
	arn := aws.ToString(ref)
	if !wire.MeansARN(arn) {
		return wire.Errorf(http.StatusBadRequest, "ValidationError", "Invalid ARN:  Could not be parsed!")
	}
	if _, err := s.managedPolicy(tx, arn); err != nil {
		return wire.Errorf(http.StatusNotFound, "NoSuchEntity", "Policy %s does not exist or is not attachable.", arn)
	}
	switch {
	case slices.Contains(g.Attached, arn):
	case len(g.Attached) >= maxAttached:
		return wire.Errorf(http.StatusConflict, "LimitExceeded", "Cannot exceed quota for PoliciesPer%s: %d", kind, maxAttached)
	default:
		g.Attached = append(g.Attached, arn)
	}
	return nil
}

func (g *grants) detach(ref *string) error {
	i := slices.Index(g.Attached, aws.ToString(ref))
	if i < 0 {
		return noPolicy(aws.ToString(ref))
	}
	g.Attached = slices.Delete(g.Attached, i, i+1)
	return nil
}

// attachedUnder are the attached policies whose path begins with prefix.
func attachedUnder(arns []string, prefix *string) []types.AttachedPolicy {
	out := []types.AttachedPolicy{}
	for _, arn := range arns {
		name := arn[strings.LastIndexByte(arn, '/')+1:]
		path := strings.TrimSuffix(arn[strings.Index(arn, ":policy/")+len(":policy"):], name)
		if strings.HasPrefix(path, aws.ToString(prefix)) {
			out = append(out, types.AttachedPolicy{PolicyArn: aws.String(arn), PolicyName: aws.String(name)})
		}
	}
	return out
}

// checkBoundary refuses a permissions boundary that does not exist.
func (s *Service) checkBoundary(tx *store.Tx, arn string) error {
	if _, err := s.managedPolicy(tx, arn); err != nil {
		return wire.Errorf(http.StatusNotFound, "NoSuchEntity", "Scope ARN: %s does not exist or is not attachable.", arn)
	}
	return nil
}
