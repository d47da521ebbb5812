package waves_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/waves"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	numbers := func(n int) []int {
		out := make([]int, n)
		for i := range out {
			out[i] = i
		}
		return out
	}
	for _, c := range []struct {
		text  string
		total int
		want  []int
	}{
		{"1,10%,100%", 20, []int{1, 1, 18}},
		{"1,10%,100%", 200, []int{1, 19, 180}},
		{"1, 50%, 100%", 5, []int{1, 2, 2}},
		{"1,10%,100%", 4, []int{1, 3}}, // 10 % of four is one, which is done
		{"100%", 3, []int{3}},
		{"2,5,100%", 3, []int{2, 1}},
		{"0.5%,100%", 1000, []int{5, 995}},
		{"1,100%", 0, nil},
	} {
		sizes, err := waves.ParseSizes(c.text)
		require.NoError(t, err, c.text)
		var got []int
		for _, w := range waves.Split(numbers(c.total), sizes) {
			got = append(got, len(w))
		}
		require.Equal(t, c.want, got, "%s of %d", c.text, c.total)
	}
	for _, text := range []string{"", "1", "1,10%", "0,100%", "-1,100%", "x,100%", "NaN,100%", "101%", "10%,5%,100%", "5,5,100%", "10%,5,100%", "1.5,100%", "1,,100%", "100%,100%"} {
		_, err := waves.ParseSizes(text)
		require.ErrorIs(t, err, fault.Invalid, text)
		require.NotEmpty(t, fault.HintOf(err))
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	p := func(tenant, env, tier string) *spec.Pipeline {
		return &spec.Pipeline{ID: spec.ID{Tenant: tenant, Model: "m", Env: env}, Tags: map[string]string{"tier": tier}}
	}
	list := []*spec.Pipeline{p("a", "prod", ""), p("b", "dev", ""), p("c", "prod", "canary"), p("d", "dev", "")}
	got, err := waves.Order(list, []string{"tier=canary", "env=dev"})
	require.NoError(t, err)
	var names string
	for _, p := range got {
		names += p.Tenant
	}
	require.Equal(t, "cbda", names)
	require.Equal(t, "a", list[0].Tenant, "what was given stays as it was")
	_, err = waves.Order(list, []string{"canary"})
	require.ErrorIs(t, err, fault.Invalid)
}

func TestLimit(t *testing.T) {
	t.Parallel()
	l := waves.Limit{StopAt: 2}
	require.Empty(t, l.Updates(0, 3))
	require.Empty(t, l.Updates(1, 50), "not more than 2%")
	require.Equal(t, "1 of 4 updates failed, more than 2%", l.Updates(1, 4))
	require.Empty(t, l.Executions(waves.Seen{Ended: 100, Failed: 2}))
	require.Equal(t, "3 of 100 executions failed, more than 2%", l.Executions(waves.Seen{Ended: 100, Failed: 3}))
	require.Equal(t, "in alarm: a, b", l.Executions(waves.Seen{Ended: 100, Alarms: []string{"a", "b"}}))
	require.Equal(t, "1 of 1000 executions failed, more than 0%", waves.Limit{}.Executions(waves.Seen{Ended: 1000, Failed: 1}))
}

func TestBake(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	run := func(bake time.Duration, look func(at time.Duration) (waves.Seen, error)) (took time.Duration, why string, err error) {
		c := clock.NewFake(begin)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			why, err = waves.Bake(t.Context(), c, bake, waves.Limit{StopAt: 2}, func(context.Context) (waves.Seen, error) {
				took = c.Now().Sub(begin)
				return look(took)
			})
			cancel()
		}()
		for c.WaitTimers(ctx, 1) == nil {
			c.Advance(time.Second)
		}
		<-done
		return took, why, err
	}
	good := func(time.Duration) (waves.Seen, error) { return waves.Seen{Ended: 10}, nil }
	took, why, err := run(10*time.Minute, good)
	require.NoError(t, err)
	require.Empty(t, why)
	require.Equal(t, 10*time.Minute, took, "the last look is at the end")
	took, _, err = run(0, good)
	require.NoError(t, err)
	require.Zero(t, took, "one look at least")

	took, why, err = run(10*time.Minute, func(at time.Duration) (waves.Seen, error) {
		if at >= 4*time.Minute {
			return waves.Seen{Ended: 20, Failed: 1}, nil
		}
		return waves.Seen{}, nil
	})
	require.NoError(t, err)
	require.Equal(t, "1 of 20 executions failed, more than 2%", why)
	require.Equal(t, 4*time.Minute, took, "it does not wait for the end")

	broken := errors.New("throttled")
	took, _, err = run(time.Minute, func(time.Duration) (waves.Seen, error) { return waves.Seen{}, broken })
	require.ErrorIs(t, err, broken)
	require.Equal(t, 2*time.Minute, took, "nobody has seen anything for too long")
	took, why, err = run(10*time.Minute, func(at time.Duration) (waves.Seen, error) {
		if at >= 3*time.Minute && at < 4*time.Minute || at >= 10*time.Minute && at < 11*time.Minute {
			return waves.Seen{}, broken
		}
		return waves.Seen{}, nil
	})
	require.NoError(t, err, "a network is away now and then")
	require.Empty(t, why)
	require.GreaterOrEqual(t, took, 11*time.Minute, "the last look sees")
	denied := fault.New(fault.Denied, "no")
	took, _, err = run(time.Minute, func(time.Duration) (waves.Seen, error) { return waves.Seen{}, denied })
	require.ErrorIs(t, err, denied)
	require.Zero(t, took, "that does not pass")
}
