package lambda_test

import (
	"crypto/sha256"
	"encoding/base64"
	"os"
)

func decode64(s string) ([]byte, error) { return base64.StdEncoding.DecodeString(s) }

func sum64(b []byte) string {
	h := sha256.Sum256(b)
	return base64.StdEncoding.EncodeToString(h[:])
}

func writeFile(path string) error { return os.WriteFile(path, nil, 0o600) }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
