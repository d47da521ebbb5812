"""The preprocess step of a pipeline that names no code of its own: it passes on.

The state machine calls it with {"input": ..., "execution": {...}} and sends the
"body" that it returns to the model. So with this function the execution input
has to be what the model expects. With the invoker "lambda" the body is an object
in the pipeline's bucket: the execution input names it as "inputKey", and may say
its "contentType". Standard library only.
"""

import json
import mimetypes
import os

TYPES = {"csv": "text/csv", "json": "application/json", "jsonl": "application/jsonlines"}


def handler(event, context):
    if not isinstance(event, dict) or "input" not in event:
        raise ValueError("the event has no 'input': call this function through the state machine")
    given = event["input"]
    execution = event.get("execution") or {}
    print(json.dumps({"message": "passing the input on", "execution": execution.get("name")}))
    if os.environ.get("PIPELINETUI_INVOKER") != "lambda":
        return {"body": given}
    if not isinstance(given, dict) or not given.get("inputKey"):
        raise ValueError('with the invoker "lambda" the execution input names an object: {"inputKey": "in/..."}')
    return {"bodyKey": given["inputKey"], "contentType": given.get("contentType") or guessed(given["inputKey"])}


def guessed(key):
    """The content type that the key's ending tells, "" for that of the object."""
    return TYPES.get(key.rsplit(".", 1)[-1].lower()) or mimetypes.guess_type(key)[0] or ""
