//go:build !linux && !darwin

package program

import "os"

func identityOf(*os.File) (fileIdentity, bool) { return fileIdentity{}, false }
