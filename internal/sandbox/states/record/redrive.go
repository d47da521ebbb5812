package record

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// redriveWindow is how long after its end an execution can be redriven.
const redriveWindow = 14 * 24 * time.Hour

// Redrivable tells whether the execution can be redriven at a time, and why not.
func (rec *Execution) Redrivable(now time.Time) (types.ExecutionRedriveStatus, *string) {
	switch {
	case rec.Status == Running, rec.Status == Succeeded, rec.Status == PendingRedrive:
		return types.ExecutionRedriveStatusNotRedrivable, aws.String("Execution is " + rec.Status + " and cannot be redriven")
	case rec.Stop != nil && now.Sub(*rec.Stop) > redriveWindow:
		return types.ExecutionRedriveStatusNotRedrivable, aws.String("Execution history event expired")
	case rec.LastEvent >= MaxEvents-1:
		return types.ExecutionRedriveStatusNotRedrivable, aws.String("Execution history event limit exceeded")
	case rec.MapRun != "":
		return types.ExecutionRedriveStatusRedrivableByMapRun, nil
	}
	return types.ExecutionRedriveStatusRedrivable, nil
}
