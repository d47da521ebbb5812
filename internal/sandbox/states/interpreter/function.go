package interpreter

import (
	"context"
	"fmt"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/integration"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// invokeFunction calls a Lambda function. The optimised integration wraps the
// payload in the API's reply; a function's ARN as the resource yields it bare.
func (t *taskRun) invokeFunction(ctx context.Context, args any, wrap bool) (any, error) {
	if o, ok := args.(*value.Object); ok && wrap {
		p, given := o.Get("Payload")
		if given && p == nil {
			args = o.Without("Payload") // no payload, not the text "null"
		}
		if text, isText := p.(string); isText {
			if v, err := value.Parse(text); err == nil {
				args = o.With("Payload", v) // a text that is JSON is the payload itself
			}
		}
	}
	v, err := t.invoke(ctx, "lambda", "Invoke", args)
	if err != nil {
		return nil, err
	}
	reply, _ := v.(*value.Object)
	text, payload := integration.Payload(reply)
	if e, _ := reply.Get("FunctionError"); e != nil && e != "" {
		return nil, functionError(text, payload, wrap)
	}
	if !wrap {
		return payload, nil
	}
	id := wire.NewID()
	version, _ := reply.Get("ExecutedVersion")
	status, found := reply.Get("StatusCode")
	if !found {
		status = value.Int(200)
	}
	out := value.Of("ExecutedVersion", version)
	if tail, found := reply.Get("LogResult"); found {
		out.Set("LogResult", tail)
	}
	out.Set("Payload", payload)
	out.Set("SdkHttpMetadata", integration.HTTPMetadata(id, len(text)))
	out.Set("SdkResponseMetadata", value.Of("RequestId", id))
	out.Set("StatusCode", status)
	return out, nil
}

// functionError is the failure of the function's own code. Its cause is the
// payload: written anew without spaces by the optimised integration, as the function
// gave it where its ARN is the resource (recorded on AWS, in 2023 and 2024).
func functionError(text string, payload any, wrap bool) error {
	if o, ok := payload.(*value.Object); ok {
		if wrap {
			text = value.String(o)
		}
		if name, _ := o.Get("errorType"); name != nil {
			if s, ok := name.(string); ok && s != "" {
				return failure.New(s, text).Err()
			}
		}
	}
	return failure.New("Lambda.Unknown", fmt.Sprintf("The cause could not be determined because Lambda did not return an error type. Returned payload: %s", text)).Err()
}
