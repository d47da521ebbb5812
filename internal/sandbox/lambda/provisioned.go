package lambda

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// provisioned is the provisioned concurrency of a version or an alias. It counts
// against what the function has reserved, or else the account, and is ready at once; environments are started when they
// are asked for, since the machine's processes are few.
type provisioned struct {
	Requested int32
	Modified  time.Time
}

func (s *Service) registerProvisioned(r *wire.Router) {
	function := wire.On(onFunction)
	wire.Handle(r, "lambda", "PutProvisionedConcurrencyConfig", s.putProvisioned, function)
	wire.Handle(r, "lambda", "GetProvisionedConcurrencyConfig", s.getProvisioned, function)
	wire.Handle(r, "lambda", "ListProvisionedConcurrencyConfigs", s.listProvisioned, function)
	wire.Handle(r, "lambda", "DeleteProvisionedConcurrencyConfig", s.deleteProvisioned, function)
}

// findProvisioned resolves what a configuration is of. The texts are recordings of AWS
// (https://github.com/localstack/localstack, test_lambda_api.snapshot.json,
// TestLambdaProvisionedConcurrency).
func (s *Service) findProvisioned(tx *store.Tx, ref reference) (function, error) {
	if ref.qualifier == "" || ref.qualifier == latest {
		return function{}, errInvalid("The function resource provided must be an alias or a published version.")
	}
	f, _, err := s.lookup(tx, ref)
	if err != nil && wire.AsError(err).Code == "ResourceNotFoundException" {
		if digits.MatchString(ref.qualifier) {
			return f, errNotFound("Function not found: %s", ref.arn())
		}
		return f, errNotFound("Cannot find alias arn: %s", ref.arn())
	}
	return f, err
}

func errNoProvisioned() error {
	return withType(wire.Errorf(http.StatusNotFound, "ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function"))
}

func (s *Service) putProvisioned(_ context.Context, req *wire.Request,
	in *awslambda.PutProvisionedConcurrencyConfigInput,
) (*awslambda.PutProvisionedConcurrencyConfigOutput, error) {
	ref, err := refer(req, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if ref.qualifier == latest {
		return nil, errInvalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
	}
	p := provisioned{Requested: *in.ProvisionedConcurrentExecutions, Modified: s.Clock.Now()}
	err = s.change(ref, func(tx *store.Tx, f *function) error {
		if _, err := s.findProvisioned(tx, ref); err != nil {
			return err
		}
		if err := s.checkProvisioned(tx, f, ref, p.Requested); err != nil {
			return err
		}
		if f.Provisioned == nil {
			f.Provisioned = map[string]provisioned{}
		}
		f.Provisioned[ref.qualifier] = p
		return nil
	})
	if err != nil && wire.AsError(err).Code == "ResourceNotFoundException" {
		return nil, s.DB.View(func(tx *store.Tx) error { // it names the alias or the version, not the function
			_, err := s.findProvisioned(tx, ref)
			return err
		})
	}
	return &awslambda.PutProvisionedConcurrencyConfigOutput{
		RequestedProvisionedConcurrentExecutions: &p.Requested, AllocatedProvisionedConcurrentExecutions: aws.Int32(0), AvailableProvisionedConcurrentExecutions: aws.Int32(0),
		Status: types.ProvisionedConcurrencyStatusEnumInProgress, LastModified: aws.String(p.Modified.UTC().Format(timeFormat)),
	}, err
}

// checkProvisioned holds a configuration against the version's other one and against
// what the function and the account have.
// https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html
func (s *Service) checkProvisioned(tx *store.Tx, f *function, ref reference, n int32) error {
	number := func(q string) string {
		if a, ok, err := store.Get[alias](tx, dbAliases, ref.aliasKey(q)); err == nil && ok {
			return a.Version
		}
		return q
	}
	sum := n
	for q, p := range f.Provisioned {
		if q == ref.qualifier {
			continue
		}
		if number(q) == number(ref.qualifier) {
			return errConflict("Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
		}
		sum += p.Requested
	}
	if number(ref.qualifier) == latest {
		return errInvalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
	}
	others, err := claimed(tx, f)
	if err != nil {
		return err
	}
	switch most := s.concurrency(ref.scope) - s.unreserved(ref.scope) - others; {
	case f.Reserved != nil && sum > *f.Reserved:
		return errInvalid("Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")
	case f.Reserved == nil && sum > most:
		return errInvalid("Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [%d].", most)
	}
	return nil
}

func (s *Service) getProvisioned(_ context.Context, req *wire.Request,
	in *awslambda.GetProvisionedConcurrencyConfigInput,
) (*awslambda.GetProvisionedConcurrencyConfigOutput, error) {
	ref, err := refer(req, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	var f function
	if err := s.DB.View(func(tx *store.Tx) error {
		f, err = s.findProvisioned(tx, ref)
		return err
	}); err != nil {
		return nil, err
	}
	p, ok := f.Provisioned[ref.qualifier]
	if !ok {
		return nil, errNoProvisioned()
	}
	return &awslambda.GetProvisionedConcurrencyConfigOutput{
		RequestedProvisionedConcurrentExecutions: &p.Requested, AllocatedProvisionedConcurrentExecutions: &p.Requested, AvailableProvisionedConcurrentExecutions: &p.Requested,
		Status: types.ProvisionedConcurrencyStatusEnumReady, LastModified: aws.String(p.Modified.UTC().Format(timeFormat)),
	}, nil
}

func (s *Service) listProvisioned(_ context.Context, req *wire.Request,
	in *awslambda.ListProvisionedConcurrencyConfigsInput,
) (*awslambda.ListProvisionedConcurrencyConfigsOutput, error) {
	ref, err := refer(req, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	f, _, err := s.read(ref.with(""))
	if err != nil {
		return nil, err
	}
	some, next, err := page.Of(slices.Sorted(maps.Keys(f.Provisioned)), in.Marker, in.MaxItems, 50, func(q string) string { return q })
	if err != nil {
		return nil, errInvalid("Invalid Marker.")
	}
	out := &awslambda.ListProvisionedConcurrencyConfigsOutput{ProvisionedConcurrencyConfigs: []types.ProvisionedConcurrencyConfigListItem{}, NextMarker: next}
	for _, q := range some {
		p := f.Provisioned[q]
		out.ProvisionedConcurrencyConfigs = append(out.ProvisionedConcurrencyConfigs, types.ProvisionedConcurrencyConfigListItem{
			FunctionArn: aws.String(ref.with(q).arn()), RequestedProvisionedConcurrentExecutions: &p.Requested, AllocatedProvisionedConcurrentExecutions: &p.Requested,
			AvailableProvisionedConcurrentExecutions: &p.Requested, Status: types.ProvisionedConcurrencyStatusEnumReady, LastModified: aws.String(p.Modified.UTC().Format(timeFormat)),
		})
	}
	return out, nil
}

// deleteProvisioned succeeds if there is none, as AWS does.
func (s *Service) deleteProvisioned(_ context.Context, req *wire.Request, in *awslambda.DeleteProvisionedConcurrencyConfigInput) (*empty, error) {
	ref, err := refer(req, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if err := s.DB.View(func(tx *store.Tx) error {
		_, err := s.findProvisioned(tx, ref)
		return err
	}); err != nil {
		return nil, err
	}
	return &empty{}, s.change(ref, func(_ *store.Tx, f *function) error {
		delete(f.Provisioned, ref.qualifier)
		return nil
	})
}
