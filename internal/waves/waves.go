// Package waves owns how an update goes through a fleet of pipelines: who is in which
// wave, how long is waited between two, and what stops it. It changes and asks nothing
// itself. Of this module it may import clock, fault and spec.
package waves

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Sizes are how many pipelines are to be updated when each wave has ended, all waves
// before it included: counts, or percents of all.
type Sizes []Size

// Size is one of them.
type Size struct {
	N       float64
	Percent bool
}

// ParseSizes reads "1,10%,100%". The last wave has everybody.
func ParseSizes(text string) (Sizes, error) {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "waves %q: "+format, append([]any{text}, args...)...).
			WithHint("Say how many are to be updated after each wave, as numbers or percents of all: 1,10%%,100%%.")
	}
	var out Sizes
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		number, percent := strings.CutSuffix(part, "%")
		n, err := strconv.ParseFloat(number, 64)
		switch {
		case err != nil || !(n > 0): // NaN too
			return nil, bad("%q is no number above 0", part)
		case percent && n > 100:
			return nil, bad("%q is more than all", part)
		case !percent && n != float64(int(n)):
			return nil, bad("%q is no whole number", part)
		}
		s := Size{n, percent}
		if len(out) > 0 {
			before := out[len(out)-1]
			if before.Percent == percent && before.N >= n || before.Percent && !percent {
				return nil, bad("%q comes after %q and has to be more (percents after numbers)", part, before)
			}
		}
		out = append(out, s)
	}
	if last := out[len(out)-1]; !last.Percent || last.N != 100 {
		return nil, bad("the last one has to be 100%%, which is everybody")
	}
	return out, nil
}

// String is as it is typed.
func (s Size) String() string {
	text := strconv.FormatFloat(s.N, 'f', -1, 64)
	if s.Percent {
		text += "%"
	}
	return text
}

// of is how many of a total it is: of a percentage the next whole number.
func (s Size) of(total int) int {
	n := int(s.N)
	if s.Percent {
		n = int(s.N * float64(total) / 100)
		if float64(n) < s.N*float64(total)/100 {
			n++
		}
	}
	return min(n, total)
}

// Split puts pipelines into waves, in their order. A wave that would be empty is none.
func Split[P any](list []P, sizes Sizes) [][]P {
	var out [][]P
	done := 0
	for _, s := range sizes {
		if n := s.of(len(list)); n > done {
			out = append(out, list[done:n])
			done = n
		}
	}
	return out
}

// Order sorts pipelines by the first of several terms that they match, and leaves those
// that match none at the end, each group in the order it had. A term is NAME=VALUE: of a
// tag, or tenant, model or env.
func Order(list []*spec.Pipeline, terms []string) ([]*spec.Pipeline, error) {
	type term struct{ name, value string }
	parsed := make([]term, 0, len(terms))
	for _, t := range terms {
		name, value, ok := strings.Cut(t, "=")
		if !ok || name == "" || value == "" {
			return nil, fault.New(fault.Invalid, "order %q: it is no NAME=VALUE", t).
				WithHint("Name a tag with its value, or tenant, model or env: tier=canary,env=dev.")
		}
		parsed = append(parsed, term{name, value})
	}
	rank := func(p *spec.Pipeline) int {
		own := map[string]string{"tenant": p.Tenant, "model": p.Model, "env": p.Env}
		for i, t := range parsed {
			value, ok := own[t.name]
			if !ok {
				value = p.Tags[t.name]
			}
			if value == t.value {
				return i
			}
		}
		return len(parsed)
	}
	out := slices.Clone(list)
	slices.SortStableFunc(out, func(a, b *spec.Pipeline) int { return rank(a) - rank(b) })
	return out, nil
}

// Seen is what a look at the pipelines of the waves so far tells.
type Seen struct {
	// Ended and Failed count executions that began since the update, and of those that
	// have ended the failed ones.
	Ended, Failed int
	// Alarms are the names of alarms that have gone off.
	Alarms []string
}

// Limit is what stops a fleet: a share of failures that is above StopAt, in percent, of
// updates and of executions; any alarm.
type Limit struct{ StopAt float64 }

// Updates tells why failed updates stop the fleet; "" if they do not.
func (l Limit) Updates(failed, done int) string {
	if failed == 0 || done == 0 || percent(failed, done) <= l.StopAt {
		return ""
	}
	return fmt.Sprintf("%d of %s failed, more than %s%%", failed, fault.Count(done, "update", "updates"), number(l.StopAt))
}

// Executions tells why what was seen stops the fleet; "" if it does not.
func (l Limit) Executions(s Seen) string {
	if len(s.Alarms) > 0 {
		return "in alarm: " + strings.Join(s.Alarms, ", ")
	}
	if s.Failed == 0 || s.Ended == 0 || percent(s.Failed, s.Ended) <= l.StopAt {
		return ""
	}
	return fmt.Sprintf("%d of %s failed, more than %s%%", s.Failed, fault.Count(s.Ended, "execution", "executions"), number(l.StopAt))
}

func percent(part, all int) float64 { return 100 * float64(part) / float64(all) }

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// Looks between two of a bake: often enough to stop soon, and seldom enough for
// ListExecutions, of which an account has 2 to 5 a second for everybody.
const (
	mostRest  = 10 * time.Second
	leastRest = 2 * time.Second
	looks     = 10
	// blind is for how long looks may fail in a row: a network is away for a moment, and the
	// fleet need not stop for that.
	blind = 2 * time.Minute
)

// Bake looks at what was updated until the time is over, once at its end at the latest. It
// returns why the fleet is to stop, "" if nothing is wrong. What can't be seen for some minutes,
// or at the end, is an error: nothing is known then.
func Bake(ctx context.Context, c clock.Clock, bake time.Duration, l Limit, look func(context.Context) (Seen, error)) (string, error) {
	end := c.Now().Add(bake)
	var since time.Time // since when nothing is seen
	for {
		seen, err := look(ctx)
		switch {
		case err == nil:
			since = time.Time{}
		case since.IsZero():
			since = c.Now()
		}
		if err != nil {
			if ctx.Err() != nil || !fault.Passing(err) || c.Now().Sub(since) >= blind {
				return "", err
			}
			if err := clock.Sleep(ctx, c, leastRest); err != nil {
				return "", err
			}
			continue // to the end of the bake too: the last look is one that sees
		}
		if why := l.Executions(seen); why != "" {
			return why, nil
		}
		left := end.Sub(c.Now())
		if left <= 0 {
			return "", nil
		}
		if err := clock.Sleep(ctx, c, min(left, max(min(bake/looks, mostRest), leastRest))); err != nil {
			return "", err
		}
	}
}
