package app

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// What one pipeline that is worked on takes: a Pulumi process, and on AWS two
// provider processes besides.
const (
	engineMemory   = 150 << 20
	providerMemory = 900 << 20
)

// mostParallel is where more at once stops to pay: AWS's own request quotas are
// per account.
const mostParallel = 8

// DefaultParallel is how many pipelines are worked on at once: as many as half of
// the free memory holds, at most two for each core.
func (a *App) DefaultParallel() int {
	if n := a.opts.Settings.Int(settings.Parallel); n > 0 {
		return n
	}
	each := int64(engineMemory)
	if a.opts.Settings.String(settings.Target) == TargetAWS {
		each += providerMemory
	}
	return parallelFor(runtime.NumCPU(), freeMemory(os.ReadFile), each)
}

// parallelFor is the rule; free is 0 if it is not known.
func parallelFor(cores int, free, each int64) int {
	n := min(mostParallel, 2*cores)
	if free > 0 {
		n = min(n, int(free/2/each))
	}
	return max(1, n)
}

// freeMemory is what may still be used, in bytes: of the machine, or of the
// container if that is less. 0 if the system does not say.
func freeMemory(read func(path string) ([]byte, error)) int64 {
	var free int64
	if raw, err := read("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(raw)) {
			if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
				kb, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
				free = kb << 10
			}
		}
	}
	number := func(path string) int64 {
		raw, err := read(path)
		if err != nil {
			return 0
		}
		n, _ := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64) // "max" is no number
		return n
	}
	if limit := number("/sys/fs/cgroup/memory.max"); limit > 0 {
		if rest := max(1, limit-number("/sys/fs/cgroup/memory.current")); free == 0 || rest < free {
			free = rest
		}
	}
	return free
}

// LastFailed tells which pipelines' last operation failed, was cut off or turned back, or left
// something half done. It is read from the stacks themselves, so any machine with
// the backend gets the same answer. A pipeline without a stack has not failed.
func (a *App) LastFailed(ctx context.Context, ids []spec.ID) (map[spec.ID]bool, error) {
	e, err := a.Engine(ctx)
	if err != nil {
		return nil, err
	}
	failed := make([]bool, len(ids))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, id := range ids {
		g.Go(func() error {
			x := Existing{ID: id}
			x.State, x.Err = e.State(gctx, id.StackName())
			if errors.Is(x.Err, fault.NotFound) {
				return nil
			}
			if x.State == nil && fault.KindOf(x.Err) != fault.Damaged {
				return x.Err
			}
			readHistory(gctx, e, &x)
			switch x.Condition().Status {
			case pipelines.Failed, pipelines.Cancelled, pipelines.Incomplete, pipelines.Damaged:
				failed[i] = true
			case pipelines.Unread, pipelines.Ready, pipelines.Updating, pipelines.Empty, pipelines.Unreadable:
				// An empty stack whose making never began has no entry at all. Of one that was turned
				// back the newest update is the way back, which went well.
				failed[i] = x.LastChange() == nil || x.WentBack() != ""
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := make(map[spec.ID]bool, len(ids))
	for i, id := range ids {
		out[id] = failed[i]
	}
	return out, nil
}
