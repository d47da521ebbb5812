"""The preprocess step of a pipeline that names no code of its own: it passes on.

The state machine calls it with {"input": ..., "execution": {...}} and sends the
"body" that it returns to the model. So with this function the execution input
has to be what the model expects. Standard library only.
"""

import json


def handler(event, context):
    if not isinstance(event, dict) or "input" not in event:
        raise ValueError("the event has no 'input': call this function through the state machine")
    execution = event.get("execution") or {}
    print(json.dumps({"message": "passing the input on", "execution": execution.get("name")}))
    return {"body": event["input"]}
