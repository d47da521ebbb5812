package sagemaker

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// Buckets of the store; the key is the resource's ARN.
const (
	bucketModels    = "sagemaker.models"
	bucketConfigs   = "sagemaker.configs"
	bucketEndpoints = "sagemaker.endpoints"
	bucketTags      = "sagemaker.tags"
	bucketArtifacts = OpaqueBucket // endpoint ARN/generation/variant/container
)

// OpaqueBucket is the bucket of the store whose values are a user's files, not JSON
// of ours.
const OpaqueBucket = "sagemaker.artifacts"

// model, config and endpoint are what the store keeps. Requests are kept as they
// came, without tags, so that Describe gives back what was given: a member that
// was absent stays absent.
type model struct {
	ARN     string
	Created time.Time
	Spec    sm.CreateModelInput
	// Resolved are the images of the containers by digest; none in records of earlier versions.
	Resolved []string `json:",omitempty"`
}

// resolved is the image of a container by digest.
func (m *model) resolved(i int, c *types.ContainerDefinition) string {
	if i < len(m.Resolved) {
		return m.Resolved[i]
	}
	return resolvedImage(aws.ToString(c.Image), "")
}

// containers are the model's containers in the order of the pipeline.
func (m *model) containers() []types.ContainerDefinition {
	if m.Spec.PrimaryContainer != nil {
		return []types.ContainerDefinition{*m.Spec.PrimaryContainer}
	}
	return m.Spec.Containers
}

type config struct {
	ARN     string
	Created time.Time
	Spec    sm.CreateEndpointConfigInput
}

// deployment is what an endpoint runs or is to run: a copy of the configuration
// and its models, since both may be deleted while the endpoint lives.
type deployment struct {
	Generation int
	ConfigName string
	Config     config
	Models     map[string]model // by name
	Variants   []variant
}

func (d *deployment) variant(name string) *variant {
	i := slices.IndexFunc(d.Variants, func(v variant) bool { return v.Name == name })
	if i < 0 {
		return nil
	}
	return &d.Variants[i]
}

// variant is the changing part of a production variant.
type variant struct {
	Name                         string
	CurrentWeight, DesiredWeight float32
	CurrentCount, DesiredCount   int32
	CurrentServer, DesiredServer *types.ProductionVariantServerlessConfig
	Images                       []types.DeployedImage
	Serverless                   bool
	// Settled says that what was desired was current once.
	Settled                        bool `json:",omitempty"`
	StartTime                      time.Time
	ModelName, Instance, StreamTag string
}

// weight is the variant's share of the traffic of its fleet. That of a fleet that is
// coming has not settled.
func (v *variant) weight() float32 {
	if v.Settled {
		return v.CurrentWeight
	}
	return v.DesiredWeight
}

type endpoint struct {
	Name, ARN         string
	Created, Modified time.Time
	Status            types.EndpointStatus
	FailureReason     string
	Deployment        *types.DeploymentConfig
	LastDeployment    *types.DeploymentConfig
	Active            deployment
	// Target is what an update goes to; nil if only counts and weights change.
	Target *deployment
	// Rollout is how far the update to Target has come. It stays, with Target, where a
	// rollback failed: then both fleets serve.
	Rollout *rollout `json:",omitempty"`
	// ReadyAt is when the present transition ends.
	ReadyAt    time.Time
	Generation int
}

// moving reports whether a transition is under way.
func (e *endpoint) moving() bool {
	switch e.Status {
	case types.EndpointStatusCreating, types.EndpointStatusUpdating, types.EndpointStatusRollingBack, types.EndpointStatusDeleting,
		types.EndpointStatusSystemUpdating:
		return true
	case types.EndpointStatusInService, types.EndpointStatusFailed, types.EndpointStatusOutOfService, types.EndpointStatusUpdateRollbackFailed:
		return false
	}
	return false
}

// serves reports whether the endpoint takes invocations.
func (e *endpoint) serves() bool {
	switch e.Status {
	case types.EndpointStatusInService, types.EndpointStatusUpdating, types.EndpointStatusRollingBack, types.EndpointStatusSystemUpdating,
		types.EndpointStatusUpdateRollbackFailed: // "in service with a mix of the old and new endpoint configurations"
		return true
	case types.EndpointStatusCreating, types.EndpointStatusDeleting, types.EndpointStatusFailed, types.EndpointStatusOutOfService:
		return false
	}
	return false
}

// newDeployment joins a configuration and its models.
func newDeployment(tx *store.Tx, arn func(kind, name string) string, cfg config, generation int, now time.Time) (deployment, error) {
	d := deployment{Generation: generation, ConfigName: aws.ToString(cfg.Spec.EndpointConfigName), Config: cfg, Models: map[string]model{}}
	for i := range cfg.Spec.ProductionVariants {
		pv := &cfg.Spec.ProductionVariants[i]
		name := aws.ToString(pv.ModelName)
		m, found, err := store.Get[model](tx, bucketModels, arn(kindModel, name))
		if err != nil {
			return d, err
		}
		if !found {
			return d, notFound(kindModel, arn(kindModel, name))
		}
		d.Models[name] = m
		v := variant{Name: aws.ToString(pv.VariantName), ModelName: name, Instance: string(pv.InstanceType), StartTime: now}
		v.DesiredWeight = 1
		if pv.InitialVariantWeight != nil {
			v.DesiredWeight = *pv.InitialVariantWeight
		}
		if pv.ServerlessConfig != nil {
			v.Serverless = true
			v.DesiredServer = pv.ServerlessConfig
		} else {
			v.DesiredCount = aws.ToInt32(pv.InitialInstanceCount)
		}
		for i, c := range m.containers() {
			v.Images = append(v.Images, types.DeployedImage{
				SpecifiedImage: c.Image, ResolvedImage: aws.String(m.resolved(i, &c)), ResolutionTime: aws.Time(m.Created),
			})
		}
		d.Variants = append(d.Variants, v)
	}
	return d, nil
}

// settle makes what was desired current.
func (d *deployment) settle() {
	for i := range d.Variants {
		v := &d.Variants[i]
		v.CurrentWeight, v.CurrentCount, v.CurrentServer, v.Settled = v.DesiredWeight, v.DesiredCount, v.DesiredServer, true
	}
}

func putTags(tx *store.Tx, arn string, tags []types.Tag) error {
	if len(tags) == 0 {
		return tx.Delete(bucketTags, arn)
	}
	return store.Put(tx, bucketTags, arn, tags)
}
