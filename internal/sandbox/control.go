package sandbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/faults"
)

// control calls an operation of the daemon's own service as the user of its first
// account. Errors are *fault.Error: Invalid or Conflict if that is what it says.
func control(ctx context.Context, i Info, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fault.New(fault.Internal, "encode the request: %s", err).Because(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.Endpoint+"/", bytes.NewReader(body))
	if err != nil {
		return fault.New(fault.Internal, "ask the sandbox: %s", err).Because(err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", faults.Target+"."+operation)
	sum := sha256.Sum256(body)
	keys := aws.Credentials{AccessKeyID: i.AccessKeyID, SecretAccessKey: i.SecretAccessKey}
	if err := v4.NewSigner().SignHTTP(ctx, keys, req, hex.EncodeToString(sum[:]), faults.Scope, i.Region, time.Now()); err != nil {
		return fault.New(fault.Internal, "sign the request: %s", err).Because(err)
	}
	// A proxy from the environment must not come between.
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return fault.New(fault.Internal, "ask the sandbox: %s", err).Because(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return fault.New(fault.Internal, "read the sandbox's answer: %s", err).Because(err)
	}
	if res.StatusCode != http.StatusOK {
		return refused(res.StatusCode, raw)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fault.New(fault.Internal, "read the sandbox's answer: %s", err).Because(err)
	}
	return nil
}

// refused is the daemon's refusal as one of ours.
func refused(status int, raw []byte) error {
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if json.Unmarshal(raw, &e) != nil || e.Message == "" {
		e.Message = fmt.Sprintf("status %d", status)
	}
	kind := fault.Internal
	switch e.Type {
	case "ValidationException":
		kind = fault.Invalid
	case "AccountAlreadyExistsException":
		kind = fault.Conflict
	}
	return fault.New(kind, "the sandbox refuses: %s", e.Message)
}
