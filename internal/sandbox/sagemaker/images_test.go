package sagemaker_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsecr "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	sm "github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/ecr"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const other = "111122223333"

// registry adds ECR to a world, with images of two accounts for machines of x86.
func registry(t *testing.T, w *world, images ...string) {
	t.Helper()
	s, err := ecr.New(ecr.Config{DB: w.db, Clock: w.clock})
	require.NoError(t, err)
	s.Register(w.router)
	w.router.Register(wire.Service{ID: "images", Scope: "images"})
	s.RegisterControl(w.router, "images")
	for _, i := range images {
		doc, err := json.Marshal(ecr.NewImage{Image: i, Architecture: "amd64", Size: 1})
		require.NoError(t, err)
		_, err = w.router.Invoke(t.Context(), wire.ScopeOf(i[:12], region), wire.Principal{Account: i[:12], Admin: true}, "images", ecr.OpAddImage, doc)
		require.NoError(t, err)
	}
}

func (w *world) allow(policy string) {
	w.t.Helper()
	_, err := iam.NewFromConfig(w.around.Admin()).PutRolePolicy(w.t.Context(),
		&iam.PutRolePolicyInput{RoleName: aws.String("endpoint"), PolicyName: aws.String("pull"), PolicyDocument: &policy})
	require.NoError(w.t, err)
}

const pull = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ecr:GetAuthorizationToken","ecr:GetDownloadUrlForLayer",` +
	`"ecr:BatchGetImage","ecr:BatchCheckLayerAvailability"],"Resource":"*"}]}`

// What ECR has not is refused with the model, what the role may not pull and what is for
// other machines ends the endpoint (see images.go for the sources).
func TestImagesOfTheRegistry(t *testing.T) {
	t.Parallel()
	const mine = account + ".dkr.ecr.us-east-1.amazonaws.com/churn:1"
	w := newWorld(t, func(w *world) { w.images[mine[:len(mine)-2]] = "http://127.0.0.1:1" })
	registry(t, w, mine)
	const data = "s3://models/iris/model.tar.gz"
	for _, gone := range []string{mine[:len(mine)-1] + "2", account + ".dkr.ecr.us-east-1.amazonaws.com/nothing:1"} {
		requireCode(t, w.model("iris", gone, data), "ValidationException", "Requested image "+gone+" not found.")
	}
	require.NoError(t, w.model("iris", mine, data))
	require.NoError(t, w.config("c1", nil))
	require.NoError(t, w.endpoint("refused", "c1"))
	out := w.settle("refused")
	require.Equal(t, types.EndpointStatusFailed, out.EndpointStatus)
	require.Equal(t, "The role '"+role+"' does not have BatchGetImage permission for the image: '"+mine+"'.", *out.FailureReason)

	// Without the right to log in those to the layers are of no use.
	w.allow(strings.Replace(pull, `"ecr:GetAuthorizationToken",`, "", 1))
	require.NoError(t, w.endpoint("anonymous", "c1"))
	out = w.settle("anonymous")
	require.Equal(t, types.EndpointStatusFailed, out.EndpointStatus)
	require.Contains(t, *out.FailureReason, "permission for the image")

	w.allow(pull)
	require.NoError(t, w.config("arm", func(in *sm.CreateEndpointConfigInput) {
		in.ProductionVariants[0].InstanceType = types.ProductionVariantInstanceTypeMlC7gLarge
	}))
	require.NoError(t, w.endpoint("strange", "arm"))
	out = w.settle("strange")
	require.Equal(t, types.EndpointStatusFailed, out.EndpointStatus)
	require.Contains(t, *out.FailureReason, "did not pass the ping health check. Please check CloudWatch logs for this endpoint. (exec format error: ")
}

// Another account's repository has to let SageMaker, or the account, pull.
func TestImagesOfOtherAccounts(t *testing.T) {
	t.Parallel()
	const theirs = other + ".dkr.ecr.us-east-1.amazonaws.com/churn:1"
	w := newWorld(t)
	registry(t, w, theirs)
	w.allow(pull)
	make := func() error { return w.model("iris", theirs, "") }
	requireCode(t, make(), "ValidationException", "The repository of your image "+theirs+" does not grant ecr:GetDownloadUrlForLayer, ecr:BatchGetImage, "+
		"ecr:BatchCheckLayerAvailability permission to sagemaker.amazonaws.com service principal.")
	for principal, name := range map[string]string{`{"Service":"sagemaker.amazonaws.com"}`: "service", `{"AWS":"arn:aws:iam::000000000000:root"}`: "account"} {
		doc, err := json.Marshal(awsecr.SetRepositoryPolicyInput{
			RepositoryName: aws.String("churn"),
			PolicyText: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":` + principal +
				`,"Action":["ecr:GetDownloadUrlForLayer","ecr:BatchGetImage","ecr:BatchCheckLayerAvailability"]}]}`),
		})
		require.NoError(t, err)
		_, err = w.router.Invoke(t.Context(), wire.ScopeOf(other, region), wire.Principal{Account: other, Admin: true}, "ecr", "SetRepositoryPolicy", doc)
		require.NoError(t, err)
		require.NoError(t, w.model(name, theirs, ""))
	}
	require.NoError(t, w.model("unknown", "222233334444.dkr.ecr.us-east-1.amazonaws.com/churn:1", ""), "an account that is not here")
}

// A model keeps the image that its tag stood for when it was created, and tells which that is.
func TestATagIsResolvedWithTheModel(t *testing.T) {
	t.Parallel()
	const tagged = account + ".dkr.ecr.us-east-1.amazonaws.com/churn:1"
	const name = account + ".dkr.ecr.us-east-1.amazonaws.com/churn@"
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	w := newWorld(t, func(w *world) { w.images[tagged] = server.URL })
	digests := []string{}
	record := func(architecture string, size int64) {
		doc, err := json.Marshal(ecr.NewImage{Image: tagged, Architecture: architecture, Size: size})
		require.NoError(t, err)
		raw, err := w.router.Invoke(t.Context(), wire.ScopeOf(account, region), wire.Principal{Account: account, Admin: true}, "images", ecr.OpAddImage, doc)
		require.NoError(t, err)
		var added ecr.AddedImage
		require.NoError(t, json.Unmarshal(raw, &added))
		digests = append(digests, added.Digest)
	}
	registry(t, w)
	w.allow(pull)
	record("amd64", 1)
	const data = "s3://models/iris/model.tar.gz"
	require.NoError(t, w.model("first", tagged, data))
	record("amd64", 2)
	require.NoError(t, w.model("second", tagged, data))
	require.NoError(t, w.model("third", name+digests[1], data)) // its server is that of the tag
	require.NotEqual(t, digests[0], digests[1])
	for i, model := range []string{"first", "second", "third"} {
		require.NoError(t, w.config(model, func(in *sm.CreateEndpointConfigInput) { in.ProductionVariants[0].ModelName = &model }))
		require.NoError(t, w.endpoint(model, model))
		out := w.settle(model)
		require.Equal(t, types.EndpointStatusInService, out.EndpointStatus, aws.ToString(out.FailureReason))
		require.Equal(t, name+digests[min(i, 1)], *out.ProductionVariants[0].DeployedImages[0].ResolvedImage)
	}
}
