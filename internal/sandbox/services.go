package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/lambda"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/logs"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/s3"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/sagemaker"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// services is the AWS of one folder: every service over one store and one
// router.
type services struct {
	router *wire.Router
	db     *store.DB
	// starters resume work in this order; closers end it in the reverse order.
	starters []starter
	closers  []closer
}

type starter struct {
	name  string
	start func(context.Context) error
}

type closer struct {
	name  string
	close func() error
}

// background registers a service that works by itself.
func (s *services) background(name string, svc interface {
	Start(context.Context) error
	Close() error
}) {
	s.starters = append(s.starters, starter{name, svc.Start})
	s.closers = append(s.closers, closer{name, svc.Close})
}

func (s *services) start(ctx context.Context) error {
	for _, st := range s.starters {
		if err := st.start(ctx); err != nil {
			return fmt.Errorf("start %s: %w", st.name, err)
		}
	}
	return nil
}

func (s *services) close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		if err := s.closers[i].close(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.closers[i].name, err))
		}
	}
	return errors.Join(append(errs, s.db.Close())...)
}

// build makes every service. Nothing runs before start.
func build(o ServeOptions, keys wire.Credentials, endpoint string) (_ *services, err error) {
	db, err := store.Open(filepath.Join(dataPath(o.Dir), "store.db"))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = db.Close()
		}
	}()
	s := &services{db: db, router: wire.NewRouter(o.Account, o.Region, nil, nil)}
	s.router.Log = o.Log.With("service", "router")
	log := func(name string) *slog.Logger { return o.Log.With("service", name) }
	dir := func(name string) string { return filepath.Join(dataPath(o.Dir), name) }

	access, err := iam.New(iam.Config{DB: db, Clock: o.Clock, Log: log("iam"), Account: o.Account, Region: o.Region, Admin: keys})
	if err != nil {
		return nil, err
	}
	s.router.SetSecurity(access, access)
	access.Register(s.router)

	groups, err := logs.New(logs.Config{DB: db, Clock: o.Clock, Log: log("logs"), Account: o.Account, Region: o.Region, Auth: access})
	if err != nil {
		return nil, err
	}
	groups.Register(s.router)

	objects, err := s3.New(s3.Config{
		DB: db, Dir: dir("s3"), Clock: o.Clock, Log: log("s3"), Account: o.Account, Region: o.Region,
		Auth: access, BucketPolicy: bucketPolicies(o.Clock.Now),
	})
	if err != nil {
		return nil, err
	}
	objects.Register(s.router)

	functions, err := lambda.New(lambda.Config{
		DB: db, Dir: dir("lambda"), Clock: o.Clock, Log: log("lambda"), Account: o.Account, Region: o.Region,
		Roles: access, Objects: objects, Logs: groups,
		Endpoint: func() string { return endpoint },
	})
	if err != nil {
		return nil, err
	}
	functions.Register(s.router)
	s.background("lambda", functions)

	delay := o.EndpointDelay
	if delay == 0 {
		delay = -1 // none; 0 is the service's default
	}
	models, err := sagemaker.New(sagemaker.Config{
		DB: db, Dir: dir("sagemaker"), Clock: o.Clock, Log: log("sagemaker"), Account: o.Account, Region: o.Region,
		Roles: access, Objects: objects, Logs: groups,
		CreateDelay: delay, Images: o.Images,
	})
	if err != nil {
		return nil, err
	}
	models.Register(s.router)
	s.background("sagemaker", models)

	machines, err := states.New(states.Config{
		DB: db, Clock: o.Clock, Log: log("states"), Account: o.Account, Region: o.Region, Router: s.router,
		Roles: access, Logs: groups, Objects: objects,
	})
	if err != nil {
		return nil, err
	}
	machines.Register(s.router)
	s.background("states", machines)
	return s, nil
}

// bucketPolicies evaluates bucket policies for S3. Documents are parsed once.
func bucketPolicies(now func() time.Time) s3.BucketPolicy {
	const keep = 256
	var mu sync.Mutex
	parsed := map[string]*policy.Document{}
	return func(text string, p wire.Principal, action, resource string, keys map[string][]string) s3.Decision {
		mu.Lock()
		doc := parsed[text]
		mu.Unlock()
		if doc == nil {
			var err error
			if doc, err = policy.Parse(text, policy.Resource); err != nil {
				return s3.ExplicitDeny // PutBucketPolicy lets none in that cannot be read
			}
			mu.Lock()
			if len(parsed) >= keep {
				clear(parsed)
			}
			parsed[text] = doc
			mu.Unlock()
		}
		switch doc.Grant(policy.NewRequest(p, action, resource, keys, now())).Decision {
		case policy.Deny:
			return s3.ExplicitDeny
		case policy.Allow:
			return s3.Allow
		default:
			return s3.NoOpinion
		}
	}
}
