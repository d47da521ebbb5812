package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/plainbody"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

// childEnv makes the test binary a daemon: "serve" or a way to fail.
const childEnv = "PIPELINETUI_SANDBOX_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
	case "panic":
		panic("the child broke")
	}
	if err := sandbox.Isolate(); err != nil {
		panic(err)
	}
	o := sandbox.ServeOptions{Dir: os.Args[1], Version: "test", LogLevel: slog.LevelInfo}
	if len(os.Args) > 2 {
		o.Addr = os.Args[2]
	}
	if err := sandbox.Serve(context.Background(), o); err != nil {
		_, _ = io.WriteString(os.Stderr, err.Error()+"\n")
		os.Exit(1)
	}
	os.Exit(0)
}

// stopped ends the daemon of a folder, if there is one.
func stopped(ctx context.Context, t *testing.T, dir string) bool {
	t.Helper()
	ran, err := sandbox.Stop(ctx, dir)
	require.NoError(t, err)
	return ran
}

// start runs a daemon as a process of its own and sees to its end.
func start(t *testing.T, dir string, args ...string) (sandbox.Info, error) {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = sandbox.Stop(context.WithoutCancel(t.Context()), dir) })
	return sandbox.Start(t.Context(), dir, exe, append([]string{dir}, args...)...)
}

func config(i sandbox.Info) aws.Config {
	return aws.Config{
		Region: i.Region, BaseEndpoint: &i.Endpoint, RetryMaxAttempts: 1, HTTPClient: plainbody.Client{Next: awshttp.NewBuildableClient()},
		Credentials: credentials.NewStaticCredentialsProvider(i.AccessKeyID, i.SecretAccessKey, ""),
	}
}

// keepPort has the next daemon of a folder take a port as that of its last run.
func keepPort(t *testing.T, dir string, port int) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "address.json"), fmt.Appendf(nil, `{"port":%d}`, port), 0o600))
}

func TestDaemonSurvivesKill(t *testing.T) {
	t.Setenv(childEnv, "serve")
	dir, ctx := filepath.Join(t.TempDir(), "sandbox"), t.Context()
	keepPort(t, dir, iamtest.QuietPort(t))
	began := time.Now()
	first, err := start(t, dir)
	require.NoError(t, err)
	t.Logf("ready after %s", time.Since(began))
	require.Equal(t, "test", first.Version)

	id, err := sts.NewFromConfig(config(first)).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	require.Equal(t, sandbox.Account, *id.Account)
	check := fill(t, first)
	_, err = iam.NewFromConfig(config(first)).CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("kept"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	require.NoError(t, err)

	killed, err := os.FindProcess(first.PID)
	require.NoError(t, err)
	require.NoError(t, killed.Kill())
	require.Eventually(t, func() bool {
		_, running, err := sandbox.Status(dir)
		return err == nil && !running
	}, time.Minute, 5*time.Millisecond)
	// The state file is still there and says otherwise.
	require.FileExists(t, filepath.Join(dir, "state.json"))

	second, err := start(t, dir)
	require.NoError(t, err)
	require.NotEqual(t, first.ID, second.ID)
	require.Equal(t, first.Endpoint, second.Endpoint, "the port stays")
	require.Equal(t, first.AccessKeyID, second.AccessKeyID)
	role, err := iam.NewFromConfig(config(second)).GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("kept")})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:iam::000000000000:role/kept", *role.Role.Arn)
	check(second)

	require.True(t, stopped(ctx, t, dir))
	_, running, err := sandbox.Status(dir)
	require.NoError(t, err)
	require.False(t, running)
	require.NoFileExists(t, filepath.Join(dir, "state.json"), "it ended in good order")
	require.Eventually(t, func() bool {
		p, err := os.FindProcess(second.PID)
		return err != nil || p.Signal(syscall.Signal(0)) != nil
	}, time.Minute, 5*time.Millisecond, "the process is gone")
	require.False(t, stopped(ctx, t, dir), "stopping what does not run is no error")
}

// fill makes something in several services; the check finds it again.
func fill(t *testing.T, i sandbox.Info) (check func(sandbox.Info)) {
	t.Helper()
	ctx := t.Context()
	store := func(i sandbox.Info) *s3.Client {
		return s3.NewFromConfig(config(i), func(o *s3.Options) { o.UsePathStyle = true })
	}
	bucket, object := aws.String("kept"), aws.String("a b/ü")
	_, err := store(i).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket})
	require.NoError(t, err)
	_, err = store(i).PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: object, Body: strings.NewReader("content")})
	require.NoError(t, err)
	queue, err := sqs.NewFromConfig(config(i)).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("kept")})
	require.NoError(t, err)
	_, err = sqs.NewFromConfig(config(i)).SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: aws.String("message")})
	require.NoError(t, err)
	key, err := kms.NewFromConfig(config(i)).CreateKey(ctx, &kms.CreateKeyInput{})
	require.NoError(t, err)
	secret, err := kms.NewFromConfig(config(i)).Encrypt(ctx, &kms.EncryptInput{KeyId: key.KeyMetadata.KeyId, Plaintext: []byte("secret")})
	require.NoError(t, err)
	return func(i sandbox.Info) {
		t.Helper()
		got, err := store(i).GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: object})
		require.NoError(t, err)
		body, err := io.ReadAll(got.Body)
		require.NoError(t, err)
		require.Equal(t, "content", string(body))
		messages, err := sqs.NewFromConfig(config(i)).ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl})
		require.NoError(t, err)
		require.Equal(t, "message", *messages.Messages[0].Body)
		plain, err := kms.NewFromConfig(config(i)).Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: secret.CiphertextBlob})
		require.NoError(t, err)
		require.Equal(t, "secret", string(plain.Plaintext))
	}
}

func TestConcurrentStartsShareOneDaemon(t *testing.T) {
	t.Setenv(childEnv, "serve")
	dir := filepath.Join(t.TempDir(), "sandbox")
	var wg sync.WaitGroup
	infos, errs := make([]sandbox.Info, 6), make([]error, 6)
	exe, err := os.Executable()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = sandbox.Stop(context.WithoutCancel(t.Context()), dir) })
	for i := range infos {
		wg.Go(func() { infos[i], errs[i] = sandbox.Start(t.Context(), dir, exe, dir) })
	}
	wg.Wait()
	for i := range infos {
		require.NoError(t, errs[i])
		require.Equal(t, infos[0], infos[i])
	}
}

func TestStartTellsWhyTheChildEnded(t *testing.T) {
	t.Run("error", func(t *testing.T) {
		t.Setenv(childEnv, "serve")
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { _ = taken.Close() }()
		_, err = start(t, filepath.Join(t.TempDir(), "sandbox"), taken.Addr().String())
		require.ErrorContains(t, err, "listen on "+taken.Addr().String())
		require.ErrorContains(t, err, "address already in use")
	})
	t.Run("panic", func(t *testing.T) {
		t.Setenv(childEnv, "panic")
		dir := filepath.Join(t.TempDir(), "sandbox")
		_, err := start(t, dir)
		require.ErrorContains(t, err, "the sandbox ended at once")
		log, err := os.ReadFile(sandbox.LogPath(dir))
		require.NoError(t, err)
		require.Contains(t, string(log), "the child broke")
	})
	t.Run("no program", func(t *testing.T) {
		_, err := sandbox.Start(t.Context(), t.TempDir(), "/nowhere/at/all")
		require.ErrorContains(t, err, "no such file")
	})
}

// serve runs a daemon in this process.
func serve(t *testing.T, o sandbox.ServeOptions) (sandbox.Info, func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan sandbox.Info, 1), make(chan error, 1)
	o.Ready = func(i sandbox.Info) { ready <- i }
	go func() { ended <- sandbox.Serve(ctx, o) }()
	stop := sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = stop() })
	select {
	case i := <-ready:
		return i, stop
	case err := <-ended:
		ended <- err
		require.NoError(t, err)
	}
	return sandbox.Info{}, stop
}

func TestServeIsAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, stop := serve(t, sandbox.ServeOptions{Dir: dir})
	err := sandbox.Serve(t.Context(), sandbox.ServeOptions{Dir: dir})
	require.ErrorIs(t, err, fault.Locked)
	require.NoError(t, stop())
	_, stop = serve(t, sandbox.ServeOptions{Dir: dir})
	require.NoError(t, stop())
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	dir := t.TempDir()
	err = sandbox.Serve(t.Context(), sandbox.ServeOptions{Dir: dir, Addr: taken.Addr().String()})
	require.ErrorIs(t, err, fault.Conflict)
	err = sandbox.Serve(t.Context(), sandbox.ServeOptions{Dir: dir, Addr: "0.0.0.0:0"})
	require.ErrorIs(t, err, fault.Invalid)

	// The kept port that is taken falls back to a new one, and the log says so.
	keepPort(t, dir, taken.Addr().(*net.TCPAddr).Port)
	info, stop := serve(t, sandbox.ServeOptions{Dir: dir})
	require.NotEqual(t, "http://"+taken.Addr().String(), info.Endpoint)
	require.NoError(t, stop())
	log, err := os.ReadFile(sandbox.LogPath(dir))
	require.NoError(t, err)
	require.Contains(t, string(log), "the port of the last run is taken")
	kept, err := os.ReadFile(filepath.Join(dir, "address.json"))
	require.NoError(t, err)
	require.JSONEq(t, `{"port":`+info.Endpoint[strings.LastIndex(info.Endpoint, ":")+1:]+`}`, string(kept), "the next run has it again")
}

func TestDoor(t *testing.T) {
	t.Parallel()
	info, _ := serve(t, sandbox.ServeOptions{Dir: t.TempDir(), Version: "v", Haste: 60, EndpointDelay: 3 * time.Second})
	get := func(host, method, path string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, info.Endpoint+path, strings.NewReader(""))
		require.NoError(t, err)
		if host != "" {
			req.Host = host
		}
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(body)
	}
	status, body := get("", http.MethodGet, sandbox.HealthPath)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"id":"`+info.ID+`","pid":`+jsonInt(info.PID)+`,"version":"v","haste":60,"endpoint_delay":"3s"}`, body)
	status, _ = get("localhost:1", http.MethodGet, sandbox.HealthPath)
	require.Equal(t, http.StatusOK, status)
	status, _ = get("evil.example", http.MethodGet, sandbox.HealthPath)
	require.Equal(t, http.StatusMisdirectedRequest, status)
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		for _, path := range []string{"/", "/bucket/key", "/?Action=GetCallerIdentity&Version=2011-06-15", "/2015-03-31/functions", sandbox.HealthPath + "/x"} {
			status, body := get("", method, path)
			require.Equal(t, http.StatusForbidden, status, "%s %s: %s", method, path, body)
		}
	}
}

func jsonInt(n int) string {
	raw, _ := json.Marshal(n)
	return string(raw)
}

func TestReset(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), t.Context()
	info, stop := serve(t, sandbox.ServeOptions{Dir: dir})
	make := func(i sandbox.Info) {
		_, err := iam.NewFromConfig(config(i)).CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("p"), PolicyDocument: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)})
		require.NoError(t, err)
	}
	make(info)
	require.NoError(t, stop())
	// Code packages may bring folders that nobody may write to.
	locked := filepath.Join(dir, "data", "lambda", "ro")
	require.NoError(t, os.MkdirAll(filepath.Join(locked, "x"), 0o700))
	require.NoError(t, os.Chmod(locked, 0o500))
	require.NoError(t, sandbox.Reset(ctx, dir, sandbox.ResetOptions{}))
	again, stop := serve(t, sandbox.ServeOptions{Dir: dir})
	require.Equal(t, info.AccessKeyID, again.AccessKeyID)
	make(again) // the name is free
	require.NoError(t, stop())
	require.NoError(t, sandbox.Reset(ctx, dir, sandbox.ResetOptions{RenewCredentials: true}))
	renewed, _ := serve(t, sandbox.ServeOptions{Dir: dir})
	require.NotEqual(t, info.AccessKeyID, renewed.AccessKeyID)
	require.NoError(t, sandbox.Reset(ctx, filepath.Join(dir, "none"), sandbox.ResetOptions{}))
}

func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "s")
	info, _ := serve(t, sandbox.ServeOptions{Dir: dir})
	for _, name := range []string{"", "credentials.json", "state.json", "lock", "sandbox.log", "data/store.db"} {
		st, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Zero(t, st.Mode().Perm()&0o077, name)
	}
	log, err := os.ReadFile(sandbox.LogPath(dir))
	require.NoError(t, err)
	require.NotContains(t, string(log), info.SecretAccessKey)
}

func TestEnv(t *testing.T) {
	t.Parallel()
	env := map[string]string{}
	for _, kv := range sandbox.Env(sandbox.Info{Endpoint: "http://127.0.0.1:1", AccessKeyID: "A", SecretAccessKey: "S", Region: "us-east-1"}) {
		env[kv.Key] = kv.Value
	}
	require.Equal(t, "http://127.0.0.1:1", env["AWS_ENDPOINT_URL"])
	require.Equal(t, "us-east-1", env["AWS_REGION"])
	require.Equal(t, "A", env["AWS_ACCESS_KEY_ID"])
}
