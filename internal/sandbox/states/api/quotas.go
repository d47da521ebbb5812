package api

import "github.com/pipelinetui/pipelinetui/internal/sandbox/wire"

// quotas are the token buckets of the API; three large regions have larger ones for
// some. That StartExecution has a larger one for express state machines is left out:
// the call does not tell which it is.
// https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
var quotas = func() map[string]wire.Quota {
	out := map[string]wire.Quota{
		"":                     {Burst: 100, PerSecond: 1},
		"StartExecution":       {Burst: 800, PerSecond: 150, LargeBurst: 1300, LargePerSecond: 300},
		"RedriveExecution":     {Burst: 800, PerSecond: 150, LargeBurst: 1300, LargePerSecond: 300},
		"StopExecution":        {Burst: 500, PerSecond: 25, LargeBurst: 1000, LargePerSecond: 200},
		"DescribeExecution":    {Burst: 250, PerSecond: 10, LargeBurst: 300, LargePerSecond: 15},
		"ListExecutions":       {Burst: 100, PerSecond: 2, LargeBurst: 200, LargePerSecond: 5},
		"GetExecutionHistory":  {Burst: 400, PerSecond: 20},
		"DescribeStateMachine": {Burst: 200, PerSecond: 20},
		"ListStateMachines":    {Burst: 100, PerSecond: 5},
		"ListActivities":       {Burst: 100, PerSecond: 5},
		"TestState":            {Burst: 50, PerSecond: 10},
		"StartSyncExecution":   {Unlimited: true}, // by concurrency
	}
	for _, op := range []string{"DescribeMapRun", "DescribeStateMachineForExecution", "DescribeStateMachineAlias", "TagResource", "UntagResource", "DescribeActivity"} {
		out[op] = wire.Quota{Burst: 200, PerSecond: 1}
	}
	for _, op := range []string{"SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat", "GetActivityTask"} {
		out[op] = wire.Quota{Burst: 1500, PerSecond: 300, LargeBurst: 3000, LargePerSecond: 500}
	}
	return out
}()
