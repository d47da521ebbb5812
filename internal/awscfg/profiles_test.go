package awscfg

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The forms are those of docs.aws.amazon.com/sdkref/latest/guide/file-format.html.
func TestProfiles(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(home, ".aws"), 0o700))
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(home, ".aws", name), []byte(text), 0o600))
	}
	write("config", "# mine\n[default]\nregion = eu-west-1\n\n[profile prod]\nsso_session = corp\nregion=us-east-1\ns3 =\n  region = nowhere\n"+
		"[sso-session corp]\nsso_start_url = https://corp.example\n[profile \"old one\"]\nsso_start_url = https://x.example\n[services local]\ns3 = "+
		"x\n[profile deploy]\nrole_arn = arn:aws:iam::111122223333:role/d\n")
	write("credentials", "[default]\naws_access_key_id = AKIDEXAMPLE\n; no\n[keys]\r\naws_access_key_id = AKIDEXAMPLE\r\n")
	environ := func(k string) (string, bool) {
		v, ok := map[string]string{"HOME": home}[k]
		return v, ok
	}
	got, err := Profiles(environ)
	require.NoError(t, err)
	require.Equal(t, []Profile{
		{Name: "default", Region: "eu-west-1"},
		{Name: "deploy", Role: "arn:aws:iam::111122223333:role/d"},
		{Name: "keys"},
		{Name: "old one", SSO: true},
		{Name: "prod", Region: "us-east-1", SSO: true},
	}, got)

	got, err = Profiles(func(string) (string, bool) { return "", false })
	require.NoError(t, err)
	require.Empty(t, got, "without a home there is none")
	_, err = Profiles(func(k string) (string, bool) { return home, k == "AWS_CONFIG_FILE" })
	require.ErrorContains(t, err, home+" cannot be read")
}
