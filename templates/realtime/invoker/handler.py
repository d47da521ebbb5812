"""Calls the endpoint for bodies that a state can't carry: binary, or over 256 KiB.

The state machine calls it with {"endpointName", "bucket", "bodyKey", "contentType",
"resultKey", "inferenceId"}. It reads the body from bodyKey, sends it to the endpoint
as it is, and writes the answer to resultKey. Standard library only: what signs the
requests is at the end of the file.
"""

import datetime
import hashlib
import hmac
import json
import os
import urllib.error
import urllib.parse
import urllib.request

REGION = os.environ.get("AWS_REGION", "us-east-1")
SUFFIX = "amazonaws.com.cn" if REGION.startswith("cn-") else "amazonaws.com"
ENDPOINT = os.environ.get("AWS_ENDPOINT_URL", "").rstrip("/")
SECONDS = int(os.environ.get("PIPELINETUI_INVOKE_SECONDS", "70"))


def handler(event, context):
    for name in ("endpointName", "bucket", "bodyKey", "resultKey"):
        if not event.get(name):
            raise failure("InvalidInvocation", "the event has no '%s'" % name)
    body, stored = get_object(event["bucket"], event["bodyKey"])
    content_type = event.get("contentType") or stored
    headers = {"Content-Type": content_type, "Accept": "*/*"}
    if event.get("inferenceId"):
        headers["X-Amzn-SageMaker-Inference-Id"] = event["inferenceId"]
    answer, got = call("POST", "sagemaker", endpoint_url(event["endpointName"]), body, headers)
    put_object(event["bucket"], event["resultKey"], answer, got.get("Content-Type") or "application/octet-stream")
    print(json.dumps({"message": "answered", "bytesIn": len(body), "bytesOut": len(answer), "resultKey": event["resultKey"]}))
    return {
        "resultKey": event["resultKey"],
        "contentType": got.get("Content-Type"),
        "variant": got.get("x-Amzn-Invoked-Production-Variant") or "unknown",
    }


def endpoint_url(name):
    base = ENDPOINT or "https://runtime.sagemaker.%s.%s" % (REGION, SUFFIX)
    return "%s/endpoints/%s/invocations" % (base, urllib.parse.quote(name, safe=""))


def object_url(bucket, key):
    base = ENDPOINT + "/" + bucket if ENDPOINT else "https://%s.s3.%s.%s" % (bucket, REGION, SUFFIX)
    return base + "/" + urllib.parse.quote(key, safe="/-_.~")


def get_object(bucket, key):
    body, headers = call("GET", "s3", object_url(bucket, key), b"", {})
    return body, headers.get("Content-Type") or "application/octet-stream"


def put_object(bucket, key, body, content_type):
    call("PUT", "s3", object_url(bucket, key), body, {"Content-Type": content_type})


def failure(name, message):
    """An exception whose class names the error for Retry and Catch."""
    return type(name, (Exception,), {})(message)


def call(method, service, url, body, headers):
    request = urllib.request.Request(url, data=body if method != "GET" else None, method=method)
    for name, value in signed(method, service, url, body, headers).items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            return response.read(), response.headers
    except urllib.error.HTTPError as e:
        name, message = explained(e, e.read().decode("utf-8", "replace"))
        raise failure(name, "%s %s: HTTP %d: %s" % (service, method, e.code, message[:2000])) from None
    except OSError as e:  # refused, reset or too slow
        raise failure("ServiceUnavailable", "%s %s: %s" % (service, method, e)) from None


def explained(e, text):
    """The code and the message of an AWS error: in a header and JSON, or in XML."""
    name, message, model = e.headers.get("x-amzn-ErrorType"), text, 0
    try:
        doc = json.loads(text)
        name = name or doc.get("__type") or doc.get("code") or doc.get("Code")
        message = doc.get("message") or doc.get("Message") or text
        model = doc.get("OriginalStatusCode") or 0
    except (ValueError, AttributeError):
        if "<Code>" in text:
            name = text.split("<Code>", 1)[1].split("</Code>", 1)[0]
    name = (name or "").split(":")[0].split("#")[-1]
    if not name.isidentifier():
        name = "ServiceUnavailable" if e.code >= 500 else "RequestFailed"
    if name == "ModelError" and model >= 500:
        name = "ServiceUnavailable"  # the model may do better next time; a 4xx stays a ModelError
    return name, message


def signed(method, service, url, body, headers):
    """The headers of a request with its Signature Version 4.

    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html)
    """
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    parts = urllib.parse.urlsplit(url)
    digest = hashlib.sha256(body).hexdigest()
    out = dict(headers)
    out.update({"Host": parts.netloc, "X-Amz-Date": now, "X-Amz-Content-Sha256": digest})
    if os.environ.get("AWS_SESSION_TOKEN"):
        out["X-Amz-Security-Token"] = os.environ["AWS_SESSION_TOKEN"]
    names = sorted(out, key=str.lower)
    listed = ";".join(n.lower() for n in names)
    # Every service but S3 signs the path encoded once more.
    path = parts.path if service == "s3" else urllib.parse.quote(parts.path, safe="/-_.~")
    canonical = "\n".join([method, path, "", *("%s:%s" % (n.lower(), out[n].strip()) for n in names), "", listed, digest])
    scope = "/".join([now[:8], REGION, service, "aws4_request"])
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for step in scope.split("/"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    out["Authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
        os.environ["AWS_ACCESS_KEY_ID"], scope, listed, signature)
    return out
