package lambda

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/eventpattern"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// dbMappings has the event source mappings: scope's key of the id.
const dbMappings = "lambda.mappings"

// mapping calls a function with the messages of a queue.
type mapping struct {
	Scope           wire.Scope
	ID              string
	Name, Qualifier string // of the function
	Source          string // the queue's ARN
	Batch, Window   int32  // messages; seconds
	Enabled         bool
	Filters         []types.Filter
	Report          []types.FunctionResponseType
	Most            *int32 // calls at a time
	Tags            map[string]string
	Modified        time.Time
}

func (m mapping) key() string    { return m.Scope.Key(m.ID) }
func (m mapping) ref() reference { return reference{m.Scope, m.Name, m.Qualifier} }
func (m mapping) arn() string    { return m.Scope.ARN("lambda", mappingPart+m.ID) }

const mappingPart = "event-source-mapping:"

// mappingOf reads the ARN of a mapping.
func mappingOf(sc wire.Scope, arn string) (id string, ok bool) {
	a, ok := wire.ParseARN(arn)
	if !ok || a.Service != "lambda" || !sc.Owns(a) {
		return "", false
	}
	return strings.CutPrefix(a.Resource, mappingPart)
}

func (s *Service) registerMappings(r *wire.Router) {
	one := wire.On(func(req *wire.Request, in wire.Input) []string {
		return []string{req.ARN("lambda", mappingPart+in.Text("UUID"))}
	})
	// Who makes one with tags is asked for that on the mappings, of which this one has no id
	// yet: AWS's refusals name arn:aws:lambda:REGION:ACCOUNT:event-source-mapping:*
	// (github.com/aws-samples/sample-autonomous-cloud-coding-agents, issue 407).
	wire.Handle(r, "lambda", "CreateEventSourceMapping", s.createMapping, wire.Access{
		Keys:      functionKeys,
		TaggingOn: func(req *wire.Request, _ wire.Input) []string { return []string{req.ARN("lambda", mappingPart+"*")} },
	}.Tags("lambda:TagResource"))
	wire.Handle(r, "lambda", "GetEventSourceMapping", s.getMapping, one)
	wire.Handle(r, "lambda", "ListEventSourceMappings", s.listMappings, wire.Access{})
	wire.Handle(r, "lambda", "UpdateEventSourceMapping", s.updateMapping, one)
	wire.Handle(r, "lambda", "DeleteEventSourceMapping", s.deleteMapping, one)
}

// functionKey has the function of a mapping: Create's, and of Get, Update and Delete what
// the mapping has.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
const functionKey = "lambda:FunctionArn"

func functionKeys(req *wire.Request, in wire.Input) map[string][]string {
	return map[string][]string{functionKey: onFunction(req, in)}
}

func findMapping(tx *store.Tx, sc wire.Scope, id string) (mapping, error) {
	return store.Find[mapping](tx, dbMappings, sc.Key(id), errNoSuch())
}

func (s *Service) readMapping(sc wire.Scope, id string) (m mapping, err error) {
	return store.Look(s.DB, func(tx *store.Tx) (mapping, error) { return findMapping(tx, sc, id) })
}

// describe is a mapping as the API shows it. Members and reasons are those of recordings
// (https://github.com/localstack/localstack, test_lambda_integration_sqs.snapshot.json).
func (m mapping) describe(state string) *types.EventSourceMappingConfiguration {
	if state == "" {
		state = map[bool]string{true: "Enabled", false: "Disabled"}[m.Enabled]
	}
	out := &types.EventSourceMappingConfiguration{
		UUID: &m.ID, EventSourceMappingArn: aws.String(m.arn()), EventSourceArn: &m.Source, FunctionArn: aws.String(m.ref().arn()), BatchSize: &m.Batch,
		MaximumBatchingWindowInSeconds: &m.Window, FunctionResponseTypes: m.Report, State: &state, StateTransitionReason: aws.String("USER_INITIATED"), LastModified: &m.Modified,
	}
	if out.FunctionResponseTypes == nil {
		out.FunctionResponseTypes = []types.FunctionResponseType{}
	}
	if len(m.Filters) > 0 {
		out.FilterCriteria = &types.FilterCriteria{Filters: m.Filters}
	}
	if m.Most != nil {
		out.ScalingConfig = &types.ScalingConfig{MaximumConcurrency: m.Most}
	}
	return out
}

// unserved names a parameter that queues do not have, or the sandbox has not.
func unserved(given map[string]bool) error {
	for _, name := range []string{
		"ParallelizationFactor", "StartingPosition", "StartingPositionTimestamp", "BisectBatchOnFunctionError", "MaximumRecordAgeInSeconds", "MaximumRetryAttempts",
		"TumblingWindowInSeconds", "Topics", "Queues", "SourceAccessConfigurations", "SelfManagedEventSource", "AmazonManagedKafkaEventSourceConfig",
		"SelfManagedKafkaEventSourceConfig", "DocumentDBEventSourceConfig", "DestinationConfig",
	} {
		if given[name] {
			return errInvalid("Unsupported %s parameter for given event source mapping type.", name)
		}
	}
	for _, name := range []string{"KMSKeyArn", "MetricsConfig", "ProvisionedPollerConfig", "LoggingConfig"} {
		if given[name] {
			return errInvalid("The sandbox does not serve %s for event source mappings.", name)
		}
	}
	return nil
}

func (s *Service) createMapping(ctx context.Context, req *wire.Request, in *awslambda.CreateEventSourceMappingInput) (*types.EventSourceMappingConfiguration, error) {
	if err := unserved(map[string]bool{
		"ParallelizationFactor": in.ParallelizationFactor != nil, "StartingPosition": in.StartingPosition != "", "StartingPositionTimestamp": in.StartingPositionTimestamp != nil,
		"BisectBatchOnFunctionError": in.BisectBatchOnFunctionError != nil, "MaximumRecordAgeInSeconds": in.MaximumRecordAgeInSeconds != nil,
		"MaximumRetryAttempts": in.MaximumRetryAttempts != nil, "TumblingWindowInSeconds": in.TumblingWindowInSeconds != nil, "Topics": len(in.Topics) > 0,
		"Queues": len(in.Queues) > 0, "SourceAccessConfigurations": len(in.SourceAccessConfigurations) > 0, "SelfManagedEventSource": in.SelfManagedEventSource != nil,
		"AmazonManagedKafkaEventSourceConfig": in.AmazonManagedKafkaEventSourceConfig != nil, "SelfManagedKafkaEventSourceConfig": in.SelfManagedKafkaEventSourceConfig != nil,
		"DocumentDBEventSourceConfig": in.DocumentDBEventSourceConfig != nil, "DestinationConfig": in.DestinationConfig != nil, "KMSKeyArn": in.KMSKeyArn != nil,
		"MetricsConfig": in.MetricsConfig != nil, "ProvisionedPollerConfig": in.ProvisionedPollerConfig != nil, "LoggingConfig": in.LoggingConfig != nil,
	}); err != nil {
		return nil, err
	}
	ref, err := ownFunction(req, in.FunctionName)
	if err != nil {
		return nil, err
	}
	source, ok := wire.ParseARN(aws.ToString(in.EventSourceArn))
	if !ok {
		return nil, errInvalid("Unrecognized event source.")
	}
	m := mapping{
		Scope: ref.scope, ID: wire.NewID(), Name: ref.name, Qualifier: ref.qualifier, Source: *in.EventSourceArn, Batch: 10, Enabled: in.Enabled == nil || *in.Enabled,
		Report: in.FunctionResponseTypes, Modified: s.Clock.Now(),
	}
	m.set(in.BatchSize, in.MaximumBatchingWindowInSeconds, in.FilterCriteria, in.ScalingConfig)
	if m.Tags, err = tagRules.Add(nil, tags.OfMap(in.Tags)); err != nil {
		return nil, err
	}
	if err := s.checkMapping(ctx, m, source.Service); err != nil {
		return nil, err
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		var other string
		err := store.Each(tx, dbMappings, req.Prefix(), "", func(_ string, o mapping) bool {
			if o.Source == m.Source && o.ref() == m.ref() {
				other = o.ID
			}
			return other == ""
		})
		if err != nil {
			return err
		}
		if other != "" {
			return errConflict("An event source mapping with SQS arn (\" %s \") and function (\" %s \") already exists. Please update or delete the existing "+
				"mapping with UUID %s", m.Source, m.Name, other)
		}
		return store.Put(tx, dbMappings, m.key(), m)
	})
	if err != nil {
		return nil, err
	}
	return m.describe("Creating"), s.mappings.run(m.key())
}

// errNoFunction is what AWS says when a mapping's function is missing.
func errNoFunction() error { return errInvalid("Function does not exist") }

// ownFunction is the function that a mapping calls. It has to be the caller's account's:
// permission is asked on the mapping, and its reader acts as the function's role, so that
// nobody but that account may have one made. That others' functions are not found is our
// reading of the API, whose pages let only the queue be another account's
// (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html): unsure.
func ownFunction(req *wire.Request, name *string) (reference, error) {
	ref, err := refer(req, name, nil)
	if err == nil && ref.scope != req.Scope {
		err = errNoFunction()
	}
	return ref, err
}

// set takes over what a request gives.
func (m *mapping) set(batch, window *int32, filters *types.FilterCriteria, scaling *types.ScalingConfig) {
	if batch != nil {
		m.Batch = *batch
	}
	if window != nil {
		m.Window = *window
	}
	if filters != nil {
		m.Filters = filters.Filters
	}
	if scaling != nil {
		m.Most = scaling.MaximumConcurrency
	}
}

// checkMapping holds a mapping against its function and its queue, which the function's
// role has to be able to read.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
func (s *Service) checkMapping(ctx context.Context, m mapping, service string) error {
	switch {
	case service != "sqs":
		return errInvalid("The sandbox reads queues of SQS as event sources only, not %s.", m.Source)
	case m.Batch < 1 || m.Batch > 10_000:
		return errInvalid("Batch size must be between 1 and 10000.")
	case m.Batch > 10 && strings.HasSuffix(m.Source, ".fifo"):
		return errInvalid("Batch size must be between 1 and 10 for FIFO queues.")
	case m.Batch > 10 && m.Window == 0:
		return errInvalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")
	case m.Window > 0 && strings.HasSuffix(m.Source, ".fifo"):
		return errInvalid("Batching window is not supported for FIFO queues")
	}
	_, v, err := s.read(m.ref())
	if err != nil {
		if wire.AsError(err).Code == "ResourceNotFoundException" {
			return errNoFunction()
		}
		return err
	}
	for _, f := range m.Filters {
		if _, err := eventpattern.Compile(aws.ToString(f.Pattern)); err != nil {
			return errInvalid("Invalid filter pattern definition. (at %s)", aws.ToString(f.Pattern))
		}
	}
	var out struct{ Attributes map[string]string }
	err = s.mappings.call(ctx, m, v, "GetQueueAttributes", map[string]any{"AttributeNames": []string{"VisibilityTimeout"}}, &out)
	if e := wire.AsError(err); err != nil {
		if e.Status == http.StatusForbidden {
			return errInvalid("The provided execution role does not have permissions to call ReceiveMessage on SQS")
		}
		return errInvalid("Error occurred while ReceiveMessage. SQS Error Code: %s. SQS Error Message: %s", cmp.Or(e.QueryCode, e.Code), e.Message)
	}
	if hidden, err := strconv.Atoi(out.Attributes["VisibilityTimeout"]); err == nil && hidden < int(*v.Config.Timeout) {
		return errInvalid("Queue visibility timeout: %d seconds is less than Function timeout: %d seconds", hidden, *v.Config.Timeout)
	}
	return nil
}

func (s *Service) getMapping(_ context.Context, req *wire.Request, in *awslambda.GetEventSourceMappingInput) (*types.EventSourceMappingConfiguration, error) {
	m, err := s.readMapping(req.Scope, aws.ToString(in.UUID))
	if err != nil {
		return nil, err
	}
	return m.describe(""), nil
}

func (s *Service) listMappings(_ context.Context, req *wire.Request, in *awslambda.ListEventSourceMappingsInput) (*awslambda.ListEventSourceMappingsOutput, error) {
	all, err := store.ReadAll[mapping](s.DB, dbMappings, req.Prefix())
	if err != nil {
		return nil, err
	}
	if in.FunctionName != nil {
		ref, err := refer(req, in.FunctionName, nil)
		if err != nil {
			return nil, err
		}
		all = slices.DeleteFunc(all, func(m mapping) bool { return m.ref() != ref })
	}
	if in.EventSourceArn != nil {
		all = slices.DeleteFunc(all, func(m mapping) bool { return m.Source != *in.EventSourceArn })
	}
	some, next, err := page.Of(all, in.Marker, in.MaxItems, 100, func(m mapping) string { return m.ID })
	if err != nil {
		return nil, errInvalid("Invalid Marker.")
	}
	out := &awslambda.ListEventSourceMappingsOutput{EventSourceMappings: []types.EventSourceMappingConfiguration{}, NextMarker: next}
	for _, m := range some {
		out.EventSourceMappings = append(out.EventSourceMappings, *m.describe(""))
	}
	return out, nil
}

// errMoved is that a mapping is another than the one that was looked at.
var errMoved = errors.New("the mapping was changed meanwhile")

// updateMapping holds what a mapping is to be against its function and queue, which takes
// its time, and keeps it if the mapping is still the one that was changed; else it begins
// anew, so that of two changes at a time neither is lost.
func (s *Service) updateMapping(ctx context.Context, req *wire.Request, in *awslambda.UpdateEventSourceMappingInput) (*types.EventSourceMappingConfiguration, error) {
	if err := unserved(map[string]bool{
		"ParallelizationFactor": in.ParallelizationFactor != nil, "BisectBatchOnFunctionError": in.BisectBatchOnFunctionError != nil,
		"MaximumRecordAgeInSeconds": in.MaximumRecordAgeInSeconds != nil, "MaximumRetryAttempts": in.MaximumRetryAttempts != nil,
		"TumblingWindowInSeconds": in.TumblingWindowInSeconds != nil, "SourceAccessConfigurations": len(in.SourceAccessConfigurations) > 0,
		"DocumentDBEventSourceConfig": in.DocumentDBEventSourceConfig != nil, "DestinationConfig": in.DestinationConfig != nil, "KMSKeyArn": in.KMSKeyArn != nil,
		"MetricsConfig": in.MetricsConfig != nil, "ProvisionedPollerConfig": in.ProvisionedPollerConfig != nil, "LoggingConfig": in.LoggingConfig != nil,
	}); err != nil {
		return nil, err
	}
	var m mapping
	err := errMoved
	for errors.Is(err, errMoved) && ctx.Err() == nil {
		var old mapping
		if old, err = s.readMapping(req.Scope, aws.ToString(in.UUID)); err != nil {
			return nil, err
		}
		if m, err = s.changedMapping(ctx, req, old, in); err != nil {
			return nil, err
		}
		err = s.DB.Update(func(tx *store.Tx) error {
			_, err := store.Change(tx, dbMappings, m.key(), errNoSuch(), func(now *mapping) error {
				m.Tags, old.Tags = now.Tags, now.Tags // they are TagResource's
				if !reflect.DeepEqual(*now, old) {
					return errMoved
				}
				*now = m
				return nil
			})
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	return m.describe("Updating"), s.mappings.run(m.key())
}

// changedMapping is a mapping with what a request changes, which has been found good.
func (s *Service) changedMapping(ctx context.Context, req *wire.Request, m mapping, in *awslambda.UpdateEventSourceMappingInput) (mapping, error) {
	if in.FunctionName != nil {
		ref, err := ownFunction(req, in.FunctionName)
		if err != nil {
			return m, err
		}
		m.Name, m.Qualifier = ref.name, ref.qualifier
		// Who may change mappings of one function only may not turn them to another.
		asked := policy.Target{ARN: m.arn(), Tags: m.Tags, Keys: map[string][]string{functionKey: {m.ref().arn()}}}
		if err := policy.Authorize(ctx, req, asked, "lambda:UpdateEventSourceMapping", nil); err != nil {
			return m, err
		}
	}
	if in.Enabled != nil {
		m.Enabled = *in.Enabled
	}
	if in.FunctionResponseTypes != nil {
		m.Report = in.FunctionResponseTypes
	}
	m.set(in.BatchSize, in.MaximumBatchingWindowInSeconds, in.FilterCriteria, in.ScalingConfig)
	m.Modified = s.Clock.Now()
	return m, s.checkMapping(ctx, m, "sqs")
}

func (s *Service) deleteMapping(_ context.Context, req *wire.Request, in *awslambda.DeleteEventSourceMappingInput) (*types.EventSourceMappingConfiguration, error) {
	var m mapping
	err := s.DB.Update(func(tx *store.Tx) (err error) {
		if m, err = findMapping(tx, req.Scope, aws.ToString(in.UUID)); err != nil {
			return err
		}
		return tx.Delete(dbMappings, m.key())
	})
	if err != nil {
		return nil, err
	}
	return m.describe("Deleting"), s.mappings.run(m.key())
}
