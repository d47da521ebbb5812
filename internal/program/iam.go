package program

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// role is one of the service roles of a pipeline: each service gets its own, and
// each function, so that none can use the rights of another.
type role string

const (
	statesRole    role = "states"
	lambdaRole    role = "lambda"
	invokerRole   role = "invoker"
	notifierRole  role = "notifier"
	sagemakerRole role = "sagemaker"
)

// rolePolicyName is the name of the one inline policy of each role.
const rolePolicyName = "pipeline"

// keyARN stands in a statement's Resource for the ARN of the pipeline's own
// KMS key, which exists only once the key was made. No ARN can look like it.
const keyARN = "\x00key"

// anything is the Resource of actions that AWS doesn't scope to a resource.
var anything = oneOrMany{"*"}

// policyDocument is an IAM policy. Empty documents are not attached.
type policyDocument struct {
	Version   string
	Statement []statement
}

// statement is one statement of a policy. Sid is unique within a document.
type statement struct {
	Sid       string
	Effect    string
	Principal *principal `json:",omitempty"`
	Action    oneOrMany
	Resource  oneOrMany                       `json:",omitempty"`
	Condition map[string]map[string]oneOrMany `json:",omitempty"`
}

// principal names who a resource policy or a trust policy is about.
type principal struct {
	AWS     string `json:",omitempty"`
	Service string `json:",omitempty"`
	All     bool   `json:"-"` // everybody: "*"
}

// MarshalJSON writes "*" for everybody and an object for anybody else.
func (p principal) MarshalJSON() ([]byte, error) {
	if p.All {
		return json.Marshal("*")
	}
	type plain principal
	return json.Marshal(plain(p))
}

// oneOrMany is a list that is written as a plain string if it has one element,
// as AWS itself writes policies back.
type oneOrMany []string

// MarshalJSON writes one element as a string, several as a list.
func (l oneOrMany) MarshalJSON() ([]byte, error) {
	if len(l) == 1 {
		return json.Marshal(l[0])
	}
	return json.Marshal([]string(l))
}

// allow is a statement that lets its holder call actions on resources.
func allow(sid string, actions, resources oneOrMany) statement {
	return statement{Sid: sid, Effect: "Allow", Action: actions, Resource: resources}
}

// when adds a condition and returns the statement.
func (s statement) when(operator, key string, values ...string) statement {
	next := make(map[string]map[string]oneOrMany, len(s.Condition)+1)
	for op, keys := range s.Condition {
		next[op] = keys
	}
	keys := map[string]oneOrMany{key: values}
	for k, v := range next[operator] {
		keys[k] = v
	}
	next[operator] = keys
	s.Condition = next
	return s
}

// service is who assumes the role.
func (r role) service() string {
	if r == invokerRole || r == notifierRole {
		r = lambdaRole
	}
	return string(r) + ".amazonaws.com"
}

// document marshals a policy. Nothing in it can fail to marshal; an error would
// be one of this package, so it is returned, never dropped.
func document(statements []statement) (string, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(policyDocument{Version: "2012-10-17", Statement: statements}); err != nil {
		return "", err
	}
	return strings.TrimSuffix(buf.String(), "\n"), nil
}

// withKey returns statements with the real ARN of the key in place of keyARN.
func withKey(statements []statement, arn string) []statement {
	out := make([]statement, len(statements))
	for i, s := range statements {
		resources := make(oneOrMany, len(s.Resource))
		for j, r := range s.Resource {
			if r == keyARN {
				r = arn
			}
			resources[j] = r
		}
		s.Resource = resources
		out[i] = s
	}
	return out
}

// trust is the trust policy of a role: who may assume it, for whose sake.
//
// Lambda sends no source account when it assumes an execution role, as far as
// AWS documents it, so its trust has no condition.
// (AWS: step-functions/latest/dg/procedure-create-iam-role.html,
// sagemaker/latest/dg/security-confused-deputy-prevention.html)
func (p *plan) trust(r role) []statement {
	s := statement{
		Sid: "Trust", Effect: "Allow",
		Principal: &principal{Service: r.service()},
		Action:    oneOrMany{"sts:AssumeRole"},
	}
	switch r {
	case statesRole:
		// The machine itself, its versions and aliases, and the labels of its
		// distributed maps.
		machine := p.names.StateMachineARN
		s = s.when("StringEquals", "aws:SourceAccount", p.env.Account).
			when("ArnLike", "aws:SourceArn", machine, machine+":*", machine+"/*")
	case sagemakerRole:
		s = s.when("StringEquals", "aws:SourceAccount", p.env.Account).
			when("ArnLike", "aws:SourceArn", p.arn("sagemaker", "*"))
	}
	return []statement{s}
}

// addRole makes a service role and its one inline policy out of what the
// blocks granted. The policy is what others must wait for: a service that
// assumes the role before it has its rights fails.
func (b *build) addRole(r role, name string) (*iam.Role, *iam.RolePolicy, error) {
	trust, err := document(b.trust(r))
	if err != nil {
		return nil, nil, err
	}
	made, err := iam.NewRole(b.ctx, string(r)+"-role", &iam.RoleArgs{
		Name:                pulumi.String(name),
		Path:                pulumi.String(spec.RolePath),
		Description:         pulumi.String("pipelinetui: " + string(r) + " of " + b.pipe.ID.String()),
		PermissionsBoundary: optional(b.pipe.PermissionsBoundary),
		MaxSessionDuration:  pulumi.Int(3600),
		AssumeRolePolicy:    pulumi.String(trust),
		// What somebody attached since the last update must not hold up its end.
		ForceDetachPolicies: pulumi.Bool(true),
		Tags:                b.tags(),
	})
	if err != nil {
		return nil, nil, err
	}
	text, err := b.policyText(b.grants[r])
	if err != nil {
		return nil, nil, err
	}
	policy, err := iam.NewRolePolicy(b.ctx, string(r)+"-policy", &iam.RolePolicyArgs{
		Name:   pulumi.String(rolePolicyName),
		Role:   made.Name,
		Policy: text,
	})
	if err != nil {
		return nil, nil, err
	}
	if err := b.addExclusion(r, made, policy); err != nil {
		return nil, nil, err
	}
	return made, policy, nil
}

// addExclusion makes sure that a role has the one policy and no other: what somebody
// adds to it is drift, and the next update takes it off again.
func (b *build) addExclusion(r role, made *iam.Role, policy *iam.RolePolicy) error {
	if _, err := iam.NewRolePoliciesExclusive(b.ctx, string(r)+"-policy-only", &iam.RolePoliciesExclusiveArgs{
		RoleName:    made.Name,
		PolicyNames: pulumi.StringArray{policy.Name},
	}); err != nil {
		return err
	}
	_, err := iam.NewRolePolicyAttachmentsExclusive(b.ctx, string(r)+"-no-attachments", &iam.RolePolicyAttachmentsExclusiveArgs{
		RoleName:   made.Name,
		PolicyArns: pulumi.StringArray{},
	})
	return err
}

// policyText is the text of a policy: known at once, unless a statement is
// about the pipeline's key.
func (b *build) policyText(statements []statement) (pulumi.StringInput, error) {
	if b.key == nil {
		text, err := document(statements)
		return pulumi.String(text), err
	}
	return b.key.Arn.ApplyT(func(arn string) (string, error) {
		return document(withKey(statements, arn))
	}).(pulumi.StringOutput), nil
}

// optional is nil for "" and the value for anything else.
func optional(s string) pulumi.StringPtrInput {
	if s == "" {
		return nil
	}
	return pulumi.StringPtr(s)
}
