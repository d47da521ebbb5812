package stack

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// stubborn is an engine on a CLI that never opens its event stream. On SIGINT
// it runs the shell command onInterrupt. It returns the file in which it notes
// that it has begun and which signals it got.
func stubborn(t *testing.T, onInterrupt string) (e *Engine, notes func() string) {
	t.Helper()
	dir := t.TempDir()
	path, file := filepath.Join(dir, "pulumi"), filepath.Join(dir, "notes")
	script := `#!/bin/sh
case "$*" in
version) echo v3.256.0; exit 0;;
*"stack init"*) exit 0;;
esac
trap 'echo interrupted >> "` + file + `"; ` + onInterrupt + `' INT
echo "begun $$" >> "` + file + `"
while :; do sleep 0.02; done
`
	require.NoError(t, wholefile.WriteProgram(path, []byte(script)))
	e, err := Open(t.Context(), Options{PulumiPath: path, Home: filepath.Join(dir, "home"), Backend: "file://" + dir})
	require.NoError(t, err)
	e.interruptGrace = time.Millisecond
	return e, func() string {
		data, _ := os.ReadFile(file)
		return string(data)
	}
}

func TestAnEngineThatReportsNothingIsInterruptedOnce(t *testing.T) {
	t.Parallel()
	e, notes := stubborn(t, "stop=1; sleep 0.2; exit 8")
	run, err := e.Up(t.Context(), Job{Stack: testStack, Program: stashes("s")})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return notes() != "" }, time.Minute, time.Millisecond)
	for range 5 {
		run.Cancel()
	}
	_, events, err := wait(t, run, nil)
	require.ErrorIs(t, err, fault.Canceled)
	require.Len(t, events, 1)
	require.Regexp(t, `^begun \d+\ninterrupted\n$`, notes())
}

// An engine that somebody else kills was not cancelled by the user.
func TestAnEngineThatIsKilledFromOutside(t *testing.T) {
	t.Parallel()
	e, notes := stubborn(t, ":")
	run, err := e.Up(t.Context(), Job{Stack: testStack, Program: stashes("s")})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return notes() != "" }, time.Minute, time.Millisecond)
	pid, err := strconv.Atoi(strings.Fields(notes())[1])
	require.NoError(t, err)
	engine, err := os.FindProcess(pid)
	require.NoError(t, err)
	require.NoError(t, engine.Kill())
	res, events, err := wait(t, run, nil)
	require.ErrorIs(t, err, fault.Deployment)
	require.ErrorContains(t, err, "the engine was killed from outside")
	require.Equal(t, Failed, res.Outcome)
	require.Equal(t, Failed, events[len(events)-1].End.Outcome)
}

func TestKillEndsAnEngineThatDoesNotListen(t *testing.T) {
	t.Parallel()
	e, notes := stubborn(t, ":")
	run, err := e.Up(t.Context(), Job{Stack: testStack, Program: stashes("s")})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return notes() != "" }, time.Minute, time.Millisecond)
	run.Cancel()
	require.Eventually(t, func() bool { return strings.Contains(notes(), "interrupted") }, time.Minute, time.Millisecond)
	select {
	case <-run.Done():
		t.Fatal("a graceful cancel must wait")
	default:
	}
	run.Kill()
	_, err = run.Wait()
	require.ErrorIs(t, err, fault.Canceled)
	require.Contains(t, err.Error(), "killed")
	require.Equal(t, 1, strings.Count(notes(), "interrupted"))
}

func TestProcessesHaveNothingOfOurStreamsAndAGroupOfTheirOwn(t *testing.T) {
	t.Parallel()
	e, _ := stubborn(t, ":")
	cmd := e.command(t.TempDir(), []string{"A=1", "A=2"}, []string{"up", "--stack", "x"})
	require.Equal(t, []string{"--non-interactive", "up", "--stack", "x"}, cmd.Args[1:])
	require.Equal(t, ownGroup(), cmd.SysProcAttr)
	require.Nil(t, cmd.Stdin)
	require.Contains(t, cmd.Environ(), "A=2")
	require.Contains(t, cmd.Env, "PULUMI_SKIP_UPDATE_CHECK=true")
	require.Nil(t, cmd.Cancel)
}

func TestSubcommand(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"up --yes --stack x":                           "up",
		"--non-interactive stack export":               "stack export",
		"stack init acme.iris.dev --no-select":         "stack init",
		"config set aws:region --secret --stack x":     "config set",
		"destroy --client=127.0.0.1:1 --stack x --yes": "destroy",
	} {
		require.Equal(t, want, subcommand(strings.Fields(args)), args)
	}
}

func TestLockText(t *testing.T) {
	t.Parallel()
	locks, ok := lockedBy(`error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock file with ` + "`pulumi cancel`" + `.
  s3://bucket/.pulumi/locks/organization/pipelinetui/acme.iris.dev/1c6.json: created by ann lee@build-7.example.com (pid 4711) at 2026-05-04T10:11:12+02:00
  s3://bucket/.pulumi/locks/organization/pipelinetui/acme.iris.dev/2d7.json: created by bo@other (pid 12) at 2026-05-04T10:11:12+02:00
`)
	require.True(t, ok)
	require.Len(t, locks, 2)
	lock := locks[0]
	require.Equal(t, "ann lee", lock.User)
	require.Equal(t, "build-7.example.com", lock.Host)
	require.Equal(t, 4711, lock.PID)
	require.True(t, lock.Since.Equal(time.Date(2026, 5, 4, 8, 11, 12, 0, time.UTC)))
	require.False(t, lock.Stale, "nothing is known of processes on other hosts")

	locks, ok = lockedBy("error: [409] Conflict: Another update is currently in progress.")
	require.True(t, ok)
	require.Empty(t, locks)
	_, ok = lockedBy("error: no stack named 'x' found")
	require.False(t, ok)
}

func TestTextRules(t *testing.T) {
	t.Parallel()
	e, _ := stubborn(t, ":")
	for _, tt := range []struct {
		stderr string
		code   int
		kind   fault.Kind
		msg    string
	}{
		{"error: getting stack configuration: get stack secrets manager: incorrect passphrase", 1, fault.Invalid, "op: the passphrase does not open the secrets of this stack"},
		{"error: no stack named 'x' found", 6, fault.NotFound, "op: no stack named 'x' found"},
		{
			"error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions", 3, fault.Unauthenticated,
			"op: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions",
		},
		{
			"error: could not list bucket: blob (key \"\") (code=Unknown): operation error S3: ListObjectsV2, InvalidAccessKeyId: no", 255,
			fault.Unauthenticated, "op: could not list bucket: blob (key \"\") (code=Unknown): operation error S3: ListObjectsV2, InvalidAccessKeyId: no",
		},
		{"error: read \".pulumi/meta.yaml\": blob: AccessDenied: Access Denied", 255, fault.Denied, "op: read \".pulumi/meta.yaml\": blob: AccessDenied: Access Denied"},
		{"error: something\nnew happened.", 255, fault.Internal, "op: something new happened"},
		{"", 3, fault.Unauthenticated, "op: exit status 3"},
	} {
		err := e.classifyText("op", "", tt.stderr, tt.code, exitStatus(tt.code))
		require.ErrorIs(t, err, tt.kind, tt.stderr)
		require.Equal(t, tt.msg, err.Error())
		require.NotEmpty(t, fault.HintOf(err))
	}
}

type exitStatus int

func (e exitStatus) Error() string { return "exit status " + string(rune('0'+int(e)%10)) }
