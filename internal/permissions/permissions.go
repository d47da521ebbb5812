// Package permissions owns the least policies: what who deploys, runs or only looks at
// pipelines has to be allowed in an account, and what bounds the pipelines' own roles. It
// computes them from the types of resources that the pipelines consist of
// (internal/program/kinds) and asks nobody. What the program itself asks AWS for, beside what
// providers do, is listed in own.go.
package permissions

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
)

// Purpose is what a policy is for. They add up: who runs needs Read besides, who deploys
// Read, State and what Run is not.
type Purpose string

// The purposes.
const (
	Deploy   Purpose = "deploy"   // create, change, destroy
	Run      Purpose = "run"      // start, stop, redrive
	Read     Purpose = "read"     // list, show, watch, logs, metrics, results
	State    Purpose = "state"    // write the stacks: the backend's bucket and key
	Check    Purpose = "check"    // ask the account before an up; nothing needs it
	Assume   Purpose = "assume"   // take the tenants' roles
	Boundary Purpose = "boundary" // bounds the pipelines' own roles; a boundary, no grant
)

// Scope is how far the names in a policy go.
type Scope string

// The scopes: exactly the pipelines that were asked about, all of their tenants, or all.
const (
	ByPipeline Scope = "pipeline"
	ByTenant   Scope = "tenant"
	ByFleet    Scope = "fleet"
)

// Resource is one resource of a pipeline: its type and its name in AWS, "" for one that is
// named as it is made.
type Resource struct{ Type, Name string }

// Pipeline is a pipeline as far as policies care.
type Pipeline struct {
	ID, Tenant, Stack string
	Place             kinds.Place
	// Base is what all names begin with, Bucket the name of its bucket.
	Base, Bucket string
	Resources    []Resource
	// Role is the role that the pipeline is deployed with, "" for none; RoleBoundary the
	// boundary of its own roles, "" for none.
	Role, RoleBoundary string
	// Keys are the KMS keys, Secrets the secrets and parameters, Objects the artifacts in
	// S3, Repositories those of images in ECR, Topics those of notices that are the user's
	// own: ARNs.
	Keys, Secrets, Objects, Repositories, Topics []string
	// Checks is the namespace of CloudWatch in which checks that fail are counted, "" without
	// checks.
	Checks string
	// Uploads tells that executions take files, which go into its bucket first, Maps that
	// they work through items in Map Runs.
	Uploads, Maps bool
	// Network tells that its model runs in a VPC.
	Network bool
	// Grants are the statements of the policies of its own roles.
	Grants []Statement
}

// Backend is where the stacks are: a bucket with a folder, and the key of secrets, which is
// an ARN or an alias. The zero value is a backend without rights in AWS.
type Backend struct {
	Bucket, Folder, Key string
	Place               kinds.Place
}

// Policy is one policy to attach.
type Policy struct {
	// Name is a file name without its end: "deploy", "deploy-2", "acme-deploy".
	Name    string  `json:"name"`
	Purpose Purpose `json:"purpose"`
	// Account is where it belongs; Role the tenants' role that it is for, "" for who uses
	// the tool.
	Account  string   `json:"account"`
	Role     string   `json:"role,omitempty"`
	Document Document `json:"document"`
}

// Trust is who may take a tenants' role.
type Trust struct {
	Role     string   `json:"role"`
	Tenants  []string `json:"tenants"`
	Document Document `json:"document"`
}

// Report is all that is to be set up.
type Report struct {
	Policies []Policy `json:"policies"`
	Trusts   []Trust  `json:"trusts,omitempty"`
	// Unbounded are pipelines whose roles have no boundary: who deploys them can give their
	// roles any right, and run code as them.
	Unbounded []string `json:"unbounded,omitempty"`
	// Warnings are sentences about what the policies allow beyond what was asked for, or
	// cannot hold.
	Warnings []string `json:"warnings,omitempty"`
}

// holder is who a set of policies is for.
type holder struct{ account, role string }

// Compute returns the least policies of pipelines in a scope. operator is who takes tenants'
// roles: an account or an ARN.
func Compute(pipelines []Pipeline, b Backend, scope Scope, operator string) Report {
	r := Report{Policies: []Policy{}}
	var holders []holder
	of := map[holder][]Pipeline{}
	for _, p := range pipelines {
		h := holder{p.Place.Account, p.Role}
		if of[h] == nil {
			holders = append(holders, h)
		}
		of[h] = append(of[h], p)
		if p.RoleBoundary == "" {
			r.Unbounded = append(r.Unbounded, p.ID)
		}
	}
	var roles []string
	for _, h := range holders {
		g := &gatherer{scope: scope, pipelines: of[h]}
		prefix := ""
		if h.role != "" {
			roles = append(roles, h.role)
			tenants := tenantsOf(of[h])
			prefix = tenants[0] + "-"
			if len(tenants) > 1 {
				prefix = h.role[strings.LastIndexByte(h.role, '/')+1:] + "-"
			}
			r.Trusts = append(r.Trusts, Trust{Role: h.role, Tenants: tenants, Document: trust(operator, of[h][0].Place.Partition)})
		}
		for _, x := range []struct {
			purpose    Purpose
			statements []Statement
		}{{Deploy, g.deploy()}, {Run, g.run()}, {Read, g.read()}, {Check, g.check()}} {
			r.add(prefix, x.purpose, h, x.statements)
		}
		r.addBoundary(prefix, h, *g)
		r.Warnings = append(r.Warnings, g.reach()...)
	}
	home := holder{account: b.Place.Account}
	r.add("", State, home, b.write())
	r.add("state-", Read, home, b.read())
	if len(roles) > 0 {
		slices.Sort(roles)
		r.add("", Assume, home, []Statement{allow("TenantRoles", []string{"sts:AssumeRole"}, roles)})
	}
	slices.SortStableFunc(r.Policies, func(x, y Policy) int {
		return cmp.Or(strings.Compare(x.Account, y.Account), strings.Compare(x.Role, y.Role))
	})
	r.count()
	return r
}

// addBoundary adds the one policy that bounds the pipelines' roles, since a role has one
// boundary: with names as wide as it takes to fit.
// (IAM/latest/UserGuide/access_policies_boundaries.html)
func (r *Report) addBoundary(prefix string, h holder, g gatherer) {
	name, asked := prefix+string(Boundary), g.scope
	for _, scope := range []Scope{ByPipeline, ByTenant, ByFleet} {
		if asked == ByFleet && scope != ByFleet || asked == ByTenant && scope == ByPipeline {
			continue
		}
		g.scope = scope
		doc := Document{version, g.boundary()}
		switch {
		case len(doc.Statement) == 0:
			return
		case doc.Size() > MaxSize:
			continue
		case scope != asked:
			r.Warnings = append(r.Warnings, fmt.Sprintf("%s is made in the scope %s: a role has one boundary, and in the scope %s it would be longer than the "+
				"%d characters of a policy", name, scope, asked, MaxSize))
		}
		r.Policies = append(r.Policies, Policy{Name: name, Purpose: Boundary, Account: h.account, Role: h.role, Document: doc})
		return
	}
	r.Warnings = append(r.Warnings, fmt.Sprintf("there is no %s: a role has one boundary, and for these %d pipelines it would be longer than the %d "+
		"characters of a policy even in the scope fleet. Give each tenant a boundary of its own, from its pipelines alone", name, len(g.pipelines), MaxSize))
}

// maxAttached is how many managed policies a user or a role may have, unless the account's
// quota was raised. (IAM/latest/UserGuide/reference_iam-quotas.html)
const maxAttached = 10

// count warns where one who deploys, who needs the most, has to have more policies than may
// be attached.
func (r *Report) count() {
	n := map[holder]int{}
	var order []holder
	for _, p := range r.Policies {
		h := holder{p.Account, p.Role}
		if p.Purpose == Boundary || p.Purpose == Run {
			continue
		}
		if n[h]++; n[h] == maxAttached+1 {
			order = append(order, h)
		}
	}
	for _, h := range order {
		who := "who deploys in " + h.account
		if h.role != "" {
			who = h.role
		}
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s needs %d policies, and %d may be attached to a user or role: a wider scope (tenant, fleet) has fewer", who, n[h], maxAttached))
	}
}

// add adds the policies of a purpose: as many as it takes.
func (r *Report) add(prefix string, purpose Purpose, h holder, statements []Statement) {
	for i, doc := range pack(statements) {
		name := prefix + string(purpose)
		if i > 0 {
			name += "-" + number(i+1)
		}
		r.Policies = append(r.Policies, Policy{Name: name, Purpose: purpose, Account: h.account, Role: h.role, Document: doc})
	}
}

func tenantsOf(list []Pipeline) []string {
	var out []string
	for _, p := range list {
		out = append(out, p.Tenant)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// trust lets an operator, an account or an ARN, take a role.
func trust(operator, partition string) Document {
	if len(operator) == 12 {
		operator = "arn:" + partition + ":iam::" + operator + ":root"
	}
	s := Statement{Sid: "Operator", Effect: "Allow", Principal: &Principal{AWS: operator}, Action: Values{"sts:AssumeRole"}}
	return Document{Version: version, Statement: []Statement{s}}
}
