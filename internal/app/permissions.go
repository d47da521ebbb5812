package app

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/permissions"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// PermissionsRequest says whose permissions are asked for.
type PermissionsRequest struct {
	// Pipelines are those that policies are about; none stand for all that there may be.
	Pipelines []*spec.Pipeline
	Scope     permissions.Scope
	// Account is where pipelines without a role are; "" asks the target.
	Account string
	// Operator takes the roles of tenants: an account or an ARN; "" is Account.
	Operator string
}

// Permissions returns the least policies of who works with pipelines. With an account in
// the request nobody is asked.
func (a *App) Permissions(ctx context.Context, q PermissionsRequest) (permissions.Report, error) {
	region := a.opts.Settings.String(settings.Region)
	if q.Account == "" {
		t, err := a.Target(ctx)
		if err != nil {
			return permissions.Report{}, fault.New(fault.KindOf(err), "%v", err).Because(err).WithHint("Give the account with --account, and nobody is asked; or see `pipelinetui doctor`.")
		}
		q.Account = t.Account
		if region == "" {
			region = t.Region
		}
	}
	if region == "" {
		region = sandboxRegion
	}
	if q.Operator == "" {
		q.Operator = q.Account
	}
	list := make([]permissions.Pipeline, 0, len(q.Pipelines))
	for _, p := range q.Pipelines {
		one, err := a.permitted(ctx, p, q.Account)
		if err != nil {
			return permissions.Report{}, fault.Wrap(err, "%s", p.ID)
		}
		list = append(list, one)
	}
	if len(list) == 0 {
		list, q.Scope = []permissions.Pipeline{anyPipeline(regionPlace(region, q.Account))}, permissions.ByFleet
	}
	home := region
	if len(q.Pipelines) > 0 && a.opts.Settings.String(settings.Region) == "" {
		home = q.Pipelines[0].Region
	}
	return permissions.Compute(list, a.backendRights(regionPlace(home, q.Account)), q.Scope, q.Operator), nil
}

func regionPlace(region, account string) kinds.Place {
	partition, _ := spec.Partition(region)
	return kinds.Place{Partition: partition, Region: region, Account: account}
}

// permitted is a pipeline as policies see it.
func (a *App) permitted(ctx context.Context, p *spec.Pipeline, account string) (out permissions.Pipeline, err error) {
	if of := p.RoleAccount(); of != "" {
		account = of
	}
	at := regionPlace(p.Region, account)
	n := p.Names(account)
	out = permissions.Pipeline{
		ID: p.ID.String(), Tenant: p.Tenant, Stack: p.StackName(), Place: at, Base: n.Base, Bucket: n.Bucket, Role: p.AssumeRole, RoleBoundary: p.PermissionsBoundary,
	}
	t, err := a.TemplateOf(ctx, p)
	if err != nil {
		return out, err
	}
	env := program.Env{Account: account, Region: p.Region, Partition: at.Partition}
	planned, err := program.Describe(ctx, p, t, env)
	if err != nil {
		return out, err
	}
	for _, x := range planned {
		if !kinds.Engines(x.Type) {
			out.Resources = append(out.Resources, permissions.Resource{Type: x.Type, Name: x.AWSName})
		}
	}
	grants, err := program.RoleGrants(p, t, env)
	if err != nil {
		return out, err
	}
	if out.Grants, err = permissions.ParseStatements(grants, program.OwnKey); err != nil {
		return out, err
	}
	if len(p.Checks) > 0 {
		out.Checks = program.ChecksNamespace
	}
	_, out.Uploads = t.InputFor(p.Parameters, inputFolder+"name/file")
	out.Network = len(p.Parameters.Strings("subnets"))+len(p.Parameters.Strings("securityGroups")) > 0
	out.Maps = startsExecutions(out.Grants)
	given(p, t, at, &out)
	return out, nil
}

// startsExecutions tells whether a pipeline's own roles may start executions, which its machine
// does of Map Runs.
func startsExecutions(grants []permissions.Statement) bool {
	return slices.ContainsFunc(grants, func(s permissions.Statement) bool { return slices.Contains(s.Action, "states:StartExecution") })
}

// hasMaps tells whether the executions of a pipeline have Map Runs.
func hasMaps(p *spec.Pipeline, t *spec.Template, env program.Env) (bool, error) {
	raw, err := program.RoleGrants(p, t, env)
	if err != nil {
		return false, err
	}
	grants, err := permissions.ParseStatements(raw, program.OwnKey)
	return startsExecutions(grants), err
}

// given adds what a pipeline uses that is the user's own.
func given(p *spec.Pipeline, t *spec.Template, at kinds.Place, out *permissions.Pipeline) {
	if key := p.Parameters.String("kmsKeyArn"); key != "" {
		out.Keys = append(out.Keys, key)
	}
	if n, ok := spec.NotifyOf(p); ok && n.Topic != "" {
		out.Topics = append(out.Topics, n.Topic)
	}
	for _, ref := range program.S3References(p, t) {
		if strings.HasSuffix(ref.Key, "/") {
			ref.Key += "*"
		}
		out.Objects = append(out.Objects, "arn:"+at.Partition+":s3:::"+ref.Bucket+"/"+ref.Key)
	}
	if image, ok := program.ParseECRImage(p.Parameters.String("image")); ok {
		out.Repositories = append(out.Repositories, "arn:"+at.Partition+":ecr:"+image.Region+":"+image.Account+":repository/"+image.Repository)
	}
	for _, path := range p.References() {
		s := p.Secrets[path]
		arn := s.SecretsManager
		switch {
		case strings.HasPrefix(arn+s.SSM, "arn:"):
			arn += s.SSM
		case s.SSM != "":
			name, _, _ := strings.Cut(strings.TrimPrefix(s.SSM, "/"), ":") // perhaps with :version
			arn = "arn:" + at.Partition + ":ssm:" + at.Region + ":" + at.Account + ":parameter/" + name
		default: // AWS adds six characters to the name
			arn = "arn:" + at.Partition + ":secretsmanager:" + at.Region + ":" + at.Account + ":secret:" + arn + "-??????"
		}
		out.Secrets = append(out.Secrets, arn)
	}
	slices.Sort(out.Secrets)
}

// anyPipeline stands for all pipelines that there may be: every type of resource, by the
// patterns of its names.
func anyPipeline(at kinds.Place) permissions.Pipeline {
	p := permissions.Pipeline{ID: "*", Stack: "*", Place: at, Base: "ptui-", Bucket: "ptui-", Uploads: true, Maps: true, Network: true, Checks: program.ChecksNamespace}
	for _, k := range kinds.Made() {
		p.Resources = append(p.Resources, permissions.Resource{Type: k.Type})
	}
	return p
}

// backendRights is the backend as policies see it.
func (a *App) backendRights(at kinds.Place) permissions.Backend {
	out := permissions.Backend{Place: at}
	if u, err := url.Parse(a.backendURL()); err == nil && u.Scheme == "s3" {
		// (gocloud.dev/blob, PrefixedBucket: the URL's prefix comes before all keys, folder and all)
		out.Bucket, out.Folder = u.Host, u.Query().Get("prefix")+folderOf(u)
		out.Place = inRegionOf(u, at)
	}
	if u, err := url.Parse(a.opts.Settings.String(settings.SecretsProvider)); err == nil && u.Scheme == "awskms" {
		out.Key = strings.TrimPrefix(u.Host+u.Path, "/")
		at := inRegionOf(u, at)
		if !strings.HasPrefix(out.Key, "arn:") && !strings.HasPrefix(out.Key, "alias/") {
			out.Key = "arn:" + at.Partition + ":kms:" + at.Region + ":" + at.Account + ":key/" + out.Key
		}
		out.Place = at
	}
	return out
}

func inRegionOf(u *url.URL, at kinds.Place) kinds.Place {
	if region := u.Query().Get("region"); region != "" {
		return regionPlace(region, at.Account)
	}
	return at
}
