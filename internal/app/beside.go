package app

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// freeRules takes targets that somebody has put beside the pipeline's off its rules, which are
// about to be deleted: EventBridge deletes no rule that has one, and the provider knows its own
// only. (eventbridge/latest/APIReference/API_DeleteRule.html)
func (a *App) freeRules(ctx context.Context, t *Target, p *spec.Pipeline) error {
	x, err := a.Find(ctx, p.ID)
	if err != nil || x.State == nil {
		return err
	}
	ours := map[string]bool{}
	var rules []string
	for _, r := range x.State.Resources {
		switch r.Type {
		case kinds.EventRule:
			rules = append(rules, r.ID[strings.LastIndexByte(r.ID, '/')+1:]) // BUS/NAME on any bus but the default one
		case kinds.EventTarget:
			id, _ := r.Outputs["targetId"].(string) // "" is nobody's
			ours[id] = true
		}
	}
	if len(rules) == 0 {
		return nil
	}
	cfg, err := t.awsConfig(ctx, p.Region, p.AssumeRole)
	if err != nil {
		return err
	}
	for _, rule := range rules {
		if err := freeRule(ctx, eventbridge.NewFromConfig(cfg), rule, ours); err != nil {
			return err
		}
	}
	return nil
}

// notThere is EventBridge's code of a rule that does not exist.
const notThere = "ResourceNotFoundException"

func freeRule(ctx context.Context, api *eventbridge.Client, rule string, ours map[string]bool) error {
	req := &eventbridge.ListTargetsByRuleInput{Rule: &rule}
	var theirs []string
	for {
		page, err := api.ListTargetsByRule(ctx, req)
		if isAPI(err, notThere) {
			return nil // the next rule may be there
		}
		if err != nil {
			return err
		}
		for i := range page.Targets {
			if id := aws.ToString(page.Targets[i].Id); !ours[id] {
				theirs = append(theirs, id)
			}
		}
		if req.NextToken = page.NextToken; aws.ToString(req.NextToken) == "" {
			break
		}
	}
	for some := range slices.Chunk(theirs, 100) { // (API_RemoveTargets: at most 100)
		if _, err := api.RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: &rule, Ids: some}); err != nil && !isAPI(err, notThere) {
			return err
		}
	}
	return nil
}

// freed is freeRules, of an operation: what goes wrong with it is told by the engine, when it
// comes to the rule.
func (a *App) freed(ctx context.Context, t *Target, p *spec.Pipeline) {
	if err := a.freeRules(ctx, t, p); err != nil {
		a.logger().Debug("take targets of others off the rules", "pipeline", p.ID.String(), "error", err.Error())
	}
}
