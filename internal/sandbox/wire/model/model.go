// Package model owns what AWS's API models tell of the services that the sandbox
// serves: protocols, operations with their binding to HTTP, error codes, and the
// shapes of messages as far as they are needed to read and write them. It is
// data (scripts/bindings.py makes it from botocore's models); it knows nothing of
// what the sandbox does with it.
package model

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

//go:embed data/*.json
var data embed.FS

//go:embed data/services.txt
var services string

// API is one service.
type API struct {
	// Protocols are those that clients may speak, the newest first: "json",
	// "query", "rest-json", "rest-xml", "smithy-rpc-v2-cbor".
	Protocols []string
	// Signing is the name in signatures, Target the prefix of X-Amz-Target.
	Signing, Target, JSONVersion, Version, Namespace string
	// LowerCamel says that members begin in lower case on the wire.
	LowerCamel bool
	// Odd are the members, as Shape.member, that begin otherwise than LowerCamel says.
	Odd []string
	// Errors are the codes that any operation is modelled to fail with, sorted.
	Errors     []string
	Operations map[string]*Operation
	Shapes     map[string]*Shape
}

// Operation is one operation of a service, whether the sandbox serves it or not.
type Operation struct {
	Name string `json:"-"`
	// Method and URI ("/{Bucket}/{Key+}?acl") bind operations of REST protocols.
	Method, URI string
	// Status is that of success; 0 is 200.
	Status int
	// Checksum: clients send a checksum of the body.
	Checksum bool
	// Input and Output are nil if there is nothing to tell.
	Input, Output *Ref
}

// Shape is a type of messages.
type Shape struct {
	Type       string // "structure", "list", "map", "string", "integer", "long", "boolean", "blob", "timestamp", "float", "double"
	Members    []Member
	Member     *Ref // of lists
	Key, Value *Ref // of maps
	Payload    string
	Flattened  bool
	Format     string // of timestamps
	Required   []string
}

// Ref refers to a shape from where it is used.
type Ref struct {
	Shape string
	In    string // "uri", "querystring", "header", "headers", "statusCode"; "" is the body
	As    string // name on the wire, where it differs from the member's
	// Flattened: the items of a list have no element around them.
	Flattened     bool
	XMLAttribute  bool
	Streaming     bool // of blobs
	XMLNS, Prefix string
	Format        string
}

// Member is a named part of a structure.
type Member struct {
	Name string
	Ref
}

// Wire is the member's name on the wire.
func (m *Member) Wire() string {
	if m.As != "" {
		return m.As
	}
	return m.Name
}

// Of returns the model of a service by the id that it has in aws-sdk:ID:operation,
// nil if there is none here. The data are part of the program: what is wrong with
// them is a mistake of the build.
func Of(id string) *API {
	once, _ := loaded.LoadOrStore(id, sync.OnceValue(func() *API {
		raw, err := data.ReadFile("data/" + id + ".json")
		if err != nil {
			return nil
		}
		api := new(API)
		if err := json.Unmarshal(raw, api); err != nil {
			panic(fmt.Sprintf("model of %s: %s", id, err))
		}
		for name, op := range api.Operations {
			op.Name = name
		}
		return api
	}))
	read, _ := once.(func() *API)
	return read()
}

var loaded sync.Map // embedded data, read once

// Serves reports whether AWS may have the operation: it has the service, and the
// operation where the service's model is here.
func Serves(service, operation string) bool {
	if api := Of(service); api != nil {
		return api.Operations[operation] != nil
	}
	return slices.Contains(strings.Fields(services), service)
}

// Shape follows a reference; nil for nil and for what the data do not have.
func (a *API) Shape(r *Ref) *Shape {
	if r == nil {
		return nil
	}
	return a.Shapes[r.Shape]
}

// Find returns the member of a name, in any case; nil if there is none.
func (s *Shape) Find(name string) *Member {
	if s == nil {
		return nil
	}
	for i := range s.Members {
		if strings.EqualFold(s.Members[i].Name, name) {
			return &s.Members[i]
		}
	}
	return nil
}

// Body is the member that is the whole body; nil if the body holds the members
// that are nowhere else.
func (s *Shape) Body() *Member {
	if s == nil || s.Payload == "" {
		return nil
	}
	return s.Find(s.Payload)
}
