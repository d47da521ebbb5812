package s3

import (
	"context"
	"io"
	"net/http"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

type blobs struct{}

func openBlobs(string, *store.DB) (*blobs, error) { return &blobs{}, nil }

func (s *Service) serve(w http.ResponseWriter, h *http.Request, req *wire.Request) {
	wire.WriteS3Error(w, h, req.ID, notYet())
}
func (s *Service) registerOps(*wire.Router) {}

func notYet() *wire.Error {
	return wire.Errorf(http.StatusNotImplemented, "NotImplemented", "not served")
}

// GetObject implements wire.Objects.
func (s *Service) GetObject(ctx context.Context, p wire.Principal, bucket, key, versionID string) (io.ReadCloser, wire.ObjectInfo, error) {
	return nil, wire.ObjectInfo{}, notYet()
}

// PutObject implements wire.Objects.
func (s *Service) PutObject(ctx context.Context, p wire.Principal, bucket, key, contentType string, body io.Reader) (wire.ObjectInfo, error) {
	return wire.ObjectInfo{}, notYet()
}

// ListObjects implements wire.Objects.
func (s *Service) ListObjects(ctx context.Context, p wire.Principal, bucket, prefix string, fn func(wire.ObjectInfo) bool) error {
	return notYet()
}
