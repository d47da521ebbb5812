package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

const mailTime = "2006-01-02 15:04:05"

// sandboxMailOptions are those of sandbox mail.
type sandboxMailOptions struct{ id string } // "" for all

func newSandboxMail(deps *Deps, do action[sandboxMailOptions]) *cobra.Command {
	return reads(columns(&cobra.Command{
		Use: "mail [ID]", Short: "list the e-mail that the sandbox has sent, or show one", Args: cobra.MaximumNArgs(1),
		Long: `Lists the e-mail that topics of the sandbox (Amazon SNS) have sent to their
subscribers, the oldest first, or shows one. None leaves this machine: each is a file.
A subscription by e-mail begins with one that has a link to confirm it.`,
		Example: `  pipelinetui sandbox mail
  pipelinetui sandbox mail 20260131T120000.000-1b4e28ba-6fa459ea`,
		ValidArgsFunction: deps.completes(arguments(mails)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return do(cmd.Context(), deps, &sandboxMailOptions{strings.Join(args, "")})
		},
	}, mailColumns))
}

// mails are those that there are: files, which are there without the sandbox too.
func mails(_ context.Context, p place) offer {
	all, _ := p.deps.app().SandboxMail()
	var out offer
	for _, m := range all {
		out.words = append(out.words, cobra.CompletionWithDesc(m.ID, render.Line(m.Subject, 40)))
	}
	return out
}

func runSandboxMail(_ context.Context, deps *Deps, o *sandboxMailOptions) error {
	all, err := deps.app().SandboxMail()
	if err != nil {
		return err
	}
	if o.id != "" {
		return showMail(deps, all, o.id)
	}
	doc := struct {
		console.Header
		Mails []app.SandboxMail `json:"mails"`
	}{console.NewHeader("SandboxMails"), all}
	return deps.Write(doc, func() string {
		var rows [][]render.Cell
		for _, m := range all {
			rows = append(rows, []render.Cell{render.T(m.ID), render.T(m.Sent.Local().Format(mailTime)), render.T(m.To), render.T(m.Subject)})
		}
		if len(rows) == 0 {
			return "the sandbox has sent no e-mail\n"
		}
		return deps.Tabulate(console.Listing{Head: mailColumns, Rows: rows})
	})
}

// mailColumns are the columns of sandbox mail.
var mailColumns = []string{"ID", "SENT", "TO", "SUBJECT"}

func showMail(deps *Deps, all []app.SandboxMail, id string) error {
	i := slices.IndexFunc(all, func(m app.SandboxMail) bool { return m.ID == id })
	if i < 0 {
		return fault.New(fault.NotFound, "the sandbox has sent no e-mail %s", id).WithHint("List them with `pipelinetui sandbox mail`.")
	}
	doc := struct {
		console.Header
		app.SandboxMail
	}{console.NewHeader("SandboxMail"), all[i]}
	return deps.Write(doc, func() string {
		m := all[i]
		return fmt.Sprintf("to:      %s\nsubject: %s\nsent:    %s\nfile:    %s\n\n%s\n", render.Line(m.To, 0), render.Line(m.Subject, 0),
			m.Sent.Local().Format(mailTime), m.File, strings.TrimRight(render.Safe(m.Text), "\n"))
	})
}
