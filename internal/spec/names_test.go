package spec_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

func pipeline(tenant, model, env, region string) *spec.Pipeline {
	return &spec.Pipeline{ID: spec.ID{Tenant: tenant, Model: model, Env: env}, Region: region}
}

func TestNames(t *testing.T) {
	t.Parallel()
	n := pipeline("acme", "churn", "dev", "us-east-1").Names("123456789012")
	for got, want := range map[string]string{
		n.Base:                 "ptui-acme-churn-dev",
		n.Endpoint:             "ptui-acme-churn-dev-ep",
		n.SageMakerRole:        "ptui-acme-churn-dev-sagemaker",
		n.StatesLogs:           "/aws/vendedlogs/states/ptui-acme-churn-dev",
		n.FunctionLogs:         "/aws/lambda/ptui-acme-churn-dev-pre",
		n.KeyAlias:             "alias/ptui-acme-churn-dev",
		n.BucketARN:            "arn:aws:s3:::" + n.Bucket,
		n.StateMachineAliasARN: "arn:aws:states:us-east-1:123456789012:stateMachine:ptui-acme-churn-dev:live",
		n.FunctionAliasARN:     "arn:aws:lambda:us-east-1:123456789012:function:ptui-acme-churn-dev-pre:live",
		n.EndpointARN:          "arn:aws:sagemaker:us-east-1:123456789012:endpoint/ptui-acme-churn-dev-ep",
		n.StatesRoleARN:        "arn:aws:iam::123456789012:role/pipelinetui/ptui-acme-churn-dev-states",
		n.DeadLettersARN:       "arn:aws:sqs:us-east-1:123456789012:ptui-acme-churn-dev-dlq",
		n.StatusRuleARN:        "arn:aws:events:us-east-1:123456789012:rule/ptui-acme-churn-dev-status",
		n.FunctionLogsARN:      "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/ptui-acme-churn-dev-pre",
	} {
		require.Equal(t, want, got)
	}
	require.Regexp(t, `^ptui-acme-churn-dev-[0-9a-f]{8}$`, n.Bucket)
}

// TestBucketNamesDiffer: bucket names are global, so each account and region
// needs its own.
func TestBucketNamesDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, account := range []string{"000000000000", "123456789012"} {
		for _, region := range []string{"us-east-1", "eu-west-1"} {
			seen[pipeline("a", "b", "dev", region).Names(account).Bucket] = true
		}
	}
	require.Len(t, seen, 4)
}

// TestLongestNames holds the names of the longest ID against AWS's limits, each
// written down here anew.
func TestLongestNames(t *testing.T) {
	t.Parallel()
	p := pipeline(strings.Repeat("t", 16), strings.Repeat("m", 20), strings.Repeat("e", 8), "us-gov-west-1")
	require.NoError(t, p.Validate())
	n := p.Names("123456789012")
	for name, rule := range map[string]string{
		p.StackName():   `^[A-Za-z0-9_.-]{1,100}$`,
		n.Bucket:        `^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`,
		n.Endpoint:      `^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$`,
		n.StateMachine:  `^[0-9A-Za-z_-]{1,80}$`,
		n.StatesRole:    `^[\w+=,.@-]{1,64}$`,
		n.LambdaRole:    `^[\w+=,.@-]{1,64}$`,
		n.SageMakerRole: `^[\w+=,.@-]{1,64}$`,
		n.Function:      `^[a-zA-Z0-9_-]{1,64}$`,
		n.DeadLetters:   `^[A-Za-z0-9_-]{1,80}$`,
		n.StatusRule:    `^[.\-_A-Za-z0-9]{1,64}$`,
		n.KeyAlias:      `^alias/[a-zA-Z0-9/_-]{1,250}$`,
		n.FunctionLogs:  `^[.\-_/#A-Za-z0-9]{1,512}$`,
		n.StatesLogs:    `^[.\-_/#A-Za-z0-9]{1,512}$`,
	} {
		require.Regexp(t, regexp.MustCompile(rule), name)
	}
	require.Len(t, n.SageMakerRole, 61)
	v := reflect.ValueOf(n)
	for i := range v.NumField() {
		require.NotEmpty(t, v.Field(i).String(), v.Type().Field(i).Name)
		if strings.HasSuffix(v.Type().Field(i).Name, "ARN") {
			require.True(t, strings.HasPrefix(v.Field(i).String(), "arn:aws-us-gov:"), v.Type().Field(i).Name)
		}
	}
}

// TestClaims: what two pipelines need alike on AWS is found, whichever family it
// is in, and only where both are in the same place.
func TestClaims(t *testing.T) {
	t.Parallel()
	first := pipeline("a-b", "c", "dev", "us-east-1")
	for name, tc := range map[string]struct {
		other   *spec.Pipeline
		account string
		want    string
	}{
		"hyphen moved":      {pipeline("a", "b-c", "dev", "us-east-1"), "111122223333", "S3 bucket ptui-a-b-c-dev-"},
		"roles are global":  {pipeline("a", "b-c", "dev", "eu-west-1"), "111122223333", "IAM role ptui-a-b-c-dev-"},
		"other account":     {pipeline("a", "b-c", "dev", "us-east-1"), "444455556666", ""},
		"other env":         {pipeline("a", "b-c", "prod", "us-east-1"), "111122223333", ""},
		"the same again":    {pipeline("a-b", "c", "dev", "us-east-1"), "111122223333", ""},
		"the same, env":     {pipeline("a-b", "c", "", "us-east-1"), "111122223333", ""},
		"a suffix as env":   {pipeline("a-b", "c-dev", "ep", "us-east-1"), "111122223333", ""},
		"a suffix in model": {pipeline("a-b", "c-dev-m", "dev", "us-east-1"), "111122223333", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c spec.Claims
			require.Nil(t, c.Add(first, "111122223333"))
			err := c.Add(tc.other, tc.account)
			if tc.want == "" {
				require.Nil(t, err)
				return
			}
			require.ErrorIs(t, err, fault.Invalid)
			require.ErrorContains(t, err, "a-b/c and a/b-c have the same names on AWS: both need the "+tc.want)
			require.NotEmpty(t, err.Hint)
		})
	}
}

// TestNamesAreUnique: no two bases give the same name in any family, whatever
// suffix looks like the end of another base.
func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	tenants := []string{"a", "a-b", "a-b-c", "ptui"}
	models := []string{"b", "b-c", "c", "m-dev", "c-dev", "dev-ep"}
	envs := []string{"dev", "ep", "pre", "inv", "dlq", "states", "lambda", "invoker", "status", "failed", "tt", "m", "c"}
	var claims spec.Claims
	bases := map[string]spec.ID{}
	for _, tenant := range tenants {
		for _, model := range models {
			for _, env := range envs {
				p := pipeline(tenant, model, env, "us-east-1")
				other, same := bases[p.BaseName()]
				err := claims.Add(p, "111122223333")
				require.Equal(t, same, err != nil, "%s and %s", p.ID, other)
				if same {
					require.True(t, p.MayClash() && other.MayClash())
					continue
				}
				bases[p.BaseName()] = p.ID
			}
		}
	}
}

func TestPartition(t *testing.T) {
	t.Parallel()
	for region, want := range map[string][2]string{
		"us-east-1":      {"aws", "amazonaws.com"},
		"ap-southeast-5": {"aws", "amazonaws.com"},
		"mx-central-1":   {"aws", "amazonaws.com"},
		"cn-north-1":     {"aws-cn", "amazonaws.com.cn"},
		"us-gov-east-1":  {"aws-us-gov", "amazonaws.com"},
		"us-iso-east-1":  {"aws-iso", "c2s.ic.gov"},
		"us-isob-east-1": {"aws-iso-b", "sc2s.sgov.gov"},
		"eusc-de-east-1": {"aws-eusc", "amazonaws.eu"},
		"":               {},
		"us-east":        {},
		"US-EAST-1":      {},
		"us-east-1a":     {},
		"xx-east-1":      {},
	} {
		id, suffix := spec.Partition(region)
		require.Equal(t, want, [2]string{id, suffix}, region)
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	p := pipeline("acme", "iris", "prod", "us-east-1")
	p.Template, p.TemplateVersion, p.Tags = "realtime", "1", map[string]string{"team": "ml"}
	require.Equal(t, map[string]string{
		"team":                         "ml",
		"pipelinetui:tenant":           "acme",
		"pipelinetui:model":            "iris",
		"pipelinetui:env":              "prod",
		"pipelinetui:template":         "realtime",
		"pipelinetui:template-version": "1",
		"pipelinetui:stack":            "acme.iris.prod",
		"pipelinetui:managed":          "true",
	}, p.AllTags())
	require.Len(t, p.Tags, 1, "AllTags must not change the user's tags")
}
