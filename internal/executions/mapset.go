package executions

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// MapRunSettings are what can be changed of a Map Run while it runs; nil leaves a setting
// as it is.
type MapRunSettings struct {
	// MaxConcurrency is how many children may run at the same time; a lower one ends none
	// that run already.
	MaxConcurrency *int
	// The run fails when more items than this have failed, by number or in percent.
	ToleratedFailures       *int64
	ToleratedFailurePercent *float64
}

// The settings by the names by which they are typed.
const (
	setConcurrency = "concurrency"
	setFailures    = "failures"
	setPercent     = "percent"
)

// Text are the settings as ParseMapRunSettings reads them.
func (s MapRunSettings) Text() string {
	var parts []string
	if s.MaxConcurrency != nil {
		parts = append(parts, fmt.Sprintf("%s=%d", setConcurrency, *s.MaxConcurrency))
	}
	if s.ToleratedFailures != nil {
		parts = append(parts, fmt.Sprintf("%s=%d", setFailures, *s.ToleratedFailures))
	}
	if s.ToleratedFailurePercent != nil {
		parts = append(parts, setPercent+"="+strconv.FormatFloat(*s.ToleratedFailurePercent, 'g', -1, 32))
	}
	return strings.Join(parts, " ")
}

// Settings are those that a Map Run has.
func (r *MapRun) Settings() MapRunSettings {
	return MapRunSettings{MaxConcurrency: &r.MaxConcurrency, ToleratedFailures: &r.ToleratedFailures, ToleratedFailurePercent: &r.ToleratedFailurePercent}
}

// Except are the settings that differ from others: AWS is told those alone, so that what
// somebody else has set meanwhile stays. A percentage is compared as exactly as AWS keeps it.
func (s MapRunSettings) Except(others MapRunSettings) MapRunSettings {
	if a, b := s.MaxConcurrency, others.MaxConcurrency; a != nil && b != nil && *a == *b {
		s.MaxConcurrency = nil
	}
	if a, b := s.ToleratedFailures, others.ToleratedFailures; a != nil && b != nil && *a == *b {
		s.ToleratedFailures = nil
	}
	if a, b := s.ToleratedFailurePercent, others.ToleratedFailurePercent; a != nil && b != nil && float32(*a) == float32(*b) {
		s.ToleratedFailurePercent = nil
	}
	return s
}

// ParseMapRunSettings reads "concurrency=40 failures=10 percent=5", in any order and not
// necessarily all of them.
func ParseMapRunSettings(text string) (MapRunSettings, error) {
	var s MapRunSettings
	for _, word := range strings.Fields(text) {
		name, value, ok := strings.Cut(word, "=")
		if !ok {
			return s, fault.New(fault.Invalid, "%q is not name=value", word).WithHint("Write them like concurrency=40 failures=10 percent=5.")
		}
		n, err := strconv.ParseInt(value, 10, 64)
		switch name {
		case setConcurrency:
			c := int(n)
			s.MaxConcurrency = &c
		case setFailures:
			s.ToleratedFailures = &n
		case setPercent:
			var share float64
			share, err = strconv.ParseFloat(value, 64)
			s.ToleratedFailurePercent = &share
		default:
			return s, fault.New(fault.Invalid, "a Map Run has no setting %q", name).WithHint("There are %s, %s and %s.", setConcurrency, setFailures, setPercent)
		}
		if err != nil {
			return s, fault.New(fault.Invalid, "%s: %q is not a number", name, value)
		}
	}
	return s, s.check()
}

// check holds the settings against what AWS allows. (API reference of UpdateMapRun:
// maxConcurrency and toleratedFailureCount are at least 0, toleratedFailurePercentage is
// 0 to 100, and one of them has to be there.)
func (s MapRunSettings) check() error {
	switch {
	case s == MapRunSettings{}:
		return fault.New(fault.Invalid, "nothing is to be set").WithHint("Give %s, %s or %s.", setConcurrency, setFailures, setPercent)
	case s.MaxConcurrency != nil && (*s.MaxConcurrency < 0 || *s.MaxConcurrency > maxConcurrency):
		return fault.New(fault.Invalid, "%s %d is not 0 to %d", setConcurrency, *s.MaxConcurrency, maxConcurrency)
	case s.ToleratedFailures != nil && *s.ToleratedFailures < 0:
		return fault.New(fault.Invalid, "%s %d is less than 0", setFailures, *s.ToleratedFailures)
	case s.ToleratedFailurePercent != nil && !(*s.ToleratedFailurePercent >= 0 && *s.ToleratedFailurePercent <= 100):
		return fault.New(fault.Invalid, "%s %v is not 0 to 100", setPercent, *s.ToleratedFailurePercent)
	}
	return nil
}

// maxConcurrency is how many children a Map Run runs at most. (Step Functions Developer
// Guide, "Map state in Distributed mode": up to 10,000 parallel child executions.)
const maxConcurrency = 10_000

// SetMapRun changes a Map Run that runs; what it has begun goes on.
func (c *Client) SetMapRun(ctx context.Context, arn string, s MapRunSettings) error {
	if err := s.check(); err != nil {
		return err
	}
	in := &sfn.UpdateMapRunInput{MapRunArn: &arn, ToleratedFailureCount: s.ToleratedFailures}
	if s.MaxConcurrency != nil {
		in.MaxConcurrency = aws.Int32(int32(*s.MaxConcurrency)) // checked above
	}
	if s.ToleratedFailurePercent != nil {
		in.ToleratedFailurePercentage = aws.Float32(float32(*s.ToleratedFailurePercent))
	}
	_, _, err := call(ctx, c, opUpdate, func(ctx context.Context) (*sfn.UpdateMapRunOutput, error) {
		return c.cfg.API.UpdateMapRun(ctx, in)
	})
	return err
}
