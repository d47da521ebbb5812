// Package sagemaker owns the sandbox's SageMaker: models, endpoint
// configurations, endpoints and the model servers behind them, and the runtime
// API that invokes them. State is kept in the sandbox's store, so endpoints come
// back after a restart; model servers live in this process and obey the
// container contract (GET /ping, POST /invocations).
//
// It reaches the other services only through the interfaces of package wire and
// may import nothing else of the sandbox but wire and store.
package sagemaker

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/defaults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// DefaultCreateDelay is how long an endpoint takes from Creating or Updating to
// InService if Config does not say otherwise. AWS takes minutes; a moment is
// enough to see the state.
const DefaultCreateDelay = 2 * time.Second

// Config is what the service needs. DB is required.
type Config struct {
	DB *store.DB
	// Dir is a folder of the service's own; nothing is kept in it at present.
	Dir   string
	Clock clock.Clock
	Log   *slog.Logger

	// Roles lets an endpoint act as its model's execution role. Without it every
	// endpoint fails to create.
	Roles wire.Roles
	// Objects is where model artifacts come from and captured data goes to.
	Objects wire.Objects
	// Logs takes a line for each invocation, Metrics the AWS/SageMaker
	// invocation metrics, Events the endpoint state changes. All may be nil.
	Logs    wire.Logs
	Metrics wire.MetricPoints
	Events  wire.Events

	// Limits has how many machines an account may have; nil: what accounts start with.
	Limits *limits.Book

	// CreateDelay is the time an endpoint stays Creating, Updating or Deleting; 0
	// means DefaultCreateDelay, a negative value none.
	CreateDelay time.Duration
	// Haste is how many times faster than on AWS the waits of a deployment pass: its
	// baking periods and its time-out. 0 and 1 are as on AWS. The limits of the API are
	// AWS's whatever it is.
	Haste int
	// Chance gives numbers in [0, 1) by which requests are spread over fleets and variants
	// and captures are sampled; nil: random ones. It is called by many goroutines at once.
	Chance func() float64
	// InvokeTimeout bounds one invocation; 0 means the 60 s of AWS.
	InvokeTimeout time.Duration
	// Images maps a container image, as a model names it or without its tag, to
	// the base URL of a local server that obeys the container contract.
	Images map[string]string
	// ImageHint tells the user how to map an image; it ends the reason of an
	// endpoint that fails since its image is not mapped.
	ImageHint string
}

// Service is the SageMaker service. It is safe for concurrent use.
type Service struct {
	cfg    Config
	client *http.Client

	ctx    context.Context // life of the service's background work, ended by Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	router *wire.Router
	lines  chan logItem

	mu     sync.Mutex
	live   map[fleetID]*fleet // running model servers
	moving map[string]bool    // endpoints with a transition under way
	again  map[string]bool    // ... and another one asked for
	closed bool
	// swapped is closed and replaced whenever live changes.
	swapped chan struct{}
}

// New returns a service over the store. Background work starts with Start.
func New(cfg Config) (*Service, error) {
	if cfg.DB == nil {
		return nil, errors.New("sagemaker: DB is required")
	}
	cfg.Clock, cfg.Log = defaults.Of(cfg.Clock, cfg.Log)
	if cfg.CreateDelay == 0 {
		cfg.CreateDelay = DefaultCreateDelay
	}
	if cfg.InvokeTimeout == 0 {
		cfg.InvokeTimeout = invokeTimeout
	}
	if cfg.Chance == nil {
		cfg.Chance = rand.Float64
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Service{
		cfg: cfg, ctx: ctx, cancel: cancel,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}},
		live:   map[fleetID]*fleet{}, moving: map[string]bool{}, again: map[string]bool{},
		lines: make(chan logItem, logBacklog), swapped: make(chan struct{}),
	}, nil
}

// Register adds the services "sagemaker" and "sagemakerruntime" to the router.
func (s *Service) Register(r *wire.Router) {
	s.router = r
	const id, runtime = "sagemaker", "sagemakerruntime"
	guard := policy.Guard(s.target)
	r.Register(wire.Service{ID: id, Check: constraint.For(id, "ValidationException").Check, Guard: guard})
	// The model's limit of bodies is older than AWS's; the operation has that.
	r.Register(wire.Service{ID: runtime, MaxBody: 2 * maxBody, Check: constraint.For(runtime, "ValidationError", "body:max").Check, Guard: guard})
	const tagging = "sagemaker:AddTags"
	all, model, config, endpoint, both, tagged := wire.Access{}, wire.On(onModel), wire.On(onConfig), wire.On(onEndpoint), wire.On(onEndpointAndConfig), wire.On(onARN)
	wire.Handle(r, id, "CreateModel", s.createModel, model.Tags(tagging))
	wire.Handle(r, id, "DescribeModel", s.describeModel, model)
	wire.Handle(r, id, "DeleteModel", s.deleteModel, model)
	wire.Handle(r, id, "ListModels", s.listModels, all)
	wire.Handle(r, id, "CreateEndpointConfig", s.createConfig, config.Tags(tagging))
	wire.Handle(r, id, "DescribeEndpointConfig", s.describeConfig, config)
	wire.Handle(r, id, "DeleteEndpointConfig", s.deleteConfig, config)
	wire.Handle(r, id, "ListEndpointConfigs", s.listConfigs, all)
	wire.Handle(r, id, "CreateEndpoint", s.createEndpoint, both.Tags(tagging))
	wire.Handle(r, id, "DescribeEndpoint", s.describeEndpoint, endpoint)
	wire.Handle(r, id, "UpdateEndpoint", s.updateEndpoint, both)
	wire.Handle(r, id, "UpdateEndpointWeightsAndCapacities", s.updateWeights, endpoint)
	wire.Handle(r, id, "DeleteEndpoint", s.deleteEndpoint, endpoint)
	wire.Handle(r, id, "ListEndpoints", s.listEndpoints, all)
	wire.Handle(r, id, "AddTags", s.addTags, tagged)
	wire.Handle(r, id, "DeleteTags", s.deleteTags, tagged)
	wire.Handle(r, id, "ListTags", s.listTags, tagged)
	wire.Handle(r, runtime, "InvokeEndpoint", s.invokeEndpoint, endpoint)
}
