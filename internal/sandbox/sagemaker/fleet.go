package sagemaker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/linear"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	pingEvery   = 100 * time.Millisecond
	pingFor     = 20 * time.Second // AWS gives a container minutes; nothing here needs to download
	pingTimeout = 2 * time.Second
)

// fleetID names a fleet: an endpoint has two while it is updated.
type fleetID struct {
	endpoint   string // its ARN
	generation int
}

// fleet is the running model servers of one deployment of an endpoint.
type fleet struct {
	users    sync.WaitGroup // requests that are in it; see Service.hold
	variants map[string]*running
	capture  *capturer
	config   string // name of the endpoint configuration
	stopOnce sync.Once
}

// running is one variant: its containers in the order in which a request passes
// them (an inference pipeline has several).
type running struct {
	name, role string
	containers []container
	slots      chan struct{} // bounds concurrent requests of a serverless variant; nil if there is no bound
	stream     string        // log stream
	inside     atomic.Int64  // requests under way
}

type container struct {
	host string // "primary", or the container's name
	base *url.URL
	// client reaches the server at base.
	client *http.Client
	stop   func()
}

// release ends what hold began.
func (f *fleet) release() { f.users.Done() }

func (f *fleet) stop() {
	f.stopOnce.Do(func() {
		for _, r := range f.variants {
			for _, c := range r.containers {
				c.stop()
			}
		}
		if f.capture != nil {
			f.capture.close()
		}
	})
}

// failure is an error whose text is an endpoint's FailureReason.
type failure string

func (f failure) Error() string { return string(f) }

func failf(format string, args ...any) error { return failure(fmt.Sprintf(format, args...)) }

// reason is what DescribeEndpoint tells of a failed transition.
func reason(err error) string {
	var f failure
	if errors.As(err, &f) {
		return string(f)
	}
	return "Request to service failed. If failure persists after retry, contact customer support. (" + err.Error() + ")"
}

// startFleet starts the model servers of a deployment and waits until each
// answers its ping. On error nothing runs. With resume the endpoint has been in
// service before: then neither its role nor S3 is needed, since a running
// endpoint does not need them either, and servers outside are not waited for.
func (s *Service) startFleet(ctx context.Context, e *endpoint, d *deployment, resume bool) (*fleet, error) {
	f := &fleet{variants: map[string]*running{}, config: d.ConfigName}
	for i := range d.Variants {
		r, err := s.startVariant(ctx, e, d, &d.Variants[i], resume)
		if r != nil {
			f.variants[r.name] = r
		}
		if err != nil {
			f.stop()
			return nil, err
		}
	}
	if c := d.Config.Spec.DataCaptureConfig; c != nil && aws.ToBool(c.EnableCapture) {
		f.capture = s.newCapturer(e, d)
	}
	return f, nil
}

func (s *Service) startVariant(ctx context.Context, e *endpoint, d *deployment, v *variant, resume bool) (*running, error) {
	m := d.Models[v.ModelName]
	role := aws.ToString(m.Spec.ExecutionRoleArn)
	var p wire.Principal
	var err error
	if !resume {
		p, err = s.assume(ctx, role, e.ARN)
	}
	if err != nil {
		return nil, failf("Could not assume role %s. Please ensure that the role exists and allows principal '%s' to assume the role.", role, servicePrinc)
	}
	r := &running{name: v.Name, role: role, stream: v.Name + "/i-" + strings.ReplaceAll(wire.NewID(), "-", "")[:17]}
	if v.Serverless {
		r.slots = make(chan struct{}, aws.ToInt32(v.DesiredServer.MaxConcurrency))
	}
	all := m.containers()
	for i := range all {
		host := hostName(&all[i], i, len(all))
		if !resume {
			if err := s.pull(ctx, v, aws.ToString(all[i].Image), host, p, role); err != nil {
				return r, err
			}
		}
		load := func(parse bool) ([]byte, error) {
			return s.artifact(ctx, scopeOf(e.ARN), p, artifactKey(e.ARN, d.Generation, v.Name, i), &all[i], parse, resume)
		}
		c, err := s.startContainer(ctx, load, v, &all[i])
		if err != nil {
			return r, err
		}
		c.host = host
		r.containers = append(r.containers, c)
		if resume {
			continue
		}
		if err := s.awaitPing(ctx, v.Name, c); err != nil {
			return r, err
		}
	}
	return r, nil
}

// hostName is how AWS's messages call a container.
func hostName(c *types.ContainerDefinition, i, n int) string {
	switch {
	case n == 1:
		return "primary"
	case c.ContainerHostname != nil:
		return *c.ContainerHostname
	}
	return fmt.Sprintf("container-%d", i+1)
}

// startContainer starts a container; load returns its model file, or with false
// only makes sure that the model data can be had.
func (s *Service) startContainer(ctx context.Context, load func(parse bool) ([]byte, error), v *variant, c *types.ContainerDefinition) (container, error) {
	image := aws.ToString(c.Image)
	if base, ok := s.mapped(ctx, image); ok {
		u, err := url.Parse(base)
		if err != nil || u.Host == "" {
			return container{}, failf("The image %q is mapped to %q, which is not the URL of a server.", image, base)
		}
		// The mapped server loads its model itself; the artifact has to be there all
		// the same, since AWS would download it.
		if _, err := load(false); err != nil {
			return container{}, err
		}
		return container{base: u, client: s.client, stop: func() {}}, nil
	}
	if repository(image) != linear.Image {
		hint := s.cfg.ImageHint
		if hint == "" {
			hint = "map the image to the URL of a local server that answers GET /ping and POST /invocations"
		}
		return container{}, failf("The image %q cannot run in the sandbox, which starts no containers. Use the built-in image %s, or %s.", image, linear.Image, hint)
	}
	raw, err := load(true)
	if err != nil {
		return container{}, err
	}
	if raw == nil {
		return container{}, failf("The built-in image %s needs model data: set ModelDataUrl of model %q to a tar.gz that holds %s.", linear.Image, v.ModelName, linear.File)
	}
	lm, err := linear.Parse(raw)
	if err != nil {
		return container{}, failf("The container for production variant %s could not load its model: %s: %s.", v.Name, linear.File, err)
	}
	return s.serve((&linearModel{lm}).handler()), nil
}

// awaitPing waits until the container answers GET /ping with 200.
func (s *Service) awaitPing(ctx context.Context, variant string, c container) error {
	deadline := s.cfg.Clock.Now().Add(pingFor)
	for {
		if s.ping(ctx, c) == nil {
			return nil
		}
		if !s.cfg.Clock.Now().Before(deadline) {
			return failf("The %s container for production variant %s did not pass the ping health check. Please check CloudWatch logs for this endpoint.", c.host, variant)
		}
		if err := clock.Sleep(ctx, s.cfg.Clock, pingEvery); err != nil {
			return err
		}
	}
}

func (s *Service) ping(ctx context.Context, c container) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.JoinPath("ping").String(), http.NoBody)
	if err != nil {
		return err
	}
	res, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<16))
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("ping answered %s", res.Status)
	}
	return nil
}

// mapped finds the local server of an image: by its full reference, without tag
// or digest, or by its repository alone. One that is named by its digest is the one that a
// tag of ECR names.
func (s *Service) mapped(ctx context.Context, image string) (string, bool) {
	for _, k := range []string{image, untagged(image), repository(image)} {
		if u, ok := s.cfg.Images[k]; ok {
			return u, true
		}
	}
	name, digest, pinned := strings.Cut(image, "@")
	for k, u := range s.cfg.Images {
		if !pinned || untagged(k) != untagged(name) {
			continue
		}
		if x, err := s.lookUp(ctx, k); err == nil && x != nil && x.digest == digest {
			return u, true
		}
	}
	return "", false
}

// untagged cuts tag and digest off an image reference.
func untagged(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
		image = image[:i]
	}
	return image
}

// repository is an image reference without registry, tag and digest.
func repository(image string) string {
	image = untagged(image)
	host, rest, ok := strings.Cut(image, "/")
	if ok && (strings.ContainsAny(host, ".:") || host == "localhost") {
		return rest
	}
	return image
}

// resolvedImage is the image by digest, as DeployedImages shows it. Where no registry has
// told the digest it is made of the reference.
func resolvedImage(image, digest string) string {
	switch {
	case strings.Contains(image, "@"):
		_, digest, _ = strings.Cut(image, "@")
	case digest == "":
		digest = "sha256:" + sha256Hex(image)
	}
	return untagged(image) + "@" + digest
}
