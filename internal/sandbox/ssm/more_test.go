package ssm_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

// Labels belong to one version at a time, and name it.
func TestLabelsAndHistory(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	name := aws.String("p")
	for i := range 3 {
		_, err := c.PutParameter(ctx, &sdk.PutParameterInput{
			Name: name, Value: aws.String(fmt.Sprint(i)), Description: aws.String(fmt.Sprintf("d%d", i)),
			Type: "String", Overwrite: aws.Bool(true),
		})
		require.NoError(t, err)
	}
	label := func(n int64, labels ...string) (*sdk.LabelParameterVersionOutput, error) {
		return c.LabelParameterVersion(ctx, &sdk.LabelParameterVersionInput{Name: name, ParameterVersion: &n, Labels: labels})
	}
	_, err := label(1, "a", "b")
	require.NoError(t, err)
	_, err = label(2, "b")
	require.NoError(t, err)
	h, err := c.GetParameterHistory(ctx, &sdk.GetParameterHistoryInput{Name: name})
	require.NoError(t, err)
	require.Equal(t, []string{"1 0 d0 [a]", "2 1 d1 [b]", "3 2 d2 []"}, []string{shown(h.Parameters[0]), shown(h.Parameters[1]), shown(h.Parameters[2])})
	got, err := c.GetParameter(ctx, &sdk.GetParameterInput{Name: aws.String("p:b")})
	require.NoError(t, err)
	require.Equal(t, []string{"1", ":b"}, []string{*got.Parameter.Value, *got.Parameter.Selector})
	out, err := label(3, "awsx", "9", "ok")
	require.NoError(t, err)
	require.Equal(t, []string{"awsx", "9"}, out.InvalidLabels)
	_, err = label(9, "x")
	require.ErrorContains(t, err, "ParameterVersionNotFound: Systems Manager could not find version 9 of p. Verify the version and try again.")
	_, err = label(3, strings.Split("l1 l2 l3 l4 l5 l6", " ")...)
	require.NoError(t, err)
	_, err = label(3, strings.Split("l7 l8 l9 l10 l11", " ")...)
	iamtest.RequireCode(t, err, "ParameterVersionLabelLimitExceeded")
	un, err := c.UnlabelParameterVersion(ctx, &sdk.UnlabelParameterVersionInput{Name: name, ParameterVersion: aws.Int64(2), Labels: []string{"b", "none"}})
	require.NoError(t, err)
	require.Equal(t, [][]string{{"b"}, {"none"}}, [][]string{un.RemovedLabels, un.InvalidLabels})
	_, err = c.GetParameter(ctx, &sdk.GetParameterInput{Name: aws.String("p:b")})
	iamtest.RequireCode(t, err, "ParameterVersionNotFound")
}

func shown(v types.ParameterHistory) string {
	return fmt.Sprint(v.Version, " ", *v.Value, " ", *v.Description, " ", v.Labels)
}

func TestPathsTagsAndPatterns(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	put := func(name, value, pattern string) error {
		in := &sdk.PutParameterInput{Name: &name, Value: &value, Type: "String"}
		if pattern != "" {
			in.AllowedPattern = &pattern
		}
		_, err := c.PutParameter(ctx, in)
		return err
	}
	for _, name := range []string{"/a/1", "/a/2", "/a/b/3", "/ab", "root"} {
		require.NoError(t, put(name, "v", ""))
	}
	require.NoError(t, put("n", "42", `^\d+$`))
	iamtest.RequireCode(t, put("m", "x", `^\d+$`), "ParameterPatternMismatchException")
	iamtest.RequireCode(t, put("m", "x", `(`), "InvalidAllowedPatternException")
	for _, c0 := range []struct {
		path      string
		recursive bool
		want      string
	}{{"/a", false, "/a/1 /a/2"}, {"/a/", true, "/a/1 /a/2 /a/b/3"}, {"/", false, "/ab n root"}, {"/none", true, ""}} {
		out, err := c.GetParametersByPath(ctx, &sdk.GetParametersByPathInput{Path: &c0.path, Recursive: &c0.recursive})
		require.NoError(t, err)
		var names []string
		for _, p := range out.Parameters {
			names = append(names, *p.Name)
		}
		require.Equal(t, c0.want, strings.Join(names, " "), c0.path)
		list, err := c.DescribeParameters(ctx, &sdk.DescribeParametersInput{ParameterFilters: []types.ParameterStringFilter{
			{Key: aws.String("Path"), Values: []string{c0.path}, Option: aws.String(map[bool]string{true: "Recursive", false: "OneLevel"}[c0.recursive])},
		}})
		require.NoError(t, err)
		require.Len(t, list.Parameters, len(names), c0.path)
	}
	_, cfg := w.Role(t, "r", iamtest.Allow("ssm:GetParametersByPath", "arn:aws:ssm:us-east-1:000000000000:parameter/a*"))
	role := sdk.NewFromConfig(cfg)
	_, err := role.GetParametersByPath(ctx, &sdk.GetParametersByPathInput{Path: aws.String("/a")})
	require.NoError(t, err)
	_, err = role.GetParametersByPath(ctx, &sdk.GetParametersByPathInput{Path: aws.String("/")})
	iamtest.RequireCode(t, err, "AccessDeniedException")

	id := aws.String("/a/1")
	_, err = c.AddTagsToResource(ctx, &sdk.AddTagsToResourceInput{
		ResourceType: "Parameter", ResourceId: id,
		Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}, {Key: aws.String("l"), Value: aws.String("w")}},
	})
	require.NoError(t, err)
	_, err = c.RemoveTagsFromResource(ctx, &sdk.RemoveTagsFromResourceInput{ResourceType: "Parameter", ResourceId: id, TagKeys: []string{"k"}})
	require.NoError(t, err)
	tags, err := c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceType: "Parameter", ResourceId: id})
	require.NoError(t, err)
	require.Equal(t, "l=w", *tags.TagList[0].Key+"="+*tags.TagList[0].Value)
	_, err = c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceType: "Parameter", ResourceId: aws.String("none")})
	iamtest.RequireCode(t, err, "InvalidResourceId")
	del, err := c.DeleteParameters(ctx, &sdk.DeleteParametersInput{Names: []string{"/a/1", "none"}})
	require.NoError(t, err)
	require.Equal(t, [][]string{{"/a/1"}, {"none"}}, [][]string{del.DeletedParameters, del.InvalidParameters})
	// The SDK has members for the messages of few of them.
	for _, c0 := range []struct {
		code    string
		filters []types.ParameterStringFilter
	}{
		{"InvalidFilterKey", []types.ParameterStringFilter{{Key: aws.String("Label"), Values: []string{"x"}}}},
		{"InvalidFilterValue", []types.ParameterStringFilter{{Key: aws.String("Name")}}},
		{"InvalidFilterKey", []types.ParameterStringFilter{{Key: aws.String("Name"), Values: []string{"a"}}, {Key: aws.String("Name"), Values: []string{"b"}}}},
		{"InvalidFilterOption", []types.ParameterStringFilter{{Key: aws.String("Path"), Values: []string{"/a"}, Option: aws.String("Equals")}}},
		{"InvalidFilterOption", []types.ParameterStringFilter{{Key: aws.String("Type"), Values: []string{"x"}}}},
		{"ValidationException", []types.ParameterStringFilter{{Key: aws.String("Path"), Values: []string{"a"}}}},
	} {
		_, err := c.DescribeParameters(ctx, &sdk.DescribeParametersInput{ParameterFilters: c0.filters})
		iamtest.RequireCode(t, err, c0.code)
	}
}

// A name and the path of the same name are one parameter.
func TestLeadingSlash(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	for made, other := range map[string]string{"/with": "with", "without": "/without"} {
		put := func(name string, overwrite bool) error {
			_, err := c.PutParameter(ctx, &sdk.PutParameterInput{Name: &name, Value: aws.String("v"), Type: "String", Overwrite: &overwrite})
			return err
		}
		require.NoError(t, put(made, false))
		iamtest.RequireCode(t, put(other, false), "ParameterAlreadyExists")
		require.NoError(t, put(other, true))
		got, err := c.GetParameter(ctx, &sdk.GetParameterInput{Name: &other})
		require.NoError(t, err)
		require.Equal(t, []any{made, int64(2)}, []any{*got.Parameter.Name, got.Parameter.Version})
		_, err = c.DeleteParameter(ctx, &sdk.DeleteParameterInput{Name: &other})
		require.NoError(t, err)
		_, err = c.GetParameter(ctx, &sdk.GetParameterInput{Name: &made})
		iamtest.RequireCode(t, err, "ParameterNotFound")
	}
}

// The oldest version makes room for a new one, unless it has a label.
func TestOldestVersionWithALabelStays(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	put := func() error {
		_, err := c.PutParameter(ctx, &sdk.PutParameterInput{Name: aws.String("p"), Value: aws.String("v"), Type: "String", Overwrite: aws.Bool(true)})
		return err
	}
	for range 101 {
		require.NoError(t, put())
	}
	_, err := c.LabelParameterVersion(ctx, &sdk.LabelParameterVersionInput{Name: aws.String("p"), ParameterVersion: aws.Int64(2), Labels: []string{"l"}})
	require.NoError(t, err)
	require.ErrorContains(t, put(), "Version 2, the oldest version, can't be deleted because it has a label")
}

// Recorded from AWS: github.com/localstack/localstack, tests/aws/services/ssm/test_ssm.py,
// test_hierarchical_parameter.
func TestNamesThatAreNone(t *testing.T) {
	t.Parallel()
	c, ctx := register(t, iamtest.New(t)), t.Context()
	for _, name := range []string{"/a//b//c", "a/b/c"} {
		_, err := c.GetParameter(ctx, &sdk.GetParameterInput{Name: &name})
		require.ErrorContains(t, err, "sub-paths divided by slash symbol", name)
		iamtest.RequireCode(t, err, "ValidationException")
	}
	for _, name := range []string{"/a/b/c:3", "arn:aws:ssm:us-east-1:000000000000:parameter/a/b"} {
		_, err := c.GetParameter(ctx, &sdk.GetParameterInput{Name: &name})
		iamtest.RequireCode(t, err, "ParameterNotFound")
	}
}
