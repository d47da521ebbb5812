package cli

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/templates"
)

// person answers what is asked: the answers to a question in turn, and an empty
// line where there are none left.
type person struct {
	out     bytes.Buffer
	answers map[string][]string
}

func (p *person) Read(b []byte) (int, error) {
	said := p.out.String()
	question := said[strings.LastIndex(said, "\n")+1:]
	if strings.HasPrefix(question, "Change ") || strings.HasPrefix(question, "Enter ") {
		// Whose defaults, which choice: the nearest line before that has an answer.
		for _, l := range slices.Backward(strings.Split(said, "\n")) {
			l, _, _ = strings.Cut(l, ".")
			if l = strings.TrimSpace(l); len(p.answers[l]) > 0 && strings.Contains(said, l) {
				question = l
				break
			}
			if strings.Contains(l, "What kind") || strings.HasPrefix(question, "Change ") && slices.Contains([]string{"Model", "Scaling", "Endpoint", "Operations", "Executions"}, l) {
				break
			}
		}
	}
	question, _, _ = strings.Cut(question, " [")
	question = strings.TrimRight(question, ": ")
	answer := ""
	if list := p.answers[question]; len(list) > 0 {
		answer, p.answers[question] = list[0], list[1:]
	}
	return copy(b, answer+"\n"), nil
}

// Wrong answers are asked for again, at once or, where they do not fit together,
// at the end.
func TestAskPlain(t *testing.T) {
	t.Parallel()
	p := &person{answers: map[string][]string{
		"What kind of pipeline?": {"2"}, "tenant": {"ACME", "acme"}, "model": {"fraud"},
		"image": {"sandbox/linear"}, "modelDataUrl": {"s3://models/fraud/model.tar.gz"},
		"Endpoint": {"y"}, "instanceType": {"ml.c5.huge", "ml.c5.xlarge"},
		"Scaling": {"y"}, "minInstances": {"3", "2"}, "maxInstances": {"2"},
	}}
	made, err := askPlain(t.Context(), p, &p.out, builtinTemplates(t), spec.Options{Region: "us-east-1", Dir: t.TempDir()}, spec.Answers{})
	said := p.out.String()
	require.NoError(t, err, said)
	require.Equal(t, "acme/fraud", made.String())
	require.Equal(t, "ml.c5.xlarge", made.Parameters.String("instanceType"))
	require.Equal(t, 2, made.Parameters.Int("minInstances"))
	require.Contains(t, said, "must be 1 to 16 of a-z", "a bad name")
	require.Contains(t, said, `Did you mean "ml.c5.large"?`, "a bad choice")
	require.Contains(t, said, "minInstances (3) is more than maxInstances (2)", "what does not fit together")
	require.Contains(t, said, "serverlessMemoryMb: only when endpointKind is serverless.", "what means nothing")
	require.Contains(t, said, "instanceType: ml.c5.xlarge", "the spec")
	require.NotContains(t, said, "\x1b", "nothing is drawn")
}

func TestAskPlainEnds(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	_, err := askPlain(t.Context(), strings.NewReader("2\nacme\n"), &out, builtinTemplates(t), spec.Options{Region: "us-east-1"}, spec.Answers{})
	require.ErrorIs(t, err, fault.Canceled)
	require.Contains(t, fault.HintOf(err), "--set")

	ctx, cancel := context.WithCancel(t.Context())
	in, w := io.Pipe()
	defer w.Close()
	ended := make(chan error, 1)
	go func() {
		_, err := askPlain(ctx, in, io.Discard, builtinTemplates(t), spec.Options{Region: "us-east-1"}, spec.Answers{})
		ended <- err
	}()
	_, err = io.WriteString(w, "2\n") // once it was read, the next question is waited for
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, <-ended, fault.Canceled)
}

func builtinTemplates(t *testing.T) *spec.Catalog {
	t.Helper()
	cat, err := spec.LoadCatalog(templates.FS)
	require.NoError(t, err)
	return cat
}
