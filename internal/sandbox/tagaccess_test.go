package sandbox

import (
	"encoding/json"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// tagging is how a service's resources are made with tags, and read.
type tagging struct {
	service, create, read string
	// made is what makes the resource of a name, seen what reads it; given is the answer
	// to what made it. tags is where made has them.
	made  func(name string) map[string]any
	tags  func(map[string]string) any
	given func(name string, out map[string]any) map[string]any
}

func listed(key, value string) func(map[string]string) any {
	return func(tags map[string]string) any {
		list := []any{}
		for k, v := range tags {
			list = append(list, map[string]any{key: k, value: v})
		}
		return list
	}
}

func mapped(tags map[string]string) any { return tags }

func by(member string) func(string, map[string]any) map[string]any {
	return func(name string, _ map[string]any) map[string]any { return map[string]any{member: name} }
}

const anyTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"states.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

var taggings = []tagging{
	{
		"cloudwatchlogs", "CreateLogGroup", "PutRetentionPolicy", func(n string) map[string]any { return map[string]any{"logGroupName": n} }, mapped,
		func(n string, _ map[string]any) map[string]any {
			return map[string]any{"logGroupName": n, "retentionInDays": 7}
		},
	},
	{"eventbridge", "PutRule", "DescribeRule", func(n string) map[string]any {
		return map[string]any{"Name": n, "EventPattern": `{"source":["mine"]}`}
	}, listed("Key", "Value"), by("Name")},
	{"cloudwatch", "PutMetricAlarm", "ListTagsForResource", func(n string) map[string]any {
		return map[string]any{
			"AlarmName": n, "Namespace": "n", "MetricName": "m", "Threshold": 1, "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1,
			"ComparisonOperator": "GreaterThanThreshold",
		}
	}, listed("Key", "Value"), func(n string, _ map[string]any) map[string]any {
		return map[string]any{"ResourceARN": "arn:aws:cloudwatch:us-east-1:" + Account + ":alarm:" + n}
	}},
	{"secretsmanager", "CreateSecret", "DescribeSecret", func(n string) map[string]any {
		return map[string]any{"Name": n, "SecretString": "s", "ClientRequestToken": "00000000-0000-0000-0000-000000000000"}
	}, listed("Key", "Value"), by("SecretId")},
	{"ssm", "PutParameter", "GetParameter", func(n string) map[string]any {
		return map[string]any{"Name": n, "Value": "v", "Type": "String"}
	}, listed("Key", "Value"), by("Name")},
	{"kms", "CreateKey", "DescribeKey", func(string) map[string]any { return map[string]any{} }, listed("TagKey", "TagValue"), func(_ string, out map[string]any) map[string]any {
		m, _ := out["KeyMetadata"].(map[string]any)
		return map[string]any{"KeyId": m["KeyId"]}
	}},
	{"sqs", "CreateQueue", "GetQueueAttributes", func(n string) map[string]any { return map[string]any{"QueueName": n} }, mapped, func(_ string, out map[string]any) map[string]any {
		return map[string]any{"QueueUrl": out["QueueUrl"]}
	}},
	{
		"sns", "CreateTopic", "GetTopicAttributes", func(n string) map[string]any { return map[string]any{"Name": n} }, listed("Key", "Value"),
		func(_ string, out map[string]any) map[string]any {
			return map[string]any{"TopicArn": out["TopicArn"]}
		},
	},
	{"scheduler", "CreateScheduleGroup", "GetScheduleGroup", func(n string) map[string]any { return map[string]any{"Name": n} }, listed("Key", "Value"), by("Name")},
	{"iam", "CreateRole", "GetRole", func(n string) map[string]any {
		return map[string]any{"RoleName": n, "AssumeRolePolicyDocument": anyTrust}
	}, listed("Key", "Value"), by("RoleName")},
	{
		"sfn", "CreateActivity", "DescribeActivity", func(n string) map[string]any { return map[string]any{"name": n} }, listed("key", "value"),
		func(_ string, out map[string]any) map[string]any {
			return map[string]any{"activityArn": out["activityArn"]}
		},
	},
}

// Tags decide in all services alike: those of the resource and those of the request.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_tags.html
func TestTagsDecide(t *testing.T) {
	t.Parallel()
	keys := wire.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}
	s, err := build(ServeOptions{Dir: t.TempDir(), Account: Account, Region: Region, Clock: clock.Real{}, Log: slog.New(slog.DiscardHandler)}, keys, "http://127.0.0.1:1")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.close()) })
	home := wire.ScopeOf(Account, Region)
	call := func(p wire.Principal, service, operation string, doc map[string]any) (map[string]any, error) {
		in, err := json.Marshal(doc)
		require.NoError(t, err)
		raw, err := s.router.Invoke(t.Context(), home, p, service, operation, in)
		if err != nil {
			return nil, err
		}
		var out map[string]any
		return out, json.Unmarshal(raw, &out)
	}
	admin := wire.Principal{Account: Account, ARN: home.GlobalARN("iam", "user/sandbox"), Admin: true}
	role := func(name, condition string) wire.Principal {
		_, err := call(admin, "iam", "CreateRole", map[string]any{"RoleName": name, "AssumeRolePolicyDocument": anyTrust})
		require.NoError(t, err)
		_, err = call(admin, "iam", "PutRolePolicy", map[string]any{
			"RoleName": name, "PolicyName": "p",
			"PolicyDocument": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":` + condition + `}]}`,
		})
		require.NoError(t, err)
		return wire.Principal{Account: Account, ARN: home.GlobalARN("sts", "assumed-role/"+name+"/s"), Role: name, RoleARN: home.GlobalARN("iam", "role/"+name)}
	}
	reader := role("reader", `{"StringEquals":{"aws:ResourceTag/team":"ml"}}`)
	maker := role("maker", `{"StringEquals":{"aws:RequestTag/team":"ml"},"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}`)
	for _, x := range taggings {
		t.Run(x.service, func(t *testing.T) {
			doc := func(name string, tags map[string]string) map[string]any {
				out := x.made(name)
				if len(tags) > 0 {
					out["Tags"] = x.tags(tags)
				}
				return out
			}
			ours, err := call(admin, x.service, x.create, doc("ours", map[string]string{"team": "ml"}))
			require.NoError(t, err)
			theirs, err := call(admin, x.service, x.create, doc("theirs", map[string]string{"team": "web"}))
			require.NoError(t, err)
			_, err = call(reader, x.service, x.read, x.given("ours", ours))
			require.NoError(t, err)
			_, err = call(reader, x.service, x.read, x.given("theirs", theirs))
			requireDenied(t, err)

			_, err = call(maker, x.service, x.create, doc("made", map[string]string{"team": "ml"}))
			require.NoError(t, err)
			for _, tags := range []map[string]string{nil, {"team": "web"}, {"team": "ml", "cost": "1"}} {
				_, err = call(maker, x.service, x.create, doc("not-made", tags))
				requireDenied(t, err)
			}
		})
	}
}

func requireDenied(t *testing.T, err error) {
	t.Helper()
	var e *wire.Error
	require.True(t, errors.As(err, &e), "%v", err)
	require.Contains(t, []string{"AccessDenied", "AccessDeniedException", "AuthorizationError"}, e.Code, e.Message)
}
