package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
)

func newSandboxAccount(e *env) *cobra.Command {
	return group("account", "the sandbox's accounts: each has its own resources and its own administrator",
		changes(&cobra.Command{
			Use: "add ACCOUNT-ID", Short: "make another account", Args: cobra.ExactArgs(1),
			Long: `Makes another account with an administrator's keys of its own, which
'sandbox env --account ACCOUNT-ID' shows. Nothing in one account can be reached from
another unless a policy of both sides allows it; names of buckets are global, as on AWS.
A tenant whose spec has assumeRole is deployed into that role's account.`,
			Example: `  pipelinetui sandbox account add 111122223333
  eval "$(pipelinetui sandbox env --account 111122223333)"`,
			RunE: func(cmd *cobra.Command, args []string) error {
				added, err := e.open().SandboxAddAccount(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				doc := struct {
					header
					app.SandboxAccount
				}{newHeader("SandboxAccount"), added}
				return e.write(doc, func() string { return fmt.Sprintf("the sandbox has account %s\n", added.ID) })
			},
		}),
		reads(&cobra.Command{
			Use: "list", Aliases: []string{"ls"}, Short: "list the accounts", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				all, err := e.open().SandboxAccounts(cmd.Context())
				if err != nil {
					return err
				}
				doc := struct {
					header
					Accounts []app.SandboxAccount `json:"accounts"`
				}{newHeader("SandboxAccounts"), all}
				return e.write(doc, func() string {
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
			},
		}))
}
