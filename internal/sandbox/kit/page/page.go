// Package page owns how lists are given out in pages. Tokens are opaque to clients:
// they hold the place at which the next page begins.
package page

import (
	"encoding/base64"
	"errors"
	"strconv"
)

// ErrToken is the error of a token that no page has given out.
var ErrToken = errors.New("page: unknown token")

// Token writes a place in a list for clients.
func Token(place string) *string {
	t := base64.RawURLEncoding.EncodeToString([]byte(place))
	return &t
}

// Place reads a token; no token is "", the beginning.
func Place(token *string) (string, error) {
	if token == nil || *token == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil || len(raw) == 0 {
		return "", ErrToken
	}
	return string(raw), nil
}

func size(limit *int32, standard int) int {
	if limit != nil && *limit > 0 {
		return int(*limit)
	}
	return standard
}

// Of returns the page of sorted items that a token asks for, of at most limit items,
// and the token of the next one, nil if there is none. key tells items apart; they are
// sorted by it. A token names the last item of the page before, so that items which
// come and go in between move no others. A nil token is the first page; limit 0 or nil
// is standard.
func Of[T any](items []T, token *string, limit *int32, standard int, key func(T) string) (some []T, next *string, err error) {
	after, err := Place(token)
	if err != nil {
		return nil, nil, err
	}
	n := size(limit, standard)
	some = []T{}
	for _, item := range items {
		if after != "" && key(item) <= after {
			continue
		}
		if len(some) == n {
			return some, Token(key(some[n-1])), nil
		}
		some = append(some, item)
	}
	return some, nil, nil
}

// At is Of for items in an order of their own: a token is a number of items, so that
// items which come and go in between may be missed or shown twice, as on AWS.
func At[T any](items []T, token *string, limit *int32, standard int) (some []T, next *string, err error) {
	place, err := Place(token)
	start := 0
	if err == nil && place != "" {
		start, err = strconv.Atoi(place)
	}
	if err != nil || start < 0 {
		return nil, nil, ErrToken
	}
	start = min(start, len(items))
	end := min(start+size(limit, standard), len(items))
	if end < len(items) {
		next = Token(strconv.Itoa(end))
	}
	return append([]T{}, items[start:end]...), next, nil
}
