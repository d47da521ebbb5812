package services_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	nsfn "github.com/pulumi/pulumi-aws-native/sdk/go/aws/stepfunctions"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/appautoscaling"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecr"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lambda"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sagemaker"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/scheduler"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/secretsmanager"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sns"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sqs"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ssm"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/program/native"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/services"
)

// official says how the official SDKs describe a resource type.
type official struct{ args, state reflect.Type }

func of[Args interface{ ElementType() reflect.Type }, State any]() official {
	var a Args
	return official{a.ElementType(), reflect.TypeFor[State]()}
}

// nativeInputs are its inputs, with the type of what native's are given as values.
type nativeInputs struct {
	DeploymentConfig                 *native.DeploymentConfig `pulumi:"deploymentConfig"`
	EndpointConfigName               string                   `pulumi:"endpointConfigName"`
	EndpointName                     *string                  `pulumi:"endpointName"`
	ExcludeRetainedVariantProperties []struct {
		VariantPropertyType *string `pulumi:"variantPropertyType"`
	} `pulumi:"excludeRetainedVariantProperties"`
	RetainAllVariantProperties *bool `pulumi:"retainAllVariantProperties"`
	Tags                       []struct {
		Key   string `pulumi:"key"`
		Value string `pulumi:"value"`
	} `pulumi:"tags"`
}

// nativeEndpoint has the outputs of the SDK's type, whose package is too dear to import;
// internal/program/native holds its own types against the SDK's source.
type nativeEndpoint struct {
	DeploymentConfig                 any `pulumi:"deploymentConfig"`
	EndpointArn                      any `pulumi:"endpointArn"`
	EndpointConfigName               any `pulumi:"endpointConfigName"`
	EndpointName                     any `pulumi:"endpointName"`
	ExcludeRetainedVariantProperties any `pulumi:"excludeRetainedVariantProperties"`
	RetainAllVariantProperties       any `pulumi:"retainAllVariantProperties"`
	Tags                             any `pulumi:"tags"`
}

var sdk = map[string]official{
	"aws:s3/bucketV2:BucketV2":                                              of[s3.BucketV2Args, s3.BucketV2](),
	"aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock":                of[s3.BucketPublicAccessBlockArgs, s3.BucketPublicAccessBlock](),
	"aws:s3/bucketOwnershipControls:BucketOwnershipControls":                of[s3.BucketOwnershipControlsArgs, s3.BucketOwnershipControls](),
	"aws:s3/bucketVersioningV2:BucketVersioningV2":                          of[s3.BucketVersioningV2Args, s3.BucketVersioningV2](),
	"aws:s3/bucketPolicy:BucketPolicy":                                      of[s3.BucketPolicyArgs, s3.BucketPolicy](),
	"aws:s3/bucketObjectv2:BucketObjectv2":                                  of[s3.BucketObjectv2Args, s3.BucketObjectv2](),
	"aws:iam/role:Role":                                                     of[iam.RoleArgs, iam.Role](),
	"aws:iam/rolePolicy:RolePolicy":                                         of[iam.RolePolicyArgs, iam.RolePolicy](),
	"aws:iam/policy:Policy":                                                 of[iam.PolicyArgs, iam.Policy](),
	"aws:iam/rolePolicyAttachment:RolePolicyAttachment":                     of[iam.RolePolicyAttachmentArgs, iam.RolePolicyAttachment](),
	"aws:iam/rolePoliciesExclusive:RolePoliciesExclusive":                   of[iam.RolePoliciesExclusiveArgs, iam.RolePoliciesExclusive](),
	"aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive": of[iam.RolePolicyAttachmentsExclusiveArgs, iam.RolePolicyAttachmentsExclusive](),
	"aws:cloudwatch/logGroup:LogGroup":                                      of[cloudwatch.LogGroupArgs, cloudwatch.LogGroup](),
	"aws:cloudwatch/eventRule:EventRule":                                    of[cloudwatch.EventRuleArgs, cloudwatch.EventRule](),
	"aws:cloudwatch/eventTarget:EventTarget":                                of[cloudwatch.EventTargetArgs, cloudwatch.EventTarget](),
	"aws:cloudwatch/metricAlarm:MetricAlarm":                                of[cloudwatch.MetricAlarmArgs, cloudwatch.MetricAlarm](),
	"aws:cloudwatch/eventBus:EventBus":                                      of[cloudwatch.EventBusArgs, cloudwatch.EventBus](),
	"aws:scheduler/schedule:Schedule":                                       of[scheduler.ScheduleArgs, scheduler.Schedule](),
	"aws:scheduler/scheduleGroup:ScheduleGroup":                             of[scheduler.ScheduleGroupArgs, scheduler.ScheduleGroup](),
	"aws:s3/bucketNotification:BucketNotification":                          of[s3.BucketNotificationArgs, s3.BucketNotification](),
	"aws:s3/bucketCorsConfigurationV2:BucketCorsConfigurationV2":            of[s3.BucketCorsConfigurationV2Args, s3.BucketCorsConfigurationV2](),
	"aws:lambda/function:Function":                                          of[lambda.FunctionArgs, lambda.Function](),
	"aws:lambda/alias:Alias":                                                of[lambda.AliasArgs, lambda.Alias](),
	"aws:lambda/permission:Permission":                                      of[lambda.PermissionArgs, lambda.Permission](),
	"aws:sagemaker/model:Model":                                             of[sagemaker.ModelArgs, sagemaker.Model](),
	"aws:sagemaker/endpointConfiguration:EndpointConfiguration":             of[sagemaker.EndpointConfigurationArgs, sagemaker.EndpointConfiguration](),
	"aws:sagemaker/endpoint:Endpoint":                                       of[sagemaker.EndpointArgs, sagemaker.Endpoint](),
	"aws:appautoscaling/target:Target":                                      of[appautoscaling.TargetArgs, appautoscaling.Target](),
	"aws:appautoscaling/policy:Policy":                                      of[appautoscaling.PolicyArgs, appautoscaling.Policy](),
	"aws:ssm/parameter:Parameter":                                           of[ssm.ParameterArgs, ssm.Parameter](),
	"aws:secretsmanager/secret:Secret":                                      of[secretsmanager.SecretArgs, secretsmanager.Secret](),
	"aws:secretsmanager/secretVersion:SecretVersion":                        of[secretsmanager.SecretVersionArgs, secretsmanager.SecretVersion](),
	"aws:cloudwatch/compositeAlarm:CompositeAlarm":                          of[cloudwatch.CompositeAlarmArgs, cloudwatch.CompositeAlarm](),
	"aws:cloudwatch/dashboard:Dashboard":                                    of[cloudwatch.DashboardArgs, cloudwatch.Dashboard](),
	"aws:appautoscaling/scheduledAction:ScheduledAction":                    of[appautoscaling.ScheduledActionArgs, appautoscaling.ScheduledAction](),
	"aws:ecr/repository:Repository":                                         of[ecr.RepositoryArgs, ecr.Repository](),
	"aws:ecr/repositoryPolicy:RepositoryPolicy":                             of[ecr.RepositoryPolicyArgs, ecr.RepositoryPolicy](),
	"aws:ecr/lifecyclePolicy:LifecyclePolicy":                               of[ecr.LifecyclePolicyArgs, ecr.LifecyclePolicy](),
	"aws:lambda/layerVersion:LayerVersion":                                  of[lambda.LayerVersionArgs, lambda.LayerVersion](),
	"aws:lambda/layerVersionPermission:LayerVersionPermission":              of[lambda.LayerVersionPermissionArgs, lambda.LayerVersionPermission](),
	"aws:lambda/eventSourceMapping:EventSourceMapping":                      of[lambda.EventSourceMappingArgs, lambda.EventSourceMapping](),
	"aws:lambda/functionUrl:FunctionUrl":                                    of[lambda.FunctionUrlArgs, lambda.FunctionUrl](),
	"aws:kms/grant:Grant":                                                   of[kms.GrantArgs, kms.Grant](),
	"aws:kms/key:Key":                                                       of[kms.KeyArgs, kms.Key](),
	"aws:kms/alias:Alias":                                                   of[kms.AliasArgs, kms.Alias](),
	"aws:sns/topic:Topic":                                                   of[sns.TopicArgs, sns.Topic](),
	"aws:sns/topicPolicy:TopicPolicy":                                       of[sns.TopicPolicyArgs, sns.TopicPolicy](),
	"aws:sns/topicSubscription:TopicSubscription":                           of[sns.TopicSubscriptionArgs, sns.TopicSubscription](),
	"aws:sqs/queue:Queue":                                                   of[sqs.QueueArgs, sqs.Queue](),
	"aws:sqs/queuePolicy:QueuePolicy":                                       of[sqs.QueuePolicyArgs, sqs.QueuePolicy](),
	"aws-native:sagemaker:Endpoint":                                         {reflect.TypeFor[nativeInputs](), reflect.TypeFor[nativeEndpoint]()},
	"aws-native:stepfunctions:StateMachine":                                 of[nsfn.StateMachineArgs, nsfn.StateMachine](),
	"aws-native:stepfunctions:StateMachineVersion":                          of[nsfn.StateMachineVersionArgs, nsfn.StateMachineVersion](),
	"aws-native:stepfunctions:StateMachineAlias":                            of[nsfn.StateMachineAliasArgs, nsfn.StateMachineAlias](),
	"aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2":  of[s3.BucketLifecycleConfigurationV2Args, s3.BucketLifecycleConfigurationV2](),
	"aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2": of[
		s3.BucketServerSideEncryptionConfigurationV2Args, s3.BucketServerSideEncryptionConfigurationV2](),
}

// Every property must be called what the official SDKs call it, be of the same
// kind, and be required where they require it: a program written against them
// must not see a difference.
func TestNamesAreThoseOfTheSDKs(t *testing.T) {
	t.Parallel()
	all := append(services.AWS(), services.Native()...)
	require.Len(t, all, len(sdk))
	for _, r := range all {
		t.Run(r.Token(), func(t *testing.T) {
			t.Parallel()
			o, ok := sdk[r.Token()]
			require.True(t, ok, "no such type in the SDKs")
			for _, problem := range compare(r.Token(), r.Inputs(), o.args) {
				t.Error(problem)
			}
			names := fields(o.state)
			for _, p := range r.Outputs().Props {
				if _, ok := names[p.Name]; !ok && !strings.HasPrefix(p.Name, "__") {
					t.Errorf("the SDK has no output %q", p.Name)
				}
			}
			if n := r.Naming(); n != nil {
				require.NotNil(t, r.Inputs().Prop(n.Property))
			}
		})
	}
}

// fields returns the types of a struct's fields by their Pulumi names.
func fields(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for i := range t.NumField() {
		if tag := t.Field(i).Tag.Get("pulumi"); tag != "" {
			out[tag] = t.Field(i).Type
		}
	}
	return out
}

func compare(path string, t *schema.Type, rt reflect.Type) []string {
	var problems []string
	names := fields(rt)
	for _, p := range t.Props {
		ft, ok := names[p.Name]
		if !ok {
			if !p.Managed {
				problems = append(problems, path+": the SDK has no input "+p.Name)
			}
			continue
		}
		problems = append(problems, compareProp(path+"."+p.Name, p, ft)...)
	}
	return problems
}

func compareProp(path string, p *schema.Prop, ft reflect.Type) []string {
	optional := ft.Kind() == reflect.Pointer
	if optional {
		ft = ft.Elem()
	}
	kinds := map[reflect.Kind]schema.Kind{
		reflect.String: schema.String, reflect.Int: schema.Int, reflect.Float64: schema.Number, reflect.Bool: schema.Bool,
		reflect.Slice: schema.List, reflect.Map: schema.Map, reflect.Struct: schema.Object, reflect.Interface: p.Kind,
	}
	if want := kinds[ft.Kind()]; want != p.Kind {
		return []string{fmt.Sprintf("%s is %s here and %s in the SDK", path, p.Kind, ft)}
	}
	switch {
	case p.Required && optional && p.Name != "definitionString":
		return []string{path + " is required here only"}
	case !p.Required && !optional && ft.Kind() <= reflect.Float64:
		return []string{path + " is required in the SDK only"}
	case p.Kind == schema.Object:
		return compare(path, p.Type, ft)
	case (p.Kind == schema.List || p.Kind == schema.Map) && ft.Kind() != reflect.Interface: // of any nothing more is known
		if e := ft.Elem(); e.Kind() == reflect.Struct {
			return compare(path, p.Elem.Type, e)
		}
	}
	return nil
}
