package lambda

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/optional"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// empty is a reply without content.
type empty struct{}

// concurrency is that of an account in a region.
func (s *Service) concurrency(sc wire.Scope) int32 {
	return int32(s.Limits.Limit(sc, limits.LambdaConcurrency)) // at most 1e9
}

// unreserved is what AWS keeps of it for functions without a reservation: 100, or all of
// what an account has that has less,
// https://github.com/awslabs/fhir-works-on-aws-deployment/issues/691 (10),
// https://github.com/aws-samples/siem-on-amazon-opensearch-service/issues/175 (50).
func (s *Service) unreserved(sc wire.Scope) int32 { return min(s.concurrency(sc), 100) }

func (s *Service) putConcurrency(_ context.Context, req *wire.Request, in *awslambda.PutFunctionConcurrencyInput) (*awslambda.PutFunctionConcurrencyOutput, error) {
	ref, err := refer(req, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	n := in.ReservedConcurrentExecutions
	err = s.change(ref, func(tx *store.Tx, f *function) error {
		others, err := claimed(tx, f)
		if err != nil {
			return err
		}
		if own := f.provisioned(); own > *n { // the text is localstack's: unsure
			return errInvalid("ReservedConcurrentExecutions %d should not be lower than function's total provisioned concurrency [%d].", *n, own)
		}
		if keep := s.unreserved(ref.scope); *n > s.concurrency(ref.scope)-keep-others {
			return errInvalid("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", keep)
		}
		f.Reserved = n
		return nil
	})
	return &awslambda.PutFunctionConcurrencyOutput{ReservedConcurrentExecutions: n}, err
}

func (s *Service) getConcurrency(_ context.Context, req *wire.Request, in *awslambda.GetFunctionConcurrencyInput) (*awslambda.GetFunctionConcurrencyOutput, error) {
	ref, err := refer(req, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	f, _, err := s.read(ref.with(""))
	return &awslambda.GetFunctionConcurrencyOutput{ReservedConcurrentExecutions: f.Reserved}, err
}

func (s *Service) deleteConcurrency(_ context.Context, req *wire.Request, in *awslambda.DeleteFunctionConcurrencyInput) (*empty, error) {
	ref, err := refer(req, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	return &empty{}, s.change(ref, func(_ *store.Tx, f *function) error { f.Reserved = nil; return nil })
}

func (s *Service) getCodeSigning(_ context.Context, req *wire.Request, in *awslambda.GetFunctionCodeSigningConfigInput) (*awslambda.GetFunctionCodeSigningConfigOutput, error) {
	ref, err := refer(req, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	_, _, err = s.read(ref.with(""))
	return &awslambda.GetFunctionCodeSigningConfigOutput{FunctionName: &ref.name, CodeSigningConfigArn: aws.String("")}, err
}

func (s *Service) accountSettings(_ context.Context, req *wire.Request, _ *awslambda.GetAccountSettingsInput) (*awslambda.GetAccountSettingsOutput, error) {
	usage, limit := &types.AccountUsage{}, &types.AccountLimit{
		ConcurrentExecutions: s.concurrency(req.Scope), CodeSizeUnzipped: maxUnzipped, CodeSizeZipped: maxZip, TotalCodeSize: 75 << 30,
		UnreservedConcurrentExecutions: aws.Int32(s.concurrency(req.Scope)),
	}
	err := s.DB.View(func(tx *store.Tx) error {
		return store.Each(tx, dbFunctions, req.Prefix(), "", func(_ string, f function) bool {
			usage.FunctionCount++
			usage.TotalCodeSize += f.Latest.Config.CodeSize
			if f.Reserved != nil {
				*limit.UnreservedConcurrentExecutions -= *f.Reserved
			}
			return true
		})
	})
	return &awslambda.GetAccountSettingsOutput{AccountLimit: limit, AccountUsage: usage}, err
}

// Tags. Resource is a function's ARN, unqualified.

var tagRules = tags.Rules{Max: 50, TooMany: &wire.Error{
	Status: 400, Code: "InvalidParameterValueException", Message: "Number of tags exceeds resource tag limit of 50.", Fields: map[string]any{"Type": "User"},
}}

func tagged(req *wire.Request, resource *string) (reference, error) {
	if !wire.MeansARN(aws.ToString(resource)) {
		return reference{}, errConstraint(aws.ToString(resource), "resource", "Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*):lambda:...")
	}
	ref, err := refer(req, resource, nil)
	if err == nil && ref.qualifier != "" {
		err = errInvalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
	}
	return ref, err
}

// resourcePolicy is the policy of a function, version or alias.
type resourcePolicy struct {
	Statements []statement
	Revision   string
}

type statement struct {
	Sid       string
	Effect    string
	Principal any
	Action    string
	Resource  string
	Condition map[string]map[string]string `json:",omitempty"`
}

func (p resourcePolicy) document() (string, error) {
	raw, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Id": "default", "Statement": p.Statements})
	return string(raw), err
}

func (s *Service) addPermission(_ context.Context, req *wire.Request, in *awslambda.AddPermissionInput) (*awslambda.AddPermissionOutput, error) {
	ref, err := refer(req, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	st := statement{
		Sid: aws.ToString(in.StatementId), Effect: "Allow", Action: aws.ToString(in.Action), Resource: ref.arn(),
		Principal: principalOf(req.Scope, aws.ToString(in.Principal)),
	}
	if st.Sid == "" || st.Action == "" || aws.ToString(in.Principal) == "" {
		return nil, errInvalid("StatementId, Action and Principal are required.")
	}
	conditions := map[[2]string]*string{
		{"ArnLike", "AWS:SourceArn"}: in.SourceArn, {"StringEquals", "AWS:SourceAccount"}: in.SourceAccount, {"StringEquals", "aws:PrincipalOrgID"}: in.PrincipalOrgID,
		{"StringEquals", "lambda:FunctionUrlAuthType"}: optional.Of(string(in.FunctionUrlAuthType)),
	}
	if in.InvokedViaFunctionUrl != nil {
		conditions[[2]string{"Bool", "lambda:InvokedViaFunctionUrl"}] = aws.String(strconv.FormatBool(*in.InvokedViaFunctionUrl))
	}
	for key, v := range conditions {
		if v == nil {
			continue
		}
		if st.Condition == nil {
			st.Condition = map[string]map[string]string{}
		}
		if st.Condition[key[0]] == nil {
			st.Condition[key[0]] = map[string]string{}
		}
		st.Condition[key[0]][key[1]] = *v
	}
	err = s.change(ref, func(tx *store.Tx, f *function) error {
		if _, _, err := s.lookup(tx, ref); err != nil {
			return err
		}
		p := f.Policies[ref.qualifier]
		if in.RevisionId != nil && *in.RevisionId != p.Revision {
			return errRevision()
		}
		for _, o := range p.Statements {
			if o.Sid == st.Sid {
				return errConflict("The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", st.Sid)
			}
		}
		p.Statements, p.Revision = append(slices.Clone(p.Statements), st), wire.NewID()
		if f.Policies == nil {
			f.Policies = map[string]resourcePolicy{}
		}
		f.Policies[ref.qualifier] = p
		return nil
	})
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(st)
	return &awslambda.AddPermissionOutput{Statement: aws.String(string(raw))}, err
}

func principalOf(sc wire.Scope, p string) any {
	switch {
	case p == "*":
		return "*"
	case strings.HasSuffix(p, ".amazonaws.com"):
		return map[string]string{"Service": p}
	case digits.MatchString(p) && len(p) == 12:
		return map[string]string{"AWS": wire.Scope{Partition: sc.Partition, Account: p}.Root()}
	default:
		return map[string]string{"AWS": p}
	}
}

func (s *Service) getPolicy(_ context.Context, req *wire.Request, in *awslambda.GetPolicyInput) (*awslambda.GetPolicyOutput, error) {
	ref, err := refer(req, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	f, _, err := s.read(ref)
	if err != nil {
		return nil, err
	}
	p, ok := f.Policies[ref.qualifier]
	if !ok {
		return nil, errNotFound("The resource you requested does not exist.")
	}
	doc, err := p.document()
	return &awslambda.GetPolicyOutput{Policy: &doc, RevisionId: &p.Revision}, err
}

func (s *Service) removePermission(_ context.Context, req *wire.Request, in *awslambda.RemovePermissionInput) (*empty, error) {
	ref, err := refer(req, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return &empty{}, s.change(ref, func(_ *store.Tx, f *function) error {
		p, ok := f.Policies[ref.qualifier]
		if !ok {
			return errNotFound("No policy is associated with the given resource.")
		}
		if in.RevisionId != nil && *in.RevisionId != p.Revision {
			return errRevision()
		}
		i := slices.IndexFunc(p.Statements, func(st statement) bool { return st.Sid == aws.ToString(in.StatementId) })
		if i < 0 {
			return errNotFound("Statement %s is not found in resource policy.", aws.ToString(in.StatementId))
		}
		p.Statements, p.Revision = slices.Delete(slices.Clone(p.Statements), i, i+1), wire.NewID()
		if len(p.Statements) == 0 {
			delete(f.Policies, ref.qualifier)
			return nil
		}
		f.Policies[ref.qualifier] = p
		return nil
	})
}

// Configuration of asynchronous invocation.

func (s *Service) eventConfigOutput(ref reference, c eventConfig) *types.FunctionEventInvokeConfig {
	q := ref.qualifier
	if q == "" {
		q = latest
	}
	modified := c.Modified
	return &types.FunctionEventInvokeConfig{
		FunctionArn: aws.String(ref.with(q).arn()), LastModified: &modified, MaximumEventAgeInSeconds: c.MaxAge, MaximumRetryAttempts: c.MaxRetries,
		DestinationConfig: &types.DestinationConfig{
			OnSuccess: &types.OnSuccess{Destination: optional.Of(c.OnSuccess)},
			OnFailure: &types.OnFailure{Destination: optional.Of(c.OnFailure)},
		},
	}
}

// apply changes what a request gives; Put begins from nothing, Update does not.
func (c *eventConfig) apply(age, retries *int32, d *types.DestinationConfig, now time.Time) error {
	if age != nil {
		c.MaxAge = age
	}
	if retries != nil {
		c.MaxRetries = retries
	}
	if d != nil {
		if d.OnSuccess != nil {
			c.OnSuccess = aws.ToString(d.OnSuccess.Destination)
		}
		if d.OnFailure != nil {
			c.OnFailure = aws.ToString(d.OnFailure.Destination)
		}
	}
	for _, arn := range []string{c.OnSuccess, c.OnFailure} {
		if arn != "" && !wire.IsARN(arn, "sqs") && !wire.IsARN(arn, "lambda") && !wire.IsARN(arn, "events") {
			return errInvalid("The sandbox delivers to SQS queues, functions and event buses only, not to %s.", arn)
		}
	}
	c.Modified = now
	return nil
}

func (s *Service) setEventConfig(ref reference, fresh bool, age, retries *int32, d *types.DestinationConfig) (*types.FunctionEventInvokeConfig, error) {
	var c eventConfig
	err := s.change(ref, func(tx *store.Tx, f *function) error {
		if _, _, err := s.lookup(tx, ref); err != nil {
			return err
		}
		old, ok := f.Events[ref.qualifier]
		if !fresh {
			if !ok {
				return s.errNoEventConfig(ref)
			}
			c = old
		}
		if err := c.apply(age, retries, d, s.Clock.Now()); err != nil {
			return err
		}
		if f.Events == nil {
			f.Events = map[string]eventConfig{}
		}
		f.Events[ref.qualifier] = c
		return nil
	})
	return s.eventConfigOutput(ref, c), err
}

func (s *Service) errNoEventConfig(ref reference) error {
	return errNotFound("The function %s doesn't have an EventInvokeConfig", ref.with(cmp.Or(ref.qualifier, latest)).arn())
}

func (s *Service) putEventConfig(_ context.Context, req *wire.Request, in *awslambda.PutFunctionEventInvokeConfigInput) (*types.FunctionEventInvokeConfig, error) {
	ref, err := refer(req, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return s.setEventConfig(ref, true, in.MaximumEventAgeInSeconds, in.MaximumRetryAttempts, in.DestinationConfig)
}

func (s *Service) updateEventConfig(_ context.Context, req *wire.Request, in *awslambda.UpdateFunctionEventInvokeConfigInput) (*types.FunctionEventInvokeConfig, error) {
	ref, err := refer(req, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return s.setEventConfig(ref, false, in.MaximumEventAgeInSeconds, in.MaximumRetryAttempts, in.DestinationConfig)
}

func (s *Service) getEventConfig(_ context.Context, req *wire.Request, in *awslambda.GetFunctionEventInvokeConfigInput) (*types.FunctionEventInvokeConfig, error) {
	ref, err := refer(req, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	f, _, err := s.read(ref)
	if err != nil {
		return nil, err
	}
	c, ok := f.Events[ref.qualifier]
	if !ok {
		return nil, s.errNoEventConfig(ref)
	}
	return s.eventConfigOutput(ref, c), nil
}

func (s *Service) listEventConfigs(_ context.Context, req *wire.Request,
	in *awslambda.ListFunctionEventInvokeConfigsInput,
) (*awslambda.ListFunctionEventInvokeConfigsOutput, error) {
	ref, err := refer(req, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	f, _, err := s.read(ref.with(""))
	out := &awslambda.ListFunctionEventInvokeConfigsOutput{FunctionEventInvokeConfigs: []types.FunctionEventInvokeConfig{}}
	for _, q := range slices.Sorted(maps.Keys(f.Events)) {
		out.FunctionEventInvokeConfigs = append(out.FunctionEventInvokeConfigs, *s.eventConfigOutput(ref.with(q), f.Events[q]))
	}
	return out, err
}

func (s *Service) deleteEventConfig(_ context.Context, req *wire.Request, in *awslambda.DeleteFunctionEventInvokeConfigInput) (*empty, error) {
	ref, err := refer(req, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return &empty{}, s.change(ref, func(_ *store.Tx, f *function) error {
		if _, ok := f.Events[ref.qualifier]; !ok {
			return s.errNoEventConfig(ref)
		}
		delete(f.Events, ref.qualifier)
		return nil
	})
}
