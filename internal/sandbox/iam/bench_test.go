package iam_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func BenchmarkVerify(b *testing.B) {
	db, err := store.Open(b.TempDir() + "/db")
	require.NoError(b, err)
	defer func() { _ = db.Close() }()
	s, err := iam.New(iam.Config{DB: db, Clock: clock.NewFake(time.Now()), Home: account, Admin: iam.NewCredentials()})
	require.NoError(b, err)
	var r *http.Request
	body := strings.Repeat("x", 1024)
	b.Run("sign", func(b *testing.B) {
		for b.Loop() {
			r = signed{method: "POST", target: "/", body: body, service: "states", at: s.Clock.Now(), creds: s.Admin}.request(b)
		}
	})
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			r.Body = io.NopCloser(strings.NewReader(body))
			if _, _, _, err := s.Verify(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAuthorize(b *testing.B) {
	w := newWorld(b)
	r := w.role(b, "r", trustStates)
	_, err := w.iam(w.Admin).PutRolePolicy(b.Context(),
		&sdk.PutRolePolicyInput{RoleName: r.RoleName, PolicyName: aws.String("p"), PolicyDocument: aws.String(allow("lambda:InvokeFunction", "arn:aws:lambda:*:*:function:ptui-*"))})
	require.NoError(b, err)
	p, err := w.AssumeServiceRole(b.Context(), home, "states.amazonaws.com", *r.Arn, "arn:aws:states:us-east-1:000000000000:stateMachine:m", "s")
	require.NoError(b, err)
	for b.Loop() {
		if err := w.Authorize(b.Context(), p, "lambda:InvokeFunction", "arn:aws:lambda:us-east-1:000000000000:function:ptui-acme-fraud-dev-pre:live", nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAssumeServiceRole(b *testing.B) {
	w := newWorld(b)
	r := w.role(b, "r", trustStates)
	var p wire.Principal
	var err error
	for b.Loop() {
		if p, err = w.AssumeServiceRole(b.Context(), home, "states.amazonaws.com", *r.Arn, "arn:aws:states:us-east-1:000000000000:stateMachine:m", "s"); err != nil {
			b.Fatal(err)
		}
	}
	require.Equal(b, "r", p.Role)
}
