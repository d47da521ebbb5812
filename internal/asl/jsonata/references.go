package jsonata

import (
	"slices"
	"strings"
)

// references finds the names of variables in an expression that it neither
// binds itself nor calls as functions. The evaluator does not show its syntax
// tree, so this reads tokens; a name that is bound anywhere in the expression
// counts as bound everywhere.
func references(text string) []string {
	var names, bound []string
	toks := tokens(text)
	for i, t := range toks {
		if !strings.HasPrefix(t, "$") || len(t) == 1 || t == "$$" {
			continue
		}
		name := t[1:]
		next := ""
		if i+1 < len(toks) {
			next = toks[i+1]
		}
		switch {
		case next == ":=" || isParameter(toks, i):
			bound = append(bound, name)
		case next == "(" || name == "states":
		case !slices.Contains(names, name):
			names = append(names, name)
		}
	}
	return slices.DeleteFunc(names, func(n string) bool { return slices.Contains(bound, n) })
}

// isParameter reports whether the name at i stands in a function's parameter
// list: "function($a, $b)" or "λ($a)", or is bound by "@$a" or "#$a".
func isParameter(toks []string, i int) bool {
	if i > 0 && (toks[i-1] == "@" || toks[i-1] == "#") {
		return true
	}
	for j := i - 1; j > 0; j-- {
		switch t := toks[j]; {
		case t == "," || strings.HasPrefix(t, "$"):
		case t == "(":
			return toks[j-1] == "function" || toks[j-1] == "λ"
		default:
			return false
		}
	}
	return false
}

func isNameByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}

// tokens splits an expression; the content of strings, comments and regular
// expressions is left out.
func tokens(t string) []string {
	var out []string
	for _, s := range scan(t) {
		out = append(out, s.text)
	}
	return out
}

func skipTo(t string, i int, quote byte) int {
	for ; i < len(t); i++ {
		switch t[i] {
		case '\\':
			i++
		case quote:
			return i + 1
		}
	}
	return len(t)
}

// regexMayStart tells a regular expression from a division.
func regexMayStart(out []string) bool {
	if len(out) == 0 {
		return true
	}
	switch last := out[len(out)-1]; last {
	case "(", ",", "[", "{", ":", "?", ":=", "=", "~", ">", "<", "&", "and", "or", "in":
		return true
	default:
		return false
	}
}

// topLevel finds names that are read from the context where there is none. Inside
// predicates, steps in parentheses, groupings and sort terms there is one.
func topLevel(text string) []string {
	toks := tokens(text)
	if slices.Contains(toks, "|") { // transformations have a context of their own
		return nil
	}
	var out []string
	context := []bool{false}
	prev := ""
	for i, t := range toks {
		inside := context[len(context)-1]
		switch t {
		case "(":
			context = append(context, inside || prev == "." || prev == "^")
		case "[", "{":
			context = append(context, inside || isOperand(prev) && !(t == "{" && isFunctionBody(toks, i)))
		case ")", "]", "}":
			if len(context) > 1 {
				context = context[:len(context)-1]
			}
		default:
			if !inside && prev != "." && isName(t) && !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
		prev = t
	}
	return out
}

// isName reports whether a token reads the context: a name, "$" or "$$".
func isName(t string) bool {
	switch t {
	case "$", "$$":
		return true
	case "and", "or", "in", "true", "false", "null", "function", "λ", "string", "regex":
		return false
	}
	return t != "" && isNameByte(t[0]) && (t[0] < '0' || t[0] > '9')
}

// isOperand reports whether a bracket after the token applies to it.
func isOperand(t string) bool {
	if t == "" {
		return false
	}
	last := t[len(t)-1]
	return last == ')' || last == ']' || last == '}' || last == '$' || isNameByte(last) && t != "and" && t != "or" && t != "in"
}

// isFunctionBody reports whether the "{" at i begins the body of a function.
func isFunctionBody(toks []string, i int) bool {
	depth := 0
	for j := i - 1; j > 0; j-- {
		switch toks[j] {
		case ")":
			depth++
		case "(":
			if depth--; depth == 0 {
				return toks[j-1] == "function" || toks[j-1] == "λ"
			}
		default:
			if depth == 0 {
				return false
			}
		}
	}
	return false
}
