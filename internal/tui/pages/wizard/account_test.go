package wizard_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/preflight"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
)

// What would make an up fail is seen on the last page, before anything is applied: each check
// by its code with the way out, what is sure first. It stops nobody from looking at the
// preview.
func TestTheReviewTellsOfTheAccount(t *testing.T) {
	t.Parallel()
	for _, size := range sizes() {
		t.Run(name("account", size), func(t *testing.T) {
			t.Parallel()
			s := datatest.New(t)
			s.PreflightFunc = func(_ context.Context, p *spec.Pipeline) (preflight.Report, error) {
				return preflight.Report{Questions: 12, Seconds: 420, Findings: []preflight.Finding{
					{Code: preflight.CodeMachines, Severity: preflight.Error, Message: p.ID.String() + " wants 1 of 0 machines", Hint: "Ask for more."},
					{Code: preflight.CodePull, Severity: preflight.Warning, Message: "who deploys may not look at the image", Hint: "Let the repository's policy allow it."},
					{Code: preflight.CodeUnasked, Severity: preflight.Info, Message: "could not be asked: \x1b[2Jkey", Hint: "Allow the question."},
				}}, nil
			}
			x := answered(t, s, "s3://models/risk/model.tar.gz")
			x.Resize(size[0], size[1])
			x.Press("ctrl+s")
			x.Until("An up would fail: see the account.")
			x.Golden(name("account", size))
			require.NotContains(t, x.Screen(), "\x1b[2J")
			x.Press("enter")
			require.NotEmpty(t, x.Requests())
		})
	}
}

// Answers about pipelines that are no longer what is asked for are nobody's.
func TestALateAnswerAboutTheAccount(t *testing.T) {
	t.Parallel()
	s, late, asked := datatest.New(t), make(chan struct{}), make(chan string, 9)
	s.PreflightFunc = func(ctx context.Context, p *spec.Pipeline) (preflight.Report, error) {
		url := p.Parameters.String("modelDataUrl")
		asked <- url
		if strings.HasSuffix(url, "first") {
			select {
			case <-late:
			case <-ctx.Done():
			}
			return preflight.Report{}, errors.New("about the first answer")
		}
		return preflight.Report{}, errors.New("about the second answer")
	}
	x := answered(t, s, "s3://models/first")
	x.Hit("ctrl+s") // what is begun does not end yet
	x.Wait("to ask the account", func() bool { return len(asked) == 1 })
	require.Equal(t, "s3://models/first", <-asked)
	x.Until("it is asked what would make an up fail")
	x.Hit("esc")
	x.Until("Model archive")
	x.Hit("ctrl+u")
	x.Hit(strings.Split("s3://models/second", "")...)
	x.Until("s3://models/second")
	x.Hit("ctrl+s")
	x.Until("it could not be asked: about the second answer")
	late <- struct{}{}
	x.Idle()
	require.NotContains(t, x.Screen(), "first answer")
}
