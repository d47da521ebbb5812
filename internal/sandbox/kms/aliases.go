package kms

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerAliases(r *wire.Router) {
	wire.Handle(r, "kms", "CreateAlias", s.createAlias, wire.On(s.onAliasAndKey))
	wire.Handle(r, "kms", "UpdateAlias", s.updateAlias, wire.On(s.onAliasAndKey))
	wire.Handle(r, "kms", "DeleteAlias", s.deleteAlias, wire.On(onAlias))
	wire.Handle(r, "kms", "ListAliases", s.listAliases, wire.Access{})
}

func onAlias(req *wire.Request, in wire.Input) []string {
	return []string{arn(req.Scope, in.Text("AliasName"))}
}

// onAliasAndKey: who gives a key an alias has to be allowed that on both.
// https://docs.aws.amazon.com/kms/latest/developerguide/alias-access.html
func (s *Service) onAliasAndKey(req *wire.Request, in wire.Input) []string {
	return append(onAlias(req, in), s.onKey("TargetKeyId", false)(req, in)...)
}

var aliasForm = lazyregexp.New(`^alias/[a-zA-Z0-9/_-]+$`)

func checkAlias(name *string) error {
	n := aws.ToString(name)
	switch {
	case !strings.HasPrefix(n, "alias/"):
		return validation(`Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`)
	case !aliasForm.MatchString(n) || len(n) > 256:
		return wire.Errorf(http.StatusBadRequest, "InvalidAliasNameException", "Alias name %s is not valid.", n)
	case strings.HasPrefix(n, managedAlias):
		return wire.Errorf(http.StatusBadRequest, "NotAuthorizedException", "")
	}
	return nil
}

func (s *Service) createAlias(_ context.Context, req *wire.Request, in *sdk.CreateAliasInput) (*sdk.CreateAliasOutput, error) {
	if err := checkAlias(in.AliasName); err != nil {
		return nil, err
	}
	if strings.Contains(aws.ToString(in.TargetKeyId), "alias/") {
		return nil, validation("Aliases must refer to keys. Not aliases")
	}
	k, err := s.read(req, in.TargetKeyId, false)
	if err != nil {
		return nil, err
	}
	if err := alive(&k); err != nil {
		return nil, err
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		_, found, err := store.Get[alias](tx, aliasesBucket, req.Key(*in.AliasName))
		if err != nil {
			return err
		}
		a := alias{Name: *in.AliasName, ARN: arn(req.Scope, *in.AliasName), KeyID: k.ID, Created: s.now(), Updated: s.now()}
		if found {
			return wire.Errorf(http.StatusBadRequest, "AlreadyExistsException", "An alias with the name %s already exists", a.ARN)
		}
		return store.Put(tx, aliasesBucket, req.Key(a.Name), a)
	})
	return &sdk.CreateAliasOutput{}, err
}

// aliasesOf are the names of a key's aliases, which policies may ask for
// (kms:ResourceAliases). https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
func aliasesOf(tx *store.Tx, req *wire.Request, id string) ([]string, error) {
	all, err := store.List[alias](tx, aliasesBucket, req.Key(""))
	var out []string
	for _, a := range all {
		if a.KeyID == id {
			out = append(out, a.Name)
		}
	}
	return out, err
}

func (s *Service) getAlias(tx *store.Tx, req *wire.Request, name *string) (alias, error) {
	return store.Find[alias](tx, aliasesBucket, req.Key(aws.ToString(name)), notFound("Alias %s is not found.", arn(req.Scope, aws.ToString(name))))
}

func (s *Service) updateAlias(_ context.Context, req *wire.Request, in *sdk.UpdateAliasInput) (*sdk.UpdateAliasOutput, error) {
	k, err := s.read(req, in.TargetKeyId, false)
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		a, err := s.getAlias(tx, req, in.AliasName)
		if err != nil {
			return err
		}
		a.KeyID, a.Updated = k.ID, s.now()
		return store.Put(tx, aliasesBucket, req.Key(a.Name), a)
	})
	return &sdk.UpdateAliasOutput{}, err
}

func (s *Service) deleteAlias(_ context.Context, req *wire.Request, in *sdk.DeleteAliasInput) (*sdk.DeleteAliasOutput, error) {
	if !strings.HasPrefix(aws.ToString(in.AliasName), "alias/") {
		return nil, validation("Invalid identifier")
	}
	err := s.DB.Update(func(tx *store.Tx) error {
		a, err := s.getAlias(tx, req, in.AliasName)
		if err != nil {
			return err
		}
		return tx.Delete(aliasesBucket, req.Key(a.Name))
	})
	return &sdk.DeleteAliasOutput{}, err
}

func (s *Service) listAliases(_ context.Context, req *wire.Request, in *sdk.ListAliasesInput) (*sdk.ListAliasesOutput, error) {
	out := []types.AliasListEntry{}
	err := s.DB.View(func(tx *store.Tx) error {
		only := ""
		if in.KeyId != nil {
			k, err := s.find(tx, req, in.KeyId, false)
			if err != nil {
				return err
			}
			only = k.ID
		}
		all, err := store.List[alias](tx, aliasesBucket, req.Key(""))
		for _, a := range all {
			if only == "" || a.KeyID == only {
				out = append(out, types.AliasListEntry{
					AliasName: aws.String(a.Name), AliasArn: aws.String(a.ARN), TargetKeyId: aws.String(a.KeyID),
					CreationDate: aws.Time(a.Created), LastUpdatedDate: aws.Time(a.Updated),
				})
			}
		}
		// Those of AWS's own keys are there from the beginning, without a key until one is used:
		// https://docs.aws.amazon.com/kms/latest/APIReference/API_ListAliases.html
		for _, service := range managedServices {
			name := managedAlias + service
			if only == "" && !slices.ContainsFunc(all, func(a alias) bool { return a.Name == name }) {
				out = append(out, types.AliasListEntry{AliasName: aws.String(name), AliasArn: aws.String(arn(req.Scope, name))})
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b types.AliasListEntry) int { return strings.Compare(*a.AliasName, *b.AliasName) })
	some, next, err := pageOf(out, in.Marker, in.Limit, func(a types.AliasListEntry) string { return *a.AliasName })
	return &sdk.ListAliasesOutput{Aliases: some, NextMarker: next, Truncated: next != nil}, err
}
