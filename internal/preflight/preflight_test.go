package preflight_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/preflight"
)

// fake is an account in which nothing is wrong but what a test plants.
type fake struct {
	who       error
	skew      time.Duration
	lacks     []preflight.Lack
	machines  map[string]preflight.Amount
	counted   atomic.Int32 // how often machines were
	asked     atomic.Int32 // how often their quotas were
	roles     preflight.Amount
	buckets   preflight.Amount
	calls     preflight.Concurrency
	reserved  map[string]int
	workflows preflight.Amount
	mapRuns   preflight.Amount
	images    map[string]preflight.Image
	objects   map[string]preflight.Object
	held      []preflight.Held
	key       string
	absent    []string          // subnets and security groups
	vpcs      map[string]string // of them; vpc-1 of the others
	closed    bool              // no VPC has an endpoint of S3
	fails     error             // every question but the first
}

var _ preflight.Account = (*fake)(nil)

func (f *fake) Who(context.Context) (preflight.Who, error) {
	return preflight.Who{Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/u", Skew: f.skew}, f.who
}

func (f *fake) Lacks(context.Context, preflight.Who, []preflight.Need) ([]preflight.Lack, error) {
	return f.lacks, f.fails
}

func (f *fake) MachineQuotas(_ context.Context, types []string) (map[string]int, error) {
	f.asked.Add(1)
	out := map[string]int{}
	for _, of := range types {
		if a, known := f.machines[of]; known {
			out[of] = a.May
		}
	}
	return out, f.fails
}

func (f *fake) Machines(context.Context) (map[string]int, error) {
	f.counted.Add(1)
	out := map[string]int{}
	for of, a := range f.machines {
		out[of] = a.Has
	}
	return out, f.fails
}

func (f *fake) Roles(context.Context) (preflight.Amount, error)   { return f.roles, f.fails }
func (f *fake) Buckets(context.Context) (preflight.Amount, error) { return f.buckets, f.fails }
func (f *fake) Workflows(context.Context) (preflight.Amount, error) {
	return f.workflows, f.fails
}
func (f *fake) MapRuns(context.Context) (preflight.Amount, error) { return f.mapRuns, f.fails }
func (f *fake) Concurrency(context.Context) (preflight.Concurrency, error) {
	return f.calls, f.fails
}

func (f *fake) Reserved(_ context.Context, function string) (int, error) {
	return f.reserved[function], f.fails
}

func (f *fake) Image(_ context.Context, image string) (preflight.Image, error) {
	return f.images[image], f.fails
}

func (f *fake) Object(_ context.Context, url string) (preflight.Object, error) {
	return f.objects[url], f.fails
}

func (f *fake) Held(_ context.Context, names []preflight.Name) (out []preflight.Held, err error) {
	for _, h := range f.held {
		if slices.Contains(names, h.Name) {
			out = append(out, h)
		}
	}
	return out, f.fails
}

func (f *fake) Key(context.Context, string) (string, error) { return f.key, f.fails }

func (f *fake) placed(id string) (preflight.Placed, error) {
	if slices.Contains(f.absent, id) {
		return preflight.Placed{}, f.fails
	}
	return preflight.Placed{State: preflight.Present, VPC: cmp.Or(f.vpcs[id], "vpc-1")}, f.fails
}

func (f *fake) Subnet(_ context.Context, id string) (preflight.Placed, error) { return f.placed(id) }

func (f *fake) SecurityGroup(_ context.Context, id string) (preflight.Placed, error) {
	return f.placed(id)
}
func (f *fake) ReachesS3(context.Context, string) (bool, error) { return !f.closed, f.fails }

const (
	registry = "111122223333.dkr.ecr.us-east-1.amazonaws.com/"
	data     = "s3://models/m.tar.gz"
)

func sound() *fake {
	return &fake{
		machines: map[string]preflight.Amount{"ml.m5.large": {May: 60, Has: 10}}, roles: preflight.Amount{May: 1000}, buckets: preflight.Amount{May: 1000},
		calls: preflight.Concurrency{May: 1000, Unreserved: 1000}, workflows: preflight.Amount{May: 1000}, mapRuns: preflight.Amount{May: 1000},
		images:  map[string]preflight.Image{registry + "serve:1": {State: preflight.Present, Architectures: []string{"amd64"}}},
		objects: map[string]preflight.Object{data: {State: preflight.Present}},
	}
}

func fleet(n int) []preflight.Subject {
	out := make([]preflight.Subject, n)
	for i := range out {
		name := fmt.Sprintf("t%d/m", i)
		out[i] = preflight.Subject{
			ID: name, Place: preflight.Place{Account: "111122223333", Region: "us-east-1"}, New: true, Machine: "ml.m5.large", Count: 1, Most: 1, Roles: 3,
			Image: registry + "serve:1", ModelData: data, Reader: "r-" + name, Bucket: "b-" + name, Key: "alias/k",
			Needs: []preflight.Need{{Action: "iam:CreateRole", Resource: name}}, EstimatedSecond: 420,
			Function: "f-" + name, Calls: 2, Workflow: true, Maps: true,
			Names: []preflight.Name{
				{Code: preflight.CodeEndpointName, What: "SageMaker endpoint", Name: "e-" + name},
				{Code: preflight.CodeBucketName, What: "S3 bucket", Name: "b-" + name},
				{Code: preflight.CodeNames, What: "IAM role", Name: "r-" + name},
				{Code: preflight.CodeNames, What: "SQS queue", Name: "q-" + name},
			},
			Subnets: []string{"subnet-1", "subnet-2"}, Groups: []string{"sg-1"},
		}
	}
	return out
}

func codes(r preflight.Report) (out []string) {
	for _, f := range r.Findings {
		out = append(out, string(f.Severity)+" "+string(f.Code))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Each check finds what is planted, and nothing else does. The fleet is fifty pipelines, so
// that what is summed is summed over all of them.
func TestEachCheckFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		plant func(*fake, []preflight.Subject)
		want  []string
	}{
		"sound":       {func(*fake, []preflight.Subject) {}, nil},
		"credentials": {func(f *fake, _ []preflight.Subject) { f.who = errors.New("no") }, []string{"error P100"}},
		"clock":       {func(f *fake, _ []preflight.Subject) { f.skew = -6 * time.Minute }, []string{"error P800"}},
		"permissions": {func(f *fake, s []preflight.Subject) { f.lacks = []preflight.Lack{{Need: s[0].Needs[0]}} }, []string{"error P110"}},
		"permissions that an update may need": {func(f *fake, _ []preflight.Subject) {
			f.lacks = []preflight.Lack{{Need: preflight.Need{Action: "states:UpdateStateMachine", Resource: "m", Maybe: true}}}
		}, []string{"warning P110"}},
		"permissions with conditions": {func(f *fake, s []preflight.Subject) {
			f.lacks = []preflight.Lack{{Need: s[0].Needs[0], Unknown: []string{"aws:RequestTag/team"}}}
		}, []string{"info P110"}},
		"permissions that nobody can tell": {func(f *fake, s []preflight.Subject) {
			f.lacks = []preflight.Lack{{Need: s[0].Needs[0], Blind: true}}
		}, []string{"info P110"}},
		"subnet":         {func(f *fake, _ []preflight.Subject) { f.absent = []string{"subnet-2"} }, []string{"error P710"}},
		"security group": {func(f *fake, _ []preflight.Subject) { f.absent = []string{"sg-1"} }, []string{"error P710"}},
		"two VPCs":       {func(f *fake, _ []preflight.Subject) { f.vpcs = map[string]string{"sg-1": "vpc-2"} }, []string{"error P710"}},
		"no way to S3":   {func(f *fake, _ []preflight.Subject) { f.closed = true }, []string{"info P720"}},
		"no network": {func(f *fake, s []preflight.Subject) {
			f.absent, f.closed = []string{"subnet-1"}, true
			for i := range s {
				s[i].Subnets, s[i].Groups = nil, nil
			}
		}, nil},
		"machines": {func(f *fake, _ []preflight.Subject) { f.machines["ml.m5.large"] = preflight.Amount{May: 59, Has: 10} }, []string{"error P200"}},
		"machines of those that are there": {func(f *fake, s []preflight.Subject) {
			f.machines["ml.m5.large"] = preflight.Amount{May: 50, Has: 50}
			for i := range s {
				s[i].New = false
			}
		}, nil},
		"machines when it scales": {func(_ *fake, s []preflight.Subject) { s[7].Most = 2 }, []string{"warning P200"}},
		"machine type":            {func(_ *fake, s []preflight.Subject) { s[3].Machine = "ml.p5.48xlarge" }, []string{"warning P700"}},
		"roles":                   {func(f *fake, _ []preflight.Subject) { f.roles = preflight.Amount{May: 1000, Has: 851} }, []string{"error P210"}},
		"buckets":                 {func(f *fake, _ []preflight.Subject) { f.buckets = preflight.Amount{May: 49} }, []string{"error P220"}},
		"state machines":          {func(f *fake, _ []preflight.Subject) { f.workflows = preflight.Amount{May: 99, Has: 50} }, []string{"error P240"}},
		"Map Runs":                {func(f *fake, _ []preflight.Subject) { f.mapRuns = preflight.Amount{May: 99, Has: 50} }, []string{"warning P250"}},
		"what is there is counted already": {func(f *fake, s []preflight.Subject) {
			f.workflows, f.mapRuns = preflight.Amount{May: 50, Has: 50}, preflight.Amount{May: 50, Has: 50}
			for i := range s {
				s[i].New = false
			}
		}, nil},
		"calls at a time": {func(f *fake, _ []preflight.Subject) { f.calls.Unreserved = 99 }, []string{"warning P230"}},
		"calls of a new account": {func(f *fake, s []preflight.Subject) {
			f.calls = preflight.Concurrency{May: 10, Unreserved: 10}
			for i := range s {
				s[i].Calls = 0
			}
			s[3].Reserved = 1
		}, []string{"error P230"}},
		"reserved calls": {func(_ *fake, s []preflight.Subject) {
			for i := range s {
				s[i].Reserved, s[i].Calls = 19, 0
			}
		}, []string{"error P230"}},
		"reserved calls, all that there are": {func(_ *fake, s []preflight.Subject) {
			for i := range s {
				s[i].Reserved, s[i].Calls = 18, 0
			}
		}, nil},
		"more calls reserved than are": {func(f *fake, s []preflight.Subject) {
			s[1].New, s[1].Reserved, f.reserved = false, 902, map[string]int{s[1].Function: 1}
			f.calls.Unreserved = 999
		}, []string{"error P230"}},
		"as many calls reserved as are": {func(f *fake, s []preflight.Subject) {
			s[1].New, s[1].Reserved, f.reserved = false, 900, map[string]int{s[1].Function: 900}
			f.calls.Unreserved = 100
		}, nil},
		"image": {func(_ *fake, s []preflight.Subject) { s[9].Image = registry + "serve:2" }, []string{"error P300"}},
		"architecture": {func(f *fake, s []preflight.Subject) {
			s[9].Machine, f.machines["ml.m6g.large"] = "ml.m6g.large", preflight.Amount{May: 1}
		}, []string{"error P310"}},
		"pull": {func(f *fake, _ []preflight.Subject) {
			f.images[registry+"serve:1"] = preflight.Image{State: preflight.Denied}
		}, []string{"warning P320"}},
		"data":    {func(_ *fake, s []preflight.Subject) { s[9].ModelData = "s3://models/none" }, []string{"error P400"}},
		"no data": {func(f *fake, _ []preflight.Subject) { f.objects[data] = preflight.Object{State: preflight.Denied} }, []string{"warning P400"}},
		"another account's data": {func(f *fake, _ []preflight.Subject) {
			f.objects[data] = preflight.Object{State: preflight.Present, Elsewhere: true}
		}, []string{"warning P400"}},
		"data under a key": {func(f *fake, _ []preflight.Subject) {
			f.objects[data] = preflight.Object{State: preflight.Present, Key: "arn:k"}
		}, nil},
		"data under a key that is disabled": {func(f *fake, s []preflight.Subject) {
			f.objects[data], f.key = preflight.Object{State: preflight.Present, Key: "arn:k"}, "its state is Disabled"
			for i := range s {
				s[i].Key = ""
			}
		}, []string{"error P600"}},
		"endpoint": {func(f *fake, s []preflight.Subject) {
			f.held = []preflight.Held{{Name: s[4].Names[0], State: preflight.Present}}
		}, []string{"error P500"}},
		"bucket": {func(f *fake, s []preflight.Subject) {
			f.held = []preflight.Held{{Name: s[4].Names[1], State: preflight.Present}}
		}, []string{"error P510"}},
		"bucket that may not be looked at": {func(f *fake, s []preflight.Subject) {
			f.held = []preflight.Held{{Name: s[4].Names[1], State: preflight.Denied}}
		}, []string{"warning P510"}},
		"other names": {func(f *fake, s []preflight.Subject) {
			f.held = []preflight.Held{{Name: s[4].Names[2], State: preflight.Present}, {Name: s[4].Names[3], State: preflight.Present}}
		}, []string{"error P520"}},
		"names that may not be asked for": {func(f *fake, s []preflight.Subject) {
			f.held = []preflight.Held{{Name: s[4].Names[2], Err: errors.New("not allowed")}}
		}, []string{"info P900"}},
		"key":     {func(f *fake, _ []preflight.Subject) { f.key = "its state is Disabled" }, []string{"error P600"}},
		"unasked": {func(f *fake, _ []preflight.Subject) { f.fails = errors.New("not allowed") }, []string{"info P900"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, subjects := sound(), fleet(50)
			tt.plant(f, subjects)
			r := preflight.Run(t.Context(), subjects, func(preflight.Place) preflight.Account { return f })
			require.Equal(t, tt.want, codes(r), "%+v", r.Findings)
			for _, x := range r.Findings {
				require.NotEmpty(t, x.Asked)
				require.NotEmpty(t, x.Hint)
				require.NotEmpty(t, x.Pipelines)
				require.NotEmpty(t, preflight.Codes()[x.Code])
			}
			require.Equal(t, 420, r.Seconds)
		})
	}
}

// What has a name is told by whose it is, each owner once, with the way out that goes with it.
func TestWhoseTakenNamesAre(t *testing.T) {
	t.Parallel()
	name := func(what, of string) preflight.Name {
		return preflight.Name{Code: preflight.CodeNames, What: what, Name: of}
	}
	got := preflight.Taken("acme/iris", []preflight.Held{
		{Name: name("IAM role", "a"), State: preflight.Present, Owner: "acme/iris"},
		{Name: name("IAM role", "b"), State: preflight.Present, Owner: "globex/iris"},
		{Name: name("log group", "c"), State: preflight.Present},
		{Name: name("SQS queue", "d"), State: preflight.Present, Untold: true},
		{Name: name("alarm", "e"), State: preflight.Present, Owner: "acme/iris"},
		{Name: name("alarm", "f"), Err: errors.New("no")},
		{Name: name("alarm", "g"), State: preflight.Present, Owner: "acme/iris"},
		{Name: name("alarm", "h"), State: preflight.Present, Owner: "acme/iris"},
	})
	var told []string
	for _, f := range got {
		require.NotEmpty(t, f.Hint)
		told = append(told, f.Message)
	}
	require.Equal(t, []string{
		"IAM role a, alarm e, alarm g and 1 more are there already: by the tags they are this pipeline's own, but this backend's stack does not have that",
		"IAM role b is there already: by the tags it is of the pipeline globex/iris",
		"log group c is there already: it is no pipeline's, by the tags",
		"SQS queue d is there already: nobody knows whose, for who deploys may not read the tags",
	}, told)
	require.Equal(t, []string{"IAM role a", "alarm e", "alarm g", "alarm h"}, got[0].Names)
	require.Contains(t, got[0].Hint, "--backend")
}

// What is ignored is still told, and stops nothing.
func TestIgnored(t *testing.T) {
	t.Parallel()
	f, subjects := sound(), fleet(2)
	f.machines["ml.m5.large"], f.key = preflight.Amount{}, "gone"
	r := preflight.Run(t.Context(), subjects, func(preflight.Place) preflight.Account { return f }, preflight.CodeMachines)
	require.Len(t, r.Findings, 2)
	require.Len(t, r.Errors(), 1)
	require.Equal(t, preflight.CodeKey, r.Errors()[0].Code)
	require.Equal(t, "ml.m5.large for endpoint usage is 0 in us-east-1, 0 are in use, and these pipelines want 2", r.Findings[0].Message)
}

// However many types of machines there are, quotas are listed and endpoints counted once; and
// those that want no more machines than they have are not counted at all.
func TestMachinesAreCountedOnceForARegion(t *testing.T) {
	t.Parallel()
	f, subjects := sound(), fleet(50)
	for i := range subjects {
		subjects[i].Machine = fmt.Sprintf("ml.m5.%dxlarge", i)
		f.machines[subjects[i].Machine] = preflight.Amount{May: 2, Has: 1}
	}
	f.machines[subjects[7].Machine] = preflight.Amount{May: 1, Has: 1}
	r := preflight.Run(t.Context(), subjects, func(preflight.Place) preflight.Account { return f })
	require.Equal(t, []string{"error P200"}, codes(r))
	require.Equal(t, []string{subjects[7].ID}, r.Findings[0].Pipelines, "only those of the type")
	require.Equal(t, []int32{1, 1}, []int32{f.asked.Load(), f.counted.Load()})

	for i := range subjects {
		subjects[i].New = false
	}
	r = preflight.Run(t.Context(), subjects, func(preflight.Place) preflight.Account { return f })
	require.Empty(t, r.Findings)
	require.Equal(t, []int32{2, 1}, []int32{f.asked.Load(), f.counted.Load()})
}

// Where the credentials do not work, that is all there is to tell: the answers to all other
// questions would be about the credentials too. Other places are asked all the same.
func TestNothingElseIsAskedWithoutCredentials(t *testing.T) {
	t.Parallel()
	bad, good, subjects := sound(), sound(), fleet(4)
	bad.who, bad.fails, bad.key, good.key = fault.New(fault.Denied, "no"), errors.New("no"), "gone", "gone"
	subjects[3].Role = "arn:aws:iam::111122223333:role/other"
	r := preflight.Run(t.Context(), subjects, func(p preflight.Place) preflight.Account {
		if p.Role == "" {
			return bad
		}
		return good
	})
	require.Equal(t, []string{"error P100", "error P600"}, codes(r))
	require.Equal(t, fault.Denied, r.Findings[0].Kind)
	require.Len(t, r.Findings[0].Pipelines, 3)
	require.Equal(t, []string{subjects[3].ID}, r.Findings[1].Pipelines)
}

// An up of many takes as long as its longest lane.
func TestSpan(t *testing.T) {
	t.Parallel()
	require.Equal(t, 0, preflight.Span(nil, 4))
	require.Equal(t, 420, preflight.Span(fleet(4), 4))
	require.Equal(t, 840, preflight.Span(fleet(5), 4))
	require.Equal(t, 50*420, preflight.Span(fleet(50), 0))
	some := fleet(4)
	some[0].EstimatedSecond, some[1].EstimatedSecond = 60, 60
	require.Equal(t, 480, preflight.Span(some, 2))
}

// The time is bounded: what is not asked in time is told.
func TestTimeIsBounded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := preflight.Run(ctx, fleet(50), func(preflight.Place) preflight.Account { return sound() })
	require.Equal(t, []string{"info P900"}, codes(r))
}
