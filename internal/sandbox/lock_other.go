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
func (*fileLock) setPID(int) error                        { return errUnsupported }
func (*fileLock) release()                                {}
func lockHolder(string) (bool, int, error)                { return false, 0, nil }
func detach(*exec.Cmd)                                    {}
func terminate(int) error                                 { return errUnsupported }
func kill(int) error                                      { return errUnsupported }

var stopSignals = []os.Signal{os.Interrupt}
