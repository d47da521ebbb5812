package program

import (
	nsfn "github.com/pulumi/pulumi-aws-native/sdk/go/aws/stepfunctions"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// dataKeySeconds is how long Step Functions uses one data key, 60 to 900: fewer
// calls of KMS against a shorter life of the key.
const dataKeySeconds = 300

const logLevelOff = "OFF"

// workflowBlock makes the state machine with its role and its log, a version of
// it for every change, and the alias "live", through which executions start: so
// each is listed with its version, and a redrive keeps it.
func workflowBlock() block {
	return block{
		BlockInfo: BlockInfo{
			Name:    "workflow",
			Title:   "The state machine, its version and its alias \"live\"",
			Reads:   []string{"logLevel", "includeExecutionData", "tracing", "kmsMode", "logRetentionDays", "thresholds.executionsFailed"},
			Exports: []string{"stateMachineArn", "stateMachineAliasArn", "stateMachineVersionArn", "stateLogGroup"},
		},
		plan: planWorkflow,
		add:  addWorkflow,
	}
}

// logLevel is the level of the state machine's log.
func (p *plan) logLevel() string { return or(p.text("logLevel"), "ERROR") }

func (p *plan) logs() bool { return p.logLevel() != logLevelOff }

// planWorkflow grants what the state machine needs besides the calls that its
// definition makes; grantDefinition adds those.
func planWorkflow(p *plan) fault.List {
	if p.logs() {
		// None of these can be limited to a resource.
		// (step-functions/latest/dg/cw-logs.html)
		p.grant(statesRole, allow("LogDelivery", oneOrMany{
			"logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
			"logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
		}, anything))
	}
	if p.tracing() {
		p.grant(statesRole, allow("XRay", oneOrMany{
			"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets",
		}, anything))
	}
	return nil
}

func addWorkflow(b *build) error {
	role, policy, err := b.addRole(statesRole, b.names.StatesRole)
	if err != nil {
		return err
	}
	// What the first execution will call has to be there, and Step Functions
	// checks role and log group when the machine is made.
	before := []pulumi.Resource{policy}
	if b.endpoint != nil {
		before = append(before, b.endpoint)
	}
	if b.function != nil {
		before = append(before, b.function)
	}
	if b.invoker != nil {
		before = append(before, b.invoker)
	}
	args := &nsfn.StateMachineArgs{
		StateMachineName:     pulumi.String(b.names.StateMachine),
		StateMachineType:     nsfn.StateMachineTypeStandard,
		RoleArn:              role.Arn,
		DefinitionString:     b.definitionText(),
		TracingConfiguration: &nsfn.StateMachineTracingConfigurationArgs{Enabled: pulumi.Bool(b.tracing())},
		Tags:                 b.nativeTags(),
		// Said also where it is switched off: left out, it would be removed from the
		// machine's description, and CloudFormation does not say what that means.
		LoggingConfiguration: &nsfn.StateMachineLoggingConfigurationArgs{Level: nsfn.StateMachineLoggingConfigurationLevelOff},
		EncryptionConfiguration: &nsfn.StateMachineEncryptionConfigurationArgs{
			Type: nsfn.StateMachineEncryptionConfigurationTypeAwsOwnedKey,
		},
	}
	if b.logs() {
		logs, err := b.addLogGroup("states-logs", b.names.StatesLogs)
		if err != nil {
			return err
		}
		before = append(before, logs)
		args.LoggingConfiguration = b.logging(pulumi.Sprintf("%s:*", logs.Arn))
		b.export("stateLogGroup", logs.Name)
	}
	if b.key != nil {
		args.EncryptionConfiguration = &nsfn.StateMachineEncryptionConfigurationArgs{
			Type:                         nsfn.StateMachineEncryptionConfigurationTypeCustomerManagedKmsKey,
			KmsKeyId:                     b.key.Arn,
			KmsDataKeyReusePeriodSeconds: pulumi.Int(dataKeySeconds),
		}
	}
	machine, err := nsfn.NewStateMachine(b.ctx, "machine", args, pulumi.DependsOn(before))
	if err != nil {
		return err
	}
	b.machine = machine
	b.export("stateMachineArn", machine.Arn)
	return b.addVersion()
}

// logging is where the state machine's log goes. The group's ARN ends in ":*":
// Step Functions takes no other form.
func (b *build) logging(group pulumi.StringInput) *nsfn.StateMachineLoggingConfigurationArgs {
	return &nsfn.StateMachineLoggingConfigurationArgs{
		Level:                nsfn.StateMachineLoggingConfigurationLevel(b.logLevel()),
		IncludeExecutionData: pulumi.Bool(b.on("includeExecutionData")),
		Destinations: nsfn.StateMachineLogDestinationArray{
			&nsfn.StateMachineLogDestinationArgs{
				CloudWatchLogsLogGroup: &nsfn.StateMachineCloudWatchLogsLogGroupArgs{LogGroupArn: group},
			},
		},
	}
}

// addVersion publishes the machine's revision and points the alias at it, bit by bit if
// there is a rollout. Every
// input of a version is fixed, so a new revision makes a new one; the old ones
// stay, for executions under way and to go back to. Deleting the machine
// deletes them.
func (b *build) addVersion() error {
	version, err := nsfn.NewStateMachineVersion(b.ctx, "version", &nsfn.StateMachineVersionArgs{
		StateMachineArn:        b.machine.Arn,
		StateMachineRevisionId: b.machine.StateMachineRevisionId,
	}, pulumi.RetainOnDelete(true))
	if err != nil {
		return err
	}
	watching, _ := b.executionAlarms()
	opts, err := b.bitByBit("alias", Shift{Of: ShiftMachine, Alike: b.alike}, watching)
	if err != nil {
		return err
	}
	alias, err := nsfn.NewStateMachineAlias(b.ctx, "alias", &nsfn.StateMachineAliasArgs{
		// The version tells which machine it is of; stateMachineArn need not come back
		// when the alias is read, and would show as drift then.
		Name:        pulumi.String(spec.LiveAlias),
		Description: pulumi.String("what executions run"),
		RoutingConfiguration: nsfn.StateMachineAliasRoutingConfigurationVersionArray{
			&nsfn.StateMachineAliasRoutingConfigurationVersionArgs{
				StateMachineVersionArn: version.Arn,
				Weight:                 pulumi.Int(100),
			},
		},
	}, opts...)
	if err != nil {
		return err
	}
	b.export("stateMachineVersionArn", version.Arn)
	b.export("stateMachineAliasArn", alias.Arn)
	return nil
}
