//go:build unix

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pipelinetui/pipelinetui/internal/plainbody"
)

// Scripts look at AWS with the SDK and need no aws CLI. These are commands of the
// scripts' own language, since a process for each call would cost more than the call:
//
//	aws-call SERVICE OPERATION [JSON]   one call; the answer on stdout; @FILE for JSON
//	aws-inventory                       what there is, one resource a line
//	aws-faults JSON                     what goes wrong in the sandbox from now on
//
// They take endpoint, keys and region from the script's environment, as a program
// would. With ! they have to fail, and the error is on stderr.
var awsCommands = map[string]func(*awsCaller, io.Writer, []string) error{
	"aws-call": (*awsCaller).call, "aws-inventory": (*awsCaller).inventory, "aws-faults": (*awsCaller).faults,
}

func cmdAWS(name string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		caller := newAWSCaller(ts)
		err := awsCommands[name](caller, ts.Stdout(), args)
		caller.close()
		if err != nil {
			fmt.Fprintln(ts.Stderr(), err)
		}
		switch {
		case err != nil && !neg:
			ts.Fatalf("%s failed: %v", name, err)
		case err == nil && neg:
			ts.Fatalf("%s succeeded, and should not have", name)
		}
	}
}

// awsCaller asks AWS what a script wants to know.
type awsCaller struct {
	cfg     aws.Config
	http    *http.Transport // of its own: nobody else closes its connections
	clients map[string]any
	path    func(string) string // of a file that the script names
}

func newAWSCaller(ts *testscript.TestScript) *awsCaller {
	transport := &http.Transport{}
	cfg := aws.Config{
		HTTPClient:       &http.Client{Transport: plainbody.Transport{Next: transport}},
		Region:           ts.Getenv("AWS_REGION"),
		Credentials:      credentials.NewStaticCredentialsProvider(ts.Getenv("AWS_ACCESS_KEY_ID"), ts.Getenv("AWS_SECRET_ACCESS_KEY"), ts.Getenv("AWS_SESSION_TOKEN")),
		BaseEndpoint:     aws.String(ts.Getenv("AWS_ENDPOINT_URL")),
		RetryMaxAttempts: 1,
	}
	return &awsCaller{cfg: cfg, http: transport, clients: map[string]any{}, path: ts.MkAbs}
}

func (c *awsCaller) close() { c.http.CloseIdleConnections() }

// faults sends the sandbox its own request: faults are nothing of AWS's.
func (c *awsCaller) faults(_ io.Writer, args []string) error {
	ctx := context.Background()
	if len(args) != 1 {
		return errors.New("usage: aws-faults JSON")
	}
	body := []byte(args[0])
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, *c.cfg.BaseEndpoint+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "PipelinetuiSandbox.PutFaults")
	keys, err := c.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, keys, req, hex.EncodeToString(sum[:]), "sandbox", c.cfg.Region, time.Now()); err != nil {
		return err
	}
	res, err := c.cfg.HTTPClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("%s: %s", res.Status, answer))
	}
	return err
}

// awsClients make the client of each service.
var awsClients = map[string]func(aws.Config) any{
	"autoscaling": func(c aws.Config) any { return applicationautoscaling.NewFromConfig(c) },
	"cloudwatch":  func(c aws.Config) any { return cloudwatch.NewFromConfig(c) },
	"events":      func(c aws.Config) any { return eventbridge.NewFromConfig(c) },
	"ecr":         func(c aws.Config) any { return ecr.NewFromConfig(c) },
	"iam":         func(c aws.Config) any { return iam.NewFromConfig(c) },
	"kms":         func(c aws.Config) any { return kms.NewFromConfig(c) },
	"lambda":      func(c aws.Config) any { return lambda.NewFromConfig(c) },
	"logs":        func(c aws.Config) any { return cloudwatchlogs.NewFromConfig(c) },
	"runtime":     func(c aws.Config) any { return sagemakerruntime.NewFromConfig(c) },
	"s3":          func(c aws.Config) any { return s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true }) },
	"sagemaker":   func(c aws.Config) any { return sagemaker.NewFromConfig(c) },
	"secrets":     func(c aws.Config) any { return secretsmanager.NewFromConfig(c) },
	"sfn":         func(c aws.Config) any { return sfn.NewFromConfig(c) },
	"sns":         func(c aws.Config) any { return sns.NewFromConfig(c) },
	"sqs":         func(c aws.Config) any { return sqs.NewFromConfig(c) },
	"ssm":         func(c aws.Config) any { return ssm.NewFromConfig(c) },
	"sts":         func(c aws.Config) any { return sts.NewFromConfig(c) },
}

// client is the client of a service, nil if it is none that is known.
func (c *awsCaller) client(service string) any {
	if c.clients[service] == nil && awsClients[service] != nil {
		c.clients[service] = awsClients[service](c.cfg)
	}
	return c.clients[service]
}

func (c *awsCaller) call(out io.Writer, args []string) error {
	if len(args) < 2 || len(args) > 3 {
		return errors.New("usage: aws-call SERVICE OPERATION [JSON]")
	}
	input := "{}"
	if len(args) == 3 {
		input = args[2]
	}
	if name, ok := strings.CutPrefix(input, "@"); ok {
		raw, err := os.ReadFile(c.path(name))
		if err != nil {
			return err
		}
		input = string(raw)
	}
	doc, err := c.ask(args[0], args[1], input)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(doc)
}

// ask runs an operation of the SDK by its name. The input is the operation's
// input as JSON with the members' names; a Body is a text, or the content of a
// file if it is "@" and the file's name. A body of the answer is a text.
func (c *awsCaller) ask(service, operation, input string) (map[string]any, error) {
	method := reflect.ValueOf(c.client(service))
	if !method.IsValid() {
		return nil, fmt.Errorf("no service %q", service)
	}
	if method = method.MethodByName(operation); !method.IsValid() {
		return nil, fmt.Errorf("%s has no operation %q", service, operation)
	}
	in := reflect.New(method.Type().In(1).Elem())
	members := map[string]any{}
	if err := json.Unmarshal([]byte(input), &members); err != nil {
		return nil, fmt.Errorf("input of %s: %w", operation, err)
	}
	if text, ok := members["Body"].(string); ok {
		if name, ok := strings.CutPrefix(text, "@"); ok {
			raw, err := os.ReadFile(c.path(name))
			if err != nil {
				return nil, err
			}
			text = string(raw)
		}
		body := in.Elem().FieldByName("Body")
		if body.Kind() == reflect.Slice {
			body.SetBytes([]byte(text))
		} else {
			body.Set(reflect.ValueOf(strings.NewReader(text)))
		}
		delete(members, "Body")
	}
	rest, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(rest, in.Interface()); err != nil {
		return nil, fmt.Errorf("input of %s: %w", operation, err)
	}
	results := method.Call([]reflect.Value{reflect.ValueOf(context.Background()), in})
	if err, failed := results[1].Interface().(error); failed {
		return nil, err
	}
	return answer(results[0].Elem())
}

func answer(out reflect.Value) (map[string]any, error) {
	var text []byte
	body := out.FieldByName("Body")
	if body.IsValid() {
		switch b := body.Interface().(type) {
		case []byte:
			text = b
		case io.ReadCloser:
			raw, err := io.ReadAll(b)
			if err := errors.Join(err, b.Close()); err != nil {
				return nil, err
			}
			text = raw
		}
		body.SetZero()
	}
	raw, err := json.Marshal(out.Interface())
	if err != nil {
		return nil, err
	}
	doc := map[string]any{}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	delete(doc, "ResultMetadata")
	if body.IsValid() {
		doc["Body"] = string(text)
	}
	return doc, nil
}

// kinds are the resources that a pipeline may consist of, with the call that
// lists them. A key that is being deleted counts as gone: KMS has no faster way.
var kinds = []struct{ service, operation, input, list, name string }{
	{"autoscaling", "DescribeScalableTargets", `{"ServiceNamespace":"sagemaker"}`, "ScalableTargets", "ResourceId"},
	{"autoscaling", "DescribeScalingPolicies", `{"ServiceNamespace":"sagemaker"}`, "ScalingPolicies", "PolicyName"},
	{"cloudwatch", "DescribeAlarms", "{}", "MetricAlarms", "AlarmName"},
	{"events", "ListRules", "{}", "Rules", "Name"},
	{"iam", "ListPolicies", `{"Scope":"Local"}`, "Policies", "Arn"},
	{"iam", "ListRoles", "{}", "Roles", "Arn"},
	{"kms", "ListAliases", "{}", "Aliases", "AliasName"},
	{"lambda", "ListFunctions", "{}", "Functions", "FunctionName"},
	{"logs", "DescribeLogGroups", "{}", "LogGroups", "LogGroupName"},
	{"logs", "DescribeResourcePolicies", "{}", "ResourcePolicies", "PolicyName"},
	{"s3", "ListBuckets", "{}", "Buckets", "Name"},
	{"sagemaker", "ListEndpointConfigs", "{}", "EndpointConfigs", "EndpointConfigName"},
	{"sagemaker", "ListEndpoints", "{}", "Endpoints", "EndpointName"},
	{"sagemaker", "ListModels", "{}", "Models", "ModelName"},
	{"sfn", "ListStateMachines", "{}", "StateMachines", "Name"},
	{"sqs", "ListQueues", "{}", "QueueUrls", ""},
}

func (c *awsCaller) inventory(w io.Writer, _ []string) error {
	var lines []string
	for _, k := range kinds {
		out, err := c.ask(k.service, k.operation, k.input)
		if err != nil {
			return err
		}
		list, _ := out[k.list].([]any)
		for _, item := range list {
			if fields, ok := item.(map[string]any); ok {
				item = fields[k.name]
			}
			if name, _ := item.(string); strings.HasPrefix(name, "alias/aws/") {
				continue // AWS's own keys are in every account
			}
			lines = append(lines, fmt.Sprintf("%s %s %v", k.service, k.list, item))
		}
	}
	keys, err := c.liveKeys()
	if err != nil {
		return err
	}
	lines = append(lines, keys...)
	slices.Sort(lines)
	for _, line := range lines {
		fmt.Fprintln(w, line)
	}
	return nil
}

func (c *awsCaller) liveKeys() ([]string, error) {
	out, err := c.ask("kms", "ListKeys", "{}")
	if err != nil {
		return nil, err
	}
	var lines []string
	list, _ := out["Keys"].([]any)
	for _, item := range list {
		fields, _ := item.(map[string]any)
		found, err := c.ask("kms", "DescribeKey", fmt.Sprintf(`{"KeyId":%q}`, fields["KeyId"]))
		if err != nil {
			return nil, err
		}
		key, _ := found["KeyMetadata"].(map[string]any)
		if key["KeyState"] != "PendingDeletion" {
			lines = append(lines, fmt.Sprintf("kms Keys %v %v", key["KeyId"], key["KeyState"]))
		}
	}
	return lines, nil
}
