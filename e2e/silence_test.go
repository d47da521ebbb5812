//go:build unix

package e2e

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/e2e/terminal"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
)

// eavesdropper sees where a program and all that it starts send something. A proxy, which
// lets nothing through, keeps the names that it is asked for; where strace may be used,
// every connection and every packet is seen as well, so that asking a name server, or going
// past the proxy, is seen too.
type eavesdropper struct {
	bin, home string
	env       []string
	proxy     *httptest.Server
	strace    string // "" where it can't be used
	traces    []string
	local     int // what was seen to be sent to this machine itself

	mu    sync.Mutex
	names []string
}

func listenTo(t *testing.T, bin, pulumi string) *eavesdropper {
	t.Helper()
	e := &eavesdropper{bin: filepath.Join(bin, "pipelinetui"), home: t.TempDir()}
	e.proxy = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		host, _, _ := strings.Cut(r.Host, ":")
		e.names = append(e.names, host)
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(e.proxy.Close)
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if !strings.HasSuffix(strings.ToUpper(name), "_PROXY") && !strings.HasPrefix(name, "AWS_") && !strings.HasPrefix(name, "P") || name == "PATH" {
			e.env = append(e.env, kv) // without what is meant for PIPELINETUI, PULUMI and Python
		}
	}
	for _, name := range []string{"http_proxy", "https_proxy", "all_proxy"} {
		e.env = append(e.env, name+"="+e.proxy.URL, strings.ToUpper(name)+"="+e.proxy.URL)
	}
	e.env = append(e.env, "HOME="+t.TempDir(), "PIPELINETUI_HOME="+e.home, "PIPELINETUI_PULUMI="+pulumi, "PIPELINETUI_SANDBOX_ENDPOINT_DELAY=50ms", "CI=")
	if strace, err := exec.LookPath("strace"); err == nil {
		// Containers may have it, and not allow it.
		if exec.CommandContext(t.Context(), strace, "-f", "-qq", "--seccomp-bpf", "-e", "trace=connect", "-o", os.DevNull, "true").Run() == nil {
			e.strace = strace
		}
	}
	if e.strace == "" {
		t.Log("strace is not here, or may trace nothing: what goes past the proxy is not seen")
	}
	return e
}

// command is a command line of the program under observation; the last setting of a
// variable counts.
func (e *eavesdropper) command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	args = append([]string{e.bin}, args...)
	if e.strace != "" {
		trace := filepath.Join(t.TempDir(), "trace")
		e.traces = append(e.traces, trace)
		args = append([]string{e.strace, "-f", "-qq", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", trace}, args...)
	}
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(slices.Clone(e.env), env...)
	cmd.Dir = e.home
	return cmd
}

// run runs a command line and returns its exit code with what it printed.
func (e *eavesdropper) run(t *testing.T, env []string, args ...string) (code int, said string) {
	t.Helper()
	out, err := e.command(t, env, args...).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), string(out)
	}
	require.NoError(t, err)
	return 0, string(out)
}

func (e *eavesdropper) must(t *testing.T, args ...string) {
	t.Helper()
	code, said := e.run(t, nil, args...)
	require.Zero(t, code, said)
}

var (
	sentTo = regexp.MustCompile(`sa_family=AF_INET6?, sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"`)
	toUnix = regexp.MustCompile(`sa_family=AF_UNIX, sun_path="([^"]+)"`)
)

// heard are the names that the proxy was asked for since the last time, and where else
// something was sent than to a program on this machine. Name servers on this machine ask
// others.
func (e *eavesdropper) heard(t *testing.T) []string {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	out := e.names
	for _, trace := range e.traces {
		raw, err := os.ReadFile(trace)
		require.NoError(t, err)
		for _, m := range sentTo.FindAllStringSubmatch(string(raw), -1) {
			if port, address := m[1], m[2]; port == "53" || address != "127.0.0.1" && address != "::1" && address != "::ffff:127.0.0.1" {
				out = append(out, address+":"+port)
				continue
			}
			e.local++
		}
		for _, m := range toUnix.FindAllStringSubmatch(string(raw), -1) {
			if strings.Contains(m[1], "resolve") {
				out = append(out, m[1])
			}
		}
	}
	e.names, e.traces = nil, nil
	slices.Sort(out)
	return slices.Compact(out)
}

// The program sends nothing anywhere but to its target: it counts nobody, reports nothing
// and looks for no releases. On the sandbox nothing leaves the machine at all, on AWS no
// name is asked for but AWS's.
func TestNothingIsSentAnywhere(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	e := listenTo(t, programs(t), findPulumi(t, root))
	dir := filepath.Join(e.home, "sandbox")
	daemon := e.command(t, nil, "sandbox", "start") // strace stays with it
	require.NoError(t, daemon.Start())
	t.Cleanup(func() { stopSandbox(e.home) })
	require.Eventually(t, func() bool {
		_, runs, err := sandbox.Status(dir)
		return err == nil && runs
	}, waitLimit, waitRest, "no sandbox")
	daemonTrace := e.traces
	e.traces = nil

	iris := filepath.Join(root, "examples", "iris")
	e.must(t, "up", "-f", filepath.Join(iris, "pipelines.yaml"), "--yes")
	e.must(t, "list")
	e.must(t, "run", "acme/iris", "--input", "@"+filepath.Join(iris, "one.json"), "--wait")
	e.must(t, "doctor")
	screen, err := terminal.Start(e.command(t, nil), 120, 40)
	require.NoError(t, err)
	defer screen.Close()
	require.NoError(t, screen.Until(regexp.MustCompile(`acme +iris|acme/iris`), waitLimit))
	require.NoError(t, screen.Until(regexp.MustCompile(`InService`), waitLimit), "it has asked the target")
	require.NoError(t, screen.Press("q"))
	code, err := screen.Wait(waitLimit)
	require.NoError(t, err)
	require.Zero(t, code, screen.Screen())

	stopSandbox(e.home)
	require.NoError(t, daemon.Wait())
	e.traces = append(e.traces, daemonTrace...)
	require.Empty(t, e.heard(t), "on the sandbox")
	if e.strace != "" {
		require.NotZero(t, e.local, "strace has seen nothing, not even requests to the sandbox")
	}

	aws := []string{"PIPELINETUI_TARGET=aws", "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=none", "AWS_REGION=us-east-1", "AWS_MAX_ATTEMPTS=1"}
	asked := map[string]bool{}
	for _, args := range [][]string{{"doctor"}, {"list"}, {"up", "acme/iris", "--yes"}, {"preview", "acme/iris", "--check"}} {
		_, said := e.run(t, aws, args...) // the proxy refuses all of it
		for _, name := range e.heard(t) {
			asked[name] = true
			require.True(t, strings.HasSuffix(name, ".amazonaws.com"), "%s asks for %s\n%s", args, name, said)
		}
	}
	require.NotEmpty(t, asked)
	t.Logf("on AWS: %v", slices.Sorted(maps.Keys(asked)))

	// What it looks like if something is sent: the one command that does, when it is told to.
	code, _ = e.run(t, []string{"PIPELINETUI_RELEASE_URL=http://releases.example/latest"}, "version", "--check")
	require.NotZero(t, code)
	require.Equal(t, []string{"releases.example"}, e.heard(t))
	_, _ = e.run(t, []string{"PIPELINETUI_RELEASE_URL=http://releases.example/latest"}, "version")
	require.Empty(t, e.heard(t))
	if e.strace != "" {
		_, _ = e.run(t, []string{"PIPELINETUI_RELEASE_URL=http://127.0.0.2:9/latest"}, "version", "--check") // past the proxy
		require.Equal(t, []string{"127.0.0.2:9"}, e.heard(t))
	}
}
