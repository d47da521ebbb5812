package cli

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/costs"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// runOptions are those of run.
type runOptions struct {
	pipeline  string
	patterns  []string // with all, or several
	all       bool
	yes       bool
	input     string
	inputFile string
	inputs    string
	batch     string
	name      string
	wait      bool
	watch     bool
	detach    bool
	timeout   time.Duration
}

func newRun(deps *Deps, do action[runOptions]) *cobra.Command {
	o := &runOptions{}
	cmd := &cobra.Command{
		Use:   "run PIPELINE...",
		Short: "start an execution, or many",
		Long: `Starts an execution of a pipeline. Without --wait or --watch it returns as soon as
the execution has started.

With --input-file the file (or the folder, if the template reads many files) is
uploaded to the pipeline's bucket and one execution works through it, as pipelines of
the template batch do. While it is waited for, the progress of its Map Run is shown.

With --inputs every line of a JSONL file (or row of a CSV file) becomes one
execution; a batch that was cut off goes on where it stopped when it is run again
with the same --batch name.

With --all, a pattern or several names every pipeline gets a batch of that name with the
same inputs. --inputs may be a folder then, with a file for each pipeline named after its
stack (acme.fraud.dev.jsonl), as "executions export --inputs" writes them; without names it
runs all that have one. All files are checked before the first execution is started.`,
		Example: `  pipelinetui run acme/fraud --input '{"amount": 12}' --wait
  pipelinetui run acme/fraud --input @order.json --watch
  pipelinetui run acme/fraud --inputs orders.jsonl --batch monday --wait
  pipelinetui run acme/churn --input-file customers.jsonl --wait
  pipelinetui run --all --inputs smoke.jsonl --batch smoke --wait --yes
  pipelinetui run --inputs mended/ --batch again --wait`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.patterns = args; len(args) == 1 {
				o.pipeline = args[0]
			}
			return do(cmd.Context(), deps, o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.input, "input", "i", "", "the input: JSON, @FILE, or - for standard input")
	f.StringVar(&o.inputFile, "input-file", "", "a data set that one execution works through")
	f.StringVar(&o.inputs, "inputs", "", "many inputs: a .jsonl, .csv or .tsv file, - for standard input, or a folder with a file for each pipeline")
	f.BoolVar(&o.all, "all", false, "with --inputs: all pipelines")
	f.StringVar(&o.batch, "batch", "", "name of the batch that --inputs starts")
	f.StringVar(&o.name, "name", "", "name of the execution; the same name and input start it once")
	f.BoolVar(&o.wait, "wait", false, "wait for the end; exit with 10 unless it succeeded")
	f.BoolVar(&o.watch, "watch", false, "like --wait, and show each state")
	f.BoolVar(&o.detach, "detach", false, "return as soon as it has started (the default)")
	durationFlag(f, &o.timeout, "timeout", 0, "give up waiting after this time, 0 for never; the execution goes on")
	yesFlag(cmd, &o.yes)
	cmd.MarkFlagsMutuallyExclusive("wait", "detach")
	cmd.MarkFlagsMutuallyExclusive("watch", "detach")
	cmd.MarkFlagsMutuallyExclusive("input", "input-file", "inputs")
	onceFlags(f, "start several executions with --inputs FILE", "input", "inputs")
	cmd.MarkFlagsMutuallyExclusive("name", "inputs")
	cmd.ValidArgsFunction = deps.completes(manyPipelines)
	deps.flag(cmd, "input", inputFile)
	deps.flag(cmd, "batch", batches)
	files(cmd, "input-file")
	files(cmd, "inputs", "jsonl", "csv", "tsv")
	return changes(cmd)
}

func runExecution(ctx context.Context, deps *Deps, o *runOptions) error {
	several, err := o.several(ctx)
	if err != nil {
		return err
	}
	if several {
		return runMany(ctx, deps, o)
	}
	id, err := spec.ParseID(o.pipeline)
	if err != nil {
		return err
	}
	if o.input == "" && o.inputFile == "" && o.inputs == "" {
		return wrongFlag("input", nil, "run needs an input").
			WithHint("Give it with --input JSON, --input @FILE, --input -, --input-file FILE or --inputs FILE. `pipelinetui show %s` has an example.", id)
	}
	if o.timeout != 0 && !o.wait && !o.watch {
		return wrongFlag("timeout", o.timeout.String(), "it means nothing without --wait or --watch").WithHint("Add --wait.")
	}
	if o.name != "" {
		if err := aboutFlag("name", o.name, executions.ValidateName(o.name)); err != nil {
			return err // before anything is asked or uploaded
		}
	}
	if o.inputs != "" {
		return runBatch(ctx, deps, o, id)
	}
	var input []byte
	if o.inputFile == "" {
		if input, err = readInput(ctx, deps, o.input); err == nil {
			err = executions.ValidateInput(input)
		}
		if err != nil {
			return aboutFlag("input", o.input, err)
		}
	}
	m, err := deps.app().Machine(ctx, id)
	if err != nil {
		return err
	}
	var set *app.DataSet
	var estimate *costs.Use
	if o.inputFile != "" {
		items, known := itemsIn(ctx, o.inputFile)
		if known && items > 0 { // an empty file is refused below
			estimate = batchCosts(ctx, deps, m, render.Count(int(items), "item", "items"), 1, items)
		}
		if set, err = uploadInput(ctx, deps, o, m); err != nil {
			return err
		}
		input = set.Input
	}
	started, err := m.Client.Start(ctx, executions.StartInput{Machine: m.Alias, Name: o.name, Input: input})
	if err != nil {
		if set != nil { // it stays where an execution needs it, perhaps
			if left := set.Discard(ctx); left != nil {
				deps.Note("%s", left)
			}
		}
		return fault.Wrap(err, "run %s", id)
	}
	if !o.wait && !o.watch {
		doc := struct {
			console.Header
			Pipeline string `json:"pipeline"`
			executions.Started
			// Estimate is what a data set was expected to cost before it was started.
			Estimate *costs.Use `json:"estimate,omitempty"`
		}{console.NewHeader("Started"), id.String(), started, estimate}
		return deps.Write(doc, func() string {
			return fmt.Sprintf("%s\n", started.Name)
		})
	}
	return watchExecution(ctx, deps, watchOptions{machine: m, arn: started.ARN, events: o.watch, timeout: o.timeout, exit: true})
}

// readInput takes JSON as it is, @FILE, or - for standard input.
func readInput(ctx context.Context, deps *Deps, arg string) ([]byte, error) {
	var raw []byte
	var err error
	name := console.StandardInput
	switch {
	case arg == "-":
		raw, err = outside.ReadAll(ctx, name, deps.Stdin(), executions.MaxInput)
	case strings.HasPrefix(arg, "@"):
		name = arg[1:]
		raw, err = outside.ReadFile(ctx, "the input file", name, executions.MaxInput)
	default:
		return []byte(arg), nil
	}
	if err != nil {
		return nil, err
	}
	if len(raw) > executions.MaxInput { // what is behind was not read
		return nil, tooLarge(ctx, name, arg != "-")
	}
	return outside.Text(name, raw)
}

// tooLarge is of an input that is read no further than it has to be: how large it is only a
// file tells.
func tooLarge(ctx context.Context, name string, file bool) error {
	size := fmt.Sprintf("more than %d", executions.MaxInput)
	if file {
		info, err := outside.Do(ctx, name, func() (os.FileInfo, error) { return os.Stat(name) })
		if err == nil && info.Mode().IsRegular() {
			size = strconv.FormatInt(info.Size(), 10)
		}
	}
	return fault.New(fault.Invalid, "input has %s bytes, %d at most are allowed", size, executions.MaxInput).WithHint("Put large data in S3 and pass its key.")
}
