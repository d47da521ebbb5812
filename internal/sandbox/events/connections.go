package events

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/optional"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerConnections(r *wire.Router) {
	one := wire.On(on("connection", "Name"))
	wire.Handle(r, id, "CreateConnection", s.createConnection, one)
	wire.Handle(r, id, "DescribeConnection", s.describeConnection, one)
	wire.Handle(r, id, "UpdateConnection", s.updateConnection, one)
	wire.Handle(r, id, "DeauthorizeConnection", s.deauthorize, one)
	wire.Handle(r, id, "DeleteConnection", s.deleteConnection, one)
	wire.Handle(r, id, "ListConnections", s.listConnections, wire.Access{})
}

// on is the resource of a kind that a member of a document names.
func on(kind, member string) func(*wire.Request, wire.Input) []string {
	return func(req *wire.Request, in wire.Input) []string {
		return []string{req.ARN("events", kind+"/"+in.Text(member))}
	}
}

// connection is a connection as it is kept. What is secret of it is in Secrets Manager.
type connection struct {
	Scope                          wire.Scope
	Name, ARN, Description, Secret string // Secret is an ARN
	Type                           types.ConnectionAuthorizationType
	State                          types.ConnectionState
	Public                         credentials
	Created, Modified, Authorized  time.Time
}

// noConnection is recorded from AWS for describing
// (https://github.com/localstack/localstack, test_api_destinations_and_connection.snapshot.json);
// that the others say likewise is not.
func noConnection(doing, name string) error {
	return missing("Failed to %s the connection(s). Connection '%s' does not exist.", doing, name)
}

func (s *Service) connectionOf(req *wire.Request, doing, name string) (c connection, err error) {
	return store.Look(s.DB, func(tx *store.Tx) (connection, error) {
		return store.Find[connection](tx, connectionsBucket, req.Key(name), noConnection(doing, name))
	})
}

// keeper is EventBridge as the owner of its secrets.
func keeper(req *wire.Request) wire.Principal {
	return wire.Principal{Account: req.Account, Admin: true, Service: ServiceName}
}

func (s *Service) secrets(ctx context.Context, sc wire.Scope, p wire.Principal, operation string, in any, out any) error {
	raw, err := marshal(in)
	if err != nil {
		return err
	}
	raw, err = s.router.Invoke(ctx, sc, p, "secretsmanager", operation, raw)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(raw, out)
}

func (s *Service) createConnection(ctx context.Context, req *wire.Request, in *sdk.CreateConnectionInput) (*sdk.CreateConnectionOutput, error) {
	if in.InvocationConnectivityParameters != nil {
		return nil, wire.Errorf(http.StatusNotImplemented, "NotImplemented", "the sandbox has no private networks for connections")
	}
	full := credentials{}
	full.create(in.AuthParameters)
	if err := full.complete(in.AuthorizationType); err != nil {
		return nil, err
	}
	name := *in.Name
	c := connection{
		Scope: req.Scope, Name: name, ARN: req.ARN("events", "connection/"+name+"/"+wire.NewID()), Description: aws.ToString(in.Description),
		Type: in.AuthorizationType, State: stateOf(in.AuthorizationType), Public: full.public(), Created: s.now(), Modified: s.now(), Authorized: s.now(),
	}
	if _, err := s.connectionOf(req, "describe", name); err == nil {
		return nil, fail("ResourceAlreadyExistsException", "Connection %s already exists.", name)
	}
	text, err := marshal(full)
	if err != nil {
		return nil, err
	}
	var made struct{ ARN string }
	if err := s.secrets(ctx, req.Scope, keeper(req), "CreateSecret", map[string]any{
		"Name": "events!connection/" + name + "/" + wire.NewID(), "SecretString": string(text), "KmsKeyId": in.KmsKeyIdentifier,
	}, &made); err != nil {
		return nil, err
	}
	c.Secret = made.ARN
	err = s.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(connectionsBucket, req.Key(name)) != nil {
			return fail("ResourceAlreadyExistsException", "Connection %s already exists.", name)
		}
		return store.Put(tx, connectionsBucket, req.Key(name), c)
	})
	if err != nil {
		_ = s.secrets(ctx, req.Scope, keeper(req), "DeleteSecret", forget(c.Secret), nil)
		return nil, err
	}
	return &sdk.CreateConnectionOutput{ConnectionArn: &c.ARN, ConnectionState: c.State, CreationTime: &c.Created, LastModifiedTime: &c.Modified}, nil
}

func forget(secret string) map[string]any {
	return map[string]any{"SecretId": secret, "ForceDeleteWithoutRecovery": true}
}

// stateOf is the state of a new connection. The sandbox asks no authorization server, so
// that one by OAuth stays as AWS has it in its first moment.
func stateOf(kind types.ConnectionAuthorizationType) types.ConnectionState {
	if kind == types.ConnectionAuthorizationTypeOauthClientCredentials {
		return types.ConnectionStateAuthorizing
	}
	return types.ConnectionStateAuthorized
}

func (s *Service) describeConnection(_ context.Context, req *wire.Request, in *sdk.DescribeConnectionInput) (*sdk.DescribeConnectionOutput, error) {
	c, err := s.connectionOf(req, "describe", *in.Name)
	if err != nil {
		return nil, err
	}
	return &sdk.DescribeConnectionOutput{
		Name: &c.Name, ConnectionArn: &c.ARN, Description: optional.Of(c.Description), SecretArn: &c.Secret, AuthorizationType: c.Type, ConnectionState: c.State,
		AuthParameters: c.Public.response(), CreationTime: &c.Created, LastModifiedTime: &c.Modified, LastAuthorizedTime: &c.Authorized,
	}, nil
}

// changeConnection lets fn change a connection with its secret part, which is written
// first: what the connection says of it must be true.
func (s *Service) changeConnection(ctx context.Context, req *wire.Request, doing, name string, fn func(*connection, *credentials) error) (connection, error) {
	c, err := s.connectionOf(req, doing, name)
	if err != nil {
		return c, err
	}
	full, err := s.credentialsOf(ctx, c)
	if err != nil {
		return c, err
	}
	if err := fn(&c, &full); err != nil {
		return c, err
	}
	text, err := marshal(full)
	if err != nil {
		return c, err
	}
	if err := s.secrets(ctx, req.Scope, keeper(req), "PutSecretValue", map[string]any{"SecretId": c.Secret, "SecretString": string(text)}, nil); err != nil {
		return c, err
	}
	c.Public, c.Modified = full.public(), s.now()
	return c, s.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(connectionsBucket, req.Key(name)) == nil {
			return noConnection(doing, name)
		}
		return store.Put(tx, connectionsBucket, req.Key(name), c)
	})
}

func (s *Service) credentialsOf(ctx context.Context, c connection) (full credentials, err error) {
	var got struct{ SecretString string }
	p := wire.Principal{Account: c.Scope.Account, Admin: true, Service: ServiceName}
	if err := s.secrets(ctx, c.Scope, p, "GetSecretValue", map[string]any{"SecretId": c.Secret}, &got); err != nil {
		return full, err
	}
	return full, json.Unmarshal([]byte(got.SecretString), &full)
}

func (s *Service) updateConnection(ctx context.Context, req *wire.Request, in *sdk.UpdateConnectionInput) (*sdk.UpdateConnectionOutput, error) {
	c, err := s.changeConnection(ctx, req, "update", *in.Name, func(c *connection, full *credentials) error {
		if in.Description != nil {
			c.Description = *in.Description
		}
		if in.AuthorizationType != "" && in.AuthorizationType != c.Type {
			c.Type, *full = in.AuthorizationType, credentials{Invocation: full.Invocation}
		}
		full.update(in.AuthParameters)
		c.State, c.Authorized = stateOf(c.Type), s.now()
		return full.complete(c.Type)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.UpdateConnectionOutput{
		ConnectionArn: &c.ARN, ConnectionState: c.State, CreationTime: &c.Created, LastModifiedTime: &c.Modified,
		LastAuthorizedTime: &c.Authorized,
	}, nil
}

// deauthorize removes all authorization from a connection.
func (s *Service) deauthorize(ctx context.Context, req *wire.Request, in *sdk.DeauthorizeConnectionInput) (*sdk.DeauthorizeConnectionOutput, error) {
	c, err := s.changeConnection(ctx, req, "deauthorize", *in.Name, func(c *connection, full *credentials) error {
		c.State, *full = types.ConnectionStateDeauthorized, credentials{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.DeauthorizeConnectionOutput{
		ConnectionArn: &c.ARN, ConnectionState: types.ConnectionStateDeauthorizing, CreationTime: &c.Created, LastModifiedTime: &c.Modified, LastAuthorizedTime: &c.Authorized,
	}, nil
}

func (s *Service) deleteConnection(ctx context.Context, req *wire.Request, in *sdk.DeleteConnectionInput) (*sdk.DeleteConnectionOutput, error) {
	c, err := s.connectionOf(req, "delete", *in.Name)
	if err != nil {
		return nil, err
	}
	if err := s.DB.Update(func(tx *store.Tx) error { return tx.Delete(connectionsBucket, req.Key(c.Name)) }); err != nil {
		return nil, err
	}
	if err := s.secrets(ctx, req.Scope, keeper(req), "DeleteSecret", forget(c.Secret), nil); err != nil {
		s.Log.Warn("the secret of a connection stays", "secret", c.Secret, "error", err.Error())
	}
	return &sdk.DeleteConnectionOutput{
		ConnectionArn: &c.ARN, ConnectionState: types.ConnectionStateDeleting, CreationTime: &c.Created, LastModifiedTime: &c.Modified, LastAuthorizedTime: &c.Authorized,
	}, nil
}

func (s *Service) listConnections(_ context.Context, req *wire.Request, in *sdk.ListConnectionsInput) (*sdk.ListConnectionsOutput, error) {
	all, err := store.Select(s.DB, connectionsBucket, req.Key(aws.ToString(in.NamePrefix)), func(c connection) bool {
		return in.ConnectionState == "" || in.ConnectionState == c.State
	})
	if err != nil {
		return nil, err
	}
	some, next, err := page.Of(all, in.NextToken, in.Limit, 100, func(c connection) string { return c.Name })
	if err != nil {
		return nil, badToken()
	}
	out := &sdk.ListConnectionsOutput{Connections: []types.Connection{}, NextToken: next}
	for _, c := range some {
		out.Connections = append(out.Connections, types.Connection{
			Name: &c.Name, ConnectionArn: &c.ARN, AuthorizationType: c.Type, ConnectionState: c.State,
			CreationTime: &c.Created, LastModifiedTime: &c.Modified, LastAuthorizedTime: &c.Authorized,
		})
	}
	return out, nil
}
