package sagemaker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Limits of InvokeEndpoint.
// See https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints.html.
const (
	invokeTimeout     = 60 * time.Second
	maxBody           = 25 << 20
	maxServerlessBody = 4 << 20
	// resumeWait is how long an invocation waits for the model servers to be
	// started again after a restart of the daemon.
	resumeWait = 15 * time.Second
)

// invocation is one InvokeEndpoint request.
type invocation struct {
	endpoint, contentType, accept, inferenceID, target, custom string
	body                                                       []byte
}

// answer is its reply.
type answer struct {
	contentType, variant, custom string
	body                         []byte
}

func (s *Service) invokeEndpoint(ctx context.Context, req *wire.Request, in *sagemakerruntime.InvokeEndpointInput) (*sagemakerruntime.InvokeEndpointOutput, error) {
	for name, v := range map[string]*string{
		"TargetModel": in.TargetModel, "InferenceComponentName": in.InferenceComponentName, "TargetContainerHostname": in.TargetContainerHostname,
		"SessionId": in.SessionId, "EnableExplanations": in.EnableExplanations,
	} {
		if v != nil {
			return nil, runtimeInvalid("The sandbox does not support %s.", name)
		}
	}
	out, err := s.invoke(ctx, req, invocation{
		endpoint: aws.ToString(in.EndpointName), contentType: aws.ToString(in.ContentType), accept: aws.ToString(in.Accept), body: in.Body,
		inferenceID: aws.ToString(in.InferenceId), target: aws.ToString(in.TargetVariant), custom: aws.ToString(in.CustomAttributes),
	})
	if err != nil {
		return nil, err
	}
	reply := &sagemakerruntime.InvokeEndpointOutput{Body: out.body, ContentType: &out.contentType, InvokedProductionVariant: &out.variant}
	if out.custom != "" {
		reply.CustomAttributes = &out.custom
	}
	return reply, nil
}

// runtimeInvalid is the runtime's ValidationError, which has another code than
// the control plane's.
func runtimeInvalid(format string, args ...any) *wire.Error {
	return wire.Errorf(http.StatusBadRequest, "ValidationError", format, args...)
}

func (s *Service) invoke(ctx context.Context, req *wire.Request, in invocation) (*answer, error) {
	began := time.Now()
	e, f, v, err := s.admit(ctx, req, in)
	if err != nil {
		return nil, err
	}
	defer f.release()
	r := f.variants[v.Name]
	r.inside.Add(1)
	defer r.inside.Add(-1)
	called := time.Now()
	out, err := s.through(ctx, req, r, e, in)
	s.observe(&observation{e: e, f: f, r: r, v: v, in: in, out: out, err: err, began: called, overhead: called.Sub(began)})
	return out, asModelError(req, e, r, err)
}

// admit finds the fleet and the variant of a request, which has to release the fleet. The
// model servers may be started again just after a restart of the daemon.
func (s *Service) admit(ctx context.Context, req *wire.Request, in invocation) (*endpoint, *fleet, *variant, error) {
	arn := arnOf(req, kindEndpoint, in.endpoint)
	gone := runtimeInvalid("Endpoint %s of account %s not found.", in.endpoint, req.Account)
	var patience *time.Timer
	for {
		s.mu.Lock()
		change, closed := s.swapped, s.closed
		s.mu.Unlock()
		e, err := loadBy(s, store.Shared[endpoint], bucketEndpoints, kindEndpoint, arn) // read only
		if err != nil || !e.serves() {
			return nil, nil, nil, gone
		}
		d := s.route(&e)
		v, err := s.choose(d, in.target)
		if err != nil {
			return nil, nil, nil, err
		}
		if limit := bodyLimit(v); len(in.body) > limit {
			return nil, nil, nil, wire.Errorf(http.StatusRequestEntityTooLarge, "ValidationError", "HTTP content length exceeded %d bytes.", limit)
		}
		if f := s.hold(fleetID{arn, d.Generation}); f != nil {
			return &e, f, v, nil
		}
		if closed {
			return nil, nil, nil, unavailable()
		}
		if patience == nil {
			patience = time.NewTimer(resumeWait)
			defer patience.Stop()
			s.drive(arn)
		}
		select {
		case <-change:
		case <-ctx.Done():
			return nil, nil, nil, ctx.Err()
		case <-s.ctx.Done():
			return nil, nil, nil, unavailable()
		case <-patience.C:
			return nil, nil, nil, unavailable()
		}
	}
}

// route picks the deployment of a request: while an endpoint is updated the new fleet has
// its share.
func (s *Service) route(e *endpoint) *deployment {
	if r := e.Rollout; r != nil && e.Target != nil && s.cfg.Chance() < r.Share {
		return e.Target
	}
	return &e.Active
}

func bodyLimit(v *variant) int {
	if v.Serverless {
		return maxServerlessBody
	}
	return maxBody
}

// choose picks the target variant, or one by weight.
func (s *Service) choose(d *deployment, target string) (*variant, error) {
	if target != "" {
		if v := d.variant(target); v != nil {
			return v, nil
		}
		return nil, runtimeInvalid("Variant %s not found for Request.", target)
	}
	var sum float32
	for i := range d.Variants {
		sum += d.Variants[i].weight()
	}
	at := float32(s.cfg.Chance()) * sum
	for i := range d.Variants {
		if at -= d.Variants[i].weight(); at < 0 {
			return &d.Variants[i], nil
		}
	}
	return &d.Variants[0], nil // all weights are 0
}

func unavailable() error {
	return wire.Errorf(http.StatusServiceUnavailable, "ServiceUnavailable", "The service is currently unavailable.")
}

// reply is a container's answer other than 2xx.
type reply struct {
	host   string
	status int // 0: none came in time
	text   string
}

func (r *reply) Error() string { return fmt.Sprintf("%s answered %d: %s", r.host, r.status, r.text) }

// through sends the request through the variant's containers, one after another.
func (s *Service) through(ctx context.Context, req *wire.Request, r *running, e *endpoint, in invocation) (*answer, error) {
	if r.slots != nil {
		select {
		case r.slots <- struct{}{}:
			defer func() { <-r.slots }()
		default:
			return nil, wire.Errorf(http.StatusTooManyRequests, "ThrottlingException", "Rate exceeded: endpoint %s serves %d requests at a time.", e.Name, cap(r.slots))
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.InvokeTimeout)
	defer cancel()
	out := &answer{body: in.body, contentType: in.contentType, variant: r.name, custom: in.custom}
	for i, c := range r.containers {
		accept := in.accept
		if i < len(r.containers)-1 {
			accept = ""
		}
		if err := s.post(ctx, req, c, accept, in.inferenceID, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

const timedOut = "Your invocation timed out while waiting for a response from container %s. Review the latency metrics for each container in Amazon " +
	"CloudWatch, resolve the issue, and try again."

// post sends what out holds to a container and puts its answer there.
func (s *Service) post(ctx context.Context, req *wire.Request, c container, accept, inferenceID string, out *answer) error {
	h, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.JoinPath("invocations").String(), bytes.NewReader(out.body))
	if err != nil {
		return err
	}
	set := func(k, v string) {
		if v != "" {
			h.Header.Set(k, v)
		}
	}
	set("Content-Type", out.contentType)
	set("Accept", accept)
	set("X-Amzn-Sagemaker-Custom-Attributes", out.custom)
	set("X-Amzn-Sagemaker-Inference-Id", inferenceID)
	set("X-Amzn-Requestid", req.ID)
	res, err := c.client.Do(h)
	if err != nil {
		return s.lost(ctx, c, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		return s.lost(ctx, c, err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return &reply{host: c.host, status: res.StatusCode, text: string(body)}
	}
	if len(body) > maxBody {
		return &reply{host: c.host, status: http.StatusInternalServerError, text: fmt.Sprintf("The response is larger than %d bytes.", maxBody)}
	}
	out.body, out.contentType = body, res.Header.Get("Content-Type")
	out.custom = res.Header.Get("X-Amzn-Sagemaker-Custom-Attributes")
	return nil
}

// lost tells a time-out of the model from a caller that went away and from a
// container that is gone.
func (s *Service) lost(ctx context.Context, c container, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &reply{host: c.host, text: fmt.Sprintf(timedOut, c.host)}
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("container %s: %w", c.host, err)
	}
	return &reply{host: c.host, text: "The container closed the connection: " + err.Error()}
}

// asModelError turns a container's failure into the ModelError of AWS.
func asModelError(req *wire.Request, e *endpoint, r *running, err error) error {
	if err == nil {
		return nil
	}
	var we *wire.Error
	if errors.As(err, &we) || errors.Is(err, context.Canceled) {
		return err
	}
	var rep *reply
	if !errors.As(err, &rep) {
		rep = &reply{host: "primary", status: http.StatusServiceUnavailable, text: err.Error()}
	}
	who := "server"
	if rep.status >= 400 && rep.status < 500 {
		who = "client"
	}
	group := logGroup(e.Name)
	out := wire.Errorf(http.StatusFailedDependency, "ModelError",
		`Received %s error (%d) from %s with message "%s". See https://%s.console.aws.amazon.com/cloudwatch/home?region=%s#logEventViewer:group=%s in account %s for more information.`,
		who, rep.status, rep.host, rep.text, req.Region, req.Region, group, req.Account)
	out.Fields = map[string]any{
		"OriginalStatusCode": rep.status, "OriginalMessage": rep.text,
		"LogStreamArn": req.ARN("logs", "log-group:"+group+":log-stream:"+r.stream),
	}
	return out
}
