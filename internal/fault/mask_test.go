package fault

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMasked(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"nothing":                                            "nothing",
		"https://api.example.com":                            "https://api.example.com",
		"https://user@api.example.com/x":                     "https://user@api.example.com/x",
		"https://user:hunter2@host/x":                        "https://user:xxxxx@host/x",
		"https://user:@host/x":                               "https://user:xxxxx@host/x",
		"https://:hunter2@host":                              "https://:xxxxx@host",
		"postgres://u:hun/ter2@host/db":                      "postgres://u:xxxxx@host/db",
		"postgres://u:hun%zzter@host":                        "postgres://u:xxxxx@host",
		"postgres://u:a@b@host":                              "postgres://u:xxxxx@host",
		"postgres://u:12/3?4#5@host":                         "postgres://u:12/3?4#5@host", // as a port and a path
		"http://host:8080/path/@me":                          "http://host:8080/path/@me",
		"http://host/a:b/@me":                                "http://host/a:b/@me",
		`"https://u:p@h": no such host`:                      `"https://u:xxxxx@h": no such host`,
		"a=http://u:p@h,b=http://v:q@h/x":                    "a=http://u:xxxxx@h,b=http://v:xxxxx@h/x",
		"https://h/x?X-Amz-Signature=ab&X-Amz-Expires=5":     "https://h/x?X-Amz-Signature=xxxxx&X-Amz-Expires=5",
		"azblob://c?sig=abc&storage_account=x&account_key=k": "azblob://c?sig=xxxxx&storage_account=x&account_key=xxxxx",
		"s3://b/p?region=eu-west-1&design=x&awssdk=v2":       "s3://b/p?region=eu-west-1&design=x&awssdk=v2",
	} {
		require.Equal(t, want, Masked(in))
		require.Equal(t, want, Masked(Masked(in)), "it masks nothing twice")
	}
}

// What is told of an error is masked wherever its text comes from.
func TestErrorsTellNoPasswords(t *testing.T) {
	t.Parallel()
	const url = "https://me:hunter2@host/x"
	plain := errors.New("get " + url + ": refused")
	for _, err := range []error{
		New(Invalid, "%s is odd", url), Wrap(plain, "look"), Wrap(New(Invalid, "x"), "open %s", url), &Error{Err: plain},
		New(Invalid, "x").WithHint("Try %s.", url),
		List{New(Invalid, "%s", url)},
	} {
		require.NotContains(t, err.Error(), "hunter2")
		require.NotContains(t, HintOf(err), "hunter2")
	}
}
