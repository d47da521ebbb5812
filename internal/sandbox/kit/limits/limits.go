// Package limits owns the quotas of AWS accounts that the sandbox keeps: their codes,
// names and defaults as data, and what an account has of each. Service Quotas tells of
// them; the services that have them ask the Book. It knows no service.
package limits

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// The quotas that services keep, as SERVICE/CODE. Codes of AWS are the same in all
// accounts and regions.
const (
	LambdaConcurrency = "lambda/L-B99A9384"
	StatesExecutions  = "states/L-B8A5B662"
	StatesMapRuns     = "states/L-15D902EC"
	StatesMachines    = "states/L-B66B0F91"
	IAMRoles          = "iam/L-FE177D64"
	S3Buckets         = "s3/L-DC2B2D3D"
	ECRRepositories   = "ecr/L-CFEB8E8D"
	ECRImages         = "ecr/L-03A36CE1"
)

// Home is the region in which the quotas of global services are kept.
// https://docs.aws.amazon.com/servicequotas/latest/userguide/gs-request-quota.html
const Home = "us-east-1"

// raised is what accounts of the sandbox have of the machines for endpoints: AWS gives new
// accounts none of nearly all types, and every account that has worked for a while was
// given more. A sandbox in which nothing runs before quotas are set would teach nothing.
const raised = 1000

// Quota is a quota of a service.
type Quota struct {
	Service, Code, Name string
	// Default is AWS's own value, Start what accounts of the sandbox have.
	Default, Start float64
	// Adjustable: AWS raises it for who asks.
	Adjustable bool
	// Global: there is one for all regions.
	Global bool
}

// ID is SERVICE/CODE.
func (q Quota) ID() string { return q.Service + "/" + q.Code }

// serviceNames are what AWS calls the services that have quotas here.
var serviceNames = map[string]string{
	"ecr": "Amazon Elastic Container Registry (Amazon ECR)", "iam": "AWS Identity and Access Management (IAM)", "lambda": "AWS Lambda",
	"s3": "Amazon Simple Storage Service (Amazon S3)", "sagemaker": "Amazon SageMaker", "states": "AWS Step Functions",
}

// ServiceName is what AWS calls a service of ours, "" if it has no quotas here.
func ServiceName(code string) string { return serviceNames[code] }

// endpoints are the codes of "<type> for endpoint usage" with their defaults where they
// are not 0: Service Quotas of us-east-1, September 2026.
//
//go:embed data/endpoints.txt
var endpoints string

// endpointUsage ends the names of quotas of machines for endpoints.
const endpointUsage = " for endpoint usage"

// all is the catalog, by ID.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html,
// https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html,
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html,
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/BucketRestrictions.html,
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html
var all = sync.OnceValue(func() map[string]Quota {
	out := map[string]Quota{}
	add := func(id, name string, value, start float64, adjustable, global bool) {
		service, code, _ := strings.Cut(id, "/")
		out[id] = Quota{service, code, name, value, start, adjustable, global}
	}
	add(LambdaConcurrency, "Concurrent executions", 1000, 1000, true, false)
	add(StatesExecutions, "Open executions", 1_000_000, 1_000_000, true, false)
	add(StatesMapRuns, "Open Map Runs", 1000, 1000, false, false)
	add(StatesMachines, "Registered state machines", 100_000, 100_000, true, false)
	add(IAMRoles, "Roles per account", 1000, 1000, true, true)
	add(S3Buckets, "General purpose buckets", 10_000, 10_000, true, true)
	add(ECRRepositories, "Registered repositories", 100_000, 100_000, true, false)
	add(ECRImages, "Images per repository", 100_000, 100_000, true, false)
	for line := range strings.Lines(endpoints) {
		f := strings.Fields(line)
		value := 0.0
		if len(f) > 2 {
			value, _ = strconv.ParseFloat(f[2], 64) // embedded data
		}
		add("sagemaker/"+f[0], f[1]+endpointUsage, value, raised, true, false)
	}
	return out
})

// byName has the IDs of machines for endpoints by their types.
var byName = sync.OnceValue(func() map[string]string {
	out := map[string]string{}
	for id, q := range all() {
		if instance, ok := strings.CutSuffix(q.Name, endpointUsage); ok {
			out[instance] = id
		}
	}
	return out
})

// Endpoint is the ID of the quota of machines of a type ("ml.m5.large") for endpoints; false
// if AWS's list, as it is known here, has none.
func Endpoint(instance string) (id string, ok bool) {
	id, ok = byName()[instance]
	return id, ok
}

// ByID is a quota, false if there is none.
func ByID(id string) (Quota, bool) {
	q, ok := all()[id]
	return q, ok
}

// Of are the quotas of a service in the order of their codes; of "" all, service by service.
func Of(service string) []Quota {
	var out []Quota
	for _, q := range all() {
		if service == "" || q.Service == service {
			out = append(out, q)
		}
	}
	slices.SortFunc(out, func(a, b Quota) int { return strings.Compare(a.ID(), b.ID()) })
	return out
}

// Book has what accounts have of quotas, where it is not what they start with. A nil Book
// has the latter. It is safe for concurrent use, in transactions of the store too.
type Book struct {
	mu      sync.RWMutex
	values  map[string]float64
	changed chan struct{} // closed by the next Set
}

// NewBook returns a book in which nobody has anything else than at the start.
func NewBook() *Book { return &Book{values: map[string]float64{}, changed: make(chan struct{})} }

// Key is the store's key of a quota in a scope.
func Key(sc wire.Scope, q Quota) string {
	if q.Global {
		return sc.GlobalKey(q.ID())
	}
	return sc.Key(q.ID())
}

// Set notes what the account of a scope has of a quota.
func (b *Book) Set(key string, value float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.values[key] = value
	close(b.changed)
	b.changed = make(chan struct{})
}

// Value is what the account of a scope has of a quota.
func (b *Book) Value(sc wire.Scope, q Quota) float64 {
	if b == nil {
		return q.Start
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if v, ok := b.values[Key(sc, q)]; ok {
		return v
	}
	return q.Start
}

// Limit is Value of the quota of an ID, as a number of things. It must be one of ours.
func (b *Book) Limit(sc wire.Scope, id string) int {
	q, ok := ByID(id)
	if !ok {
		panic("limits: no quota " + id)
	}
	return int(b.Value(sc, q))
}

// Changed is closed when a quota is set the next time; that of a nil Book never is.
func (b *Book) Changed() <-chan struct{} {
	if b == nil {
		return nil
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.changed
}
