package kinds

import "strings"

// named is found by an input that is its name in AWS and its id.
func named(key string) Recovery {
	return Recovery{How: ByInputs, Why: "its name", id: func(inputs map[string]any, _ Place) string { return text(inputs, key) }}
}

// composed is found by an id that is put together.
func composed(why string, id func(inputs map[string]any, at Place) string) Recovery {
	return Recovery{How: ByInputs, Why: why, id: id}
}

// asked is found by a question to AWS.
func asked(how How, why string) Recovery { return Recovery{How: how, Why: why} }

// forgotten needs not be found.
func forgotten(why string) Recovery { return Recovery{How: Forgetting, Why: why} }

func text(inputs map[string]any, key string) string {
	s, _ := inputs[key].(string)
	return s
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

func (p Place) arn(service string) string {
	return join(":", "arn", p.Partition, service, p.Region, p.Account)
}

// pair is two inputs, joined.
func pair(a, sep, b string) func(map[string]any, Place) string {
	return func(inputs map[string]any, _ Place) string { return join(sep, text(inputs, a), text(inputs, b)) }
}

func functionAliasID(inputs map[string]any, at Place) string {
	function := text(inputs, "functionName")
	if !strings.HasPrefix(function, "arn:") {
		function = join(":", at.arn("lambda"), "function", function)
	}
	return join(":", function, text(inputs, "name"))
}

func topicID(inputs map[string]any, at Place) string {
	return join(":", at.arn("sns"), text(inputs, "name"))
}

func endpointID(inputs map[string]any, at Place) string {
	return join("/", join(":", at.arn("sagemaker"), "endpoint"), text(inputs, "endpointName"))
}

// EndpointName is the name in an endpoint's id, which is its name or its ARN.
func EndpointName(id string) string {
	if strings.HasPrefix(id, "arn:") {
		return id[strings.LastIndexByte(id, '/')+1:]
	}
	return id
}

func machineID(inputs map[string]any, at Place) string {
	return join(":", at.arn("states"), "stateMachine", text(inputs, "stateMachineName"))
}

// machineAliasID finds the state machine of an alias in the version that it points to, or, where
// that is not known, takes the pipeline's.
func machineAliasID(inputs map[string]any, at Place) string {
	routes, _ := inputs["routingConfiguration"].([]any)
	if deployment, ok := inputs["deploymentPreference"].(map[string]any); ok {
		routes = append(routes, deployment)
	}
	for _, r := range routes {
		route, _ := r.(map[string]any)
		version := text(route, "stateMachineVersionArn")
		if i := strings.LastIndexByte(version, ':'); i > 0 {
			return join(":", version[:i], text(inputs, "name"))
		}
	}
	return join(":", at.arn("states"), "stateMachine", at.Machine, text(inputs, "name"))
}
