package sandbox

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"mime"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// Mail is an e-mail that SNS of the sandbox has sent.
type Mail struct {
	ID      string // by which it is asked for
	File    string
	Sent    time.Time
	To      string
	Subject string
	Text    string
}

// maxMail bounds what is read of an e-mail: a message has 256 KiB.
const maxMail = 1 << 20

// ReadMail returns the e-mail of the sandbox in dir, the oldest first. There need not be
// one, and the sandbox need not run. A file that is none is left out.
func ReadMail(dir string) ([]Mail, error) {
	entries, err := os.ReadDir(mailPath(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Internal, "read the sandbox's e-mail: %s", fault.Reason(err)).Because(err)
	}
	out := []Mail{}
	for _, e := range entries { // in the order of their names, which begin with the time
		id, isMail := strings.CutSuffix(e.Name(), ".eml")
		if !isMail || !e.Type().IsRegular() || strings.HasPrefix(id, ".") {
			continue
		}
		m, err := readMail(filepath.Join(mailPath(dir), e.Name()))
		if err != nil {
			continue
		}
		m.ID = id
		out = append(out, m)
	}
	return out, nil
}

func readMail(path string) (Mail, error) {
	f, err := wholefile.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return Mail{}, err
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, maxMail))
	if err != nil {
		return Mail{}, err
	}
	m, err := mail.ReadMessage(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return Mail{}, err
	}
	text, err := io.ReadAll(m.Body)
	if err != nil {
		return Mail{}, err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		subject = m.Header.Get("Subject")
	}
	sent, err := m.Header.Date()
	return Mail{File: path, Sent: sent.UTC(), To: m.Header.Get("To"), Subject: subject, Text: string(text)}, err
}
