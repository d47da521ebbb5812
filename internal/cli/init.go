package cli

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// initOptions are those of init.
type initOptions struct {
	pipeline string // "" asks for it
	template string
	set      []string
	out      string // a file, or - for standard output
	force    bool
}

func newInit(deps *Deps, do action[initOptions]) *cobra.Command {
	o := &initOptions{}
	cmd := &cobra.Command{
		Use:   "init [PIPELINE]",
		Short: "write a commented spec",
		Long: `Writes a spec of one pipeline, with every parameter of its template beside what it means:
those that were given as they are, the others as comments with their defaults. It asks
what the template needs, one question a line; what is given by --template and --set is
not asked for, and with all of it nothing is. Nothing is created on AWS.

` + secretsHelp,
		Example: `  pipelinetui init
  pipelinetui init acme/fraud --template realtime --set image=sandbox/linear --set modelDataUrl=./model.tar.gz
  pipelinetui preview -f pipelines.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.pipeline = args[0]
			}
			return do(cmd.Context(), deps, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.template, "template", "", "template of the pipeline")
	f.StringArrayVar(&o.set, "set", nil, "set a parameter (name=value), may be repeated")
	f.StringVar(&o.out, "out", "pipelines.yaml", "file to write; - for standard output")
	f.BoolVar(&o.force, "force", false, "overwrite the file")
	cmd.ValidArgsFunction = deps.completes(newPipeline)
	deps.flag(cmd, "template", templateNames)
	deps.flag(cmd, "set", parameters)
	files(cmd, "out", "yaml", "yml")
	return reads(cmd)
}

func runInit(ctx context.Context, deps *Deps, o *initOptions) error {
	start := spec.Answers{Template: o.template}
	if o.pipeline != "" {
		var err error
		if start.ID, err = spec.ParseID(o.pipeline); err != nil {
			return err
		}
	}
	toFile := o.out != "-"
	if toFile {
		if err := notThere(ctx, "out", o.out, o.force); err != nil {
			return err
		}
	}
	cat, err := catalog(ctx, deps)
	if err != nil {
		return err
	}
	opts := deps.app().SpecOptions(o.set)
	p, err := o.answered(ctx, deps, cat, opts, start)
	if err != nil {
		return err
	}
	t, err := cat.Lookup(p.Template)
	if err != nil {
		return err
	}
	dir := "."
	if toFile {
		dir = filepath.Dir(o.out)
	}
	text, err := specText(p, t, dir)
	if err != nil {
		return err
	}
	// What is written is read back before anybody relies on it.
	opts.Set = nil
	if _, err := outside.Do(ctx, "the spec", func() (*spec.Set, error) { return spec.Parse(o.out, text, dir, cat, opts) }); err != nil {
		return fault.New(fault.Internal, "the spec that was made is not valid: %s", err).Because(err).
			WithHint("Please report it with the answers that you gave.")
	}
	return writeSpec(deps, o, p, t, text)
}

// answered makes the pipeline of what was typed, or asks for the rest where it can.
func (o *initOptions) answered(ctx context.Context, deps *Deps, cat *spec.Catalog, opts spec.Options, start spec.Answers) (*spec.Pipeline, error) {
	asks := deps.CanPrompt() && !deps.Machine()
	if start.Template != "" && start.ID.Tenant != "" {
		p, err := outside.Do(ctx, "the files of "+start.ID.String(), func() (*spec.Pipeline, error) { return spec.Build(start, cat, opts) })
		if err == nil || !asks || len(o.set) > 0 {
			return p, err // with --set it is not a conversation: what is missing is told at once
		}
	}
	if !asks {
		return nil, fault.New(fault.Invalid, "init asks what a pipeline needs, and nobody can be asked here").
			WithHint("Give it all: `pipelinetui init TENANT/MODEL --template NAME --set parameter=value ...`.")
	}
	return askPlain(ctx, deps.Answers(), deps.Err, cat, opts, start)
}

func writeSpec(deps *Deps, o *initOptions, p *spec.Pipeline, t *spec.Template, text []byte) error {
	if o.out != "-" {
		mode := fs.FileMode(0o644) // a spec is to be shared
		if bytes.Contains(text, []byte("secret:")) {
			mode = 0o600 // a value may stand in it
		}
		if err := wholefile.WriteFile(o.out, text, mode); err != nil {
			return aboutFlag("out", o.out, outside.WriteFault("the spec", o.out, err))
		}
	}
	doc := struct {
		console.Header
		File     string `json:"file"`
		Pipeline string `json:"pipeline"`
		Template string `json:"template"`
		Text     string `json:"text"`
	}{console.NewHeader("SpecMade"), o.out, p.ID.String(), t.Name, string(text)}
	return deps.Write(doc, func() string {
		if o.out == "-" {
			return string(text)
		}
		return fmt.Sprintf("%s describes %s\n", render.Line(o.out, 0), p.ID)
	})
}
