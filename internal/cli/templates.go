package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

func newTemplates(e *env) *cobra.Command {
	list := reads(&cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "list the templates", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.listTemplates(cmd.Context()) },
	})
	show := reads(&cobra.Command{
		Use: "show TEMPLATE", Short: "show a template and its parameters", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return e.showTemplate(cmd.Context(), args[0]) },
	})
	cmd := group("templates", "list, show, check and begin templates", list, show, newTemplatesCheck(e), newTemplatesNew(e))
	cmd.Aliases = []string{"template"}
	return cmd
}

// catalog returns the templates; those of the user's folders are read.
func (e *env) catalog(ctx context.Context) (*spec.Catalog, error) {
	return outside.Do(ctx, "the templates", e.open().Catalog)
}

func (e *env) listTemplates(ctx context.Context) error {
	cat, err := e.catalog(ctx)
	if err != nil {
		return err
	}
	doc := struct {
		header
		Templates []*spec.Template `json:"templates"`
	}{newHeader("TemplateList"), cat.List()}
	return e.write(doc, func() string {
		var rows [][]render.Cell
		for _, t := range cat.List() {
			rows = append(rows, []render.Cell{render.T(t.Name), render.T(t.Version), render.T(t.Origin), render.T(t.Title)})
		}
		return render.Table(e.OutStyle, []string{"NAME", "VERSION", "ORIGIN", "TITLE"}, rows)
	})
}

func (e *env) showTemplate(ctx context.Context, name string) error {
	cat, err := e.catalog(ctx)
	if err != nil {
		return err
	}
	t, err := cat.Lookup(name)
	if err != nil {
		return err
	}
	doc := struct {
		header
		*spec.Template
		Definition json.RawMessage `json:"definition"`
	}{newHeader("Template"), t, rawJSON(string(t.Definition))}
	return e.write(doc, func() string { return e.templateText(t) })
}

func (e *env) templateText(t *spec.Template) string {
	st := e.OutStyle
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n%s\n\n", st.Title.Render(render.Line(t.Name, 0)), st.Muted.Render("version "+t.Version+" · "+render.Line(t.Origin, 0)), strings.TrimSpace(render.Safe(t.Description)))
	fmt.Fprintf(&b, "%s %s\n", st.Key.Render("Blocks:"), strings.Join(t.Blocks, ", "))
	for _, g := range t.Groups {
		params := t.Group(g.Name)
		if len(params) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s\n", st.Key.Render(render.Line(g.Title, 0)))
		rows := make([][]render.Cell, len(params))
		for i, p := range params {
			rows[i] = []render.Cell{render.T("  " + p.Name), render.T(string(p.Type)), render.T(defaultText(p)), render.T(render.Line(p.Help, 90))}
		}
		b.WriteString(render.Table(st, []string{"  PARAMETER", "TYPE", "DEFAULT", "HELP"}, rows))
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

func newSchema(e *env) *cobra.Command {
	return reads(&cobra.Command{
		Use:   "schema",
		Short: "print the JSON Schema of the spec, for editors",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cat, err := e.catalog(cmd.Context())
			if err != nil {
				return err
			}
			raw, err := spec.JSONSchema(cat)
			if err != nil {
				return err
			}
			return e.writeSchema(raw)
		},
	})
}

// writeSchema writes the schema as it is, for it is a document of its own sort:
// editors read it. Only among lines it is a member of the result.
func (e *env) writeSchema(raw json.RawMessage) error {
	var doc any = raw
	if e.output() == outputLines {
		doc = struct {
			header
			Schema json.RawMessage `json:"schema"`
		}{newHeader("Schema"), raw}
	}
	text, err := e.encode(doc)
	if err != nil {
		return err
	}
	return e.writeText(text)
}
