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

// profile is an instance profile: a role for instances, of which the sandbox has none.
// Tools make it with the role, and a role is not deleted while one has it.
type profile struct {
	entity
	Role string // name, "" for none
	Tags map[string]string
}

func (s *Service) instanceProfiles() home[profile, *profile] {
	return home[profile, *profile]{s, profilesBucket, "InstanceProfileName", "instance-profile", "AIPA", func(name string) error {
		return wire.Errorf(http.StatusNotFound, "NoSuchEntity", "Instance Profile %s cannot be found.", name)
	}}
}

func (s *Service) registerProfiles(r *wire.Router) {
	h := s.instanceProfiles()
	p := wire.On(h.on)
	wire.Handle(r, "iam", "CreateInstanceProfile", s.createProfile, wire.On(h.onNew).Tags("iam:TagInstanceProfile"))
	wire.Handle(r, "iam", "GetInstanceProfile", s.getProfile, p)
	wire.Handle(r, "iam", "ListInstanceProfiles", s.listProfiles, wire.On(onPath("instance-profile")))
	wire.Handle(r, "iam", "ListInstanceProfilesForRole", s.listProfilesForRole, wire.On(s.roles().on))
	wire.Handle(r, "iam", "DeleteInstanceProfile", s.deleteProfile, p)
	wire.Handle(r, "iam", "AddRoleToInstanceProfile", s.addRole, p)
	wire.Handle(r, "iam", "RemoveRoleFromInstanceProfile", s.removeRole, p)
	registerTags(r, h.kind("InstanceProfile", func(in *kindInput) *string { return in.InstanceProfileName }), func(p *profile) *map[string]string { return &p.Tags })
}

// profileOutput shows the profile with its role as it is now.
func (s *Service) profileOutput(tx *store.Tx, sc wire.Scope, p *profile) (*types.InstanceProfile, error) {
	out := &types.InstanceProfile{
		InstanceProfileName: &p.Name, Path: &p.Path, InstanceProfileId: &p.ID, Arn: &p.ARN, CreateDate: &p.Created,
		Roles: []types.Role{}, Tags: tagList(p.Tags),
	}
	if p.Role == "" {
		return out, nil
	}
	ro, err := s.roles().get(tx, sc, p.Role)
	if err != nil {
		return nil, err
	}
	shown := ro.output()
	shown.Tags, shown.PermissionsBoundary, shown.RoleLastUsed, shown.MaxSessionDuration = nil, nil, nil, nil
	out.Roles = append(out.Roles, *shown)
	return out, nil
}

func (s *Service) createProfile(_ context.Context, req *wire.Request, in *sdk.CreateInstanceProfileInput) (*sdk.CreateInstanceProfileOutput, error) {
	e, err := s.instanceProfiles().fresh(req, in.InstanceProfileName, in.Path)
	if err != nil {
		return nil, err
	}
	p := profile{entity: e}
	if p.Tags, err = addTags(nil, in.Tags); err != nil {
		return nil, err
	}
	var out *types.InstanceProfile
	err = s.update(func(tx *store.Tx) error {
		if tx.GetRaw(profilesBucket, p.key()) != nil {
			return wire.Errorf(http.StatusConflict, "EntityAlreadyExists", "Instance Profile %s already exists.", p.Name)
		}
		if out, err = s.profileOutput(tx, req.Scope, &p); err != nil {
			return err
		}
		return store.Put(tx, profilesBucket, p.key(), p)
	})
	return &sdk.CreateInstanceProfileOutput{InstanceProfile: out}, err
}

func (s *Service) getProfile(_ context.Context, req *wire.Request, in *sdk.GetInstanceProfileInput) (*sdk.GetInstanceProfileOutput, error) {
	var out *types.InstanceProfile
	err := s.DB.View(func(tx *store.Tx) error {
		p, err := s.instanceProfiles().get(tx, req.Scope, aws.ToString(in.InstanceProfileName))
		if err != nil {
			return err
		}
		out, err = s.profileOutput(tx, req.Scope, &p)
		return err
	})
	return &sdk.GetInstanceProfileOutput{InstanceProfile: out}, err
}

// profiles are those of the account that keep accepts.
func (s *Service) profiles(req *wire.Request, keep func(*profile) bool) (out []types.InstanceProfile, err error) {
	out = []types.InstanceProfile{}
	err = s.DB.View(func(tx *store.Tx) error {
		all, err := store.List[profile](tx, profilesBucket, req.GlobalPrefix())
		for i := range all {
			if !keep(&all[i]) {
				continue
			}
			o, err := s.profileOutput(tx, req.Scope, &all[i])
			if err != nil {
				return err
			}
			o.Tags = nil // GetInstanceProfile has them
			out = append(out, *o)
		}
		return err
	})
	return out, err
}

func (s *Service) listProfiles(_ context.Context, req *wire.Request, in *sdk.ListInstanceProfilesInput) (*sdk.ListInstanceProfilesOutput, error) {
	all, err := s.profiles(req, func(p *profile) bool { return strings.HasPrefix(p.Path, aws.ToString(in.PathPrefix)) })
	if err != nil {
		return nil, err
	}
	some, next, more, err := pageOf(all, in.Marker, in.MaxItems)
	return &sdk.ListInstanceProfilesOutput{InstanceProfiles: some, Marker: next, IsTruncated: more}, err
}

func (s *Service) listProfilesForRole(_ context.Context, req *wire.Request, in *sdk.ListInstanceProfilesForRoleInput) (*sdk.ListInstanceProfilesForRoleOutput, error) {
	ro, err := s.roles().read(req, in.RoleName)
	if err != nil {
		return nil, err
	}
	all, err := s.profiles(req, func(p *profile) bool { return p.Role == ro.Name })
	if err != nil {
		return nil, err
	}
	some, next, more, err := pageOf(all, in.Marker, in.MaxItems)
	return &sdk.ListInstanceProfilesForRoleOutput{InstanceProfiles: some, Marker: next, IsTruncated: more}, err
}

func (s *Service) deleteProfile(_ context.Context, req *wire.Request, in *sdk.DeleteInstanceProfileInput) (*sdk.DeleteInstanceProfileOutput, error) {
	err := s.update(func(tx *store.Tx) error {
		p, err := s.instanceProfiles().get(tx, req.Scope, aws.ToString(in.InstanceProfileName))
		switch {
		case err != nil:
			return err
		case p.Role != "":
			return wire.Errorf(http.StatusConflict, "DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
		}
		return tx.Delete(profilesBucket, p.key())
	})
	return &sdk.DeleteInstanceProfileOutput{}, err
}

func (s *Service) addRole(_ context.Context, req *wire.Request, in *sdk.AddRoleToInstanceProfileInput) (*sdk.AddRoleToInstanceProfileOutput, error) {
	err := s.instanceProfiles().change(req, in.InstanceProfileName, func(tx *store.Tx, p *profile) error {
		ro, err := s.roles().get(tx, req.Scope, aws.ToString(in.RoleName))
		switch {
		case err != nil:
			return err
		case p.Role != "":
			return wire.Errorf(http.StatusConflict, "LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
		}
		p.Role = ro.Name
		return nil
	})
	return &sdk.AddRoleToInstanceProfileOutput{}, err
}

func (s *Service) removeRole(_ context.Context, req *wire.Request, in *sdk.RemoveRoleFromInstanceProfileInput) (*sdk.RemoveRoleFromInstanceProfileOutput, error) {
	err := s.instanceProfiles().change(req, in.InstanceProfileName, func(_ *store.Tx, p *profile) error {
		if name := aws.ToString(in.RoleName); p.Role != name {
			return noRole(name)
		}
		p.Role = ""
		return nil
	})
	return &sdk.RemoveRoleFromInstanceProfileOutput{}, err
}

// inProfile tells whether an instance profile has the role.
func inProfile(tx *store.Tx, sc wire.Scope, role string) (bool, error) {
	all, err := store.List[profile](tx, profilesBucket, sc.GlobalPrefix())
	return slices.ContainsFunc(all, func(p profile) bool { return p.Role == role }), err
}
