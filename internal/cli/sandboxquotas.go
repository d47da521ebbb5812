package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

func newSandboxQuotas(deps *Deps) *cobra.Command {
	return group("quotas", "what accounts of the sandbox may have: Service Quotas",
		newSandboxQuotasList(deps, runSandboxQuotasList), newSandboxQuotasSet(deps, runSandboxQuotasSet))
}

// quotasListOptions are those of sandbox quotas list.
type quotasListOptions struct{ account, service string }

func newSandboxQuotasList(deps *Deps, do action[quotasListOptions]) *cobra.Command {
	o := &quotasListOptions{}
	cmd := &cobra.Command{
		Use: "list [SERVICE]", Aliases: []string{"ls"}, Short: "list the quotas of an account in a region", Args: cobra.MaximumNArgs(1),
		Long: `Lists the quotas that the sandbox keeps, of all services or of one: what the account
has in the region (--region), and what AWS gives new accounts. Of machines for endpoints
AWS gives new accounts nearly none; those of the sandbox begin as if more had been granted.`,
		Example:           `  pipelinetui sandbox quotas list lambda`,
		ValidArgsFunction: deps.completes(arguments(quotaServices)),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.service = strings.Join(args, "")
			return do(cmd.Context(), deps, o)
		},
	}
	accountFlag(deps, cmd, &o.account)
	return reads(cmd)
}

// accountFlag is for what is done as the user of one of the sandbox's accounts.
func accountFlag(deps *Deps, cmd *cobra.Command, account *string) {
	cmd.Flags().StringVar(account, "account", "", "id of the account; the first one if not given")
	deps.flag(cmd, "account", accounts)
}

func runSandboxQuotasList(ctx context.Context, deps *Deps, o *quotasListOptions) error {
	quotas, err := deps.app().SandboxQuotas(ctx, o.account, o.service)
	if err != nil {
		return err
	}
	return writeQuotas(deps, quotas)
}

// quotasSetOptions are those of sandbox quotas set.
type quotasSetOptions struct {
	account string
	values  map[string]*float64 // nil: AWS's default
}

func newSandboxQuotasSet(deps *Deps, do action[quotasSetOptions]) *cobra.Command {
	o := &quotasSetOptions{}
	cmd := &cobra.Command{
		Use: "set SERVICE/CODE=VALUE...", Short: "set quotas of an account in a region", Args: cobra.MinimumNArgs(1),
		Long: `Sets what an account of the sandbox may have, in the region that --region names. It is
kept, and holds for what is made from then on: who asks for more is refused in AWS's words.
CODE is that of AWS's Service Quotas, which 'sandbox quotas list' shows; the quota's name, or
of machines for endpoints their type, does as well. VALUE is a whole number, or default for
what AWS gives new accounts. Open requests for no more than that are approved.`,
		Example: `  # an account that was just opened: no machine for an endpoint
  pipelinetui sandbox quotas set sagemaker/ml.m5.large=default
  pipelinetui sandbox quotas set sagemaker/L-614B09FD=2 lambda/L-B99A9384=10 --region eu-central-1`,
		ValidArgsFunction: deps.completes(quotaIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.values = map[string]*float64{}
			for _, a := range args {
				id, v, err := readQuota(a)
				if err != nil {
					return &usageError{err: err, command: cmd.CommandPath()}
				}
				if _, twice := o.values[id]; twice {
					return &usageError{err: fault.New(fault.Invalid, "%s is given twice", id), command: cmd.CommandPath()}
				}
				o.values[id] = v
			}
			return do(cmd.Context(), deps, o)
		},
	}
	accountFlag(deps, cmd, &o.account)
	return changes(cmd)
}

// readQuota reads SERVICE/CODE=VALUE.
func readQuota(text string) (id string, value *float64, err error) {
	i := strings.LastIndexByte(text, '=')
	if i < 0 || !strings.Contains(text[:i], "/") {
		return "", nil, fault.New(fault.Invalid, "%q sets no quota", text).WithHint("Write SERVICE/CODE=VALUE, such as sagemaker/L-614B09FD=2.")
	}
	if text[i+1:] == "default" {
		return text[:i], nil, nil
	}
	n, err := strconv.ParseUint(text[i+1:], 10, 31)
	if err != nil {
		return "", nil, fault.New(fault.Invalid, "%q is no value of %s", text[i+1:], text[:i]).WithHint("Give a whole number, or default for AWS's own.")
	}
	v := float64(n)
	return text[:i], &v, nil
}

func runSandboxQuotasSet(ctx context.Context, deps *Deps, o *quotasSetOptions) error {
	all, err := deps.app().SandboxSetQuotas(ctx, o.account, o.values)
	if err != nil {
		return err
	}
	set := map[string]bool{} // what was named is shown, however it was named
	for text := range o.values {
		service, name, _ := strings.Cut(text, "/")
		set[service+"/"+strings.ToLower(name)] = true
	}
	all.Quotas = slices.DeleteFunc(all.Quotas, func(q app.SandboxQuota) bool {
		service, _, _ := strings.Cut(q.Quota, "/")
		instance, _, _ := strings.Cut(q.Name, " ")
		return !set[service+"/"+strings.ToLower(q.Name)] && !set[strings.ToLower(q.Quota)] && !set[service+"/"+instance]
	})
	return writeQuotas(deps, all)
}

func writeQuotas(deps *Deps, q app.SandboxQuotas) error {
	doc := struct {
		console.Header
		app.SandboxQuotas
	}{console.NewHeader("SandboxQuotas"), q}
	return deps.Write(doc, func() string {
		var rows [][]render.Cell
		for _, x := range q.Quotas {
			more := ""
			if x.Requested != nil {
				more = fmt.Sprintf("%.0f asked for", *x.Requested)
			}
			rows = append(rows, []render.Cell{render.T(x.Quota), render.T(x.Name), render.T(fmt.Sprintf("%.0f", x.Value)), render.T(fmt.Sprintf("%.0f", x.Default)), render.T(more)})
		}
		return fmt.Sprintf("account %s, region %s\n", q.Account, q.Region) +
			render.Table(deps.OutStyle, []string{"QUOTA", "NAME", "VALUE", "AWS'S DEFAULT", "REQUEST"}, rows)
	})
}

// quotaIDs offers quotas behind which a value is to be written.
func quotaIDs(_ context.Context, p place) offer {
	ids, names := app.SandboxQuotaNames()
	out := offer{more: true}
	for i, id := range ids {
		if !slices.ContainsFunc(p.args, func(a string) bool { return strings.HasPrefix(a, id+"=") }) {
			out.words = append(out.words, cobra.CompletionWithDesc(id+"=", names[i]))
		}
	}
	return out
}

// quotaServices offers the services that have quotas.
func quotaServices(context.Context, place) offer {
	ids, _ := app.SandboxQuotaNames()
	var out offer
	for _, id := range ids {
		if service, _, _ := strings.Cut(id, "/"); !slices.Contains(out.words, service) {
			out.words = append(out.words, service)
		}
	}
	return out
}
