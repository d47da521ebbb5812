package s3

import (
	"net/http"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func fail(status int, code, msg string, fields ...string) *wire.Error {
	e := &wire.Error{Status: status, Code: code, Message: msg}
	for i := 0; i+1 < len(fields); i += 2 {
		if e.Fields == nil {
			e.Fields = map[string]any{}
		}
		e.Fields[fields[i]] = fields[i+1]
	}
	return e
}

func errNoSuchBucket(name string) error {
	return fail(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist", "BucketName", name)
}

func errNoSuchKey(key string) error {
	return fail(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.", "Key", key)
}

func errNoSuchVersion(key, id string) error {
	return fail(http.StatusNotFound, "NoSuchVersion", "The specified version does not exist.", "Key", key, "VersionId", id)
}

func errNoSuchUpload(id string) error {
	return fail(http.StatusNotFound, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been "+
		"aborted or completed.", "UploadId", id)
}

func errInvalid(name, value, msg string) error {
	return fail(http.StatusBadRequest, "InvalidArgument", msg, "ArgumentName", name, "ArgumentValue", value)
}

// errURI refuses names that are no UTF-8.
func errURI(h *http.Request) error {
	return fail(http.StatusBadRequest, "InvalidURI", "Couldn't parse the specified URI.", "URI", h.URL.EscapedPath())
}

func errRequest(msg string) error { return fail(http.StatusBadRequest, "InvalidRequest", msg) }

func errAlgorithm() error {
	return errRequest("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
}

func errPrecondition(condition string) error {
	return fail(http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", "Condition", condition)
}

func errMalformed() error {
	return fail(http.StatusBadRequest, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}

func errDenied() error { return fail(http.StatusForbidden, "AccessDenied", "Access Denied") }

// errUnserved refuses what the sandbox does not do.
func errUnserved(what string) error {
	return fail(http.StatusNotImplemented, "NotImplemented", "The sandbox does not serve "+what+".")
}

// errMethod refuses what cannot be done to a delete marker.
func errMethod(method string) error {
	return fail(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.", "Method", method, "ResourceType", "DeleteMarker")
}
