package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/preflight"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/cloudwatch"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/servicequotas"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// askerOf asks with a configuration as it is.
func askerOf(cfg aws.Config) *asker {
	q := &asker{target: &Target{}, place: preflight.Place{Account: iamtest.Account, Region: "eu-central-1"}}
	q.once.Do(func() { q.cfg = cfg })
	return q
}

// lacksOf are the lacks of a role with a policy, as "action [unknown keys]".
func lacksOf(t *testing.T, policy string, needs ...preflight.Need) []string {
	t.Helper()
	w := iamtest.New(t)
	who, _ := w.Role(t, "ci", policy)
	got, err := askerOf(w.Admin()).Lacks(t.Context(), preflight.Who{ARN: who.ARN}, needs)
	require.NoError(t, err)
	out := []string{}
	for _, l := range got {
		require.Contains(t, needs, l.Need)
		out = append(out, fmt.Sprint(l.Action, l.Unknown))
	}
	slices.Sort(out)
	return out
}

// What policies make depend on the request is no refusal: the boundary of a role, the region
// and the service that a role is passed to are told, and where anything else is asked for the
// answer is not known.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_testing-policies.html
func TestPermissionsWithConditions(t *testing.T) {
	t.Parallel()
	const boundary = "arn:aws:iam::000000000000:policy/bound"
	allow := func(action, condition string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"*","Condition":{"StringEquals":` + condition + `}}]}`
	}
	bounded := allow("iam:CreateRole", `{"iam:PermissionsBoundary":"`+boundary+`"}`)
	create := preflight.Need{Action: "iam:CreateRole", Resource: "arn:aws:iam::000000000000:role/r"}
	with := create
	with.Boundary = boundary
	require.Empty(t, lacksOf(t, bounded, with))
	require.Equal(t, []string{"iam:CreateRole[]"}, lacksOf(t, bounded, create), "it will be made without one")

	tagged := allow("states:CreateStateMachine", `{"aws:RequestTag/team":"ml"}`)
	machine := preflight.Need{Action: "states:CreateStateMachine", Resource: "arn:aws:states:eu-central-1:000000000000:stateMachine:m"}
	require.Equal(t, []string{"states:CreateStateMachine[aws:RequestTag/team]"}, lacksOf(t, tagged, machine))
	require.Empty(t, lacksOf(t, allow("states:*", `{"aws:RequestedRegion":"eu-central-1"}`), machine))
	require.Equal(t, []string{"states:CreateStateMachine[]"}, lacksOf(t, allow("states:*", `{"aws:RequestedRegion":"eu-west-1"}`), machine))
	require.Empty(t, lacksOf(t, allow("iam:*", `{"aws:RequestedRegion":"us-east-1"}`), create))

	pass := func(service string) preflight.Need {
		return preflight.Need{Action: passRole, Resource: "arn:aws:iam::000000000000:role/" + service[:1], PassedTo: service}
	}
	lambda, states := pass("lambda.amazonaws.com"), pass("states.amazonaws.com")
	require.Equal(t, []string{"iam:PassRole[]"}, lacksOf(t, allow("iam:PassRole", `{"iam:PassedToService":"lambda.amazonaws.com"}`), lambda, states))
}

// An update wants nothing of what makes things: a role that may update, and not create, is
// refused nothing for sure.
func TestAnUpdateNeedsNothingThatCreates(t *testing.T) {
	t.Parallel()
	p := &spec.Pipeline{ID: spec.ID{Tenant: "acme", Model: "iris", Env: "dev"}, Region: "us-east-1"}
	n := p.Names("111122223333")
	for _, name := range []string{n.StatesRole, n.LambdaRole, n.InvokerRole, n.SageMakerRole, n.Bucket, n.StateMachine, n.Function, n.Endpoint} {
		made := needs(n, name, "arn", "", true)
		require.NotEmpty(t, made, name)
		for _, x := range made {
			require.False(t, x.Maybe, "%+v", x)
			require.Equal(t, x.Action == passRole, x.PassedTo != "", "%+v", x)
		}
		for _, x := range needs(n, name, "arn", "", false) {
			require.True(t, x.Maybe, "%+v", x)
			require.NotContains(t, x.Action, ":Create")
		}
	}
	require.Empty(t, needs(n, "", "", "", true))
}

// Endpoints are described once however many types are asked about, and no more than a few at
// a time. One that goes meanwhile is none.
func TestMachinesOfARegion(t *testing.T) {
	t.Parallel()
	const endpoints = 9
	var mu sync.Mutex
	calls, now, most := map[string]int{}, 0, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		mu.Lock()
		calls[op]++
		now++
		most = max(most, now)
		mu.Unlock()
		defer func() {
			mu.Lock()
			now--
			mu.Unlock()
		}()
		var in struct{ EndpointName, EndpointConfigName, NextToken string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		answer := map[string]any{}
		switch op {
		case "ListEndpoints":
			list := []any{map[string]any{"EndpointName": "failed", "EndpointStatus": "Failed"}}
			for i := range endpoints {
				list = append(list, map[string]any{"EndpointName": fmt.Sprintf("e%d", i), "EndpointStatus": "InService"})
			}
			answer["Endpoints"] = list
		case "DescribeEndpoint":
			if in.EndpointName == "e0" {
				w.WriteHeader(http.StatusBadRequest)
				answer["__type"], answer["message"] = "ValidationException", "Could not find endpoint"
				break
			}
			answer["EndpointConfigName"] = in.EndpointName
			answer["ProductionVariants"] = []any{map[string]any{"VariantName": "a", "CurrentInstanceCount": 3}}
		case "DescribeEndpointConfig":
			of := "ml.m5.large"
			if in.EndpointConfigName == "e1" {
				of = "ml.c5.large"
			}
			answer["ProductionVariants"] = []any{map[string]any{"VariantName": "a", "InstanceType": of, "InitialInstanceCount": 1}}
		case "ListServiceQuotas":
			quota := func(name string, value int) any { return map[string]any{"QuotaName": name, "Value": value} }
			switch in.NextToken {
			case "":
				answer["Quotas"], answer["NextToken"] = []any{quota("ml.m5.large for endpoint usage", 5), quota("ml.c5.large for training job usage", 9)}, "two"
			case "two":
				answer["Quotas"], answer["NextToken"] = []any{quota("ml.c5.large for endpoint usage", 7)}, "three"
			}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	defer server.Close()
	q := askerOf(aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIA", "secret", "")})
	has, err := q.Machines(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]int{"ml.m5.large": 3 * (endpoints - 2), "ml.c5.large": 3}, has)
	require.Equal(t, map[string]int{"ListEndpoints": 1, "DescribeEndpoint": endpoints, "DescribeEndpointConfig": endpoints - 1}, calls)
	require.LessOrEqual(t, most, countAtOnce)

	quotas, err := q.MachineQuotas(t.Context(), []string{"ml.m5.large", "ml.c5.large"})
	require.NoError(t, err)
	require.Equal(t, map[string]int{"ml.m5.large": 5, "ml.c5.large": 7}, quotas)
	require.Equal(t, 2, calls["ListServiceQuotas"], "no page beyond what is needed")
}

// Buckets are counted in pages, and their quota is asked for where the partition keeps it.
func TestBucketsOfAPartition(t *testing.T) {
	t.Parallel()
	for region, home := range map[string]string{
		"eu-central-1": "us-east-1", "us-east-1": "us-east-1", "cn-northwest-1": "cn-north-1", "us-gov-east-1": "us-gov-west-1", "us-iso-west-1": "us-iso-west-1",
	} {
		var mu sync.Mutex
		var regions []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			regions = append(regions, strings.Split(r.Header.Get("Authorization"), "/")[2])
			mu.Unlock()
			if r.Method == http.MethodPost {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "application/x-amz-json-1.1")
				_ = json.NewEncoder(w).Encode(map[string]any{"Quota": map[string]any{"Value": 20_000}})
				return
			}
			names, next := "<Bucket><Name>a</Name></Bucket><Bucket><Name>b</Name></Bucket>", "<ContinuationToken>two</ContinuationToken>"
			switch q := r.URL.Query(); {
			case q.Get("max-buckets") == "": // of an account that may have more than 10,000
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, "<Error><Code>InvalidRequest</Code></Error>")
				return
			case q.Get("continuation-token") == "two":
				names, next = "<Bucket><Name>c</Name></Bucket>", ""
			}
			_, _ = io.WriteString(w, "<ListAllMyBucketsResult><Buckets>"+names+"</Buckets>"+next+"</ListAllMyBucketsResult>")
		}))
		defer server.Close()
		q := askerOf(aws.Config{Region: region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIA", "secret", "")})
		q.place.Region = region
		got, err := q.Buckets(t.Context())
		require.NoError(t, err)
		require.Equal(t, preflight.Amount{May: 20_000, Has: 3}, got)
		require.Equal(t, []string{home, home, home}, regions, region)
	}
}

// By how much this machine's clock is off is seen of AWS's answer, also if AWS refused the
// first request for it: the SDK signs again by AWS's time.
func TestSkewOfTheClock(t *testing.T) {
	t.Parallel()
	for _, refusals := range []int{0, 1} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(10*time.Minute).UTC().Format(http.TimeFormat))
			w.Header().Set("Content-Type", "text/xml")
			if refusals > 0 {
				refusals--
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>Signature expired</Message></Error></ErrorResponse>")
				return
			}
			_, _ = io.WriteString(w, "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>111122223333</Account><Arn>a</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>")
		}))
		q := askerOf(aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIA", "secret", "")})
		who, err := q.Who(t.Context())
		server.Close()
		require.NoError(t, err)
		require.InDelta(t, (-10 * time.Minute).Seconds(), who.Skew.Seconds(), 240, "a slow machine is no wrong clock")
	}
}

// Who may not simulate policies is told what calls are refused that can change nothing, and of
// which actions nobody can tell. What has nothing to do with the action says nothing of it.
func TestPermissionsWithoutTheSimulator(t *testing.T) {
	t.Parallel()
	w := iamtest.New(t)
	const bound = "arn:aws:iam::000000000000:policy/bound"
	_, cfg := w.Role(t, "ci", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
		{"Effect":"Deny","Action":["iam:SimulatePrincipalPolicy","iam:PutRolePolicy"],"Resource":"*"}]}`)
	need := func(action, role, boundary string) preflight.Need {
		return preflight.Need{Action: action, Resource: "arn:aws:iam::000000000000:role/" + role, Boundary: boundary}
	}
	q := askerOf(cfg)
	who, err := q.Who(t.Context())
	require.NoError(t, err)
	got, err := q.Lacks(t.Context(), who, []preflight.Need{
		need("iam:CreateRole", "one", ""), need("iam:CreateRole", "two", ""), need("iam:CreateRole", "bounded", bound),
		need("iam:PutRolePolicy", "one", ""), need("iam:PutRolePolicy", "two", ""), need(passRole, "one", ""),
	})
	require.NoError(t, err)
	require.ElementsMatch(t, []preflight.Lack{{Need: need("iam:PutRolePolicy", "one", "")}, {Need: need(passRole, "one", ""), Blind: true}}, got)
	roles, err := sdkiam.NewFromConfig(w.Admin()).ListRoles(t.Context(), &sdkiam.ListRolesInput{})
	require.NoError(t, err)
	require.Len(t, roles.Roles, 1, "a question makes nothing")
}

// What Cloud Control tells of a network: subnets that are not there, VPCs, and endpoints whose
// list has ids only.
func TestNetworkOfAModel(t *testing.T) {
	t.Parallel()
	there := map[string]string{
		"subnet-1": `{"VpcId":"vpc-1"}`, "sg-1": `{"VpcId":"vpc-2"}`,
		"vpce-1": `{"VpcId":"vpc-1","ServiceName":"com.amazonaws.us-east-1.sts"}`, "vpce-2": `{"VpcId":"vpc-2","ServiceName":"com.amazonaws.us-east-1.s3"}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ TypeName, Identifier string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		describe := func(id, properties string) map[string]any {
			return map[string]any{"Identifier": id, "Properties": properties}
		}
		answer := map[string]any{"TypeName": in.TypeName}
		switch properties, is := there[in.Identifier]; {
		case strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".ListResources"):
			answer["ResourceDescriptions"] = []any{describe("vpce-1", there["vpce-1"]), describe("vpce-2", `{"Id":"vpce-2"}`)}
		case is:
			answer["ResourceDescription"] = describe(in.Identifier, properties)
		default:
			w.WriteHeader(http.StatusBadRequest)
			answer = map[string]any{"__type": "com.amazon.cloudapiservice#ResourceNotFoundException", "Message": "no"}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	defer server.Close()
	q := askerOf(aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIA", "secret", "")})
	at, err := q.Subnet(t.Context(), "subnet-1")
	require.NoError(t, err)
	require.Equal(t, preflight.Placed{State: preflight.Present, VPC: "vpc-1"}, at)
	at, err = q.Subnet(t.Context(), "subnet-2")
	require.NoError(t, err)
	require.Equal(t, preflight.Placed{}, at)
	at, err = q.SecurityGroup(t.Context(), "sg-1")
	require.NoError(t, err)
	require.Equal(t, "vpc-2", at.VPC)
	for vpc, want := range map[string]bool{"vpc-1": false, "vpc-2": true} {
		reaches, err := q.ReachesS3(t.Context(), vpc)
		require.NoError(t, err)
		require.Equal(t, want, reaches, vpc)
	}
}

// Open Map Runs are counted by Step Functions itself, minute by minute: the newest minute
// that CloudWatch has counts, and none is no Map Run.
func TestOpenMapRunsOfARegion(t *testing.T) {
	t.Parallel()
	w := iamtest.New(t)
	quotas, err := servicequotas.New(servicequotas.Config{DB: w.DB, Clock: w.Clock})
	require.NoError(t, err)
	quotas.Register(w.Router)
	metrics, err := cloudwatch.New(cloudwatch.Config{DB: w.DB, Clock: w.Clock})
	require.NoError(t, err)
	metrics.Register(w.Router)
	cfg := w.Admin()
	cfg.Region = "us-east-1"
	q := askerOf(cfg)
	q.clock = w.Clock
	a, err := q.MapRuns(t.Context())
	require.NoError(t, err)
	require.Equal(t, preflight.Amount{May: 1000}, a)
	for ago, open := range map[time.Duration]float64{time.Hour: 9, 4 * time.Minute: 7, 2 * time.Minute: 3} {
		metrics.PutPoint(t.Context(), wire.ScopeOf(iamtest.Account, "us-east-1"), wire.MetricPoint{
			Namespace: "AWS/States", Name: "ApproximateOpenMapRunCount", Value: open, Unit: "Count", Time: w.Clock.Now().Add(-ago),
		})
	}
	a, err = q.MapRuns(t.Context())
	require.NoError(t, err)
	require.Equal(t, preflight.Amount{May: 1000, Has: 3}, a)
}
