package app

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// Check is one thing that doctor looked at.
type Check struct {
	Name   string
	Detail string
	// Required says that most commands fail without it.
	Required bool
	Err      error
}

// Doctor checks what the tool needs, one thing after the other, and never
// stops at the first that is missing.
func (a *App) Doctor(ctx context.Context) []Check {
	var out []Check
	add := func(name string, required bool, check func() (string, error)) {
		detail, err := check()
		out = append(out, Check{Name: name, Detail: detail, Required: required, Err: err})
	}
	add("Pulumi CLI", true, func() (string, error) {
		if _, err := a.pulumi.get(ctx, "the Pulumi CLI", a.findPulumi); err != nil {
			return "", err
		}
		path, v, err := a.FindPulumi(ctx)
		return fmt.Sprintf("%s at %s", v, path), err
	})
	add("backend", true, func() (string, error) {
		e, err := a.Engine(ctx)
		if err != nil {
			return "", err
		}
		stacks, err := e.List(ctx)
		if err == nil {
			err = a.checkLayout(ctx, e)
		}
		return a.Backend() + ", " + fault.Count(len(stacks), "stack", "stacks"), err
	})
	add("target", true, func() (string, error) {
		t, err := a.Target(ctx)
		if err != nil {
			return "", err
		}
		return strings.TrimSpace(fmt.Sprintf("%s %s, account %s, region %s, %s", t.Name, t.Endpoint, t.Account, t.Region, t.Identity)), nil
	})
	if t, open := a.target.peek(); open && t.embedded {
		add("sandbox", false, a.checkSandbox)
	}
	if a.opts.Settings.String(settings.Target) == TargetAWS {
		add("provider plugins", false, func() (string, error) { return a.checkPlugins(ctx) })
	}
	add("templates", true, func() (string, error) {
		cat, err := a.Catalog(ctx)
		if err != nil {
			return "", err
		}
		return strings.Join(cat.Names(), ", "), nil
	})
	add("request quotas of AWS, our share", false, func() (string, error) { return a.quotaText(ctx) })
	add("Python 3, for functions on the sandbox", false, func() (string, error) { return probe(ctx, "python3") })
	add("Node.js, for functions on the sandbox", false, func() (string, error) { return probe(ctx, "node") })
	return out
}

// BackendDamage is what keeps operations on the backend from beginning although its pipelines
// can be read, nil if nothing does, or that cannot be told.
func (a *App) BackendDamage(ctx context.Context) error {
	e, err := a.Engine(ctx)
	if err != nil {
		return holdsUp(err)
	}
	return holdsUp(e.CheckLayout(ctx))
}

// holdsUp is what of an error somebody has to mend before anything can be done.
func holdsUp(err error) error {
	switch fault.KindOf(err) {
	case fault.Damaged, fault.Denied:
		return err
	}
	return nil
}

// checkLayout is stack.Engine.CheckLayout; what is damaged is mended if that was allowed.
func (a *App) checkLayout(ctx context.Context, e *stack.Engine) error {
	if !a.opts.Install {
		return e.CheckLayout(ctx)
	}
	aside, err := e.MendLayout(ctx)
	if aside != "" {
		a.opts.Note("the backend's meta.yaml is written anew; the damaged one is kept in %s", aside)
	}
	return err
}

func probe(ctx context.Context, tool string) (string, error) {
	path, err := exec.LookPath(tool)
	if err != nil {
		return "", fault.New(fault.NotFound, "%s is not on the PATH", tool).Because(err).
			WithHint("Install it if functions of yours need it on the sandbox.")
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "", fault.New(fault.Internal, "%s --version fails: %s", path, err).Because(err)
	}
	return strings.TrimSpace(string(out)) + " at " + path, nil
}
