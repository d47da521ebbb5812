"""Preprocess step of the iris-batch example: a batch of flowers in, scaled rows out.

The state machine calls handler with {"items": [flower, ...], "batch": {...}},
once for each batch. It returns "records", each of which is one request to the
model, and "ids", so that each prediction can be told whose it is. One flower that can't be
right is returned in "errors" while the others of its batch go on; with the
environment variable STRICT=batch it fails its whole batch with InvalidFlower.
Standard library only.

With the environment variable REPAIR=units a measurement that was written as a text
with its unit ("5.1 cm") is read as the number that it says.
"""

import json
import math
import os

# No flower of the genus is anywhere near this many centimetres.
LARGEST_CM = 30.0
STRICT = os.environ.get("STRICT") == "batch"
REPAIR_UNITS = os.environ.get("REPAIR") == "units"


class InvalidFlower(ValueError):
    """An item is not a flower that can be measured; the text names it and the field."""


def load_scaler(folder=os.path.dirname(os.path.abspath(__file__))):
    """Mean and standard deviation that the model was trained with."""
    with open(os.path.join(folder, "scaler.json"), encoding="utf-8") as file:
        return json.load(file)


SCALER = load_scaler()


def repaired(value):
    if isinstance(value, str) and value.endswith(" cm"):
        try:
            return float(value.removesuffix(" cm"))
        except ValueError:
            pass
    return value


def measurement(flower, name):
    who = f"flower {flower.get('id', '?')}"
    if name not in flower:
        raise InvalidFlower(f"{who}: {name} is missing")
    value = repaired(flower[name]) if REPAIR_UNITS else flower[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidFlower(f"{who}: {name} must be a number, not {json.dumps(value)}")
    if not math.isfinite(value) or not 0 < value <= LARGEST_CM:
        raise InvalidFlower(f"{who}: {name} is {value}, but it must be above 0 and at most {LARGEST_CM:g} centimetres")
    return float(value)


def row_of(flower):
    if not isinstance(flower, dict):
        raise InvalidFlower(f"an item must be a JSON object, one flower, not {json.dumps(flower)}")
    return [
        (measurement(flower, name) - mean) / std
        for name, mean, std in zip(SCALER["features"], SCALER["mean"], SCALER["std"])
    ]


def handler(event, context):
    items = event.get("items") if isinstance(event, dict) else None
    if not isinstance(items, list):
        raise InvalidFlower("the event must have a list 'items', one batch of flowers")
    records, ids, errors = [], [], []
    for index, flower in enumerate(items):
        try:
            row = row_of(flower)
        except InvalidFlower as error:
            if STRICT:
                raise
            who = flower.get("id", index) if isinstance(flower, dict) else index
            errors.append({"id": who, "index": index, "error": type(error).__name__, "cause": str(error)})
            continue
        records.append({"instances": [row]})
        ids.append(flower.get("id"))
    return {"records": records, "ids": ids, "errors": errors}
