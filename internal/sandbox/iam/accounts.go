package iam

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// openAccounts reads the accounts, and makes the first one if it is new. Its key
// is the one that the configuration gives, not one that an earlier run had.
func (s *Service) openAccounts(tx *store.Tx) error {
	all, err := store.List[account](tx, accountsBucket, "")
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.Keys.AccessKeyID != "" || a.ID == s.Home {
			s.accounts[a.ID] = a
		}
	}
	home, found := s.accounts[s.Home]
	if !found {
		home = account{ID: s.Home, UserID: newID("AIDA"), Created: s.now()}
	}
	kept := home.Keys
	home.Keys = s.Admin
	s.accounts[s.Home] = home
	if found {
		return nil
	}
	home.Keys = kept // the configuration's are kept elsewhere
	return store.Put(tx, accountsBucket, home.ID, home)
}

// account is the account with an id.
func (s *Service) account(id string) (account, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, ok := s.accounts[id]
	return a, ok
}

// accountOfKey is the account whose user has an access key.
func (s *Service) accountOfKey(accessKey string) (account, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, a := range s.accounts {
		if a.Keys.AccessKeyID == accessKey {
			return a, true
		}
	}
	return account{}, false
}

// Principal is the user of the scope's account, who may do everything in it.
func (s *Service) Principal(sc wire.Scope) wire.Principal {
	a, ok := s.account(sc.Account)
	if !ok {
		a = account{ID: sc.Account}
	}
	return a.principal(sc.Partition)
}

// Account is an account as the sandbox's own service shows it.
type Account struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Home    bool      `json:"home,omitempty"` // the first one
	// AccessKeyID and SecretAccessKey are those of the account's user, who may do
	// everything in it.
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
}

// AccountRef names an account.
type AccountRef struct {
	ID string `json:"id"`
}

// AccountList is all accounts, the first one first and the others by their ids.
type AccountList struct {
	Accounts []Account `json:"accounts"`
}

// Operations of the sandbox's own service.
const (
	OpAddAccount   = "AddAccount"   // AccountRef -> Account
	OpListAccounts = "ListAccounts" // {} -> AccountList
)

// RegisterAccounts adds the operations on accounts to the sandbox's own service.
// Only the user of the first account may call them.
func (s *Service) RegisterAccounts(r *wire.Router, service string) {
	r.Handle(service, OpAddAccount, func(_ context.Context, req *wire.Request, in []byte) (any, error) {
		if err := s.onlyHome(req); err != nil {
			return nil, err
		}
		var ref AccountRef
		if err := json.Unmarshal(in, &ref); err != nil {
			return nil, wire.Errorf(http.StatusBadRequest, "SerializationException", "%s", err)
		}
		a, err := s.addAccount(ref.ID)
		if err != nil {
			return nil, err
		}
		return reply(a)
	}, own)
	r.Handle(service, OpListAccounts, func(_ context.Context, req *wire.Request, _ []byte) (any, error) {
		if err := s.onlyHome(req); err != nil {
			return nil, err
		}
		return reply(s.listAccounts())
	}, own)
}

var own = wire.Access{Inside: "they are the first account's own user's, whatever a policy says"}

// reply keeps the members' names as the tags say.
func reply(v any) (json.RawMessage, error) { return json.Marshal(v) }

func (s *Service) onlyHome(req *wire.Request) error {
	if req.Principal.Admin && req.Principal.Account == s.Home {
		return nil
	}
	return wire.Errorf(http.StatusForbidden, "AccessDeniedException", "only the user of the sandbox's first account manages accounts")
}

var accountID = lazyregexp.New(`^[0-9]{12}$`)

func (s *Service) addAccount(id string) (*Account, error) {
	if !accountID.MatchString(id) {
		return nil, wire.Errorf(http.StatusBadRequest, "ValidationException", "%q is no account id: it must have 12 digits", id)
	}
	a := account{ID: id, UserID: newID("AIDA"), Created: s.now(), Keys: NewCredentials()}
	if _, known := s.account(id); known {
		return nil, wire.Errorf(http.StatusConflict, "AccountAlreadyExistsException", "the sandbox has account %s already", id)
	}
	err := s.DB.Update(func(tx *store.Tx) error {
		old, found, err := store.Get[account](tx, accountsBucket, id)
		if err != nil {
			return err
		}
		if found && old.Keys.AccessKeyID != "" {
			return wire.Errorf(http.StatusConflict, "AccountAlreadyExistsException", "the sandbox has account %s already", id)
		}
		if found { // it was the first one in an earlier run
			a.UserID, a.Created = old.UserID, old.Created
		}
		return store.Put(tx, accountsBucket, id, a)
	})
	if err != nil {
		return nil, fmt.Errorf("add account: %w", err)
	}
	s.mu.Lock()
	s.accounts[id] = a
	s.mu.Unlock()
	out := s.shown(a)
	return &out, nil
}

func (s *Service) shown(a account) Account {
	return Account{ID: a.ID, Created: a.Created, Home: a.ID == s.Home, AccessKeyID: a.Keys.AccessKeyID, SecretAccessKey: a.Keys.SecretAccessKey}
}

func (s *Service) listAccounts() *AccountList {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := &AccountList{Accounts: []Account{}}
	for _, a := range s.accounts {
		out.Accounts = append(out.Accounts, s.shown(a))
	}
	slices.SortFunc(out.Accounts, func(a, b Account) int {
		switch {
		case a.Home:
			return -1
		case b.Home:
			return 1
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}
