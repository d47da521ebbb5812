// Package stack drives the Pulumi engine through the Automation API: it finds
// the CLI, keeps one work directory per stack, runs preview, up, refresh and
// destroy of a program it is handed, and reads state, history and locks back.
//
// One long operation is a [Run]: a stream of [Event], a result, a graceful
// Cancel and a forceful Kill. [Progress] is the pure reducer of that stream;
// every renderer reads Progress and holds no truth of its own.
//
// It is the only importer of sdk/v3/go/auto. It does not import program, spec,
// the sandbox or any provider SDK: it is handed a pulumi.RunFunc and knows no
// resource type except the Stash that keeps a stack's spec.
package stack
