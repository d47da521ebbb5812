package cli

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"html"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/costs"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/preflight"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/version"
)

// A result as a comment of a forge (-o markdown): what changes and nothing else, for who
// reviews a change of a spec. What is not ours stands in it as code, so that no name and no
// value is Markdown, HTML or a mention; and it says what it has no room for.

const (
	// commentLimit is how long a comment may be: "Body is too long (maximum is 65536
	// characters)" is what GitHub's API refuses more with; GitLab takes a million. It is
	// counted in bytes, of which there are never fewer.
	commentLimit = 65536
	// commentFoot is kept free for what ends a comment.
	commentFoot = 600
	// Widths of what stands in it.
	commentName, commentText, commentValue = 120, 400, 80
	// commentProperties is how many properties of a resource are shown.
	commentProperties = 12
)

// comment is one that is being written.
type comment struct {
	b    strings.Builder
	left int
}

func newComment(marker, title string) *comment {
	c := &comment{left: commentLimit - commentFoot}
	c.add(marker + "\n### " + title + "\n")
	return c
}

// add adds a text of ours, which is short.
func (c *comment) add(text string) {
	c.b.WriteString(text)
	c.left -= len(text)
}

// list adds items within a part of what is left, and how many have no room.
func (c *comment) list(part int, head string, items []string, more func(left int) string) {
	if len(items) == 0 {
		return
	}
	text, left := render.Fit(c.left/part, head, "", items, more)
	if text == "" && left > 0 {
		text = "\n" + more(left)
	}
	c.add(text)
}

// end ends it. The reserve is for that.
func (c *comment) end(at time.Time, words ...string) string {
	words = append([]string{"pipelinetui " + html.EscapeString(version.Version)}, append(words, render.Stamp(at))...)
	c.b.WriteString("\n<sub>" + strings.Join(words, " · ") + "</sub>\n")
	return c.b.String()
}

// bullet is the line of a list that stands for what has no room.
func bullet(one, many string) func(int) string {
	return func(left int) string { return "- and " + render.Count(left, "more "+one, "more "+many) + "\n" }
}

// Comment implements console.Comment.
func (d deployment) Comment(marker string) string {
	c := newComment(marker, d.title())
	c.place(d)
	c.failures(d)
	c.table(d)
	c.attention(d)
	c.checks(d.Preflight)
	c.details(d)
	words := []string{}
	if d.Operation == string(stack.OperationPreview) {
		words = append(words, "costs are an estimate by public prices")
	}
	return c.end(d.at, words...)
}

// title says what came of it.
func (d deployment) title() string {
	all := render.Count(len(d.Pipelines), "pipeline", "pipelines")
	if d.Operation != string(stack.OperationPreview) {
		return d.Operation + ": " + all + ", " + d.Summary.String()
	}
	changing := 0
	for i := range d.Pipelines {
		if len(d.Pipelines[i].Resources) > 0 && d.Pipelines[i].Error == nil {
			changing++
		}
	}
	text := fmt.Sprintf("preview: %d of %s would change", changing, all)
	if changing == 0 {
		text = "preview: nothing would change in " + all
	}
	if n := len(d.Pipelines) - d.Summary.Succeeded; n > 0 {
		text += fmt.Sprintf(", %d could not be looked at", n)
	}
	return text
}

func (c *comment) place(d deployment) {
	parts := []string{"target " + render.Code(d.Target.Name, commentName)}
	endpoint := d.Target.Endpoint
	if d.Target.Name == app.TargetSandbox {
		endpoint = "" // it has another port each time
	}
	for _, x := range []struct{ label, value string }{{"at", endpoint}, {"account", d.Target.Account}, {"region", d.Target.Region}} {
		if x.value != "" {
			parts = append(parts, x.label+" "+render.Code(x.value, commentName))
		}
	}
	c.add("\n" + strings.Join(parts, " · ") + "\n")
	if d.Fleet != nil && d.Fleet.Stopped != "" {
		c.add(fmt.Sprintf("\nStopped after wave %d of %d: %s\n", d.Fleet.Done+1, len(d.Fleet.Waves), render.Code(d.Fleet.Stopped, commentText)))
	}
}

// failures are what went wrong, first.
func (c *comment) failures(d deployment) {
	var items []string
	for i := range d.Pipelines {
		if p := &d.Pipelines[i]; p.Error != nil {
			items = append(items, "- "+render.Code(p.Pipeline, commentName)+" "+p.Result+":\n"+errorItems(p.Error, "  "))
		}
	}
	c.list(3, "\n#### Not done\n\n", items, bullet("pipeline that failed", "pipelines that failed"))
}

// errorItems are an error, and those that it is made of, as items of a list.
func errorItems(e *errorDoc, indent string) string {
	if len(e.Errors) > 0 {
		var b strings.Builder
		const most = 20
		for i := range e.Errors {
			if i == most {
				b.WriteString(indent + bullet("error", "errors")(len(e.Errors)-most))
				break
			}
			b.WriteString(errorItems(&e.Errors[i], indent))
		}
		return b.String()
	}
	text := indent + "- " + render.Code(e.Message, 2*commentText) + "\n"
	if e.Hint != "" {
		text += indent + "  - " + render.Code(e.Hint, commentText) + "\n"
	}
	return text
}

// table has a row for each pipeline that changes; others are counted.
func (c *comment) table(d deployment) {
	planning := d.Operation == string(stack.OperationPreview)
	head := "\n| pipeline | changes | revision | took |\n|---|---|---|---|\n"
	if planning {
		head = "\n| pipeline | changes | a month, about | difference |\n|---|---|---|---|\n"
	}
	var rows []string
	unchanged := 0
	sum := totals{}
	for i := range d.Pipelines {
		p := &d.Pipelines[i]
		sum.add(p.Costs)
		if p.Error == nil && len(p.Resources) == 0 && len(p.Drift) == 0 {
			unchanged++
			continue
		}
		row := "| " + render.CodeCell(p.Pipeline, commentName) + " | " + p.changes(!planning) + " | "
		if planning {
			month, difference := monthly(p.Costs)
			row += month + " | " + difference + " |\n"
		} else {
			row += fmt.Sprintf("%d | %s |\n", p.Revision, render.Duration(time.Duration(p.DurationSeconds*float64(time.Second))))
		}
		rows = append(rows, row)
	}
	c.list(4, head, rows, func(left int) string { return fmt.Sprintf("| and %d more | | | |\n", left) })
	if unchanged > 0 && len(rows) > 0 {
		c.add("\n" + render.Count(unchanged, "pipeline does", "pipelines do") + " not change.\n")
	}
	if text := sum.text(); planning && text != "" && len(rows) > 0 && len(d.Pipelines) > 1 {
		c.add("\n" + text + "\n")
	}
}

func (d *deployedDoc) changes(done bool) string {
	text := render.Changes(d.Changes, done)
	switch {
	case d.Error != nil:
		text = d.Result
	case len(d.Drift) > 0:
		text = render.Count(len(d.Drift), "resource has", "resources have") + " drifted"
	}
	return text
}

// monthly are what a pipeline costs in a month and the difference to what is there.
func monthly(c *costsDoc) (month, difference string) {
	if c == nil {
		return "not known", "not known"
	}
	month, difference = c.Fixed.Text(), "not known"
	if c.Difference != nil {
		difference = c.Difference.Signed() + " " + costs.Currency
	}
	return month, difference
}

// totals are the costs of all pipelines of a preview together.
type totals struct {
	month, difference costs.Money
	known, unknown    int
	// partial says that a sum lacks something of a pipeline, undiffed that what one costs now
	// is not known.
	partial, undiffed bool
}

func (t *totals) add(c *costsDoc) {
	if c == nil {
		t.unknown++
		return
	}
	t.known++
	t.month = t.month.Plus(c.Month)
	t.partial = t.partial || !c.Complete()
	if c.Difference == nil {
		t.undiffed = true
		return
	}
	t.difference = t.difference.Plus(*c.Difference)
}

func (t *totals) text() string {
	if t.known == 0 {
		return ""
	}
	sum := atLeast(t.month.String()+" "+costs.Currency, !t.partial && t.unknown == 0)
	text := "All " + render.Count(t.known+t.unknown, "pipeline", "pipelines") + " together: about " + sum + " a month"
	if t.unknown == 0 && !t.undiffed {
		text += ", " + t.difference.Signed() + " " + costs.Currency + " to what is there"
	}
	return text + "."
}

// attention is what to think of before it is done, or afterwards.
func (c *comment) attention(d deployment) {
	var items []string
	for i := range d.Pipelines {
		p := &d.Pipelines[i]
		said := slices.Clone(p.attention)
		for _, w := range p.Warnings {
			if !slices.Contains(said, render.Line(w, 0)) {
				said = append(said, w)
			}
		}
		for _, text := range said {
			items = append(items, "- "+render.Code(p.Pipeline, commentName)+": "+render.Code(text, commentText)+"\n")
		}
	}
	c.list(4, "\n#### Attention\n\n", items, bullet("thing to think of", "things to think of"))
}

// checks are those of the account.
func (c *comment) checks(r *preflight.Report) {
	if r == nil {
		return
	}
	if len(r.Findings) == 0 {
		c.add("\nChecks of the account: nothing was found that would make an up fail (" + render.Count(r.Questions, "question", "questions") + ").\n")
		return
	}
	items := make([]string, len(r.Findings))
	for i, f := range r.Findings {
		who := ""
		if n := len(f.Pipelines); n > 0 {
			who = " (" + render.Code(f.Pipelines[0], commentName)
			if n > 1 {
				who += fmt.Sprintf(" and %d more", n-1)
			}
			who += ")"
		}
		state := string(f.Severity)
		if f.Ignored {
			state += ", ignored"
		}
		items[i] = fmt.Sprintf("- %s %s: %s%s\n  - %s\n", state, f.Code, render.Code(f.Message, commentText), who, render.Code(f.Hint, commentText))
	}
	c.list(3, "\n#### Checks of the account\n\n", items, bullet("finding", "findings"))
}

// details are the resources that change, of each pipeline. Each has an equal part of what
// is left; what one does not need is for those after it.
func (c *comment) details(d deployment) {
	var list []*deployedDoc
	for i := range d.Pipelines {
		if p := &d.Pipelines[i]; len(p.Resources) > 0 || len(p.Drift) > 0 {
			list = append(list, p)
		}
	}
	for i, p := range list {
		rest := len(list) - i
		if text := p.section(c.left/rest, len(list) == 1, d.details, d.Operation == string(stack.OperationPreview)); text != "" {
			c.add(text)
			continue
		}
		c.add("\nThe resources of " + render.Count(rest, "more pipeline", "more pipelines") + " are not shown here for want of room: `-o json` has all.\n")
		return
	}
}

// section is a pipeline's resources, in so many bytes; "" if there is no room for any.
func (d *deployedDoc) section(room int, open, details, planning bool) string {
	var items []string
	for i := range d.Resources {
		items = append(items, resourceItem(&d.Resources[i], details))
	}
	for i := range d.Drift {
		x := &d.Drift[i]
		items = append(items, resourceItem(&resourceDoc{Name: x.Name, Type: x.Type, Op: x.Op, Diff: x.Diff}, details))
	}
	state := ""
	if open {
		state = " open"
	}
	head := "\n<details" + state + "><summary>" + html.EscapeString(render.Line(d.Pipeline, commentName)) + ": " + d.changes(!planning) + "</summary>\n\n"
	text, left := render.Fit(room, head, "\n</details>\n", items, bullet("resource", "resources"))
	if left == len(items) {
		return ""
	}
	return text
}

func resourceItem(r *resourceDoc, details bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "- %s %s %s\n", render.OpVerb(r.Op, false), render.Code(r.Name, commentName), render.Code(render.ShortType(r.Type), commentName))
	for _, text := range r.Errors {
		fmt.Fprintf(&b, "  - error: %s\n", render.Code(text, commentText))
	}
	if r.Op == stack.OpCreate && !details {
		return b.String()
	}
	for i, p := range r.Diff {
		if i == commentProperties {
			b.WriteString("  " + bullet("property", "properties")(len(r.Diff)-i))
			break
		}
		b.WriteString("  - " + propertyItem(p) + "\n")
	}
	return b.String()
}

func propertyItem(p stack.PropertyDiff) string {
	path := render.Code(p.Path, commentName)
	text := path + ": "
	switch p.Kind {
	case stack.DiffAdd:
		text = "added " + text + render.Code(render.Value(p.New, commentValue), commentValue)
	case stack.DiffDelete:
		text = "removed " + text + render.Code(render.Value(p.Old, commentValue), commentValue)
	default:
		before, after := render.Change(p.Old, p.New)
		text += render.Code(before, commentValue) + " → " + render.Code(after, commentValue)
	}
	if p.Replace {
		text += " (forces replacement)"
	}
	return text
}

// Comment implements console.Comment.
func (d preflightDoc) Comment(marker string) string {
	title := "checks of the account: nothing was found that would make an up fail"
	if n := len(d.Errors()); n > 0 {
		title = "checks of the account: " + render.Count(n, "check fails", "checks fail")
	}
	c := newComment(marker, title)
	if len(d.Findings) > 0 {
		c.checks(&d.Report)
	}
	return c.end(d.at, render.Count(d.Questions, "question", "questions")+" asked")
}

// Comment implements console.Comment.
func (d failure) Comment(marker string) string {
	c := newComment(marker, "pipelinetui could not do it")
	items := []string{errorItems(&d.Error, "")}
	if len(d.Error.Errors) > 0 {
		items = items[:0]
		for i := range d.Error.Errors {
			items = append(items, errorItems(&d.Error.Errors[i], ""))
		}
	}
	c.list(1, "\n", items, bullet("error", "errors"))
	return c.end(d.at, fmt.Sprintf("exit code %d", d.ExitCode))
}

// marker tells apart the comments of commands and of what they work on, so that each
// replaces its own: it is the same as long as the command line means the same.
func (o *deployOptions) marker(deps *Deps) string {
	what := o.command
	if o.asking {
		what = "check"
	}
	names := func(list []string) []string {
		list = slices.Clone(list)
		slices.Sort(list)
		return slices.Compact(list)
	}
	set := make([]string, len(o.set))
	for i, one := range o.set {
		set[i], _, _ = strings.Cut(one, "=") // the value may be a secret
	}
	if o.rollout != "" {
		set = append(set, "rollout")
	}
	s := deps.settings
	raw, _ := json.Marshal([]any{ // texts only
		s.String(settings.Target), s.String(settings.EndpointURL), s.String(settings.Region), s.String(settings.Profile), fault.Masked(s.String(settings.Backend)),
		names(o.args), filepath.ToSlash(filepath.Clean(o.file)), o.template, names(set), o.tenant, names(o.labels), o.failed,
	})
	return fmt.Sprintf("%s:%x", what, sha256.Sum256(raw))[:len(what)+17]
}
