package faults

import (
	"slices"

	"golang.org/x/time/rate"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// quota is a token bucket of AWS.
type quota struct {
	burst     int
	perSecond float64
}

// quotaOf returns the bucket that a call takes from, and its name: APIs without
// one of their own share that of their kind. Sources:
// https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html and
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html. That
// StartExecution has a larger bucket for express state machines is left out: the
// call does not tell which it is.
func quotaOf(service, operation string, large bool) (name string, q quota, limited bool) {
	switch service {
	case "sfn":
		q, limited = statesQuota(operation, large)
		return operation, q, limited
	case "lambda":
		switch operation {
		case "Invoke", "GetFunctionCode": // no quotas of rate
			return "", quota{}, false
		case "GetFunction":
			return operation, quota{100, 100}, true
		}
		return "control", quota{15, 15}, true
	}
	return "", quota{}, false
}

// statesQuota are Step Functions' buckets; the three large regions have larger
// ones for some APIs.
func statesQuota(operation string, large bool) (quota, bool) {
	pick := func(a, b quota) (quota, bool) {
		if large {
			return a, true
		}
		return b, true
	}
	switch operation {
	case "StartExecution", "RedriveExecution":
		return pick(quota{1300, 300}, quota{800, 150})
	case "StopExecution":
		return pick(quota{1000, 200}, quota{500, 25})
	case "DescribeExecution":
		return pick(quota{300, 15}, quota{250, 10})
	case "ListExecutions":
		return pick(quota{200, 5}, quota{100, 2})
	case "GetExecutionHistory":
		return quota{400, 20}, true
	case "DescribeStateMachine":
		return quota{200, 20}, true
	case "ListStateMachines", "ListActivities":
		return quota{100, 5}, true
	case "DescribeMapRun", "DescribeStateMachineForExecution", "DescribeStateMachineAlias", "TagResource", "UntagResource", "DescribeActivity":
		return quota{200, 1}, true
	case "TestState":
		return quota{50, 10}, true
	case "SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat", "GetActivityTask":
		return pick(quota{3000, 500}, quota{1500, 300})
	case "StartSyncExecution":
		return quota{}, false // by concurrency
	}
	return quota{100, 1}, true
}

// take takes a token of the account's and region's bucket; g.mu must be held.
func (g *Gate) take(sc wire.Scope, service, operation string) bool {
	large := slices.Contains([]string{"us-east-1", "us-west-2", "eu-west-1"}, sc.Region)
	name, q, limited := quotaOf(service, operation, large)
	if !limited {
		return true
	}
	name = sc.Key(service + "." + name)
	b := g.buckets[name]
	if b == nil {
		b = rate.NewLimiter(rate.Limit(q.perSecond), q.burst)
		g.buckets[name] = b
	}
	return b.AllowN(g.clk.Now(), 1)
}
