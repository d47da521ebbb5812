package kms_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

// What KMS signs is verified with the public key alone, and what it did not sign is
// refused.
func TestSignatures(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	message := []byte("message")
	sum := sha256.Sum256(message)
	for kind, algorithms := range map[types.KeySpec][]types.SigningAlgorithmSpec{
		types.KeySpecRsa2048:     {types.SigningAlgorithmSpecRsassaPssSha256, types.SigningAlgorithmSpecRsassaPkcs1V15Sha512},
		types.KeySpecEccNistP256: {types.SigningAlgorithmSpecEcdsaSha256},
		types.KeySpecEccNistP521: {types.SigningAlgorithmSpecEcdsaSha512},
	} {
		k := create(t, c, &sdk.CreateKeyInput{KeySpec: kind, KeyUsage: types.KeyUsageTypeSignVerify})
		require.Contains(t, k.SigningAlgorithms, algorithms[0])
		require.Empty(t, k.EncryptionAlgorithms)
		pub, err := c.GetPublicKey(ctx, &sdk.GetPublicKeyInput{KeyId: k.KeyId})
		require.NoError(t, err)
		parsed, err := x509.ParsePKIXPublicKey(pub.PublicKey)
		require.NoError(t, err)
		for _, a := range algorithms {
			out, err := c.Sign(ctx, &sdk.SignInput{KeyId: k.KeyId, Message: message, SigningAlgorithm: a})
			require.NoError(t, err)
			require.Equal(t, *k.Arn, *out.KeyId)
			verify := func(message []byte) error {
				_, err := c.Verify(ctx, &sdk.VerifyInput{KeyId: k.KeyId, Message: message, Signature: out.Signature, SigningAlgorithm: a})
				return err
			}
			require.NoError(t, verify(message))
			iamtest.RequireCode(t, verify([]byte("another")), "KMSInvalidSignatureException")
			switch a {
			case types.SigningAlgorithmSpecRsassaPssSha256:
				key, ok := parsed.(*rsa.PublicKey)
				require.True(t, ok)
				require.NoError(t, rsa.VerifyPSS(key, crypto.SHA256, sum[:], out.Signature, nil))
				// A digest is signed as it is.
				_, err = c.Verify(ctx, &sdk.VerifyInput{KeyId: k.KeyId, Message: sum[:], MessageType: types.MessageTypeDigest, Signature: out.Signature, SigningAlgorithm: a})
				require.NoError(t, err)
			case types.SigningAlgorithmSpecEcdsaSha256:
				key, ok := parsed.(*ecdsa.PublicKey)
				require.True(t, ok)
				require.True(t, ecdsa.VerifyASN1(key, sum[:], out.Signature))
			}
		}
		_, err = c.Sign(ctx, &sdk.SignInput{KeyId: k.KeyId, Message: []byte("short"), MessageType: types.MessageTypeDigest, SigningAlgorithm: algorithms[0]})
		require.ErrorContains(t, err, "Digest is invalid length for algorithm")
		_, err = c.Encrypt(ctx, &sdk.EncryptInput{KeyId: k.KeyId, Plaintext: message})
		require.ErrorContains(t, err, "InvalidKeyUsageException: "+*k.Arn+" key usage is SIGN_VERIFY which is not valid for Encrypt.")
	}
	for _, in := range []*sdk.CreateKeyInput{
		{KeySpec: types.KeySpecRsa2048}, {KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeEncryptDecrypt}, {KeyUsage: types.KeyUsageTypeSignVerify},
	} {
		_, err := c.CreateKey(ctx, in)
		iamtest.RequireCode(t, err, "ValidationException")
	}
}

func TestOtherKindsOfKeys(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	text := []byte("text")
	k := create(t, c, &sdk.CreateKeyInput{KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeEncryptDecrypt})
	oaep := types.EncryptionAlgorithmSpecRsaesOaepSha256
	blob, err := c.Encrypt(ctx, &sdk.EncryptInput{KeyId: k.KeyId, Plaintext: text, EncryptionAlgorithm: oaep})
	require.NoError(t, err)
	plain, err := c.Decrypt(ctx, &sdk.DecryptInput{KeyId: k.KeyId, CiphertextBlob: blob.CiphertextBlob, EncryptionAlgorithm: oaep})
	require.NoError(t, err)
	require.Equal(t, text, plain.Plaintext)
	_, err = c.Decrypt(ctx, &sdk.DecryptInput{KeyId: k.KeyId, CiphertextBlob: []byte("x"), EncryptionAlgorithm: oaep})
	iamtest.RequireCode(t, err, "InvalidCiphertextException")
	_, err = c.Encrypt(ctx, &sdk.EncryptInput{KeyId: k.KeyId, Plaintext: text})
	require.ErrorContains(t, err, "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048.")
	_, err = c.EnableKeyRotation(ctx, &sdk.EnableKeyRotationInput{KeyId: k.KeyId})
	iamtest.RequireCode(t, err, "UnsupportedOperationException")

	h := create(t, c, &sdk.CreateKeyInput{KeySpec: types.KeySpecHmac512, KeyUsage: types.KeyUsageTypeGenerateVerifyMac})
	mac, err := c.GenerateMac(ctx, &sdk.GenerateMacInput{KeyId: h.KeyId, Message: text, MacAlgorithm: types.MacAlgorithmSpecHmacSha512})
	require.NoError(t, err)
	require.Len(t, mac.Mac, 64)
	for message, code := range map[string]string{"text": "", "other": "KMSInvalidMacException"} {
		_, err := c.VerifyMac(ctx, &sdk.VerifyMacInput{KeyId: h.KeyId, Message: []byte(message), Mac: mac.Mac, MacAlgorithm: types.MacAlgorithmSpecHmacSha512})
		if code == "" {
			require.NoError(t, err)
			continue
		}
		iamtest.RequireCode(t, err, code)
	}
	random, err := c.GenerateRandom(ctx, &sdk.GenerateRandomInput{NumberOfBytes: aws.Int32(12)})
	require.NoError(t, err)
	require.Len(t, random.Plaintext, 12)
	_, err = c.GenerateRandom(ctx, &sdk.GenerateRandomInput{NumberOfBytes: aws.Int32(1025)})
	iamtest.RequireCode(t, err, "ValidationException")
}

// A key pair's private half is readable by its key only; re-encryption and rotation
// leave what was encrypted readable.
func TestReEncryptAndRotate(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	a, b := create(t, c, &sdk.CreateKeyInput{}), create(t, c, &sdk.CreateKeyInput{})
	ec := map[string]string{"a": "1"}
	pair, err := c.GenerateDataKeyPair(ctx, &sdk.GenerateDataKeyPairInput{KeyId: a.KeyId, KeyPairSpec: types.DataKeyPairSpecEccNistP256, EncryptionContext: ec})
	require.NoError(t, err)
	for i := range 2 {
		_, err = c.RotateKeyOnDemand(ctx, &sdk.RotateKeyOnDemandInput{KeyId: a.KeyId})
		require.NoError(t, err)
		list, err := c.ListKeyRotations(ctx, &sdk.ListKeyRotationsInput{KeyId: a.KeyId})
		require.NoError(t, err)
		require.Len(t, list.Rotations, i+1)
	}
	out, err := c.ReEncrypt(ctx, &sdk.ReEncryptInput{CiphertextBlob: pair.PrivateKeyCiphertextBlob, SourceEncryptionContext: ec, DestinationKeyId: b.KeyId})
	require.NoError(t, err)
	require.Equal(t, []string{*a.Arn, *b.Arn}, []string{*out.SourceKeyId, *out.KeyId})
	plain, err := c.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: out.CiphertextBlob})
	require.NoError(t, err)
	require.Equal(t, pair.PrivateKeyPlaintext, plain.Plaintext)
	_, err = c.ReEncrypt(ctx, &sdk.ReEncryptInput{CiphertextBlob: pair.PrivateKeyCiphertextBlob, DestinationKeyId: b.KeyId})
	iamtest.RequireCode(t, err, "InvalidCiphertextException")
	// Each side is a permission of its own.
	_, cfg := w.Role(t, "from", iamtest.Allow("kms:ReEncryptTo", "*"))
	_, err = sdk.NewFromConfig(cfg).ReEncrypt(ctx, &sdk.ReEncryptInput{CiphertextBlob: pair.PrivateKeyCiphertextBlob, SourceEncryptionContext: ec, DestinationKeyId: b.KeyId})
	require.ErrorContains(t, err, "kms:ReEncryptFrom")
	for target, want := range map[string]string{"alias/b": "Aliases must refer to keys. Not aliases", "arn:aws:kms:us-east-1:000000000000:alias/b": "Not aliases"} {
		_, err := c.CreateAlias(ctx, &sdk.CreateAliasInput{AliasName: aws.String("alias/a"), TargetKeyId: &target})
		require.ErrorContains(t, err, want)
	}
	_, err = c.DeleteAlias(ctx, &sdk.DeleteAliasInput{AliasName: aws.String("a")})
	require.ErrorContains(t, err, "ValidationException: Invalid identifier")
	names, err := c.ListKeyPolicies(ctx, &sdk.ListKeyPoliciesInput{KeyId: a.KeyId})
	require.NoError(t, err)
	require.Equal(t, []string{"default"}, names.PolicyNames)
}
