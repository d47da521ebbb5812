package lambda

import (
	"errors"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Buckets of the store.
const (
	dbFunctions = "lambda.functions" // scope's key of the name
	dbVersions  = "lambda.versions"  // function's key NUL number, five digits and more
	dbAliases   = "lambda.aliases"   // function's key NUL alias
	dbEvents    = "lambda.events"    // sequence number: accepted asynchronous invocations
)

// function is what belongs to a function as a whole, and its $LATEST.
type function struct {
	Scope    wire.Scope
	Name     string
	Latest   version
	Tags     map[string]string
	Reserved *int32 // concurrency
	// Published counts the versions that were ever published.
	Published int
	// Policies and Events are by qualifier, "" for the function itself.
	Policies map[string]resourcePolicy
	Events   map[string]eventConfig
	// URLs and Provisioned are by qualifier too.
	URLs        map[string]functionURL `json:",omitempty"`
	Provisioned map[string]provisioned `json:",omitempty"`
}

// forget drops what is set for a version or an alias that goes.
func (f *function) forget(qualifier string) {
	delete(f.Policies, qualifier)
	delete(f.Events, qualifier)
	delete(f.Provisioned, qualifier)
}

// provisioned is the sum of what the versions and aliases have.
func (f *function) provisioned() (sum int32) {
	for _, p := range f.Provisioned {
		sum += p.Requested
	}
	return sum
}

// claimed is how much of the account's concurrency its functions but one keep from the
// others: what is reserved for them, or else provisioned.
func claimed(tx *store.Tx, but *function) (sum int32, err error) {
	err = store.Each(tx, dbFunctions, but.Scope.Prefix(), "", func(_ string, o function) bool {
		switch {
		case o.Name == but.Name:
		case o.Reserved != nil:
			sum += *o.Reserved
		default:
			sum += o.provisioned()
		}
		return true
	})
	return sum, err
}

// version is code with its configuration: $LATEST or a published one.
type version struct {
	Config types.FunctionConfiguration
	// Package is the SHA-256 of the zip file, hexadecimal, Layers are those of the layers'.
	Package string
	Layers  []string `json:",omitempty"`
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

// ref names the function.
func (f *function) ref() reference { return reference{scope: f.Scope, name: f.Name} }

// scope is where the version's function is at home.
func (v *version) scope() wire.Scope {
	a, _ := wire.ParseARN(aws.ToString(v.Config.FunctionArn))
	return wire.ScopeOfARN(a)
}

// ref names the version's function.
func (v *version) ref() reference {
	return reference{scope: v.scope(), name: aws.ToString(v.Config.FunctionName)}
}

func (s *Service) get(tx *store.Tx, ref reference) (function, error) {
	f, ok, err := store.Get[function](tx, dbFunctions, ref.key())
	if err == nil && !ok {
		err = errNotFound("Function not found: %s", ref.with("").arn())
	}
	return f, err
}

// lookup resolves a reference without following aliases: the function and the
// version that the qualifier names.
func (s *Service) lookup(tx *store.Tx, ref reference) (function, version, error) {
	f, ok, err := store.Shared[function](tx, dbFunctions, ref.key())
	if err == nil && !ok {
		err = errNotFound("Function not found: %s", ref.with("").arn())
	}
	if err != nil {
		return f, version{}, err
	}
	number := ref.qualifier
	if number == "" || number == latest {
		return f, f.Latest, nil
	}
	if !digits.MatchString(number) {
		a, ok, err := store.Shared[alias](tx, dbAliases, ref.aliasKey(number))
		if err != nil {
			return f, version{}, err
		}
		if !ok {
			return f, version{}, errNotFound("Function not found: %s", ref.arn())
		}
		number = a.pick()
		if number == latest {
			return f, f.Latest, nil
		}
	}
	v, ok, err := store.Shared[version](tx, dbVersions, ref.versionKey(number))
	if err == nil && !ok {
		err = errNotFound("Function not found: %s", ref.arn())
	}
	return f, v, err
}

// pick chooses a version by the alias' weights.
func (a alias) pick() string {
	x := rand.Float64() // traffic shares need no secrecy
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

// function is the record of a function, nil if there is none.
func (s *Service) function(ref reference) (out *function, err error) {
	err = s.DB.View(func(tx *store.Tx) error {
		f, found, err := store.Shared[function](tx, dbFunctions, ref.key()) // which the handler reads, too
		if found {
			out = &f
		}
		return err
	})
	return out, err
}

// errUnchanged ends a transaction that has nothing to write.
var errUnchanged = errors.New("unchanged")

// change updates a function's record.
func (s *Service) change(ref reference, fn func(tx *store.Tx, f *function) error) error {
	err := s.DB.Update(func(tx *store.Tx) error {
		f, err := s.get(tx, ref)
		if err != nil {
			return err
		}
		f.Tags, f.Policies, f.Events = maps.Clone(f.Tags), maps.Clone(f.Policies), maps.Clone(f.Events)
		f.URLs, f.Provisioned = maps.Clone(f.URLs), maps.Clone(f.Provisioned)
		if err := fn(tx, &f); err != nil {
			return err
		}
		return store.Put(tx, dbFunctions, ref.key(), f)
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}
