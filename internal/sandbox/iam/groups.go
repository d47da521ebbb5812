package iam

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// group is a group as it is kept. Its members know it.
type group struct {
	entity
	grants
}

func (s *Service) groups() home[group, *group] {
	return home[group, *group]{s, groupsBucket, "GroupName", "group", "AGPA", func(name string) error {
		return wire.Errorf(http.StatusNotFound, "NoSuchEntity", "The group with name %s cannot be found.", name)
	}}
}

func (g *group) output() *types.Group {
	return &types.Group{GroupName: &g.Name, Path: &g.Path, GroupId: &g.ID, Arn: &g.ARN, CreateDate: &g.Created}
}

func (s *Service) registerGroups(r *wire.Router) {
	h := s.groups()
	g := wire.On(h.on)
	wire.Handle(r, "iam", "CreateGroup", s.createGroup, wire.On(h.onNew))
	wire.Handle(r, "iam", "GetGroup", s.getGroup, g)
	wire.Handle(r, "iam", "ListGroups", s.listGroups, wire.On(onPath("group")))
	wire.Handle(r, "iam", "UpdateGroup", s.updateGroup, g)
	wire.Handle(r, "iam", "DeleteGroup", s.deleteGroup, g)
	wire.Handle(r, "iam", "AddUserToGroup", s.addToGroup, g)
	wire.Handle(r, "iam", "RemoveUserFromGroup", s.removeFromGroup, g)
	wire.Handle(r, "iam", "ListGroupsForUser", s.listGroupsForUser, wire.On(s.onUser))
	registerGrants(s, r, h.kind("Group", func(in *kindInput) *string { return in.GroupName }), maxGroupInline, func(g *group, out *kindOutput) (*grants, string) {
		out.GroupName = &g.Name
		return &g.grants, g.Name
	})
}

func (s *Service) createGroup(_ context.Context, req *wire.Request, in *sdk.CreateGroupInput) (*sdk.CreateGroupOutput, error) {
	e, err := s.groups().fresh(req, in.GroupName, in.Path)
	if err != nil {
		return nil, err
	}
	g := group{entity: e}
	err = s.update(func(tx *store.Tx) error {
		if err := free(tx, groupsBucket, req.Scope, "Group", g.Name); err != nil {
			return err
		}
		return store.Put(tx, groupsBucket, g.key(), g)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.CreateGroupOutput{Group: g.output()}, nil
}

// members are the users of a group, by their names.
func members(tx *store.Tx, sc wire.Scope, name string) (out []user, err error) {
	all, err := store.List[user](tx, usersBucket, sc.GlobalPrefix())
	for i := range all {
		if slices.Contains(all[i].Groups, name) {
			out = append(out, all[i])
		}
	}
	return out, err
}

func (s *Service) getGroup(_ context.Context, req *wire.Request, in *sdk.GetGroupInput) (*sdk.GetGroupOutput, error) {
	g, err := s.groups().read(req, in.GroupName)
	if err != nil {
		return nil, err
	}
	users := []types.User{}
	err = s.DB.View(func(tx *store.Tx) error {
		all, err := members(tx, req.Scope, g.Name)
		for i := range all {
			u := all[i].output()
			u.Tags, u.PermissionsBoundary = nil, nil
			users = append(users, *u)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	some, next, more, err := pageOf(users, in.Marker, in.MaxItems)
	return &sdk.GetGroupOutput{Group: g.output(), Users: some, Marker: next, IsTruncated: more}, err
}

func (s *Service) listGroups(_ context.Context, req *wire.Request, in *sdk.ListGroupsInput) (*sdk.ListGroupsOutput, error) {
	all, err := store.Select(s.DB, groupsBucket, req.GlobalPrefix(), func(g group) bool { return strings.HasPrefix(g.Path, aws.ToString(in.PathPrefix)) })
	if err != nil {
		return nil, err
	}
	out := []types.Group{}
	for i := range all {
		out = append(out, *all[i].output())
	}
	some, next, more, err := pageOf(out, in.Marker, in.MaxItems)
	return &sdk.ListGroupsOutput{Groups: some, Marker: next, IsTruncated: more}, err
}

// updateGroup gives a group another name or path; its members stay.
func (s *Service) updateGroup(_ context.Context, req *wire.Request, in *sdk.UpdateGroupInput) (*sdk.UpdateGroupOutput, error) {
	err := s.groups().change(req, in.GroupName, func(tx *store.Tx, g *group) error {
		old := *g
		if err := s.groups().move(tx, req, &g.entity, "Group", in.NewGroupName, in.NewPath); err != nil {
			return err
		}
		if g.Name == old.Name {
			return nil
		}
		all, err := members(tx, req.Scope, old.Name)
		if err != nil {
			return err
		}
		for _, u := range all {
			u.Groups[slices.Index(u.Groups, old.Name)] = g.Name
			if err := store.Put(tx, usersBucket, u.key(), u); err != nil {
				return err
			}
		}
		return tx.Delete(groupsBucket, old.key())
	})
	return &sdk.UpdateGroupOutput{}, err
}

func (s *Service) deleteGroup(_ context.Context, req *wire.Request, in *sdk.DeleteGroupInput) (*sdk.DeleteGroupOutput, error) {
	err := s.update(func(tx *store.Tx) error {
		g, err := s.groups().get(tx, req.Scope, aws.ToString(in.GroupName))
		if err != nil {
			return err
		}
		users, err := members(tx, req.Scope, g.Name)
		switch {
		case err != nil:
			return err
		case len(users) > 0:
			return wire.Errorf(http.StatusConflict, "DeleteConflict", "Cannot delete entity, must remove users from group first.")
		case len(g.Attached) > 0:
			return wire.Errorf(http.StatusConflict, "DeleteConflict", "Cannot delete entity, must detach all policies first.")
		case len(g.Inline) > 0:
			return wire.Errorf(http.StatusConflict, "DeleteConflict", "Cannot delete entity, must delete policies first.")
		}
		return tx.Delete(groupsBucket, g.key())
	})
	return &sdk.DeleteGroupOutput{}, err
}

// maxGroups is how many groups a user may be in.
const maxGroups = 10

func (s *Service) addToGroup(_ context.Context, req *wire.Request, in *sdk.AddUserToGroupInput) (*sdk.AddUserToGroupOutput, error) {
	err := s.changeUser(req, in.UserName, func(tx *store.Tx, u *user) error {
		g, err := s.groups().get(tx, req.Scope, aws.ToString(in.GroupName))
		switch {
		case err != nil:
			return err
		case slices.Contains(u.Groups, g.Name):
			return nil
		case len(u.Groups) >= maxGroups:
			return wire.Errorf(http.StatusConflict, "LimitExceeded", "Cannot exceed quota for GroupsPerUser: %d", maxGroups)
		}
		u.Groups = append(u.Groups, g.Name)
		return nil
	})
	return &sdk.AddUserToGroupOutput{}, err
}

func (s *Service) removeFromGroup(_ context.Context, req *wire.Request, in *sdk.RemoveUserFromGroupInput) (*sdk.RemoveUserFromGroupOutput, error) {
	err := s.changeUser(req, in.UserName, func(tx *store.Tx, u *user) error {
		g, err := s.groups().get(tx, req.Scope, aws.ToString(in.GroupName))
		if err != nil {
			return err
		}
		u.Groups = slices.DeleteFunc(u.Groups, func(name string) bool { return name == g.Name })
		return nil
	})
	return &sdk.RemoveUserFromGroupOutput{}, err
}

func (s *Service) listGroupsForUser(_ context.Context, req *wire.Request, in *sdk.ListGroupsForUserInput) (*sdk.ListGroupsForUserOutput, error) {
	u, err := s.readUser(req, in.UserName)
	if err != nil {
		return nil, err
	}
	out := []types.Group{}
	err = s.DB.View(func(tx *store.Tx) error {
		for _, name := range slices.Sorted(slices.Values(u.Groups)) {
			g, err := s.groups().get(tx, req.Scope, name)
			if err != nil {
				return err
			}
			out = append(out, *g.output())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	some, next, more, err := pageOf(out, in.Marker, in.MaxItems)
	return &sdk.ListGroupsForUserOutput{Groups: some, Marker: next, IsTruncated: more}, err
}
