package lambda

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// timeFormat is the API's for LastModified.
const timeFormat = "2006-01-02T15:04:05.000-0700"

func (s *Service) createFunction(ctx context.Context, req *wire.Request, in *awslambda.CreateFunctionInput) (*types.FunctionConfiguration, error) {
	ref, err := parse(req.Scope, aws.ToString(in.FunctionName), "")
	if err != nil {
		return nil, err
	}
	arn := ref.arn()
	if err := refuseUnserved(in); err != nil {
		return nil, err
	}
	c := types.FunctionConfiguration{
		FunctionName: &ref.name, FunctionArn: &arn, Version: aws.String(latest), PackageType: types.PackageTypeZip, State: types.StateActive,
		LastUpdateStatus: types.LastUpdateStatusSuccessful, Description: aws.String(""), Timeout: aws.Int32(3), MemorySize: aws.Int32(128),
		Architectures: []types.Architecture{types.ArchitectureX8664}, EphemeralStorage: &types.EphemeralStorage{Size: aws.Int32(512)},
		TracingConfig: &types.TracingConfigResponse{Mode: types.TracingModePassThrough},
		SnapStart:     &types.SnapStartResponse{ApplyOn: types.SnapStartApplyOnNone, OptimizationStatus: types.SnapStartOptimizationStatusOff},
		LoggingConfig: &types.LoggingConfig{LogFormat: types.LogFormatText, LogGroup: aws.String("/aws/lambda/" + ref.name)},
	}
	if len(in.Architectures) > 0 {
		c.Architectures = in.Architectures
	}
	if err := s.configure(ctx, req, &c, &awslambda.UpdateFunctionConfigurationInput{
		DeadLetterConfig: in.DeadLetterConfig, Description: in.Description, Environment: in.Environment, EphemeralStorage: in.EphemeralStorage,
		Handler: in.Handler, KMSKeyArn: in.KMSKeyArn, LoggingConfig: in.LoggingConfig, MemorySize: in.MemorySize, Role: in.Role, Runtime: in.Runtime,
		Timeout: in.Timeout, TracingConfig: in.TracingConfig, VpcConfig: in.VpcConfig, Layers: in.Layers, FileSystemConfigs: in.FileSystemConfigs, SnapStart: in.SnapStart,
	}); err != nil {
		return nil, err
	}
	f := function{Scope: ref.scope, Name: ref.name, Tags: in.Tags, Latest: version{Config: c}}
	if f.Latest.Config.Layers, f.Latest.Layers, err = s.layersOf(ctx, req, in.Layers); err != nil {
		return nil, err
	}
	if err := s.setCode(ctx, req, &f.Latest, in.Code); err != nil {
		return nil, err
	}
	f.Latest.touch(s.Clock.Now().Format(timeFormat))
	out := f.Latest
	err = s.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(dbFunctions, ref.key()) != nil {
			return errConflict("Function already exist: %s", f.Name)
		}
		if in.Publish {
			if out, err = s.publish(tx, &f, ""); err != nil {
				return err
			}
		}
		return store.Put(tx, dbFunctions, ref.key(), f)
	})
	if err != nil {
		return nil, err
	}
	// AWS prepares the function behind the reply; here it is ready already, and
	// the next read says so.
	reply := out.Config
	reply.FunctionArn = &arn // unqualified, also with Publish
	reply.State, reply.StateReason, reply.StateReasonCode = types.StatePending, aws.String("The function is being created."), types.StateReasonCodeCreating
	reply.LastUpdateStatus = ""
	return &reply, nil
}

func refuseUnserved(in *awslambda.CreateFunctionInput) error {
	switch {
	case in.PackageType == types.PackageTypeImage || in.ImageConfig != nil:
		return errInvalid("The sandbox does not run container images; use PackageType Zip.")
	case in.CodeSigningConfigArn != nil:
		return errInvalid("The sandbox does not serve code signing.")
	case in.DurableConfig != nil || in.CapacityProviderConfig != nil || in.TenancyConfig != nil:
		return errInvalid("The sandbox does not serve durable functions, capacity providers or tenant isolation.")
	case len(in.Architectures) > 1:
		return errInvalid("Architectures must have exactly one value.")
	}
	return nil
}

// setCode stores the code of a version.
func (s *Service) setCode(ctx context.Context, req *wire.Request, v *version, code *types.FunctionCode) error {
	raw, err := s.fetch(ctx, req.Scope, req.Principal, code)
	if err != nil {
		return err
	}
	name, sum, err := s.packages.save(raw)
	if err != nil {
		return err
	}
	v.Package, v.Config.CodeSha256, v.Config.CodeSize = name, &sum, int64(len(raw))
	return nil
}

func (v *version) touch(now string) {
	v.Config.LastModified, v.Config.RevisionId = &now, aws.String(wire.NewID())
}

func (s *Service) updateCode(ctx context.Context, req *wire.Request, in *awslambda.UpdateFunctionCodeInput) (*types.FunctionConfiguration, error) {
	ref, err := refer(req, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if len(in.Architectures) > 1 {
		return nil, errInvalid("Architectures must have exactly one value.")
	}
	var next version
	if err := s.setCode(ctx, req, &next, &types.FunctionCode{
		ImageUri: in.ImageUri, S3Bucket: in.S3Bucket, S3Key: in.S3Key,
		S3ObjectVersion: in.S3ObjectVersion, ZipFile: in.ZipFile,
	}); err != nil {
		return nil, err
	}
	return s.update(ref, in.RevisionId, in.Publish, in.DryRun, func(v *version) {
		v.Package, v.Config.CodeSha256, v.Config.CodeSize = next.Package, next.Config.CodeSha256, next.Config.CodeSize
		if len(in.Architectures) > 0 {
			v.Config.Architectures = in.Architectures
		}
	})
}

func (s *Service) updateConfiguration(ctx context.Context, req *wire.Request, in *awslambda.UpdateFunctionConfigurationInput) (*types.FunctionConfiguration, error) {
	ref, err := refer(req, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	f, _, err := s.read(ref.with(""))
	if err != nil {
		return nil, err
	}
	// Checked on a copy first: this asks other services, which a transaction must not.
	c := f.Latest.Config
	if err := s.configure(ctx, req, &c, in); err != nil {
		return nil, err
	}
	layers := f.Latest.Layers
	if in.Layers != nil {
		if c.Layers, layers, err = s.layersOf(ctx, req, in.Layers); err != nil {
			return nil, err
		}
	}
	revision := in.RevisionId
	if revision == nil {
		revision = f.Latest.Config.RevisionId
	}
	return s.update(ref, revision, false, false, func(v *version) { v.Config, v.Layers = c, layers })
}

// update changes $LATEST, which ends its execution environments.
func (s *Service) update(ref reference, revision *string, publish, dry bool, apply func(*version)) (*types.FunctionConfiguration, error) {
	var out version
	err := s.change(ref, func(tx *store.Tx, f *function) error {
		if revision != nil && *revision != aws.ToString(f.Latest.Config.RevisionId) {
			return errRevision()
		}
		apply(&f.Latest)
		out = f.Latest
		if dry {
			return errUnchanged
		}
		f.Latest.touch(s.Clock.Now().Format(timeFormat))
		out = f.Latest
		if !publish {
			return nil
		}
		var err error
		out, err = s.publish(tx, f, "")
		return err
	})
	if err != nil {
		return nil, err
	}
	s.pool.retire(ref, latest)
	reply := out.Config
	if !dry {
		reply.LastUpdateStatus, reply.LastUpdateStatusReason = types.LastUpdateStatusInProgress, aws.String("The function is being created.")
		reply.LastUpdateStatusReasonCode = "Creating"
	}
	return &reply, nil
}

// refer reads what of a function a call names.
func refer(req *wire.Request, name, qualifier *string) (reference, error) {
	return parse(req.Scope, aws.ToString(name), aws.ToString(qualifier))
}

func (s *Service) getFunction(ctx context.Context, req *wire.Request, in *awslambda.GetFunctionInput) (*awslambda.GetFunctionOutput, error) {
	ref, err := refer(req, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	f, v, err := s.read(ref)
	if err != nil {
		return nil, err
	}
	c := s.qualified(ref, v)
	out := &awslambda.GetFunctionOutput{Configuration: &c, Code: &types.FunctionCodeLocation{RepositoryType: aws.String("S3")}}
	if out.Code.Location, err = s.location(ctx, ref.scope, v.Package); err != nil {
		return nil, err
	}
	// "Lambda returns tag data only if you have explicit allow permissions for lambda:ListTags."
	// (lambda/latest/api/API_GetFunction.html) The code and text of the refusal are not documented.
	if err := req.May(ctx, "lambda:ListTags", f.ref().arn(), nil); err != nil {
		e := wire.AsError(err)
		out.TagsError = &types.TagsError{ErrorCode: &e.Code, Message: &e.Message}
	} else if len(f.Tags) > 0 {
		out.Tags = f.Tags
	}
	if f.Reserved != nil {
		out.Concurrency = &types.Concurrency{ReservedConcurrentExecutions: f.Reserved}
	}
	return out, nil
}

// qualified shows a version under the ARN by which it was asked for.
func (s *Service) qualified(ref reference, v version) types.FunctionConfiguration {
	c := v.Config
	if ref.qualifier != "" {
		c.FunctionArn = aws.String(ref.arn())
	}
	return c
}

func (s *Service) getConfiguration(_ context.Context, req *wire.Request, in *awslambda.GetFunctionConfigurationInput) (*types.FunctionConfiguration, error) {
	ref, err := refer(req, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	_, v, err := s.read(ref)
	if err != nil {
		return nil, err
	}
	c := s.qualified(ref, v)
	return &c, nil
}

func (s *Service) listFunctions(_ context.Context, req *wire.Request, in *awslambda.ListFunctionsInput) (*awslambda.ListFunctionsOutput, error) {
	limit := pageSize(in.MaxItems, 50)
	out := &awslambda.ListFunctionsOutput{Functions: []types.FunctionConfiguration{}}
	err := s.DB.View(func(tx *store.Tx) error {
		var inner error
		err := store.Each(tx, dbFunctions, req.Prefix(), after(req.Scope, in.Marker), func(key string, f function) bool {
			if len(out.Functions) >= limit {
				out.NextMarker = aws.String(lastName(out.Functions))
				return false
			}
			c := f.Latest.Config
			if in.FunctionVersion == types.FunctionVersionAll {
				c.FunctionArn = aws.String(f.ref().with(latest).arn())
			}
			out.Functions = append(out.Functions, c)
			if in.FunctionVersion == types.FunctionVersionAll {
				inner = store.Each(tx, dbVersions, key+"\x00", "", func(_ string, v version) bool {
					out.Functions = append(out.Functions, v.Config)
					return true
				})
			}
			return inner == nil
		})
		if err != nil {
			return err
		}
		return inner
	})
	return out, err
}

func lastName(fs []types.FunctionConfiguration) string { return *fs[len(fs)-1].FunctionName }

// after is the smallest key behind a marker.
func after(sc wire.Scope, marker *string) string {
	if aws.ToString(marker) == "" {
		return ""
	}
	return sc.Key(*marker) + "\x01"
}

// pageSize is a size that the model's constraints let in, of at most what AWS gives out.
func pageSize(n *int32, most int) int {
	if n == nil {
		return most
	}
	return min(int(*n), most)
}

func (s *Service) deleteFunction(_ context.Context, req *wire.Request, in *awslambda.DeleteFunctionInput) (*empty, error) {
	ref, err := refer(req, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if ref.qualifier != "" {
		return &empty{}, s.deleteVersion(ref)
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		f, err := s.get(tx, ref)
		if err != nil {
			return err
		}
		for _, u := range f.URLs {
			if err := tx.Delete(dbURLs, u.ID); err != nil {
				return err
			}
		}
		for _, bucket := range []string{dbVersions, dbAliases} {
			if err := tx.DeletePrefix(bucket, ref.parts()); err != nil {
				return err
			}
		}
		return tx.Delete(dbFunctions, ref.key())
	})
	if err == nil {
		s.pool.retire(ref, "")
	}
	return &empty{}, err
}

func (s *Service) deleteVersion(ref reference) error {
	if ref.qualifier == latest {
		return errInvalid("$LATEST version cannot be deleted without deleting the function.")
	}
	if !digits.MatchString(ref.qualifier) {
		return errInvalid("Deletion of aliases is not currently supported.")
	}
	err := s.change(ref, func(tx *store.Tx, f *function) error {
		if _, _, err := s.lookup(tx, ref); err != nil {
			return err
		}
		var users []string
		err := store.Each(tx, dbAliases, ref.parts(), "", func(_ string, a alias) bool {
			if _, weighted := a.Weights[ref.qualifier]; weighted || a.Version == ref.qualifier {
				users = append(users, a.Name)
			}
			return true
		})
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return errConflict("Unable to delete version because the following aliases reference it: [%s]", strings.Join(users, ", "))
		}
		f.forget(ref.qualifier)
		return tx.Delete(dbVersions, ref.versionKey(ref.qualifier))
	})
	if err == nil {
		s.pool.retire(ref, ref.qualifier)
	}
	return err
}
