package lambda

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Limits of payloads (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const (
	maxPayload      = 6 << 20
	maxEventPayload = 1 << 20
	maxTail         = 4 << 10
)

type invokeInput struct {
	name, qualifier string
	kind            string // RequestResponse, Event, DryRun
	payload         []byte
	clientContext   string // base64 JSON
	traceID         string
	tail            bool
}

type invokeOutput struct {
	status        int
	version       string
	functionError string
	payload       []byte
	log           []byte
	requestID     string
}

// invoke runs the Invoke operation.
func (s *Service) invoke(ctx context.Context, req *wire.Request, in invokeInput) (invokeOutput, error) {
	ref, err := parse(req.Scope, in.name, in.qualifier)
	if err != nil {
		return invokeOutput{}, err
	}
	f, v, err := s.read(ref)
	if err != nil {
		if ref.qualifier == "" && wire.AsError(err).Code == "ResourceNotFoundException" {
			err = errNotFound("Function not found: %s", ref.with(latest).arn()) // Invoke names what it would have run
		}
		return invokeOutput{}, err
	}
	if err := in.check(); err != nil {
		return invokeOutput{}, err
	}
	inv, err := s.newInvocation(req, in, ref)
	if err != nil {
		return invokeOutput{}, err
	}
	switch in.kind {
	case "DryRun":
		return invokeOutput{status: http.StatusNoContent, requestID: inv.id}, nil
	case "Event":
		err := s.events.accept(f, ref, v, inv)
		return invokeOutput{status: http.StatusAccepted, requestID: inv.id}, err
	}
	res, err := s.run(ctx, f, v, inv)
	if err != nil {
		return invokeOutput{}, err
	}
	out := invokeOutput{status: http.StatusOK, version: *v.Config.Version, functionError: res.functionError, payload: res.payload, requestID: inv.id}
	if in.tail {
		out.log = inv.tail()
	}
	return out, nil
}

func (in *invokeInput) check() error {
	limit := maxPayload
	if in.kind == "Event" {
		limit = maxEventPayload
	}
	if len(in.payload) > limit {
		return withType(wire.Errorf(http.StatusRequestEntityTooLarge, "RequestTooLargeException", "Request must be smaller than %d bytes for the InvokeFunction operation", limit))
	}
	if len(bytes.TrimSpace(in.payload)) == 0 {
		in.payload = []byte("{}")
	}
	if !json.Valid(in.payload) {
		return withType(wire.Errorf(http.StatusBadRequest, "InvalidRequestContentException", "Could not parse request body into json: Could not parse payload into json"))
	}
	return nil
}

func (s *Service) newInvocation(req *wire.Request, in invokeInput, ref reference) (*invocation, error) {
	inv := &invocation{id: req.ID, payload: in.payload, arn: ref.arn(), traceID: in.traceID, done: make(chan result, 1)}
	if inv.traceID == "" {
		inv.traceID = newTraceID(s.Clock.Now())
	}
	if in.clientContext != "" {
		raw, err := base64.StdEncoding.DecodeString(in.clientContext)
		if err != nil || !json.Valid(raw) {
			return nil, withType(wire.Errorf(http.StatusBadRequest, "InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object."))
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, raw); err != nil {
			return nil, err
		}
		inv.clientContext = compact.String()
	}
	return inv, nil
}

// run executes an invocation in an execution environment and waits for its end.
// If the caller goes away, the function runs on, as on AWS.
func (s *Service) run(ctx context.Context, f function, v version, inv *invocation) (result, error) {
	release, err := s.pool.admit(f)
	if err != nil {
		s.metric(inv.arn, &f, nil, "Throttles", count, 1)
		return result{}, err
	}
	type outcome struct {
		result
		err error
	}
	done := make(chan outcome, 1)
	if !s.pool.spawn(func(ctx context.Context) {
		defer release()
		res, err := s.pool.run(ctx, v, inv)
		if err == nil {
			s.metric(inv.arn, &f, &v, "Invocations", count, 1)
			s.metric(inv.arn, &f, &v, "Duration", "Milliseconds", res.duration.Seconds()*1000)
			failed := 0.0
			if res.functionError != "" {
				failed = 1
			}
			s.metric(inv.arn, &f, &v, "Errors", count, failed)
		}
		done <- outcome{res, err}
	}) {
		release()
		return result{}, errStopping()
	}
	select {
	case o := <-done:
		return o.result, o.err
	case <-ctx.Done():
		return result{}, ctx.Err()
	}
}

func errStopping() error {
	return wire.Errorf(http.StatusServiceUnavailable, "ServiceException", "the sandbox is stopping")
}

const count = "Count"

// metric tells of an invocation by the function, by what was invoked of it, by the version
// that an alias led to, and for all functions together. arn is what was invoked; v is nil
// where no version ran.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
// (That ExecutedVersion is told of every alias, not only of those with weights, is unsure.)
func (s *Service) metric(arn string, f *function, v *version, name, unit string, value float64) {
	if s.Metrics == nil {
		return
	}
	resource, qualifier := f.Name, ""
	if parsed, ok := wire.ParseARN(arn); ok {
		_, qualifier, _ = strings.Cut(strings.TrimPrefix(parsed.Resource, "function:"), ":")
	}
	if qualifier != "" {
		resource += ":" + qualifier
	}
	all := []map[string]string{{}, {"FunctionName": f.Name}, {"FunctionName": f.Name, "Resource": resource}}
	if v != nil && qualifier != "" && qualifier != latest && !digits.MatchString(qualifier) {
		all = append(all, map[string]string{"FunctionName": f.Name, "Resource": resource, "ExecutedVersion": aws.ToString(v.Config.Version)})
	}
	for _, dims := range all {
		s.Metrics.PutPoint(context.Background(), f.Scope, wire.MetricPoint{Namespace: "AWS/Lambda", Name: name, Dimensions: dims, Value: value, Unit: unit, Time: s.Clock.Now()})
	}
}
