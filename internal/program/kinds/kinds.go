// Package kinds owns what is known of each type of resource that a pipeline may have:
// how it is found again after a crash, what it costs while nothing runs, what is lost
// with it, where the console shows it, who else may write to it. It is one table, and
// whoever asks such a thing of a resource, anywhere in the program, asks the table.
//
// A type that blocks make and the table has not is found by a test, which takes every
// built-in template through its parameters (internal/program). One that comes from a
// state, made by another version, is told by Of: then nobody may guess that it is
// harmless.
//
// It imports nothing of this module and neither a provider SDK nor an AWS client, so
// that screens and commands can read it.
package kinds

import (
	"slices"
	"strings"
)

// Place is where resources are, as their ids and addresses need it.
type Place struct {
	Partition, Region, Account string
	// Machine is the name of the pipeline's state machine, "" if nobody needs it.
	Machine string
}

// Kind is one type of resource. All its fields are given; a test sees to it.
type Kind struct {
	// Type is the engine's name of it: "aws:s3/bucketV2:BucketV2".
	Type string
	// Title is what people call it: "S3 bucket".
	Title string
	// Lost says how it is found again after its creation was cut off.
	Lost Recovery
	// Rest says whether AWS has to be waited for before it can be changed.
	Rest Rest
	// Idle is what it costs while nothing runs.
	Idle Idle
	// Replaced and Deleted are what that does to who uses the pipeline.
	Replaced, Deleted Effect
	// Footing is how executions depend on it.
	Footing Footing
	// Patience says what is waited for while it is created or updated, where that may
	// take minutes.
	Patience Patience
	// Others is who else may write to it, and what becomes of that.
	Others Others
	// Former is set if no program makes it any more: states of earlier versions have it.
	Former bool

	console func(Place, string) string
}

// Recovery says how a resource is found whose creation was cut off: it may exist,
// and the state has no id of it.
type Recovery struct {
	How How
	// Why tells, of what may be forgotten, why nothing is lost with it; of the others
	// what they are found by.
	Why string

	id func(inputs map[string]any, at Place) string
}

// How is a way to find a resource again.
type How int

// The ways. The zero value is none.
const (
	ByInputs   How = iota + 1 // its id follows from its inputs
	ByQueue                   // its id is SQS's answer to the queue's name
	BySource                  // its id is Lambda's answer to the names of its function and its queue
	ByTag                     // its id is that of the KMS key with the pipeline's tag
	ByRevision                // its id is that of the machine's newest version, if that is of its revision
	Forgetting                // it may be forgotten: nothing is lost
)

// Rest is the state in which a resource can be changed.
type Rest int

// What there is to wait for. The zero value is none of them.
const (
	AtOnce    Rest = iota + 1 // it can be changed at any time
	InService                 // SageMaker refuses to touch an endpoint that is on its way
)

// Idle is what a resource costs while nothing runs.
type Idle int

// The costs. The zero value is none of them.
const (
	ByUse      Idle = iota + 1 // nothing, or by what is stored and asked only
	Monthly                    // by the month
	ByInstance                 // by the hour, for each instance or unit of kept capacity
)

// Weight is how much an Effect hurts.
type Weight int

// The weights, lightest first. The zero value is none of them.
const (
	Harmless Weight = iota + 1 // nobody notices
	Slight                     // something is lost that nobody works with
	Grave                      // the pipeline does not answer meanwhile, or data is lost
)

// Effect is what a change takes from who uses the pipeline.
type Effect struct {
	Weight Weight
	Text   string // in words, without a full stop
}

// Footing is how executions depend on a resource.
type Footing int

// The footings. The zero value is none of them.
const (
	Beside Footing = iota + 1 // while it is replaced or gone, executions go on
	Under                     // while it is replaced or gone, what runs fails
)

// Patience is what is waited for, "" if it takes seconds.
type Patience struct{ Create, Update string }

// Sharing is what becomes of what others write to a resource.
type Sharing int

// The ways to share. The zero value is none of them.
const (
	Exclusive Sharing = iota + 1 // all of it is the pipeline's: what others add is drift, and is taken back
	Settings                     // what the program sets is the pipeline's; what it does not set is left alone
	Fixed                        // nobody can change it once it is made
)

// Others is who else may write to a resource.
type Others struct {
	Sharing Sharing
	Text    string // in words, without a full stop
}

// Of returns the kind of a type. It is false for a type that this version does not
// know: what is lost with such a resource is not known either.
func Of(typ string) (Kind, bool) {
	i, ok := index()[typ]
	if !ok {
		return Kind{}, false
	}
	return table[i], true
}

// All returns every kind, in about the order in which a pipeline is built.
func All() []Kind { return append([]Kind(nil), table...) }

// Made returns the kinds that programs make, without those of earlier versions.
func Made() []Kind { return slices.DeleteFunc(All(), func(k Kind) bool { return k.Former }) }

// unknown is the effect of a change on what this version knows nothing about.
var unknown = Effect{Grave, "this version of pipelinetui does not know the type, nor what is lost with it"}

// OnReplace is what the replacement of a resource of the type does. Of the engine's own
// types it is nothing, of one that is not known the worst.
func OnReplace(typ string) Effect { return effect(typ, func(k Kind) Effect { return k.Replaced }) }

// OnDelete is the same for its deletion.
func OnDelete(typ string) Effect { return effect(typ, func(k Kind) Effect { return k.Deleted }) }

func effect(typ string, of func(Kind) Effect) Effect {
	if k, ok := Of(typ); ok {
		return of(k)
	}
	if Engines(typ) {
		return Effect{Weight: Harmless}
	}
	return unknown
}

// UnderExecutions tells whether executions that run fail while a resource of the type is
// replaced or gone. Of a type that is not known that is to be expected.
func UnderExecutions(typ string) bool {
	k, ok := Of(typ)
	return k.Footing == Under || !ok && !Engines(typ)
}

// Engines tells whether a type is one of the engine's own, which is nothing in AWS: the
// stack, its providers, a stash.
func Engines(typ string) bool { return strings.HasPrefix(typ, "pulumi:") }

// ID returns the provider's id of a resource of a kind that is found ByInputs, "" if the
// inputs do not tell.
//
// The names are there even where the program gives none: the engine makes them
// up before it asks the provider to create.
func (k Kind) ID(inputs map[string]any, at Place) string {
	if k.Lost.id == nil {
		return ""
	}
	return k.Lost.id(inputs, at)
}

// Execution stands for an execution where a type is asked for: it is no resource of a
// stack, but has a page in the console as they have.
const Execution = "aws-native:stepfunctions:Execution"

// Console returns the page of a resource of the type in the AWS console, "" if it has none
// of its own or the type is not known.
func Console(typ string, at Place, id string) string {
	k, ok := Of(typ)
	switch {
	case id == "":
		return ""
	case ok:
		return k.console(at, id)
	case typ == Execution:
		return query("/states/home", "#/v2/executions/details/")(at, id)
	}
	return ""
}
