package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/settings"
)

// nameOf is a command's path without the program's name: "executions list".
func nameOf(cmd *cobra.Command) string { return pathOf(cmd.CommandPath()) }

// pathOf is nameOf of a command's whole path; that of the program itself stays.
func pathOf(path string) string {
	if _, name, ok := strings.Cut(path, " "); ok {
		return name
	}
	return path
}

// settle makes sure that the form of the output is known, also where the command
// line was wrong and nothing has been resolved: what it says of the output counts
// all the same.
func (s *session) settle() {
	if s.deps.settings != nil {
		return
	}
	flags := map[string]string{}
	if form, ok := outputIn(s.args); ok {
		flags["output"] = form
	}
	resolved, _ := settings.Resolve(settings.Sources{Flags: flags, Environ: s.deps.environ}) // the error that there is comes first
	if resolved != nil {
		s.take(resolved)
	}
}

// outputIn finds the form of output in arguments that could not be parsed.
func outputIn(args []string) (form string, ok bool) {
	for i, a := range args {
		switch {
		case a == "--":
			return form, ok
		case strings.HasPrefix(a, "--output="):
			form, ok = strings.TrimPrefix(a, "--output="), true
		case a == "--output" && i+1 < len(args):
			form, ok = args[i+1], true
		case len(a) > 1 && a[0] == '-' && a[1] != '-':
			// -o json, -ojson, -o=json, and behind other letters that take no value: -yo json
			before, after, found := strings.Cut(a[1:], "o")
			switch {
			case !found || strings.Trim(before, "yh") != "":
			case after != "":
				form, ok = strings.TrimPrefix(after, "="), true
			case i+1 < len(args):
				form, ok = args[i+1], true
			}
		}
	}
	return form, ok
}

// help gives help in the form of output that was asked for.
func (s *session) help(text func(*cobra.Command, []string)) func(*cobra.Command, []string) {
	return func(cmd *cobra.Command, args []string) {
		s.settle()
		if !s.deps.Machine() {
			text(cmd, args)
			return
		}
		s.deps.SetCommand(nameOf(cmd))
		about := cmd.Long
		if about == "" {
			about = cmd.Short
		}
		_ = s.deps.Write(struct { // nothing of it can fail
			console.Header
			Command string `json:"command"`
			Text    string `json:"text"`
			Usage   string `json:"usage"`
		}{console.NewHeader("Help"), cmd.CommandPath(), about, cmd.UsageString()}, nil)
	}
}

// strictHelp makes `help` refuse what is no command, as that command's name itself is
// refused: cobra's own tells so and succeeds.
func strictHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, help := range root.Commands() {
		if help.Name() != "help" {
			continue
		}
		help.Run = nil
		help.RunE = func(c *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil || about == root && len(rest) > 0 || len(rest) > 0 && about.HasSubCommands() {
				return &usageError{err: fmt.Errorf("there is no command %q to tell of", strings.Join(args, " ")), command: root.CommandPath()}
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		}
		reads(help)
	}
}
