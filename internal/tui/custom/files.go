package custom

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
)

func (c *Custom) takeKeys(r *reader, body ast.Node) {
	c.Keys = map[string][]string{}
	for _, x := range r.only(body, "keys") {
		if !slices.Contains(keys.Names(), x.name) {
			r.unknown(x, keys.Names())
			continue
		}
		c.Keys[x.name], c.places[x.name] = r.texts(x.value), r.at(x.key)
	}
}

// Rebind has the program go by the keys. Call it once, before the terminal is shown.
func (c *Custom) Rebind() []error {
	var errs fault.List
	for _, x := range keys.Rebind(c.Keys) {
		errs = append(errs, fault.New(fault.Invalid, "%s: %s", c.places[x.Name], x.Why).WithHint("%s", x.Hint))
	}
	if err := errs.OrNil(); err != nil {
		return []error{err}
	}
	return nil
}

func (c *Custom) takeSkin(r *reader, body ast.Node) {
	c.Skin = map[string]theme.Paint{}
	for _, x := range r.only(body, "styles") {
		if !slices.Contains(theme.Tokens(), x.name) {
			r.unknown(x, theme.Tokens())
			continue
		}
		c.Skin[x.name] = r.paint(x.value)
	}
}

// paint is a colour, or a mapping with what the text looks like.
func (r *reader) paint(n ast.Node) theme.Paint {
	if isScalar(n) {
		return theme.Paint{Text: r.color(n)}
	}
	var p theme.Paint
	flag := func(v ast.Node) *bool {
		b := r.boolean(v)
		return &b
	}
	for _, x := range r.items(n, "the style") {
		switch x.name {
		case "text":
			p.Text = r.color(x.value)
		case "background":
			p.Background = r.color(x.value)
		case "bold":
			p.Bold = flag(x.value)
		case "underline":
			p.Underline = flag(x.value)
		case "reversed":
			p.Reversed = flag(x.value)
		default:
			r.unknown(x, []string{"text", "background", "bold", "underline", "reversed"})
		}
	}
	return p
}

func isScalar(n ast.Node) bool {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode, *ast.SequenceNode:
		return false
	}
	return true
}

// color is one for both backgrounds, or one for each.
func (r *reader) color(n ast.Node) theme.Color {
	var c theme.Color
	if isScalar(n) {
		text, _ := r.scalar(n)
		c = theme.Color{Light: text, Dark: text}
	} else {
		for _, x := range r.items(n, "the colour") {
			text, _ := r.scalar(x.value)
			switch x.name {
			case "light":
				c.Light = text
			case "dark":
				c.Dark = text
			default:
				r.unknown(x, []string{"light", "dark"})
			}
		}
	}
	if err := c.Check(); err != nil {
		r.wrong(n, `Write a number from 0 to 255, or "#rrggbb" in quotes.`, "%s", err)
	}
	return c
}

// Command is one of the user's own.
type Command struct {
	Name string
	// Key begins it, "" if only the palette does.
	Key  string
	Help string
	// Pages are where it can be given, by the names of keys.Pages; none are all.
	Pages []string
	// Run is the program with its arguments, in which placeholders stand for what is
	// selected (see Placeholders).
	Run []string
	// Confirm asks before. Background leaves the terminal alone and tells how it ended;
	// Output shows what it has written, besides.
	Confirm, Background, Output bool
	// Changes says that it is refused in a read-only session.
	Changes bool
}

// Placeholders are what can stand in a command, with what each means.
func Placeholders() [][2]string {
	return [][2]string{
		{"PIPELINE", "the selected pipeline, as the command line calls it"},
		{"TENANT", "its tenant"},
		{"MODEL", "its model"},
		{"ENV", "its env"},
		{"STACK", "its Pulumi stack"},
		{"STATE_MACHINE_ARN", "its state machine, by the alias executions start by"},
		{"ENDPOINT", "its endpoint"},
		{"BUCKET", "its bucket"},
		{"LOG_GROUP", "the log group of its state machine"},
		{"EXECUTION_ARN", "the execution that is open"},
		{"EXECUTION", "its name"},
		{"REGION", "the region of what is selected, else of the session"},
		{"ACCOUNT", "the account"},
		{"TARGET", "sandbox or aws"},
		{"PROFILE", "the AWS profile, empty if none is set"},
		{"BACKEND", "the Pulumi backend"},
		{"ENDPOINT_URL", "the endpoint of AWS that the session uses, empty for AWS's own"},
	}
}

// used are the placeholders in an argument.
func used(argument string) []string {
	var out []string
	expand(argument, func(name string) string {
		out = append(out, name)
		return ""
	})
	return out
}

// expand puts in what stands for each placeholder, once: what a value says is no
// placeholder. Two dollars are one.
func expand(argument string, value func(name string) string) string {
	var b strings.Builder
	for {
		head, after, ok := strings.Cut(argument, "$")
		b.WriteString(head)
		if !ok {
			return b.String()
		}
		n := 0
		for n < len(after) && (after[n] >= 'A' && after[n] <= 'Z' || after[n] == '_') {
			n++
		}
		switch {
		case n > 0:
			b.WriteString(value(after[:n]))
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			n = 1
		default:
			b.WriteByte('$')
		}
		argument = after[n:]
	}
}

// Fill are the program and its arguments with what stands for the placeholders. missing
// names what nothing is selected for.
func (c *Command) Fill(values map[string]string) (line []string, missing string) {
	line = make([]string, len(c.Run))
	for i, arg := range c.Run {
		for _, name := range used(arg) {
			if _, ok := values[name]; !ok && missing == "" {
				missing = name
			}
		}
		line[i] = expand(arg, func(name string) string { return values[name] })
	}
	return line, missing
}

func (c *Custom) takeCommands(r *reader, body ast.Node) {
	c.Commands = nil
	var names []string
	for _, p := range Placeholders() {
		names = append(names, p[0])
	}
	var pages []string
	for _, p := range keys.Pages() {
		pages = append(pages, p.Name)
	}
	for _, x := range r.only(body, "commands") {
		if c.named(x.name) {
			r.wrong(x.key, "Give each command a name of its own.", "the command %q is there twice", x.name)
		}
		cmd := Command{Name: x.name}
		for _, y := range r.items(x.value, "the command") {
			switch y.name {
			case "key":
				cmd.Key, _ = r.scalar(y.value)
			case "help":
				cmd.Help, _ = r.scalar(y.value)
			case "pages":
				for _, page := range r.texts(y.value) {
					if r.oneOf(y.value, page, pages) {
						cmd.Pages = append(cmd.Pages, page)
					}
				}
			case "run":
				cmd.Run = r.texts(y.value)
				for _, arg := range cmd.Run {
					for _, name := range used(arg) {
						if !slices.Contains(names, name) {
							r.wrong(y.value, "There are $"+strings.Join(names, ", $")+"; a dollar itself is written $$.", "nothing stands for $%s", name)
						}
					}
				}
			case "confirm":
				cmd.Confirm = r.boolean(y.value)
			case "background":
				cmd.Background = r.boolean(y.value)
			case "output":
				cmd.Output = r.boolean(y.value)
			case "changes":
				cmd.Changes = r.boolean(y.value)
			default:
				r.unknown(y, []string{"key", "help", "pages", "run", "confirm", "background", "output", "changes"})
			}
		}
		c.check(r, x, cmd)
		c.Commands = append(c.Commands, cmd)
	}
}

func (c *Custom) named(name string) bool {
	return slices.ContainsFunc(c.Commands, func(o Command) bool { return o.Name == name })
}

// check refuses a command that can't be given.
func (c *Custom) check(r *reader, x item, cmd Command) {
	if len(cmd.Run) == 0 || cmd.Run[0] == "" {
		r.wrong(x.key, `Say "run: [program, argument, ...]".`, "the command %q runs nothing", x.name)
	}
	switch {
	case cmd.Key == "":
	case !keys.IsKey(cmd.Key):
		r.wrong(x.key, `Keys are written as "a", "ctrl+a", "alt+a", "f5".`, "%q is no key", cmd.Key)
	default:
		for _, page := range append(slices.Clone(cmd.Pages), "")[:max(1, len(cmd.Pages))] {
			if does := keys.Taken(page, cmd.Key); does != "" {
				r.wrong(x.key, "Choose another key, or take it away from the action in "+KeysFile+".", "%q does something already: %s", cmd.Key, does)
				break
			}
		}
		for _, o := range c.Commands {
			if o.Key == cmd.Key {
				r.wrong(x.key, "Choose another key.", "%q is the key of the command %q", cmd.Key, o.Name)
			}
		}
	}
}
