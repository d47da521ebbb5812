package schedule

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// cron is a parsed cron expression: minutes, hours, days and years that match.
type cron struct {
	minutes, hours []int // sorted
	months         map[int]bool
	years          func(int) bool
	day            func(year int, month time.Month, day int) bool
}

// The last year that an expression may name.
const lastYear = 2199

var (
	monthNames = []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
	dayNames   = []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
)

// field is what the values of a field may be.
type field struct {
	low, high int
	names     []string // of low and those after it
}

func (f field) value(text string) (int, bool) {
	if i := slices.Index(f.names, strings.ToUpper(text)); i >= 0 {
		return f.low + i, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= f.low && n <= f.high
}

// list reads a field of lists, ranges and steps.
func (f field) list(text string) ([]int, bool) {
	set := map[int]bool{}
	for part := range strings.SplitSeq(text, ",") {
		body, step, stepped := strings.Cut(part, "/")
		every := 1
		if stepped {
			n, err := strconv.Atoi(step)
			if err != nil || n < 1 {
				return nil, false
			}
			every = n
		}
		low, high, ok := f.span(body, stepped)
		if !ok {
			return nil, false
		}
		for n := low; n <= high; n += every {
			set[n] = true
		}
	}
	var out []int
	for n := range set {
		out = append(out, n)
	}
	slices.Sort(out)
	return out, len(out) > 0
}

// span reads "*", "3", "3-5"; with a step, "3" begins there and goes on to the end.
func (f field) span(body string, stepped bool) (low, high int, ok bool) {
	if body == "*" {
		return f.low, f.high, true
	}
	from, to, ranged := strings.Cut(body, "-")
	if low, ok = f.value(from); !ok {
		return 0, 0, false
	}
	switch {
	case ranged:
		high, ok = f.value(to)
		return low, high, ok && high >= low
	case stepped:
		return low, f.high, true
	}
	return low, low, true
}

func parseCron(text string) (*cron, error) {
	parts := strings.Fields(text)
	if len(parts) != 6 {
		return nil, ErrExpression
	}
	c := &cron{}
	var ok [4]bool
	var months, years []int
	c.minutes, ok[0] = field{0, 59, nil}.list(parts[0])
	c.hours, ok[1] = field{0, 23, nil}.list(parts[1])
	months, ok[2] = field{1, 12, monthNames}.list(parts[3])
	years, ok[3] = field{1970, lastYear, nil}.list(parts[5])
	if ok != [4]bool{true, true, true, true} {
		return nil, ErrExpression
	}
	c.months = map[int]bool{}
	for _, m := range months {
		c.months[m] = true
	}
	c.years = func(y int) bool { _, found := slices.BinarySearch(years, y); return found }
	// One of the two fields of days has to be "?".
	switch month, week := parts[2], parts[4]; {
	case week == "?" && month != "?":
		c.day = dayOfMonth(month)
	case month == "?" && week != "?":
		c.day = dayOfWeek(week)
	}
	if c.day == nil {
		return nil, ErrExpression
	}
	return c, nil
}

type dayMatch = func(year int, month time.Month, day int) bool

func lastDay(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func weekday(year int, month time.Month, day int) time.Weekday {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Weekday()
}

// nearestWeekday is the day from Monday to Friday nearest to one, in the same month.
func nearestWeekday(year int, month time.Month, day int) int {
	last := lastDay(year, month)
	day = min(day, last)
	switch weekday(year, month, day) {
	case time.Saturday:
		if day == 1 {
			return 3
		}
		return day - 1
	case time.Sunday:
		if day == last {
			return day - 2
		}
		return day + 1
	}
	return day
}

// dayOfMonth reads the field of days of the month: with L, the last one, and 15W, the
// weekday nearest to the 15th. Nil is no field.
func dayOfMonth(text string) dayMatch {
	f := field{1, 31, nil}
	switch {
	case text == "L":
		return func(y int, m time.Month, d int) bool { return d == lastDay(y, m) }
	case text == "LW":
		return func(y int, m time.Month, d int) bool { return d == nearestWeekday(y, m, 31) }
	case strings.HasSuffix(text, "W"):
		n, ok := f.value(strings.TrimSuffix(text, "W"))
		if !ok {
			return nil
		}
		return func(y int, m time.Month, d int) bool { return n <= lastDay(y, m) && d == nearestWeekday(y, m, n) }
	}
	days, ok := f.list(text)
	if !ok {
		return nil
	}
	return func(_ int, _ time.Month, d int) bool { return slices.Contains(days, d) }
}

// dayOfWeek reads the field of days of the week, 1 or SUN to 7 or SAT: with 3#2, the
// second Tuesday, and 6L, the last Friday; L alone is Saturday. Nil is no field.
func dayOfWeek(text string) dayMatch {
	f := field{1, 7, dayNames}
	if name, which, ok := strings.Cut(text, "#"); ok {
		day, known := f.value(name)
		n, err := strconv.Atoi(which)
		if !known || err != nil || n < 1 || n > 5 {
			return nil
		}
		return func(y int, m time.Month, d int) bool { return int(weekday(y, m, d))+1 == day && (d-1)/7+1 == n }
	}
	if name, ok := strings.CutSuffix(text, "L"); ok {
		if name == "" {
			return func(y int, m time.Month, d int) bool { return weekday(y, m, d) == time.Saturday }
		}
		day, known := f.value(name)
		if !known {
			return nil
		}
		return func(y int, m time.Month, d int) bool { return int(weekday(y, m, d))+1 == day && d+7 > lastDay(y, m) }
	}
	days, ok := f.list(text)
	if !ok {
		return nil
	}
	return func(y int, m time.Month, d int) bool { return slices.Contains(days, int(weekday(y, m, d))+1) }
}

// next is the first time after a time. Times that a clock skips in spring are left out,
// those that it shows twice in autumn are taken once.
func (c *cron) next(after time.Time, loc *time.Location) (time.Time, bool) {
	from := after.In(loc)
	y, m, d := from.Date()
	for day := time.Date(y, m, d, 0, 0, 0, 0, time.UTC); day.Year() <= lastYear; day = day.AddDate(0, 0, 1) {
		y, m, d := day.Date()
		if !c.years(y) {
			day = time.Date(y, 12, 31, 0, 0, 0, 0, time.UTC)
			continue
		}
		if !c.months[int(m)] || !c.day(y, m, d) {
			continue
		}
		for _, hour := range c.hours {
			for _, minute := range c.minutes {
				t := time.Date(y, m, d, hour, minute, 0, 0, loc)
				if t.Hour() == hour && t.Minute() == minute && t.After(after) {
					return t.UTC(), true
				}
			}
		}
	}
	return time.Time{}, false
}
