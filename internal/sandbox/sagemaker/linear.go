package sagemaker

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/linear"
)

// linearModel answers requests with the model of the built-in image.
type linearModel struct{ *linear.Model }

// prediction is one answer: label and probabilities of a classifier, or the
// value (or values) of a regression.
type prediction struct {
	Label         string             `json:"label,omitempty"`
	Probabilities map[string]float64 `json:"probabilities,omitempty"`
	Value         *float64           `json:"value,omitempty"`
	Values        []float64          `json:"values,omitempty"`
}

// text is the prediction as a CSV cell.
func (p *prediction) text() string {
	num := func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
	switch {
	case p.Label != "":
		return p.Label
	case p.Value != nil:
		return num(*p.Value)
	}
	cells := make([]string, len(p.Values))
	for i, v := range p.Values {
		cells[i] = num(v)
	}
	return strings.Join(cells, ",")
}

func (m *linearModel) predict(x []float64) prediction {
	z := make([]float64, len(m.Weights))
	for i, row := range m.Weights {
		z[i] = m.Bias[i]
		for j, w := range row {
			z[i] += w * x[j]
		}
	}
	switch m.Activation {
	case "softmax":
		return m.classify(softmax(z))
	case "sigmoid":
		for i := range z {
			z[i] = 1 / (1 + math.Exp(-z[i]))
		}
		if len(z) == 1 && len(m.Classes) == 2 {
			z = []float64{1 - z[0], z[0]}
		}
		return m.classify(z)
	}
	if len(z) == 1 {
		return prediction{Value: &z[0]}
	}
	return prediction{Values: z}
}

func (m *linearModel) classify(p []float64) prediction {
	best := 0
	out := prediction{Probabilities: make(map[string]float64, len(p))}
	for i, v := range p {
		out.Probabilities[m.Classes[i]] = v
		if v > p[best] {
			best = i
		}
	}
	out.Label = m.Classes[best]
	return out
}

// softmax is stable for large numbers: the greatest is taken off first.
func softmax(z []float64) []float64 {
	top := math.Inf(-1)
	for _, v := range z {
		top = math.Max(top, v)
	}
	sum := 0.0
	for i := range z {
		z[i] = math.Exp(z[i] - top)
		sum += z[i]
	}
	for i := range z {
		z[i] /= sum
	}
	return z
}

// modelFault is an error of the model server with its HTTP status.
type modelFault struct {
	status int
	msg    string
}

func (f *modelFault) Error() string { return f.msg }

func refuse(format string, args ...any) error {
	return &modelFault{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// handler serves the container contract of SageMaker.
// See https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html.
func (m *linearModel) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("POST /invocations", func(w http.ResponseWriter, r *http.Request) {
		body, kind, err := m.answer(r)
		if err != nil {
			var f *modelFault
			status := http.StatusInternalServerError
			if errors.As(err, &f) {
				status = f.status
			}
			raw, _ := json.Marshal(map[string]string{"error": err.Error()}) // a map of strings always encodes
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write(raw)
			return
		}
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(body)
	})
	return mux
}

func (m *linearModel) answer(r *http.Request) (body []byte, contentType string, err error) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, "", err
	}
	if len(raw) > maxBody {
		return nil, "", &modelFault{http.StatusRequestEntityTooLarge, "the request is too large"}
	}
	rows, err := m.rows(mediaType(r.Header.Get("Content-Type")), raw)
	if err != nil {
		return nil, "", err
	}
	out := make([]prediction, len(rows))
	for i, x := range rows {
		out[i] = m.predict(x)
	}
	return encodePredictions(mediaType(r.Header.Get("Accept")), out)
}

func mediaType(header string) string {
	t, _, err := mime.ParseMediaType(header)
	if err != nil {
		return strings.TrimSpace(header)
	}
	return t
}

func encodePredictions(accept string, out []prediction) ([]byte, string, error) {
	var b bytes.Buffer
	switch accept {
	case "", "*/*", "application/json", "application/*":
		raw, err := json.Marshal(map[string]any{"predictions": out})
		return raw, "application/json", err
	case "application/jsonlines", "application/x-jsonlines":
		enc := json.NewEncoder(&b)
		for i := range out {
			if err := enc.Encode(&out[i]); err != nil {
				return nil, "", err
			}
		}
		return b.Bytes(), accept, nil
	case "text/csv":
		for i := range out {
			b.WriteString(out[i].text() + "\n")
		}
		return b.Bytes(), accept, nil
	}
	return nil, "", &modelFault{http.StatusNotAcceptable, fmt.Sprintf("cannot answer with %q; ask for application/json, application/jsonlines or text/csv", accept)}
}

// rows reads the instances of a request.
func (m *linearModel) rows(contentType string, raw []byte) ([][]float64, error) {
	switch contentType {
	case "", "application/json":
		return m.jsonRows(raw)
	case "application/jsonlines", "application/x-jsonlines":
		var out [][]float64
		sc := bufio.NewScanner(bytes.NewReader(raw))
		sc.Buffer(nil, maxBody)
		for n := 1; sc.Scan(); n++ {
			line := bytes.TrimSpace(sc.Bytes())
			if len(line) == 0 {
				continue
			}
			x, err := m.instance(line)
			if err != nil {
				return nil, refuse("line %d: %s", n, err)
			}
			out = append(out, x)
		}
		return m.some(out, sc.Err())
	case "text/csv":
		rd := csv.NewReader(bytes.NewReader(raw))
		rd.FieldsPerRecord = -1
		recs, err := rd.ReadAll()
		if err != nil {
			return nil, refuse("the body is not CSV: %s", err)
		}
		out := make([][]float64, len(recs))
		for i, rec := range recs {
			if out[i], err = m.cells(rec); err != nil {
				return nil, refuse("row %d: %s", i+1, err)
			}
		}
		return m.some(out, nil)
	}
	return nil, &modelFault{http.StatusUnsupportedMediaType, fmt.Sprintf("cannot read %q; send application/json, application/jsonlines or text/csv", contentType)}
}

func (m *linearModel) some(rows [][]float64, err error) ([][]float64, error) {
	if err != nil {
		return nil, refuse("%s", err)
	}
	if len(rows) == 0 {
		return nil, refuse("the request has no instances")
	}
	return rows, nil
}

func (m *linearModel) jsonRows(raw []byte) ([][]float64, error) {
	var doc struct {
		Instances []json.RawMessage `json:"instances"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, refuse(`the body is not {"instances": [[...], ...]}: %s`, err)
	}
	out := make([][]float64, len(doc.Instances))
	for i, one := range doc.Instances {
		x, err := m.instance(one)
		if err != nil {
			return nil, refuse("instance %d: %s", i, err)
		}
		out[i] = x
	}
	return m.some(out, nil)
}

// instance reads one instance: a list of numbers, {"features": [...]}, or an
// object with a number for each named feature.
func (m *linearModel) instance(raw []byte) ([]float64, error) {
	var list []float64
	if json.Unmarshal(raw, &list) == nil && list != nil {
		return m.sized(list)
	}
	var obj map[string]json.RawMessage
	if err := json.Unmarshal(raw, &obj); err != nil || obj == nil {
		return nil, errors.New("want a list of numbers or an object")
	}
	if inner, ok := obj["features"]; ok && len(obj) == 1 {
		if err := json.Unmarshal(inner, &list); err != nil || list == nil {
			return nil, errors.New("features are not a list of numbers")
		}
		return m.sized(list)
	}
	if len(m.Features) == 0 {
		return nil, errors.New("the model names no features: send a list of numbers")
	}
	x := make([]float64, len(m.Features))
	for i, f := range m.Features {
		v, ok := obj[f]
		if !ok {
			return nil, fmt.Errorf("feature %q is missing", f)
		}
		if err := json.Unmarshal(v, &x[i]); err != nil || string(v) == "null" {
			return nil, fmt.Errorf("feature %q is not a number", f)
		}
	}
	return x, nil
}

func (m *linearModel) cells(rec []string) ([]float64, error) {
	x := make([]float64, len(rec))
	for i, cell := range rec {
		v, err := strconv.ParseFloat(strings.TrimSpace(cell), 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%q is not a number", cell)
		}
		x[i] = v
	}
	return m.sized(x)
}

func (m *linearModel) sized(x []float64) ([]float64, error) {
	if len(x) != m.Inputs() {
		return nil, fmt.Errorf("expected %d features, got %d", m.Inputs(), len(x))
	}
	return x, nil
}
