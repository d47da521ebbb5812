package live_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/live"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
)

// held is a server that answers only when it is let go.
func held(t *testing.T, answer http.HandlerFunc) (url string, asked <-chan struct{}, release func()) {
	t.Helper()
	began, gate := make(chan struct{}, 64), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		select {
		case <-gate:
			answer(w, r)
		case <-r.Context().Done():
		}
	}))
	released := false
	release = func() {
		if !released {
			released = true
			close(gate)
		}
	}
	t.Cleanup(func() {
		release()
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL, began, release
}

// While STS does not answer and the Pulumi CLI is being downloaded, the screen is there:
// it draws, answers keys, offers links and lets its user leave.
//
// It runs in a process of its own: the variables of proxies are read once in a process's life,
// by whatever asks first.
func TestNothingThatIsOpenedHoldsUpTheScreen(t *testing.T) { // it sets variables of the process
	const alone = "PIPELINETUI_TEST_ALONE"
	if os.Getenv(alone) == "" {
		self, err := os.Executable()
		require.NoError(t, err)
		c := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$")
		c.Env = append(os.Environ(), alone+"=1")
		out, err := c.CombinedOutput()
		require.NoError(t, err, string(out))
		return
	}
	sts, checking, answer := held(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprint(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/ann</Arn>`+
			`<Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
	})
	proxy, downloading, _ := held(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	for k, v := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"HTTPS_PROXY": proxy, "https_proxy": proxy, "NO_PROXY": "", "no_proxy": "",
	} {
		t.Setenv(k, v)
	}
	own := map[string]string{
		"PIPELINETUI_HOME": t.TempDir(), "PIPELINETUI_TARGET": "aws", "PIPELINETUI_ENDPOINT_URL": sts, "PIPELINETUI_REGION": "us-east-1",
	}
	environ := func(k string) (string, bool) { v, ok := own[k]; return v, ok } // no PATH: no CLI is found
	s, err := settings.Resolve(settings.Sources{Environ: environ})
	require.NoError(t, err)
	a := app.New(app.Options{Settings: s, Environ: environ, Install: true})
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	source := live.New(a)

	x := tuitest.Open(t, source, nil, tuitest.Routed(), tuitest.Hurried())
	x.Until("reading the list of pipelines")
	x.Wait("STS to be asked", func() bool { return len(checking) > 0 })
	x.Wait("the download to begin", func() bool { return len(downloading) > 0 })
	require.Empty(t, source.ConsoleURL(stack.Resource{Type: "aws:lambda/function:Function", ID: "f"}), "a frame asks, and gets what is known")
	x.Hit("?")
	x.Until("create a pipeline: the form")
	x.Hit("esc")
	x.Until("reading the list of pipelines")
	answer()
	x.Until("111122223333")
	require.Contains(t, x.Screen(), "reading the list of pipelines", "the one does not wait for the other")
	x.Hit("ctrl+c")
	x.Wait("the end", x.Quit)
}
