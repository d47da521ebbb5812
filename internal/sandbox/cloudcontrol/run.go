package cloudcontrol

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol/types"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/persist"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// call is what a type's functions have of who asks.
type call struct {
	ctx   context.Context // that of one request
	s     *Service
	scope wire.Scope
	as    wire.Principal
	// may asks whether who asks may do what a service asks for that is not served here; it is
	// there where Cloud Control only looks.
	may func(action string) error
	// request is what is being performed, nil where Cloud Control only looks.
	request *request
}

// errCancelled ends the work on a request that was cancelled; nobody reads it.
var errCancelled = errors.New("the request was cancelled")

// mayGoOn is errCancelled if the request was cancelled.
func (c *call) mayGoOn() error {
	now, _, err := store.Read[request](c.s.DB, requestsBucket, c.request.key())
	if err == nil && now.over() {
		err = errCancelled
	}
	return err
}

// keep keeps how far the work on the request is, unless it was cancelled.
func (c *call) keep(change func(*request)) error {
	_, err := c.s.settle(c.request.key(), func(now *request) error {
		if now.over() {
			return errCancelled
		}
		change(now)
		return nil
	})
	return err
}

// hasten is how long a wait of a deployment takes here.
func (s *Service) hasten(d time.Duration) time.Duration {
	return d / time.Duration(max(s.Haste, 1))
}

// do calls an operation of a service and reads its answer.
func (c *call) do(service, operation string, in, out any) error {
	doc, err := json.Marshal(in)
	if err != nil {
		return err
	}
	raw, err := c.s.Router.Invoke(c.ctx, c.scope, c.as, service, operation, doc)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(raw, out)
}

// until waits until done says so, and asks less and less often.
func (c *call) until(done func() (bool, error)) error {
	const shortest, longest = 100 * time.Millisecond, 2 * time.Second
	for pause := shortest; ; pause = min(2*pause, longest) {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if err := clock.Sleep(c.ctx, c.s.Clock, c.s.hasten(pause)); err != nil {
			return err
		}
	}
}

// notStabilized is the code of what was begun and has not come to a good end.
const notStabilized = "NotStabilized"

// Start goes on with requests that a crash has cut off. It is to be called once, when
// the services of the resources are registered.
func (s *Service) Start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	open, err := store.Select(s.DB, requestsBucket, "", func(r request) bool { return !r.over() })
	for _, r := range open {
		s.drive(r)
	}
	return err
}

// Close stops the work in the background and waits for it. The next Start goes on.
func (s *Service) Close() error {
	s.cancel()
	s.work.Wait()
	return nil
}

func (s *Service) drive(r request) {
	s.work.Go(guard.Func(s.Log, "a request of Cloud Control", func() {
		id, m, err := s.perform(&r)
		if s.ctx.Err() != nil {
			return // the next process does it
		}
		_ = persist.Until(s.ctx, s.Clock, s.Log, "the end of a request of Cloud Control", func() error { return s.end(&r, id, m, err) }, "token", r.Token)
	}))
}

// end keeps what has become of a request, unless it was cancelled or is gone.
func (s *Service) end(r *request, id string, m model, failed error) error {
	return s.DB.Update(func(tx *store.Tx) error {
		now, found, err := store.Get[request](tx, requestsBucket, r.key())
		if err != nil || !found || now.over() {
			return err
		}
		now.Changed = s.Clock.Now().UTC()
		if now.Status = types.OperationStatusSuccess; id != "" {
			now.Identifier = id
		}
		if failed != nil {
			now.Status, now.Code, now.Message = types.OperationStatusFailed, kinds[r.Type].codeOf(failed), messageOf(failed)
		} else if m != nil {
			now.Model = m.text()
		}
		return store.Put(tx, requestsBucket, r.key(), now)
	})
}

// perform does what a request asks for, and returns the resource as it is then.
func (s *Service) perform(r *request) (id string, m model, err error) {
	k, c := kinds[r.Type], &call{ctx: s.ctx, s: s, scope: r.Scope, as: r.Principal, request: r}
	id = r.Identifier
	switch r.Operation {
	case types.OperationCreate:
		if id, err = k.create(c, r.Desired); err != nil {
			return id, nil, err
		}
	case types.OperationUpdate:
		if err := s.plan(c, k, r); err != nil {
			return id, nil, err
		}
		if err := k.update(c, id, r.Was, r.Now); err != nil {
			return id, nil, err
		}
	case types.OperationDelete:
		again := r.Removing
		if err := s.plan(c, k, r); err != nil {
			return id, nil, err
		}
		err := k.remove(c, id)
		if again && codeOf(err) == types.HandlerErrorCodeNotFound {
			err = nil // by the process before this one
		}
		return id, nil, err
	}
	m, err = k.read(c, id)
	return id, m, err
}

// plan keeps, before anything is done, what a request leads to: the resource before and
// after a patch, which is applied to it once, or that it is there to be removed. Of a
// request that was begun before nothing changes.
func (s *Service) plan(c *call, k *kind, r *request) error {
	if r.Now != nil || r.Removing {
		return nil
	}
	was, err := k.read(c, r.Identifier)
	if err != nil {
		return err
	}
	if r.Operation == types.OperationDelete {
		r.Removing = true
	} else {
		now, err := k.patched(was, r.Patch)
		if err != nil {
			return err
		}
		r.Was, r.Now = was, now
	}
	_, err = s.settle(r.key(), func(kept *request) error {
		kept.Was, kept.Now, kept.Removing = r.Was, r.Now, r.Removing
		return nil
	})
	return err
}

// codeOf is what the handler of a type makes of a service's refusal.
func (k *kind) codeOf(err error) types.HandlerErrorCode {
	code, e := codeOf(err), wire.AsError(err)
	if k.invalid == nil {
		return code
	}
	switch code {
	case types.HandlerErrorCodeAccessDenied, types.HandlerErrorCodeNotFound, types.HandlerErrorCodeAlreadyExists, types.HandlerErrorCodeThrottling:
		return code
	}
	switch {
	case e.Status >= http.StatusInternalServerError:
		return types.HandlerErrorCodeServiceInternalError
	case slices.Contains(k.invalid, e.Code):
		return types.HandlerErrorCodeInvalidRequest
	case code == types.HandlerErrorCodeInternalFailure:
		return code
	}
	return types.HandlerErrorCodeGeneralServiceException
}

// codeOf is what Cloud Control says of a service's refusal.
// https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-test-contract-errors.html
func codeOf(err error) types.HandlerErrorCode {
	var denied *wire.DeniedError
	if errors.As(err, &denied) {
		return types.HandlerErrorCodeAccessDenied
	}
	switch code := wire.AsError(err).Code; {
	case strings.HasPrefix(code, "AccessDenied"):
		return types.HandlerErrorCodeAccessDenied
	case strings.HasSuffix(code, "DoesNotExist"), strings.HasPrefix(code, "ResourceNotFound"):
		return types.HandlerErrorCodeNotFound
	case strings.HasSuffix(code, "AlreadyExists"):
		return types.HandlerErrorCodeAlreadyExists
	case strings.HasSuffix(code, "LimitExceeded"), code == "ServiceQuotaExceededException":
		return types.HandlerErrorCodeServiceLimitExceeded
	case strings.HasPrefix(code, "Throttling"):
		return types.HandlerErrorCodeThrottling
	case code == "ConflictException", code == "StateMachineDeleting":
		return types.HandlerErrorCodeResourceConflict
	case code == notStabilized:
		return types.HandlerErrorCodeNotStabilized
	case code == "GeneralServiceException":
		return types.HandlerErrorCodeGeneralServiceException
	case code == "InternalFailure":
		return types.HandlerErrorCodeInternalFailure
	default:
		return types.HandlerErrorCodeInvalidRequest
	}
}

func messageOf(err error) string { return wire.AsError(err).Message }

// refusal words what a service says where Cloud Control answers at once.
func (k *kind) refusal(err error, identifier string) error {
	switch k.codeOf(err) {
	case types.HandlerErrorCodeNotFound:
		return notFound(k, identifier)
	case types.HandlerErrorCodeAccessDenied:
		return fail("AccessDeniedException", "%s", messageOf(err))
	case types.HandlerErrorCodeThrottling:
		return fail("ThrottlingException", "%s", messageOf(err))
	case types.HandlerErrorCodeGeneralServiceException:
		return fail("GeneralServiceException", "%s", messageOf(err))
	case types.HandlerErrorCodeServiceInternalError:
		return wire.Errorf(http.StatusBadGateway, "ServiceInternalErrorException", "%s", messageOf(err))
	default:
		return fail("InvalidRequestException", "%s", messageOf(err))
	}
}
