package kinds

import "sync"

// The types of resources that blocks make, by the engine's names.
const (
	Key      = "aws:kms/key:Key"
	KeyAlias = "aws:kms/alias:Alias"

	Bucket             = "aws:s3/bucketV2:BucketV2"
	BucketPublicAccess = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
	BucketOwnership    = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
	BucketPolicy       = "aws:s3/bucketPolicy:BucketPolicy"
	BucketEncryption   = "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2"
	BucketVersioning   = "aws:s3/bucketVersioningV2:BucketVersioningV2"
	BucketLifecycle    = "aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2"
	Object             = "aws:s3/bucketObjectv2:BucketObjectv2"

	Role            = "aws:iam/role:Role"
	RolePolicy      = "aws:iam/rolePolicy:RolePolicy"
	RolePolicies    = "aws:iam/rolePoliciesExclusive:RolePoliciesExclusive"
	RoleAttachments = "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive"

	Queue             = "aws:sqs/queue:Queue"
	QueuePolicy       = "aws:sqs/queuePolicy:QueuePolicy"
	Topic             = "aws:sns/topic:Topic"
	TopicPolicy       = "aws:sns/topicPolicy:TopicPolicy"
	TopicSubscription = "aws:sns/topicSubscription:TopicSubscription"
	EventRule         = "aws:cloudwatch/eventRule:EventRule"
	EventTarget       = "aws:cloudwatch/eventTarget:EventTarget"

	LogGroup       = "aws:cloudwatch/logGroup:LogGroup"
	MetricAlarm    = "aws:cloudwatch/metricAlarm:MetricAlarm"
	Function       = "aws:lambda/function:Function"
	FunctionSource = "aws:lambda/eventSourceMapping:EventSourceMapping"
	FunctionAlias  = "aws:lambda/alias:Alias"

	Model          = "aws:sagemaker/model:Model"
	EndpointConfig = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
	Endpoint       = "aws-native:sagemaker:Endpoint"
	ScalingTarget  = "aws:appautoscaling/target:Target"
	ScalingPolicy  = "aws:appautoscaling/policy:Policy"

	// FormerEndpoint is what endpoints were made by up to version 0.1; the next up takes
	// them over.
	FormerEndpoint = "aws:sagemaker/endpoint:Endpoint"

	StateMachine        = "aws-native:stepfunctions:StateMachine"
	StateMachineVersion = "aws-native:stepfunctions:StateMachineVersion"
	StateMachineAlias   = "aws-native:stepfunctions:StateMachineAlias"
)

// anew is the effect of a replacement that nobody notices.
var anew = Effect{Harmless, "made anew"}

// gone is that of a deletion.
func gone(text string) Effect { return Effect{Harmless, text} }

// onBucket is a setting of the bucket.
var onBucket = forgotten("it is a setting of the bucket: it goes with it, and making it again writes over it")

// whole is a thing of which nothing is anybody else's.
func whole(text string) Others { return Others{Exclusive, text} }

// beside is a thing to which others may add.
func beside(text string) Others { return Others{Settings, text} }

// endpoint is the row of SageMaker's endpoints, whichever provider makes them.
func endpoint(typ string, lost Recovery) Kind {
	return Kind{
		Type: typ, Title: "SageMaker endpoint",
		Lost: lost, Rest: InService, Idle: ByInstance,
		Replaced: Effect{Grave, "downtime: no answers until the new endpoint is in service"},
		Deleted:  Effect{Grave, "nothing answers any more"},
		Footing:  Under,
		console: func(at Place, id string) string {
			return page("/sagemaker/home", "#/endpoints/")(at, EndpointName(id))
		},
		Patience: Patience{Create: "until it is in service; on AWS some minutes", Update: "until the new fleet is in service; on AWS some minutes"},
		Others:   beside("how many instances it has at present, and each variant's weight, which an update keeps; its configuration and tags are the pipeline's"),
	}
}

// former marks a type that only states of earlier versions have.
func (k Kind) former() Kind {
	k.Former = true
	return k
}

// table has a row for each type. docs/resources.md is made of it.
var table = []Kind{
	{
		Type: Key, Title: "KMS key",
		Lost: asked(ByTag, "the pipeline's tag, among all keys of the account and region: AWS makes up its id"), Rest: AtOnce, Idle: Monthly,
		Replaced: Effect{Grave, "what the old key encrypted can't be read any more"},
		Deleted:  Effect{Grave, "locked at once, gone after its waiting period: what it encrypted can't be read any more"},
		Footing:  Under, console: page("/kms/home", "#/kms/keys/"),
		Others: whole("its policy, rotation, description and tags; grants and further aliases are left alone and end with it"),
	},
	{
		Type: KeyAlias, Title: "KMS alias",
		Lost: named("name"), Rest: AtOnce, Idle: ByUse,
		Replaced: anew, Deleted: gone("the name only: the key stays"),
		Footing: Beside, console: noPage,
		Others: whole("it points to the pipeline's key"),
	},
	{
		Type: Bucket, Title: "S3 bucket",
		Lost: named("bucket"), Rest: AtOnce, Idle: ByUse,
		Replaced: Effect{Grave, "data loss: all inputs and results in the bucket are deleted"},
		Deleted:  Effect{Grave, "data loss: all inputs and results in the bucket are deleted"},
		Footing:  Under, console: bucketPage,
		Others: beside("notifications, logging, CORS, replication and what else only listens, counts or copies (decisions/0013); its tags are the pipeline's"),
	},
	{
		Type: BucketPublicAccess, Title: "public access block of a bucket",
		Lost: onBucket, Rest: AtOnce, Idle: ByUse,
		Replaced: anew, Deleted: gone("the bucket's policy could open it to the public"),
		Footing: Beside, console: noPage,
		Others: whole("nobody opens the bucket"),
	},
	{
		Type: BucketOwnership, Title: "ownership controls of a bucket",
		Lost: onBucket, Rest: AtOnce, Idle: ByUse,
		Replaced: anew, Deleted: gone("access lists count again"),
		Footing: Beside, console: noPage,
		Others: whole("access lists stay off"),
	},
	{
		Type: BucketPolicy, Title: "policy of a bucket",
		Lost: onBucket, Rest: AtOnce, Idle: ByUse,
		Replaced: anew, Deleted: gone("requests without TLS and of other accounts are not denied any more"),
		Footing: Beside, console: noPage,
		Others: whole("statements of others would open or close the bucket"),
	},
	{
		Type: BucketEncryption, Title: "default encryption of a bucket",
		Lost: onBucket, Rest: AtOnce, Idle: ByUse,
		Replaced: anew, Deleted: gone("what is written from then on has S3's own encryption"),
		Footing: Beside, console: noPage,
		Others: whole("objects are encrypted as the pipeline says"),
	},
	{
		Type: BucketVersioning, Title: "versioning of a bucket",
		Lost: onBucket, Rest: AtOnce, Idle: ByUse,
		Replaced: anew, Deleted: gone("versions stay, new ones are not kept"),
		Footing: Beside, console: noPage,
		Others: whole("versions are kept as the pipeline says"),
	},
	{
		Type: BucketLifecycle, Title: "lifecycle of a bucket",
		Lost: onBucket, Rest: AtOnce, Idle: ByUse,
		Replaced: anew, Deleted: gone("nothing ends by itself any more: uploads that were never finished stay"),
		Footing: Beside, console: noPage,
		Others: whole("a rule of somebody else would delete models and results"),
	},
	{
		Type: Object, Title: "S3 object",
		Lost: forgotten("its name follows from its content and it goes with the bucket: making it again writes the same over it"), Rest: AtOnce, Idle: ByUse,
		Replaced: Effect{Harmless, "the new one is made first, the old one stays in the bucket"}, Deleted: gone("it stays in the bucket"),
		Footing: Beside, console: noPage,
		Others: whole("its name says what it holds, and nobody else writes there"),
	},
	{
		Type: Role, Title: "IAM role",
		Lost: named("name"), Rest: AtOnce, Idle: ByUse,
		Replaced: Effect{Grave, "executions fail until the new role is there"}, Deleted: gone("what runs as it may do nothing any more"),
		Footing: Under, console: rolePage,
		Others: whole("who may take it, its boundary and tags; its policies by two resources of their own"),
	},
	{
		Type: RolePolicy, Title: "inline policy of a role",
		Lost: composed("the names of its role and its own", pair("role", ":", "name")), Rest: AtOnce, Idle: ByUse,
		Replaced: anew, Deleted: gone("the role may do nothing any more"),
		Footing: Beside, console: noPage,
		Others: whole("the role may do what the pipeline says"),
	},
	{
		Type: RolePolicies, Title: "list of a role's inline policies",
		Lost: forgotten("it is a rule about the role and nothing in AWS"), Rest: AtOnce, Idle: ByUse,
		Replaced: anew, Deleted: gone("further policies of the role are not taken away any more"),
		Footing: Beside, console: noPage,
		Others: whole("policies that others put into the role are taken away"),
	},
	{
		Type: RoleAttachments, Title: "list of a role's attached policies",
		Lost: forgotten("it is a rule about the role and nothing in AWS"), Rest: AtOnce, Idle: ByUse,
		Replaced: anew, Deleted: gone("policies attached to the role are not taken away any more"),
		Footing: Beside, console: noPage,
		Others: whole("policies that others attach to the role are taken away"),
	},
	{
		Type: Queue, Title: "SQS queue",
		Lost: asked(ByQueue, "its name, of which SQS makes its URL"), Rest: AtOnce, Idle: ByUse,
		Replaced: Effect{Grave, "messages in the queue are lost"},
		Deleted:  Effect{Grave, "messages in the queue are lost"},
		Footing:  Beside, console: query("/sqs/v3/home", "#/queues/"),
		Others: beside("who reads its messages; its attributes and tags are the pipeline's"),
	},
	{
		Type: QueuePolicy, Title: "policy of a queue",
		Lost: forgotten("it is a setting of the queue: it goes with it, and making it again writes over it"), Rest: AtOnce, Idle: ByUse,
		Replaced: anew, Deleted: gone("nothing may be sent to the queue any more"),
		Footing: Beside, console: noPage,
		Others: whole("only the pipeline's rule and topic send to the queue"),
	},
	{
		Type: Topic, Title: "SNS topic",
		Lost: composed("its name", topicID), Rest: AtOnce, Idle: ByUse,
		Replaced: Effect{Slight, "nobody is told meanwhile, and who gets e-mail has to confirm it again"},
		Deleted:  Effect{Slight, "nobody is told of failures any more"},
		Footing:  Beside, console: page("/sns/v3/home", "#/topic/"),
		Others: beside("subscriptions of others; its policy, key and tags are the pipeline's"),
	},
	{
		Type: TopicPolicy, Title: "policy of a topic",
		Lost: forgotten("it is a setting of the topic: it goes with it, and making it again writes over it"), Rest: AtOnce, Idle: ByUse,
		Replaced: anew, Deleted: gone("alarms may not publish to the topic any more"),
		Footing: Beside, console: noPage,
		Others: whole("only the pipeline's alarms and its notifier publish to the topic"),
	},
	{
		Type: TopicSubscription, Title: "subscription of a topic",
		Lost: forgotten("it goes with the topic, and making it again gives the same one"), Rest: AtOnce, Idle: ByUse,
		Replaced: Effect{Slight, "an e-mail address has to be confirmed again"}, Deleted: Effect{Slight, "it is not told of failures any more"},
		Footing: Beside, console: noPage,
		Others: whole("who is told, and how; only the owner of an e-mail address confirms it"),
	},
	{
		Type: EventRule, Title: "EventBridge rule",
		Lost: named("name"), Rest: AtOnce, Idle: ByUse,
		Replaced: Effect{Slight, "failures of meanwhile are not reported"}, Deleted: Effect{Slight, "failed executions are not reported any more"},
		Footing: Beside, console: page("/events/home", "#/eventbus/default/rules/"),
		Others: beside("targets of others; its pattern and tags are the pipeline's"),
	},
	{
		Type: EventTarget, Title: "target of an EventBridge rule",
		Lost: composed("the names of its rule and its own", pair("rule", "-", "targetId")), Rest: AtOnce, Idle: ByUse,
		Replaced: Effect{Slight, "failures of meanwhile are not reported"}, Deleted: Effect{Slight, "failed executions are not reported any more"},
		Footing: Beside, console: noPage,
		Others: whole("it is the pipeline's queue"),
	},
	{
		Type: LogGroup, Title: "CloudWatch log group",
		Lost: named("name"), Rest: AtOnce, Idle: ByUse,
		Replaced: Effect{Slight, "its log lines are lost"},
		Deleted:  Effect{Slight, "its log lines are lost"},
		Footing:  Beside, console: logsPage,
		Others: beside("subscriptions, metric filters, queries; its retention, key and tags are the pipeline's"),
	},
	{
		Type: MetricAlarm, Title: "CloudWatch alarm",
		Lost: named("name"), Rest: AtOnce, Idle: Monthly,
		Replaced: Effect{Slight, "nobody is alarmed meanwhile"}, Deleted: Effect{Slight, "nobody is alarmed any more"},
		Footing: Beside, console: page("/cloudwatch/home", "#alarmsV2:alarm/"),
		Others: whole("when it alarms, and what is done then"),
	},
	{
		Type: Function, Title: "Lambda function",
		Lost: named("name"), Rest: AtOnce, Idle: ByUse,
		Replaced: Effect{Grave, "downtime: executions fail until the new function is there"}, Deleted: gone("executions can't call it any more"),
		Footing: Under, console: page("/lambda/home", "#/functions/"),
		Others: beside("who may call it, event sources, a URL; its code, configuration and tags are the pipeline's"),
	},
	{
		Type: FunctionSource, Title: "event source of a Lambda function",
		Lost: asked(BySource, "its function and its queue: AWS makes up its id"), Rest: AtOnce, Idle: ByUse,
		Replaced: Effect{Slight, "notices come later"}, Deleted: Effect{Slight, "failed executions are not told of any more"},
		Footing: Beside, console: noPage,
		Others: whole("which queue the function reads, and how much at a time"),
	},
	{
		Type: FunctionAlias, Title: "alias of a Lambda function",
		Lost: composed("the names of its function and its own", functionAliasID), Rest: AtOnce, Idle: ByUse,
		Replaced: anew, Deleted: gone("executions can't call the function by it any more"),
		Footing: Beside, console: noPage,
		Others: beside("provisioned concurrency and who may call it; its version is the pipeline's"),
	},
	{
		Type: Model, Title: "SageMaker model",
		Lost: named("name"), Rest: AtOnce, Idle: ByUse,
		Replaced: Effect{Harmless, "the new one is made first, then the old one deleted"}, Deleted: gone("an endpoint that runs keeps what it has loaded"),
		Footing: Beside, console: page("/sagemaker/home", "#/models/"),
		Others: Others{Fixed, "SageMaker changes no model, but for its tags, which are the pipeline's"},
	},
	{
		Type: EndpointConfig, Title: "SageMaker endpoint configuration",
		Lost: named("name"), Rest: AtOnce, Idle: ByUse,
		Replaced: Effect{Harmless, "the new one is made first, then the old one deleted"}, Deleted: gone("an endpoint that runs keeps it until it is updated"),
		Footing: Beside, console: page("/sagemaker/home", "#/endpointConfig/"),
		Others: Others{Fixed, "SageMaker changes no configuration, but for its tags, which are the pipeline's"},
	},
	endpoint(Endpoint, composed("its name", endpointID)),
	endpoint(FormerEndpoint, named("name")).former(),
	{
		Type: ScalingTarget, Title: "autoscaling target",
		Lost: named("resourceId"), Rest: AtOnce, Idle: ByUse,
		Replaced: anew, Deleted: gone("the number of instances stays as it is"),
		Footing: Beside, console: noPage,
		Others: beside("scheduled actions and further policies; its bounds are the pipeline's"),
	},
	{
		Type: ScalingPolicy, Title: "autoscaling policy",
		Lost: named("name"), Rest: AtOnce, Idle: ByUse,
		Replaced: anew, Deleted: gone("the number of instances stays as it is"),
		Footing: Beside, console: noPage,
		Others: whole("what is aimed at; its alarms are autoscaling's own"),
	},
	{
		Type: StateMachine, Title: "Step Functions state machine",
		Lost: composed("its name", machineID), Rest: AtOnce, Idle: ByUse,
		Replaced: Effect{Grave, "running executions are stopped, the history of all is lost"},
		Deleted:  Effect{Grave, "running executions are stopped, the history of all is lost"},
		Footing:  Under, console: query("/states/home", "#/statemachines/view/"),
		Others: beside("executions, aliases and the versions that they lead to; its definition, role, logging and tags are the pipeline's"),
	},
	{
		Type: StateMachineVersion, Title: "version of a state machine",
		Lost: asked(ByRevision, "its machine and the revision: another version of that is refused"), Rest: AtOnce, Idle: ByUse,
		Replaced: Effect{Harmless, "the new one is made first, the old one stays"}, Deleted: gone("it goes with its state machine"),
		Footing: Beside, console: noPage,
		Others: Others{Fixed, "a version never changes"},
	},
	{
		Type: StateMachineAlias, Title: "alias of a state machine",
		Lost: composed("the version that it points to, and its name", machineAliasID), Rest: AtOnce, Idle: ByUse,
		Replaced: anew, Deleted: gone("executions can't be started through it any more"),
		Footing: Under, console: noPage,
		Others: whole("which version executions run"),
	},
}

// index is where the row of each type is.
var index = sync.OnceValue(func() map[string]int {
	at := make(map[string]int, len(table))
	for i, k := range table {
		at[k.Type] = i
	}
	return at
})
