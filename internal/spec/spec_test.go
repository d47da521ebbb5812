package spec_test

import (
	"embed"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/templates"
)

// builtin is the catalog of the program.
func builtin(t testing.TB) *spec.Catalog {
	t.Helper()
	cat, err := spec.LoadCatalog(templates.FS)
	require.NoError(t, err)
	return cat
}

func asError(all []*spec.Problem) error {
	var list fault.List
	for _, p := range all {
		list = append(list, p)
	}
	return list.OrNil()
}

// build makes a pipeline of flags: the short form of what most tests want.
func build(id spec.ID, template string, set []string, cat *spec.Catalog, opts spec.Options) (*spec.Pipeline, error) {
	opts.Set = append(slices.Clone(set), opts.Set...)
	return spec.Build(spec.Answers{ID: id, Template: template}, cat, opts)
}

// tiny is a template with one parameter of every type, to test rules that the
// real ones happen not to have.
const tiny = `
name: tiny
title: Tiny
version: "7"
blocks: [storage]
parameters:
  - {name: word, type: string, help: A word., pattern: '^[a-z]+$', patternHelp: small letters, maxLength: 5, default: abc}
  - {name: password, type: string, help: Hidden., secret: true, pattern: '^[a-z]{8,}$', patternHelp: eight small letters}
  - {name: count, type: int, help: A count., min: 1, max: 9, default: 1}
  - {name: share, type: float, help: A share., above: 0, max: 1, default: 0.5}
  - {name: on, type: bool, help: A switch., default: false}
  - {name: colour, type: enum, help: A colour., enum: [red, green], default: red}
  - {name: size, type: enum, help: A size., enum: [1, 2, 4], default: 1}
  - {name: items, type: list, help: Some., default: [], max: 2, pattern: '^i-', patternHelp: an i-name}
  - {name: vars, type: map, help: More., default: {}, keyPattern: '^[A-Z]+$', keyPatternHelp: capital letters, keyReserved: [HOME]}
  - {name: topic, type: arn, help: A topic.}
  - {name: code.path, type: path, help: Code., default: "", artifact: {kinds: [dir, zip, file], extensions: [.tar.gz], urls: [s3], maxBytes: 2000}}
  - {name: code.entry, type: string, help: Entry., default: main.run}
  - {name: code.runtime, type: enum, help: Runtime., enum: [python3.13, nodejs22.x, ruby3.4, java21, provided.al2023], default: java21}
rules:
  - {kind: conflicts, parameters: [on, topic], help: Choose one.}
  - {kind: requires, when: {colour: green}, parameters: [topic], help: Name a topic.}
  - {kind: forbid, when: {size: [2, 4], share: {above: 0.9}}, help: Lower share.}
  - {kind: handler, parameters: [code.path, code.entry, code.runtime], help: Name a file.}
`

const machine = `{"StartAt": "A", "States": {"A": {"Type": "Succeed", "Comment": "${word} ${count}"}}}`

func tinyFS() fstest.MapFS {
	return fstest.MapFS{
		"tiny/template.yaml":         {Data: []byte(tiny)},
		"tiny/statemachine.asl.json": {Data: []byte(machine)},
		"tiny/code/other.py":         {Data: []byte(pythonRun)},
	}
}

func tinyCatalog(t testing.TB) *spec.Catalog {
	t.Helper()
	cat, err := spec.LoadCatalog(tinyFS())
	require.NoError(t, err)
	return cat
}

// write makes a file in a new folder and returns its path.
func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// lines renders a list of errors, each with its hint, as a person sees them.
// Places lose the folder of the file.
func lines(t testing.TB, err error, dir string) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var list fault.List
	require.True(t, errors.As(err, &list), "%T is no fault.List: %v", err, err)
	var out []string
	for _, e := range list {
		require.Equal(t, fault.Invalid, fault.KindOf(e), "%v", e)
		hint := fault.HintOf(e)
		require.NotEmpty(t, hint, "no hint: %v", e)
		require.True(t, strings.HasSuffix(hint, ".") || strings.HasSuffix(hint, "?") || strings.HasSuffix(hint, "`") || strings.Contains(hint, ": "), "the hint is no sentence: %s", hint)
		line := e.Error() + " | " + hint
		if dir != "" {
			line = strings.ReplaceAll(line, dir+string(filepath.Separator), "")
		}
		out = append(out, line)
	}
	return out
}

func templatesFS() embed.FS { return templates.FS }
