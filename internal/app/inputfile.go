package app

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/artifacts"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
)

// inputFolder is what a pipeline's roles may read data sets from.
const inputFolder = "in/"

// maxDataset is the largest file that a Distributed Map reads, in bytes.
// (step-functions/latest/dg/input-output-itemreader.html)
const maxDataset = 10 << 30

// DataSet is a data set that an execution will work through: a local file, or
// the files of a folder, and the input that names them.
type DataSet struct {
	Files []artifacts.File
	Bytes int64
	// Input is the execution's input.
	Input json.RawMessage

	store artifacts.Store
	// free tells whether no execution has the name that the data set is for.
	free func(ctx context.Context) error
	// where is the key of the one file, or the folder of many.
	where string
}

// URI says where the data set will be.
func (d *DataSet) URI() string { return "s3://" + d.store.Bucket + "/" + d.where }

// DataSet prepares a file, or a folder where the template takes one, for the
// execution called name. It refuses a pipeline whose template takes no file, and
// a name that is taken: what another execution reads must not change under it.
func (a *App) DataSet(ctx context.Context, m *Machine, name, path string) (*DataSet, error) {
	t, err := a.TemplateOf(ctx, m.Pipeline.Spec)
	if err != nil {
		return nil, err
	}
	if len(t.InputFile) == 0 {
		return nil, fault.New(fault.Unsupported, "pipeline %s is of template %s, whose executions take no file", m.ID, t.Name).
			WithHint("Give each input with --input, or many with --inputs FILE; the template batch works through a file in one execution.")
	}
	files, err := outside.Do(ctx, path, func() ([]artifacts.File, error) { return artifacts.Files(path, inputFolder+name+"/") })
	if err != nil {
		return nil, err
	}
	d := &DataSet{Files: files, where: inputKey(files, name)}
	for _, f := range files {
		d.Bytes += f.Size
		if f.Size > maxDataset {
			return nil, fault.New(fault.Invalid, "%s has %d GiB; a Distributed Map reads files of up to 10 GiB", f.Path, f.Size>>30).
				WithHint("Divide it into several files.")
		}
	}
	if len(files) > 1 && !t.TakesFolder(m.Pipeline.Spec.Parameters) {
		return nil, fault.New(fault.Invalid, "%s is a folder, but pipeline %s reads one file in an execution", path, m.ID).
			WithHint("Name the file, or set inputFormat to S3FLATTEN or S3LIST.")
	}
	if err := checkLines(ctx, m, files); err != nil {
		return nil, err
	}
	d.free = func(ctx context.Context) error { return nameFree(ctx, m, name) }
	if err := d.free(ctx); err != nil {
		return nil, err
	}
	input, ok := t.InputFor(m.Pipeline.Spec.Parameters, d.where)
	if !ok {
		return nil, fault.New(fault.Unsupported, "template %s says no input for a file with the parameters of %s", t.Name, m.ID).
			WithHint("Put the file into the bucket yourself and name it with --input.")
	}
	d.Input = input
	if d.store, err = a.storeOf(ctx, m); err != nil {
		return nil, err
	}
	return d, nil
}

// checkLines refuses a data set whose lines are not JSON before it is uploaded: a Map Run that
// comes to such a line fails as a whole. What is compressed is left to it.
func checkLines(ctx context.Context, m *Machine, files []artifacts.File) error {
	if format, _ := m.Parameters["inputFormat"].(string); format != "JSONL" && format != "S3FLATTEN" {
		return nil
	}
	for _, f := range files {
		switch strings.ToLower(filepath.Ext(f.Path)) {
		case ".gz", ".zst":
			continue
		}
		if _, err := executions.JSONLines(f.Path).Check(ctx); err != nil {
			return err
		}
	}
	return nil
}

// inputKey is the key of the one file; of a folder, a key at its top.
func inputKey(files []artifacts.File, name string) string {
	if len(files) == 1 {
		return files[0].Key
	}
	return inputFolder + name + "/"
}

func nameFree(ctx context.Context, m *Machine, name string) error {
	arn, err := executions.ExecutionARN(m.ARN, name)
	if err != nil {
		return err
	}
	switch d, err := m.Client.Describe(ctx, arn); {
	case err == nil:
		return fault.New(fault.Conflict, "there is an execution %s of %s already (%s)", name, m.ID, d.Status).
			WithHint("Choose another --name, or look at it with `pipelinetui executions watch %s %s`.", m.ID, name)
	case fault.KindOf(err) == fault.NotFound:
		return nil
	default:
		return err
	}
}

func (a *App) storeOf(ctx context.Context, m *Machine) (artifacts.Store, error) {
	bucket, err := m.Pipeline.State.Text("bucketName")
	if err != nil {
		return artifacts.Store{}, err
	}
	if bucket == "" {
		return artifacts.Store{}, fault.New(fault.NotFound, "pipeline %s has no bucket", m.ID).
			WithHint("Run `pipelinetui up %s` and see what fails.", m.ID)
	}
	t, err := a.Target(ctx)
	if err != nil {
		return artifacts.Store{}, err
	}
	cfg, err := t.awsConfig(ctx, m.Pipeline.Spec.Region, m.Pipeline.Spec.AssumeRole)
	if err != nil {
		return artifacts.Store{}, err
	}
	return artifacts.Store{API: artifacts.Connect(cfg), Bucket: bucket}, nil
}

// Upload puts the data set into the pipeline's bucket. What has got there of one that
// could not be uploaded whole is removed.
func (d *DataSet) Upload(ctx context.Context, progress artifacts.Progress) error {
	err := d.store.Upload(ctx, d.Files, progress)
	if err != nil {
		if left := d.Discard(ctx); left != nil {
			return errors.Join(err, left)
		}
	}
	return err
}

// discardTime bounds how long a data set is tried to be removed, also after ctx has ended.
const discardTime = 10 * time.Second

// Discard removes a data set that no execution works through: its start was refused. If
// there is one after all, as when only the answer got lost, the data set stays and that is
// no error.
func (d *DataSet) Discard(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTime)
	defer cancel()
	switch err := d.free(ctx); {
	case fault.KindOf(err) == fault.Conflict:
		return nil
	case err != nil:
		return fault.Wrap(err, "the data set stays at %s, as it is not known whether an execution needs it", d.URI())
	}
	if err := d.store.Remove(ctx, d.Files); err != nil {
		return fault.Wrap(err, "the data set stays at %s", d.URI())
	}
	return nil
}
