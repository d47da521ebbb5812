package spec_test

import (
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// mapCode is code in memory.
type mapCode struct{ fstest.MapFS }

func (c mapCode) Has(name string) bool { return c.MapFS[name] != nil }

func (c mapCode) Read(name string, _ int64) ([]byte, error) { return fs.ReadFile(c.MapFS, name) }

// TestHandlerScan: what binds or exports a name counts, what only mentions it does
// not, and where names are made at run time the code has the benefit of the doubt.
func TestHandlerScan(t *testing.T) {
	t.Parallel()
	python := map[string]bool{
		"def handler(event, context):\n    pass\n":                            true,
		"async def handler(e, c): pass":                                       true,
		"if True:\n    def handler(e, c):\n        pass\n":                    true,
		"try:\n    from fast import handler\nexcept ImportError:\n    pass\n": true,
		"from other import (\n    a,\n    handler,\n)\n":                      true,
		"from other import run as handler":                                    true,
		"import handler":                                                      true,
		"handler = app.lambda_handler\n":                                      true,
		"handler: Callable = make()\n":                                        true,
		"a, handler = make()\n":                                               true,
		"class handler:\n    pass\n":                                          true,
		"from other import *\n":                                               true,
		"globals()['handler'] = f\n":                                          true,
		"@wrap\ndef handler(e, c): pass\n":                                    true,
		"s = \"\"\"\ndef x():\n\"\"\"\ndef handler(e, c): pass\n":             true,
		"":                                     false,
		"def handle(e, c): pass\n":             false,
		"def handlers(e, c): pass\n":           false,
		"# def handler(e, c): pass\n":          false,
		"s = 'def handler'\n":                  false,
		"\"\"\"\ndef handler(e, c):\n\"\"\"\n": false,
		"class A:\n    def handler(self, e, c):\n        pass\n":                  false,
		"def make():\n    def handler(e, c):\n        pass\n    return handler\n": false,
		"lambda_handler = handler = make()\n":                                     true,
		"handler = lambda_handler = make()\n":                                     true,
		"def setup():\n    global app, handler\n    handler = make()\nsetup()\n":  true,
		"def setup():\n    global app\n    app = 1\n":                             false,
		"print(handler == 1)\n":                                                   false,
		"ok = other == handler == 1\n":                                            false,
		"run(handler=1)\n":                                                        false,
	}
	for source, want := range python {
		_, err := spec.CheckHandler(mapCode{fstest.MapFS{"index.py": {Data: []byte(source)}}}, "index.handler", "python3.13")
		require.Equal(t, want, err == nil, "%s", source)
	}
	node := map[string]bool{
		"export const handler = async () => 1;":                                      true,
		"export async function handler() {}":                                         true,
		"export function* handler() {}":                                              true,
		"const handler = 1; export { handler };":                                     true,
		"export { run as handler } from './run.mjs';":                                true,
		"export * from './run.mjs';":                                                 true,
		"exports.handler = async () => 1;":                                           true,
		"module.exports.handler = run;":                                              true,
		"module.exports = { other, handler };":                                       true,
		"module.exports = { handler: async () => ({ a: { b: 1 } }) }":                true,
		"module.exports = { ...require('./run') };":                                  true,
		"module.exports = require('./run');":                                         true,
		"__export(x, { handler: () => handler }); module.exports = __toCommonJS(x);": true,
		"export const { handler } = make();":                                         true,
		"const h = {Accept: '*/*', b: '/*'};\nexports.handler = f; /* the end */":    true,
		"const h = {a: 'it\\'s /*'};\nexports.handler = f; /* the end */":            true,
		"const h = `/*\n`;\nexports.handler = f; /* the end */":                      true,
		"const h = x.replace(/\\/*$/, '');\nexports.handler = f; /* the end */":      true,
		"const h = x.match(/[/*]'/);\nexports.handler = f; /* isn't */":              true,
		"run(); // see /* there\nexports.handler = f; /* the end */":                 true,
		"const h = '*/*'; /* exports.handler = f */":                                 false,
		"const h = 1 /* it's */; /*\nexports.handler = f */":                         false,
		"const handler = async () => 1;":                                             false,
		"export const handle = 1;":                                                   false,
		"// exports.handler = 1;\nexports.other = 1;":                                false,
		"module.exports = { handlers: 1 }; const handler = 2;":                       false,
		"export default async () => 1;":                                              false,
	}
	for source, want := range node {
		_, err := spec.CheckHandler(mapCode{fstest.MapFS{"index.mjs": {Data: []byte(source)}}}, "index.handler", "nodejs22.x")
		require.Equal(t, want, err == nil, "%s", source)
	}
	for handler, want := range map[string]string{
		"index": "written as file.function", ".handler": "written as file.function", "index.": "written as file.function",
		"lib/": "written as file.function", "src/index.api.handler": "",
	} {
		code := mapCode{fstest.MapFS{"src/index.js": {Data: []byte("exports.api = {handler: 1};")}}}
		_, err := spec.CheckHandler(code, handler, "nodejs22.x")
		if want == "" {
			require.Nil(t, err, handler)
			continue
		}
		require.ErrorContains(t, err, want, handler)
		require.NotEmpty(t, err.Hint)
	}
	// what can't be read is left to those who read it
	_, err := spec.CheckHandler(brokenCode{}, "index.handler", "python3.13")
	require.Nil(t, err)
}

type brokenCode struct{}

func (brokenCode) Has(string) bool                    { return true }
func (brokenCode) Read(string, int64) ([]byte, error) { return nil, errors.New("a broken disk") }
