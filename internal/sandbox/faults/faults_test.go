package faults

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

var start = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

func call(service, operation string) *wire.Request { return callIn("us-east-1", service, operation) }

// caught is a gate that keeps the request it is asked about.
type caught struct{ req *wire.Request }

func (c *caught) Admit(_ context.Context, req *wire.Request) error {
	c.req = req
	return nil
}

// callIn is a request as a router makes it, of a service with quotas.
func callIn(region, service, operation string) *wire.Request {
	r, c := wire.NewRouter(nil, nil), &caught{}
	s := wire.Service{ID: service}
	switch service {
	case "sfn":
		s.Quotas = map[string]wire.Quota{
			"":               {Burst: 100, PerSecond: 1},
			"StartExecution": {Burst: 800, PerSecond: 150, LargeBurst: 1300, LargePerSecond: 300}, "Invoke": {Unlimited: true},
		}
	case "lambda":
		s.Quotas = map[string]wire.Quota{"": {Bucket: "control", Burst: 15, PerSecond: 15}, "GetFunction": {Burst: 100, PerSecond: 100}, "Invoke": {Unlimited: true}}
		s.Refusals.Throttled = wire.Errorf(429, "TooManyRequestsException", "Rate Exceeded.")
	}
	r.Register(s)
	r.Handle(service, operation, func(context.Context, *wire.Request, []byte) (any, error) { return struct{}{}, nil })
	r.SetGate(c)
	if _, err := r.Invoke(context.Background(), wire.ScopeOf("000000000000", region), wire.Principal{Admin: true}, service, operation, nil); err != nil {
		panic(err)
	}
	return c.req
}

func code(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *wire.Error
	require.ErrorAs(t, err, &e)
	return e.Code
}

func TestQuotasAreTokenBuckets(t *testing.T) {
	t.Parallel()
	tests := []struct {
		region, service, operation string
		burst, perSecond           int
		code                       string
	}{
		{"us-east-1", "sfn", "StartExecution", 1300, 300, "ThrottlingException"},
		{"eu-central-1", "sfn", "StartExecution", 800, 150, "ThrottlingException"},
		{"us-east-1", "sfn", "CreateStateMachine", 100, 1, "ThrottlingException"},
		{"us-east-1", "lambda", "CreateFunction", 15, 15, "TooManyRequestsException"},
	}
	for _, tt := range tests {
		t.Run(tt.region+" "+tt.operation, func(t *testing.T) {
			t.Parallel()
			clk := clock.NewFake(start)
			g := New(clk)
			require.NoError(t, g.Set(Config{Quotas: true}))
			take := func() (n int) {
				for {
					if err := g.Admit(t.Context(), callIn(tt.region, tt.service, tt.operation)); err != nil {
						require.Equal(t, tt.code, code(t, err))
						return n
					}
					n++
				}
			}
			require.Equal(t, tt.burst, take())
			clk.Advance(time.Second)
			require.Equal(t, tt.perSecond, take())
			clk.Advance(time.Hour)
			require.Equal(t, tt.burst, take(), "the bucket does not overflow")
			require.Equal(t, map[string]int{tt.service + "." + tt.operation: 3}, g.Status().Throttled)
			require.NoError(t, g.Admit(t.Context(), call("sqs", "SendMessage")), "no quota is known")
			require.NoError(t, g.Admit(t.Context(), call(tt.service, "Invoke")))
		})
	}
}

func TestLambdaSharesItsControlQuota(t *testing.T) {
	t.Parallel()
	g := New(clock.NewFake(start))
	require.NoError(t, g.Set(Config{Quotas: true}))
	for i := range 15 {
		require.NoError(t, g.Admit(t.Context(), call("lambda", []string{"CreateFunction", "PublishVersion"}[i%2])))
	}
	require.Equal(t, "TooManyRequestsException", code(t, g.Admit(t.Context(), call("lambda", "ListFunctions"))))
	require.NoError(t, g.Admit(t.Context(), call("lambda", "GetFunction")), "has its own")
}

func TestRules(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		rules []Rule
		call  *wire.Request
		codes []string // of calls one after the other
	}{
		"nothing":         {nil, call("sfn", "StartExecution"), []string{""}},
		"other service":   {[]Rule{{Service: "s3", Throttle: true}}, call("sfn", "StartExecution"), []string{""}},
		"other operation": {[]Rule{{Service: "sfn", Operation: "Stop*", Throttle: true}}, call("sfn", "StartExecution"), []string{""}},
		"pattern":         {[]Rule{{Operation: "Start*", Throttle: true}}, call("sfn", "StartExecution"), []string{"ThrottlingException"}},
		"times":           {[]Rule{{Throttle: true, Times: 2}}, call("iam", "GetRole"), []string{"Throttling", "Throttling", ""}},
		"s3":              {[]Rule{{Service: "s3", Throttle: true}}, call("s3", "PutObject"), []string{"SlowDown"}},
		"own error":       {[]Rule{{Error: "ModelError", Status: 424}}, call("sagemakerruntime", "InvokeEndpoint"), []string{"ModelError"}},
		"second rule":     {[]Rule{{Service: "s3", Throttle: true}, {Error: "Boom", Times: 1}}, call("sqs", "SendMessage"), []string{"Boom", ""}},
		"control":         {[]Rule{{Throttle: true}}, call(ServiceID, "PutFaults"), []string{""}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := New(clock.NewFake(start))
			require.NoError(t, g.Set(Config{Rules: tt.rules}))
			for i, want := range tt.codes {
				require.Equal(t, want, code(t, g.Admit(t.Context(), tt.call)), "call %d", i+1)
			}
		})
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	g := New(clock.NewFake(start))
	require.NoError(t, g.Set(Config{Rules: []Rule{{Share: 0.3, Throttle: true}}}))
	const n = 10_000
	for range n {
		_ = g.Admit(t.Context(), call("sfn", "StartExecution"))
	}
	require.InDelta(t, 0.3*n, g.Status().Hits[0], 0.05*n)
}

func TestLatency(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(start)
	g := New(clk)
	require.NoError(t, g.Set(Config{Rules: []Rule{{LatencyMs: 200}, {LatencyMs: 50, Error: "Late"}}}))
	done := make(chan error, 1)
	admit := func(ctx context.Context) { done <- g.Admit(ctx, call("sfn", "StartExecution")) }
	go admit(t.Context())
	require.NoError(t, clk.WaitTimers(t.Context(), 1))
	clk.Advance(249 * time.Millisecond)
	select {
	case err := <-done:
		t.Fatal("too early: ", err)
	default:
	}
	clk.Advance(time.Millisecond)
	require.Equal(t, "Late", code(t, <-done))
	ctx, cancel := context.WithCancel(t.Context())
	go admit(ctx)
	require.NoError(t, clk.WaitTimers(t.Context(), 1))
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)

	// who ends a delay ends it for those too who wait already
	go admit(t.Context())
	require.NoError(t, clk.WaitTimers(t.Context(), 1))
	require.NoError(t, g.Set(Config{}))
	require.Equal(t, "Late", code(t, <-done))
}

func TestWrongConfigChangesNothing(t *testing.T) {
	t.Parallel()
	g := New(clock.NewFake(start))
	require.NoError(t, g.Set(Config{Quotas: true}))
	for name, r := range map[string]Rule{
		"share is 2":         {Share: 2, Throttle: true},
		"must not be":        {Times: -1, Throttle: true},
		"does nothing":       {Service: "s3"},
		"is no pattern":      {Service: "[", Throttle: true},
		"status is 200":      {Error: "E", Status: 200},
		"exclude each other": {Error: "E", Throttle: true},
	} {
		require.ErrorContains(t, g.Set(Config{Rules: []Rule{{Throttle: true}, r}}), "rule 2: ", name)
		require.ErrorContains(t, g.Set(Config{Rules: []Rule{r}}), name)
	}
	require.True(t, g.Status().Quotas)
	require.Empty(t, g.Status().Rules)
}
