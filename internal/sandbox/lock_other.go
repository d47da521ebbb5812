//go:build !unix || solaris || aix

package sandbox

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"time"
)

var (
	errLocked      = errors.New("locked by another process")
	errUnsupported = errors.New("the sandbox needs file locks that this system does not have; use Linux, macOS, BSD or WSL")
)

const pollInterval = 5 * time.Millisecond

type fileLock struct{}

func tryLock(string) (*fileLock, error)                   { return nil, errUnsupported }
func waitLock(context.Context, string) (*fileLock, error) { return nil, errUnsupported }
func (*fileLock) note(state) error                        { return errUnsupported }
func (*fileLock) release()                                {}
func lockHolder(string) (bool, state, error)              { return false, state{}, nil }
func detach(*exec.Cmd)                                    {}
func isFull(error) bool                                   { return false }

var stopSignals = []os.Signal{os.Interrupt}
