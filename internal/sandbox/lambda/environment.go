package lambda

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/peer"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	// initLimit is what starting may take beyond the function's own timeout.
	initLimit = 10 * time.Second
	// sessionLife is how long the keys of an environment are good, and margin how
	// long before their end it takes no more work.
	sessionLife = 12 * time.Hour
	margin      = 20 * time.Minute
	// settle is how long output that was printed before the answer may take.
	settle = 2 * time.Second
)

// invocation is one event on its way through an environment.
type invocation struct {
	id, arn, traceID, clientContext string
	payload                         []byte
	done                            chan result // buffered, one result

	started atomic.Int64 // Unix milliseconds when the runtime took it
	mu      sync.Mutex
	printed bytes.Buffer // the end of its log
}

// result is what became of an invocation.
type result struct {
	payload       []byte
	functionError string // "" or Unhandled
	status        string // of the report: success, error, timeout
	errorType     string
	duration      time.Duration
	aborted       bool // by the end of the service, not by the function
	undelivered   bool // a warm process had gone before it took the event
}

func (inv *invocation) note(text string) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	inv.printed.WriteString(text + "\n")
	if n := inv.printed.Len() - 2*maxTail; n > 0 {
		inv.printed.Next(n)
	}
}

// tail is the last 4 KB of the log.
func (inv *invocation) tail() []byte {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	b := bytes.Clone(inv.printed.Bytes())
	return b[max(0, len(b)-maxTail):]
}

// environment is one execution environment: a process that runs one version of
// a function and takes one event at a time over its own Runtime API server.
type environment struct {
	s         *Service
	key       string
	version   version
	principal wire.Principal
	expires   time.Time
	scratch   string // its /tmp
	token     string // shared with our own bootstraps, which send it back

	used    time.Time // by the pool
	first   time.Time // when it had done its first work; by the pool
	retired bool      // by the pool
	spent   bool      // by the invocation that it has

	cmd      *exec.Cmd
	lifeline *os.File // closed: the process ends
	server   *http.Server
	out      *output

	work      chan *invocation // to the runtime's next request
	initError chan []byte
	current   atomic.Pointer[invocation]
	started   time.Time
	ready     atomic.Int64 // Unix nanoseconds of the first request for work
	reported  bool         // the init duration is in the log

	dead   chan struct{} // closed when the process has ended
	exit   *os.ProcessState
	stopMu sync.Once
}

// newEnvironment starts a process for the version.
func (s *Service) newEnvironment(ctx context.Context, v version) (*environment, error) {
	c := v.Config
	p, err := s.Roles.AssumeServiceRole(ctx, v.scope(), "lambda.amazonaws.com", *c.Role, v.ref().arn(), *c.FunctionName)
	if err != nil {
		return nil, errAssume()
	}
	keys, err := s.Roles.SessionCredentials(ctx, p, sessionLife)
	if err != nil {
		return nil, fmt.Errorf("issue credentials for the function: %w", err)
	}
	tree, err := s.packages.tree(v.Package)
	if err != nil {
		return nil, err
	}
	layers, err := s.layerTrees(v)
	if err != nil {
		return nil, err
	}
	e := &environment{
		s: s, key: environmentKey(v), version: v, principal: p, expires: s.Clock.Now().Add(sessionLife - margin), token: randomHex(16),
		work: make(chan *invocation), initError: make(chan []byte, 1), dead: make(chan struct{}), started: time.Now(), used: s.Clock.Now(),
	}
	if e.scratch, err = os.MkdirTemp(s.packages.path("scratch"), "env-*"); err != nil {
		return nil, err
	}
	e.out = newOutput(e)
	if err := e.launch(ctx, tree, layers, keys); err != nil {
		e.out.close()
		_ = os.RemoveAll(e.scratch)
		return nil, err
	}
	return e, nil
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

// launch starts the Runtime API server and the process. A runtime that cannot
// be started is a failure of the function, told to the first invocation.
func (e *environment) launch(ctx context.Context, tree string, layers []string, keys wire.Credentials) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	e.server = &http.Server{Handler: e.api(), ReadHeaderTimeout: 10 * time.Second}
	// Runtimes that people bring carry no token: the kernel says who asks for the
	// events and the keys of the function, and who answers for it.
	ln = peer.Listener(ln, e.s.Log)
	e.s.pool.wg.Go(guard.Func(e.s.Log, "the Runtime API", func() { _ = e.server.Serve(ln) }))
	argv, rerr := runtimeOf(e.version.Config.Runtime).command(ctx, e.s, append([]string{tree}, layers...))
	if rerr == nil {
		rerr = e.exec(argv, tree, e.environ(tree, layers, ln.Addr().String(), keys))
	}
	if rerr != nil {
		doc, err := json.Marshal(map[string]any{"errorMessage": rerr.Error(), "errorType": "Runtime.InvalidRuntime"})
		if err != nil {
			return err
		}
		e.out.system(nil, "[ERROR] "+rerr.Error())
		e.initError <- doc
		close(e.dead)
	}
	return nil
}

func (e *environment) exec(argv []string, dir string, env []string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	lifeRead, lifeWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:noctx // running the user's code is the purpose; it lives as long as the environment
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, w, w
	if passesFiles {
		cmd.ExtraFiles = []*os.File{lifeRead}
	}
	setProcessGroup(cmd)
	err = cmd.Start()
	_ = w.Close()
	_ = lifeRead.Close()
	if err != nil {
		_ = r.Close()
		_ = lifeWrite.Close()
		return fmt.Errorf("start the runtime: %w", err)
	}
	e.cmd, e.lifeline = cmd, lifeWrite
	e.out.attach(r)
	e.s.pool.wg.Go(guard.Func(e.s.Log, "the end of a function's process", func() {
		defer close(e.dead)
		_ = cmd.Wait()
		e.exit = cmd.ProcessState
		killGroup(cmd) // what the function left running
	}))
	return nil
}

func (e *environment) alive() bool {
	select {
	case <-e.dead:
		return false
	default:
		return true
	}
}

// kill ends the process group at once.
func (e *environment) kill() {
	if e.cmd != nil && e.alive() {
		killGroup(e.cmd)
	}
}

// stop ends the environment and waits until nothing is left of it.
func (e *environment) stop() {
	e.stopMu.Do(func() {
		e.kill()
		<-e.dead
		if e.lifeline != nil {
			_ = e.lifeline.Close()
		}
		_ = e.server.Close()
		e.out.close()
		_ = os.RemoveAll(e.scratch)
	})
}

// invoke gives the environment an event and waits for its end.
func (e *environment) invoke(ctx context.Context, inv *invocation) result {
	timeout := time.Duration(*e.version.Config.Timeout) * time.Second
	warm := e.ready.Load() != 0
	e.current.Store(inv)
	defer e.current.Store(nil)
	limit := time.NewTimer(initLimit + timeout)
	defer limit.Stop()
	select {
	case e.work <- inv:
	case doc := <-e.initError:
		return e.spoiled(inv, initFailure(inv, doc))
	case <-e.dead:
		select {
		case doc := <-e.initError:
			return e.spoiled(inv, initFailure(inv, doc))
		default:
			if warm {
				return result{undelivered: true}
			}
			return e.spoiled(inv, e.exited(inv))
		}
	case <-limit.C:
		e.kill()
		return e.spoiled(inv, e.timedOut(inv, timeout))
	case <-ctx.Done():
		return e.abort(inv)
	}
	limit.Reset(timeout)
	select {
	case res := <-inv.done:
		return e.finish(inv, res)
	case <-e.dead:
		select {
		case res := <-inv.done: // it answered and went
			return e.spoiled(inv, res)
		default:
			return e.spoiled(inv, e.exited(inv))
		}
	case <-limit.C:
		e.kill()
		return e.spoiled(inv, e.timedOut(inv, timeout))
	case <-ctx.Done():
		return e.abort(inv)
	}
}

// spoiled ends an invocation after which the environment cannot be used again.
// Its process may not have ended yet.
func (e *environment) spoiled(inv *invocation, res result) result {
	e.spent = true
	return e.finish(inv, res)
}

func initFailure(inv *invocation, doc []byte) result {
	return result{payload: withRequestID(doc, inv.id), functionError: "Unhandled", status: "error", errorType: errorType(doc)}
}

// abort ends an invocation because the service stops.
func (e *environment) abort(inv *invocation) result {
	e.kill()
	res := e.spoiled(inv, e.exited(inv))
	res.aborted = true
	return res
}

// exited is the result when the process ended without an answer.
func (e *environment) exited(inv *invocation) result {
	text := "Runtime exited without providing a reason"
	select {
	case <-e.dead:
		if e.exit != nil && !e.exit.Success() {
			text = "Runtime exited with error: " + exitText(e.exit)
		}
	default:
	}
	return failure(inv, "Runtime.ExitError", "error", "RequestId: "+inv.id+" Error: "+text)
}

// timedOut is the result at the function's timeout.
func (e *environment) timedOut(inv *invocation, d time.Duration) result {
	text := fmt.Sprintf("Task timed out after %.2f seconds", d.Seconds())
	e.out.system(inv, e.s.Clock.Now().UTC().Format("2006-01-02T15:04:05.000Z")+" "+inv.id+" "+text)
	res := failure(inv, "Sandbox.Timedout", "timeout", "RequestId: "+inv.id+" Error: "+text)
	res.duration = d
	return res
}

func failure(_ *invocation, kind, status, text string) result {
	doc, err := json.Marshal(struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}{kind, text})
	if err != nil {
		doc = []byte(`{}`)
	}
	return result{payload: doc, functionError: "Unhandled", status: status, errorType: kind}
}

// finish writes the end of the invocation's log.
func (e *environment) finish(inv *invocation, res result) result {
	if at := inv.started.Load(); at > 0 && res.duration == 0 {
		res.duration = time.Since(time.UnixMilli(at))
	}
	peak := e.out.settle(inv, e.alive())
	e.out.end(inv, res, peak, e.initDuration())
	return res
}

// initDuration is how long starting took, told once.
func (e *environment) initDuration() time.Duration {
	at := e.ready.Load()
	if e.reported || at == 0 {
		return 0
	}
	e.reported = true
	return time.Unix(0, at).Sub(e.started)
}

// withRequestID puts the invocation's id into the error document of a start,
// where our bootstrap leaves it empty.
func withRequestID(doc []byte, id string) []byte {
	return bytes.Replace(doc, []byte(`"requestId": ""`), []byte(`"requestId": "`+id+`"`), 1)
}

func errorType(doc []byte) string {
	var d struct {
		ErrorType string `json:"errorType"`
	}
	_ = json.Unmarshal(doc, &d) // not an error document: no type
	return d.ErrorType
}

// environ is the whole environment of the process: nothing of the sandbox's own
// but PATH (and what Windows cannot do without).
func (e *environment) environ(tree string, layers []string, api string, keys wire.Credentials) []string {
	c, s, region := e.version.Config, e.s, e.version.scope().Region
	vars := map[string]string{
		"PATH": os.Getenv("PATH"), "HOME": e.scratch, "TMPDIR": e.scratch, "TEMP": e.scratch, "TMP": e.scratch, "LANG": "en_US.UTF-8", "TZ": ":UTC",
		"SYSTEMROOT": os.Getenv("SYSTEMROOT"), "AWS_ENDPOINT_URL": s.Endpoint(),
	}
	if c.Environment != nil {
		for k, v := range c.Environment.Variables {
			vars[k] = v
		}
	}
	withLayers(vars, layers)
	fixed := map[string]string{
		"_HANDLER": *c.Handler, "LAMBDA_TASK_ROOT": tree, "LAMBDA_RUNTIME_DIR": s.packages.path("bootstrap"), "AWS_LAMBDA_RUNTIME_API": api,
		"AWS_REGION": region, "AWS_DEFAULT_REGION": region, "AWS_EXECUTION_ENV": "AWS_Lambda_" + string(c.Runtime),
		"AWS_ACCESS_KEY_ID": keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY": keys.SecretAccessKey, "AWS_SESSION_TOKEN": keys.SessionToken,
		"AWS_LAMBDA_FUNCTION_NAME": *c.FunctionName, "AWS_LAMBDA_FUNCTION_VERSION": *c.Version, "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(int(*c.MemorySize)), "AWS_LAMBDA_LOG_GROUP_NAME": *c.LoggingConfig.LogGroup,
		"AWS_LAMBDA_LOG_STREAM_NAME": e.out.stream, "AWS_LAMBDA_LOG_FORMAT": string(c.LoggingConfig.LogFormat),
		"AWS_LAMBDA_LOG_LEVEL": string(c.LoggingConfig.ApplicationLogLevel), "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
		"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": s.packages.path("pycache", e.version.Package), "PYTHONIOENCODING": "utf-8",
	}
	if runtimeOf(c.Runtime).ours {
		fixed["_RUNTIME_TOKEN"] = e.token
		if passesFiles {
			fixed["_RUNTIME_FD"] = "3" // the lifeline, the first of ExtraFiles
		}
		if strings.HasPrefix(string(c.Runtime), "python") {
			// Python's own modules are compiled already: with the prefix from the start each
			// package would pay for them again, which is most of a cold start.
			fixed["_RUNTIME_PYCACHE"] = fixed["PYTHONPYCACHEPREFIX"]
			delete(fixed, "PYTHONPYCACHEPREFIX")
		}
	}
	for k, v := range fixed {
		vars[k] = v
	}
	out := make([]string, 0, len(vars))
	for k, v := range vars {
		if v != "" || strings.HasPrefix(k, "AWS_LAMBDA_") {
			out = append(out, k+"="+v)
		}
	}
	return out
}

// newTraceID makes an X-Ray trace header.
func newTraceID(now time.Time) string {
	return fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=0", now.Unix(), randomHex(12), randomHex(8))
}
