package scheduler

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// defaultGroup is there in every region from the start, and cannot be deleted.
const defaultGroup = "default"

// maxGroups is the quota of a region.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/scheduler-quotas.html
const maxGroups = 500

// group is a group as it is kept. The default one is kept once somebody has looked at it,
// which is when it was created.
type group struct {
	Name    string
	Tags    map[string]string
	Token   string // of its creation
	Created time.Time
}

func groupARN(sc wire.Scope, name string) string { return sc.ARN(id, "schedule-group/"+name) }

func onGroup(req *wire.Request, in wire.Input) []string {
	return []string{groupARN(req.Scope, cmp.Or(in.Text("Name"), "*"))}
}

func onARN(_ *wire.Request, in wire.Input) []string { return []string{in.Text("ResourceArn")} }

// tagsOf are those of a group: schedules have none.
func (s *Service) tagsOf(_ *wire.Request, arn string) (map[string]string, error) {
	a, ok := wire.ParseARN(arn)
	name, found := strings.CutPrefix(a.Resource, "schedule-group/")
	if !ok || !found || a.Service != id {
		return nil, nil
	}
	g, _, err := store.Read[group](s.DB, groupsBucket, wire.ScopeOfARN(a).Key(name))
	return g.Tags, err
}

// noGroup is recorded in https://github.com/getmoto/moto (tests/test_scheduler/test_schedule_groups.py)
func noGroup(name string) error { return missing("Schedule group %s does not exist.", name) }

func getGroup(tx *store.Tx, sc wire.Scope, name string) (group, error) {
	g, found, err := store.Get[group](tx, groupsBucket, sc.Key(name))
	if err == nil && !found {
		g.Name = name
		if name != defaultGroup {
			err = noGroup(name)
		}
	}
	return g, err
}

// begin keeps the default group of a scope, so that what is shown of it stays.
func (s *Service) begin(sc wire.Scope) error {
	g, err := store.Look(s.DB, func(tx *store.Tx) (group, error) { return getGroup(tx, sc, defaultGroup) })
	if err != nil || !g.Created.IsZero() {
		return err
	}
	return s.DB.Update(func(tx *store.Tx) error {
		g, err := getGroup(tx, sc, defaultGroup)
		if err != nil || !g.Created.IsZero() {
			return err
		}
		g.Created = s.now()
		return store.Put(tx, groupsBucket, sc.Key(defaultGroup), g)
	})
}

func (s *Service) createGroup(_ context.Context, req *wire.Request, in *sdk.CreateScheduleGroupInput) (*sdk.CreateScheduleGroupOutput, error) {
	given, err := tagRules.Add(nil, tags.Of(in.Tags, splitTag))
	if err != nil {
		return nil, err
	}
	g := group{Name: *in.Name, Tags: given, Token: aws.ToString(in.ClientToken), Created: s.now()}
	arn := groupARN(req.Scope, g.Name)
	err = s.DB.Update(func(tx *store.Tx) error {
		old, err := getGroup(tx, req.Scope, g.Name)
		switch {
		case err == nil && g.Token != "" && old.Token == g.Token:
			return nil
		case err == nil:
			return conflict("Schedule group %s already exists.", g.Name)
		case !wire.IsCode(err, "ResourceNotFoundException"):
			return err
		}
		all, err := store.List[group](tx, groupsBucket, req.Prefix())
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(g group) bool { return g.Name == defaultGroup }) // which is kept or not
		if len(all) >= maxGroups {
			return wire.Errorf(http.StatusPaymentRequired, "ServiceQuotaExceededException", "You have reached the maximum number of schedule groups: %d.", maxGroups) // the words are ours
		}
		return store.Put(tx, groupsBucket, req.Key(g.Name), g)
	})
	return &sdk.CreateScheduleGroupOutput{ScheduleGroupArn: &arn}, err
}

func (s *Service) getGroup(_ context.Context, req *wire.Request, in *sdk.GetScheduleGroupInput) (*sdk.GetScheduleGroupOutput, error) {
	if *in.Name == defaultGroup {
		if err := s.begin(req.Scope); err != nil {
			return nil, err
		}
	}
	g, err := store.Look(s.DB, func(tx *store.Tx) (group, error) { return getGroup(tx, req.Scope, *in.Name) })
	if err != nil {
		return nil, err
	}
	return &sdk.GetScheduleGroupOutput{
		Arn: aws.String(groupARN(req.Scope, g.Name)), Name: &g.Name, State: types.ScheduleGroupStateActive, CreationDate: &g.Created, LastModificationDate: &g.Created,
	}, nil
}

// removeGroup deletes the group and its schedules at once, where AWS shows it as DELETING
// for a while.
func (s *Service) removeGroup(_ context.Context, req *wire.Request, in *sdk.DeleteScheduleGroupInput) (*sdk.DeleteScheduleGroupOutput, error) {
	if *in.Name == defaultGroup {
		return nil, validation("Cannot delete the default schedule group.") // unsure: no recording of AWS was found
	}
	return &sdk.DeleteScheduleGroupOutput{}, s.DB.Update(func(tx *store.Tx) error {
		if _, err := getGroup(tx, req.Scope, *in.Name); err != nil {
			return err
		}
		if err := tx.DeletePrefix(schedulesBucket, req.Key(*in.Name+"/")); err != nil {
			return err
		}
		return tx.Delete(groupsBucket, req.Key(*in.Name))
	})
}

func (s *Service) listGroups(_ context.Context, req *wire.Request, in *sdk.ListScheduleGroupsInput) (*sdk.ListScheduleGroupsOutput, error) {
	if err := s.begin(req.Scope); err != nil {
		return nil, err
	}
	all, err := store.Look(s.DB, func(tx *store.Tx) ([]group, error) {
		all := []group{}
		if d, err := getGroup(tx, req.Scope, defaultGroup); err != nil {
			return nil, err
		} else if strings.HasPrefix(d.Name, aws.ToString(in.NamePrefix)) {
			all = append(all, d)
		}
		return all, store.Each(tx, groupsBucket, req.Key(aws.ToString(in.NamePrefix)), "", func(_ string, g group) bool {
			if g.Name != defaultGroup {
				all = append(all, g)
			}
			return true
		})
	})
	if err != nil {
		return nil, err
	}
	some, next, err := page.At(all, in.NextToken, in.MaxResults, 100)
	if err != nil {
		return nil, badToken()
	}
	out := &sdk.ListScheduleGroupsOutput{ScheduleGroups: []types.ScheduleGroupSummary{}, NextToken: next}
	for _, g := range some {
		out.ScheduleGroups = append(out.ScheduleGroups, types.ScheduleGroupSummary{
			Arn: aws.String(groupARN(req.Scope, g.Name)), Name: &g.Name, State: types.ScheduleGroupStateActive, CreationDate: &g.Created, LastModificationDate: &g.Created,
		})
	}
	return out, nil
}

func badToken() error { return validation("The NextToken is invalid.") } // the words are ours

var tagRules = tags.Rules{
	Max: 50, TooMany: wire.Errorf(http.StatusBadRequest, "ValidationException", "Number of tags exceeds the maximum of 50."),
	Reserved: wire.Errorf(http.StatusBadRequest, "ValidationException", "Tag keys can't start with aws:."), // the words are ours
}

func splitTag(t types.Tag) (key, value *string) { return t.Key, t.Value }

func joinTag(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} }

// groupOf is the name of the group of an ARN.
func groupOf(req *wire.Request, arn *string) (string, error) {
	a, ok := wire.ParseARN(aws.ToString(arn))
	name, found := strings.CutPrefix(a.Resource, "schedule-group/")
	if !ok || !found || a.Service != id || !req.Owns(a) {
		return "", missing("Resource %s does not exist.", aws.ToString(arn)) // unsure: no recording of AWS was found
	}
	return name, nil
}

// changeTags lets fn change the tags of a group.
func (s *Service) changeTags(req *wire.Request, arn *string, fn func(map[string]string) (map[string]string, error)) error {
	name, err := groupOf(req, arn)
	if err != nil {
		return err
	}
	return s.DB.Update(func(tx *store.Tx) error {
		g, err := getGroup(tx, req.Scope, name)
		if err != nil {
			return err
		}
		if g.Tags, err = fn(g.Tags); err != nil {
			return err
		}
		return store.Put(tx, groupsBucket, req.Key(name), g)
	})
}

func (s *Service) tag(_ context.Context, req *wire.Request, in *sdk.TagResourceInput) (*sdk.TagResourceOutput, error) {
	return &sdk.TagResourceOutput{}, s.changeTags(req, in.ResourceArn, func(have map[string]string) (map[string]string, error) {
		return tagRules.Add(have, tags.Of(in.Tags, splitTag))
	})
}

func (s *Service) untag(_ context.Context, req *wire.Request, in *sdk.UntagResourceInput) (*sdk.UntagResourceOutput, error) {
	return &sdk.UntagResourceOutput{}, s.changeTags(req, in.ResourceArn, func(have map[string]string) (map[string]string, error) {
		return tags.Without(have, in.TagKeys), nil
	})
}

func (s *Service) listTags(_ context.Context, req *wire.Request, in *sdk.ListTagsForResourceInput) (*sdk.ListTagsForResourceOutput, error) {
	name, err := groupOf(req, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	g, err := store.Look(s.DB, func(tx *store.Tx) (group, error) { return getGroup(tx, req.Scope, name) })
	return &sdk.ListTagsForResourceOutput{Tags: tags.List(g.Tags, joinTag)}, err
}
