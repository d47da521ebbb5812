package provider

import (
	"context"
	"encoding/json"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
)

// The part of a Pulumi package schema that is given out.
// https://www.pulumi.com/docs/iac/extending-pulumi/schema/
type (
	packageSpec struct {
		Name      string                  `json:"name"`
		Version   string                  `json:"version"`
		Config    configSpec              `json:"config"`
		Provider  resourceSpec            `json:"provider"`
		Resources map[string]resourceSpec `json:"resources"`
		Functions map[string]functionSpec `json:"functions"`
	}
	configSpec struct {
		Variables map[string]typeSpec `json:"variables"`
	}
	resourceSpec struct {
		Properties      map[string]typeSpec `json:"properties"`
		Required        []string            `json:"required,omitempty"`
		InputProperties map[string]typeSpec `json:"inputProperties"`
		RequiredInputs  []string            `json:"requiredInputs,omitempty"`
	}
	functionSpec struct {
		Outputs *objectSpec `json:"outputs"`
	}
	objectSpec struct {
		Type       string              `json:"type"`
		Properties map[string]typeSpec `json:"properties"`
	}
	typeSpec struct {
		Type                 string    `json:"type,omitempty"`
		Ref                  string    `json:"$ref,omitempty"`
		Items                *typeSpec `json:"items,omitempty"`
		AdditionalProperties *typeSpec `json:"additionalProperties,omitempty"`
		Secret               bool      `json:"secret,omitempty"`
		WillReplaceOnChanges bool      `json:"willReplaceOnChanges,omitempty"`
	}
)

// GetSchema returns the schema of the types that are supported, which is all
// that programs without a compiled SDK can use.
func (s *server) GetSchema(context.Context, *pulumirpc.GetSchemaRequest) (*pulumirpc.GetSchemaResponse, error) {
	spec := packageSpec{
		Name: s.pkg.name, Version: s.pkg.version, Config: configSpec{Variables: properties(s.options, nil)},
		Provider:  resourceSpec{Properties: map[string]typeSpec{}, InputProperties: properties(s.options, nil)},
		Resources: map[string]resourceSpec{}, Functions: map[string]functionSpec{},
	}
	for token, t := range s.types {
		spec.Resources[token] = resourceSpec{
			Properties: properties(t.Outputs(), nil), Required: required(t.Outputs()),
			InputProperties: properties(t.Inputs(), func(p *schema.Prop) bool { return !p.Managed }), RequiredInputs: required(t.Inputs()),
		}
	}
	if s.pkg.name == "aws" {
		text := typeSpec{Type: "string"}
		function := func(names ...string) functionSpec {
			out := &objectSpec{Type: "object", Properties: map[string]typeSpec{}}
			for _, n := range names {
				out.Properties[n] = text
			}
			return functionSpec{Outputs: out}
		}
		spec.Functions["aws:index/getCallerIdentity:getCallerIdentity"] = function("accountId", "arn", "id", "userId")
		spec.Functions["aws:index/getRegion:getRegion"] = function("description", "endpoint", "id", "name")
		spec.Functions["aws:index/getPartition:getPartition"] = function("dnsSuffix", "id", "partition", "reverseDnsPrefix")
	}
	b, err := json.Marshal(spec)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &pulumirpc.GetSchemaResponse{Schema: string(b)}, nil
}

func properties(t *schema.Type, keep func(*schema.Prop) bool) map[string]typeSpec {
	out := map[string]typeSpec{}
	for _, p := range t.Props {
		// "version" and names that begin with __ are not for programs.
		if len(p.Name) > 1 && p.Name[:2] == "__" || keep != nil && !keep(p) {
			continue
		}
		out[p.Name] = typeOf(p)
	}
	return out
}

func required(t *schema.Type) []string {
	var names []string
	for _, p := range t.Props {
		if p.Required {
			names = append(names, p.Name)
		}
	}
	return names
}

func typeOf(p *schema.Prop) typeSpec {
	out := typeSpec{WillReplaceOnChanges: p.Replace, Secret: p.Secret}
	switch p.Kind {
	case schema.String:
		out.Type = "string"
	case schema.Int:
		out.Type = "integer"
	case schema.Number:
		out.Type = "number"
	case schema.Bool:
		out.Type = "boolean"
	case schema.List:
		elem := typeOf(p.Elem)
		elem.WillReplaceOnChanges = false
		out.Type, out.Items = "array", &elem
	case schema.Map:
		elem := typeOf(p.Elem)
		elem.WillReplaceOnChanges = false
		out.Type, out.AdditionalProperties = "object", &elem
	case schema.Source:
		out.Ref = "pulumi.json#/Archive"
		if p.Asset {
			out.Ref = "pulumi.json#/Asset"
		}
	default:
		out.Ref = "pulumi.json#/Any"
	}
	return out
}
