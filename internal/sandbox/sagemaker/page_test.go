package sagemaker

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/linear"
)

var pageJSON = regexp.MustCompile("(?ms)^```json (model|request|answer)\n(.*?)^```$")

// TestModelPage: models, requests and answers of docs/model.md are what they say.
func TestModelPage(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "model.md"))
	require.NoError(t, err)
	var model *linearModel
	var request string
	answers := 0
	for _, m := range pageJSON.FindAllStringSubmatch(string(raw), -1) {
		switch m[1] {
		case "model":
			parsed, err := linear.Parse([]byte(m[2]))
			require.NoError(t, err, m[2])
			model = &linearModel{parsed}
		case "request":
			request = m[2]
		case "answer":
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/invocations", strings.NewReader(request))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			model.handler().ServeHTTP(w, r)
			require.JSONEq(t, m[2], w.Body.String())
			answers++
		}
	}
	require.Equal(t, 3, answers)
}
