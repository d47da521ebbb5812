package jsonata

import (
	"errors"
	"fmt"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata/gnata"
	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata/gnata/evaluator"
	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata/gnata/functions"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// extremes are arguments with which a function written for sensible ones runs
// for ever, or makes much of little.
var extremes = []string{
	`(1/0)`, `(-1/0)`, `(0/0)`, `1e300`, `-1e300`, `9.3e18`, `1e15`, `-1`,
	`""`, `"w"`, `"Ww;o"`, `"I"`, `"a"`, `"[YI,9-999999999]"`, `$zeros`, `"#,##0.00e0"`,
	`[0/0, 1, 1/0]`, `{"a": 1/0}`, `null`, `$nothing`, `/(a*)*b/`, `function($a, $b) { 0/0 }`,
}

// few are tried in the third place too.
var few = []string{`(1/0)`, `-1e300`, `1e15`, `""`, `$zeros`}

// TestExtremes: whatever a function is asked, it answers or refuses, within the
// bounds of one evaluation. The clock ends what would run for ever and decides
// nothing else.
func TestExtremes(t *testing.T) { // it looks at what the process allocates
	env := evaluator.NewEnvironment()
	functions.RegisterAll(env, nil)
	var names []string
	env.Range(func(name string, _ any) { names = append(names, name) })
	for name := range extensions(Env{}) {
		names = append(names, name)
	}
	slices.Sort(names)
	require.Greater(t, len(names), 60)

	g := NewEngine(Env{UUID: func() string { return "u" }, Random: func() float64 { return 0.5 }})
	bound := map[string]Bound{"zeros": Bind(strings.Repeat("0", 2_000))}
	var now string
	watch := time.AfterFunc(time.Hour, func() { panic("without an end: " + now) })
	defer watch.Stop()
	try := func(name string, args ...string) {
		now = fmt.Sprintf("$%s(%s)", name, strings.Join(args, ", "))
		watch.Reset(2 * time.Minute)
		e, err := Compile(now)
		require.NoError(t, err, now)
		before := allocated()
		v, err := g.Eval(t.Context(), e, bound)
		require.Less(t, allocated()-before, uint64(200<<20), now)
		var crash *gnata.PanicError
		if errors.As(err, &crash) {
			t.Errorf("%s: %v\n%s", now, crash.Value, crash.Stack)
		}
		if err == nil {
			_, err = value.Parse(value.String(v))
			require.NoError(t, err, now)
		}
	}
	for _, name := range names {
		try(name)
		for _, a := range extremes {
			try(name, a)
			for _, b := range extremes {
				try(name, a, b)
			}
		}
		for _, a := range few {
			for _, b := range few {
				for _, c := range few {
					try(name, a, b, c)
				}
			}
		}
	}
}

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
