package tui_test

import (
	"bytes"
	"io"
	"os"
	"sync"
	"testing"

	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
)

// logSource tells another log file.
type logSource struct {
	*datatest.Source
	file string
}

func (s *logSource) LogFile() string { return s.file }

func plainTheme() theme.Screen {
	return theme.NewScreen(io.Discard, theme.ScreenOptions{Unicode: true})
}

// pipe is an input that a test types into.
type pipe struct {
	*os.File
	w *os.File
}

func newPipe(t *testing.T) *pipe {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return &pipe{r, w}
}

func (p *pipe) typed(s string) { _, _ = p.w.WriteString(s) }

// buffer is an output that several goroutines may use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
