package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// Fixed names inside a pipeline.
const (
	// RolePath is the IAM path of the pipeline's roles.
	RolePath = "/pipelinetui/"
	// LiveAlias is the alias of the function and of the state machine that
	// executions go through.
	LiveAlias = "live"
	// Variant is the production variant of the endpoint.
	Variant = "AllTraffic"
)

// Names are the physical AWS names and ARNs of a pipeline in one account. Model
// and endpoint configuration are missing: they can't be changed in place, so
// the engine names each one anew.
type Names struct {
	Base         string
	Bucket       string
	Endpoint     string
	StateMachine string
	Function     string
	Invoker      string // Lambda function that calls the endpoint
	Notifier     string // Lambda function that tells of failures
	StatesRole   string
	LambdaRole   string
	InvokerRole  string
	NotifierRole string
	// SageMakerRole is the longest of all names: 61 of at most 64 characters.
	SageMakerRole string
	FunctionLogs  string
	InvokerLogs   string
	NotifierLogs  string
	// StatesLogs begins with /aws/vendedlogs/: AWS covers that by one policy
	// for the account, any other name adds to a policy of limited size.
	StatesLogs    string
	EndpointLogs  string
	DeadLetters   string // SQS queue
	StatusRule    string // EventBridge rule
	Events        string // SNS topic and EventBridge rule of executions that end
	Notices       string // SNS topic, SQS queue and EventBridge rule of notices
	KeyAlias      string // KMS alias, with "alias/"
	FailedAlarm   string
	ScalingPolicy string

	BucketARN            string
	EndpointARN          string
	StateMachineARN      string
	StateMachineAliasARN string
	FunctionARN          string
	FunctionAliasARN     string
	InvokerARN           string
	NotifierARN          string
	InvokerAliasARN      string
	InvokerLogsARN       string
	StatesRoleARN        string
	LambdaRoleARN        string
	SageMakerRoleARN     string
	FunctionLogsARN      string
	StatesLogsARN        string
	DeadLettersARN       string
	StatusRuleARN        string
	NotifierRoleARN      string
	NotifierLogsARN      string
	NoticesTopicARN      string
	EventsTopicARN       string
	NoticesQueueARN      string
	NoticesRuleARN       string
	KeyAliasARN          string
}

// Names returns every physical AWS name of the pipeline in an account of 12
// digits. Bucket names are global, so they end in a hash of account and region.
func (p *Pipeline) Names(account string) Names {
	n := p.BaseName()
	sum := sha256.Sum256([]byte(account + "/" + p.Region + "/" + n))
	names := Names{
		Base:          n,
		Bucket:        n + "-" + hex.EncodeToString(sum[:4]),
		Endpoint:      n + "-ep",
		StateMachine:  n,
		Function:      n + "-pre",
		Invoker:       n + "-inv",
		Notifier:      n + "-notify",
		StatesRole:    n + "-states",
		LambdaRole:    n + "-lambda",
		InvokerRole:   n + "-invoker",
		NotifierRole:  n + "-notifier",
		SageMakerRole: n + "-sagemaker",
		FunctionLogs:  "/aws/lambda/" + n + "-pre",
		InvokerLogs:   "/aws/lambda/" + n + "-inv",
		NotifierLogs:  "/aws/lambda/" + n + "-notify",
		StatesLogs:    "/aws/vendedlogs/states/" + n,
		EndpointLogs:  "/aws/sagemaker/Endpoints/" + n + "-ep",
		DeadLetters:   n + "-dlq",
		StatusRule:    n + "-status",
		Events:        n + "-events",
		Notices:       n + "-notices",
		KeyAlias:      "alias/" + n,
		FailedAlarm:   n + "-failed",
		ScalingPolicy: n + "-tt",
	}
	names.addARNs(p.Region, account)
	return names
}

func (n *Names) addARNs(region, account string) {
	partition, _ := Partition(region)
	in := func(service, resource string) string {
		return strings.Join([]string{"arn", partition, service, region, account, resource}, ":")
	}
	role := func(name string) string {
		return "arn:" + partition + ":iam::" + account + ":role" + RolePath + name
	}
	n.BucketARN = "arn:" + partition + ":s3:::" + n.Bucket
	n.EndpointARN = in("sagemaker", "endpoint/"+n.Endpoint)
	n.StateMachineARN = in("states", "stateMachine:"+n.StateMachine)
	n.StateMachineAliasARN = n.StateMachineARN + ":" + LiveAlias
	n.FunctionARN = in("lambda", "function:"+n.Function)
	n.FunctionAliasARN = n.FunctionARN + ":" + LiveAlias
	n.InvokerARN = in("lambda", "function:"+n.Invoker)
	n.InvokerAliasARN = n.InvokerARN + ":" + LiveAlias
	n.InvokerLogsARN = in("logs", "log-group:"+n.InvokerLogs)
	n.NotifierARN = in("lambda", "function:"+n.Notifier)
	n.NotifierRoleARN = role(n.NotifierRole)
	n.NotifierLogsARN = in("logs", "log-group:"+n.NotifierLogs)
	n.EventsTopicARN = in("sns", n.Events)
	n.NoticesTopicARN = in("sns", n.Notices)
	n.NoticesQueueARN = in("sqs", n.Notices)
	n.NoticesRuleARN = in("events", "rule/"+n.Notices)
	n.StatesRoleARN = role(n.StatesRole)
	n.LambdaRoleARN = role(n.LambdaRole)
	n.SageMakerRoleARN = role(n.SageMakerRole)
	n.FunctionLogsARN = in("logs", "log-group:"+n.FunctionLogs)
	n.StatesLogsARN = in("logs", "log-group:"+n.StatesLogs)
	n.DeadLettersARN = in("sqs", n.DeadLetters)
	n.StatusRuleARN = in("events", "rule/"+n.StatusRule)
	n.KeyAliasARN = in("kms", n.KeyAlias)
}

// nameLimit is what AWS demands of one kind of name.
type nameLimit struct {
	what     string
	min, max int
	form     *lazyregexp.Regexp
	scope    nameScope
}

// The limits, with the AWS reference page that states each.
var (
	stackLimit    = nameLimit{"Pulumi stack", 1, 100, lazyregexp.New(`^[A-Za-z0-9_.-]+$`), inRegion}
	bucketLimit   = nameLimit{"S3 bucket", 3, 63, lazyregexp.New(`^[a-z0-9](?:[a-z0-9-]|\.[a-z0-9])*[a-z0-9]$`), inWorld} // AmazonS3/latest/userguide/bucketnamingrules
	endpointLimit = nameLimit{"SageMaker endpoint", 1, 63, lazyregexp.New(`^[a-zA-Z0-9](-*[a-zA-Z0-9])*$`), inRegion}     // API_CreateEndpoint
	machineLimit  = nameLimit{"state machine", 1, 80, lazyregexp.New(`^[0-9A-Za-z_-]+$`), inRegion}                       // API_CreateStateMachine
	roleLimit     = nameLimit{"IAM role", 1, 64, lazyregexp.New(`^[\w+=,.@-]+$`), inAccount}                              // API_CreateRole
	functionLimit = nameLimit{"Lambda function", 1, 64, lazyregexp.New(`^[a-zA-Z0-9_-]+$`), inRegion}                     // API_CreateFunction
	logsLimit     = nameLimit{"log group", 1, 512, lazyregexp.New(`^[.\-_/#A-Za-z0-9]+$`), inRegion}                      // API_CreateLogGroup
	queueLimit    = nameLimit{"SQS queue", 1, 80, lazyregexp.New(`^[A-Za-z0-9_-]+$`), inRegion}                           // API_CreateQueue
	ruleLimit     = nameLimit{"EventBridge rule", 1, 64, lazyregexp.New(`^[.\-_A-Za-z0-9]+$`), inRegion}                  // API_PutRule
	topicLimit    = nameLimit{"SNS topic", 1, 256, lazyregexp.New(`^[A-Za-z0-9_-]+$`), inRegion}                          // API_CreateTopic
	keyAliasLimit = nameLimit{"KMS alias", 1, 256, lazyregexp.New(`^alias/[a-zA-Z0-9/_-]+$`), inRegion}                   // API_CreateAlias
	alarmLimit    = nameLimit{"CloudWatch alarm", 1, 255, lazyregexp.New(`^[\x20-\x7e]+$`), inRegion}                     // API_PutMetricAlarm
	scalingLimit  = nameLimit{"autoscaling policy", 1, 256, lazyregexp.New(`^[\x21-\x7e]+$`), inRegion}                   // API_PutScalingPolicy
	bucketBadEnds = []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"}
	bucketBad     = []string{"xn--", "sthree-", "amzn-s3-demo-"}
)

// checkNames holds every derived name against AWS's limit for it. The rules of
// tenant, model and env are tighter, so an error here means that a rule was
// loosened; it is checked all the same, before anything runs.
func checkNames(at pos, p *Pipeline) problems {
	var errs problems
	if e := stackLimit.check(at, p.StackName()); e != nil {
		errs = append(errs, e)
	}
	names := p.Names("000000000000")
	for _, n := range names.all() {
		if e := n.limit.check(at, n.value); e != nil {
			errs = append(errs, e)
		}
	}
	return errs
}

// familyName is a name with the family in which it has to be the only one.
type familyName struct {
	limit nameLimit
	value string
}

// all returns every name that is fixed. Names that are in no struct field would
// be missed: TestNamesAreWhole holds this list against the struct.
func (n *Names) all() []familyName {
	return []familyName{
		{bucketLimit, n.Bucket},
		{endpointLimit, n.Endpoint},
		{machineLimit, n.StateMachine},
		{roleLimit, n.StatesRole},
		{roleLimit, n.LambdaRole},
		{roleLimit, n.InvokerRole},
		{roleLimit, n.NotifierRole},
		{roleLimit, n.SageMakerRole},
		{functionLimit, n.Function},
		{functionLimit, n.Invoker},
		{functionLimit, n.Notifier},
		{logsLimit, n.FunctionLogs},
		{logsLimit, n.InvokerLogs},
		{logsLimit, n.NotifierLogs},
		{logsLimit, n.StatesLogs},
		{logsLimit, n.EndpointLogs},
		{queueLimit, n.DeadLetters},
		{ruleLimit, n.StatusRule},
		{ruleLimit, n.Events},
		{topicLimit, n.Events},
		{ruleLimit, n.Notices},
		{queueLimit, n.Notices},
		{topicLimit, n.Notices},
		{keyAliasLimit, n.KeyAlias},
		{alarmLimit, n.FailedAlarm},
		{scalingLimit, n.ScalingPolicy},
	}
}

// Claims finds pipelines that would need the same AWS name: tenant, model and env
// are joined by hyphens, which tenant and model may hold themselves, so that
// a-b/c and a/b-c are one to AWS. The zero value is ready for use.
type Claims struct {
	owners map[string]ID
}

// Add notes the names of a pipeline in the account that it is deployed to; "" is
// the account of the credentials, whichever that is. If another pipeline has one
// of them already, it adds none and returns an error of kind Invalid that names
// both. Adding a pipeline again is no error.
func (c *Claims) Add(p *Pipeline, account string) *Problem {
	return c.add(pos{}, p, account)
}

func (c *Claims) add(at pos, p *Pipeline, account string) *Problem {
	if c.owners == nil {
		c.owners = map[string]ID{}
	}
	id := p.ID
	id.Env = id.envOrDefault()
	names := p.Names(account)
	keys := make([]string, 0, 20)
	for _, n := range names.all() {
		key := n.limit.what + "\x00" + n.value + "\x00" + n.limit.scope.of(account, p.Region)
		if other, taken := c.owners[key]; taken && other != id {
			return at.problem(CodeClash, "%s and %s have the same names on AWS: both need the %s %s", other, id, n.limit.what, n.value).
				WithHint("Rename the tenant, model or env of one of the two: hyphens inside a name and between names look alike there.")
		}
		keys = append(keys, key)
	}
	for _, key := range keys {
		c.owners[key] = id
	}
	return nil
}

// MayClash tells whether another pipeline could have the same names at all: only
// if tenant or model holds a hyphen. It saves a look at all stacks.
func (id ID) MayClash() bool { return strings.Contains(id.Tenant+id.Model, "-") }

// RoleAccount is the account of the role that the pipeline is deployed with, ""
// if it is deployed with the credentials as they are.
func (p *Pipeline) RoleAccount() string {
	role, _ := arn.Parse(p.AssumeRole) // of none, none
	return role.AccountID
}

// nameScope is where a name may be used once.
type nameScope int

const (
	inRegion nameScope = iota // of an account
	inAccount
	inWorld
)

func (s nameScope) of(account, region string) string {
	switch s {
	case inWorld:
		return ""
	case inAccount:
		return account
	default:
		return account + "/" + region
	}
}

func (l nameLimit) check(at pos, value string) *Problem {
	bad := len(value) < l.min || len(value) > l.max || !l.form.MatchString(value)
	if l.what == bucketLimit.what {
		for _, end := range bucketBadEnds {
			bad = bad || strings.HasSuffix(value, end)
		}
		for _, begin := range bucketBad {
			bad = bad || strings.HasPrefix(value, begin)
		}
	}
	if !bad {
		return nil
	}
	return at.problem(CodeAWSName, "the name %q breaks AWS's rule for a %s: %d to %d characters, %s", value, l.what, l.min, l.max, l.form).
		WithHint("Choose a shorter or plainer tenant, model or env.")
}
