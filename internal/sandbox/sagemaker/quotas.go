package sagemaker

import (
	"maps"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// machines are numbers of machines by type.
type machines map[string]int

// machinesOf are the machines that a deployment wants. Serverless variants have none.
func machinesOf(d *deployment) machines {
	out := machines{}
	for i := range d.Variants {
		if v := &d.Variants[i]; !v.Serverless {
			out[v.Instance] += int(v.DesiredCount)
		}
	}
	return out
}

// beside are the machines that an update wants beside those that serve: a fleet, or, where
// machines are exchanged in batches, what both fleets have at most together beyond the old.
// https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-rolling.html
func beside(dc *types.DeploymentConfig, from, to *deployment) machines {
	update := endpoint{Deployment: dc, Target: to}
	p := update.planOf()
	if !p.rolling {
		return machinesOf(to)
	}
	out, serving := machines{}, machinesOf(from)
	for instance, n := range machinesOf(to) { // there is one variant
		old, shifted := int32(serving[instance]), 0.0 // a count of machines
		for _, st := range p.steps {
			out[instance] = max(out[instance], int(active(int32(n), st.share)-active(old, shifted)))
			shifted = st.share
		}
	}
	return out
}

// more is what other has more of.
func (m machines) more(other machines) machines {
	out := machines{}
	for instance, n := range other {
		if n > m[instance] {
			out[instance] = n - m[instance]
		}
	}
	return out
}

// room refuses machines more than the account may have in the region. An endpoint that is
// updated has both its fleets until the new one serves, so that the old one counts too, and
// of the new one what the update has at most beside it; one that has failed has none. except is the endpoint that does not count yet.
//
// The text is AWS's: https://github.com/aws-samples/sagemaker-custom-project-templates/issues/51
// has it with its older ending, https://repost.aws/knowledge-center/sagemaker-resource-limit-exceeded-error
// leads to Service Quotas, which the ending of today names.
func (s *Service) room(tx *store.Tx, sc wire.Scope, except string, wanted machines) error {
	if len(wanted) == 0 {
		return nil
	}
	have := machines{}
	err := store.Each(tx, bucketEndpoints, sc.ARN("sagemaker", kindEndpoint+"/"), "", func(arn string, e endpoint) bool {
		if arn == except || e.Status == types.EndpointStatusFailed {
			return true
		}
		for instance, n := range machinesOf(&e.Active) {
			have[instance] += n
		}
		if e.Target != nil {
			for instance, n := range beside(e.Deployment, &e.Active, e.Target) {
				have[instance] += n
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	for _, instance := range slices.Sorted(maps.Keys(wanted)) {
		id, known := limits.Endpoint(instance)
		if !known {
			continue
		}
		if most := s.cfg.Limits.Limit(sc, id); have[instance]+wanted[instance] > most {
			return wire.Errorf(http.StatusBadRequest, "ResourceLimitExceeded",
				"The account-level service limit '%s for endpoint usage' is %d Instances, with current utilization of %d Instances and a request delta of %d "+
					"Instances. Please use AWS Service Quotas to request an increase for this quota. If AWS Service Quotas is not available, contact AWS support to "+
					"request an increase for this quota.",
				instance, most, have[instance], wanted[instance])
		}
	}
	return nil
}
