package tui_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/preflight"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/deploy"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/execution"
	fleetpage "github.com/pipelinetui/pipelinetui/internal/tui/pages/fleet"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/home"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/pipeline"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/wizard"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// evil is what somebody else's text may hold: a colour that no theme has, a title,
// a cleared screen, what C1 and bidirectional characters do, breaks and zeros.
const evil = "\x1b[38;5;199mZ\x1b]0;own\a\x1b[2J\u009b31m\u202eZ\r\nZ\x00\bZ\x7f"

// keep are the fields by which things find each other.
var keep = regexp.MustCompile(`^(URN|Parent|Provider|Type|Op|Kind|Result|Stack|Status|Severity|Definition|Template|Region|Tenant|Model|Env|SecretsProvider|Basis|Target|.*Arn|ResultMetadata|Document|Spec)$`)

// poison adds evil to every text that v points to.
func poison(v any) { poisoned(reflect.ValueOf(v), "") }

func poisoned(v reflect.Value, field string) {
	if keep.MatchString(field) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return
		}
		if v.Kind() == reflect.Interface {
			x := reflect.New(v.Elem().Type()).Elem()
			x.Set(v.Elem())
			poisoned(x, field)
			v.Set(x)
			return
		}
		poisoned(v.Elem(), field)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				poisoned(v.Field(i), f.Name)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			poisoned(v.Index(i), "")
		}
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String || v.IsNil() {
			return
		}
		for _, k := range v.MapKeys() {
			x := reflect.New(v.Type().Elem()).Elem()
			x.Set(v.MapIndex(k))
			poisoned(x, "")
			v.SetMapIndex(k, x)
			if !keep.MatchString(k.String()) {
				v.SetMapIndex(reflect.ValueOf(k.String()+evil).Convert(v.Type().Key()), x)
			}
		}
	case reflect.String:
		if s := v.String(); v.CanSet() && s != "" {
			if json.Valid([]byte(s)) && strings.HasPrefix(s, "{") { // a document stays one
				s = strings.Replace(s, "{", `{"`+escaped(evil)+`":"`+escaped(evil)+`",`, 1)
				v.SetString(strings.Replace(s, ",}", "}", 1))
				return
			}
			v.SetString(s + evil)
		}
	default:
	}
}

func escaped(s string) string {
	text, _ := json.Marshal(s)
	return strings.Trim(string(text), `"`)
}

// hostile is a source of which every text is somebody else's.
func hostile(t *testing.T) *datatest.Source {
	t.Helper()
	s := datatest.New(t)
	list, err := s.Pipelines(t.Context())
	require.NoError(t, err)
	lock := stack.Lock{Where: "w", User: "u", Host: "h", PID: 1, Since: datatest.Recorded}
	poison(&lock)
	for _, p := range list {
		outputs := p.State.Outputs
		poison(&p.State.Resources)
		p.State.Outputs = map[string]stack.Output{"o" + evil: {Value: "v" + evil}, "list": {Value: []any{evil, map[string]any{evil: evil}}}}
		for k, o := range outputs {
			p.State.Outputs[k] = o
		}
		p.State.Pending = append(p.State.Pending, stack.PendingOperation{URN: "urn:x" + evil, Type: "t" + evil, Name: "n" + evil, Kind: "creating", ID: "i" + evil})
		poison(&p.Spec.Tags)
		poison(&p.Spec.Parameters)
		p.Summary.URL = "https://u" + evil
		history := slices.Clone(p.History)
		for i := range history {
			history[i].Message, history[i].Error = "m"+evil, "e"+evil
			history[i].Environment = map[string]string{"git.head": "h" + evil, evil: evil}
		}
		p.History = history
		if p.ID == datatest.Churn {
			p.Err = fault.New(fault.Damaged, "the file %s is damaged", evil).WithHint("Run %s.", evil)
			p.State = nil
		}
		if p.ID == datatest.Fraud {
			p.Summary.InProgress, p.Summary.Locks = true, []stack.Lock{lock}
		}
		s.Add(p, history...)
	}
	s.LocksFunc = func(context.Context, spec.ID) ([]stack.Lock, error) { return []stack.Lock{lock}, nil }
	s.LogsFunc = func(context.Context, spec.ID, pipelines.LogQuery) ([]pipelines.LogLine, error) {
		return []pipelines.LogLine{
			{Time: datatest.Recorded, Stream: "s" + evil, Message: "m" + evil},
			{Time: datatest.Recorded, Message: `{"level":"ERROR","message":"` + escaped(evil) + `"}`},
		}, nil
	}
	s.PlaceFunc = func(context.Context) (data.Place, error) {
		x := data.Place{Target: "aws", Account: "a", Identity: "i", Region: "r", Endpoint: "e", Backend: "b"}
		poison(&x)
		return x, nil
	}
	s.DescribeFunc = func(context.Context, *spec.Pipeline) ([]spec.Planned, error) {
		return []spec.Planned{{Block: "b" + evil, Type: "t" + evil, Name: "n" + evil, AWSName: "a" + evil, Idle: "i" + evil}}, nil
	}
	s.PreflightFunc = func(context.Context, *spec.Pipeline) (preflight.Report, error) {
		f := preflight.Finding{Code: preflight.CodeImage, Severity: preflight.Error, Asked: "a" + evil, Message: "m" + evil, Hint: "h" + evil}
		return preflight.Report{Findings: []preflight.Finding{f}}, nil
	}
	s.EventFunc = func(e *stack.Event) { poison(e) }
	s.ConsoleFunc = func(stack.Resource) string { return "https://c" + evil }
	s.API.Poison(poison)
	return s
}

// shows looks for what foreign text may not do on a screen.
func shows(screen string) error {
	for _, bad := range []string{"\x1b[38;5;199m", "\x1b]", "\x1b[2J"} {
		if strings.Contains(screen, bad) {
			return errors.New("a sequence of foreign text: " + bad[1:])
		}
	}
	for _, r := range regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(screen, "") {
		if r != '\n' && (unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Bidi_Control, r)) {
			return errors.New("a control character")
		}
	}
	return nil
}

// link is a web address that the terminal opens: it leads where it says.
var link = regexp.MustCompile("\x1b]8;;(https?://[!-~]+)\a([!-~]+)\x1b]8;;\a")

// unlinked is a screen without the sequences of links whose text is their address.
func unlinked(screen string) string {
	return link.ReplaceAllStringFunc(screen, func(s string) string {
		if m := link.FindStringSubmatch(s); m[1] == m[2] {
			return m[1]
		}
		return s
	})
}

// TestForeignTextDrawsNothing opens every page over a source whose every text is
// hostile, presses each of its keys, and looks at what the page itself draws and at
// the screen. The page is asked too, since the screen would hide its fault.
func TestForeignTextDrawsNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("much text, and no goroutine that others have not: runs without -short")
	}
	t.Parallel()
	request := func(op stack.Operation) func(h *ui.Host) ui.Page {
		return func(h *ui.Host) ui.Page {
			var list []*spec.Pipeline
			for _, id := range []spec.ID{datatest.Iris, datatest.Churn} {
				list = append(list, &spec.Pipeline{ID: id, Region: "us-east-1", Template: "realtime", Tags: map[string]string{"k" + evil: "v" + evil}})
			}
			return deploy.New(h, pipelines.Request{Operation: op, Pipelines: list, Message: evil})
		}
	}
	batch := "arn:aws:states:us-east-1:000000000000:execution:ptui-acme-iris-batch-dev:"
	iris := "arn:aws:states:us-east-1:000000000000:execution:ptui-acme-iris-dev:"
	pages := map[string]func(h *ui.Host) ui.Page{
		"home": home.New, "jobs": deploy.List,
		"fleet":       func(h *ui.Host) ui.Page { return fleetpage.New(h, fleet.Query{}) },
		"fleet alike": func(h *ui.Host) ui.Page { return fleetpage.New(h, fleet.Query{Group: true}) },
		"wizard":      func(h *ui.Host) ui.Page { return wizard.New(h, ui.OpenWizard{}) },
		"change":      func(h *ui.Host) ui.Page { return wizard.New(h, ui.OpenWizard{Change: &datatest.Iris}) },
		"up":          request(stack.OperationUp), "destroy": request(stack.OperationDestroy), "refresh": request(stack.OperationRefresh), "preview": request(stack.OperationPreview),
	}
	for _, tab := range []string{"overview", "resources", "executions", "definition", "updates"} {
		for _, id := range []spec.ID{datatest.Iris, datatest.Fraud, datatest.Churn} {
			pages[id.Model+" "+tab] = func(h *ui.Host) ui.Page { return pipeline.New(h, id, tab) }
		}
	}
	source := datatest.New(t)
	for _, name := range source.API.Names() {
		for id, prefix := range map[spec.ID]string{datatest.Iris: iris, datatest.IrisBatch: batch} {
			pages["execution "+name+" "+id.Model] = func(h *ui.Host) ui.Page { return execution.New(h, id, prefix+name) }
		}
	}
	for name, open := range pages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var page ui.Page
			s := tuitest.Open(t, hostile(t), func(h *ui.Host) ui.Page { page = open(h); return page },
				tuitest.Routed(), tuitest.Color("dark"), tuitest.Size(120, 36), tuitest.Now(datatest.Recorded))
			look := func(after string) {
				t.Helper()
				require.NoError(t, shows(page.View(120, 32)), "the page after %q: %q", after, page.View(120, 32))
				require.NoError(t, shows(unlinked(s.Styled())), "after %q", after)
			}
			look("")
			for _, group := range page.Keys() {
				for _, b := range group.Bindings {
					if len(b.Keys) == 0 {
						continue
					}
					s.Hit(b.Keys[0])
					look(b.Keys[0])
					s.Hit("esc")
					if s.Quit() {
						return
					}
				}
			}
			for _, k := range []string{"?", "esc", ":", "esc", "j", "enter"} {
				s.Hit(k)
				look(k)
			}
		})
	}
}

// TestScreenIsTheLastGate: even a page that draws foreign text as it is moves no
// cursor and sets no title.
func TestScreenIsTheLastGate(t *testing.T) {
	t.Parallel()
	s, p := shell(t, datatest.New(t))
	p.view = func(int, int) string { return "before " + strings.ReplaceAll(evil, "\n", "") + " after" }
	s.Send(tea.FocusMsg{})
	screen := s.Styled()
	require.Contains(t, screen, "before")
	require.NotContains(t, screen, "\x1b]0;")
	require.NotContains(t, screen, "\x1b[2J")
	require.NotContains(t, screen, "\u009b")
	require.NotContains(t, screen, "\u202e")
	require.Equal(t, "a\x1b[1mb\x1b[0m", render.Screen("a\x1b[1mb\x1b[0m"))
}
