package eject

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Readme is what the README says besides what follows from the project.
type Readme struct {
	// Passphrase is the file of the passphrase, "" if the environment has it or
	// the stack's secrets have another key.
	Passphrase string
	// SecretsProvider is "passphrase" or another kind of key.
	SecretsProvider string
	// Sandbox tells that the pipeline lives on the sandbox, reached through our
	// own providers.
	Sandbox bool
	// Account and Identity are where it runs otherwise.
	Account string
}

func (r Readme) text(o Options, w *writer) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# %s as a Pulumi program", o.Pipeline)
	p("")
	p("The pipeline `%s` of `pipelinetui` as a Pulumi project in YAML: the same project", o.Pipeline)
	p("(`%s`), stack (`%s`), resources and URNs. `pulumi preview` here shows no changes;", o.Project, o.Stack)
	p("`pipelinetui` goes on working with the stack as well, as long as you like.")
	p("")
	p("| file | what it is |\n|---|---|")
	p("| `Pulumi.yaml` | the program: resources and outputs |")
	p("| `Pulumi.%s.yaml` | the stack's config, and the key of its secrets (itself encrypted) |", o.Stack)
	p("| `sdks/` | the versions of the providers |")
	for _, r := range w.folders() {
		p("| `%s/` | the artifact of the resource `%s` |", r, r)
	}
	p("")
	p("## Go on")
	p("")
	p("You need the [Pulumi CLI](https://www.pulumi.com/docs/install/), 3.220 or newer.")
	p("")
	p("```sh")
	if o.Backend == "" {
		p("pulumi login URL            # the backend of the stack, as for pipelinetui")
	}
	switch {
	case r.SecretsProvider != "passphrase":
		p("# the secrets of the stack need the key that Pulumi.%s.yaml names", o.Stack)
	case r.Passphrase != "":
		p("export PULUMI_CONFIG_PASSPHRASE_FILE=%s", fault.Shell(r.Passphrase))
	default:
		p("export PULUMI_CONFIG_PASSPHRASE=...   # as for pipelinetui")
	}
	run := ""
	if r.Sandbox {
		p("# On the sandbox every command goes through `pipelinetui sandbox exec --`, which sets the")
		p("# backend, the passphrase, the credentials and the providers:")
		run = "pipelinetui sandbox exec -- "
	} else {
		p("# and AWS credentials for account %s", r.Account)
	}
	p("%spulumi preview --stack %s --expect-no-changes", run, o.Stack)
	p("%spulumi up --stack %s", run, o.Stack)
	p("```")
	p("")
	if o.Backend != "" {
		p("`Pulumi.yaml` names the backend `%s`; there is no need to log in to it first, unless it asks", o.Backend)
		p("for credentials. Take the lines out to use the one you are logged in to.")
		p("")
	}
	if len(w.res.Secrets) > 0 {
		p("Secret values are in the stack's config, encrypted, each as JSON:")
		p("`pulumi config set --secret %s '\"new value\"'` changes one.", slices.Sorted(maps.Keys(w.res.Secrets))[0])
		p("")
	}
	p("## Two programs for one stack")
	p("")
	p("- `pipelinetui` makes the resources from `spec`, which is in the stack. What you change in other resources here,")
	p("  its next `preview` shows and its next `up` undoes. Leave `spec` in its place until you leave `pipelinetui`.")
	for _, rec := range w.rec.Resources {
		if !rec.ReplacementTrigger.IsNull() {
			p("- `%s` has to be replaced when its kind changes, and YAML programs can't say so: `pulumi up` here forgets it.", rec.Name)
			p("  Run `pipelinetui up %s` once, without a change, before you change the kind with `pipelinetui`.", o.Pipeline)
		}
	}
	p("- Names, policies and the definition of the state machine are written out. What one `pipelinetui up --set`")
	p("  changes in several places has to be changed in each of them here; or eject again.")
	return b.String()
}

// folders are the top folders with artifacts.
func (w *writer) folders() []string {
	var out []string
	for _, f := range w.res.Files {
		if top, _, deep := strings.Cut(f, "/"); deep && top != "sdks" && !slices.Contains(out, top) {
			out = append(out, top)
		}
	}
	slices.Sort(out)
	return out
}
