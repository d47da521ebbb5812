package stack

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// Exit codes of the CLI that tell a class (pkg/cmd/pulumi/cmd/exit_codes.go).
const (
	exitAuth          = 3
	exitStackNotFound = 6
	exitCanceled      = 8
)

// canceledBefore is the error of an operation that was given up before the
// engine had begun.
func canceledBefore(op string, cause error) error {
	return &fault.Error{Kind: fault.Canceled, Op: op, Msg: "canceled before anything was changed", Err: cause}
}

// textRule classifies what the CLI prints on its stderr. Its errors have no
// codes: the rules are ordered, the first that matches counts.
type textRule struct {
	re   *lazyregexp.Regexp
	kind fault.Kind
	msg  string // "" takes the CLI's own line
	hint string
}

// ofNetwork matches what a process says where there is no way to a server.
var ofNetwork = lazyregexp.New(`(?i)connection refused|no such host|i/o timeout|network is unreachable|TLS handshake|x509: |proxyconnect|` +
	`context deadline exceeded|dial tcp`)

var textRules = []textRule{
	{
		re:   lazyregexp.New(`(?i)incorrect passphrase|failed to decrypt|cipher: message authentication failed`),
		kind: fault.Invalid, msg: "the passphrase does not open the secrets of this stack",
		hint: "Set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the passphrase that the stack was made with.",
	},
	{
		re:   lazyregexp.New(`passphrase must be set`),
		kind: fault.Invalid, msg: "no passphrase for the secrets of this stack",
		hint: "Set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE.",
	},
	{
		re:   lazyregexp.New(`no analyzer plugin 'pulumi-analyzer-policy-`),
		kind: fault.Unsupported,
		hint: "Install the official release of the Pulumi CLI, which brings what runs policy packs in TypeScript, JavaScript and Python, and put its folder on PATH.",
	},
	{
		re:   lazyregexp.New(`policy pack's dependencies are not installed`),
		kind: fault.Invalid,
		hint: "Run `npm install` in the folder of the policy pack.",
	},
	{
		re:   lazyregexp.New(`(?i)no stack named|stack .*not found`),
		kind: fault.NotFound,
		hint: "Run `pipelinetui list` to see what there is.",
	},
	{
		re:   lazyregexp.New(`(?i)logging in|PULUMI_ACCESS_TOKEN|invalid access token|Unauthorized`),
		kind: fault.Unauthenticated,
		hint: "Set PULUMI_ACCESS_TOKEN, or run `pulumi login` with PULUMI_HOME set to the same folder.",
	},
	{
		re: lazyregexp.New(`(?i)no valid credential|NoCredentialProviders|failed to refresh cached credentials|` +
			`ExpiredToken|InvalidAccessKeyId|SignatureDoesNotMatch|could not find default credentials|InvalidClientTokenId`),
		kind: fault.Unauthenticated,
		hint: "Check the credentials that the state backend needs, for example AWS_PROFILE.",
	},
	{
		re:   lazyregexp.New(`(?i)AccessDenied|Forbidden|permission denied|status code: 403`),
		kind: fault.Denied,
		hint: "Check that this identity may read and write the state backend.",
	},
	{
		re:   lazyregexp.New(`(?i)NoSuchBucket|bucket .*not exist|container .*not exist|NotFound.*bucket`),
		kind: fault.NotFound,
		hint: "Create the bucket, or set --backend to one that exists.",
	},
	{
		re:   ofNetwork,
		kind: fault.Unreachable, msg: "the state backend cannot be reached",
		hint: "Check --backend, the network, HTTPS_PROXY and the credentials of the state backend.",
	},
	{
		re:   lazyregexp.New(`(?i)unable to open bucket|unable to check if bucket|could not list|no such file or directory|not a directory`),
		kind: fault.Internal, msg: "the state backend cannot be reached",
		hint: "Check --backend, the network and the credentials of the state backend.",
	},
}

// classifyText makes an error of a CLI process that failed.
func (e *Engine) classifyText(op, stdout, stderr string, code int, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &fault.Error{Kind: fault.KindOf(err), Op: op, Msg: "stopped", Err: err}
	}
	cause := &cliError{Err: err, Code: code, Stdout: stdout, Stderr: stderr}
	line := lastError(stderr)
	if locks, ok := lockedBy(stderr); ok {
		return lockedFault(op, locks, cause)
	}
	for _, rule := range textRules {
		if !rule.re.MatchString(stderr) {
			continue
		}
		msg := line
		if rule.msg != "" {
			msg = rule.msg
			if rule.kind == fault.Internal || rule.kind == fault.Unreachable {
				msg += " (" + e.Backend() + "): " + line
			}
		}
		return &fault.Error{Kind: rule.kind, Op: op, Msg: msg, Hint: rule.hint, Err: cause}
	}
	kind := fault.Internal
	switch code {
	case exitAuth:
		kind = fault.Unauthenticated
	case exitStackNotFound:
		kind = fault.NotFound
	case exitCanceled:
		kind = fault.Canceled
	}
	if line == "" {
		line = err.Error()
	}
	return &fault.Error{Kind: kind, Op: op, Msg: line, Hint: "Run again with --debug to see all that the engine printed.", Err: cause}
}

// ofState matches what the CLI says of a state that it cannot use; it does not say which.
var ofState = lazyregexp.New(`failed to load checkpoint|unsupported (checkpoint|deployment)|no known secrets provider`)

// inState names the file in an error of the CLI that is about a stack's state.
func (e *Engine) inState(p place, err error) error {
	var cli *cliError
	var f *fault.Error
	if !errors.As(err, &cli) || !errors.As(err, &f) || !ofState.MatchString(cli.Stderr) {
		return err
	}
	file, _, known := e.stackFileOf(p.backend, p.stack)
	if !known {
		file = strings.TrimSuffix(p.backend, "/") + "/" + e.objectFolder() + p.stack + ".json"
	}
	return &fault.Error{
		Kind: fault.Unsupported, Op: f.Op, Msg: fmt.Sprintf("the state in %s cannot be used: %s", file, f.Msg), Err: err,
		Hint: "A newer Pulumi wrote it, or somebody altered it by hand. Use the CLI that wrote it (PIPELINETUI_PULUMI), or put a copy in the file's place.",
	}
}

// cliError is what a CLI process left behind, kept as a cause for --debug.
type cliError struct {
	Err    error
	Code   int
	Stdout string
	Stderr string
}

func (c *cliError) Error() string {
	return fmt.Sprintf("pulumi: %v (exit code %d)\nstdout: %s\nstderr: %s", c.Err, c.Code, c.Stdout, c.Stderr)
}

func (c *cliError) Unwrap() error { return c.Err }

// lastError is the last "error: ..." paragraph of a CLI's stderr as one line,
// or its last line.
func lastError(stderr string) string {
	stderr = text(stderr)
	if i := strings.LastIndex(stderr, "error: "); i >= 0 && (i == 0 || stderr[i-1] == '\n') {
		return strings.TrimSuffix(oneLine(stderr[i+len("error: "):]), ".")
	}
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// ErrEngineGone is in the error of an operation whose engine somebody else has killed.
var ErrEngineGone = errors.New("the engine is gone")

// classify makes the error of an operation that failed. What the user asked
// for comes first, then what the SDK and the CLI can name, then what the engine
// reported through its events.
func (r *Run) classify(err error) error {
	op := fmt.Sprintf("%s %s", r.op, r.job.Stack)
	r.mu.Lock()
	canceled, killed, out := r.canceled, r.killed, r.output
	r.mu.Unlock()
	cause := error(&cliError{Err: err, Code: out.code, Stdout: out.stdout, Stderr: out.stderr})
	var own *fault.Error
	switch {
	case killed && out.ran:
		return &fault.Error{
			Kind: fault.Canceled, Op: op, Msg: "killed: resources that were being changed are in an unknown state", Err: cause,
			Hint: fmt.Sprintf("Run `pipelinetui cancel %s` to clear the lock and repair pending operations.", pipelineName(r.job.Stack)),
		}
	case r.full && r.spare.full:
		return r.fullFault(op, out.ran, cause)
	case canceled && !out.ran && r.repairing:
		return &fault.Error{
			Kind: fault.Canceled, Op: op, Msg: "canceled while what was cut off before was repaired: nothing else was changed", Err: err,
			Hint: fmt.Sprintf("Run the same command again. If it finds a lock, `pipelinetui cancel %s` clears it.", pipelineName(r.job.Stack)),
		}
	case canceled && !out.ran:
		return canceledBefore(op, cause)
	case canceled && !r.records():
		return &fault.Error{Kind: fault.Canceled, Op: op, Msg: "canceled", Err: cause, Hint: "It only looked: nothing was changed."}
	case canceled:
		return &fault.Error{Kind: fault.Canceled, Op: op, Msg: "canceled", Err: cause, Hint: "What was in flight is recorded: run the same command again to finish."}
	case errors.As(err, &own):
		return fault.Wrap(err, "%s", op)
	case r.refused != nil:
		return fault.Wrap(r.refused, "%s", op)
	case auto.IsConcurrentUpdateError(err):
		locks, _ := lockedBy(out.stderr) // the error says that it is locked, with or without names
		return lockedFault(op, locks, cause)
	case auto.IsSelectStack404Error(err):
		return &fault.Error{Kind: fault.NotFound, Op: op, Msg: "the stack does not exist", Err: cause, Hint: "Run `pipelinetui list` to see what there is."}
	case out.ran && out.code == signalledCode:
		// Nobody has asked for it here: what the SDK makes of it, a cancelled call, is not so.
		return &fault.Error{
			Kind: fault.Deployment, Op: op, Msg: "the engine was killed from outside: resources that were being changed are in an unknown state",
			Err:  errors.Join(ErrEngineGone, cause),
			Hint: "Run the same command again: it finds out what became of them, and finishes. (A machine without memory left kills processes, too.)",
		}
	}
	if d, ok := r.progress.FirstError(); ok && r.sawEngine() {
		msg := d.Message
		if d.URN != "" && typeOf(d.URN) != rootType {
			msg = fmt.Sprintf("%s %s: %s", typeOf(d.URN), nameOf(d.URN), d.Message)
		}
		if r.panicked != nil {
			cause = errors.Join(r.panicked, cause)
		}
		return &fault.Error{Kind: fault.Deployment, Op: op, Msg: msg, Err: cause}
	}
	if out.code == exitCanceled {
		return &fault.Error{Kind: fault.Canceled, Op: op, Msg: "canceled", Err: cause}
	}
	if !out.ran {
		return &fault.Error{Kind: fault.KindOf(err), Op: op, Msg: firstLine(err.Error()), Err: err}
	}
	if sealedText.MatchString(out.stderr) {
		// Of a secret that is damaged the engine says what it says of a wrong passphrase,
		// and not where it is.
		if damage := r.engine.unsealable(r.alive, r.place); damage != nil {
			return fault.Wrap(damage, "%s", op)
		}
	}
	return r.engine.inState(r.place, r.engine.classifyText(op, out.stdout, out.stderr, out.code, err))
}

var lockLine = lazyregexp.New(`(?m)^\s*(\S+): created by (.+)@(\S+) \(pid (\d+)\) at (\S+)`)

// lockedBy reads the owners of the locks from the text of a lock conflict. The
// list may be empty although the stack is locked.
func lockedBy(stderr string) ([]Lock, bool) {
	var locks []Lock
	for _, m := range lockLine.FindAllStringSubmatch(stderr, -1) {
		pid, _ := strconv.Atoi(m[4])
		since, _ := time.Parse(time.RFC3339, m[5])
		l := Lock{Where: m[1], User: m[2], Host: m[3], PID: pid, Since: since}
		l.Stale = isStale(l)
		locks = append(locks, l)
	}
	return locks, len(locks) > 0 || strings.Contains(stderr, "the stack is currently locked by") ||
		strings.Contains(stderr, "[409] Conflict: Another update is currently in progress")
}

// held says who holds the lock.
func (l Lock) held() string {
	since := l.Since.UTC().Format(time.RFC3339)
	if l.Broken {
		return l.Half()
	}
	if l.User == "" && l.PID == 0 { // Pulumi Cloud tells no more
		return "locked by another operation, " + l.Where
	}
	return fmt.Sprintf("locked by %s@%s (pid %d) since %s", l.User, l.Host, l.PID, since)
}

// Half says what a lock that is not whole means, "" if it is whole.
func (l Lock) Half() string {
	switch {
	case !l.Broken:
		return ""
	case l.Stale:
		return fmt.Sprintf("what is left of a lock that was never taken lies there (%s: %s): nothing was begun under it", l.Where, l.Reason)
	}
	return fmt.Sprintf("locked by a file that is no whole lock (%s: %s): it is not known who took it, and nothing can begin", l.Where, l.Reason)
}

func lockedFault(op string, locks []Lock, cause error) error {
	msg := "another operation holds the stack"
	hint := "Wait for it to end, or run `pipelinetui cancel` on this stack if you are sure that nothing runs any more."
	if len(locks) > 0 {
		msg = locks[0].held()
	}
	if allStale(locks) {
		if !locks[0].Broken {
			msg += "; that process is gone"
		}
		hint = "Run `pipelinetui cancel` for this pipeline: it clears the lock and repairs what was cut off. (Or add --yes: it does both by itself.)"
	}
	return &fault.Error{Kind: fault.Locked, Op: op, Msg: msg, Hint: hint, Err: cause}
}
