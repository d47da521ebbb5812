package api

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/items"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// maxDefinition is the limit of a definition in bytes.
const maxDefinition = 1 << 20

// definition validates a definition as CreateStateMachine does.
func (s *Handlers) definition(text, typ string) error {
	if len(text) > maxDefinition {
		return validation("1 validation error detected: Value at 'definition' failed to satisfy constraint: Member must have length less than or equal to %d", maxDefinition)
	}
	_, err := asl.Parse(text, asl.Options{Express: typ == record.Express, Resource: s.served, Reader: items.Readable})
	var invalid *asl.Error
	if errors.As(err, &invalid) {
		return wire.Errorf(400, "InvalidDefinition", "Invalid State Machine Definition: '%s'", invalid.Error())
	}
	return err
}

// encodeConfig keeps a configuration of the API.
func encodeConfig(v any) (json.RawMessage, error) { return wire.Encode(v, wire.Casing{Lower: true}) }

// encodeEncryption keeps an encryption configuration. AWS refuses one that names no key
// where it wants the customer's own (InvalidEncryptionConfiguration of the API's model:
// "if type is set to CUSTOMER_MANAGED_KMS_KEY, but kmsKeyId is null"); its words are not
// documented.
func encodeEncryption(c *types.EncryptionConfiguration) (json.RawMessage, error) {
	if c != nil && c.Type == types.EncryptionTypeCustomerManagedKmsKey && aws.ToString(c.KmsKeyId) == "" {
		return nil, wire.Errorf(400, "InvalidEncryptionConfiguration", "Invalid Encryption Configuration: kmsKeyId must be specified if the type is CUSTOMER_MANAGED_KMS_KEY")
	}
	return encodeConfig(c)
}

func (s *Handlers) createStateMachine(ctx context.Context, req *wire.Request, in *sfn.CreateStateMachineInput) (*sfn.CreateStateMachineOutput, error) {
	name := aws.ToString(in.Name)
	if err := checkName(name); err != nil {
		return nil, err
	}
	arn := record.ARN(req.Scope, "stateMachine", name)
	if in.VersionDescription != nil && !in.Publish {
		return nil, validation("Version description can only be set when publish is true")
	}
	if err := checkRole(aws.ToString(in.RoleArn)); err != nil {
		return nil, err
	}
	if err := s.passRole(ctx, req, aws.ToString(in.RoleArn)); err != nil {
		return nil, err
	}
	typ := string(in.Type)
	switch typ {
	case "":
		typ = record.Standard
	case record.Standard, record.Express:
	default:
		return nil, wire.Errorf(400, "StateMachineTypeNotSupported", "State Machine Type is not supported: '%s'", typ)
	}
	if err := s.definition(aws.ToString(in.Definition), typ); err != nil {
		return nil, err
	}
	if err := s.checkLogging(ctx, req, in.LoggingConfiguration); err != nil {
		return nil, err
	}
	if err := s.checkMachineRole(ctx, req, arn, aws.ToString(in.RoleArn), in.LoggingConfiguration); err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	now := s.now()
	m := record.Machine{
		Scope: req.Scope, Name: name, Type: typ, Created: now, Updated: now, RoleARN: aws.ToString(in.RoleArn), Definition: aws.ToString(in.Definition),
		Tracing: in.TracingConfiguration != nil && in.TracingConfiguration.Enabled, NextVersion: 1,
	}
	var err error
	if m.Logging, err = encodeConfig(in.LoggingConfiguration); err != nil {
		return nil, err
	}
	if m.Encryption, err = encodeEncryption(in.EncryptionConfiguration); err != nil {
		return nil, err
	}
	return s.putNewMachine(&m, arn, in)
}

func (s *Handlers) putNewMachine(m *record.Machine, arn string, in *sfn.CreateStateMachineInput) (*sfn.CreateStateMachineOutput, error) {
	out := &sfn.CreateStateMachineOutput{StateMachineArn: aws.String(arn)}
	err := s.DB.Update(func(tx *store.Tx) error {
		old, found, err := store.Get[record.Machine](tx, record.BucketMachines, m.Key())
		if err != nil {
			return err
		}
		if found && old.Deleting {
			return errDeleting(arn)
		}
		if found {
			if !old.Same(m) {
				return wire.Errorf(400, "StateMachineAlreadyExists", "State Machine Already Exists: '%s'", arn)
			}
			out.CreationDate = &old.Created
			if in.Publish {
				out.StateMachineVersionArn = aws.String(record.VersionARN(m.ARN(), old.NextVersion-1))
			}
			return nil
		}
		if err := s.room(tx, m.Scope); err != nil {
			return err
		}
		if in.Publish {
			v := record.Version{Machine: *m, Number: 1, Description: aws.ToString(in.VersionDescription), Created: m.Created}
			m.NextVersion = 2
			if err := store.Put(tx, record.BucketVersions, record.VersionKey(m.Key(), 1), v); err != nil {
				return err
			}
			out.StateMachineVersionArn = aws.String(record.VersionARN(m.ARN(), 1))
		}
		out.CreationDate = &m.Created
		if err := putTags(tx, arn, in.Tags); err != nil {
			return err
		}
		if err := store.Put(tx, record.BucketRevisions, m.RevisionKey(), m.AsRevision()); err != nil {
			return err
		}
		return store.Put(tx, record.BucketMachines, m.Key(), m)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// room refuses a machine more than the account may have in the region. What the model says
// of the error is its text here: AWS's own is not known.
func (s *Handlers) room(tx *store.Tx, sc wire.Scope) error {
	have := 0
	err := tx.Scan(record.BucketMachines, sc.Prefix(), "", func(string, []byte) (bool, error) { have++; return true, nil })
	if err == nil && have >= s.Limits.Limit(sc, limits.StatesMachines) {
		err = wire.Errorf(400, "StateMachineLimitExceeded",
			"The maximum number of state machines has been reached. State machines must be deleted before a new state machine can be created.")
	}
	return err
}

func (s *Handlers) updateStateMachine(ctx context.Context, req *wire.Request, in *sfn.UpdateStateMachineInput) (*sfn.UpdateStateMachineOutput, error) {
	arn := aws.ToString(in.StateMachineArn)
	ref, err := record.ParseMachine(req.Scope, arn)
	if err != nil {
		return nil, err
	}
	if ref.Qualifier != "" {
		return nil, record.NoMachine(arn) // AWS does not say that it is a version
	}
	if in.VersionDescription != nil && !in.Publish {
		return nil, validation("Version description can only be set when publish is true")
	}
	if in.Definition == nil && in.RoleArn == nil && in.LoggingConfiguration == nil && in.TracingConfiguration == nil && in.EncryptionConfiguration == nil && !in.Publish {
		return nil, wire.Errorf(400, "MissingRequiredParameter", "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified")
	}
	if in.RoleArn != nil {
		if err := checkRole(*in.RoleArn); err != nil {
			return nil, err
		}
		if err := s.passRole(ctx, req, *in.RoleArn); err != nil {
			return nil, err
		}
	}
	if err := s.checkLogging(ctx, req, in.LoggingConfiguration); err != nil {
		return nil, err
	}
	var m record.Machine
	if err := s.DB.View(func(tx *store.Tx) (err error) {
		m, err = record.ReadMachine(tx, ref.Key(), arn)
		return err
	}); err != nil {
		return nil, err
	}
	if in.RoleArn != nil || in.LoggingConfiguration != nil {
		role, logging := m.RoleARN, in.LoggingConfiguration
		if in.RoleArn != nil {
			role = *in.RoleArn
		}
		if logging == nil {
			logging = record.Logging(m.Logging)
		}
		if err := s.checkMachineRole(ctx, req, arn, role, logging); err != nil {
			return nil, err
		}
	}
	if in.Definition != nil {
		if err := s.definition(*in.Definition, m.Type); err != nil {
			return nil, err
		}
	}
	out := &sfn.UpdateStateMachineOutput{}
	err = s.DB.Update(func(tx *store.Tx) error { return s.applyUpdate(tx, ref.Key(), in, out) })
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Handlers) applyUpdate(tx *store.Tx, key string, in *sfn.UpdateStateMachineInput, out *sfn.UpdateStateMachineOutput) error {
	m, err := record.ReadMachine(tx, key, aws.ToString(in.StateMachineArn))
	if err != nil {
		return err
	}
	before := m
	if in.Definition != nil {
		m.Definition = *in.Definition
	}
	if in.RoleArn != nil {
		m.RoleARN = *in.RoleArn
	}
	if in.LoggingConfiguration != nil {
		if m.Logging, err = encodeConfig(in.LoggingConfiguration); err != nil {
			return err
		}
	}
	if in.TracingConfiguration != nil {
		m.Tracing = in.TracingConfiguration.Enabled
	}
	if in.EncryptionConfiguration != nil {
		if m.Encryption, err = encodeEncryption(in.EncryptionConfiguration); err != nil {
			return err
		}
	}
	m.Updated = s.now()
	if m.Definition != before.Definition || m.RoleARN != before.RoleARN || !m.Same(&before) || m.Revision == "" && !in.Publish {
		m.Revision = wire.NewID()
	}
	out.UpdateDate = &m.Updated
	if m.Revision != "" {
		out.RevisionId = aws.String(m.Revision)
	}
	if in.Publish {
		n, err := publish(tx, &m, aws.ToString(in.VersionDescription), m.Updated)
		if err != nil {
			return err
		}
		out.StateMachineVersionArn = aws.String(record.VersionARN(m.ARN(), n))
	}
	if err := store.Put(tx, record.BucketRevisions, m.RevisionKey(), m.AsRevision()); err != nil {
		return err
	}
	return store.Put(tx, record.BucketMachines, key, m)
}

func (s *Handlers) describeStateMachine(_ context.Context, req *wire.Request, in *sfn.DescribeStateMachineInput) (*sfn.DescribeStateMachineOutput, error) {
	arn := aws.ToString(in.StateMachineArn)
	ref, err := record.ParseMachine(req.Scope, arn)
	if err != nil {
		return nil, err
	}
	var m record.Machine
	created, description := time.Time{}, ""
	err = s.DB.View(func(tx *store.Tx) error {
		if m, err = record.ReadMachine(tx, ref.Key(), arn); err != nil {
			return err
		}
		created = m.Created
		if ref.Qualifier == "" {
			return nil
		}
		v, err := record.ReadVersion(tx, ref, arn)
		if err != nil {
			return err
		}
		m, created, description = v.Machine, v.Created, v.Description
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := &sfn.DescribeStateMachineOutput{
		StateMachineArn: aws.String(arn), Name: aws.String(m.Name), CreationDate: &created, Definition: aws.String(m.Definition),
		RoleArn: aws.String(m.RoleARN), Type: types.StateMachineType(m.Type), Status: types.StateMachineStatusActive,
		LoggingConfiguration: record.Logging(m.Logging), EncryptionConfiguration: record.Encryption(m.Encryption),
		TracingConfiguration: &types.TracingConfiguration{Enabled: m.Tracing},
		VariableReferences:   s.variableReferences(m.AsRevision()),
	}
	if m.Deleting {
		out.Status = types.StateMachineStatusDeleting
	}
	if m.Revision != "" {
		out.RevisionId = aws.String(m.Revision)
	}
	if description != "" {
		out.Description = aws.String(description)
	}
	if in.IncludedData == types.IncludedDataMetadataOnly {
		out.Definition, out.VariableReferences = aws.String(""), nil
	}
	return out, nil
}

func (s *Handlers) variableReferences(def *record.Revision) map[string][]string {
	m, err := s.Executions.Parsed(def)
	if err != nil {
		return nil
	}
	refs := m.VariableReferences()
	if len(refs) == 0 {
		return nil
	}
	return refs
}

func (s *Handlers) listStateMachines(_ context.Context, req *wire.Request, in *sfn.ListStateMachinesInput) (*sfn.ListStateMachinesOutput, error) {
	limit := pageSize(in.MaxResults)
	from, err := place(machineList, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &sfn.ListStateMachinesOutput{}
	err = s.DB.View(func(tx *store.Tx) error {
		out.StateMachines, out.NextToken, err = page.Scan(tx, machineList, record.BucketMachines, req.Prefix(), from, limit,
			func(_ string, m record.Machine) (types.StateMachineListItem, bool) {
				return types.StateMachineListItem{
					StateMachineArn: aws.String(m.ARN()), Name: aws.String(m.Name), Type: types.StateMachineType(m.Type), CreationDate: &m.Created,
				}, true
			})
		return err
	})
	return out, err
}

func (s *Handlers) validateDefinition(_ context.Context, _ *wire.Request, in *sfn.ValidateStateMachineDefinitionInput) (*sfn.ValidateStateMachineDefinitionOutput, error) {
	limit := int(in.MaxResults)
	if limit <= 0 || limit > 100 {
		limit = 100
	}
	out := &sfn.ValidateStateMachineDefinitionOutput{
		Diagnostics: []types.ValidateStateMachineDefinitionDiagnostic{}, Truncated: aws.Bool(false),
		Result: types.ValidateStateMachineDefinitionResultCodeOk,
	}
	diags := asl.Validate(aws.ToString(in.Definition), asl.Options{Express: in.Type == types.StateMachineTypeExpress, Resource: s.served, Reader: items.Readable})
	for _, d := range diags {
		if d.Severity == asl.SeverityError {
			out.Result = types.ValidateStateMachineDefinitionResultCodeFail
		} else if in.Severity != types.ValidateStateMachineDefinitionSeverityWarning {
			continue
		}
		if len(out.Diagnostics) == limit {
			out.Truncated = aws.Bool(true)
			break
		}
		found := types.ValidateStateMachineDefinitionDiagnostic{
			Severity: types.ValidateStateMachineDefinitionSeverity(d.Severity), Code: aws.String(d.Code), Message: aws.String(d.Message),
		}
		if d.Location != "" {
			found.Location = aws.String(d.Location)
		}
		out.Diagnostics = append(out.Diagnostics, found)
	}
	return out, nil
}
