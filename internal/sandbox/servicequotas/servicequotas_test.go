package servicequotas_test

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/servicequotas"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const own = "sandbox"

func register(t *testing.T, w *iamtest.World) (*servicequotas.Service, *sdk.Client) {
	t.Helper()
	s, err := servicequotas.New(servicequotas.Config{DB: w.DB, Clock: w.Clock})
	require.NoError(t, err)
	s.Register(w.Router)
	w.Router.Register(wire.Service{ID: own, Scope: own})
	s.RegisterControl(w.Router, own)
	return s, sdk.NewFromConfig(w.Admin())
}

// set asks the sandbox's own service for quotas.
func set(t *testing.T, w *iamtest.World, op string, in servicequotas.Setting) (out servicequotas.Quotas, err error) {
	t.Helper()
	doc, err := json.Marshal(in)
	require.NoError(t, err)
	raw, err := w.Router.Invoke(t.Context(), iamtest.Scope, wire.Principal{Account: iamtest.Account, Admin: true}, own, op, doc)
	if err == nil {
		require.NoError(t, json.Unmarshal(raw, &out))
	}
	return out, err
}

func quota(t *testing.T, c *sdk.Client, service, code string) *types.ServiceQuota {
	t.Helper()
	out, err := c.GetServiceQuota(t.Context(), &sdk.GetServiceQuotaInput{ServiceCode: &service, QuotaCode: &code})
	require.NoError(t, err)
	return out.Quota
}

// What AWS gives is told apart from what the account has. AWS's own value of machines for
// endpoints is that of new accounts.
func TestQuotasAndTheirDefaults(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w)
	q := quota(t, c, "sagemaker", "L-614B09FD")
	require.Equal(t, "ml.m5.large for endpoint usage", *q.QuotaName)
	require.Equal(t, "arn:aws:servicequotas:us-east-1:000000000000:sagemaker/L-614B09FD", *q.QuotaArn)
	require.True(t, q.Adjustable)
	def, err := c.GetAWSDefaultServiceQuota(ctx, &sdk.GetAWSDefaultServiceQuotaInput{ServiceCode: aws.String("sagemaker"), QuotaCode: aws.String("L-614B09FD")})
	require.NoError(t, err)
	require.Zero(t, *def.Quota.Value)
	require.Equal(t, "arn:aws:servicequotas:us-east-1::sagemaker/L-614B09FD", *def.Quota.QuotaArn)
	require.InDelta(t, 1000, *quota(t, c, "lambda", "L-B99A9384").Value, 0)

	services, err := c.ListServices(ctx, &sdk.ListServicesInput{})
	require.NoError(t, err)
	codes := []string{}
	for _, s := range services.Services {
		codes = append(codes, *s.ServiceCode)
	}
	require.Equal(t, []string{"ecr", "iam", "lambda", "s3", "sagemaker", "states"}, codes)

	seen := map[string]bool{}
	pages := sdk.NewListServiceQuotasPaginator(c, &sdk.ListServiceQuotasInput{ServiceCode: aws.String("sagemaker"), MaxResults: aws.Int32(50)})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		require.NoError(t, err)
		for _, q := range out.Quotas {
			require.False(t, seen[*q.QuotaCode])
			seen[*q.QuotaCode] = true
		}
	}
	require.Len(t, seen, len(limits.Of("sagemaker")))

	_, err = c.GetServiceQuota(ctx, &sdk.GetServiceQuotaInput{ServiceCode: aws.String("lambda"), QuotaCode: aws.String("L-614B09FD")})
	iamtest.RequireCode(t, err, "NoSuchResourceException")
	_, err = c.ListServiceQuotas(ctx, &sdk.ListServiceQuotasInput{ServiceCode: aws.String("nope")})
	require.Equal(t, "The request failed because the specified service does not exist.", iamtest.RequireCode(t, err, "NoSuchResourceException").ErrorMessage())
	_, err = c.ListServiceQuotas(ctx, &sdk.ListServiceQuotasInput{ServiceCode: aws.String("lambda"), NextToken: aws.String("%")})
	require.Error(t, err)
}

// Quotas of global services are kept in one region,
// https://github.com/brennerm/aws-quota-checker/pull/23.
func TestGlobalQuotasAreInOneRegion(t *testing.T) {
	t.Parallel()
	w := iamtest.New(t)
	s, c := register(t, w)
	require.True(t, quota(t, c, "iam", "L-FE177D64").GlobalQuota)
	cfg := w.Admin()
	cfg.Region = "eu-central-1"
	_, err := sdk.NewFromConfig(cfg).GetServiceQuota(t.Context(), &sdk.GetServiceQuotaInput{ServiceCode: aws.String("iam"), QuotaCode: aws.String("L-FE177D64")})
	iamtest.RequireCode(t, err, "NoSuchResourceException")
	_, err = set(t, w, servicequotas.OpSet, servicequotas.Setting{Region: "eu-central-1", Values: map[string]*float64{limits.IAMRoles: aws.Float64(7)}})
	require.NoError(t, err)
	require.InDelta(t, 7, *quota(t, c, "iam", "L-FE177D64").Value, 0)
	require.Equal(t, 7, s.Book().Limit(wire.ScopeOf(iamtest.Account, "ap-south-1"), limits.IAMRoles))
	require.Equal(t, 1000, s.Book().Limit(wire.ScopeOf("111122223333", "us-east-1"), limits.IAMRoles), "another account")
}

// What is set holds in its region, by whatever name, and outlives the process.
func TestSetQuotasAreKept(t *testing.T) {
	t.Parallel()
	w := iamtest.New(t)
	_, c := register(t, w)
	asked, err := c.RequestServiceQuotaIncrease(t.Context(),
		&sdk.RequestServiceQuotaIncreaseInput{ServiceCode: aws.String("lambda"), QuotaCode: aws.String("L-B99A9384"), DesiredValue: aws.Float64(3000)})
	require.NoError(t, err)
	out, err := set(t, w, servicequotas.OpSet, servicequotas.Setting{Region: iamtest.Region, Service: "sagemaker", Values: map[string]*float64{
		"sagemaker/ml.m5.large": nil, "sagemaker/ml.m5.xlarge for endpoint usage": aws.Float64(3), limits.LambdaConcurrency: aws.Float64(3000),
	}})
	require.NoError(t, err)
	require.Len(t, out.Quotas, len(limits.Of("sagemaker")))
	for range 2 {
		require.Zero(t, *quota(t, c, "sagemaker", "L-614B09FD").Value)
		require.InDelta(t, 3, *quota(t, c, "sagemaker", "L-2F737F8D").Value, 0)
		got, err := c.GetRequestedServiceQuotaChange(t.Context(), &sdk.GetRequestedServiceQuotaChangeInput{RequestId: asked.RequestedQuota.Id})
		require.NoError(t, err)
		require.Equal(t, types.RequestStatusApproved, got.RequestedQuota.Status)
		cfg := w.Admin()
		cfg.Region = "eu-west-1"
		require.InDelta(t, 1000, *quota(t, sdk.NewFromConfig(cfg), "sagemaker", "L-614B09FD").Value, 0)
		w.Reopen(t)
		_, c = register(t, w)
	}
	for text, value := range map[string]float64{"sagemaker/L-00000000": 1, "nope/L-614B09FD": 1, "lambda": 1, limits.LambdaConcurrency: -1, limits.S3Buckets: 1.5} {
		_, err := set(t, w, servicequotas.OpSet, servicequotas.Setting{Region: iamtest.Region, Values: map[string]*float64{text: &value}})
		require.True(t, wire.IsCode(err, "ValidationException"), "%s: %v", text, err)
	}
	_, err = w.Router.Invoke(t.Context(), iamtest.Scope, wire.Principal{Account: iamtest.Account, ARN: "arn:aws:iam::000000000000:user/x"}, own, servicequotas.OpSet, []byte(`{}`))
	require.True(t, wire.IsCode(err, "AccessDeniedException"), "%v", err)
}

// One request for each quota is open at a time, for more than there is.
func TestRequests(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w)
	ask := func(service, code string, value float64) (*sdk.RequestServiceQuotaIncreaseOutput, error) {
		return c.RequestServiceQuotaIncrease(ctx, &sdk.RequestServiceQuotaIncreaseInput{ServiceCode: &service, QuotaCode: &code, DesiredValue: &value})
	}
	out, err := ask("lambda", "L-B99A9384", 2000)
	require.NoError(t, err)
	require.Equal(t, types.RequestStatusPending, out.RequestedQuota.Status)
	for _, tt := range []struct {
		service, code string
		value         float64
		error, text   string
	}{
		{"lambda", "L-B99A9384", 3000, "ResourceAlreadyExistsException", "Only one open service quota increase request is allowed per quota."},
		{"states", "L-B66B0F91", 5, "IllegalArgumentException", "You must provide a quota value greater than the default quota value of 100000.0"},
		{"sagemaker", "L-614B09FD", 5, "IllegalArgumentException", "You must provide a quota value greater than the current quota value of 1000.0"}, // unsure
		{"states", "L-15D902EC", 2000, "IllegalArgumentException", "The request failed because the specified quota is not adjustable."},
		{"states", "L-00000000", 2000, "NoSuchResourceException", "The request failed because the specified quota does not exist."}, // unsure
	} {
		_, err := ask(tt.service, tt.code, tt.value)
		require.Equal(t, tt.text, iamtest.RequireCode(t, err, tt.error).ErrorMessage())
	}
	w.Clock.Advance(1)
	_, err = ask("states", "L-B66B0F91", 200_000)
	require.NoError(t, err)
	all, err := c.ListRequestedServiceQuotaChangeHistory(ctx, &sdk.ListRequestedServiceQuotaChangeHistoryInput{})
	require.NoError(t, err)
	require.Len(t, all.RequestedQuotas, 2)
	require.Equal(t, "states", *all.RequestedQuotas[0].ServiceCode, "the newest first")
	mine, err := c.ListRequestedServiceQuotaChangeHistoryByQuota(ctx,
		&sdk.ListRequestedServiceQuotaChangeHistoryByQuotaInput{ServiceCode: aws.String("lambda"), QuotaCode: aws.String("L-B99A9384"), Status: types.RequestStatusPending})
	require.NoError(t, err)
	require.Len(t, mine.RequestedQuotas, 1)
	require.JSONEq(t, `{"accountId":"000000000000","callerArn":"arn:aws:iam::000000000000:user/sandbox"}`, *mine.RequestedQuotas[0].Requester)
	_, err = c.GetRequestedServiceQuotaChange(ctx, &sdk.GetRequestedServiceQuotaChangeInput{RequestId: aws.String("nope")})
	iamtest.RequireCode(t, err, "NoSuchResourceException")
}

func TestTagsAndWhoMay(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w)
	arn := quota(t, c, "lambda", "L-B99A9384").QuotaArn
	_, err := c.TagResource(ctx, &sdk.TagResourceInput{
		ResourceARN: arn,
		Tags:        []types.Tag{{Key: aws.String("team"), Value: aws.String("ml")}, {Key: aws.String("a"), Value: aws.String("b")}},
	})
	require.NoError(t, err)
	_, err = c.UntagResource(ctx, &sdk.UntagResourceInput{ResourceARN: arn, TagKeys: []string{"a"}})
	require.NoError(t, err)
	out, err := c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: arn})
	require.NoError(t, err)
	require.Equal(t, []types.Tag{{Key: aws.String("team"), Value: aws.String("ml")}}, out.Tags)
	_, err = c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: aws.String("arn:aws:servicequotas:us-east-1:000000000000:lambda/L-00000000")})
	iamtest.RequireCode(t, err, "NoSuchResourceException")

	_, cfg := w.User(t, "asker", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"servicequotas:RequestServiceQuotaIncrease",`+
		`"Resource":"arn:aws:servicequotas:*:*:lambda/*"}]}`)
	theirs := sdk.NewFromConfig(cfg)
	_, err = theirs.RequestServiceQuotaIncrease(ctx, &sdk.RequestServiceQuotaIncreaseInput{
		ServiceCode: aws.String("lambda"),
		QuotaCode:   aws.String("L-B99A9384"), DesiredValue: aws.Float64(2000),
	})
	require.NoError(t, err)
	_, err = theirs.RequestServiceQuotaIncrease(ctx, &sdk.RequestServiceQuotaIncreaseInput{
		ServiceCode: aws.String("states"),
		QuotaCode:   aws.String("L-B66B0F91"), DesiredValue: aws.Float64(200_000),
	})
	iamtest.RequireCode(t, err, "AccessDeniedException")
	_, err = theirs.GetServiceQuota(ctx, &sdk.GetServiceQuotaInput{ServiceCode: aws.String("lambda"), QuotaCode: aws.String("L-B99A9384")})
	iamtest.RequireCode(t, err, "AccessDeniedException")
}

// In partitions without a home region a quota of the whole account is asked for in any.
func TestGlobalQuotasOfOtherPartitions(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	register(t, w)
	beijing := wire.ScopeOf(iamtest.Account, "cn-north-1")
	me := wire.Principal{Account: iamtest.Account, ARN: beijing.GlobalARN("iam", "user/sandbox"), Admin: true}
	_, err := w.Router.Invoke(ctx, beijing, me, "servicequotas", "RequestServiceQuotaIncrease", []byte(`{"ServiceCode":"iam","QuotaCode":"L-FE177D64","DesiredValue":3000}`))
	require.NoError(t, err)
	requested := func(region string) *float64 {
		out, err := set(t, w, servicequotas.OpList, servicequotas.Setting{Region: region, Service: "iam"})
		require.NoError(t, err)
		for _, q := range out.Quotas {
			if q.Quota == limits.IAMRoles {
				return q.Requested
			}
		}
		return nil
	}
	require.InDelta(t, 3000, *requested("cn-northwest-1"), 0)
	require.Nil(t, requested("us-east-1"), "another partition")
	_, err = set(t, w, servicequotas.OpSet, servicequotas.Setting{Region: "us-east-1", Values: map[string]*float64{limits.IAMRoles: aws.Float64(3000)}})
	require.NoError(t, err)
	require.NotNil(t, requested("cn-north-1"), "it is not granted in another partition")
	_, err = set(t, w, servicequotas.OpSet, servicequotas.Setting{Region: "cn-northwest-1", Values: map[string]*float64{limits.IAMRoles: aws.Float64(3000)}})
	require.NoError(t, err)
	require.Nil(t, requested("cn-north-1"))
}
