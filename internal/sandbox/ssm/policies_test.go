package ssm_test

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssecrets "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	sdk "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kms"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/secretsmanager"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/ssm"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// heard are the events that were told, in words.
type heard struct {
	mu   sync.Mutex
	told chan string
}

func (h *heard) PutEvent(_ context.Context, _ wire.Scope, source, detailType string, resources []string, detail any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d, _ := detail.(map[string]any)
	text := source + ", " + detailType + ", " + resources[0]
	for _, k := range []string{"operation", "policy-type"} {
		if v, ok := d[k].(string); ok {
			text += ", " + v
		}
	}
	h.told <- text
}

// The policies and their errors are those of
// https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-policies.html
// and https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html;
// the events those of
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-cwe.html
func TestPolicies(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	h := &heard{told: make(chan string, 64)}
	var s *ssm.Service
	open := func() *sdk.Client {
		k, err := kms.New(kms.Config{DB: w.DB, Clock: w.Clock})
		require.NoError(t, err)
		k.Register(w.Router)
		s, err = ssm.New(ssm.Config{DB: w.DB, Router: w.Router, Clock: w.Clock, Events: h})
		require.NoError(t, err)
		s.Register(w.Router)
		require.NoError(t, s.Start(ctx))
		return sdk.NewFromConfig(w.Admin())
	}
	c := open()
	put := func(value, policies string, tier types.ParameterTier) error {
		in := &sdk.PutParameterInput{Name: aws.String("p"), Value: &value, Type: types.ParameterTypeString, Tier: tier, Overwrite: aws.Bool(true)}
		if policies != "" {
			in.Policies = &policies
		}
		_, err := c.PutParameter(ctx, in)
		return err
	}
	ends := w.Clock.Now().Add(3 * time.Hour).Format(time.RFC3339)
	expire := `{"Type":"Expiration","Version":"1.0","Attributes":{"Timestamp":"` + ends + `"}}`
	for policies, code := range map[string]string{
		"words": "ValidationException",
		`[{"Type":"Colour","Version":"1.0","Attributes":{}}]`:                                           "InvalidPolicyTypeException",
		`[{"Type":"Expiration","Version":"1.0","Attributes":{"Timestamp":"tomorrow"}}]`:                 "InvalidPolicyAttributeException",
		`[{"Type":"NoChangeNotification","Version":"1.0","Attributes":{"After":"2","Unit":"Weeks"}}]`:   "InvalidPolicyAttributeException",
		`[{"Type":"ExpirationNotification","Version":"1.0","Attributes":{"Before":"2","Unit":"Days"}}]`: "InvalidPolicyAttributeException",
		`[` + expire + `,` + expire + `]`:                                                               "IncompatiblePolicyException",
	} {
		iamtest.RequireCode(t, put("v", policies, types.ParameterTierAdvanced), code)
	}
	iamtest.RequireCode(t, put("v", `[`+expire+`]`, types.ParameterTierStandard), "ValidationException")
	all := `[` + expire + `,{"Type":"ExpirationNotification","Version":"1.0","Attributes":{"Before":"1","Unit":"Hours"}},{"Type":"NoChangeNotification",` +
		`"Version":"1.0","Attributes":{"After":"1","Unit":"Hours"}}]`
	require.NoError(t, put("v", all, types.ParameterTierIntelligentTiering))
	require.NoError(t, put("w", "", ""), "a new value keeps the policies")
	out, err := c.DescribeParameters(ctx, &sdk.DescribeParametersInput{})
	require.NoError(t, err)
	require.Equal(t, types.ParameterTierAdvanced, out.Parameters[0].Tier)
	require.Len(t, out.Parameters[0].Policies, 3)
	require.Equal(t, types.ParameterInlinePolicy{PolicyType: aws.String("Expiration"), PolicyStatus: aws.String("Pending"), PolicyText: &expire}, out.Parameters[0].Policies[0])

	const arn = "arn:aws:ssm:us-east-1:000000000000:parameter/p"
	expect := func(texts ...string) {
		t.Helper()
		for _, text := range texts {
			require.Equal(t, "aws.ssm, Parameter Store "+text, <-h.told)
		}
	}
	expect("Change, "+arn+", Create", "Change, "+arn+", Update")
	advance := func(d time.Duration) {
		t.Helper()
		require.NoError(t, w.Clock.WaitTimers(ctx, 1))
		w.Clock.Advance(d)
	}
	advance(time.Hour)
	expect("Policy Action, " + arn + ", NoChangeNotification")
	// They go on after a restart.
	require.NoError(t, s.Close())
	w.Reopen(t)
	c = open()
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	advance(time.Hour)
	expect("Policy Action, " + arn + ", ExpirationNotification")
	advance(time.Hour)
	expect("Policy Action, "+arn+", Expiration", "Change, "+arn+", Delete")
	w.Clock.Advance(-3 * time.Hour) // or the signature would be too old
	_, err = c.GetParameter(ctx, &sdk.GetParameterInput{Name: aws.String("p")})
	iamtest.RequireCode(t, err, "ParameterNotFound")
	require.NoError(t, put("v", `[`+expire+`]`, types.ParameterTierAdvanced))
	require.NoError(t, put("v", `[{}]`, types.ParameterTierAdvanced))
	out, err = c.DescribeParameters(ctx, &sdk.DescribeParametersInput{})
	require.NoError(t, err)
	require.Empty(t, out.Parameters[0].Policies)
}

// A secret can be read as a parameter, by who may read both.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/integration-ps-secretsmanager.html
func TestSecretsAsParameters(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	v, err := secretsmanager.New(secretsmanager.Config{DB: w.DB, Router: w.Router, Clock: w.Clock})
	require.NoError(t, err)
	v.Register(w.Router)
	vault := awssecrets.NewFromConfig(w.Admin())
	made, err := vault.CreateSecret(ctx, &awssecrets.CreateSecretInput{Name: aws.String("db/x"), SecretString: aws.String("one")})
	require.NoError(t, err)
	_, err = vault.PutSecretValue(ctx, &awssecrets.PutSecretValueInput{SecretId: made.ARN, SecretString: aws.String("two")})
	require.NoError(t, err)
	get := func(c *sdk.Client, name string, decrypt bool) (*types.Parameter, error) {
		out, err := c.GetParameter(ctx, &sdk.GetParameterInput{Name: aws.String("/aws/reference/secretsmanager/" + name), WithDecryption: &decrypt})
		if err != nil {
			return nil, err
		}
		return out.Parameter, nil
	}
	for ref, want := range map[string]string{"db/x": "two", "db/x:AWSPREVIOUS": "one", "db/x:" + *made.VersionId: "one"} {
		p, err := get(c, ref, true)
		require.NoError(t, err, ref)
		require.Equal(t, []string{want, "/aws/reference/secretsmanager/db/x", *made.ARN}, []string{*p.Value, *p.Name, *p.ARN})
		require.Equal(t, types.ParameterTypeSecureString, p.Type)
		require.Contains(t, *p.SourceResult, *made.ARN)
		require.Zero(t, p.Version)
	}
	_, err = get(c, "db/x", false)
	require.Equal(t, "WithDecryption flag must be True for retrieving a Secret Manager secret.", iamtest.RequireCode(t, err, "ValidationException").ErrorMessage())
	_, err = get(c, "none", true)
	iamtest.RequireCode(t, err, "ParameterNotFound")
	_, half := w.Role(t, "half", iamtest.Allow("ssm:GetParameter", "*"))
	_, err = get(sdk.NewFromConfig(half), "db/x", true)
	require.ErrorContains(t, err, "secretsmanager:GetSecretValue")
	iamtest.RequireCode(t, err, "AccessDeniedException")
	many, err := c.GetParameters(ctx, &sdk.GetParametersInput{Names: []string{
		"/aws/reference/secretsmanager/db/x",
		"/aws/reference/secretsmanager/none",
	}, WithDecryption: aws.Bool(true)})
	require.NoError(t, err)
	require.Len(t, many.Parameters, 1)
	require.Equal(t, []string{"/aws/reference/secretsmanager/none"}, many.InvalidParameters)
}

// To names below /aws nobody has access, in AWS's words, which leave out the slash.
func TestReservedNames(t *testing.T) {
	t.Parallel()
	w := iamtest.New(t)
	c := register(t, w)
	for name, want := range map[string][2]string{
		"/AWS/x/y":    {"AccessDeniedException", "No access to reserved parameter name: AWS/x/y."},
		"/ssm_x/y":    {"ValidationException", `Parameter name: can't be prefixed with "ssm" (case-insensitive). If formed as a path`},
		"aws_x":       {"ValidationException", `Parameter name: can't be prefixed with "aws" or "ssm" (case-insensitive).`},
		"/SSMandmore": {"ValidationException", `Parameter name: can't be prefixed with "aws" or "ssm" (case-insensitive).`},
	} {
		_, err := c.PutParameter(t.Context(), &sdk.PutParameterInput{Name: &name, Value: aws.String("v"), Type: types.ParameterTypeString})
		require.Contains(t, iamtest.RequireCode(t, err, want[0]).ErrorMessage(), want[1], name)
	}
	_, err := c.PutParameter(t.Context(), &sdk.PutParameterInput{Name: aws.String("n"), Value: aws.String("v"), Type: "str"})
	require.ErrorContains(t, err, "Member must satisfy enum value set: [SecureString, StringList, String]")
	_, err = c.GetParametersByPath(t.Context(), &sdk.GetParametersByPathInput{
		Path:             aws.String("/a"),
		ParameterFilters: []types.ParameterStringFilter{{Key: aws.String("Name"), Values: []string{"x"}}},
	})
	iamtest.RequireCode(t, err, "InvalidFilterKey") // the SDK drops the text, since the API's model has none
}

// A policy that could not be applied is applied by and by: nobody rings.
func TestPoliciesAreTriedAgain(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	h := &heard{told: make(chan string, 64)}
	s, err := ssm.New(ssm.Config{DB: w.DB, Router: w.Router, Clock: w.Clock, Events: h})
	require.NoError(t, err)
	s.Register(w.Router)
	require.NoError(t, s.Start(ctx))
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	c := sdk.NewFromConfig(w.Admin())
	ends := w.Clock.Now().Add(time.Hour).Format(time.RFC3339)
	for name, policies := range map[string]*string{"other": nil, "p": aws.String(`[{"Type":"Expiration","Version":"1.0","Attributes":{"Timestamp":"` + ends + `"}}]`)} {
		_, err := c.PutParameter(ctx, &sdk.PutParameterInput{Name: &name, Value: aws.String("v"), Type: types.ParameterTypeString, Tier: types.ParameterTierAdvanced, Policies: policies})
		require.NoError(t, err)
		<-h.told
	}
	waits, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	require.NoError(t, w.Clock.WaitTimers(waits, 1))
	const bucket = "ssm.parameters"
	key, whole := iamtest.Scope.Key("other"), []byte(nil)
	require.NoError(t, w.DB.Update(func(tx *store.Tx) error {
		whole = bytes.Clone(tx.GetRaw(bucket, key))
		require.NotEmpty(t, whole)
		return tx.PutRaw(bucket, key, []byte("[]"))
	}))
	w.Clock.Advance(time.Hour)
	require.NoError(t, w.Clock.WaitTimers(waits, 1), "it waits for a time")
	require.NoError(t, w.DB.Update(func(tx *store.Tx) error { return tx.PutRaw(bucket, key, whole) }))
	require.Eventually(t, func() bool {
		w.Clock.Advance(100 * time.Millisecond)
		return len(h.told) == 2
	}, 2*time.Minute, 5*time.Millisecond)
	require.Equal(t, "aws.ssm, Parameter Store Policy Action, arn:aws:ssm:us-east-1:000000000000:parameter/p, Expiration", <-h.told)
}
