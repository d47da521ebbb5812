"""The preprocess step of a pipeline that names no code of its own: it passes on.

The state machine calls it once for each batch, with {"items": [...], "batch":
{...}}, and sends each of the "records" that it returns to the model, in their
order. So with this function every item of the data set has to be what the model
expects. A function of your own can also return "ids", one for each record: then
each line of the results is {"id": ..., "prediction": ...}. With ids it can also return
"errors", [{"id": ..., "error": "NameOfTheError", "cause": "what is wrong"}], for the
items that it can't take: the others of the batch go on. Standard library only.
"""

import json


def handler(event, context):
    if not isinstance(event, dict) or not isinstance(event.get("items"), list):
        raise ValueError("the event has no list 'items': call this function through the state machine")
    batch = event.get("batch") or {}
    print(json.dumps({"message": "passing a batch on", "items": len(event["items"]), "execution": batch.get("parentExecution")}))
    return {"records": event["items"]}
