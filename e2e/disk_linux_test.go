//go:build unix

package e2e

import "syscall"

func mountTmpfs(dir string) error { return syscall.Mount("tmpfs", dir, "tmpfs", 0, diskBytes) }

// unmount does not wait for who still has a file open.
func unmount(dir string) error { return syscall.Unmount(dir, syscall.MNT_DETACH) }
