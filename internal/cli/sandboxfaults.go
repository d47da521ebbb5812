package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

func newSandboxFaults(deps *Deps) *cobra.Command {
	return group("faults", "make the sandbox fail on purpose: quotas, throttling, latency, errors",
		newSandboxFaultsList(deps), newSandboxFaultsSet(deps, runSandboxFaultsSet), newSandboxFaultsClear(deps, runSandboxFaultsClear))
}

func newSandboxFaultsList(deps *Deps) *cobra.Command {
	return reads(columns(&cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "list what goes wrong on purpose, and how often it did", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSandboxFaultsList(cmd.Context(), deps) },
	}, faultColumns))
}

func runSandboxFaultsList(ctx context.Context, deps *Deps) error {
	status, err := deps.app().SandboxFaults(ctx)
	if err != nil {
		return err
	}
	return writeFaults(deps, status)
}

// faultsClearOptions are those of sandbox faults clear.
type faultsClearOptions struct{ numbers []int }

func newSandboxFaultsClear(deps *Deps, do action[faultsClearOptions]) *cobra.Command {
	return changes(&cobra.Command{
		Use: "clear [NUMBER...]", Short: "end all faults, or those of the numbers that `list` shows",
		RunE: func(cmd *cobra.Command, args []string) error {
			o := &faultsClearOptions{make([]int, len(args))}
			for i, a := range args {
				n, err := strconv.Atoi(a)
				if err != nil {
					return &usageError{err: fmt.Errorf("%q is not the number of a fault", a), command: cmd.CommandPath()}
				}
				o.numbers[i] = n
			}
			return do(cmd.Context(), deps, o)
		},
	})
}

func runSandboxFaultsClear(ctx context.Context, deps *Deps, o *faultsClearOptions) error {
	status, err := deps.app().SandboxClearFaults(ctx, o.numbers...)
	if err != nil {
		return err
	}
	return writeFaults(deps, status)
}

// faultsSetOptions are those of sandbox faults set.
type faultsSetOptions struct {
	call            string
	quotas          bool
	latency, jitter time.Duration
	rule            app.FaultRule
	// What was typed of them: the quotas, and anything of a rule.
	switches, rules bool
}

func newSandboxFaultsSet(deps *Deps, do action[faultsSetOptions]) *cobra.Command {
	o := &faultsSetOptions{}
	cmd := &cobra.Command{
		Use:   "set [--quotas] [--call SERVICE[.OPERATION]] [flags]",
		Short: "add a fault, or switch AWS's quotas on",
		Long: `Adds a fault to those that there are. A fault hits the calls that --call names, or all
calls: it delays them, throttles them, or fails them with an AWS error. --call is a
service and an operation, both by the names of the AWS SDK, with wildcards: sfn.StartExecution,
's3.Put*', sagemaker.CreateEndpoint, 'lambda.*'. Calls that Step Functions makes for a state
count too.

--quotas makes the token buckets count that AWS has for each API of Step Functions and
Lambda in one account and region; --quotas=false ends that.

Faults hold until they are cleared or the sandbox's process ends: they are not kept
over a restart. Each change begins the counters anew.`,
		Example: `  # StartExecution at the pace of AWS
  pipelinetui sandbox faults set --quotas
  # every third call of the model fails
  pipelinetui sandbox faults set --call sagemakerruntime.InvokeEndpoint --error ModelError --status 424 --share 0.33
  # no machines left for the next endpoint
  pipelinetui sandbox faults set --call sagemaker.CreateEndpoint --error ResourceLimitExceeded --status 400 --times 1`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f := cmd.Flags()
			o.switches = f.Changed("quotas")
			o.rules = slices.ContainsFunc([]string{"call", "throttle", "error", "message", "status", "latency", "jitter", "share", "times"}, f.Changed)
			if !o.switches && !o.rules {
				return &usageError{err: fault.New(fault.Invalid, "give --quotas, or --call with what is to go wrong"), command: cmd.CommandPath(), flags: true}
			}
			return do(cmd.Context(), deps, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.quotas, "quotas", false, "count AWS's token buckets for each API")
	f.StringVar(&o.call, "call", "", "calls to hit: SERVICE[.OPERATION], with wildcards (default all)")
	f.BoolVar(&o.rule.Throttle, "throttle", false, "refuse the call as the service throttles")
	f.StringVar(&o.rule.Error, "error", "", "fail the call with this AWS error code")
	f.StringVar(&o.rule.Message, "message", "", "message of --error")
	countFlag(f, &o.rule.Status, "status", 0, 400, 599, "HTTP status of --error, 400 to 599 (default 500)")
	durationFlag(f, &o.latency, "latency", 0, "delay the call")
	durationFlag(f, &o.jitter, "jitter", 0, "delay the call by up to this much more, at random")
	shareFlag(f, &o.rule.Share, "share", "part of the calls that is hit, 0 to 1 (default all)")
	countFlag(f, &o.rule.Times, "times", 0, 1, noLimit, "calls that are hit before the fault is used up (default no limit)")
	deps.flag(cmd, "call", faultCalls)
	deps.flag(cmd, "error", faultCodes)
	return changes(cmd)
}

func runSandboxFaultsSet(ctx context.Context, deps *Deps, o *faultsSetOptions) error {
	var switched *bool
	if o.switches {
		switched = &o.quotas
	}
	var rules []app.FaultRule
	if o.rules {
		r := o.rule
		r.Service, r.Operation, _ = strings.Cut(o.call, ".")
		r.LatencyMs, r.JitterMs = int(o.latency.Milliseconds()), int(o.jitter.Milliseconds())
		rules = append(rules, r)
	}
	status, err := deps.app().SandboxAddFaults(ctx, switched, rules...)
	if err != nil {
		return err
	}
	return writeFaults(deps, status)
}

// faultColumns are the columns of sandbox faults list.
var faultColumns = []string{"NUMBER", "CALLS", "FAULT", "HITS"}

func writeFaults(deps *Deps, s app.FaultStatus) error {
	doc := struct {
		console.Header
		app.FaultStatus
	}{console.NewHeader("SandboxFaults"), s}
	return deps.Write(doc, func() string {
		if !s.Quotas && len(s.Rules) == 0 {
			return "nothing goes wrong on purpose\n"
		}
		var b strings.Builder
		if s.Quotas {
			fmt.Fprintf(&b, "AWS's quotas count; %s refused\n", render.Count(throttled(s), "call", "calls"))
		}
		rows := make([][]render.Cell, len(s.Rules))
		for i := range s.Rules {
			r := &s.Rules[i]
			hits := 0
			if i < len(s.Hits) {
				hits = s.Hits[i]
			}
			rows[i] = []render.Cell{render.T(strconv.Itoa(i + 1)), render.T(hit(r)), render.T(trouble(r)), render.T(strconv.Itoa(hits))}
		}
		if len(rows) > 0 {
			b.WriteString(deps.Tabulate(console.Listing{Head: faultColumns, Rows: rows}))
		}
		return b.String()
	})
}

func throttled(s app.FaultStatus) int {
	n := 0
	for _, k := range s.Throttled {
		n += k
	}
	return n
}

// hit says which calls a rule hits.
func hit(r *app.FaultRule) string {
	call := r.Service
	if call == "" {
		call = "*"
	}
	if r.Operation != "" {
		call += "." + r.Operation
	}
	if r.Share > 0 {
		call += fmt.Sprintf(", %g %% of them", 100*r.Share)
	}
	if r.Times > 0 {
		call += ", " + render.Count(r.Times, "time", "times")
	}
	return call
}

// trouble says what a rule does to a call.
func trouble(r *app.FaultRule) string {
	var parts []string
	if r.LatencyMs > 0 || r.JitterMs > 0 {
		text := fmt.Sprintf("%d ms late", r.LatencyMs)
		if r.JitterMs > 0 {
			text = fmt.Sprintf("%d to %d ms late", r.LatencyMs, r.LatencyMs+r.JitterMs)
		}
		parts = append(parts, text)
	}
	switch {
	case r.Throttle:
		parts = append(parts, "throttled")
	case r.Error != "":
		status := r.Status
		if status == 0 {
			status = 500
		}
		parts = append(parts, fmt.Sprintf("fails with %s (%d)", r.Error, status))
	}
	return strings.Join(parts, ", ")
}
