package interpreter

import (
	"context"
	"errors"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/integration"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// client is who makes the task's calls.
func (t *taskRun) client() integration.Client {
	if t.lambda {
		return integration.Function
	}
	return integration.ClientOf(t.integration)
}

// call makes the task's one call.
func (t *taskRun) call(ctx context.Context) (any, error) {
	if t.lambda {
		return t.invokeFunction(ctx, value.Of("FunctionName", t.st.Resource, "Payload", t.args), false)
	}
	service, op := integration.Target(t.integration)
	if service == "lambda" && op == "Invoke" && !t.integration.SDK() {
		return t.invokeFunction(ctx, t.args, true)
	}
	if host := integration.UnknownHost(t.integration, t.args); host != "" {
		return nil, failure.New("SQS.SdkClientException", "Unable to execute HTTP request: "+host+": Name or service not known").Err()
	}
	x := t.b.x
	v, err := t.invoke(ctx, service, op, integration.Request(t.integration, t.args, x.rec.MachineARN(), x.arn()))
	if err != nil {
		return nil, err
	}
	if t.integration.Service == "events" {
		if integration.FailedEntries(v) {
			return v, failure.New("EventBridge.FailedEntry", value.String(v)).Err()
		}
		return v, nil
	}
	if o, ok := v.(*value.Object); ok && !t.integration.SDK() {
		return integration.WithMetadata(o), nil
	}
	return v, nil
}

// invoke calls an operation as the task's principal. The reply has the names and
// forms of AWS's Java SDK.
func (t *taskRun) invoke(ctx context.Context, service, op string, args any) (any, error) {
	m := integration.MessagesOf(service, op)
	raw, err := t.b.x.s.Router.Invoke(ctx, t.b.x.rec.Scope, t.principal, service, op, value.Encode(m.Request(args)))
	if err == nil {
		v, err := value.Parse(string(raw))
		if err != nil {
			return nil, failure.New(failure.Runtime, err.Error()).Err()
		}
		return m.Reply(v), nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	c := t.client()
	var we *wire.Error
	if !errors.As(err, &we) {
		return nil, failure.New(c.Prefix+".SdkClientException", err.Error()).Err()
	}
	return nil, failure.New(c.ErrorName(service, we), c.Cause(service, we)).Err()
}
