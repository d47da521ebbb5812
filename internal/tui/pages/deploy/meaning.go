package deploy

import (
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// meaning says what the replacement or deletion of a resource does to those who
// use the pipeline; grave if it takes something away from them.
func meaning(row stack.Row) (text string, grave bool) {
	switch row.Op {
	case stack.OpReplace:
		return replaced(render.PlainType(row.Type))
	case stack.OpDelete:
		return deleted(render.PlainType(row.Type))
	}
	return "", false
}

func replaced(typ string) (string, bool) {
	switch typ {
	case "sagemaker:Endpoint":
		return "downtime: no answers until the new endpoint is in service", true
	case "sagemaker:Model", "sagemaker:EndpointConfiguration":
		return "the new one is made first, then the old one deleted", false
	case "s3:BucketV2", "s3:Bucket":
		return "data loss: all inputs and results in the bucket are deleted", true
	case "kms:Key":
		return "what the old key encrypted can't be read any more", true
	case "stepfunctions:StateMachine":
		return "running executions are stopped, the history of all is lost", true
	case "lambda:Function":
		return "downtime: executions fail until the new function is there", true
	case "sqs:Queue":
		return "messages in the queue are lost", true
	case "cloudwatch:LogGroup":
		return "its log lines are lost", false
	}
	return "made anew", false
}

func deleted(typ string) (string, bool) {
	switch typ {
	case "sagemaker:Endpoint":
		return "nothing answers any more", true
	case "s3:BucketV2", "s3:Bucket":
		return "data loss: all inputs and results in the bucket are deleted", true
	case "kms:Key":
		return "locked at once, gone after 7 days: what it encrypted can't be read any more", true
	case "stepfunctions:StateMachine":
		return "running executions are stopped, the history of all is lost", true
	case "sqs:Queue":
		return "messages in the queue are lost", true
	case "cloudwatch:LogGroup":
		return "its log lines are lost", false
	}
	return "", false
}

// danger is one thing that an operation takes away.
type danger struct {
	id   spec.ID
	name string // of the resource
	text string
}

// dangers are what users of the pipeline lose by the changes in rows.
func dangers(id spec.ID, rows []stack.Row) []danger {
	var out []danger
	for _, r := range rows {
		if text, grave := meaning(r); grave {
			out = append(out, danger{id, r.Name, text})
		}
	}
	return out
}
