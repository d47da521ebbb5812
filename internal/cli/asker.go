package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/charmbracelet/huh"
	"github.com/charmbracelet/x/term"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/form"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// askPlain asks the form's questions line by line, for screen readers and
// terminals that can't do more: nothing is redrawn, every answer is a line. What
// start holds is offered as the default. It returns the checked pipeline, or an
// error of kind Canceled if the input ends before the questions do, or ctx does.
func askPlain(ctx context.Context, in io.Reader, out io.Writer, cat *spec.Catalog, opts spec.Options, start spec.Answers) (*spec.Pipeline, error) {
	var err error
	if opts.Dir, err = filepath.Abs(opts.Dir); err != nil {
		return nil, fault.New(fault.Internal, "the working directory is unknown").Because(err)
	}
	a := &asker{ctx: ctx, in: in, lines: &lineReader{ctx: ctx, in: bufio.NewReader(in)}, out: out, form: form.New(cat, opts, start, nil), cat: cat, dir: opts.Dir}
	for _, ask := range []func() error{a.template, a.identity, a.groups} {
		if err := ask(); err != nil {
			return nil, err
		}
	}
	return a.finish()
}

// asker is one conversation.
type asker struct {
	ctx   context.Context // of the one call of askPlain
	in    io.Reader
	lines *lineReader
	out   io.Writer
	form  *form.Form
	cat   *spec.Catalog
	dir   string
}

func (a *asker) say(format string, args ...any) { fmt.Fprintf(a.out, format+"\n", args...) }

// ended is the error of an input that is over.
func (a *asker) ended() error {
	switch {
	case a.ctx.Err() != nil:
		return fault.New(fault.Canceled, "stopped: nothing was made").Because(a.ctx.Err())
	case a.lines.err != nil:
		return fault.New(fault.Canceled, "the input ended before all questions were answered").Because(a.lines.err).
			WithHint("Answer them on a terminal, or use `pipelinetui up` with --template and --set.")
	}
	return nil
}

// run asks one question of huh's.
func (a *asker) run(f huh.Field) error {
	err := f.WithTheme(huh.ThemeBase()).RunAccessible(a.out, a.lines)
	if ended := a.ended(); ended != nil {
		return ended
	}
	return err
}

func (a *asker) template() error {
	name := a.form.Answers().Template
	if name != "" {
		a.form.Choose(name)
		if a.form.Template() == nil {
			_, err := a.cat.Lookup(name)
			return err
		}
		return nil
	}
	list := a.cat.List()
	if len(list) == 0 {
		return fault.New(fault.NotFound, "there are no templates").WithHint("Make one with `pipelinetui templates new`.")
	}
	options := make([]huh.Option[string], len(list))
	for i, t := range list {
		options[i] = huh.NewOption(render.Line(t.Name+": "+t.Title, 0), t.Name)
	}
	name = list[0].Name
	if err := a.run(huh.NewSelect[string]().Title("What kind of pipeline?").Options(options...).Value(&name)); err != nil {
		return err
	}
	a.form.Choose(name)
	a.say("\n%s", render.Safe(strings.TrimSpace(a.form.Template().Description)))
	a.say("While idle: %s.", form.Idle(a.form.Template()))
	return nil
}

func (a *asker) identity() error {
	a.heading(a.form.Steps()[0])
	for {
		for _, name := range a.form.Steps()[0].Fields {
			if err := a.field(name); err != nil {
				return err
			}
		}
		if names, ok := a.form.Names(""); ok {
			a.say("On AWS: stack %s, state machine %s, endpoint %s.", a.form.ID().StackName(), names.StateMachine, names.Endpoint)
			return nil
		}
	}
}

func (a *asker) heading(s form.Step) {
	a.say("\n%s. %s", render.Line(s.Title, 0), render.Line(s.Help, 0))
}

// groups asks what has to be known, and offers the rest group by group.
func (a *asker) groups() error {
	for _, s := range a.form.Steps()[1:] {
		a.heading(s)
		asked := map[string]bool{}
		for _, name := range s.Fields {
			if f := a.form.Field(name); f.Required && f.Greyed == "" {
				asked[name] = true
				if err := a.field(name); err != nil {
					return err
				}
			}
		}
		if len(asked) == len(s.Fields) {
			continue
		}
		more := false
		title := fmt.Sprintf("Change any of the %d defaults here?", len(s.Fields)-len(asked))
		if len(s.Fields)-len(asked) == 1 {
			title = "Change the one default here?"
		}
		if err := a.run(huh.NewConfirm().Title(title).Value(&more)); err != nil {
			return err
		}
		for _, name := range s.Fields {
			if !more || asked[name] {
				continue
			}
			if err := a.field(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// field asks one question. One that means nothing now is passed over with the
// reason.
func (a *asker) field(name string) error {
	f := a.form.Field(name)
	if f.Greyed != "" {
		a.say("%s: %s.", f.Label, f.Greyed)
		return nil
	}
	a.about(f)
	switch f.Control() {
	case form.Toggled:
		yes := f.Value == "true"
		if err := a.run(huh.NewConfirm().Title(f.Label + "?").Value(&yes)); err != nil {
			return err
		}
		a.take(f, fmt.Sprint(yes))
		return nil
	case form.Inline:
		return a.choice(f)
	}
	if f.Secret {
		return a.secret(f)
	}
	text := f.Text
	if text == "" && f.Control() != form.Edited {
		text = f.Default
	}
	title := f.Label
	if text != "" {
		offered := text
		if f.Covered && f.Answered() {
			offered = f.Value
		}
		title += " [" + render.Line(offered, 0) + "]"
	}
	shown := text
	if err := a.run(huh.NewInput().Title(title + ":").Value(&text).Validate(func(s string) error { return a.check(f, s, shown) })); err != nil {
		return err
	}
	a.take(f, text)
	return nil
}

// about says what a question means, before it is asked.
func (a *asker) about(f form.Field) {
	a.say("%s", render.Line(f.Help, 0))
	if f.Costs != "" {
		a.say("Costs: %s.", render.Line(f.Costs, 0))
	}
	allowed := f.Allowed
	if f.Unit != "" {
		allowed += ", in " + f.Unit
	}
	switch f.Type {
	case spec.TypeList:
		allowed += "; separated by commas"
	case spec.TypeMap:
		allowed += `; as JSON: {"NAME":"value"}`
	}
	if f.Type != spec.TypeBool && f.Control() != form.Inline {
		a.say("Allowed: %s.", render.Line(allowed, 0))
	}
	if f.Example != "" {
		a.say("Example: %s", render.Line(f.Example, 0))
	}
}

func (a *asker) choice(f form.Field) error {
	value := f.Value
	title := f.Label
	if f.Unit != "" {
		title += " (" + f.Unit + ")"
	}
	if err := a.run(huh.NewSelect[string]().Title(title).Options(huh.NewOptions(f.Choices...)...).Value(&value)); err != nil {
		return err
	}
	a.take(f, value)
	return nil
}

// secret reads without an echo where that is possible.
func (a *asker) secret(f form.Field) error {
	file, ok := a.terminal()
	if !ok {
		text := ""
		if err := a.run(huh.NewInput().Title(f.Label + " (secret):").Value(&text).Validate(func(s string) error { return a.check(f, s, f.Text) })); err != nil {
			return err
		}
		a.take(f, text)
		return nil
	}
	for {
		fmt.Fprintf(a.out, "%s (secret, not shown): ", f.Label)
		raw, err := term.ReadPassword(file.Fd())
		a.say("")
		if err != nil {
			a.lines.err = err
			return a.ended()
		}
		if err := a.check(f, string(raw), f.Text); err != nil {
			a.say("%s", err)
			continue
		}
		a.take(f, string(raw))
		return nil
	}
}

// terminal is what the answers are typed on, if it can be told not to echo.
func (a *asker) terminal() (*os.File, bool) {
	file, ok := a.in.(*os.File)
	if r, buffered := a.in.(*bufio.Reader); buffered && r.Buffered() == 0 {
		// A buffer over the standard input; nothing was typed ahead.
		file, ok = os.Stdin, true
	}
	return file, ok && term.IsTerminal(file.Fd())
}

// take keeps an answer; the default is no answer.
func (a *asker) take(f form.Field, text string) {
	if text = strings.TrimSpace(text); text == f.Default {
		text = ""
	}
	a.form.Set(f.Name, text)
}

// check judges an answer by the rules of its field; relations to other answers
// are for the end. An empty line keeps what is offered.
func (a *asker) check(f form.Field, text, offered string) error {
	text = strings.TrimSpace(text)
	switch {
	case text == "" && (offered != "" || !f.Required):
		return nil
	case text == "":
		return errors.New(f.Label + " has to be given")
	}
	err := a.form.Check(f.Name, text)
	if err == nil {
		return nil
	}
	var parts []string
	for _, e := range flatten(err) {
		parts = append(parts, render.Line(sentence(told(e), fault.HintOf(e)), 0))
	}
	return errors.New(strings.Join(parts, "\n"))
}

// told is the message of an error without the flag it pretends to come from.
func told(err error) string {
	var p *spec.Problem
	if errors.As(err, &p) {
		return p.Msg
	}
	return err.Error()
}

// sentence is a message with its hint.
func sentence(text, hint string) string {
	if hint == "" {
		return text
	}
	return text + ". " + hint
}

// finish checks everything together, asks again what does not fit, and shows the
// spec.
func (a *asker) finish() (*spec.Pipeline, error) {
	for {
		p, err := a.form.Resolve()()
		if err == nil {
			text, err := p.YAML(a.form.Template(), a.dir, false)
			if err != nil {
				return nil, err
			}
			a.say("\nThe spec:\n%s", render.Safe(text))
			return p, nil
		}
		a.form.Refused(err)
		problems := a.form.Problems()
		a.say("\n%s to mend:", render.Count(len(problems), "problem", "problems"))
		var fields []string
		for _, x := range problems {
			a.say("  %s. %s", render.Line(x.Text, 0), render.Line(x.Hint, 0))
			if x.Field != "" && !slices.Contains(fields, x.Field) {
				fields = append(fields, x.Field)
			}
		}
		if len(fields) == 0 {
			return nil, err
		}
		for _, name := range fields {
			if err := a.field(name); err != nil {
				return nil, err
			}
		}
	}
}

// lineReader gives one line a read: huh makes a scanner for each question, which
// would swallow the answers to the next ones.
type lineReader struct {
	ctx context.Context // of the one call of askPlain
	in  *bufio.Reader
	// rest is the part of a line that did not fit into the last read.
	rest []byte
	err  error // why there will be no more lines
}

func (l *lineReader) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		if l.err != nil {
			return 0, io.EOF
		}
		type read struct {
			line []byte
			err  error
		}
		// A terminal can't be waited for with a context: the read is left behind.
		got := make(chan read, 1)
		go func() {
			line, err := l.in.ReadBytes('\n')
			got <- read{line, err}
		}()
		select {
		case r := <-got:
			l.rest = r.line
			if r.err != nil && len(r.line) == 0 {
				l.err = r.err
				return 0, io.EOF
			}
			if r.err != nil {
				l.rest = append(l.rest, '\n') // a last line without its end
			}
		case <-l.ctx.Done():
			l.err = l.ctx.Err()
			return 0, io.EOF
		}
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}
