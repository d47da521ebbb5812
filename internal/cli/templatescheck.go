package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/check"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

func newTemplatesCheck(e *env) *cobra.Command {
	var strict bool
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
		RunE: func(cmd *cobra.Command, args []string) error { return e.checkTemplates(cmd.Context(), args, strict) },
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "count warnings as errors")
	return reads(cmd)
}

func (e *env) checkTemplates(ctx context.Context, args []string, strict bool) error {
	a := e.open() // not in the background, which outlives the command that is interrupted
	reports, err := outside.Do(ctx, "the templates", func() ([]check.Report, error) { return a.CheckTemplates(args) })
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
		header
		Templates []check.Report `json:"templates"`
		Errors    int            `json:"errors"`
		Warnings  int            `json:"warnings"`
	}{newHeader("TemplateCheck"), reports, errs, warnings}
	if err := e.write(doc, func() string { return e.checkText(reports, errs, warnings) }); err != nil {
		return err
	}
	if errs > 0 || strict && warnings > 0 {
		return fault.New(fault.Invalid, "%s and %s in %s", render.Count(errs, "error", "errors"), render.Count(warnings, "warning", "warnings"), render.Count(len(reports), "template", "templates")).
			WithHint("Correct what is listed above and check again.")
	}
	return nil
}

// checkText lists the findings by template and file.
func (e *env) checkText(reports []check.Report, errs, warnings int) string {
	st := e.OutStyle
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
			b.WriteString(e.findingText(f))
		}
	}
	if errs+warnings == 0 {
		fmt.Fprintf(&b, "%s checked, nothing found\n", render.Count(len(reports), "template", "templates"))
	}
	return b.String()
}

func (e *env) findingText(f check.Finding) string {
	st := e.OutStyle
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

func newTemplatesNew(e *env) *cobra.Command {
	var from string
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
		RunE: func(cmd *cobra.Command, args []string) error { return e.newTemplate(cmd.Context(), args[0], from) },
	}
	cmd.Flags().StringVar(&from, "from", "realtime", "the built-in template to begin with")
	return reads(cmd)
}

func (e *env) newTemplate(ctx context.Context, dir, from string) error {
	a := e.open()
	files, err := outside.Do(ctx, dir, func() ([]string, error) { return a.NewTemplate(dir, from) })
	if err != nil {
		return err
	}
	doc := struct {
		header
		Folder string   `json:"folder"`
		From   string   `json:"from"`
		Files  []string `json:"files"`
	}{newHeader("TemplateNew"), dir, from, files}
	return e.write(doc, func() string {
		var b strings.Builder
		fmt.Fprintf(&b, "%s is a copy of %s:\n", render.Line(dir, 0), from)
		for _, f := range files {
			fmt.Fprintf(&b, "  %s\n", filepath.Join(dir, filepath.FromSlash(f)))
		}
		fmt.Fprintf(&b, "Change it, and check it with `pipelinetui templates check %s`.\n", render.Line(dir, 0))
		return b.String()
	})
}
