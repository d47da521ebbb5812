package events

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/optional"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerBuses(r *wire.Router) {
	bus, all := wire.On(onBus), wire.Access{}
	wire.Handle(r, id, "CreateEventBus", s.createBus, bus.Tags("events:TagResource"))
	wire.Handle(r, id, "DescribeEventBus", s.describeBus, bus)
	wire.Handle(r, id, "UpdateEventBus", s.updateBus, bus)
	wire.Handle(r, id, "DeleteEventBus", s.deleteBus, bus)
	wire.Handle(r, id, "ListEventBuses", s.listBuses, all)
	wire.Handle(r, id, "PutPermission", s.putPermission, all)
	wire.Handle(r, id, "RemovePermission", s.removePermission, all)
}

// defaultBus is the bus that every account has, and that services' events come to.
const defaultBus = "default"

// launched is when the default bus is said to have been made: the sandbox's accounts are
// older than what they hold.
var launched = time.Date(2019, time.July, 11, 0, 0, 0, 0, time.UTC)

// bus is an event bus as it is kept. That of the name default is kept only once
// something was changed.
type bus struct {
	Scope                                     wire.Scope
	Name, ARN, Description, Key, Dead, Policy string
	Created, Modified                         time.Time
	Tags                                      map[string]string
}

// busRef names a bus.
type busRef struct {
	wire.Scope
	name string
}

func (b busRef) arn() string { return b.ARN("events", "event-bus/"+b.name) }

// path is how a rule of the bus is named in its ARN, and in the store.
func (b busRef) path(rule string) string {
	if b.name == defaultBus {
		return rule
	}
	return b.name + "/" + rule
}

func noBus(name string) error { return missing("Event bus %s does not exist.", name) }

// busNamed reads a bus's name or ARN; none is the default bus. The bus need not exist.
func busNamed(sc wire.Scope, text string) (busRef, error) {
	if text == "" {
		text = defaultBus
	}
	if !wire.MeansARN(text) {
		return busRef{sc, text}, nil
	}
	a, ok := wire.ParseARN(text)
	name, isBus := strings.CutPrefix(a.Resource, "event-bus/")
	if !ok || !isBus || a.Service != "events" || name == "" {
		return busRef{}, validation("Parameter %s is not valid. Reason: Provided Arn is not in correct format.", text)
	}
	return busRef{wire.ScopeOfARN(a), name}, nil
}

// onBus is the bus that a document names.
func onBus(req *wire.Request, in wire.Input) []string {
	ref, err := busNamed(req.Scope, in.Text("Name"))
	if err != nil {
		return nil // nobody's: the handler refuses it
	}
	return []string{ref.arn()}
}

// getBus loads a bus.
func getBus(tx *store.Tx, ref busRef) (bus, error) {
	b, found, err := store.Get[bus](tx, busesBucket, ref.Key(ref.name))
	switch {
	case err != nil || found:
		return b, err
	case ref.name != defaultBus:
		return b, noBus(ref.name)
	}
	return bus{Scope: ref.Scope, Name: ref.name, ARN: ref.arn(), Created: launched, Modified: launched}, nil
}

// busOf loads the bus that a request names: one of its own scope.
func (s *Service) busOf(req *wire.Request, text *string) (b bus, ref busRef, err error) {
	if ref, err = busNamed(req.Scope, aws.ToString(text)); err != nil {
		return b, ref, err
	}
	if ref.Scope != req.Scope {
		return b, ref, noBus(ref.name)
	}
	err = s.DB.View(func(tx *store.Tx) error {
		b, err = getBus(tx, ref)
		return err
	})
	return b, ref, err
}

// changeBus lets fn change a bus.
func (s *Service) changeBus(req *wire.Request, text *string, fn func(*bus) error) (b bus, err error) {
	ref, err := busNamed(req.Scope, aws.ToString(text))
	if err == nil && ref.Scope != req.Scope {
		err = noBus(ref.name)
	}
	if err != nil {
		return b, err
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		if b, err = getBus(tx, ref); err != nil {
			return err
		}
		if err := fn(&b); err != nil {
			return err
		}
		return store.Put(tx, busesBucket, ref.Key(ref.name), b)
	})
	return b, err
}

func deadLetters(c *types.DeadLetterConfig) string {
	if c == nil {
		return ""
	}
	return aws.ToString(c.Arn)
}

func deadLetterConfig(arn string) *types.DeadLetterConfig {
	if arn == "" {
		return nil
	}
	return &types.DeadLetterConfig{Arn: &arn}
}

func (s *Service) createBus(_ context.Context, req *wire.Request, in *sdk.CreateEventBusInput) (*sdk.CreateEventBusOutput, error) {
	name := *in.Name
	switch {
	case in.EventSourceName != nil:
		return nil, missing("Event source %s does not exist.", *in.EventSourceName) // the sandbox has no partners
	case strings.Contains(name, "/"):
		return nil, validation("Event bus name must not contain '/'.")
	case name == defaultBus:
		return nil, fail("ResourceAlreadyExistsException", "Event bus %s already exists.", name)
	}
	given, err := tagRules.Add(nil, tags.Of(in.Tags, splitTag))
	if err != nil {
		return nil, err
	}
	b := bus{
		Scope: req.Scope, Name: name, ARN: busRef{req.Scope, name}.arn(), Description: aws.ToString(in.Description),
		Key: aws.ToString(in.KmsKeyIdentifier), Dead: deadLetters(in.DeadLetterConfig), Created: s.now(), Modified: s.now(), Tags: given,
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(busesBucket, req.Key(name)) != nil {
			return fail("ResourceAlreadyExistsException", "Event bus %s already exists.", name)
		}
		return store.Put(tx, busesBucket, req.Key(name), b)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.CreateEventBusOutput{
		EventBusArn: &b.ARN, Description: optional.Of(b.Description), KmsKeyIdentifier: optional.Of(b.Key), DeadLetterConfig: deadLetterConfig(b.Dead),
	}, nil
}

func (s *Service) describeBus(_ context.Context, req *wire.Request, in *sdk.DescribeEventBusInput) (*sdk.DescribeEventBusOutput, error) {
	b, _, err := s.busOf(req, in.Name)
	if err != nil {
		return nil, err
	}
	return &sdk.DescribeEventBusOutput{
		Name: &b.Name, Arn: &b.ARN, Description: optional.Of(b.Description), KmsKeyIdentifier: optional.Of(b.Key),
		DeadLetterConfig: deadLetterConfig(b.Dead), Policy: optional.Of(b.Policy), CreationTime: &b.Created, LastModifiedTime: &b.Modified,
	}, nil
}

// updateBus sets what is given: what is left out stays.
func (s *Service) updateBus(_ context.Context, req *wire.Request, in *sdk.UpdateEventBusInput) (*sdk.UpdateEventBusOutput, error) {
	b, err := s.changeBus(req, in.Name, func(b *bus) error {
		if in.Description != nil {
			b.Description = *in.Description
		}
		if in.KmsKeyIdentifier != nil {
			b.Key = *in.KmsKeyIdentifier
		}
		if in.DeadLetterConfig != nil {
			b.Dead = deadLetters(in.DeadLetterConfig)
		}
		b.Modified = s.now()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.UpdateEventBusOutput{
		Name: &b.Name, Arn: &b.ARN, Description: optional.Of(b.Description), KmsKeyIdentifier: optional.Of(b.Key), DeadLetterConfig: deadLetterConfig(b.Dead),
	}, nil
}

// deleteBus succeeds for a bus that does not exist, as on AWS; its rules and archives have
// to be gone.
func (s *Service) deleteBus(_ context.Context, req *wire.Request, in *sdk.DeleteEventBusInput) (*sdk.DeleteEventBusOutput, error) {
	if *in.Name == defaultBus {
		return nil, validation("Cannot delete event bus default.")
	}
	err := s.DB.Update(func(tx *store.Tx) error {
		rules, err := store.List[rule](tx, rulesBucket, req.Key(*in.Name+"/"))
		if err != nil {
			return err
		}
		if len(rules) > 0 {
			return validation("Event bus %s cannot be deleted because it has rules.", *in.Name) // the words are ours
		}
		return tx.Delete(busesBucket, req.Key(*in.Name))
	})
	return &sdk.DeleteEventBusOutput{}, err
}

// listBuses includes the default bus.
func (s *Service) listBuses(_ context.Context, req *wire.Request, in *sdk.ListEventBusesInput) (*sdk.ListEventBusesOutput, error) {
	var all []bus
	prefix := aws.ToString(in.NamePrefix)
	err := s.DB.View(func(tx *store.Tx) error {
		b, err := getBus(tx, busRef{req.Scope, defaultBus})
		if err != nil {
			return err
		}
		kept := tx.GetRaw(busesBucket, req.Key(defaultBus)) != nil
		err = store.Each(tx, busesBucket, req.Key(prefix), "", func(_ string, x bus) bool {
			all = append(all, x)
			return true
		})
		if !kept && strings.HasPrefix(defaultBus, prefix) {
			all = insertBus(all, b)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	some, next, err := page.Of(all, in.NextToken, in.Limit, 100, func(b bus) string { return b.Name })
	if err != nil {
		return nil, badToken()
	}
	out := &sdk.ListEventBusesOutput{EventBuses: []types.EventBus{}, NextToken: next}
	for _, b := range some {
		out.EventBuses = append(out.EventBuses, types.EventBus{
			Name: &b.Name, Arn: &b.ARN, Description: optional.Of(b.Description), Policy: optional.Of(b.Policy), CreationTime: &b.Created, LastModifiedTime: &b.Modified,
		})
	}
	return out, nil
}

// insertBus keeps the order of names.
func insertBus(all []bus, b bus) []bus {
	for i, x := range all {
		if x.Name > b.Name {
			return append(append(append([]bus{}, all[:i]...), b), all[i:]...)
		}
	}
	return append(all, b)
}

func badToken() error { return validation("The token is invalid.") }

// target is what a decision about a resource has to know: the policy of a bus, and tags.
func (s *Service) target(req *wire.Request, arn string) (policy.Target, error) {
	t := policy.Target{ARN: arn}
	a, ok := wire.ParseARN(arn)
	if !ok || a.Service != "events" {
		return t, nil
	}
	sc := wire.ScopeOfARN(a)
	kind, name, _ := strings.Cut(a.Resource, "/")
	err := s.DB.View(func(tx *store.Tx) error {
		switch kind {
		case "event-bus":
			b, _, err := store.Get[bus](tx, busesBucket, sc.Key(name))
			if t.Tags = b.Tags; err != nil || b.Policy == "" {
				return err
			}
			t.Policy, err = s.policies.Parse(b.Policy, policy.Resource)
			return err
		case "rule":
			r, _, err := store.Get[rule](tx, rulesBucket, sc.Key(name))
			t.Tags = r.Tags
			return err
		}
		return nil
	})
	return t, err
}
