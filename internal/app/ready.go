package app

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// makeReady makes sure of what engines on AWS need before the first of them
// starts: credentials that work in every region and as every role of the
// pipelines, and the official plugins. Where our own providers are attached there
// is nothing to do.
func (a *App) makeReady(ctx context.Context, t *Target, e *stack.Engine, pipelines []*spec.Pipeline) error {
	if t.attached {
		return nil
	}
	if err := a.checkRoles(ctx, t, pipelines); err != nil {
		return err
	}
	return a.installPlugins(ctx, e)
}

// roleChecks bounds the calls of STS at once.
const roleChecks = 8

// checkRoles asks STS who we are in each region and as each role that is not known
// to work yet, so that a role that may not be assumed is refused before anything
// has changed.
func (a *App) checkRoles(ctx context.Context, t *Target, pipelines []*spec.Pipeline) error {
	first := map[placeKey]*spec.Pipeline{}
	var places []placeKey
	for _, p := range pipelines {
		at := placeKey{p.Region, p.AssumeRole}
		if at.region == "" || at.role == "" && at.region == t.Region || first[at] != nil {
			continue // it is known, or nothing is
		}
		first[at] = p
		places = append(places, at)
	}
	found := make(fault.List, len(places))
	var g errgroup.Group
	g.SetLimit(roleChecks)
	for i, at := range places {
		g.Go(func() error {
			_, err := a.checked.at(at).get(ctx, "the credentials of "+first[at].ID.String(), func(ctx context.Context) (struct{}, error) {
				cfg, err := t.awsConfig(ctx, at.region, at.role)
				if err == nil {
					_, err = awscfg.Check(ctx, cfg)
				}
				return struct{}{}, err
			})
			found[i] = fault.Wrap(err, "%s: check the credentials", first[at].ID)
			return nil
		})
	}
	_ = g.Wait() // none returns an error
	return slices.DeleteFunc(found, func(err error) bool { return err == nil }).OrNil()
}

// installPlugins installs the official plugins, once.
func (a *App) installPlugins(ctx context.Context, e *stack.Engine) error {
	_, err := a.plugged.get(ctx, "the provider plugins", func(ctx context.Context) (struct{}, error) {
		plugins, err := officialPlugins(ctx)
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, e.InstallPlugins(ctx, plugins, func(d stack.Download) { a.opts.Note("plugin %s: %s", d.ID, d.Message) })
	})
	return err
}

func officialPlugins(ctx context.Context) ([]stack.Plugin, error) {
	wanted, err := program.Plugins(ctx)
	if err != nil {
		return nil, err
	}
	plugins := make([]stack.Plugin, 0, len(wanted))
	for _, p := range wanted {
		plugins = append(plugins, stack.Plugin{Name: p.Name, Version: p.Version, ServerURL: p.URL})
	}
	return plugins, nil
}

// checkPlugins tells which official plugins are there, after installing them if
// that was allowed.
func (a *App) checkPlugins(ctx context.Context) (string, error) {
	e, err := a.Engine(ctx)
	if err != nil {
		return "", err
	}
	plugins, err := officialPlugins(ctx)
	if err != nil {
		return "", err
	}
	if a.opts.Install {
		if err := a.installPlugins(ctx, e); err != nil {
			return "", err
		}
	}
	if missing := e.MissingPlugins(plugins); len(missing) > 0 {
		return "", fault.New(fault.NotFound, "not installed yet: %s", names(missing)).
			WithHint("The first operation installs them; `pipelinetui doctor --yes` does so now.")
	}
	return names(plugins), nil
}

func names(plugins []stack.Plugin) string {
	list := make([]string, 0, len(plugins))
	for _, p := range plugins {
		list = append(list, p.String())
	}
	return strings.Join(list, ", ")
}
