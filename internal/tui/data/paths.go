package data

import (
	"os"
	"path/filepath"
	"strings"
)

// HomePath is a path as the user typed it, with ~ for the home folder.
func HomePath(path string) string {
	rest, ok := strings.CutPrefix(path, "~")
	if !ok || rest != "" && rest[0] != '/' && rest[0] != filepath.Separator {
		return path
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return path
	}
	return filepath.Join(home, rest)
}
