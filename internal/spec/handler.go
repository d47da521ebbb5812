package spec

import (
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// maxScanned bounds the source file in which a handler's function is looked for;
// larger ones, such as bundles, are not looked into.
const maxScanned = 4 << 20

// Code is the source of a function, by slash-separated names.
type Code interface {
	// Has tells whether there is a file.
	Has(name string) bool
	// Read returns the beginning of a file, up to limit bytes.
	Read(name string, limit int64) ([]byte, error)
}

// CheckHandler finds out whether code holds what a Lambda handler names: the file,
// and the function in it as far as that can be told without running it. It returns
// nil, or a Problem whose message goes on from `is "handler" with
// runtime python3.13, but `, and, if it is a file that is missing, the names of which one
// has to be there. Lambda itself says so only when the first execution fails.
// See https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html and its
// sisters for the other languages.
func CheckHandler(code Code, handler, runtime string) (files []string, wrong *Problem) {
	fail := func(format string, args ...any) *Problem {
		return pos{}.problem(ProblemCode(RuleHandler), format, args...)
	}
	if strings.HasPrefix(runtime, "provided") {
		if code.Has("bootstrap") {
			return nil, nil
		}
		return []string{"bootstrap"}, fail("there is no bootstrap")
	}
	if !utf8.ValidString(handler) {
		return nil, fail("a handler is UTF-8 text")
	}
	h := splitHandler(handler, runtime)
	if h == nil {
		return nil, nil // compiled: the class is inside some archive
	}
	if wrong := checkHandlerForm(handler, runtime); wrong != nil {
		return nil, wrong
	}
	for _, ext := range h.extensions {
		name := path.Clean(h.module) + ext
		if !code.Has(name) {
			files = append(files, name)
			continue
		}
		// What cannot be read or scanned is given the benefit of the doubt.
		source, rerr := code.Read(name, maxScanned+1)
		known := rerr == nil && len(source) <= maxScanned && h.defines != nil && scannable(ext)
		if known && !h.defines(string(source), h.function) {
			return nil, fail("%s has no function %s", name, h.function).
				WithHint("Correct the name behind the last dot, or add the function to %s.", name)
		}
		return nil, nil
	}
	return files, fail("there is no %s", files[0])
}

// tellsFile tells whether the handler of such a runtime says anything about the code.
func tellsFile(handler, runtime string) bool {
	return handler != "" && (strings.HasPrefix(runtime, "provided") || splitHandler(handler, runtime) != nil)
}

// scannable tells sources from what is compiled.
func scannable(ext string) bool { return ext != ".pyc" && ext != ".so" }

// handlerParts is a handler taken apart by the rules of its language.
type handlerParts struct {
	module, function string
	extensions       []string
	defines          func(source, name string) bool
}

// checkHandlerForm finds out whether a handler names a file and a function at all, which
// no code is needed for. The Problem is as of CheckHandler.
func checkHandlerForm(handler, runtime string) *Problem {
	h := splitHandler(handler, runtime)
	if h == nil || h.function != "" && path.Base(h.module) != "." && !strings.HasSuffix(h.module, "/") {
		return nil
	}
	return pos{}.problem(ProblemCode(RuleHandler), "such a handler is written as file.function").
		WithHint("Name the file without its extension and the function in it: handler.handler is the function handler of the file handler%s.", h.extensions[0])
}

// splitHandler returns nil where the name of the handler does not tell the file.
func splitHandler(handler, runtime string) *handlerParts {
	last := strings.LastIndex(handler, ".")
	base := strings.LastIndexByte(handler, '/') + 1
	first := strings.Index(handler[base:], ".")
	if first >= 0 {
		first += base
	}
	cut := func(at int) (string, string) {
		if at < 0 {
			return handler, ""
		}
		return handler[:at], handler[at+1:]
	}
	h := &handlerParts{}
	switch {
	case strings.HasPrefix(runtime, "python"):
		h.module, h.function = cut(last)
		h.module = strings.ReplaceAll(h.module, ".", "/")
		h.extensions, h.defines = []string{".py", "/__init__.py", ".pyc", ".so"}, pythonDefines
	case strings.HasPrefix(runtime, "nodejs"):
		// All behind the first dot is a path of exports: index.api.handler.
		h.module, h.function = cut(first)
		h.extensions, h.defines = []string{".js", ".mjs", ".cjs"}, nodeDefines
	case strings.HasPrefix(runtime, "ruby"):
		h.module, h.function = cut(first)
		h.extensions, h.defines = []string{".rb"}, rubyDefines
	default:
		return nil
	}
	return h
}

var (
	pythonText    = lazyregexp.New(`(?s)""".*?"""|'''.*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|#[^\n]*`)
	pythonDynamic = lazyregexp.New(`\bimport\s+\*|\bglobals\s*\(|\bexec\s*\(|\bsetattr\s*\(|\b__getattr__\b|\b__dict__\b|\bvars\s*\(`)
	pythonImport  = lazyregexp.New(`(?s)\bimport\s*\(([^)]*)\)`)
	pythonBlock   = lazyregexp.New(`^(if|elif|else|try|except|finally|with|for|while|match|case|async\s+(with|for))\b`)
)

// pythonDefines tells whether a module binds a name at its top: by def, class,
// assignment or import, also under if, try and with. It takes the module's word
// where names are made at run time.
func pythonDefines(source, name string) bool {
	// Strings become one word, so that nothing in them counts and lines stay lines.
	source = pythonText.ReplaceAllStringFunc(source, func(text string) string {
		if text[0] == '#' {
			return ""
		}
		return `""` + strings.Repeat("\n", strings.Count(text, "\n"))
	})
	q := regexp.QuoteMeta(name)
	if pythonDynamic.MatchString(source) || regexp.MustCompile(`\bglobal\s[^\n]*\b`+q+`\b`).MatchString(source) {
		return true
	}
	word := regexp.MustCompile(`\b` + q + `\b`)
	for _, m := range pythonImport.FindAllStringSubmatch(source, -1) {
		if word.MatchString(m[1]) {
			return true
		}
	}
	binds := regexp.MustCompile(`^\s*(?:(?:async\s+)?def\s+` + q + `\b|class\s+` + q + `\b|.*\bimport\b.*\b` + q + `\b|.*\bas\s+` + q +
		`\b|\(?(?:[^=()]*[,\s])?` + q + `\s*(?:[,)][^=]*)?(?::[^=]*)?=(?:[^=]|$)|.*\b` + q + `\s*:=|for\b.*\b` + q + `\b.*\bin\b|.*=\s*` + q + `\s*=(?:[^=]|$))`)
	lines := strings.Split(source, "\n")
	for i, line := range lines {
		if binds.MatchString(line) && atModuleLevel(lines, i) {
			return true
		}
	}
	return false
}

// atModuleLevel tells whether no def and no class is around a line.
func atModuleLevel(lines []string, i int) bool {
	indent := indentOf(lines[i])
	for ; i >= 0 && indent > 0; i-- {
		text := strings.TrimSpace(lines[i])
		if at := indentOf(lines[i]); text != "" && at < indent {
			if !pythonBlock.MatchString(text) {
				return false
			}
			indent = at
		}
	}
	return true
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " \t")) }

var (
	// nodeComment matches comments and, as its group, what only looks as if one were in
	// it: strings, template literals, regular expressions, and the ends of lines.
	nodeComment = lazyregexp.New(`(?s)(?m:^)[ \t]*//[^\n]*|/\*.*?\*/|("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|` + "`(?:\\\\.|[^`\\\\])*`" +
		`|(?:[(,=:\[!&|?;]|\breturn)[ \t]*/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/*\\\[\n])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])*/|//[^\n]*)`)
	nodeDynamic = lazyregexp.New(`\bexport\s*\*|\bmodule\.exports\s*=\s*[^{\s=]|\bexports\s*\[|\bObject\.(assign|defineProperty|defineProperties|setPrototypeOf)\s*\(\s*(module\.)?exports\b|\b__export\w*\s*\(`)
	nodeLists   = lazyregexp.New(`(?s)\bexport\s*\{([^}]*)\}`)
	nodeObject  = lazyregexp.New(`\bmodule\.exports\s*=\s*\{`)
)

// nodeDefines tells whether a module exports a name, in any of the forms of ES
// modules and CommonJS. Of a path of exports the first name is looked for. Forms that
// make exports at run time count as having it.
func nodeDefines(source, name string) bool {
	name, _, _ = strings.Cut(name, ".")
	source = nodeComment.ReplaceAllString(source, "${1}")
	if nodeDynamic.MatchString(source) {
		return true
	}
	q := regexp.QuoteMeta(name)
	word := regexp.MustCompile(`(?:^|[^\w$])` + q + `(?:$|[^\w$])`)
	for _, m := range nodeLists.FindAllStringSubmatch(source, -1) {
		if word.MatchString(m[1]) {
			return true
		}
	}
	for _, at := range nodeObject.FindAllStringIndex(source, -1) {
		body := braced(source[at[1]-1:])
		if strings.Contains(body, "...") || word.MatchString(body) {
			return true
		}
	}
	direct := regexp.MustCompile(`\bexport\s+(?:const|let|var|class|(?:async\s+)?function\s*\*?)\s*` + q + `(?:$|[^\w$])` +
		`|\bexport\s+(?:const|let|var)\b[^;=]*[{,\[]\s*(?:\w+\s*:\s*)?` + q + `\s*[},\]=]` +
		`|\bexports\.` + q + `\s*=`)
	return direct.MatchString(source) || name == "default" && strings.Contains(source, "export default")
}

// braced is the text from a brace to the one that closes it.
func braced(s string) string {
	depth := 0
	for i, r := range s {
		switch r {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return s[:i+1]
			}
		}
	}
	return s
}

// rubyDefines looks for the method that a handler ends in.
func rubyDefines(source, name string) bool {
	name = name[strings.LastIndex(name, ".")+1:]
	return regexp.MustCompile(`\bdef\s+(?:self\.)?` + regexp.QuoteMeta(name) + `\b|\bdefine_method\b|\bmethod_missing\b|\beval\b|\brequire`).MatchString(source)
}
