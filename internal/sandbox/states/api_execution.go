package states

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
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/journal"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// maxExpress is the longest time that an express execution may take.
const maxExpress = 5 * time.Minute

func (rec *execRecord) arn() string {
	if rec.ExpressID != "" {
		return arnIn(rec.Scope, "express", rec.Machine+":"+rec.Name+":"+rec.ExpressID)
	}
	return rec.summary.arn()
}

// checkInput parses an execution's input as StartExecution does.
func checkInput(in *string) (string, error) {
	if in == nil {
		return "{}", nil
	}
	text := *in
	if len(text) > maxData {
		return "", validation("1 validation error detected: Value at 'input' failed to satisfy constraint: Member must have length less than or equal to %d", maxData)
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
func (s *Service) target(sc wire.Scope, arn string) (def *revisionRecord, rec execRecord, err error) {
	ref, err := parseMachineARN(sc, arn)
	if err != nil {
		return nil, rec, err
	}
	if ref.label != "" {
		return nil, rec, validation("Map Run label ARNs are not supported: %s", arn)
	}
	err = s.DB.View(func(tx *store.Tx) error {
		m, err := machine(tx, ref.key(), arn)
		if err != nil {
			return err
		}
		if m.Deleting {
			return errDeleting(arn)
		}
		if ref.qualifier != "" && !ref.version() {
			a, found, err := store.Shared[aliasRecord](tx, bucketAliases, ref.aliasKey())
			if err != nil {
				return err
			}
			if !found {
				return errNoMachine(arn)
			}
			rec.Alias = a.Name
			ref.qualifier = strconv.Itoa(a.pick(rand.IntN(100)).Version) //nolint:gosec // routing
		}
		if ref.qualifier != "" {
			v, err := qualified(tx, ref, arn)
			if err != nil {
				return err
			}
			rec.Version = v.Number
			m = v.Machine
		}
		def = m.revision()
		return nil
	})
	if err != nil {
		return nil, rec, err
	}
	rec.Scope, rec.Machine, rec.Revision, rec.RoleARN = ref.scope, ref.name, def.Key, def.RoleARN
	rec.Express = def.Type == typeExpress
	return def, rec, nil
}

// pick chooses a version by weight; n is a random number from 0 to 99.
func (a *aliasRecord) pick(n int) route {
	for _, r := range a.Routes {
		if n < r.Weight {
			return r
		}
		n -= r.Weight
	}
	return a.Routes[len(a.Routes)-1]
}

func (s *Service) startExecution(_ context.Context, req *wire.Request, in *sfn.StartExecutionInput) (*sfn.StartExecutionOutput, error) {
	arn := str(in.StateMachineArn)
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
	existing, err := s.begin(rec, def)
	if err != nil {
		return nil, err
	}
	return &sfn.StartExecutionOutput{ExecutionArn: aws.String(existing.arn()), StartDate: &existing.Start}, nil
}

// fill completes a new execution's record.
func (s *Service) fill(rec *execRecord, def *revisionRecord, name, input, trace *string) error {
	rec.Name = str(name)
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
	m, err := s.parsed(def)
	if err != nil {
		return err
	}
	rec.Input, rec.Status, rec.Start, rec.Trace = text, statusRunning, s.now(), str(trace)
	limit := time.Duration(m.TimeoutSeconds) * time.Second
	if rec.Express && (limit == 0 || limit > maxExpress) {
		limit = maxExpress
	}
	if limit > 0 {
		t := rec.Start.Add(limit)
		rec.Deadline = &t
	}
	return nil
}

// begin records and starts an execution. If one of the same name runs with the
// same input it returns that one.
func (s *Service) begin(rec execRecord, def *revisionRecord) (*execRecord, error) {
	x, err := s.newExecution(rec, def)
	if err != nil {
		return nil, err
	}
	if s.ctx.Err() != nil {
		return nil, wire.Errorf(503, "ServiceUnavailable", "the service is shutting down")
	}
	if rec.Express {
		done := s.journal.Add([]journal.Put{{Bucket: bucketExpress, Key: rec.key() + ":" + rec.ExpressID, Value: journal.Encoded(&rec)}})
		x.start() // its end is queued after its start
		return &rec, <-done
	}
	if !s.adopt(x) { // runs, or is being started by another call
		return s.repeated(rec)
	}
	old, _, err := s.loadExecution(rec.key())
	if err == nil || !isCode(err, "ExecutionDoesNotExist") {
		s.forget(x)
		if err == nil {
			err = wire.Errorf(400, "ExecutionAlreadyExists", "Execution Already Exists: '%s'", old.arn())
		}
		return nil, err
	}
	puts := append(recordPuts(&rec), journal.Put{Bucket: bucketRunning, Key: rec.key(), Value: journal.Encoded(struct{}{})})
	if err := <-s.journal.Add(puts); err != nil {
		s.forget(x)
		return nil, err
	}
	s.announce(&rec)
	x.start()
	return &rec, nil
}

// repeated answers a start whose name is taken by a running execution.
func (s *Service) repeated(rec execRecord) (*execRecord, error) {
	x := s.executing(rec.key())
	if x == nil {
		return nil, wire.Errorf(400, "ExecutionAlreadyExists", "Execution Already Exists: '%s'", rec.arn())
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.rec.Status == statusRunning && x.rec.Input == rec.Input {
		old := x.rec
		return &old, nil
	}
	return nil, wire.Errorf(400, "ExecutionAlreadyExists", "Execution Already Exists: '%s'", x.rec.arn())
}

func (s *Service) startSyncExecution(ctx context.Context, req *wire.Request, in *sfn.StartSyncExecutionInput) (*sfn.StartSyncExecutionOutput, error) {
	arn := str(in.StateMachineArn)
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
	x, err := s.newExecution(rec, def)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { x.cancel(stopError{}) })()
	x.start()
	<-x.done
	if x.rec.Stop == nil {
		return nil, wire.Errorf(503, "ServiceUnavailable", "the service is shutting down")
	}
	r := &x.rec
	took := r.Stop.Sub(r.Start)
	billed := (took.Milliseconds() + 99) / 100 * 100
	included := &types.CloudWatchEventsExecutionDataDetails{Included: true}
	out := &sfn.StartSyncExecutionOutput{
		ExecutionArn: aws.String(r.arn()), StateMachineArn: aws.String(r.machineARN()), Name: aws.String(r.Name),
		StartDate: &r.Start, StopDate: r.Stop, Status: types.SyncExecutionStatus(r.Status), Input: aws.String(r.Input), InputDetails: included,
		Error: r.Error, Cause: r.Cause, OutputDetails: included, // without an output too
		BillingDetails: &types.BillingDetails{BilledDurationInMilliseconds: max(billed, 100), BilledMemoryUsedInMB: 64},
	}
	if r.Status == statusSucceeded {
		out.Output = aws.String(r.Output)
	}
	if r.Trace != "" {
		out.TraceHeader = aws.String(r.Trace)
	}
	return out, nil
}

// execution reads the record that an ARN names.
func (s *Service) execution(req *wire.Request, arn string) (execRecord, *revisionRecord, error) {
	named, err := parseARN(req.Scope, arn, "execution")
	if err != nil {
		return execRecord{}, nil, err
	}
	rec, def, err := s.loadExecution(named.key())
	if isCode(err, "ExecutionDoesNotExist") {
		err = errNoExecution(arn)
	}
	return rec, def, err
}

func (s *Service) stopExecution(ctx context.Context, req *wire.Request, in *sfn.StopExecutionInput) (*sfn.StopExecutionOutput, error) {
	rec, def, err := s.execution(req, str(in.ExecutionArn))
	if err != nil {
		return nil, err
	}
	if rec.Status != statusRunning {
		return &sfn.StopExecutionOutput{StopDate: rec.Stop}, nil
	}
	x := s.executing(rec.key())
	if x == nil { // not resumed yet
		if err := s.countEvents(&rec); err != nil {
			return nil, err
		}
		if x, err = s.newExecution(rec, def); err != nil {
			return nil, err
		}
		if s.adopt(x) {
			x.start()
		} else {
			x = s.executing(rec.key())
		}
	}
	if x != nil {
		x.cancel(stopError{name: in.Error, cause: in.Cause})
		select {
		case <-x.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	rec, _, err = s.loadExecution(rec.key())
	if err != nil {
		return nil, err
	}
	return &sfn.StopExecutionOutput{StopDate: rec.Stop}, nil
}

func (s *Service) describeExecution(_ context.Context, req *wire.Request, in *sfn.DescribeExecutionInput) (*sfn.DescribeExecutionOutput, error) {
	rec, _, err := s.execution(req, str(in.ExecutionArn))
	if err != nil {
		return nil, err
	}
	included := &types.CloudWatchEventsExecutionDataDetails{Included: true}
	out := &sfn.DescribeExecutionOutput{
		ExecutionArn: in.ExecutionArn, StateMachineArn: aws.String(rec.machineARN()), Name: aws.String(rec.Name),
		Status: types.ExecutionStatus(rec.Status), StartDate: &rec.Start, StopDate: rec.Stop, Error: rec.Error, Cause: rec.Cause,
		Input: aws.String(rec.Input), InputDetails: included, RedriveCount: aws.Int32(int32(rec.RedriveCount)), RedriveDate: rec.RedriveAt, //nolint:gosec // few
	}
	if rec.Status == statusSucceeded {
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
		out.StateMachineVersionArn = aws.String(rec.versionARN())
	}
	if rec.Alias != "" {
		out.StateMachineAliasArn = aws.String(rec.aliasARN())
	}
	if rec.MapRun != "" {
		out.MapRunArn = aws.String(rec.MapRun)
	}
	if rec.Trace != "" {
		out.TraceHeader = aws.String(rec.Trace)
	}
	out.RedriveStatus, out.RedriveStatusReason = s.redriveStatus(&rec)
	return out, nil
}

// redriveWindow is how long after its end an execution can be redriven.
const redriveWindow = 14 * 24 * time.Hour

func (s *Service) redriveStatus(rec *execRecord) (types.ExecutionRedriveStatus, *string) {
	switch {
	case rec.Status == statusRunning, rec.Status == statusSucceeded, rec.Status == statusPending:
		return types.ExecutionRedriveStatusNotRedrivable, aws.String("Execution is " + rec.Status + " and cannot be redriven")
	case rec.Stop != nil && s.now().Sub(*rec.Stop) > redriveWindow:
		return types.ExecutionRedriveStatusNotRedrivable, aws.String("Execution history event expired")
	case rec.LastEvent >= maxEvents-1:
		return types.ExecutionRedriveStatusNotRedrivable, aws.String("Execution history event limit exceeded")
	case rec.MapRun != "":
		return types.ExecutionRedriveStatusRedrivableByMapRun, nil
	}
	return types.ExecutionRedriveStatusRedrivable, nil
}

func (s *Service) describeForExecution(_ context.Context, req *wire.Request, in *sfn.DescribeStateMachineForExecutionInput) (*sfn.DescribeStateMachineForExecutionOutput, error) {
	rec, def, err := s.execution(req, str(in.ExecutionArn))
	if err != nil {
		return nil, err
	}
	out := &sfn.DescribeStateMachineForExecutionOutput{
		StateMachineArn: aws.String(rec.machineARN()), Name: aws.String(def.Machine), Definition: aws.String(def.Definition),
		RoleArn: aws.String(def.RoleARN), UpdateDate: &def.Updated, LoggingConfiguration: loggingOf(def.Logging),
		EncryptionConfiguration: encryptionOf(def.Encryption), TracingConfiguration: &types.TracingConfiguration{Enabled: def.Tracing},
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
