package app

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/templates"
)

var (
	nameLine  = lazyregexp.New(`(?m)^name:.*$`)
	titleLine = lazyregexp.New(`(?m)^title:.*$`)
	nameForm  = lazyregexp.New(`^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$`)
)

// NewTemplate writes the folder of a new template, a copy of a built-in one with
// an introduction, and returns its files. The folder's name becomes the
// template's. It overwrites nothing, and leaves nothing behind if it fails.
func (a *App) NewTemplate(dir, from string) (files []string, err error) {
	builtin := BuiltinTemplates()
	if !slices.Contains(builtin, from) {
		e := fault.New(fault.NotFound, "there is no built-in template %q", from)
		if s := spec.Suggest(from, builtin); s != "" {
			return nil, e.WithHint("Did you mean %q?", s)
		}
		return nil, e.WithHint("Choose one of %s.", strings.Join(builtin, ", "))
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fault.Wrap(err, "find %s", dir)
	}
	name := filepath.Base(dir)
	switch {
	case !nameForm.MatchString(name):
		return nil, fault.New(fault.Invalid, "%q can't be the name of a template", name).
			WithHint("Name the folder with up to 32 of a-z, 0-9 and hyphens, the first a letter.")
	case slices.Contains(builtin, name):
		return nil, fault.New(fault.Invalid, "a template named %q would take the place of the built-in one", name).
			WithHint("Choose another name, such as my-%s.", name)
	}
	switch entries, err := os.ReadDir(dir); {
	case errors.Is(err, fs.ErrNotExist):
	case len(entries) > 0 || errors.Is(err, syscall.ENOTDIR) && exists(dir):
		return nil, fault.New(fault.Conflict, "%s is there already", dir).WithHint("Choose a folder that does not exist or is empty.").Because(err)
	case err != nil:
		return nil, outside.WriteFault("the folder", dir, err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, outside.WriteFault("the folder", filepath.Dir(dir), err)
	}
	// A folder that appears whole or not at all.
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "."+name+"-")
	if err != nil {
		return nil, outside.WriteFault("the folder", filepath.Dir(dir), err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	if files, err = copyTemplate(from, name, tmp); err != nil {
		return nil, outside.WriteFault("the template", dir, err)
	}
	if err = os.Chmod(tmp, 0o755); err != nil {
		return nil, outside.WriteFault("the template", dir, err)
	}
	if err = os.Rename(tmp, dir); err != nil { // over an empty folder at most
		return nil, outside.WriteFault("the template", dir, err)
	}
	return files, nil
}

// exists tells whether there is something of that name.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func copyTemplate(from, name, into string) ([]string, error) {
	src, err := fs.Sub(templates.FS, from)
	if err != nil {
		return nil, err
	}
	var files []string
	err = fs.WalkDir(src, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(into, filepath.FromSlash(path))
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := fs.ReadFile(src, path)
		if err != nil {
			return err
		}
		files = append(files, path)
		if path == spec.TemplateFile {
			data = renamed(data, from, name)
		}
		return os.WriteFile(target, data, 0o644)
	})
	return files, err
}

// renamed gives template.yaml its new name and an introduction.
func renamed(data []byte, from, name string) []byte {
	once := func(re *lazyregexp.Regexp, line string) {
		if at := re.FindIndex(data); at != nil {
			data = slices.Concat(data[:at[0]], []byte(line), data[at[1]:])
		}
	}
	once(nameLine, "name: "+name)
	once(titleLine, "title: "+strings.ReplaceAll(name, "-", " ")+", begun as a copy of "+from)
	return append(introduction(from, name), data...)
}

// introduction explains a template to who has to change it, from what the blocks
// say of themselves.
func introduction(from, name string) []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) {
		b.WriteString(strings.TrimRight("# "+fmt.Sprintf(format, args...), " ") + "\n")
	}
	line("A template of your own, begun as a copy of %s.", from)
	line("")
	line("  template.yaml           this file: what the template asks for, and its blocks")
	line("  statemachine.asl.json   the state machine; each ${name} in its strings is filled in")
	line("  preprocess/ and others  sources of functions: the folder x is used where the")
	line("                          parameter x.code is not given")
	line("")
	line("After every change, in the folder above this one:")
	line("  pipelinetui templates check %s", name)
	line("To use it, name the folder it is in with PIPELINETUI_TEMPLATES or the setting")
	line("`templates`, and write `template: %s` in a spec or --template %s.", name, name)
	line("")
	line("A ${name} is a parameter's name, or it is declared under `substitutions`: then a")
	line("block provides it, or `cases` give it a value that depends on parameters. Every")
	line("definition may declare %s.", strings.Join(program.Provided(), ", "))
	line("")
	line("The blocks are pieces of the program that makes the resources:")
	for _, block := range program.Blocks() {
		line("  %-12s %s", block.Name, block.Title)
		for _, more := range []struct {
			what  string
			names []string
		}{{"needs", block.Needs}, {"asks for", block.Requires}, {"provides", block.Provides}} {
			if len(more.names) > 0 {
				line("  %-12s   %s %s", "", more.what, strings.Join(more.names, ", "))
			}
		}
	}
	line("")
	line("They let the state machine call, each as arn:${partition}:states:::<one of these>:")
	for _, name := range program.Integrations() {
		line("  %s", name)
	}
	b.WriteString("\n")
	return b.Bytes()
}
