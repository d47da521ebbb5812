package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/document"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/permissions"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// permissionsOptions are those of permissions.
type permissionsOptions struct {
	selection
	scope, account, operator string
	policy, dir              string
}

func newPermissions(deps *Deps, do action[permissionsOptions]) *cobra.Command {
	o := &permissionsOptions{}
	cmd := &cobra.Command{
		Use:   "permissions [PIPELINE...] [-f SPEC]",
		Short: "print the least policies for who deploys, runs and looks at pipelines",
		Long: `Prints what has to be allowed in an account, computed from the types of resources that
the pipelines consist of: policies of IAM, each within the size that a managed policy may
have. Without a pipeline they are about all that there may be.

  read     list, show, watch, logs, metrics, results: everybody needs it
  run      start, stop, redrive, besides read
  deploy   create, change, destroy, ask checks, besides read and state
  state    write the stacks: the bucket of --backend and the key of the secrets provider
  check    ask the account before an up; where it lacks, a check says so
  assume   take the roles of tenants (assumeRole); those have policies of their own
  boundary the most that the pipelines' own roles may do: a permissionsBoundary, no grant

With --account nobody is asked for anything.`,
		Example: `  pipelinetui permissions -f pipelines.yaml --account 111122223333 --output-dir policies
  pipelinetui permissions acme/fraud --policy deploy > deploy.json
  pipelinetui permissions --scope fleet -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return do(cmd.Context(), deps, o)
		},
	}
	o.flags(cmd, true)
	f := cmd.Flags()
	f.StringVar(&o.scope, "scope", string(permissions.ByPipeline), "whose names are allowed: pipeline (exactly these), tenant (all of their tenants) or fleet (all)")
	f.StringVar(&o.account, "account", "", "account of pipelines without a role (default: that of the target)")
	f.StringVar(&o.operator, "operator", "", "account or ARN that the tenants' roles are to trust (default: the account)")
	f.StringVar(&o.policy, "policy", "", "print this policy alone, as AWS takes it")
	f.StringVar(&o.dir, "output-dir", "", "write each policy, as AWS takes it, into a file ACCOUNT/NAME.json of this folder, trusts into ACCOUNT/trust")
	cmd.MarkFlagsMutuallyExclusive("policy", "output-dir")
	cmd.ValidArgsFunction = deps.completes(builtPipelines)
	deps.flag(cmd, "scope", scopes)
	(&deployOptions{}).completions(deps, cmd)
	return reads(cmd)
}

func scopes(context.Context, place) offer {
	return offer{words: []cobra.Completion{
		cobra.CompletionWithDesc(string(permissions.ByPipeline), "exactly these pipelines"),
		cobra.CompletionWithDesc(string(permissions.ByTenant), "all pipelines of their tenants"),
		cobra.CompletionWithDesc(string(permissions.ByFleet), "all pipelines"),
	}}
}

var (
	accountForm  = lazyregexp.New(`^\d{12}$`)
	operatorForm = lazyregexp.New(`^(\d{12}|arn:aws[a-z-]*:(iam|sts)::\d{12}:[\x21-\x7e]+)$`)
)

// check refuses what cannot be meant.
func (o *permissionsOptions) check() error {
	switch {
	case !slices.Contains([]permissions.Scope{permissions.ByPipeline, permissions.ByTenant, permissions.ByFleet}, permissions.Scope(o.scope)):
		return wrongFlag("scope", o.scope, "it is one of pipeline, tenant, fleet")
	case o.account != "" && !accountForm.MatchString(o.account):
		return wrongFlag("account", o.account, "an account has 12 digits")
	case o.operator != "" && !operatorForm.MatchString(o.operator):
		return wrongFlag("operator", o.operator, "it is an account of 12 digits, or the ARN of a user or role")
	case !o.chooses() && o.file == "" && (o.template != "" || len(o.set) > 0):
		return fault.New(fault.Invalid, "permissions was not told of which pipeline that is").WithHint("Name it: `pipelinetui permissions acme/fraud --template realtime --set ...`.")
	}
	return nil
}

func runPermissions(ctx context.Context, deps *Deps, o *permissionsOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	q := app.PermissionsRequest{Scope: permissions.Scope(o.scope), Account: o.account, Operator: o.operator}
	if o.chooses() || o.file != "" {
		d := &deployOptions{selection: o.selection, operation: stack.OperationPreview}
		if err := d.selection.check("pipelinetui permissions"); err != nil {
			return err
		}
		c, err := choose(ctx, deps, d)
		if err != nil {
			return err
		}
		q.Pipelines = c.pipelines
	}
	report, err := deps.app().Permissions(ctx, q)
	if err != nil {
		return err
	}
	for _, id := range report.Unbounded {
		if id != "*" {
			deps.Note("%s has no permissionsBoundary: who deploys it can give its roles any right, and run code as them", id)
		}
	}
	for _, w := range report.Warnings {
		deps.Note("%s", render.Line(w, 0))
	}
	if o.policy != "" {
		return writePolicy(deps, o.policy, &report)
	}
	files, err := o.write(ctx, &report)
	if err != nil {
		return err
	}
	doc := struct {
		console.Header
		permissions.Report
		Files []string `json:"files,omitempty"`
	}{console.NewHeader("Permissions"), report, files}
	return deps.Write(doc, func() string {
		if len(files) > 0 {
			return fmt.Sprintf("%s in %s: %s\n", render.Count(len(files), "file", "files"), render.Line(o.dir, 0), strings.Join(files, ", "))
		}
		return shownPermissions(&report)
	})
}

// named are the documents of a report by their names, and the folders of their files: a
// policy is made in one account, and a trust is none.
func named(r *permissions.Report) (names []string, docs map[string]permissions.Document, folders map[string]string) {
	docs, folders = map[string]permissions.Document{}, map[string]string{}
	add := func(name, folder string, d permissions.Document) {
		for n, plain := 2, name; ; n++ { // two accounts may have a policy of one name
			if _, taken := docs[name]; !taken {
				break
			}
			name = fmt.Sprintf("%s.%d", plain, n)
		}
		names = append(names, name)
		docs[name], folders[name] = d, folder
	}
	for _, p := range r.Policies {
		add(p.Name, p.Account, p.Document)
	}
	for _, t := range r.Trusts {
		account := strings.Split(t.Role+"::::", ":")[4] // arn:aws:iam::ACCOUNT:role/NAME
		add(strings.Join(t.Tenants, "-")+"-trust", filepath.Join(account, "trust"), t.Document)
	}
	return names, docs, folders
}

// writePolicy prints one document as AWS takes it, in whichever form of output.
func writePolicy(deps *Deps, name string, r *permissions.Report) error {
	names, docs, _ := named(r)
	doc, ok := docs[name]
	if !ok {
		return wrongFlag("policy", name, "there is none of that name").WithHint("These are: %s.", strings.Join(names, ", "))
	}
	text, err := document.JSON(doc, "  ")
	if err != nil {
		return err
	}
	return deps.WriteText(text)
}

// write writes a file for each document into --output-dir, in a folder for each account; what
// lies there under other names stays.
func (o *permissionsOptions) write(ctx context.Context, r *permissions.Report) ([]string, error) {
	if o.dir == "" {
		return nil, nil
	}
	names, docs, folders := named(r)
	return outside.Do(ctx, o.dir, func() ([]string, error) {
		files := make([]string, len(names))
		for i, name := range names {
			files[i] = filepath.Join(folders[name], name+".json")
			text, err := document.JSON(docs[name], "  ")
			if err != nil {
				return nil, err
			}
			path := filepath.Join(o.dir, files[i])
			if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
				return nil, aboutFlag("output-dir", o.dir, outside.WriteFault("the policies", o.dir, err))
			}
			if err := wholefile.WriteFile(path, text, 0o644); err != nil { // a policy is to be shared
				return nil, aboutFlag("output-dir", o.dir, outside.WriteFault("the policies", path, err))
			}
		}
		return files, nil
	})
}

// shownPermissions is a report for people: what each policy allows, on how much.
func shownPermissions(r *permissions.Report) string {
	var b strings.Builder
	for _, p := range r.Policies {
		of := "who uses the tool"
		if p.Role != "" {
			of = p.Role
		}
		fmt.Fprintf(&b, "%s: for %s in %s, %s of %s characters\n", p.Name, of, p.Account, render.Number(int64(p.Document.Size())), render.Number(permissions.MaxSize))
		for _, s := range p.Document.Statement {
			on := s.Resource[0]
			if more := len(s.Resource) - 1; more > 0 {
				on += fmt.Sprintf(" and %d more", more)
			}
			fmt.Fprintf(&b, "  %-30s %s on %s\n", s.Sid, render.Count(len(s.Action), "action", "actions"), on)
		}
	}
	for _, t := range r.Trusts {
		fmt.Fprintf(&b, "%s-trust: who may take %s\n", strings.Join(t.Tenants, "-"), t.Role)
	}
	b.WriteString("print one with --policy NAME, write all with --output-dir DIR\n")
	return b.String()
}
