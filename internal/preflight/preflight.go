// Package preflight owns what is asked of an account before anything is changed there:
// coded checks of a fleet of pipelines, with what each found and the way out. It is pure:
// whom it asks stands behind Account, and it asks all questions at once, within bounds.
package preflight

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Code names a check. Codes stay what they are: scripts ignore some of them.
type Code string

// The codes.
const (
	CodeIdentity     Code = "P100" // the credentials, or the tenant's role, do not work
	CodePermission   Code = "P110" // an action that an up needs is not allowed
	CodeMachines     Code = "P200" // fewer machines for endpoints than the fleet wants
	CodeRoles        Code = "P210" // fewer roles
	CodeBuckets      Code = "P220" // fewer buckets
	CodeConcurrency  Code = "P230" // fewer concurrent executions of Lambda
	CodeWorkflows    Code = "P240" // fewer state machines
	CodeMapRuns      Code = "P250" // fewer open Map Runs
	CodeImage        Code = "P300" // the image is not in its registry
	CodeArchitecture Code = "P310" // the image is for other machines
	CodePull         Code = "P320" // who deploys may not look into the image's registry
	CodeModelData    Code = "P400" // the model data are not there, or may not be read
	CodeEndpointName Code = "P500" // the endpoint's name is taken
	CodeBucketName   Code = "P510" // the bucket's name is taken
	CodeNames        Code = "P520" // other names are taken
	CodeKey          Code = "P600" // the KMS key cannot be used
	CodeMachineType  Code = "P700" // the region does not know the machine type
	CodeNetwork      Code = "P710" // subnets or security groups are not there, or not of one VPC
	CodeReach        Code = "P720" // the VPC may have no way to S3
	CodeClock        Code = "P800" // this machine's clock is wrong
	CodeUnasked      Code = "P900" // a question could not be asked
)

// Codes are all codes with what they are about.
func Codes() map[Code]string {
	return map[Code]string{
		CodeIdentity: "credentials and roles of tenants", CodePermission: "permissions", CodeMachines: "quota of machines for endpoints",
		CodeRoles: "quota of roles", CodeBuckets: "quota of buckets", CodeConcurrency: "quota of concurrent executions of Lambda",
		CodeWorkflows: "quota of state machines", CodeMapRuns: "quota of open Map Runs", CodeImage: "image in its registry", CodeArchitecture: "architecture of the image",
		CodePull: "pulling the image across accounts", CodeModelData: "model data", CodeEndpointName: "name of the endpoint", CodeBucketName: "name of the bucket",
		CodeNames: "names of other resources",
		CodeKey:   "KMS key", CodeMachineType: "machine type in the region", CodeNetwork: "subnets and security groups",
		CodeReach: "way from the VPC to S3", CodeClock: "clock", CodeUnasked: "what could not be asked",
	}
}

// Severity says what a finding means for an up.
type Severity string

// An error will make the up fail, a warning may, an info cannot.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Info    Severity = "info"
)

// Finding is what a check found wrong.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	// Pipelines are those that it is about.
	Pipelines []string `json:"pipelines"`
	Account   string   `json:"account,omitempty"`
	Region    string   `json:"region,omitempty"`
	// Asked is the question: AWS's operation and what it was about.
	Asked string `json:"asked"`
	// Names are what has names that are to be free: "IAM role NAME".
	Names   []string `json:"names,omitempty"`
	Message string   `json:"message"`
	Hint    string   `json:"hint"`
	Ignored bool     `json:"ignored,omitempty"`
	// Kind is that of the error that the finding is made of, "" if of none.
	Kind fault.Kind `json:"-"`
}

// Report is what all checks found, errors first.
type Report struct {
	Findings []Finding `json:"findings"`
	// Questions is how many were asked, Seconds how long an up is about to take.
	Questions int `json:"questions"`
	Seconds   int `json:"estimatedSeconds"`
}

// Errors are the findings that will make an up fail and are not ignored.
func (r Report) Errors() (out []Finding) {
	for _, f := range r.Findings {
		if f.Severity == Error && !f.Ignored {
			out = append(out, f)
		}
	}
	return out
}

// Place is where and as whom is asked.
type Place struct{ Account, Region, Role string }

// Need is an action on a resource that an up of a pipeline wants to be allowed.
type Need struct {
	Action, Resource string
	// PassedTo is the service that a role is passed to, Boundary the policy that bounds the
	// role; "" for none. Conditions of policies ask for both.
	PassedTo, Boundary string
	// Maybe says that it is wanted only if the up changes the resource.
	Maybe bool
}

// Lack is a need that is not allowed.
type Lack struct {
	Need
	// Unknown are keys that conditions of the policies ask for and the question could not
	// give: with them the answer may be another one.
	Unknown []string
	// Blind says that nobody could tell: policies may not be simulated, and there is no call
	// that asks for the action and changes nothing.
	Blind bool
}

// Subject is a pipeline, as far as checks care.
type Subject struct {
	ID string
	Place
	// New: nothing of it is there yet.
	New bool
	// Machine, Count and Most are the type and number of machines of its endpoint, at
	// first and at most; "" for none.
	Machine     string
	Count, Most int
	Roles       int
	// Function is its function, "" for none; Reserved how many calls at a time are kept for
	// that alone, 0 for none; Calls how many at a time one execution makes of functions for
	// which none are kept.
	Function        string
	Reserved, Calls int
	// Workflow: it has a state machine. Maps: whose executions have Map Runs.
	Workflow, Maps bool
	Image          string
	ModelData      string // s3://..., "" for a local file
	// Reader is the ARN of the role that the model reads its data as.
	Reader          string
	Bucket          string
	Names           []Name   // those that must be free: its stack does not have what they name
	Key             string   // ARN of the KMS key that it has already
	Subnets, Groups []string // where the model runs, and its security groups; none outside of a VPC
	Needs           []Need
	EstimatedSecond int
}

// Name is one that a pipeline is about to give to something.
type Name struct {
	Code Code // of the finding if it is taken
	// Type is the engine's, What is what people call it: "IAM role".
	Type, What, Name string
}

// Held is what is known of a name.
type Held struct {
	Name
	State
	// Owner is the pipeline whose tags what has the name bears, "" if none's.
	Owner string
	// Untold: there is something, but its tags may not be read.
	Untold bool
	// Err is why it could not be asked for.
	Err error
}

// Who is whom the credentials of a place belong to.
type Who struct {
	Account, ARN string
	// Skew is by how much this machine's clock is ahead of AWS's.
	Skew time.Duration
}

// Amount is what an account may have of something, and has.
type Amount struct{ May, Has int }

// Concurrency is how many calls of functions an account may have at a time in a region, and
// how many of them are not kept for one function alone.
type Concurrency struct{ May, Unreserved int }

// State is what became of something that was looked for.
type State int

// The states.
const (
	Absent State = iota
	Present
	Denied // it is there, or not: who asks may not know
)

// Image is an image in a registry; Architectures is empty where they cannot be told.
type Image struct {
	State
	Architectures []string // amd64, arm64
}

// Object is an object in S3, or all below a key that ends with a slash.
type Object struct {
	State
	// Key is the ARN of the KMS key that it is encrypted under, "" for none.
	Key string
	// Elsewhere: its bucket is another account's.
	Elsewhere bool
}

// Placed is where a subnet or a security group is.
type Placed struct {
	State
	VPC string
}

// Account answers the questions about a place. Errors say that a question could not be
// asked, not what the answer is. Methods are called at the same time.
type Account interface {
	Who(ctx context.Context) (Who, error)
	// Lacks are the needs that are not allowed to who asks.
	Lacks(ctx context.Context, who Who, needs []Need) ([]Lack, error)
	// MachineQuotas are how many machines of some types endpoints may have; a type that the
	// region has no quota of is left out.
	MachineQuotas(ctx context.Context, types []string) (map[string]int, error)
	// Machines are how many machines endpoints have, by their types. It costs several
	// requests for each endpoint of the region.
	Machines(ctx context.Context) (map[string]int, error)
	Roles(ctx context.Context) (Amount, error)
	Buckets(ctx context.Context) (Amount, error)
	Concurrency(ctx context.Context) (Concurrency, error)
	// Reserved is how many calls at a time are kept for a function that is there.
	Reserved(ctx context.Context, function string) (int, error)
	// Workflows are the state machines of the region.
	Workflows(ctx context.Context) (Amount, error)
	// MapRuns are the open ones of the region.
	MapRuns(ctx context.Context) (Amount, error)
	Image(ctx context.Context, image string) (Image, error)
	Object(ctx context.Context, url string) (Object, error)
	// Held are the names that are not free, or not known to be.
	Held(ctx context.Context, names []Name) ([]Held, error)
	Subnet(ctx context.Context, id string) (Placed, error)
	SecurityGroup(ctx context.Context, id string) (Placed, error)
	// ReachesS3 tells whether a VPC has an endpoint of S3 of its own.
	ReachesS3(ctx context.Context, vpc string) (bool, error)
	// Key tells whether a key can be used, and why not.
	Key(ctx context.Context, key string) (why string, err error)
}

// maxQuestions bounds the questions at a time, MaxSkew is from where AWS refuses
// signatures (five minutes), with a margin.
const (
	maxQuestions = 32
	maxSkew      = 4 * time.Minute
)

// run is one pass over all checks.
type run struct {
	open    func(Place) Account
	group   errgroup.Group
	mu      sync.Mutex
	found   []Finding
	asked   int
	who     map[Place]Who
	closed  map[Place]bool // credentials do not work there
	ignored map[Code]bool
}

// Run asks all questions about pipelines. open gives the account of a place; it is called
// once for each. What ctx ends before is told as not asked. Where the credentials do not work
// nothing else is asked: every answer would be about the credentials.
func Run(ctx context.Context, subjects []Subject, open func(Place) Account, ignore ...Code) Report {
	r := &run{open: openOnce(open), who: map[Place]Who{}, closed: map[Place]bool{}, ignored: map[Code]bool{}}
	for _, c := range ignore {
		r.ignored[c] = true
	}
	r.group.SetLimit(maxQuestions)
	for _, list := range by(subjects, func(s Subject) Place { return s.Place }) {
		r.identity(ctx, list)
	}
	_ = r.group.Wait() // none returns an error
	all := subjects
	subjects = slices.DeleteFunc(slices.Clone(all), func(s Subject) bool { return r.closed[s.Place] })
	for _, list := range by(subjects, func(s Subject) Place { return s.Place }) {
		r.permissions(ctx, list)
	}
	for _, list := range by(subjects, func(s Subject) [2]string { return [2]string{s.Account, s.Region} }) {
		r.machines(ctx, list)
		r.calls(ctx, list)
		r.workflows(ctx, list)
	}
	for _, list := range by(subjects, func(s Subject) string { return s.Account }) {
		r.amounts(ctx, list)
	}
	for _, list := range by(subjects, func(s Subject) [4]string { return [4]string{s.Account, s.Region, s.Image, s.Machine} }) {
		r.image(ctx, list)
	}
	for _, list := range by(subjects, func(s Subject) [3]string { return [3]string{s.Account, s.Region, s.ModelData} }) {
		r.data(ctx, list)
	}
	for _, list := range by(subjects, func(s Subject) [3]string { return [3]string{s.Account, s.Region, s.Key} }) {
		r.key(ctx, list)
	}
	for _, list := range by(subjects, func(s Subject) [4]string {
		return [4]string{s.Account, s.Region, strings.Join(s.Subnets, " "), strings.Join(s.Groups, " ")}
	}) {
		r.network(ctx, list)
	}
	for _, s := range subjects {
		r.names(ctx, s)
	}
	_ = r.group.Wait()
	out := Report{Findings: append([]Finding{}, r.found...), Questions: r.asked}
	for _, s := range all {
		out.Seconds = max(out.Seconds, s.EstimatedSecond)
	}
	rank := map[Severity]int{Error: 0, Warning: 1, Info: 2}
	slices.SortFunc(out.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank[a.Severity], rank[b.Severity]), strings.Compare(string(a.Code), string(b.Code)),
			strings.Compare(a.Message, b.Message), slices.Compare(a.Pipelines, b.Pipelines))
	})
	return out
}

// Span is how many seconds an up takes that works on so many of the pipelines at a time, in
// their order.
func Span(subjects []Subject, lanes int) int {
	free := make([]int, max(1, lanes)) // when each lane is
	for _, s := range subjects {
		next := slices.Index(free, slices.Min(free))
		free[next] += s.EstimatedSecond
	}
	return slices.Max(free)
}

func openOnce(open func(Place) Account) func(Place) Account {
	var mu sync.Mutex
	known := map[Place]Account{}
	return func(p Place) Account {
		mu.Lock()
		defer mu.Unlock()
		if known[p] == nil {
			known[p] = open(p)
		}
		return known[p]
	}
}

// by groups subjects by a key, in the order of their first.
func by[K comparable](subjects []Subject, key func(Subject) K) [][]Subject {
	at := map[K]int{}
	var out [][]Subject
	for _, s := range subjects {
		i, ok := at[key(s)]
		if !ok {
			i = len(out)
			at[key(s)] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], s)
	}
	return out
}

// ask runs a question about pipelines. An error is told as not asked; a finding is about all
// of them unless it says otherwise.
func (r *run) ask(ctx context.Context, about []Subject, asked string, fn func(a Account, tell func(Finding)) error) {
	tell := func(f Finding) {
		f.Account, f.Region, f.Asked, f.Ignored = about[0].Account, about[0].Region, asked, r.ignored[f.Code]
		if f.Pipelines == nil {
			f.Pipelines = idsOf(about)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.found = append(r.found, f)
	}
	r.mu.Lock()
	r.asked++
	r.mu.Unlock()
	r.group.Go(func() error {
		err := ctx.Err()
		if err == nil {
			err = fn(r.open(about[0].Place), tell)
		}
		if err != nil {
			tell(Finding{Code: CodeUnasked, Severity: Info, Message: "could not be asked: " + err.Error(), Hint: "An up may go well all the same; allow the question to have it checked."})
		}
		return nil
	})
}

func idsOf(list []Subject) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = s.ID
	}
	return out
}
