// Package linear is the model format of the image sandbox/linear, which is built into
// the sandbox: who validates a pipeline and who serves the model read it by the same
// rules. It imports nothing of this module.
package linear

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

const (
	// Image is the repository of the built-in image.
	Image = "sandbox/linear"
	// File is the name of the model in its archive.
	File = "model.json"

	format = "linear/v1"
)

// Limits of what is read out of a model archive.
const (
	maxFile     = 16 << 20
	maxUnpacked = 1 << 30
	maxEntries  = 10_000
)

// Names tells whether an image as a spec names it, without a registry, is the built-in
// one, in any version.
func Names(image string) bool {
	rest, ok := strings.CutPrefix(image, Image)
	return ok && (rest == "" || rest[0] == ':' || rest[0] == '@')
}

// CheckArchive reads a model archive (tar.gz) as the model server would. The error
// says what is wrong with it.
func CheckArchive(r io.Reader) error {
	raw, err := ReadArchive(r)
	if err != nil {
		return err
	}
	if _, err := Parse(raw); err != nil {
		return fmt.Errorf("%s: %w", File, err)
	}
	return nil
}

// ReadFile reads the model file itself, unparsed, up to a bound.
func ReadFile(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", File, maxFile)
	}
	return raw, nil
}

// ReadArchive takes File out of a tar.gz. It writes nothing to disk, so
// that no path in the archive matters, and it bounds what it unpacks.
func ReadArchive(r io.Reader) ([]byte, error) {
	zr, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	defer zr.Close()
	limited := &io.LimitedReader{R: zr, N: maxUnpacked}
	tr := tar.NewReader(limited)
	for range maxEntries {
		h, err := tr.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("the archive has no %s", File)
		case limited.N <= 0:
			return nil, fmt.Errorf("the archive unpacks to more than %d bytes", maxUnpacked)
		case err != nil:
			return nil, err
		}
		if h.Typeflag == tar.TypeReg && path.Clean(h.Name) == File {
			return ReadFile(tr)
		}
	}
	return nil, fmt.Errorf("the archive has more than %d entries before %s", maxEntries, File)
}

// Model is a linear map with an activation, which covers linear, logistic and softmax
// regression. It is what model.json in the model archive holds.
type Model struct {
	Format string `json:"format"` // "linear/v1"
	// Classes names the outputs of a classifier; empty for a regression.
	Classes []string `json:"classes"`
	// Features names the inputs, in order; optional.
	Features []string `json:"features"`
	// Weights has a row per output and a column per input.
	Weights [][]float64 `json:"weights"`
	Bias    []float64   `json:"bias"`
	// Activation is softmax, sigmoid or identity.
	Activation string `json:"activation"`
}

// Parse reads and checks model.json. The error says what is wrong with it.
func Parse(raw []byte) (*Model, error) {
	var m Model
	dec := json.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(&m); err != nil {
		return nil, fmt.Errorf("not valid: %w", err)
	}
	if m.Format != format {
		return nil, fmt.Errorf("format is %q, want %q", m.Format, format)
	}
	n := len(m.Weights)
	if n == 0 || len(m.Weights[0]) == 0 {
		return nil, errors.New("weights are empty")
	}
	for i, row := range m.Weights {
		if len(row) != len(m.Weights[0]) {
			return nil, fmt.Errorf("row %d of weights is of length %d, row 0 of length %d", i, len(row), len(m.Weights[0]))
		}
	}
	if len(m.Bias) == 0 {
		m.Bias = make([]float64, n)
	}
	if len(m.Bias) != n {
		return nil, fmt.Errorf("bias is of length %d, weights of length %d", len(m.Bias), n)
	}
	if len(m.Features) > 0 && len(m.Features) != m.Inputs() {
		return nil, fmt.Errorf("features are of length %d, each row of weights of length %d", len(m.Features), m.Inputs())
	}
	if m.Activation == "" {
		m.Activation = "identity"
	}
	switch m.Activation {
	case "softmax":
		if len(m.Classes) != n {
			return nil, fmt.Errorf("classes are of length %d, weights of length %d", len(m.Classes), n)
		}
	case "sigmoid":
		if len(m.Classes) != n && (n != 1 || len(m.Classes) != 2) {
			return nil, fmt.Errorf("classes are of length %d, weights of length %d", len(m.Classes), n)
		}
	case "identity":
		if len(m.Classes) > 0 && len(m.Classes) != n {
			return nil, fmt.Errorf("classes are of length %d, weights of length %d", len(m.Classes), n)
		}
	default:
		return nil, fmt.Errorf("activation is %q, want softmax, sigmoid or identity", m.Activation)
	}
	return &m, nil
}

// Inputs is the number of inputs of the model.
func (m *Model) Inputs() int { return len(m.Weights[0]) }
