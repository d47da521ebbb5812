package app

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// TestWhereARNsLead: account and region come from ARNs, and from nothing that only has
// colons in it.
func TestWhereARNsLead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"arn:aws:states:eu-west-1:111122223333:stateMachine:x": "111122223333",
		"arn:aws:iam::111122223333:role/x":                     "111122223333",
		"arn:aws:s3:::bucket":                                  "",
		"urn:pulumi:stack::project::type::name":                "",
		"arn:aws:iam::111122223333":                            "",
		"":                                                     "",
	} {
		require.Equal(t, want, arnAccount(text), text)
	}
	p := &spec.Pipeline{Region: "us-east-1"}
	require.Equal(t, "us-east-1", secretOf(p, spec.Secret{SSM: "/a/b"}).region)
	require.Equal(t, "eu-west-1", secretOf(p, spec.Secret{SecretsManager: "arn:aws:secretsmanager:eu-west-1:111122223333:secret:x-AbCdEf"}).region)
}
