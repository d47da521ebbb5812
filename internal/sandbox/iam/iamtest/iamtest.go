// Package iamtest gives tests of sandbox services what is around a service: a
// store, a router with real IAM on a real listener, and SDK configurations of the
// account's user and of roles. Only tests may import it.
package iamtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/plainbody"
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
	Clock  *clock.Fake // nil if the clock is another
	IAM    *iam.Service
	Router *wire.Router
	URL    string
	path   string
	clock  clock.Clock
	server *httptest.Server
	disk   disk
}

// disk is the one that the store lies on.
type disk struct {
	full    atomic.Bool
	refused atomic.Int64
}

func (d *disk) room() error {
	if !d.full.Load() {
		return nil
	}
	d.refused.Add(1)
	return syscall.ENOSPC
}

// FillDisk leaves no room for anything that the store is to keep, until free is called.
// refused counts what was not kept since.
func (w *World) FillDisk() (free func(), refused func() int64) {
	before := w.disk.refused.Load()
	w.disk.full.Store(true)
	return func() { w.disk.full.Store(false) }, func() int64 { return w.disk.refused.Load() - before }
}

// New returns a world with IAM and STS in it. Register services with its Router.
func New(t testing.TB) *World {
	t.Helper()
	return At(t, filepath.Join(t.TempDir(), "store.db"), clock.NewFake(time.Now().UTC().Truncate(time.Second)))
}

// At is New over the store of a file, which may have what an earlier world left there,
// at a clock's time.
func At(t testing.TB, path string, clk clock.Clock) *World {
	t.Helper()
	w := &World{path: path, clock: clk}
	w.Clock, _ = clk.(*clock.Fake)
	w.open(t, iam.NewCredentials())
	t.Cleanup(w.Close)
	return w
}

// Close ends the world; what it stored is there for the next.
func (w *World) Close() {
	w.server.CloseClientConnections()
	w.server.Close()
	_ = w.DB.Close()
}

// OutliveFullDisk lets the time pass until work in the background has met a full disk again
// and again, and makes room: what has begun is to end after it. The disk is full when it is
// called, by FillDisk.
func (w *World) OutliveFullDisk(t testing.TB, free func(), refused func() int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for refused() < 3 {
		require.NoError(t, w.Clock.WaitTimers(ctx, 1), "nobody tries again")
		w.Clock.Advance(250 * time.Millisecond)
	}
	free()
}

func (w *World) open(t testing.TB, keys wire.Credentials) {
	t.Helper()
	var err error
	w.DB, err = store.Open(w.path)
	require.NoError(t, err)
	w.DB.Full = w.disk.room
	w.Router = wire.NewRouter(nil, nil)
	w.Router.Clock = w.clock
	w.IAM, err = iam.New(iam.Config{DB: w.DB, Clock: w.clock, Home: Account, Admin: keys, Signers: w.Router})
	require.NoError(t, err)
	w.Router.SetSecurity(w.IAM, w.IAM)
	w.IAM.Register(w.Router)
	w.server = httptest.NewServer(w.Router)
	w.URL = w.server.URL
}

// Reopen closes the store and starts anew over the same file, as after a
// restart. Services must be made and registered again.
func (w *World) Reopen(t testing.TB) {
	t.Helper()
	w.Close()
	w.open(t, w.IAM.Admin)
}

// Path is the store's file.
func (w *World) Path() string { return w.path }

// Admin is the configuration of the account's user.
func (w *World) Admin() aws.Config { return w.config(w.IAM.Admin) }

func (w *World) config(c wire.Credentials) aws.Config {
	url := w.URL
	return aws.Config{
		Region: Region, BaseEndpoint: &url, RetryMaxAttempts: 1, HTTPClient: plainbody.Client{Next: awshttp.NewBuildableClient()},
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken),
	}
}

// Role makes a role with one inline policy (none if empty) that Lambda and
// SageMaker may assume, and returns the principal and configuration of a session of it.
func (w *World) Role(t testing.TB, name, policy string) (wire.Principal, aws.Config) {
	t.Helper()
	c := sdk.NewFromConfig(w.Admin())
	out, err := c.CreateRole(t.Context(), &sdk.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","sagemaker.amazonaws.com"]},"Action":"sts:AssumeRole"}]}`)})
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

// Has reports whether there is a role of a name, which an earlier world may have made.
func (w *World) Has(t testing.TB, role string) bool {
	t.Helper()
	_, err := sdk.NewFromConfig(w.Admin()).GetRole(t.Context(), &sdk.GetRoleInput{RoleName: &role})
	return err == nil
}

// User makes a user who may do what a policy says (nothing if it is empty), and returns
// its principal and its configuration.
func (w *World) User(t testing.TB, name, policy string) (wire.Principal, aws.Config) {
	t.Helper()
	c := sdk.NewFromConfig(w.Admin())
	_, err := c.CreateUser(t.Context(), &sdk.CreateUserInput{UserName: &name})
	require.NoError(t, err)
	if policy != "" {
		_, err = c.PutUserPolicy(t.Context(), &sdk.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("p"), PolicyDocument: &policy})
		require.NoError(t, err)
	}
	out, err := c.CreateAccessKey(t.Context(), &sdk.CreateAccessKeyInput{UserName: &name})
	require.NoError(t, err)
	cfg := w.config(wire.Credentials{AccessKeyID: *out.AccessKey.AccessKeyId, SecretAccessKey: *out.AccessKey.SecretAccessKey})
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	return wire.Principal{Account: Account, ARN: *who.Arn, UserID: *who.UserId}, cfg
}

// Sign signs a request as the account's user. The hash of its payload is what
// X-Amz-Content-Sha256 states, or that of the body.
func (w *World) Sign(t testing.TB, r *http.Request, service, region string) {
	t.Helper()
	hash := r.Header.Get("X-Amz-Content-Sha256")
	if hash == "" {
		sum := sha256.New()
		if r.GetBody != nil {
			body, err := r.GetBody()
			require.NoError(t, err)
			_, err = io.Copy(sum, body)
			require.NoError(t, err)
		}
		hash = hex.EncodeToString(sum.Sum(nil))
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	c := w.IAM.Admin
	require.NoError(t, v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey}, r, hash, service, region, w.clock.Now(),
		func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" }))
}

// Allow is an identity policy with one statement.
func Allow(action, resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"}]}`
}

// RequireCode checks that err is an AWS error with the code and returns it.
func RequireCode(t testing.TB, err error, code string) smithy.APIError {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, code, api.ErrorCode(), api.ErrorMessage())
	return api
}

// QuietPort is a free port that no system gives to who asks for any: where it is let go for a
// moment, as by what is started anew, no other program gets it.
func QuietPort(t testing.TB) int {
	t.Helper()
	for {
		port := 20_000 + rand.IntN(10_000) // a test's choice
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			require.NoError(t, l.Close())
			return port
		}
	}
}
