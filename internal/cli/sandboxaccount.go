package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
)

func newSandboxAccount(deps *Deps) *cobra.Command {
	return group("account", "the sandbox's accounts: each has its own resources and its own administrator",
		newSandboxAccountAdd(deps, runSandboxAccountAdd), newSandboxAccountList(deps))
}

// sandboxAccountAddOptions are those of sandbox account add.
type sandboxAccountAddOptions struct{ id string }

func newSandboxAccountAdd(deps *Deps, do action[sandboxAccountAddOptions]) *cobra.Command {
	return changes(&cobra.Command{
		Use: "add ACCOUNT-ID", Short: "make another account", Args: cobra.ExactArgs(1),
		Long: `Makes another account with an administrator's keys of its own, which
'sandbox env --account ACCOUNT-ID' shows. Nothing in one account can be reached from
another unless a policy of both sides allows it; names of buckets are global, as on AWS.
A tenant whose spec has assumeRole is deployed into that role's account.`,
		Example: `  pipelinetui sandbox account add 111122223333
  eval "$(pipelinetui sandbox env --account 111122223333)"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return do(cmd.Context(), deps, &sandboxAccountAddOptions{args[0]})
		},
	})
}

func runSandboxAccountAdd(ctx context.Context, deps *Deps, o *sandboxAccountAddOptions) error {
	added, err := deps.app().SandboxAddAccount(ctx, o.id)
	if err != nil {
		return err
	}
	doc := struct {
		console.Header
		app.SandboxAccount
	}{console.NewHeader("SandboxAccount"), added}
	return deps.Write(doc, func() string { return fmt.Sprintf("the sandbox has account %s\n", added.ID) })
}

func newSandboxAccountList(deps *Deps) *cobra.Command {
	return reads(&cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "list the accounts", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSandboxAccountList(cmd.Context(), deps) },
	})
}

func runSandboxAccountList(ctx context.Context, deps *Deps) error {
	all, err := deps.app().SandboxAccounts(ctx)
	if err != nil {
		return err
	}
	doc := struct {
		console.Header
		Accounts []app.SandboxAccount `json:"accounts"`
	}{console.NewHeader("SandboxAccounts"), all}
	return deps.Write(doc, func() string {
		var b strings.Builder
		for _, a := range all {
			b.WriteString(a.ID)
			if a.Home {
				b.WriteString("  the first one")
			}
			b.WriteByte('\n')
		}
		return b.String()
	})
}
