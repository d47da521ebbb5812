//go:build unix

package lambda_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/stretchr/testify/require"
)

const daemonVariable = "LAMBDA_TEST_DAEMON"

// TestDaemon is no test: TestNoOrphans runs it in a process of its own, which it
// kills. It serves a function that writes its process id, and hangs.
func TestDaemon(t *testing.T) {
	spec := os.Getenv(daemonVariable)
	if spec == "" {
		t.Skip("runs as a part of TestNoOrphans")
	}
	dir, rest, _ := strings.Cut(spec, "|")
	kind, source, _ := strings.Cut(rest, "|")
	runtime, file, handler := types.RuntimePython313, "handler.py", "handler.handler"
	if kind == "node" {
		runtime, file, handler = types.RuntimeNodejs22x, "index.js", "index.handler"
	}
	s := open(t, dir, nil)
	_, err := s.as(t, "admin").CreateFunction(t.Context(), &awslambda.CreateFunctionInput{
		FunctionName: str("fn"), Role: str(role), Runtime: runtime, Handler: &handler, Timeout: aws.Int32(900),
		Code:        &types.FunctionCode{ZipFile: pack(t, map[string]string{file: source})},
		Environment: &types.Environment{Variables: map[string]string{"PIDFILE": filepath.Join(dir, "pid")}},
	})
	require.NoError(t, err)
	_, _ = s.router.Invoke(t.Context(), home, admin(), "lambda", "Invoke", []byte(`{"FunctionName":"fn"}`))
	select {} // to be killed
}

// Functions do not outlive the sandbox, even if it is killed.
func TestNoOrphans(t *testing.T) {
	t.Parallel()
	const write = `
import os
def handler(event, context):
    with open(os.environ["PIDFILE"] + ".tmp", "w") as f:
        f.write(str(os.getpid()))
    os.rename(os.environ["PIDFILE"] + ".tmp", os.environ["PIDFILE"])
`
	for name, tt := range map[string]struct{ program, spec string }{
		"python, idle": {"python3", "python|" + write},
		"python, busy": {"python3", "python|" + write + "    while True:\n        pass\n"},
		"node, idle": {"node", "node|" + `const fs = require("fs");
exports.handler = async () => { fs.writeFileSync(process.env.PIDFILE + ".tmp", String(process.pid)); fs.renameSync(process.env.PIDFILE + ".tmp", process.env.PIDFILE); };`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needs(t, tt.program)
			dir := t.TempDir()
			daemon := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDaemon$") // this test's own program
			daemon.Env = append(os.Environ(), daemonVariable+"="+dir+"|"+tt.spec)
			require.NoError(t, daemon.Start())
			var pid string
			require.Eventually(t, func() bool {
				raw, err := os.ReadFile(filepath.Join(dir, "pid"))
				pid = string(raw)
				return err == nil
			}, 60*time.Second, 10*time.Millisecond)
			require.True(t, running(pid))
			require.NoError(t, daemon.Process.Kill())
			_ = daemon.Wait()
			require.Eventually(t, func() bool { return !running(pid) }, time.Minute, 10*time.Millisecond)
		})
	}
}

// running tells a live process from none and from one that only waits to be
// collected by its new parent.
func running(pid string) bool {
	out, err := exec.Command("ps", "-o", "stat=", "-p", pid).Output()
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
}
