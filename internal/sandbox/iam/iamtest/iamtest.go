// Package iamtest gives tests of sandbox services what is around a service: a
// store, a router with real IAM on a real listener, and SDK configurations of the
// account's user and of roles. Only tests may import it.
package iamtest

import (
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Account and Region of a World.
const (
	Account = "000000000000"
	Region  = "us-east-1"
)

// Scope is where a World's services are called.
var Scope = wire.ScopeOf(Account, Region)

// World is what surrounds a service under test.
type World struct {
	DB     *store.DB
	Clock  *clock.Fake
	IAM    *iam.Service
	Router *wire.Router
	URL    string
	path   string
}

// New returns a world with IAM and STS in it. Register services with its Router.
func New(t *testing.T) *World {
	t.Helper()
	w := &World{path: filepath.Join(t.TempDir(), "store.db"), Clock: clock.NewFake(time.Now().UTC().Truncate(time.Second))}
	w.open(t, iam.NewCredentials())
	t.Cleanup(func() { _ = w.DB.Close() })
	return w
}

func (w *World) open(t *testing.T, keys wire.Credentials) {
	t.Helper()
	var err error
	w.DB, err = store.Open(w.path)
	require.NoError(t, err)
	w.Router = wire.NewRouter(nil, nil)
	w.Router.Clock = w.Clock
	w.IAM, err = iam.New(iam.Config{DB: w.DB, Clock: w.Clock, Home: Account, Admin: keys, Signers: w.Router})
	require.NoError(t, err)
	w.Router.SetSecurity(w.IAM, w.IAM)
	w.IAM.Register(w.Router)
	srv := httptest.NewServer(w.Router)
	t.Cleanup(srv.Close)
	w.URL = srv.URL
}

// Reopen closes the store and starts anew over the same file, as after a
// restart. Services must be made and registered again.
func (w *World) Reopen(t *testing.T) {
	t.Helper()
	require.NoError(t, w.DB.Close())
	w.open(t, w.IAM.Admin)
}

// Path is the store's file.
func (w *World) Path() string { return w.path }

// Admin is the configuration of the account's user.
func (w *World) Admin() aws.Config { return w.config(w.IAM.Admin) }

func (w *World) config(c wire.Credentials) aws.Config {
	url := w.URL
	return aws.Config{
		Region: Region, BaseEndpoint: &url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken),
	}
}

// Role makes a role with one inline policy (none if empty) that Lambda may
// assume, and returns the principal and configuration of a session of it.
func (w *World) Role(t *testing.T, name, policy string) (wire.Principal, aws.Config) {
	t.Helper()
	c := sdk.NewFromConfig(w.Admin())
	out, err := c.CreateRole(t.Context(), &sdk.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	require.NoError(t, err)
	if policy != "" {
		_, err = c.PutRolePolicy(t.Context(), &sdk.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: &policy})
		require.NoError(t, err)
	}
	p, err := w.IAM.AssumeServiceRole(t.Context(), Scope, "lambda.amazonaws.com", *out.Role.Arn, "", "test")
	require.NoError(t, err)
	keys, err := w.IAM.SessionCredentials(t.Context(), p, time.Hour)
	require.NoError(t, err)
	return p, w.config(keys)
}

// Allow is an identity policy with one statement.
func Allow(action, resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"}]}`
}

// RequireCode checks that err is an AWS error with the code and returns it.
func RequireCode(t *testing.T, err error, code string) smithy.APIError {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, code, api.ErrorCode(), api.ErrorMessage())
	return api
}
