package wizard_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// answered is a form with all that has to be answered.
func answered(t *testing.T, s *datatest.Source, archive string) *tuitest.Session {
	t.Helper()
	x := open(t, s, ui.OpenWizard{}, [2]int{120, 40})
	x.Until("realtime")
	x.Press("down", "enter")
	x.Until("Names on AWS")
	x.Type("acme")
	x.Press("enter")
	x.Type("risk")
	x.Press("pgdown")
	x.Type("sandbox/linear")
	x.Press("enter")
	x.Type(archive)
	return x
}

// A file that is not there is told while its name is typed, not when the field is left.
func TestAMissingFileIsNotComplete(t *testing.T) {
	t.Parallel()
	x := answered(t, datatest.New(t), "./nowhere/model.tar.gz")
	x.Until("1 to answer or mend")
	require.NotContains(t, x.Screen(), "complete")
	x.Press("ctrl+u")
	x.Type("s3://models/risk/model.tar.gz")
	x.Until("complete")
}

// What a deployment was refused for is a problem of its field, one key away.
func TestWhatADeploymentIsRefusedForLeadsToItsField(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	s.OperateFunc = func(context.Context, pipelines.Request) (pipelines.Operation, error) {
		return nil, fault.Wrap(&spec.Problem{
			Path: spec.Path{"parameters", "modelDataUrl"}, Rule: spec.CodeArtifact,
			Msg: "there is no object at s3://models/risk/model.tar.gz",
		}, "acme/risk")
	}
	x := answered(t, s, "s3://models/risk/model.tar.gz")
	x.Press("ctrl+s")
	x.Until("Ready to create")
	x.Press("enter")
	r := x.Requests()
	req := r[len(r)-1].(ui.OpenDeploy).Request
	require.Equal(t, stack.OperationUp, req.Operation)
	_, cmd := x.App.Env().Jobs.Start(req)
	x.Run(cmd)
	x.Until("there is no object at s3://models/risk/model.tar.gz")
	x.Until("1 problem to mend")
	x.Press("enter")
	x.Press("ctrl+u")
	x.Type("s3://models/risk/2.tar.gz")
	x.Until("s3://models/risk/2.tar.gz")
	x.Press("ctrl+s")
	x.Until("Ready to create")
}
