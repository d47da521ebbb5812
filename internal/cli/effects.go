package cli

import (
	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/settings"
)

// effect is what a command does to the world. Each command has one, as a property
// of its own: a test asks all of them, and a read-only session refuses by it.
type effect string

const (
	// reading commands change nothing but files that they are told to write, and
	// start the sandbox if they need it.
	reading effect = "reads"
	// changing ones change pipelines, executions, the sandbox, or the program's own
	// installation.
	changing effect = "changes"
	// changingWithYes ones do so if they are allowed to by --yes.
	changingWithYes effect = "changes with --yes"
)

const (
	effectKey  = "effect"
	insteadKey = "instead"
)

// reads says that a command changes nothing.
func reads(cmd *cobra.Command) *cobra.Command { return has(cmd, reading) }

// changes says that a command changes something.
func changes(cmd *cobra.Command) *cobra.Command { return has(cmd, changing) }

func has(cmd *cobra.Command, what effect) *cobra.Command {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[effectKey] = string(what)
	return cmd
}

// instead names the command that only looks, for who may not change anything.
func instead(cmd *cobra.Command, other string) *cobra.Command {
	cmd.Annotations[insteadKey] = other
	return cmd
}

// effectOf is a command's effect; the commands of cobra itself read. It is not that
// of the command above: who does not say what it does is not trusted.
func effectOf(cmd *cobra.Command) effect {
	if what, ok := cmd.Annotations[effectKey]; ok {
		return effect(what)
	}
	if ofCobra(cmd) {
		return reading
	}
	return changing
}

// ofCobra tells whether a command is one that cobra adds to every program.
func ofCobra(cmd *cobra.Command) bool {
	for cmd.HasParent() && cmd.Parent().HasParent() {
		cmd = cmd.Parent()
	}
	switch cmd.Name() {
	case "help", "completion", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd:
		return cmd.HasParent()
	}
	return false
}

// permitted refuses a command that changes something in a read-only session.
func permitted(deps *Deps, cmd *cobra.Command) error {
	what := effectOf(cmd)
	if !deps.settings.Bool(settings.ReadOnly) || what == reading || what == changingWithYes && !saidYes(cmd) {
		return nil
	}
	source := deps.settings.Get(settings.ReadOnly).Source
	if what == changingWithYes {
		return fault.New(fault.Invalid, "%s --yes would change something and the session is read-only", nameOf(cmd)).
			WithHint("Leave out --yes, or --read-only (it came from: %s).", source)
	}
	err := fault.New(fault.Invalid, "%s would change something and the session is read-only", nameOf(cmd))
	if other := cmd.Annotations[insteadKey]; other != "" {
		return err.WithHint("To look only, use `pipelinetui %s`; or leave out --read-only (it came from: %s).", other, source)
	}
	return err.WithHint("Leave out --read-only (it came from: %s).", source)
}
