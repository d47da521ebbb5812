package stack

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// fingerprintRounds make it slow to try out what a secret may be: OWASP's number for PBKDF2
// with HMAC-SHA256 (Password Storage Cheat Sheet, 2023).
const fingerprintRounds = 600_000

// Fingerprint is a digest of secrets of a stack, which may be written down. Where a
// passphrase seals the stack's secrets it goes into the digest, so that nobody without it can
// find out by trying what the secrets are; where a key of a cloud does, trying is only slow.
func (e *Engine) Fingerprint(ctx context.Context, stack string, salt, data []byte) (string, error) {
	phrase, err := e.phraseOf(ctx, e.place(stack, nil))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	key, err := pbkdf2.Key(sha256.New, phrase+"\x00"+hex.EncodeToString(sum[:]), salt, fingerprintRounds, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("make a digest of secrets: %w", err)
	}
	return hex.EncodeToString(key), nil
}
