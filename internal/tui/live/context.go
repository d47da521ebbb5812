package live

import (
	"context"
	"errors"
	"os"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
)

// Contexts implements data.Source.
func (s *Source) Contexts(context.Context) (data.Contexts, error) {
	a := s.app()
	set := a.Settings()
	out := data.Contexts{
		Now:      data.Context{Target: set.String(settings.Target), Profile: set.String(settings.Profile), Region: set.String(settings.Region), Backend: set.String(settings.Backend)},
		Endpoint: set.String(settings.EndpointURL),
	}
	profiles, err := a.Profiles()
	out.Err = err
	for _, p := range profiles {
		x := data.Profile{Name: p.Name, Region: p.Region, Role: p.Role}
		if p.SSO {
			x.SignIn = signIn(p.Name)
		}
		out.Profiles = append(out.Profiles, x)
	}
	return out, nil
}

// signIn is the command that signs a profile in.
func signIn(profile string) string { return "aws sso login --profile " + profile }

// Switch implements data.Source. Whatever is needed there is opened anew by an App of its
// own: nothing of what was opened can be mixed up with it.
func (s *Source) Switch(ctx context.Context, to data.Context) error {
	from := s.app()
	next, err := from.With(map[string]string{
		settings.Target: to.Target, settings.Profile: to.Profile, settings.Region: to.Region, settings.Backend: to.Backend,
	})
	if err != nil {
		return err
	}
	if _, err := next.Target(ctx); err != nil {
		return errors.Join(hinted(err, to), next.Close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at.app != from {
		return errors.Join(fault.New(fault.Conflict, "the session was switched meanwhile"), next.Close())
	}
	s.left = append(s.left, from)
	s.at = begin(next)
	return nil
}

// hinted names the profile in the way out of credentials that do not work.
func hinted(err error, to data.Context) error {
	if fault.KindOf(err) != fault.Unauthenticated || to.Profile == "" || to.Target == app.TargetSandbox {
		return err
	}
	return fault.New(fault.Unauthenticated, "%s", err).Because(err).
		WithHint("Sign in with `%s`, or see what is wrong with `aws sts get-caller-identity --profile %s`.", signIn(to.Profile), to.Profile)
}

// Flags are the global flags that commands are to be given to work where the session does.
func (s *Source) Flags() []string { return s.app().Settings().Flags() }

// Close ends what Switch has opened; the App that the session began with is its maker's.
func (s *Source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	for i, a := range append(s.left, s.at.app) {
		if i > 0 {
			err = errors.Join(err, a.Close())
		}
	}
	return err
}

// Environ implements data.Source.
func (s *Source) Environ(ctx context.Context) (set, without []string, err error) {
	return s.app().ToolEnviron(ctx, os.Environ())
}

// Example implements data.Source.
func (s *Source) Example(ctx context.Context) (*spec.Pipeline, error) { return s.app().Example(ctx) }
