package iam

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// accessKey is a long-lived key of a user that was made.
type accessKey struct {
	ID, Secret string
	User       string // store's key of the user
	Account    string
	Created    time.Time
	Inactive   bool
	// Used is when, where and for what the key last signed, to the minute.
	Used                    time.Time
	UsedRegion, UsedService string
}

// maxKeys is how many access keys a user may have.
const maxKeys = 2

func (s *Service) registerKeys(r *wire.Router) {
	u := wire.On(s.onUser)
	wire.Handle(r, "iam", "CreateAccessKey", s.createKey, u)
	wire.Handle(r, "iam", "ListAccessKeys", s.listKeys, u)
	wire.Handle(r, "iam", "UpdateAccessKey", s.updateKey, u)
	wire.Handle(r, "iam", "DeleteAccessKey", s.deleteKey, u)
	wire.Handle(r, "iam", "GetAccessKeyLastUsed", s.keyLastUsed, wire.On(s.onKeyUser))
}

// onKeyUser is the user of the access key that a document names.
func (s *Service) onKeyUser(_ *wire.Request, in wire.Input) (out []string) {
	_ = s.DB.View(func(tx *store.Tx) error { // an error comes again where the key is read
		if k, found, err := store.Get[accessKey](tx, keysBucket, in.Text("AccessKeyId")); err == nil && found {
			if u, found, err := store.Get[user](tx, usersBucket, k.User); err == nil && found {
				out = []string{u.ARN}
			}
		}
		return nil
	})
	return out
}

// keysOf are the access keys of a user, oldest first.
func keysOf(tx *store.Tx, userKey string) (out []accessKey, err error) {
	all, err := store.List[accessKey](tx, keysBucket, "")
	for _, k := range all {
		if k.User == userKey {
			out = append(out, k)
		}
	}
	slices.SortStableFunc(out, func(a, b accessKey) int { return a.Created.Compare(b.Created) })
	return out, err
}

// renameKeys hands the access keys of a user over to its new name.
func renameKeys(tx *store.Tx, old, now string) error {
	keys, err := keysOf(tx, old)
	if err != nil {
		return err
	}
	for _, k := range keys {
		k.User = now
		if err := store.Put(tx, keysBucket, k.ID, k); err != nil {
			return err
		}
	}
	return nil
}

func (k accessKey) status() types.StatusType {
	if k.Inactive {
		return types.StatusTypeInactive
	}
	return types.StatusTypeActive
}

func noKey(id string) error {
	return wire.Errorf(http.StatusNotFound, "NoSuchEntity", "The Access Key with id %s cannot be found.", id)
}

func (s *Service) createKey(_ context.Context, req *wire.Request, in *sdk.CreateAccessKeyInput) (*sdk.CreateAccessKeyOutput, error) {
	c := NewCredentials()
	k := accessKey{ID: c.AccessKeyID, Secret: c.SecretAccessKey, Account: req.Account, Created: s.now()}
	name := ""
	err := s.changeUser(req, in.UserName, func(tx *store.Tx, u *user) error {
		have, err := keysOf(tx, u.key())
		if err != nil {
			return err
		}
		if len(have) >= maxKeys {
			return wire.Errorf(http.StatusConflict, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: %d", maxKeys)
		}
		name, k.User = u.Name, u.key()
		return store.Put(tx, keysBucket, k.ID, k)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.CreateAccessKeyOutput{AccessKey: &types.AccessKey{
		UserName: &name, AccessKeyId: &k.ID, SecretAccessKey: &k.Secret, Status: k.status(), CreateDate: &k.Created,
	}}, nil
}

func (s *Service) listKeys(_ context.Context, req *wire.Request, in *sdk.ListAccessKeysInput) (*sdk.ListAccessKeysOutput, error) {
	u, err := s.readUser(req, in.UserName)
	if err != nil {
		return nil, err
	}
	out := []types.AccessKeyMetadata{}
	if owner, _ := s.account(req.Account); u.Name == UserName {
		out = append(out, types.AccessKeyMetadata{UserName: &u.Name, AccessKeyId: &owner.Keys.AccessKeyID, Status: types.StatusTypeActive, CreateDate: &owner.Created})
	}
	err = s.DB.View(func(tx *store.Tx) error {
		keys, err := keysOf(tx, u.key())
		for _, k := range keys {
			out = append(out, types.AccessKeyMetadata{UserName: &u.Name, AccessKeyId: aws.String(k.ID), Status: k.status(), CreateDate: aws.Time(k.Created)})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	some, next, more, err := pageOf(out, in.Marker, in.MaxItems)
	return &sdk.ListAccessKeysOutput{AccessKeyMetadata: some, Marker: next, IsTruncated: more}, err
}

// changeKey lets fn change an access key of a user, or take it away.
func (s *Service) changeKey(req *wire.Request, name, id *string, fn func(*store.Tx, accessKey) error) error {
	return s.changeUser(req, name, func(tx *store.Tx, u *user) error {
		k, found, err := store.Get[accessKey](tx, keysBucket, aws.ToString(id))
		if err == nil && (!found || k.User != u.key()) {
			err = noKey(aws.ToString(id))
		}
		if err != nil {
			return err
		}
		return fn(tx, k)
	})
}

func (s *Service) updateKey(_ context.Context, req *wire.Request, in *sdk.UpdateAccessKeyInput) (*sdk.UpdateAccessKeyOutput, error) {
	err := s.changeKey(req, in.UserName, in.AccessKeyId, func(tx *store.Tx, k accessKey) error {
		k.Inactive = in.Status == types.StatusTypeInactive
		return store.Put(tx, keysBucket, k.ID, k)
	})
	return &sdk.UpdateAccessKeyOutput{}, err
}

func (s *Service) deleteKey(_ context.Context, req *wire.Request, in *sdk.DeleteAccessKeyInput) (*sdk.DeleteAccessKeyOutput, error) {
	err := s.changeKey(req, in.UserName, in.AccessKeyId, func(tx *store.Tx, k accessKey) error { return tx.Delete(keysBucket, k.ID) })
	return &sdk.DeleteAccessKeyOutput{}, err
}

// keyLastUsed says N/A where a key never signed, as AWS does.
func (s *Service) keyLastUsed(_ context.Context, req *wire.Request, in *sdk.GetAccessKeyLastUsedInput) (*sdk.GetAccessKeyLastUsedOutput, error) {
	id := aws.ToString(in.AccessKeyId)
	none := aws.String("N/A")
	if owner, ok := s.accountOfKey(id); ok && owner.ID == req.Account {
		return &sdk.GetAccessKeyLastUsedOutput{UserName: aws.String(UserName), AccessKeyLastUsed: &types.AccessKeyLastUsed{Region: none, ServiceName: none}}, nil
	}
	out := &sdk.GetAccessKeyLastUsedOutput{AccessKeyLastUsed: &types.AccessKeyLastUsed{Region: none, ServiceName: none}}
	err := s.DB.View(func(tx *store.Tx) error {
		k, found, err := store.Get[accessKey](tx, keysBucket, id)
		if err != nil {
			return err
		}
		if !found || k.Account != req.Account {
			return noKey(id)
		}
		u, _, err := store.Get[user](tx, usersBucket, k.User)
		out.UserName = &u.Name
		if !k.Used.IsZero() {
			out.AccessKeyLastUsed = &types.AccessKeyLastUsed{LastUsedDate: &k.Used, Region: &k.UsedRegion, ServiceName: &k.UsedService}
		}
		return err
	})
	return out, err
}

// signer finds the user whose access key signed, and notes that it did. ok is false if
// there is no such key, or none that is active.
func (s *Service) signer(sig *signature) (p wire.Principal, secret string, ok bool, err error) {
	var k accessKey
	var u user
	err = s.DB.View(func(tx *store.Tx) error {
		if k, ok, err = store.Get[accessKey](tx, keysBucket, sig.accessKey); err != nil || !ok {
			return err
		}
		u, ok, err = store.Get[user](tx, usersBucket, k.User)
		return err
	})
	if err != nil || !ok || k.Inactive || wire.PartitionOf(sig.region) != partitionOf(u.ARN) {
		return p, "", false, err
	}
	return wire.Principal{Account: k.Account, ARN: u.ARN, UserID: u.ID, Session: u.session()}, k.Secret, true, nil
}

// session carries a user's tags, which are the principal's.
func (u *user) session() *wire.Session {
	if len(u.Tags) == 0 {
		return nil
	}
	return &wire.Session{Tags: u.Tags}
}

func partitionOf(arn string) string {
	a, _ := wire.ParseARN(arn)
	return a.Partition
}

// usedEvery is how often it is noted that a key is in use: AWS tells it late too.
const usedEvery = time.Minute

// noteUse remembers that a key signed. That it could not be noted fails no request.
func (s *Service) noteUse(sig *signature) {
	now := s.now()
	s.mu.Lock()
	last, seen := s.used[sig.accessKey]
	due := !seen || now.Sub(last) >= usedEvery
	if due {
		s.used[sig.accessKey] = now
	}
	s.mu.Unlock()
	if !due {
		return
	}
	if err := s.DB.Batch(func(tx *store.Tx) error {
		k, found, err := store.Get[accessKey](tx, keysBucket, sig.accessKey)
		if err != nil || !found {
			return err
		}
		k.Used, k.UsedRegion, k.UsedService = now, sig.region, sig.service
		return store.Put(tx, keysBucket, k.ID, k)
	}); err != nil {
		s.Log.Warn("the use of an access key could not be noted", "error", err.Error())
	}
}
