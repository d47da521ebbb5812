package sandbox

import (
	"os"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Environment returns those of the given variables ("KEY=value") that the daemon
// needs: what finds programs, folders and the words of the user's language, and its
// own settings. Passphrases, tokens and AWS keys are none of its business. The
// code of functions runs as the same user, and what the daemon does not have it
// cannot pass on.
func Environment(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(kv string) bool {
		key, _, _ := strings.Cut(kv, "=")
		return !needed(key)
	})
}

func needed(key string) bool {
	switch key {
	case "PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "TMP", "TEMP", "SYSTEMROOT", "WINDIR", "PATHEXT",
		"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR",
		"PIPELINETUI_HOME", "PIPELINETUI_DEBUG",
		"GOMAXPROCS", "GOMEMLIMIT", "GOGC", "GODEBUG", "GOTRACEBACK", "GOCOVERDIR", "GORACE":
		return true
	}
	return strings.HasPrefix(key, "LC_") || strings.HasPrefix(key, "PIPELINETUI_SANDBOX_")
}

// Isolate cuts the process that is about to Serve off from whoever started it: open
// files that it was left are closed, so that a lock of the caller's or the other
// end of a pipe is not held for as long as the daemon lives; variables that it
// does not need are dropped; and no other process of the user may read its memory
// or its environment, where the system can see to that (Linux). If there are
// variables to drop the program begins again, since the kernel shows those that
// it was started with. Only the main program may call it.
func Isolate() error {
	if err := closeInherited(); err != nil {
		return fault.New(fault.Internal, "close the files of the sandbox's caller: %s", err).Because(err)
	}
	if clean := Environment(os.Environ()); len(clean) < len(os.Environ()) {
		if err := again(clean); err != nil {
			return fault.New(fault.Internal, "start the sandbox without the caller's variables: %s", err).Because(err)
		}
	}
	if err := hide(); err != nil {
		return fault.New(fault.Internal, "keep the sandbox's memory to itself: %s", err).Because(err)
	}
	return nil
}
