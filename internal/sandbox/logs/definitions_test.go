package logs_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutQueryDefinition.html
func TestQueryDefinitions(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	c := s.admin()
	made, err := c.PutQueryDefinition(ctx, &cwl.PutQueryDefinitionInput{Name: aws.String("team/errors"), QueryString: aws.String("fields @message"), LogGroupNames: []string{"/app"}})
	require.NoError(t, err)
	_, err = c.PutQueryDefinition(ctx, &cwl.PutQueryDefinitionInput{Name: aws.String("other"), QueryString: aws.String("fields @timestamp")})
	require.NoError(t, err)
	again, err := c.PutQueryDefinition(ctx, &cwl.PutQueryDefinitionInput{QueryDefinitionId: made.QueryDefinitionId, Name: aws.String("team/faults"), QueryString: aws.String("stats count(*)")})
	require.NoError(t, err)
	require.Equal(t, made.QueryDefinitionId, again.QueryDefinitionId)
	out, err := c.DescribeQueryDefinitions(ctx, &cwl.DescribeQueryDefinitionsInput{QueryDefinitionNamePrefix: aws.String("team/")})
	require.NoError(t, err)
	require.Len(t, out.QueryDefinitions, 1)
	d := out.QueryDefinitions[0]
	require.Equal(t, []string{"team/faults", "stats count(*)"}, []string{*d.Name, *d.QueryString})
	require.Empty(t, d.LogGroupNames, "an update replaces all of it")
	page, err := c.DescribeQueryDefinitions(ctx, &cwl.DescribeQueryDefinitionsInput{MaxResults: aws.Int32(1)})
	require.NoError(t, err)
	require.Equal(t, "other", *page.QueryDefinitions[0].Name)
	page, err = c.DescribeQueryDefinitions(ctx, &cwl.DescribeQueryDefinitionsInput{MaxResults: aws.Int32(1), NextToken: page.NextToken})
	require.NoError(t, err)
	require.Equal(t, "team/faults", *page.QueryDefinitions[0].Name)
	require.Nil(t, page.NextToken)
	gone, err := c.DeleteQueryDefinition(ctx, &cwl.DeleteQueryDefinitionInput{QueryDefinitionId: made.QueryDefinitionId})
	require.NoError(t, err)
	require.True(t, gone.Success)
	_, err = c.DeleteQueryDefinition(ctx, &cwl.DeleteQueryDefinitionInput{QueryDefinitionId: made.QueryDefinitionId})
	iamtest.RequireCode(t, err, "ResourceNotFoundException")
	_, err = c.PutQueryDefinition(ctx, &cwl.PutQueryDefinitionInput{QueryDefinitionId: made.QueryDefinitionId, Name: aws.String("x"), QueryString: aws.String("fields @message")})
	iamtest.RequireCode(t, err, "ResourceNotFoundException")
}
