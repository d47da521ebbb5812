package program

import "strings"

// Identity returns the provider's id of a resource that is known by its inputs
// only, because its creation was cut off: what the state would hold as its id.
// It is false for a type that nothing is lost with if it is forgotten: making it
// again writes over it, or it goes with the resource that it belongs to. It is
// false too for a KMS key and a queue: their ids are made up by AWS and have to
// be looked for.
//
// The names are there even where the program gives none: the engine makes them
// up before it asks the provider to create.
func Identity(typ string, inputs map[string]any, env Env) (string, bool) {
	text := func(key string) string {
		s, _ := inputs[key].(string)
		return s
	}
	id := ""
	switch typ {
	case "aws:s3/bucketV2:BucketV2":
		id = text("bucket")
	case "aws:iam/role:Role", "aws:cloudwatch/logGroup:LogGroup", "aws:cloudwatch/metricAlarm:MetricAlarm",
		"aws:lambda/function:Function", "aws:sagemaker/model:Model", "aws:kms/alias:Alias",
		"aws:sagemaker/endpointConfiguration:EndpointConfiguration", "aws:sagemaker/endpoint:Endpoint",
		"aws:cloudwatch/eventRule:EventRule", "aws:appautoscaling/policy:Policy":
		id = text("name")
	case "aws:iam/rolePolicy:RolePolicy":
		id = join(":", text("role"), text("name"))
	case "aws:appautoscaling/target:Target":
		id = text("resourceId")
	case "aws:cloudwatch/eventTarget:EventTarget":
		id = join("-", text("rule"), text("targetId"))
	case "aws:lambda/alias:Alias":
		id = join(":", arnOfFunction(text("functionName"), env), text("name"))
	case "aws-native:stepfunctions:StateMachine":
		id = join(":", env.arn("states"), "stateMachine", text("stateMachineName"))
	case "aws-native:stepfunctions:StateMachineAlias":
		id = join(":", machineOf(inputs), text("name"))
	}
	return id, id != ""
}

// join is "" if a part is.
func join(sep string, parts ...string) string {
	for _, p := range parts {
		if p == "" {
			return ""
		}
	}
	return strings.Join(parts, sep)
}

func (e Env) arn(service string) string {
	return join(":", "arn", e.Partition, service, e.Region, e.Account)
}

func arnOfFunction(name string, env Env) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return join(":", env.arn("lambda"), "function", name)
}

// machineOf finds the state machine of an alias in the version that it points to.
func machineOf(inputs map[string]any) string {
	routes, _ := inputs["routingConfiguration"].([]any)
	if deployment, ok := inputs["deploymentPreference"].(map[string]any); ok {
		routes = append(routes, deployment)
	}
	for _, r := range routes {
		route, _ := r.(map[string]any)
		version, _ := route["stateMachineVersionArn"].(string)
		if i := strings.LastIndexByte(version, ':'); i > 0 {
			return version[:i]
		}
	}
	return ""
}
