package lambda

import (
	"context"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	// locationLife is how long a link to a package is good, as on AWS
	// (https://docs.aws.amazon.com/lambda/latest/api/API_FunctionCodeLocation.html).
	locationLife     = 10 * time.Minute
	signerLife       = time.Hour
	servicePrincipal = "lambda.amazonaws.com"
	// emptyHash is the SHA-256 of nothing, the body of a GET.
	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// The operation behind the links, which AWS's models do not have.
const (
	locationOp  = "GetFunctionCode"
	locationURI = "/{Bucket}/snapshots/{Account}/{Name}"
)

var locationPath = lazyregexp.New(`^/awslambda-[a-z0-9-]+-tasks/snapshots/[^/]+/([0-9a-f]{64})$`)

// location is a link by which whoever has it may fetch a package for a while. On
// AWS it leads to a bucket of the service; here to the service itself, which
// signs it with keys of its own. Without Config.ServiceKeys there is none.
func (s *Service) location(ctx context.Context, sc wire.Scope, name string) (*string, error) {
	if s.ServiceKeys == nil {
		return nil, nil
	}
	keys, err := s.signerKeys(ctx)
	if err != nil {
		return nil, err
	}
	h, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint()+"/awslambda-"+sc.Region+"-tasks/snapshots/"+sc.Account+"/"+name, nil)
	if err != nil {
		return nil, err
	}
	h.URL.RawQuery = "X-Amz-Expires=" + strconv.Itoa(int(locationLife.Seconds()))
	link, _, err := v4.NewSigner().PresignHTTP(ctx, aws.Credentials{
		AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey, SessionToken: keys.SessionToken,
	}, h, emptyHash, "lambda", sc.Region, s.Clock.Now())
	return &link, err
}

// signerKeys are the service's keys, used again until they would end before a
// link does.
func (s *Service) signerKeys(ctx context.Context) (wire.Credentials, error) {
	s.signing.Lock()
	defer s.signing.Unlock()
	if s.signer.Expires.After(s.Clock.Now().Add(2 * locationLife)) {
		return s.signer, nil
	}
	var err error
	s.signer, err = s.ServiceKeys(ctx, servicePrincipal, signerLife)
	return s.signer, err
}

// serveLocation sends a package to whoever has a link that the service signed.
func (s *Service) serveLocation(w http.ResponseWriter, h *http.Request, req *wire.Request) error {
	path := locationPath.FindStringSubmatch(h.URL.Path)
	if path == nil {
		return errNotFound("There is no code package of this name.")
	}
	if req.Principal.Service != servicePrincipal || !h.URL.Query().Has("X-Amz-Signature") {
		return wire.Errorf(http.StatusForbidden, "AccessDeniedException", "Access Denied")
	}
	f, err := os.Open(s.packages.path("code", path[1]+".zip"))
	if err != nil {
		return errNotFound("The code package is gone.")
	}
	defer func() { _ = f.Close() }()
	w.Header().Set("Content-Type", "application/zip")
	http.ServeContent(w, h, "", time.Time{}, f)
	return nil
}
