package lambda

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// Buckets of the store.
const (
	dbFunctions = "lambda.functions" // name
	dbVersions  = "lambda.versions"  // name NUL number, five digits and more
	dbAliases   = "lambda.aliases"   // name NUL alias
	dbEvents    = "lambda.events"    // sequence number: accepted asynchronous invocations
)

// function is what belongs to a function as a whole, and its $LATEST.
type function struct {
	Name     string
	Latest   version
	Tags     map[string]string
	Reserved *int32 // concurrency
	// Published counts the versions that were ever published.
	Published int
	// Policies and Events are by qualifier, "" for the function itself.
	Policies map[string]resourcePolicy
	Events   map[string]eventConfig
}

// version is code with its configuration: $LATEST or a published one.
type version struct {
	Config types.FunctionConfiguration
	// Package is the SHA-256 of the zip file, hexadecimal.
	Package string
}

type alias struct {
	Name, Version, Description, Revision string
	Weights                              map[string]float64 // share of other versions
}

// eventConfig is a function's configuration for asynchronous invocation.
type eventConfig struct {
	MaxAge     *int32 // seconds
	MaxRetries *int32
	OnSuccess  string // destination ARNs
	OnFailure  string
	Modified   time.Time
}

func versionKey(name, number string) string { return fmt.Sprintf("%s\x00%010s", name, number) }

func (s *Service) get(tx *store.Tx, name string) (function, error) {
	f, ok, err := store.Get[function](tx, dbFunctions, name)
	if err == nil && !ok {
		err = errNotFound("Function not found: %s", s.arn(name, ""))
	}
	return f, err
}

// lookup resolves a reference without following aliases: the function and the
// version that the qualifier names.
func (s *Service) lookup(tx *store.Tx, ref reference) (function, version, error) {
	f, err := s.get(tx, ref.name)
	if err != nil {
		return f, version{}, err
	}
	number := ref.qualifier
	if number == "" || number == latest {
		return f, f.Latest, nil
	}
	if !digits.MatchString(number) {
		a, ok, err := store.Get[alias](tx, dbAliases, ref.name+"\x00"+number)
		if err != nil {
			return f, version{}, err
		}
		if !ok {
			return f, version{}, errNotFound("Function not found: %s", s.arn(ref.name, number))
		}
		number = a.pick()
		if number == latest {
			return f, f.Latest, nil
		}
	}
	v, ok, err := store.Get[version](tx, dbVersions, versionKey(ref.name, number))
	if err == nil && !ok {
		err = errNotFound("Function not found: %s", s.arn(ref.name, ref.qualifier))
	}
	return f, v, err
}

// pick chooses a version by the alias' weights.
func (a alias) pick() string {
	x := rand.Float64() //nolint:gosec // traffic shares need no secrecy
	for v, w := range a.Weights {
		if x -= w; x < 0 {
			return v
		}
	}
	return a.Version
}

// read runs lookup in a transaction of its own.
func (s *Service) read(ref reference) (f function, v version, err error) {
	err = s.DB.View(func(tx *store.Tx) error {
		f, v, err = s.lookup(tx, ref)
		return err
	})
	return f, v, err
}

// errUnchanged ends a transaction that has nothing to write.
var errUnchanged = errors.New("unchanged")

// change updates a function's record.
func (s *Service) change(name string, fn func(tx *store.Tx, f *function) error) error {
	err := s.DB.Update(func(tx *store.Tx) error {
		f, err := s.get(tx, name)
		if err != nil {
			return err
		}
		f.Tags, f.Policies, f.Events = maps.Clone(f.Tags), maps.Clone(f.Policies), maps.Clone(f.Events)
		if err := fn(tx, &f); err != nil {
			return err
		}
		return store.Put(tx, dbFunctions, name, f)
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// scan calls fn for the values below a prefix, from the key `from`.
func scan[T any](tx *store.Tx, bucket, prefix, from string, fn func(key string, v T) bool) error {
	return tx.Scan(bucket, prefix, from, func(key string, raw []byte) (bool, error) {
		var v T
		if err := json.Unmarshal(raw, &v); err != nil {
			return false, fmt.Errorf("decode %s: %w", bucket, err)
		}
		return fn(key, v), nil
	})
}
