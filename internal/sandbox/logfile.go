package sandbox

import (
	"os"
	"sync"

	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// maxLog is the size at which the log is turned over; one older file is kept.
const maxLog = 16 << 20

// logFile is a log that is turned over by size. It is safe for concurrent use.
type logFile struct {
	path string
	max  int64

	mu   sync.Mutex
	f    *os.File
	size int64
}

func openLog(path string, limit int64) (*logFile, error) {
	l := &logFile{path: path, max: limit}
	return l, l.open()
}

func (l *logFile) open() error {
	f, err := wholefile.Open(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return err
	}
	l.f, l.size = f, st.Size()
	return nil
}

// Write appends one record. If the log cannot be turned over it goes on growing.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > 0 && l.size+int64(len(p)) > l.max {
		old := l.f
		if err := os.Rename(l.path, l.path+".1"); err == nil && l.open() == nil {
			_ = old.Close()
		}
	}
	n, err := l.f.Write(p)
	l.size += int64(n)
	return n, err
}

// Close closes the file.
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f.Close()
}
