package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/preflight"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/settings"
)

func newDoctor(deps *Deps) *cobra.Command {
	var yes bool // what it allows the root command sees to: see session.open
	var account bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "check what the tool needs and show where each setting comes from",
		Long: `Checks the Pulumi CLI, the backend, the sandbox or the AWS credentials, Python and
Node, and shows every setting with its source. With --yes a missing Pulumi CLI is
installed, for AWS the provider plugins, and a damaged meta.yaml of a file backend is
written anew. A config file that cannot be used is the first
thing that it tells of, and is left out.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDoctor(cmd.Context(), deps, account) },
	}
	yesFlag(cmd, &yes)
	cmd.Flags().BoolVar(&account, "account", false, "ask the account of the target too: credentials, clock, quota of roles")
	cmd = has(cmd, changingWithYes)
	cmd.Annotations[sparesConfigKey] = "yes"
	return cmd
}

func runDoctor(ctx context.Context, deps *Deps, account bool) error {
	checks := deps.app().Doctor(ctx)
	if deps.brokenConfig != nil {
		checks = append([]app.Check{{Name: "config file", Required: true, Err: deps.brokenConfig}}, checks...)
	}
	var bad error
	var asked *preflight.Report
	if account {
		report, err := deps.app().PreflightAccount(ctx)
		if err != nil {
			return err
		}
		asked, bad = &report, notReady(report)
	}
	for _, c := range checks {
		if c.Err != nil && c.Required {
			bad = errors.Join(bad, fault.Wrap(c.Err, "%s", c.Name))
		}
	}
	type checkDoc struct {
		Name   string    `json:"name"`
		OK     bool      `json:"ok"`
		Detail string    `json:"detail,omitempty"`
		Error  *errorDoc `json:"error,omitempty"`
	}
	d := struct {
		console.Header
		Checks   []checkDoc        `json:"checks"`
		Account  *preflight.Report `json:"account,omitempty"`
		Settings []settings.Value  `json:"settings"`
		Paths    map[string]string `json:"paths"`
	}{Header: console.NewHeader("Doctor"), Settings: shown(deps.settings.List()), Paths: map[string]string{
		"home": deps.settings.Paths.Home, "config": deps.settings.Paths.Config, "logs": deps.settings.Paths.Logs(),
	}}
	d.Account = asked
	for _, c := range checks {
		one := checkDoc{Name: c.Name, OK: c.Err == nil, Detail: c.Detail}
		if c.Err != nil {
			x := describe(deps, c.Err)
			one.Error = &x
		}
		d.Checks = append(d.Checks, one)
	}
	if err := deps.Write(d, func() string { return doctorText(deps, checks) + accountText(deps, asked) }); err != nil {
		return err
	}
	return bad
}

// shown are settings as they may be shown.
func shown(list []settings.Value) []settings.Value {
	for i := range list {
		list[i].Value = list[i].Shown()
	}
	return list
}

// accountText is what was found of the account, "" if it was not asked.
func accountText(deps *Deps, r *preflight.Report) string {
	if r == nil {
		return ""
	}
	text := "\n" + render.Count(r.Questions, "question", "questions") + " asked of the account\n"
	for _, f := range r.Findings {
		text += shownFinding(deps.OutStyle, f)
	}
	return text
}

func doctorText(deps *Deps, checks []app.Check) string {
	st := deps.OutStyle
	var b strings.Builder
	for _, c := range checks {
		switch {
		case c.Err == nil:
			fmt.Fprintf(&b, "%s %s  %s\n", st.Good.Render("✔"), c.Name, st.Muted.Render(render.Line(c.Detail, 0)))
		case c.Required:
			fmt.Fprintf(&b, "%s %s  %s\n", st.Bad.Render("✘"), c.Name, st.Bad.Render(render.Line(c.Err.Error(), 0)))
		default:
			fmt.Fprintf(&b, "%s %s  %s\n", st.Warn.Render("!"), c.Name, st.Warn.Render(render.Line(c.Err.Error(), 0)))
		}
		if h := fault.HintOf(c.Err); h != "" && !c.Required {
			fmt.Fprintf(&b, "    %s\n", h)
		}
	}
	b.WriteString("\n")
	rows := [][]render.Cell{
		{render.T("home"), render.T(deps.settings.Paths.Home), render.T(deps.settings.Paths.HomeSource)},
		{render.T("config"), render.T(deps.settings.Paths.Config), render.T("")},
	}
	for _, v := range deps.settings.List() {
		rows = append(rows, []render.Cell{render.T(v.Name), render.T(render.Dash(v.Shown())), render.T(v.Source)})
	}
	b.WriteString(render.Table(st, []string{"SETTING", "VALUE", "SOURCE"}, rows))
	return b.String()
}
