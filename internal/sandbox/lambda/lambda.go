// Package lambda owns the sandbox's AWS Lambda: functions with versions and
// aliases, and their execution. Code runs for real, in long-lived processes that
// talk to the service over the Lambda Runtime API.
package lambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/defaults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Config is what the service needs. DB, Dir, Roles, Objects, Logs and Endpoint
// are required.
type Config struct {
	DB *store.DB
	// Dir holds code packages and their extracted trees; it belongs to the
	// service alone.
	Dir   string
	Clock clock.Clock  // nil: the machine's
	Log   *slog.Logger // nil: none
	// Limits has the concurrency of accounts; nil: what they start with.
	Limits *limits.Book
	// Roles gives functions the credentials of their role.
	Roles wire.Roles
	// ServiceKeys issues keys that stand for the service itself; it signs the links
	// to code packages with them. May be nil.
	ServiceKeys func(ctx context.Context, service string, ttl time.Duration) (wire.Credentials, error)
	// Objects reads code packages that are given by S3 location.
	Objects wire.Objects
	// Logs takes what functions print.
	Logs wire.Logs
	// Metrics takes AWS/Lambda metrics (Invocations, Errors, Duration, Throttles); may be nil.
	Metrics wire.MetricPoints
	// Endpoint is the sandbox's URL that functions get as AWS_ENDPOINT_URL.
	Endpoint func() string
	// Doorstep bounds how slow the body of a request to a function URL may be: its error
	// is a *wire.Error. nil: bodies may take their time.
	Doorstep func(http.ResponseWriter, *http.Request) *http.Request
	// MaxEnvironments caps the execution environments (processes) that exist at
	// one time. 0 means 4 for each processor, at least 8.
	MaxEnvironments int
	// IdleTimeout ends an execution environment that had no work for so long.
	// 0 means 5 minutes.
	IdleTimeout time.Duration
	// Python and Node are the interpreters; empty means python3 and node on PATH.
	Python, Node string
}

// Service is Lambda. It is safe for concurrent use.
type Service struct {
	Config
	router       *wire.Router
	policies     policy.Cache // those of functions
	packages     *packages
	interpreters interpreters
	pool         *pool
	events       *events
	urls         *urls
	mappings     *mappings
	reaping      sync.Once

	signing sync.Mutex
	signer  wire.Credentials
}

// New opens the service over its folder and store. It starts nothing.
func New(c Config) (*Service, error) {
	if c.DB == nil || c.Dir == "" || c.Roles == nil || c.Objects == nil || c.Logs == nil || c.Endpoint == nil {
		return nil, errors.New("lambda: DB, Dir, Roles, Objects, Logs and Endpoint are required")
	}
	c.Clock, c.Log = defaults.Of(c.Clock, c.Log)
	if c.MaxEnvironments <= 0 {
		c.MaxEnvironments = max(8, 4*runtime.NumCPU())
	}
	if c.IdleTimeout <= 0 {
		c.IdleTimeout = 5 * time.Minute
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("lambda: %w", err)
	}
	// The real path: stack traces show the code's files by it.
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("lambda: %w", err)
	}
	if c.Dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, fmt.Errorf("lambda: %w", err)
	}
	s := &Service{Config: c}
	used, err := s.usedPackages()
	if err != nil {
		return nil, fmt.Errorf("lambda: %w", err)
	}
	if s.packages, err = openPackages(c.Dir, used); err != nil {
		return nil, fmt.Errorf("lambda: %w", err)
	}
	if err := s.packages.installBootstraps(); err != nil {
		return nil, fmt.Errorf("lambda: %w", err)
	}
	s.pool = newPool(s)
	s.events, s.urls, s.mappings = &events{s}, &urls{s: s}, &mappings{s: s, running: map[string]context.CancelFunc{}}
	return s, nil
}

// Start resumes asynchronous invocations that a stop interrupted, function URLs and
// event source mappings, and begins to end environments that are idle for long. It returns at once; Close ends it.
func (s *Service) Start(context.Context) error {
	s.reaping.Do(func() { s.pool.spawn(s.pool.reap) })
	return errors.Join(s.events.resume(), s.urls.resume(), s.mappings.resume())
}

// Close ends all execution environments, at once, and waits until their logs
// are written. Invocations in progress end with an error of the service.
func (s *Service) Close() error { return s.pool.close() }
