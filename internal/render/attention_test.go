package render

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/stack"
)

func TestAttention(t *testing.T) {
	t.Parallel()
	require.Empty(t, Attention([]stack.Row{
		{Type: "aws:sagemaker/endpoint:Endpoint", Name: "endpoint", Op: stack.OpUpdate},
		{Type: "pulumi:index:Stash", Name: "spec", Op: stack.OpReplace},
	}))
	require.Equal(t, []string{
		"replacing endpoint means downtime: it is deleted first and made anew under the same name, and answers nothing for some minutes",
		"deleting data deletes all inputs and results",
		"2 resources are replaced, 1 deleted",
	}, Attention([]stack.Row{
		{Type: "aws:sagemaker/endpoint:Endpoint", Name: "endpoint", Op: stack.OpReplace},
		{Type: "aws:sagemaker/model:Model", Name: "m", Op: stack.OpReplace},
		{Type: "aws:s3/bucketV2:BucketV2", Name: "data", Op: stack.OpDelete},
	}))
}
