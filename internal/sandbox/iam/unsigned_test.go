package iam_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

// Clients do not sign what takes a token in place of a signature. It is said that the
// sandbox does not serve that, and not that a signature is missing.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
func TestOperationsThatNobodySigns(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := sts.NewFromConfig(w.Admin())
	_, err := c.AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: aws.String("arn:aws:iam::000000000000:role/pod"), RoleSessionName: aws.String("pod"), WebIdentityToken: aws.String("header.payload.signature"),
	})
	require.Contains(t, iamtest.RequireCode(t, err, "NotImplemented").ErrorMessage(), "sts:AssumeRoleWithWebIdentity")
	_, err = c.AssumeRoleWithSAML(ctx, &sts.AssumeRoleWithSAMLInput{
		RoleArn: aws.String("arn:aws:iam::000000000000:role/pod"), PrincipalArn: aws.String("arn:aws:iam::000000000000:saml-provider/idp"), SAMLAssertion: aws.String("PHNhbWw+"),
	})
	iamtest.RequireCode(t, err, "NotImplemented")
	_, err = sts.NewFromConfig(w.Admin(), func(o *sts.Options) { o.Credentials = aws.AnonymousCredentials{} }).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	iamtest.RequireCode(t, err, "MissingAuthenticationToken")
}
