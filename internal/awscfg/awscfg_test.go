package awscfg

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/plainbody"
)

// stsServer answers each action of STS with what reply says, over real HTTP.
func stsServer(t *testing.T, reply map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := reply[r.FormValue("Action")]
		w.Header().Set("Content-Type", "text/xml")
		if strings.HasPrefix(answer, "<ErrorResponse") {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = fmt.Fprint(w, answer)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func refused(code, message string) string {
	return `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>` + code +
		`</Code><Message>` + message + `</Message></Error><RequestId>1</RequestId></ErrorResponse>`
}

const someone = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>` +
	`<Arn>arn:aws:iam::111122223333:user/ann</Arn><UserId>AIDA</UserId><Account>111122223333</Account>` +
	`</GetCallerIdentityResult></GetCallerIdentityResponse>`

func TestCheckNamesTheFix(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		role  string
		reply map[string]string
		kind  fault.Kind
		msg   string
		hint  string
	}{
		"expired": {
			reply: map[string]string{"GetCallerIdentity": refused("ExpiredToken", "The security token included in the request is expired")},
			kind:  fault.Unauthenticated, msg: "expired", hint: "aws sso login",
		},
		"unknown key, or a region that is not enabled": {
			reply: map[string]string{"GetCallerIdentity": refused("InvalidClientTokenId", "The security token included in the request is invalid.")},
			kind:  fault.Unauthenticated, msg: "not valid here", hint: "has to be enabled",
		},
		"opt-in region": {
			role:  "arn:aws:iam::111122223333:role/deploy",
			reply: map[string]string{"AssumeRole": refused("RegionDisabledException", "STS is not activated in this region for account:111122223333.")},
			kind:  fault.Unauthenticated, msg: "not enabled in this account", hint: "Enable the region",
		},
		"role denied": {
			role: "arn:aws:iam::111122223333:role/deploy",
			reply: map[string]string{
				"GetCallerIdentity": someone,
				"AssumeRole": refused("AccessDenied",
					"User: arn:aws:iam::111122223333:user/ann is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/deploy"),
			},
			kind: fault.Denied, msg: "role/deploy", hint: "trust policy",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, err := Load(t.Context(), Options{
				Region: "us-east-1", EndpointURL: stsServer(t, c.reply), AssumeRole: c.role,
				Static: &aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"},
			})
			require.NoError(t, err)
			_, err = Check(t.Context(), cfg)
			require.ErrorIs(t, err, c.kind)
			require.ErrorContains(t, err, c.msg)
			require.Contains(t, fault.HintOf(err), c.hint)
		})
	}
}

func TestCheckTellsWhoItIs(t *testing.T) {
	t.Parallel()
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		_, _ = fmt.Fprint(w, someone)
	}))
	t.Cleanup(slow.Close)
	cfg, err := Load(t.Context(), Options{
		Region: "us-east-1", EndpointURL: slow.URL,
		Static: &aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"},
	})
	require.NoError(t, err)
	got, err := Check(t.Context(), cfg)
	require.NoError(t, err)
	require.InDelta(t, time.Hour, got.Skew, float64(time.Minute), "by how much this clock is ahead")
	got.Skew = 0
	require.Equal(t, Identity{Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/ann"}, got)
}

// nowhere is a network in which no host has a name.
type nowhere struct{}

func (nowhere) Do(r *http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: r.URL.Hostname(), IsNotFound: true}}
}

func TestCheckInARegionThatDoesNotExist(t *testing.T) {
	t.Parallel()
	cfg, err := Load(t.Context(), Options{
		Region: "us-nowhere-7", Static: &aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"},
	})
	require.NoError(t, err)
	cfg.HTTPClient = nowhere{}
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	_, err = Check(t.Context(), cfg)
	require.ErrorIs(t, err, fault.Unauthenticated)
	require.ErrorContains(t, err, "us-nowhere-7")
	require.Contains(t, fault.HintOf(err), "--region")
}

func TestAServerThatIsGoneIsNoMatterOfCredentials(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	cfg, err := Load(t.Context(), Options{
		Region: "us-east-1", EndpointURL: gone.URL, AssumeRole: "arn:aws:iam::111122223333:role/deploy",
		Static: &aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"},
	})
	require.NoError(t, err)
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	_, err = Check(t.Context(), cfg)
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorContains(t, err, "cannot be reached")
}

func TestLoadNamesAProfileThatIsMissing(t *testing.T) {
	dir := t.TempDir() // no parallel: the SDK reads the process's environment
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "credentials"))
	_, err := Load(t.Context(), Options{Profile: "absent", Region: "us-east-1"})
	require.ErrorIs(t, err, fault.Unauthenticated)
	require.Contains(t, fault.HintOf(err), "aws configure --profile absent")
}

// A server that has got a request and says nothing is given up by all that is called.
func TestSilenceIsBounded(t *testing.T) {
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, o := range []Options{
		{Region: "us-east-1"},
		{Region: "us-east-1", Static: &aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}},
	} {
		cfg, err := Load(t.Context(), o)
		require.NoError(t, err)
		plain, ok := cfg.HTTPClient.(plainbody.Client)
		require.True(t, ok)
		heard, ok := plain.Next.(listener)
		require.True(t, ok)
		require.Equal(t, silence, heard.silence)
		client, ok := heard.next.(*awshttp.BuildableClient)
		require.True(t, ok)
		require.Equal(t, silence, client.GetTransport().ResponseHeaderTimeout)
	}
}
