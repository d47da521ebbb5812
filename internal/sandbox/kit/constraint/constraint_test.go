package constraint

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func services(t *testing.T) []string {
	t.Helper()
	entries, err := data.ReadDir("data")
	require.NoError(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, strings.TrimSuffix(e.Name(), ".json"))
	}
	require.Greater(t, len(out), 5)
	return out
}

// Patterns that Go's engine cannot hold are few, and each is known.
func TestPatternsCompile(t *testing.T) {
	t.Parallel()
	var refused []string
	for _, s := range services(t) {
		for name, sh := range load(s).Shapes {
			if sh.Pattern == "" {
				continue
			}
			if _, err := translate(sh.Pattern); err != nil {
				refused = append(refused, s+"."+name+": "+err.Error())
			}
		}
	}
	for _, r := range refused {
		assert.Regexp(t, "(\\(\\?[!<=])|invalid repeat count", r, "a pattern that is neither a look-around nor too long")
	}
	// Each of these is held by its service, in Go.
	assert.LessOrEqual(t, len(refused), 12, "%v", refused)
}

func TestEveryShapeIsThere(t *testing.T) {
	t.Parallel()
	for _, s := range services(t) {
		m := load(s)
		for name, sh := range m.Shapes {
			for _, ref := range sh.Members {
				assert.NotNil(t, m.Shapes[ref.shape], "%s.%s.%s", s, name, ref.name)
			}
		}
		for op, in := range m.Operations {
			assert.NotNil(t, m.Shapes[in], "%s.%s", s, op)
		}
	}
}

// The texts are AWS's. Where one was recorded by somebody, the source is named;
// the others follow the same form.
func TestTexts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ service, operation, input, want string }{
		{"cloudwatchlogs", "DescribeLogStreams", `{"logGroupName":"g","orderBy":"sth"}`, // getmoto/moto test_logs.py
			"1 validation error detected: Value 'sth' at 'orderBy' failed to satisfy constraint: Member must satisfy enum value set: [LogStreamName, LastEventTime]"},
		{
			"cloudwatchlogs", "DescribeLogGroups", `{"limit":51}`,
			"1 validation error detected: Value '51' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 50",
		},
		{
			"cloudwatchlogs", "DescribeLogGroups", `{"limit":0}`,
			"1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
		},
		{
			"cloudwatchlogs", "CreateLogGroup", `{}`,
			"1 validation error detected: Value null at 'logGroupName' failed to satisfy constraint: Member must not be null",
		},
		{
			"cloudwatchlogs", "CreateLogGroup", `{"logGroupName":"a b"}`,
			`1 validation error detected: Value 'a b' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+`,
		},
		{"lambda", "PutFunctionEventInvokeConfig", `{"FunctionName":"f","MaximumRetryAttempts":3}`, // localstack's recordings
			"1 validation error detected: Value '3' at 'maximumRetryAttempts' failed to satisfy constraint: Member must have value less than or equal to 2"},
		{"lambda", "UpdateFunctionCode", `{"FunctionName":"f","Architectures":["X86_64"]}`, // localstack's recordings
			"1 validation error detected: Value '[X86_64]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must " +
				"satisfy enum value set: [x86_64, arm64], Member must not be null]"},
		{
			"sagemaker", "AddTags", `{"ResourceArn":"arn:aws:sagemaker:us-east-1:000000000000:endpoint/e","Tags":[{"Key":"","Value":"v"}]}`,
			"1 validation error detected: Value '' at 'tags.1.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1",
		},
		{"kms", "Encrypt", `{"KeyId":"k","Plaintext":""}`, // a secret is not shown
			"1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"sts", "AssumeRole", `{"RoleArn":"arn:aws:iam::000000000000:role/r","RoleSessionName":"ab","DurationSeconds":"100"}`, // the query protocol has texts
			"1 validation error detected: Value '100' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		{
			"cloudwatch", "SetAlarmState", `{"AlarmName":"a","StateReason":"r","StateValue":"BAD"}`,
			"1 validation error detected: Value 'BAD' at 'stateValue' failed to satisfy constraint: Member must satisfy enum value set: [OK, ALARM, INSUFFICIENT_DATA]",
		},
	} {
		err := For(c.service, "ValidationException").Check(c.operation, document(t, c.input))
		if assert.Error(t, err, c.operation) {
			assert.Equal(t, "ValidationException: "+c.want, err.Error())
		}
	}
}

func TestWhatAWSTakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ service, operation, input string }{
		{"cloudwatchlogs", "CreateLogGroup", `{"logGroupName":"/aws/lambda/f"}`},
		{"lambda", "CreateFunction", `{"FunctionName":"f","Runtime":"python3.12","Role":"arn:aws:iam::000000000000:role/r","Code":{"ZipFile":"UEs="},` +
			`"Environment":{"Variables":{"A_B":""}}}`},
		{
			"applicationautoscaling", "RegisterScalableTarget",
			`{"ServiceNamespace":"sagemaker","ResourceId":"endpoint/e/variant/v","ScalableDimension":"sagemaker:variant:DesiredInstanceCount","MinCapacity":1,"MaxCapacity":2}`,
		},
		{"sagemaker", "CreateModel", `{"ModelName":"m","PrimaryContainer":{"Image":"sandbox/linear","ModelDataUrl":"s3://b/k/model.tar.gz",` +
			`"Environment":{"X":"y z\n"}},"ExecutionRoleArn":"arn:aws:iam::000000000000:role/r"}`},
		{"iam", "CreateRole", `{"RoleName":"r","AssumeRolePolicyDocument":"{}"}`},
		{"sts", "GetCallerIdentity", ``},
	} {
		assert.NoError(t, For(c.service, "E").Check(c.operation, document(t, c.input)), c.operation)
	}
}

// A service that words a rule in its own way takes it out.
func TestSkip(t *testing.T) {
	t.Parallel()
	in := document(t, `{"logGroupName":"a b","logGroupClass":"X"}`)
	assert.ErrorContains(t, For("cloudwatchlogs", "E").Check("CreateLogGroup", in), "2 validation errors detected: ")
	assert.ErrorContains(t, For("cloudwatchlogs", "E", "logGroupName:pattern").Check("CreateLogGroup", in), "1 validation error detected: Value 'X'")
	assert.NoError(t, For("cloudwatchlogs", "E", "*:pattern", "logGroupClass").Check("CreateLogGroup", in))
}

func document(t *testing.T, text string) any {
	t.Helper()
	if text == "" {
		return nil
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var doc any
	require.NoError(t, dec.Decode(&doc))
	return doc
}
