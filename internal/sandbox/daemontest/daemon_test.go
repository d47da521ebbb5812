//go:build unix

// Package daemontest sees the sandbox's daemon as users do: as a process, through
// the AWS SDK over HTTP. It kills the daemon at random moments while it works and
// checks that nothing was lost, doubled or stuck, and it measures how fast and how
// large the daemon is. It holds tests only and may import internal/sandbox and
// what is below it.
package daemontest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime/pprof"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/plainbody"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
)

// childEnv makes the test binary a daemon of the folder that it names; profileEnv
// is where the daemon's CPU profile goes when it is stopped in good order.
const (
	profileEnv = "PIPELINETUI_DAEMONTEST_PROFILE"
	childEnv   = "PIPELINETUI_DAEMONTEST_DIR"
	// exeEnv names the real program, for benchmarks of its start.
	exeEnv = "PIPELINETUI_DAEMONTEST_EXE"
)

func TestMain(m *testing.M) {
	dir := os.Getenv(childEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	if profile := os.Getenv(profileEnv); profile != "" {
		f, err := os.Create(profile)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			panic(err)
		}
	}
	err := sandbox.Serve(context.Background(), sandbox.ServeOptions{Dir: dir, LogLevel: slog.LevelWarn})
	pprof.StopCPUProfile()
	if err != nil {
		_, _ = io.WriteString(os.Stderr, err.Error()+"\n")
		os.Exit(1)
	}
	os.Exit(0)
}

// daemon is the sandbox's process of one folder, over all of its lives.
type daemon struct {
	dir  string
	exe  string
	cmd  *exec.Cmd
	info sandbox.Info
}

func newDaemon(t testing.TB) *daemon {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	d := &daemon{dir: t.TempDir(), exe: exe}
	t.Cleanup(func() {
		d.kill()
		if t.Failed() {
			log, _ := os.ReadFile(sandbox.LogPath(d.dir))
			t.Logf("the daemon's log:\n%s", log[max(0, len(log)-8000):])
		}
	})
	return d
}

// spawn starts the process and returns at once.
func (d *daemon) spawn(t testing.TB) {
	t.Helper()
	out, err := os.OpenFile(sandbox.LogPath(d.dir), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	require.NoError(t, err)
	defer func() { _ = out.Close() }()
	d.cmd = exec.Command(d.exe)
	if real := os.Getenv(exeEnv); real != "" {
		d.cmd = exec.Command(real, "sandbox", "serve", "--dir", d.dir)
	}
	d.cmd.Env = append(os.Environ(), childEnv+"="+d.dir)
	d.cmd.Stdout, d.cmd.Stderr = out, out
	require.NoError(t, d.cmd.Start())
}

// start starts the process and waits until it takes requests. It returns how
// long that took.
func (d *daemon) start(t testing.TB) time.Duration {
	t.Helper()
	began := time.Now()
	d.spawn(t)
	for {
		info, running, err := sandbox.Status(d.dir)
		if err == nil && running && info.PID == d.cmd.Process.Pid {
			d.info = info
			return time.Since(began)
		}
		require.Less(t, time.Since(began), 2*time.Minute, "the daemon does not become ready: %v", err)
		require.NoError(t, d.cmd.Process.Signal(syscall.Signal(0)), "the daemon ended by itself")
		pause(t.Context(), time.Millisecond)
	}
}

// kill is kill -9.
func (d *daemon) kill() {
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
	d.cmd = nil
}

// stop ends the daemon in good order.
func (d *daemon) stop(t testing.TB) {
	t.Helper()
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, d.cmd.Wait())
	d.cmd = nil
}

// pause waits for d, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// clients are the AWS SDK's for the daemon.
type clients struct {
	sfn    *sfn.Client
	s3     *s3.Client
	sqs    *sqs.Client
	iam    *iam.Client
	lambda *lambda.Client

	sagemaker *sagemaker.Client
}

// connect makes clients that report the first failure; who calls decides about
// another attempt.
func connect(i sandbox.Info) *clients {
	c := aws.Config{
		Region: i.Region, BaseEndpoint: &i.Endpoint, RetryMaxAttempts: 1, HTTPClient: plainbody.Client{Next: awshttp.NewBuildableClient()},
		Credentials: credentials.NewStaticCredentialsProvider(i.AccessKeyID, i.SecretAccessKey, ""),
	}
	return &clients{
		sfn: sfn.NewFromConfig(c), sqs: sqs.NewFromConfig(c), iam: iam.NewFromConfig(c), lambda: lambda.NewFromConfig(c), sagemaker: sagemaker.NewFromConfig(c),
		s3: s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true }),
	}
}

// refused reports whether the service answered and said no, in contrast to a
// call whose outcome is not known.
func refused(err error) bool {
	var answer interface{ ErrorCode() string }
	if !errors.As(err, &answer) {
		return false
	}
	return answer.ErrorCode() != "ServiceUnavailable" && answer.ErrorCode() != "InternalFailure"
}
