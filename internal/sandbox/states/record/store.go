// Package record owns what Step Functions keeps: state machines with their versions
// and aliases, executions and Map Runs, under which keys the store has them, and the
// ARNs that name them. It knows nothing of how executions run.
package record

import (
	"fmt"
	"time"
)

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

// Limits of AWS. Sizes are bytes of UTF-8, not characters. Sources: the Developer
// Guide's pages "Step Functions service quotas" (payloads, events) and "Passing data
// between states with variables", section "Limits"; the API reference says of every
// input and output that its length constraint is "expressed as bytes in UTF-8 encoding".
const (
	MaxEvents  = 25_000          // of a history, with the one that ends it
	MaxData    = 256 * 1024      // of an input, an output, and of what one Assign sets
	MaxExpress = 5 * time.Minute // that an express execution may take
)

// EventKey names an event of the execution that has a key.
func EventKey(execution string, id int64) string { return fmt.Sprintf("%s#%08d", execution, id) }

// CursorKey names where a branch of an execution stands.
func CursorKey(execution, path string) string { return execution + "#" + path }
