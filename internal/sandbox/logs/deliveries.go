package logs

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// dbDeliveries has delivery sources, destinations and deliveries: scope's key of what
// of the ARN names them.
const dbDeliveries = "logs.deliveries"

// The kinds of what is in dbDeliveries, as ARNs have them.
const (
	deliverySource      = "delivery-source"
	deliveryDestination = "delivery-destination"
	deliveryItself      = "delivery"
)

// delivery is a source, a destination or a delivery from one to the other. They are
// kept for those who make and read them: the services whose logs are delivered so
// (CloudFront, Bedrock and the like) are not in the sandbox, so that nothing flows.
type delivery struct {
	Kind, Name  string
	Tags        map[string]string
	Resource    string // of a source or a destination, its ARN
	LogType     string
	Format      types.OutputFormat
	Policy      string
	Source      string // of a delivery, the name of its source
	Destination string // and the ARN of its destination
	Fields      []string
	Delimiter   *string
	S3          *types.S3DeliveryConfiguration
}

func (d delivery) resource() string { return d.Kind + ":" + d.Name }

func (s *Service) registerDeliveries(r *wire.Router) {
	on := func(kind, member string) wire.Access {
		return wire.On(func(req *wire.Request, in wire.Input) []string {
			return []string{req.ARN("logs", kind+":"+in.Text(member))}
		})
	}
	source, destination, one := on(deliverySource, "name"), on(deliveryDestination, "name"), on(deliveryItself, "id")
	policy := on(deliveryDestination, "deliveryDestinationName")
	wire.Handle(r, id, "PutDeliverySource", s.putDeliverySource, source.Tags("logs:TagResource"))
	wire.Handle(r, id, "GetDeliverySource", s.getDeliverySource, source)
	wire.Handle(r, id, "DescribeDeliverySources", s.describeDeliverySources, wire.Access{})
	wire.Handle(r, id, "DeleteDeliverySource", s.deleteDeliverySource, source)
	wire.Handle(r, id, "PutDeliveryDestination", s.putDeliveryDestination, destination.Tags("logs:TagResource"))
	wire.Handle(r, id, "GetDeliveryDestination", s.getDeliveryDestination, destination)
	wire.Handle(r, id, "DescribeDeliveryDestinations", s.describeDeliveryDestinations, wire.Access{})
	wire.Handle(r, id, "DeleteDeliveryDestination", s.deleteDeliveryDestination, destination)
	wire.Handle(r, id, "PutDeliveryDestinationPolicy", s.putDeliveryPolicy, policy)
	wire.Handle(r, id, "GetDeliveryDestinationPolicy", s.getDeliveryPolicy, policy)
	wire.Handle(r, id, "DeleteDeliveryDestinationPolicy", s.deleteDeliveryPolicy, policy)
	wire.Handle(r, id, "CreateDelivery", s.createDelivery, wire.On(func(req *wire.Request, in wire.Input) []string {
		return []string{req.ARN("logs", deliverySource+":"+in.Text("deliverySourceName")), in.Text("deliveryDestinationArn")}
	}).Tags("logs:TagResource"))
	wire.Handle(r, id, "GetDelivery", s.getDelivery, one)
	wire.Handle(r, id, "DescribeDeliveries", s.describeDeliveries, wire.Access{})
	wire.Handle(r, id, "DeleteDelivery", s.deleteDelivery, one)
}

// The texts are recordings of AWS (https://github.com/localstack/localstack,
// test_logs_delivery.snapshot.json).
func errNoDelivery(kind string) error {
	what := map[string]string{deliverySource: "Delivery Source", deliveryDestination: "Delivery Destination", deliveryItself: "Delivery"}[kind]
	return wire.Errorf(http.StatusBadRequest, "ResourceNotFoundException", "Requested %s does not exist in this account.", what)
}

func errConflict(format string, args ...any) error {
	return wire.Errorf(http.StatusBadRequest, "ConflictException", format, args...)
}

func errValidation(format string, args ...any) error {
	return wire.Errorf(http.StatusBadRequest, "ValidationException", format, args...)
}

func findDelivery(tx *store.Tx, sc wire.Scope, kind, name string) (delivery, error) {
	return store.Find[delivery](tx, dbDeliveries, sc.Key(kind+":"+name), errNoDelivery(kind))
}

func (s *Service) readDelivery(sc wire.Scope, kind, name string) (d delivery, err error) {
	return store.Look(s.DB, func(tx *store.Tx) (delivery, error) { return findDelivery(tx, sc, kind, name) })
}

// changeDelivery lets fn change what there is.
func (s *Service) changeDelivery(sc wire.Scope, kind, name string, fn func(*delivery) error) error {
	return s.DB.Update(func(tx *store.Tx) error {
		d, err := findDelivery(tx, sc, kind, name)
		if err != nil {
			return err
		}
		if err := fn(&d); err != nil {
			return err
		}
		return store.Put(tx, dbDeliveries, sc.Key(d.resource()), d)
	})
}

// putDelivery makes what is not there, or lets fn decide what becomes of what is.
func (s *Service) putDelivery(sc wire.Scope, d delivery, given map[string]string, fn func(old delivery, d *delivery) error) (delivery, error) {
	added, err := tagRules.Add(nil, tags.OfMap(given))
	if err != nil {
		return d, err
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		old, found, err := store.Get[delivery](tx, dbDeliveries, sc.Key(d.resource()))
		if err != nil {
			return err
		}
		d.Tags = added
		if found {
			if err := fn(old, &d); err != nil {
				return err
			}
			d.Policy = old.Policy
			if given == nil {
				d.Tags = old.Tags
			}
		}
		return store.Put(tx, dbDeliveries, sc.Key(d.resource()), d)
	})
	return d, err
}

// deleteDeliveryOf deletes what no delivery needs.
func (s *Service) deleteDeliveryOf(sc wire.Scope, kind, name string) error {
	return s.DB.Update(func(tx *store.Tx) error {
		d, err := findDelivery(tx, sc, kind, name)
		if err != nil {
			return err
		}
		all, err := store.List[delivery](tx, dbDeliveries, sc.Key(deliveryItself+":"))
		if err != nil {
			return err
		}
		for _, one := range all {
			if kind == deliverySource && one.Source == name || kind == deliveryDestination && one.Destination == sc.ARN("logs", d.resource()) {
				return errConflict("The %s %s cannot be deleted: the delivery %s uses it.", kind, name, one.Name)
			}
		}
		return tx.Delete(dbDeliveries, sc.Key(d.resource()))
	})
}

// listDeliveries is a page of a kind, in order of names.
func listDeliveries[T any](s *Service, sc wire.Scope, kind string, token *string, limit *int32, show func(delivery) T) (out []T, next *string, err error) {
	var all []delivery
	err = s.DB.View(func(tx *store.Tx) (err error) {
		all, err = store.List[delivery](tx, dbDeliveries, sc.Key(kind+":"))
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	some, next, err := page.Of(all, token, limit, 50, func(d delivery) string { return d.Name })
	if err != nil {
		return nil, nil, errValidation("The specified nextToken is invalid.")
	}
	out = []T{}
	for _, d := range some {
		out = append(out, show(d))
	}
	return out, next, nil
}

// logTypes are the services whose logs can be delivered, with their types of logs.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutDeliverySource.html
var logTypes = map[string][]string{
	"bedrock": {"APPLICATION_LOGS", "EVENT_LOGS", "TRACES"}, "bedrock-agentcore": {"APPLICATION_LOGS", "USAGE_LOGS", "TRACES"},
	"cloudfront": {"ACCESS_LOGS", "CONNECTION_LOGS"}, "codewhisperer": {"EVENT_LOGS"}, "qbusiness": {"EVENT_LOGS"}, "qdeveloper": {"EVENT_LOGS"},
	"mediapackagev2": {"EGRESS_ACCESS_LOGS", "INGRESS_ACCESS_LOGS"}, "mediatailor": {"AD_DECISION_SERVER_LOGS", "MANIFEST_SERVICE_LOGS", "TRANSCODE_LOGS"},
	"entityresolution": {"WORKFLOW_LOGS"}, "sso": {"ERROR_LOGS"}, "elasticloadbalancing": {"NLB_ACCESS_LOGS"}, "ses": {"APPLICATION_LOGS", "TRAFFIC_POLICY_DEBUG_LOGS"},
	"workmail": {"ACCESS_CONTROL_LOGS", "AUTHENTICATION_LOGS", "WORKMAIL_AVAILABILITY_PROVIDER_LOGS", "WORKMAIL_MAILBOX_ACCESS_LOGS", "WORKMAIL_PERSONAL_ACCESS_TOKEN_LOGS"},
	"pcs":      {"PCS_SCHEDULER_LOGS", "PCS_JOBCOMP_LOGS"}, "ec2": {"EVENT_LOGS"}, "scn": {"APPLICATION_LOGS"},
}

func (d delivery) asSource(sc wire.Scope) types.DeliverySource {
	a, _ := wire.ParseARN(d.Resource)
	return types.DeliverySource{
		Arn: aws.String(sc.ARN("logs", d.resource())), Name: aws.String(d.Name), LogType: aws.String(d.LogType), ResourceArns: []string{d.Resource}, Service: aws.String(a.Service),
	}
}

func (s *Service) putDeliverySource(_ context.Context, req *wire.Request, in *cwl.PutDeliverySourceInput) (*cwl.PutDeliverySourceOutput, error) {
	a, ok := wire.ParseARN(aws.ToString(in.ResourceArn))
	kinds, known := logTypes[a.Service]
	switch {
	case !ok || !known:
		return nil, wire.Errorf(http.StatusBadRequest, "ResourceNotFoundException", "Cannot access provided service.")
	case !slices.Contains(kinds, aws.ToString(in.LogType)):
		return nil, errValidation("The log type %s is not one of the service %s: [%s]", aws.ToString(in.LogType), a.Service, strings.Join(kinds, ", "))
	}
	d, err := s.putDelivery(req.Scope, delivery{Kind: deliverySource, Name: *in.Name, Resource: *in.ResourceArn, LogType: *in.LogType}, in.Tags,
		func(old delivery, _ *delivery) error {
			if old.Resource != *in.ResourceArn || old.LogType != *in.LogType {
				return errConflict("The delivery source %s exists with another resource or log type.", *in.Name)
			}
			return nil
		})
	out := d.asSource(req.Scope)
	out.Tags = d.Tags
	return &cwl.PutDeliverySourceOutput{DeliverySource: &out}, err
}

func (s *Service) getDeliverySource(_ context.Context, req *wire.Request, in *cwl.GetDeliverySourceInput) (*cwl.GetDeliverySourceOutput, error) {
	d, err := s.readDelivery(req.Scope, deliverySource, *in.Name)
	out := d.asSource(req.Scope)
	return &cwl.GetDeliverySourceOutput{DeliverySource: &out}, err
}

func (s *Service) describeDeliverySources(_ context.Context, req *wire.Request, in *cwl.DescribeDeliverySourcesInput) (*cwl.DescribeDeliverySourcesOutput, error) {
	list, next, err := listDeliveries(s, req.Scope, deliverySource, in.NextToken, in.Limit, func(d delivery) types.DeliverySource { return d.asSource(req.Scope) })
	return &cwl.DescribeDeliverySourcesOutput{DeliverySources: list, NextToken: next}, err
}

func (s *Service) deleteDeliverySource(_ context.Context, req *wire.Request, in *cwl.DeleteDeliverySourceInput) (*cwl.DeleteDeliverySourceOutput, error) {
	return &cwl.DeleteDeliverySourceOutput{}, s.deleteDeliveryOf(req.Scope, deliverySource, *in.Name)
}

// destinationType is where a destination's ARN leads.
func destinationType(arn string) (types.DeliveryDestinationType, bool) {
	a, ok := wire.ParseARN(arn)
	t, known := map[string]types.DeliveryDestinationType{
		"s3": types.DeliveryDestinationTypeS3, "logs": types.DeliveryDestinationTypeCwl,
		"firehose": types.DeliveryDestinationTypeFh,
	}[a.Service]
	return t, ok && known
}

func (d delivery) asDestination(sc wire.Scope) types.DeliveryDestination {
	kind, _ := destinationType(d.Resource)
	return types.DeliveryDestination{
		Arn: aws.String(sc.ARN("logs", d.resource())), Name: aws.String(d.Name), DeliveryDestinationType: kind, OutputFormat: d.Format,
		DeliveryDestinationConfiguration: &types.DeliveryDestinationConfiguration{DestinationResourceArn: aws.String(d.Resource)},
	}
}

func (s *Service) putDeliveryDestination(_ context.Context, req *wire.Request, in *cwl.PutDeliveryDestinationInput) (*cwl.PutDeliveryDestinationOutput, error) {
	if in.DeliveryDestinationConfiguration == nil {
		return nil, errValidation("deliveryDestinationConfiguration is required.")
	}
	d := delivery{Kind: deliveryDestination, Name: *in.Name, Resource: aws.ToString(in.DeliveryDestinationConfiguration.DestinationResourceArn), Format: in.OutputFormat}
	if _, ok := destinationType(d.Resource); !ok {
		return nil, errValidation("The sandbox knows S3 buckets, log groups and delivery streams as destinations, not %s.", d.Resource)
	}
	d, err := s.putDelivery(req.Scope, d, in.Tags, func(old delivery, d *delivery) error {
		if in.OutputFormat != "" && in.OutputFormat != old.Format {
			return errValidation("The output format of the delivery destination %s cannot be changed.", *in.Name)
		}
		d.Format = old.Format
		return nil
	})
	out := d.asDestination(req.Scope)
	out.Tags = d.Tags
	return &cwl.PutDeliveryDestinationOutput{DeliveryDestination: &out}, err
}

func (s *Service) getDeliveryDestination(_ context.Context, req *wire.Request, in *cwl.GetDeliveryDestinationInput) (*cwl.GetDeliveryDestinationOutput, error) {
	d, err := s.readDelivery(req.Scope, deliveryDestination, *in.Name)
	out := d.asDestination(req.Scope)
	return &cwl.GetDeliveryDestinationOutput{DeliveryDestination: &out}, err
}

func (s *Service) describeDeliveryDestinations(_ context.Context, req *wire.Request, in *cwl.DescribeDeliveryDestinationsInput) (*cwl.DescribeDeliveryDestinationsOutput, error) {
	list, next, err := listDeliveries(s, req.Scope, deliveryDestination, in.NextToken, in.Limit, func(d delivery) types.DeliveryDestination { return d.asDestination(req.Scope) })
	return &cwl.DescribeDeliveryDestinationsOutput{DeliveryDestinations: list, NextToken: next}, err
}

func (s *Service) deleteDeliveryDestination(_ context.Context, req *wire.Request, in *cwl.DeleteDeliveryDestinationInput) (*cwl.DeleteDeliveryDestinationOutput, error) {
	return &cwl.DeleteDeliveryDestinationOutput{}, s.deleteDeliveryOf(req.Scope, deliveryDestination, *in.Name)
}

func (s *Service) putDeliveryPolicy(_ context.Context, req *wire.Request, in *cwl.PutDeliveryDestinationPolicyInput) (*cwl.PutDeliveryDestinationPolicyOutput, error) {
	if !json.Valid([]byte(*in.DeliveryDestinationPolicy)) {
		return nil, errValidation("The policy of the delivery destination is not valid JSON.")
	}
	err := s.changeDelivery(req.Scope, deliveryDestination, *in.DeliveryDestinationName, func(d *delivery) error {
		d.Policy = *in.DeliveryDestinationPolicy
		return nil
	})
	return &cwl.PutDeliveryDestinationPolicyOutput{Policy: &types.Policy{DeliveryDestinationPolicy: in.DeliveryDestinationPolicy}}, err
}

func (s *Service) getDeliveryPolicy(_ context.Context, req *wire.Request, in *cwl.GetDeliveryDestinationPolicyInput) (*cwl.GetDeliveryDestinationPolicyOutput, error) {
	d, err := s.readDelivery(req.Scope, deliveryDestination, *in.DeliveryDestinationName)
	out := &types.Policy{}
	if d.Policy != "" {
		out.DeliveryDestinationPolicy = &d.Policy
	}
	return &cwl.GetDeliveryDestinationPolicyOutput{Policy: out}, err
}

func (s *Service) deleteDeliveryPolicy(_ context.Context, req *wire.Request, in *cwl.DeleteDeliveryDestinationPolicyInput) (*cwl.DeleteDeliveryDestinationPolicyOutput, error) {
	return &cwl.DeleteDeliveryDestinationPolicyOutput{}, s.changeDelivery(req.Scope, deliveryDestination, *in.DeliveryDestinationName, func(d *delivery) error {
		d.Policy = ""
		return nil
	})
}

func (d delivery) asDelivery(sc wire.Scope) types.Delivery {
	out := types.Delivery{
		Id: aws.String(d.Name), Arn: aws.String(sc.ARN("logs", d.resource())), DeliverySourceName: aws.String(d.Source), DeliveryDestinationArn: aws.String(d.Destination),
		RecordFields: d.Fields, FieldDelimiter: d.Delimiter, S3DeliveryConfiguration: d.S3,
	}
	out.DeliveryDestinationType, _ = destinationType(d.Resource)
	return out
}

func (s *Service) createDelivery(_ context.Context, req *wire.Request, in *cwl.CreateDeliveryInput) (*cwl.CreateDeliveryOutput, error) {
	added, err := tagRules.Add(nil, tags.OfMap(in.Tags))
	if err != nil {
		return nil, err
	}
	a, ok := wire.ParseARN(*in.DeliveryDestinationArn)
	name, is := strings.CutPrefix(a.Resource, deliveryDestination+":")
	if !ok || !is || !req.Owns(a) {
		return nil, errNoDelivery(deliveryDestination)
	}
	d := delivery{
		Kind: deliveryItself, Name: strings.ReplaceAll(wire.NewID(), "-", "")[:16], Tags: added, Source: *in.DeliverySourceName, Destination: *in.DeliveryDestinationArn,
		Fields: in.RecordFields, Delimiter: in.FieldDelimiter, S3: in.S3DeliveryConfiguration,
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		if _, err := findDelivery(tx, req.Scope, deliverySource, d.Source); err != nil {
			return err
		}
		to, err := findDelivery(tx, req.Scope, deliveryDestination, name)
		if err != nil {
			return err
		}
		d.Resource = to.Resource
		all, err := store.List[delivery](tx, dbDeliveries, req.Key(deliveryItself+":"))
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(o delivery) bool { return o.Source == d.Source && o.Destination == d.Destination }) {
			return errConflict("A delivery from %s to %s exists.", d.Source, d.Destination)
		}
		return store.Put(tx, dbDeliveries, req.Key(d.resource()), d)
	})
	out := d.asDelivery(req.Scope)
	out.Tags = d.Tags
	return &cwl.CreateDeliveryOutput{Delivery: &out}, err
}

func (s *Service) getDelivery(_ context.Context, req *wire.Request, in *cwl.GetDeliveryInput) (*cwl.GetDeliveryOutput, error) {
	d, err := s.readDelivery(req.Scope, deliveryItself, *in.Id)
	out := d.asDelivery(req.Scope)
	return &cwl.GetDeliveryOutput{Delivery: &out}, err
}

func (s *Service) describeDeliveries(_ context.Context, req *wire.Request, in *cwl.DescribeDeliveriesInput) (*cwl.DescribeDeliveriesOutput, error) {
	list, next, err := listDeliveries(s, req.Scope, deliveryItself, in.NextToken, in.Limit, func(d delivery) types.Delivery { return d.asDelivery(req.Scope) })
	return &cwl.DescribeDeliveriesOutput{Deliveries: list, NextToken: next}, err
}

func (s *Service) deleteDelivery(_ context.Context, req *wire.Request, in *cwl.DeleteDeliveryInput) (*cwl.DeleteDeliveryOutput, error) {
	return &cwl.DeleteDeliveryOutput{}, s.deleteDeliveryOf(req.Scope, deliveryItself, *in.Id)
}
