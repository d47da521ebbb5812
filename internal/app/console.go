package app

import (
	"cmp"
	"context"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// ConsoleURL is the page of a resource in the AWS console, "" if it has none: the
// sandbox has no console, nor has another server.
func (a *App) ConsoleURL(r stack.Resource) string {
	a.mu.Lock()
	t := a.target
	a.mu.Unlock()
	if t == nil || t.Name != TargetAWS || t.Endpoint != "" {
		return ""
	}
	region := t.Region
	if text, _ := r.Outputs["arn"].(string); text != "" {
		of, _ := arn.Parse(text) // of none, none
		region = cmp.Or(of.Region, region)
	}
	return consoleURL(region, r)
}

func consoleURL(region string, r stack.Resource) string {
	host := "https://" + region + ".console.aws.amazon.com"
	switch partition, _ := spec.Partition(region); partition {
	case "aws-cn":
		host = "https://" + region + ".console.amazonaws.cn"
	case "aws-us-gov":
		host = "https://" + region + ".console.amazonaws-us-gov.com"
	}
	id := url.PathEscape(r.ID)
	at := func(path string) string { return host + path + "?region=" + region }
	module := r.Type
	if parts := strings.Split(r.Type, ":"); len(parts) == 3 {
		module = parts[0] + ":" + parts[2]
	}
	switch module {
	case "aws:BucketV2", "aws:Bucket":
		return at("/s3/buckets/" + id)
	case "aws:Role":
		return host + "/iam/home#/roles/" + id
	case "aws:Function":
		return at("/lambda/home") + "#/functions/" + id
	case "aws:Endpoint":
		return at("/sagemaker/home") + "#/endpoints/" + id
	case "aws:EndpointConfiguration":
		return at("/sagemaker/home") + "#/endpointConfig/" + id
	case "aws:Model":
		return at("/sagemaker/home") + "#/models/" + id
	case "aws-native:StateMachine":
		return at("/states/home") + "#/statemachines/view/" + url.QueryEscape(r.ID)
	case "aws-native:Execution": // no resource of a stack, but asked for in the same way
		return at("/states/home") + "#/v2/executions/details/" + url.QueryEscape(r.ID)
	case "aws:LogGroup":
		// The console escapes twice and writes $ for %.
		return at("/cloudwatch/home") + "#logsV2:log-groups/log-group/" + strings.ReplaceAll(url.QueryEscape(url.QueryEscape(r.ID)), "%", "$")
	case "aws:Queue":
		return at("/sqs/v3/home") + "#/queues/" + url.QueryEscape(r.ID)
	case "aws:Key":
		return at("/kms/home") + "#/kms/keys/" + id
	case "aws:MetricAlarm":
		return at("/cloudwatch/home") + "#alarmsV2:alarm/" + id
	default:
		return ""
	}
}

// Describe tells what a pipeline will consist of, and what of it costs while
// nothing runs, without asking anybody. Account numbers in names are those of the
// target if it is known already.
func (a *App) Describe(ctx context.Context, p *spec.Pipeline) ([]program.Planned, error) {
	tmpl, err := a.TemplateOf(p)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	t := a.target
	a.mu.Unlock()
	if t == nil {
		t = &Target{Account: "000000000000"}
	}
	return program.Describe(ctx, p, tmpl, t.programEnv(p))
}

// LogFile is the file that debug logs and crashes go to.
func (a *App) LogFile() string {
	return filepath.Join(a.opts.Settings.Paths.Logs(), logFileName)
}
