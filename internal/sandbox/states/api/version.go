package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// publish makes the machine's present state its next version. Publishing a
// revision twice yields the version that exists.
func publish(tx *store.Tx, m *record.Machine, description string, now time.Time) (int, error) {
	if m.NextVersion > 1 {
		last, found, err := store.Get[record.Version](tx, record.BucketVersions, record.VersionKey(m.Key(), m.NextVersion-1))
		if err != nil {
			return 0, err
		}
		if found && last.Machine.Revision == m.Revision {
			return last.Number, nil
		}
	}
	n := m.NextVersion
	m.NextVersion++
	return n, store.Put(tx, record.BucketVersions, record.VersionKey(m.Key(), n), record.Version{Machine: *m, Number: n, Description: description, Created: now})
}

func (s *Handlers) publishVersion(_ context.Context, req *wire.Request, in *sfn.PublishStateMachineVersionInput) (*sfn.PublishStateMachineVersionOutput, error) {
	arn := aws.ToString(in.StateMachineArn)
	ref, err := record.ParseMachine(req.Scope, arn)
	if err != nil {
		return nil, err
	}
	if ref.Qualifier != "" {
		return nil, validation("Unsupported state machine version or alias ARN: %s", arn)
	}
	out := &sfn.PublishStateMachineVersionOutput{}
	err = s.DB.Update(func(tx *store.Tx) error {
		m, err := record.ReadMachine(tx, ref.Key(), arn)
		if err != nil {
			return err
		}
		if in.RevisionId != nil && *in.RevisionId != m.Revision && (*in.RevisionId != "INITIAL" || m.Revision != "") {
			return wire.Errorf(400, "ConflictException", "Failed to publish the State Machine version for revision %s. The current State Machine "+
				"revision is %s.", *in.RevisionId, m.Revision)
		}
		n, err := publish(tx, &m, aws.ToString(in.Description), s.now())
		if err != nil {
			return err
		}
		v, _, err := store.Get[record.Version](tx, record.BucketVersions, record.VersionKey(m.Key(), n))
		if err != nil {
			return err
		}
		out.CreationDate, out.StateMachineVersionArn = &v.Created, aws.String(record.VersionARN(m.ARN(), n))
		return store.Put(tx, record.BucketMachines, m.Key(), m)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Handlers) listVersions(_ context.Context, req *wire.Request, in *sfn.ListStateMachineVersionsInput) (*sfn.ListStateMachineVersionsOutput, error) {
	arn := aws.ToString(in.StateMachineArn)
	ref, err := record.ParseMachine(req.Scope, arn)
	if err != nil {
		return nil, err
	}
	limit := pageSize(in.MaxResults)
	from, err := place(versionList, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &sfn.ListStateMachineVersionsOutput{StateMachineVersions: []types.StateMachineVersionListItem{}}
	err = s.DB.View(func(tx *store.Tx) error {
		if _, err := record.ReadMachine(tx, ref.Key(), arn); err != nil {
			return err
		}
		all, err := store.List[record.Version](tx, record.BucketVersions, ref.Key()+"/")
		if err != nil {
			return err
		}
		slices.Reverse(all) // newest first
		for _, v := range all {
			if from != "" && record.VersionKey(ref.Key(), v.Number) > from {
				continue
			}
			if len(out.StateMachineVersions) == limit {
				out.NextToken = versionList.Token(record.VersionKey(ref.Key(), v.Number))
				return nil
			}
			out.StateMachineVersions = append(out.StateMachineVersions, types.StateMachineVersionListItem{
				StateMachineVersionArn: aws.String(record.VersionARN(ref.ARN(), v.Number)), CreationDate: &v.Created,
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Handlers) deleteVersion(_ context.Context, req *wire.Request, in *sfn.DeleteStateMachineVersionInput) (*sfn.DeleteStateMachineVersionOutput, error) {
	arn := aws.ToString(in.StateMachineVersionArn)
	ref, err := record.ParseMachine(req.Scope, arn)
	if err != nil {
		return nil, err
	}
	if !ref.IsVersion() {
		return nil, validation("Only version ARN is supported: %s", arn)
	}
	n, err := strconv.Atoi(ref.Qualifier)
	if err != nil {
		return nil, record.InvalidARN("Invalid ARN: %s", arn)
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		aliases, err := store.List[record.Alias](tx, record.BucketAliases, ref.Key()+"/")
		if err != nil {
			return err
		}
		var users []string
		for _, a := range aliases {
			if slices.ContainsFunc(a.Routes, func(r record.Route) bool { return r.Version == n }) {
				users = append(users, a.Name)
			}
		}
		if len(users) > 0 {
			return wire.Errorf(400, "ConflictException", "Version to be deleted must not be referenced by an alias. Current list of aliases referencing "+
				"this version: [%s]", strings.Join(users, ", "))
		}
		return tx.Delete(record.BucketVersions, record.VersionKey(ref.Key(), n))
	})
	if err != nil {
		return nil, err
	}
	return &sfn.DeleteStateMachineVersionOutput{}, nil
}

// routes checks a routing configuration: one or two versions of one machine whose
// weights make 100.
func (s *Handlers) routes(tx *store.Tx, sc wire.Scope, items []types.RoutingConfigurationListItem) (record.MachineRef, []record.Route, error) {
	var machine record.MachineRef
	if err := checkRoutes(sc, items); err != nil {
		return machine, nil, err
	}
	var out []record.Route
	sum := 0
	for _, item := range items {
		arn := aws.ToString(item.StateMachineVersionArn)
		ref, err := record.ParseMachine(sc, arn)
		if err != nil {
			return machine, nil, err
		}
		if machine.Name != "" && machine.Key() != ref.Key() {
			return machine, nil, validation("Routing configuration must contain version ARNs of the same state machine")
		}
		machine = record.MachineRef{Scope: ref.Scope, Name: ref.Name}
		n, err := strconv.Atoi(ref.Qualifier)
		if err != nil {
			return machine, nil, record.InvalidARN("Invalid ARN: %s", arn)
		}
		if _, found, err := store.Get[record.Version](tx, record.BucketVersions, record.VersionKey(machine.Key(), n)); err != nil {
			return machine, nil, err
		} else if !found {
			return machine, nil, record.NoResource(arn)
		}
		out = append(out, record.Route{Version: n, Weight: int(item.Weight)})
		sum += int(item.Weight)
	}
	if sum != 100 {
		return machine, nil, validation("Sum of routing configuration weights must equal 100. Received: [%s]", strings.Join(weights(out), ", "))
	}
	return machine, out, nil
}

// checkRoutes checks what does not depend on what exists.
func checkRoutes(sc wire.Scope, items []types.RoutingConfigurationListItem) error {
	arns, shown := make([]string, len(items)), make([]string, len(items))
	versions := true
	for i, item := range items {
		arns[i] = aws.ToString(item.StateMachineVersionArn)
		shown[i] = fmt.Sprintf("RoutingConfigurationListItem(stateMachineVersionArn=%s, weight=%d)", arns[i], item.Weight)
		ref, err := record.ParseMachine(sc, arns[i])
		if err != nil {
			return err
		}
		versions = versions && ref.IsVersion()
	}
	distinct := slices.Compact(slices.Sorted(slices.Values(arns)))
	all := strings.Join(arns, ", ")
	switch {
	case len(items) > 2:
		return validation("1 validation error detected: Value '[%s]' at 'routingConfiguration' failed to satisfy constraint: Member must have length less "+
			"than or equal to 2", strings.Join(shown, ", "))
	case !versions:
		return validation("Routing configuration must contain state machine version ARNs. Received: [%s]", all)
	case len(distinct) != len(arns):
		return validation("Routing configuration must contain distinct state machine version ARNs. Received: [%s]", all)
	}
	return nil
}

func weights(rs []record.Route) []string {
	out := make([]string, len(rs))
	for i, r := range rs {
		out[i] = strconv.Itoa(r.Weight)
	}
	return out
}

func (s *Handlers) createAlias(_ context.Context, req *wire.Request, in *sfn.CreateStateMachineAliasInput) (*sfn.CreateStateMachineAliasOutput, error) {
	name := aws.ToString(in.Name)
	if err := checkAliasName(name); err != nil {
		return nil, err
	}
	out := &sfn.CreateStateMachineAliasOutput{}
	err := s.DB.Update(func(tx *store.Tx) error {
		m, routes, err := s.routes(tx, req.Scope, in.RoutingConfiguration)
		if err != nil {
			return err
		}
		m.Qualifier = name
		key := m.AliasKey()
		old, found, err := store.Get[record.Alias](tx, record.BucketAliases, key)
		if err != nil {
			return err
		}
		a := record.Alias{Machine: m.Name, Name: name, Description: aws.ToString(in.Description), Routes: routes, Created: s.now(), Updated: s.now()}
		if found {
			if old.Description != a.Description || !slices.Equal(old.Routes, a.Routes) {
				return wire.Errorf(400, "ConflictException", "Failed to create alias because an alias with the same name and a different routing configuration already exists.")
			}
			a = old
		}
		out.CreationDate, out.StateMachineAliasArn = &a.Created, aws.String(record.AliasARN(m.ARN(), name))
		return store.Put(tx, record.BucketAliases, key, a)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// checkAliasName checks a name of letters, digits, '_', '-' and '.' that is no number.
func checkAliasName(name string) error {
	ok := name != "" && strings.Trim(name, "0123456789") != ""
	for _, r := range name {
		ok = ok && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.", r))
	}
	if !ok {
		return validation("1 validation error detected: Value '%s' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: "+
			"^(?=.*[a-zA-Z_\\-\\.])[a-zA-Z0-9_\\-\\.]+$", name)
	}
	return nil
}

// alias parses an alias ARN.
func aliasRef(sc wire.Scope, arn string) (record.MachineRef, error) {
	ref, err := record.ParseMachine(sc, arn)
	if err == nil && (ref.Qualifier == "" || ref.IsVersion()) {
		err = record.InvalidARN("Invalid Alias ARN: %s", arn)
	}
	return ref, err
}

func (s *Handlers) updateAlias(_ context.Context, req *wire.Request, in *sfn.UpdateStateMachineAliasInput) (*sfn.UpdateStateMachineAliasOutput, error) {
	arn := aws.ToString(in.StateMachineAliasArn)
	ref, err := aliasRef(req.Scope, arn)
	if err != nil {
		return nil, err
	}
	// https://docs.aws.amazon.com/step-functions/latest/apireference/API_UpdateStateMachineAlias.html says so; its words are not known.
	if in.Description == nil && in.RoutingConfiguration == nil {
		return nil, validation("You must specify at least one of the description or routingConfiguration parameters to update a state machine alias")
	}
	out := &sfn.UpdateStateMachineAliasOutput{}
	err = s.DB.Update(func(tx *store.Tx) error {
		key := ref.AliasKey()
		a, err := store.Find[record.Alias](tx, record.BucketAliases, key, wire.Errorf(400, "ResourceNotFound", "Request references a resource that does not exist."))
		if err != nil {
			return err
		}
		if in.RoutingConfiguration != nil {
			m, routes, err := s.routes(tx, req.Scope, in.RoutingConfiguration)
			if err != nil {
				return err
			}
			if m.Key() != ref.Key() {
				return validation("Routing configuration must contain version ARNs of the alias's state machine")
			}
			a.Routes = routes
		}
		if in.Description != nil {
			a.Description = *in.Description
		}
		a.Updated = s.now()
		out.UpdateDate = &a.Updated
		return store.Put(tx, record.BucketAliases, key, a)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Handlers) describeAlias(_ context.Context, req *wire.Request, in *sfn.DescribeStateMachineAliasInput) (*sfn.DescribeStateMachineAliasOutput, error) {
	arn := aws.ToString(in.StateMachineAliasArn)
	ref, err := aliasRef(req.Scope, arn)
	if err != nil {
		return nil, err
	}
	var a record.Alias
	err = s.DB.View(func(tx *store.Tx) error {
		var found bool
		a, found, err = store.Get[record.Alias](tx, record.BucketAliases, ref.AliasKey())
		if err == nil && !found {
			err = record.NoResource(arn)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &sfn.DescribeStateMachineAliasOutput{
		StateMachineAliasArn: aws.String(arn), Name: aws.String(a.Name), CreationDate: &a.Created, UpdateDate: &a.Updated,
	}
	if a.Description != "" {
		out.Description = aws.String(a.Description)
	}
	for _, r := range a.Routes {
		out.RoutingConfiguration = append(out.RoutingConfiguration, types.RoutingConfigurationListItem{
			StateMachineVersionArn: aws.String(record.VersionARN(ref.ARN(), r.Version)), Weight: int32(r.Weight), // 0 to 100
		})
	}
	return out, nil
}

func (s *Handlers) deleteAlias(_ context.Context, req *wire.Request, in *sfn.DeleteStateMachineAliasInput) (*sfn.DeleteStateMachineAliasOutput, error) {
	arn := aws.ToString(in.StateMachineAliasArn)
	ref, err := aliasRef(req.Scope, arn)
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		return errors.Join(tx.Delete(record.BucketAliases, ref.AliasKey()), tx.Delete(record.BucketTags, arn))
	})
	if err != nil {
		return nil, err
	}
	return &sfn.DeleteStateMachineAliasOutput{}, nil
}

func (s *Handlers) listAliases(_ context.Context, req *wire.Request, in *sfn.ListStateMachineAliasesInput) (*sfn.ListStateMachineAliasesOutput, error) {
	arn := aws.ToString(in.StateMachineArn)
	ref, err := record.ParseMachine(req.Scope, arn)
	if err != nil {
		return nil, err
	}
	limit := pageSize(in.MaxResults)
	from, err := place(aliasList, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &sfn.ListStateMachineAliasesOutput{}
	err = s.DB.View(func(tx *store.Tx) error {
		if _, err := record.ReadMachine(tx, ref.Key(), arn); err != nil {
			return err
		}
		out.StateMachineAliases, out.NextToken, err = page.Scan(tx, aliasList, record.BucketAliases, ref.Key()+"/", from, limit,
			func(_ string, a record.Alias) (types.StateMachineAliasListItem, bool) {
				leads := slices.ContainsFunc(a.Routes, func(r record.Route) bool { return strconv.Itoa(r.Version) == ref.Qualifier })
				return types.StateMachineAliasListItem{StateMachineAliasArn: aws.String(record.AliasARN(ref.ARN(), a.Name)), CreationDate: &a.Created}, leads || !ref.IsVersion()
			})
		return err
	})
	return out, err
}
