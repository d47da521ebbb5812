package api

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// checkLogging checks a logging configuration: more than one destination, a level
// without one, or a group that does not exist are errors.
func (s *Handlers) checkLogging(ctx context.Context, req *wire.Request, c *types.LoggingConfiguration) error {
	invalid := func(text string) error {
		return wire.Errorf(400, "InvalidLoggingConfiguration", "Invalid Logging Configuration: %s", text)
	}
	if c == nil {
		return nil
	}
	if len(c.Destinations) > 1 {
		return invalid("Must specify exactly one Log Destination.")
	}
	if c.Level == "" || c.Level == types.LogLevelOff {
		return nil
	}
	if len(c.Destinations) == 0 {
		return invalid("Must specify exactly one Log Destination.")
	}
	group := record.LogGroup(c)
	if group == "" {
		return invalid("Log Destination not found.")
	}
	if !s.Router.Has("cloudwatchlogs", "DescribeLogGroups") {
		return nil
	}
	in := encode(map[string]string{"logGroupNamePrefix": group})
	raw, err := s.Router.Invoke(ctx, req.Scope, wire.Principal{Account: req.Account, Admin: true}, "cloudwatchlogs", "DescribeLogGroups", in)
	if err != nil {
		return err
	}
	var out struct {
		LogGroups []struct{ LogGroupName string }
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return fmt.Errorf("read log groups: %w", err)
	}
	for _, g := range out.LogGroups {
		if g.LogGroupName == group {
			return nil
		}
	}
	return invalid("Log Destination not found.")
}

// encode marshals what cannot fail to marshal.
func encode(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return raw
}
