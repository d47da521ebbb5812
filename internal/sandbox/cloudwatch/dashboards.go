package cloudwatch

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// dashboard is kept for those who make and read it: nobody draws it here. Dashboards
// are of the account, whatever region they were made in.
type dashboard struct {
	Name, Body string
	Modified   time.Time
}

func (s *Service) registerDashboards(r *wire.Router) {
	on := wire.On(func(req *wire.Request, in wire.Input) []string {
		names := in.Texts("DashboardNames")
		if name := in.Text("DashboardName"); name != "" {
			names = append(names, name)
		}
		for i, name := range names {
			names[i] = boardARN(req, name)
		}
		return names
	})
	wire.Handle(r, id, "PutDashboard", s.putDashboard, on)
	wire.Handle(r, id, "GetDashboard", s.getDashboard, on)
	wire.Handle(r, id, "DeleteDashboards", s.deleteDashboards, on)
	wire.Handle(r, id, "ListDashboards", s.listDashboards, wire.Access{})
}

func boardARN(req *wire.Request, name string) string {
	return req.GlobalARN("cloudwatch", "dashboard/"+name)
}

func noDashboard(name string) error {
	return badRequest("DashboardNotFoundError", "ResourceNotFound", "Dashboard %s does not exist", name)
}

func (s *Service) putDashboard(_ context.Context, req *wire.Request, in *sdk.PutDashboardInput) (*sdk.PutDashboardOutput, error) {
	body := aws.ToString(in.DashboardBody)
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(body), &members) != nil {
		e := badRequest("DashboardInvalidInputError", "InvalidParameterInput", "The field DashboardBody must be a valid JSON object")
		e.Fields = map[string]any{"dashboardValidationMessages": []types.DashboardValidationMessage{}}
		return nil, e
	}
	d := dashboard{Name: aws.ToString(in.DashboardName), Body: body, Modified: s.Clock.Now().UTC()}
	return &sdk.PutDashboardOutput{DashboardValidationMessages: []types.DashboardValidationMessage{}}, s.DB.Update(func(tx *store.Tx) error {
		return store.Put(tx, boardsBucket, req.GlobalKey(d.Name), d)
	})
}

func (s *Service) getDashboard(_ context.Context, req *wire.Request, in *sdk.GetDashboardInput) (*sdk.GetDashboardOutput, error) {
	var d dashboard
	err := s.DB.View(func(tx *store.Tx) (err error) {
		var found bool
		if d, found, err = store.Get[dashboard](tx, boardsBucket, req.GlobalKey(aws.ToString(in.DashboardName))); err == nil && !found {
			err = noDashboard(aws.ToString(in.DashboardName))
		}
		return err
	})
	return &sdk.GetDashboardOutput{DashboardName: &d.Name, DashboardBody: &d.Body, DashboardArn: aws.String(boardARN(req, d.Name))}, err
}

// deleteDashboards deletes all that are named, or none if one does not exist.
func (s *Service) deleteDashboards(_ context.Context, req *wire.Request, in *sdk.DeleteDashboardsInput) (*sdk.DeleteDashboardsOutput, error) {
	if len(in.DashboardNames) == 0 {
		return nil, badValue("Need to specify at least one dashboard name")
	}
	return &sdk.DeleteDashboardsOutput{}, s.DB.Update(func(tx *store.Tx) error {
		for _, name := range in.DashboardNames {
			if tx.GetRaw(boardsBucket, req.GlobalKey(name)) == nil {
				return noDashboard(name)
			}
			if err := tx.Delete(boardsBucket, req.GlobalKey(name)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) listDashboards(_ context.Context, req *wire.Request, in *sdk.ListDashboardsInput) (*sdk.ListDashboardsOutput, error) {
	all, err := store.ReadAll[dashboard](s.DB, boardsBucket, req.GlobalKey(aws.ToString(in.DashboardNamePrefix)))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b dashboard) int { return strings.Compare(a.Name, b.Name) })
	some, next, err := page.Of(all, in.NextToken, nil, 1000, func(d dashboard) string { return d.Name })
	if err != nil {
		return nil, badValue("Request parameter NextToken is invalid")
	}
	out := &sdk.ListDashboardsOutput{DashboardEntries: []types.DashboardEntry{}, NextToken: next}
	for _, d := range some {
		out.DashboardEntries = append(out.DashboardEntries, types.DashboardEntry{
			DashboardName: &d.Name, DashboardArn: aws.String(boardARN(req, d.Name)), LastModified: &d.Modified, Size: aws.Int64(int64(len(d.Body))),
		})
	}
	return out, nil
}
