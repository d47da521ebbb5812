package kms

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // RSAES_OAEP_SHA_1 is one of KMS's algorithms
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"hash"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Keys that are no symmetric keys: RSA and elliptic curves for signatures, RSA for
// encryption too, and HMAC. Their material is one, a PKCS #8 private key or the bytes.
// https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html

// spec is what keys of a kind can.
type spec struct {
	bits    int            // of an RSA key, or the bytes of an HMAC key
	curve   elliptic.Curve // of an ECC key
	usages  []types.KeyUsageType
	encrypt []types.EncryptionAlgorithmSpec
	sign    []types.SigningAlgorithmSpec
	mac     []types.MacAlgorithmSpec
}

var (
	rsaEncrypt = []types.EncryptionAlgorithmSpec{types.EncryptionAlgorithmSpecRsaesOaepSha1, types.EncryptionAlgorithmSpecRsaesOaepSha256}
	rsaSign    = []types.SigningAlgorithmSpec{
		types.SigningAlgorithmSpecRsassaPkcs1V15Sha256, types.SigningAlgorithmSpecRsassaPkcs1V15Sha384, types.SigningAlgorithmSpecRsassaPkcs1V15Sha512,
		types.SigningAlgorithmSpecRsassaPssSha256, types.SigningAlgorithmSpecRsassaPssSha384, types.SigningAlgorithmSpecRsassaPssSha512,
	}
)

func rsaOf(bits int) spec {
	return spec{bits: bits, usages: []types.KeyUsageType{types.KeyUsageTypeEncryptDecrypt, types.KeyUsageTypeSignVerify}, encrypt: rsaEncrypt, sign: rsaSign}
}

func eccOf(c elliptic.Curve, a types.SigningAlgorithmSpec) spec {
	return spec{curve: c, usages: []types.KeyUsageType{types.KeyUsageTypeSignVerify}, sign: []types.SigningAlgorithmSpec{a}}
}

func hmacOf(size int, a types.MacAlgorithmSpec) spec {
	return spec{bits: size, usages: []types.KeyUsageType{types.KeyUsageTypeGenerateVerifyMac}, mac: []types.MacAlgorithmSpec{a}}
}

var specs = map[types.KeySpec]spec{
	types.KeySpecSymmetricDefault: {
		usages:  []types.KeyUsageType{types.KeyUsageTypeEncryptDecrypt},
		encrypt: []types.EncryptionAlgorithmSpec{types.EncryptionAlgorithmSpecSymmetricDefault},
	},
	types.KeySpecRsa2048: rsaOf(2048), types.KeySpecRsa3072: rsaOf(3072), types.KeySpecRsa4096: rsaOf(4096),
	types.KeySpecEccNistP256: eccOf(elliptic.P256(), types.SigningAlgorithmSpecEcdsaSha256),
	types.KeySpecEccNistP384: eccOf(elliptic.P384(), types.SigningAlgorithmSpecEcdsaSha384),
	types.KeySpecEccNistP521: eccOf(elliptic.P521(), types.SigningAlgorithmSpecEcdsaSha512),
	types.KeySpecHmac224:     hmacOf(28, types.MacAlgorithmSpecHmacSha224), types.KeySpecHmac256: hmacOf(32, types.MacAlgorithmSpecHmacSha256),
	types.KeySpecHmac384: hmacOf(48, types.MacAlgorithmSpecHmacSha384), types.KeySpecHmac512: hmacOf(64, types.MacAlgorithmSpecHmacSha512),
}

// kind and usage of a key; those of the first keys are not in the store.
func (k *key) kind() types.KeySpec {
	if k.Spec == "" {
		return types.KeySpecSymmetricDefault
	}
	return types.KeySpec(k.Spec)
}

func (k *key) usage() types.KeyUsageType {
	if k.Usage == "" {
		return types.KeyUsageTypeEncryptDecrypt
	}
	return types.KeyUsageType(k.Usage)
}

// checkSpec refuses what the sandbox has not, and usages that a kind is not for.
func checkSpec(kind types.KeySpec, usage types.KeyUsageType) error {
	of, ok := specs[kind]
	switch {
	case !ok:
		return wire.Errorf(http.StatusBadRequest, "UnsupportedOperationException", "the sandbox has no keys of spec %s", kind)
	case usage == "" && kind != types.KeySpecSymmetricDefault:
		return validation("You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.")
	case usage != "" && !slices.Contains(of.usages, usage):
		return validation("KeyUsage %s is not compatible with KeySpec %s", usage, kind)
	}
	return nil
}

// material makes what a key of the kind keeps.
func (of spec) material() ([]byte, error) {
	switch {
	case of.curve != nil:
		private, err := ecdsa.GenerateKey(of.curve, rand.Reader)
		if err != nil {
			return nil, err
		}
		return x509.MarshalPKCS8PrivateKey(private)
	case of.sign != nil:
		private, err := rsa.GenerateKey(rand.Reader, of.bits)
		if err != nil {
			return nil, err
		}
		return x509.MarshalPKCS8PrivateKey(private)
	case of.mac != nil:
		b := make([]byte, of.bits)
		_, _ = rand.Read(b) // never fails (crypto/rand)
		return b, nil
	}
	return newMaterial(), nil
}

// describe tells in the metadata what a key can.
func (k *key) describe(m *types.KeyMetadata) {
	of := specs[k.kind()]
	m.KeySpec, m.KeyUsage, m.CustomerMasterKeySpec = k.kind(), k.usage(), types.CustomerMasterKeySpec(k.kind())
	switch k.usage() {
	case types.KeyUsageTypeEncryptDecrypt:
		m.EncryptionAlgorithms = of.encrypt
	case types.KeyUsageTypeSignVerify:
		m.SigningAlgorithms = of.sign
	case types.KeyUsageTypeGenerateVerifyMac:
		m.MacAlgorithms = of.mac
	}
}

// usableFor loads a key for a use of it by an algorithm.
func usableFor[A ~string](s *Service, req *wire.Request, ref *string, usage types.KeyUsageType, has func(spec) []A, algorithm A) (key, error) {
	k, err := s.usable(req, ref)
	switch {
	case err != nil:
		return k, err
	case k.usage() != usage:
		return k, wire.Errorf(http.StatusBadRequest, "InvalidKeyUsageException", "%s key usage is %s which is not valid for %s.", k.ARN, k.usage(), req.Operation)
	case !slices.Contains(has(specs[k.kind()]), algorithm):
		return k, wire.Errorf(http.StatusBadRequest, "InvalidKeyUsageException", "Algorithm %s is incompatible with key spec %s.", algorithm, k.kind())
	}
	return k, nil
}

func encryptions(of spec) []types.EncryptionAlgorithmSpec { return of.encrypt }
func signings(of spec) []types.SigningAlgorithmSpec       { return of.sign }
func macs(of spec) []types.MacAlgorithmSpec               { return of.mac }

// hashOf is the hash in the name of an algorithm.
func hashOf(algorithm string) crypto.Hash {
	switch {
	case strings.HasSuffix(algorithm, "SHA_384"):
		return crypto.SHA384
	case strings.HasSuffix(algorithm, "SHA_512"):
		return crypto.SHA512
	}
	return crypto.SHA256
}

// digest is what is signed: the message's, or the message if it is a digest already.
func digest(algorithm types.SigningAlgorithmSpec, kind types.MessageType, message []byte) ([]byte, error) {
	h := hashOf(string(algorithm))
	if kind == types.MessageTypeDigest {
		if len(message) != h.Size() {
			return nil, validation("Digest is invalid length for algorithm %s.", algorithm)
		}
		return message, nil
	}
	f := h.New()
	_, _ = f.Write(message) // a hash takes everything
	return f.Sum(nil), nil
}

func (s *Service) sign(_ context.Context, req *wire.Request, in *sdk.SignInput) (*sdk.SignOutput, error) {
	k, err := usableFor(s, req, in.KeyId, types.KeyUsageTypeSignVerify, signings, in.SigningAlgorithm)
	if err != nil {
		return nil, err
	}
	sum, err := digest(in.SigningAlgorithm, in.MessageType, in.Message)
	if err != nil {
		return nil, err
	}
	private, err := x509.ParsePKCS8PrivateKey(k.Material[0])
	if err != nil {
		return nil, err
	}
	h := hashOf(string(in.SigningAlgorithm))
	out := &sdk.SignOutput{KeyId: &k.ARN, SigningAlgorithm: in.SigningAlgorithm}
	switch p := private.(type) {
	case *ecdsa.PrivateKey:
		out.Signature, err = ecdsa.SignASN1(rand.Reader, p, sum)
	case *rsa.PrivateKey:
		if strings.Contains(string(in.SigningAlgorithm), "_PSS_") {
			out.Signature, err = rsa.SignPSS(rand.Reader, p, h, sum, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			out.Signature, err = rsa.SignPKCS1v15(rand.Reader, p, h, sum)
		}
	}
	return out, err
}

// verify tells of a signature that is not the key's by an error, as AWS does.
func (s *Service) verify(_ context.Context, req *wire.Request, in *sdk.VerifyInput) (*sdk.VerifyOutput, error) {
	k, err := usableFor(s, req, in.KeyId, types.KeyUsageTypeSignVerify, signings, in.SigningAlgorithm)
	if err != nil {
		return nil, err
	}
	sum, err := digest(in.SigningAlgorithm, in.MessageType, in.Message)
	if err != nil {
		return nil, err
	}
	private, err := x509.ParsePKCS8PrivateKey(k.Material[0])
	if err != nil {
		return nil, err
	}
	h, good := hashOf(string(in.SigningAlgorithm)), false
	switch p := private.(type) {
	case *ecdsa.PrivateKey:
		good = ecdsa.VerifyASN1(&p.PublicKey, sum, in.Signature)
	case *rsa.PrivateKey:
		if strings.Contains(string(in.SigningAlgorithm), "_PSS_") {
			good = rsa.VerifyPSS(&p.PublicKey, h, sum, in.Signature, nil) == nil
		} else {
			good = rsa.VerifyPKCS1v15(&p.PublicKey, h, sum, in.Signature) == nil
		}
	}
	if !good {
		return nil, wire.Errorf(http.StatusBadRequest, "KMSInvalidSignatureException", "")
	}
	return &sdk.VerifyOutput{KeyId: &k.ARN, SigningAlgorithm: in.SigningAlgorithm, SignatureValid: true}, nil
}

// public is the public half of a private key.
func public(private any) any {
	p, ok := private.(interface{ Public() crypto.PublicKey })
	if !ok {
		return nil
	}
	return p.Public()
}

func (s *Service) publicKey(_ context.Context, req *wire.Request, in *sdk.GetPublicKeyInput) (*sdk.GetPublicKeyOutput, error) {
	k, err := s.usable(req, in.KeyId)
	if err != nil {
		return nil, err
	}
	if specs[k.kind()].sign == nil {
		return nil, wire.Errorf(http.StatusBadRequest, "UnsupportedOperationException", "%s is not an asymmetric key.", k.ARN)
	}
	private, err := x509.ParsePKCS8PrivateKey(k.Material[0])
	if err != nil {
		return nil, err
	}
	var m types.KeyMetadata
	k.describe(&m)
	out := &sdk.GetPublicKeyOutput{
		KeyId: &k.ARN, KeySpec: m.KeySpec, CustomerMasterKeySpec: m.CustomerMasterKeySpec, KeyUsage: m.KeyUsage,
		EncryptionAlgorithms: m.EncryptionAlgorithms, SigningAlgorithms: m.SigningAlgorithms,
	}
	out.PublicKey, err = x509.MarshalPKIXPublicKey(public(private))
	return out, err
}

// oaep is RSA's encryption; the hash is in the algorithm's name.
func oaep(algorithm types.EncryptionAlgorithmSpec) hash.Hash {
	if algorithm == types.EncryptionAlgorithmSpecRsaesOaepSha1 {
		return sha1.New() // the algorithm that was asked for
	}
	return sha256.New()
}

func encryptRSA(k key, algorithm types.EncryptionAlgorithmSpec, plain []byte) ([]byte, error) {
	private, err := x509.ParsePKCS8PrivateKey(k.Material[0])
	if err != nil {
		return nil, err
	}
	p, ok := private.(*rsa.PrivateKey)
	if !ok {
		return nil, invalidCiphertext()
	}
	out, err := rsa.EncryptOAEP(oaep(algorithm), rand.Reader, &p.PublicKey, plain, nil)
	if err != nil {
		return nil, validation("Algorithm %s and key spec %s cannot encrypt data larger than %d bytes.", algorithm, k.kind(), p.Size()-2*oaep(algorithm).Size()-2)
	}
	return out, nil
}

func decryptRSA(k key, algorithm types.EncryptionAlgorithmSpec, blob []byte) ([]byte, error) {
	private, err := x509.ParsePKCS8PrivateKey(k.Material[0])
	if err != nil {
		return nil, err
	}
	p, ok := private.(*rsa.PrivateKey)
	if !ok {
		return nil, invalidCiphertext()
	}
	plain, err := rsa.DecryptOAEP(oaep(algorithm), nil, p, blob, nil)
	if err != nil {
		return nil, invalidCiphertext()
	}
	return plain, nil
}

// mac is the message's code under a key.
func (k *key) mac(algorithm types.MacAlgorithmSpec, message []byte) []byte {
	f := map[types.MacAlgorithmSpec]func() hash.Hash{
		types.MacAlgorithmSpecHmacSha224: sha256.New224, types.MacAlgorithmSpecHmacSha256: sha256.New,
		types.MacAlgorithmSpecHmacSha384: sha512.New384, types.MacAlgorithmSpecHmacSha512: sha512.New,
	}[algorithm]
	h := hmac.New(f, k.Material[0])
	_, _ = h.Write(message) // a hash takes everything
	return h.Sum(nil)
}

func (s *Service) generateMac(_ context.Context, req *wire.Request, in *sdk.GenerateMacInput) (*sdk.GenerateMacOutput, error) {
	k, err := usableFor(s, req, in.KeyId, types.KeyUsageTypeGenerateVerifyMac, macs, in.MacAlgorithm)
	if err != nil {
		return nil, err
	}
	return &sdk.GenerateMacOutput{KeyId: &k.ARN, MacAlgorithm: in.MacAlgorithm, Mac: k.mac(in.MacAlgorithm, in.Message)}, nil
}

func (s *Service) verifyMac(_ context.Context, req *wire.Request, in *sdk.VerifyMacInput) (*sdk.VerifyMacOutput, error) {
	k, err := usableFor(s, req, in.KeyId, types.KeyUsageTypeGenerateVerifyMac, macs, in.MacAlgorithm)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(k.mac(in.MacAlgorithm, in.Message), in.Mac) {
		return nil, wire.Errorf(http.StatusBadRequest, "KMSInvalidMacException", "")
	}
	return &sdk.VerifyMacOutput{KeyId: &k.ARN, MacAlgorithm: in.MacAlgorithm, MacValid: true}, nil
}

// pair is a key pair for use outside of KMS, its private half encrypted under k.
func (s *Service) pair(req *wire.Request, ref *string, kind types.DataKeyPairSpec, ec map[string]string) (k key, private, sealed, open []byte, err error) {
	of, ok := specs[types.KeySpec(kind)]
	if !ok || of.sign == nil {
		return k, nil, nil, nil, wire.Errorf(http.StatusBadRequest, "UnsupportedOperationException", "the sandbox makes no key pairs of spec %s", kind)
	}
	if k, err = usableFor(s, req, ref, types.KeyUsageTypeEncryptDecrypt, encryptions, types.EncryptionAlgorithmSpecSymmetricDefault); err != nil {
		return k, nil, nil, nil, err
	}
	if private, err = of.material(); err != nil {
		return k, nil, nil, nil, err
	}
	made, err := x509.ParsePKCS8PrivateKey(private)
	if err != nil {
		return k, nil, nil, nil, err
	}
	if open, err = x509.MarshalPKIXPublicKey(public(made)); err != nil {
		return k, nil, nil, nil, err
	}
	sealed, err = seal(k, private, ec)
	return k, private, sealed, open, err
}

func (s *Service) generatePair(_ context.Context, req *wire.Request, in *sdk.GenerateDataKeyPairInput) (*sdk.GenerateDataKeyPairOutput, error) {
	k, private, sealed, open, err := s.pair(req, in.KeyId, in.KeyPairSpec, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &sdk.GenerateDataKeyPairOutput{KeyId: &k.ARN, KeyPairSpec: in.KeyPairSpec, PrivateKeyPlaintext: private, PrivateKeyCiphertextBlob: sealed, PublicKey: open}, nil
}

func (s *Service) generatePairSealed(_ context.Context, req *wire.Request,
	in *sdk.GenerateDataKeyPairWithoutPlaintextInput,
) (*sdk.GenerateDataKeyPairWithoutPlaintextOutput, error) {
	k, _, sealed, open, err := s.pair(req, in.KeyId, in.KeyPairSpec, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &sdk.GenerateDataKeyPairWithoutPlaintextOutput{KeyId: &k.ARN, KeyPairSpec: in.KeyPairSpec, PrivateKeyCiphertextBlob: sealed, PublicKey: open}, nil
}

func (s *Service) random(_ context.Context, _ *wire.Request, in *sdk.GenerateRandomInput) (*sdk.GenerateRandomOutput, error) {
	if in.NumberOfBytes == nil {
		return nil, validation("NumberOfBytes is required.")
	}
	b := make([]byte, *in.NumberOfBytes)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return &sdk.GenerateRandomOutput{Plaintext: b}, nil
}

// reEncrypt needs a permission on each of its two keys; the row asks for that on the
// destination.
func (s *Service) reEncrypt(ctx context.Context, req *wire.Request, in *sdk.ReEncryptInput) (*sdk.ReEncryptOutput, error) {
	id, ok := keyOf(in.CiphertextBlob)
	if !ok {
		return nil, invalidCiphertext()
	}
	from, err := s.usable(req, &id)
	if err != nil {
		return nil, err
	}
	if err := req.May(ctx, "kms:ReEncryptFrom", from.ARN, contextOf(in.SourceEncryptionContext)); err != nil {
		return nil, err
	}
	if in.SourceKeyId != nil {
		named, err := s.read(req, in.SourceKeyId, true)
		if err != nil {
			return nil, err
		}
		if named.ID != from.ID {
			return nil, incorrectKey()
		}
	}
	to, err := usableFor(s, req, in.DestinationKeyId, types.KeyUsageTypeEncryptDecrypt, encryptions, types.EncryptionAlgorithmSpecSymmetricDefault)
	if err != nil {
		return nil, err
	}
	plain, err := open(from, in.CiphertextBlob, in.SourceEncryptionContext)
	if err != nil {
		return nil, err
	}
	blob, err := seal(to, plain, in.DestinationEncryptionContext)
	return &sdk.ReEncryptOutput{
		CiphertextBlob: blob, SourceKeyId: &from.ARN, KeyId: &to.ARN,
		SourceEncryptionAlgorithm: types.EncryptionAlgorithmSpecSymmetricDefault, DestinationEncryptionAlgorithm: types.EncryptionAlgorithmSpecSymmetricDefault,
	}, err
}

// maxOnDemand is how often a key may be rotated on demand.
const maxOnDemand = 25

// rotateNow gives a key new material; what was encrypted before stays readable.
func (s *Service) rotateNow(_ context.Context, req *wire.Request, in *sdk.RotateKeyOnDemandInput) (*sdk.RotateKeyOnDemandOutput, error) {
	k, err := s.change(req, in.KeyId, func(k *key) error {
		switch {
		case k.Disabled:
			return disabled(k)
		case k.kind() != types.KeySpecSymmetricDefault:
			return wire.Errorf(http.StatusBadRequest, "UnsupportedOperationException", "")
		case len(k.Rotations) >= maxOnDemand:
			return wire.Errorf(http.StatusBadRequest, "LimitExceededException", "The on-demand rotations limit has been reached for the given keyId. "+
				"No more on-demand rotations can be performed for this key: %s", k.ARN)
		}
		k.Material = append(k.Material, newMaterial())
		k.Rotations = append(k.Rotations, s.now())
		return alive(k)
	})
	return &sdk.RotateKeyOnDemandOutput{KeyId: &k.ARN}, err
}

func (s *Service) listRotations(_ context.Context, req *wire.Request, in *sdk.ListKeyRotationsInput) (*sdk.ListKeyRotationsOutput, error) {
	k, err := s.read(req, in.KeyId, false)
	if err != nil {
		return nil, err
	}
	all := []types.RotationsListEntry{}
	for _, at := range k.Rotations {
		all = append(all, types.RotationsListEntry{KeyId: &k.ID, RotationDate: aws.Time(at), RotationType: types.RotationTypeOnDemand})
	}
	some, next, err := pageOf(all, in.Marker, in.Limit, func(r types.RotationsListEntry) string { return r.RotationDate.Format("2006-01-02T15:04:05.000000000") })
	return &sdk.ListKeyRotationsOutput{Rotations: some, NextMarker: next, Truncated: next != nil}, err
}

func (s *Service) listPolicies(_ context.Context, req *wire.Request, in *sdk.ListKeyPoliciesInput) (*sdk.ListKeyPoliciesOutput, error) {
	_, err := s.read(req, in.KeyId, false)
	return &sdk.ListKeyPoliciesOutput{PolicyNames: []string{"default"}}, err
}
