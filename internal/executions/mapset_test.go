package executions

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
)

func (f *fakeAPI) UpdateMapRun(ctx context.Context, in *sfn.UpdateMapRunInput, _ ...func(*sfn.Options)) (*sfn.UpdateMapRunOutput, error) {
	if err := f.enter(ctx, "UpdateMapRun"); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	f.updated = in
	return &sfn.UpdateMapRunOutput{}, nil
}

func TestSettingsOfAMapRun(t *testing.T) {
	t.Parallel()
	for text, why := range map[string]string{
		"":                  "nothing is to be set",
		"40":                "not name=value",
		"speed=3":           "no setting",
		"concurrency=fast":  "not a number",
		"concurrency=-1":    "not 0 to 10000",
		"concurrency=10001": "not 0 to 10000",
		"failures=-1":       "less than 0",
		"percent=100.5":     "not 0 to 100",
		"percent=NaN":       "not 0 to 100",
	} {
		_, err := ParseMapRunSettings(text)
		require.ErrorContains(t, err, why, text)
		require.Equal(t, fault.Invalid, fault.KindOf(err), text)
	}
	s, err := ParseMapRunSettings(" percent=2.5  concurrency=40 ")
	require.NoError(t, err)
	require.Equal(t, "concurrency=40 percent=2.5", s.Text())
	require.Nil(t, s.ToleratedFailures)

	run := MapRun{MaxConcurrency: 40, ToleratedFailurePercent: float64(float32(0.1))}
	s, err = ParseMapRunSettings(run.Settings().Text())
	require.NoError(t, err)
	require.Equal(t, MapRunSettings{}, s.Except(run.Settings()), "what was left as it is is not to be set")
	s, err = ParseMapRunSettings("concurrency=40 failures=1 percent=0.1")
	require.NoError(t, err)
	require.Equal(t, "failures=1", s.Except(run.Settings()).Text())
}

func TestAMapRunIsSet(t *testing.T) {
	t.Parallel()
	api := newFake(clock.Real{})
	s, err := ParseMapRunSettings("failures=10")
	require.NoError(t, err)
	require.NoError(t, New(Config{API: api}).SetMapRun(t.Context(), runARN, s))
	require.Equal(t, runARN, *api.updated.MapRunArn)
	require.Equal(t, int64(10), *api.updated.ToleratedFailureCount)
	require.Nil(t, api.updated.MaxConcurrency, "what was not given stays")
	require.Error(t, New(Config{API: api}).SetMapRun(t.Context(), runARN, MapRunSettings{}))
}
