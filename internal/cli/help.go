package cli

import (
	"fmt"
	"io"
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
	if forms := outputsIn(s.args); len(forms) > 0 {
		flags["output"] = forms[len(forms)-1]
	}
	resolved, _ := settings.Resolve(settings.Sources{Flags: flags, Environ: s.deps.environ}) // the error that there is comes first
	if resolved != nil {
		s.take(resolved)
	}
}

// outputsIn finds the forms of output that arguments ask for, which need not be such as can be
// parsed. The last is the one that counts.
func outputsIn(args []string) (forms []string) {
	for i, a := range args {
		switch {
		case a == "--":
			return forms
		case strings.HasPrefix(a, "--output="):
			forms = append(forms, strings.TrimPrefix(a, "--output="))
		case a == "--output" && i+1 < len(args):
			forms = append(forms, args[i+1])
		case len(a) > 1 && a[0] == '-' && a[1] != '-':
			// -o json, -ojson, -o=json, and behind other letters that take no value: -yo json
			before, after, found := strings.Cut(a[1:], "o")
			switch {
			case !found || strings.Trim(before, "yh") != "":
			case after != "":
				forms = append(forms, strings.TrimPrefix(after, "="))
			case i+1 < len(args):
				forms = append(forms, args[i+1])
			}
		}
	}
	return forms
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

// strictCompletion makes `completion` refuse a shell that it has no script for: cobra's own
// shows its help and succeeds, and a shell would load that. The scripts go where root
// writes at this time.
func strictCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		cmd.Args, cmd.RunE = cobra.ArbitraryArgs, oneOf(cmd.Commands())
		for _, shell := range append(cmd.Commands(), cmd) {
			if reads(shell); shell.Name() == "bash" {
				shell.RunE = func(cmd *cobra.Command, _ []string) error { return bashScript(root, cmd) }
			}
		}
	}
}

// bashScript writes the script for bash. Bash takes @ for the beginning of a host's name and
// cuts words there, as it does at : and =, for which cobra's script cares: @latest and
// @FILE are put together again in the same way.
func bashScript(root, cmd *cobra.Command) error {
	plain, err := cmd.Flags().GetBool("no-descriptions")
	if err != nil {
		return err
	}
	var b strings.Builder
	if err := root.GenBashCompletionV2(&b, !plain); err != nil {
		return err
	}
	const special = "    __pipelinetui_handle_special_char \"$cur\" =\n"
	text := strings.NewReplacer(" -n =: ||", " -n =:@ ||", special, special+strings.ReplaceAll(special, "=", "@")).Replace(b.String())
	_, err = io.WriteString(root.OutOrStdout(), text)
	return err
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
