package s3_test

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Objects under a KMS key need the caller's permission on the key, with the
// encryption context that S3 uses.
func TestKMSKey(t *testing.T) {
	t.Parallel()
	auth := identities{}
	for _, who := range []string{"both", "s3only"} {
		auth[who+" s3:PutObject"], auth[who+" s3:GetObject"] = true, true
	}
	s := open(t, t.TempDir(), auth)
	s.bucket(t, "bkt")
	key := "arn:aws:kms:us-east-1:000000000000:key/1"
	type request struct {
		KeyID             string `json:"KeyId"`
		CiphertextBlob    []byte
		EncryptionContext map[string]string
	}
	serve := func(op, resource string) {
		s.router.Handle("kms", op, func(_ context.Context, req *wire.Request, raw []byte) (any, error) {
			var in request
			if err := json.Unmarshal(raw, &in); err != nil {
				return nil, err
			}
			if in.KeyID != key || in.EncryptionContext["aws:s3:arn"] != resource || op == "Decrypt" && string(in.CiphertextBlob) != "sealed" {
				return nil, wire.Errorf(400, "InvalidCiphertextException", "%+v", in)
			}
			if strings.HasSuffix(req.Principal.ARN, "s3only") {
				return nil, wire.Errorf(400, "AccessDeniedException", "not authorized to perform: kms:%s", op)
			}
			return map[string]any{"CiphertextBlob": []byte("sealed")}, nil
		})
	}
	s.router.Register(wire.Service{ID: "kms", Scope: "kms"})
	serve("GenerateDataKey", "arn:aws:s3:::bkt/k")
	serve("Decrypt", "arn:aws:s3:::bkt/k")
	_, err := s.as("admin").PutBucketEncryption(t.Context(),
		&awss3.PutBucketEncryptionInput{Bucket: str("bkt"), ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
			Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: "aws:kms", KMSMasterKeyID: &key}}},
		}})
	require.NoError(t, err)

	_, err = s.svc.PutObject(t.Context(), home, s.principal("s3only"), "bkt", "k", "", strings.NewReader("x"))
	require.ErrorContains(t, err, "AccessDenied: not authorized to perform: kms:GenerateDataKey")
	_, err = s.svc.PutObject(t.Context(), home, s.principal("both"), "bkt", "k", "", strings.NewReader("x"))
	require.NoError(t, err)
	_, _, err = s.svc.GetObject(t.Context(), home, s.principal("s3only"), "bkt", "k", "")
	require.ErrorContains(t, err, "AccessDenied: not authorized to perform: kms:Decrypt")
	r, _, err := s.svc.GetObject(t.Context(), home, s.principal("both"), "bkt", "k", "")
	require.NoError(t, err)
	raw, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.Equal(t, "x", string(raw))
	head, err := s.as("s3only").HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: str("bkt"), Key: str("k")})
	require.NoError(t, err)
	require.Equal(t, key, *head.SSEKMSKeyId)
}
