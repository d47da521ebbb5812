package policy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

var (
	now     = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	session = wire.Principal{
		Account: "123456789012", ARN: "arn:aws:sts::123456789012:assumed-role/r/s", UserID: "AROAX:s", Role: "r", RoleARN: "arn:aws:iam::123456789012:role/p/r",
	}
	user    = wire.Principal{Account: "123456789012", ARN: "arn:aws:iam::123456789012:user/anne", UserID: "AIDAX"}
	service = wire.Principal{Service: "events.amazonaws.com"}
)

func parse(t *testing.T, text string, kind policy.Kind) *policy.Document {
	t.Helper()
	doc, err := policy.Parse(text, kind)
	require.NoError(t, err)
	return doc
}

func TestActionsAndResources(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, statement, action, resource string
		want                              policy.Decision
	}{
		{"exact", `"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/k"`, "s3:GetObject", "arn:aws:s3:::b/k", policy.Allow},
		{"action case", `"Action":"S3:getobject","Resource":"*"`, "s3:GetObject", "arn:aws:s3:::b/k", policy.Allow},
		{"action wildcard", `"Action":"s3:Get*","Resource":"*"`, "s3:GetObjectTagging", "arn:aws:s3:::b/k", policy.Allow},
		{"action question mark", `"Action":"s3:?etObject","Resource":"*"`, "s3:GetObject", "*", policy.Allow},
		{"other service", `"Action":"s3:*","Resource":"*"`, "s3express:CreateSession", "*", policy.None},
		{"all actions", `"Action":"*","Resource":"*"`, "kms:Decrypt", "*", policy.Allow},
		{"not action", `"NotAction":"s3:*","Resource":"*"`, "sqs:SendMessage", "*", policy.Allow},
		{"not action hit", `"NotAction":"s3:*","Resource":"*"`, "s3:GetObject", "*", policy.None},
		{"resource case matters", `"Action":"s3:*","Resource":"arn:aws:s3:::B/*"`, "s3:GetObject", "arn:aws:s3:::b/k", policy.None},
		{"resource wildcard", `"Action":"s3:*","Resource":["arn:aws:s3:::a/*","arn:aws:s3:::b/in/*"]`, "s3:GetObject", "arn:aws:s3:::b/in/x/y", policy.Allow},
		{"bucket is not its objects", `"Action":"s3:*","Resource":"arn:aws:s3:::b"`, "s3:GetObject", "arn:aws:s3:::b/k", policy.None},
		{
			"prefix", `"Action":"states:*","Resource":"arn:aws:states:us-east-1:123456789012:stateMachine:ptui-*"`, "states:StartExecution",
			"arn:aws:states:us-east-1:123456789012:stateMachine:ptui-a:3", policy.Allow,
		},
		{"wildcard stays in its part", `"Action":"sqs:*","Resource":"arn:aws:sqs:*:123456789012:q"`, "sqs:SendMessage", "arn:aws:sqs:us-east-1:999999999999:123456789012:q", policy.None},
		{"region wildcard", `"Action":"sqs:*","Resource":"arn:aws:sqs:*:123456789012:q"`, "sqs:SendMessage", "arn:aws:sqs:eu-west-1:123456789012:q", policy.Allow},
		{"short ARN", `"Action":"sqs:*","Resource":"arn:aws:sqs"`, "sqs:SendMessage", "arn:aws:sqs:eu-west-1:123456789012:q", policy.Allow},
		{"no resource needs a star", `"Action":"s3:*","Resource":"arn:aws:s3:::*"`, "s3:ListAllMyBuckets", "*", policy.None},
		{"not resource", `"Action":"s3:*","NotResource":"arn:aws:s3:::b/*"`, "s3:GetObject", "arn:aws:s3:::c/k", policy.Allow},
		{"not resource hit", `"Action":"s3:*","NotResource":"arn:aws:s3:::b/*"`, "s3:GetObject", "arn:aws:s3:::b/k", policy.None},
		{"variable", `"Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}/*"`, "s3:GetObject", "arn:aws:s3:::b/anne/k", policy.Allow},
		{"variable of somebody else", `"Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}/*"`, "s3:GetObject", "arn:aws:s3:::b/bob/k", policy.None},
		{"unknown variable", `"Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:nothing}*"`, "s3:GetObject", "arn:aws:s3:::b/", policy.None},
		{"default of a variable", `"Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:nothing, 'all'}/*"`, "s3:GetObject", "arn:aws:s3:::b/all/k", policy.Allow},
		{"literal star", `"Action":"s3:*","Resource":"arn:aws:s3:::b/${*}"`, "s3:GetObject", "arn:aws:s3:::b/x", policy.None},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			doc := parse(t, `{"Version":"2012-10-17","Statement":{"Effect":"Allow",`+tc.statement+`}}`, policy.Identity)
			require.Equal(t, tc.want, policy.Evaluate([]*policy.Document{doc}, policy.NewRequest(user, tc.action, tc.resource, nil, now)))
		})
	}
}

func TestDenyWins(t *testing.T) {
	t.Parallel()
	allowAll := parse(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`, policy.Identity)
	denyOne := parse(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"},{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`, policy.Identity)
	req := policy.NewRequest(user, "s3:GetObject", "arn:aws:s3:::b/k", nil, now)
	require.Equal(t, policy.Deny, policy.Evaluate([]*policy.Document{allowAll, denyOne}, req))
	require.Equal(t, policy.Deny, policy.Evaluate([]*policy.Document{denyOne, allowAll}, req))
	require.Equal(t, policy.None, policy.Evaluate(nil, req))
}

func TestConditions(t *testing.T) {
	t.Parallel()
	keys := map[string][]string{
		"s3:prefix": {"in/a"}, "aws:SourceIp": {"127.0.0.1"}, "s3:max-keys": {"10"}, "aws:SecureTransport": {"false"},
		"aws:TagKeys": {"a", "b"}, "aws:SourceArn": {"arn:aws:events:us-east-1:123456789012:rule/x"}, "x:empty": {},
	}
	for _, tc := range []struct {
		condition string
		want      bool
	}{
		{`{"StringEquals":{"s3:prefix":"in/a"}}`, true},
		{`{"StringEquals":{"S3:Prefix":["x","in/a"]}}`, true},
		{`{"StringEquals":{"s3:prefix":"in/A"}}`, false},
		{`{"StringEqualsIgnoreCase":{"s3:prefix":"IN/A"}}`, true},
		{`{"StringNotEquals":{"s3:prefix":["in/a","b"]}}`, false},
		{`{"StringNotEquals":{"s3:prefix":"b"}}`, true},
		{`{"StringLike":{"s3:prefix":["in/*","in"]}}`, true},
		{`{"StringLike":{"s3:prefix":"i?/b"}}`, false},
		{`{"StringNotLike":{"s3:prefix":"in/*"}}`, false},
		{`{"StringEquals":{"s3:none":"x"}}`, false},
		{`{"StringNotEquals":{"s3:none":"x"}}`, true},
		{`{"StringEqualsIfExists":{"s3:none":"x"}}`, true},
		{`{"StringEqualsIfExists":{"s3:prefix":"x"}}`, false},
		{`{"Null":{"s3:none":"true"}}`, true},
		{`{"Null":{"s3:prefix":"true"}}`, false},
		{`{"Null":{"s3:prefix":"false"}}`, true},
		{`{"Null":{"x:empty":"true"}}`, true},
		{`{"Bool":{"aws:SecureTransport":"false"}}`, true},
		{`{"Bool":{"aws:SecureTransport":true}}`, false},
		{`{"NumericLessThan":{"s3:max-keys":"11"}}`, true},
		{`{"NumericLessThanEquals":{"s3:max-keys":10}}`, true},
		{`{"NumericGreaterThan":{"s3:max-keys":"10"}}`, false},
		{`{"NumericEquals":{"s3:max-keys":"10.0"}}`, true},
		{`{"NumericNotEquals":{"s3:max-keys":"10"}}`, false},
		{`{"NumericLessThan":{"s3:TlsVersion":"1.2"}}`, false},
		{`{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}}`, true},
		{`{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","::1"]}}`, false},
		{`{"NotIpAddress":{"aws:SourceIp":"127.0.0.1"}}`, false},
		{`{"DateLessThan":{"aws:CurrentTime":"2026-11-22T10:00:01Z"}}`, true},
		{`{"DateGreaterThan":{"aws:CurrentTime":"2026-11-22"}}`, true},
		{`{"DateLessThan":{"aws:EpochTime":"2026-11-22T09:00:00Z"}}`, false},
		{`{"ArnLike":{"aws:SourceArn":"arn:aws:events:*:123456789012:rule/*"}}`, true},
		{`{"ArnLike":{"aws:SourceArn":"*"}}`, true},
		{`{"ArnEquals":{"aws:SourceArn":"arn:aws:events:us-east-1:123456789012:rule/y"}}`, false},
		{`{"ArnNotLike":{"aws:SourceArn":"arn:aws:sns:*"}}`, true},
		{`{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b","c"]}}`, true},
		{`{"ForAllValues:StringEquals":{"aws:TagKeys":["a"]}}`, false},
		{`{"ForAllValues:StringEquals":{"aws:none":["a"]}}`, true},
		{`{"ForAnyValue:StringEquals":{"aws:TagKeys":["b"]}}`, true},
		{`{"ForAnyValue:StringEquals":{"aws:none":["b"]}}`, false},
		{`{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["b"]}}`, true},
		{`{"StringEquals":{"aws:PrincipalAccount":"123456789012","aws:ResourceAccount":"123456789012"}}`, true},
		{`{"StringEquals":{"aws:PrincipalAccount":"123456789012","s3:prefix":"no"}}`, false},
		{`{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/p/r"}}`, true},
		{`{"StringEquals":{"s3:prefix":"in/${aws:TagKeys}"}}`, false}, // several values: no value
		{`{"StringNotEquals":{"aws:PrincipalAccount":"123456789012"},"BoolIfExists":{"aws:PrincipalIsAWSService":"false"}}`, false},
	} {
		t.Run(tc.condition, func(t *testing.T) {
			t.Parallel()
			doc := parse(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":`+tc.condition+`}]}`, policy.Identity)
			got := policy.Evaluate([]*policy.Document{doc}, policy.NewRequest(session, "s3:ListBucket", "arn:aws:s3:::b", keys, now))
			require.Equal(t, tc.want, got == policy.Allow)
		})
	}
}

func TestGrant(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		principal string
		who       wire.Principal
		want      policy.Grant
	}{
		{`"Principal":"*"`, session, policy.Grant{Decision: policy.Allow}},
		{`"Principal":{"AWS":"*"}`, service, policy.Grant{Decision: policy.Allow}},
		{`"Principal":{"AWS":"arn:aws:iam::123456789012:root"}`, session, policy.Grant{Delegated: true}},
		{`"Principal":{"AWS":["123456789012"]}`, user, policy.Grant{Delegated: true}},
		{`"Principal":{"AWS":"123456789012"}`, service, policy.Grant{}},
		{`"Principal":{"AWS":"999999999999"}`, user, policy.Grant{}},
		{`"Principal":{"AWS":"arn:aws:iam::123456789012:role/p/r"}`, session, policy.Grant{Decision: policy.Allow, Role: true}},
		{`"Principal":{"AWS":"arn:aws:sts::123456789012:assumed-role/r/s"}`, session, policy.Grant{Decision: policy.Allow}},
		{`"Principal":{"AWS":"arn:aws:sts::123456789012:assumed-role/r/other"}`, session, policy.Grant{}},
		{`"Principal":{"AWS":"arn:aws:iam::123456789012:user/anne"}`, user, policy.Grant{Decision: policy.Allow}},
		{`"Principal":{"Service":["sns.amazonaws.com","events.amazonaws.com"]}`, service, policy.Grant{Decision: policy.Allow}},
		{`"Principal":{"Service":"sns.amazonaws.com"}`, service, policy.Grant{}},
		{`"Principal":{"Service":"events.amazonaws.com"}`, session, policy.Grant{}},
		{`"NotPrincipal":{"AWS":"arn:aws:iam::123456789012:user/anne"}`, session, policy.Grant{Decision: policy.Allow}},
		{`"NotPrincipal":{"AWS":"arn:aws:iam::123456789012:user/anne"}`, user, policy.Grant{}},
	} {
		t.Run(tc.principal, func(t *testing.T) {
			t.Parallel()
			doc := parse(t, `{"Statement":[{"Effect":"Allow",`+tc.principal+`,"Action":"sqs:SendMessage","Resource":"*"}]}`, policy.Resource)
			require.Equal(t, tc.want, doc.Grant(policy.NewRequest(tc.who, "sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:q", nil, now)))
		})
	}
	deny := parse(t, `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"},
		{"Effect":"Deny","Principal":{"AWS":"123456789012"},"Action":"sqs:*","Resource":"*"}]}`, policy.Resource)
	require.Equal(t, policy.Grant{Decision: policy.Deny}, deny.Grant(policy.NewRequest(user, "sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:q", nil, now)))
	require.Equal(t, policy.Allow, deny.Grant(policy.NewRequest(service, "sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:q", nil, now)).Decision)
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const head = `{"Version":"2012-10-17","Statement":[`
	for _, tc := range []struct {
		name, text string
		kind       policy.Kind
		want       string
	}{
		{"empty", ``, policy.Identity, "Syntax errors in policy."},
		{"text after", head + `{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}}`, policy.Identity, "Syntax errors in policy."},
		{"no statement", `{"Version":"2012-10-17"}`, policy.Identity, "Syntax errors in policy."},
		{"version", `{"Version":"2012-10-18","Statement":[]}`, policy.Identity, "Syntax errors in policy."},
		{"version of a resource's", `{"Version":"2012-10-18","Statement":[]}`, policy.Resource, "valid version string"},
		{"id", `{"Version":"2012-10-17","Id":{},"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`, policy.Identity, "Syntax errors in policy."},
		{"sid of another type", head + `{"Sid":[],"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`, policy.Identity, "Syntax errors in policy."},
		{"two actions", head + `{"Effect":"Allow","Action":"s3:*","NotAction":[],"Resource":"*"}]}`, policy.Identity, "Syntax errors in policy."},
		{"another effect", head + `{"Effect":"Maybe","Action":"s3:*","Resource":"*"}]}`, policy.Identity, "Syntax errors in policy."},
		{"short ARN", head + `{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3::bucket"}]}`, policy.Identity, "The policy failed legacy parsing"},
		{"no service", head + `{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws::::bucket"}]}`, policy.Identity, "The policy failed legacy parsing"},
		{
			"no arn before it", head + `{"Effect":"Allow","Action":"s3:*","Resource":"aws:s3:::bucket"}]}`, policy.Identity,
			`Partition "s3" is not valid for resource "arn:s3:::bucket:*".`,
		},
		{"old version", `{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`, policy.Identity, "must be version 2012-10-17 or greater"},
		{"unknown element", head + `{"Effect":"Allow","Action":"s3:*","Resource":"*","Resources":"*"}]}`, policy.Identity, "Syntax errors in policy."},
		{"element twice", head + `{"Effect":"Allow","Effect":"Deny","Action":"s3:*","Resource":"*"}]}`, policy.Identity, "Syntax errors in policy."},
		{"effect", head + `{"Effect":"allow","Action":"s3:*","Resource":"*"}]}`, policy.Identity, "The policy failed legacy parsing"},
		{
			"sid twice", head + `{"Sid":"a","Effect":"Allow","Action":"s3:*","Resource":"*"},{"Sid":"a","Effect":"Allow","Action":"s3:*","Resource":"*"}]}`,
			policy.Identity, "must be unique",
		},
		{"sid", head + `{"Sid":"a b","Effect":"Allow","Action":"s3:*","Resource":"*"}]}`, policy.Identity, "must be alpha-numeric"},
		{"no vendor", head + `{"Effect":"Allow","Action":"GetObject","Resource":"*"}]}`, policy.Identity, "prefaced by a vendor"},
		{"no ARN", head + `{"Effect":"Allow","Action":"s3:*","Resource":"bucket"}]}`, policy.Identity, `Resource bucket must be in ARN format or "*".`},
		{"two resources", head + `{"Effect":"Allow","Action":"s3:*","Resource":"*","NotResource":"*"}]}`, policy.Identity, "Syntax errors in policy."},
		{"principal", head + `{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}]}`, policy.Identity, "should not specify a principal"},
		{"no principal", head + `{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`, policy.Resource, "Missing required field Principal"},
		{"principal name", head + `{"Effect":"Allow","Principal":{"AWS":"anne"},"Action":"s3:*","Resource":"*"}]}`, policy.Resource, `Invalid principal in policy: "AWS":"anne"`},
		{"trust text", `policy.json`, policy.Trust, "This policy contains invalid Json"},
		{"trust no statement", `{"Version":"2012-10-17"}`, policy.Trust, "Syntax errors in policy."},
		{"trust resource", head + `{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}]}`, policy.Trust, "Has prohibited field Resource"},
		{"operator", head + `{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEqual":{"aws:a":"b"}}}]}`, policy.Identity, "Syntax errors in policy."},
		{"operator of a resource policy", head + `{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*",` +
			`"Condition":{"StringEqual":{"aws:a":"b"}}}]}`, policy.Resource, "Invalid Condition type : StringEqual."},
		{"null if exists", head + `{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"NullIfExists":{"aws:a":"true"}}}]}`, policy.Identity, "Syntax errors in policy."},
		{"number", head + `{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"NumericEquals":{"aws:a":"b"}}}]}`, policy.Identity, "legacy parsing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := policy.Parse(tc.text, tc.kind)
			var m *policy.MalformedError
			require.ErrorAs(t, err, &m)
			require.Contains(t, m.Reason, tc.want)
		})
	}
}

// The policies in testdata are those that pipelines attach.
func TestParsePipelinePolicies(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		kind := policy.Identity
		switch name := filepath.Base(f); {
		case strings.HasPrefix(name, "trust_"):
			kind = policy.Trust
		case strings.Contains(string(text), `"Principal"`):
			kind = policy.Resource
		}
		_, err = policy.Parse(string(text), kind)
		require.NoError(t, err, f)
	}
}
