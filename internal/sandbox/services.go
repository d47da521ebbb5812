package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/autoscaling"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/cloudcontrol"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/cloudwatch"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/ecr"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/events"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/faults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kms"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/lambda"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/logs"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/s3"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/sagemaker"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/scheduler"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/secretsmanager"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/servicequotas"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/sns"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/sqs"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/ssm"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// services is the AWS of one folder: every service over one store and one
// router.
type services struct {
	router *wire.Router
	gate   *faults.Gate
	db     *store.DB
	topics *sns.Service
	queues *sqs.Service
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
},
) {
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
func build(o ServeOptions, keys wire.Credentials, endpoint string) (*services, error) {
	db, err := openStore(dataPath(o.Dir), o.Log)
	if err != nil {
		return nil, err
	}
	if err := migrate(db, wire.ScopeOf(o.Account, o.Region)); err != nil {
		_ = db.Close()
		return nil, err
	}
	s := &services{db: db, router: wire.NewRouter(nil, nil)}
	s.router.Log, s.router.Clock = o.Log.With("component", "router"), o.Clock
	s.gate = faults.New(o.Clock)
	s.gate.Register(s.router)
	s.router.SetGate(s.gate)
	if err := s.gate.Set(o.Faults); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("faults: %w", err)
	}
	b := &builder{services: s, ServeOptions: o, endpoint: endpoint}
	for _, step := range []func() error{
		func() error { return b.identity(keys) }, b.storage, b.messaging, b.secrets, b.telemetry, b.compute,
	} {
		if err := step(); err != nil {
			_ = db.Close()
			return nil, err
		}
	}
	return s, nil
}

// openStore opens the store of a data folder. It is the first thing that is made
// there: if the folder has other content and no store, the store is lost.
func openStore(data string, log *slog.Logger) (*store.DB, error) {
	path := filepath.Join(data, "store.db")
	switch info, err := os.Stat(path); {
	case err == nil && !info.Mode().IsRegular():
		return nil, &store.DamageError{Path: path, What: fmt.Sprintf("it is no file (%s)", info.Mode().Type())}
	case errors.Is(err, fs.ErrNotExist):
		entries, err := os.ReadDir(data)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if slices.ContainsFunc(entries, fs.DirEntry.IsDir) {
			return nil, &store.DamageError{Path: path, What: "it is missing"}
		}
	}
	defer sayWhile(log, "what the sandbox has stored is looked through, as it was not stopped in good order", "path", path)()
	return store.Open(path, sagemaker.OpaqueBucket)
}

// sayWhile says every few seconds what is under way, until its result is called: who waits for
// the daemon waits as long as it says something.
func sayWhile(log *slog.Logger, what string, args ...any) (done func()) {
	end := make(chan struct{})
	guard.Go(log, "the word about a wait", func() {
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				log.Info(what, args...)
			}
		}
	}, nil)
	return func() { close(end) }
}

// builder makes the services in the order in which they need one another.
type builder struct {
	*services
	ServeOptions
	endpoint string

	limits  *limits.Book
	access  *iam.Service
	objects *s3.Service
	groups  *logs.Service
	bus     *events.Service
	metrics *cloudwatch.Service
}

func (b *builder) log(name string) *slog.Logger { return b.Log.With("component", name) }
func (b *builder) dir(name string) string       { return filepath.Join(dataPath(b.Dir), name) }

func (b *builder) identity(keys wire.Credentials) (err error) {
	quotas, err := servicequotas.New(servicequotas.Config{DB: b.db, Clock: b.Clock, Log: b.log("servicequotas")})
	if err != nil {
		return err
	}
	quotas.Register(b.router)
	quotas.RegisterControl(b.router, faults.ServiceID)
	b.limits = quotas.Book()
	images, err := ecr.New(ecr.Config{DB: b.db, Clock: b.Clock, Log: b.log("ecr"), Limits: b.limits})
	if err != nil {
		return err
	}
	images.Register(b.router)
	images.RegisterControl(b.router, faults.ServiceID)
	b.access, err = iam.New(iam.Config{Signers: b.router, DB: b.db, Clock: b.Clock, Log: b.log("iam"), Home: b.Account, Admin: keys, Limits: b.limits})
	if err != nil {
		return err
	}
	b.router.SetSecurity(b.access, b.access)
	b.access.Register(b.router)
	b.access.RegisterAccounts(b.router, faults.ServiceID)
	keyring, err := kms.New(kms.Config{DB: b.db, Clock: b.Clock, Log: b.log("kms")})
	if err != nil {
		return err
	}
	keyring.Register(b.router)
	return nil
}

func (b *builder) secrets() error {
	secrets, err := secretsmanager.New(secretsmanager.Config{DB: b.db, Router: b.router, Clock: b.Clock, Log: b.log("secretsmanager")})
	if err != nil {
		return err
	}
	secrets.Register(b.router)
	parameters, err := ssm.New(ssm.Config{DB: b.db, Router: b.router, Clock: b.Clock, Log: b.log("ssm"), Events: b.bus})
	if err != nil {
		return err
	}
	parameters.Register(b.router)
	b.background("ssm", parameters)
	return nil
}

func (b *builder) storage() (err error) {
	b.objects, err = s3.New(s3.Config{
		DB: b.db, Dir: b.dir("s3"), Clock: b.Clock, Log: b.log("s3"),
		Auth: b.access, Limits: b.limits,
	})
	if err != nil {
		return err
	}
	b.objects.Register(b.router)
	return nil
}

func (b *builder) messaging() (err error) {
	queues, err := sqs.New(sqs.Config{DB: b.db, Clock: b.Clock, Log: b.log("sqs"), Endpoint: b.endpoint})
	if err != nil {
		return err
	}
	queues.Register(b.router)
	b.queues = queues
	b.bus, err = events.New(events.Config{DB: b.db, Clock: b.Clock, Log: b.log("events"), Roles: b.access})
	if err != nil {
		return err
	}
	b.bus.Register(b.router)
	b.background("events", b.bus)
	b.topics, err = sns.New(sns.Config{DB: b.db, Clock: b.Clock, Log: b.log("sns"), Dir: mailPath(b.Dir), Endpoint: b.endpoint})
	if err != nil {
		return err
	}
	b.topics.Register(b.router)
	return nil
}

func (b *builder) telemetry() (err error) {
	b.metrics, err = cloudwatch.New(cloudwatch.Config{DB: b.db, Clock: b.Clock, Log: b.log("cloudwatch"), Events: b.bus})
	if err != nil {
		return err
	}
	b.metrics.Register(b.router)
	b.background("cloudwatch", b.metrics)
	b.background("the metrics of queues", b.queues.Meter(b.metrics))
	b.groups, err = logs.New(logs.Config{DB: b.db, Clock: b.Clock, Log: b.log("logs"), Auth: b.access, Metrics: b.metrics})
	if err != nil {
		return err
	}
	b.groups.Register(b.router)
	b.background("logs", b.groups)
	return nil
}

func (b *builder) compute() error {
	functions, err := lambda.New(lambda.Config{
		DB: b.db, Dir: b.dir("lambda"), Clock: b.Clock, Log: b.log("lambda"), Limits: b.limits,
		Roles: b.access, Objects: b.objects, Logs: b.groups, Metrics: b.metrics, ServiceKeys: b.access.ServiceSession,
		Endpoint: func() string { return b.endpoint },
		Doorstep: func(w http.ResponseWriter, r *http.Request) *http.Request { return limitBody(w, r, bodyPatience) },
	})
	if err != nil {
		return err
	}
	functions.Register(b.router)
	b.background("lambda", functions)

	delay := b.EndpointDelay
	if delay == 0 {
		delay = -1 // none; 0 is the service's default
	}
	models, err := sagemaker.New(sagemaker.Config{
		DB: b.db, Dir: b.dir("sagemaker"), Clock: b.Clock, Log: b.log("sagemaker"), Limits: b.limits,
		Roles: b.access, Objects: b.objects, Logs: b.groups, Metrics: b.metrics, Events: b.bus,
		CreateDelay: delay, Haste: b.Haste, Images: b.Images, ImageHint: b.ImageHint,
	})
	if err != nil {
		return err
	}
	models.Register(b.router)
	b.background("sagemaker", models)

	machines, err := states.New(states.Config{
		DB: b.db, Clock: b.Clock, Log: b.log("states"), Router: b.router, Limits: b.limits,
		Roles: b.access, Logs: b.groups, Objects: b.objects, Metrics: b.metrics, Events: b.bus,
		Evaluating: b.dir("evaluating"), MaxItemBytes: b.MaxItemBytes,
	})
	if err != nil {
		return err
	}
	machines.Register(b.router)
	b.background("states", machines)

	scaling, err := autoscaling.New(autoscaling.Config{DB: b.db, Clock: b.Clock, Log: b.log("autoscaling")})
	if err != nil {
		return err
	}
	scaling.Register(b.router)
	b.metrics.SetScaling(scaling)
	b.background("autoscaling", scaling)
	b.background("sns", b.topics) // last, as deliveries are: the targets have to run
	b.background("the deliveries of events", b.bus.Deliveries())
	schedules, err := scheduler.New(scheduler.Config{DB: b.db, Clock: b.Clock, Log: b.log("scheduler"), Roles: b.access})
	if err != nil {
		return err
	}
	schedules.Register(b.router)
	b.background("scheduler", schedules)
	resources, err := cloudcontrol.New(cloudcontrol.Config{DB: b.db, Router: b.router, Clock: b.Clock, Log: b.log("cloudcontrol"), Haste: b.Haste})
	if err != nil {
		return err
	}
	resources.Register(b.router)
	b.background("cloudcontrol", resources)
	b.objects.SetBus(b.bus)
	b.background("the notifications of buckets", b.objects)
	return nil
}
