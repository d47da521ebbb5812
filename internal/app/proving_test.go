package app

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/checks"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// TestRounds asks as often as it takes to reach the new fleet almost surely.
func TestRounds(t *testing.T) {
	t.Parallel()
	for share, want := range map[float64]int{1: 1, 0.5: 10, 0.2: 31, 0.1: 66, 0.01: mostRounds} {
		require.Equal(t, want, rounds(share), "%v", share)
	}
	for name, c := range map[string]struct {
		rollout         spec.Rollout
		current, wanted int32
		want            float64
	}{
		"percent":         {spec.Rollout{Strategy: spec.Canary, Size: 10, Percent: true}, 1, 1, 0.1},
		"instances":       {spec.Rollout{Strategy: spec.Linear, Size: 2}, 2, 8, 0.25},
		"none counted":    {spec.Rollout{Strategy: spec.Rolling, Size: 1}, 0, 4, 0.25},
		"bakes with all":  {spec.Rollout{Strategy: spec.AllAtOnce}, 0, 0, 1},
		"nothing is said": {spec.Rollout{Strategy: spec.Canary, Size: 3}, 0, 0, 0.03},
	} {
		require.InDelta(t, c.want, shareOf(c.rollout, c.current, c.wanted), 1e-9, name)
	}
}

// Nothing noted is told from notes that can't be read: these are not written over, and
// nobody is turned back for want of them.
func TestNotesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		want   notes
		kind   fault.Kind
	}{
		"none yet":       {http.StatusNotFound, "<Error><Code>NoSuchKey</Code><Message>m</Message></Error>", notes{}, ""},
		"two":            {http.StatusOK, `{"3":"passed","4":"begun"}`, notes{3: revisions.Passed, 4: revisions.Begun}, ""},
		"the first kind": {http.StatusOK, `{"3":true,"4":false}`, notes{3: revisions.Passed, 4: revisions.Failed}, ""},
		"denied":         {http.StatusForbidden, "<Error><Code>AccessDenied</Code><Message>m</Message></Error>", notes{}, fault.Denied},
		"no bucket":      {http.StatusNotFound, "<Error><Code>NoSuchBucket</Code><Message>m</Message></Error>", notes{}, fault.Internal},
		"a number":       {http.StatusOK, `{"3":1}`, notes{}, fault.Damaged},
		"damaged":        {http.StatusOK, `{"3":`, notes{}, fault.Damaged},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}))
		t.Cleanup(server.Close)
		api := s3.New(s3.Options{
			Region: "us-east-1", UsePathStyle: true, BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		})
		got, _, err := readNotes(t.Context(), api, "b")
		require.Equal(t, c.want, got, name)
		require.Equal(t, c.kind == "", err == nil, fmt.Sprint(name, ": ", err))
		if err != nil {
			require.Equal(t, c.kind, fault.KindOf(err), name)
		}
	}
}

// Two updates from two machines note what they know of their revisions, and neither takes the
// other's note away.
func TestNotesOfTwoMachines(t *testing.T) {
	t.Parallel()
	kept, version := `{"3":true}`, 1
	busy := 2 // writes that somebody else is faster than
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tag := fmt.Sprintf("%q", fmt.Sprint(version))
		if r.Method == http.MethodGet {
			w.Header().Set("ETag", tag)
			_, _ = io.WriteString(w, kept)
			return
		}
		if busy > 0 {
			busy--
			version++
			kept = fmt.Sprintf(`{"3":true,"4":"failed","%d":"passed"}`, 10+busy)
		}
		if r.Header.Get("If-Match") != fmt.Sprintf("%q", fmt.Sprint(version)) {
			w.WriteHeader(http.StatusPreconditionFailed)
			_, _ = io.WriteString(w, "<Error><Code>PreconditionFailed</Code><Message>m</Message></Error>")
			return
		}
		raw, _ := io.ReadAll(r.Body)
		kept, version = string(raw), version+1
	}))
	t.Cleanup(server.Close)
	api := s3.New(s3.Options{
		Region: "us-east-1", UsePathStyle: true, BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
	})
	require.NoError(t, writeNote(t.Context(), api, "b", 5, revisions.Begun))
	require.JSONEq(t, `{"3":"passed","4":"failed","5":"begun","10":"passed"}`, kept)
}

// A place's configuration is shared for some minutes: a look every few seconds opens no new
// connections. That of another role is another.
func TestConfigurationsAreShared(t *testing.T) {
	t.Parallel()
	target := &Target{load: awscfg.Options{Static: &aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, Region: "us-east-1"}}
	one, err := target.awsConfig(t.Context(), "us-west-2", "")
	require.NoError(t, err)
	two, err := target.awsConfig(t.Context(), "us-west-2", "")
	require.NoError(t, err)
	same := func(a, b aws.Config) bool { return a.HTTPClient == b.HTTPClient } // one pool of connections
	require.True(t, same(one, two))
	other, err := target.awsConfig(t.Context(), "us-west-2", "arn:aws:iam::111122223333:role/x")
	require.NoError(t, err)
	require.NotEqual(t, one.Credentials, other.Credentials)
	here, err := target.awsConfig(t.Context(), "", "")
	require.NoError(t, err)
	require.Equal(t, "us-east-1", here.Region)
	for at, have := range target.configs.of { // minutes pass
		have.at = have.at.Add(-configKept)
		target.configs.of[at] = have
	}
	later, err := target.awsConfig(t.Context(), "us-west-2", "")
	require.NoError(t, err)
	require.False(t, same(one, later))
}

// While both fleets answer only wrong answers count, and one of them is an accident. What
// takes long, or fails, may be what was there before.
func TestProvoke(t *testing.T) {
	t.Parallel()
	list := conditions(spec.Checks{{Name: "a", Condition: "$answer > 1", Latency: 1}, {Name: "slow", Latency: 1}, {Name: "b", Condition: "$answer > 2"}})
	require.Len(t, list, 2)
	require.Zero(t, list[0].Latency)
	for name, c := range map[string]struct {
		wrong, failing map[int]bool // the questions to a, counted from 1
		asked          int          // of a, at most
		found          bool
	}{
		"all right":    {nil, nil, 10, false},
		"one accident": {map[int]bool{3: true}, nil, 20, false},
		"wrong":        {map[int]bool{3: true, 17: true}, nil, 18, true},
		"failing":      {nil, map[int]bool{1: true, 2: true, 3: true}, 10, false},
	} {
		asked := 0
		got, err := provoke(list, 10, func(some spec.Checks) ([]checks.Result, error) {
			require.GreaterOrEqual(t, len(some), 1)
			out := make([]checks.Result, len(some))
			for i, q := range some {
				out[i] = checks.Result{Check: q.Name, Passed: true}
				if q.Name == "a" {
					asked++
					if c.wrong[asked] || c.failing[asked] {
						out[i] = checks.Result{Check: "a", Why: "w", Wrong: c.wrong[asked]}
					}
				}
			}
			return out, nil
		})
		require.NoError(t, err)
		require.Equal(t, c.found, got != nil, name)
		require.LessOrEqual(t, asked, c.asked, name)
		if !c.found {
			require.Equal(t, c.asked, asked, name)
		}
	}
}

// What is in service is asked first. Where the new fleet takes traffic by then, one wrong answer
// may be its own: the check that would have found it is not to be left out for that.
func TestPassedBefore(t *testing.T) {
	t.Parallel()
	list := spec.Checks{{Name: "a", Condition: "true"}, {Name: "b", Condition: "true"}}
	for name, c := range map[string]struct {
		share float64
		wrong map[int]bool // the answers to a, in order
		asked int
		stays bool
	}{
		"it passes":                                 {0.2, nil, 1, true},
		"the new fleet answered":                    {0.2, map[int]bool{1: true}, 2, true},
		"the new fleet answered twice":              {0.2, map[int]bool{1: true, 2: true}, 3, true},
		"what is in service fails":                  {0.2, map[int]bool{1: true, 2: true, 3: true, 4: true, 5: true}, 5, false},
		"it fails before the new fleet is asked":    {0, map[int]bool{1: true}, 1, false},
		"nobody but the new fleet is asked by then": {1, map[int]bool{1: true}, 1, false},
	} {
		asked, shared := 0, 0
		got, err := passedBefore(list, func(some spec.Checks) ([]checks.Result, error) {
			out := make([]checks.Result, len(some))
			for i, q := range some {
				out[i] = checks.Result{Check: q.Name, Passed: true}
				if q.Name == "a" {
					asked++
					out[i].Passed = !c.wrong[asked]
				}
			}
			return out, nil
		}, func() (float64, error) {
			shared++
			return c.share, nil
		})
		require.NoError(t, err, name)
		require.Equal(t, c.asked, asked, name)
		require.LessOrEqual(t, shared, 1, name)
		require.Contains(t, got, list[1], name)
		require.Equal(t, c.stays, len(got) == 2, name)
	}
}
