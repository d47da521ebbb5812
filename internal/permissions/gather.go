package permissions

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
)

// gatherer makes the statements for the pipelines of one holder.
type gatherer struct {
	scope     Scope
	pipelines []Pipeline
}

// everywhere is the resource of actions that AWS scopes to none.
var everywhere = []string{"*"}

// widened is a name in a pipeline, as far as the scope goes. An identity of the account in a
// bucket's name is left open beyond the pipeline itself.
func (g *gatherer) widened(p *Pipeline, name string) string {
	wide := ""
	switch g.scope {
	case ByTenant:
		wide = "ptui-" + p.Tenant + "-*"
	case ByFleet:
		wide = "ptui-*"
	case ByPipeline:
		return name
	}
	if name == p.Bucket {
		return wide
	}
	return strings.Replace(name, p.Base, wide, 1)
}

// names are what a pipeline calls its resources of a type. Those that are named as they are
// made have a pattern.
func (g *gatherer) names(p *Pipeline, typ string, r *kinds.Rights) []string {
	var out []string
	for _, x := range p.Resources {
		if x.Type != typ {
			continue
		}
		if x.Name != "" {
			out = append(out, g.widened(p, x.Name))
			continue
		}
		for _, pattern := range r.Names {
			out = append(out, g.widened(p, strings.ReplaceAll(pattern, "{base}", p.Base)))
		}
	}
	if len(out) == 0 && len(r.Names) == 0 {
		out = []string{""}
	}
	return once(out)
}

// arns are the ARNs of a pipeline's resources of a type.
func (g *gatherer) arns(p *Pipeline, typ string) []string {
	r, _ := kinds.RightsOf(typ)
	if typ == kinds.Object && p.Bucket != "" {
		return g.objects(p, "*")
	}
	var out []string
	for _, name := range g.names(p, typ, &r) {
		for _, arn := range r.ARNs {
			out = append(out, fill(arn, p.Place, name))
		}
	}
	return out
}

func fill(arn string, at kinds.Place, name string) string {
	return strings.NewReplacer("{partition}", at.Partition, "{region}", at.Region, "{account}", at.Account, "{name}", name).Replace(arn)
}

// of are the ARNs of all pipelines' resources of a type.
func (g *gatherer) of(typ string) []string {
	var out []string
	for i := range g.pipelines {
		out = append(out, g.arns(&g.pipelines[i], typ)...)
	}
	return once(out)
}

// objects are objects of a pipeline's bucket.
func (g *gatherer) objects(p *Pipeline, keys string) []string {
	if p.Bucket == "" {
		return nil
	}
	return []string{"arn:" + p.Place.Partition + ":s3:::" + g.widened(p, p.Bucket) + "/" + keys}
}

func (g *gatherer) each(fn func(p *Pipeline) []string) []string {
	var out []string
	for i := range g.pipelines {
		out = append(out, fn(&g.pipelines[i])...)
	}
	return once(out)
}

// in is an ARN in a pipeline's region and account, with its name in the scope.
func (g *gatherer) in(service string, resources ...string) []string {
	return g.each(func(p *Pipeline) []string {
		var out []string
		for _, r := range resources {
			out = append(out, fill("arn:{partition}:"+service+":{region}:{account}:"+r, p.Place, g.widened(p, p.Base)))
		}
		return out
	})
}

// has tells whether any pipeline has a resource of a type. A bucket holds objects, which go
// before it does.
func (g *gatherer) has(typ string) bool {
	if typ == kinds.Object {
		typ = kinds.Bucket
	}
	return slices.ContainsFunc(g.pipelines, func(p Pipeline) bool {
		return slices.ContainsFunc(p.Resources, func(r Resource) bool { return r.Type == typ })
	})
}

// types are those that the pipelines consist of, in the order of the table.
func (g *gatherer) types() []kinds.Kind {
	return slices.DeleteFunc(kinds.All(), func(k kinds.Kind) bool { return !g.has(k.Type) })
}

// tagged binds a statement about keys, whose ids are KMS's, to the tags of the pipelines.
func (g *gatherer) tagged(s Statement, key string) Statement {
	switch g.scope {
	case ByTenant:
		return s.when("StringEquals", key+"/pipelinetui:tenant", tenantsOf(g.pipelines)...)
	case ByFleet:
		return s.when("StringEquals", key+"/pipelinetui:managed", "true")
	case ByPipeline:
	}
	return s.when("StringEquals", key+"/pipelinetui:stack", g.each(func(p *Pipeline) []string { return []string{p.Stack} })...)
}

const resourceTag, requestTag = "aws:ResourceTag", "aws:RequestTag"

// keysOf are all keys of the places where pipelines are.
func (g *gatherer) keysOf() []string { return g.in("kms", "key/*") }

// bounded are the actions by which a role gets rights: only with the boundary.
var bounded = []string{"iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"}

// deploy is what providers do with resources of the pipelines' types.
func (g *gatherer) deploy() []Statement {
	actions, bounds, anywhere := map[string][]string{}, map[string][]kinds.Bound{}, []string{}
	var order, services []string
	for _, k := range g.types() {
		r, _ := kinds.RightsOf(k.Type) // every row has rights, by test
		of := cmp.Or(r.Of, k.Type)
		if !slices.Contains(order, of) {
			order = append(order, of)
		}
		actions[of] = append(actions[of], r.Actions()...)
		bounds[of] = append(bounds[of], r.Bounds...)
		anywhere = append(anywhere, r.Anywhere...)
		if r.Pass != "" {
			services = append(services, r.Pass)
		}
	}
	var out []Statement
	for _, typ := range order {
		k, _ := kinds.Of(typ)
		out = append(out, g.about(sid(k.Title), typ, actions[typ], bounds[typ])...)
	}
	if len(services) > 0 && g.has(kinds.Role) {
		out = append(out, allow("PassRole", []string{"iam:PassRole"}, g.of(kinds.Role)).when("StringEquals", "iam:PassedToService", services...))
	}
	if g.has(kinds.ScalingTarget) {
		out = append(out, g.scaling()...)
	}
	anywhere = slices.DeleteFunc(anywhere, func(a string) bool { return a == createKey })
	if len(anywhere) > 0 {
		out = append(out, allow("Anywhere", anywhere, everywhere))
	}
	return slices.Concat(out, g.checks(), g.given(), g.unhearing())
}

// reach are warnings of what the statements allow beyond the pipelines.
func (g *gatherer) reach() []string {
	var out []string
	if g.has(kinds.Key) {
		out = append(out, "who deploys may make a key the pipelines' by its tags (kmsMode: customer), and then use it: in "+
			g.pipelines[0].Place.Account+" any key that has no alias, unless its own policy denies it")
	}
	for _, tenant := range tenantsOf(g.pipelines) {
		if g.scope == ByTenant && slices.ContainsFunc(g.pipelines, func(p Pipeline) bool { return p.Tenant == tenant && g.mixed(&p) }) {
			out = append(out, "pipelines of "+tenant+" have different boundaries: roles of those that are there can be given rights, of others not")
		}
		for _, other := range tenantsOf(g.pipelines) {
			if g.scope == ByTenant && strings.HasPrefix(other, tenant+"-") {
				out = append(out, "what is allowed for "+tenant+" is for "+other+" too, whose names begin with it: the scope pipeline keeps them apart")
			}
		}
	}
	return out
}

// checks are the questions of pipelines that have some: an up and a promote ask them, and
// count those that fail, which turns a rollout back.
func (g *gatherer) checks() []Statement {
	asked := *g
	asked.pipelines = slices.DeleteFunc(slices.Clone(g.pipelines), func(p Pipeline) bool { return p.Checks == "" })
	if len(asked.pipelines) == 0 || !asked.has(kinds.StateMachine) {
		return nil
	}
	counts := asked.each(func(p *Pipeline) []string { return []string{p.Checks} })
	return append(
		asked.starting("AskChecks", "StopChecks", "states:StopExecution"),
		allow("CountFailedChecks", []string{"cloudwatch:PutMetricData"}, everywhere).when("StringEquals", "cloudwatch:namespace", counts...),
	)
}

const createKey, tagKey = "kms:CreateKey", "kms:TagResource"

// about are the statements about resources of a type.
func (g *gatherer) about(id, typ string, actions []string, bounds []kinds.Bound) []Statement {
	switch typ {
	case kinds.Key:
		// A tag makes a key the pipelines', so that who may tag any key may use any. A key that
		// is being made is held to no resource (kms/latest/developerguide/tag-permissions.html);
		// it has no alias yet, which most others have.
		return []Statement{
			g.tagged(allow("MakeKey", []string{createKey, tagKey}, everywhere), requestTag).when("Null", "kms:ResourceAliases", "true"),
			g.tagged(allow(id, append(actions, "kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias"), g.keysOf()), resourceTag),
		}
	case kinds.Role:
		return append([]Statement{allow(id, without(actions, bounded), g.of(typ))}, g.boundedRoles(id)...)
	}
	var out []Statement
	for _, b := range bounds {
		values, on := b.Values, g.of(typ)
		if b.Of != "" {
			values = g.of(b.Of)
		}
		if typ == kinds.FunctionSource {
			on = everywhere // to make one is about no resource
		}
		out = append(out, allow("Bounded"+id+number(len(out)+1), b.Actions, on).when(b.Operator, b.Key, values...))
		actions = without(actions, b.Actions)
	}
	if len(actions) > 0 {
		out = append([]Statement{allow(id, actions, g.of(typ))}, out...)
	}
	return out
}

// without is a list less some of it.
func without(list, less []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(a string) bool { return slices.Contains(less, a) })
}

// boundedRoles allow to give roles rights: to each pipeline's with its own boundary only, and
// without one to those only that have none. Names go as far as the scope does where all in it
// have the same boundary.
func (g *gatherer) boundedRoles(id string) []Statement {
	id = "Bounded" + id
	roles := map[string][]string{}
	for i := range g.pipelines {
		p := &g.pipelines[i]
		at := *g
		if at.pipelines = g.pipelines[i : i+1]; g.mixed(p) {
			at.scope = ByPipeline
		}
		roles[p.RoleBoundary] = append(roles[p.RoleBoundary], at.of(kinds.Role)...)
	}
	var out []Statement
	for _, boundary := range slices.Sorted(maps.Keys(roles)) {
		s := allow(id, bounded, roles[boundary])
		if boundary == "" {
			s.Sid = "Un" + strings.ToLower(id[:1]) + id[1:]
		} else {
			s = s.when("StringEquals", "iam:PermissionsBoundary", boundary)
			id += "More"
		}
		if len(s.Resource) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// mixed tells whether not all pipelines that the scope's names of one are about have its
// boundary.
func (g *gatherer) mixed(p *Pipeline) bool {
	return slices.ContainsFunc(g.pipelines, func(x Pipeline) bool {
		return x.RoleBoundary != p.RoleBoundary && (g.scope == ByFleet || x.Tenant == p.Tenant)
	})
}

// scaling is what Application Auto Scaling does as who registers a target: its linked role,
// made at the first target of the account, and the alarms of policies.
// (autoscaling/application/userguide/security_iam_id-based-policy-examples.html,
// application-auto-scaling-service-linked-roles.html)
func (g *gatherer) scaling() []Statement {
	linked := g.each(func(p *Pipeline) []string {
		return []string{fill("arn:{partition}:iam::{account}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/*", p.Place, "")}
	})
	return []Statement{
		allow("ScalingLinkedRole", []string{"iam:CreateServiceLinkedRole"}, linked).when("StringEquals", "iam:AWSServiceName", "sagemaker.application-autoscaling.amazonaws.com"),
		allow("ScalingAlarms", []string{"cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms", "cloudwatch:DeleteAlarms"}, g.in("cloudwatch", "alarm:TargetTracking-endpoint/*")),
		allow("ScalingEndpoint", []string{"sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig", "sagemaker:UpdateEndpointWeightsAndCapacities"},
			append(g.of(kinds.Endpoint), g.of(kinds.EndpointConfig)...)),
	}
}

// given is what is the user's own and is used by who deploys: keys, secrets, artifacts.
func (g *gatherer) given() []Statement {
	var out []Statement
	if keys := g.each(func(p *Pipeline) []string { return p.Keys }); len(keys) > 0 {
		out = append(out, allow("GivenKeys", []string{"kms:DescribeKey", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:CreateGrant"}, keys))
	}
	if topics := g.each(func(p *Pipeline) []string { return p.Topics }); len(topics) > 0 && g.has(kinds.TopicSubscription) {
		out = append(out, allow("GivenTopics", []string{"sns:Subscribe"}, topics))
	}
	secrets, parameters := []string{}, []string{}
	for _, arn := range g.each(func(p *Pipeline) []string { return p.Secrets }) {
		if strings.Contains(arn, ":ssm:") {
			parameters = append(parameters, arn)
		} else {
			secrets = append(secrets, arn)
		}
	}
	if len(secrets) > 0 {
		out = append(out, allow("Secrets", []string{"secretsmanager:GetSecretValue"}, secrets))
	}
	if len(parameters) > 0 {
		out = append(out, allow("Parameters", []string{"ssm:GetParameter"}, parameters))
	}
	if objects := g.each(func(p *Pipeline) []string { return p.Objects }); len(objects) > 0 {
		out = append(out, allow("Artifacts", []string{"s3:GetObject"}, objects))
		out = append(out, listing("ListArtifacts", objects)...)
	}
	if images := g.each(func(p *Pipeline) []string { return p.Repositories }); len(images) > 0 {
		out = append(out, allow("ImageDigests", []string{"ecr:BatchGetImage"}, images))
	}
	return out
}

// listing allows to list what is below a folder, for those of objects that end in all of one.
func listing(id string, objects []string) []Statement {
	buckets, prefixes := []string{}, []string{}
	for _, arn := range objects {
		if bucket, key, ok := strings.Cut(arn, "/"); ok && strings.HasSuffix(key, "*") {
			buckets, prefixes = append(buckets, bucket), append(prefixes, key)
		}
	}
	if len(buckets) == 0 {
		return nil
	}
	return []Statement{allow(id, []string{"s3:ListBucket"}, buckets).when("StringLike", "s3:prefix", prefixes...)}
}
