package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/preflight"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// ignoreFlag adds --ignore to what checks an account.
func (o *deployOptions) ignoreFlag(deps *Deps, cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&o.ignore, "ignore", nil, "codes of checks of the account that are to stop nothing (P200,P300)")
	deps.flag(cmd, "ignore", preflightCodes)
}

func preflightCodes(context.Context, place) offer {
	var out offer
	all := preflight.Codes()
	for code, about := range all {
		out.words = append(out.words, cobra.CompletionWithDesc(string(code), about))
	}
	slices.Sort(out.words)
	return out
}

// ignored are the codes of --ignore.
func (o *deployOptions) ignored() ([]preflight.Code, error) {
	out := make([]preflight.Code, len(o.ignore))
	for i, text := range o.ignore {
		out[i] = preflight.Code(strings.ToUpper(strings.TrimSpace(text)))
		if preflight.Codes()[out[i]] == "" {
			return nil, fault.New(fault.Invalid, "--ignore %s: there is no such check", text).WithHint("The codes are P100 to P900: `pipelinetui preview --check` names them.")
		}
	}
	return out, nil
}

// runCheck asks the account what would make an up fail, and no engine.
func runCheck(ctx context.Context, deps *Deps, o *deployOptions) error {
	if o.saved.save != "" {
		return wrongFlag("save-plan", o.saved.save, "--check asks no engine what would change").WithHint("Leave out --check.")
	}
	if err := o.check(deps); err != nil {
		return err
	}
	ignore, err := o.ignored()
	if err != nil {
		return err
	}
	c, err := choose(ctx, deps, o)
	if err != nil {
		return err
	}
	report, err := deps.app().Preflight(ctx, c.pipelines, ignore...)
	if err != nil {
		return err
	}
	if err := writePreflight(deps, report); err != nil {
		return err
	}
	return notReady(report)
}

// checked is what the account is asked beforehand. Before an up in a real account, errors
// that are not ignored end it before anything has changed. A preview tells of them where it
// is a comment, for who reviews it sees nothing else; it fails for none. On other targets only
// names are asked for.
func checked(ctx context.Context, deps *Deps, o *deployOptions, target *app.Target, c *chosen) (*preflight.Report, error) {
	ignore, err := o.ignored()
	up := o.operation == stack.OperationUp
	comment := o.operation == stack.OperationPreview && deps.Form() == console.Markdown
	switch {
	case err != nil || len(c.pipelines) == 0 || !up && !comment:
		return nil, err
	case up && target.Name != app.TargetAWS: // whose quotas and rights stop nobody
		return nil, deps.app().NamesFree(ctx, c.pipelines, ignore...)
	}
	report, err := deps.app().Preflight(ctx, c.pipelines, ignore...)
	switch {
	case err != nil && comment && ctx.Err() == nil:
		deps.Note("the account could not be checked: %s", render.Line(err.Error(), 0))
		return nil, nil
	case err != nil || comment:
		return &report, err
	}
	for _, f := range report.Findings {
		if f.Severity != preflight.Info {
			deps.Note("%s", strings.TrimRight(shownFinding(deps.ErrStyle, f), "\n"))
		}
	}
	return &report, notReady(report)
}

// notReady is the error of a report that has errors. Credentials that do not work are what
// they are everywhere else.
func notReady(r preflight.Report) error {
	bad := r.Errors()
	if len(bad) == 0 {
		return nil
	}
	codes := []string{}
	for _, f := range bad {
		if !slices.Contains(codes, string(f.Code)) {
			codes = append(codes, string(f.Code))
		}
	}
	kind := fault.NotReady
	if bad[0].Code == preflight.CodeIdentity { // the first if it is there
		kind = bad[0].Kind
	}
	err := fault.New(kind, "the account is not ready: %s (%s)", render.Count(len(bad), "check fails", "checks fail"), strings.Join(codes, ", "))
	if kind != fault.NotReady {
		return err.WithHint("%s", bad[0].Hint)
	}
	return err.WithHint("See to what is named above, or go on with --ignore %s.", strings.Join(codes, ","))
}

// preflightDoc is the document of preview --check.
type preflightDoc struct {
	console.Header
	preflight.Report

	at time.Time
}

func writePreflight(deps *Deps, r preflight.Report) error {
	doc := preflightDoc{console.NewHeader("Preflight"), r, deps.now()}
	if doc.Findings == nil {
		doc.Findings = []preflight.Finding{}
	}
	return deps.Write(doc, func() string {
		var b strings.Builder
		for _, f := range r.Findings {
			b.WriteString(shownFinding(deps.OutStyle, f))
		}
		if len(r.Findings) == 0 {
			b.WriteString("nothing was found that would make an up fail\n")
		}
		fmt.Fprintf(&b, "%s asked; an up takes about %s\n", render.Count(r.Questions, "question", "questions"), render.Period(time.Duration(r.Seconds)*time.Second))
		return b.String()
	})
}

// shownFinding is a finding with its code, so that it can be ignored, and the way out.
func shownFinding(st theme.Styles, f preflight.Finding) string {
	mark := map[preflight.Severity]string{preflight.Error: st.Bad.Render("✘"), preflight.Warning: st.Warn.Render("!"), preflight.Info: st.Muted.Render("·")}[f.Severity]
	who := ""
	if n := len(f.Pipelines); n > 0 {
		who = f.Pipelines[0]
		if n > 1 {
			who += fmt.Sprintf(" and %d more", n-1)
		}
		who = " (" + who + ")"
	}
	if f.Ignored {
		who += " ignored"
	}
	return fmt.Sprintf("%s %s %s%s\n    %s\n", mark, f.Code, render.Line(f.Message, 0), st.Muted.Render(who), render.Line(f.Hint, 0))
}
