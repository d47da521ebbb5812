// Package page owns how lists are given out in pages: a token names the last item of
// the page before, so that items which come and go in between move no others.
package page

import (
	"encoding/base64"
	"errors"
)

// ErrToken is the error of a token that no page has given out.
var ErrToken = errors.New("page: unknown token")

// Of returns the page of sorted items that a token asks for, of at most limit items,
// and the token of the next one, nil if there is none. key tells items apart; they are
// sorted by it. A nil token is the first page; limit 0 or nil is standard.
func Of[T any](items []T, token *string, limit *int32, standard int, key func(T) string) (some []T, next *string, err error) {
	size := standard
	if limit != nil && *limit > 0 {
		size = int(*limit)
	}
	after := ""
	if token != nil && *token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(*token)
		if err != nil || len(raw) == 0 {
			return nil, nil, ErrToken
		}
		after = string(raw)
	}
	some = []T{}
	for _, item := range items {
		if after != "" && key(item) <= after {
			continue
		}
		if len(some) == size {
			t := base64.RawURLEncoding.EncodeToString([]byte(key(some[size-1])))
			return some, &t, nil
		}
		some = append(some, item)
	}
	return some, nil, nil
}
