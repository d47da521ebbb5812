package sandbox

import "golang.org/x/sys/unix"

// hide takes the right to look into this process from others of the same user
// (ptrace, /proc/PID/mem, environ and fd), and keeps its keys out of core files.
func hide() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
