package spec_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

const secretSpec = "apiVersion: pipelinetui/v1\npipelines:\n- {tenant: acme, model: m, template: tiny, region: us-east-1, parameters: %s}\n"

// forms are a parameter in each form of a secret, and what it is read as.
var forms = []struct {
	say   string
	value string
	want  spec.Secret
}{
	{`{secret: hush}`, "hush", spec.Secret{}},
	{`{secret: {env: HUSH}}`, "hush", spec.Secret{}},
	{`{secret: {file: hush.txt}}`, "hush", spec.Secret{}},
	{`{secretsManager: prod/db}`, "", spec.Secret{SecretsManager: "prod/db"}},
	{
		`{secretsManager: "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf", key: password}`, "",
		spec.Secret{SecretsManager: "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf", Key: "password"},
	},
	{`{ssm: /prod/token}`, "", spec.Secret{SSM: "/prod/token"}},
	{`{ssm: "arn:aws:ssm:us-east-1:111122223333:parameter/prod/token"}`, "", spec.Secret{SSM: "arn:aws:ssm:us-east-1:111122223333:parameter/prod/token"}},
}

func environ(name string) (string, bool) {
	v, ok := map[string]string{"HUSH": "hush", "EMPTY": ""}[name]
	return v, ok
}

// TestSecretForms reads each form as a parameter and as an entry of a map, writes it
// down and reads that again: from the document, from YAML, from a document without the
// secrets, from the text of a field.
func TestSecretForms(t *testing.T) {
	t.Parallel()
	cat := tinyCatalog(t)
	tmpl, err := cat.Lookup("tiny")
	require.NoError(t, err)
	for _, x := range forms {
		for _, at := range []spec.SecretPath{{Parameter: "code.entry"}, {Parameter: "vars", Entry: "TOKEN"}} {
			t.Run(at.String()+" "+x.say, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				write(t, dir, "hush.txt", "hush\r\n")
				say := fmt.Sprintf("{vars: {TOKEN: %s, OPEN: seen}}", x.say)
				if at.Entry == "" {
					say = fmt.Sprintf("{code.entry: %s}", x.say)
				}
				set, err := spec.Parse("spec.yaml", []byte(fmt.Sprintf(secretSpec, say)), dir, cat, spec.Options{Environ: environ})
				require.NoError(t, err)
				p := &set.Pipelines[0]
				same := func(p *spec.Pipeline) {
					t.Helper()
					require.Equal(t, map[spec.SecretPath]spec.Secret{at: x.want}, p.Secrets)
					require.True(t, p.IsSecret(tmpl, at))
					got := p.Parameters.String("code.entry")
					if at.Entry != "" {
						got = p.Parameters.Map("vars")["TOKEN"]
						require.Equal(t, "seen", p.Parameters.Map("vars")["OPEN"])
					}
					require.Equal(t, x.value, got)
				}
				same(p)
				again, err := spec.FromDocument(p.Document, cat, spec.Options{})
				require.NoError(t, err)
				same(again)
				require.JSONEq(t, string(p.Document), string(again.Document))

				// For readers.
				shown, err := json.Marshal(p.Shown(tmpl, "[secret]"))
				require.NoError(t, err)
				require.NotContains(t, string(shown), "hush")
				text, err := p.YAML(tmpl, dir, false)
				require.NoError(t, err)
				require.NotContains(t, text, "hush")
				if x.want.Reference() {
					require.Contains(t, text, strings.Trim(x.want.String(), "{}")[:3])
					require.Len(t, p.References(), 1)
				}
				_, err = spec.Parse("shown.yaml", []byte(text), dir, cat, spec.Options{})
				require.NoError(t, err, text)

				// For this program.
				text, err = p.YAML(tmpl, dir, true)
				require.NoError(t, err)
				set, err = spec.Parse("saved.yaml", []byte(text), dir, cat, spec.Options{})
				require.NoError(t, err, text)
				same(&set.Pipelines[0])
				param, _ := tmpl.Parameter(at.Parameter)
				value, secrets, err := param.Read(param.Text(p.Parameters[at.Parameter], map[string]spec.Secret{at.Entry: x.want}), dir)
				require.NoError(t, err)
				require.Equal(t, p.Parameters[at.Parameter], value)
				require.Equal(t, map[string]spec.Secret{at.Entry: x.want}, secrets)
				require.NotContains(t, param.Format(value, secrets), "hush")
			})
		}
	}
}

// TestSecretsNotKnown: a document without its secrets can be shown, and no rule is held
// against what is not known.
func TestSecretsNotKnown(t *testing.T) {
	t.Parallel()
	cat := tinyCatalog(t)
	tmpl, err := cat.Lookup("tiny")
	require.NoError(t, err)
	blind := `{"apiVersion":"pipelinetui/v1","tenant":"acme","model":"m","template":"tiny","region":"us-east-1",
		"parameters":{"vars":{"TOKEN":{"secret":null},"OPEN":"seen"},"code.entry":{"secret":null},"password":{"secret":null},"count":{"secret":null}}}`
	p, err := spec.FromDocument([]byte(blind), cat, spec.Options{})
	require.NoError(t, err)
	shown := p.Shown(tmpl, "[secret]")
	require.Equal(t, map[string]any{"TOKEN": "[secret]", "OPEN": "seen"}, shown["vars"])
	for _, name := range []string{"code.entry", "password", "count"} {
		require.Equal(t, "[secret]", shown[name], name)
	}
	text, err := p.YAML(tmpl, "/", false)
	require.NoError(t, err)
	require.Equal(t, 4, strings.Count(text, spec.BlankedSecret), text)

	// Files and variables are not looked at where they need not be.
	say := fmt.Sprintf(secretSpec, "{vars: {A: {secret: {env: NO}}, B: {secret: {file: no.txt}}}}")
	set, err := spec.Parse("spec.yaml", []byte(say), t.TempDir(), cat, spec.Options{Environ: environ, SkipFiles: true})
	require.NoError(t, err)
	require.True(t, set.Pipelines[0].Secrets[spec.SecretPath{Parameter: "vars", Entry: "A"}].Hidden)
}

// TestSecretsRefused: each error has a place, a rule and a way out, and none shows what
// may be a secret.
func TestSecretsRefused(t *testing.T) {
	t.Parallel()
	cat := tinyCatalog(t)
	dir := t.TempDir()
	write(t, dir, "empty", "\n")
	write(t, dir, "bytes", "\xff\xfehush")
	for say, want := range map[string]string{
		`{vars: {A: {secret: {env: NO}}}}`:                       "vars.A: there is no environment variable NO | Set NO to the secret and run this again.",
		`{vars: {A: {secret: {env: EMPTY}}}}`:                    "vars.A: the environment variable EMPTY is empty",
		`{vars: {A: {secret: {file: none}}}}`:                    "the secret's file",
		`{vars: {A: {secret: {file: empty}}}}`:                   "it is empty",
		`{vars: {A: {secret: {file: bytes}}}}`:                   "it is not UTF-8",
		`{vars: {A: {secret: {file: .}}}}`:                       "can't be used",
		`{vars: {A: {secret: {ssm: /hush}}}}`:                    `vars.A: a secret is read from env or file here, not from "ssm" | Write {secret: text}, `,
		`{vars: {A: {secret: 1234567}}}`:                         "secret must be a string, {env: NAME} or {file: PATH}, not an int",
		`{vars: {A: {secret: null}}}`:                            "not nothing",
		`{vars: {A: {secret: {env: HUSH, file: x}}}}`:            "not a map",
		`{vars: {A: {secret: hush, key: x}}}`:                    `"key" does not go together with "secret"`,
		`{vars: {A: {secretsManager: a, ssm: b}}}`:               `"ssm" does not go together with "secretsManager"`,
		`{vars: {A: {ssm: a, key: b}}}`:                          `"key" does not go together with "ssm"`,
		`{vars: {A: {ssm: [a]}}}`:                                "ssm must be a string, not a list",
		`{vars: {A: {secretsManager: "a b"}}}`:                   "is neither the name nor the ARN of a secret",
		`{vars: {A: {secretsManager: a, key: ""}}}`:              "key is empty",
		`{vars: {A: {ssm: "arn:aws:s3:::x"}}}`:                   "is neither the name nor the ARN of a parameter",
		`{vars: {A: {scret: hush}}}`:                             "vars.A must be a string, not a map | Write a text, or a secret: ",
		`{vars: {HOME: {secret: hush}}}`:                         `the key "HOME" is reserved`,
		`{word: {secret: HUSH}}`:                                 "word is a secret value, but it must be small letters",
		`{count: {secret: 3}}`:                                   "count must be an int from 1 to 9, not a map",
		`{items: [{secret: i-hush}]}`:                            "items must hold strings, not a map",
		`{code.path: {secret: ./hush}}`:                          "code.path must be a string, not a map",
		`{word: {scret: hush}}`:                                  "word must be a string, not a map | Write a text, or a secret: ",
		`{on: true, topic: {ssm: "arn:aws:sns:x:y"}, word: abc}`: "topic must be a string, not a map",
	} {
		_, err := spec.Parse("spec.yaml", []byte(fmt.Sprintf(secretSpec, say)), dir, cat, spec.Options{Environ: environ})
		got := lines(t, err, "")
		require.Len(t, got, 1, say)
		require.Contains(t, got[0], want, say)
		require.True(t, strings.HasPrefix(got[0], "spec.yaml:3:"), got[0])
		if !strings.Contains(say, "/hush") {
			require.NotContains(t, strings.ToLower(strings.ReplaceAll(got[0], "HUSH", "")), "hush", say)
		}
		require.NotContains(t, got[0], "1234567")
	}
}

// TestSecretsByFlag: --set takes the same forms, as JSON.
func TestSecretsByFlag(t *testing.T) {
	t.Parallel()
	p, err := build(acme, "tiny", []string{`vars={"A":{"ssm":"/a"},"B":{"secret":"hush"}}`, `word={"secret":"hush"}`}, tinyCatalog(t), spec.Options{Region: "us-east-1"})
	require.NoError(t, err)
	require.Equal(t, map[spec.SecretPath]spec.Secret{
		{Parameter: "vars", Entry: "A"}: {SSM: "/a"}, {Parameter: "vars", Entry: "B"}: {}, {Parameter: "word"}: {},
	}, p.Secrets)
	require.Equal(t, []spec.SecretPath{{Parameter: "vars", Entry: "A"}}, p.References())
	_, err = build(acme, "tiny", []string{`word={"other":"abc"}`}, tinyCatalog(t), spec.Options{Region: "us-east-1"})
	require.ErrorContains(t, err, "word has 15 characters")
	for _, broken := range []string{`{"secret":"hush"`, `{secret: hush}`, ` {'secret': 'hush'}`, `{"key": "a", "secretsManager": "hush}`} {
		_, err = build(acme, "tiny", []string{`word=` + broken}, tinyCatalog(t), spec.Options{Region: "us-east-1"})
		require.ErrorContains(t, err, "this looks like a secret, and is no JSON of one", broken)
		require.NotContains(t, err.Error(), "hush")
	}
}

// TestSecretSchema: what the loader takes and refuses, the schema takes and refuses.
func TestSecretSchema(t *testing.T) {
	t.Parallel()
	s := compileSchema(t, tinyCatalog(t))
	for _, x := range forms {
		for _, say := range []string{"{vars: {TOKEN: %s}}", "{word: %s}"} {
			require.NoError(t, validate(t, s, fmt.Sprintf(secretSpec, fmt.Sprintf(say, x.say))), x.say)
		}
	}
	for _, say := range []string{
		`{secret: 1}`, `{secret: {env: ""}}`, `{secret: {ssm: /a}}`, `{secretsManager: "a b"}`, `{ssm: /a, key: b}`, `{key: a}`, `{scret: a}`,
	} {
		require.Error(t, validate(t, s, fmt.Sprintf(secretSpec, "{vars: {TOKEN: "+say+"}}")), say)
	}
}
