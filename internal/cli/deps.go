package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/settings"
)

// Deps are what commands work with: whatever is impure, and nothing else. No command
// reads the process's streams, clock or environment by itself, and none keeps anything
// here: what it was told is in its own options.
type Deps struct {
	// Console are the streams: questions, notes, documents.
	*console.Console
	// environ looks a variable up in the process's environment; environment is all of it,
	// for the programs that are run for the user.
	environ     func(string) (string, bool)
	environment func() []string
	now         func() time.Time
	// signals are the user's requests to stop.
	signals *console.Desk
	// settings are resolved before a command runs.
	settings *settings.Settings
	// brokenConfig is why the config file was left out, of a command that tells of it.
	brokenConfig error
	// app returns the application. It is made when it is first asked for, which needs
	// settings, and asks nothing of anybody yet.
	app func() *app.App
	// ready resolves settings for a completion, without a word; false if that can't be.
	ready func(ctx context.Context) bool
	// patience bounds what a completion waits for: tabPatience, or in tests, which are to
	// say the same on a machine that is busy, longer.
	patience time.Duration
	// prepare makes an operation on pipelines ready: app.App.Prepare, which needs the
	// engine.
	prepare preparer
}

// debug tells whether the causes of errors are to be shown.
func (deps *Deps) debug() bool { return deps.settings != nil && deps.settings.Bool(settings.Debug) }

// action is what a command does once it is known what was typed. A constructor takes it,
// so that parsing is tested without doing, and doing without parsing.
type action[O any] func(ctx context.Context, deps *Deps, o *O) error

// yesFlag adds --yes to a command that changes something.
func yesFlag(cmd *cobra.Command, yes *bool) {
	cmd.Flags().BoolVarP(yes, "yes", "y", false, "go ahead without asking")
}

// saidYes tells whether a command line agrees beforehand.
func saidYes(cmd *cobra.Command) bool {
	f := cmd.Flags().Lookup("yes")
	return f != nil && f.Value.String() == "true"
}

// sayEvery is how often long work tells how far it is.
const sayEvery = 5 * time.Second

// patiently does what may take long and tells by itself nothing of how far it is, and says
// that every five seconds. far is called while do goes on.
func (deps *Deps) patiently(do func() error, far func() string) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	for {
		timer := deps.app().Clock().NewTimer(sayEvery)
		select {
		case err := <-done:
			timer.Stop()
			return err
		case <-timer.C():
			deps.Note("%s", far())
		}
	}
}

// nowAndThen returns what has long work tell how far it is, if it was silent for five
// seconds. It is not safe for concurrent use.
func (deps *Deps) nowAndThen() func(far func() string) {
	told := deps.now()
	return func(far func() string) {
		if now := deps.now(); now.Sub(told) > sayEvery {
			told = now
			deps.Note("%s", far())
		}
	}
}
