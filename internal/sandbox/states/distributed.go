package states

import (
	"context"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// runRecord is a Map Run.
type runRecord struct {
	Machine string `json:"machine"`
	Label   string `json:"label"`
}

func (s *Service) mapRun(_ context.Context, _ *wire.Request, _, arn string) (runRecord, error) {
	return runRecord{}, errNoResource(arn)
}

// distributed refuses the DISTRIBUTED mode.
func (b *branch) distributed(st *asl.State, ev *evaluation) error {
	return ev.runtime("The sandbox does not run Map states in the DISTRIBUTED mode.")
}
