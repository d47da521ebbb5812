package app

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/preflight"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	sandboxkms "github.com/pipelinetui/pipelinetui/internal/sandbox/kms"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// Of every kind with a name of ours it is asked who has the name, but for what is there only
// where something else is.
func TestNamesOfAllKindsAreAskedFor(t *testing.T) {
	t.Parallel()
	within := []string{kinds.RolePolicy, kinds.FunctionAlias, kinds.StateMachineAlias, kinds.EventTarget, kinds.ScalingTarget, kinds.ScalingPolicy}
	for _, k := range kinds.Made() {
		named := k.Lost.How == kinds.ByInputs || k.Lost.How == kinds.ByQueue
		require.Equal(t, named, slices.Contains(namedByUs, k.Type) || slices.Contains(within, k.Type), k.Type)
	}
}

// What the stack has, by whatever logical name, and what was cut off while it was made are its
// own. Of a state that nobody can read nothing is known.
func TestNamesThatAStackDoesNotHave(t *testing.T) {
	t.Parallel()
	planned := []program.Planned{
		{Type: kinds.Role, Name: "lambda", AWSName: "p-lambda"},
		{Type: kinds.RolePolicy, Name: "lambda", AWSName: "p-lambda"},
		{Type: kinds.StateMachine, Name: "machine", AWSName: "p"},
		{Type: kinds.Bucket, Name: "data", AWSName: "p-data"},
		{Type: kinds.Endpoint, Name: "endpoint", AWSName: "p-ep"},
		{Type: kinds.Model, Name: "model"},
		{Type: kinds.Queue, Name: "dlq", AWSName: "p-dlq"},
	}
	names := func(s *stack.State) (out []string) {
		for _, n := range unmade(planned, s) {
			out = append(out, string(n.Code)+" "+n.What+" "+n.Name)
		}
		return out
	}
	require.Empty(t, names(nil))
	require.Equal(t, []string{
		"P520 IAM role p-lambda", "P520 Step Functions state machine p", "P510 S3 bucket p-data", "P500 SageMaker endpoint p-ep", "P520 SQS queue p-dlq",
	}, names(&stack.State{}))
	require.Equal(t, []string{"P520 SQS queue p-dlq"}, names(&stack.State{
		Resources: []stack.Resource{
			{Type: kinds.Role, Name: "lambda", ID: "x"},
			{Type: kinds.StateMachine, Name: "old", ID: "arn:aws:states:us-east-1:1:stateMachine:p"},
			{Type: kinds.Bucket, Name: "other", ID: "p-data"},
			{Type: kinds.Queue, Name: "q", ID: "https://sqs/1/also-p-dlq"},
		},
		Pending: []stack.PendingOperation{{Type: kinds.Endpoint, Name: "endpoint"}},
	}))
	require.Equal(t, "acme/iris", ownerIn(map[string]string{"pipelinetui:stack": "acme.iris.dev"}))
	require.Equal(t, "something", ownerIn(map[string]string{"pipelinetui:stack": "something"}))
	require.Empty(t, ownerIn(nil))
}

// Who may use keys of the pipelines alone, by their tags, sees that there is no alias of a name,
// and of one that is somebody else's that it is there.
func TestAliasesOfKeysByWhoMayDoLittle(t *testing.T) {
	t.Parallel()
	w := iamtest.New(t)
	svc, err := sandboxkms.New(sandboxkms.Config{DB: w.DB, Clock: w.Clock})
	require.NoError(t, err)
	svc.Register(w.Router)
	admin := kms.NewFromConfig(w.Admin())
	for alias, owner := range map[string]string{"alias/mine": "acme.iris.dev", "alias/theirs": "globex.iris.dev"} {
		key, err := admin.CreateKey(t.Context(), &kms.CreateKeyInput{Tags: []kmstypes.Tag{{TagKey: aws.String("pipelinetui:stack"), TagValue: &owner}}})
		require.NoError(t, err)
		_, err = admin.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: key.KeyMetadata.KeyId})
		require.NoError(t, err)
	}
	_, cfg := w.User(t, "deployer", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:ListAliases","kms:ListResourceTags"],"Resource":"*"},
		{"Effect":"Allow","Action":"kms:DescribeKey","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/pipelinetui:stack":"acme.iris.dev"}}}]}`)
	q := askerOf(cfg)
	q.place.Region = iamtest.Region
	var names []preflight.Name
	for _, name := range []string{"alias/none", "alias/mine", "alias/theirs"} {
		names = append(names, preflight.Name{Code: preflight.CodeNames, Type: kinds.KeyAlias, Name: name})
	}
	held, err := q.Held(t.Context(), names)
	require.NoError(t, err)
	require.Equal(t, []preflight.Held{
		{Name: names[1], State: preflight.Present, Owner: "acme/iris"}, {Name: names[2], State: preflight.Present, Untold: true},
	}, held)
}
