package lambda

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire/model"
)

// maxRequest bounds a request's body: the API's limit for CreateFunction with
// inline code, in base64.
const maxRequest = 70167211

// rules are the model's, but for what Lambda words in its own way.
var rules = constraint.For("lambda", "ValidationException", "functionName", "runtime", "resource:pattern", "environment.variables:key")

// Register adds the service and its operations to the router.
func (s *Service) Register(r *wire.Router) {
	s.router = r
	const id = "lambda"
	throttled := wire.Errorf(http.StatusTooManyRequests, "TooManyRequestsException", "Rate Exceeded.")
	throttled.Fields = map[string]any{"Reason": "CallerRateLimitExceeded"}
	r.Register(wire.Service{
		ID: id, MaxBody: maxRequest, Check: rules.Check, Extra: []model.Operation{{Name: locationOp, Method: http.MethodGet, URI: locationURI}},
		Guard: policy.Guard(s.target), Quotas: quotas, Refusals: wire.Refusals{
			Denied: &wire.Error{Status: http.StatusForbidden, Code: "AccessDeniedException"}, Throttled: throttled, Signature: wire.JSONSignature(http.StatusForbidden),
		},
	})
	function, alias := wire.On(onFunction), wire.On(onAlias)
	r.Stream(id, locationOp, s.serveLocation, wire.Access{Inside: "the link is signed by Lambda itself"})
	wire.Handle(r, id, "Invoke", s.invokeFunction, function.Does("lambda:InvokeFunction"))
	wire.Handle(r, id, "InvokeAsync", s.invokeAsync, function.Does("lambda:InvokeFunction"))
	wire.Handle(r, id, "CreateFunction", s.createFunction, function.Tags("lambda:TagResource"))
	wire.Handle(r, id, "ListFunctions", s.listFunctions, wire.Access{})
	wire.Handle(r, id, "GetFunction", s.getFunction, function)
	wire.Handle(r, id, "DeleteFunction", s.deleteFunction, function)
	wire.Handle(r, id, "GetFunctionConfiguration", s.getConfiguration, function)
	wire.Handle(r, id, "UpdateFunctionConfiguration", s.updateConfiguration, function)
	wire.Handle(r, id, "UpdateFunctionCode", s.updateCode, function)
	wire.Handle(r, id, "PublishVersion", s.publishVersion, function)
	wire.Handle(r, id, "ListVersionsByFunction", s.listVersions, function)
	wire.Handle(r, id, "CreateAlias", s.createAlias, function)
	wire.Handle(r, id, "ListAliases", s.listAliases, function)
	wire.Handle(r, id, "GetAlias", s.getAlias, alias)
	wire.Handle(r, id, "UpdateAlias", s.updateAlias, alias)
	wire.Handle(r, id, "DeleteAlias", s.deleteAlias, alias)
	wire.Handle(r, id, "AddPermission", s.addPermission, wire.Access{On: onFunction, Keys: principalKeys})
	wire.Handle(r, id, "GetPolicy", s.getPolicy, function)
	wire.Handle(r, id, "RemovePermission", s.removePermission, wire.Access{On: onFunction, Keys: principalKeys})
	wire.Handle(r, id, "PutFunctionConcurrency", s.putConcurrency, function)
	wire.Handle(r, id, "DeleteFunctionConcurrency", s.deleteConcurrency, function)
	wire.Handle(r, id, "GetFunctionConcurrency", s.getConcurrency, function)
	wire.Handle(r, id, "GetFunctionCodeSigningConfig", s.getCodeSigning, function)
	wire.Handle(r, id, "PutFunctionEventInvokeConfig", s.putEventConfig, function)
	wire.Handle(r, id, "UpdateFunctionEventInvokeConfig", s.updateEventConfig, function)
	wire.Handle(r, id, "GetFunctionEventInvokeConfig", s.getEventConfig, function)
	wire.Handle(r, id, "DeleteFunctionEventInvokeConfig", s.deleteEventConfig, function)
	wire.Handle(r, id, "ListFunctionEventInvokeConfigs", s.listEventConfigs, function)
	wire.Handle(r, id, "TagResource", s.tagResource, function)
	wire.Handle(r, id, "UntagResource", s.untagResource, function)
	wire.Handle(r, id, "ListTags", s.listTags, function)
	wire.Handle(r, id, "GetAccountSettings", s.accountSettings, wire.Access{})
	s.registerLayers(r)
	s.registerMappings(r)
	s.registerURLs(r)
	s.registerProvisioned(r)
}

// quotas are those of requests to the control plane, which share one but for
// GetFunction; calls of functions have none.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
var quotas = map[string]wire.Quota{
	"": {Bucket: "control", Burst: 15, PerSecond: 15}, "GetFunction": {Burst: 100, PerSecond: 100}, "Invoke": {Unlimited: true}, locationOp: {Unlimited: true},
}

// onFunction is the function, version or alias that a document names.
func onFunction(req *wire.Request, in wire.Input) []string {
	return on(req, in.Text("FunctionName")+in.Text("Resource"), in.Text("Qualifier"))
}

// onAlias is the alias that a document names.
func onAlias(req *wire.Request, in wire.Input) []string {
	return on(req, in.Text("FunctionName"), in.Text("Name"))
}

// on asks for what is no function's name as it is written.
func on(req *wire.Request, function, qualifier string) []string {
	ref, err := parse(req.Scope, function, qualifier)
	if err != nil {
		return []string{function}
	}
	return []string{ref.arn()}
}

// principalKeys: https://docs.aws.amazon.com/lambda/latest/dg/lambda-api-permissions-ref.html
func principalKeys(_ *wire.Request, in wire.Input) map[string][]string {
	if !in.Has("Principal") {
		return nil
	}
	return map[string][]string{"lambda:Principal": {in.Text("Principal")}}
}

// target is what a decision about a function has to know.
func (s *Service) target(req *wire.Request, arn string) (policy.Target, error) {
	t := policy.Target{ARN: arn}
	if !wire.IsARN(arn, "lambda") {
		return t, nil
	}
	if l, ok := parseLayer(req.Scope, arn); ok && l.number > 0 {
		v, _, err := s.readLayer(l)
		if err != nil || len(v.Policy.Statements) == 0 {
			return t, err
		}
		return t, s.withPolicy(&t, v.Policy)
	}
	if id, ok := mappingOf(req.Scope, arn); ok {
		m, err := s.readMapping(req.Scope, id)
		if err != nil {
			if wire.AsError(err).Status == http.StatusNotFound {
				err = nil
			}
			return t, err
		}
		t.Tags, t.Keys = m.Tags, map[string][]string{functionKey: {m.ref().arn()}}
		return t, nil
	}
	ref, err := parse(req.Scope, arn, "")
	if err != nil {
		return t, nil //nolint:nilerr // no function: the identity decides
	}
	f, err := s.function(ref)
	if err != nil || f == nil {
		return t, err
	}
	t.Tags = f.Tags
	if p, ok := f.Policies[ref.qualifier]; ok {
		err = s.withPolicy(&t, p)
	}
	return t, err
}

// withPolicy gives a target its policy.
func (s *Service) withPolicy(t *policy.Target, p resourcePolicy) error {
	text, err := p.document()
	if err != nil {
		return err
	}
	if t.Policy, err = s.policies.Parse(text, policy.Resource); err != nil {
		return fmt.Errorf("policy of %s: %w", t.ARN, err)
	}
	return nil
}

// invokeAsyncInput is that of InvokeAsync, which the SDK has as a stream.
type invokeAsyncInput struct {
	FunctionName *string
	InvokeArgs   []byte
}

// invokeAsync is how functions were called asynchronously before Invoke had types.
func (s *Service) invokeAsync(ctx context.Context, req *wire.Request, in *invokeAsyncInput) (*sdk.InvokeAsyncOutput, error) {
	out, err := s.invoke(ctx, req, invokeInput{name: aws.ToString(in.FunctionName), kind: string(types.InvocationTypeEvent), payload: in.InvokeArgs})
	return &sdk.InvokeAsyncOutput{Status: int32(out.status)}, err // a status
}

func (s *Service) invokeFunction(ctx context.Context, req *wire.Request, in *sdk.InvokeInput) (*sdk.InvokeOutput, error) {
	var trace string
	if req.HTTP != nil {
		trace = req.HTTP.Header.Get("X-Amzn-Trace-Id")
	}
	out, err := s.invoke(ctx, req, invokeInput{
		name: aws.ToString(in.FunctionName), qualifier: aws.ToString(in.Qualifier), kind: string(in.InvocationType), payload: in.Payload,
		clientContext: aws.ToString(in.ClientContext), tail: in.LogType == types.LogTypeTail, traceID: trace,
	})
	if err != nil {
		return nil, err
	}
	reply := &sdk.InvokeOutput{StatusCode: int32(out.status), Payload: out.payload} // a status
	for to, text := range map[**string]string{
		&reply.ExecutedVersion: out.version, &reply.FunctionError: out.functionError, &reply.LogResult: base64.StdEncoding.EncodeToString(out.log),
	} {
		if text != "" {
			*to = &text
		}
	}
	return reply, nil
}
