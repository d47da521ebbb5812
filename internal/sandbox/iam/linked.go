package iam

import (
	"bytes"
	"context"
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// linkedPath begins the path of a role that is linked to a service.
const linkedPath = "/aws-service-role/"

// linkedNames are the services that link roles to themselves, with what the names of
// these end in; true for those that take a suffix. Others are refused, as AWS does with
// services that have no such role.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html
var linkedNames = map[string]struct {
	name     string
	suffixed bool
}{
	"autoscaling.amazonaws.com":                             {"AutoScaling", true},
	"elasticbeanstalk.amazonaws.com":                        {"ElasticBeanstalk", false},
	"lambda.application-autoscaling.amazonaws.com":          {"ApplicationAutoScaling_LambdaConcurrency", false},
	"sagemaker.application-autoscaling.amazonaws.com":       {"ApplicationAutoScaling_SageMakerEndpoint", false},
	"dynamodb.application-autoscaling.amazonaws.com":        {"ApplicationAutoScaling_DynamoDBTable", false},
	"ecs.application-autoscaling.amazonaws.com":             {"ApplicationAutoScaling_ECSService", false},
	"custom-resource.application-autoscaling.amazonaws.com": {"ApplicationAutoScaling_CustomResource", true},
	"ecs.amazonaws.com":                                     {"ECS", false},
	"events.amazonaws.com":                                  {"CloudWatchEvents", false},
	"sagemaker.amazonaws.com":                               {"AmazonSageMakerNotebooks", false},
}

func (s *Service) registerLinked(r *wire.Router) {
	linked := func(req *wire.Request, in wire.Input) []string {
		service := in.Text("AWSServiceName")
		name := linkedNames[service].name
		if suffix := in.Text("CustomSuffix"); suffix != "" {
			name += "_" + suffix
		}
		return []string{s.roles().arn(req.Scope, linkedPath+service+"/", "AWSServiceRoleFor"+name)}
	}
	wire.Handle(r, "iam", "CreateServiceLinkedRole", s.createLinked, wire.Access{On: linked, Keys: func(_ *wire.Request, in wire.Input) map[string][]string {
		return map[string][]string{"iam:AWSServiceName": {in.Text("AWSServiceName")}}
	}})
	wire.Handle(r, "iam", "DeleteServiceLinkedRole", s.deleteLinked, wire.On(s.roles().on))
	wire.Handle(r, "iam", "GetServiceLinkedRoleDeletionStatus", s.linkedDeletion, wire.Access{})
	wire.Handle(r, "iam", "GenerateCredentialReport", s.generateReport, wire.Access{})
	wire.Handle(r, "iam", "GetCredentialReport", s.report, wire.Access{})
}

// createLinked makes the role that a service acts by in the account; it trusts that
// service and nobody else. What it may do is the service's own affair.
func (s *Service) createLinked(_ context.Context, req *wire.Request, in *sdk.CreateServiceLinkedRoleInput) (*sdk.CreateServiceLinkedRoleOutput, error) {
	service, suffix := aws.ToString(in.AWSServiceName), aws.ToString(in.CustomSuffix)
	of, ok := linkedNames[service]
	switch {
	case !ok:
		return nil, wire.Errorf(http.StatusBadRequest, "InvalidInput", "Service role for %s cannot be created: the sandbox knows no service of this name that has one.", service)
	case suffix != "" && !of.suffixed:
		return nil, wire.Errorf(http.StatusBadRequest, "InvalidInput", "Custom suffix is not allowed for %s", service)
	}
	name := "AWSServiceRoleFor" + of.name
	if suffix != "" {
		name += "_" + suffix
	}
	path := linkedPath + service + "/"
	ro := role{
		entity:      entity{Name: name, Path: path, ID: newID("AROA"), ARN: s.roles().arn(req.Scope, path, name), Created: s.now()},
		Description: aws.ToString(in.Description), MaxSession: 3600,
		Trust: `{"Version":"2012-10-17","Statement":[{"Action":["sts:AssumeRole"],"Effect":"Allow","Principal":{"Service":["` + service + `"]}}]}`,
	}
	err := s.update(func(tx *store.Tx) error {
		if tx.GetRaw(rolesBucket, ro.key()) != nil {
			return wire.Errorf(http.StatusBadRequest, "InvalidInput", "Service role name %s has been taken in this account, please try a different suffix.", name)
		}
		return store.Put(tx, rolesBucket, ro.key(), ro)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.CreateServiceLinkedRoleOutput{Role: ro.output()}, nil
}

// deleteLinked deletes at once: no service of the sandbox holds on to its role.
func (s *Service) deleteLinked(_ context.Context, req *wire.Request, in *sdk.DeleteServiceLinkedRoleInput) (*sdk.DeleteServiceLinkedRoleOutput, error) {
	ro, err := s.roles().read(req, in.RoleName)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(ro.Path, linkedPath) {
		return nil, wire.Errorf(http.StatusBadRequest, "InvalidInput", "Role %s is not a service linked role.", ro.Name)
	}
	err = s.update(func(tx *store.Tx) error { return tx.Delete(rolesBucket, ro.key()) })
	return &sdk.DeleteServiceLinkedRoleOutput{DeletionTaskId: aws.String("task" + ro.Path + ro.Name + "/" + wire.NewID())}, err
}

var deletionTask = lazyregexp.New(`^task/aws-service-role/[^/]+/[^/]+/[0-9a-f-]{36}$`)

func (s *Service) linkedDeletion(_ context.Context, _ *wire.Request, in *sdk.GetServiceLinkedRoleDeletionStatusInput) (*sdk.GetServiceLinkedRoleDeletionStatusOutput, error) {
	if !deletionTask.MatchString(aws.ToString(in.DeletionTaskId)) {
		return nil, wire.Errorf(http.StatusNotFound, "NoSuchEntity", "Deletion task %s cannot be found.", aws.ToString(in.DeletionTaskId))
	}
	return &sdk.GetServiceLinkedRoleDeletionStatusOutput{Status: types.DeletionTaskStatusTypeSucceeded}, nil
}

// reportFor is how long a credential report is given out before another can be made.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html
const reportFor = 4 * time.Hour

func (s *Service) generateReport(_ context.Context, req *wire.Request, _ *sdk.GenerateCredentialReportInput) (*sdk.GenerateCredentialReportOutput, error) {
	out := &sdk.GenerateCredentialReportOutput{State: types.ReportStateTypeComplete}
	err := s.changeSettings(req, func(tx *store.Tx, v *settings) error {
		if v.Report != "" && s.now().Sub(v.Reported) < reportFor {
			return nil
		}
		text, err := s.credentialReport(tx, req.Scope)
		out.State, out.Description = types.ReportStateTypeStarted, aws.String("No report exists. Starting a new report generation task")
		v.Report, v.Reported = text, s.now()
		return err
	})
	return out, err
}

func (s *Service) report(_ context.Context, req *wire.Request, _ *sdk.GetCredentialReportInput) (*sdk.GetCredentialReportOutput, error) {
	v, err := s.settings(req)
	switch {
	case err != nil:
		return nil, err
	case v.Report == "":
		return nil, wire.Errorf(http.StatusGone, "ReportNotPresent", "No report is present; generate a new one.")
	case s.now().Sub(v.Reported) >= reportFor:
		return nil, wire.Errorf(http.StatusGone, "ReportExpired", "The report has expired; generate a new one.")
	}
	return &sdk.GetCredentialReportOutput{Content: []byte(v.Report), GeneratedTime: &v.Reported, ReportFormat: types.ReportFormatTypeTextCsv}, nil
}

// credentialReport is a line for each user with what it can sign in by.
func (s *Service) credentialReport(tx *store.Tx, sc wire.Scope) (string, error) {
	c, err := takeCensus(tx, sc)
	if err != nil {
		return "", err
	}
	const none = "N/A"
	day := func(t time.Time) string {
		if t.IsZero() {
			return none
		}
		return t.Format("2006-01-02T15:04:05-07:00")
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(strings.Split("user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active,"+
		"access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,"+
		"access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,"+
		"cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated", ",")) // a buffer takes everything
	own := s.ownUser(sc)
	owner, _ := s.account(sc.Account)
	for _, u := range append([]user{own}, c.users...) {
		keys, err := keysOf(tx, u.key())
		if err != nil {
			return "", err
		}
		if u.Name == UserName {
			keys = append(keys, accessKey{ID: owner.Keys.AccessKeyID, Created: owner.Created})
		}
		mfa := false
		for _, d := range c.devices {
			mfa = mfa || d.User == u.Name
		}
		line := []string{u.Name, u.ARN, day(u.Created), "false", none, none, none, strconv.FormatBool(mfa)}
		if u.Login != nil {
			line[3], line[4], line[5] = "true", "no_information", day(u.Login.Created)
		}
		for i := range maxKeys {
			if i >= len(keys) {
				line = append(line, "false", none, none, none, none)
				continue
			}
			k := keys[i]
			used := []string{day(k.Used), k.UsedRegion, k.UsedService}
			if k.Used.IsZero() {
				used = []string{none, none, none}
			}
			line = append(append(line, strconv.FormatBool(!k.Inactive), day(k.Created)), used...)
		}
		for i := range maxCertificates {
			if i >= len(u.Certificates) {
				line = append(line, "false", none)
				continue
			}
			line = append(line, strconv.FormatBool(!u.Certificates[i].Inactive), day(u.Certificates[i].Uploaded))
		}
		_ = w.Write(line)
	}
	w.Flush()
	return b.String(), nil
}
