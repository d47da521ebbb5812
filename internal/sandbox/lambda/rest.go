package lambda

import (
	"context"
	"encoding/base64"
	"net/http"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire/model"
)

// maxRequest bounds a request's body: the API's limit for CreateFunction with
// inline code, in base64.
const maxRequest = 70167211

func itoa(n int) string { return strconv.Itoa(n) }

// rules are the model's, but for what Lambda words in its own way.
var rules = constraint.For("lambda", "ValidationException", "functionName", "runtime", "resource:pattern", "environment.variables:key")

// Register adds the service and its operations to the router.
func (s *Service) Register(r *wire.Router) {
	s.router = r
	const id = "lambda"
	r.Register(wire.Service{ID: id, MaxBody: maxRequest, Check: rules.Check, Extra: []model.Operation{{Name: locationOp, Method: http.MethodGet, URI: locationURI}}})
	r.Stream(id, locationOp, s.serveLocation)
	wire.Handle(r, id, "Invoke", s.invokeFunction)
	wire.Handle(r, id, "CreateFunction", s.createFunction)
	wire.Handle(r, id, "ListFunctions", s.listFunctions)
	wire.Handle(r, id, "GetFunction", s.getFunction)
	wire.Handle(r, id, "DeleteFunction", s.deleteFunction)
	wire.Handle(r, id, "GetFunctionConfiguration", s.getConfiguration)
	wire.Handle(r, id, "UpdateFunctionConfiguration", s.updateConfiguration)
	wire.Handle(r, id, "UpdateFunctionCode", s.updateCode)
	wire.Handle(r, id, "PublishVersion", s.publishVersion)
	wire.Handle(r, id, "ListVersionsByFunction", s.listVersions)
	wire.Handle(r, id, "CreateAlias", s.createAlias)
	wire.Handle(r, id, "ListAliases", s.listAliases)
	wire.Handle(r, id, "GetAlias", s.getAlias)
	wire.Handle(r, id, "UpdateAlias", s.updateAlias)
	wire.Handle(r, id, "DeleteAlias", s.deleteAlias)
	wire.Handle(r, id, "AddPermission", s.addPermission)
	wire.Handle(r, id, "GetPolicy", s.getPolicy)
	wire.Handle(r, id, "RemovePermission", s.removePermission)
	wire.Handle(r, id, "PutFunctionConcurrency", s.putConcurrency)
	wire.Handle(r, id, "DeleteFunctionConcurrency", s.deleteConcurrency)
	wire.Handle(r, id, "GetFunctionConcurrency", s.getConcurrency)
	wire.Handle(r, id, "GetFunctionCodeSigningConfig", s.getCodeSigning)
	wire.Handle(r, id, "PutFunctionEventInvokeConfig", s.putEventConfig)
	wire.Handle(r, id, "UpdateFunctionEventInvokeConfig", s.updateEventConfig)
	wire.Handle(r, id, "GetFunctionEventInvokeConfig", s.getEventConfig)
	wire.Handle(r, id, "DeleteFunctionEventInvokeConfig", s.deleteEventConfig)
	wire.Handle(r, id, "ListFunctionEventInvokeConfigs", s.listEventConfigs)
	wire.Handle(r, id, "TagResource", s.tagResource)
	wire.Handle(r, id, "UntagResource", s.untagResource)
	wire.Handle(r, id, "ListTags", s.listTags)
	wire.Handle(r, id, "GetAccountSettings", s.accountSettings)
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
	reply := &sdk.InvokeOutput{StatusCode: int32(out.status), Payload: out.payload} //nolint:gosec // a status
	for to, text := range map[**string]string{
		&reply.ExecutedVersion: out.version, &reply.FunctionError: out.functionError, &reply.LogResult: base64.StdEncoding.EncodeToString(out.log),
	} {
		if text != "" {
			*to = &text
		}
	}
	return reply, nil
}
