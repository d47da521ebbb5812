// Package schedule owns the schedule expressions of AWS: at, rate and cron, as EventBridge
// rules, the Scheduler and Application Auto Scaling have them. It is pure: who waits asks
// for the next time.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
package schedule

import (
	"errors"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones are the same on machines that have none

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// ErrExpression is the error of a text that is no schedule.
var ErrExpression = errors.New("schedule: not a valid expression")

// Schedule is a parsed expression. It is immutable.
type Schedule struct {
	at   time.Time // of at()
	rate time.Duration
	cron *cron
	loc  *time.Location
}

var form = lazyregexp.New(`^(at|rate|cron)\((.*)\)$`)

// Zone is the time zone of a name of the IANA's; "" is UTC. What this machine calls its own
// is none.
func Zone(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, ErrExpression
	}
	return time.LoadLocation(name)
}

// Parse reads an expression. loc is the time zone of at and cron; nil is UTC. The unit of a
// rate is singular for 1 and only for it.
func Parse(text string, loc *time.Location) (Schedule, error) { return parse(text, loc, true) }

// ParseLoose is Parse for the Scheduler, which takes the unit of a rate in either number:
// "rate(2 minute)" is recorded from AWS in https://github.com/localstack/localstack
// (tests/aws/services/scheduler/test_scheduler.snapshot.json).
func ParseLoose(text string, loc *time.Location) (Schedule, error) { return parse(text, loc, false) }

func parse(text string, loc *time.Location, strict bool) (Schedule, error) {
	if loc == nil {
		loc = time.UTC
	}
	s := Schedule{loc: loc}
	m := form.FindStringSubmatch(text)
	if m == nil {
		return s, ErrExpression
	}
	var err error
	switch m[1] {
	case "at":
		s.at, err = time.ParseInLocation("2006-01-02T15:04:05", m[2], loc)
	case "rate":
		s.rate, err = parseRate(m[2], strict)
	case "cron":
		s.cron, err = parseCron(m[2])
	}
	if err != nil {
		return s, ErrExpression
	}
	return s, nil
}

// Once reports whether the schedule names one time only.
func (s Schedule) Once() bool { return !s.at.IsZero() }

// Rate is the pause between the times of a rate, 0 for the other expressions.
func (s Schedule) Rate() time.Duration { return s.rate }

// Next is the first time after a time. since is when the schedule began, from which a rate
// is counted. ok is false if there is none any more.
func (s Schedule) Next(since, after time.Time) (next time.Time, ok bool) {
	switch {
	case !s.at.IsZero():
		return s.at.UTC(), s.at.After(after)
	case s.rate > 0:
		if after.Before(since) {
			after = since
		}
		n := after.Sub(since)/s.rate + 1
		return since.Add(n * s.rate).UTC(), true
	case s.cron != nil:
		return s.cron.next(after, s.loc)
	}
	return time.Time{}, false
}

var units = map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}

func parseRate(text string, strict bool) (time.Duration, error) {
	number, unit, _ := strings.Cut(text, " ")
	n, err := strconv.Atoi(number)
	one, plural := strings.CutSuffix(unit, "s")
	d := units[one]
	if err != nil || n < 1 || d == 0 || strict && plural != (n != 1) || n > int(time.Duration(1<<62)/d) {
		return 0, ErrExpression
	}
	return time.Duration(n) * d, nil
}
