package cli

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/preflight"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// A preview is a comment: what changes, what it costs, what the account says. The comment is
// found again by its first line, which is the same for the same selection only.
func TestPreviewAsComment(t *testing.T) {
	t.Parallel()
	w, file := inWorld(t), specOf(t, "comment", "one", "two")
	comment := func(args ...string) (marker, text string) {
		l := (&line{w: w, engine: &engine{replaces: true}}).run(t, append([]string{"preview", "-o", "markdown"}, args...)...)
		l.ends(t, ExitOK)
		first, rest, _ := strings.Cut(l.out.String(), "\n")
		require.Regexp(t, `^<!-- pipelinetui:preview:[0-9a-f]{16} -->$`, first)
		return first, rest
	}
	marker, text := comment("-f", file)
	for _, want := range []string{
		"### preview: 2 of 2 pipelines would change", "| `comment/one` |", "| a month, about | difference |", "together: about", "#### Checks of the account",
		"P400", "<details><summary>comment/two: ", "- replace `", "(forces replacement)", "#### Attention",
	} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "- keep", "what stays as it is is not there")
	again, _ := comment("-f", file)
	require.Equal(t, marker, again)
	one, text := comment("-f", file, "comment/one")
	require.NotEqual(t, marker, one, "another selection is another comment")
	require.Contains(t, text, "<details open>")
	secret, _ := comment("-f", file, "--set", "instanceType=ml.m5.large")
	other, _ := comment("-f", file, "--set", "instanceType=ml.m5.xlarge")
	require.Equal(t, secret, other, "a value is not in the marker: it may be secret")
}

func TestUpAsComment(t *testing.T) {
	t.Parallel()
	w, file := inWorld(t), specOf(t, "upcomment", "one", "two")
	g := &engine{fails: map[stack.Operation]string{stack.OperationUp: "upcomment/two"}}
	l := (&line{w: w, engine: g}).run(t, "up", "-f", file, "--yes", "-o", "markdown").ends(t, ExitDeployment)
	text := l.out.String()
	require.Contains(t, text, "### up: 2 pipelines, 1 succeeded, 1 failed")
	require.Contains(t, text, "#### Not done")
	require.Contains(t, text, "| `upcomment/two` | failed |")
	require.NotContains(t, text, "checks of the account", "the sandbox is not asked before an up")
	l = (&line{w: w, engine: &engine{drift: true}}).run(t, "refresh", w.pipeline(t, "driftcomment/one").String(), "--yes", "-o", "markdown", "--expect-no-changes").ends(t, ExitChanges)
	require.Contains(t, l.out.String(), "1 resource has drifted")
}

// What could not be done is a comment too, with the way out.
func TestErrorAsComment(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	l := w.run(t, "preview", "-f", "no`such<b>.yaml", "-o", "markdown").ends(t, ExitUsage)
	require.Regexp(t, `^<!-- pipelinetui:preview:[0-9a-f]{16} -->`, l.out.String())
	require.Contains(t, l.out.String(), "### pipelinetui could not do it")
	require.Contains(t, l.out.String(), "``", "what is not ours is code")
	l = w.run(t, "preview", "--nosuch", "-o", "markdown").ends(t, ExitUsage)
	require.True(t, strings.HasPrefix(l.out.String(), "<!-- pipelinetui:error -->\n"))
	l = w.run(t, "list", "-o", "markdown").ends(t, ExitUsage, "list has no result for a comment")
	require.Empty(t, l.out.String())
	(&line{w: w, environ: map[string]string{"PIPELINETUI_OUTPUT": "markdown"}}).run(t, "version").ends(t, ExitOK, "pipelinetui ")
	w.run(t, "preview", "a/b", "-o", "markdown", "--jq", ".").ends(t, ExitUsage, "it works on JSON")
}

// big is a deployment of many pipelines whose names and values are hostile.
func big(count, resources int, text string) deployment {
	d := deployment{
		Header: console.NewHeader("Deployment"), Operation: "preview", Target: &app.Target{Name: "aws", Account: text, Endpoint: text}, at: time.Unix(0, 0),
		Preflight: &preflight.Report{},
	}
	for i := range count {
		p := deployedDoc{Pipeline: fmt.Sprintf("acme/m%d", i), Result: "succeeded", Changes: map[stack.Op]int{stack.OpUpdate: resources}, Warnings: []string{text, "another"}}
		for k := range resources {
			r := resourceDoc{Name: text, Type: "aws:s3/bucket:Bucket", Op: stack.OpUpdate, Errors: []string{text}}
			for range k % 30 {
				r.Diff = append(r.Diff, stack.PropertyDiff{Path: text, Kind: stack.DiffUpdate, Old: text, New: "new"})
			}
			p.Resources = append(p.Resources, r)
		}
		if i%7 == 0 {
			p.Error = &errorDoc{Message: text, Hint: text}
			p.Result = string(pipelines.EndFailed)
		}
		d.Pipelines = append(d.Pipelines, p)
		d.Preflight.Findings = append(d.Preflight.Findings, preflight.Finding{Code: preflight.CodeImage, Severity: preflight.Error, Message: text, Hint: text, Pipelines: []string{text, text}})
	}
	return d
}

var anotherMore = regexp.MustCompile(`and (\d+) more`)

// However much there is, a comment is no longer than GitHub takes, and says what it leaves out.
func TestCommentIsBounded(t *testing.T) {
	t.Parallel()
	for _, count := range []int{1, 2, 50, 600} {
		for _, text := range []string{"plain", "</details>`@everyone` | <script>alert(1)</script>\n# head", strings.Repeat("ü", 600)} {
			d := big(count, 2+40/count, text)
			got := d.Comment(console.Marker("preview:0"))
			require.LessOrEqual(t, len(got), commentLimit)
			require.Greater(t, len(got), 600)
			require.True(t, strings.HasSuffix(got, "</sub>\n"), "it is whole")
			require.Equal(t, strings.Count(got, "<details"), strings.Count(got, "</details>")-strings.Count(got, "`</details>")-strings.Count(got, " </details>`"), "each section is closed")
			rows := strings.Count(got, "\n| `acme/m")
			if count == 600 {
				require.Contains(t, got, "more pipelines are not shown here for want of room")
			}
			for _, found := range regexp.MustCompile(`\| and (\d+) more \|`).FindAllStringSubmatch(got, 1) {
				left, err := strconv.Atoi(found[1])
				require.NoError(t, err)
				require.Equal(t, count, rows+left, "what is left out is told")
			}
			if !anotherMore.MatchString(got) {
				require.Equal(t, count, rows)
			}
		}
	}
}

// Nothing of what is not ours is anything but code, wherever in the comment it stands.
func TestCommentIsInert(t *testing.T) {
	t.Parallel()
	const evil = "</details>`@everyone` <script>alert(1)</script> [x](javascript:y) | c\n# head"
	got := big(2, 3, evil).Comment(console.Marker("preview:0")) +
		failure{Error: errorDoc{Errors: []errorDoc{{Message: evil, Hint: evil}, {Message: evil}}}}.Comment(console.Marker("error")) +
		preflightDoc{Report: *big(2, 0, evil).Preflight}.Comment(console.Marker("check:0"))
	for _, text := range strings.Split(got, "\n") {
		beside := outsideCode(t, text)
		for _, bad := range []string{"@", "script", "javascript", "[", "# head"} {
			require.NotContains(t, beside, bad, text)
		}
		if beside != text {
			require.NotContains(t, beside, "</details>", text)
		}
		require.False(t, strings.HasPrefix(text, "# head"))
	}
}

// outsideCode is what of a line is in no code span.
func outsideCode(t *testing.T, s string) (beside string) {
	t.Helper()
	for {
		before, rest, found := strings.Cut(s, "`")
		beside += before
		if !found {
			return beside
		}
		fence := 1 + len(rest) - len(strings.TrimLeft(rest, "`"))
		ends := regexp.MustCompile("(?:^|[^`])(`{" + strconv.Itoa(fence) + "})(?:[^`]|$)")
		rest = rest[fence-1:]
		at := ends.FindStringSubmatchIndex(rest)
		require.NotNil(t, at, "a span without an end: %q", s)
		s = rest[at[3]:]
	}
}

func TestErrorsOfSeveralInAComment(t *testing.T) {
	t.Parallel()
	list := errorDoc{}
	for i := range 50 {
		list.Errors = append(list.Errors, errorDoc{Kind: string(fault.Invalid), Message: fmt.Sprintf("the value %d is wrong", i)})
	}
	text := failure{Error: list}.Comment(console.Marker("error"))
	require.Contains(t, text, "the value 49 is wrong")
}
