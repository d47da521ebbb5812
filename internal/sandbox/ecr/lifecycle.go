package ecr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// lifecycle is the document of a lifecycle policy.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html
type lifecycle struct {
	Rules []lifecycleRule `json:"rules"`
}

type lifecycleRule struct {
	Priority    int       `json:"rulePriority"`
	Description string    `json:"description"`
	Selection   selection `json:"selection"`
	Action      struct {
		Type string `json:"type"`
	} `json:"action"`
}

type selection struct {
	TagStatus   string   `json:"tagStatus"`
	TagPatterns []string `json:"tagPatternList"`
	TagPrefixes []string `json:"tagPrefixList"`
	CountType   string   `json:"countType"`
	CountUnit   string   `json:"countUnit"`
	CountNumber int      `json:"countNumber"`
}

const (
	countMoreThan = "imageCountMoreThan"
	sincePushed   = "sinceImagePushed"
)

// badLifecycle refuses a document. The first words are AWS's
// (https://github.com/cloudposse/terraform-aws-ecr/issues/158), the reasons ours.
func badLifecycle(format string, args ...any) error {
	return fail("InvalidParameterException", "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy "+
		"validation failure: %s'", fmt.Sprintf(format, args...))
}

// parseLifecycle reads a document and refuses one that AWS would. Archiving images, and
// what counts from when they were pulled, is refused: nothing is pulled here.
func parseLifecycle(text string) (lifecycle, error) {
	var doc lifecycle
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return doc, badLifecycle("%s", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return doc, badLifecycle("there is more after the document")
	}
	if len(doc.Rules) == 0 {
		return doc, badLifecycle(`array "rules" is too short: must have at least 1 elements but instance has 0 elements`)
	}
	seen := map[int]bool{}
	for i, r := range doc.Rules {
		if err := r.check(); err != nil {
			return doc, err
		}
		if seen[r.Priority] {
			return doc, badLifecycle("rulePriority %d is used by more than one rule", r.Priority)
		}
		seen[r.Priority] = true
		if r.Selection.TagStatus == "any" && slices.ContainsFunc(doc.Rules, func(o lifecycleRule) bool { return o.Priority > r.Priority }) {
			return doc, badLifecycle("rule %d is for any tagStatus and must have the lowest priority", i)
		}
	}
	slices.SortFunc(doc.Rules, func(a, b lifecycleRule) int { return a.Priority - b.Priority })
	return doc, nil
}

func (r *lifecycleRule) check() error {
	s := r.Selection
	lists := len(s.TagPatterns) + len(s.TagPrefixes)
	switch {
	case r.Priority < 1:
		return badLifecycle("rulePriority must be 1 or more, not %d", r.Priority)
	case r.Action.Type != "expire":
		return badLifecycle(`action.type must be "expire", not %q`, r.Action.Type)
	case !slices.Contains([]string{"tagged", "untagged", "any"}, s.TagStatus):
		return badLifecycle("tagStatus must be tagged, untagged or any, not %q", s.TagStatus)
	case s.TagStatus == "tagged" && lists == 0:
		return badLifecycle("tagStatus tagged needs a tagPatternList or a tagPrefixList")
	case s.TagStatus != "tagged" && lists > 0:
		return badLifecycle("tagStatus %s goes without tagPatternList and tagPrefixList", s.TagStatus)
	case len(s.TagPatterns) > 0 && len(s.TagPrefixes) > 0:
		return badLifecycle("tagPatternList and tagPrefixList do not go together")
	case s.CountType != countMoreThan && s.CountType != sincePushed:
		return badLifecycle("countType must be %s or %s, not %q", countMoreThan, sincePushed, s.CountType)
	case s.CountType == sincePushed && s.CountUnit != "days":
		return badLifecycle(`countUnit of %s must be "days", not %q`, sincePushed, s.CountUnit)
	case s.CountType == countMoreThan && s.CountUnit != "":
		return badLifecycle("%s goes without countUnit", countMoreThan)
	case s.CountNumber < 1:
		return badLifecycle("countNumber must be 1 or more, not %d", s.CountNumber)
	}
	return nil
}

// selects tells whether an image is one of those that a rule speaks of: all of the
// prefixes or patterns have to be found among its tags.
func (s *selection) selects(m *image) bool {
	has := func(fits func(want, tag string) bool) func(string) bool {
		return func(want string) bool {
			return !slices.ContainsFunc(m.Tags, func(tag string) bool { return fits(want, tag) })
		}
	}
	switch s.TagStatus {
	case "untagged":
		return len(m.Tags) == 0
	case "tagged":
		return len(m.Tags) > 0 && !slices.ContainsFunc(s.TagPatterns, has(like)) &&
			!slices.ContainsFunc(s.TagPrefixes, has(func(prefix, tag string) bool { return strings.HasPrefix(tag, prefix) }))
	default:
		return true
	}
}

// expire takes away what the rules say is over by then. All rules are asked first: an
// image belongs to the first that speaks of it, and what an earlier rule takes still
// counts for later ones.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html#lp_evaluation_rules
func (x *repository) expire(now time.Time) {
	if x.Lifecycle == "" {
		return
	}
	doc, err := parseLifecycle(x.Lifecycle)
	if err != nil {
		return // it was well when it was set
	}
	over, claimed := map[string]bool{}, map[string]bool{}
	for _, r := range doc.Rules {
		var mine []*image // the newest first
		for i := range x.Images {
			if m := &x.Images[i]; r.Selection.selects(m) {
				mine = append(mine, m)
			}
		}
		slices.SortStableFunc(mine, func(a, b *image) int { return b.Pushed.Compare(a.Pushed) })
		for i, m := range mine {
			done := i >= r.Selection.CountNumber
			if r.Selection.CountType == sincePushed {
				done = now.Sub(m.Pushed) > time.Duration(r.Selection.CountNumber)*24*time.Hour
			}
			if done && !claimed[m.Digest] {
				over[m.Digest] = true
			}
		}
		for _, m := range mine {
			claimed[m.Digest] = true
		}
	}
	x.Images = slices.DeleteFunc(x.Images, func(m image) bool { return over[m.Digest] })
}

func noLifecycle(sc wire.Scope, name string) error {
	return fail("LifecyclePolicyNotFoundException", "Lifecycle policy does not exist for the repository with name '%s' in the registry with id '%s'", name, sc.Account)
}

func (s *Service) putLifecycle(_ context.Context, req *wire.Request, in *sdk.PutLifecyclePolicyInput) (*sdk.PutLifecyclePolicyOutput, error) {
	sc := registry(req, in.RegistryId)
	if _, err := parseLifecycle(*in.LifecyclePolicyText); err != nil {
		return nil, err
	}
	err := s.change(sc, *in.RepositoryName, func(x *repository) error {
		x.Lifecycle = *in.LifecyclePolicyText
		return nil
	})
	return &sdk.PutLifecyclePolicyOutput{RegistryId: &sc.Account, RepositoryName: in.RepositoryName, LifecyclePolicyText: in.LifecyclePolicyText}, err
}

func (s *Service) getLifecycle(_ context.Context, req *wire.Request, in *sdk.GetLifecyclePolicyInput) (*sdk.GetLifecyclePolicyOutput, error) {
	sc := registry(req, in.RegistryId)
	x, err := s.read(sc, *in.RepositoryName)
	if err == nil && x.Lifecycle == "" {
		err = noLifecycle(sc, x.Name)
	}
	return &sdk.GetLifecyclePolicyOutput{RegistryId: &sc.Account, RepositoryName: in.RepositoryName, LifecyclePolicyText: &x.Lifecycle}, err
}

func (s *Service) removeLifecycle(_ context.Context, req *wire.Request, in *sdk.DeleteLifecyclePolicyInput) (*sdk.DeleteLifecyclePolicyOutput, error) {
	sc := registry(req, in.RegistryId)
	out := &sdk.DeleteLifecyclePolicyOutput{RegistryId: &sc.Account, RepositoryName: in.RepositoryName}
	return out, s.change(sc, *in.RepositoryName, func(x *repository) error {
		if x.Lifecycle == "" {
			return noLifecycle(sc, x.Name)
		}
		out.LifecyclePolicyText, x.Lifecycle = aws.String(x.Lifecycle), ""
		return nil
	})
}

func (s *Service) putScanning(_ context.Context, req *wire.Request, in *sdk.PutImageScanningConfigurationInput) (*sdk.PutImageScanningConfigurationOutput, error) {
	sc := registry(req, in.RegistryId)
	err := s.change(sc, *in.RepositoryName, func(x *repository) error { x.Scanning = in.ImageScanningConfiguration; return nil })
	return &sdk.PutImageScanningConfigurationOutput{RegistryId: &sc.Account, RepositoryName: in.RepositoryName, ImageScanningConfiguration: in.ImageScanningConfiguration}, err
}

// current is a repository as it is now: without the images that its lifecycle policy has
// ended since it was written. AWS takes up to a day for that; here it is so at once.
func (s *Service) current(x repository, found bool, err error) (repository, bool, error) {
	if err == nil && found {
		x.expire(s.Clock.Now())
	}
	return x, found, err
}

// get is current in a transaction.
func (s *Service) get(tx *store.Tx, sc wire.Scope, name string) (repository, bool, error) {
	return s.current(store.Get[repository](tx, repositoriesBucket, sc.Key(name)))
}

// find is get, and refuses a repository that there is not.
func (s *Service) find(tx *store.Tx, sc wire.Scope, name string) (repository, error) {
	x, found, err := s.get(tx, sc, name)
	if err == nil && !found {
		err = noRepository(sc, name)
	}
	return x, err
}
