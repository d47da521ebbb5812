package app

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/artifacts"
	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// objectChecks bounds the requests to S3 at once.
const objectChecks = 8

// objectPlace is something in S3 as a pipeline's deployment sees it.
type objectPlace struct{ region, role, bucket, key string }

func placeOf(p *spec.Pipeline, ref program.S3Reference) objectPlace {
	return objectPlace{p.Region, p.AssumeRole, ref.Bucket, ref.Key}
}

// lookedUp is what lies in S3 and ECR where the pipelines of a request say.
type lookedUp struct {
	found map[objectPlace]string
	wrong map[objectPlace]error
	// images are what the tags of their images stand for.
	images images
	// template finds the template of a pipeline.
	template func(*spec.Pipeline) (*spec.Template, error)
}

// lookUp asks S3 what lies where parameters say, each place once. What can't be
// found out is remembered with the reason.
func (a *App) lookUp(ctx context.Context, t *Target, req Request) lookedUp {
	l := lookedUp{found: map[objectPlace]string{}, wrong: map[objectPlace]error{}}
	if req.Operation != stack.OperationUp && req.Operation != stack.OperationPreview {
		return l
	}
	l.template = func(p *spec.Pipeline) (*spec.Template, error) { return a.TemplateOf(ctx, p) }
	l.images = a.lookUpImages(ctx, t, req.Pipelines, l.template)
	places := map[objectPlace]bool{}
	for _, p := range req.Pipelines {
		for _, ref := range l.references(p) {
			places[placeOf(p, ref)] = true
		}
	}
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(objectChecks)
	for at := range places {
		g.Go(func() error {
			var id string
			cfg, err := t.awsConfig(ctx, at.region, at.role)
			if err == nil {
				id, err = artifacts.Identity(ctx, artifacts.Client(cfg), at.bucket, at.key)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				l.wrong[at] = awscfg.Classify(err)
			} else {
				l.found[at] = id
			}
			return nil
		})
	}
	_ = g.Wait() // none returns an error
	return l
}

func (l lookedUp) references(p *spec.Pipeline) []program.S3Reference {
	if l.template == nil {
		return nil
	}
	t, err := l.template(p)
	if err != nil {
		return nil // said by job
	}
	return program.S3References(p, t)
}

// of returns what the program of a pipeline is told of them. Nothing there, or a
// bucket in another region, is an error: the deployment would fail half-way.
func (l lookedUp) of(p *spec.Pipeline, t *spec.Template) (map[string]string, error) {
	out := map[string]string{}
	var errs fault.List
	for _, ref := range program.S3References(p, t) {
		at := placeOf(p, ref)
		if id, ok := l.found[at]; ok {
			out[ref.Parameter] = id
			continue
		}
		if err := l.wrong[at]; errors.Is(err, fault.NotFound) || errors.Is(err, fault.Invalid) {
			errs = append(errs, refusedParameter(ref.Parameter, "%s: %s", ref.Parameter, err).WithHint("%s", fault.HintOf(err)).Because(err))
		}
	}
	return out, errs.OrNil()
}

// refusedParameter is what is wrong with a parameter's value out there: a problem as one
// that its rules find, so that a form can lead to it.
func refusedParameter(name, format string, args ...any) *spec.Problem {
	return &spec.Problem{Path: spec.Path{"parameters", name}, Rule: spec.CodeArtifact, Msg: fmt.Sprintf(format, args...)}
}

// notices tell where a change of what lies in S3 or ECR can't be seen, and which tags have moved.
func (l lookedUp) notices(pipelines []*spec.Pipeline) map[spec.ID][]string {
	out := map[spec.ID][]string{}
	for _, p := range pipelines {
		if l.template != nil {
			if t, err := l.template(p); err == nil {
				if notice := l.images.notice(p, t); notice != "" {
					out[p.ID] = append(out[p.ID], notice)
				}
			}
		}
		for _, ref := range l.references(p) {
			if err := l.wrong[placeOf(p, ref)]; err != nil {
				out[p.ID] = append(out[p.ID], "whether "+ref.Parameter+" has changed in S3 is not known: "+err.Error())
			}
		}
	}
	return out
}
