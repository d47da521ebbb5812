// Package fault owns the one error type that crosses package borders: what went
// wrong (Kind), where (Op), why (Msg), and the way out (Hint). Errors are
// classified where they are born and printed once, at the edge; the edge also
// maps a Kind to an exit code. It imports nothing of this module.
package fault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Kind classifies an error for machines: exit codes, retries, JSON output.
type Kind string

// The kinds. Internal is what an unclassified error counts as.
const (
	Internal        Kind = "Internal"
	Invalid         Kind = "Invalid"         // bad usage or input
	NotFound        Kind = "NotFound"        // the named thing does not exist
	Conflict        Kind = "Conflict"        // exists already, or changed meanwhile
	Locked          Kind = "Locked"          // another operation holds the stack
	Denied          Kind = "Denied"          // identity known, permission missing
	Unauthenticated Kind = "Unauthenticated" // credentials missing, wrong or expired
	Throttled       Kind = "Throttled"       // a quota was used up
	Canceled        Kind = "Canceled"        // the user asked to stop
	Timeout         Kind = "Timeout"         // a deadline of ours ran out
	Unreachable     Kind = "Unreachable"     // there is no way to what was to be asked: names, connections, certificates, proxies
	Unsupported     Kind = "Unsupported"     // known, but not possible here
	Deployment      Kind = "Deployment"      // the engine ran and a resource failed
	NotReady        Kind = "NotReady"        // the account would make a deployment fail: nothing was begun
	Execution       Kind = "Execution"       // an execution ended other than SUCCEEDED
	Changes         Kind = "Changes"         // changes found though none were expected
	Damaged         Kind = "Damaged"         // a file of ours is not what it should be
	Output          Kind = "Output"          // standard output does not take what is written
)

// Error is an error with a class, a cause and a way out.
//
// Msg is lower-case, without a full stop. Hint is a full imperative sentence
// that names a command or a setting. Err is the cause, kept for errors.Is/As
// and for --debug; it is part of Error() only if Msg is empty.
type Error struct {
	Kind Kind
	Op   string // the operation that failed: "select stack acme.iris.dev"
	Msg  string
	Hint string
	Docs string // a URL or a file of docs/
	Err  error
}

// Error joins operation and message: "op: msg". Passwords in URLs are masked.
func (e *Error) Error() string {
	msg := e.Msg
	if msg == "" && e.Err != nil {
		msg = e.Err.Error()
	}
	if msg == "" {
		msg = string(e.Kind)
	}
	if e.Op == "" {
		return Masked(msg)
	}
	return Masked(e.Op + ": " + msg)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is(err, fault.Locked) work: a Kind is its own sentinel.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && e.Kind == k
}

// Error lets a Kind be the target of errors.Is.
func (k Kind) Error() string { return string(k) }

// New returns an Error of the kind with a formatted message.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Msg: fmt.Sprintf(format, args...)}
}

// WithHint returns e with the hint set; it modifies e.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = strings.TrimSpace(fmt.Sprintf(format, args...)) // the end of it may be a sentence that is not always there
	return e
}

// Because returns e with its cause set; it modifies e.
func (e *Error) Because(err error) *Error {
	e.Err = err
	return e
}

// Wrap adds an operation to err and keeps kind, hint and cause. nil stays nil.
func Wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	op := fmt.Sprintf(format, args...)
	return &Error{Kind: KindOf(err), Op: op, Msg: err.Error(), Hint: HintOf(err), Err: err}
}

// Passing tells whether what has failed may go well a moment later: a network that is away, a
// server's own fault, a quota; not what needs somebody to change something.
func Passing(err error) bool {
	switch KindOf(err) {
	case Internal, Timeout, Throttled, Unreachable:
		return true
	}
	return false
}

// KindOf returns the kind of the outermost *Error in err's chain, Canceled or
// Timeout for context errors, Unreachable for those of the network, "" for nil and Internal
// for anything else.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Canceled
	case OfNetwork(err):
		return Unreachable
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	}
	return Internal
}

// HintOf returns the outermost non-empty hint in err's chain.
func HintOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" {
			return Masked(e.Hint)
		}
		err = e.Err
	}
	return ""
}

// List is several errors of one check, all shown at once.
type List []error

// Error joins the messages, one a line.
func (l List) Error() string {
	parts := make([]string, len(l))
	for i, err := range l {
		parts[i] = err.Error()
	}
	return strings.Join(parts, "\n")
}

// Unwrap lets errors.Is and errors.As look at each.
func (l List) Unwrap() []error { return l }

// OrNil returns l as an error, or nil if it is empty.
func (l List) OrNil() error {
	if len(l) == 0 {
		return nil
	}
	return l
}

// Count is a number of things in a message: "1 check", "2 checks".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Shell quotes a text as one word for a POSIX shell: hints and outputs hold commands
// that are copied into one.
func Shell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Reason is what is wrong with a file, without its path and the system call. A link to what
// is gone is named as one: its name is there, and who looks finds it.
func Reason(err error) error {
	var p *fs.PathError
	var link *os.LinkError
	var call *os.SyscallError
	switch {
	case errors.As(err, &p):
		if errors.Is(p.Err, fs.ErrNotExist) {
			if dead := deadLink(p.Path, p.Err); dead != nil {
				return dead
			}
		}
		return p.Err
	case errors.As(err, &link):
		return link.Err
	case errors.As(err, &call):
		return call.Err
	}
	return err
}
