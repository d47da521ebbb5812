"""What scripts/fleet.sh needs beside the tool: a fleet with its inputs, a mended function,
mended inputs, and a look at whether the documents that the tool wrote have the right numbers.

    fleet.py make FOLDER TENANTS EXECUTIONS
    fleet.py mend-code FOLDER
    fleet.py mend-inputs FOLDER/bad
    fleet.py check FOLDER WHAT DOCUMENT

Of each pipeline's inputs every 40th lacks a field, which no code can mend, and every 40th
from the 20th on is in millimetres, which the function learns only in its second version.
"""

import collections
import glob
import json
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
IRIS = os.path.join(ROOT, "examples", "iris")
FIELDS = ("sepal_length", "sepal_width", "petal_length", "petal_width")

# Only what is in millimetres calls the function: five thousand calls would be throttled on a
# slow machine, and the numbers others.
DEFINITION = {
    "Comment": "pipelinetui template=checked v1: one flower, told apart by two of its measures",
    "QueryLanguage": "JSONata",
    "StartAt": "Look",
    "States": {
        "Look": {
            "Type": "Choice",
            "Choices": [
                {"Condition": "{% $not($exists($states.input.petal_width)) %}", "Next": "Invalid"},
                {"Condition": "{% $exists($states.input.unit) and $states.input.unit != 'cm' %}", "Next": "Convert"},
            ],
            "Default": "Predict",
        },
        "Invalid": {"Type": "Fail", "Error": "InvalidFlower", "Cause": "{% 'flower ' & $states.input.id & ' has no petal_width' %}"},
        "Convert": {
            "Type": "Task",
            "Resource": "arn:${partition}:states:::lambda:invoke",
            "Arguments": {"FunctionName": "${preprocessFunctionArn}", "Payload": "{% $states.input %}"},
            "Retry": [{"ErrorEquals": ["Lambda.TooManyRequestsException", "Lambda.ServiceException", "Lambda.SdkClientException"], "IntervalSeconds": 1, "MaxAttempts": 12, "MaxDelaySeconds": 20}],
            "TimeoutSeconds": 900,
            "Output": "{% $states.result.Payload %}",
            "Next": "Predict",
        },
        "Predict": {
            "Type": "Pass",
            "Output": {
                "id": "{% $states.input.id %}",
                "prediction": {"label": "{% $states.input.petal_length < 2.5 ? 'setosa' : $states.input.petal_width < 1.75 ? 'versicolor' : 'virginica' %}"},
            },
            "End": True,
        },
    },
}

TEMPLATE = """name: checked
title: Flowers, checked
version: "1"
description: For the walk over a fleet.
blocks: [storage, preprocess, workflow]
parameters:
  - {name: preprocess.code, type: path, required: true, artifact: {kinds: [dir]}, help: The function's code.}
  - {name: preprocess.handler, type: string, default: index.handler, help: Its entry point.}
substitutions:
  - {name: partition, help: The partition.}
  - {name: preprocessFunctionArn, help: The function's alias.}
"""

HANDLER = '''class UnknownUnit(ValueError):
    """The unit of an input is not known."""


def handler(event, context):
    if event["unit"] not in {known!r}:
        raise UnknownUnit(f'flower {{event["id"]}} is in "{{event["unit"]}}"')
    return {{name: value / 10 if isinstance(value, float) else value for name, value in event.items()}}
'''


def write_code(folder, mended):
    code = os.path.join(folder, "preprocess")
    os.makedirs(code, exist_ok=True)
    with open(os.path.join(code, "index.py"), "w", encoding="utf-8") as out:
        out.write(HANDLER.format(known=("cm", "mm") if mended else ("cm",)))


def make(folder, tenants, executions):
    with open(os.path.join(IRIS, "flowers.jsonl"), encoding="utf-8") as lines:
        flowers = [json.loads(line) for line in lines]
    write_code(folder, mended=False)
    template = os.path.join(folder, "templates", "checked")
    os.makedirs(template)
    with open(os.path.join(template, "template.yaml"), "w", encoding="utf-8") as out:
        out.write(TEMPLATE)
    with open(os.path.join(template, "statemachine.asl.json"), "w", encoding="utf-8") as out:
        json.dump(DEFINITION, out, indent=2)
    names = [f"t{i:02d}" for i in range(tenants)]
    with open(os.path.join(folder, "fleet.yaml"), "w", encoding="utf-8") as out:
        out.write("apiVersion: pipelinetui/v1\n")
        out.write("defaults: {template: checked, parameters: {preprocess: {code: ./preprocess}}}\n")
        out.write("pipelines:\n" + "".join(f"  - {{tenant: {name}, model: iris}}\n" for name in names))
    os.makedirs(os.path.join(folder, "inputs"), exist_ok=True)
    expected = {"tenants": tenants, "executions": 0, "missing": 0, "unit": 0}
    for t, name in enumerate(names):
        with open(os.path.join(folder, "inputs", f"{name}.iris.dev.jsonl"), "w", encoding="utf-8") as out:
            for i in range(executions // tenants):
                flower = dict(flowers[(i + t) % len(flowers)], id=f"{name}-{i}")
                expected["executions"] += 1
                if i % 40 == 0:
                    del flower["petal_width"]
                    expected["missing"] += 1
                elif i % 40 == 20:
                    flower.update({field: round(flower[field] * 10, 6) for field in FIELDS}, unit="mm")
                    expected["unit"] += 1
                out.write(json.dumps(flower) + "\n")
    with open(os.path.join(folder, "expected.json"), "w", encoding="utf-8") as out:
        json.dump(expected, out)


def mend_inputs(folder):
    """Puts a width in where there is none: that of the mean flower."""
    for path in sorted(glob.glob(os.path.join(folder, "*.jsonl"))):
        with open(path, encoding="utf-8") as lines:
            inputs = [json.loads(line) for line in lines]
        with open(path, "w", encoding="utf-8") as out:
            out.writelines(json.dumps(dict(flower, petal_width=flower.get("petal_width", 1.2))) + "\n" for flower in inputs)


def check(folder, what, path):
    with open(os.path.join(folder, "expected.json"), encoding="utf-8") as text:
        want = json.load(text)
    with open(path, encoding="utf-8") as text:
        doc = json.load(text)
    total, missing, unit = want["executions"], want["missing"], want["unit"]
    seen = {}

    def ends():
        out = collections.Counter()
        for batch in doc["batches"]:
            out.update(batch["summary"])
        return dict(out)

    def groups():
        return {g["error"]: [g["count"], len(g["tenants"])] for g in doc["groups"]}

    some = lambda n: min(n, want["tenants"])
    expected = {
        "ran": lambda: ([sum(b["started"] for b in doc["batches"]), ends()], [total, {"SUCCEEDED": total - missing - unit, "FAILED": missing + unit}]),
        "grouped": lambda: (groups(), {"InvalidFlower": [missing, some(missing)], "UnknownUnit": [unit, some(unit)]}),
        "exported": lambda: ([doc["chosen"], doc["written"], len(doc["files"])], [missing, missing, some(missing)]),
        "again": lambda: ([sum(b["started"] for b in doc["batches"]), ends()], [missing, {"SUCCEEDED": missing}]),
        "redriven": lambda: ([doc["chosen"], doc["done"], doc["failed"]], [unit, unit, []]),
        "waited": lambda: ([sum(b["started"] for b in doc["batches"]), ends()], [0, {"SUCCEEDED": total - missing, "FAILED": missing}]),
        "left": lambda: (groups(), {"InvalidFlower": [missing, some(missing)]}),
        "listed": lambda: (len(doc["executions"]), total),
    }
    seen, wanted = expected[what]()
    if seen != wanted:
        sys.exit(f"{what}: {seen}, but it has to be {wanted}")
    print(f"   right: {what} {json.dumps(seen)}")


if __name__ == "__main__":
    command, folder, *rest = sys.argv[1:]
    if command == "make":
        make(folder, int(rest[0]), int(rest[1]))
    elif command == "mend-code":
        write_code(folder, mended=True)
    elif command == "mend-inputs":
        mend_inputs(folder)
    else:
        check(folder, *rest)
