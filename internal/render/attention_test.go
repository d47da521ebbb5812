package render

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

func TestAttention(t *testing.T) {
	t.Parallel()
	require.Empty(t, Attention([]stack.Row{
		{Type: kinds.Endpoint, Name: "endpoint", Op: stack.OpUpdate},
		{Type: "pulumi:index:Stash", Name: "spec", Op: stack.OpReplace},
	}))
	require.Equal(t, []string{
		"replacing endpoint: downtime: no answers until the new endpoint is in service",
		"deleting data: data loss: all inputs and results in the bucket are deleted",
		"deleting later: this version of pipelinetui does not know the type, nor what is lost with it",
		"2 resources are replaced, 2 deleted",
	}, Attention([]stack.Row{
		{Type: kinds.Endpoint, Name: "endpoint", Op: stack.OpReplace},
		{Type: kinds.Model, Name: "m", Op: stack.OpReplace},
		{Type: kinds.Bucket, Name: "data", Op: stack.OpDelete},
		{Type: "aws:sagemaker/modelPackageGroup:ModelPackageGroup", Name: "later", Op: stack.OpDelete},
	}))
}
