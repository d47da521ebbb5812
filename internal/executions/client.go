package executions

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/ledger"
)

// Config is what a Client needs. API is required.
type Config struct {
	API API
	// Class is the quota class of the region (ClassOf); empty means the smaller.
	Class Class
	// Limits changes the share of the quotas that is used.
	Limits Limits
	// Shared is the ledger of the account and region that other programs of this home take
	// their tokens from too; nil: this client paces itself alone. It is not used if the
	// limits are off.
	Shared *ledger.Ledger
	Clock  clock.Clock
	Log    *slog.Logger
}

// Client works with executions. It is safe for concurrent use; everything that
// goes through one Client shares one set of rate limits, so an account and
// region should have one.
type Client struct {
	cfg    Config
	limits *limiters
	// describing has room for those who ask about ends of batches at the same time.
	describing chan struct{}

	// answered is set by the first answer of AWS: there is a network, and a region.
	answered atomic.Bool

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
	limits := newLimiters(cfg.Class, cfg.Limits, cfg.Clock)
	if cfg.Shared != nil && !cfg.Limits.Unlimited {
		limits.shareWith(cfg.Shared)
	}
	return &Client{cfg: cfg, limits: limits, describing: make(chan struct{}, describers), started: map[string]Started{}}
}
