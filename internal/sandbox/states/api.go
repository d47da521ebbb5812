package states

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Register adds the service and its operations to the router.
func (s *Service) Register(r *wire.Router) {
	// AWS words these two in its own way; see listExecutions and checkRoutes.
	rules := constraint.For(ServiceID, "ValidationException", "statusFilter:enum", "routingConfiguration:max")
	r.Register(wire.Service{ID: ServiceID, Check: rules.Check})
	wire.Handle(r, ServiceID, "CreateStateMachine", s.createStateMachine)
	wire.Handle(r, ServiceID, "UpdateStateMachine", s.updateStateMachine)
	wire.Handle(r, ServiceID, "DescribeStateMachine", s.describeStateMachine)
	wire.Handle(r, ServiceID, "DeleteStateMachine", s.deleteStateMachine)
	wire.Handle(r, ServiceID, "ListStateMachines", s.listStateMachines)
	wire.Handle(r, ServiceID, "ValidateStateMachineDefinition", s.validateDefinition)
	wire.Handle(r, ServiceID, "TestState", s.testState)
	wire.Handle(r, ServiceID, "PublishStateMachineVersion", s.publishVersion)
	wire.Handle(r, ServiceID, "ListStateMachineVersions", s.listVersions)
	wire.Handle(r, ServiceID, "DeleteStateMachineVersion", s.deleteVersion)
	wire.Handle(r, ServiceID, "CreateStateMachineAlias", s.createAlias)
	wire.Handle(r, ServiceID, "UpdateStateMachineAlias", s.updateAlias)
	wire.Handle(r, ServiceID, "DescribeStateMachineAlias", s.describeAlias)
	wire.Handle(r, ServiceID, "DeleteStateMachineAlias", s.deleteAlias)
	wire.Handle(r, ServiceID, "ListStateMachineAliases", s.listAliases)
	wire.Handle(r, ServiceID, "TagResource", s.tagResource)
	wire.Handle(r, ServiceID, "UntagResource", s.untagResource)
	wire.Handle(r, ServiceID, "ListTagsForResource", s.listTags)
	wire.Handle(r, ServiceID, "StartExecution", s.startExecution)
	wire.Handle(r, ServiceID, "StartSyncExecution", s.startSyncExecution)
	wire.Handle(r, ServiceID, "StopExecution", s.stopExecution)
	wire.Handle(r, ServiceID, "RedriveExecution", s.redriveExecution)
	wire.Handle(r, ServiceID, "DescribeExecution", s.describeExecution)
	wire.Handle(r, ServiceID, "DescribeStateMachineForExecution", s.describeForExecution)
	wire.Handle(r, ServiceID, "ListExecutions", s.listExecutions)
	wire.Handle(r, ServiceID, "GetExecutionHistory", s.getHistory)
	wire.Handle(r, ServiceID, "DescribeMapRun", s.describeMapRun)
	wire.Handle(r, ServiceID, "ListMapRuns", s.listMapRuns)
	wire.Handle(r, ServiceID, "UpdateMapRun", s.updateMapRun)
	wire.Handle(r, ServiceID, "SendTaskSuccess", s.sendTaskSuccess)
	wire.Handle(r, ServiceID, "SendTaskFailure", s.sendTaskFailure)
	wire.Handle(r, ServiceID, "SendTaskHeartbeat", s.sendTaskHeartbeat)
	wire.Handle(r, ServiceID, "CreateActivity", s.createActivity)
	wire.Handle(r, ServiceID, "DescribeActivity", s.describeActivity)
	wire.Handle(r, ServiceID, "DeleteActivity", s.deleteActivity)
	wire.Handle(r, ServiceID, "ListActivities", s.listActivities)
	wire.Handle(r, ServiceID, "GetActivityTask", s.getActivityTask)
}

func str(p *string) string { return aws.ToString(p) }

func errNoMachine(arn string) error {
	return wire.Errorf(400, "StateMachineDoesNotExist", "State Machine Does Not Exist: '%s'", arn)
}

func errNoExecution(arn string) error {
	return wire.Errorf(400, "ExecutionDoesNotExist", "Execution Does Not Exist: '%s'", arn)
}

func errNoResource(arn string) error {
	return wire.Errorf(400, "ResourceNotFound", "Resource not found: '%s'", arn)
}

func validation(format string, args ...any) error {
	return wire.Errorf(400, "ValidationException", format, args...)
}

// isCode reports whether err is an AWS error of the code.
func isCode(err error, code string) bool {
	var e *wire.Error
	return errors.As(err, &e) && e.Code == code
}

// pageSize is what maxResults asks for; 0 means AWS's default of 100.
func pageSize(n int32) int {
	if n == 0 {
		return 100
	}
	return int(n)
}

// pageToken is what a next token holds: the kind of list and where it goes on.
type pageToken struct {
	Kind string `json:"k"`
	From string `json:"f"`
}

func encodeToken(kind, from string) *string {
	raw, err := json.Marshal(pageToken{kind, from})
	if err != nil {
		return nil
	}
	return aws.String(base64.StdEncoding.EncodeToString(raw))
}

// decodeToken returns where a list goes on, "" for its beginning.
func decodeToken(token *string, kind string) (string, error) {
	if token == nil {
		return "", nil
	}
	var t pageToken
	raw, err := base64.StdEncoding.DecodeString(*token)
	if err == nil {
		err = json.Unmarshal(raw, &t)
	}
	if err != nil || t.Kind != kind {
		return "", wire.Errorf(400, "InvalidToken", "Invalid Token: 'Invalid token'")
	}
	return t.From, nil
}

// allow checks the caller's permission; the ARN is checked before.
func allow(ctx context.Context, req *wire.Request, action, resource string) error {
	return req.Authorize(ctx, "states:"+action, resource, nil)
}
