// Package persist owns what becomes of background work whose write fails: the disk may be
// full, and have room again later. A request can be answered with the error, since its
// client tries again; behind a transition of the sandbox's own stands nobody, so that what
// is only logged stays as it was for ever.
package persist

import (
	"context"
	"log/slog"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
)

// Pause lies between two tries.
const Pause = time.Second

// Until writes until it is done, with a pause after each failure. The first is logged, and
// that it went at last. An error is that of ctx, which is done: what is on disk then is
// where the next start goes on. what says whose work it is; args are pairs for the log.
func Until(ctx context.Context, c clock.Clock, log *slog.Logger, what string, write func() error, args ...any) error {
	for tries := 1; ; tries++ {
		err := write()
		switch {
		case err == nil && tries > 1:
			log.Info(what+": kept", append(args, "tries", tries)...)
			return nil
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case tries == 1:
			log.Error(what+" cannot be kept yet and is tried again", append(args, "error", err.Error())...)
		}
		if err := clock.Sleep(ctx, c, Pause); err != nil {
			return err
		}
	}
}
