package sandbox

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// talk serves one request whose body is limited, and returns the connection to it
// and what the handler read.
func talk(t *testing.T, p patience) (net.Conn, <-chan error) {
	t.Helper()
	read := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = limitBody(w, r, p)
		_, err := io.Copy(io.Discard, r.Body)
		read <- err
		if err != nil {
			wire.WriteJSONError(w, wire.JSON10, "id", wire.AsError(err))
		}
	}))
	t.Cleanup(server.Close)
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c, read
}

func refusedSlow(t *testing.T, c net.Conn, err error) {
	t.Helper()
	var e *wire.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "RequestTimeout", e.Code)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
	require.True(t, res.Close)
}

func TestBodyThatStopsIsCut(t *testing.T) {
	t.Parallel()
	c, read := talk(t, patience{idle: 50 * time.Millisecond, rate: 1})
	_, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
	require.NoError(t, err)
	refusedSlow(t, c, <-read)
}

// A byte now and then is no way to hold a connection.
func TestBodyThatTricklesIsCut(t *testing.T) {
	t.Parallel()
	c, read := talk(t, patience{idle: 50 * time.Millisecond, rate: 1 << 20})
	_, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
		}
	}()
	var e *wire.Error
	require.ErrorAs(t, <-read, &e)
	require.Equal(t, "RequestTimeout", e.Code)
	require.NoError(t, c.Close())
	<-ended
}

// Once the body is there, the handler may take longer than the body might have: the
// connection has no deadline any more.
func TestDeadlineEndsWithTheBody(t *testing.T) {
	t.Parallel()
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	r := limitBody(w, httptest.NewRequest(http.MethodPost, "/", io.LimitReader(zeros{}, 1000)), patience{idle: time.Hour, rate: 1})
	n, err := io.Copy(io.Discard, r.Body)
	require.NoError(t, err)
	require.EqualValues(t, 1000, n)
	require.Greater(t, len(w.set), 1)
	require.False(t, w.set[0].IsZero())
	require.True(t, w.set[len(w.set)-1].IsZero())
}

// deadlines notes what the connection's deadline is set to.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
