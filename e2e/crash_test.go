//go:build unix

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// crashRounds is how often crashes kills by default; PIPELINETUI_CRASH_ROUNDS
// overrides it.
const crashRounds = 2

// cmdCrashes destroys and makes the pipeline of a spec again and again, kills -9
// at a random moment, recovers with one more command, and wants everything to be
// there once, or nothing: crashes SPEC PIPELINE. It prints a table.
func cmdCrashes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: crashes SPEC PIPELINE")
	}
	c := &crasher{ts: ts, spec: args[0], pipeline: args[1]}
	c.calibrate()
	c.row("round", "operation", "killed", "at step", "seen", "left behind", "recovered by", "orphans")
	victims := []string{"us", "pulumi", "sandbox", "all"}
	for i := range rounds(ts, crashRounds) {
		c.round(i+1, victims[2*i%len(victims)], victims[(2*i+1)%len(victims)])
		if i%2 == 1 { // the other way about
			slices.Reverse(victims)
		}
	}
	ts.Logf("%s", c.table.String())
}

// rounds is how often is killed: n times, or as PIPELINETUI_CRASH_ROUNDS says.
func rounds(ts *testscript.TestScript, n int) int {
	if s := os.Getenv("PIPELINETUI_CRASH_ROUNDS"); s != "" {
		var err error
		n, err = strconv.Atoi(s)
		ts.Check(err)
	}
	return n
}

type crasher struct {
	ts             *testscript.TestScript
	spec, pipeline string
	version        string   // what is set of the pipeline, where there is no spec
	empty, full    []string // inventories, random parts removed
	steps          int      // of an undisturbed operation: each resource once
	pid            int      // the sandbox's
	table          bytes.Buffer
}

func (c *crasher) row(cells ...any) {
	fmt.Fprintf(&c.table, "\n%5v  %-9v  %-7v  %7v  %5v  %-34v  %-24v  %v", cells...)
}

// command prepares a command in the script's environment.
func (c *crasher) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = c.ts.Getenv("WORK")
	cmd.Env = append(os.Environ(), "HOME="+c.ts.Getenv("HOME"))
	for _, k := range []string{
		"PATH", "PIPELINETUI_HOME", "PIPELINETUI_PULUMI", "PIPELINETUI_SANDBOX_ENDPOINT_DELAY", "PIPELINETUI_SANDBOX_HASTE", "NO_COLOR",
		"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION",
	} {
		if v := c.ts.Getenv(k); v != "" {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
	}
	// exec.Command looked in this process's PATH, not in the script's.
	for _, dir := range filepath.SplitList(c.ts.Getenv("PATH")) {
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			cmd.Path, cmd.Err = p, nil
			break
		}
	}
	return cmd
}

// run runs a command to its end.
func (c *crasher) run(name string, args ...string) (stdout, stderr string, code int) {
	cmd := c.command(name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.ts.Fatalf("%s: %v", name, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (c *crasher) must(want int, args ...string) string {
	out, errs, code := c.run("pipelinetui", args...)
	if code != want {
		c.ts.Fatalf("%s\npipelinetui %s: exit code %d, want %d\n%s\n%s", c.table.String(), strings.Join(args, " "), code, want, out, errs)
	}
	return out
}

func (c *crasher) args(operation string) []string {
	switch {
	case operation == "up" && c.spec == "":
		args := []string{"up", c.pipeline, "--yes", "-o", "jsonl"}
		for _, set := range strings.Split(c.version, ",") {
			args = append(args, "--set", set)
		}
		return args
	case operation == "rollback":
		return []string{"rollback", c.pipeline, "--yes", "-o", "jsonl"}
	case operation == "up":
		return []string{"up", "-f", c.spec, "--yes", "-o", "jsonl"}
	}
	return []string{"destroy", c.pipeline, "--yes", "-o", "jsonl"}
}

// calibrate makes the pipeline once, undisturbed. Every round begins and ends with it.
func (c *crasher) calibrate() {
	c.start()
	c.empty = c.inventory()
	c.steps = countSteps(strings.NewReader(c.must(0, c.args("up")...)), nil)
	c.full = c.inventory()
}

// start starts the sandbox, if it was killed, and goes on with the one that runs.
func (c *crasher) start() {
	var status struct {
		PID int `json:"pid"`
	}
	c.ts.Check(json.Unmarshal([]byte(c.must(0, "sandbox", "start", "-o", "json")), &status))
	if status.PID == c.pid {
		return
	}
	c.pid = status.PID
	var env struct {
		Variables []struct{ Name, Value string } `json:"variables"`
	}
	c.ts.Check(json.Unmarshal([]byte(c.must(0, "sandbox", "env", "-o", "json")), &env))
	for _, v := range env.Variables {
		c.ts.Setenv(v.Name, v.Value)
	}
}

// inventory lists what there is, with the random ends of names cut off.
func (c *crasher) inventory() []string {
	var out strings.Builder
	caller := newAWSCaller(c.ts)
	defer caller.close()
	c.ts.Check(caller.inventory(&out, nil))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, l := range lines {
		switch {
		case strings.HasPrefix(l, "kms Keys"):
			lines[i] = "kms Keys"
		case strings.HasPrefix(l, "sqs"):
			lines[i] = l[:3] + l[strings.LastIndexByte(l, '/'):] // the port may change
		case strings.HasPrefix(l, "sagemaker Models"), strings.HasPrefix(l, "sagemaker EndpointConfigs"):
			lines[i] = l[:strings.LastIndexByte(l, '-')]
		case strings.HasPrefix(l, "cloudwatch MetricAlarms TargetTracking-"):
			lines[i] = l[:len(l)-len("-00000000-0000-0000-0000-000000000000")] // made anew with its policy
		}
	}
	return lines
}

func (c *crasher) same(when string, want []string) {
	if got := c.inventory(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		c.ts.Fatalf("%s\n%s: there is\n%s\nwanted\n%s", c.table.String(), when, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// round kills one destroy and one up, after a random number of steps and a
// moment more: what is then in flight is cut off.
func (c *crasher) round(n int, victims ...string) {
	for i, op := range []string{"destroy", "up"} {
		victim, at := victims[i], rand.IntN(c.steps+1)             // a moment
		moment := time.Duration(rand.IntN(100)) * time.Millisecond // a moment
		steps := c.killDuring(op, victim, at, moment)
		left := c.leftBehind()
		by := c.recover(op)
		c.start() // where the one that recovery has started listens
		if op == "up" {
			// what there is, what is recorded and what is asked for are the same
			c.must(0, "preview", c.pipeline, "--refresh", "--expect-no-changes", "-o", "json")
			c.same("after recovery of up", c.full)
		} else {
			c.same("after recovery of destroy", c.empty)
		}
		if left := c.leftBehind(); strings.Contains(left, "lock") || strings.Contains(left, "pending") {
			c.ts.Fatalf("%s\nstill there after recovery: %s", c.table.String(), left)
		}
		c.row(n, op, victim, fmt.Sprintf("%d/%d", at, c.steps), steps, left, by, 0)
	}
}

// killDuring begins an operation, kills a moment after a step, and waits for what
// is left of it to end. It returns how many steps were reported.
func (c *crasher) killDuring(op, victim string, at int, moment time.Duration) int {
	cmd := c.command("pipelinetui", c.args(op)...)
	out, err := cmd.StdoutPipe()
	c.ts.Check(err)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	c.ts.Check(cmd.Start())
	kill := func() {
		for _, pid := range c.targets(victim, cmd.Process.Pid, c.pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended already
		}
	}
	var timer *time.Timer
	reached := func(step int) {
		if step == at {
			timer = time.AfterFunc(moment, kill)
		}
	}
	reached(0)
	steps := countSteps(out, reached)
	_ = cmd.Wait() // killed, failed, or done before: all is fair
	if timer != nil {
		timer.Stop()
	}
	return steps
}

// targets are the processes to kill; a negative one is a process group.
func (c *crasher) targets(victim string, us, sandbox int) []int {
	var pids []int
	if victim == "us" || victim == "all" {
		pids = append(pids, us)
	}
	if victim == "pulumi" || victim == "all" {
		for _, pid := range childrenOf(us) {
			pids = append(pids, -pid)
		}
	}
	if victim == "sandbox" || victim == "all" {
		pids = append(pids, sandbox)
	}
	return pids
}

// countSteps reads a stream of events and calls reached, if not nil, after each
// step.
func countSteps(r io.Reader, reached func(step int)) int {
	n := 0
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<26)
	for s.Scan() {
		if strings.Contains(s.Text(), `"type":"resourceOutputs"`) {
			n++
			if reached != nil {
				reached(n)
			}
		}
	}
	return n
}

// childrenOf lists the processes that a process has started.
func childrenOf(pid int) []int {
	var out []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		text := string(raw)
		fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, _, _ := strings.Cut(text, " ")
			if id, err := strconv.Atoi(child); err == nil {
				out = append(out, id)
			}
		}
	}
	return out
}

// leftBehind tells of locks and pending operations, from the backend's files.
func (c *crasher) leftBehind() string {
	state := filepath.Join(c.ts.Getenv("PIPELINETUI_HOME"), "state", ".pulumi")
	var what []string
	if locks, _ := filepath.Glob(filepath.Join(state, "locks", "organization", "*", "*", "*.json")); len(locks) > 0 {
		what = append(what, "lock")
	}
	stacks, _ := filepath.Glob(filepath.Join(state, "stacks", "*", "*.json"))
	for _, path := range stacks {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var doc struct {
			Checkpoint struct {
				Latest struct {
					Pending []struct {
						Type     string `json:"type"`
						Resource struct {
							URN string `json:"urn"`
						} `json:"resource"`
					} `json:"pending_operations"`
				} `json:"latest"`
			} `json:"checkpoint"`
		}
		c.ts.Check(json.Unmarshal(raw, &doc))
		for i, p := range doc.Checkpoint.Latest.Pending {
			name := p.Resource.URN[strings.LastIndex(p.Resource.URN, "::")+2:]
			if i == 0 {
				what = append(what, "pending "+p.Type+" "+name)
			}
		}
		if n := len(doc.Checkpoint.Latest.Pending); n > 1 {
			what = append(what, fmt.Sprintf("+%d", n-1))
		}
	}
	if len(what) == 0 {
		return "nothing"
	}
	return strings.Join(what, ", ")
}

// recover runs the operation again. An engine that lost only us or the sandbox
// may need a moment to give up and to let go of its lock.
func (c *crasher) recover(op string) string {
	for deadline := time.Now().Add(waitLimit); ; {
		out, errs, code := c.run("pipelinetui", c.args(op)...)
		switch {
		case code == 0:
			if strings.Contains(out, "cleared the lock") {
				return op + " --yes, lock cleared"
			}
			return op + " --yes"
		case op == "destroy" && code == 6:
			return "nothing to do"
		case code == 11 && time.Now().Before(deadline):
			continue
		}
		c.ts.Fatalf("%s\nrecovery by %s: exit code %d\n%s\n%s", c.table.String(), op, code, out, errs)
	}
}
