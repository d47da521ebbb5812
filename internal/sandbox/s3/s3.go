// Package s3 owns the sandbox's Amazon S3: buckets, objects with versions,
// multipart uploads, bucket policies and the bucket settings that infrastructure
// tools read. Object data are files below Config.Dir, everything else is in the
// store; an acknowledged write survives kill -9 and a half-done one leaves
// nothing behind.
package s3

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/defaults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire/model"
)

// Config is what the service needs. DB, Dir and Auth are required.
type Config struct {
	DB *store.DB
	// Dir holds the object data; it belongs to the service alone.
	Dir   string
	Clock clock.Clock  // nil: the machine's
	Log   *slog.Logger // nil: none
	// Auth decides by identity policies. The caller's Admin mark is honoured
	// before it is asked.
	Auth wire.Authorizer
	// Limits has how many buckets an account may have; nil: what accounts start with.
	Limits *limits.Book
}

// Service is S3. It is safe for concurrent use and
// implements wire.Objects.
type Service struct {
	Config
	router   *wire.Router
	courier  *courier.Courier[letter]
	reports  *courier.Courier[reportRun]
	bus      Bus          // nil: events of buckets go nowhere
	policies policy.Cache // those of buckets
	blobs    *blobs
	writers  atomic.Int64
}

var _ wire.Objects = (*Service)(nil)

// New opens the service over its folder and store, and removes what a crash left
// behind: unfinished writes and data that no object refers to.
func New(c Config) (*Service, error) {
	if c.DB == nil || c.Dir == "" || c.Auth == nil {
		return nil, errors.New("s3: DB, Dir and Auth are required")
	}
	c.Clock, c.Log = defaults.Of(c.Clock, c.Log)
	s := &Service{Config: c}
	s.courier = courier.New(courier.Config[letter]{
		DB: c.DB, Clock: c.Clock, Log: c.Log, Bucket: dbLetters, What: "a notification of a bucket", Lane: func(l letter) string { return l.To }, Bring: s.bring,
	})
	s.reports = courier.New(courier.Config[reportRun]{
		DB: c.DB, Clock: c.Clock, Log: c.Log, Bucket: dbReports, What: "an inventory of a bucket", Lane: func(r reportRun) string { return r.Bucket }, Bring: s.bringReport,
	})
	var err error
	if s.blobs, err = openBlobs(c.Dir, s.knownBlob); err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	if err := s.forgetCompleted(); err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	return s, nil
}

// Register adds the service and its operations to the router.
func (s *Service) Register(r *wire.Router) {
	s.router = r
	r.Register(wire.Service{
		ID: "s3", Path: path, Guard: s.guard, Cross: s.cross, Linked: linked, Signing: wire.Signing{Stated: true, Old: true},
		Extra: []model.Operation{{Name: formUpload, Method: http.MethodPost, URI: "/{Bucket}"}},
	})
	for _, some := range []map[string]operation{operations(), inventoryOperations(), unsetOperations()} {
		for name, op := range some {
			r.Stream("s3", name, s.stream(op.run), op.access)
		}
	}
	for name, st := range settings {
		for op, fn := range settingOps(name, st) {
			r.Stream("s3", op, s.stream(fn.run), fn.access)
		}
	}
}

func (s *Service) knownBlob(id string) (known bool, err error) {
	err = s.DB.View(func(tx *store.Tx) error {
		known = tx.GetRaw(dbBlobs, id) != nil
		return nil
	})
	return known, err
}
