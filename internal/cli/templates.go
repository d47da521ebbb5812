package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

func newTemplates(deps *Deps) *cobra.Command {
	cmd := group("templates", "list, show, check and begin templates",
		newTemplatesList(deps), newTemplatesShow(deps, runTemplatesShow), newTemplatesDocs(deps, runTemplatesDocs),
		newTemplatesCheck(deps, runTemplatesCheck), newTemplatesNew(deps, runTemplatesNew))
	cmd.Aliases = []string{"template"}
	return cmd
}

// templateColumns are the columns of templates list.
var templateColumns = []string{"NAME", "VERSION", "ORIGIN", "TITLE"}

func newTemplatesList(deps *Deps) *cobra.Command {
	return reads(columns(&cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "list the templates", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTemplatesList(cmd.Context(), deps) },
	}, templateColumns))
}

// templatesShowOptions are those of templates show.
type templatesShowOptions struct{ name string }

func newTemplatesShow(deps *Deps, do action[templatesShowOptions]) *cobra.Command {
	return reads(&cobra.Command{
		Use: "show TEMPLATE", Short: "show a template and its parameters", Args: cobra.ExactArgs(1),
		ValidArgsFunction: deps.completes(oneTemplate),
		RunE: func(cmd *cobra.Command, args []string) error {
			return do(cmd.Context(), deps, &templatesShowOptions{args[0]})
		},
	})
}

// catalog returns the templates; those of the user's folders are read.
func catalog(ctx context.Context, deps *Deps) (*spec.Catalog, error) {
	return deps.app().Catalog(ctx)
}

func runTemplatesList(ctx context.Context, deps *Deps) error {
	cat, err := catalog(ctx, deps)
	if err != nil {
		return err
	}
	doc := struct {
		console.Header
		Templates []*spec.Template `json:"templates"`
	}{console.NewHeader("TemplateList"), cat.List()}
	return deps.Write(doc, func() string {
		var rows [][]render.Cell
		for _, t := range cat.List() {
			rows = append(rows, []render.Cell{render.T(t.Name), render.T(t.Version), render.T(t.Origin), render.T(t.Title)})
		}
		return deps.Tabulate(console.Listing{Head: templateColumns, Rows: rows})
	})
}

func runTemplatesShow(ctx context.Context, deps *Deps, o *templatesShowOptions) error {
	cat, err := catalog(ctx, deps)
	if err != nil {
		return err
	}
	t, err := cat.Lookup(o.name)
	if err != nil {
		return err
	}
	doc := struct {
		console.Header
		*spec.Template
		Definition json.RawMessage `json:"definition"`
	}{console.NewHeader("Template"), t, rawJSON(string(t.Definition))}
	return deps.Write(doc, func() string { return templateText(deps, t) })
}

func templateText(deps *Deps, t *spec.Template) string {
	st := deps.OutStyle
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n%s\n\n", st.Title.Render(render.Line(t.Name, 0)), st.Muted.Render("version "+t.Version+" · "+render.Line(t.Origin, 0)),
		strings.TrimSpace(render.Safe(t.Description)))
	fmt.Fprintf(&b, "%s %s\n", st.Key.Render("Blocks:"), strings.Join(t.Blocks, ", "))
	for _, g := range append(slices.Clone(t.Groups), spec.Group{Title: "Other"}) { // of a template without groups, all
		params := t.Group(g.Name)
		if len(params) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s\n", st.Key.Render(render.Line(g.Title, 0)))
		rows := make([][]render.Cell, len(params))
		for i, p := range params {
			rows[i] = []render.Cell{render.T(p.Name), render.T(string(p.Type)), render.T(defaultText(p)), render.T(render.Line(p.Help, 90))}
		}
		b.WriteString(render.TableBelow(st, []string{"PARAMETER", "TYPE", "DEFAULT", "HELP"}, rows))
	}
	fmt.Fprintf(&b, "\n%s\n  Entries of maps, and texts that only the definition uses, may be\n  %s\n", st.Key.Render("Secrets"), spec.SecretForms)
	if len(t.Example) > 0 {
		fmt.Fprintf(&b, "\n%s\n%s\n", st.Key.Render("Example input"), render.JSON(string(t.Example), ""))
	}
	return b.String()
}

func defaultText(p spec.Parameter) string {
	switch {
	case p.Required:
		return "required"
	case p.Default == nil:
		return "-"
	}
	if s, ok := p.Default.(string); ok {
		return render.Dash(s)
	}
	raw, err := json.Marshal(p.Default)
	if err != nil {
		return fmt.Sprint(p.Default)
	}
	return string(raw)
}

func newSchema(deps *Deps) *cobra.Command {
	return reads(&cobra.Command{
		Use:   "schema",
		Short: "print the JSON Schema of the spec, for editors",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runSchema(cmd.Context(), deps) },
	})
}

func runSchema(ctx context.Context, deps *Deps) error {
	cat, err := catalog(ctx, deps)
	if err != nil {
		return err
	}
	raw, err := spec.JSONSchema(cat)
	if err != nil {
		return err
	}
	return writeSchema(deps, raw)
}

// writeSchema writes the schema as it is, for it is a document of its own sort:
// editors read it. Only among lines it is a member of the result.
func writeSchema(deps *Deps, raw json.RawMessage) error {
	var doc any = raw
	if deps.Form() == console.Lines {
		doc = struct {
			console.Header
			Schema json.RawMessage `json:"schema"`
		}{console.NewHeader("Schema"), raw}
	}
	text, err := deps.Encode(doc)
	if err != nil {
		return err
	}
	return deps.WriteText(text)
}
