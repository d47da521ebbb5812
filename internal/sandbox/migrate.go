package sandbox

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// A store says in this place how its keys are formed.
const (
	formBucket = "store.form"
	formKey    = "keys"
	// formScoped: the keys begin with account and region.
	formScoped = "scoped"
)

// rekeyed says how a bucket of an older store becomes one whose keys are scoped.
// Before, there was one account, and some services had one region.
type rekeyed struct {
	bucket string
	// key makes the new key.
	key func(home wire.Scope, key string) string
	// member, if any, is the record's member that holds its scope now.
	member string
	// keys are the members that name a record by its key.
	keys []string
}

func regional(sc wire.Scope, key string) string { return sc.Key(key) }

// byRegion is for keys that began with the region.
func byRegion(sc wire.Scope, key string) string { return sc.Account + "|" + key }

func global(sc wire.Scope, key string) string { return sc.GlobalKey(key) }

func same(_ wire.Scope, key string) string { return key }

// series is for metrics, whose keys begin with a list in JSON.
func series(sc wire.Scope, key string) string {
	return `["` + sc.Account + `",` + strings.TrimPrefix(key, "[")
}

var rekeyedBuckets = []rekeyed{
	{"iam.roles", global, "", nil},
	{"s3.buckets", same, "Scope", nil},
	{"kms.aliases", byRegion, "", nil},
	{"sqs.queues", byRegion, "Scope", nil},
	{"sqs.messages", byRegion, "", []string{"Key"}},
	{"events.rules", byRegion, "Scope", nil},
	{"cloudwatch.alarms", byRegion, "Scope", nil},
	{"cloudwatch.data", series, "", nil},
	{"autoscaling.targets", byRegion, "Scope", nil},
	{"autoscaling.policies", byRegion, "", nil},
	{"logs.groups", regional, "", nil},
	{"logs.streams", regional, "", nil},
	{"logs.events", regional, "", nil},
	{"logs.policies", regional, "", nil},
	{"lambda.functions", regional, "Scope", nil},
	{"lambda.versions", regional, "", nil},
	{"lambda.aliases", regional, "", nil},
	{"lambda.events", same, "Scope", nil},
	{"sfn.machines", regional, "scope", nil},
	{"sfn.revisions", regional, "scope", []string{"key"}},
	{"sfn.versions", regional, "", nil},
	{"sfn.aliases", regional, "", nil},
	{"sfn.executions", regional, "scope", []string{"revision"}},
	{"sfn.index", regional, "scope", nil},
	{"sfn.events", regional, "", nil},
	{"sfn.cursors", regional, "", nil},
	{"sfn.running", regional, "", nil},
	{"sfn.activities", regional, "", nil},
	{"sfn.tokens", same, "", []string{"execution"}},
	{"sfn.express", regional, "scope", []string{"revision"}},
	{"sfn.runs", regional, "scope", []string{"execution"}},
}

// migrate brings a store of an older version into today's form, all or nothing.
// What it holds belongs to the home scope.
func migrate(db *store.DB, home wire.Scope) error {
	return db.Update(func(tx *store.Tx) error {
		form, _, err := store.Get[string](tx, formBucket, formKey)
		if err != nil || form == formScoped {
			return err
		}
		for _, r := range rekeyedBuckets {
			if err := r.apply(tx, home); err != nil {
				return fmt.Errorf("bring %s into the present form: %w", r.bucket, err)
			}
		}
		if err := migrateUser(tx, home); err != nil {
			return err
		}
		return store.Put(tx, formBucket, formKey, formScoped)
	})
}

func (r rekeyed) apply(tx *store.Tx, home wire.Scope) error {
	type pair struct {
		key   string
		value []byte
	}
	var all []pair
	err := tx.Scan(r.bucket, "", "", func(key string, value []byte) (bool, error) {
		all = append(all, pair{key, append([]byte(nil), value...)})
		return true, nil
	})
	if err != nil {
		return err
	}
	for _, p := range all {
		value, err := r.record(home, p.value)
		if err != nil {
			return fmt.Errorf("%s: %w", p.key, err)
		}
		if err := tx.Delete(r.bucket, p.key); err != nil {
			return err
		}
		if err := tx.PutRaw(r.bucket, r.key(home, p.key), value); err != nil {
			return err
		}
	}
	return nil
}

// record adds the scope and changes the members that are keys.
func (r rekeyed) record(home wire.Scope, raw []byte) ([]byte, error) {
	if r.member == "" && r.keys == nil && r.bucket != "sfn.cursors" {
		return raw, nil
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, err
	}
	sc := home
	if region := member(m, "Region"); region != "" {
		sc = wire.ScopeOf(home.Account, region)
		delete(m, "Region")
	}
	if err := set(m, r.member, sc.String()); err != nil {
		return nil, err
	}
	for _, name := range r.keys {
		if key := member(m, name); key != "" {
			if err := set(m, name, r.rename(home, key)); err != nil {
				return nil, err
			}
		}
	}
	// A Map that runs distributed keeps the key of its run in its cursor.
	if job := member(m, "job"); r.bucket == "sfn.cursors" && member(m, "p") == "children" && job != "" {
		if err := set(m, "job", home.Key(job)); err != nil {
			return nil, err
		}
	}
	return json.Marshal(m)
}

// rename makes the new key of a record that a member names.
func (r rekeyed) rename(home wire.Scope, key string) string {
	if r.bucket == "sqs.messages" {
		return byRegion(home, key)
	}
	return home.Key(key)
}

func member(m map[string]json.RawMessage, name string) (s string) {
	if json.Unmarshal(m[name], &s) != nil {
		return "" // no text, or none
	}
	return s
}

func set(m map[string]json.RawMessage, name, value string) error {
	if name == "" {
		return nil
	}
	raw, err := json.Marshal(value)
	m[name] = raw
	return err
}

// migrateUser makes the account of the one user that there was.
func migrateUser(tx *store.Tx, home wire.Scope) error {
	u, found, err := store.Get[struct {
		ID      string
		Created json.RawMessage
	}](tx, "iam.meta", "user")
	if err != nil || !found {
		return err
	}
	err = store.Put(tx, "iam.accounts", home.Account, map[string]any{"ID": home.Account, "UserID": u.ID, "Created": u.Created})
	if err != nil {
		return err
	}
	return tx.Delete("iam.meta", "user")
}
