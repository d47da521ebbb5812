package iam

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Identity providers are kept as infrastructure code makes them. Nobody signs in by
// one: STS refuses AssumeRoleWithWebIdentity and AssumeRoleWithSAML.

// oidcProvider is an OpenID Connect provider by its ARN.
type oidcProvider struct {
	ARN, URL    string
	Created     time.Time
	Thumbprints []string
	Clients     []string
	Tags        map[string]string
}

// samlProvider is a SAML provider by its ARN.
type samlProvider struct {
	ARN, Document string
	Created       time.Time
	Tags          map[string]string
}

func (s *Service) registerProviders(r *wire.Router) {
	oidc := wire.On(func(_ *wire.Request, in wire.Input) []string { return []string{in.Text("OpenIDConnectProviderArn")} })
	saml := wire.On(func(_ *wire.Request, in wire.Input) []string { return []string{in.Text("SAMLProviderArn")} })
	wire.Handle(r, "iam", "CreateOpenIDConnectProvider", s.createOIDC, wire.On(func(req *wire.Request, in wire.Input) []string {
		return []string{oidcARN(req.Scope, in.Text("Url"))}
	}).Tags("iam:TagOpenIDConnectProvider"))
	wire.Handle(r, "iam", "GetOpenIDConnectProvider", s.getOIDC, oidc)
	wire.Handle(r, "iam", "DeleteOpenIDConnectProvider", s.deleteOIDC, oidc)
	wire.Handle(r, "iam", "ListOpenIDConnectProviders", s.listOIDC, wire.Access{})
	wire.Handle(r, "iam", "UpdateOpenIDConnectProviderThumbprint", s.updateThumbprints, oidc)
	wire.Handle(r, "iam", "AddClientIDToOpenIDConnectProvider", s.addClient, oidc)
	wire.Handle(r, "iam", "RemoveClientIDFromOpenIDConnectProvider", s.removeClient, oidc)
	registerTags(r, kind[oidcProvider]{
		noun: "OpenIDConnectProvider", on: oidc.On, id: func(in *kindInput) *string { return in.OpenIDConnectProviderArn },
		read: func(_ *wire.Request, arn *string) (oidcProvider, error) {
			return store.Look(s.DB, func(tx *store.Tx) (oidcProvider, error) { return getOIDC(tx, arn) })
		},
		change: func(_ *wire.Request, arn *string, fn func(*store.Tx, *oidcProvider) error) error {
			return s.changeOIDC(arn, func(p *oidcProvider) error { return fn(nil, p) })
		},
	}, func(p *oidcProvider) *map[string]string { return &p.Tags })
	wire.Handle(r, "iam", "CreateSAMLProvider", s.createSAML, wire.On(func(req *wire.Request, in wire.Input) []string {
		return []string{req.GlobalARN("iam", "saml-provider/"+in.Text("Name"))}
	}).Tags("iam:TagSAMLProvider"))
	wire.Handle(r, "iam", "GetSAMLProvider", s.getSAML, saml)
	wire.Handle(r, "iam", "UpdateSAMLProvider", s.updateSAML, saml)
	wire.Handle(r, "iam", "DeleteSAMLProvider", s.deleteSAML, saml)
	wire.Handle(r, "iam", "ListSAMLProviders", s.listSAML, wire.Access{})
}

func oidcARN(sc wire.Scope, address string) string {
	_, rest, _ := strings.Cut(address, "://")
	rest, _, _ = strings.Cut(rest, "?")
	return sc.GlobalARN("iam", "oidc-provider/"+rest)
}

// Quotas of a provider, and the length of a thumbprint (SHA-1 in hexadecimal).
const (
	maxThumbprints = 5
	maxClients     = 100
	thumbprint     = 40
)

func checkThumbprints(list []string) error {
	if len(list) > maxThumbprints {
		return wire.Errorf(http.StatusBadRequest, "InvalidInput", "Thumbprint list must contain fewer than %d entries.", maxThumbprints)
	}
	for _, t := range list {
		if len(t) != thumbprint {
			return constraint.Broken("ValidationError", "thumbprintList", t, "Member must have length 40")
		}
	}
	return nil
}

func (s *Service) createOIDC(_ context.Context, req *wire.Request, in *sdk.CreateOpenIDConnectProviderInput) (*sdk.CreateOpenIDConnectProviderOutput, error) {
	address, err := url.Parse(aws.ToString(in.Url))
	if err != nil || address.Host == "" || (address.Scheme != "https" && address.Scheme != "http") {
		return nil, wire.Errorf(http.StatusBadRequest, "ValidationError", "Invalid Open ID Connect Provider URL")
	}
	if err := checkThumbprints(in.ThumbprintList); err != nil {
		return nil, err
	}
	if len(in.ClientIDList) > maxClients {
		return nil, tooManyClients()
	}
	p := oidcProvider{
		ARN: oidcARN(req.Scope, *in.Url), URL: address.Host + address.Path, Created: s.now(),
		Thumbprints: nonNil(in.ThumbprintList), Clients: nonNil(in.ClientIDList),
	}
	if p.Tags, err = addTags(nil, in.Tags); err != nil {
		return nil, err
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(oidcBucket, p.ARN) != nil {
			return wire.Errorf(http.StatusConflict, "EntityAlreadyExists", "Provider with url %s already exists.", *in.Url)
		}
		return store.Put(tx, oidcBucket, p.ARN, p)
	})
	return &sdk.CreateOpenIDConnectProviderOutput{OpenIDConnectProviderArn: &p.ARN, Tags: nilIfNone(tagList(p.Tags))}, err
}

func tooManyClients() error {
	return wire.Errorf(http.StatusConflict, "LimitExceeded", "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", maxClients)
}

func getOIDC(tx *store.Tx, arn *string) (oidcProvider, error) {
	return store.Find[oidcProvider](tx, oidcBucket, aws.ToString(arn), noOIDC(arn))
}

func noOIDC(arn *string) error {
	return wire.Errorf(http.StatusNotFound, "NoSuchEntity", "OpenIDConnect Provider not found for arn %s", aws.ToString(arn))
}

func (s *Service) getOIDC(_ context.Context, _ *wire.Request, in *sdk.GetOpenIDConnectProviderInput) (out *sdk.GetOpenIDConnectProviderOutput, err error) {
	err = s.DB.View(func(tx *store.Tx) error {
		p, err := getOIDC(tx, in.OpenIDConnectProviderArn)
		out = &sdk.GetOpenIDConnectProviderOutput{
			Url: &p.URL, ClientIDList: p.Clients, ThumbprintList: p.Thumbprints, CreateDate: &p.Created, Tags: nilIfNone(tagList(p.Tags)),
		}
		return err
	})
	return out, err
}

// deleteOIDC succeeds for what is gone already, as on AWS.
func (s *Service) deleteOIDC(_ context.Context, _ *wire.Request, in *sdk.DeleteOpenIDConnectProviderInput) (*sdk.DeleteOpenIDConnectProviderOutput, error) {
	return &sdk.DeleteOpenIDConnectProviderOutput{}, s.DB.Update(func(tx *store.Tx) error {
		return tx.Delete(oidcBucket, aws.ToString(in.OpenIDConnectProviderArn))
	})
}

func (s *Service) listOIDC(_ context.Context, req *wire.Request, _ *sdk.ListOpenIDConnectProvidersInput) (*sdk.ListOpenIDConnectProvidersOutput, error) {
	out := []types.OpenIDConnectProviderListEntry{}
	err := s.DB.View(func(tx *store.Tx) error {
		all, err := store.List[oidcProvider](tx, oidcBucket, req.GlobalARN("iam", "oidc-provider/"))
		for _, p := range all {
			out = append(out, types.OpenIDConnectProviderListEntry{Arn: aws.String(p.ARN)})
		}
		return err
	})
	return &sdk.ListOpenIDConnectProvidersOutput{OpenIDConnectProviderList: out}, err
}

func (s *Service) changeOIDC(ref *string, fn func(*oidcProvider) error) error {
	return s.DB.Update(func(tx *store.Tx) error {
		_, err := store.Change(tx, oidcBucket, aws.ToString(ref), noOIDC(ref), fn)
		return err
	})
}

func (s *Service) updateThumbprints(_ context.Context, _ *wire.Request,
	in *sdk.UpdateOpenIDConnectProviderThumbprintInput,
) (*sdk.UpdateOpenIDConnectProviderThumbprintOutput, error) {
	err := s.changeOIDC(in.OpenIDConnectProviderArn, func(p *oidcProvider) error {
		p.Thumbprints = nonNil(in.ThumbprintList)
		return checkThumbprints(in.ThumbprintList)
	})
	return &sdk.UpdateOpenIDConnectProviderThumbprintOutput{}, err
}

func (s *Service) addClient(_ context.Context, _ *wire.Request, in *sdk.AddClientIDToOpenIDConnectProviderInput) (*sdk.AddClientIDToOpenIDConnectProviderOutput, error) {
	err := s.changeOIDC(in.OpenIDConnectProviderArn, func(p *oidcProvider) error {
		if !slices.Contains(p.Clients, aws.ToString(in.ClientID)) {
			p.Clients = append(p.Clients, aws.ToString(in.ClientID))
		}
		if len(p.Clients) > maxClients {
			return tooManyClients()
		}
		return nil
	})
	return &sdk.AddClientIDToOpenIDConnectProviderOutput{}, err
}

func (s *Service) removeClient(_ context.Context, _ *wire.Request,
	in *sdk.RemoveClientIDFromOpenIDConnectProviderInput,
) (*sdk.RemoveClientIDFromOpenIDConnectProviderOutput, error) {
	err := s.changeOIDC(in.OpenIDConnectProviderArn, func(p *oidcProvider) error {
		p.Clients = slices.DeleteFunc(p.Clients, func(c string) bool { return c == aws.ToString(in.ClientID) })
		return nil
	})
	return &sdk.RemoveClientIDFromOpenIDConnectProviderOutput{}, err
}

func (s *Service) createSAML(_ context.Context, req *wire.Request, in *sdk.CreateSAMLProviderInput) (*sdk.CreateSAMLProviderOutput, error) {
	if err := checkName("name", in.Name); err != nil {
		return nil, err
	}
	p := samlProvider{ARN: req.GlobalARN("iam", "saml-provider/"+*in.Name), Document: aws.ToString(in.SAMLMetadataDocument), Created: s.now()}
	err := checkSAML(p.Document)
	if err != nil {
		return nil, err
	}
	if p.Tags, err = addTags(nil, in.Tags); err != nil {
		return nil, err
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(samlBucket, p.ARN) != nil {
			return wire.Errorf(http.StatusConflict, "EntityAlreadyExists", "Provider with name %s already exists.", *in.Name)
		}
		return store.Put(tx, samlBucket, p.ARN, p)
	})
	return &sdk.CreateSAMLProviderOutput{SAMLProviderArn: &p.ARN, Tags: nilIfNone(tagList(p.Tags))}, err
}

// checkSAML refuses what is no description of an identity provider.
func checkSAML(document string) error {
	if !strings.Contains(document, "EntityDescriptor") {
		return wire.Errorf(http.StatusBadRequest, "InvalidInput", "Could not parse metadata")
	}
	return nil
}

func getSAML(tx *store.Tx, arn *string) (samlProvider, error) {
	return store.Find[samlProvider](tx, samlBucket, aws.ToString(arn), wire.Errorf(http.StatusNotFound, "NoSuchEntity", "Manifest not found for arn %s", aws.ToString(arn)))
}

func (s *Service) getSAML(_ context.Context, _ *wire.Request, in *sdk.GetSAMLProviderInput) (out *sdk.GetSAMLProviderOutput, err error) {
	err = s.DB.View(func(tx *store.Tx) error {
		p, err := getSAML(tx, in.SAMLProviderArn)
		out = &sdk.GetSAMLProviderOutput{SAMLMetadataDocument: &p.Document, CreateDate: &p.Created, Tags: nilIfNone(tagList(p.Tags))}
		return err
	})
	return out, err
}

func (s *Service) updateSAML(_ context.Context, _ *wire.Request, in *sdk.UpdateSAMLProviderInput) (*sdk.UpdateSAMLProviderOutput, error) {
	err := s.DB.Update(func(tx *store.Tx) error {
		p, err := getSAML(tx, in.SAMLProviderArn)
		if err != nil {
			return err
		}
		if in.SAMLMetadataDocument != nil {
			p.Document = *in.SAMLMetadataDocument
		}
		if err := checkSAML(p.Document); err != nil {
			return err
		}
		return store.Put(tx, samlBucket, p.ARN, p)
	})
	return &sdk.UpdateSAMLProviderOutput{SAMLProviderArn: in.SAMLProviderArn}, err
}

func (s *Service) deleteSAML(_ context.Context, _ *wire.Request, in *sdk.DeleteSAMLProviderInput) (*sdk.DeleteSAMLProviderOutput, error) {
	return &sdk.DeleteSAMLProviderOutput{}, s.DB.Update(func(tx *store.Tx) error {
		p, err := getSAML(tx, in.SAMLProviderArn)
		if err != nil {
			return err
		}
		return tx.Delete(samlBucket, p.ARN)
	})
}

func (s *Service) listSAML(_ context.Context, req *wire.Request, _ *sdk.ListSAMLProvidersInput) (*sdk.ListSAMLProvidersOutput, error) {
	out := []types.SAMLProviderListEntry{}
	err := s.DB.View(func(tx *store.Tx) error {
		all, err := store.List[samlProvider](tx, samlBucket, req.GlobalARN("iam", "saml-provider/"))
		for _, p := range all {
			out = append(out, types.SAMLProviderListEntry{Arn: aws.String(p.ARN), CreateDate: aws.Time(p.Created)})
		}
		return err
	})
	return &sdk.ListSAMLProvidersOutput{SAMLProviderList: out}, err
}
