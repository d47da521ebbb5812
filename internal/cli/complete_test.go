package cli

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/wholefile"
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
	// More than are offered at once: an older one is found by how its name begins.
	require.NoError(t, os.WriteFile(many, []byte(strings.Repeat("{}\n", executionsShown+5)), 0o600))
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
		{"executions show complete/iris _", []string{"@latest"}, []string{"order-17"}},
		{"executions watch complete/iris ord", []string{"order-17"}, []string{"@latest"}},
		{"executions stop complete/iris @", []string{"@latest"}, nil},
		{"executions redrive complete/iris @", []string{"@latest"}, nil},
		{"executions history complete/none _", []string{"@latest"}, nil},
		{"executions export Complete/iris _", []string{"@latest"}, nil},
		{"executions errors complete/iris order-17 _", nil, []string{"@latest"}},
		{"executions list complete/iris --children-of o", []string{"order-17"}, []string{"@latest"}},
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
		{"sandbox quotas list s", []string{"s3", "sagemaker", "states"}, nil},
		{"sandbox quotas set lambda/", []string{"lambda/L-B99A9384="}, nil},
		{"sandbox faults set --error Execution", []string{"ExecutionLimitExceeded"}, nil},
		{"sandbox env --account 0", []string{"000000000000"}, nil},
		{"version _", nil, nil},
		{"explain lo", []string{"locked"}, []string{"length"}},
		{"explain locked _", nil, nil},
		{"init comp", []string{"complete/"}, nil},
		{"init x/y --template b", []string{"batch"}, nil},
		{"init x/y --template batch --set inputF", []string{"inputFormat="}, nil},
		{"templates docs r", []string{"realtime"}, nil},
		{"list --columns pipeline,t", []string{"pipeline,template", "pipeline,tenant"}, []string{"pipeline,pipeline"}},
		{"show a/b --columns _", nil, nil},
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

// What is typed, and what the shell offers then: pipelines, commands, values of flags,
// parameters and their values, executions, codes.
var typedInShells = map[string][]string{
	"pipelinetui show shell/":                          {"shell/fraud", "shell/iris"},
	"pipelinetui show shell/i":                         {"shell/iris"},
	"pipelinetui executions lis":                       {"list"},
	"pipelinetui list --target s":                      {"sandbox"},
	"pipelinetui up x/y --set endpointKind=":           {"endpointKind=instance", "endpointKind=serverless"},
	"pipelinetui up shell/iris --set endpointKind=ser": {"endpointKind=serverless"},
	"pipelinetui executions show shell/iris @":         {"@latest"},
	"pipelinetui executions show shell/iris order":     {"order-17"},
	"pipelinetui run shell/iris --batch m":             {"monday"},
	"pipelinetui explain unknown-te":                   {"unknown-template", "unknown-tenant"},
	"pipelinetui templates list --columns name,v":      {"name,version"},
	"pipelinetui show shell/nothing-":                  nil,
}

// shellWorld is a folder with a program called pipelinetui, which is the test itself, and
// the script of a shell.
func shellWorld(t *testing.T, shell string) (dir, script string, environ []string) {
	t.Helper()
	w := inWorld(t)
	script = filepath.Join(t.TempDir(), "completion."+shell)
	require.NoError(t, os.WriteFile(script, w.run(t, "completion", shell).ends(t, ExitOK, cobra.ShellCompRequestCmd).out.Bytes(), 0o600))
	self, err := os.Executable()
	require.NoError(t, err)
	dir = t.TempDir()
	program := filepath.Join(dir, "pipelinetui")
	require.NoError(t, wholefile.WriteProgram(program, []byte("#!/bin/sh\n"+asProgram+"=1 exec '"+self+"' \"$@\"\n")))
	return dir, script, []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "PIPELINETUI_HOME=" + w.home, "TERM=dumb"}
}

// Bash cuts words at @, : and = alike: the script puts all three together again.
func TestBashKnowsWhereWordsAreCut(t *testing.T) {
	t.Parallel()
	for _, more := range [][]string{nil, {"--no-descriptions"}} {
		script := inWorld(t).run(t, append([]string{"completion", "bash"}, more...)...).ends(t, ExitOK).out.String()
		require.Equal(t, 2, strings.Count(script, "-n =:@ ||"))
		for _, char := range []string{":", "=", "@"} {
			require.Equal(t, 1, strings.Count(script, "__pipelinetui_handle_special_char \"$cur\" "+char+"\n"), char)
		}
	}
}

// The scripts of all shells are written, and real ones ask and are answered.
func TestScriptsOfShells(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.pipeline(t, "shell/iris")
	w.pipeline(t, "shell/fraud")
	w.run(t, "run", "shell/iris", "--input", "{}", "--name", "order-17", "--wait").ends(t, ExitOK)
	many := filepath.Join(t.TempDir(), "many.jsonl")
	require.NoError(t, os.WriteFile(many, []byte("{}\n"), 0o600))
	w.run(t, "run", "shell/iris", "--inputs", many, "--batch", "monday").ends(t, ExitOK)
	for shell, ask := range map[string]func(script, typed string) []string{
		// What the package bash-completion has, as far as the script uses it. Words are cut at
		// what bash cuts them at, and a word is what the script asks for.
		"bash": func(script, typed string) []string {
			const ask = `
_get_comp_words_by_ref() { cur=${COMP_WORDS[COMP_CWORD]}; prev=${COMP_WORDS[COMP_CWORD-1]}; words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; }
compopt() { :; }
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9; COMP_WORDBREAKS=' '
__start_pipelinetui
printf '%s\n' "${COMPREPLY[@]}"
`
			return append([]string{"--norc", "--noprofile", "-c", ask, "bash", script}, strings.Fields(typed)...)
		},
		"fish": func(script, typed string) []string {
			return []string{"--no-config", "-c", "source $argv[1]; complete -C $argv[2]", script, typed}
		},
		// A zsh at a terminal of its own, in which the tab key is pressed: what its completion
		// takes up is told.
		"zsh": func(script, typed string) []string {
			const ask = `
zmodload zsh/zpty || exit 9
script=$1
zpty z zsh -f -i
zpty -w z "PROMPT=''; autoload -Uz compinit; compinit -u -D; source ${(q)script}; compdef _pipelinetui pipelinetui"
zpty -w z 'compadd () {
  [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]] && { builtin compadd "$@"; return $?; }
  typeset -a hits; builtin compadd -A hits "$@"
  for h in $hits; do print -r -- "HIT:$h"; done
  builtin compadd "$@"
}
enough () { print -r -- "DO""NE"; zle kill-whole-line }; zle -N enough; bindkey "^X" enough; bindkey "^I" complete-word; echo READ""Y'
out=""
until [[ $out == *READY* ]]; do zpty -r z x || exit 8; out+=$x; done
zpty -n -w z "$2"$'\t\C-X'
out=""
until [[ $out == *DONE* ]]; do zpty -r z x || exit 8; out+=$x; done
print -r -- "$out" | tr -d '\r' | sed -n 's/.*HIT://p'
zpty -d z
`
			return []string{"-f", "-c", ask, "zsh", script, typed}
		},
	} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skip("no " + shell + " on this machine")
			}
			dir, script, environ := shellWorld(t, shell)
			for typed, want := range typedInShells {
				cmd := exec.CommandContext(t.Context(), path, ask(script, typed)...)
				cmd.Dir, cmd.Env = dir, environ
				var errs strings.Builder
				cmd.Stderr = &errs
				out, err := cmd.Output()
				require.NoError(t, err, "%s: %s%s", typed, out, errs.String())
				var words []string
				for text := range strings.Lines(string(out)) {
					if word := strings.Fields(text); len(word) > 0 {
						words = append(words, strings.ReplaceAll(word[0], `\`, "")) // bash quotes a comma
					}
				}
				slices.Sort(words)
				require.Equal(t, want, slices.Compact(words), "%s: %s%s", typed, out, errs.String())
				require.Empty(t, errs.String(), typed)
			}
		})
	}
	t.Run("powershell", func(t *testing.T) {
		t.Parallel()
		pwsh, err := exec.LookPath("pwsh")
		if err != nil {
			w.run(t, "completion", "powershell").ends(t, ExitOK, cobra.ShellCompRequestCmd)
			t.Skip("no pwsh on this machine: its script is written, and not asked")
		}
		dir, script, environ := shellWorld(t, "powershell")
		for typed, want := range typedInShells {
			cmd := exec.CommandContext(t.Context(), pwsh, "-NoProfile", "-Command",
				". "+script+"; (TabExpansion2 -inputScript '"+typed+"' -cursorColumn "+strconv.Itoa(len(typed))+").CompletionMatches.CompletionText")
			cmd.Dir, cmd.Env = dir, environ
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			words := strings.Fields(string(out))
			slices.Sort(words)
			require.Equal(t, want, slices.Compact(words), typed)
		}
	})
}
