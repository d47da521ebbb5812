package executions

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
)

func TestValidateInput(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, in, want string }{
		{"object", `{"a": 1}`, ""},
		{"any value", ` 5 `, ""},
		{"largest", `"` + strings.Repeat("x", MaxInput-2) + `"`, ""},
		{"too large", `"` + strings.Repeat("x", MaxInput-1) + `"`, "input has 262145 bytes, 262144 at most are allowed"},
		{"empty", "", "line 1, column 1: no JSON value"},
		{"bad character", "{\n  \"a\": ü}", "line 2, column 8"},
		{"missing comma", "{\n\"a\": 1\n\"b\": 2}", "line 3, column 1"},
		{"cut off", "{\"a\": [1,\n 2", "line 2, column 3: unexpected end"},
		{"two values", "{}\n{}", "line 2, column 1: text after the JSON value"},
		{"too large a number", "{\n \"a\": -1e999}", "line 2, column 7: the number -1e999 is larger"},
		{"not UTF-8", "\"\xff\"", "not UTF-8"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := ValidateInput([]byte(c.in))
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			requireKind(t, err, fault.Invalid, c.want)
			require.NotEmpty(t, fault.HintOf(err))
		})
	}
}

func TestValidateName(t *testing.T) {
	t.Parallel()
	for _, ok := range []string{"a", strings.Repeat("a", 80), "20260301T120000-ab12cd", "größe", NewName(t0)} {
		require.NoError(t, ValidateName(ok), ok)
	}
	for _, bad := range []string{"", strings.Repeat("a", 81), "a b", "a/b", "a:b", "a*", "a\x00", "a\u0085", "a\u00a0", "a,b", "{}"} {
		requireKind(t, ValidateName(bad), fault.Invalid, "execution name")
	}
	require.Regexp(t, `^20260301T120000-[0-9a-f]{6}$`, NewName(t0))
}

func TestStart(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	var journal []string
	s, err := b.Start(t.Context(), StartInput{Machine: alias, Input: []byte(`{"a":1}`), Journal: func(n string) error { journal = append(journal, n); return nil }})
	require.NoError(t, err)
	require.Equal(t, arnFor(s.Name), s.ARN)
	require.Equal(t, []string{s.Name}, journal)
	require.Regexp(t, `^20260301T120000-[0-9a-f]{6}$`, s.Name)

	again, err := b.Start(t.Context(), StartInput{Machine: alias, Name: s.Name, Input: []byte(`{"a":1}`)})
	require.NoError(t, err, "same name and input while it runs")
	require.Equal(t, s.ARN, again.ARN)
	_, err = b.Start(t.Context(), StartInput{Machine: alias, Name: s.Name, Input: []byte(`{"a":2}`)})
	requireKind(t, err, fault.Conflict, "Already Exists")
	_, err = b.Start(t.Context(), StartInput{Machine: "arn:aws:states:us-east-1:000000000000:stateMachine:other", Input: []byte("{}")})
	requireKind(t, err, fault.NotFound, "StateMachineDoesNotExist")
	_, err = b.Start(t.Context(), StartInput{Machine: "iris", Input: []byte("{}")})
	requireKind(t, err, fault.Invalid, "not the ARN of a state machine")
	_, err = b.Start(t.Context(), StartInput{Machine: alias, Input: []byte("{")})
	requireKind(t, err, fault.Invalid, "line 1, column 2")
	_, err = b.Start(t.Context(), StartInput{Machine: alias, Journal: func(string) error { return errors.New("disk full") }})
	require.ErrorContains(t, err, "disk full")
	require.Equal(t, 4, b.api.count("StartExecution"))
}

func TestStartAfterAnUnclearAnswer(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	// The first call starts it, it ends, and its answer is lost.
	b.api.onStart = func(r *fakeRun) { r.status = types.ExecutionStatusSucceeded }
	lost := true
	b.api.before = func(op string, _ int) error {
		if op != "StartExecution" || !lost {
			return nil
		}
		lost = false
		b.api.add(&fakeRun{name: "one", input: `{"a":1}`, status: types.ExecutionStatusSucceeded, start: t0})
		return &smithyhttp.RequestSendError{Err: errors.New("connection reset")}
	}
	s, err := b.Start(t.Context(), StartInput{Machine: alias, Name: "one", Input: []byte(`{"a": 1}`)})
	require.NoError(t, err)
	require.True(t, s.Existed)
	require.Equal(t, arnFor("one"), s.ARN)

	_, err = b.Start(t.Context(), StartInput{Machine: alias, Name: "one", Input: []byte(`{"a": 2}`), Resume: true})
	requireKind(t, err, fault.Conflict, "different input")
}

func TestListAndResolve(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Limits: Limits{Unlimited: true}})
	_, err := b.Resolve(t.Context(), alias, Latest)
	requireKind(t, err, fault.NotFound, "no executions yet")
	states := []types.ExecutionStatus{
		types.ExecutionStatusRunning, types.ExecutionStatusSucceeded, types.ExecutionStatusFailed,
		types.ExecutionStatusTimedOut, types.ExecutionStatusAborted,
	}
	for i := range 25 {
		b.api.add(&fakeRun{name: fmt.Sprintf("run-%02d", i), status: states[i%5], start: t0.Add(time.Duration(i) * time.Minute)})
	}
	b.api.maxPage = 4
	names := func(in ListInput) (out []string) {
		in.Machine = alias
		list, err := b.List(t.Context(), in)
		require.NoError(t, err)
		for _, e := range list {
			out = append(out, e.Name)
		}
		return out
	}
	require.Len(t, names(ListInput{}), 25)
	require.Equal(t, []string{"run-24", "run-23", "run-22"}, names(ListInput{Limit: 3}))
	require.Equal(t, []string{"run-23", "run-22", "run-18"}, names(ListInput{Statuses: []Status{Failed, TimedOut}, Limit: 3}))
	require.Equal(t, []string{"run-03", "run-02", "run-01", "run-00"}, names(ListInput{Name: "run-0?", Since: time.Time{}, Limit: 0})[6:])
	require.Len(t, names(ListInput{Name: "run-1"}), 10)
	before := b.api.count("ListExecutions")
	require.Equal(t, []string{"run-24", "run-23"}, names(ListInput{Since: t0.Add(23 * time.Minute)}))
	require.Equal(t, 1, b.api.count("ListExecutions")-before, "reading stops at the watermark")
	for _, c := range []struct {
		page, calls int
	}{{1000, 1}, {20, 3}, {4, 1 + 2 + 2}} {
		b.api.maxPage = c.page
		before = b.api.count("ListExecutions")
		require.Equal(t, []string{"run-23", "run-22", "run-18", "run-17", "run-13", "run-12", "run-08", "run-07", "run-03", "run-02"},
			names(ListInput{Statuses: []Status{Failed, TimedOut}}))
		require.Equal(t, c.calls, b.api.count("ListExecutions")-before, "a machine with one page is listed once, whatever the statuses")
		before = b.api.count("ListExecutions")
		require.Equal(t, []string{"run-23"}, names(ListInput{Statuses: []Status{Failed, TimedOut}, Since: t0.Add(23 * time.Minute)}))
		require.Equal(t, 1, b.api.count("ListExecutions")-before)
	}
	b.api.maxPage = 4
	_, err = b.List(t.Context(), ListInput{Machine: alias, Name: "a["})
	requireKind(t, err, fault.Invalid, "malformed")
	_, err = b.List(t.Context(), ListInput{Machine: alias, Statuses: []Status{"DONE"}})
	requireKind(t, err, fault.Invalid, "DONE")

	arn, err := b.Resolve(t.Context(), alias, Latest)
	require.NoError(t, err)
	require.Equal(t, arnFor("run-24"), arn)
	arn, err = b.Resolve(t.Context(), alias, "run-07")
	require.NoError(t, err)
	require.Equal(t, arnFor("run-07"), arn)
	arn, err = b.Resolve(t.Context(), alias, arnFor("x"))
	require.NoError(t, err)
	require.Equal(t, arnFor("x"), arn)
	_, err = b.Resolve(t.Context(), alias, "none")
	requireKind(t, err, fault.NotFound, `there is no execution "none"`)
	require.Contains(t, fault.HintOf(err), "executions list")
	_, err = b.Resolve(t.Context(), alias, "arn:aws:s3:::x")
	requireKind(t, err, fault.Invalid, "not the ARN of an execution")

	// What this client has just started counts, though the list does not have it.
	b.clk.Advance(time.Hour)
	b.api.onStart = func(r *fakeRun) { r.hidden = true }
	s, err := b.Start(t.Context(), StartInput{Machine: alias})
	require.NoError(t, err)
	arn, err = b.Resolve(t.Context(), alias, Latest)
	require.NoError(t, err)
	require.Equal(t, s.ARN, arn)
}

func TestHistory(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.api.add(&fakeRun{name: "x", events: long(10)})
	b.api.maxPage = 5
	all, err := b.History(t.Context(), arnFor("x"), HistoryOptions{IncludeData: true})
	require.NoError(t, err)
	require.Len(t, all, 22)
	require.Equal(t, "S0", all[1].State)
	back, err := b.History(t.Context(), arnFor("x"), HistoryOptions{Reverse: true, Max: 7})
	require.NoError(t, err)
	require.Len(t, back, 7)
	require.Equal(t, int64(22), back[0].ID)
	require.Equal(t, int64(16), back[6].ID)
	_, err = b.History(t.Context(), arnFor("none"), HistoryOptions{})
	requireKind(t, err, fault.NotFound, "ExecutionDoesNotExist")
}

func TestStopAndRedrive(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.api.add(&fakeRun{name: "x", status: types.ExecutionStatusRunning, redriveStatus: "NOT_REDRIVABLE", redriveReason: "Execution is RUNNING and cannot be redriven."})
	requireKind(t, b.Redrive(t.Context(), arnFor("x")), fault.Invalid, "execution x cannot be redriven: Execution is RUNNING and cannot be redriven")
	require.NoError(t, b.Stop(t.Context(), arnFor("x"), "Bye", "enough"))
	d, err := b.Describe(t.Context(), arnFor("x"))
	require.NoError(t, err)
	require.Equal(t, Aborted, d.Status)
	require.Equal(t, "Bye", d.Error)
	b.api.with("x", func(r *fakeRun) { r.redriveStatus, r.redriveReason = "REDRIVABLE", "" })
	described := b.api.count("DescribeExecution")
	require.NoError(t, b.Redrive(t.Context(), arnFor("x")))
	require.Equal(t, 2, b.api.count("RedriveExecution"))
	require.Equal(t, described, b.api.count("DescribeExecution"), "many are redriven at the pace of redrives")
	b.api.with("x", func(r *fakeRun) { r.redriveStatus = "REDRIVABLE_BY_MAP_RUN" })
	err = b.Redrive(t.Context(), arnFor("x"))
	requireKind(t, err, fault.Invalid, "cannot be redriven")
	require.Contains(t, fault.HintOf(err), "parent")
	requireKind(t, b.Stop(t.Context(), arnFor("none"), "", ""), fault.NotFound, "none")
}

func TestErrorsAreClassified(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		err   error
		kind  fault.Kind
		calls int
	}{
		{"expired", apiError("ExpiredTokenException", "The security token included in the request is expired"), fault.Unauthenticated, 1},
		{"unknown key", apiError("UnrecognizedClientException", "no"), fault.Unauthenticated, 1},
		{"denied", apiError("AccessDeniedException", "User: x is not authorized to perform: states:DescribeExecution"), fault.Denied, 1},
		{"bad arn", apiError("InvalidArn", "Invalid Arn"), fault.Invalid, 1},
		{"throttled for ever", apiError("ThrottlingException", "Rate exceeded"), fault.Throttled, throttleTries},
		{"server fault", &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusInternalServerError}},
			Err:      apiError("InternalServerError", "x"),
		}, fault.Internal, transientTries},
		{"refused", &smithyhttp.RequestSendError{Err: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}}, fault.Unreachable, 1},
		{"reset", &smithyhttp.RequestSendError{Err: &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}}, fault.Unreachable, transientTries},
		{"no credentials", fmt.Errorf("operation error SFN: get identity: get credentials: failed to refresh cached credentials"), fault.Unauthenticated, 1},
		{"unheard", apiError("Whatever", "x"), fault.Internal, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			b.api.before = func(string, int) error { return c.err }
			_, err := b.Describe(t.Context(), arnFor("x"))
			require.Equal(t, c.kind, fault.KindOf(err))
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.calls, b.api.count("DescribeExecution"))
			var f *fault.Error
			require.ErrorAs(t, err, &f)
			require.Equal(t, "DescribeExecution", f.Op)
			require.False(t, strings.HasSuffix(f.Msg, "."))
			if c.kind != fault.Invalid && c.name != "unheard" && c.name != "server fault" {
				require.NotEmpty(t, f.Hint)
			}
		})
	}
	b := newBench(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Describe(ctx, arnFor("x"))
	requireKind(t, err, fault.Canceled, "cancelled")
}

func TestThrottlingIsRetried(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.api.add(&fakeRun{name: "x", status: types.ExecutionStatusRunning})
	b.api.before = func(_ string, n int) error {
		if n < 4 {
			return &smithy.GenericAPIError{Code: "ThrottlingException", Message: "Rate exceeded"}
		}
		return nil
	}
	lim := b.limits.of(opDescribe)
	full := lim.rl.Limit()
	_, err := b.Describe(t.Context(), arnFor("x"))
	require.NoError(t, err)
	require.InDelta(t, float64(full)*(slowdown*slowdown*slowdown+recovery), float64(lim.rl.Limit()), 1e-9)
	for range 60 {
		_, err = b.Describe(t.Context(), arnFor("x"))
		require.NoError(t, err)
	}
	require.InDelta(t, float64(full), float64(lim.rl.Limit()), 1e-9, "the rate recovers")
}

// A launch or a watch asks more often than a single command, and not for ever.
func TestThrottlingEndsNothingLong(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.api.add(&fakeRun{name: "x", status: types.ExecutionStatusRunning})
	refuse := throttleTries + 3
	b.api.before = func(_ string, n int) error {
		if n <= refuse {
			return &smithy.GenericAPIError{Code: "ThrottlingException", Message: "Rate exceeded"}
		}
		return nil
	}
	_, err := b.Describe(patiently(t.Context()), arnFor("x"))
	require.NoError(t, err)
	refuse = 1 << 20
	begun := b.clk.Now()
	_, err = b.Describe(patiently(t.Context()), arnFor("x"))
	require.Equal(t, fault.Throttled, fault.KindOf(err))
	require.GreaterOrEqual(t, b.clk.Now().Sub(begun), outage)
}

func TestLimiterKeepsItsShare(t *testing.T) {
	t.Parallel()
	cases := []struct {
		class Class
		op    operation
		burst int
		rate  float64
	}{
		{ClassA, opDescribe, 100, 5},
		{ClassB, opDescribe, 83, 10.0 / 3},
		{ClassA, opHistory, 133, 20.0 / 3},
		{ClassA, opList, 66, 5.0 / 3},
		{ClassB, opList, 33, 2.0 / 3},
		{ClassA, opStart, 1256, 290},
		{ClassB, opStart, 773, 145},
		{ClassB, opStop, 483, 25 * 29.0 / 30},
	}
	for _, c := range cases {
		l := newLimiters(c.class, Limits{}, clock.Real{}).of(c.op)
		require.Equal(t, c.burst, l.rl.Burst(), "%s %s", c.class, c.op)
		require.InDelta(t, c.rate, float64(l.rl.Limit()), 1e-6, "%s %s", c.class, c.op)
	}
	require.Equal(t, ClassA, ClassOf("eu-west-1"))
	require.Equal(t, ClassB, ClassOf("eu-central-1"))

	// 60 more than the burst at 5 a second take 12 s.
	b := newBench(t, Config{Class: ClassA})
	b.api.add(&fakeRun{name: "x", status: types.ExecutionStatusRunning})
	var work sync.WaitGroup
	for range 160 {
		work.Go(func() {
			_, err := b.Describe(t.Context(), arnFor("x"))
			require.NoError(t, err) // ends the test at once on purpose
		})
	}
	work.Wait()
	require.WithinDuration(t, t0.Add(12*time.Second), b.clk.Now(), time.Second)
}

func TestDefinition(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.api.add(&fakeRun{name: "old", definition: `{"StartAt":"A"}`})
	text, err := b.Definition(t.Context(), arnFor("old"))
	require.NoError(t, err)
	require.JSONEq(t, `{"StartAt":"A"}`, text)
	_, err = b.Definition(t.Context(), arnFor("gone"))
	requireKind(t, err, fault.NotFound, "Execution Does Not Exist")
}
