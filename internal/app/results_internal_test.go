package app

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/results"
)

// A link is good as long as was asked for, but not longer than the credentials that sign it.
func TestLinksEndWithTheirCredentials(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		until time.Time // of the credentials, zero if they are no temporary ones
		want  time.Duration
	}{
		{"keys of a user", time.Time{}, time.Hour},
		{"a role's for long", now.Add(2 * time.Hour), time.Hour},
		{"a role's for less", now.Add(20 * time.Minute), 20 * time.Minute},
	} {
		keys := aws.Credentials{AccessKeyID: "AK", SecretAccessKey: "s", Expires: tt.until, CanExpire: !tt.until.IsZero()}
		r := &Results{clock: clock.NewFake(now), api: s3.New(s3.Options{
			Region: "us-east-1", Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return keys, nil }),
		})}
		link, until, err := r.Link(t.Context(), results.Object{Bucket: "bucket", Key: "key"}, time.Hour)
		require.NoError(t, err, tt.name)
		require.Equal(t, now.Add(tt.want), until, tt.name)
		parsed, err := url.Parse(link)
		require.NoError(t, err, tt.name)
		signed, err := time.ParseDuration(parsed.Query().Get("X-Amz-Expires") + "s")
		require.NoError(t, err, tt.name)
		require.Equal(t, tt.want, signed, tt.name)
	}
}
