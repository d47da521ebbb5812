package iam

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// certificate is one with which a user signed requests to old services: kept with the
// user, and of use for nothing in the sandbox.
type certificate struct {
	ID, Body string
	Uploaded time.Time
	Inactive bool
}

// maxCertificates is how many signing certificates a user may have.
const maxCertificates = 2

func (s *Service) registerCertificates(r *wire.Router) {
	u := wire.On(s.onUser)
	wire.Handle(r, "iam", "UploadSigningCertificate", s.uploadCertificate, u)
	wire.Handle(r, "iam", "ListSigningCertificates", s.listCertificates, u)
	wire.Handle(r, "iam", "UpdateSigningCertificate", s.updateCertificate, u)
	wire.Handle(r, "iam", "DeleteSigningCertificate", s.deleteCertificate, u)
}

func (c certificate) output(name string) *types.SigningCertificate {
	out := &types.SigningCertificate{
		UserName: &name, CertificateId: &c.ID, CertificateBody: &c.Body, UploadDate: &c.Uploaded, Status: types.StatusTypeActive,
	}
	if c.Inactive {
		out.Status = types.StatusTypeInactive
	}
	return out
}

func (s *Service) uploadCertificate(_ context.Context, req *wire.Request, in *sdk.UploadSigningCertificateInput) (*sdk.UploadSigningCertificateOutput, error) {
	var out *types.SigningCertificate
	err := s.changeUser(req, in.UserName, func(_ *store.Tx, u *user) error {
		block, _ := pem.Decode([]byte(aws.ToString(in.CertificateBody)))
		if block == nil {
			return malformedCertificate()
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return malformedCertificate()
		}
		if len(u.Certificates) >= maxCertificates {
			return wire.Errorf(http.StatusConflict, "LimitExceeded", "Cannot exceed quota for CertificatesPerUser: %d", maxCertificates)
		}
		c := certificate{ID: randomText(32, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), Body: *in.CertificateBody, Uploaded: s.now()}
		u.Certificates = append(u.Certificates, c)
		out = c.output(u.Name)
		return nil
	})
	return &sdk.UploadSigningCertificateOutput{Certificate: out}, err
}

func malformedCertificate() error {
	return wire.Errorf(http.StatusBadRequest, "MalformedCertificate", "Certificate Public Key is malformed or otherwise invalid.")
}

func (s *Service) listCertificates(_ context.Context, req *wire.Request, in *sdk.ListSigningCertificatesInput) (*sdk.ListSigningCertificatesOutput, error) {
	u, err := s.readUser(req, in.UserName)
	if err != nil {
		return nil, err
	}
	out := []types.SigningCertificate{}
	for _, c := range u.Certificates {
		out = append(out, *c.output(u.Name))
	}
	some, next, more, err := pageOf(out, in.Marker, in.MaxItems)
	return &sdk.ListSigningCertificatesOutput{Certificates: some, Marker: next, IsTruncated: more}, err
}

// changeCertificate calls fn with the place of a certificate among the user's.
func (s *Service) changeCertificate(req *wire.Request, name, id *string, fn func(*user, int)) error {
	return s.changeUser(req, name, func(_ *store.Tx, u *user) error {
		i := slices.IndexFunc(u.Certificates, func(c certificate) bool { return c.ID == aws.ToString(id) })
		if i < 0 {
			return wire.Errorf(http.StatusNotFound, "NoSuchEntity", "The Certificate with id %s cannot be found.", aws.ToString(id))
		}
		fn(u, i)
		return nil
	})
}

func (s *Service) updateCertificate(_ context.Context, req *wire.Request, in *sdk.UpdateSigningCertificateInput) (*sdk.UpdateSigningCertificateOutput, error) {
	err := s.changeCertificate(req, in.UserName, in.CertificateId, func(u *user, i int) { u.Certificates[i].Inactive = in.Status == types.StatusTypeInactive })
	return &sdk.UpdateSigningCertificateOutput{}, err
}

func (s *Service) deleteCertificate(_ context.Context, req *wire.Request, in *sdk.DeleteSigningCertificateInput) (*sdk.DeleteSigningCertificateOutput, error) {
	err := s.changeCertificate(req, in.UserName, in.CertificateId, func(u *user, i int) { u.Certificates = slices.Delete(u.Certificates, i, i+1) })
	return &sdk.DeleteSigningCertificateOutput{}, err
}
