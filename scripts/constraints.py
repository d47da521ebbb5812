#!/usr/bin/env python3
"""Writes internal/sandbox/kit/constraint/data from the API models of botocore.

    python3 scripts/constraints.py

Of every input of the services below it keeps what AWS checks before an operation
runs: enums, ranges, lengths, patterns and what has to be there. The output is the
same for the same botocore, so that a newer one shows as a diff.
"""

import json
import pathlib
import re
import sys

try:
    import botocore
    import botocore.loaders
except ImportError:
    sys.exit("constraints.py: botocore is needed: pip install botocore")

# Service id of the router -> name of the model, and the operations to take.
SERVICES = {
    "applicationautoscaling": ("application-autoscaling", "."),
    "cloudcontrol": ("cloudcontrol", "."),
    "cloudwatch": ("cloudwatch", "Alarm|Metric|Dashboard|[Tt]ag"),
    "cloudwatchlogs": ("logs", "Log(Group|Stream|Event)|[Tt]ag|RetentionPolicy|KmsKey|ResourcePolic|MetricFilter|SubscriptionFilter|Deliver|ExportTask|Quer(y|ies)|LiveTail"),
    "eventbridge": ("events", "Rule|Target|PutEvents|EventBus|[Tt]ag|TestEventPattern|Permission|Archive|Replay|Connection|ApiDestination"),
    "iam": ("iam", "Role|Polic|InstanceProfile|User|AccountAlias"),
    "ecr": ("ecr", "Repositor|Image|AuthorizationToken|[Tt]ag|Layer|LifecyclePolicy|Registry"),
    "kms": ("kms", "."),
    "lambda": ("lambda", "Function|Alias|Version|Permission|Policy|[Tt]ag|Invoke|AccountSettings|Layer|EventSourceMapping|ProvisionedConcurrency"),
    "sagemaker": ("sagemaker", "^(Create|Describe|List|Update|Delete|Stop)(Model|EndpointConfig|Endpoint|TransformJob)s?$|^(AddTags|DeleteTags|ListTags)$|UpdateEndpointWeights"),
    "sagemakerruntime": ("sagemaker-runtime", "^InvokeEndpoint$"),
    "secretsmanager": ("secretsmanager", "^(Create|Describe|Delete|Restore|Update)Secret$|SecretValue$|ListSecrets$"),
    "scheduler": ("scheduler", "."),
    "servicequotas": ("service-quotas", "Quotas?$|Services$|ServiceQuotaIncrease$|RequestedServiceQuotaChange|[Tt]ag"),
    "sfn": ("stepfunctions", "."),
    "sns": ("sns", "^(?!.*(SMS|Phone|Platform|Endpoint|Origination|DataProtection))"),
    "ssm": ("ssm", "Parameter|[Tt]ag"),
    "sts": ("sts", "."),
}
# The order in which AWS names the values of an enum, where it is known from its answers and
# is not that of the model: https://github.com/localstack/localstack
# (test_api_destinations_and_connection.snapshot.json) and https://github.com/getmoto/moto
# (tests/test_ssm/test_ssm.py, tests/test_events/test_events.py).
ORDER = {
    ("eventbridge", "ApiDestinationHttpMethod"): ["HEAD", "POST", "PATCH", "DELETE", "PUT", "GET", "OPTIONS"],
    ("eventbridge", "ReplayState"): ["CANCELLED", "CANCELLING", "COMPLETED", "FAILED", "RUNNING", "STARTING"],
    ("ssm", "ParameterType"): ["SecureString", "StringList", "String"],
}
KEPT = ("enum", "min", "max", "pattern", "required", "sensitive")
OUT = pathlib.Path(__file__).resolve().parent.parent / "internal/sandbox/kit/constraint/data"


def constrained(shapes, name, seen):
    """Whether anything below the shape is worth a check."""
    if name in seen:
        return False
    seen = seen | {name}
    shape = shapes[name]
    if any(k in shape for k in KEPT if k != "sensitive"):
        return True
    below = [m["shape"] for m in shape.get("members", {}).values()]
    below += [shape[k]["shape"] for k in ("member", "key", "value") if k in shape]
    return any(constrained(shapes, b, seen) for b in below)


def reduce(model, wanted):
    shapes, kept, operations = model["shapes"], {}, {}

    def take(name):
        if name in kept:
            return
        shape = shapes[name]
        out = kept[name] = {"type": shape["type"]}
        out.update({k: shape[k] for k in KEPT if shape.get(k)  or k in shape and k in ("min", "max")})
        if "members" in shape:
            out["members"] = {n: m["shape"] for n, m in shape["members"].items() if constrained(shapes, m["shape"], frozenset()) or n in shape.get("required", [])}
            for s in out["members"].values():
                take(s)
        for k in ("member", "key", "value"):
            if k in shape:
                out[k] = shape[k]["shape"]
                take(out[k])

    for name, op in model["operations"].items():
        if "input" in op and re.search(wanted, name) and constrained(shapes, op["input"]["shape"], frozenset()):
            operations[name] = op["input"]["shape"]
            take(operations[name])
    return operations, kept


def main():
    loader = botocore.loaders.Loader()
    for service, (name, wanted) in SERVICES.items():
        operations, shapes = reduce(loader.load_service_model(name, "service-2"), wanted)
        for (of, shape), order in ORDER.items():
            if of == service:
                assert sorted(order) == sorted(shapes[shape]["enum"]), shape
                shapes[shape]["enum"] = order
        rows = [f"{json.dumps(n)}: {json.dumps(s, separators=(',', ':'), sort_keys=False)}" for n, s in sorted(shapes.items())]
        text = '{"source": "botocore %s, %s",\n"operations": %s,\n"shapes": {\n%s\n}}\n' % (
            botocore.__version__, name, json.dumps(operations, separators=(",", ":"), sort_keys=True), ",\n".join(rows))
        (OUT / f"{service}.json").write_text(text)


main()
