package cloudcontrol

import (
	"maps"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	sagemaker    = "sagemaker"
	endpointType = "AWS::SageMaker::Endpoint"
)

// endpoints is the type of SageMaker's endpoints. Its handler is not published: properties
// and what its actions ask for are those of its schema, which the documentation repeats. It
// calls EndpointName both read-only and create-only, and whoever makes an endpoint may name
// it. How a deployment that was turned back is told is not known (unsure).
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-sagemaker-endpoint.html
func endpoints() *kind {
	return &kind{
		name: endpointType,
		properties: []string{
			"EndpointArn", "EndpointName", "EndpointConfigName", "DeploymentConfig", "ExcludeRetainedVariantProperties", "RetainAllVariantProperties",
			"RetainDeploymentConfig", "Tags",
		},
		required: []string{"EndpointConfigName"}, fixed: []string{"EndpointName"}, told: []string{"EndpointArn"}, named: "EndpointName", identifier: "EndpointArn",
		create: createEndpoint, read: readEndpoint, update: updateEndpoint, remove: removeEndpoint, list: listEndpoints,
	}
}

// endpoint is what DescribeEndpoint tells.
type endpoint struct {
	EndpointArn, EndpointName, EndpointConfigName, EndpointStatus, FailureReason string
	LastDeploymentConfig                                                         map[string]any
}

func describeEndpoint(c *call, arn string) (x endpoint, err error) {
	_, name, _ := strings.Cut(arn, ":endpoint/")
	gone := fail("ResourceNotFound", "Could not find endpoint %q.", arn)
	if name == "" {
		return x, gone
	}
	err = c.do(sagemaker, "DescribeEndpoint", map[string]any{"EndpointName": name}, &x)
	missing := err != nil && wire.IsCode(err, "ValidationException") && strings.HasPrefix(messageOf(err), "Could not find")
	if missing || err == nil && (x.EndpointArn != arn || x.EndpointStatus == "Deleting" && c.request == nil) {
		err = gone
	}
	return x, err
}

// settled waits until the endpoint serves a configuration, any if it is "".
func settled(c *call, arn, config string) error {
	return c.until(func() (bool, error) {
		if err := c.mayGoOn(); err != nil {
			return false, err
		}
		x, err := describeEndpoint(c, arn)
		switch {
		case wire.Transient(err):
			return false, nil
		case err != nil:
			return false, err
		case x.EndpointStatus == "InService" && config != "" && x.EndpointConfigName != config:
			return false, fail(notStabilized, "Endpoint %s was turned back to %s: %s", x.EndpointName, x.EndpointConfigName, x.FailureReason)
		case x.EndpointStatus == "InService":
			return true, nil
		case slices.Contains([]string{"Failed", "OutOfService", "UpdateRollbackFailed"}, x.EndpointStatus):
			return false, fail(notStabilized, "Endpoint %s is %s: %s", x.EndpointName, x.EndpointStatus, x.FailureReason)
		}
		return false, nil
	})
}

// some is a request with those of the properties that the model has.
func some(m model, names ...string) map[string]any {
	in := map[string]any{}
	for _, name := range names {
		if m[name] != nil {
			in[name] = m[name]
		}
	}
	return in
}

// createEndpoint makes an endpoint. One that is there already is this request's own if it
// was begun before a crash, and another's else, which the service says.
func createEndpoint(c *call, m model) (string, error) {
	arn := c.scope.ARN("sagemaker", "endpoint/"+m.text1("EndpointName"))
	if c.request.Begun {
		if _, err := describeEndpoint(c, arn); err == nil {
			return arn, settled(c, arn, "")
		}
	}
	if err := c.begun(); err != nil {
		return "", err
	}
	if err := c.do(sagemaker, "CreateEndpoint", some(m, "EndpointName", "EndpointConfigName", "DeploymentConfig", "Tags"), nil); err != nil {
		if wire.IsCode(err, "ValidationException") && strings.HasPrefix(messageOf(err), "Cannot create already existing") {
			err = fail("EndpointAlreadyExists", "%s", messageOf(err))
		}
		return "", err
	}
	return arn, settled(c, arn, "")
}

func readEndpoint(c *call, arn string) (model, error) {
	x, err := describeEndpoint(c, arn)
	if err != nil {
		return nil, err
	}
	m := model{"EndpointArn": x.EndpointArn, "EndpointName": x.EndpointName, "EndpointConfigName": x.EndpointConfigName}
	if x.LastDeploymentConfig != nil {
		m["DeploymentConfig"] = x.LastDeploymentConfig
	}
	tags, err := pages(c, "ListTags", map[string]any{"ResourceArn": arn}, "Tags")
	if len(tags) > 0 {
		m["Tags"] = tags
	}
	return m, err
}

// updateEndpoint gives the endpoint other tags and, if it is to have another, its
// configuration. What is said of how that is done changes nothing by itself.
func updateEndpoint(c *call, arn string, was, now model) error {
	if err := settled(c, arn, ""); err != nil {
		return err
	}
	before, after := tagsOf(was), tagsOf(now)
	var gone, set []any
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if _, kept := after[key]; !kept {
			gone = append(gone, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(after)) {
		if before[key] != after[key] {
			set = append(set, map[string]any{"Key": key, "Value": after[key]})
		}
	}
	if len(gone) > 0 {
		if err := c.do(sagemaker, "DeleteTags", map[string]any{"ResourceArn": arn, "TagKeys": gone}, nil); err != nil {
			return err
		}
	}
	if len(set) > 0 {
		if err := c.do(sagemaker, "AddTags", map[string]any{"ResourceArn": arn, "Tags": set}, nil); err != nil {
			return err
		}
	}
	config := now.text1("EndpointConfigName")
	if was.text1("EndpointConfigName") == config {
		return nil
	}
	if x, err := describeEndpoint(c, arn); err != nil || x.EndpointConfigName == config {
		return err // by the process before this one
	}
	if !c.request.Begun {
		in := some(now, "EndpointName", "EndpointConfigName", "DeploymentConfig", "ExcludeRetainedVariantProperties", "RetainAllVariantProperties", "RetainDeploymentConfig")
		if err := c.do(sagemaker, "UpdateEndpoint", in, nil); err != nil {
			return err
		}
		if err := c.begun(); err != nil {
			return err
		}
	}
	return settled(c, arn, config)
}

func removeEndpoint(c *call, arn string) error {
	x, err := describeEndpoint(c, arn)
	if err != nil {
		return err
	}
	if x.EndpointStatus != "Deleting" {
		if err := c.do(sagemaker, "DeleteEndpoint", map[string]any{"EndpointName": x.EndpointName}, nil); err != nil {
			return err
		}
	}
	return c.until(func() (bool, error) {
		_, err := describeEndpoint(c, arn)
		is, err := found(err)
		return !is && err == nil, err
	})
}

func listEndpoints(c *call, _ string) (arns []string, err error) {
	list, err := pages(c, "ListEndpoints", map[string]any{}, "Endpoints")
	for _, x := range list {
		x, _ := x.(map[string]any)
		arns = append(arns, model(x).text1("EndpointArn"))
	}
	return arns, err
}

// pages asks SageMaker for pages until there are no more.
func pages(c *call, operation string, in map[string]any, member string) (out []any, err error) {
	for {
		var answer model
		if err := c.do(sagemaker, operation, in, &answer); err != nil {
			return nil, err
		}
		list, _ := answer[member].([]any)
		out = append(out, list...)
		if in["NextToken"] = answer["NextToken"]; answer.text1("NextToken") == "" {
			return out, nil
		}
	}
}
