package tui

import (
	"strings"
	"unicode"
)

// score tells how well a query finds a name, 0 if it does not: the whole name, its
// beginning, the beginning of a word in it, a part of it, and last its letters in their
// order, the closer together the better. Case does not count.
func score(query, name string) int {
	q, n := strings.ToLower(query), strings.ToLower(name)
	switch i := strings.Index(n, q); {
	case q == n:
		return 1000
	case i == 0:
		return 800 - min(99, len(n)-len(q))
	case i > 0 && !alphanumeric(rune(n[i-1])):
		return 600 - min(99, len(n)-len(q))
	case i > 0:
		return 400 - min(99, len(n)-len(q))
	}
	return subsequence([]rune(q), []rune(n))
}

// subsequence finds the letters of a query in their order; each at the beginning of a
// word is worth more, each that is skipped less.
func subsequence(q, n []rune) int {
	at, points := 0, 200
	for _, r := range q {
		skipped := 0
		for at < len(n) && n[at] != r {
			at++
			skipped++
		}
		if at == len(n) {
			return 0
		}
		if at == 0 || !alphanumeric(n[at-1]) {
			points += 10
		}
		points -= min(20, skipped)
		at++
	}
	return max(1, points)
}

func alphanumeric(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// find is score for several words, in any order: each has to be in the name, or whole in
// the help.
func find(query, name, help string) int {
	if strings.Contains(name, " ") { // "new pipeline"
		if n := score(query, name); n >= 400 {
			return n
		}
	}
	total := 0
	words := strings.Fields(query)
	for _, w := range words {
		n := score(w, name)
		if n == 0 && len(w) > 2 && strings.Contains(strings.ToLower(help), strings.ToLower(w)) {
			n = 50
		}
		if n == 0 {
			return 0
		}
		total += n
	}
	return max(1, total/max(1, len(words)))
}
