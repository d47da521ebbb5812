package preflight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// identity asks who the credentials belong to.
func (r *run) identity(ctx context.Context, list []Subject) {
	r.ask(ctx, list, "sts:GetCallerIdentity", func(a Account, tell func(Finding)) error {
		who, err := a.Who(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			hint := "Run `pipelinetui doctor` to see which credentials are used."
			if role := list[0].Role; role != "" {
				hint = "Let the trust policy of " + role + " name who asks, and allow them sts:AssumeRole on it."
			}
			tell(Finding{Code: CodeIdentity, Severity: Error, Kind: fault.KindOf(err), Message: err.Error(), Hint: hint})
			r.mu.Lock()
			defer r.mu.Unlock()
			r.closed[list[0].Place] = true
			return nil
		}
		r.mu.Lock()
		r.who[list[0].Place] = who
		r.mu.Unlock()
		if who.Skew > maxSkew || who.Skew < -maxSkew {
			tell(Finding{
				Code: CodeClock, Severity: Error, Message: fmt.Sprintf("this machine's clock is %s off", who.Skew.Abs().Round(time.Second)),
				Hint: "Set the clock: AWS refuses what is signed five minutes off.",
			})
		}
		return nil
	})
}

// permissions asks what who deploys may not do. Only what is known to be refused, and known
// to be wanted, is an error.
func (r *run) permissions(ctx context.Context, list []Subject) {
	needs := map[Need]bool{}
	for _, s := range list {
		for _, n := range s.Needs {
			needs[n] = true
		}
	}
	who, known := r.who[list[0].Place]
	if len(needs) == 0 || !known {
		return
	}
	sorted := slices.SortedFunc(maps.Keys(needs), func(a, b Need) int {
		return cmp.Or(strings.Compare(a.Action, b.Action), strings.Compare(a.Resource, b.Resource))
	})
	r.ask(ctx, list, "iam:SimulatePrincipalPolicy "+who.ARN, func(a Account, tell func(Finding)) error {
		lacks, err := a.Lacks(ctx, who, sorted)
		for _, f := range lacking(who, lacks) {
			tell(f)
		}
		return err
	})
}

// lacking are the findings of what is not allowed: one for each action and each severity.
func lacking(who Who, lacks []Lack) (out []Finding) {
	type group struct {
		action   string
		severity Severity
	}
	groups := map[group][]Lack{}
	blind := map[string]bool{}
	for _, l := range lacks {
		if l.Blind {
			blind[l.Action] = true
			continue
		}
		g := group{l.Action, Error}
		switch {
		case len(l.Unknown) > 0:
			g.severity = Info
		case l.Maybe:
			g.severity = Warning
		}
		groups[g] = append(groups[g], l)
	}
	if len(blind) > 0 {
		out = append(out, Finding{
			Code: CodePermission, Severity: Info,
			Message: fmt.Sprintf("it is not known whether %s may %s: policies may not be simulated, and no call that changes nothing asks for that",
				who.ARN, strings.Join(slices.Sorted(maps.Keys(blind)), ", ")),
			Hint: "Allow iam:SimulatePrincipalPolicy, and of a role iam:GetRole on it, to who deploys, to have all of it checked.",
		})
	}
	for g, list := range groups {
		slices.SortFunc(list, func(a, b Lack) int { return strings.Compare(a.Resource, b.Resource) })
		on := list[0].Resource + andMore(len(list)-1)
		f := Finding{
			Code: CodePermission, Severity: g.severity, Message: fmt.Sprintf("%s may not %s on %s", who.ARN, g.action, on),
			Hint: "Allow " + g.action + " to who deploys, or deploy with a role that may (assumeRole of the tenant).",
		}
		switch g.severity {
		case Warning:
			f.Message += ": an update that changes it fails"
		case Info:
			keys := map[string]bool{}
			for _, l := range list {
				for _, k := range l.Unknown {
					keys[k] = true
				}
			}
			f.Message = fmt.Sprintf("it is not known whether %s may %s on %s: that depends on %s", who.ARN, g.action, on, strings.Join(slices.Sorted(maps.Keys(keys)), ", "))
			f.Hint = "Conditions of the policies decide when the request is made. If the up is refused, see what they want of " + g.action + "."
		}
		out = append(out, f)
	}
	return out
}

func andMore(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

// machines holds the machines that all pipelines of a region want together against what
// the account may have and has, for all types at once.
func (r *run) machines(ctx context.Context, list []Subject) {
	list = slices.DeleteFunc(slices.Clone(list), func(s Subject) bool { return s.Machine == "" })
	if len(list) == 0 {
		return
	}
	wants := by(list, func(s Subject) string { return s.Machine })
	types := make([]string, len(wants))
	more := false
	for i, of := range wants {
		types[i] = of[0].Machine
		_, most := wanted(of)
		more = more || most > 0
	}
	r.ask(ctx, list, "servicequotas:ListServiceQuotas sagemaker, "+strings.Join(types, ", ")+" for endpoint usage", func(a Account, tell func(Finding)) error {
		quotas, err := a.MachineQuotas(ctx, types)
		if err != nil {
			return err
		}
		var has map[string]int
		if more { // what wants no more than it has needs no count
			if has, err = a.Machines(ctx); err != nil {
				return err
			}
		}
		for _, of := range wants {
			instance := of[0].Machine
			may, known := quotas[instance]
			if f, bad := enough(of, Amount{may, has[instance]}, known); bad {
				f.Pipelines = idsOf(of)
				tell(f)
			}
		}
		return nil
	})
}

// wanted is how many machines more pipelines want at first, and at most.
func wanted(list []Subject) (first, most int) {
	for _, s := range list {
		if s.New {
			first, most = first+s.Count, most+max(s.Count, s.Most)
		} else {
			most += max(0, s.Most-s.Count)
		}
	}
	return first, most
}

// enough holds what pipelines want of one type of machines against what there may be.
func enough(list []Subject, amount Amount, known bool) (f Finding, bad bool) {
	instance, region := list[0].Machine, list[0].Region
	first, most := wanted(list)
	hint := fmt.Sprintf("Ask for more: aws service-quotas request-service-quota-increase --service-code sagemaker --region %s, quota '%s for endpoint "+
		"usage'; or choose another instanceType.", region, instance)
	text := fmt.Sprintf("%s for endpoint usage is %d in %s, %d are in use, and these pipelines want", instance, amount.May, region, amount.Has)
	switch {
	case !known:
		return Finding{Code: CodeMachineType, Severity: Warning, Message: "region " + region + " has no quota for machines of type " + instance +
			" for endpoints: it may not offer them", Hint: "Choose another instanceType, or another region."}, true
	case first > 0 && amount.Has+first > amount.May:
		return Finding{Code: CodeMachines, Severity: Error, Message: fmt.Sprintf("%s %d", text, first), Hint: hint}, true
	case most > 0 && amount.Has+most > amount.May:
		return Finding{Code: CodeMachines, Severity: Warning, Message: fmt.Sprintf("%s up to %d when they scale out", text, most), Hint: hint}, true
	}
	return f, false
}

// amounts holds the roles and buckets of all pipelines of an account against its quotas.
func (r *run) amounts(ctx context.Context, list []Subject) {
	roles, buckets := 0, 0
	for _, s := range list {
		if s.New {
			roles += s.Roles
			if s.Bucket != "" {
				buckets++
			}
		}
	}
	count := func(want int, what, asked string, code Code, quota func(Account) (Amount, error)) {
		if want == 0 {
			return
		}
		r.ask(ctx, list, asked, func(a Account, tell func(Finding)) error {
			amount, err := quota(a)
			if err == nil && amount.Has+want > amount.May {
				tell(Finding{
					Code: code, Severity: Error, Message: fmt.Sprintf("the account may have %d %s, has %d, and these pipelines want %d", amount.May, what, amount.Has, want),
					Hint: "Ask for more in Service Quotas, or delete what is not needed.",
				})
			}
			return err
		})
	}
	count(roles, "roles", "iam:GetAccountSummary", CodeRoles, func(a Account) (Amount, error) { return a.Roles(ctx) })
	count(buckets, "buckets", "servicequotas:GetServiceQuota s3, s3:ListBuckets", CodeBuckets, func(a Account) (Amount, error) { return a.Buckets(ctx) })
}

// leftOfCalls is how many calls at a time Lambda keeps for functions without a share of their
// own: all of an account that may have fewer.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
const leftOfCalls = 100

// calls holds the calls of functions that all pipelines of a region want to keep for
// themselves, and those that the others make when all of them run, against what the account
// may have and has given away.
func (r *run) calls(ctx context.Context, list []Subject) {
	list = slices.DeleteFunc(slices.Clone(list), func(s Subject) bool { return s.Function == "" && s.Calls == 0 })
	if len(list) == 0 {
		return
	}
	r.ask(ctx, list, "lambda:GetAccountSettings", func(a Account, tell func(Finding)) error {
		amount, err := a.Concurrency(ctx)
		if err != nil {
			return err
		}
		keep, calls := 0, 0
		var keeps, call []Subject
		for _, s := range list {
			has := 0
			if s.Calls > 0 {
				calls, call = calls+s.Calls, append(call, s)
			}
			if s.Reserved == 0 {
				continue
			}
			if !s.New {
				if has, err = a.Reserved(ctx, s.Function); err != nil {
					return err
				}
			}
			keep, keeps = keep+s.Reserved-has, append(keeps, s)
		}
		text := fmt.Sprintf("functions may run %d times at a time in %s, %d of that is not reserved, and these pipelines", amount.May, list[0].Region, amount.Unreserved)
		hint := "Ask for more: aws service-quotas request-service-quota-increase --service-code lambda --region " + list[0].Region + " --quota-code L-B99A9384; or "
		switch left := min(amount.May, leftOfCalls); {
		case keep > 0 && amount.Unreserved-keep < left:
			tell(Finding{
				Code: CodeConcurrency, Severity: Error, Message: fmt.Sprintf("%s reserve %d more, where %d have to be left", text, keep, left),
				Hint: hint + "lower preprocess.reservedConcurrency.", Pipelines: idsOf(keeps),
			})
		case calls > amount.Unreserved-keep:
			tell(Finding{
				Code: CodeConcurrency, Severity: Warning, Message: fmt.Sprintf("%s make up to %d calls at a time when each runs once: Lambda throttles what is beyond", text, calls),
				Hint: hint + "lower maxConcurrency, or reserve for functions that may not wait.", Pipelines: idsOf(call),
			})
		}
		return nil
	})
}

// workflows holds the state machines and the Map Runs of all new pipelines of a region
// against what the account may have and has. Map Runs beyond the quota wait for others.
// https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
func (r *run) workflows(ctx context.Context, list []Subject) {
	fresh := func(has func(Subject) bool) []Subject {
		return slices.DeleteFunc(slices.Clone(list), func(s Subject) bool { return !s.New || !has(s) })
	}
	if want := fresh(func(s Subject) bool { return s.Workflow }); len(want) > 0 {
		r.ask(ctx, want, "servicequotas:GetServiceQuota states, states:ListStateMachines", func(a Account, tell func(Finding)) error {
			amount, err := a.Workflows(ctx)
			if err == nil && amount.Has+len(want) > amount.May {
				tell(Finding{
					Code: CodeWorkflows, Severity: Error,
					Message: fmt.Sprintf("the account may have %d state machines in %s, has %d, and these pipelines want %d", amount.May, want[0].Region, amount.Has, len(want)),
					Hint:    "Ask for more in Service Quotas, or delete what is not needed.",
				})
			}
			return err
		})
	}
	if want := fresh(func(s Subject) bool { return s.Maps }); len(want) > 0 {
		r.ask(ctx, want, "servicequotas:GetServiceQuota states, cloudwatch:GetMetricData ApproximateOpenMapRunCount", func(a Account, tell func(Finding)) error {
			amount, err := a.MapRuns(ctx)
			if err == nil && amount.Has+len(want) > amount.May {
				tell(Finding{
					Code: CodeMapRuns, Severity: Warning,
					Message: fmt.Sprintf("the account may have %d Map Runs open in %s, has %d, and these pipelines want %d when each runs once: those beyond wait for others to end",
						amount.May, want[0].Region, amount.Has, len(want)),
					Hint: "Run fewer of them at a time. AWS raises this quota for nobody.",
				})
			}
			return err
		})
	}
}

// Graviton machines: the families of a first letter, a generation and a g.
// https://docs.aws.amazon.com/sagemaker/latest/dg/notebooks-available-instance-types.html
func architecture(instance string) string {
	family, _, _ := strings.Cut(strings.TrimPrefix(instance, "ml."), ".")
	if len(family) >= 3 && strings.IndexByte("cmr", family[0]) >= 0 && family[1] >= '6' && family[1] <= '9' && family[2] == 'g' {
		return "arm64"
	}
	return "amd64"
}

func (r *run) image(ctx context.Context, list []Subject) {
	image := list[0].Image
	if image == "" || !strings.Contains(image, ".dkr.ecr.") {
		return
	}
	r.ask(ctx, list, "ecr:BatchGetImage "+image, func(a Account, tell func(Finding)) error {
		found, err := a.Image(ctx, image)
		if err != nil {
			return err
		}
		want := architecture(list[0].Machine)
		switch {
		case found.State == Absent:
			tell(Finding{Code: CodeImage, Severity: Error, Message: "there is no image " + image, Hint: "Push it, or correct the parameter image."})
		case found.State == Denied:
			// The endpoint's role pulls, and what is allowed to it is not known by that.
			tell(Finding{
				Code: CodePull, Severity: Warning, Message: "who deploys may not look at " + image +
					", so that nobody knows whether it is there and may be pulled",
				Hint: "Let the repository's policy allow ecr:BatchGetImage, ecr:GetDownloadUrlForLayer and ecr:BatchCheckLayerAvailability to account " +
					list[0].Account + ", and ecr:BatchGetImage to who deploys.",
			})
		case list[0].Machine != "" && len(found.Architectures) > 0 && !slices.Contains(found.Architectures, want):
			tell(Finding{
				Code: CodeArchitecture, Severity: Error, Message: fmt.Sprintf("%s is for %s, and %s is %s", image, strings.Join(found.Architectures, ", "), list[0].Machine, want),
				Hint: "Build the image for linux/" + want + ", or choose a machine of the other kind.",
			})
		}
		return nil
	})
}

func (r *run) data(ctx context.Context, list []Subject) {
	url := list[0].ModelData
	if url == "" {
		return
	}
	r.ask(ctx, list, "s3:GetObject "+url, func(a Account, tell func(Finding)) error {
		found, err := a.Object(ctx, url)
		switch {
		case err != nil:
			return err
		case found.State == Absent:
			tell(Finding{Code: CodeModelData, Severity: Error, Message: "there are no model data at " + url, Hint: "Upload them, or correct the parameter modelDataUrl."})
		case found.State == Denied:
			tell(Finding{
				Code: CodeModelData, Severity: Warning, Message: url + " may not be read by who deploys, so that nobody knows whether it is there",
				Hint: "Let the bucket's policy allow s3:GetObject to the account: the endpoint's role needs it as well.",
			})
		case found.Elsewhere:
			// The role's own policy allows it, which is enough within an account alone.
			tell(Finding{
				Code: CodeModelData, Severity: Warning, Message: url + " is in another account's bucket: that who deploys may read it says nothing of " + readers(list),
				Hint: "Let the bucket's policy, and that of the KMS key if there is one, allow s3:GetObject and kms:Decrypt to account " + list[0].Account + " or to the role.",
			})
		}
		if found.Key == "" {
			return nil
		}
		why, err := a.Key(ctx, found.Key)
		if err == nil && why != "" {
			tell(Finding{
				Code: CodeKey, Severity: Error, Message: url + " is encrypted under " + found.Key + ", which cannot be used: " + why,
				Hint: "Enable the key, or write the object again under another one.",
			})
		}
		return err
	})
}

// readers are the roles that the models of pipelines read their data as.
func readers(list []Subject) string {
	roles := make([]string, 0, len(list))
	for _, s := range list {
		if s.Reader != "" && !slices.Contains(roles, s.Reader) {
			roles = append(roles, s.Reader)
		}
	}
	return someOf(roles)
}

// network asks for what a model runs in. SageMaker takes only what is of one VPC.
// https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html
func (r *run) network(ctx context.Context, list []Subject) {
	subnets, groups := list[0].Subnets, list[0].Groups
	if len(subnets)+len(groups) == 0 {
		return
	}
	asked := "cloudformation:GetResource " + strings.Join(slices.Concat(subnets, groups), ", ")
	r.ask(ctx, list, asked, func(a Account, tell func(Finding)) error {
		vpcs := map[string]bool{}
		look := func(what, parameter string, ids []string, of func(context.Context, string) (Placed, error)) error {
			for _, id := range ids {
				at, err := of(ctx, id)
				switch {
				case err != nil:
					return err
				case at.State == Absent:
					tell(Finding{
						Code: CodeNetwork, Severity: Error, Message: fmt.Sprintf("there is no %s %s in %s", what, id, list[0].Region),
						Hint: "Correct the parameter " + parameter + ".",
					})
				case at.VPC != "":
					vpcs[at.VPC] = true
				}
			}
			return nil
		}
		if err := look("subnet", "subnets", subnets, a.Subnet); err != nil {
			return err
		}
		if err := look("security group", "securityGroups", groups, a.SecurityGroup); err != nil {
			return err
		}
		if len(vpcs) > 1 {
			tell(Finding{
				Code: CodeNetwork, Severity: Error, Message: "the subnets and security groups are of several VPCs: " + strings.Join(slices.Sorted(maps.Keys(vpcs)), ", "),
				Hint: "Name subnets and security groups of one VPC.",
			})
		}
		for vpc := range vpcs {
			reaches, err := a.ReachesS3(ctx, vpc)
			if err != nil {
				return err
			}
			if !reaches {
				tell(Finding{
					Code: CodeReach, Severity: Info, Message: vpc + " has no endpoint of S3: the model's data come through a NAT gateway, or not at all",
					Hint: "Make a gateway endpoint for com.amazonaws." + list[0].Region + ".s3 in the route tables of the subnets, if they have no NAT gateway.",
				})
			}
		}
		return nil
	})
}

func (r *run) key(ctx context.Context, list []Subject) {
	key := list[0].Key
	if key == "" {
		return
	}
	r.ask(ctx, list, "kms:DescribeKey "+key, func(a Account, tell func(Finding)) error {
		why, err := a.Key(ctx, key)
		if err == nil && why != "" {
			tell(Finding{
				Code: CodeKey, Severity: Error, Message: "key " + key + " cannot be used: " + why,
				Hint: "Enable the key: what is in the pipeline's bucket and logs is encrypted under it.",
			})
		}
		return err
	})
}

// names asks for the names of what a pipeline does not have yet.
func (r *run) names(ctx context.Context, s Subject) {
	if len(s.Names) == 0 {
		return
	}
	r.ask(ctx, []Subject{s}, "what has the names of "+someOf(texts(s.Names)), func(a Account, tell func(Finding)) error {
		held, err := a.Held(ctx, s.Names)
		if err != nil {
			return err
		}
		for _, f := range Taken(s.ID, held) {
			tell(f)
		}
		var errs []error
		for _, h := range held {
			if h.Err != nil {
				errs = append(errs, fmt.Errorf("%s %s: %w", h.What, h.Name.Name, h.Err))
			}
		}
		return errors.Join(errs...)
	})
}

func texts(names []Name) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = n.What + " " + n.Name
	}
	return out
}

// someOf is as many of a list as tell what it is about.
func someOf(list []string) string {
	const few = 3
	return strings.Join(list[:min(few, len(list))], ", ") + andMore(len(list)-few)
}

// Taken is what is wrong with the names of a pipeline: AWS refuses to make a second of some,
// and writes over the first of others. It is told by who seems to own what has them.
func Taken(pipeline string, held []Held) (out []Finding) {
	type owner struct {
		code  Code
		state State
		of    string
		blind bool
	}
	var order []owner
	names := map[owner][]Name{}
	for _, h := range held {
		if h.State == Absent {
			continue
		}
		o := owner{h.Code, h.State, h.Owner, h.Untold}
		if names[o] == nil {
			order = append(order, o)
		}
		names[o] = append(names[o], h.Name)
	}
	for _, o := range order {
		f := Finding{Code: o.code, Severity: Error, Pipelines: []string{pipeline}, Names: texts(names[o])}
		are, they := " is", "it is "
		if len(f.Names) > 1 {
			are, they = " are", "they are "
		}
		there := someOf(f.Names) + are + " there already: "
		switch {
		case o.state == Denied: // another account's, or who deploys lacks s3:ListBucket
			f.Severity, f.Message = Warning, "who deploys may not look at "+someOf(f.Names)+", so that nobody knows whether its name is taken"
			f.Hint = "Allow s3:ListBucket to who deploys. If it is another account's, give the pipeline another name."
		case o.of == pipeline:
			f.Message = there + "by the tags " + they + "this pipeline's own, but this backend's stack does not have that"
			f.Hint = "Another backend has its stack: go on with that one (--backend, PIPELINETUI_HOME). If that is lost, delete what is there, or give the pipeline another env."
		case o.of != "":
			f.Message = there + "by the tags " + they + "of the pipeline " + o.of
			f.Hint = "Give one of the two pipelines another name, or delete what is there if nobody needs it."
		case o.blind:
			f.Message = there + "nobody knows whose, for who deploys may not read the tags"
			f.Hint = "If another backend has this pipeline's stack, go on with that one; else give the pipeline another name, or delete what is there."
		default:
			f.Message = there + they + "no pipeline's, by the tags"
			f.Hint = "It is none of this tool's, or was left behind: delete it if nobody needs it, or give the pipeline another name."
		}
		out = append(out, f)
	}
	return out
}
