package executions

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/smithy-go"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Start starts one execution. A retry of the same name with the same input is
// safe: it is started once. If an execution of this name exists and is not from
// an earlier attempt of this call (or in.Resume), the error is a Conflict.
func (c *Client) Start(ctx context.Context, in StartInput) (Started, error) {
	if len(in.Input) == 0 {
		in.Input = []byte("{}")
	}
	if err := ValidateInput(in.Input); err != nil {
		return Started{}, err
	}
	if in.Name == "" {
		in.Name = NewName(c.cfg.Clock.Now())
	}
	if err := ValidateName(in.Name); err != nil {
		return Started{}, err
	}
	if _, err := ExecutionARN(in.Machine, in.Name); err != nil {
		return Started{}, err
	}
	if in.Journal != nil {
		if err := in.Journal(in.Name); err != nil {
			return Started{}, fault.Wrap(err, "record execution %s", in.Name)
		}
	}
	out, unclear, err := call(ctx, c, opStart, func(ctx context.Context) (*sfn.StartExecutionOutput, error) {
		return c.cfg.API.StartExecution(ctx, &sfn.StartExecutionInput{
			StateMachineArn: &in.Machine, Name: &in.Name, Input: aws.String(string(in.Input)),
		})
	})
	if err != nil {
		if codeOf(err) == "ExecutionAlreadyExists" && (unclear || in.Resume) {
			return c.adopt(ctx, in, err)
		}
		if unclear {
			return Started{}, unclearStart(in.Name, err)
		}
		return Started{}, err
	}
	s := Started{ARN: aws.ToString(out.ExecutionArn), Name: in.Name, Start: aws.ToTime(out.StartDate)}
	c.remember(in.Machine, s)
	return s, nil
}

// UnclearError is that nobody knows whether an execution was started: the answer was lost.
type UnclearError struct {
	Name string // the execution's
	err  *fault.Error
}

func unclearStart(name string, err error) *UnclearError {
	return &UnclearError{name, fault.New(fault.KindOf(err), "%v; it is not known whether execution %s was started", err, name).Because(err).
		WithHint("Start it once more by the same name, with --name %s and the same input: it runs once, whatever has become of it.", name)}
}

// Error implements error.
func (e *UnclearError) Error() string { return e.err.Error() }

// Unwrap gives its kind, its cause and the way out.
func (e *UnclearError) Unwrap() error { return e.err }

// adopt takes an execution that exists as the one that was to be started, if it
// has the same input.
func (c *Client) adopt(ctx context.Context, in StartInput, cause error) (Started, error) {
	arn, err := ExecutionARN(in.Machine, in.Name)
	if err != nil {
		return Started{}, err
	}
	d, err := c.Describe(ctx, arn)
	if err != nil {
		return Started{}, err
	}
	if !sameJSON(d.Input, string(in.Input)) {
		return Started{}, fault.New(fault.Conflict, "execution %s exists with a different input", in.Name).
			WithHint("Choose another name.").Because(cause)
	}
	return Started{ARN: arn, Name: in.Name, Start: d.Start, Existed: true}, nil
}

func sameJSON(a, b string) bool {
	if a == b {
		return true
	}
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}

// ExecutionARN is the ARN of the execution called name of a state machine, given
// by its own ARN or that of a version or alias.
func ExecutionARN(machine, name string) (string, error) {
	p := strings.Split(machine, ":")
	if len(p) < 7 || len(p) > 8 || p[0] != "arn" || p[2] != "states" || p[5] != "stateMachine" || p[6] == "" {
		return "", fault.New(fault.Invalid, "%q is not the ARN of a state machine", machine).
			WithHint("Give an ARN like arn:aws:states:REGION:ACCOUNT:stateMachine:NAME, or the pipeline's name.")
	}
	return strings.Join(p[:5], ":") + ":execution:" + p[6] + ":" + name, nil
}

// machineOf is the unqualified ARN of a machine, version or alias ARN.
func machineOf(arn string) string {
	p := strings.Split(arn, ":")
	if len(p) > 7 {
		p = p[:7]
	}
	return strings.Join(p, ":")
}

// Stop ends a running execution with ABORTED. errorName and cause are recorded
// and may be empty. An execution that has ended already is left as it is.
func (c *Client) Stop(ctx context.Context, arn, errorName, cause string) error {
	in := &sfn.StopExecutionInput{ExecutionArn: &arn}
	if errorName != "" {
		in.Error = &errorName
	}
	if cause != "" {
		in.Cause = &cause
	}
	_, _, err := call(ctx, c, opStop, func(ctx context.Context) (*sfn.StopExecutionOutput, error) {
		return c.cfg.API.StopExecution(ctx, in)
	})
	return err
}

// Redrive restarts a failed, aborted or timed out execution from the step where
// it failed, with the definition and input it had. If AWS would not do it the
// error says why. It is asked for that only then: AWS allows 300 redrives a second,
// and 15 descriptions.
func (c *Client) Redrive(ctx context.Context, arn string) error {
	// One for all tries: after an answer that was lost the second try is told the first one's.
	token := rand.Text()
	_, _, err := call(ctx, c, opRedrive, func(ctx context.Context) (*sfn.RedriveExecutionOutput, error) {
		return c.cfg.API.RedriveExecution(ctx, &sfn.RedriveExecutionInput{ExecutionArn: &arn, ClientToken: &token})
	})
	var refused smithy.APIError
	if !errors.As(err, &refused) || refused.ErrorCode() != "ExecutionNotRedrivable" {
		return err
	}
	d, unknown := c.Describe(ctx, arn)
	// An empty status comes from servers that do not tell; then AWS's own words have to do.
	if unknown != nil || d.RedriveStatus == "" || d.Redrivable() {
		return err
	}
	return notRedrivable(d)
}

func notRedrivable(d *Details) error {
	why := strings.TrimRight(d.RedriveReason, ". ")
	if why == "" {
		why = "its redrive status is " + d.RedriveStatus
	}
	e := fault.New(fault.Invalid, "execution %s cannot be redriven: %s", d.Name, why)
	switch {
	case d.RedriveStatus == "REDRIVABLE_BY_MAP_RUN":
		return e.WithHint("Redrive the parent execution, which redrives its Map Run.")
	case d.Status == Running:
		return e.WithHint("Wait until it has ended, or stop it.")
	}
	return e.WithHint("Start a new execution with the same input.")
}
