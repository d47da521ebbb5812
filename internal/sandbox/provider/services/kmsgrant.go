package services

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// A grant never changes: whatever is asked for otherwise is another one.
type grantArgs struct {
	Constraints []grantConstraint `pulumi:"constraints,replace,set"`
	Tokens      []string          `pulumi:"grantCreationTokens,replace,set,local"`
	Grantee     string            `pulumi:"granteePrincipal,required,replace" check:"arn"`
	KeyID       string            `pulumi:"keyId,required,replace"`
	Name        *string           `pulumi:"name,replace,computed" check:"len=1..256;match=^[a-zA-Z0-9:/_-]+$"`
	Operations  []string          `pulumi:"operations,required,replace,set"`
	Retire      *bool             `pulumi:"retireOnDelete,replace,local" default:"false"`
	Retiring    *string           `pulumi:"retiringPrincipal,replace" check:"arn"`
}

type grantConstraint struct {
	Equals map[string]string `pulumi:"encryptionContextEquals,replace"`
	Subset map[string]string `pulumi:"encryptionContextSubset,replace"`
}

type grantState struct {
	grantArgs
	ID    string  `pulumi:"grantId"`
	Token *string `pulumi:"grantToken"`
}

func kmsGrant() Resource {
	return define(Def[grantArgs, grantState]{
		Type: "aws:kms/grant:Grant", Title: "KMS Grant", Named: &Naming{Property: "name", Max: 256},
		CreateFn: func(ctx context.Context, c *Call, in *grantArgs) (string, error) {
			x := &kms.CreateGrantInput{
				KeyId: &in.KeyID, GranteePrincipal: &in.Grantee, RetiringPrincipal: set(in.Retiring), Name: set(in.Name), GrantTokens: in.Tokens,
				Operations: enums[types.GrantOperation](in.Operations),
			}
			for _, k := range in.Constraints {
				x.Constraints = &types.GrantConstraints{EncryptionContextEquals: nilIfEmpty(k.Equals), EncryptionContextSubset: nilIfEmpty(k.Subset)}
			}
			var id string
			err := c.Propagated(ctx, func() error {
				out, err := c.KMS().CreateGrant(ctx, x)
				if err == nil {
					id = in.KeyID + ":" + deref(out.GrantId)
				}
				return err
			}, "Invalid principal", "InvalidArnException") // a role that is new
			return id, err
		},
		ReadFn: readGrant,
		DeleteFn: func(ctx context.Context, c *Call, id string, last *grantState) error {
			key, grant, _ := cutLast(id, ":")
			if deref(last.Retire) {
				_, err := c.KMS().RetireGrant(ctx, &kms.RetireGrantInput{KeyId: &key, GrantId: &grant})
				return gone(err, noKey)
			}
			_, err := c.KMS().RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &key, GrantId: &grant})
			return gone(err, noKey)
		},
	})
}

func readGrant(ctx context.Context, c *Call, id string, last *grantState) (*grantState, error) {
	key, grant, ok := cutLast(id, ":")
	if !ok {
		return nil, fmt.Errorf("unexpected format of id %q, expected KEY_ID:GRANT_ID", id)
	}
	out, err := c.KMS().ListGrants(ctx, &kms.ListGrantsInput{KeyId: &key, GrantId: &grant})
	if err != nil {
		return nil, gone(err, noKey)
	}
	if len(out.Grants) == 0 {
		return nil, ErrGone
	}
	g := out.Grants[0]
	s := &grantState{ID: deref(g.GrantId), Token: last.Token, grantArgs: grantArgs{
		Grantee: deref(g.GranteePrincipal), KeyID: key, Name: set(g.Name), Operations: names(g.Operations), Retiring: set(g.RetiringPrincipal),
	}}
	if strings.HasSuffix(last.KeyID, "/"+key) {
		s.KeyID = last.KeyID // given as an ARN
	}
	if k := g.Constraints; k != nil {
		s.Constraints = []grantConstraint{{Equals: nilIfEmpty(k.EncryptionContextEquals), Subset: nilIfEmpty(k.EncryptionContextSubset)}}
	}
	return s, nil
}
