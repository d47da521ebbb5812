package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

func TestWhatIsShownOfAResult(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.pipeline(t, "habit/iris")
	w.pipeline(t, "habit/fraud")
	w.run(t, "run", "habit/iris", "--input", "{}", "--name", "one", "--wait").ends(t, ExitOK)
	many := filepath.Join(t.TempDir(), "many.jsonl")
	require.NoError(t, os.WriteFile(many, []byte("{}\n"), 0o600))
	tests := []struct{ line, want string }{
		{"list habit/* --quick -q", "habit/fraud\nhabit/iris\n"},
		{"list habit/* --quick --jq .pipelines[].pipeline", "habit/fraud\nhabit/iris\n"},
		{"list habit/* --quick -o json --jq .pipelines|length", "2\n"},
		{"list habit/* --quick --jq [.pipelines[]|{pipeline,resources}]", `[{"pipeline":"habit/fraud","resources":3},{"pipeline":"habit/iris","resources":3}]` + "\n"},
		{"list habit/* --quick --columns model,pipeline", "MODEL  PIPELINE\nfraud  habit/fraud\niris   habit/iris\n"},
		{"list habit/* --quick --columns Tenant,ENDPOINT", "TENANT  ENDPOINT\nhabit   ?\nhabit   ?\n"},
		{"list habit/* --quick --template {{range\u00a0.pipelines}}{{tablerow\u00a0.model\u00a0.pipeline}}{{end}}", "fraud  habit/fraud\niris   habit/iris\n"},
		{"list habit/* --quick --go-template {{len\u00a0.pipelines}}", "2\n"},
		{"list habit/* --quick --template {{range\u00a0.pipelines}}{{timeago\u00a0.lastUpdate}},{{end}}", "0s ago,0s ago,\n"},
		{"list habit/* --quick --template {{join\u00a0\"+\"\u00a0(pluck\u00a0\"model\"\u00a0.pipelines)}}", "fraud+iris\n"},
		{"executions list habit/iris -q", "one\n"},
		{"executions list habit/iris --columns status,name", "STATUS     NAME\nSUCCEEDED  one\n"},
		{"executions show habit/iris one -q", "one\n"},
		{"executions history habit/iris one -o jsonl --jq select(.type==\"event\")|.event.type", ""},
		{"show habit/iris --quick -q", "habit/iris\n"},
		{"run habit/fraud --inputs " + many + " --batch b -q", ""},
		{"templates list -q", "batch\nrealtime\n"},
		{"templates list --columns name", "NAME\nbatch\nrealtime\n"},
		{"templates show realtime --jq .name", "realtime\n"},
		{"schema --jq .type", "object\n"},
		{"explain locked -q", "locked\n"},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(strings.ReplaceAll(tt.line, "\u00a0", "\x00"))
			for i, a := range args {
				args[i] = strings.ReplaceAll(a, "\x00", " ")
			}
			l := w.run(t, args...).ends(t, ExitOK)
			if tt.want == "" {
				require.NotEmpty(t, strings.TrimSpace(l.out.String()))
				require.NotContains(t, l.out.String(), "{")
				return
			}
			got := l.out.String()
			if strings.Contains(tt.line, "timeago") {
				require.Equal(t, 2, strings.Count(got, "ago,")+strings.Count(got, "now,"), got)
				return
			}
			require.Equal(t, tt.want, got)
		})
	}
}

// What cannot be shown is refused before anything is done, and as a problem of its flag.
func TestViewsThatCannotBe(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	for typed, want := range map[string]string{
		"templates list --jq .[":                                "jq program is wrong",
		"templates list --jq env|.HOME|explode|nosuch":          "jq program is wrong",
		"templates list --template {{":                          "template is wrong",
		"templates list --jq .name -o yaml":                     "works on JSON",
		"templates list --jq .name -o table":                    "works on JSON",
		"templates list -q -o json":                             "for machines",
		"templates list --columns name -o json":                 "for machines",
		"templates list --columns nothing":                      "name, version, origin, title",
		"templates show realtime --columns name":                "no table",
		"templates list --jq .x -q":                             "excludes",
		"templates list --columns name -q":                      "excludes",
		"templates list --template x --go-template y":           "another name",
		"templates list --jq .templates[].name.x":               "jq program fails",
		"templates list --template {{timeago\u00a0.kind}}":      "is no time",
		"templates list --template {{color\u00a0\"x\"\u00a01}}": "no colour",
	} {
		args := strings.Fields(strings.ReplaceAll(typed, "\u00a0", "\x00"))
		for i, a := range args {
			args[i] = strings.ReplaceAll(a, "\x00", " ")
		}
		l := w.run(t, args...).ends(t, ExitUsage, want)
		require.NotEmpty(t, l.errs.String(), typed)
		require.Contains(t, l.errs.String(), "hint:", typed)
		if !strings.Contains(typed, "-o ") {
			require.Empty(t, l.out.String(), typed)
		}
	}
	// A program sees the document and nothing else.
	l := w.run(t, "templates", "list", "--jq", "env|length").ends(t, ExitOK)
	require.Equal(t, "0\n", l.out.String())
	// An error is no result that a program could have meant.
	l = w.run(t, "show", "no/body", "--jq", ".pipeline").ends(t, ExitNotFound)
	require.Empty(t, l.out.String())
	// A setting of the output gives way to what is typed.
	l = (&line{w: w, environ: map[string]string{"PIPELINETUI_OUTPUT": "yaml"}}).run(t, "templates", "list", "--jq", ".templates|length").ends(t, ExitOK)
	require.Equal(t, "2\n", l.out.String())
	l = (&line{w: w, environ: map[string]string{"PIPELINETUI_OUTPUT": "json"}}).run(t, "templates", "list", "-q").ends(t, ExitOK)
	require.Equal(t, "batch\nrealtime\n", l.out.String())
}

func TestHints(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.pipeline(t, "hint/iris")
	on := func(args ...string) *line {
		return (&line{w: w, terminal: true}).run(t, args...)
	}
	for typed, want := range map[string]string{
		"list hint/* --quick":                                          "pipelinetui show hint/iris",
		"show hint/iris --quick":                                       "pipelinetui run hint/iris --input @FILE --watch",
		"run hint/iris --input {} --name first":                        "pipelinetui executions watch hint/iris first",
		"run hint/iris --input {\"do\":\"fail\"} --name second --wait": "pipelinetui executions redrive hint/iris second",
		"templates list":                                               "pipelinetui templates show batch",
		"templates show realtime":                                      "pipelinetui init --template realtime",
		"explain":                                                      "pipelinetui explain CODE",
	} {
		l := on(strings.Fields(typed)...)
		require.Contains(t, l.errs.String(), "next: "+want+"\n", typed)
		require.NotContains(t, l.out.String(), "next:", typed)
	}
	// Of many pipelines, each execution says itself whose it is.
	w.run(t, "run", "hint/iris", "--input", `{"do":"fail"}`, "--name", "third", "--wait").ends(t, ExitExecution)
	for _, more := range []string{"hint/*", "hint/* --group", "hint/iris --group"} {
		l := on(append([]string{"executions", "list", "--name", "third", "--failed"}, strings.Fields(more)...)...).ends(t, ExitOK)
		require.Contains(t, l.errs.String(), "next: pipelinetui executions show hint/iris third\n", more)
	}
	for _, l := range []*line{
		{w: w}, {w: w, terminal: true, environ: map[string]string{"PIPELINETUI_HINTS": "false"}}, {w: w, terminal: true, environ: map[string]string{"CI": "1"}},
	} {
		require.NotContains(t, l.run(t, "templates", "list").ends(t, ExitOK).errs.String(), "next:")
	}
	for _, more := range [][]string{{"-q"}, {"-o", "json"}, {"-o", "jsonl"}, {"--jq", ".kind"}} {
		l := on(append([]string{"templates", "list"}, more...)...).ends(t, ExitOK)
		require.NotContains(t, l.errs.String()+l.out.String(), "next:", more)
	}
}

func TestInitWritesASpec(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	for _, template := range []string{"realtime", "batch"} {
		dir := t.TempDir()
		out := filepath.Join(dir, "sub", "p.yaml")
		require.NoError(t, os.MkdirAll(filepath.Dir(out), 0o700))
		args := []string{
			"init", "acme/" + template + "/prod", "--template", template, "--out", out, "--region", "eu-central-1", "--set",
			"image=sandbox/linear", "--set", "modelDataUrl=s3://models/m.tar.gz", "--set", "tags.team=ml",
		}
		w.run(t, args...).ends(t, ExitOK, out+" describes acme/"+template+"/prod")
		raw, err := os.ReadFile(out)
		require.NoError(t, err)
		require.Contains(t, string(raw), "# ", "it has comments")
		var doc map[string]any
		require.NoError(t, yaml.Unmarshal(raw, &doc))
		pipeline := doc["pipelines"].([]any)[0].(map[string]any)
		require.Equal(t, map[string]any{"image": "sandbox/linear", "modelDataUrl": "s3://models/m.tar.gz"}, pipeline["parameters"])
		require.Equal(t, map[string]any{"team": "ml"}, pipeline["tags"])
		// Every parameter is there, given or as a comment.
		shown := w.run(t, "templates", "show", template, "-o", "json").ends(t, ExitOK).doc(t, "Template")
		for _, p := range shown["parameters"].([]any) {
			name := p.(map[string]any)["name"].(string)
			require.Regexp(t, `(?m)^      (# )?`+strings.ReplaceAll(name, ".", `\.`)+`:`, string(raw))
		}
		for text := range strings.Lines(string(raw)) {
			require.LessOrEqual(t, len(text), 120, text)
		}
		// It is a spec that up takes: all its checks pass, so that only the engine is asked.
		g := &engine{}
		(&line{w: w, engine: g}).run(t, "preview", "-f", out)
		require.NotEmpty(t, g.operations(), "preview reads it")

		w.run(t, args...).ends(t, ExitUsage, "exists already", "--force")
		w.run(t, append(args, "--force")...).ends(t, ExitOK)
	}
	l := w.run(t, "init", "acme/x", "--template", "realtime", "--out", "-", "--set", "image=sandbox/linear", "--set",
		"modelDataUrl=s3://models/m.tar.gz", "--region", "us-east-1").ends(t, ExitOK)
	require.True(t, bytes.HasPrefix(l.out.Bytes(), []byte("# ")))
	doc := w.run(t, "init", "acme/x", "--template", "realtime", "--out", "-", "--set", "image=sandbox/linear", "--set",
		"modelDataUrl=s3://models/m.tar.gz", "--region", "us-east-1", "-o", "json").ends(t, ExitOK).doc(t, "SpecMade")
	require.Equal(t, l.out.String(), doc["text"])
	w.run(t, "init", "acme/x", "--template", "realtime").ends(t, ExitUsage, "image")
	w.run(t, "init").ends(t, ExitUsage, "nobody can be asked", "--template NAME")
	w.run(t, "init", "acme/x", "--template", "none").ends(t, ExitUsage, "none")
	w.run(t, "init", "acme/x", "--template", "realtime", "--out", "/none/x.yaml", "--set", "image=sandbox/linear", "--set",
		"modelDataUrl=s3://models/m.tar.gz", "--region", "us-east-1").ends(t, ExitUsage, "cannot be written")
}

func TestTemplatesDocs(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	for _, name := range []string{"realtime", "batch"} {
		l := w.run(t, "templates", "docs", name).ends(t, ExitOK)
		page := l.out.String()
		require.True(t, strings.HasPrefix(page, "# "+name+"\n"))
		raw, err := json.Marshal(w.run(t, "templates", "show", name, "-o", "json").ends(t, ExitOK).doc(t, "Template")["parameters"])
		require.NoError(t, err)
		var parameters []struct{ Name string }
		require.NoError(t, json.Unmarshal(raw, &parameters))
		for _, p := range parameters {
			require.Contains(t, page, "\n| `"+p.Name+"` | ")
		}
		for text := range strings.Lines(page) {
			if strings.HasPrefix(text, "| `") && strings.Count(text, "`") > 2 {
				columns := strings.Count(strings.ReplaceAll(text, `\|`, ""), "|")
				require.Contains(t, []int{3, 6}, columns, text)
			}
		}
		_, spec, _ := strings.Cut(page, "```yaml\n")
		spec, _, _ = strings.Cut(spec, "```")
		require.NoError(t, yaml.Unmarshal([]byte(spec), new(any)))
	}
	w.run(t, "templates", "docs", "none").ends(t, ExitNotFound)
}
