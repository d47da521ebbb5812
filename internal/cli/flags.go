package cli

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// bounded is the value of a flag that has bounds: what is outside of them is refused
// where the flag is parsed, as is what is no value at all. All flags with numbers and
// durations are of this type.
type bounded[T int | float64 | time.Duration] struct {
	value    *T
	min, max T // max below min: no upper bound
	kind     string
	parse    func(string) (T, error)
	text     func(T) string
}

// String implements pflag.Value.
func (b *bounded[T]) String() string { return b.text(*b.value) }

// Type implements pflag.Value.
func (b *bounded[T]) Type() string { return b.kind }

// Set implements pflag.Value.
func (b *bounded[T]) Set(s string) error {
	v, err := b.parse(s)
	if err != nil {
		return fmt.Errorf("%q is not %s", s, map[string]string{"int": "a whole number", "float": "a number", "duration": "a duration such as 90s or 5m"}[b.kind])
	}
	switch {
	case b.max >= b.min && (v < b.min || v > b.max || math.IsNaN(float64(v))):
		return fmt.Errorf("it has to be from %s to %s", b.text(b.min), b.text(b.max))
	case v < b.min || math.IsNaN(float64(v)):
		return fmt.Errorf("it has to be %s or more", b.text(b.min))
	}
	*b.value = v
	return nil
}

// noLimit is a max that is none.
const noLimit = -1

// countFlag adds a flag for a whole number from min to max (noLimit: any).
func countFlag(f *pflag.FlagSet, p *int, name string, def, lowest, highest int, help string) {
	*p = def
	f.Var(&bounded[int]{p, lowest, highest, "int", strconv.Atoi, strconv.Itoa}, name, help)
}

// shareFlag adds a flag for a part of a whole, 0 to 1.
func shareFlag(f *pflag.FlagSet, p *float64, name, help string) {
	f.Var(floatUpTo(p, 1), name, help)
}

// percentFlag adds a flag for a part of a whole in percent, 0 to 100.
func percentFlag(f *pflag.FlagSet, p *float64, name, help string) {
	f.Var(floatUpTo(p, 100), name, help)
}

// floatFlag adds a flag for a number that is not negative, 0 without.
func floatFlag(f *pflag.FlagSet, p *float64, name, help string) {
	f.Var(floatUpTo(p, noLimit), name, help)
}

func floatUpTo(p *float64, highest float64) *bounded[float64] {
	parse := func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }
	return &bounded[float64]{p, 0, highest, "float", parse, func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }}
}

// durationFlag adds a flag for a duration that is not negative.
func durationFlag(f *pflag.FlagSet, p *time.Duration, name string, def time.Duration, help string) {
	*p = def
	f.Var(&bounded[time.Duration]{p, 0, noLimit, "duration", time.ParseDuration, func(d time.Duration) string {
		if d == 0 {
			return "0" // pflag shows no default that is nothing
		}
		return d.String()
	}}, name, help)
}

// refuseEmpty makes an empty value of any flag a wrong one: it is mostly a variable that is not
// set, and to take it for "not given" would do something else than was typed.
func refuseEmpty(cmd *cobra.Command) {
	wrap := func(f *pflag.Flag) {
		switch f.Value.Type() {
		case "bool", "int", "float", "duration":
			return // what is empty is none of these
		}
		f.Value = full{f.Value}
		if f.DefValue == "[]" {
			f.DefValue = "" // what pflag shows of lists of its own
		}
	}
	cmd.Flags().VisitAll(wrap)
	cmd.PersistentFlags().VisitAll(wrap)
	for _, sub := range cmd.Commands() {
		refuseEmpty(sub)
	}
}

// full is the value of a flag that is not empty.
type full struct{ pflag.Value }

// Set implements pflag.Value.
func (v full) Set(s string) error {
	if s == "" {
		return fault.New(fault.Invalid, "it is empty").WithHint("Leave the flag out, or give it a value; a variable that should have it may not be set.")
	}
	return v.Value.Set(s)
}

// onceFlags are flags of one value that a person may give twice in the hope that both
// count. The last one would win in silence.
func onceFlags(f *pflag.FlagSet, way string, names ...string) {
	for _, name := range names {
		flag := f.Lookup(name)
		flag.Value = &once{Value: flag.Value, way: way}
	}
}

type once struct {
	pflag.Value
	way   string
	given bool
}

// Set implements pflag.Value.
func (o *once) Set(s string) error {
	if o.given && s != o.Value.String() { // a completion parses its command line twice
		return fmt.Errorf("it is given twice, and only one can count: %s", o.way)
	}
	o.given = true
	return o.Value.Set(s)
}
