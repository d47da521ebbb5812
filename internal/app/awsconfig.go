package app

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
)

// configKept is how long a configuration is used: a look every few seconds is to open no new
// connections and take no role anew, and credentials that somebody puts into their files
// are to be seen without beginning again.
const configKept = 5 * time.Minute

// configs are AWS configurations by place.
type configs struct {
	mu sync.Mutex
	of map[placeKey]keptConfig
}

type keptConfig struct {
	cfg aws.Config
	at  time.Time
}

// awsConfig is the configuration of a region and a role ("": none), the same for some minutes:
// its connections and its credentials are shared. An error is not kept.
func (t *Target) awsConfig(ctx context.Context, region, role string) (aws.Config, error) {
	at := placeKey{region, role}
	t.configs.mu.Lock()
	defer t.configs.mu.Unlock()
	if have, ok := t.configs.of[at]; ok && time.Since(have.at) < configKept {
		return have.cfg.Copy(), nil
	}
	cfg, err := awscfg.Load(ctx, t.loadFor(region, role))
	if err != nil {
		return aws.Config{}, err
	}
	if t.configs.of == nil {
		t.configs.of = map[placeKey]keptConfig{}
	}
	t.configs.of[at] = keptConfig{cfg, time.Now()}
	return cfg.Copy(), nil
}
