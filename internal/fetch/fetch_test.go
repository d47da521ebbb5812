package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// server serves one file, ranges and all, and cuts an answer off after cut bytes as long
// as cuts lasts.
type server struct {
	*httptest.Server
	file []byte
	etag string
	cut  int

	mu     sync.Mutex
	cuts   int
	ranges []string
}

func serve(t *testing.T, size int) *server {
	t.Helper()
	s := &server{file: make([]byte, size), etag: `"one"`}
	random := rand.New(rand.NewPCG(1, 2)) // no secret
	for i := range s.file {
		s.file[i] = byte(random.Uint32())
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ranges = append(s.ranges, r.Header.Get("Range"))
		w.Header().Set("ETag", s.etag)
		if s.cuts > 0 {
			s.cuts--
			w = &cutter{w, s.cut}
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.file))
	}))
	t.Cleanup(s.Close)
	return s
}

// cutter drops the connection after so many bytes of the body.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(b []byte) (int, error) {
	if len(b) >= c.left {
		_, _ = c.ResponseWriter.Write(b[:c.left])
		c.ResponseWriter.(http.Flusher).Flush() // the test's server can
		panic(http.ErrAbortHandler)
	}
	c.left -= len(b)
	return c.ResponseWriter.Write(b)
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func request(t *testing.T, s *server) Request {
	t.Helper()
	return Request{URL: s.URL + "/file", Path: filepath.Join(t.TempDir(), "sub", "file"), Pause: func(context.Context) {}}
}

// A connection that breaks again and again costs nothing of what has come.
func TestADownloadGoesOnWhereItWasCutOff(t *testing.T) {
	t.Parallel()
	s := serve(t, 1_000_000)
	s.cut, s.cuts = 150_000, 5 // more often than attempts: each brought something
	r := request(t, s)
	var last, total int64
	r.Progress = func(d, n int64) { last, total = d, n }
	sum, err := File(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, sumOf(s.file), sum)
	got, err := os.ReadFile(r.Path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(s.file, got))
	require.Equal(t, []int64{1_000_000, 1_000_000}, []int64{last, total})
	require.Len(t, s.ranges, 6)
	require.Equal(t, "", s.ranges[0])
	for i, r := range s.ranges[1:] {
		require.Equal(t, fmt.Sprintf("bytes=%d-", 150_000*(i+1)), r)
	}
	left, err := filepath.Glob(r.Path + ".*")
	require.NoError(t, err)
	require.Empty(t, left)
}

// So does one of a later process, unless the server has another file by then.
func TestADownloadOfALaterProcess(t *testing.T) {
	t.Parallel()
	for _, changed := range []bool{false, true} {
		s := serve(t, 400_000)
		s.cut, s.cuts = 100_000, 1
		r := request(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		r.Pause = func(context.Context) { cancel() }
		_, err := File(ctx, r)
		require.ErrorIs(t, err, fault.Canceled)
		require.FileExists(t, r.Path+".part")
		require.NoFileExists(t, r.Path)
		if changed {
			s.file, s.etag = append([]byte("new"), s.file...), `"two"`
		}
		sum, err := File(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, sumOf(s.file), sum)
		require.Equal(t, "bytes=100000-", s.ranges[len(s.ranges)-1])
	}
}

// A server that has no validator for the file, or cuts it shorter, gets asked for all of it.
func TestADownloadThatCannotBeContinued(t *testing.T) {
	t.Parallel()
	s := serve(t, 300_000)
	s.cut, s.cuts, s.etag = 100_000, 1, ""
	r := request(t, s)
	_, err := File(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, []string{"", ""}, s.ranges)

	s = serve(t, 1_000)
	r = request(t, s)
	require.NoError(t, os.MkdirAll(filepath.Dir(r.Path), 0o700))
	require.NoError(t, os.WriteFile(r.Path+".part", make([]byte, 5_000), 0o600))
	require.NoError(t, os.WriteFile(r.Path+".part.same", []byte(s.etag), 0o600))
	sum, err := File(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, sumOf(s.file), sum)
}

// One that gives it all anew each time and cuts it at the same place never comes further:
// it is given up, whether or not it says that the file is the same.
func TestADownloadThatComesNoFurtherEnds(t *testing.T) {
	t.Parallel()
	for _, etag := range []string{"", `"one"`} {
		asked := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if asked++; asked > 50 {
				w.WriteHeader(http.StatusNotFound) // so that a fault ends this test
				return
			}
			w.Header().Set("ETag", etag)
			_, _ = (&cutter{w, 100_000}).Write(make([]byte, 300_000))
		}))
		_, err := File(t.Context(), Request{URL: s.URL, Path: filepath.Join(t.TempDir(), "x"), Pause: func(context.Context) {}})
		s.Close()
		require.ErrorIs(t, err, fault.Unreachable)
		require.Equal(t, attempts+1, asked, "the first brought something")
	}
}

// Who stops it while a list of checksums is fetched has stopped it, and nothing is broken.
func TestATextThatIsStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	defer s.Close()
	_, err := Text(ctx, s.URL)
	require.ErrorIs(t, err, fault.Canceled)
	require.ErrorIs(t, err, context.Canceled)
}

func TestAFileMustBeWhatItsChecksumSays(t *testing.T) {
	t.Parallel()
	s := serve(t, 1_000)
	r := request(t, s)
	r.SHA256 = sumOf([]byte("another"))
	_, err := File(t.Context(), r)
	require.ErrorContains(t, err, sumOf(s.file))
	require.ErrorContains(t, err, r.SHA256)
	entries, err := os.ReadDir(filepath.Dir(r.Path))
	require.NoError(t, err)
	require.Empty(t, entries, "nothing is left that could be used")
	r.SHA256 = sumOf(s.file)
	_, err = File(t.Context(), r)
	require.NoError(t, err)
}

func TestServersThatRefuse(t *testing.T) {
	t.Parallel()
	for code, kind := range map[int]error{
		http.StatusNotFound: fault.NotFound, http.StatusUnauthorized: fault.NotFound, http.StatusInternalServerError: fault.Internal, http.StatusBadGateway: fault.Unreachable,
	} {
		asked := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.WriteHeader(code)
		}))
		address := "http://user:hidden@" + s.Listener.Addr().String() + "/x?token=hidden"
		_, err := File(t.Context(), Request{URL: address, Path: filepath.Join(t.TempDir(), "x"), Pause: func(context.Context) {}})
		require.ErrorIs(t, err, kind)
		require.NotContains(t, err.Error()+fault.HintOf(err), "hidden")
		require.Contains(t, err.Error(), fmt.Sprint(code))
		_, err = Text(t.Context(), address)
		require.Error(t, err)
		require.NotContains(t, err.Error()+fault.HintOf(err), "hidden")
		if code >= http.StatusInternalServerError {
			require.Equal(t, attempts+1, asked, "what may pass is tried again")
		} else {
			require.Equal(t, 2, asked)
		}
		s.Close()
	}
	_, err := File(t.Context(), Request{URL: "http://127.0.0.1:1/hidden", Path: filepath.Join(t.TempDir(), "x"), Pause: func(context.Context) {}})
	require.ErrorIs(t, err, fault.Unreachable)
}

func TestSumOf(t *testing.T) {
	t.Parallel()
	list := sumOf([]byte("a")) + "  a.tar.gz\n" + sumOf([]byte("b")) + " *b.tar.gz\r\nshort  c\n"
	require.Equal(t, sumOf([]byte("a")), SumOf(list, "a.tar.gz"))
	require.Equal(t, sumOf([]byte("b")), SumOf(list, "b.tar.gz"))
	require.Empty(t, SumOf(list, "c"))
	require.Empty(t, SumOf(list, "tar.gz"))
}
