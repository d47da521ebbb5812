package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/settings"
)

// What a user wants to see of a result: --jq, --template, --columns, --quiet. All
// commands have them, since console writes all results.

// viewing is what was typed of it.
type viewing struct {
	console.View
	// goTemplate is --go-template: --template where that is the template of a pipeline.
	goTemplate string
}

func (v *viewing) flags(f *pflag.FlagSet) {
	f.StringVar(&v.Query, "jq", "", "what to show of -o json or jsonl: a jq program")
	f.StringVar(&v.Template, "template", "", "the same as a Go template with tablerow, timeago and others of gh's functions")
	f.StringVar(&v.goTemplate, "go-template", "", "--template of commands whose --template is that of a pipeline")
	f.StringSliceVar(&v.Columns, "columns", nil, "columns of the table, in this order")
	f.BoolVarP(&v.Quiet, "quiet", "q", false, "show names only, one a line, and no hints")
}

// columnsKey is where a command that shows a table says which columns that has.
const columnsKey = "columns"

// columns says which columns a command's table has.
func columns(cmd *cobra.Command, heads []string) *cobra.Command {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[columnsKey] = strings.Join(heads, ",")
	return cmd
}

// columnNames are those that --columns of a command takes, none if it has no table.
func columnNames(cmd *cobra.Command) []string {
	heads := cmd.Annotations[columnsKey]
	if heads == "" {
		return nil
	}
	names := strings.Split(heads, ",")
	for i, head := range names {
		names[i] = console.ColumnName(head)
	}
	return names
}

// commentsKey is where a command says that its result can be a comment: -o markdown.
const commentsKey = "comments"

// comments says that a command's result can be a comment.
func comments(cmd *cobra.Command) *cobra.Command {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[commentsKey] = "yes"
	return cmd
}

// comments refuses -o markdown of a command that has no such form. Where it is a setting it
// means those that have.
func (s *session) comments(cmd *cobra.Command) error {
	if s.deps.Form() != console.Markdown || cmd.Annotations[commentsKey] != "" {
		return nil
	}
	s.deps.SetForm(console.Table)
	if !strings.HasPrefix(s.deps.settings.Get(settings.Output).Source, "flag ") {
		return nil
	}
	return wrongFlag("output", console.Markdown, "%s has no result for a comment", nameOf(cmd)).
		WithHint("Use -o json, or -o markdown of up, preview, refresh or destroy.")
}

// look settles what is to be seen of a command's result, and in which form it is then.
func (s *session) look(cmd *cobra.Command) error {
	v := s.viewing.View
	if s.viewing.goTemplate != "" {
		if v.Template != "" {
			return wrongFlag("go-template", nil, "it is --template by another name, and that is given too").WithHint("Leave one out.")
		}
		v.Template = s.viewing.goTemplate
	}
	given := map[string]bool{"jq": v.Query != "", "template": v.Template != "", "columns": len(v.Columns) > 0, "quiet": v.Quiet}
	var names []string
	for name, is := range given {
		if is {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		return nil
	}
	if len(names) > 1 {
		return wrongFlag(names[0], nil, "it excludes --%s", names[1]).WithHint("Choose one.")
	}
	// What is wrong is told in the form that was asked for, and whole: first it is known
	// that it is none of that, then it is looked through.
	if err := aboutFlag(names[0], v.Query+v.Template, s.deps.CheckView(v)); err != nil {
		return err
	}
	if err := s.fits(cmd, names[0], &v); err != nil {
		return err
	}
	return s.deps.SetView(v)
}

// fits chooses the form that a view needs where none was asked for on the command line, and
// refuses another one.
func (s *session) fits(cmd *cobra.Command, name string, v *console.View) error {
	typed := strings.HasPrefix(s.deps.settings.Get(settings.Output).Source, "flag ")
	form := s.deps.Form()
	switch filters := v.Query != "" || v.Template != ""; {
	case filters && form != console.JSON && form != console.Lines:
		if typed {
			return wrongFlag(name, nil, "it works on JSON, and -o %s is none", form).WithHint("Leave out -o, or make it json or jsonl.")
		}
		s.deps.SetForm(console.JSON)
	case filters:
	case form != console.Table && typed:
		return wrongFlag(name, nil, "it is for people, and -o %s is for machines", form).WithHint("Leave out -o, or use --jq.")
	default:
		s.deps.SetForm(console.Table)
	}
	return chooseColumns(cmd, v)
}

// chooseColumns reads names of columns as they are typed.
func chooseColumns(cmd *cobra.Command, v *console.View) error {
	if len(v.Columns) == 0 {
		return nil
	}
	known := columnNames(cmd)
	if known == nil {
		return wrongFlag("columns", nil, "%s shows no table whose columns could be chosen", nameOf(cmd)).
			WithHint("Use --jq or --template to choose what is shown.")
	}
	v.Columns = slices.Clone(v.Columns)
	for i, typed := range v.Columns {
		name := console.ColumnName(typed)
		if !slices.Contains(known, name) {
			return wrongFlag("columns", typed, "there is no column %q", typed).WithHint("Use %s.", strings.Join(known, ", "))
		}
		v.Columns[i] = name
	}
	return nil
}
