"""Runs a Python function: loads the handler, then takes one event after another
from the Lambda Runtime API. Standard library only. Error documents have the
form that AWS's own Python runtime gives them."""
import decimal
import http.client
import importlib
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
TOKEN = os.environ.pop("_RUNTIME_TOKEN", "")
# What is imported from here on, and by Python programs that the function runs.
if "_RUNTIME_PYCACHE" in os.environ:
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = os.environ.pop("_RUNTIME_PYCACHE")
ROOT = os.environ["LAMBDA_TASK_ROOT"]
JSON_LOGS = os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"
PREFIX = "/2018-06-01/runtime"
request_id = None


def watch(fd):
    """Ends the whole process group when the service is gone."""
    try:
        while os.read(fd, 1):
            pass
    except OSError:
        pass
    try:
        os.killpg(os.getpgrp(), signal.SIGKILL)
    finally:
        os._exit(1)


class Frames:
    """Writes records that the service must not split into lines."""

    def send(self, kind, text):
        sys.stdout.flush()
        sys.stderr.flush()
        data = ("\x1e" + kind + text + "\x1e\n").encode("utf-8", "replace")
        while data:
            data = data[os.write(1, data):]

    def log(self, text):
        self.send("L", json.dumps(text))

    def end(self, rid):
        self.send("E", "%s %d" % (rid, peak_memory()))


frames = Frames()


def peak_memory():
    """Peak resident memory in KiB."""
    try:
        import resource
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return rss // 1024 if sys.platform == "darwin" else rss
    except ImportError:
        return 0


class Client:
    def __init__(self):
        host, port = API.rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port))

    def call(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if TOKEN:
            headers["Lambda-Runtime-Token"] = TOKEN
        self.connection.request(method, PREFIX + path, body=body, headers=headers)
        response = self.connection.getresponse()
        data = response.read()
        return response, data


class Fault(Exception):
    def __init__(self, kind, message, trace=None):
        super().__init__(message)
        self.kind, self.message, self.trace = kind, message, trace or []


def shown(path):
    """Paths as they are on AWS, where the code is in /var/task."""
    return "/var/task" + path[len(ROOT):] if path == ROOT or path.startswith(ROOT + os.sep) else path


def frames_of(tb, skip):
    """Formats a traceback without the frames of this file and of importlib."""
    out = [(shown(f.filename), f.lineno, f.name, f.line) for f in traceback.extract_tb(tb)]
    while out and (out[0][0] == __file__ or skip(out[0][0])):
        out.pop(0)
    return traceback.format_list(out)


def load(name):
    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as e:
        raise Fault("Runtime.MalformedHandlerName", "Bad handler '%s': %s" % (name, e))
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as e:
        raise Fault("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, e))
    except SyntaxError as e:
        trace = ['  File "%s" Line %s\n    %s' % (shown(e.filename or ""), e.lineno, e.text)]
        raise Fault("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, e), trace)
    try:
        return getattr(module, function_name)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (function_name, module_name))


class Identity:
    cognito_identity_id = None
    cognito_identity_pool_id = None


class ClientApp:
    installation_id = app_title = app_version_name = app_version_code = app_package_name = None


class ClientContext:
    def __init__(self, doc):
        self.custom, self.env, self.client = doc.get("custom"), doc.get("env"), ClientApp()
        for key, value in (doc.get("client") or {}).items():
            setattr(self.client, key, value)


class Context:
    def __init__(self, headers):
        env = os.environ
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.log_group_name = env["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = env["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.function_name = env["AWS_LAMBDA_FUNCTION_NAME"]
        self.memory_limit_in_mb = env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.function_version = env["AWS_LAMBDA_FUNCTION_VERSION"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.tenant_id = None
        raw = headers.get("Lambda-Runtime-Client-Context")
        self.client_context = ClientContext(json.loads(raw)) if raw else None
        self.identity = Identity()
        self._deadline = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline - int(time.time() * 1000))

    def log(self, message):
        sys.stdout.write(str(message))


class LogHandler(logging.Handler):
    def emit(self, record):
        try:
            frames.log(self.format(record))
        except Exception:
            self.handleError(record)

    def format(self, record):
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        if not JSON_LOGS:
            text = "[%s]\t%s.%03dZ\t%s\t%s" % (record.levelname, now, record.msecs, request_id or "", record.getMessage())
            if record.exc_info:
                text += "\n" + logging.Formatter().formatException(record.exc_info)
            return text
        doc = {"timestamp": now + "Z", "level": record.levelname, "message": record.getMessage(), "logger": record.name}
        if request_id:
            doc["requestId"] = request_id
        if record.exc_info:
            kind, value, tb = record.exc_info
            doc["errorType"], doc["errorMessage"] = kind.__name__, str(value)
            doc["stackTrace"] = traceback.format_list(traceback.extract_tb(tb))
        return json.dumps(doc, ensure_ascii=False)


def encode(value):
    if isinstance(value, bytes):
        return value

    def default(x):
        if isinstance(x, decimal.Decimal):
            return int(x) if x == x.to_integral_value() else float(x)
        raise TypeError("Object of type %s is not JSON serializable" % type(x).__name__)

    return json.dumps(value, default=default, ensure_ascii=False).encode("utf-8")


def error_document(message, kind, rid, trace):
    return {"errorMessage": message, "errorType": kind, "requestId": rid, "stackTrace": trace}


def log_error(doc):
    if JSON_LOGS:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        frames.log(json.dumps({"timestamp": now, "log_level": "ERROR", **doc}, ensure_ascii=False))
        return
    text = "[ERROR] %s: %s" % (doc["errorType"], doc["errorMessage"])
    if doc["stackTrace"]:
        text += "\nTraceback (most recent call last):\n" + "".join(doc["stackTrace"])
    frames.log(text)


def run(handler, headers, body):
    """Returns the path suffix and the document of the reply."""
    rid = headers["Lambda-Runtime-Aws-Request-Id"]
    try:
        try:
            event = json.loads(body)
        except ValueError as e:
            raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % e)
        result = handler(event, Context(headers))
        try:
            return "response", encode(result)
        except (TypeError, ValueError) as e:
            raise Fault("Runtime.MarshalError", "Unable to marshal response: %s" % e)
    except Fault as e:
        doc = error_document(e.message, e.kind, rid, e.trace)
    except BaseException as e:
        if isinstance(e, SystemExit):
            raise
        doc = error_document(str(e), type(e).__name__, rid, frames_of(e.__traceback__, lambda p: False))
    log_error(doc)
    return "error", json.dumps(doc, ensure_ascii=False).encode("utf-8", "replace")


def main():
    global request_id
    lifeline = os.environ.pop("_RUNTIME_FD", "")
    if lifeline:
        threading.Thread(target=watch, args=(int(lifeline),), daemon=True).start()
    # The directory of this file must not be on the path of user code.
    sys.path[0] = ROOT
    handler_log = LogHandler()
    logging.getLogger().addHandler(handler_log)
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "")
    if JSON_LOGS:
        logging.getLogger().setLevel({"TRACE": "DEBUG", "FATAL": "CRITICAL"}.get(level, level) or "INFO")
    client = Client()
    try:
        handler = load(os.environ["_HANDLER"])
    except BaseException as e:
        if isinstance(e, Fault):
            doc = error_document(e.message, e.kind, "", e.trace)
        elif isinstance(e, SystemExit):
            raise
        else:
            doc = error_document(str(e), type(e).__name__, "", frames_of(e.__traceback__, lambda p: p.startswith("<frozen") or "importlib" in p))
        log_error(doc)
        client.call("POST", "/init/error", json.dumps(doc).encode(), {"Lambda-Runtime-Function-Error-Type": doc["errorType"]})
        sys.exit(1)
    while True:
        try:
            response, body = client.call("GET", "/invocation/next")
        except (OSError, http.client.HTTPException):
            return  # the service has gone
        if response.status != 200:
            return
        request_id = response.headers["Lambda-Runtime-Aws-Request-Id"]
        os.environ["_X_AMZN_TRACE_ID"] = response.headers.get("Lambda-Runtime-Trace-Id", "")
        suffix, doc = run(handler, response.headers, body)
        frames.end(request_id)
        headers = {"Content-Type": "application/json"}
        client.call("POST", "/invocation/%s/%s" % (request_id, suffix), doc, headers)
        request_id = None


main()
