package events

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/optional"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerDestinations(r *wire.Router) {
	one := wire.On(on("api-destination", "Name"))
	withConnection := wire.On(onDestination)
	wire.Handle(r, id, "CreateApiDestination", s.createDestination, withConnection)
	wire.Handle(r, id, "DescribeApiDestination", s.describeDestination, one)
	wire.Handle(r, id, "UpdateApiDestination", s.updateDestination, withConnection)
	wire.Handle(r, id, "DeleteApiDestination", s.deleteDestination, one)
	wire.Handle(r, id, "ListApiDestinations", s.listDestinations, wire.Access{})
}

// onDestination is a destination together with the connection whose secret it is to use:
// CreateApiDestination needs the permission on both, UpdateApiDestination where it names one.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
func onDestination(req *wire.Request, in wire.Input) []string {
	out := on("api-destination", "Name")(req, in)
	a, ok := wire.ParseARN(in.Text("ConnectionArn"))
	if !ok || wire.ScopeOfARN(a) != req.Scope {
		return out // nobody's: the handler refuses it
	}
	return append(out, a.String())
}

// destinationPatience is how long EventBridge waits for an API destination.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
const destinationPatience = 5 * time.Second

// standardRate is InvocationRateLimitPerSecond if it is not given.
const standardRate = 300

// destination is an API destination as it is kept.
type destination struct {
	Scope                                        wire.Scope
	Name, ARN, Description, Connection, Endpoint string // Connection is an ARN
	Method                                       types.ApiDestinationHttpMethod
	Rate                                         int32
	Created, Modified                            time.Time
}

// noDestination: see noConnection.
func noDestination(doing, name string) error {
	return missing("Failed to %s the api-destination(s). An api-destination '%s' does not exist.", doing, name)
}

func (s *Service) destinationOf(sc wire.Scope, doing, name string) (d destination, err error) {
	return store.Look(s.DB, func(tx *store.Tx) (destination, error) {
		return store.Find[destination](tx, destinationsBucket, sc.Key(name), noDestination(doing, name))
	})
}

// connectionName is the name in a connection's ARN.
func connectionName(a arn.ARN) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(a.Resource, "connection/"), "/")
	return name
}

// connectionAt loads the connection of an ARN; found is false if it is gone. A connection
// of another account or region is nobody's to use: its secret would go to whoever asks.
func (s *Service) connectionAt(sc wire.Scope, text string) (c connection, found bool, err error) {
	a, ok := wire.ParseARN(text)
	if !ok || wire.ScopeOfARN(a) != sc {
		return c, false, nil
	}
	err = s.DB.View(func(tx *store.Tx) error {
		c, found, err = store.Get[connection](tx, connectionsBucket, sc.Key(connectionName(a)))
		return err
	})
	return c, found && c.ARN == text, err
}

// state is that of a destination: it is what its connection makes it.
func (s *Service) state(d destination) (types.ApiDestinationState, error) {
	c, found, err := s.connectionAt(d.Scope, d.Connection)
	if err != nil || !found || c.State != types.ConnectionStateAuthorized {
		return types.ApiDestinationStateInactive, err
	}
	return types.ApiDestinationStateActive, nil
}

func (s *Service) createDestination(_ context.Context, req *wire.Request, in *sdk.CreateApiDestinationInput) (*sdk.CreateApiDestinationOutput, error) {
	d := destination{
		Scope: req.Scope, Name: *in.Name, ARN: req.ARN("events", "api-destination/"+*in.Name+"/"+wire.NewID()), Description: aws.ToString(in.Description),
		Connection: *in.ConnectionArn, Endpoint: *in.InvocationEndpoint, Method: in.HttpMethod, Rate: standardRate, Created: s.now(), Modified: s.now(),
	}
	if in.InvocationRateLimitPerSecond != nil {
		d.Rate = *in.InvocationRateLimitPerSecond
	}
	if err := s.checkConnection(req.Scope, d.Connection); err != nil {
		return nil, err
	}
	err := s.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(destinationsBucket, req.Key(d.Name)) != nil {
			return fail("ResourceAlreadyExistsException", "An api-destination '%s' already exists.", d.Name)
		}
		return store.Put(tx, destinationsBucket, req.Key(d.Name), d)
	})
	if err != nil {
		return nil, err
	}
	state, err := s.state(d)
	return &sdk.CreateApiDestinationOutput{ApiDestinationArn: &d.ARN, ApiDestinationState: state, CreationTime: &d.Created, LastModifiedTime: &d.Modified}, err
}

func (s *Service) checkConnection(sc wire.Scope, text string) error {
	_, found, err := s.connectionAt(sc, text)
	if err == nil && !found {
		a, _ := wire.ParseARN(text)
		err = missing("Connection '%s' does not exist.", connectionName(a))
	}
	return err
}

func (s *Service) describeDestination(_ context.Context, req *wire.Request, in *sdk.DescribeApiDestinationInput) (*sdk.DescribeApiDestinationOutput, error) {
	d, err := s.destinationOf(req.Scope, "describe", *in.Name)
	if err != nil {
		return nil, err
	}
	state, err := s.state(d)
	return &sdk.DescribeApiDestinationOutput{
		Name: &d.Name, ApiDestinationArn: &d.ARN, Description: optional.Of(d.Description), ConnectionArn: &d.Connection, InvocationEndpoint: &d.Endpoint,
		HttpMethod: d.Method, InvocationRateLimitPerSecond: &d.Rate, ApiDestinationState: state, CreationTime: &d.Created, LastModifiedTime: &d.Modified,
	}, err
}

func (s *Service) updateDestination(_ context.Context, req *wire.Request, in *sdk.UpdateApiDestinationInput) (*sdk.UpdateApiDestinationOutput, error) {
	if in.ConnectionArn != nil {
		if err := s.checkConnection(req.Scope, *in.ConnectionArn); err != nil {
			return nil, err
		}
	}
	var d destination
	err := s.DB.Update(func(tx *store.Tx) error {
		var found bool
		var err error
		if d, found, err = store.Get[destination](tx, destinationsBucket, req.Key(*in.Name)); err != nil {
			return err
		}
		if !found {
			return noDestination("update", *in.Name)
		}
		for to, from := range map[*string]*string{&d.Description: in.Description, &d.Connection: in.ConnectionArn, &d.Endpoint: in.InvocationEndpoint} {
			if from != nil {
				*to = *from
			}
		}
		if in.HttpMethod != "" {
			d.Method = in.HttpMethod
		}
		if in.InvocationRateLimitPerSecond != nil {
			d.Rate = *in.InvocationRateLimitPerSecond
		}
		d.Modified = s.now()
		return store.Put(tx, destinationsBucket, req.Key(d.Name), d)
	})
	if err != nil {
		return nil, err
	}
	state, err := s.state(d)
	return &sdk.UpdateApiDestinationOutput{ApiDestinationArn: &d.ARN, ApiDestinationState: state, CreationTime: &d.Created, LastModifiedTime: &d.Modified}, err
}

func (s *Service) deleteDestination(_ context.Context, req *wire.Request, in *sdk.DeleteApiDestinationInput) (*sdk.DeleteApiDestinationOutput, error) {
	return &sdk.DeleteApiDestinationOutput{}, s.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(destinationsBucket, req.Key(*in.Name)) == nil {
			return noDestination("delete", *in.Name)
		}
		return tx.Delete(destinationsBucket, req.Key(*in.Name))
	})
}

func (s *Service) listDestinations(_ context.Context, req *wire.Request, in *sdk.ListApiDestinationsInput) (*sdk.ListApiDestinationsOutput, error) {
	all, err := store.Select(s.DB, destinationsBucket, req.Key(aws.ToString(in.NamePrefix)), func(d destination) bool {
		return in.ConnectionArn == nil || *in.ConnectionArn == d.Connection
	})
	if err != nil {
		return nil, err
	}
	some, next, err := page.Of(all, in.NextToken, in.Limit, 100, func(d destination) string { return d.Name })
	if err != nil {
		return nil, badToken()
	}
	out := &sdk.ListApiDestinationsOutput{ApiDestinations: []types.ApiDestination{}, NextToken: next}
	for _, d := range some {
		state, err := s.state(d)
		if err != nil {
			return nil, err
		}
		out.ApiDestinations = append(out.ApiDestinations, types.ApiDestination{
			Name: &d.Name, ApiDestinationArn: &d.ARN, ConnectionArn: &d.Connection, InvocationEndpoint: &d.Endpoint, HttpMethod: d.Method,
			InvocationRateLimitPerSecond: &d.Rate, ApiDestinationState: state, CreationTime: &d.Created, LastModifiedTime: &d.Modified,
		})
	}
	return out, nil
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// callDestination sends an event to an API destination.
func (s *Service) callDestination(ctx context.Context, d delivery, p wire.Principal, body string) *failure {
	sc, name, _ := destinationOfARN(d.Target.ARN)
	to, err := s.destinationOf(sc, "describe", name)
	if err == nil && to.ARN != d.Target.ARN { // one of the same name was made since
		err = noDestination("describe", name)
	}
	if err != nil {
		return failed(err)
	}
	if err := s.router.Inside(to.Scope, p, id).May(ctx, "events:InvokeApiDestination", to.ARN, nil); err != nil {
		return failed(err)
	}
	c, found, err := s.connectionAt(to.Scope, to.Connection)
	switch {
	case err != nil:
		return failed(err)
	case !found || c.State != types.ConnectionStateAuthorized:
		return &failure{code: "NO_RESOURCE", text: "the connection of the API destination is not authorized"}
	}
	full, err := s.credentialsOf(ctx, c)
	if err != nil {
		return failed(err)
	}
	req, err := request(ctx, to, d.Target.HTTP, full, body)
	if err != nil {
		return &failure{code: "INVALID_PARAMETER", text: err.Error()}
	}
	return s.exchange(req)
}

var errFar = errors.New("the sandbox calls API destinations on this machine only")

// request makes the request to a destination.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
func request(ctx context.Context, to destination, with *types.HttpParameters, full credentials, body string) (*http.Request, error) {
	endpoint := to.Endpoint
	if with != nil {
		for _, v := range with.PathParameterValues {
			endpoint = strings.Replace(endpoint, "*", url.PathEscape(v), 1)
		}
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	if (u.Scheme != "http" && u.Scheme != "https") || !loopback(u.Hostname()) {
		return nil, errFar
	}
	req, err := http.NewRequestWithContext(ctx, string(to.Method), "", bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, err
	}
	query := u.Query()
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "Amazon/EventBridge/ApiDestinations")
	if with != nil {
		for k, v := range with.HeaderParameters {
			req.Header.Set(k, v)
		}
		for k, v := range with.QueryStringParameters {
			query.Set(k, v)
		}
	}
	if p := full.Invocation; p != nil { // the connection wins over the target
		for _, x := range p.Header {
			req.Header.Set(x.Key, aws.ToString(x.Value))
		}
		for _, x := range p.Query {
			query.Set(x.Key, aws.ToString(x.Value))
		}
	}
	switch {
	case full.APIKeyName != nil:
		req.Header.Set(*full.APIKeyName, aws.ToString(full.APIKeyValue))
	case full.Username != nil:
		req.SetBasicAuth(*full.Username, aws.ToString(full.Password))
	}
	u.RawQuery = query.Encode()
	req.URL, req.Host = u, u.Host
	return req, nil
}

// exchange sends a request; 401, 407, 409, 429 and errors of the server are tried again.
func (s *Service) exchange(req *http.Request) *failure {
	res, err := s.Client.Do(req)
	if err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return &failure{code: "TIMEOUT", text: err.Error(), again: true}
		}
		return &failure{code: "CONNECTION_FAILURE", text: err.Error(), again: true}
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	_ = res.Body.Close()
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return nil
	}
	f := &failure{code: "ERROR_FROM_TARGET", text: "the API destination has answered " + res.Status}
	switch code := res.StatusCode; {
	case code == http.StatusTooManyRequests:
		f.code, f.again = "THROTTLING", true
	case code >= 500, code == http.StatusUnauthorized, code == http.StatusProxyAuthRequired, code == http.StatusConflict:
		f.again = true
	}
	return f
}
