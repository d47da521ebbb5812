package integration

import (
	"fmt"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire/model"
)

// Served judges a Task's resource when a machine is created: AWS refuses
// what it does not know, and so does the sandbox what it does not serve.
func Served(r *wire.Router, arn string) error {
	i, ok := asl.ParseIntegration(arn)
	if !ok {
		return nil
	}
	service, op := Target(i)
	switch pattern := patternKnown(i); {
	case r.Has(service, op) && pattern:
		return nil
	case model.Serves(service, op) && (pattern || !i.SDK()):
		return fmt.Errorf("The resource provided %s is not served by the sandbox: Step Functions may know it on AWS, but it cannot run here.", arn)
	}
	return fmt.Errorf("The resource provided %s is not recognized. The value is not a valid resource ARN, or the resource is not available in this region.", arn)
}

func patternKnown(i asl.Integration) bool {
	switch i.Pattern {
	case "", "waitForTaskToken":
		return true
	case "sync":
		return i.Service == "states" && i.Operation == "startExecution" || i.Service == "sagemaker" && JobOf(i).Describe != ""
	case "sync:2":
		return i.Service == "states" && i.Operation == "startExecution"
	}
	return false
}

// Job tells how the end of a job is seen: the member that names it, the operation that
// describes it, and where that has its status.
type Job struct{ Name, Describe, Status string }

// jobs are the operations of SageMaker whose .sync form is served.
var jobs = map[string]Job{
	"createTransformJob":  {"TransformJobName", "DescribeTransformJob", "TransformJobStatus"},
	"createTrainingJob":   {"TrainingJobName", "DescribeTrainingJob", "TrainingJobStatus"},
	"createProcessingJob": {"ProcessingJobName", "DescribeProcessingJob", "ProcessingJobStatus"},
}

// JobOf is the job that an operation begins; its zero value if it begins none.
func JobOf(i asl.Integration) Job { return jobs[i.Operation] }
