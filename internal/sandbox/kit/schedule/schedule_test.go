package schedule_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/schedule"
)

// The expressions and what they mean are from
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
func TestNext(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ expression, after, want string }{
		{"cron(0 10 * * ? *)", "2026-03-01T09:59:59Z", "2026-03-01T10:00:00Z"},
		{"cron(0 10 * * ? *)", "2026-03-01T10:00:00Z", "2026-03-02T10:00:00Z"},
		{"cron(15 12 * * ? *)", "2026-12-31T13:00:00Z", "2027-01-01T12:15:00Z"},
		{"cron(0 18 ? * MON-FRI *)", "2026-02-27T18:00:00Z", "2026-03-02T18:00:00Z"},
		{"cron(0 8 1 * ? *)", "2026-02-01T08:00:00Z", "2026-03-01T08:00:00Z"},
		{"cron(0/15 * * * ? *)", "2026-02-01T08:14:59Z", "2026-02-01T08:15:00Z"},
		{"cron(0/10 * ? * MON-FRI *)", "2026-02-27T23:50:00Z", "2026-03-02T00:00:00Z"},
		{"cron(0/5 8-17 ? * MON-FRI *)", "2026-02-27T17:55:00Z", "2026-03-02T08:00:00Z"},
		{"cron(0 9 ? * 2#1 *)", "2026-02-02T09:00:00Z", "2026-03-02T09:00:00Z"}, // the first Monday
		{"cron(0 0 L * ? *)", "2027-02-01T00:00:00Z", "2027-02-28T00:00:00Z"},
		{"cron(0 0 LW 5 ? *)", "2026-05-01T00:00:00Z", "2026-05-29T00:00:00Z"}, // the 31st is a Sunday
		{"cron(0 0 1W * ? *)", "2026-08-01T00:00:00Z", "2026-08-03T00:00:00Z"}, // the 1st is a Saturday
		{"cron(0 0 ? * 6L *)", "2026-03-01T00:00:00Z", "2026-03-27T00:00:00Z"},
		{"cron(0 0 29 2 ? *)", "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"cron(30 6 1,15 jan,jul ? 2026-2027)", "2026-01-15T06:30:00Z", "2026-07-01T06:30:00Z"},
		{"cron(0 0 1 1 ? 2020)", "2026-01-01T00:00:00Z", ""},
		{"cron(0 0 31 2 ? *)", "2026-01-01T00:00:00Z", ""},
		{"rate(5 minutes)", "2026-01-01T00:04:59Z", "2026-01-01T00:05:00Z"},
		{"rate(5 minutes)", "2026-01-01T00:05:00Z", "2026-01-01T00:10:00Z"},
		{"rate(1 hour)", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"},
		{"rate(7 days)", "2026-02-01T00:00:00Z", "2026-02-05T00:00:00Z"},
		{"at(2026-11-20T13:00:00)", "2026-11-20T12:59:59Z", "2026-11-20T13:00:00Z"},
		{"at(2026-11-20T13:00:00)", "2026-11-20T13:00:00Z", ""},
	} {
		t.Run(tt.expression+" "+tt.after, func(t *testing.T) {
			t.Parallel()
			s, err := schedule.Parse(tt.expression, nil)
			require.NoError(t, err)
			since, err := time.Parse(time.RFC3339, "2026-01-01T00:00:00Z")
			require.NoError(t, err)
			after, err := time.Parse(time.RFC3339, tt.after)
			require.NoError(t, err)
			next, ok := s.Next(since, after)
			require.Equal(t, tt.want != "", ok)
			if ok {
				require.Equal(t, tt.want, next.Format(time.RFC3339))
			}
		})
	}
}

// A clock skips an hour in spring, and shows one twice in autumn.
func TestTimeZones(t *testing.T) {
	t.Parallel()
	berlin, err := schedule.Zone("Europe/Berlin")
	require.NoError(t, err)
	for _, none := range []string{"Local", "Europe/Nowhere", "../../etc/passwd"} {
		_, err := schedule.Zone(none)
		require.Error(t, err, none)
	}
	s, err := schedule.Parse("cron(30 2 * * ? *)", berlin)
	require.NoError(t, err)
	next, ok := s.Next(time.Time{}, time.Date(2026, 3, 28, 2, 30, 0, 0, berlin))
	require.True(t, ok)
	require.Equal(t, "2026-03-30T00:30:00Z", next.Format(time.RFC3339), "there is no 2:30 on the 29th")
	next, ok = s.Next(time.Time{}, time.Date(2026, 10, 24, 2, 30, 0, 0, berlin))
	require.True(t, ok)
	again, ok := s.Next(time.Time{}, next)
	require.True(t, ok)
	require.Equal(t, 26, again.In(berlin).Day())
}

// Which rates the Scheduler takes and refuses is recorded from AWS, see ParseLoose.
func TestLooseRates(t *testing.T) {
	t.Parallel()
	for text, rate := range map[string]time.Duration{
		"rate(2 minute)": 2 * time.Minute, "rate(1 minutes)": time.Minute, "rate(1 day)": 24 * time.Hour, "cron(0 1 * * ? *)": 0,
		"rate(10 seconds)": -1, "rate(10 years)": -1, "rate(10)": -1, "rate(10 minutess)": -1, "rate( 10 minutes )": -1, " rate(10 minutes)": -1, "at(2021-12-31T23:59:59Z)": -1,
	} {
		s, err := schedule.ParseLoose(text, nil)
		require.Equal(t, rate < 0, err != nil, text)
		if err == nil {
			require.Equal(t, rate, s.Rate(), text)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "rate()", "rate(0 minutes)", "rate(1 minutes)", "rate(5 minute)", "rate(5 seconds)", "rate(-1 days)", "rate(99999999999999999 days)",
		"cron(0 10 * * *)", "cron(0 10 * * * *)", "cron(0 10 ? * ? *)", "cron(60 10 * * ? *)", "cron(0 24 * * ? *)", "cron(0 10 0 * ? *)", "cron(0 10 * 13 ? *)",
		"cron(0 10 ? * 8 *)", "cron(0 10 ? * 2#6 *)", "cron(0 10 * * ? 1969)", "cron(5-1 10 * * ? *)", "cron(*/0 10 * * ? *)", "cron(a 10 * * ? *)",
		"at(tomorrow)", "at(2026-11-20)", "every(5 minutes)", "rate(5 minutes) ",
	} {
		_, err := schedule.Parse(text, nil)
		require.ErrorIs(t, err, schedule.ErrExpression, text)
	}
}
