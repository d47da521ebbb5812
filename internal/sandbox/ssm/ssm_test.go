package ssm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	sdk "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kms"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/ssm"
)

func register(t *testing.T, w *iamtest.World) *sdk.Client {
	t.Helper()
	k, err := kms.New(kms.Config{DB: w.DB, Clock: w.Clock})
	require.NoError(t, err)
	k.Register(w.Router)
	s, err := ssm.New(ssm.Config{DB: w.DB, Router: w.Router, Clock: w.Clock})
	require.NoError(t, err)
	s.Register(w.Router)
	return sdk.NewFromConfig(w.Admin())
}

func put(t *testing.T, c *sdk.Client, name, value string, kind types.ParameterType) {
	t.Helper()
	_, err := c.PutParameter(t.Context(), &sdk.PutParameterInput{Name: &name, Value: &value, Type: kind})
	require.NoError(t, err)
}

// TestParameters: names and ARNs lead to the same parameter (recorded from AWS in
// localstack's tests/aws/services/ssm/test_ssm.snapshot.json), versions are counted and
// can be selected.
func TestParameters(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	put(t, c, "/prod/token", "one", types.ParameterTypeSecureString)
	put(t, c, "plain", "seen", types.ParameterTypeString)
	put(t, c, "/top", "path", types.ParameterTypeString)
	for ref, want := range map[string]string{
		"/prod/token": "one", "arn:aws:ssm:us-east-1:000000000000:parameter/prod/token": "one", "/prod/token:1": "one",
		"plain": "seen", "arn:aws:ssm:us-east-1:000000000000:parameter/plain": "seen",
		"/top": "path", "arn:aws:ssm:us-east-1:000000000000:parameter/top": "path",
	} {
		out, err := c.GetParameter(ctx, &sdk.GetParameterInput{Name: &ref, WithDecryption: aws.Bool(true)})
		require.NoError(t, err, ref)
		require.Equal(t, want, *out.Parameter.Value, ref)
	}
	sealed, err := c.GetParameter(ctx, &sdk.GetParameterInput{Name: aws.String("/prod/token")})
	require.NoError(t, err)
	require.NotContains(t, *sealed.Parameter.Value, "one")
	require.Equal(t, "arn:aws:ssm:us-east-1:000000000000:parameter/prod/token", *sealed.Parameter.ARN)
	require.Equal(t, "text", *sealed.Parameter.DataType)

	_, err = c.PutParameter(ctx, &sdk.PutParameterInput{Name: aws.String("/prod/token"), Value: aws.String("two"), Type: types.ParameterTypeSecureString})
	iamtest.RequireCode(t, err, "ParameterAlreadyExists")
	out, err := c.PutParameter(ctx, &sdk.PutParameterInput{Name: aws.String("/prod/token"), Value: aws.String("two"), Overwrite: aws.Bool(true)})
	require.NoError(t, err)
	require.EqualValues(t, 2, out.Version)
	_, err = c.PutParameter(ctx, &sdk.PutParameterInput{Name: aws.String("/prod/token"), Value: aws.String("x"), Type: types.ParameterTypeString, Overwrite: aws.Bool(true)})
	iamtest.RequireCode(t, err, "HierarchyTypeMismatchException")
	many, err := c.GetParameters(ctx, &sdk.GetParametersInput{Names: []string{"/prod/token", "/prod/token:1", "/prod/token:9", "none"}, WithDecryption: aws.Bool(true)})
	require.NoError(t, err)
	require.Len(t, many.Parameters, 2)
	require.Equal(t, "two", *many.Parameters[0].Value)
	require.Equal(t, "one", *many.Parameters[1].Value)
	require.Equal(t, ":1", *many.Parameters[1].Selector)
	require.Equal(t, []string{"/prod/token:9", "none"}, many.InvalidParameters)

	many, err = c.GetParameters(ctx, &sdk.GetParametersInput{Names: []string{"plain", "plain", "none", "none"}})
	require.NoError(t, err)
	require.Len(t, many.Parameters, 1)
	require.Equal(t, []string{"none"}, many.InvalidParameters)

	_, err = c.GetParameter(ctx, &sdk.GetParameterInput{Name: aws.String("/prod/token:9")})
	iamtest.RequireCode(t, err, "ParameterVersionNotFound")
	_, err = c.GetParameter(ctx, &sdk.GetParameterInput{Name: aws.String("/prod/token:1:1")})
	iamtest.RequireCode(t, err, "ParameterNotFound")
	_, err = c.DeleteParameter(ctx, &sdk.DeleteParameterInput{Name: aws.String("/prod/token")})
	require.NoError(t, err)
	for _, name := range []string{"/prod/token", "none", "/plain2"} {
		_, err = c.GetParameter(ctx, &sdk.GetParameterInput{Name: &name})
		iamtest.RequireCode(t, err, "ParameterNotFound")
	}
	_, err = c.DeleteParameter(ctx, &sdk.DeleteParameterInput{Name: aws.String("/prod/token")})
	iamtest.RequireCode(t, err, "ParameterNotFound")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	for name, in := range map[string]*sdk.PutParameterInput{
		"no type":              {Name: aws.String("a"), Value: aws.String("v")},
		"reserved":             {Name: aws.String("/awsa"), Value: aws.String("v"), Type: "String"},
		"reserved in capitals": {Name: aws.String("SSMa"), Value: aws.String("v"), Type: "String"},
		"letters":              {Name: aws.String("/a b"), Value: aws.String("v"), Type: "String"},
		"half a path":          {Name: aws.String("a/b"), Value: aws.String("v"), Type: "String"},
		"empty":                {Name: aws.String("a"), Value: aws.String(""), Type: "String"},
		"too long":             {Name: aws.String("a"), Value: aws.String(strings.Repeat("x", 4097)), Type: "String"},
		"a key for no secret":  {Name: aws.String("a"), Value: aws.String("v"), Type: "String", KeyId: aws.String("alias/a")},
		"unknown type":         {Name: aws.String("a"), Value: aws.String("v"), Type: "Secret"},
	} {
		_, err := c.PutParameter(ctx, in)
		t.Log(name, err)
		iamtest.RequireCode(t, err, "ValidationException")
	}
	_, err := c.PutParameter(ctx, &sdk.PutParameterInput{Name: aws.String(strings.Repeat("/a", 16)), Value: aws.String("v"), Type: "String"})
	iamtest.RequireCode(t, err, "HierarchyLevelLimitExceededException")
	_, err = c.PutParameter(ctx, &sdk.PutParameterInput{Name: aws.String("long"), Value: aws.String(strings.Repeat("x", 4097)), Type: "String", Tier: "Advanced"})
	require.NoError(t, err)
}

// AWS's own parameters are refused as not served: none of them is missing on AWS.
func TestPublicParametersAreNotServed(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	name := "/aws/service/global-infrastructure/current-region"
	_, err := c.GetParameter(ctx, &sdk.GetParameterInput{Name: &name})
	iamtest.RequireCode(t, err, "NotImplemented")
	_, err = c.GetParameters(ctx, &sdk.GetParametersInput{Names: []string{name}})
	iamtest.RequireCode(t, err, "NotImplemented")
	_, err = c.GetParametersByPath(ctx, &sdk.GetParametersByPathInput{Path: aws.String("/aws/service")})
	iamtest.RequireCode(t, err, "NotImplemented")
	_, err = c.GetParameter(ctx, &sdk.GetParameterInput{Name: aws.String("/awsome")})
	iamtest.RequireCode(t, err, "ParameterNotFound")
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	for _, name := range []string{"/a/2", "/b/1", "/a/1", "/a/3"} {
		put(t, c, name, "v", types.ParameterTypeString)
	}
	put(t, c, "/a/4", "v", types.ParameterTypeSecureString)
	var names []string
	pages := sdk.NewDescribeParametersPaginator(c, &sdk.DescribeParametersInput{MaxResults: aws.Int32(3), ParameterFilters: []types.ParameterStringFilter{
		{Key: aws.String("Name"), Option: aws.String("BeginsWith"), Values: []string{"/a/"}},
	}})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		require.NoError(t, err)
		for _, p := range out.Parameters {
			names = append(names, *p.Name)
			if p.Type == types.ParameterTypeSecureString {
				require.Equal(t, "alias/aws/ssm", *p.KeyId)
			}
		}
	}
	require.Equal(t, []string{"/a/1", "/a/2", "/a/3", "/a/4"}, names)
	// A name at the root is found with a slash and without, by the older filters too.
	put(t, c, "root", "v", types.ParameterTypeString)
	for _, in := range []*sdk.DescribeParametersInput{
		{ParameterFilters: []types.ParameterStringFilter{{Key: aws.String("Name"), Values: []string{"/root"}}}},
		{ParameterFilters: []types.ParameterStringFilter{{Key: aws.String("Name"), Option: aws.String("Contains"), Values: []string{"/ro"}}}},
		{Filters: []types.ParametersFilter{{Key: types.ParametersFilterKeyName, Values: []string{"root"}}}},
	} {
		out, err := c.DescribeParameters(ctx, in)
		require.NoError(t, err)
		require.Len(t, out.Parameters, 1)
		require.Equal(t, "root", *out.Parameters[0].Name)
	}
	_, err := c.DescribeParameters(ctx, &sdk.DescribeParametersInput{NextToken: aws.String("%%")})
	iamtest.RequireCode(t, err, "InvalidNextToken")
	_, err = c.DescribeParameters(ctx, &sdk.DescribeParametersInput{ParameterFilters: []types.ParameterStringFilter{{Key: aws.String("Colour"), Values: []string{"/a"}}}})
	iamtest.RequireCode(t, err, "ValidationException")
}

// TestAccess: reading a SecureString takes the right to its key too, and its text is in
// no file.
func TestAccess(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	key, err := awskms.NewFromConfig(w.Admin()).CreateKey(ctx, &awskms.CreateKeyInput{})
	require.NoError(t, err)
	_, err = c.PutParameter(ctx, &sdk.PutParameterInput{
		Name: aws.String("/own"), Value: aws.String("a-text-to-be-found"),
		Type: types.ParameterTypeSecureString, KeyId: key.KeyMetadata.KeyId,
	})
	require.NoError(t, err)
	put(t, c, "/managed", "a-text-to-be-found", types.ParameterTypeSecureString)
	_, cfg := w.Role(t, "reader", iamtest.Allow("ssm:GetParameter", "arn:aws:ssm:us-east-1:000000000000:parameter/*"))
	role := sdk.NewFromConfig(cfg)
	out, err := role.GetParameter(ctx, &sdk.GetParameterInput{Name: aws.String("/managed"), WithDecryption: aws.Bool(true)})
	require.NoError(t, err)
	require.Equal(t, "a-text-to-be-found", *out.Parameter.Value)
	_, err = role.GetParameter(ctx, &sdk.GetParameterInput{Name: aws.String("/own"), WithDecryption: aws.Bool(true)})
	iamtest.RequireCode(t, err, "AccessDeniedException")
	require.ErrorContains(t, err, "kms:Decrypt")
	_, err = role.GetParameter(ctx, &sdk.GetParameterInput{Name: aws.String("/own")})
	require.NoError(t, err, "the encrypted text needs no key")
	_, err = role.DescribeParameters(ctx, &sdk.DescribeParametersInput{})
	iamtest.RequireCode(t, err, "AccessDeniedException")

	w.Reopen(t)
	c = register(t, w)
	out, err = c.GetParameter(ctx, &sdk.GetParameterInput{Name: aws.String("/own"), WithDecryption: aws.Bool(true)})
	require.NoError(t, err)
	require.Equal(t, "a-text-to-be-found", *out.Parameter.Value)
	files, err := filepath.Glob(filepath.Join(filepath.Dir(w.Path()), "*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		raw, err := os.ReadFile(f)
		require.NoError(t, err)
		require.False(t, strings.Contains(string(raw), "a-text-to-be-found"), f)
	}
}
