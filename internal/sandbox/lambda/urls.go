package lambda

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// dbURLs says whose a function URL is: by its id, the function's key and qualifier.
const dbURLs = "lambda.urls"

// functionURL is the URL of a function or an alias.
type functionURL struct {
	ID                string
	Auth              types.FunctionUrlAuthType
	Mode              types.InvokeMode
	Cors              *types.Cors
	Created, Modified time.Time
}

// urlOwner is what dbURLs has.
type urlOwner struct {
	Scope           wire.Scope
	Name, Qualifier string
}

func (s *Service) registerURLs(r *wire.Router) {
	access := wire.Access{On: onFunction, Keys: func(_ *wire.Request, in wire.Input) map[string][]string {
		if !in.Has("AuthType") {
			return nil
		}
		return map[string][]string{"lambda:FunctionUrlAuthType": {in.Text("AuthType")}}
	}}
	wire.Handle(r, "lambda", "CreateFunctionUrlConfig", s.createURL, access)
	wire.Handle(r, "lambda", "GetFunctionUrlConfig", s.getURL, wire.On(onFunction))
	wire.Handle(r, "lambda", "UpdateFunctionUrlConfig", s.updateURL, access)
	wire.Handle(r, "lambda", "DeleteFunctionUrlConfig", s.deleteURL, wire.On(onFunction))
	wire.Handle(r, "lambda", "ListFunctionUrlConfigs", s.listURLs, wire.On(onFunction))
}

// referURL reads what a URL is of: a function or an alias, never a version. Texts here
// are recordings of AWS (https://github.com/localstack/localstack,
// test_lambda_api.snapshot.json, TestLambdaUrl).
func referURL(req *wire.Request, name, qualifier *string) (reference, error) {
	if q := aws.ToString(qualifier); q != "" && (q == latest || digits.MatchString(q)) {
		return reference{}, errConstraint(q, "qualifier", `Member must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)`)
	}
	return refer(req, name, qualifier)
}

func newURLID() string {
	raw := make([]byte, 20)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw))
}

// gone words that a function, an alias or its URL is missing.
func gone(err error, text string) error {
	if err != nil && wire.AsError(err).Code == "ResourceNotFoundException" {
		return errNotFound("%s", text)
	}
	return err
}

const (
	noFunctionText = "Function does not exist"
	noSuchText     = "The resource you requested does not exist."
)

func (s *Service) createURL(_ context.Context, req *wire.Request, in *awslambda.CreateFunctionUrlConfigInput) (*awslambda.CreateFunctionUrlConfigOutput, error) {
	ref, err := referURL(req, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if in.InvokeMode == types.InvokeModeResponseStream {
		return nil, errInvalid("The sandbox does not stream the responses of function URLs; use the invoke mode BUFFERED.")
	}
	now := s.Clock.Now()
	u := functionURL{ID: newURLID(), Auth: in.AuthType, Mode: types.InvokeModeBuffered, Cors: in.Cors, Created: now, Modified: now}
	err = s.change(ref, func(tx *store.Tx, f *function) error {
		if _, _, err := s.lookup(tx, ref); err != nil {
			return err
		}
		if _, exists := f.URLs[ref.qualifier]; exists {
			return errConflict("Failed to create function url config for [functionArn = %s]. Error message:  FunctionUrlConfig exists for this Lambda function", ref.arn())
		}
		if f.URLs == nil {
			f.URLs = map[string]functionURL{}
		}
		f.URLs[ref.qualifier] = u
		return store.Put(tx, dbURLs, u.ID, urlOwner{ref.scope, ref.name, ref.qualifier})
	})
	if err != nil {
		return nil, gone(err, noFunctionText)
	}
	if err := s.urls.open(); err != nil {
		return nil, err
	}
	return &awslambda.CreateFunctionUrlConfigOutput{
		FunctionArn: aws.String(ref.arn()), FunctionUrl: aws.String(s.urls.address(u.ID)), AuthType: u.Auth, Cors: u.Cors, InvokeMode: in.InvokeMode,
		CreationTime: aws.String(stampURL(u.Created)),
	}, nil
}

func stampURL(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }

func (s *Service) readURL(ref reference) (functionURL, error) {
	f, _, err := s.read(ref)
	if err != nil {
		return functionURL{}, gone(err, noSuchText)
	}
	u, ok := f.URLs[ref.qualifier]
	if !ok {
		return u, errNotFound(noSuchText)
	}
	return u, nil
}

func (s *Service) getURL(_ context.Context, req *wire.Request, in *awslambda.GetFunctionUrlConfigInput) (*awslambda.GetFunctionUrlConfigOutput, error) {
	ref, err := referURL(req, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	u, err := s.readURL(ref)
	return &awslambda.GetFunctionUrlConfigOutput{
		FunctionArn: aws.String(ref.arn()), FunctionUrl: aws.String(s.urls.address(u.ID)), AuthType: u.Auth, Cors: u.Cors, InvokeMode: u.Mode,
		CreationTime: aws.String(stampURL(u.Created)), LastModifiedTime: aws.String(stampURL(u.Modified)),
	}, err
}

func (s *Service) updateURL(_ context.Context, req *wire.Request, in *awslambda.UpdateFunctionUrlConfigInput) (*awslambda.UpdateFunctionUrlConfigOutput, error) {
	ref, err := referURL(req, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if in.InvokeMode == types.InvokeModeResponseStream {
		return nil, errInvalid("The sandbox does not stream the responses of function URLs; use the invoke mode BUFFERED.")
	}
	var u functionURL
	err = s.change(ref, func(tx *store.Tx, f *function) error {
		if _, _, err := s.lookup(tx, ref); err != nil {
			return err
		}
		var ok bool
		if u, ok = f.URLs[ref.qualifier]; !ok {
			return errNotFound(noSuchText)
		}
		if in.AuthType != "" {
			u.Auth = in.AuthType
		}
		if in.Cors != nil {
			u.Cors = in.Cors
		}
		u.Modified = s.Clock.Now()
		f.URLs[ref.qualifier] = u
		return nil
	})
	if err != nil && wire.AsError(err).Message != noSuchText {
		err = gone(err, noFunctionText)
	}
	return &awslambda.UpdateFunctionUrlConfigOutput{
		FunctionArn: aws.String(ref.arn()), FunctionUrl: aws.String(s.urls.address(u.ID)), AuthType: u.Auth, Cors: u.Cors, InvokeMode: in.InvokeMode,
		CreationTime: aws.String(stampURL(u.Created)), LastModifiedTime: aws.String(stampURL(u.Modified)),
	}, err
}

func (s *Service) deleteURL(_ context.Context, req *wire.Request, in *awslambda.DeleteFunctionUrlConfigInput) (*empty, error) {
	ref, err := referURL(req, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return &empty{}, gone(s.change(ref, func(tx *store.Tx, f *function) error {
		u, ok := f.URLs[ref.qualifier]
		if !ok {
			return errNotFound(noSuchText)
		}
		delete(f.URLs, ref.qualifier)
		return tx.Delete(dbURLs, u.ID)
	}), noSuchText)
}

func (s *Service) listURLs(_ context.Context, req *wire.Request, in *awslambda.ListFunctionUrlConfigsInput) (*awslambda.ListFunctionUrlConfigsOutput, error) {
	ref, err := refer(req, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	f, _, err := s.read(ref.with(""))
	if err != nil {
		return nil, gone(err, noFunctionText)
	}
	some, next, err := page.Of(slices.Sorted(maps.Keys(f.URLs)), in.Marker, in.MaxItems, 50, func(q string) string { return q })
	if err != nil {
		return nil, errInvalid("Invalid Marker.")
	}
	out := &awslambda.ListFunctionUrlConfigsOutput{FunctionUrlConfigs: []types.FunctionUrlConfig{}, NextMarker: next}
	for _, q := range some {
		u := f.URLs[q]
		out.FunctionUrlConfigs = append(out.FunctionUrlConfigs, types.FunctionUrlConfig{
			FunctionArn: aws.String(ref.with(q).arn()), FunctionUrl: aws.String(s.urls.address(u.ID)), AuthType: u.Auth, Cors: u.Cors, InvokeMode: u.Mode,
			CreationTime: aws.String(stampURL(u.Created)), LastModifiedTime: aws.String(stampURL(u.Modified)),
		})
	}
	return out, nil
}
