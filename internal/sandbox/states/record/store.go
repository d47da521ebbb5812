// Package record owns what Step Functions keeps: state machines with their versions
// and aliases, executions and Map Runs, under which keys the store has them, and the
// ARNs that name them. It knows nothing of how executions run.
package record

import "fmt"

// Buckets of the store. Names are in the form of their scope's key.
const (
	BucketMachines   = "sfn.machines"   // name -> Machine
	BucketRevisions  = "sfn.revisions"  // name/revision -> Revision
	BucketVersions   = "sfn.versions"   // name/0000000001 -> Version
	BucketAliases    = "sfn.aliases"    // name/alias -> Alias
	BucketTags       = "sfn.tags"       // ARN -> map
	BucketExecutions = "sfn.executions" // execution key -> Execution
	BucketIndex      = "sfn.index"      // machine/inverted time/name -> Summary
	BucketEvents     = "sfn.events"     // execution key#00000001 -> event
	BucketCursors    = "sfn.cursors"    // execution key#branch -> cursor
	BucketRunning    = "sfn.running"    // execution key -> "{}"
	BucketActivities = "sfn.activities" // name -> Activity
	BucketTokens     = "sfn.tokens"     // task token -> token
	BucketExpress    = "sfn.express"    // express execution key -> Execution, while it runs
	BucketRuns       = "sfn.runs"       // map run key -> MapRun
	BucketDeaths     = "sfn.deaths"     // execution key:express id -> deaths
)

// MaxEvents is the limit of a history, with the event that ends it.
// https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
const MaxEvents = 25_000

// EventKey names an event of the execution that has a key.
func EventKey(execution string, id int64) string { return fmt.Sprintf("%s#%08d", execution, id) }

// CursorKey names where a branch of an execution stands.
func CursorKey(execution, path string) string { return execution + "#" + path }
