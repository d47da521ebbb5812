package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/document"
	"github.com/pipelinetui/pipelinetui/internal/form"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// templatesDocsOptions are those of templates docs.
type templatesDocsOptions struct{ name string }

func newTemplatesDocs(deps *Deps, do action[templatesDocsOptions]) *cobra.Command {
	return reads(&cobra.Command{
		Use: "docs TEMPLATE", Short: "print the page of a template, in Markdown", Args: cobra.ExactArgs(1),
		Long: `Prints what a template makes, asks for and gives, as a page in Markdown: for a wiki, a
repository of specs, or a pager.`,
		Example:           "  pipelinetui templates docs realtime > realtime.md",
		ValidArgsFunction: deps.completes(oneTemplate),
		RunE: func(cmd *cobra.Command, args []string) error {
			return do(cmd.Context(), deps, &templatesDocsOptions{args[0]})
		},
	})
}

func runTemplatesDocs(ctx context.Context, deps *Deps, o *templatesDocsOptions) error {
	cat, err := catalog(ctx, deps)
	if err != nil {
		return err
	}
	t, err := cat.Lookup(o.name)
	if err != nil {
		return err
	}
	text := templatePage(t)
	doc := struct {
		console.Header
		Template string `json:"template"`
		Markdown string `json:"markdown"`
	}{console.NewHeader("TemplateDocs"), t.Name, text}
	return deps.Write(doc, func() string { return text })
}

// templatePage is a template as a page of Markdown.
func templatePage(t *spec.Template) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n%s\n", inline(t.Name), inline(t.Title), strings.TrimSpace(render.Safe(t.Description)))
	fmt.Fprintf(&b, "\nVersion %s, %s. Made of: %s. While idle it costs: %s.\n", inline(t.Version), inline(t.Origin), strings.Join(t.Blocks, ", "), form.Idle(t))
	b.WriteString("\n## Parameters\n")
	for _, g := range append(t.Groups, spec.Group{Title: "Other"}) {
		list := t.Group(g.Name)
		if len(list) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n", inline(g.Title))
		if g.Help != "" {
			fmt.Fprintf(&b, "%s\n\n", inline(g.Help))
		}
		b.WriteString("| parameter | type | default | allowed | meaning |\n|---|---|---|---|---|\n")
		for i := range list {
			p := &list[i]
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", p.Name, p.Type, code(defaultText(*p)), cellText(p.Allowed()), cellText(meaning(p)))
		}
	}
	secretsPage(&b)
	if len(t.Outputs) > 0 {
		b.WriteString("\n## Outputs\n\n| output | meaning |\n|---|---|\n")
		for _, o := range t.Outputs {
			fmt.Fprintf(&b, "| `%s` | %s |\n", o.Name, cellText(o.Help))
		}
	}
	if len(t.Example) > 0 {
		fmt.Fprintf(&b, "\n## An execution's input\n\n```json\n%s\n```\n", strings.TrimSpace(render.JSON(string(t.Example), "")))
	}
	fmt.Fprintf(&b, "\n## A spec\n\n```yaml\n%s```\n", exampleSpec(t))
	return b.String()
}

func secretsPage(b *strings.Builder) {
	fmt.Fprintf(b, "\n## Secrets\n\nEntries of maps, and texts that only the definition uses, may be `%s`.\n", spec.SecretForms)
}

// meaning is what is told of a parameter, in one paragraph.
func meaning(p *spec.Parameter) string {
	parts := []string{p.Help}
	for _, more := range []struct{ label, text string }{{"Unit: ", p.Unit}, {"Changing it: ", p.Changing}, {"Costs: ", p.Costs}} {
		if more.text != "" {
			parts = append(parts, more.label+more.text)
		}
	}
	if p.Example != nil {
		parts = append(parts, "Example: "+code(valueText(p.Example)))
	}
	for i, s := range parts {
		parts[i] = strings.TrimSuffix(strings.TrimSpace(s), ".") + "."
	}
	return strings.Join(parts, " ")
}

// exampleSpec is the shortest spec of a template: what is required, by its examples.
func exampleSpec(t *spec.Template) string {
	given := map[string]any{}
	for i := range t.Parameters {
		if p := &t.Parameters[i]; p.Required {
			given[p.Name] = p.Example
		}
	}
	text, err := document.YAML(struct {
		APIVersion string           `json:"apiVersion"`
		Pipelines  []map[string]any `json:"pipelines"`
	}{spec.APIVersion, []map[string]any{{"tenant": "acme", "model": "fraud", "template": t.Name, "parameters": given}}})
	if err != nil {
		return "# " + err.Error() + "\n"
	}
	return string(text)
}

// inline is a text that is no Markdown of its own, on one line.
func inline(s string) string { return render.Line(s, 0) }

// cellText is a text in a cell of a table.
func cellText(s string) string { return strings.ReplaceAll(inline(s), "|", `\|`) }

// code is a text as code in a cell of a table; what is none is a dash.
func code(s string) string {
	if s == "" || s == "-" || s == "required" {
		return s
	}
	return render.CodeCell(s, 0)
}
