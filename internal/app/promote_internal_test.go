package app

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/templates"
)

// Code is nothing without its handler and its runtime: they go where it goes.
func TestCodeTakesItsHandlerWithIt(t *testing.T) {
	t.Parallel()
	cat, err := spec.LoadCatalog(templates.FS)
	require.NoError(t, err)
	tmpl, err := cat.Lookup("realtime")
	require.NoError(t, err)
	values := spec.Values{
		"image": "i@sha256:1", "modelDataUrl": "s3://b/m.tar.gz", "preprocess.code": "s3://b/c.zip",
		"preprocess.handler": "index.handler", "preprocess.runtime": "nodejs22.x", "preprocess.memoryMb": 512,
	}
	require.ElementsMatch(t, []string{
		"image=i@sha256:1", "modelDataUrl=s3://b/m.tar.gz", "preprocess.code=s3://b/c.zip",
		"preprocess.handler=index.handler", "preprocess.runtime=nodejs22.x",
	}, artifactsOf(&spec.Pipeline{Parameters: values}, tmpl))
	values["preprocess.runtime"] = "python3.13" // what the template says goes with the template
	require.Contains(t, artifactsOf(&spec.Pipeline{Parameters: values}, tmpl), "preprocess.runtime=null")
	values["preprocess.code"] = "" // that of the template
	require.Subset(t, artifactsOf(&spec.Pipeline{Parameters: values}, tmpl),
		[]string{"preprocess.code=null", "preprocess.handler=null", "preprocess.runtime=null"})
}
