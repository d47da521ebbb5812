package events

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/eventpattern"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/optional"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerArchives(r *wire.Router) {
	one := wire.On(on("archive", "ArchiveName"))
	wire.Handle(r, id, "CreateArchive", s.createArchive, wire.On(onArchived))
	wire.Handle(r, id, "DescribeArchive", s.describeArchive, one)
	wire.Handle(r, id, "UpdateArchive", s.updateArchive, one)
	wire.Handle(r, id, "DeleteArchive", s.deleteArchive, one)
	wire.Handle(r, id, "ListArchives", s.listArchives, wire.Access{})
}

// onArchived is a new archive together with the bus whose events it is to keep: the caller
// needs the permission on both.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
func onArchived(req *wire.Request, in wire.Input) []string {
	out := on("archive", "ArchiveName")(req, in)
	ref, err := busNamed(req.Scope, in.Text("EventSourceArn"))
	if err != nil || ref.Scope != req.Scope {
		return out // nobody's: the handler refuses it
	}
	return append(out, ref.arn())
}

// archive is an archive as it is kept. A rule of its bus, which EventBridge manages, fills
// it; so it is on AWS.
type archive struct {
	Scope                                        wire.Scope
	Name, ARN, Description, Source, Pattern, Key string // Source is the ARN of a bus
	Retention                                    int32  // days, 0 for ever
	Created                                      time.Time
	Events, Bytes                                int64
	Swept                                        time.Time // when what is too old was last looked for
}

func (a archive) key() string      { return a.Scope.Key(a.Name) }
func (a archive) ruleName() string { return "Events-Archive-" + a.Name }

// archived is an event in an archive.
type archived struct {
	Event json.RawMessage
	Kept  time.Time
}

// archiving is an event on its way into an archive.
type archiving struct {
	scope wire.Scope
	name  string
	event json.RawMessage
}

// archivedPrefix begins the keys of an archive's events, which are in the order of their
// times.
func archivedPrefix(a archive) string { return a.key() + "|" }

func placeOf(a archive, at time.Time) string {
	return archivedPrefix(a) + fmt.Sprintf("%020d", at.UnixMilli())
}

// store keeps an event, unless the archive is gone.
func (x archiving) store(tx *store.Tx, now time.Time) error {
	a, found, err := store.Get[archive](tx, archivesBucket, x.scope.Key(x.name))
	if err != nil || !found {
		return err
	}
	var head struct{ Time time.Time }
	if err := json.Unmarshal(x.event, &head); err != nil {
		return err
	}
	seq, err := tx.NextSequence(archivedBucket)
	if err != nil {
		return err
	}
	if err := a.sweep(tx, now); err != nil {
		return err
	}
	a.Events++
	a.Bytes += int64(len(x.event))
	key := placeOf(a, head.Time) + fmt.Sprintf("%020d", seq)
	if err := store.Put(tx, archivedBucket, key, archived{x.event, now}); err != nil {
		return err
	}
	return store.Put(tx, archivesBucket, a.key(), a)
}

// sweepPause is the least time between two searches for what is too old.
const sweepPause = time.Hour

func (a *archive) stale(now time.Time) bool {
	return a.Retention > 0 && a.Events > 0 && now.Sub(a.Swept) >= sweepPause
}

// sweep removes what is older than the archive keeps events, if it is time to look.
func (a *archive) sweep(tx *store.Tx, now time.Time) error {
	if !a.stale(now) {
		return nil
	}
	a.Swept = now
	oldest := now.AddDate(0, 0, -int(a.Retention))
	var gone []string
	err := store.Each(tx, archivedBucket, archivedPrefix(*a), "", func(key string, e archived) bool {
		if e.Kept.Before(oldest) {
			gone = append(gone, key)
			a.Events--
			a.Bytes -= int64(len(e.Event))
		}
		return true
	})
	for _, key := range gone {
		if err == nil {
			err = tx.Delete(archivedBucket, key)
		}
	}
	return err
}

func noArchive(name string) error { return missing("Archive %s does not exist.", name) }

func getArchive(tx *store.Tx, sc wire.Scope, name string) (archive, error) {
	return store.Find[archive](tx, archivesBucket, sc.Key(name), noArchive(name))
}

// managed is the rule that fills an archive. Its form is AWS's, as the tests of
// https://github.com/getmoto/moto that were verified against AWS have it
// (test_archive_actual_events).
func (a archive) managed(ref busRef) (rule, error) {
	pattern := map[string]any{}
	if a.Pattern != "" {
		doc, err := eventpattern.Decode(a.Pattern)
		if err != nil {
			return rule{}, err
		}
		if fields, ok := doc.(map[string]any); ok { // else it was refused when it came
			pattern = fields
		}
	}
	pattern["replay-name"] = []any{map[string]bool{"exists": false}}
	text, err := marshal(pattern)
	if err != nil {
		return rule{}, err
	}
	r := rule{
		Scope: a.Scope, Name: a.ruleName(), ARN: ruleARN(ref, a.ruleName()), Pattern: string(text), ManagedBy: "prod.vhs.events.aws.internal",
		Targets: []target{{
			ID: a.ruleName(), ARN: wire.Scope{Partition: a.Scope.Partition, Region: a.Scope.Region}.ARN("events", ":"), Archive: a.Name,
			Transformer: &transformer{
				Paths:    map[string]string{},
				Template: `{"archive-arn": "` + a.ARN + `", "event": <aws.events.event.json>, "ingestion-time": <aws.events.event.ingestion-time>}`,
			},
		}},
	}
	if ref.name != defaultBus {
		r.Bus = ref.name
	}
	return r, nil
}

func checkPattern(text *string) error {
	if aws.ToString(text) == "" {
		return nil
	}
	if _, err := eventpattern.Compile(*text); err != nil {
		return badPattern(err)
	}
	return nil
}

func (s *Service) createArchive(_ context.Context, req *wire.Request, in *sdk.CreateArchiveInput) (*sdk.CreateArchiveOutput, error) {
	_, ref, err := s.busOf(req, in.EventSourceArn)
	if err != nil {
		return nil, err
	}
	if err := checkPattern(in.EventPattern); err != nil {
		return nil, err
	}
	a := archive{
		Scope: req.Scope, Name: *in.ArchiveName, ARN: req.ARN("events", "archive/"+*in.ArchiveName), Description: aws.ToString(in.Description),
		Source: ref.arn(), Pattern: aws.ToString(in.EventPattern), Key: aws.ToString(in.KmsKeyIdentifier), Created: s.now(), Swept: s.now(),
	}
	if in.RetentionDays != nil {
		a.Retention = *in.RetentionDays
	}
	r, err := a.managed(ref)
	if err != nil {
		return nil, err
	}
	err = s.update(func(tx *store.Tx) error {
		if tx.GetRaw(archivesBucket, a.key()) != nil {
			return fail("ResourceAlreadyExistsException", "Archive %s already exists.", a.Name)
		}
		if err := store.Put(tx, rulesBucket, r.key(), r); err != nil {
			return err
		}
		return store.Put(tx, archivesBucket, a.key(), a)
	})
	return &sdk.CreateArchiveOutput{ArchiveArn: &a.ARN, CreationTime: &a.Created, State: types.ArchiveStateEnabled}, err
}

// readArchive loads an archive without what is too old.
func (s *Service) readArchive(sc wire.Scope, name string) (a archive, err error) {
	now := s.now()
	err = s.DB.View(func(tx *store.Tx) error {
		a, err = getArchive(tx, sc, name)
		return err
	})
	if err != nil || !a.stale(now) {
		return a, err
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		if a, err = getArchive(tx, sc, name); err != nil {
			return err
		}
		if err := a.sweep(tx, now); err != nil {
			return err
		}
		return store.Put(tx, archivesBucket, a.key(), a)
	})
	return a, err
}

func (s *Service) describeArchive(_ context.Context, req *wire.Request, in *sdk.DescribeArchiveInput) (*sdk.DescribeArchiveOutput, error) {
	a, err := s.readArchive(req.Scope, *in.ArchiveName)
	if err != nil {
		return nil, err
	}
	return &sdk.DescribeArchiveOutput{
		ArchiveArn: &a.ARN, ArchiveName: &a.Name, Description: optional.Of(a.Description), EventSourceArn: &a.Source, EventPattern: optional.Of(a.Pattern),
		KmsKeyIdentifier: optional.Of(a.Key), RetentionDays: &a.Retention, CreationTime: &a.Created, EventCount: a.Events, SizeBytes: a.Bytes, State: types.ArchiveStateEnabled,
	}, nil
}

func (s *Service) updateArchive(_ context.Context, req *wire.Request, in *sdk.UpdateArchiveInput) (*sdk.UpdateArchiveOutput, error) {
	if err := checkPattern(in.EventPattern); err != nil {
		return nil, err
	}
	var a archive
	err := s.update(func(tx *store.Tx) (err error) {
		if a, err = getArchive(tx, req.Scope, *in.ArchiveName); err != nil {
			return err
		}
		for to, from := range map[*string]*string{&a.Description: in.Description, &a.Pattern: in.EventPattern, &a.Key: in.KmsKeyIdentifier} {
			if from != nil {
				*to = *from
			}
		}
		if in.RetentionDays != nil {
			a.Retention = *in.RetentionDays
		}
		ref, err := busNamed(req.Scope, a.Source)
		if err != nil {
			return err
		}
		r, err := a.managed(ref)
		if err != nil {
			return err
		}
		if err := store.Put(tx, rulesBucket, r.key(), r); err != nil {
			return err
		}
		return store.Put(tx, archivesBucket, a.key(), a)
	})
	return &sdk.UpdateArchiveOutput{ArchiveArn: &a.ARN, CreationTime: &a.Created, State: types.ArchiveStateEnabled}, err
}

func (s *Service) deleteArchive(_ context.Context, req *wire.Request, in *sdk.DeleteArchiveInput) (*sdk.DeleteArchiveOutput, error) {
	return &sdk.DeleteArchiveOutput{}, s.update(func(tx *store.Tx) error {
		a, err := getArchive(tx, req.Scope, *in.ArchiveName)
		if err != nil {
			return err
		}
		ref, err := busNamed(req.Scope, a.Source)
		if err != nil {
			return err
		}
		if err := tx.Delete(rulesBucket, ref.Key(ref.path(a.ruleName()))); err != nil {
			return err
		}
		if err := tx.DeletePrefix(archivedBucket, archivedPrefix(a)); err != nil {
			return err
		}
		return tx.Delete(archivesBucket, a.key())
	})
}

// oneFilter refuses lists that are asked for by more than one property.
func oneFilter(operation string, given ...bool) error {
	n := 0
	for _, g := range given {
		if g {
			n++
		}
	}
	if n > 1 {
		return validation("At most one filter is allowed for %s. Use either : State, EventSourceArn, or NamePrefix.", operation)
	}
	return nil
}

func (s *Service) listArchives(_ context.Context, req *wire.Request, in *sdk.ListArchivesInput) (*sdk.ListArchivesOutput, error) {
	if err := oneFilter("ListArchives", in.State != "", in.EventSourceArn != nil, in.NamePrefix != nil); err != nil {
		return nil, err
	}
	if in.EventSourceArn != nil {
		if _, _, err := s.busOf(req, in.EventSourceArn); err != nil {
			return nil, err
		}
	}
	all, err := store.Select(s.DB, archivesBucket, req.Key(aws.ToString(in.NamePrefix)), func(a archive) bool {
		return (in.EventSourceArn == nil || *in.EventSourceArn == a.Source) && (in.State == "" || in.State == types.ArchiveStateEnabled)
	})
	if err != nil {
		return nil, err
	}
	some, next, err := page.Of(all, in.NextToken, in.Limit, 100, func(a archive) string { return a.Name })
	if err != nil {
		return nil, badToken()
	}
	out := &sdk.ListArchivesOutput{Archives: []types.Archive{}, NextToken: next}
	for _, a := range some {
		out.Archives = append(out.Archives, types.Archive{
			ArchiveName: aws.String(a.Name), EventSourceArn: &a.Source, RetentionDays: &a.Retention, CreationTime: &a.Created,
			EventCount: a.Events, SizeBytes: a.Bytes, State: types.ArchiveStateEnabled,
		})
	}
	return out, nil
}

// archiveName is the name in an archive's ARN.
func archiveName(text string) string {
	a, _ := wire.ParseARN(text)
	return strings.TrimPrefix(a.Resource, "archive/")
}
