package app

import (
	"cmp"
	"context"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// ConsoleURL is the page of a resource in the AWS console, "" if it has none: the
// sandbox has no console, nor has another server.
func (a *App) ConsoleURL(r stack.Resource) string {
	t, open := a.target.peek() // a frame asks
	if !open || t.Name != TargetAWS || t.Endpoint != "" {
		return ""
	}
	region := t.Region
	if text, _ := r.Outputs["arn"].(string); text != "" {
		of, _ := arn.Parse(text) // of none, none
		region = cmp.Or(of.Region, region)
	}
	return consoleURL(region, r)
}

func consoleURL(region string, r stack.Resource) string {
	partition, _ := spec.Partition(region) // of a region that is not known, none: the console's first
	at := kinds.Place{Partition: partition, Region: region}
	return kinds.Console(r.Type, at, r.ID)
}

// Describe tells what a pipeline will consist of, and what of it costs while
// nothing runs, without asking anybody. Account numbers in names are those of the
// target if it is known already.
func (a *App) Describe(ctx context.Context, p *spec.Pipeline) ([]spec.Planned, error) {
	d, err := a.outline(ctx, p)
	if err != nil {
		return nil, err
	}
	if prices, err := a.Prices(ctx); err == nil { // it costs the same without saying how much
		priceIdle(prices, p, d.Planned)
	}
	return d.Planned, nil
}

func (a *App) outline(ctx context.Context, p *spec.Pipeline) (*program.Described, error) {
	tmpl, err := a.TemplateOf(ctx, p)
	if err != nil {
		return nil, err
	}
	t, open := a.target.peek()
	if !open {
		t = &Target{Account: "000000000000"}
	}
	return program.Outline(ctx, p, tmpl, t.programEnv(p))
}

// LogFile is the file that debug logs and crashes go to.
func (a *App) LogFile() string {
	return filepath.Join(a.opts.Settings.Paths.Logs(), logFileName)
}
