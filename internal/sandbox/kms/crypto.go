package kms

import (
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
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
	use := wire.Access{On: s.onKey("KeyId", true), Keys: contextKeys}
	wire.Handle(r, "kms", "Encrypt", tried(s.encrypt, func(in *sdk.EncryptInput) *bool { return in.DryRun }), use)
	wire.Handle(r, "kms", "Decrypt", tried(s.decrypt, func(in *sdk.DecryptInput) *bool { return in.DryRun }), wire.Access{On: s.onCiphertext, Keys: contextKeys})
	wire.Handle(r, "kms", "GenerateDataKey", tried(s.generateDataKey, func(in *sdk.GenerateDataKeyInput) *bool { return in.DryRun }), use)
	wire.Handle(r, "kms", "GenerateDataKeyWithoutPlaintext", tried(s.generateDataKeyWithoutPlaintext,
		func(in *sdk.GenerateDataKeyWithoutPlaintextInput) *bool { return in.DryRun }), use)
	wire.Handle(r, "kms", "GenerateDataKeyPair", tried(s.generatePair, func(in *sdk.GenerateDataKeyPairInput) *bool { return in.DryRun }), use)
	wire.Handle(r, "kms", "GenerateDataKeyPairWithoutPlaintext", tried(s.generatePairSealed,
		func(in *sdk.GenerateDataKeyPairWithoutPlaintextInput) *bool { return in.DryRun }), use)
	wire.Handle(r, "kms", "Sign", tried(s.sign, func(in *sdk.SignInput) *bool { return in.DryRun }), use)
	wire.Handle(r, "kms", "Verify", tried(s.verify, func(in *sdk.VerifyInput) *bool { return in.DryRun }), use)
	wire.Handle(r, "kms", "GetPublicKey", s.publicKey, use)
	wire.Handle(r, "kms", "GenerateMac", tried(s.generateMac, func(in *sdk.GenerateMacInput) *bool { return in.DryRun }), use)
	wire.Handle(r, "kms", "VerifyMac", tried(s.verifyMac, func(in *sdk.VerifyMacInput) *bool { return in.DryRun }), use)
	wire.Handle(r, "kms", "GenerateRandom", s.random, wire.Access{})
	wire.Handle(r, "kms", "ReEncrypt", tried(s.reEncrypt, func(in *sdk.ReEncryptInput) *bool { return in.DryRun }), wire.Access{
		Action: "kms:ReEncryptTo", On: s.onKey("DestinationKeyId", true),
		Keys: func(_ *wire.Request, in wire.Input) map[string][]string {
			return contextOf(in.Map("DestinationEncryptionContext"))
		},
	})
}

// tried is an operation that changes nothing and can be asked for on trial: what would have
// been done is told as an error.
// https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html
func tried[I, O any](fn func(context.Context, *wire.Request, *I) (*O, error), trial func(*I) *bool) func(context.Context, *wire.Request, *I) (*O, error) {
	return func(ctx context.Context, req *wire.Request, in *I) (*O, error) {
		out, err := fn(ctx, req, in)
		if err == nil {
			err = onTrial(trial(in))
		}
		if err != nil {
			return nil, err
		}
		return out, nil
	}
}

// onTrial is the last thing to be asked before something is done.
func onTrial(trial *bool) error {
	if !aws.ToBool(trial) {
		return nil
	}
	return wire.Errorf(http.StatusBadRequest, "DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
}

// onCiphertext is the key that a ciphertext was made with.
func (s *Service) onCiphertext(req *wire.Request, in wire.Input) []string {
	blob, err := base64.StdEncoding.DecodeString(in.Text("CiphertextBlob"))
	id, ok := keyOf(blob)
	if err != nil || !ok {
		return s.onKey("KeyId", true)(req, in)
	}
	return s.onKey("KeyId", false)(req, wire.Input{"KeyId": id})
}

// keyOf reads the id of the key out of a ciphertext.
func keyOf(blob []byte) (id string, ok bool) {
	if len(blob) < headLength || blob[0] != cipherVersion || !keyID.Match(blob[1:1+idLength]) {
		return "", false
	}
	return string(blob[1 : 1+idLength]), true
}

// A ciphertext is: version (1), key id (36), material (uint16), nonce (12), the
// text sealed by AES-256-GCM with the encryption context as additional data.
const (
	cipherVersion = 1
	idLength      = 36
	headLength    = 1 + idLength + 2
)

// contextKeys are the condition keys that follow from an encryption context.
func contextKeys(_ *wire.Request, in wire.Input) map[string][]string {
	return contextOf(in.Map("EncryptionContext"))
}

func contextOf(ec map[string]string) map[string][]string {
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

// usable loads a key that can be used.
func (s *Service) usable(req *wire.Request, ref *string) (k key, err error) {
	if k, err = s.read(req, ref, true); err != nil {
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

func incorrectKey() error {
	return wire.Errorf(http.StatusBadRequest, "IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
}

func invalidCiphertext() error {
	return wire.Errorf(http.StatusBadRequest, "InvalidCiphertextException", "")
}

func (s *Service) encrypt(_ context.Context, req *wire.Request, in *sdk.EncryptInput) (*sdk.EncryptOutput, error) {
	algorithm := cmp.Or(in.EncryptionAlgorithm, types.EncryptionAlgorithmSpecSymmetricDefault)
	k, err := usableFor(s, req, in.KeyId, types.KeyUsageTypeEncryptDecrypt, encryptions, algorithm)
	if err != nil {
		return nil, err
	}
	out := &sdk.EncryptOutput{KeyId: &k.ARN, EncryptionAlgorithm: algorithm}
	if k.kind() == types.KeySpecSymmetricDefault {
		out.CiphertextBlob, err = seal(k, in.Plaintext, in.EncryptionContext)
	} else {
		out.CiphertextBlob, err = encryptRSA(k, algorithm, in.Plaintext)
	}
	return out, err
}

func (s *Service) decrypt(_ context.Context, req *wire.Request, in *sdk.DecryptInput) (*sdk.DecryptOutput, error) {
	algorithm := cmp.Or(in.EncryptionAlgorithm, types.EncryptionAlgorithmSpecSymmetricDefault)
	if algorithm != types.EncryptionAlgorithmSpecSymmetricDefault { // which tells nothing of its key
		k, err := usableFor(s, req, in.KeyId, types.KeyUsageTypeEncryptDecrypt, encryptions, algorithm)
		if err != nil {
			return nil, err
		}
		plain, err := decryptRSA(k, algorithm, in.CiphertextBlob)
		return &sdk.DecryptOutput{Plaintext: plain, KeyId: &k.ARN, EncryptionAlgorithm: algorithm}, err
	}
	blob := in.CiphertextBlob
	id, ok := keyOf(blob)
	if !ok {
		return nil, invalidCiphertext()
	}
	k, err := s.usable(req, &id)
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
			return nil, incorrectKey()
		}
	}
	plain, err := open(k, blob, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &sdk.DecryptOutput{Plaintext: plain, KeyId: &k.ARN, EncryptionAlgorithm: types.EncryptionAlgorithmSpecSymmetricDefault}, nil
}

func (s *Service) dataKey(req *wire.Request, ref *string, spec types.DataKeySpec, number *int32, ec map[string]string) (k key, plain, blob []byte, err error) {
	var size int
	switch {
	case (spec == "") == (number == nil):
		return k, nil, nil, validation("Please specify either number of bytes or key spec.")
	case number != nil:
		size = int(*number)
	case spec == types.DataKeySpecAes256:
		size = 32
	default: // AES_128
		size = 16
	}
	if k, err = usableFor(s, req, ref, types.KeyUsageTypeEncryptDecrypt, encryptions, types.EncryptionAlgorithmSpecSymmetricDefault); err != nil {
		return k, nil, nil, err
	}
	plain = make([]byte, size)
	_, _ = rand.Read(plain) // never fails (crypto/rand)
	blob, err = seal(k, plain, ec)
	return k, plain, blob, err
}

func (s *Service) generateDataKey(_ context.Context, req *wire.Request, in *sdk.GenerateDataKeyInput) (*sdk.GenerateDataKeyOutput, error) {
	k, plain, blob, err := s.dataKey(req, in.KeyId, in.KeySpec, in.NumberOfBytes, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &sdk.GenerateDataKeyOutput{KeyId: &k.ARN, Plaintext: plain, CiphertextBlob: blob}, nil
}

func (s *Service) generateDataKeyWithoutPlaintext(_ context.Context, req *wire.Request,
	in *sdk.GenerateDataKeyWithoutPlaintextInput,
) (*sdk.GenerateDataKeyWithoutPlaintextOutput, error) {
	k, _, blob, err := s.dataKey(req, in.KeyId, in.KeySpec, in.NumberOfBytes, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &sdk.GenerateDataKeyWithoutPlaintextOutput{KeyId: &k.ARN, CiphertextBlob: blob}, nil
}
