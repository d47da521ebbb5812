package cloudcontrol

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// kinds are the types that there are. Their properties, and which of them never change,
// are those of the types' schemas; what is done with them, and how a refusal is told, is
// what CloudFormation's own handlers do.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/AWS_StepFunctions.html
// https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-stepfunctions
var kinds = map[string]*kind{
	"AWS::StepFunctions::StateMachine": {
		name: "AWS::StepFunctions::StateMachine",
		properties: []string{
			"Arn", "Name", "StateMachineRevisionId", "DefinitionString", "Definition", "DefinitionS3Location", "DefinitionSubstitutions", "RoleArn", "StateMachineName",
			"StateMachineType", "LoggingConfiguration", "TracingConfiguration", "EncryptionConfiguration", "Tags",
		},
		required: []string{"RoleArn"}, fixed: []string{"StateMachineName", "StateMachineType"}, told: []string{"Arn", "Name", "StateMachineRevisionId"},
		named:   "StateMachineName",
		invalid: []string{"InvalidArn", "InvalidDefinition", "InvalidLoggingConfiguration", "InvalidName"},
		create:  createMachine, read: readMachine, update: updateMachine, remove: removeMachine, list: listMachines,
	},
	"AWS::StepFunctions::StateMachineVersion": {
		name:       "AWS::StepFunctions::StateMachineVersion",
		properties: []string{"Arn", "StateMachineArn", "StateMachineRevisionId", "Description"}, required: []string{"StateMachineArn"}, told: []string{"Arn"}, parent: "StateMachineArn",
		fixed:   []string{"StateMachineArn", "StateMachineRevisionId", "Description"},
		invalid: []string{"InvalidToken"},
		create:  publish, read: readVersion, remove: removeVersion, list: listVersions,
	},
	"AWS::StepFunctions::StateMachineAlias": {
		name:       "AWS::StepFunctions::StateMachineAlias",
		properties: []string{"Arn", "Name", "Description", "RoutingConfiguration", "DeploymentPreference", "StateMachineArn"}, told: []string{"Arn"},
		fixed:   []string{"Name"},
		invalid: []string{"InvalidArn", "InvalidName", "InvalidToken", "ValidationException"},
		parent:  "StateMachineArn", named: "Name", verify: checkAlias, either: [2]string{"RoutingConfiguration", "DeploymentPreference"},
		create: createAlias, read: readAlias, update: updateAlias, remove: removeAlias, list: listAliases,
	},
	endpointType: endpoints(),
	// The actions are those of the handlers in the types' schemas.
	subnetType:      looked(subnetType, "SubnetId", subnetsOf, "ec2:DescribeSubnets", "ec2:DescribeNetworkAcls"),
	groupType:       looked(groupType, "Id", groupsOf, "ec2:DescribeSecurityGroups"),
	vpcEndpointType: looked(vpcEndpointType, "Id", endpointsOf, "ec2:DescribeVpcEndpoints"),
}

const sfn = "sfn"

// initialRevision stands for the revision of a machine that was never updated.
const initialRevision = "INITIAL"

// definition is the text of a machine's definition, from whichever property has it.
func definition(c *call, m model) (string, error) {
	var text string
	given := 0
	if s, ok := m["DefinitionString"].(string); ok {
		text = s
		given++
	}
	if d, ok := m["Definition"].(map[string]any); ok {
		raw, err := json.Marshal(d)
		if err != nil {
			return "", err
		}
		text = string(raw)
		given++
	}
	if at, ok := m["DefinitionS3Location"].(map[string]any); ok {
		given++
		in := map[string]any{"Bucket": at["Bucket"], "Key": at["Key"]}
		if v, ok := at["Version"]; ok {
			in["VersionId"] = v
		}
		var out struct{ Body string }
		if err := c.do("s3", "GetObject", in, &out); err != nil {
			return "", err
		}
		raw, err := base64.StdEncoding.DecodeString(out.Body)
		if err != nil {
			raw = []byte(out.Body)
		}
		text = string(raw)
	}
	switch {
	case given == 0:
		return "", fail("InternalFailure", "Property validation failed. Required key [DefinitionS3Location], [DefinitionString] or [Definition] not found.")
	case given > 1:
		return "", fail("InternalFailure", "Property validation failed. Please use one of [DefinitionS3Location], [DefinitionString] or [Definition].")
	}
	values, _ := m["DefinitionSubstitutions"].(map[string]any)
	return substituted(text, values), nil
}

// configured has what creations and updates of machines have in common.
func configured(c *call, m model) (map[string]any, error) {
	text, err := definition(c, m)
	if err != nil {
		return nil, err
	}
	in := map[string]any{"definition": text, "roleArn": m["RoleArn"]}
	for from, to := range map[string]string{
		"LoggingConfiguration": "loggingConfiguration", "TracingConfiguration": "tracingConfiguration",
		"EncryptionConfiguration": "encryptionConfiguration",
	} {
		if m[from] != nil {
			in[to] = toAPI(m[from])
		}
	}
	return in, nil
}

func createMachine(c *call, m model) (string, error) {
	in, err := configured(c, m)
	if err != nil {
		return "", err
	}
	in["name"] = m["StateMachineName"]
	if m["StateMachineType"] != nil {
		in["type"] = m["StateMachineType"]
	}
	if m["Tags"] != nil {
		in["tags"] = toAPI(m["Tags"])
	}
	arn := c.scope.ARN("states", "stateMachine:"+m.text1("StateMachineName"))
	if err := c.first(fail("StateMachineAlreadyExists", "State machine already exists"), func() (bool, error) {
		err := c.do(sfn, "DescribeStateMachine", map[string]any{"stateMachineArn": arn}, nil)
		if codeOf(err) == types.HandlerErrorCodeAccessDenied {
			return false, nil // the handler takes who may not look for whom there is nothing
		}
		return found(err)
	}); err != nil {
		return "", err
	}
	var out struct{ StateMachineArn string }
	err = c.do(sfn, "CreateStateMachine", in, &out)
	return out.StateMachineArn, err
}

// first refuses to make what is there already, which the service would take for the same
// again, unless it is this request's own, made before a crash.
func (c *call) first(refusal error, there func() (bool, error)) error {
	if c.request.Begun {
		return nil
	}
	is, err := there()
	if err == nil && is {
		err = refusal
	}
	if err != nil {
		return err
	}
	return c.begun()
}

// begun keeps that the change is about to be asked for, or was.
func (c *call) begun() error {
	c.request.Begun = true
	return c.keep(func(r *request) { r.Begun = true })
}

// found tells what an answer says about whether something is there.
func found(err error) (bool, error) {
	if codeOf(err) == types.HandlerErrorCodeNotFound {
		return false, nil
	}
	return err == nil, err
}

// machine is what DescribeStateMachine tells.
type machine struct {
	StateMachineArn, Name, Status, Definition, RoleArn, Type, RevisionId, Description string // as the API has it
	LoggingConfiguration, TracingConfiguration, EncryptionConfiguration               map[string]any
}

func describe(c *call, arn string) (x machine, err error) {
	err = c.do(sfn, "DescribeStateMachine", map[string]any{"stateMachineArn": arn}, &x)
	if err == nil && x.Status == "DELETING" {
		err = fail("StateMachineDoesNotExist", "State Machine Does Not Exist: '%s'", arn)
	}
	if x.RevisionId == "" {
		x.RevisionId = initialRevision
	}
	return x, err
}

func readMachine(c *call, arn string) (model, error) {
	x, err := describe(c, arn)
	if err != nil {
		return nil, err
	}
	tagged := struct{ Tags []any }{Tags: []any{}}
	mayNot := false
	if err := c.do(sfn, "ListTagsForResource", map[string]any{"resourceArn": arn}, &tagged); err != nil {
		if mayNot = codeOf(err) == types.HandlerErrorCodeAccessDenied; !mayNot {
			return nil, err
		}
	}
	m := model{
		"Arn": x.StateMachineArn, "Name": x.Name, "StateMachineName": x.Name, "StateMachineType": x.Type, "StateMachineRevisionId": x.RevisionId,
		"DefinitionString": x.Definition, "RoleArn": x.RoleArn,
	}
	for name, v := range map[string]map[string]any{
		"LoggingConfiguration": x.LoggingConfiguration, "TracingConfiguration": x.TracingConfiguration,
		"EncryptionConfiguration": x.EncryptionConfiguration,
	} {
		if v != nil {
			m[name] = ofAPI(v)
		}
	}
	if !mayNot {
		m["Tags"] = ofAPI(tagged.Tags)
	}
	return m, nil
}

// updateMachine says nothing of logging, tracing and encryption where the model has none:
// what was configured stays. Who wants it off says so.
func updateMachine(c *call, arn string, was, now model) error {
	now = now.copy()
	if now["Definition"] != nil || now["DefinitionS3Location"] != nil {
		delete(now, "DefinitionString") // the patch brings another form of it
	}
	in, err := configured(c, now)
	if err != nil {
		return err
	}
	in["stateMachineArn"] = arn
	if err := c.do(sfn, "UpdateStateMachine", in, nil); err != nil {
		return err
	}
	return retag(c, arn, tagsOf(was), tagsOf(now))
}

func tagsOf(m model) map[string]any {
	out := map[string]any{}
	list, _ := m["Tags"].([]any)
	for _, t := range list {
		if t, ok := t.(map[string]any); ok {
			key, _ := t["Key"].(string)
			out[key] = t["Value"]
		}
	}
	return out
}

func retag(c *call, arn string, was, now map[string]any) error {
	var gone []string
	for k := range was {
		if _, ok := now[k]; !ok {
			gone = append(gone, k)
		}
	}
	slices.Sort(gone)
	if len(gone) > 0 {
		if err := c.do(sfn, "UntagResource", map[string]any{"resourceArn": arn, "tagKeys": gone}, nil); err != nil {
			return err
		}
	}
	var set []any
	for k, v := range now {
		if was[k] != v {
			set = append(set, map[string]any{"key": k, "value": v})
		}
	}
	if len(set) == 0 {
		return nil
	}
	return c.do(sfn, "TagResource", map[string]any{"resourceArn": arn, "tags": set}, nil)
}

// removeMachine waits until the machine is gone: its executions are stopped first.
func removeMachine(c *call, arn string) error {
	if err := c.do(sfn, "DeleteStateMachine", map[string]any{"stateMachineArn": arn}, nil); err != nil {
		return err
	}
	return c.until(func() (bool, error) {
		err := c.do(sfn, "DescribeStateMachine", map[string]any{"stateMachineArn": arn}, nil)
		if wire.IsCode(err, "StateMachineDoesNotExist") {
			return true, nil
		}
		return false, err
	})
}

// all asks for pages until there are no more.
func all[T any](c *call, operation string, in map[string]any, member string) (out []T, err error) {
	for {
		var answer map[string]json.RawMessage
		if err := c.do(sfn, operation, in, &answer); err != nil {
			return nil, err
		}
		var some []T
		if err := json.Unmarshal(answer[member], &some); err != nil {
			return nil, err
		}
		out = append(out, some...)
		var next string
		if token := answer["nextToken"]; token != nil {
			if err := json.Unmarshal(token, &next); err != nil {
				return nil, err
			}
		}
		if next == "" {
			return out, nil
		}
		in["nextToken"] = next
	}
}

func listMachines(c *call, _ string) (arns []string, err error) {
	list, err := all[machine](c, "ListStateMachines", map[string]any{}, "stateMachines")
	for _, m := range list {
		arns = append(arns, m.StateMachineArn)
	}
	return arns, err
}

// publish makes a version, unless the machine's newest is of the revision that it has now:
// the service would give that one once more.
func publish(c *call, m model) (string, error) {
	machine := m.text1("StateMachineArn")
	if err := c.first(fail("StateMachineAlreadyExists", "StateMachineAlreadyExists"), func() (bool, error) { return published(c, machine) }); err != nil {
		return "", err
	}
	in := map[string]any{"stateMachineArn": machine}
	if v := m["StateMachineRevisionId"]; v != nil {
		in["revisionId"] = v
	}
	if v := m["Description"]; v != nil {
		in["description"] = v
	}
	var out struct{ StateMachineVersionArn string }
	err := c.do(sfn, "PublishStateMachineVersion", in, &out)
	return out.StateMachineVersionArn, err
}

// published tells whether the newest version of a machine is of its present revision.
func published(c *call, machine string) (bool, error) {
	var newest struct {
		StateMachineVersions []struct{ StateMachineVersionArn string }
	}
	if err := c.do(sfn, "ListStateMachineVersions", map[string]any{"stateMachineArn": machine, "maxResults": 1}, &newest); err != nil || len(newest.StateMachineVersions) == 0 {
		return false, err
	}
	now, err := describe(c, machine)
	if err != nil {
		return false, err
	}
	last, err := describe(c, newest.StateMachineVersions[0].StateMachineVersionArn)
	return now.RevisionId == last.RevisionId, err
}

func readVersion(c *call, arn string) (model, error) {
	x, err := describe(c, arn)
	if err != nil {
		return nil, err
	}
	i := strings.LastIndexByte(arn, ':')
	if strings.Count(arn, ":") != versionColons {
		return nil, fail("ResourceNotFound", "%s is no version", arn)
	}
	m := model{"Arn": arn, "StateMachineArn": arn[:i], "StateMachineRevisionId": x.RevisionId}
	if x.Description != "" {
		m["Description"] = x.Description
	}
	return m, nil
}

// versionColons is how many colons the ARN of a version has, one more than a machine's.
const versionColons = 7

func removeVersion(c *call, arn string) error {
	return c.do(sfn, "DeleteStateMachineVersion", map[string]any{"stateMachineVersionArn": arn}, nil)
}

func listVersions(c *call, parent string) (arns []string, err error) {
	list, err := all[struct{ StateMachineVersionArn string }](c, "ListStateMachineVersions", map[string]any{"stateMachineArn": parent}, "stateMachineVersions")
	for _, v := range list {
		arns = append(arns, v.StateMachineVersionArn)
	}
	return arns, err
}

// createAlias makes an alias. One that is deployed leads to its version at once, as there
// is none before it. CloudFormation refuses a name that is taken, where the service takes
// the same alias again.
func createAlias(c *call, m model) (string, error) {
	p, err := preferenceOf(m)
	if err != nil {
		return "", err
	}
	to := toAPI(m["RoutingConfiguration"])
	if p != nil {
		if err := p.check(); err != nil {
			return "", err
		}
		to = p.routes("", 100)
	}
	taken := fail("StateMachineAliasAlreadyExists", "StateMachineAliasAlreadyExists")
	if err := c.first(taken, func() (bool, error) { return led(c, to, m.text1("Name")) }); err != nil {
		return "", err
	}
	in := map[string]any{"name": m["Name"], "routingConfiguration": to}
	if v := m["Description"]; v != nil {
		in["description"] = v
	}
	var out struct{ StateMachineAliasArn string }
	err = c.do(sfn, "CreateStateMachineAlias", in, &out)
	return out.StateMachineAliasArn, err
}

// led tells whether there is an alias of a name that leads to one of the machines of routes.
func led(c *call, to any, name string) (bool, error) {
	for _, r := range routesOf(to) {
		machine := r.Version[:max(0, strings.LastIndexByte(r.Version, ':'))]
		_, err := readAlias(c, machine+":"+name)
		if err != nil && codeOf(err) == types.HandlerErrorCodeInvalidRequest {
			continue // the creation words what is no ARN
		}
		if is, err := found(err); is || err != nil {
			return is, err
		}
	}
	return false, nil
}

func readAlias(c *call, arn string) (model, error) {
	var x struct {
		StateMachineAliasArn, Name, Description string
		RoutingConfiguration                    []any
	}
	if err := c.do(sfn, "DescribeStateMachineAlias", map[string]any{"stateMachineAliasArn": arn}, &x); err != nil {
		return nil, err
	}
	m := model{"Arn": x.StateMachineAliasArn, "Name": x.Name, "RoutingConfiguration": ofAPI(x.RoutingConfiguration), "StateMachineArn": strings.TrimSuffix(arn, ":"+x.Name)}
	if x.Description != "" {
		m["Description"] = x.Description
	}
	return m, nil
}

func updateAlias(c *call, arn string, was, now model) error {
	a := &alias{c, arn, now.text1("Description")}
	p, err := preferenceOf(now)
	switch {
	case err != nil:
		return err
	case p == nil:
		return a.set(toAPI(now["RoutingConfiguration"]))
	}
	return a.deploy(p, was)
}

func removeAlias(c *call, arn string) error {
	return c.do(sfn, "DeleteStateMachineAlias", map[string]any{"stateMachineAliasArn": arn}, nil)
}

func listAliases(c *call, parent string) (arns []string, err error) {
	list, err := all[struct{ StateMachineAliasArn string }](c, "ListStateMachineAliases", map[string]any{"stateMachineArn": parent}, "stateMachineAliases")
	for _, a := range list {
		arns = append(arns, a.StateMachineAliasArn)
	}
	return arns, err
}
