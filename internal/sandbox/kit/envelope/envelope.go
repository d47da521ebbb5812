// Package envelope owns how services of the sandbox keep what is secret: encrypted
// under a data key that KMS made, which is kept beside it, itself encrypted. So the
// right to use the KMS key decides who can read it, and a key that is disabled or
// deleted takes the value with it, as on AWS.
// https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#enveloping
package envelope

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Sealed is an encrypted value as it is kept.
type Sealed struct {
	// Key is the data key, encrypted by KMS; Text is nonce and ciphertext.
	Key, Text []byte
}

var errShort = errors.New("envelope: the ciphertext is cut short")

// Seal encrypts plain under a KMS key (id, ARN or alias), as the caller of req, with
// the encryption context, which has to be given again to open it. Errors are those of
// KMS.
func Seal(ctx context.Context, r *wire.Router, req *wire.Request, key string, bound map[string]string, plain []byte) (Sealed, error) {
	var reply struct{ Plaintext, CiphertextBlob []byte }
	err := ask(ctx, r, req, "GenerateDataKey", map[string]any{"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": bound}, &reply)
	if err != nil {
		return Sealed{}, err
	}
	aead, err := gcm(reply.Plaintext)
	if err != nil {
		return Sealed{}, err
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails (crypto/rand)
	return Sealed{Key: reply.CiphertextBlob, Text: aead.Seal(nonce, nonce, plain, nil)}, nil
}

// Open decrypts what Seal has encrypted.
func (s Sealed) Open(ctx context.Context, r *wire.Router, req *wire.Request, bound map[string]string) ([]byte, error) {
	var reply struct{ Plaintext []byte }
	err := ask(ctx, r, req, "Decrypt", map[string]any{"CiphertextBlob": s.Key, "EncryptionContext": bound}, &reply)
	if err != nil {
		return nil, err
	}
	aead, err := gcm(reply.Plaintext)
	if err != nil {
		return nil, err
	}
	if len(s.Text) < aead.NonceSize() {
		return nil, errShort
	}
	return aead.Open(nil, s.Text[:aead.NonceSize()], s.Text[aead.NonceSize():], nil)
}

func ask(ctx context.Context, r *wire.Router, req *wire.Request, operation string, in map[string]any, out any) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return err
	}
	reply, err := r.Invoke(ctx, req.Scope, req.Principal, "kms", operation, raw)
	if err != nil {
		return err
	}
	return json.Unmarshal(reply, out)
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
