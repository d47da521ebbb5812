package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// Each change of a function or of a state machine publishes a version, which nobody else takes
// away again before the pipeline goes: Lambda has room for 75 GB of code in an account and
// region, and a state machine for 1,000 versions.
// (lambda/latest/dg/gettingstarted-limits.html, step-functions/latest/dg/service-quotas.html)

const (
	// supersededFor is how long there has to be a newer version before one may go: calls of it
	// are on their way, and what an update of another machine does is written down when it has
	// ended only.
	supersededFor = 24 * time.Hour
	// prunedAtOnce is how many versions of one thing an update looks at and takes away, at most.
	prunedAtOnce = 20
)

// published is a version: its name as the stack knows it, and when it was made.
type published struct {
	name string
	made time.Time
}

// versioned is what versions were published of.
type versioned interface {
	// list has the newest first; now is the time by AWS's clock.
	list(ctx context.Context) (all []published, now time.Time, err error)
	// used tells whether something that AWS does not keep it for may want a version.
	used(ctx context.Context, version string, now time.Time) (bool, error)
	// remove deletes it unless an alias leads to it. AWS sees to that itself, so that whoever
	// makes an alias meanwhile is heard.
	remove(ctx context.Context, version string) error
}

// pruneVersions deletes the versions of a pipeline's functions and of its state machine that
// nothing may need any more. What is left over is for the next update.
func (a *App) pruneVersions(ctx context.Context, t *Target, p *spec.Pipeline) error {
	e, err := a.Engine(ctx)
	if err != nil {
		return err
	}
	s, err := e.State(ctx, p.StackName())
	if err != nil {
		return err
	}
	needed, err := versionsNeeded(s)
	if err != nil {
		return err
	}
	cfg, err := t.awsConfig(ctx, p.Region, p.AssumeRole)
	if err != nil {
		return err
	}
	newest := a.opts.Settings.Int(settings.KeepRevisions)
	var errs []error
	prune := func(what string, v versioned) {
		if err := prune(ctx, v, needed[what], newest); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, fault.Reason(err)))
		}
	}
	functions := lambda.NewFromConfig(cfg)
	for _, r := range s.Resources {
		if r.Type == kinds.Function && !r.PendingDelete && r.ID != "" && isNumber(r.Outputs["version"]) {
			prune(r.ID, functionVersions{functions, r.ID})
		}
	}
	machine, err := s.Text("stateMachineArn")
	if err != nil || machine == "" {
		return errors.Join(append(errs, err)...)
	}
	runs, err := a.Executions(ctx, p.Region, p.AssumeRole)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	prune(machine, machineVersions{executions.NewVersions(cfg, machine), runs})
	return errors.Join(errs...)
}

// isNumber tells whether a function's version is a published one.
func isNumber(version any) bool {
	text, _ := version.(string)
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// versionsNeeded are those that the revisions which are kept were made of, and those that the
// stack has now: by the ID of the function, or the ARN of the machine.
func versionsNeeded(s *stack.State) (map[string]map[string]bool, error) {
	ledger, err := pipelines.Ledger(s)
	if err != nil {
		return nil, err
	}
	out := map[string]map[string]bool{}
	need := func(what, version string) {
		if out[what] == nil {
			out[what] = map[string]bool{}
		}
		out[what][version] = true
	}
	machine, _ := s.Text("stateMachineArn")
	function := "" // the one whose versions the ledger knows
	for _, r := range s.Resources {
		switch r.Type {
		case kinds.StateMachineVersion:
			need(machine, r.ID)
		case kinds.Function:
			version, _ := r.Outputs["version"].(string)
			need(r.ID, version)
			if r.Name == "pre" && !r.PendingDelete {
				function = r.ID
			}
		}
	}
	for _, r := range ledger.List() {
		made, _ := ledger.MadeOf(r.Number)
		need(machine, made.Machine)
		need(function, made.Function)
	}
	need(machine, ledger.CurrentMade.Machine)
	need(function, ledger.CurrentMade.Function)
	return out, nil
}

// prune deletes those versions that are not needed, that are not among the newest, and that
// nothing uses. Where it begins moves on with each version that is published, so that some
// that have to stay for long don't hold up all others.
func prune(ctx context.Context, v versioned, needed map[string]bool, newest int) error {
	all, now, err := v.list(ctx)
	if err != nil {
		return err
	}
	if now.IsZero() && len(all) > 0 {
		now = all[0].made
	}
	var old []string
	for i, one := range all {
		if i >= max(newest, 1) && !needed[one.name] && now.Sub(all[i-1].made) >= supersededFor {
			old = append(old, one.name)
		}
	}
	first := 0
	if len(old) > 0 {
		newest := all[0].name
		number, _ := strconv.Atoi(newest[strings.LastIndexByte(newest, ':')+1:]) // of another form: from the newest on
		first = number * prunedAtOnce
	}
	var errs []error
	for i := range min(len(old), prunedAtOnce) {
		version := old[(first+i)%len(old)]
		used, err := v.used(ctx, version, now)
		if err == nil && !used {
			err = v.remove(ctx, version)
		}
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return errs[0] // the others are likely the same
	}
	return nil
}

// versionsLeft says what it means that versions could not be looked at, or deleted.
func versionsLeft(err error) string {
	return "old versions that nothing needs any more may be left (Lambda counts their code, a state machine has 1,000 at most): " + err.Error()
}

type machineVersions struct {
	*executions.Versions
	runs *executions.Client
}

func (m machineVersions) list(ctx context.Context) ([]published, time.Time, error) {
	list, now, err := m.List(ctx)
	out := make([]published, len(list))
	for i, v := range list {
		out[i] = published{v.ARN, v.Made}
	}
	return out, now, err
}

func (m machineVersions) used(ctx context.Context, version string, now time.Time) (bool, error) {
	return m.runs.MayGoOn(ctx, version, now)
}

func (m machineVersions) remove(ctx context.Context, version string) error {
	return m.Delete(ctx, version)
}

// functionVersions are those of a function. The state machine calls its alias: no execution
// comes back to an old one.
type functionVersions struct {
	api  *lambda.Client
	name string
}

// lambdaTime is how Lambda writes when a function was changed last.
const lambdaTime = "2006-01-02T15:04:05.999-0700"

func (f functionVersions) list(ctx context.Context) (all []published, now time.Time, err error) {
	pages := lambda.NewListVersionsByFunctionPaginator(f.api, &lambda.ListVersionsByFunctionInput{FunctionName: &f.name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, now, awscfg.Classify(err)
		}
		if at, told := awsmiddleware.GetServerTime(page.ResultMetadata); told {
			now = at
		}
		for _, v := range page.Versions {
			if !isNumber(aws.ToString(v.Version)) {
				continue // what is not published
			}
			made, err := time.Parse(lambdaTime, aws.ToString(v.LastModified))
			if err != nil {
				return nil, now, fault.New(fault.Internal, "Lambda says that version %s was changed at %q", aws.ToString(v.Version), aws.ToString(v.LastModified)).Because(err)
			}
			all = append(all, published{*v.Version, made})
		}
	}
	slices.SortFunc(all, func(a, b published) int {
		return cmp.Or(cmp.Compare(len(b.name), len(a.name)), cmp.Compare(b.name, a.name))
	})
	return all, now, nil
}

func (functionVersions) used(context.Context, string, time.Time) (bool, error) { return false, nil }

// remove is refused by Lambda where an alias leads to the version.
// (lambda/latest/api/API_DeleteFunction.html)
func (f functionVersions) remove(ctx context.Context, version string) error {
	_, err := f.api.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &f.name, Qualifier: &version})
	if isAPI(err, "ResourceConflictException", "ResourceNotFoundException") {
		return nil
	}
	return awscfg.Classify(err)
}
