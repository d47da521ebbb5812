package kms

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerCrypto(r *wire.Router) {
	wire.Handle(r, "kms", "Encrypt", s.encrypt)
	wire.Handle(r, "kms", "Decrypt", s.decrypt)
	wire.Handle(r, "kms", "GenerateDataKey", s.generateDataKey)
	wire.Handle(r, "kms", "GenerateDataKeyWithoutPlaintext", s.generateDataKeyWithoutPlaintext)
}

// A ciphertext is: version (1), key id (36), material (uint16), nonce (12), the
// text sealed by AES-256-GCM with the encryption context as additional data.
const (
	cipherVersion = 1
	idLength      = 36
	headLength    = 1 + idLength + 2
	maxPlaintext  = 4096
)

// contextKeys are the condition keys that follow from an encryption context.
func contextKeys(ec map[string]string) map[string][]string {
	keys := map[string][]string{}
	for k, v := range ec {
		keys["kms:EncryptionContext:"+k] = []string{v}
		keys["kms:EncryptionContextKeys"] = append(keys["kms:EncryptionContextKeys"], k)
	}
	return keys
}

func disabled(k *key) error {
	return wire.Errorf(http.StatusBadRequest, "DisabledException", "%s is disabled.", k.ARN)
}

// usable loads a key for use with the encryption context.
func (s *Service) usable(ctx context.Context, req *wire.Request, ref *string, action string, ec map[string]string) (k key, err error) {
	if err := s.ensureManaged(req, ref); err != nil {
		return k, err
	}
	err = s.DB.View(func(tx *store.Tx) error {
		k, err = s.find(tx, req, ref, true)
		return err
	})
	if err != nil {
		return k, err
	}
	if err := s.allow(ctx, req, k, action, contextKeys(ec)); err != nil {
		return k, err
	}
	if err := alive(&k); err != nil {
		return k, err
	}
	if k.Disabled {
		return k, disabled(&k)
	}
	return k, nil
}

func gcm(material []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(material)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// additional is the encryption context in one form only: JSON sorts keys.
func additional(head []byte, ec map[string]string) ([]byte, error) {
	raw, err := json.Marshal(ec)
	if len(ec) == 0 {
		raw = nil
	}
	return slices.Concat(head, raw), err
}

func seal(k key, plain []byte, ec map[string]string) ([]byte, error) {
	last := len(k.Material) - 1
	aead, err := gcm(k.Material[last])
	if err != nil {
		return nil, err
	}
	head := make([]byte, 0, headLength)
	head = append(head, cipherVersion)
	head = append(head, k.ID...)
	head = binary.BigEndian.AppendUint16(head, uint16(last))
	ad, err := additional(head, ec)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails (crypto/rand)
	return aead.Seal(slices.Concat(head, nonce), nonce, plain, ad), nil
}

func open(k key, blob []byte, ec map[string]string) ([]byte, error) {
	i := int(binary.BigEndian.Uint16(blob[1+idLength : headLength]))
	if i >= len(k.Material) {
		return nil, invalidCiphertext()
	}
	aead, err := gcm(k.Material[i])
	if err != nil {
		return nil, err
	}
	body := blob[headLength:]
	if len(body) < aead.NonceSize() {
		return nil, invalidCiphertext()
	}
	ad, err := additional(blob[:headLength], ec)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, body[:aead.NonceSize()], body[aead.NonceSize():], ad)
	if err != nil {
		return nil, invalidCiphertext()
	}
	return plain, nil
}

func invalidCiphertext() error {
	return wire.Errorf(http.StatusBadRequest, "InvalidCiphertextException", "")
}

func symmetric(a types.EncryptionAlgorithmSpec) error {
	if a != "" && a != types.EncryptionAlgorithmSpecSymmetricDefault {
		return wire.Errorf(http.StatusBadRequest, "InvalidKeyUsageException", "Algorithm %s is incompatible with key spec SYMMETRIC_DEFAULT.", a)
	}
	return nil
}

func (s *Service) encrypt(ctx context.Context, req *wire.Request, in *sdk.EncryptInput) (*sdk.EncryptOutput, error) {
	if err := symmetric(in.EncryptionAlgorithm); err != nil {
		return nil, err
	}
	if n := len(in.Plaintext); n < 1 || n > maxPlaintext {
		return nil, validation("1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length between 1 and %d", maxPlaintext)
	}
	k, err := s.usable(ctx, req, in.KeyId, "kms:Encrypt", in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	blob, err := seal(k, in.Plaintext, in.EncryptionContext)
	return &sdk.EncryptOutput{CiphertextBlob: blob, KeyId: &k.ARN, EncryptionAlgorithm: types.EncryptionAlgorithmSpecSymmetricDefault}, err
}

func (s *Service) decrypt(ctx context.Context, req *wire.Request, in *sdk.DecryptInput) (*sdk.DecryptOutput, error) {
	if err := symmetric(in.EncryptionAlgorithm); err != nil {
		return nil, err
	}
	blob := in.CiphertextBlob
	if len(blob) < headLength || blob[0] != cipherVersion || !keyID.Match(blob[1:1+idLength]) {
		return nil, invalidCiphertext()
	}
	k, err := s.usable(ctx, req, aws.String(string(blob[1:1+idLength])), "kms:Decrypt", in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	if in.KeyId != nil {
		var named key
		err := s.DB.View(func(tx *store.Tx) (err error) {
			named, err = s.find(tx, req, in.KeyId, true)
			return err
		})
		if err != nil {
			return nil, err
		}
		if named.ID != k.ID {
			return nil, wire.Errorf(http.StatusBadRequest, "IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
		}
	}
	plain, err := open(k, blob, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &sdk.DecryptOutput{Plaintext: plain, KeyId: &k.ARN, EncryptionAlgorithm: types.EncryptionAlgorithmSpecSymmetricDefault}, nil
}

func (s *Service) dataKey(ctx context.Context, req *wire.Request, ref *string, spec types.DataKeySpec, number *int32, ec map[string]string) (k key, plain, blob []byte, err error) {
	var size int
	switch {
	case (spec == "") == (number == nil):
		return k, nil, nil, validation("Please specify either number of bytes or key spec.")
	case number != nil:
		size = int(*number)
		if size < 1 || size > 1024 {
			return k, nil, nil, validation("Value at 'numberOfBytes' failed to satisfy constraint: Member must have value between 1 and 1024")
		}
	case spec == types.DataKeySpecAes256:
		size = 32
	case spec == types.DataKeySpecAes128:
		size = 16
	default:
		return k, nil, nil, validation("Value '%s' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: [AES_256, AES_128]", spec)
	}
	if k, err = s.usable(ctx, req, ref, "kms:"+req.Operation, ec); err != nil {
		return k, nil, nil, err
	}
	plain = make([]byte, size)
	_, _ = rand.Read(plain) // never fails (crypto/rand)
	blob, err = seal(k, plain, ec)
	return k, plain, blob, err
}

func (s *Service) generateDataKey(ctx context.Context, req *wire.Request, in *sdk.GenerateDataKeyInput) (*sdk.GenerateDataKeyOutput, error) {
	k, plain, blob, err := s.dataKey(ctx, req, in.KeyId, in.KeySpec, in.NumberOfBytes, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &sdk.GenerateDataKeyOutput{KeyId: &k.ARN, Plaintext: plain, CiphertextBlob: blob}, nil
}

func (s *Service) generateDataKeyWithoutPlaintext(ctx context.Context, req *wire.Request, in *sdk.GenerateDataKeyWithoutPlaintextInput) (*sdk.GenerateDataKeyWithoutPlaintextOutput, error) {
	k, _, blob, err := s.dataKey(ctx, req, in.KeyId, in.KeySpec, in.NumberOfBytes, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &sdk.GenerateDataKeyWithoutPlaintextOutput{KeyId: &k.ARN, CiphertextBlob: blob}, nil
}
