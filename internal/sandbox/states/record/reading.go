package record

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/journal"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// ReadMachine reads a state machine.
func ReadMachine(tx *store.Tx, key, arn string) (Machine, error) {
	m, found, err := store.Shared[Machine](tx, BucketMachines, key)
	if err == nil && !found {
		err = NoMachine(arn)
	}
	return m, err
}

// ReadVersion returns the version that a qualified ARN names; of an alias the one
// with the greater weight.
func ReadVersion(tx *store.Tx, ref MachineRef, arn string) (Version, error) {
	if !ref.IsVersion() {
		a, found, err := store.Shared[Alias](tx, BucketAliases, ref.AliasKey())
		if err != nil {
			return Version{}, err
		}
		if !found {
			return Version{}, NoMachine(arn)
		}
		heaviest := slices.MaxFunc(a.Routes, func(x, y Route) int { return x.Weight - y.Weight })
		ref.Qualifier = strconv.Itoa(heaviest.Version)
	}
	n, err := strconv.Atoi(ref.Qualifier)
	if err != nil {
		return Version{}, NoMachine(arn)
	}
	v, found, err := store.Shared[Version](tx, BucketVersions, VersionKey(ref.Key(), n))
	if err == nil && !found {
		err = NoMachine(arn)
	}
	v.Machine.Scope = ref.Scope
	return v, err
}

// Puts writes an execution's record and its place in the index.
func Puts(rec *Execution) []journal.Put {
	return []journal.Put{
		{Bucket: BucketExecutions, Key: rec.Key(), Value: journal.Encoded(rec)},
		{Bucket: BucketIndex, Key: rec.indexKey(), Value: journal.Encoded(&rec.Summary)},
	}
}

// CountEvents sets the number of the last event from the history: the record
// itself is written at the start and the end only.
func CountEvents(db *store.DB, rec *Execution) error {
	return db.View(func(tx *store.Tx) error {
		return tx.Scan(BucketEvents, rec.Key()+"#", EventKey(rec.Key(), rec.LastEvent+1), func(key string, _ []byte) (bool, error) {
			_, err := fmt.Sscanf(key[len(rec.Key())+1:], "%d", &rec.LastEvent)
			return true, err
		})
	})
}

// Load reads a record and the definition that it runs by.
func Load(db *store.DB, key string) (rec Execution, def *Revision, err error) {
	err = db.View(func(tx *store.Tx) error {
		var found bool
		rec, found, err = store.Get[Execution](tx, BucketExecutions, key)
		if err != nil {
			return err
		}
		if !found {
			return NoExecution(ARNOfKey("execution", key))
		}
		d, found, err := store.Get[Revision](tx, BucketRevisions, rec.Revision)
		if err == nil && !found {
			err = fmt.Errorf("definition %s is missing", rec.Revision)
		}
		def = &d
		return err
	})
	return rec, def, err
}

// ActivityExists reports whether an ARN that a request in a scope gives names an activity.
func ActivityExists(db *store.DB, sc wire.Scope, arn string) bool {
	named, err := ParseARN(sc, arn, "activity")
	if err != nil {
		return false
	}
	found := false
	_ = db.View(func(tx *store.Tx) error { // a failing store shows at the next write
		found = tx.GetRaw(BucketActivities, named.Key()) != nil
		return nil
	})
	return found
}
