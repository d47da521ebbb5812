package iam

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// group is a group as it is kept. Its members know it.
type group struct {
	Name, Path, ID, ARN string
	Created             time.Time
	grants
}

func (g *group) key() string { return homeKey(g.ARN, g.Name) }

func groupARN(sc wire.Scope, path, name string) string { return sc.GlobalARN("iam", "group"+path+name) }

func (g *group) output() *types.Group {
	return &types.Group{GroupName: &g.Name, Path: &g.Path, GroupId: &g.ID, Arn: &g.ARN, CreateDate: &g.Created}
}

func getGroup(tx *store.Tx, sc wire.Scope, name string) (group, error) {
	g, found, err := store.Get[group](tx, groupsBucket, sc.GlobalKey(name))
	if err == nil && !found {
		err = wire.Errorf(http.StatusNotFound, "NoSuchEntity", "The group with name %s cannot be found.", name)
	}
	return g, err
}

func (s *Service) registerGroups(r *wire.Router) {
	g := wire.On(s.onGroup)
	wire.Handle(r, "iam", "CreateGroup", s.createGroup, wire.On(func(req *wire.Request, in wire.Input) []string {
		return []string{groupARN(req.Scope, pathOf(in), in.Text("GroupName"))}
	}))
	wire.Handle(r, "iam", "GetGroup", s.getGroup, g)
	wire.Handle(r, "iam", "ListGroups", s.listGroups, wire.On(onPath("group")))
	wire.Handle(r, "iam", "UpdateGroup", s.updateGroup, g)
	wire.Handle(r, "iam", "DeleteGroup", s.deleteGroup, g)
	wire.Handle(r, "iam", "AddUserToGroup", s.addToGroup, g)
	wire.Handle(r, "iam", "RemoveUserFromGroup", s.removeFromGroup, g)
	wire.Handle(r, "iam", "ListGroupsForUser", s.listGroupsForUser, wire.On(s.onUser))
	wire.Handle(r, "iam", "PutGroupPolicy", s.putGroupPolicy, g)
	wire.Handle(r, "iam", "GetGroupPolicy", s.getGroupPolicy, g)
	wire.Handle(r, "iam", "DeleteGroupPolicy", s.deleteGroupPolicy, g)
	wire.Handle(r, "iam", "ListGroupPolicies", s.listGroupPolicies, g)
	wire.Handle(r, "iam", "AttachGroupPolicy", s.attachGroupPolicy, wire.Access{On: s.onGroup, Keys: policyKeys})
	wire.Handle(r, "iam", "DetachGroupPolicy", s.detachGroupPolicy, wire.Access{On: s.onGroup, Keys: policyKeys})
	wire.Handle(r, "iam", "ListAttachedGroupPolicies", s.listAttachedToGroup, g)
}

func (s *Service) onGroup(req *wire.Request, in wire.Input) []string {
	name := in.Text("GroupName")
	arn := groupARN(req.Scope, "/", name)
	_ = s.DB.View(func(tx *store.Tx) error { // an error comes again where the group is read
		if g, err := getGroup(tx, req.Scope, name); err == nil {
			arn = g.ARN
		}
		return nil
	})
	return []string{arn}
}

func (s *Service) readGroup(req *wire.Request, name *string) (g group, err error) {
	if err := checkName("groupName", name); err != nil {
		return g, err
	}
	err = s.DB.View(func(tx *store.Tx) error {
		g, err = getGroup(tx, req.Scope, *name)
		return err
	})
	return g, err
}

func (s *Service) changeGroup(req *wire.Request, name *string, fn func(*store.Tx, *group) error) error {
	if err := checkName("groupName", name); err != nil {
		return err
	}
	return s.update(func(tx *store.Tx) error {
		g, err := getGroup(tx, req.Scope, *name)
		if err != nil {
			return err
		}
		if err := fn(tx, &g); err != nil {
			return err
		}
		return store.Put(tx, groupsBucket, g.key(), g)
	})
}

func (s *Service) createGroup(_ context.Context, req *wire.Request, in *sdk.CreateGroupInput) (*sdk.CreateGroupOutput, error) {
	if err := checkName("groupName", in.GroupName); err != nil {
		return nil, err
	}
	path, err := checkPath(in.Path)
	if err != nil {
		return nil, err
	}
	g := group{Name: *in.GroupName, Path: path, ID: newID("AGPA"), ARN: groupARN(req.Scope, path, *in.GroupName), Created: s.now()}
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
	g, err := s.readGroup(req, in.GroupName)
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
	out := []types.Group{}
	err := s.DB.View(func(tx *store.Tx) error {
		all, err := store.List[group](tx, groupsBucket, req.GlobalPrefix())
		for i := range all {
			if strings.HasPrefix(all[i].Path, aws.ToString(in.PathPrefix)) {
				out = append(out, *all[i].output())
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	some, next, more, err := pageOf(out, in.Marker, in.MaxItems)
	return &sdk.ListGroupsOutput{Groups: some, Marker: next, IsTruncated: more}, err
}

// updateGroup gives a group another name or path; its members stay.
func (s *Service) updateGroup(_ context.Context, req *wire.Request, in *sdk.UpdateGroupInput) (*sdk.UpdateGroupOutput, error) {
	err := s.changeGroup(req, in.GroupName, func(tx *store.Tx, g *group) error {
		old := *g
		if in.NewPath != nil {
			path, err := checkPath(in.NewPath)
			if err != nil {
				return err
			}
			g.Path = path
		}
		if name := aws.ToString(in.NewGroupName); name != "" && name != g.Name {
			if err := checkName("newGroupName", in.NewGroupName); err != nil {
				return err
			}
			if !strings.EqualFold(name, g.Name) {
				if err := free(tx, groupsBucket, req.Scope, "Group", name); err != nil {
					return err
				}
			}
			g.Name = name
		}
		g.ARN = groupARN(req.Scope, g.Path, g.Name)
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
		g, err := getGroup(tx, req.Scope, aws.ToString(in.GroupName))
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
		g, err := getGroup(tx, req.Scope, aws.ToString(in.GroupName))
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
		g, err := getGroup(tx, req.Scope, aws.ToString(in.GroupName))
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
			g, err := getGroup(tx, req.Scope, name)
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

func (s *Service) putGroupPolicy(_ context.Context, req *wire.Request, in *sdk.PutGroupPolicyInput) (*sdk.PutGroupPolicyOutput, error) {
	err := s.changeGroup(req, in.GroupName, func(_ *store.Tx, g *group) error {
		return g.put("group", g.Name, maxGroupInline, in.PolicyName, in.PolicyDocument)
	})
	return &sdk.PutGroupPolicyOutput{}, err
}

func (s *Service) getGroupPolicy(_ context.Context, req *wire.Request, in *sdk.GetGroupPolicyInput) (*sdk.GetGroupPolicyOutput, error) {
	g, err := s.readGroup(req, in.GroupName)
	if err != nil {
		return nil, err
	}
	doc, err := g.inline("group", in.PolicyName)
	return &sdk.GetGroupPolicyOutput{GroupName: &g.Name, PolicyName: in.PolicyName, PolicyDocument: encoded(doc)}, err
}

func (s *Service) deleteGroupPolicy(_ context.Context, req *wire.Request, in *sdk.DeleteGroupPolicyInput) (*sdk.DeleteGroupPolicyOutput, error) {
	err := s.changeGroup(req, in.GroupName, func(_ *store.Tx, g *group) error { return g.remove("group", in.PolicyName) })
	return &sdk.DeleteGroupPolicyOutput{}, err
}

func (s *Service) listGroupPolicies(_ context.Context, req *wire.Request, in *sdk.ListGroupPoliciesInput) (*sdk.ListGroupPoliciesOutput, error) {
	g, err := s.readGroup(req, in.GroupName)
	if err != nil {
		return nil, err
	}
	some, next, more, err := pageOf(slices.Sorted(maps.Keys(g.Inline)), in.Marker, in.MaxItems)
	return &sdk.ListGroupPoliciesOutput{PolicyNames: some, Marker: next, IsTruncated: more}, err
}

func (s *Service) attachGroupPolicy(_ context.Context, req *wire.Request, in *sdk.AttachGroupPolicyInput) (*sdk.AttachGroupPolicyOutput, error) {
	err := s.changeGroup(req, in.GroupName, func(tx *store.Tx, g *group) error { return s.attach(tx, &g.grants, "Group", in.PolicyArn) })
	return &sdk.AttachGroupPolicyOutput{}, err
}

func (s *Service) detachGroupPolicy(_ context.Context, req *wire.Request, in *sdk.DetachGroupPolicyInput) (*sdk.DetachGroupPolicyOutput, error) {
	err := s.changeGroup(req, in.GroupName, func(_ *store.Tx, g *group) error { return g.detach(in.PolicyArn) })
	return &sdk.DetachGroupPolicyOutput{}, err
}

func (s *Service) listAttachedToGroup(_ context.Context, req *wire.Request, in *sdk.ListAttachedGroupPoliciesInput) (*sdk.ListAttachedGroupPoliciesOutput, error) {
	g, err := s.readGroup(req, in.GroupName)
	if err != nil {
		return nil, err
	}
	some, next, more, err := pageOf(attachedUnder(g.Attached, in.PathPrefix), in.Marker, in.MaxItems)
	return &sdk.ListAttachedGroupPoliciesOutput{AttachedPolicies: some, Marker: next, IsTruncated: more}, err
}
