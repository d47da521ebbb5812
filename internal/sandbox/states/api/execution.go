package api

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// checkInput parses an execution's input as StartExecution does.
func checkInput(in *string) (string, error) {
	if in == nil {
		return "{}", nil
	}
	text := *in
	if len(text) > record.MaxData {
		return "", validation("1 validation error detected: Value at 'input' failed to satisfy constraint: Member must have length less than or equal to %d", record.MaxData)
	}
	if text == "" {
		return "", wire.Errorf(400, "InvalidExecutionInput", "Invalid State Machine Execution Input: 'Invalid execution input.'")
	}
	if _, err := value.Parse(text); err != nil {
		return "", wire.Errorf(400, "InvalidExecutionInput", "Invalid State Machine Execution Input: '%s'", err)
	}
	return text, nil
}

// target finds what an execution is to run: a machine, version or alias ARN.
func (s *Handlers) target(sc wire.Scope, arn string) (def *record.Revision, rec record.Execution, err error) {
	ref, err := record.ParseMachine(sc, arn)
	if err != nil {
		return nil, rec, err
	}
	if ref.Label != "" {
		return nil, rec, validation("Map Run label ARNs are not supported: %s", arn)
	}
	err = s.DB.View(func(tx *store.Tx) error {
		m, err := record.ReadMachine(tx, ref.Key(), arn)
		if err != nil {
			return err
		}
		if m.Deleting {
			return errDeleting(arn)
		}
		if ref.Qualifier != "" && !ref.IsVersion() {
			a, found, err := store.Shared[record.Alias](tx, record.BucketAliases, ref.AliasKey())
			if err != nil {
				return err
			}
			if !found {
				return record.NoMachine(arn)
			}
			rec.Alias = a.Name
			ref.Qualifier = strconv.Itoa(a.Pick(rand.IntN(100)).Version) // routing
		}
		if ref.Qualifier != "" {
			v, err := record.ReadVersion(tx, ref, arn)
			if err != nil {
				return err
			}
			rec.Version = v.Number
			m = v.Machine
		}
		def = m.AsRevision()
		return nil
	})
	if err != nil {
		return nil, rec, err
	}
	rec.Scope, rec.Machine, rec.Revision, rec.RoleARN = ref.Scope, ref.Name, def.Key, def.RoleARN
	rec.Express = def.Type == record.Express
	return def, rec, nil
}

func (s *Handlers) startExecution(_ context.Context, req *wire.Request, in *sfn.StartExecutionInput) (*sfn.StartExecutionOutput, error) {
	arn := aws.ToString(in.StateMachineArn)
	def, rec, err := s.target(req.Scope, arn)
	if err != nil {
		return nil, err
	}
	if err := s.fill(&rec, def, in.Name, in.Input, in.TraceHeader); err != nil {
		return nil, err
	}
	if rec.Express {
		rec.ExpressID = wire.NewID()
	}
	existing, err := s.Executions.Begin(rec, def)
	if err != nil {
		return nil, err
	}
	return &sfn.StartExecutionOutput{ExecutionArn: aws.String(existing.ARN()), StartDate: &existing.Start}, nil
}

// fill completes a new execution's record.
func (s *Handlers) fill(rec *record.Execution, def *record.Revision, name, input, trace *string) error {
	rec.Name = aws.ToString(name)
	if name == nil {
		rec.Name = wire.NewID()
	}
	if err := checkName(rec.Name); err != nil {
		return err
	}
	text, err := checkInput(input)
	if err != nil {
		return err
	}
	m, err := s.Executions.Parsed(def)
	if err != nil {
		return err
	}
	rec.Input, rec.Status, rec.Start, rec.Trace = text, record.Running, s.now(), aws.ToString(trace)
	limit := time.Duration(m.TimeoutSeconds) * time.Second
	if rec.Express && (limit == 0 || limit > record.MaxExpress) {
		limit = record.MaxExpress
	}
	if limit > 0 {
		t := rec.Start.Add(limit)
		rec.Deadline = &t
	}
	return nil
}

func (s *Handlers) startSyncExecution(ctx context.Context, req *wire.Request, in *sfn.StartSyncExecutionInput) (*sfn.StartSyncExecutionOutput, error) {
	arn := aws.ToString(in.StateMachineArn)
	def, rec, err := s.target(req.Scope, arn)
	if err != nil {
		return nil, err
	}
	if !rec.Express {
		return nil, wire.Errorf(400, "StateMachineTypeNotSupported", "This operation is not supported by this type of state machine")
	}
	if err := s.fill(&rec, def, in.Name, in.Input, in.TraceHeader); err != nil {
		return nil, err
	}
	rec.ExpressID = wire.NewID()
	r, err := s.Executions.RunSync(ctx, rec, def)
	if err != nil {
		return nil, err
	}
	took := r.Stop.Sub(r.Start)
	billed := (took.Milliseconds() + 99) / 100 * 100
	included := &types.CloudWatchEventsExecutionDataDetails{Included: true}
	out := &sfn.StartSyncExecutionOutput{
		ExecutionArn: aws.String(r.ARN()), StateMachineArn: aws.String(r.MachineARN()), Name: aws.String(r.Name),
		StartDate: &r.Start, StopDate: r.Stop, Status: types.SyncExecutionStatus(r.Status), Input: aws.String(r.Input), InputDetails: included,
		Error: r.Error, Cause: r.Cause, OutputDetails: included, // without an output too
		BillingDetails: &types.BillingDetails{BilledDurationInMilliseconds: max(billed, 100), BilledMemoryUsedInMB: 64},
	}
	if r.Status == record.Succeeded {
		out.Output = aws.String(r.Output)
	}
	if r.Trace != "" {
		out.TraceHeader = aws.String(r.Trace)
	}
	return out, nil
}

// execution reads the record that an ARN names.
func (s *Handlers) execution(req *wire.Request, arn string) (record.Execution, *record.Revision, error) {
	named, err := record.ParseARN(req.Scope, arn, "execution")
	if err != nil {
		return record.Execution{}, nil, err
	}
	rec, def, err := record.Load(s.DB, named.Key())
	if wire.IsCode(err, "ExecutionDoesNotExist") {
		err = record.NoExecution(arn)
	}
	return rec, def, err
}

func (s *Handlers) stopExecution(ctx context.Context, req *wire.Request, in *sfn.StopExecutionInput) (*sfn.StopExecutionOutput, error) {
	rec, def, err := s.execution(req, aws.ToString(in.ExecutionArn))
	if err != nil {
		return nil, err
	}
	if rec.Status != record.Running {
		return &sfn.StopExecutionOutput{StopDate: rec.Stop}, nil
	}
	if err := s.Executions.Stop(ctx, rec, def, in.Error, in.Cause); err != nil {
		return nil, err
	}
	rec, _, err = record.Load(s.DB, rec.Key())
	if err != nil {
		return nil, err
	}
	return &sfn.StopExecutionOutput{StopDate: rec.Stop}, nil
}

func (s *Handlers) describeExecution(_ context.Context, req *wire.Request, in *sfn.DescribeExecutionInput) (*sfn.DescribeExecutionOutput, error) {
	rec, _, err := s.execution(req, aws.ToString(in.ExecutionArn))
	if err != nil {
		return nil, err
	}
	included := &types.CloudWatchEventsExecutionDataDetails{Included: true}
	out := &sfn.DescribeExecutionOutput{
		ExecutionArn: in.ExecutionArn, StateMachineArn: aws.String(rec.MachineARN()), Name: aws.String(rec.Name),
		Status: types.ExecutionStatus(rec.Status), StartDate: &rec.Start, StopDate: rec.Stop, Error: rec.Error, Cause: rec.Cause,
		Input: aws.String(rec.Input), InputDetails: included, RedriveCount: aws.Int32(int32(rec.RedriveCount)), RedriveDate: rec.RedriveAt, // few
	}
	if rec.Status == record.Succeeded {
		out.Output, out.OutputDetails = aws.String(rec.Output), included
	}
	if in.IncludedData == types.IncludedDataMetadataOnly {
		out.Input, out.Output = nil, nil
		excluded := &types.CloudWatchEventsExecutionDataDetails{}
		out.InputDetails = excluded
		if out.OutputDetails != nil {
			out.OutputDetails = excluded
		}
	}
	if rec.Version > 0 {
		out.StateMachineVersionArn = aws.String(rec.VersionARN())
	}
	if rec.Alias != "" {
		out.StateMachineAliasArn = aws.String(rec.AliasARN())
	}
	if rec.MapRun != "" {
		out.MapRunArn = aws.String(rec.MapRun)
	}
	if rec.Trace != "" {
		out.TraceHeader = aws.String(rec.Trace)
	}
	out.RedriveStatus, out.RedriveStatusReason = rec.Redrivable(s.now())
	return out, nil
}

func (s *Handlers) describeForExecution(_ context.Context, req *wire.Request, in *sfn.DescribeStateMachineForExecutionInput) (*sfn.DescribeStateMachineForExecutionOutput, error) {
	rec, def, err := s.execution(req, aws.ToString(in.ExecutionArn))
	if err != nil {
		return nil, err
	}
	out := &sfn.DescribeStateMachineForExecutionOutput{
		StateMachineArn: aws.String(rec.MachineARN()), Name: aws.String(def.Machine), Definition: aws.String(def.Definition),
		RoleArn: aws.String(def.RoleARN), UpdateDate: &def.Updated, LoggingConfiguration: record.Logging(def.Logging),
		EncryptionConfiguration: record.Encryption(def.Encryption), TracingConfiguration: &types.TracingConfiguration{Enabled: def.Tracing},
		VariableReferences: s.variableReferences(def),
	}
	if def.Revision != "" {
		out.RevisionId = aws.String(def.Revision)
	}
	if rec.MapRun != "" {
		out.MapRunArn = aws.String(rec.MapRun)
		_, label, _ := strings.Cut(rec.Machine, "/")
		out.Label = aws.String(label)
	}
	return out, nil
}
