package lambda

import (
	"context"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// publish makes a version of $LATEST. If nothing changed since the last one it
// returns that, as AWS does.
func (s *Service) publish(tx *store.Tx, f *function, description string) (version, error) {
	if f.Published > 0 {
		last, ok, err := store.Get[version](tx, dbVersions, f.ref().versionKey(strconv.Itoa(f.Published)))
		if err != nil {
			return version{}, err
		}
		if ok && sameVersion(last, f.Latest) {
			return last, nil
		}
	}
	f.Published++
	v := f.Latest
	v.Config.Version = aws.String(strconv.Itoa(f.Published))
	v.Config.FunctionArn = aws.String(f.ref().with(*v.Config.Version).arn())
	if description != "" {
		v.Config.Description = &description
	}
	v.Config.RevisionId = aws.String(wire.NewID())
	return v, store.Put(tx, dbVersions, f.ref().versionKey(*v.Config.Version), v)
}

// sameVersion tells whether $LATEST was last changed before the version was made.
func sameVersion(last, latest version) bool {
	return last.Package == latest.Package && aws.ToString(last.Config.LastModified) == aws.ToString(latest.Config.LastModified)
}

func (s *Service) publishVersion(_ context.Context, req *wire.Request, in *awslambda.PublishVersionInput) (*types.FunctionConfiguration, error) {
	ref, err := refer(req, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	var out version
	err = s.change(ref, func(tx *store.Tx, f *function) error {
		if in.RevisionId != nil && *in.RevisionId != aws.ToString(f.Latest.Config.RevisionId) {
			return errRevision()
		}
		if in.CodeSha256 != nil && *in.CodeSha256 != aws.ToString(f.Latest.Config.CodeSha256) {
			return errInvalid("CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.",
				*in.CodeSha256, aws.ToString(f.Latest.Config.CodeSha256))
		}
		var err error
		out, err = s.publish(tx, f, aws.ToString(in.Description))
		return err
	})
	return &out.Config, err
}

func (s *Service) listVersions(_ context.Context, req *wire.Request, in *awslambda.ListVersionsByFunctionInput) (*awslambda.ListVersionsByFunctionOutput, error) {
	ref, err := refer(req, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	limit := pageSize(in.MaxItems, 50)
	out := &awslambda.ListVersionsByFunctionOutput{Versions: []types.FunctionConfiguration{}}
	err = s.DB.View(func(tx *store.Tx) error {
		f, err := s.get(tx, ref)
		if err != nil {
			return err
		}
		from := ""
		if m := aws.ToString(in.Marker); m != "" {
			from = ref.versionKey(m) + "\x00"
		} else {
			c := f.Latest.Config
			c.FunctionArn = aws.String(ref.with(latest).arn())
			out.Versions = append(out.Versions, c)
		}
		return store.Each(tx, dbVersions, ref.parts(), from, func(_ string, v version) bool {
			if len(out.Versions) == limit {
				if out.NextMarker = out.Versions[limit-1].Version; *out.NextMarker == latest {
					out.NextMarker = aws.String("0")
				}
				return false
			}
			out.Versions = append(out.Versions, v.Config)
			return true
		})
	})
	return out, err
}

func (s *Service) aliasConfig(function reference, a alias) *types.AliasConfiguration {
	out := &types.AliasConfiguration{
		AliasArn: aws.String(function.with(a.Name).arn()), Name: &a.Name, FunctionVersion: &a.Version, Description: &a.Description, RevisionId: &a.Revision,
	}
	if len(a.Weights) > 0 {
		out.RoutingConfig = &types.AliasRoutingConfiguration{AdditionalVersionWeights: a.Weights}
	}
	return out
}

func (s *Service) createAlias(_ context.Context, req *wire.Request, in *awslambda.CreateAliasInput) (*types.AliasConfiguration, error) {
	ref, err := refer(req, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	a := alias{Name: aws.ToString(in.Name), Version: aws.ToString(in.FunctionVersion), Description: aws.ToString(in.Description), Revision: wire.NewID()}
	if !aliasName.MatchString(a.Name) || digits.MatchString(a.Name) {
		return nil, errConstraint(a.Name, "name", `Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)`)
	}
	a.route(in.RoutingConfig)
	err = s.DB.Update(func(tx *store.Tx) error {
		if err := s.checkAlias(tx, ref, a); err != nil {
			return err
		}
		key := ref.aliasKey(a.Name)
		if tx.GetRaw(dbAliases, key) != nil {
			return errConflict("Alias already exists: %s", ref.with(a.Name).arn())
		}
		return store.Put(tx, dbAliases, key, a)
	})
	return s.aliasConfig(ref, a), err
}

func (a *alias) route(r *types.AliasRoutingConfiguration) {
	if r != nil {
		a.Weights = r.AdditionalVersionWeights
	}
}

// checkAlias demands that the alias points to versions that exist.
func (s *Service) checkAlias(tx *store.Tx, function reference, a alias) error {
	_, main, err := s.lookup(tx, function.with(a.Version))
	if err != nil {
		return err
	}
	if len(a.Weights) > 0 && a.Version == latest {
		return errInvalid("$LATEST is not supported for an alias pointing to more than 1 version")
	}
	if len(a.Weights) > 1 {
		return errInvalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
	}
	for v, w := range a.Weights {
		if w < 0 || w > 1 {
			return errConstraint(w, "routingConfig.additionalVersionWeights", "Member must have value between 0.0 and 1.0")
		}
		if v == a.Version || !digits.MatchString(v) {
			return errInvalid("Invalid function version %s. Function version %s is already included in routing configuration.", v, v)
		}
		_, other, err := s.lookup(tx, function.with(v))
		if err != nil {
			return err
		}
		if err := alike(main, other); err != nil {
			return err
		}
	}
	return nil
}

// alike refuses two versions of an alias that differ in what both have to have: the
// execution role, and the dead-letter queue or none. The words are ours.
// https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
func alike(a, b version) error {
	dead := func(v version) string {
		if v.Config.DeadLetterConfig == nil {
			return ""
		}
		return aws.ToString(v.Config.DeadLetterConfig.TargetArn)
	}
	switch {
	case aws.ToString(a.Config.Role) != aws.ToString(b.Config.Role):
		return errInvalid("Versions of an alias must have the same execution role: version %s has %s, version %s has %s.",
			aws.ToString(a.Config.Version), aws.ToString(a.Config.Role), aws.ToString(b.Config.Version), aws.ToString(b.Config.Role))
	case dead(a) != dead(b):
		return errInvalid("Versions of an alias must have the same dead-letter queue: versions %s and %s differ.", aws.ToString(a.Config.Version), aws.ToString(b.Config.Version))
	}
	return nil
}

func (s *Service) findAlias(tx *store.Tx, ref reference) (alias, error) {
	if _, err := s.get(tx, ref); err != nil {
		return alias{}, err
	}
	a, ok, err := store.Get[alias](tx, dbAliases, ref.parts()+ref.qualifier)
	if err == nil && !ok {
		err = errNotFound("Cannot find alias arn: %s", ref.arn())
	}
	return a, err
}

func (s *Service) getAlias(_ context.Context, req *wire.Request, in *awslambda.GetAliasInput) (*types.AliasConfiguration, error) {
	ref, err := refer(req, in.FunctionName, in.Name)
	if err != nil {
		return nil, err
	}
	var a alias
	err = s.DB.View(func(tx *store.Tx) error {
		a, err = s.findAlias(tx, ref)
		return err
	})
	return s.aliasConfig(ref, a), err
}

func (s *Service) updateAlias(_ context.Context, req *wire.Request, in *awslambda.UpdateAliasInput) (*types.AliasConfiguration, error) {
	ref, err := refer(req, in.FunctionName, in.Name)
	if err != nil {
		return nil, err
	}
	var a alias
	err = s.DB.Update(func(tx *store.Tx) error {
		if a, err = s.findAlias(tx, ref); err != nil {
			return err
		}
		if in.RevisionId != nil && *in.RevisionId != a.Revision {
			return errRevision()
		}
		if in.FunctionVersion != nil {
			a.Version = *in.FunctionVersion
		}
		if in.Description != nil {
			a.Description = *in.Description
		}
		a.route(in.RoutingConfig)
		a.Revision = wire.NewID()
		if err := s.checkAlias(tx, ref, a); err != nil {
			return err
		}
		return store.Put(tx, dbAliases, ref.parts()+a.Name, a)
	})
	return s.aliasConfig(ref, a), err
}

// deleteAlias succeeds if there is no such alias, as AWS does.
func (s *Service) deleteAlias(_ context.Context, req *wire.Request, in *awslambda.DeleteAliasInput) (*empty, error) {
	ref, err := refer(req, in.FunctionName, in.Name)
	if err != nil {
		return nil, err
	}
	return &empty{}, s.change(ref, func(tx *store.Tx, f *function) error {
		f.forget(ref.qualifier)
		if u, ok := f.URLs[ref.qualifier]; ok {
			delete(f.URLs, ref.qualifier)
			if err := tx.Delete(dbURLs, u.ID); err != nil {
				return err
			}
		}
		return tx.Delete(dbAliases, ref.parts()+ref.qualifier)
	})
}

func (s *Service) listAliases(_ context.Context, req *wire.Request, in *awslambda.ListAliasesInput) (*awslambda.ListAliasesOutput, error) {
	ref, err := refer(req, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	limit := pageSize(in.MaxItems, 50)
	out := &awslambda.ListAliasesOutput{Aliases: []types.AliasConfiguration{}}
	err = s.DB.View(func(tx *store.Tx) error {
		if _, err := s.get(tx, ref); err != nil {
			return err
		}
		from := ""
		if in.Marker != nil {
			from = ref.aliasKey(*in.Marker) + "\x01"
		}
		return store.Each(tx, dbAliases, ref.parts(), from, func(key string, a alias) bool {
			if in.FunctionVersion != nil && a.Version != *in.FunctionVersion {
				return true
			}
			if len(out.Aliases) == limit {
				out.NextMarker = out.Aliases[limit-1].Name
				return false
			}
			out.Aliases = append(out.Aliases, *s.aliasConfig(ref, a))
			return true
		})
	})
	return out, err
}
