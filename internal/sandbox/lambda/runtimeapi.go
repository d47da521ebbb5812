package lambda

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

// api serves the Lambda Runtime API
// (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).
func (e *environment) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", e.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) { e.answer(w, r, "") })
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) { e.answer(w, r, "Unhandled") })
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", func(w http.ResponseWriter, r *http.Request) {
		doc, err := io.ReadAll(io.LimitReader(r.Body, maxPayload))
		if err != nil {
			apiStatus(w, http.StatusBadRequest, "InvalidRequest")
			return
		}
		select {
		case e.initError <- doc:
		default:
		}
		apiStatus(w, http.StatusAccepted, "")
	})
	if !runtimeOf(e.version.Config.Runtime).ours {
		return mux
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Lambda-Runtime-Token") != e.token {
			apiStatus(w, http.StatusForbidden, "Forbidden")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (e *environment) next(w http.ResponseWriter, r *http.Request) {
	e.ready.CompareAndSwap(0, time.Now().UnixNano())
	var inv *invocation
	select {
	case inv = <-e.work:
	case <-e.dead:
		return
	case <-r.Context().Done():
		return
	}
	now := time.Now()
	inv.started.Store(now.UnixMilli())
	e.out.begin(inv)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(now.Add(time.Duration(*e.version.Config.Timeout)*time.Second).UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", inv.arn)
	h.Set("Lambda-Runtime-Trace-Id", inv.traceID)
	if inv.clientContext != "" {
		h.Set("Lambda-Runtime-Client-Context", inv.clientContext)
	}
	_, _ = w.Write(inv.payload)
}

// answer takes the result of the invocation in progress.
func (e *environment) answer(w http.ResponseWriter, r *http.Request, functionError string) {
	inv := e.current.Load()
	if inv == nil || inv.id != r.PathValue("id") || inv.started.Load() == 0 {
		apiStatus(w, http.StatusBadRequest, "InvalidRequestID")
		return
	}
	doc, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+101))
	if err != nil {
		apiStatus(w, http.StatusBadRequest, "InvalidRequest")
		return
	}
	res := result{payload: doc, functionError: functionError, status: "success"}
	if functionError != "" {
		res.status, res.errorType = "error", errorType(doc)
	}
	status := http.StatusAccepted
	if len(doc) > maxPayload+100 {
		res = failure(inv, "Function.ResponseSizeTooLarge", "error", "Response payload size exceeded maximum allowed payload size (6291556 bytes).")
		status = http.StatusRequestEntityTooLarge
	}
	select {
	case inv.done <- res:
	default: // only the first answer counts
		status = http.StatusBadRequest
	}
	apiStatus(w, status, "")
}

func apiStatus(w http.ResponseWriter, status int, kind string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if kind == "" {
		_, _ = io.WriteString(w, `{"status":"OK"}`)
		return
	}
	_, _ = io.WriteString(w, `{"errorType":"`+kind+`","errorMessage":"`+kind+`"}`)
}
