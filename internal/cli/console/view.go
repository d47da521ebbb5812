package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"text/template"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/itchyny/gojq"

	"github.com/pipelinetui/pipelinetui/internal/document"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// View is what the user wants to see of a command's result. Its zero value is all of it.
// At most one of Query, Template, Columns and Quiet is set.
type View struct {
	// Query is a jq program that the document, or each line, goes through; Template is a
	// Go template instead.
	Query, Template string
	// Columns are those of a table to be shown, by their names as ColumnName has them.
	Columns []string
	// Quiet shows the names only of what a result is about, one a line.
	Quiet bool
}

// SetView says what is to be seen of results. The error is Invalid: a program or a
// template that is none; then all is to be seen.
func (c *Console) SetView(v View) error {
	f, err := c.filterOf(v)
	if err != nil {
		v, f = View{}, nil // the error is written whole
	}
	c.view, c.filter = v, f
	return err
}

// CheckView is the error of SetView, and sets nothing.
func (c *Console) CheckView(v View) error {
	_, err := c.filterOf(v)
	return err
}

func (c *Console) filterOf(v View) (filter, error) {
	switch {
	case v.Query != "":
		return newQuery(v.Query)
	case v.Template != "":
		return newTemplate(v.Template, c)
	}
	return nil, nil // all is to be seen
}

// Quiet tells whether names only are shown.
func (c *Console) Quiet() bool { return c.view.Quiet }

// Filtered tells whether what is written is no document of ours any more.
func (c *Console) Filtered() bool { return c.view.Query != "" || c.view.Template != "" || c.view.Quiet }

// ColumnName is what a column is called by --columns: as its head, in lower case and with
// hyphens.
func ColumnName(head string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(head)), " ", "-")
}

// Listing is a result as rows.
type Listing struct {
	Head []string
	Rows [][]render.Cell
	// Shown is how many columns are shown unless the user chooses; 0 is all.
	Shown int
}

// Tabulate draws a table with the columns that the user has chosen. What a row has not, since
// it was not asked for, is a question mark.
func (c *Console) Tabulate(t Listing) string {
	if len(c.view.Columns) == 0 {
		if n := t.Shown; n > 0 && n < len(t.Head) {
			t.Head = t.Head[:n]
		}
		return render.Table(c.OutStyle, t.Head, t.Rows) // cells without a head are not drawn
	}
	at := map[string]int{}
	for i, head := range t.Head {
		at[ColumnName(head)] = i
	}
	head, rows := make([]string, len(c.view.Columns)), make([][]render.Cell, len(t.Rows))
	for i, name := range c.view.Columns {
		head[i] = strings.ToUpper(strings.ReplaceAll(name, "-", " "))
		for k, row := range t.Rows {
			cell := render.T("?")
			if col, ok := at[name]; ok && col < len(row) {
				cell = row[col]
			}
			rows[k] = append(rows[k], cell)
		}
	}
	return render.Table(c.OutStyle, head, rows)
}

// filter turns a value, as it is decoded by decoded, into text.
type filter interface {
	apply(w io.Writer, v any) error
}

// put writes machine output, or what the user wants to see of it.
func (c *Console) put(text []byte) error {
	if c.filter == nil {
		_, err := c.stdout.Write(text)
		return err
	}
	v, err := decoded(text)
	if err != nil {
		return err
	}
	return c.filter.apply(c.Out, v)
}

// decoded reads JSON into the types that gojq knows: whole numbers stay whole.
func decoded(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("read what was written: %w", err)
	}
	return numbers(v), nil
}

func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = numbers(x)
		}
	case []any:
		for i, x := range v {
			v[i] = numbers(x)
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return int(n)
		}
		if n, ok := new(big.Int).SetString(v.String(), 10); ok {
			return n
		}
		f, _ := v.Float64() // what is too large for one is infinite, as jq has it
		return f
	}
	return v
}

// query is a jq program. A string among its results is written as it is, everything else
// as JSON on one line, as `jq -r` and gh do.
type query struct{ code *gojq.Code }

func newQuery(text string) (query, error) {
	parsed, err := gojq.Parse(text)
	if err != nil {
		return query{}, fault.New(fault.Invalid, "the jq program is wrong: %s", err).Because(err).
			WithHint("Quote it for the shell, such as '.pipelines[].pipeline'; the language is that of jq.")
	}
	// It sees the document and nothing else: no environment, no files.
	code, err := gojq.Compile(parsed, gojq.WithEnvironLoader(func() []string { return nil }))
	if err != nil {
		return query{}, fault.New(fault.Invalid, "the jq program is wrong: %s", err).Because(err).
			WithHint("Use the functions of jq 1.7; files and the environment are not there.")
	}
	return query{code}, nil
}

func (q query) apply(w io.Writer, v any) error {
	for results := q.code.Run(v); ; {
		one, ok := results.Next()
		if !ok {
			return nil
		}
		if err, bad := one.(error); bad {
			var halt *gojq.HaltError
			if errors.As(err, &halt) && halt.Value() == nil {
				return nil
			}
			return fault.New(fault.Invalid, "the jq program fails: %s", err).Because(err).
				WithHint("Look at the whole document with -o json.")
		}
		text, whole := one.(string)
		if !whole {
			raw, err := gojq.Marshal(one) // it knows what JSON has no number for
			if err == nil {
				raw, err = document.JSON(json.RawMessage(raw), "")
			}
			if err != nil {
				return err
			}
			text = strings.TrimSuffix(string(raw), "\n")
		}
		fmt.Fprintln(w, text)
	}
}

// strings runs a program whose results are texts; what is null is left out.
func (q query) strings(v any) []string {
	var out []string
	for results := q.code.Run(v); ; {
		one, ok := results.Next()
		if text, is := one.(string); is && text != "" {
			out = append(out, text)
		}
		if _, bad := one.(error); !ok || bad {
			return out
		}
	}
}

// goTemplate is a Go template with the functions that gh has.
type goTemplate struct {
	t    *template.Template
	rows *[][]render.Cell
	c    *Console
}

func newTemplate(text string, c *Console) (filter, error) {
	g := goTemplate{rows: &[][]render.Cell{}, c: c}
	t, err := template.New("").Funcs(g.functions()).Parse(text)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the template is wrong: %s", strings.TrimPrefix(err.Error(), "template: ")).Because(err).
			WithHint("Write a Go template, such as '{{range .pipelines}}{{tablerow .pipeline .status}}{{end}}'.")
	}
	g.t = t
	return g, nil
}

func (g goTemplate) apply(w io.Writer, v any) error {
	var b strings.Builder
	if err := g.t.Execute(&b, v); err != nil {
		return fault.New(fault.Invalid, "the template fails: %s", strings.TrimPrefix(err.Error(), "template: ")).Because(err).
			WithHint("Look at the whole document with -o json.")
	}
	b.WriteString(g.render())
	if text := b.String(); text != "" && !strings.HasSuffix(text, "\n") {
		b.WriteByte('\n')
	}
	fmt.Fprint(w, b.String())
	return nil
}

// render is the table of the rows since the last one.
func (g goTemplate) render() string {
	rows := *g.rows
	*g.rows = nil
	if len(rows) == 0 {
		return ""
	}
	width := 0
	for _, r := range rows {
		width = max(width, len(r))
	}
	text := render.Table(g.c.OutStyle, make([]string, width), rows)
	_, body, _ := strings.Cut(text, "\n") // a head of nothing
	return body
}

// functions are those of gh (`gh help formatting`), as far as they have a meaning here.
func (g goTemplate) functions() template.FuncMap {
	return template.FuncMap{
		"tablerow": func(fields ...any) string {
			row := make([]render.Cell, len(fields))
			for i, f := range fields {
				row[i] = render.T(scalar(f))
			}
			*g.rows = append(*g.rows, row)
			return ""
		},
		"tablerender": g.render,
		"timeago": func(v any) (string, error) {
			t, err := time.Parse(time.RFC3339, scalar(v))
			if err != nil {
				return "", fmt.Errorf("%q is no time", scalar(v))
			}
			return render.Age(t, g.c.now()), nil
		},
		"timefmt": func(layout string, v any) (string, error) {
			t, err := time.Parse(time.RFC3339, scalar(v))
			if err != nil {
				return "", fmt.Errorf("%q is no time", scalar(v))
			}
			return t.Format(layout), nil
		},
		"join": func(separator string, list []any) string {
			texts := make([]string, len(list))
			for i, x := range list {
				texts[i] = scalar(x)
			}
			return strings.Join(texts, separator)
		},
		"pluck": func(field string, list []any) []any {
			var out []any
			for _, x := range list {
				if m, ok := x.(map[string]any); ok {
					out = append(out, m[field])
				}
			}
			return out
		},
		"truncate": func(width int, v any) string { return render.Line(scalar(v), width) },
		"color":    g.color,
		"json": func(v any) (string, error) {
			raw, err := document.JSON(v, "")
			return strings.TrimSuffix(string(raw), "\n"), err
		},
	}
}

// color writes a text in one of the program's own styles, where colours are on.
func (g goTemplate) color(name string, v any) (string, error) {
	st := g.c.OutStyle
	style, ok := map[string]lipgloss.Style{
		"green": st.Good, "red": st.Bad, "yellow": st.Warn, "gray": st.Muted, "grey": st.Muted, "bold": st.Title, "cyan": st.Key,
	}[name]
	if !ok {
		return "", fmt.Errorf("there is no colour %q: red, green, yellow, cyan, gray and bold are", name)
	}
	return style.Render(scalar(v)), nil
}

// scalar is a value of a document as a text.
func scalar(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case map[string]any, []any:
		raw, err := document.JSON(v, "")
		if err != nil {
			return err.Error()
		}
		return strings.TrimSuffix(string(raw), "\n")
	}
	return fmt.Sprint(v)
}
