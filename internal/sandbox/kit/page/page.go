// Package page owns how lists are given out in pages. Tokens are opaque to clients:
// they hold the place at which the next page begins.
package page

import (
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
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

// Kind is a kind of list: its tokens are those of no other.
type Kind string

// Token writes a place in a list of the kind.
func (k Kind) Token(place string) *string { return Token(string(k) + "\x00" + place) }

// Place reads a token of the kind; no token is "", the beginning.
func (k Kind) Place(token *string) (string, error) {
	given, err := Place(token)
	if err != nil || given == "" {
		return "", err
	}
	place, mine := strings.CutPrefix(given, string(k)+"\x00")
	if !mine {
		return "", ErrToken
	}
	return place, nil
}

// Scan returns the page of a bucket, under a prefix, that begins at a place of the kind,
// and the token of the next one. It has at most limit of what show makes of the values;
// show leaves out what it returns false for.
func Scan[T, O any](tx *store.Tx, k Kind, bucket, prefix, place string, limit int, show func(key string, v T) (O, bool)) (some []O, next *string, err error) {
	some = []O{}
	err = store.Each(tx, bucket, prefix, place, func(key string, v T) bool {
		o, shown := show(key, v)
		switch {
		case !shown:
			return true
		case len(some) == limit:
			next = k.Token(key)
			return false
		}
		some = append(some, o)
		return true
	})
	return some, next, err
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
	start, end, next, err := Within(len(items), token, limit, standard)
	if err != nil {
		return nil, nil, err
	}
	return append([]T{}, items[start:end]...), next, nil
}

// Within is At for so many items that are made only if they are on the page: those from
// start up to, not with, end.
func Within(count int, token *string, limit *int32, standard int) (start, end int, next *string, err error) {
	place, err := Place(token)
	if err == nil && place != "" {
		start, err = strconv.Atoi(place)
	}
	if err != nil || start < 0 {
		return 0, 0, nil, ErrToken
	}
	start = min(start, count)
	end = start + min(size(limit, standard), count-start)
	if end < count {
		next = Token(strconv.Itoa(end))
	}
	return start, end, next, nil
}

// Behind is At with tokens that name the last item of the page before; if that is gone,
// its token is unknown.
func Behind[T any](items []T, token *string, limit *int32, standard int, key func(T) string) (some []T, next *string, err error) {
	last, err := Place(token)
	if err != nil {
		return nil, nil, err
	}
	start := 0
	if last != "" {
		if start = slices.IndexFunc(items, func(t T) bool { return key(t) == last }) + 1; start == 0 {
			return nil, nil, ErrToken
		}
	}
	end := min(start+size(limit, standard), len(items))
	if end < len(items) {
		next = Token(key(items[end-1]))
	}
	return append([]T{}, items[start:end]...), next, nil
}
