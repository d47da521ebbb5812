package kinds

import (
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each type says what who deploys it needs: an action, and what it is about.
func TestEveryTypeHasRights(t *testing.T) {
	t.Parallel()
	action := regexp.MustCompile(`^[a-z0-9-]+:[A-Z][A-Za-z]+$`)
	all := rights()
	require.Len(t, all, len(All()), "rights of no type")
	for _, k := range All() {
		r, ok := RightsOf(k.Type)
		require.True(t, ok, "%s has no rights", k.Type)
		about := k.Type
		if r.Of != "" {
			about = r.Of
			require.Empty(t, r.ARNs, k.Type)
		}
		of := all[about]
		require.Empty(t, of.Of, "%s: what %s is about is about something else", k.Type, about)
		require.NotEmpty(t, append(of.Actions(), r.Anywhere...), k.Type)
		for _, a := range append(r.Actions(), r.Anywhere...) {
			require.Regexp(t, action, a, k.Type)
		}
		for _, a := range r.Actions() {
			require.False(t, slices.Contains(cloudControl, a), "%s: %s is scoped to no resource", k.Type, a)
		}
	}
}

// wire is what hashicorp/aws 5.100.0 was heard to ask for: each type of resource made, read,
// changed and deleted once, each operation by the name of the action that it wants.
var wire = map[string][]string{
	Bucket: {
		"s3:CreateBucket", "s3:GetBucketTagging", "s3:ListBucket", "s3:PutBucketTagging", "s3:GetAccelerateConfiguration", "s3:GetBucketAcl",
		"s3:GetBucketCORS", "s3:GetEncryptionConfiguration",
		"s3:GetLifecycleConfiguration", "s3:GetBucketLogging", "s3:GetBucketPolicy", "s3:GetReplicationConfiguration", "s3:GetBucketRequestPayment",
		"s3:GetBucketVersioning", "s3:GetBucketWebsite",
		"s3:GetBucketObjectLockConfiguration", "s3:DeleteBucket", "s3:ListBucketVersions",
	},
	BucketPublicAccess: {"s3:GetBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock"},
	BucketOwnership:    {"s3:GetBucketOwnershipControls", "s3:PutBucketOwnershipControls"},
	BucketEncryption:   {"s3:GetEncryptionConfiguration", "s3:PutEncryptionConfiguration"},
	BucketVersioning:   {"s3:GetBucketVersioning", "s3:PutBucketVersioning"},
	BucketLifecycle:    {"s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration"},
	BucketPolicy:       {"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"},
	Object:             {"s3:PutObject", "s3:GetObject", "s3:GetObjectTagging", "s3:DeleteObject", "s3:DeleteObjectVersion"},
	Role: {
		"iam:CreateRole", "iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:PutRolePermissionsBoundary", "iam:TagRole",
		"iam:UntagRole", "iam:UpdateAssumeRolePolicy",
		"iam:UpdateRole", "iam:UpdateRoleDescription", "iam:DeleteRole", "iam:ListInstanceProfilesForRole",
	},
	RolePolicy: {"iam:GetRolePolicy", "iam:PutRolePolicy", "iam:DeleteRolePolicy"},
	Function: {
		"lambda:CreateFunction", "lambda:GetFunction", "lambda:PutFunctionConcurrency", "lambda:GetFunctionCodeSigningConfig",
		"lambda:ListVersionsByFunction", "lambda:DeleteFunctionConcurrency",
		"lambda:GetFunctionConfiguration", "lambda:PublishVersion", "lambda:TagResource", "lambda:UntagResource", "lambda:UpdateFunctionCode",
		"lambda:UpdateFunctionConfiguration", "lambda:DeleteFunction",
	},
	FunctionAlias:  {"lambda:CreateAlias", "lambda:GetAlias", "lambda:UpdateAlias", "lambda:DeleteAlias"},
	Model:          {"sagemaker:CreateModel", "sagemaker:DescribeModel", "sagemaker:ListTags", "sagemaker:DeleteModel"},
	EndpointConfig: {"sagemaker:CreateEndpointConfig", "sagemaker:DescribeEndpointConfig", "sagemaker:ListTags", "sagemaker:DeleteEndpointConfig"},
	FormerEndpoint: {"sagemaker:CreateEndpoint", "sagemaker:DescribeEndpoint", "sagemaker:ListTags", "sagemaker:AddTags", "sagemaker:UpdateEndpoint", "sagemaker:DeleteEndpoint"},
	LogGroup: {
		"logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:DescribeLogGroups", "logs:ListTagsForResource", "logs:AssociateKmsKey", "logs:DeleteRetentionPolicy", "logs:TagResource",
		"logs:UntagResource", "logs:DeleteLogGroup",
	},
	ScalingTarget: {
		"application-autoscaling:RegisterScalableTarget", "application-autoscaling:DescribeScalableTargets", "application-autoscaling:ListTagsForResource",
		"application-autoscaling:TagResource",
		"application-autoscaling:DeregisterScalableTarget",
	},
	ScalingPolicy: {"application-autoscaling:PutScalingPolicy", "application-autoscaling:DescribeScalingPolicies", "application-autoscaling:DeleteScalingPolicy"},
	Key: {
		"kms:CreateKey", "kms:EnableKeyRotation", "kms:GetKeyRotationStatus", "kms:ListResourceTags", "kms:DescribeKey", "kms:GetKeyPolicy",
		"kms:DisableKeyRotation", "kms:PutKeyPolicy", "kms:TagResource",
		"kms:UpdateKeyDescription", "kms:ScheduleKeyDeletion",
	},
	KeyAlias:    {"kms:CreateAlias", "kms:ListAliases", "kms:DeleteAlias"},
	Queue:       {"sqs:CreateQueue", "sqs:GetQueueAttributes", "sqs:ListQueueTags", "sqs:SetQueueAttributes", "sqs:TagQueue", "sqs:DeleteQueue"},
	EventRule:   {"events:DescribeRule", "events:PutRule", "events:ListTagsForResource", "events:TagResource", "events:DeleteRule"},
	EventTarget: {"events:PutTargets", "events:ListTargetsByRule", "events:RemoveTargets"},
	MetricAlarm: {"cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource", "cloudwatch:TagResource", "cloudwatch:DeleteAlarms"},
}

// What the official provider asks for is in the rights of the type, or of what it is a
// setting of, which deploys with it.
func TestRightsHaveWhatTheOfficialProviderAsksFor(t *testing.T) {
	t.Parallel()
	all := rights()
	for typ, actions := range wire {
		r := all[typ]
		has := append(r.Actions(), r.Anywhere...)
		if r.Of != "" {
			of := all[r.Of]
			has = append(has, of.Actions()...)
		}
		for _, a := range actions {
			require.Contains(t, has, a, typ)
		}
	}
}
