package deploy

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/frametest"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/pump"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// benchPage is a page of a running operation on a number of pipelines.
func benchPage(ids []spec.ID) (*Page, *ui.Job) {
	env := &ui.Env{
		Ctx: context.Background(), Theme: theme.NewScreen(os.Stderr, theme.ScreenOptions{Colors: theme.Colors256, Unicode: true}),
		Clock: clock.Real{}, Place: func() data.Place { return data.Place{Target: "sandbox"} },
	}
	env.Jobs, env.Launches = ui.NewJobs(env), ui.NewLaunches(env)
	job := &ui.Job{Number: 1, Started: time.Now(), Progress: map[spec.ID]*stack.Progress{}}
	job.Request.Operation = stack.OperationUp
	for _, id := range ids {
		job.Request.Pipelines = append(job.Request.Pipelines, &spec.Pipeline{ID: id})
	}
	p := ForJob(ui.NewHost(env), job).(*Page)
	p.Init()
	return p, job
}

// steps are n events on n/2 resources of a pipeline.
func steps(n int) []stack.Event {
	out := make([]stack.Event, 0, n)
	for i := range n / 2 {
		s := &stack.Step{
			URN: fmt.Sprintf("urn:pulumi:a::p::aws:s3/bucketV2:BucketV2::b%d", i), Type: "aws:s3/bucketV2:BucketV2",
			Name: fmt.Sprint("bucket-", i), Op: stack.OpCreate, Diff: []stack.PropertyDiff{{Path: "bucket", Kind: stack.DiffAdd, New: "x"}},
		}
		at := time.Unix(int64(i), 0)
		out = append(out, stack.Event{Type: stack.EventResourcePre, Time: at, Resource: s}, stack.Event{Type: stack.EventResourceOutputs, Time: at.Add(time.Second), Resource: s})
	}
	return out
}

// 5,000 events on 2,500 resources come in bursts as the pump makes them; after each
// burst the page is told and drawn, as the program does it. Reported is the time of
// one such frame.
func BenchmarkBurst(b *testing.B) {
	id := spec.ID{Tenant: "acme", Model: "fraud", Env: "dev"}
	events := steps(5000)
	frames := 0
	meter := frametest.Start()
	for b.Loop() {
		p, job := benchPage([]spec.ID{id})
		progress := &stack.Progress{}
		job.Progress[id] = progress
		for at := 0; at < len(events); at += pump.Max {
			for _, e := range events[at:min(len(events), at+pump.Max)] {
				progress.Apply(e)
				job.Log = append(job.Log, ui.LogEntry{ID: id, Event: e})
			}
			p.Update(ui.JobChanged{Job: job})
			p.View(120, 37)
			frames++
		}
	}
	meter.Report(b, frames)
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(frames), "us/frame")
}

// A frame with 2,000 rows while nothing new has come: a key, and the clock.
func BenchmarkFrame(b *testing.B) {
	id := spec.ID{Tenant: "acme", Model: "fraud", Env: "dev"}
	p, job := benchPage([]spec.ID{id})
	progress := &stack.Progress{}
	job.Progress[id] = progress
	for _, e := range steps(4000) {
		progress.Apply(e)
		job.Log = append(job.Log, ui.LogEntry{ID: id, Event: e})
	}
	p.Update(ui.JobChanged{Job: job})
	key := tea.Msg(keys.Msg("down"))
	meter := frametest.Start()
	for b.Loop() {
		p.Update(key)
		p.View(120, 37)
	}
	meter.Report(b, b.N)
}

// A frame with 200 pipelines at once, after a change.
func BenchmarkMany(b *testing.B) {
	ids := make([]spec.ID, 200)
	for i := range ids {
		ids[i] = spec.ID{Tenant: fmt.Sprint("t", i), Model: "fraud", Env: "dev"}
	}
	p, job := benchPage(ids)
	events := steps(60)
	for _, id := range ids {
		progress := &stack.Progress{}
		job.Progress[id] = progress
		for _, e := range events {
			progress.Apply(e)
		}
	}
	meter := frametest.Start()
	for b.Loop() {
		p.Update(ui.JobChanged{Job: job})
		p.View(120, 37)
	}
	meter.Report(b, b.N)
}
