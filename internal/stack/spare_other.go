//go:build !linux

package stack

import (
	"errors"
	"os"
)

// unnamed makes a file without a name, which no other system can give one later.
func unnamed(string) (*os.File, error) { return nil, errors.ErrUnsupported }

func name(*os.File, string) error { return errors.ErrUnsupported }
