package record

import (
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// LogGroup returns the name of the log group of a configuration, "" if it logs
// nothing.
func LogGroup(c *types.LoggingConfiguration) string {
	if c == nil || c.Level == "" || c.Level == types.LogLevelOff || len(c.Destinations) == 0 || c.Destinations[0].CloudWatchLogsLogGroup == nil {
		return ""
	}
	arn := aws.ToString(c.Destinations[0].CloudWatchLogsLogGroup.LogGroupArn)
	_, name, _ := strings.Cut(arn, ":log-group:")
	return strings.TrimSuffix(name, ":*")
}

// Logging reads a logging configuration as it is kept; what was not given is off.
func Logging(raw json.RawMessage) *types.LoggingConfiguration {
	c := &types.LoggingConfiguration{Level: types.LogLevelOff}
	if len(raw) > 0 {
		if err := wire.Decode(raw, c); err != nil {
			return &types.LoggingConfiguration{Level: types.LogLevelOff}
		}
	}
	if c.Level == "" {
		c.Level = types.LogLevelOff
	}
	return c
}

// Encryption reads an encryption configuration as it is kept; what was not given is
// AWS's own key.
func Encryption(raw json.RawMessage) *types.EncryptionConfiguration {
	c := &types.EncryptionConfiguration{Type: types.EncryptionTypeAwsOwnedKey}
	if len(raw) > 0 {
		_ = wire.Decode(raw, c) // which the API has written
	}
	return c
}
