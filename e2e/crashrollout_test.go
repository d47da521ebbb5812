//go:build unix

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pipelinetui/pipelinetui/internal/cli"
)

// phases are what of a pipeline takes over bit by bit.
var phases = []string{"endpoint", "function", "state machine"}

// cmdCrashesRollout changes a pipeline bit by bit again and again, to one version and back to
// the other, kills -9 in the middle of one of its rollouts, and recovers by one more command:
// crashes-rollout PIPELINE VERSION VERSION. A version is a list of what is --set, with commas. In
// the end all traffic goes to one version, that which the command was to bring, everything is
// there once, and nothing is left to be done. It prints a table.
func cmdCrashesRollout(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: crashes-rollout PIPELINE VERSION VERSION")
	}
	c := &crasher{ts: ts, pipeline: args[0], version: args[1]}
	c.start()
	c.must(0, c.args("up")...) // where it begins
	c.full = c.inventory()
	c.version = args[2]
	c.row("round", "recovery", "killed", "after", "phase", "left behind", "recovered by", "orphans")
	victims := []string{"us", "pulumi", "sandbox", "all"}
	all := rounds(ts, crashRounds)
	for i := range all {
		n := i
		if all < len(victims) {
			n = rand.IntN(2 * len(victims) * len(phases)) // few rounds: any of them
		}
		r := rolloutRound{number: i + 1, victim: victims[n%4], phase: phases[n%3], op: []string{"up", "rollback"}[n/4%2]}
		if c.rolloutRound(r) {
			args[1], args[2] = args[2], args[1]
		}
		c.version = args[2]
	}
	ts.Logf("%s", c.table.String())
}

type rolloutRound struct {
	number            int
	victim, phase, op string
}

// rolloutRound is one of them; it tells whether the new version is what runs.
func (c *crasher) rolloutRound(r rolloutRound) bool {
	moment := time.Duration(rand.IntN(1500)) * time.Millisecond
	seen, code, back := c.killInRollout(r.victim, r.phase, moment)
	if code == int(cli.ExitCancelled) { // nobody has cancelled it
		c.ts.Fatalf("%s\na kill of %s in the rollout of the %s ends with %d", c.table.String(), r.victim, r.phase, code)
	}
	if code == int(cli.ExitOK) || back {
		r.op = "up" // it ended well, or has gone back by itself: a rollback would go to something else
	}
	left := c.leftBehind()
	by := c.recover(r.op)
	c.start() // where the one that recovery has started listens
	when := fmt.Sprintf("after %s, which recovered from a kill of %s in the rollout of the %s", r.op, r.victim, r.phase)
	c.must(0, "preview", c.pipeline, "--refresh", "--expect-no-changes", "-o", "json")
	c.same(when, c.full)
	c.oneVersion(when, r.op == "up")
	if left := c.leftBehind(); left != "nothing" {
		c.ts.Fatalf("%s\n%s there is still: %s", c.table.String(), when, left)
	}
	c.row(r.number, r.op, r.victim, moment, fmt.Sprintf("%s %s (exit %d)", seen, r.phase, code), left, by, 0)
	return r.op == "up"
}

// killInRollout begins an update, kills a moment after the rollout of a phase has
// begun, and waits for what is left to end. It tells how often it did, how the
// update ended, and whether it had gone back by itself.
func (c *crasher) killInRollout(victim, phase string, moment time.Duration) (seen string, code int, back bool) {
	cmd := c.command("pipelinetui", c.args("up")...)
	out, err := cmd.StdoutPipe()
	c.ts.Check(err)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	c.ts.Check(cmd.Start())
	var timer *time.Timer
	n := 0
	s := bufio.NewScanner(out)
	s.Buffer(nil, 1<<26)
	last := ""
	for s.Scan() {
		last = s.Text()
		if phaseOf(s.Bytes()) != phase {
			continue
		}
		if n++; n == 1 {
			timer = time.AfterFunc(moment, func() {
				for _, pid := range c.targets(victim, cmd.Process.Pid, c.pid) {
					_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended already
				}
			})
		}
	}
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait() // killed, failed, or done before: all is fair
	if timer == nil {
		c.ts.Fatalf("%s\nno rollout of the %s was told of\n%s\n%s", c.table.String(), phase, last, errs.String())
	}
	timer.Stop()
	return fmt.Sprint(n), cmd.ProcessState.ExitCode(), strings.Contains(last, `"rolledBack":true`)
}

// phaseOf is what a line of events is the rollout of; "" if it is of none.
func phaseOf(line []byte) string {
	if !bytes.Contains(line, []byte(`"type":"rollout"`)) {
		return ""
	}
	var doc struct {
		Event struct {
			Rollout struct {
				Endpoint string
				Alias    struct{ Of string }
			}
		}
	}
	if json.Unmarshal(line, &doc) != nil {
		return ""
	}
	if doc.Event.Rollout.Endpoint != "" {
		return "endpoint"
	}
	return doc.Event.Rollout.Alias.Of
}

// oneVersion wants all calls to go to one version of everything, and that to be what was
// asked for, or with a rollback what was there before.
func (c *crasher) oneVersion(when string, isNew bool) {
	caller := newAWSCaller(c.ts)
	defer caller.close()
	base := "ptui-" + strings.ReplaceAll(c.pipeline, "/", "-") + "-dev"
	endpoint, err := caller.ask("sagemaker", "DescribeEndpoint", fmt.Sprintf(`{"EndpointName": %q}`, base+"-ep"))
	c.ts.Check(err)
	alias, err := caller.ask("lambda", "GetAlias", fmt.Sprintf(`{"FunctionName": %q, "Name": "live"}`, base+"-pre"))
	c.ts.Check(err)
	routing, _ := json.Marshal(alias["RoutingConfig"])
	var shown struct{ Pipelines []struct{ Shared []any } }
	c.ts.Check(json.Unmarshal([]byte(c.must(0, "list", "-o", "json")), &shown))
	var now struct{ Spec json.RawMessage }
	c.ts.Check(json.Unmarshal([]byte(c.must(0, "show", c.pipeline, "--quick", "-o", "json")), &now))
	spec := string(now.Spec)
	var wrong []string
	if endpoint["EndpointStatus"] != "InService" || endpoint["PendingDeploymentSummary"] != nil {
		wrong = append(wrong, fmt.Sprintf("the endpoint is %v", endpoint["EndpointStatus"]))
	}
	if strings.Contains(string(routing), "0.") {
		wrong = append(wrong, "two versions of the function share the calls: "+string(routing))
	}
	if len(shown.Pipelines) != 1 || len(shown.Pipelines[0].Shared) > 0 {
		wrong = append(wrong, fmt.Sprintf("two versions share the calls: %v", shown.Pipelines))
	}
	for _, set := range strings.Split(c.version, ",") {
		_, value, _ := strings.Cut(set, "=")
		if strings.Contains(spec, strings.TrimPrefix(value, "./")) != isNew {
			wrong = append(wrong, set+" is the other version")
		}
	}
	if len(wrong) > 0 {
		c.ts.Fatalf("%s\n%s: %s\n%s", c.table.String(), when, strings.Join(wrong, "; "), spec)
	}
}
