package services

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
)

func stepFunctionsResources() []Resource {
	return []Resource{stateMachine(), stateMachineVersion(), stateMachineAlias()}
}

const noMachine = "StateMachineDoesNotExist"

// The names below are those of the CloudFormation resource, which aws-native
// takes over. Definitions as an object or in S3, and substitutions, are refused:
// the text in the program is the text that is deployed.
type machineArgs struct {
	DefinitionString *string            `pulumi:"definitionString,required,json" check:"len=1..1048576"`
	Encryption       *machineEncryption `pulumi:"encryptionConfiguration"`
	Logging          *machineLogging    `pulumi:"loggingConfiguration"`
	RoleArn          string             `pulumi:"roleArn,required" check:"len=1..256"`
	StateMachineName *string            `pulumi:"stateMachineName,replace,computed" check:"len=1..80;match=^[^\\s<>{}\\[\\]?*\"#%\\\\^|~$&,;:/\x60]+$"`
	StateMachineType *string            `pulumi:"stateMachineType,replace,computed" check:"enum=STANDARD|EXPRESS"`
	Tags             []machineTag       `pulumi:"tags,set"`
	Tracing          *machineTracing    `pulumi:"tracingConfiguration"`
}

type machineEncryption struct {
	ReuseSeconds *int    `pulumi:"kmsDataKeyReusePeriodSeconds" check:"min=60;max=900"`
	KmsKeyID     *string `pulumi:"kmsKeyId" check:"len=1..2048"`
	Type         string  `pulumi:"type,required" check:"enum=CUSTOMER_MANAGED_KMS_KEY|AWS_OWNED_KEY"`
}

type machineLogging struct {
	Destinations         []machineDestination `pulumi:"destinations" check:"items=0..1"`
	IncludeExecutionData *bool                `pulumi:"includeExecutionData"`
	Level                *string              `pulumi:"level" check:"enum=ALL|ERROR|FATAL|OFF"`
}

type machineDestination struct {
	Group *machineLogGroup `pulumi:"cloudWatchLogsLogGroup"`
}

type machineLogGroup struct {
	Arn *string `pulumi:"logGroupArn" check:"len=1..256"`
}

type machineTracing struct {
	Enabled *bool `pulumi:"enabled"`
}

type machineTag struct {
	Key   string `pulumi:"key,required" check:"len=1..128"`
	Value string `pulumi:"value,required" check:"len=1..256"`
}

type machineState struct {
	machineArgs
	Arn        string `pulumi:"arn"`
	Name       string `pulumi:"name"`
	RevisionID string `pulumi:"stateMachineRevisionId"`
}

// initialRevision is what stands for the revision of a machine that was never
// updated: the API has no id for it.
const initialRevision = "INITIAL"

func stateMachine() Resource {
	return define(Def[machineArgs, machineState]{
		Type: "aws-native:stepfunctions:StateMachine", Title: "State Machine", Named: &Naming{Property: "stateMachineName", Max: 80},
		CheckFn: func(in *machineArgs, known func(string) bool) []schema.Failure {
			if !known("loggingConfiguration") || in.Logging == nil {
				return nil
			}
			for _, d := range in.Logging.Destinations {
				if d.Group != nil && d.Group.Arn != nil && !strings.HasSuffix(*d.Group.Arn, ":*") {
					return []schema.Failure{{Property: "loggingConfiguration", Reason: "the logGroupArn must end with :*"}}
				}
			}
			return nil
		},
		UnsettledFn: func(changed map[string]bool, _ *machineArgs) []string {
			if anyOf(changed, "definitionString", "roleArn", "loggingConfiguration", "tracingConfiguration", "encryptionConfiguration") {
				return []string{"stateMachineRevisionId"}
			}
			return nil
		},
		CreateFn: createMachine, ReadFn: readMachine, UpdateFn: updateMachine, DeleteFn: deleteMachine,
	})
}

func (in *machineArgs) logging() *types.LoggingConfiguration {
	out := &types.LoggingConfiguration{Level: types.LogLevelOff}
	if l := in.Logging; l != nil {
		out.IncludeExecutionData = deref(l.IncludeExecutionData)
		if l.Level != nil {
			out.Level = types.LogLevel(*l.Level)
		}
		for _, d := range l.Destinations {
			if d.Group != nil {
				out.Destinations = append(out.Destinations, types.LogDestination{CloudWatchLogsLogGroup: &types.CloudWatchLogsLogGroup{LogGroupArn: d.Group.Arn}})
			}
		}
	}
	return out
}

func (in *machineArgs) encryption() *types.EncryptionConfiguration {
	if e := in.Encryption; e != nil {
		return &types.EncryptionConfiguration{Type: types.EncryptionType(e.Type), KmsKeyId: set(e.KmsKeyID), KmsDataKeyReusePeriodSeconds: i32(e.ReuseSeconds)}
	}
	return &types.EncryptionConfiguration{Type: types.EncryptionTypeAwsOwnedKey}
}

func (in *machineArgs) tracing() *types.TracingConfiguration {
	return &types.TracingConfiguration{Enabled: in.Tracing != nil && deref(in.Tracing.Enabled)}
}

func (in *machineArgs) tags() map[string]string {
	m := map[string]string{}
	for _, t := range in.Tags {
		m[t.Key] = t.Value
	}
	return m
}

func sfnTag(k, v string) types.Tag { return types.Tag{Key: aws.String(k), Value: aws.String(v)} }

// machineRefusals are what Step Functions says of a role that may not be known,
// or may not be allowed to log, yet.
var machineRefusals = []string{"Neither the global service principal", "is not authorized to access the Log Destination", "authorized to assume"}

func createMachine(ctx context.Context, c *Call, in *machineArgs) (string, error) {
	req := &sfn.CreateStateMachineInput{
		Definition: in.DefinitionString, Name: in.StateMachineName, RoleArn: aws.String(in.RoleArn),
		Type: types.StateMachineType(deref(in.StateMachineType)), Tags: tagList(in.tags(), sfnTag),
	}
	if in.Logging != nil {
		req.LoggingConfiguration = in.logging()
	}
	if in.Tracing != nil {
		req.TracingConfiguration = in.tracing()
	}
	if in.Encryption != nil {
		req.EncryptionConfiguration = in.encryption()
	}
	var arn string
	err := c.Propagated(ctx, func() error {
		out, err := c.SFN().CreateStateMachine(ctx, req)
		if err == nil {
			arn = deref(out.StateMachineArn)
		}
		return err
	}, machineRefusals...)
	return arn, err
}

func readMachine(ctx context.Context, c *Call, id string, last *machineState) (*machineState, error) {
	out, err := c.SFN().DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: aws.String(id)})
	if err != nil {
		return nil, gone(err, noMachine)
	}
	if out.Status == types.StateMachineStatusDeleting {
		return nil, ErrGone
	}
	tags, err := c.SFN().ListTagsForResource(ctx, &sfn.ListTagsForResourceInput{ResourceArn: aws.String(id)})
	if err != nil {
		return nil, gone(err, "ResourceNotFound", noMachine)
	}
	s := &machineState{
		machineArgs: machineArgs{
			DefinitionString: out.Definition, RoleArn: deref(out.RoleArn), StateMachineName: out.Name, StateMachineType: text(out.Type),
			Encryption: machineEncryptionOf(out.EncryptionConfiguration, last.Encryption), Logging: machineLoggingOf(out.LoggingConfiguration, last.Logging),
		},
		Arn: deref(out.StateMachineArn), Name: deref(out.Name), RevisionID: deref(out.RevisionId),
	}
	if s.RevisionID == "" {
		s.RevisionID = initialRevision
	}
	if t := out.TracingConfiguration; t != nil && (t.Enabled || last.Tracing != nil) {
		s.Tracing = &machineTracing{Enabled: aws.Bool(t.Enabled)}
	}
	for _, t := range tags.Tags {
		if !c.ignoresTag(deref(t.Key)) {
			s.Tags = append(s.Tags, machineTag{Key: deref(t.Key), Value: deref(t.Value)})
		}
	}
	return s, nil
}

// machineLoggingOf leaves out a configuration that says nothing, unless the
// program has it.
func machineLoggingOf(l *types.LoggingConfiguration, last *machineLogging) *machineLogging {
	if l == nil || last == nil && len(l.Destinations) == 0 && (l.Level == types.LogLevelOff || l.Level == "") {
		return nil
	}
	out := &machineLogging{IncludeExecutionData: aws.Bool(l.IncludeExecutionData), Level: text(l.Level)}
	if last != nil && last.Level == nil && l.Level == types.LogLevelOff {
		out.Level = nil
	}
	for _, d := range l.Destinations {
		if g := d.CloudWatchLogsLogGroup; g != nil {
			out.Destinations = append(out.Destinations, machineDestination{Group: &machineLogGroup{Arn: g.LogGroupArn}})
		}
	}
	return out
}

func machineEncryptionOf(e *types.EncryptionConfiguration, last *machineEncryption) *machineEncryption {
	if e == nil || last == nil && e.Type == types.EncryptionTypeAwsOwnedKey {
		return nil
	}
	out := &machineEncryption{Type: string(e.Type), KmsKeyID: set(e.KmsKeyId), ReuseSeconds: num(e.KmsDataKeyReusePeriodSeconds)}
	if last != nil && last.ReuseSeconds == nil {
		out.ReuseSeconds = nil // the server's default
	}
	return out
}

func updateMachine(ctx context.Context, c *Call, id string, last *machineState, in *machineArgs) error {
	if c.Changed("definitionString", "roleArn", "loggingConfiguration", "tracingConfiguration", "encryptionConfiguration") {
		req := &sfn.UpdateStateMachineInput{
			StateMachineArn: aws.String(id), Definition: in.DefinitionString, RoleArn: aws.String(in.RoleArn), LoggingConfiguration: in.logging(),
			TracingConfiguration: in.tracing(),
		}
		if c.Changed("encryptionConfiguration") {
			req.EncryptionConfiguration = in.encryption()
		}
		if err := c.Propagated(ctx, func() error {
			_, err := c.SFN().UpdateStateMachine(ctx, req)
			return err
		}, machineRefusals...); err != nil {
			return err
		}
	}
	add, remove := tagChanges(last.tags(), in.tags())
	if len(remove) > 0 {
		if _, err := c.SFN().UntagResource(ctx, &sfn.UntagResourceInput{ResourceArn: aws.String(id), TagKeys: remove}); err != nil {
			return err
		}
	}
	if len(add) > 0 {
		if _, err := c.SFN().TagResource(ctx, &sfn.TagResourceInput{ResourceArn: aws.String(id), Tags: tagList(add, sfnTag)}); err != nil {
			return err
		}
	}
	return nil
}

// deleteMachine waits until the machine is gone: its executions are stopped
// first, and until then its name is taken.
func deleteMachine(ctx context.Context, c *Call, id string, _ *machineState) error {
	if _, err := c.SFN().DeleteStateMachine(ctx, &sfn.DeleteStateMachineInput{StateMachineArn: aws.String(id)}); err != nil {
		return gone(err, noMachine)
	}
	return c.Wait(ctx, "State Machine "+id+" to be deleted", func(ctx context.Context) (bool, error) {
		_, err := c.SFN().DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: aws.String(id)})
		if isCode(err, noMachine) {
			return true, nil
		}
		return false, err
	})
}
