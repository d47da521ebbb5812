package iam

import (
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
		s.accounts[a.ID] = a
	}
	home, found := s.accounts[s.Home]
	if !found {
		home = account{ID: s.Home, UserID: newID("AIDA"), Created: s.now()}
	}
	home.Keys = s.Admin
	s.accounts[s.Home] = home
	if found {
		return nil
	}
	home.Keys = wire.Credentials{} // it is kept elsewhere
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
