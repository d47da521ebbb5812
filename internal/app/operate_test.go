package app

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

func TestWhatIAMSaysUntilItHasSpread(t *testing.T) {
	t.Parallel()
	for msg, want := range map[string]bool{
		"api error AccessDeniedException: Neither the global service principal states.amazonaws.com, nor the regional one is authorized to assume the provided role.": true,
		"The state machine IAM Role is not authorized to access the Log Destination":                                                                                  true,
		"InvalidParameterValueException: The role defined for the function cannot be assumed by Lambda.":                                                              true,
		"ValidationException: Could not assume role arn:aws:iam::1:role/x":                                                                                            true,
		"AccessDenied: User: arn:aws:iam::1:user/x is not authorized to perform: iam:CreateRole on resource: y":                                                       false,
	} {
		require.Equal(t, want, notSpreadYet(fault.New(fault.Deployment, "%s", msg)), msg)
		require.False(t, notSpreadYet(fault.New(fault.Denied, "%s", msg)))
	}
	require.False(t, notSpreadYet(nil))
}

// spreadingUp runs an up, by the real engine and on AWS, of a program that is
// refused as IAM does it for its first failures runs. Time passes whenever the
// loop waits, unless onWait takes over.
func spreadingUp(t *testing.T, failures int32, onWait func(o *Operation)) (res stack.Result, events []stack.Event, runs int32, err error) {
	t.Helper()
	fake := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	a := newTestApp(t, map[string]string{
		"PIPELINETUI_HOME": t.TempDir(), "PIPELINETUI_PULUMI": pulumiPath(t), "PULUMI_CONFIG_PASSPHRASE": "correct horse",
	}, nil)
	a.opts.Clock = fake
	var ran atomic.Int32
	job := stack.Job{Stack: "acme.iris.dev", Program: func(ctx *pulumi.Context) error {
		if ran.Add(1) <= failures {
			return errors.New("the role arn:aws:iam::1:role/x is not authorized to assume: Could not assume role")
		}
		_, err := pulumi.NewStash(ctx, "done", &pulumi.StashArgs{Input: pulumi.Any("yes")})
		return err
	}}
	p := &spec.Pipeline{ID: spec.ID{Tenant: "acme", Model: "iris", Env: "dev"}, Region: "us-east-1"}
	o := newOperation(1)
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan struct{})
	go func() {
		defer close(waits)
		for fake.WaitTimers(ctx, 1) == nil {
			if onWait != nil {
				onWait(o)
				return
			}
			fake.Advance(propagationWait)
		}
	}()
	go func() {
		defer close(o.updates)
		res, err = a.operateOne(t.Context(), o, &Target{Name: TargetAWS}, Request{Operation: stack.OperationUp}, p, job)
	}()
	for u := range o.updates {
		events = append(events, u.Event)
	}
	cancel()
	<-waits
	return res, events, ran.Load(), err
}

func count(events []stack.Event, is func(stack.Event) bool) (n int) {
	for _, ev := range events {
		if is(ev) {
			n++
		}
	}
	return n
}

func isEnd(ev stack.Event) bool { return ev.Type == stack.EventEnd }

func isRetry(ev stack.Event) bool {
	return ev.Type == stack.EventDiagnostic && ev.Diagnostic.Severity == stack.SeverityWarning && strings.Contains(ev.Diagnostic.Message, "trying again")
}

func TestUpIsTriedAgainWhileIAMSpreads(t *testing.T) { // an inherited passphrase is read from the process's environment
	t.Setenv("PULUMI_CONFIG_PASSPHRASE", "correct horse")
	res, events, runs, err := spreadingUp(t, 2, nil)
	require.NoError(t, err)
	require.Equal(t, stack.Succeeded, res.Outcome)
	require.Equal(t, int32(3), runs)
	require.Equal(t, 1, count(events, isEnd), "the failed attempts have no end of their own")
	require.True(t, isEnd(events[len(events)-1]))
	require.Equal(t, 2, count(events, isRetry))

	res, events, runs, err = spreadingUp(t, 100, nil)
	require.ErrorIs(t, err, fault.Deployment)
	require.ErrorContains(t, err, "authorized to assume")
	require.Equal(t, stack.Failed, res.Outcome)
	require.Equal(t, int32(propagationAttempts), runs)
	require.Equal(t, 1, count(events, isEnd))
	require.Equal(t, propagationAttempts-1, count(events, isRetry))

	_, events, runs, err = spreadingUp(t, 100, func(o *Operation) { o.Cancel() })
	require.ErrorIs(t, err, fault.Canceled)
	require.Equal(t, int32(1), runs, "who asks to stop while it waits gets no further attempt")
	require.Equal(t, 1, count(events, isEnd))
}
