package services

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
)

// A version of a layer never changes: whatever is asked for otherwise is another one.
type layerArgs struct {
	Code          *schema.Blob `pulumi:"code,replace,local,archive"`
	Architectures []string     `pulumi:"compatibleArchitectures,replace,set" check:"items=0..2"`
	Runtimes      []string     `pulumi:"compatibleRuntimes,replace,set" check:"items=0..15"`
	Description   *string      `pulumi:"description,replace"`
	LayerName     string       `pulumi:"layerName,required,replace"`
	LicenseInfo   *string      `pulumi:"licenseInfo,replace" check:"len=0..512"`
	S3Bucket      *string      `pulumi:"s3Bucket,replace,local"`
	S3Key         *string      `pulumi:"s3Key,replace,local"`
	S3Version     *string      `pulumi:"s3ObjectVersion,replace,local"`
	SkipDestroy   *bool        `pulumi:"skipDestroy,replace,local" default:"false"`
	CodeHash      *string      `pulumi:"sourceCodeHash,replace,computed"`
}

type layerState struct {
	layerArgs
	Arn      string  `pulumi:"arn"`
	Sha256   string  `pulumi:"codeSha256"`
	Created  *string `pulumi:"createdDate"`
	LayerArn string  `pulumi:"layerArn"`
	Size     *int    `pulumi:"sourceCodeSize"`
	Version  string  `pulumi:"version"`
}

func lambdaLayer() Resource {
	return define(Def[layerArgs, layerState]{
		Type: "aws:lambda/layerVersion:LayerVersion", Title: "Lambda Layer",
		CheckFn: func(in *layerArgs, known func(string) bool) []schema.Failure {
			if !known("code") || !known("s3Bucket") {
				return nil
			}
			if (in.Code == nil) == (in.S3Bucket == nil) {
				return []schema.Failure{{Property: "code", Reason: "exactly one of code, s3Bucket must be specified"}}
			}
			return nil
		},
		CreateFn: createLayer, ReadFn: readLayer,
		DeleteFn: func(ctx context.Context, c *Call, id string, last *layerState) error {
			if deref(last.SkipDestroy) {
				return nil
			}
			name, number, err := parseLayer(id)
			if err != nil {
				return err
			}
			_, err = c.Lambda().DeleteLayerVersion(ctx, &lambda.DeleteLayerVersionInput{LayerName: &name, VersionNumber: &number})
			return gone(err, noFunction)
		},
	})
}

// parseLayer reads the ARN of a version of a layer, or LAYER,VERSION.
func parseLayer(id string) (name string, number int64, err error) {
	sep := ":"
	if strings.Contains(id, ",") {
		sep = ","
	}
	name, text, _ := cutLast(id, sep)
	if number, err = strconv.ParseInt(text, 10, 64); err != nil {
		err = fmt.Errorf("unexpected format of id %q, expected the ARN of a layer's version", id)
	}
	return name, number, err
}

func createLayer(ctx context.Context, c *Call, in *layerArgs) (string, error) {
	content := &types.LayerVersionContentInput{S3Bucket: set(in.S3Bucket), S3Key: set(in.S3Key), S3ObjectVersion: set(in.S3Version)}
	if in.Code != nil {
		body, err := c.open(in.Code)
		if err != nil {
			return "", err
		}
		defer func() { _ = body.Close() }()
		if content.ZipFile, err = io.ReadAll(body); err != nil {
			return "", fmt.Errorf("reading the layer: %w", err)
		}
	}
	out, err := c.Lambda().PublishLayerVersion(ctx, &lambda.PublishLayerVersionInput{
		LayerName: &in.LayerName, Content: content, Description: set(in.Description), LicenseInfo: set(in.LicenseInfo),
		CompatibleArchitectures: enums[types.Architecture](in.Architectures), CompatibleRuntimes: enums[types.Runtime](in.Runtimes),
	})
	if err != nil {
		return "", err
	}
	return deref(out.LayerVersionArn), nil
}

func readLayer(ctx context.Context, c *Call, id string, last *layerState) (*layerState, error) {
	name, number, err := parseLayer(id)
	if err != nil {
		return nil, err
	}
	out, err := c.Lambda().GetLayerVersion(ctx, &lambda.GetLayerVersionInput{LayerName: &name, VersionNumber: &number})
	if err != nil {
		return nil, gone(err, noFunction)
	}
	_, short, _ := cutLast(deref(out.LayerArn), ":")
	if last.LayerName == deref(out.LayerArn) {
		short = last.LayerName
	}
	s := &layerState{
		Arn: deref(out.LayerVersionArn), Created: out.CreatedDate, LayerArn: deref(out.LayerArn), Version: strconv.FormatInt(out.Version, 10),
		layerArgs: layerArgs{
			Architectures: names(out.CompatibleArchitectures), Runtimes: names(out.CompatibleRuntimes), Description: set(out.Description), LayerName: short,
			LicenseInfo: set(out.LicenseInfo),
		},
	}
	if out.Content != nil {
		s.Sha256, s.Size = deref(out.Content.CodeSha256), aws.Int(int(out.Content.CodeSize))
		if s.CodeHash = last.CodeHash; s.CodeHash == nil {
			s.CodeHash = out.Content.CodeSha256
		}
	}
	return s, nil
}

type layerPermissionArgs struct {
	Action         string  `pulumi:"action,required,replace" check:"enum=lambda:GetLayerVersion"`
	LayerName      string  `pulumi:"layerName,required,replace"`
	OrganizationID *string `pulumi:"organizationId,replace"`
	Principal      string  `pulumi:"principal,required,replace"`
	SkipDestroy    *bool   `pulumi:"skipDestroy,replace,local" default:"false"`
	StatementID    string  `pulumi:"statementId,required,replace"`
	Number         int     `pulumi:"versionNumber,required,replace"`
}

type layerPermissionState struct {
	layerPermissionArgs
	Policy   string `pulumi:"policy"`
	Revision string `pulumi:"revisionId"`
}

func lambdaLayerPermission() Resource {
	return define(Def[layerPermissionArgs, layerPermissionState]{
		Type: "aws:lambda/layerVersionPermission:LayerVersionPermission", Title: "Lambda Layer Version Permission",
		CreateFn: func(ctx context.Context, c *Call, in *layerPermissionArgs) (string, error) {
			_, err := c.Lambda().AddLayerVersionPermission(ctx, &lambda.AddLayerVersionPermissionInput{
				Action: &in.Action, LayerName: &in.LayerName, OrganizationId: set(in.OrganizationID), Principal: &in.Principal, StatementId: &in.StatementID, VersionNumber: i64(&in.Number),
			})
			return idUnless(err, in.LayerName+","+strconv.Itoa(in.Number))
		},
		ReadFn: func(ctx context.Context, c *Call, id string, last *layerPermissionState) (*layerPermissionState, error) {
			name, number, err := parseLayer(id)
			if err != nil {
				return nil, err
			}
			out, err := c.Lambda().GetLayerVersionPolicy(ctx, &lambda.GetLayerVersionPolicyInput{LayerName: &name, VersionNumber: &number})
			if err != nil {
				return nil, gone(err, noFunction)
			}
			s := &layerPermissionState{Policy: deref(out.Policy), Revision: deref(out.RevisionId), layerPermissionArgs: last.layerPermissionArgs}
			s.LayerName, s.Number = name, int(number)
			return s, s.fromPolicy()
		},
		DeleteFn: func(ctx context.Context, c *Call, _ string, last *layerPermissionState) error {
			if deref(last.SkipDestroy) {
				return nil
			}
			_, err := c.Lambda().RemoveLayerVersionPermission(ctx,
				&lambda.RemoveLayerVersionPermissionInput{LayerName: &last.LayerName, StatementId: &last.StatementID, VersionNumber: i64(&last.Number)})
			return gone(err, noFunction)
		},
	})
}

// fromPolicy takes what the policy says of the statement, or of its only one.
func (s *layerPermissionState) fromPolicy() error {
	statements, err := policyStatements(s.Policy)
	if err != nil {
		return err
	}
	for _, st := range statements {
		if s.StatementID != "" && st.Sid != s.StatementID {
			continue
		}
		s.StatementID, s.Action, s.Principal = st.Sid, st.Action, principalOf(st.Principal, s.Principal)
		s.OrganizationID = st.condition("StringEquals", "aws:PrincipalOrgID")
		return nil
	}
	return ErrGone
}
