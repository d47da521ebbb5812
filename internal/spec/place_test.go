package spec_test

import (
	"strconv"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

func TestPlaces(t *testing.T) {
	t.Parallel()
	folder := fstest.MapFS{
		"template.yaml": {Data: []byte(`name: tiny
title: Tiny
version: "1"
blocks: [storage, workflow]
groups: [{name: g, title: G}]
parameters:
  - {name: size, type: int, group: g, help: How big., default: 3}
  - name: image
    type: string
    help: What.
    required: true
    example: a/b
`)},
		"statemachine.asl.json": {Data: []byte("{\n  \"StartAt\": \"é ${sise}\"}")},
	}
	tmpl, errs := spec.ReadTemplate(folder, "tiny")
	require.Len(t, errs, 1)
	require.Equal(t, "tiny/statemachine.asl.json:2:17", errs[0].File+":"+strconv.Itoa(errs[0].Line)+":"+strconv.Itoa(errs[0].Column))
	require.Equal(t, "Did you mean ${size}?", fault.HintOf(errs[0]))

	place := func(path ...any) [2]int {
		line, column := tmpl.Place(path...)
		return [2]int{line, column}
	}
	require.Equal(t, [2]int{4, 19}, place("blocks", 1))
	require.Equal(t, [2]int{7, 6}, place("parameters", 0, "name"))
	require.Equal(t, [2]int{9, 5}, place("parameters", 1, "type"))
	require.Equal(t, [2]int{8, 5}, place("parameters", 1, "min"), "what is not there is where it would be")
	require.Equal(t, [2]int{6, 1}, place("parameters", 9))

	p, ok, err := spec.Trial(tmpl, "us-east-1")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, spec.Values{"size": 3, "image": "a/b"}, p.Parameters)
}
