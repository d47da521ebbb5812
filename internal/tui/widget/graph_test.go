package widget

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/diagram"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

func screen(unicode bool) *theme.Screen {
	th := theme.NewScreen(io.Discard, theme.ScreenOptions{Unicode: unicode})
	return &th
}

func machineOf(t *testing.T, file string) *asl.Machine {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	m, err := asl.Parse(string(raw), asl.Options{})
	require.NoError(t, err)
	return m
}

const definitions = "../../asl/testdata/valid/"

// whole draws everything.
func whole(g *Graph) string {
	return g.View(max(leastWidth, g.layout.Width), max(leastHeight, g.layout.Height))
}

func TestGraphOfEveryDefinition(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(definitions + "*.json")
	require.NoError(t, err)
	require.Greater(t, len(files), 10)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".asl.json")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := machineOf(t, file)
			var out strings.Builder
			for _, v := range []struct {
				w, h    int
				unicode bool
			}{{0, 0, true}, {0, 0, false}, {120, 32, true}, {80, 16, true}, {38, 30, true}, {60, 8, false}} {
				g := NewGraph(screen(v.unicode), m.Graph())
				if v.w == 0 {
					v.w, v.h = g.layout.Width, g.layout.Height
				}
				fmt.Fprintf(&out, "--- %dx%d unicode=%t\n%s\n", v.w, v.h, v.unicode, trimRight(g.View(v.w, v.h)))
			}
			golden.RequireEqual(t, []byte(out.String()))
		})
	}
}

// TestGraphOfEverything has what the built-in definitions lack: branches, Catch,
// lines that skip layers, loops of one state and of several.
func TestGraphOfEverything(t *testing.T) {
	t.Parallel()
	m, err := asl.Parse(`{"StartAt": "Load", "States": {
		"Load": {"Type": "Task", "Resource": "arn:aws:lambda:eu-west-1:123456789012:function:load:live", "Next": "Both",
			"Catch": [{"ErrorEquals": ["Lambda.TooManyRequestsException"], "Next": "Pause"}, {"ErrorEquals": ["States.ALL"], "Next": "Broken"}]},
		"Pause": {"Type": "Wait", "Seconds": 30, "Next": "Load"},
		"Both": {"Type": "Parallel", "Next": "Good enough?", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Broken"}], "Branches": [
			{"StartAt": "Left", "States": {"Left": {"Type": "Pass", "Next": "Left again"}, "Left again": {"Type": "Pass", "End": true}}},
			{"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "One", "States": {"One": {"Type": "Pass", "End": true}}}}}},
			{"StartAt": "Right", "States": {"Right": {"Type": "Succeed"}}}]},
		"Good enough?": {"Type": "Choice", "Default": "Broken", "Choices": [
			{"Variable": "$.score", "NumericGreaterThan": 0.5, "Next": "Done"},
			{"Variable": "$.again", "BooleanEquals": true, "Next": "Good enough?"},
			{"Variable": "$.more", "IsPresent": true, "Next": "Load"}]},
		"Broken": {"Type": "Fail", "Error": "Broken"},
		"Done": {"Type": "Succeed"}}}`, asl.Options{})
	require.NoError(t, err)
	out := ""
	for _, unicode := range []bool{true, false} {
		g := NewGraph(screen(unicode), m.Graph())
		out += trimRight(whole(g)) + "\n"
		g.AsList = true
		out += trimRight(g.View(70, 30)) + "\n"
	}
	golden.RequireEqual(t, []byte(out))
}

// trimRight takes the blanks off the ends of lines, which editors do too.
func trimRight(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.Join(lines, "\n")
}

func TestGraphShowsStatus(t *testing.T) {
	t.Parallel()
	m := machineOf(t, definitions+"async-poll.asl.json")
	states := map[string]NodeState{
		"Submit":         {Status: executions.VisitSucceeded, Note: "1.2s"},
		"Pause":          {Status: executions.VisitRunning, Current: true, Note: "4.0s ×3"},
		"LookForOutput":  {Status: executions.VisitCaught, Note: "210ms ×2"},
		"FailedOrAgain":  {Status: executions.VisitFailed},
		"LookForFailure": {Status: executions.VisitAborted},
	}
	g := NewGraph(screen(true), m.Graph())
	g.SetStates(states)
	out := "--- boxes\n" + trimRight(whole(g)) + "\n"
	g.AsList = true
	out += "--- list\n" + trimRight(g.View(60, 24)) + "\n"
	golden.RequireEqual(t, []byte(out))
	n, ok := g.Selected()
	require.True(t, ok)
	require.Equal(t, "Pause", n.Name, "the current state is selected")
}

func TestGraphMovesAndScrolls(t *testing.T) {
	t.Parallel()
	m := machineOf(t, definitions+"realtime.asl.json")
	g := NewGraph(screen(true), m.Graph())
	press := func(keys ...tea.KeyType) string {
		for _, k := range keys {
			require.True(t, g.Update(tea.KeyMsg{Type: k}))
			g.View(60, 10)
		}
		n, _ := g.Selected()
		return n.Name
	}
	g.View(60, 10)
	require.Equal(t, "CheckPayload", press(tea.KeyDown))
	below := press(tea.KeyDown)
	require.Contains(t, []string{"NoBody", "PayloadTooLarge", "InvokeEndpoint"}, below)
	seen := map[string]bool{below: true}
	for range 2 {
		seen[press(tea.KeyLeft)] = true
	}
	for range 2 {
		seen[press(tea.KeyRight)] = true
	}
	require.Len(t, seen, 3, "the branches of the choice are side by side")
	require.Equal(t, "Preprocess", press(tea.KeyHome))
	require.Equal(t, "StoreResult", press(tea.KeyEnd))
	require.Contains(t, ansi.Strip(g.View(60, 10)), "StoreResult", "the selected state is in sight")
	require.True(t, g.Update(tea.MouseMsg{Button: tea.MouseButtonWheelUp}))
	require.False(t, g.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("z")}))

	// A click selects what is under it.
	g.press(tea.KeyMsg{Type: tea.KeyHome})
	lines := strings.Split(ansi.Strip(g.View(100, 40)), "\n")
	for y, l := range lines {
		if x := strings.Index(l, "StoreResult"); x >= 0 {
			require.True(t, g.Update(tea.MouseMsg{X: ansi.StringWidth(l[:x]), Y: y, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress}))
		}
	}
	n, _ := g.Selected()
	require.Equal(t, "StoreResult", n.Name)
}

// draw makes choices.
type draw struct{ *rand.Rand }

func (d draw) between(low, high int) int { return low + d.IntN(high-low+1) }

func (d draw) one(of ...string) string { return of[d.IntN(len(of))] }

// randomMachine draws a valid definition: chains whose states may jump anywhere in
// their workflow.
func randomMachine(t *testing.T, d draw) *asl.Machine {
	t.Helper()
	names := 0
	var workflow func(depth int) map[string]any
	workflow = func(depth int) map[string]any {
		n := d.between(1, 7)
		name := make([]string, n)
		for i := range name {
			names++
			name[i] = fmt.Sprintf("%s%d", d.one([]string{"S", "Long name of a state ", "状態"}...), names)
		}
		states := map[string]any{}
		for i := range name {
			s := map[string]any{}
			any1 := func() string { return name[d.between(0, n-1)] }
			kind := d.one([]string{"Pass", "Task", "Choice", "Parallel", "Map"}...)
			if depth > 2 && (kind == "Parallel" || kind == "Map") || i == n-1 && kind == "Choice" {
				kind = "Pass"
			}
			s["Type"] = kind
			switch kind {
			case "Task":
				s["Resource"] = "arn:aws:states:::lambda:invoke"
				s["Parameters"] = map[string]any{"FunctionName": "f"}
			case "Choice":
				var rules []any
				for range d.between(1, 4) {
					rules = append(rules, map[string]any{"Variable": "$.x", "IsPresent": true, "Next": any1()})
				}
				s["Choices"], s["Default"] = rules, name[i+1]
			case "Parallel":
				var branches []any
				for range d.between(1, 3) {
					branches = append(branches, workflow(depth+1))
				}
				s["Branches"] = branches
			case "Map":
				s["ItemProcessor"] = workflow(depth + 1)
			}
			if kind != "Pass" && kind != "Choice" && (d.between(0, 1) == 1) {
				s["Catch"] = []any{map[string]any{"ErrorEquals": []any{"States.ALL"}, "Next": any1()}}
			}
			if kind != "Choice" {
				if i == n-1 {
					s["End"] = true
				} else {
					s["Next"] = name[i+1]
				}
			}
			states[name[i]] = s
		}
		return map[string]any{"StartAt": name[0], "States": states}
	}
	raw, err := json.Marshal(workflow(0))
	if err != nil {
		t.Fatal(err)
	}
	m, err := asl.Parse(string(raw), asl.Options{})
	if err != nil {
		t.Fatalf("not a valid machine: %v\n%s", err, raw)
	}
	return m
}

func TestGraphOfAnyMachine(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		checkGraph(t, seed)
	}
}

func FuzzGraph(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(checkGraph)
}

func checkGraph(t *testing.T, seed uint64) {
	t.Helper()
	d := draw{rand.New(rand.NewPCG(seed, 1))} // the same numbers each time are what is wanted
	m := randomMachine(t, d)
	unicode := (d.between(0, 1) == 1)
	g := NewGraph(screen(unicode), m.Graph())
	l := g.layout
	picture := whole(g)
	for i := range l.Boxes {
		a := &l.Boxes[i]
		if !strings.Contains(picture, a.Name) {
			t.Fatalf("%s is not to be seen:\n%s", a.Name, picture)
		}
		if a.X < 0 || a.Y < 0 || a.X+a.W > l.Width || a.Y+a.H > l.Height {
			t.Fatalf("%s is outside:\n%s", a.Name, picture)
		}
		if p := a.Parent; p >= 0 {
			if o := &l.Boxes[p]; a.X <= o.X || a.X+a.W >= o.X+o.W || a.Y < o.Y+diagram.FrameHead || a.Y+a.H >= o.Y+o.H {
				t.Fatalf("%s is not inside %s:\n%s", a.Name, o.Name, picture)
			}
		}
		for k := range l.Boxes[:i] {
			if b := &l.Boxes[k]; b.Parent == a.Parent && a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Fatalf("%s and %s lie over each other:\n%s", a.Name, b.Name, picture)
			}
		}
	}
	checkLines(t, g, picture)
	checkView(t, d, g)
}

// checkLines looks for lines that run through boxes they don't belong to.
func checkLines(t *testing.T, g *Graph, picture string) {
	l := g.layout
	for y, row := range l.Rows {
		for _, m := range row {
			if m.X < 0 || m.X >= l.Width {
				t.Fatalf("a line leaves the drawing:\n%s", picture)
			}
			for i := range l.Boxes {
				b := &l.Boxes[i]
				if b.Frame && y >= b.Y+diagram.FrameHead && y < b.Y+b.H-1 && m.X > b.X && m.X < b.X+b.W-1 {
					continue
				}
				if m.X >= b.X && m.X < b.X+b.W && y >= b.Y && y < b.Y+b.H {
					t.Fatalf("a line runs through %s at %d,%d:\n%s", b.Name, m.X, y, picture)
				}
			}
		}
	}
	// Every transition arrives somewhere: one arrow at least for each state that any
	// leads to.
	arrows := 0
	for _, row := range l.Rows {
		for _, m := range row {
			if m.Arrow != 0 {
				arrows++
			}
		}
	}
	targets := map[string]bool{}
	for _, e := range g.graph.Edges {
		if e.From != e.To {
			targets[e.To] = true
		}
	}
	if arrows < len(targets) {
		t.Fatalf("%d arrows for %d states that are led to:\n%s", arrows, len(targets), picture)
	}
}

// checkView draws at any size after any keys and clicks.
func checkView(t *testing.T, d draw, g *Graph) {
	states := map[string]NodeState{}
	for i := range g.layout.Boxes {
		s := []executions.VisitStatus{"", executions.VisitRunning, executions.VisitFailed}[d.between(0, 2)]
		states[g.layout.Boxes[i].Node.Name] = NodeState{Status: s, Note: "1.5s ×12", Counts: "100/200"}
	}
	g.SetStates(states)
	for range 6 {
		w, h := d.between(1, 130), d.between(1, 50)
		lines := strings.Split(g.View(w, h), "\n")
		if len(lines) != h {
			t.Fatalf("%d lines, not %d", len(lines), h)
		}
		for _, l := range lines {
			if n := ansi.StringWidth(l); n != w {
				t.Fatalf("a line of %d cells, not %d: %q", n, w, l)
			}
		}
		n, _ := g.Selected()
		if w >= 60 && h >= 12 && !strings.Contains(strings.Join(lines, "\n"), ansi.Truncate(safeLine(n.Name), 20, "")) {
			t.Fatalf("the selected state %s is not in sight at %dx%d:\n%s", n.Name, w, h, strings.Join(lines, "\n"))
		}
		key := d.one([]string{"up", "down", "left", "right", "pgdown", "pgup", "home", "end", "o"}...)
		types := map[string]tea.KeyType{
			"up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft, "right": tea.KeyRight, "pgdown": tea.KeyPgDown,
			"pgup": tea.KeyPgUp, "home": tea.KeyHome, "end": tea.KeyEnd,
		}
		if k, ok := types[key]; ok {
			g.Update(tea.KeyMsg{Type: k})
		} else {
			g.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(key)})
		}
		g.Update(tea.MouseMsg{X: d.between(0, w), Y: d.between(0, h), Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
	}
}

// TestGraphOfALongChain is about time: the layout must not blow up.
func TestGraphOfALongChain(t *testing.T) {
	t.Parallel()
	var g asl.Graph
	const n = 1500
	name := func(i int) string { return fmt.Sprintf("State%04d", i%n) }
	for i := range n {
		g.Nodes = append(g.Nodes, asl.Node{Name: name(i), Type: asl.Pass, Start: i == 0, End: i == n-1})
		if i < n-1 {
			g.Edges = append(g.Edges, asl.Edge{From: name(i), To: name(i + 1), Kind: asl.EdgeNext})
		}
		if i%10 == 0 && i > 20 {
			g.Edges = append(g.Edges, asl.Edge{From: name(i), To: name(i - 20), Kind: asl.EdgeCatch, Label: "States.ALL"})
		}
	}
	began := time.Now()
	w := NewGraph(screen(true), g)
	require.Less(t, time.Since(began), 2*time.Minute, "not quadratic")
	require.Contains(t, w.View(120, 40), "State0000")
	require.True(t, w.Update(tea.KeyMsg{Type: tea.KeyEnd}))
	require.Contains(t, w.View(120, 40), name(n-1))
}

func BenchmarkGraphView(b *testing.B) {
	raw, err := os.ReadFile(definitions + "async-poll.asl.json")
	require.NoError(b, err)
	m, _ := asl.Parse(string(raw), asl.Options{})
	th := theme.NewScreen(io.Discard, theme.ScreenOptions{Unicode: true, Colors: theme.Colors256})
	g := NewGraph(&th, m.Graph())
	g.SetStates(map[string]NodeState{"Pause": {Status: executions.VisitRunning, Current: true}})
	for b.Loop() {
		g.View(120, 40)
	}
}

// TestSignsThatItGoesOnStandOnNothing scrolls over definitions: what the signs at
// the edges cover was blank.
func TestSignsThatItGoesOnStandOnNothing(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"async-poll", "realtime", "batch-inventory"} {
		g := NewGraph(screen(true), machineOf(t, definitions+file+".asl.json").Graph())
		g.View(60, 12)
		for range 30 {
			g.Update(tea.KeyMsg{Type: tea.KeyDown})
			view := strings.Split(g.View(60, 12), "\n")
			x, y := g.x-g.margin(), g.y
			full := newCanvas(60, 12, g.inks...)
			g.drawLines(full, -x)
			for i := range g.layout.Boxes {
				b := &g.layout.Boxes[i]
				g.drawBox(full, i, b.X-x, b.Y-y)
			}
			signs := 0
			for row, line := range strings.Split(full.String(), "\n") {
				want, got := []rune(line), []rune(view[row])
				require.Len(t, got, len(want))
				for i := range want {
					if want[i] != got[i] {
						require.Equal(t, " ", string(want[i]), "%s: covered in\n%s", file, strings.Join(view, "\n"))
						signs++
					}
				}
			}
			require.LessOrEqual(t, signs, 4)
		}
	}
}

// TestTheWayThatWasTakenIsColoured looks at the lines below a Choice: one has led
// on, the other has not.
func TestTheWayThatWasTakenIsColoured(t *testing.T) {
	t.Parallel()
	m, err := asl.Parse(`{"StartAt":"Which","States":{
		"Which":{"Type":"Choice","Choices":[{"Variable":"$.a","IsPresent":true,"Next":"Here"}],"Default":"There"},
		"Here":{"Type":"Succeed"},"There":{"Type":"Fail"}}}`, asl.Options{})
	require.NoError(t, err)
	th := theme.NewScreen(io.Discard, theme.ScreenOptions{Unicode: true, Colors: theme.Colors256})
	g := NewGraph(&th, m.Graph())
	g.NoFocus = true
	arrows := func() (taken, others int) {
		good := inkOf(th.Good.Bold(true)).open
		for _, l := range strings.Split(g.View(80, 30), "\n") {
			// An arrow is one cell: the ink that was opened last before it is its own.
			for before, after, ok := strings.Cut(l, "▼"); ok; before, after, ok = strings.Cut(after, "▼") {
				if strings.HasSuffix(before, good) {
					taken++
				} else {
					others++
				}
			}
		}
		return taken, others
	}
	g.SetStates(map[string]NodeState{"Which": {Status: executions.VisitSucceeded}})
	taken, others := arrows()
	require.Equal(t, []int{0, 2}, []int{taken, others})
	g.SetStates(map[string]NodeState{"Which": {Status: executions.VisitSucceeded, To: []string{"Here"}}})
	taken, others = arrows()
	require.Equal(t, []int{1, 1}, []int{taken, others})
	g.AsList = true
	require.Contains(t, g.View(80, 30), inkOf(th.Good.Bold(true)).open+"if")
}
