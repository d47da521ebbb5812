package app

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// The topic whose watches are swept is found by what the stack has, also where an update that
// failed has left no outputs; that of notices is none.
func TestTopicOfWatches(t *testing.T) {
	t.Parallel()
	const base = "arn:aws:sns:us-east-1:000000000000:ptui-acme-iris-dev"
	require.Empty(t, topicOf(&Existing{}))
	x := &Existing{State: &stack.State{Resources: []stack.Resource{{Type: kinds.Topic, ID: base + "-notices"}, {Type: kinds.Queue, ID: "x-events"}}}}
	require.Empty(t, topicOf(x))
	x.State.Resources = append(x.State.Resources, stack.Resource{Type: kinds.Topic, ID: base + "-events"})
	require.Equal(t, base+"-events", topicOf(x))
	x = &Existing{State: &stack.State{Outputs: map[string]stack.Output{eventsTopic: {Value: base + "-events"}}}}
	require.Equal(t, base+"-events", topicOf(x))
	require.Contains(t, mayBeLeft("ptui-acme-iris-dev", fault.New(fault.Denied, "no")), "not known whether queues of watches are left behind")
}
