package kinds

// Rights are the IAM actions that who deploys needs for resources of a type: those that the
// embedded providers use, which the sandbox tells (its log, with --debug), and those that
// the official ones use besides, of which hashicorp/aws 5.100.0 was listened to on the wire
// and CloudFormation's handlers, which aws-native works through, are documented
// (cloudformation-cli/latest/userguide/resource-type-schema.html, handlers).
//
// S3's actions are not called as its operations are: PutBucketLifecycleConfiguration wants
// s3:PutLifecycleConfiguration, DeletePublicAccessBlock s3:PutBucketPublicAccessBlock.
// (service-authorization/latest/reference/list_amazons3.html)
type Rights struct {
	// Of is the type whose resources they are about, "" for the type's own: a setting of a
	// bucket is about the bucket.
	Of string
	// ARNs are what they are about, with {partition}, {region}, {account} and {name} in
	// it; the name may hold wildcards. None: AWS scopes the actions to no resource, or what
	// they are about has an ARN that nobody can foretell.
	ARNs []string
	// Names are patterns of what pipelines call such resources, for policies about all of
	// them; {base} is what all names of a pipeline begin with.
	Names []string
	// Make makes one, and tags it; Read is what every preview and refresh asks; Change
	// changes it in place; Delete deletes it.
	Make, Read, Change, Delete []string
	// Anywhere are actions of any of them that AWS scopes to no resource.
	Anywhere []string
	// Pass is the service that a role is handed to by who makes the resource.
	Pass string
	// Bounds hold actions to what is the pipelines' where no ARN can.
	Bounds []Bound
}

// Bound is a condition that some actions are allowed under only.
type Bound struct {
	Actions       []string
	Operator, Key string
	// Values are what the key has to be; Of is the type whose ARNs they are instead.
	Values []string
	Of     string
}

// Actions are all that are about the resource.
func (r *Rights) Actions() []string {
	var out []string
	for _, list := range [][]string{r.Make, r.Read, r.Change, r.Delete} {
		out = append(out, list...)
	}
	return out
}

// RightsOf returns what who deploys needs for resources of a type, false for one that this
// version does not know.
func RightsOf(typ string) (Rights, bool) {
	r, ok := rights()[typ]
	return r, ok
}

const (
	base   = "{base}"
	bucket = "arn:{partition}:s3:::{name}"
)

// in is an ARN in the pipeline's region and account.
func in(service, resource string) string {
	return "arn:{partition}:" + service + ":{region}:{account}:" + resource
}

// rights has what each type of table needs. It is made when it is asked for: no start pays
// for it.
func rights() map[string]Rights {
	roles := Rights{Of: Role}
	endpoint := Rights{
		ARNs: []string{in("sagemaker", "endpoint/{name}")}, Names: []string{base + "-ep"},
		Make: []string{"sagemaker:CreateEndpoint", "sagemaker:AddTags"}, Read: []string{"sagemaker:DescribeEndpoint", "sagemaker:ListTags"},
		Change: []string{"sagemaker:UpdateEndpoint", "sagemaker:DeleteTags"}, Delete: []string{"sagemaker:DeleteEndpoint"},
	}
	native := endpoint
	native.Anywhere = cloudControl
	machine := Rights{Of: StateMachine, Anywhere: cloudControl}
	out := map[string]Rights{
		Key: {
			// The id is KMS's: what is allowed is bound to the pipeline's tag. Those who make
			// what the key encrypts hand on its use (lambda/latest/dg/configuration-envvars-encryption.html,
			// step-functions/latest/dg/encryption-at-rest.html, sagemaker/latest/dg/encryption-at-rest.html).
			Read: []string{
				"kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags", "kms:Decrypt", "kms:Encrypt",
				"kms:GenerateDataKey", "kms:CreateGrant",
			},
			Change: []string{"kms:EnableKeyRotation", "kms:DisableKeyRotation", "kms:PutKeyPolicy", "kms:UpdateKeyDescription", "kms:UntagResource"},
			Delete: []string{"kms:ScheduleKeyDeletion"},
			Make:   []string{"kms:TagResource"},
			// After a crash it is looked for by its tag among all keys.
			Anywhere: []string{"kms:CreateKey", "kms:ListKeys", "kms:ListResourceTags"},
		},
		KeyAlias: {
			ARNs: []string{in("kms", "{name}")}, Names: []string{"alias/" + base},
			Make: []string{"kms:CreateAlias"}, Delete: []string{"kms:DeleteAlias"}, Change: []string{"kms:UpdateAlias"}, Anywhere: []string{"kms:ListAliases"},
		},
		Role: {
			ARNs:  []string{"arn:{partition}:iam::{account}:role/pipelinetui/{name}"},
			Names: []string{base + "-states", base + "-lambda", base + "-invoker", base + "-notifier", base + "-sagemaker"},
			Make:  []string{"iam:CreateRole", "iam:TagRole"}, Read: []string{"iam:GetRole", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies"},
			Change: []string{"iam:UpdateAssumeRolePolicy", "iam:UpdateRole", "iam:UpdateRoleDescription", "iam:UntagRole", "iam:PutRolePermissionsBoundary"},
			Delete: []string{"iam:DeleteRole", "iam:ListInstanceProfilesForRole", "iam:DetachRolePolicy"},
			// A profile that somebody has put a role into has a name of theirs.
			Anywhere: []string{"iam:RemoveRoleFromInstanceProfile"},
		},
		RolePolicy:      {Of: Role, Make: []string{"iam:PutRolePolicy"}, Read: []string{"iam:GetRolePolicy"}, Delete: []string{"iam:DeleteRolePolicy"}},
		RolePolicies:    roles,
		RoleAttachments: roles,
		Queue: {
			ARNs: []string{in("sqs", "{name}")}, Names: []string{base + "-dlq", base + "-notices"},
			Make: []string{"sqs:CreateQueue", "sqs:TagQueue"}, Read: []string{"sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags"},
			Change: []string{"sqs:SetQueueAttributes", "sqs:UntagQueue"}, Delete: []string{"sqs:DeleteQueue"},
		},
		QueuePolicy: {Of: Queue, Make: []string{"sqs:SetQueueAttributes"}, Read: []string{"sqs:GetQueueAttributes"}},
		Topic: {
			ARNs: []string{in("sns", "{name}")}, Names: []string{base + "-notices", base + "-events"},
			Make: []string{"sns:CreateTopic", "sns:TagResource", "sns:SetTopicAttributes"}, Read: []string{"sns:GetTopicAttributes", "sns:ListTagsForResource"},
			Change: []string{"sns:UntagResource"}, Delete: []string{"sns:DeleteTopic"},
		},
		TopicPolicy: {Of: Topic, Make: []string{"sns:SetTopicAttributes"}, Read: []string{"sns:GetTopicAttributes"}},
		TopicSubscription: {
			// What is asked of a subscription has no resource.
			// (service-authorization/latest/reference/list_amazonsns.html)
			Of: Topic, Make: []string{"sns:Subscribe"}, Anywhere: []string{"sns:GetSubscriptionAttributes", "sns:SetSubscriptionAttributes", "sns:Unsubscribe"},
		},
		EventRule: {
			ARNs: []string{in("events", "rule/{name}")}, Names: []string{base + "-status", base + "-notices", base + "-events"},
			Make: []string{"events:PutRule", "events:TagResource"}, Read: []string{"events:DescribeRule", "events:ListTagsForResource"},
			Change: []string{"events:EnableRule", "events:DisableRule", "events:UntagResource"}, Delete: []string{"events:DeleteRule"},
		},
		EventTarget: {Of: EventRule, Make: []string{"events:PutTargets"}, Read: []string{"events:ListTargetsByRule"}, Delete: []string{"events:RemoveTargets"}},
		LogGroup: {
			// Logs' own reference has both forms of a group's ARN.
			ARNs:  []string{in("logs", "log-group:{name}"), in("logs", "log-group:{name}:*")},
			Names: []string{"/aws/lambda/" + base + "-*", "/aws/vendedlogs/states/" + base, "/aws/sagemaker/Endpoints/" + base + "-ep"},
			Make:  []string{"logs:CreateLogGroup", "logs:TagResource", "logs:PutRetentionPolicy"}, Read: []string{"logs:ListTagsForResource"},
			Change: []string{"logs:DeleteRetentionPolicy", "logs:AssociateKmsKey", "logs:DisassociateKmsKey", "logs:UntagResource"}, Delete: []string{"logs:DeleteLogGroup"},
			Anywhere: []string{"logs:DescribeLogGroups"},
		},
		MetricAlarm: {
			ARNs: []string{in("cloudwatch", "alarm:{name}")}, Names: []string{base + "-*"},
			// An alarm that is set off turns a rollout back.
			Make: []string{"cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:SetAlarmState"}, Read: []string{"cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource"},
			Change: []string{"cloudwatch:UntagResource"}, Delete: []string{"cloudwatch:DeleteAlarms"},
		},
		Function: {
			ARNs:  []string{in("lambda", "function:{name}"), in("lambda", "function:{name}:*")},
			Names: []string{base + "-pre", base + "-inv", base + "-notify"}, Pass: "lambda.amazonaws.com",
			Make:   []string{"lambda:CreateFunction", "lambda:TagResource", "lambda:PutFunctionConcurrency"},
			Read:   []string{"lambda:GetFunction", "lambda:GetFunctionConfiguration", "lambda:GetFunctionCodeSigningConfig", "lambda:ListVersionsByFunction", "lambda:ListTags"},
			Change: []string{"lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "lambda:PublishVersion", "lambda:DeleteFunctionConcurrency", "lambda:UntagResource"},
			Delete: []string{"lambda:DeleteFunction"},
		},
		FunctionSource: {
			// The ids of mappings are Lambda's. After a crash one is looked for.
			ARNs: []string{in("lambda", "event-source-mapping:*")},
			Make: []string{"lambda:CreateEventSourceMapping", "lambda:TagResource"}, Read: []string{"lambda:GetEventSourceMapping", "lambda:ListTags"},
			Change: []string{"lambda:UpdateEventSourceMapping", "lambda:UntagResource"}, Delete: []string{"lambda:DeleteEventSourceMapping"},
			Anywhere: []string{"lambda:ListEventSourceMappings"},
			// The function tells whose it is. Create has no resource, so that its statement has "*".
			// (service-authorization/latest/reference/list_awslambda.html)
			Bounds: []Bound{
				{
					Actions: []string{"lambda:CreateEventSourceMapping", "lambda:UpdateEventSourceMapping", "lambda:DeleteEventSourceMapping"}, Operator: "ArnLike",
					Key: "lambda:FunctionArn", Of: Function,
				},
			},
		},
		FunctionAlias: {
			Of: Function, Make: []string{"lambda:CreateAlias"}, Read: []string{"lambda:GetAlias"}, Change: []string{"lambda:UpdateAlias"},
			Delete: []string{"lambda:DeleteAlias"},
		},
		Model: {
			ARNs: []string{in("sagemaker", "model/{name}")}, Names: []string{base + "-m-*"}, Pass: "sagemaker.amazonaws.com",
			Make: []string{"sagemaker:CreateModel", "sagemaker:AddTags"}, Read: []string{"sagemaker:DescribeModel", "sagemaker:ListTags"},
			Change: []string{"sagemaker:DeleteTags"}, Delete: []string{"sagemaker:DeleteModel"},
		},
		EndpointConfig: {
			// CreateEndpoint and UpdateEndpoint are asked for on the configuration too.
			ARNs: []string{in("sagemaker", "endpoint-config/{name}")}, Names: []string{base + "-c-*"},
			Make: []string{"sagemaker:CreateEndpointConfig", "sagemaker:CreateEndpoint", "sagemaker:AddTags"}, Read: []string{"sagemaker:DescribeEndpointConfig", "sagemaker:ListTags"},
			Change: []string{"sagemaker:UpdateEndpoint", "sagemaker:DeleteTags"}, Delete: []string{"sagemaker:DeleteEndpointConfig"},
		},
		Endpoint:       native,
		FormerEndpoint: endpoint,
		ScalingTarget: {
			// The ids of targets are AWS's. Policies of a target make and delete alarms of
			// their own, as who asks (autoscaling/application/userguide/security_iam_service-with-iam.html).
			ARNs: []string{in("application-autoscaling", "scalable-target/*")},
			Make: []string{"application-autoscaling:RegisterScalableTarget", "application-autoscaling:TagResource"}, Read: []string{"application-autoscaling:ListTagsForResource"},
			Change: []string{"application-autoscaling:UntagResource"}, Delete: []string{"application-autoscaling:DeregisterScalableTarget"},
			Anywhere: []string{"application-autoscaling:DescribeScalableTargets"}, Bounds: scalesEndpoints("RegisterScalableTarget", "DeregisterScalableTarget"),
		},
		ScalingPolicy: {
			Of: ScalingTarget, Make: []string{"application-autoscaling:PutScalingPolicy"}, Delete: []string{"application-autoscaling:DeleteScalingPolicy"},
			Anywhere: []string{"application-autoscaling:DescribeScalingPolicies"}, Bounds: scalesEndpoints("PutScalingPolicy", "DeleteScalingPolicy"),
		},
		StateMachine: {
			ARNs: []string{in("states", "stateMachine:{name}"), in("states", "stateMachine:{name}:*")}, Names: []string{base}, Pass: "states.amazonaws.com",
			Make: []string{"states:CreateStateMachine", "states:TagResource"}, Read: []string{"states:DescribeStateMachine", "states:ListTagsForResource"},
			Change: []string{"states:UpdateStateMachine", "states:UntagResource"}, Delete: []string{"states:DeleteStateMachine"},
			Anywhere: cloudControl,
		},
	}
	version := machine
	// A version that an execution may go on with stays.
	version.Make, version.Read, version.Delete = []string{"states:PublishStateMachineVersion"}, []string{"states:ListStateMachineVersions", "states:ListExecutions"},
		[]string{"states:DeleteStateMachineVersion"}
	alias := machine
	alias.Make, alias.Read, alias.Change, alias.Delete = []string{"states:CreateStateMachineAlias"}, []string{"states:DescribeStateMachineAlias"},
		[]string{"states:UpdateStateMachineAlias"}, []string{"states:DeleteStateMachineAlias"}
	out[StateMachineVersion], out[StateMachineAlias] = version, alias
	for typ, r := range bucketRights() {
		out[typ] = r
	}
	return out
}

// cloudControl is how aws-native makes, reads, changes and deletes: by requests that are
// about no resource in IAM's sense. What they come to is asked for besides.
// (cloudcontrolapi/latest/userguide/security_iam_service-with-iam.html)
var cloudControl = []string{
	"cloudformation:CreateResource", "cloudformation:GetResource", "cloudformation:UpdateResource",
	"cloudformation:DeleteResource", "cloudformation:GetResourceRequestStatus", "cloudformation:CancelResourceRequest",
}

// scalesEndpoints holds actions of Application Auto Scaling to endpoints: the services that it
// scales share its targets' ARNs.
// (service-authorization/latest/reference/list_applicationautoscaling.html)
func scalesEndpoints(actions ...string) []Bound {
	for i := range actions {
		actions[i] = "application-autoscaling:" + actions[i]
	}
	return []Bound{{Actions: actions, Operator: "StringEquals", Key: "application-autoscaling:service-namespace", Values: []string{"sagemaker"}}}
}

// bucketRights are those of a bucket and all that is set on it.
func bucketRights() map[string]Rights {
	setting := func(read, put string) Rights { return Rights{Of: Bucket, Make: []string{put}, Read: []string{read}} }
	of := setting("s3:GetBucketPolicy", "s3:PutBucketPolicy")
	of.Delete = []string{"s3:DeleteBucketPolicy"}
	return map[string]Rights{
		Bucket: {
			ARNs: []string{bucket}, Names: []string{base + "-*"},
			Make: []string{"s3:CreateBucket", "s3:PutBucketTagging"},
			// The official provider reads every setting that a bucket may have.
			Read: []string{
				"s3:ListBucket", "s3:GetBucketTagging", "s3:GetBucketPolicy", "s3:GetBucketAcl", "s3:GetBucketCORS", "s3:GetBucketWebsite",
				"s3:GetBucketVersioning", "s3:GetAccelerateConfiguration",
				"s3:GetBucketRequestPayment", "s3:GetBucketLogging", "s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration",
				"s3:GetEncryptionConfiguration", "s3:GetBucketObjectLockConfiguration",
			},
			// It is emptied first.
			Delete: []string{"s3:DeleteBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"},
		},
		BucketPublicAccess: setting("s3:GetBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock"),
		BucketOwnership:    setting("s3:GetBucketOwnershipControls", "s3:PutBucketOwnershipControls"),
		BucketPolicy:       of,
		BucketEncryption:   setting("s3:GetEncryptionConfiguration", "s3:PutEncryptionConfiguration"),
		BucketVersioning:   setting("s3:GetBucketVersioning", "s3:PutBucketVersioning"),
		BucketLifecycle:    setting("s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration"),
		Object: {
			ARNs: []string{bucket + "/*"}, Names: []string{base + "-*"},
			Make: []string{"s3:PutObject", "s3:PutObjectTagging", "s3:AbortMultipartUpload"}, Read: []string{"s3:GetObject", "s3:GetObjectTagging", "s3:GetObjectVersion"},
			Change: []string{"s3:DeleteObjectTagging"}, Delete: []string{"s3:DeleteObject", "s3:DeleteObjectVersion"},
		},
	}
}
