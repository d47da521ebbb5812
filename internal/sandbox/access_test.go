package sandbox

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// stranger authenticates everybody as a session of a role without a policy, and
// notes what it is asked for.
type stranger struct {
	mu    sync.Mutex
	asked []string
}

var nobody = wire.Principal{
	Account: Account, ARN: "arn:aws:sts::" + Account + ":assumed-role/nobody/s", UserID: "AROANOBODY:s",
	Role: "nobody", RoleARN: "arn:aws:iam::" + Account + ":role/nobody",
}

func (s *stranger) Verify(h *http.Request) (wire.Principal, string, string, error) {
	if m := credentialScope.FindStringSubmatch(h.Header.Get("Authorization")); m != nil {
		return nobody, m[1], m[2], nil
	}
	return wire.Principal{}, "", "", wire.Errorf(http.StatusForbidden, "Unsigned", "")
}

func (s *stranger) Authorize(_ context.Context, p wire.Principal, action, resource string, _ map[string][]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, action)
	return wire.NoPolicy(p, action, resource, "identity-based")
}

func (s *stranger) last() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.asked = nil }()
	return s.asked
}

// Each operation of each service has a row that says which action it needs, or where
// AWS documents that it needs none; who is allowed nothing is refused by each, with the
// code of the service, and was asked for that action.
func TestEveryOperationAsks(t *testing.T) {
	t.Parallel()
	d := open(t)
	admin := wire.Principal{Account: Account, ARN: "arn:aws:iam::" + Account + ":user/sandbox", Admin: true}
	d.router.SetGate(nil)
	_, err := d.router.Invoke(t.Context(), wire.ScopeOf(Account, Region), admin, "s3", "CreateBucket", []byte(`{"Bucket":"bucket"}`))
	require.NoError(t, err) // without it, S3 tells everybody that there is none
	who := &stranger{}
	d.router.SetSecurity(who, who)
	clients := d.clients()
	for _, name := range d.router.Operations() {
		service, operation, _ := strings.Cut(name, ".")
		access := d.router.Access(service, operation)
		require.NotNil(t, access, "%s: say in its row what it needs", name)
		if access.Free != "" {
			require.True(t, strings.HasPrefix(access.Free, "https://docs.aws.amazon.com/"), name)
			require.Empty(t, access.Action, name)
			continue
		}
		require.Regexp(t, `^[a-z0-9-]+:[A-Z]\w+$`, access.Action, name)
		client := clients[service]
		if client == nil { // the sandbox's own, of which each operation says so itself
			_, err := d.router.Invoke(t.Context(), wire.ScopeOf(Account, Region), nobody, service, operation, []byte(`{}`))
			require.ErrorContains(t, err, "AccessDenied", name)
			continue
		}
		err, sent := ask(t, client, operation)
		if !sent {
			require.NotEmpty(t, access.Inside, "%s was not sent: %v", name, err)
			continue
		}
		asked := who.last()
		if access.Inside == "" {
			if strings.HasPrefix(operation, "Head") { // answers to HEAD have no body
				require.ErrorContains(t, err, "StatusCode: 403", name)
			} else {
				require.Regexp(t, "AccessDenied|AuthorizationError", err.Error(), name) // the latter is SNS's
				require.ErrorContains(t, err, "is not authorized to perform: "+access.Action, name)
			}
			require.Contains(t, asked, access.Action, name)
		}
		require.NotEmpty(t, asked, name)
	}
}
