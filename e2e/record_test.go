//go:build unix

package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// signature finds key, region and service in what a call is signed for.
var signature = regexp.MustCompile(`Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request`)

// cmdRecord puts a server before the endpoint $AWS_ENDPOINT_URL that writes a line
// of each request to a file and forwards it: record VARIABLE FILE. The variable is
// set to the server's URL. A line is "KEY REGION SERVICE ACTION". Used as a proxy,
// the server writes "elsewhere HOST" and refuses. Below /plugins/ it serves
// provider plugins that do nothing.
func cmdRecord(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: record VARIABLE FILE")
	}
	to, err := url.Parse(ts.Getenv("AWS_ENDPOINT_URL"))
	ts.Check(err)
	file, err := os.OpenFile(ts.MkAbs(args[1]), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	var mu sync.Mutex
	write := func(format string, a ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(file, format+"\n", a...)
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // it is signed
	}}
	server := httptest.NewUnstartedServer(nil)
	own := server.Listener.Addr().String()
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host != own:
			write("elsewhere %s", r.Host)
			http.Error(w, "this proxy lets nothing out", http.StatusForbidden)
		case strings.HasPrefix(r.URL.Path, "/plugins/"):
			write("plugin %s", r.URL.Path)
			servePlugin(w, r)
		default:
			raw, err := io.ReadAll(r.Body)
			if err != nil {
				write("broken %v", err)
			}
			r.Body = io.NopCloser(bytes.NewReader(raw))
			write("%s", callOf(r, raw))
			forward.ServeHTTP(w, r)
		}
	})
	server.Start()
	ts.Defer(func() {
		server.Close()
		_ = file.Close()
	})
	ts.Setenv(args[0], server.URL)
}

func callOf(r *http.Request, body []byte) string {
	call := "unsigned"
	if m := signature.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		call = strings.Join(m[1:], " ")
	}
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if form, err := url.ParseQuery(string(body)); err == nil && action == "" {
		action = form.Get("Action")
	}
	if action == "" {
		action = r.Method + " " + r.URL.Path
	}
	return call + " " + action
}

func servePlugin(w http.ResponseWriter, r *http.Request) {
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/plugins/"), "-v")
	script := "#!/bin/sh\nexit 0\n"
	zip := gzip.NewWriter(w)
	files := tar.NewWriter(zip)
	if files.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(script))}) == nil {
		_, _ = io.WriteString(files, script)
	}
	_ = files.Close()
	_ = zip.Close()
}
