package sns

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // the algorithm of version 1 of the signature
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// signer is the key that messages are signed with, and its certificate, which anybody may
// read at the address that messages name.
type signer struct {
	Key, Certificate []byte // PKCS #8 and X.509, both DER
	key              *rsa.PrivateKey
}

// certificatePath is where the certificate is; who checks messages wants AWS's form of it:
// 32 letters and digits.
const certificatePath = "/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"

// signing is the key of the sandbox, which is made when it is first needed.
func (s *Service) signing() (*signer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signer != nil {
		return s.signer, nil
	}
	x, found, err := store.Read[signer](s.DB, signerBucket, signerKey)
	if err != nil {
		return nil, err
	}
	if !found {
		if x, err = newSigner(s.now()); err != nil {
			return nil, err
		}
		if err := s.DB.Update(func(tx *store.Tx) error { return store.Put(tx, signerBucket, signerKey, x) }); err != nil {
			return nil, err
		}
	}
	private, err := x509.ParsePKCS8PrivateKey(x.Key)
	if err != nil {
		return nil, err
	}
	key, ok := private.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key of messages is a %T", private)
	}
	x.key = key
	s.signer = &x
	return s.signer, nil
}

func newSigner(now time.Time) (x signer, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return x, err
	}
	if x.Key, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		return x, err
	}
	of := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: ServiceName}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(20, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, DNSNames: []string{ServiceName},
	}
	x.Certificate, err = x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
	return x, err
}

// pem is the certificate as it is given out.
func (x *signer) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: x.Certificate})
}

// sign signs a message.
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
func (s *Service) sign(doc map[string]any, topicARN string) error {
	x, err := s.signing()
	if err != nil {
		return err
	}
	version := "1"
	a, _ := wire.ParseARN(topicARN)
	t, _, err := store.Read[topic](s.DB, topicsBucket, ref{wire.ScopeOfARN(a), a.Resource}.key())
	if err != nil {
		return err
	}
	if v := t.Attributes["SignatureVersion"]; v != "" {
		version = v
	}
	doc["SignatureVersion"], doc["SigningCertURL"] = version, s.Endpoint+certificatePath
	var b strings.Builder
	for _, name := range []string{"Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"} {
		if v, ok := doc[name]; ok {
			fmt.Fprintf(&b, "%s\n%s\n", name, v)
		}
	}
	old := sha1.Sum([]byte(b.String())) // see above
	hash, sum := crypto.SHA1, old[:]
	if version == "2" {
		h := sha256.Sum256([]byte(b.String()))
		hash, sum = crypto.SHA256, h[:]
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, x.key, hash, sum)
	doc["Signature"] = base64.StdEncoding.EncodeToString(signature)
	return err
}

func indented(doc any) (string, error) {
	raw, err := json.MarshalIndent(doc, "", "  ")
	return string(raw), err
}
