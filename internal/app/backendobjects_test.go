package app

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// stateStore is an S3 endpoint with the bucket "state", and the requests it was sent.
type stateStore struct {
	t      *testing.T
	memory gofakes3.Backend
	server *httptest.Server

	mu    sync.Mutex
	asked []string // "GET /state/..."
}

func serveState(t *testing.T) *stateStore {
	t.Helper()
	s := &stateStore{t: t, memory: s3mem.New()}
	require.NoError(t, s.memory.CreateBucket("state"))
	fake := gofakes3.New(s.memory).Server()
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.Method+" "+strings.TrimSuffix(r.URL.Path, "/"))
		s.mu.Unlock()
		fake.ServeHTTP(w, r)
	}))
	t.Cleanup(s.server.Close)
	return s
}

func (s *stateStore) url(more string) string {
	return "s3://state?region=us-east-1&s3ForcePathStyle=true&endpoint=" + s.server.URL + more
}

func (s *stateStore) put(name, content string) {
	s.t.Helper()
	_, err := s.memory.PutObject("state", name, map[string]string{}, bytes.NewReader([]byte(content)), int64(len(content)), nil)
	require.NoError(s.t, err)
}

// requests are those since it was asked last.
func (s *stateStore) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// checkpoint is the state of a stack with one output, in a backend whose objects begin
// with a prefix.
func (s *stateStore) checkpoint(prefix, name, of string) {
	s.put(prefix+".pulumi/meta.yaml", "version: 1\n")
	s.put(prefix+".pulumi/stacks/pipelinetui/"+name+".json", fmt.Sprintf(`{"version":3,"checkpoint":{"stack":"organization/pipelinetui/%[1]s",
		"latest":{"manifest":{"time":"2026-10-01T10:00:00Z","magic":"","version":""},"resources":[
		{"urn":"urn:pulumi:%[1]s::pipelinetui::pulumi:pulumi:Stack::pipelinetui-%[1]s","custom":false,"type":"pulumi:pulumi:Stack","outputs":{"of":%[2]q}}]}}}`, name, of))
}

func (s *stateStore) engine(more string) *stack.Engine {
	s.t.Helper()
	e, err := stack.Open(s.t.Context(), stack.Options{
		PulumiPath: pulumiPath(s.t), Home: s.t.TempDir(), Backend: s.url(more), Project: Project,
		Env: map[string]string{"PULUMI_CONFIG_PASSPHRASE": "correct horse"}, Objects: backendObjects(s.url(more)),
	})
	require.NoError(s.t, err)
	return e
}

// The engine puts all that it keeps behind the URL's "prefix": what lies at the bucket's
// root is another backend, though it may have a stack of the same name.
func TestAPrefixInTheURLIsAnotherBackend(t *testing.T) { // see useAWS
	useAWS(t, "key", "secret")
	s := serveState(t)
	s.checkpoint("", "acme.fraud.dev", "another team")
	s.checkpoint("", "acme.theirs.dev", "another team")
	s.checkpoint("x/", "acme.fraud.dev", "us")
	e := s.engine("&prefix=x/")
	state, err := e.State(t.Context(), "acme.fraud.dev")
	require.NoError(t, err)
	require.Equal(t, "us", state.Outputs["of"].Value)
	list, err := e.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
}

// What changes where the engine reads, or how, is left to the engine, unless the same is
// done here. (gocloud.dev/blob, applyPrefixParam; gocloud.dev/blob/s3blob, URLOpener;
// gocloud.dev/aws, V2ConfigFromURLParams; of v0.46)
func TestOnlyAURLThatIsUnderstoodIsReadInProcess(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"s3://state": true,
		"s3://state/some/folder?region=eu-west-1&profile=work&awssdk=v2":                          true,
		"s3://state?endpoint=minio:9000&disableSSL=true&s3ForcePathStyle=true":                    true,
		"s3://state?endpoint=http://minio:9000&disable_https=true&use_path_style=1":               true,
		"s3://state?region=eu-west-1&ssetype=aws:kms&kmskeyid=abc&request_checksum_calculation=x": true,
		"s3://state?prefix=team-a/":                                     false,
		"s3://state?key=one":                                            false,
		"s3://state?role=arn:aws:iam::111122223333:role/state":          false,
		"s3://state?accelerate=true":                                    false,
		"s3://state?fips=true":                                          false,
		"s3://state?dualstack=true":                                     false,
		"s3://state?anonymous=true":                                     false,
		"s3://state?endpoint=http://minio:9000&hostname_immutable=true": false,
		"s3://state?hostname=minio":                                     false,
		"s3://state?region=eu-west-1&something_new=1":                   false,
		"s3://state?region=eu-west-1&region=us-east-1":                  false,
		"s3://state?region=%zz":                                         false,
		"s3://state?disable_https=perhaps":                              false,
		"s3://state/a/../b":                                             false,
		"s3:///folder":                                                  false,
		"gs://state":                                                    false,
		"file:///state":                                                 false,
	} {
		require.Equal(t, want, backendObjects(url) != nil, url)
	}
}

// The folder is the engine's: pkg/backend/diy/backend.go, newDIYBackend.
func TestAFolderOfTheBucketIsTheEngines(t *testing.T) { // see useAWS
	useAWS(t, "key", "secret")
	s := serveState(t)
	s.put("a//.pulumi/meta.yaml", "two slashes")
	open := backendObjects(strings.Replace(s.url(""), "s3://state", "s3://state//a//", 1))
	objects, err := open(t.Context())
	require.NoError(t, err)
	raw, err := objects.Read(t.Context(), ".pulumi/meta.yaml")
	require.NoError(t, err)
	require.Equal(t, "two slashes", string(raw))
}

// AWS_ENDPOINT_URL_S3 goes before AWS_ENDPOINT_URL, as it does for the engine.
func TestAnEndpointForS3AloneIsWhereTheStateIs(t *testing.T) { // see useAWS
	useAWS(t, "key", "secret")
	s := serveState(t)
	s.put(".pulumi/meta.yaml", "here")
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	t.Setenv("AWS_ENDPOINT_URL_S3", s.server.URL)
	objects, err := backendObjects("s3://state?region=us-east-1")(t.Context())
	require.NoError(t, err)
	raw, err := objects.Read(t.Context(), ".pulumi/meta.yaml")
	require.NoError(t, err)
	require.Equal(t, "here", string(raw))
}

// A store that is not there is said to be so, with its name, and no process waits for it
// once more.
func TestAStoreThatDoesNotAnswerIsAskedOnce(t *testing.T) { // see useAWS
	useAWS(t, "key", "secret")
	s := serveState(t)
	e := s.engine("")
	s.server.Close()
	for name, ask := range map[string]func() error{
		"state":   func() error { _, err := e.State(t.Context(), "acme.fraud.dev"); return err },
		"list":    func() error { _, err := e.List(t.Context()); return err },
		"history": func() error { _, err := e.History(t.Context(), "acme.fraud.dev", 0); return err },
	} {
		err := ask()
		require.ErrorIs(t, err, stack.ErrNoAnswer, name)
		require.ErrorContains(t, err, "the state backend cannot be reached (s3://state", name)
		require.Contains(t, fault.HintOf(err), "--backend", name)
	}
	require.Empty(t, e.Spawned())
}

// One that takes a request and says nothing is given up.
func TestAStoreThatIsSilentIsGivenUp(t *testing.T) { // see useAWS
	useAWS(t, "key", "secret")
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(silent.Close)
	objects, err := backendObjects("s3://state?region=us-east-1&s3ForcePathStyle=true&endpoint=" + silent.URL)(t.Context())
	require.NoError(t, err)
	objects.(*s3Objects).patience = 1 // nothing else comes
	_, err = objects.Read(t.Context(), ".pulumi/meta.yaml")
	require.ErrorIs(t, err, stack.ErrNoAnswer)
	require.ErrorIs(t, err, fault.Unreachable)
	_, err = objects.List(t.Context(), ".pulumi/")
	require.ErrorIs(t, err, stack.ErrNoAnswer)
}

// What the store says is no matter of the way to it: the engine may have other
// credentials, or knows better what was meant.
func TestWhatAStoreSaysIsAnAnswer(t *testing.T) { // see useAWS
	useAWS(t, "key", "secret")
	s := serveState(t)
	objects, err := backendObjects(s.url(""))(t.Context())
	require.NoError(t, err)
	_, err = objects.Read(t.Context(), "not/there")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, objects.Remove(t.Context(), "not/there"))
	require.NotErrorIs(t, err, stack.ErrNoAnswer)
}

// What was read once is not read again while it is the same: a screen asks every few
// seconds.
func TestTheStoreIsAskedForWhatIsNewAlone(t *testing.T) { // see useAWS
	useAWS(t, "key", "secret")
	s := serveState(t)
	for i := range 3 {
		s.checkpoint("", fmt.Sprintf("acme.m%d.dev", i), "us")
	}
	s.put(".pulumi/history/pipelinetui/acme.m0.dev/acme.m0.dev-1.history.json", `{"kind":"update","result":"succeeded"}`)
	e := s.engine("")
	list, err := e.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.Len(t, s.requests(), 7, "the layout, lists of stacks, of histories and of locks, and each state")

	again, err := e.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, list, again)
	require.Equal(t, []string{"GET /state", "GET /state", "GET /state"}, s.requests())

	s.checkpoint("", "acme.m1.dev", "somebody else")
	_, err = e.List(t.Context())
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"GET /state", "GET /state", "GET /state", "GET /state/.pulumi/stacks/pipelinetui/acme.m1.dev.json"}, s.requests())

	const lock = ".pulumi/locks/organization/pipelinetui/acme.m2.dev/1.json"
	s.put(lock, `{"pid":7,"username":"ann","hostname":"elsewhere","timestamp":"2026-10-01T10:00:00Z"}`)
	held, err := e.List(t.Context())
	require.NoError(t, err)
	require.False(t, held[0].InProgress || held[1].InProgress)
	require.True(t, held[2].InProgress)
	require.Equal(t, "ann", held[2].Locks[0].User)
	require.Equal(t, "s3://state/"+lock, held[2].Locks[0].Where)
	require.ElementsMatch(t, []string{"GET /state", "GET /state", "GET /state", "GET /state/" + lock}, s.requests())
	of := e.HeldBy(t.Context(), "acme.m0.dev", "acme.m1.dev", "acme.m2.dev")
	require.Len(t, of, 1)
	require.Equal(t, held[2].Locks, of["acme.m2.dev"])
	require.Equal(t, []string{"GET /state", "GET /state/" + lock}, s.requests(), "however many are asked for")
	require.NoError(t, e.Unlock(t.Context(), "acme.m2.dev", of["acme.m2.dev"]))
	require.Equal(t, []string{"DELETE /state/" + lock}, s.requests())
	require.Empty(t, e.HeldBy(t.Context(), "acme.m2.dev"))
	require.Len(t, s.requests(), 1)

	history, err := e.History(t.Context(), "acme.m0.dev", 0)
	require.NoError(t, err)
	require.Len(t, history, 1)
	require.Equal(t, []string{
		"GET /state", "GET /state", "GET /state/.pulumi/history/pipelinetui/acme.m0.dev/acme.m0.dev-1.history.json",
	}, s.requests(), "no state is read to know that the stack exists")
	require.Empty(t, e.Spawned())
}

// A state that is missing in S3 is told as one that is missing on a disk, and comes back from
// the copy that the engine keeps beside it; so does a damaged one, which is kept.
func TestAStateThatIsMissingInS3ComesBack(t *testing.T) { // see useAWS
	useAWS(t, "key", "secret")
	s := serveState(t)
	const name = "acme.m0.dev"
	const state = ".pulumi/stacks/pipelinetui/" + name + ".json"
	s.checkpoint("", "acme.m1.dev", "us")
	s.checkpoint("", name, "us")
	whole, err := s.memory.GetObject("state", state, nil)
	require.NoError(t, err)
	good, err := io.ReadAll(whole.Contents)
	require.NoError(t, err)
	s.put(state+".bak", string(good))
	entry := ".pulumi/history/pipelinetui/" + name + "/" + name + "-1700000000000000000"
	s.put(entry+".history.json", `{"kind":"update","result":"succeeded","startTime":1700000000,"endTime":1700000001,"resourceChanges":{"create":2}}`)
	_, err = s.memory.DeleteObject("state", state)
	require.NoError(t, err)
	e := s.engine("")
	says := func(err error) {
		t.Helper()
		require.ErrorIs(t, err, fault.Damaged)
		require.ErrorContains(t, err, "s3://state/"+state+": it is missing, and update 1 of its history left 2 resources")
		require.Contains(t, fault.HintOf(err), "`pipelinetui cancel acme/m0/dev --restore`")
		require.Contains(t, fault.HintOf(err), "remove its history too: s3://state/.pulumi/history/pipelinetui/"+name)
	}
	list, err := e.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, name, list[0].Name)
	says(list[0].Err)
	_, err = e.State(t.Context(), name)
	says(err)
	_, err = e.History(t.Context(), name, 0)
	says(err)

	c, aside, err := e.Restore(t.Context(), name)
	require.NoError(t, err)
	require.Equal(t, "s3://state/"+state+".bak", c.File)
	require.Empty(t, aside)
	_, err = e.State(t.Context(), name)
	require.NoError(t, err)
	_, _, err = e.Restore(t.Context(), name)
	require.ErrorIs(t, err, fault.Conflict, "it is well")

	for _, gone := range []string{state, state + ".bak"} { // what it writes over would keep its checksum
		_, err = s.memory.DeleteObject("state", gone)
		require.NoError(t, err)
	}
	s.put(entry+".checkpoint.json", string(good))
	s.put(state, string(good[:100]))
	list, err = e.List(t.Context())
	require.NoError(t, err)
	require.ErrorContains(t, list[0].Err, "it is cut off after 100 bytes")
	require.NotContains(t, fault.HintOf(list[0].Err), "on purpose")
	c, aside, err = e.Restore(t.Context(), name)
	require.NoError(t, err)
	require.Equal(t, "s3://state/"+entry+".checkpoint.json", c.File)
	require.Contains(t, aside, "s3://state/"+state+".damaged-")
	kept, err := backendObjects(s.url(""))(t.Context())
	require.NoError(t, err)
	raw, err := kept.Read(t.Context(), strings.TrimPrefix(aside, "s3://state/"))
	require.NoError(t, err)
	require.Equal(t, good[:100], raw)
	list, err = e.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.NoError(t, list[0].Err)

	// what nobody can bring back says what is left to do; what was removed is not missing
	for _, gone := range []string{state, entry + ".checkpoint.json"} {
		_, err = s.memory.DeleteObject("state", gone)
		require.NoError(t, err)
	}
	_, err = e.State(t.Context(), name)
	require.ErrorIs(t, err, fault.Damaged)
	require.Contains(t, fault.HintOf(err), "There is no copy of it that can be used")
	_, err = s.memory.DeleteObject("state", entry+".history.json")
	require.NoError(t, err)
	_, err = e.State(t.Context(), name)
	require.ErrorIs(t, err, fault.NotFound)
	require.Empty(t, e.Spawned())
}

// The configuration, and with it the chain of credentials, is made once.
func TestTheStoreIsOpenedOnce(t *testing.T) { // see useAWS
	useAWS(t, "key", "secret")
	open := backendObjects("s3://state?region=us-east-1")
	one, err := open(t.Context())
	require.NoError(t, err)
	two, err := open(t.Context())
	require.NoError(t, err)
	require.Same(t, one, two)
}
