// Package services owns the resource types of the sandbox's providers, one file
// for each AWS service: what their properties are and which API calls create,
// read, change and delete them. It reaches AWS only through the clients of Env
// and knows no provider protocol. It imports schema and aws-sdk-go-v2, nothing
// else of the sandbox.
package services

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Settings are what an Env is made of.
type Settings struct {
	AWS     aws.Config // with the final region, endpoint and credentials
	Account string     // "" asks STS when it is needed
	// DefaultTags go on every resource that takes tags; IgnoreTags and
	// IgnorePrefixes name tags that are left alone.
	DefaultTags    map[string]string
	IgnoreTags     []string
	IgnorePrefixes []string
	PathStyle      bool
	// WorkDir is what relative paths of assets start from; "" refuses them.
	WorkDir string
	// Poll is the first pause of a wait, Propagation how long an IAM refusal that
	// may pass is tried again.
	Poll, Propagation time.Duration
}

// Env is a configured provider: the clients and what is known of the account.
// It is safe for concurrent use.
type Env struct {
	Settings
	Clients

	account func() (string, error)
}

// Clients are the AWS clients, made when first used: most providers use few.
type Clients struct {
	S3             func() *s3.Client
	IAM            func() *iam.Client
	Lambda         func() *lambda.Client
	SageMaker      func() *sagemaker.Client
	SFN            func() *sfn.Client
	Logs           func() *cloudwatchlogs.Client
	CloudWatch     func() *cloudwatch.Client
	Autoscaling    func() *applicationautoscaling.Client
	KMS            func() *kms.Client
	SNS            func() *sns.Client
	SQS            func() *sqs.Client
	Events         func() *eventbridge.Client
	Scheduler      func() *scheduler.Client
	STS            func() *sts.Client
	SSM            func() *ssm.Client
	SecretsManager func() *secretsmanager.Client
	ECR            func() *ecr.Client
}

// NewEnv returns an Env. It makes no call.
func NewEnv(s Settings) *Env {
	e := &Env{Settings: s, Clients: newClients(s.AWS, s.PathStyle)}
	e.account = sync.OnceValues(e.askAccount)
	return e
}

func newClients(cfg aws.Config, pathStyle bool) Clients {
	return Clients{
		S3: sync.OnceValue(func() *s3.Client {
			return s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = pathStyle })
		}),
		IAM:            sync.OnceValue(func() *iam.Client { return iam.NewFromConfig(cfg) }),
		Lambda:         sync.OnceValue(func() *lambda.Client { return lambda.NewFromConfig(cfg) }),
		SageMaker:      sync.OnceValue(func() *sagemaker.Client { return sagemaker.NewFromConfig(cfg) }),
		SFN:            sync.OnceValue(func() *sfn.Client { return sfn.NewFromConfig(cfg) }),
		Logs:           sync.OnceValue(func() *cloudwatchlogs.Client { return cloudwatchlogs.NewFromConfig(cfg) }),
		CloudWatch:     sync.OnceValue(func() *cloudwatch.Client { return cloudwatch.NewFromConfig(cfg) }),
		Autoscaling:    sync.OnceValue(func() *applicationautoscaling.Client { return applicationautoscaling.NewFromConfig(cfg) }),
		KMS:            sync.OnceValue(func() *kms.Client { return kms.NewFromConfig(cfg) }),
		SNS:            sync.OnceValue(func() *sns.Client { return sns.NewFromConfig(cfg) }),
		SQS:            sync.OnceValue(func() *sqs.Client { return sqs.NewFromConfig(cfg) }),
		Events:         sync.OnceValue(func() *eventbridge.Client { return eventbridge.NewFromConfig(cfg) }),
		Scheduler:      sync.OnceValue(func() *scheduler.Client { return scheduler.NewFromConfig(cfg) }),
		ECR:            sync.OnceValue(func() *ecr.Client { return ecr.NewFromConfig(cfg) }),
		SecretsManager: sync.OnceValue(func() *secretsmanager.Client { return secretsmanager.NewFromConfig(cfg) }),
		SSM:            sync.OnceValue(func() *ssm.Client { return ssm.NewFromConfig(cfg) }),
		STS:            sync.OnceValue(func() *sts.Client { return sts.NewFromConfig(cfg) }),
	}
}

// askAccount finds the account id. It has its own deadline, since its answer is
// kept for all callers.
func (e *Env) askAccount() (string, error) {
	if e.Settings.Account != "" {
		return e.Settings.Account, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := e.STS().GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", fmt.Errorf("finding the account id: %w", err)
	}
	return aws.ToString(out.Account), nil
}

// AccountID returns the account id.
func (e *Env) AccountID() (string, error) { return e.account() }

// Region is the region of the clients.
func (e *Env) Region() string { return e.AWS.Region }

// Partition is the partition that the region is in.
func (e *Env) Partition() string {
	switch r := e.Region(); {
	case strings.HasPrefix(r, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(r, "us-gov-"):
		return "aws-us-gov"
	default:
		return "aws"
	}
}

// bucketARN is the ARN of a bucket, or of an object in it.
func (e *Env) bucketARN(resource string) string {
	return arn.ARN{Partition: e.Partition(), Service: "s3", Resource: resource}.String()
}

// DNSSuffix is the domain that the partition's services are in.
func (e *Env) DNSSuffix() string {
	if e.Partition() == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// arn makes an ARN in the Env's region and account.
func (e *Env) arn(service, res string) (string, error) {
	account, err := e.AccountID()
	if err != nil {
		return "", err
	}
	return arn.ARN{Partition: e.Partition(), Service: service, Region: e.Region(), AccountID: account, Resource: res}.String(), nil
}
