package executions

import (
	"log/slog"
	"sync"

	"github.com/pipelinetui/pipelinetui/internal/clock"
)

// Config is what a Client needs. API is required.
type Config struct {
	API API
	// Class is the quota class of the region (ClassOf); empty means the smaller.
	Class Class
	// Limits changes the share of the quotas that is used.
	Limits Limits
	Clock  clock.Clock
	Log    *slog.Logger
}

// Client works with executions. It is safe for concurrent use; everything that
// goes through one Client shares one set of rate limits, so an account and
// region should have one.
type Client struct {
	cfg    Config
	limits *limiters

	mu      sync.Mutex
	started map[string]Started // newest started here, by unqualified machine ARN
}

// New returns a Client.
func New(cfg Config) *Client {
	if cfg.Clock == nil {
		cfg.Clock = clock.Real{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Client{cfg: cfg, limits: newLimiters(cfg.Class, cfg.Limits, cfg.Clock), started: map[string]Started{}}
}
