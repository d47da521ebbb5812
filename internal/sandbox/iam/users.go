package iam

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// user is a user that was made. The account's own, who administers it, is in no
// bucket: it is told by its account.
type user struct {
	entity
	Boundary string
	Tags     map[string]string
	grants
	Groups       []string // names
	Login        *login
	Certificates []certificate
}

// login is what a user signs in with at a console, which the sandbox has not: the
// password is checked against the account's policy and forgotten.
type login struct {
	Created time.Time
	Reset   bool
}

func (s *Service) users() home[user, *user] {
	return home[user, *user]{s, usersBucket, "UserName", "user", "AIDA", noUser}
}

func noUser(name string) error {
	return wire.Errorf(http.StatusNotFound, "NoSuchEntity", "The user with name %s cannot be found.", name)
}

// ownUser is the account's own user as others are shown.
func (s *Service) ownUser(sc wire.Scope) user {
	owner, _ := s.account(sc.Account)
	return user{entity: entity{Name: UserName, Path: "/", ID: owner.UserID, ARN: owner.principal(sc.Partition).ARN, Created: owner.Created}}
}

func (s *Service) getUserOf(tx *store.Tx, sc wire.Scope, name string) (user, error) {
	if name == UserName {
		return s.ownUser(sc), nil
	}
	return s.users().get(tx, sc, name)
}

func (s *Service) registerUsers(r *wire.Router) {
	u := wire.On(s.onUser)
	wire.Handle(r, "iam", "CreateUser", s.createUser, wire.Access{On: s.users().onNew, Keys: boundaryKeys, Tagging: "iam:TagUser"})
	wire.Handle(r, "iam", "GetUser", s.getUser, u)
	wire.Handle(r, "iam", "ListUsers", s.listUsers, wire.On(onPath("user")))
	wire.Handle(r, "iam", "UpdateUser", s.updateUser, u)
	wire.Handle(r, "iam", "DeleteUser", s.deleteUser, u)
	k := kind[user]{
		noun: "User", on: s.onUser, id: func(in *kindInput) *string { return in.UserName }, read: s.readUser, change: s.changeUser,
		boundary: func(u *user) *string { return &u.Boundary },
	}
	registerTags(r, k, func(u *user) *map[string]string { return &u.Tags })
	registerBoundary(s, r, k)
	registerGrants(s, r, k, maxUserInline, func(u *user, out *kindOutput) (*grants, string) {
		out.UserName = &u.Name
		return &u.grants, u.Name
	})
	wire.Handle(r, "iam", "CreateLoginProfile", s.createLogin, u)
	wire.Handle(r, "iam", "GetLoginProfile", s.getLogin, u)
	wire.Handle(r, "iam", "UpdateLoginProfile", s.updateLogin, u)
	wire.Handle(r, "iam", "DeleteLoginProfile", s.deleteLogin, u)
}

// onPath is a list of a kind of entities, of which policies allow parts by the path.
func onPath(kind string) func(*wire.Request, wire.Input) []string {
	return func(req *wire.Request, in wire.Input) []string {
		return []string{req.GlobalARN("iam", kind+"/"+strings.TrimPrefix(in.Text("PathPrefix"), "/"))}
	}
}

// onUser is the user by the name that a document gives, else who calls. The path is in
// the ARN, so it is looked up.
func (s *Service) onUser(req *wire.Request, in wire.Input) []string {
	name := in.Text("UserName")
	if name == "" {
		name = callerName(req)
	}
	arn := s.users().arn(req.Scope, "/", name)
	_ = s.DB.View(func(tx *store.Tx) error { // an error comes again where the user is read
		if u, err := s.getUserOf(tx, req.Scope, name); err == nil {
			arn = u.ARN
		}
		return nil
	})
	return []string{arn}
}

// callerName is the name of the user who calls, "" of who is none.
func callerName(req *wire.Request) string {
	if !strings.Contains(req.Principal.ARN, ":user/") {
		return ""
	}
	return req.Principal.ARN[strings.LastIndexByte(req.Principal.ARN, '/')+1:]
}

// readUser loads the user that a call names; nobody is who calls.
func (s *Service) readUser(req *wire.Request, name *string) (u user, err error) {
	who := aws.ToString(name)
	if who == "" {
		if who = callerName(req); who == "" {
			return u, wire.Errorf(http.StatusBadRequest, "ValidationError", "Must specify userName when calling with non-User credentials")
		}
	}
	return store.Look(s.DB, func(tx *store.Tx) (user, error) { return s.getUserOf(tx, req.Scope, who) })
}

// changeUser loads a user, lets fn change it and keeps it. The account's own is as it
// is.
func (s *Service) changeUser(req *wire.Request, name *string, fn func(*store.Tx, *user) error) error {
	u, err := s.readUser(req, name)
	if err != nil {
		return err
	}
	if u.Name == UserName {
		return wire.Errorf(http.StatusForbidden, "AccessDenied", "the user %s belongs to the sandbox and cannot be changed", UserName)
	}
	return s.update(func(tx *store.Tx) error {
		u, err := s.getUserOf(tx, req.Scope, u.Name)
		if err != nil {
			return err
		}
		if err := fn(tx, &u); err != nil {
			return err
		}
		return store.Put(tx, usersBucket, u.key(), u)
	})
}

func (u *user) output() *types.User {
	return &types.User{
		UserName: &u.Name, Path: &u.Path, UserId: &u.ID, Arn: &u.ARN, CreateDate: &u.Created, Tags: nilIfNone(tagList(u.Tags)), PermissionsBoundary: boundaryOutput(u.Boundary),
	}
}

// nilIfNone leaves a member out of an answer that has none of them.
func nilIfNone[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

// free refuses a name that another of its kind has, without regard to case.
func free(tx *store.Tx, bucket string, sc wire.Scope, kind, name string) error {
	return tx.Scan(bucket, sc.GlobalPrefix(), "", func(key string, _ []byte) (bool, error) {
		if strings.EqualFold(key, sc.GlobalKey(name)) {
			return false, wire.Errorf(http.StatusConflict, "EntityAlreadyExists", "%s with name %s already exists.", kind, name)
		}
		return true, nil
	})
}

func (s *Service) createUser(_ context.Context, req *wire.Request, in *sdk.CreateUserInput) (*sdk.CreateUserOutput, error) {
	e, err := s.users().fresh(req, in.UserName, in.Path)
	if err != nil {
		return nil, err
	}
	u := user{entity: e}
	if u.Tags, err = addTags(nil, in.Tags); err != nil {
		return nil, err
	}
	err = s.update(func(tx *store.Tx) error {
		if strings.EqualFold(u.Name, UserName) {
			return wire.Errorf(http.StatusConflict, "EntityAlreadyExists", "User with name %s already exists.", u.Name)
		}
		if err := free(tx, usersBucket, req.Scope, "User", u.Name); err != nil {
			return err
		}
		if in.PermissionsBoundary != nil {
			if err := s.checkBoundary(tx, *in.PermissionsBoundary); err != nil {
				return err
			}
			u.Boundary = *in.PermissionsBoundary
		}
		return store.Put(tx, usersBucket, u.key(), u)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.CreateUserOutput{User: u.output()}, nil
}

func (s *Service) getUser(_ context.Context, req *wire.Request, in *sdk.GetUserInput) (*sdk.GetUserOutput, error) {
	u, err := s.readUser(req, in.UserName)
	if err != nil {
		return nil, err
	}
	return &sdk.GetUserOutput{User: u.output()}, nil
}

// listUsers shows the account's own user first.
func (s *Service) listUsers(_ context.Context, req *wire.Request, in *sdk.ListUsersInput) (*sdk.ListUsersOutput, error) {
	made, err := store.ReadAll[user](s.DB, usersBucket, req.GlobalPrefix())
	if err != nil {
		return nil, err
	}
	all, out := append([]user{s.ownUser(req.Scope)}, made...), []types.User{}
	for i := range all {
		if strings.HasPrefix(all[i].Path, aws.ToString(in.PathPrefix)) {
			u := all[i].output()
			u.Tags, u.PermissionsBoundary = nil, nil // GetUser has them
			out = append(out, *u)
		}
	}
	some, next, more, err := pageOf(out, in.Marker, in.MaxItems)
	return &sdk.ListUsersOutput{Users: some, Marker: next, IsTruncated: more}, err
}

// updateUser gives a user another name or path; keys, groups and policies stay.
func (s *Service) updateUser(_ context.Context, req *wire.Request, in *sdk.UpdateUserInput) (*sdk.UpdateUserOutput, error) {
	err := s.changeUser(req, in.UserName, func(tx *store.Tx, u *user) error {
		was, old := u.Name, u.key()
		if err := s.users().move(tx, req, &u.entity, "User", in.NewUserName, in.NewPath); err != nil {
			return err
		}
		if u.key() == old {
			return nil
		}
		if err := renameKeys(tx, old, u.key()); err != nil {
			return err
		}
		if err := renameDevices(tx, req.Scope, was, u.Name); err != nil {
			return err
		}
		return tx.Delete(usersBucket, old)
	})
	return &sdk.UpdateUserOutput{}, err
}

func (s *Service) deleteUser(_ context.Context, req *wire.Request, in *sdk.DeleteUserInput) (*sdk.DeleteUserOutput, error) {
	u, err := s.readUser(req, in.UserName)
	if err != nil {
		return nil, err
	}
	if u.Name == UserName {
		return nil, wire.Errorf(http.StatusForbidden, "AccessDenied", "the user %s belongs to the sandbox and cannot be deleted", UserName)
	}
	err = s.update(func(tx *store.Tx) error {
		u, err := s.getUserOf(tx, req.Scope, u.Name)
		if err != nil {
			return err
		}
		keys, err := keysOf(tx, u.key())
		if err != nil {
			return err
		}
		devices, err := devicesOf(tx, req.Scope, u.Name)
		if err != nil {
			return err
		}
		for what, some := range map[string]bool{
			"detach all policies": len(u.Attached) > 0, "delete policies": len(u.Inline) > 0, "remove users from group": len(u.Groups) > 0,
			"delete access keys": len(keys) > 0, "delete login profile": u.Login != nil, "delete MFA device": len(devices) > 0, "delete signing certificates": len(u.Certificates) > 0,
		} {
			if some {
				return wire.Errorf(http.StatusConflict, "DeleteConflict", "Cannot delete entity, must %s first.", what)
			}
		}
		return tx.Delete(usersBucket, u.key())
	})
	return &sdk.DeleteUserOutput{}, err
}

func noLogin(name string) error {
	return wire.Errorf(http.StatusNotFound, "NoSuchEntity", "Login Profile for User %s cannot be found.", name)
}

func (u *user) loginOutput() *types.LoginProfile {
	return &types.LoginProfile{UserName: &u.Name, CreateDate: &u.Login.Created, PasswordResetRequired: u.Login.Reset}
}

func (s *Service) createLogin(_ context.Context, req *wire.Request, in *sdk.CreateLoginProfileInput) (*sdk.CreateLoginProfileOutput, error) {
	var out *types.LoginProfile
	err := s.changeUser(req, in.UserName, func(tx *store.Tx, u *user) error {
		if u.Login != nil {
			return wire.Errorf(http.StatusConflict, "EntityAlreadyExists", "Login Profile for user %s already exists.", u.Name)
		}
		u.Login = &login{Created: s.now(), Reset: in.PasswordResetRequired}
		out = u.loginOutput()
		return checkPassword(tx, req.Scope, in.Password)
	})
	return &sdk.CreateLoginProfileOutput{LoginProfile: out}, err
}

func (s *Service) getLogin(_ context.Context, req *wire.Request, in *sdk.GetLoginProfileInput) (*sdk.GetLoginProfileOutput, error) {
	u, err := s.readUser(req, in.UserName)
	switch {
	case err != nil:
		return nil, err
	case u.Login == nil:
		return nil, noLogin(u.Name)
	}
	return &sdk.GetLoginProfileOutput{LoginProfile: u.loginOutput()}, nil
}

func (s *Service) updateLogin(_ context.Context, req *wire.Request, in *sdk.UpdateLoginProfileInput) (*sdk.UpdateLoginProfileOutput, error) {
	err := s.changeUser(req, in.UserName, func(tx *store.Tx, u *user) error {
		if u.Login == nil {
			return noLogin(u.Name)
		}
		if in.PasswordResetRequired != nil {
			u.Login.Reset = *in.PasswordResetRequired
		}
		if in.Password != nil {
			return checkPassword(tx, req.Scope, in.Password)
		}
		return nil
	})
	return &sdk.UpdateLoginProfileOutput{}, err
}

func (s *Service) deleteLogin(_ context.Context, req *wire.Request, in *sdk.DeleteLoginProfileInput) (*sdk.DeleteLoginProfileOutput, error) {
	err := s.changeUser(req, in.UserName, func(_ *store.Tx, u *user) error {
		if u.Login == nil {
			return noLogin(u.Name)
		}
		u.Login = nil
		return nil
	})
	return &sdk.DeleteLoginProfileOutput{}, err
}
