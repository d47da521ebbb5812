package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/check"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// templatesCheckOptions are those of templates check.
type templatesCheckOptions struct {
	templates []string
	strict    bool
}

func newTemplatesCheck(deps *Deps, do action[templatesCheckOptions]) *cobra.Command {
	o := &templatesCheckOptions{}
	cmd := &cobra.Command{
		Use:   "check [DIR|NAME...]",
		Short: "check templates: parameters, blocks, state machine, sources",
		Long: `Checks templates of your own and the built-in ones, all of them if none is named: the
template's parameters and blocks, its state machine in the Amazon States Language
(structure, expressions, variables, the calls that Step Functions has and that the
blocks give rights for), and the sources of its functions. Each finding comes with
file, line and column.

An error is what AWS or "up" would refuse, or what would fail in every execution; the
exit code is then 2.`,
		Example: `  pipelinetui templates check
  pipelinetui templates check ./my-template
  pipelinetui templates check realtime -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.templates = args
			return do(cmd.Context(), deps, o)
		},
	}
	cmd.Flags().BoolVar(&o.strict, "strict", false, "count warnings as errors")
	// Names of templates, and folders: the shell offers those.
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		names, _ := deps.completes(templateNames)(cmd, args, word)
		return names, cobra.ShellCompDirectiveDefault
	}
	return reads(cmd)
}

func runTemplatesCheck(ctx context.Context, deps *Deps, o *templatesCheckOptions) error {
	a := deps.app() // not in the background, which outlives the command that is interrupted
	reports, err := outside.Do(ctx, "the templates", func() ([]check.Report, error) { return a.CheckTemplates(o.templates) })
	if err != nil {
		return err
	}
	var errs, warnings int
	for i, r := range reports {
		errs += r.Count(check.Error)
		warnings += r.Count(check.Warning)
		if r.Findings == nil {
			reports[i].Findings = []check.Finding{}
		}
	}
	doc := struct {
		console.Header
		Templates []check.Report `json:"templates"`
		Errors    int            `json:"errors"`
		Warnings  int            `json:"warnings"`
	}{console.NewHeader("TemplateCheck"), reports, errs, warnings}
	if err := deps.Write(doc, func() string { return checkText(deps, reports, errs, warnings) }); err != nil {
		return err
	}
	if errs > 0 || o.strict && warnings > 0 {
		return fault.New(fault.Invalid, "%s and %s in %s", render.Count(errs, "error", "errors"), render.Count(warnings, "warning", "warnings"),
			render.Count(len(reports), "template", "templates")).
			WithHint("Correct what is listed above and check again.")
	}
	return nil
}

// checkText lists the findings by template and file.
func checkText(deps *Deps, reports []check.Report, errs, warnings int) string {
	st := deps.OutStyle
	var b strings.Builder
	for _, r := range reports {
		mark := st.Good.Render("✔")
		switch {
		case r.Count(check.Error) > 0:
			mark = st.Bad.Render("✘")
		case len(r.Findings) > 0:
			mark = st.Warn.Render("!")
		}
		fmt.Fprintf(&b, "%s %s\n", mark, st.Title.Render(render.Line(r.Folder, 0)))
		file := ""
		for _, f := range r.Findings {
			if f.File != file {
				file = f.File
				fmt.Fprintf(&b, "  %s\n", st.Key.Render(render.Line(file, 0)))
			}
			b.WriteString(findingText(deps, f))
		}
	}
	if errs+warnings == 0 {
		fmt.Fprintf(&b, "%s checked, nothing found\n", render.Count(len(reports), "template", "templates"))
	}
	return b.String()
}

func findingText(deps *Deps, f check.Finding) string {
	st := deps.OutStyle
	severity := st.Bad.Render("error")
	if f.Severity == check.Warning {
		severity = st.Warn.Render("warning")
	}
	// The whole place on each line, so that editors and terminals can jump to it.
	place := f.File
	if f.Line > 0 {
		place = fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column)
	}
	text := fmt.Sprintf("    %s: %s: %s %s\n", render.Line(place, 0), severity, indent(render.Safe(f.Message), "      "), st.Muted.Render("("+f.Code+")"))
	if f.Hint != "" {
		text += fmt.Sprintf("      %s %s\n", st.Key.Render("hint:"), indent(render.Safe(f.Hint), "      "))
	}
	return text
}

// templatesNewOptions are those of templates new.
type templatesNewOptions struct{ dir, from string }

func newTemplatesNew(deps *Deps, do action[templatesNewOptions]) *cobra.Command {
	o := &templatesNewOptions{}
	cmd := &cobra.Command{
		Use:   "new DIR",
		Short: "write the folder of a new template, to be changed",
		Long: `Writes a folder with template.yaml, statemachine.asl.json and the sources of functions, a
copy of a built-in template with an introduction. The folder's name becomes the
template's. Nothing is overwritten.`,
		Example: `  pipelinetui templates new ./templates/my-scoring --from realtime
  pipelinetui templates check ./templates/my-scoring
  PIPELINETUI_TEMPLATES=./templates pipelinetui up acme/fraud --template my-scoring --yes`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.dir = args[0]
			return do(cmd.Context(), deps, o)
		},
	}
	cmd.Flags().StringVar(&o.from, "from", "realtime", "the built-in template to begin with")
	cmd.ValidArgsFunction = folders(deps)
	deps.flag(cmd, "from", templateNames)
	return reads(cmd)
}

func runTemplatesNew(ctx context.Context, deps *Deps, o *templatesNewOptions) error {
	a := deps.app()
	files, err := outside.Do(ctx, o.dir, func() ([]string, error) { return a.NewTemplate(o.dir, o.from) })
	if err != nil {
		return err
	}
	doc := struct {
		console.Header
		Folder string   `json:"folder"`
		From   string   `json:"from"`
		Files  []string `json:"files"`
	}{console.NewHeader("TemplateNew"), o.dir, o.from, files}
	return deps.Write(doc, func() string {
		var b strings.Builder
		fmt.Fprintf(&b, "%s is a copy of %s:\n", render.Line(o.dir, 0), o.from)
		for _, f := range files {
			fmt.Fprintf(&b, "  %s\n", filepath.Join(o.dir, filepath.FromSlash(f)))
		}
		fmt.Fprintf(&b, "Change it, and check it with `pipelinetui templates check %s`.\n", render.Line(o.dir, 0))
		return b.String()
	})
}
