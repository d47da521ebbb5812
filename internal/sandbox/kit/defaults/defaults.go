// Package defaults owns what services take where their configuration says nothing.
package defaults

import (
	"log/slog"

	"github.com/pipelinetui/pipelinetui/internal/clock"
)

// Of fills in a clock and a log that are not given: the machine's, and none.
func Of(clk clock.Clock, log *slog.Logger) (clock.Clock, *slog.Logger) {
	if clk == nil {
		clk = clock.Real{}
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return clk, log
}
