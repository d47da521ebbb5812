package sandbox

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/process"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/faults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// HealthPath answers without a signature: who is there, and how fast its time passes.
const HealthPath = "/_sandbox/health"

// stopPath ends the daemon if it is asked with its token.
const stopPath = "/_sandbox/stop"

const (
	// lockPatience bounds the wait for a lock that somebody only looks at.
	lockPatience = time.Second
	// shutdownPatience bounds the wait for requests under way when stopping.
	shutdownPatience = 3 * time.Second
)

// ServeOptions says how the daemon runs. Dir is required.
type ServeOptions struct {
	// Dir holds everything the daemon keeps. It is made if need be, and belongs to
	// one daemon at a time.
	Dir string
	// Addr is the loopback address to listen on ("127.0.0.1:4566"); if it is
	// taken, Serve fails. Empty means the port of the last run, or a free one.
	Addr string
	// Account and Region default to those of the package.
	Account, Region string
	// EndpointDelay is how long a SageMaker endpoint stays in Creating, Updating
	// and Deleting; 0 is not at all.
	EndpointDelay time.Duration
	// Haste is how many times faster than on AWS the waits of deployments pass (baking
	// periods, time-outs); 0 and 1 are as on AWS.
	Haste int
	// MaxItemBytes bounds what the objects of a Map Run may unpack to; 0 is the
	// default of package states.
	MaxItemBytes int64
	// Images maps container images to the URL of a local model server.
	Images map[string]string
	// ImageHint tells the user how to map an image.
	ImageHint string
	// Faults is what goes wrong on purpose from the start; SetFaults changes it.
	Faults faults.Config
	// Version is told by health and state.
	Version string
	// Log takes the daemon's log; nil means the file LogPath(Dir), from LogLevel on.
	Log      *slog.Logger
	LogLevel slog.Level
	// Clock is the time of all services; nil means the machine's.
	Clock clock.Clock
	// Ready, if not nil, is called once when requests are taken.
	Ready func(Info)
}

// settings are those that the daemon tells of itself.
func (o *ServeOptions) settings() *Settings {
	return &Settings{Haste: max(o.Haste, 1), EndpointDelay: o.EndpointDelay, MaxItemBytes: o.MaxItemBytes, Images: o.Images}
}

// Serve runs the daemon in this process until ctx ends or the process gets
// SIGTERM or SIGINT. It returns nil after an end in good order. Errors are
// *fault.Error: Locked if another daemon has the folder, Conflict if Addr is
// taken.
func Serve(ctx context.Context, o ServeOptions) error {
	ctx, stop := signal.NotifyContext(ctx, stopSignals...)
	defer stop()
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return startFault(err, "make the sandbox's folder")
	}
	lock, err := lockDir(ctx, o.Dir)
	if err != nil {
		return err
	}
	defer lock.release()
	// What an earlier daemon said of itself is no longer so.
	if err := os.Remove(statePath(o.Dir)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return startFault(err, "remove the old state")
	}
	if o.Log == nil {
		file, err := openLog(LogPath(o.Dir), maxLog)
		if err != nil {
			return startFault(err, "open the sandbox's log")
		}
		defer func() { _ = file.Close() }()
		o.Log = slog.New(slog.NewJSONHandler(file, &slog.HandlerOptions{Level: o.LogLevel}))
	}
	if err := serve(ctx, o, lock); err != nil {
		o.Log.Error("sandbox ended", "error", err.Error(), "kind", string(fault.KindOf(err)), "hint", fault.HintOf(err))
		return err
	}
	o.Log.Info("sandbox ended")
	return nil
}

func lockDir(ctx context.Context, dir string) (*fileLock, error) {
	wait, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	lock, err := waitLock(wait, lockPath(dir))
	if errors.Is(err, errLocked) {
		return nil, fault.New(fault.Locked, "another sandbox runs in %s", dir).
			WithHint("Use it, or end it with 'pipelinetui sandbox stop'.")
	}
	if err != nil {
		return nil, startFault(err, "lock the sandbox's folder")
	}
	if err := lock.note(state{PID: os.Getpid(), Process: process.This()}); err != nil {
		lock.release()
		return nil, startFault(err, "write the sandbox's lock")
	}
	return lock, nil
}

// serve does the work of Serve with lock and log in place.
func serve(ctx context.Context, o ServeOptions, lock *fileLock) (err error) {
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	if o.Account == "" {
		o.Account = Account
	}
	if o.Region == "" {
		o.Region = Region
	}
	if o.Clock == nil {
		o.Clock = clock.Real{}
	}
	keys, err := ensureKeys(o.Dir)
	if err != nil {
		return startFault(err, "write the sandbox's key")
	}
	listener, err := listen(ctx, o)
	if err != nil {
		return err
	}
	st := state{
		ID: wire.NewID(), PID: os.Getpid(), Endpoint: "http://" + listener.Addr().String(), Started: o.Clock.Now(),
		Version: o.Version, Account: o.Account, Region: o.Region, Process: process.This(), Token: rand.Text(),
		Settings: o.settings(),
	}
	svc, err := build(o, keys, st.Endpoint)
	if err != nil {
		_ = listener.Close()
		return startFault(err, "open the sandbox")
	}
	defer func() {
		if e := svc.close(); e != nil && err == nil {
			err = fault.New(fault.Internal, "stop the sandbox: %s", e).Because(e)
		}
	}()

	// Requests end with base, not with ctx: first those under way may finish.
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	server := &http.Server{
		Handler: handler(st, quit, svc.topics.Links(svc.router)), BaseContext: func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 3 * time.Minute, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	guard.Go(o.Log, "the server", func() { served <- server.Serve(listener) }, func(err error) { served <- err })
	defer func() {
		wait, done := context.WithTimeout(context.WithoutCancel(ctx), shutdownPatience)
		defer done()
		if server.Shutdown(wait) != nil {
			cancel()
			_ = server.Close()
		}
	}()
	// Services that resume work call the endpoint, which takes requests by now.
	if err := svc.start(ctx); err != nil {
		if ctx.Err() != nil {
			return fault.New(fault.Canceled, "the sandbox was stopped while it was being started").Because(err)
		}
		return startFault(err, "start the sandbox")
	}
	err = lock.note(st)
	if err == nil {
		err = writeJSON(statePath(o.Dir), st)
	}
	if err != nil {
		return startFault(err, "write the sandbox's state")
	}
	defer func() { _ = os.Remove(statePath(o.Dir)) }()
	o.Log.Info("sandbox ready", "endpoint", st.Endpoint, "pid", st.PID, "id", st.ID, "version", o.Version)
	if o.Ready != nil {
		o.Ready(st.info(keys))
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-served:
		return fault.New(fault.Internal, "serve: %s", err).Because(err)
	}
}

// listen keeps the port between runs: infrastructure that was made through it
// has the endpoint in its state.
func listen(ctx context.Context, o ServeOptions) (net.Listener, error) {
	var lc net.ListenConfig
	if o.Addr != "" {
		host, _, err := net.SplitHostPort(o.Addr)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			return nil, fault.New(fault.Invalid, "%q is no address of the loopback interface", o.Addr).
				WithHint("Give 127.0.0.1:PORT; the sandbox runs code and lets nobody in from outside.")
		}
		l, err := lc.Listen(ctx, "tcp", o.Addr)
		if err != nil {
			return nil, fault.New(fault.Conflict, "listen on %s: %s", o.Addr, err).Because(err).
				WithHint("Choose another port, or leave the choice to the sandbox.")
		}
		return l, keepPort(o.Dir, l)
	}
	var last address
	if _, err := readJSON(addressPath(o.Dir), &last); err != nil {
		o.Log.Warn("the kept port cannot be read", "error", err.Error())
	}
	if last.Port != 0 {
		l, err := lc.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(last.Port)))
		if err == nil {
			return l, nil
		}
		o.Log.Warn("the port of the last run is taken, so the endpoint changes", "port", last.Port, "error", err.Error())
	}
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fault.New(fault.Internal, "listen: %s", err).Because(err)
	}
	return l, keepPort(o.Dir, l)
}

func keepPort(dir string, l net.Listener) error {
	a, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return nil
	}
	if err := writeJSON(addressPath(dir), address{Port: a.Port}); err != nil {
		_ = l.Close()
		return startFault(err, "keep the sandbox's port")
	}
	return nil
}

// handler answers health itself, and the request to stop of whoever knows the
// daemon's token; it leaves the rest to the router, which asks for a signature (but for the
// links in SNS's messages). A
// browser that was led here under another name (DNS rebinding) gets nothing.
func handler(st state, quit func(), router http.Handler) http.Handler {
	health, err := json.Marshal(map[string]any{
		"id": st.ID, "pid": st.PID, "version": st.Version, "haste": st.Settings.Haste, "endpoint_delay": st.Settings.EndpointDelay.String(),
	})
	if err != nil {
		panic(fmt.Sprintf("health: %s", err)) // strings and a number
	}
	bearer := []byte("Bearer " + st.Token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 && strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
			// net/http continues only where a body is to come. AWS does always, and
			// botocore takes a missing one for an answer that was lost.
			w.WriteHeader(http.StatusContinue)
		}
		switch {
		case !localHost(r.Host):
			wire.WriteJSONError(w, wire.JSON10, wire.NewID(), wire.Errorf(http.StatusMisdirectedRequest, "InvalidHost", "the sandbox answers at 127.0.0.1 and localhost only"))
		case r.URL.Path == HealthPath && r.Method == http.MethodGet:
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(health)
		case r.URL.Path == stopPath && r.Method == http.MethodPost && subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), bearer) == 1:
			w.WriteHeader(http.StatusAccepted)
			quit()
		default:
			router.ServeHTTP(w, limitBody(w, r, bodyPatience))
		}
	})
}

func localHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	switch host {
	case "127.0.0.1", "localhost", "::1", "[::1]":
		return true
	}
	return false
}
