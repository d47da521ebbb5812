package permissions

import (
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
)

// What the program itself asks AWS for.

// read is what list, show, watch, logs, metrics and results ask.
func (g *gatherer) read() []Statement {
	out := []Statement{
		allow("Executions", []string{
			"states:DescribeExecution", "states:GetExecutionHistory", "states:DescribeStateMachineForExecution",
			"states:ListMapRuns",
		}, g.in("states", "execution:{name}:*", "execution:{name}/*:*")),
		// Of one that is not ready it is asked where its aliases lead.
		allow("ListExecutions", []string{"states:ListExecutions", "states:DescribeStateMachineAlias"}, g.in("states", "stateMachine:{name}", "stateMachine:{name}:*")),
	}
	if !g.has(kinds.StateMachine) {
		out = nil
	}
	if g.has(kinds.FunctionAlias) {
		out = append(out, allow("Aliases", []string{"lambda:GetAlias"}, g.of(kinds.Function)))
	}
	if g.maps() {
		out = append(out, allow("MapRuns", []string{"states:DescribeMapRun", "states:ListExecutions"}, g.in("states", "mapRun:{name}/*:*")))
	}
	out = append(out, allow("Metrics", []string{"cloudwatch:GetMetricData", "cloudwatch:DescribeAlarms"}, everywhere))
	if logs := g.of(kinds.LogGroup); g.has(kinds.LogGroup) {
		out = append(out, allow("Logs", []string{"logs:FilterLogEvents"}, logs))
	}
	if g.has(kinds.Endpoint) {
		out = append(out, allow("Endpoints", []string{"sagemaker:DescribeEndpoint"}, g.of(kinds.Endpoint)))
	}
	if g.has(kinds.Bucket) {
		out = append(out, allow("Results", []string{"s3:GetObject"}, g.each(func(p *Pipeline) []string { return g.objects(p, "*") })))
	}
	if g.has(kinds.Bucket) && g.maps() { // those of a Map Run are in many files
		out = append(out, allow("ListResults", []string{"s3:ListBucket"}, g.of(kinds.Bucket)))
	}
	return append(out, g.decrypting("kms:Decrypt")...)
}

// maps tells whether any pipeline has Map Runs.
func (g *gatherer) maps() bool {
	return slices.ContainsFunc(g.pipelines, func(p Pipeline) bool { return p.Maps })
}

// decrypting are the uses of keys that executions and results take.
func (g *gatherer) decrypting(actions ...string) []Statement {
	var out []Statement
	if g.has(kinds.Key) {
		out = append(out, g.tagged(allow("PipelineKeys", actions, g.keysOf()), resourceTag))
	}
	if keys := g.each(func(p *Pipeline) []string { return p.Keys }); len(keys) > 0 {
		out = append(out, allow("GivenKeys", actions, keys))
	}
	return out
}

// run is what starting, stopping and redriving take besides looking.
func (g *gatherer) run() []Statement {
	if !g.has(kinds.StateMachine) {
		return nil
	}
	out := g.starting("Start", "StopAndRedrive", "states:StopExecution", "states:RedriveExecution")
	if g.maps() {
		out = append(out, allow("MapRunSettings", []string{"states:UpdateMapRun"}, g.in("states", "mapRun:{name}/*:*")))
	}
	if files := g.each(func(p *Pipeline) []string {
		if !p.Uploads {
			return nil
		}
		return g.objects(p, "in/*")
	}); len(files) > 0 {
		out = append(out, allow("Inputs", []string{"s3:PutObject", "s3:AbortMultipartUpload"}, files))
	}
	return append(append(out, g.hearing()...), g.decrypting("kms:GenerateDataKey")...)
}

// starting is to start executions and what is done to those that run, by the ids of the two
// statements.
func (g *gatherer) starting(start, running string, actions ...string) []Statement {
	return []Statement{
		allow(start, []string{"states:StartExecution"}, g.in("states", "stateMachine:{name}", "stateMachine:{name}:*")),
		allow(running, actions, g.in("states", "execution:{name}:*", "execution:{name}/*:*")),
	}
}

// hearing is what a watch takes that hears of ends by a queue of its own, where pipelines
// tell of them. (docs/decisions/0023)
func (g *gatherer) hearing() []Statement {
	topics := g.heard()
	if len(topics) == 0 {
		return nil
	}
	return []Statement{
		allow("HearOfEnds", []string{"sns:Subscribe", "sns:ListSubscriptionsByTopic"}, topics),
		allow("OwnQueues", []string{
			"sqs:CreateQueue", "sqs:DeleteQueue", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:GetQueueAttributes",
			"sqs:SetQueueAttributes",
		}, g.in("sqs", "{name}-w-*")),
		allow("FindQueues", []string{"sqs:ListQueues", "sns:Unsubscribe"}, everywhere),
	}
}

// heard are the topics that tell of the ends of executions.
func (g *gatherer) heard() []string {
	if !g.has(kinds.Topic) {
		return nil
	}
	return g.each(func(p *Pipeline) []string {
		return slices.DeleteFunc(g.arns(p, kinds.Topic), func(arn string) bool { return !strings.HasSuffix(arn, "-events") })
	})
}

// unhearing is what destroying takes where pipelines tell of ends: the queues of watchers
// that died are taken away with the pipeline.
func (g *gatherer) unhearing() []Statement {
	topics := g.heard()
	if len(topics) == 0 {
		return nil
	}
	return []Statement{
		allow("ListWatchers", []string{"sns:ListSubscriptionsByTopic"}, topics),
		allow("WatchersQueues", []string{"sqs:DeleteQueue", "sqs:GetQueueAttributes", "sqs:GetQueueUrl"}, g.in("sqs", "{name}-w-*")),
		allow("FindWatchers", []string{"sqs:ListQueues", "sns:Unsubscribe"}, everywhere),
	}
}

// check is what `preview --check` asks. Without it a check says that it could not be made.
func (g *gatherer) check() []Statement {
	out := []Statement{
		allow("Quotas", []string{
			"servicequotas:ListServiceQuotas", "servicequotas:GetServiceQuota", "iam:GetAccountSummary", "s3:ListAllMyBuckets",
			"sagemaker:ListEndpoints", "lambda:GetAccountSettings", "states:ListStateMachines", "cloudwatch:GetMetricData",
		}, everywhere),
		allow("Machines", []string{"sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig"}, g.everyEndpoint()),
		// Whom the credentials belong to is asked about: any user or role of the account.
		allow("Simulate", []string{"iam:SimulatePrincipalPolicy", "iam:GetRole"}, g.each(func(p *Pipeline) []string {
			who := "arn:" + p.Place.Partition + ":iam::" + p.Place.Account
			return []string{who + ":user/*", who + ":role/*"}
		})),
	}
	if functions := g.of(kinds.Function); g.has(kinds.Function) {
		out = append(out, allow("Reserved", []string{"lambda:GetFunctionConcurrency"}, functions))
	}
	if slices.ContainsFunc(g.pipelines, func(p Pipeline) bool { return p.Network }) {
		// Cloud Control asks EC2 in the name of who asks: what the types' schemas say of read and list.
		out = append(out, allow("Networks", []string{
			"cloudformation:GetResource", "cloudformation:ListResources", "ec2:DescribeSubnets", "ec2:DescribeNetworkAcls", "ec2:DescribeSecurityGroups",
			"ec2:DescribeVpcEndpoints",
		}, everywhere))
	}
	if images := g.each(func(p *Pipeline) []string { return p.Repositories }); len(images) > 0 {
		out = append(out, allow("Images", []string{"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}, images))
	}
	if objects := g.each(func(p *Pipeline) []string { return p.Objects }); len(objects) > 0 {
		out = append(out, allow("ModelData", []string{"s3:GetObject"}, objects))
		out = append(out, listing("ListModelData", objects)...)
		out = append(out, allow("ModelKeys", []string{"kms:DescribeKey"}, g.each(func(p *Pipeline) []string {
			return []string{"arn:" + p.Place.Partition + ":kms:" + p.Place.Region + ":*:key/*"}
		})))
	}
	return out
}

func (g *gatherer) everyEndpoint() []string {
	return g.each(func(p *Pipeline) []string {
		at := "arn:" + p.Place.Partition + ":sagemaker:" + p.Place.Region + ":" + p.Place.Account + ":"
		return []string{at + "endpoint/*", at + "endpoint-config/*"}
	})
}

// boundary is the most that the pipelines' own roles have to be allowed: what they are
// granted, in the scope's names.
func (g *gatherer) boundary() []Statement {
	type family struct {
		actions   string
		condition bool
	}
	at := map[family]int{}
	var out []Statement
	for i := range g.pipelines {
		p := &g.pipelines[i]
		for _, s := range p.Grants {
			next := Statement{Effect: "Allow", Action: once(s.Action), Condition: g.boundObjects(p, s.Condition)}
			for _, r := range s.Resource {
				if r == anyKey {
					r = "arn:" + p.Place.Partition + ":kms:" + p.Place.Region + ":" + p.Place.Account + ":key/*"
				}
				next.Resource = append(next.Resource, g.bound(p, r))
			}
			k := family{strings.Join(next.Action, " "), s.Condition != nil}
			if j, ok := at[k]; ok && !k.condition {
				out[j].Resource = once(append(out[j].Resource, next.Resource...))
				continue
			}
			if slices.ContainsFunc(out, func(x Statement) bool { return same(x, next) }) {
				continue
			}
			at[k] = len(out)
			next.Sid = "Bound" + number(len(out)+1)
			out = append(out, next)
		}
	}
	return out
}

// boundObjects is a condition of a role's policy as the boundary has it: what S3 has encrypted
// is bound as objects are.
func (g *gatherer) boundObjects(p *Pipeline, condition map[string]map[string]Values) map[string]map[string]Values {
	const key = "kms:EncryptionContext:aws:s3:arn"
	like := condition["StringLike"]
	if g.scope == ByPipeline || like[key] == nil {
		return condition
	}
	var bounds Values
	for _, arn := range like[key] {
		bounds = append(bounds, g.bound(p, arn))
	}
	return map[string]map[string]Values{"StringLike": {key: once(bounds)}}
}

// bound is a resource of a role's policy as the boundary has it: in the scope's names, and
// with the versions of artifacts to come, whose names follow from their content. Objects of
// the user's own are those of today; in a wider scope all of their bucket.
func (g *gatherer) bound(p *Pipeline, r string) string {
	const artifacts = "/artifacts/"
	own := strings.Contains(r, ":s3:::"+p.Bucket)
	if before, _, ok := strings.Cut(r, artifacts); ok && own {
		r = before + artifacts + "*"
	}
	if at, key := strings.CutPrefix(r, "arn:"+p.Place.Partition+":s3:::"); key && !own && g.scope != ByPipeline {
		if name, _, ok := strings.Cut(at, "/"); ok {
			return "arn:" + p.Place.Partition + ":s3:::" + name + "/*"
		}
	}
	return g.widened(p, strings.ReplaceAll(r, p.Bucket, g.widened(p, p.Bucket)))
}

// same tells whether two statements allow the same.
func same(a, b Statement) bool {
	a.Sid, b.Sid = "", ""
	x, y := Document{Statement: []Statement{a}}, Document{Statement: []Statement{b}}
	return x.text() == y.text()
}

// read is what looking at stacks takes.
func (b Backend) read() []Statement {
	if b.Bucket == "" {
		return nil
	}
	out := []Statement{
		// Not held to the folder by s3:prefix: who may not list gets no "there is none" of an
		// object, but is denied, and a new backend is asked for one first.
		// (AmazonS3/latest/API/API_GetObject.html, "Permissions")
		allow("ListStates", []string{"s3:ListBucket"}, []string{b.arn("")}),
		allow("ReadStates", []string{"s3:GetObject"}, []string{b.arn("/" + b.Folder + "*")}),
	}
	return append(out, b.key("UseStateKey", "kms:Decrypt")...)
}

// write is what changing them takes besides.
func (b Backend) write() []Statement {
	if b.Bucket == "" {
		return b.key("SealSecrets", "kms:Encrypt", "kms:Decrypt")
	}
	out := []Statement{allow("WriteStates", []string{"s3:PutObject", "s3:DeleteObject"}, []string{b.arn("/" + b.Folder + "*")})}
	return append(out, b.key("SealSecrets", "kms:Encrypt", "kms:GenerateDataKey")...)
}

func (b Backend) arn(rest string) string {
	return "arn:" + b.Place.Partition + ":s3:::" + b.Bucket + rest
}

// key are uses of the key of secrets: by its ARN, or by its alias, which IAM knows as a
// condition only. (kms/latest/developerguide/alias-authorization.html)
func (b Backend) key(id string, actions ...string) []Statement {
	switch {
	case b.Key == "":
		return nil
	case strings.HasPrefix(b.Key, "alias/"):
		keys := fill("arn:{partition}:kms:{region}:{account}:key/*", b.Place, "")
		return []Statement{allow(id, actions, []string{keys}).when("ForAnyValue:StringEquals", "kms:ResourceAliases", b.Key)}
	}
	return []Statement{allow(id, actions, []string{b.Key})}
}
