package cli

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// offered asks as a shell does: what may stand for the last of the words. Nothing but
// candidates and cobra's own last line may be said.
func (l *line) offered(t *testing.T, words ...string) (candidates []string, directive cobra.ShellCompDirective) {
	t.Helper()
	l.run(t, append([]string{cobra.ShellCompRequestCmd}, words...)...).ends(t, ExitOK)
	require.Regexp(t, `^Completion ended with directive: [A-Za-z, ]+\n$`, l.errs.String())
	for text := range strings.Lines(l.out.String()) {
		text = strings.TrimSuffix(text, "\n")
		if number, ok := strings.CutPrefix(text, ":"); ok {
			n, err := strconv.Atoi(number)
			require.NoError(t, err)
			return candidates, cobra.ShellCompDirective(n)
		}
		word, _, _ := strings.Cut(text, "\t")
		candidates = append(candidates, word)
	}
	t.Fatalf("no directive: %s", l.out)
	return nil, 0
}

const noFiles = cobra.ShellCompDirectiveNoFileComp

func TestCompletion(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.pipeline(t, "complete/iris")
	w.pipeline(t, "complete/iris/prod")
	w.pipeline(t, "complete/fraud")
	w.run(t, "run", "complete/iris", "--input", "{}", "--name", "order-17", "--wait").ends(t, ExitOK)
	many := filepath.Join(t.TempDir(), "many.jsonl")
	require.NoError(t, os.WriteFile(many, []byte("{}\n"), 0o600))
	w.run(t, "run", "complete/iris", "--inputs", many, "--batch", "monday").ends(t, ExitOK)
	file := specOf(t, "incomplete", "one", "two")
	tests := []struct {
		line string // words; the last one is being typed, _ is nothing
		want []string
		not  []string
	}{
		{"sh", []string{"show"}, []string{"up"}},
		{"show complete/i", []string{"complete/iris", "complete/iris/prod"}, []string{"complete/fraud"}},
		{"show complete/iris _", nil, []string{"complete/fraud"}},
		{"run complete/f", []string{"complete/fraud"}, nil},
		{"cancel complete/f", []string{"complete/fraud"}, nil},
		{"list complete/", []string{"complete/fraud", "complete/iris"}, nil},
		{"destroy complete/iris complete/", []string{"complete/fraud", "complete/iris/prod"}, []string{"complete/iris"}},
		{"refresh complete/f", []string{"complete/fraud"}, nil},
		{"up complete/f", []string{"complete/fraud"}, nil},
		{"preview complete/f", []string{"complete/fraud"}, nil},
		{"eject complete/f", []string{"complete/fraud"}, nil},
		{"up -f " + file + " _", []string{"incomplete/one", "incomplete/two"}, []string{"complete/iris"}},
		{"up -f " + file + " incomplete/one _", []string{"incomplete/two"}, []string{"incomplete/one"}},
		{"up -f " + file + " --tenant _", []string{"incomplete"}, nil},
		{"up --template realtime comp", []string{"complete/"}, []string{"complete/iris"}},
		{"new comp", []string{"complete/"}, nil},
		{"new complete/x _", nil, []string{"complete/"}},
		{"list --tenant comp", []string{"complete"}, nil},
		{"up --template r", []string{"realtime"}, []string{"batch"}},
		{"templates show b", []string{"batch"}, nil},
		{"templates show batch _", nil, []string{"batch"}},
		{"templates new --from r", []string{"realtime"}, nil},
		{"up complete/iris --set instanceT", []string{"instanceType="}, nil},
		{"up complete/iris --set endpointKind=", []string{"endpointKind=serverless"}, nil},
		{"up complete/iris --set input", nil, []string{"inputFormat="}},
		{"up --template batch x/y --set inputF", []string{"inputFormat="}, nil},
		{"up x/y --set protect=", []string{"protect=true", "protect=false"}, nil},
		{"up x/y --set region=eu-w", []string{"region=eu-west-1"}, []string{"region=us-east-1"}},
		{"up -f " + file + " --set endpointKind=i", []string{"endpointKind=instance"}, nil},
		{"up x/y --running w", []string{"wait"}, nil},
		{"destroy x/y --running _", []string{"wait", "stop", "ignore"}, nil},
		{"executions show complete/f", []string{"complete/fraud"}, nil},
		{"executions show complete/iris _", []string{"@latest", "order-17"}, nil},
		{"executions watch complete/iris ord", []string{"order-17"}, []string{"@latest"}},
		{"executions stop complete/iris @", []string{"@latest"}, nil},
		{"executions redrive complete/iris @", []string{"@latest"}, nil},
		{"executions history complete/none _", []string{"@latest"}, nil},
		{"executions export Complete/iris _", []string{"@latest"}, nil},
		{"executions errors complete/iris order-17 _", nil, []string{"@latest"}},
		{"executions list complete/iris --children-of _", []string{"@latest", "order-17"}, nil},
		{"executions list complete/iris --status FAILED,", []string{"FAILED,RUNNING"}, []string{"FAILED,FAILED"}},
		{"executions list complete/iris --name _", []string{"monday"}, nil},
		{"run complete/iris --batch _", []string{"monday"}, nil},
		{"run complete/none --batch _", nil, []string{"monday"}},
		{"run --batch _", nil, []string{"monday"}},
		{"run complete/iris --input _", []string{"@", "-"}, nil},
		{"run complete/iris --input @" + filepath.Dir(many) + "/m", []string{"@" + many}, nil},
		{"list --target _", []string{"sandbox", "aws"}, nil},
		{"list -o j", []string{"json", "jsonl"}, []string{"yaml"}},
		{"list --region eu-c", []string{"eu-central-1"}, nil},
		{"sandbox faults set --call sfn.StartE", []string{"sfn.StartExecution"}, nil},
		{"sandbox faults set --call s", []string{"sagemaker", "sfn"}, nil},
		{"sandbox faults set --call nothing.", nil, []string{"sfn"}},
		{"sandbox faults set --call sagemaker.CreateEndpoint --error R", []string{"ResourceLimitExceeded"}, []string{"ExecutionLimitExceeded"}},
		{"sandbox faults set --error Execution", []string{"ExecutionLimitExceeded"}, nil},
		{"sandbox env --account 0", []string{"000000000000"}, nil},
		{"version _", nil, nil},
		{"up --message _", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			words := strings.Fields(tt.line)
			if words[len(words)-1] == "_" {
				words[len(words)-1] = ""
			}
			got, directive := (&line{w: w}).offered(t, words...)
			require.NotZero(t, directive&noFiles, "the shell offers no files here")
			require.Subset(t, got, tt.want)
			for _, n := range tt.not {
				require.NotContains(t, got, n)
			}
			if tt.want == nil {
				require.Empty(t, got)
			}
		})
	}
}

func TestCompletionOfFiles(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]cobra.ShellCompDirective{
		"up -f _":                         cobra.ShellCompDirectiveFilterFileExt,
		"list --config _":                 cobra.ShellCompDirectiveFilterFileExt,
		"run a/b --inputs _":              cobra.ShellCompDirectiveFilterFileExt,
		"run a/b --input-file _":          cobra.ShellCompDirectiveDefault,
		"executions export a/b x --out _": cobra.ShellCompDirectiveDefault,
		"eject a/b _":                     cobra.ShellCompDirectiveFilterDirs,
		"templates new _":                 cobra.ShellCompDirectiveFilterDirs,
		"templates check _":               cobra.ShellCompDirectiveDefault,
		"sandbox exec _":                  cobra.ShellCompDirectiveDefault,
	} {
		words := strings.Fields(typed)
		words[len(words)-1] = ""
		_, got := (&line{w: inWorld(t)}).offered(t, words...)
		require.Equal(t, want, got, typed)
	}
}

// Whatever is wrong, the shell hears nothing of it; and nothing is started or made to find
// out: neither a sandbox, nor an engine with its folders and its passphrase.
func TestCompletionIsQuietAndStartsNothing(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.pipeline(t, "quiet/iris")
	const state = "state/.pulumi/stacks/pipelinetui/quiet.iris.dev.json"
	kept, err := os.ReadFile(filepath.Join(w.home, state))
	require.NoError(t, err)
	aws := map[string]string{
		"PIPELINETUI_TARGET": "aws", "PIPELINETUI_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_MAX_ATTEMPTS": "1",
	}
	for name, l := range map[string]*line{
		"an empty home":       {},
		"AWS":                 {environ: aws},
		"a wrong setting":     {environ: map[string]string{"PIPELINETUI_TARGET": "gcp"}},
		"no engine":           {environ: map[string]string{"PIPELINETUI_PULUMI": "/none"}},
		"a backend elsewhere": {environ: map[string]string{"PIPELINETUI_BACKEND": "file:///none/at/all"}},
		"a backend of others": {environ: map[string]string{"PIPELINETUI_BACKEND": "azblob://none"}},
		"no such templates":   {environ: map[string]string{"PIPELINETUI_TEMPLATES": "/none"}},
		"read-only":           {environ: map[string]string{"PIPELINETUI_READ_ONLY": "true"}},
	} {
		for _, stacks := range []bool{false, true} {
			home := t.TempDir()
			if stacks {
				require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(home, state)), 0o700))
				require.NoError(t, os.WriteFile(filepath.Join(home, state), kept, 0o600))
			}
			l.w = &world{home: home}
			before := everythingIn(t, home)
			for _, typed := range []string{
				"up _", "up -f /none.yaml _", "show q", "executions show quiet/iris _", "up quiet/iris --set _", "up --template _",
				"sandbox env --account _", "run quiet/iris --batch _", "list --profile _",
			} {
				words := strings.Fields(typed)
				if words[len(words)-1] == "_" {
					words[len(words)-1] = ""
				}
				_, directive := l.offered(t, words...)
				require.NotZero(t, directive&noFiles, "%s: %s", name, typed)
				require.Equal(t, before, everythingIn(t, home), "%s: %s", name, typed)
			}
		}
	}
}

// everythingIn is a folder with all that is in it, and when it was written.
func everythingIn(t *testing.T, folder string) []string {
	t.Helper()
	var all []string
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			all = append(all, path+" "+info.ModTime().String())
		}
		return err
	}))
	return all
}

func TestProfilesAreOffered(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(home, ".aws"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(home, ".aws", "config"), []byte("[default]\nregion = x\n[profile prod]\n[sso-session my]\n"), 0o600))
	got, _ := (&line{w: inWorld(t), environ: map[string]string{"HOME": home}}).offered(t, "list", "--profile", "")
	require.Equal(t, []string{"default", "prod"}, got)
}

// The scripts of all shells are written, and a real bash asks and is answered.
func TestScriptsOfShells(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		w.run(t, "completion", shell).ends(t, ExitOK, cobra.ShellCompRequestCmd)
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	w.pipeline(t, "shell/iris")
	w.pipeline(t, "shell/fraud")
	dir := t.TempDir()
	script := filepath.Join(dir, "completion.bash")
	require.NoError(t, os.WriteFile(script, w.run(t, "completion", "bash").out.Bytes(), 0o600))
	self, err := os.Executable()
	require.NoError(t, err)
	program := filepath.Join(dir, "pipelinetui")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\n"+asProgram+"=1 exec '"+self+"' \"$@\"\n"), 0o700)) // it is run
	// What the package bash-completion has, as far as the script uses it.
	const ask = `
_get_comp_words_by_ref() { cur=${COMP_WORDS[COMP_CWORD]}; prev=${COMP_WORDS[COMP_CWORD-1]}; words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; }
compopt() { echo "compopt $*"; }
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9
__start_pipelinetui
printf '%s\n' "${COMPREPLY[@]}"
`
	for typed, want := range map[string]string{
		"pipelinetui show shell/":         "shell/fraud\nshell/iris",
		"pipelinetui show shell/i":        "shell/iris",
		"pipelinetui executions lis":      "list",
		"pipelinetui list --target s":     "sandbox",
		"pipelinetui show shell/nothing-": "",
	} {
		cmd := exec.CommandContext(t.Context(), bash, append([]string{"--norc", "--noprofile", "-c", ask, "bash", script}, strings.Fields(typed)...)...)
		cmd.Dir = dir
		cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "PIPELINETUI_HOME=" + w.home}
		var errs strings.Builder
		cmd.Stderr = &errs
		out, err := cmd.Output()
		require.NoError(t, err, errs.String())
		var words []string
		for text := range strings.Lines(string(out)) {
			text = strings.TrimSpace(text)
			if text != "" && !strings.HasPrefix(text, "compopt") {
				words = append(words, strings.Fields(text)[0])
			}
		}
		require.Equal(t, want, strings.Join(words, "\n"), "%s: %s%s", typed, out, errs.String())
		require.Empty(t, errs.String(), typed)
		require.NotContains(t, string(out), "completion.bash", "no names of files")
	}
}
