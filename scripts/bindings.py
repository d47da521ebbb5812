#!/usr/bin/env python3
"""Writes internal/sandbox/wire/model/data from the API models of botocore.

    python3 scripts/bindings.py

For every service that the sandbox serves: its protocol, all operations with
their binding to HTTP, the error codes that the model knows, and of the shapes
what is needed to read and write messages. For services whose messages are JSON
or forms that is only what JSON does not tell: where there are times, blobs and
the user's own keys. services.txt has the names of all services of AWS. The output
is the same for the same botocore, so that a newer one shows as a diff.
"""

import json
import pathlib
import re
import sys

try:
    import botocore
    import botocore.loaders
except ImportError:
    sys.exit("bindings.py: botocore is needed: pip install botocore")

# Name of the model -> operations whose shapes are kept. The operations themselves
# are kept all: what AWS has and the sandbox does not serve is told apart from what
# there is not.
SERVICES = {
    "application-autoscaling": ".",
    "cloudcontrol": ".",
    "cloudwatch": "Alarm|Metric|Dashboard|[Tt]ag",
    "logs": "Log(Group|Stream|Event)|[Tt]ag|RetentionPolicy|KmsKey|ResourcePolic|MetricFilter|SubscriptionFilter|Deliver|ExportTask|Quer(y|ies)|LiveTail",
    "events": "Rule|Target|PutEvents|EventBus|[Tt]ag|TestEventPattern",
    "iam": "Role|Polic|InstanceProfile|User|AccountAlias",
    "ecr": "Repositor|Image|AuthorizationToken|[Tt]ag|Layer|LifecyclePolicy|Registry",
    "kms": ".",
    "lambda": "Function|Alias|Version|Permission|Policy|[Tt]ag|Invoke|AccountSettings|Layer|EventSourceMapping|ProvisionedConcurrency",
    "s3": "^(?!.*(Inventory|Analytics|IntelligentTiering|MetricsConfig|Metadata(Table|Config|Journal)|SelectObject|WriteGetObject))",
    "sagemaker": "^(Create|Describe|List|Update|Delete|Stop)(Model|EndpointConfig|Endpoint|TransformJob)s?$|^(AddTags|DeleteTags|ListTags)$|UpdateEndpointWeights",
    "sagemaker-runtime": ".",
    "scheduler": ".",
    "secretsmanager": ".",
    "service-quotas": "Quotas?$|Services$|ServiceQuotaIncrease$|RequestedServiceQuotaChange|[Tt]ag",
    "sns": "^(?!.*(SMS|Phone|Platform|Endpoint|Origination|DataProtection))",
    "sqs": ".",
    "ssm": "Parameter|[Tt]ag",
    "stepfunctions": ".",
    "sts": ".",
}
OUT = pathlib.Path(__file__).resolve().parent.parent / "internal/sandbox/wire/model/data"
TELLING = ("timestamp", "blob", "map")


def service_id(metadata):
    """The id as in aws-sdk:ID:operation of Step Functions."""
    return re.sub(r"[ -]", "", metadata.get("serviceId", metadata["endpointPrefix"])).lower()


def telling(shapes, name, seen):
    """Whether there is anything below the shape that JSON does not tell."""
    if name in seen:
        return False
    shape = shapes[name]
    if shape["type"] in TELLING:
        return True
    below = [m["shape"] for m in shape.get("members", {}).values()]
    below += [shape[k]["shape"] for k in ("member", "key", "value") if k in shape]
    return any(telling(shapes, b, seen | {name}) for b in below)


def reference(ref):
    out = {"shape": ref["shape"]}
    for k, name in (("location", "in"), ("locationName", "as")):
        if k in ref:
            out[name] = ref[k]
    for k in ("flattened", "xmlAttribute", "streaming"):
        if ref.get(k):
            out[k] = True
    if "xmlNamespace" in ref and isinstance(ref["xmlNamespace"], dict) and "uri" in ref["xmlNamespace"]:
        out["xmlns"] = ref["xmlNamespace"]["uri"]
        if "prefix" in ref["xmlNamespace"]:
            out["prefix"] = ref["xmlNamespace"]["prefix"]
    if "timestampFormat" in ref:
        out["format"] = ref["timestampFormat"]
    return out


def reduce(model, wanted):
    meta, shapes, kept, operations = model["metadata"], model["shapes"], {}, {}
    rest = meta["protocol"].startswith("rest-")
    protocols = meta.get("protocols", [meta["protocol"]])

    def take(name):
        if name in kept:
            return
        shape = shapes[name]
        out = kept[name] = {"type": shape["type"]}
        if "members" in shape:
            out["members"] = [dict(name=n, **reference(m)) for n, m in shape["members"].items() if rest or telling(shapes, m["shape"], frozenset())]
            for m in out["members"]:
                take(m["shape"])
        for k in ("member", "key", "value"):
            if k in shape:
                out[k] = reference(shape[k])
                take(out[k]["shape"])
        for k in ("payload", "flattened"):
            if shape.get(k):
                out[k] = shape[k]
        if "timestampFormat" in shape:
            out["format"] = shape["timestampFormat"]
        if rest and shape.get("required"):
            out["required"] = shape["required"]

    errors, current = set(), {tuple(op["http"].values()) for op in model["operations"].values() if not op.get("deprecated")}
    for name, op in model["operations"].items():
        if rest and op.get("deprecated") and tuple(op["http"].values()) in current:
            continue  # the older name of another operation
        out = operations[name] = {}
        http = op.get("http", {})
        if rest:
            out.update(method=http["method"], uri=http["requestUri"])
            if http.get("responseCode", 200) != 200:
                out["status"] = http["responseCode"]
            if op.get("httpChecksum", {}).get("requestAlgorithmMember"):
                out["checksum"] = True
        for e in op.get("errors", []):
            code = shapes[e["shape"]].get("error", {}).get("code")
            if not code or "json" in protocols or "smithy-rpc-v2-cbor" in protocols:
                errors.add(e["shape"])
            if code:
                errors.add(code)
        for k in ("input", "output"):
            if k not in op:
                continue
            # Of every REST operation at least what tells it from others has to be known.
            if not re.search(wanted, name):
                if rest and k == "input":
                    shape = shapes[op[k]["shape"]]
                    need = [m for m in shape.get("required", []) if shape["members"][m].get("location") in ("querystring", "header")]
                    named = {n: m for n, m in shape["members"].items() if m.get("location") in ("querystring", "header", "uri")}
                    if named:
                        out[k] = dict(shape="-" + name)
                        kept["-" + name] = dict(type="structure", required=need, members=[dict(name=n, **dict(reference(m), shape="-")) for n, m in named.items()])
                        kept["-"] = dict(type="string")
                continue
            if rest or telling(shapes, op[k]["shape"], frozenset()):
                out[k] = reference(op[k])
                take(op[k]["shape"])
    return operations, kept, sorted(errors)


def lower(model):
    """Whether members begin in lower case on the wire."""
    names = [n for op in model["operations"].values() if "input" in op for n in model["shapes"][op["input"]["shape"]].get("members", {})]
    return sum(n[0].islower() for n in names) > len(names) / 2


def odd(model):
    """The members of structures that are no errors which begin otherwise than the rest."""
    low = lower(model)
    # The SDK calls messages by their operations.
    named = {op[k]["shape"]: n + k.capitalize() for n, op in model["operations"].items() for k in ("input", "output") if k in op}
    return sorted(f"{named.get(name, name)}.{member}" for name, shape in model["shapes"].items() if not shape.get("exception") for member in shape.get("members", {}) if member[0].islower() != low)


def row(name, value):
    return f"{json.dumps(name)}: {json.dumps(value, separators=(',', ':'))}"


def main():
    loader = botocore.loaders.Loader()
    for name, wanted in SERVICES.items():
        model = loader.load_service_model(name, "service-2")
        meta = model["metadata"]
        operations, shapes, errors = reduce(model, wanted)
        about = {
            "source": f"botocore {botocore.__version__}, {name}", "protocols": meta.get("protocols", [meta["protocol"]]),
            "signing": meta.get("signingName", meta["endpointPrefix"]), "target": meta.get("targetPrefix", ""), "jsonVersion": meta.get("jsonVersion", ""),
            "version": meta["apiVersion"], "namespace": meta.get("xmlNamespace", ""), "lowerCamel": lower(model), "odd": odd(model), "errors": errors,
        }
        about = {k: v for k, v in about.items() if k != "odd" or v and meta["protocol"] == "json"}
        text = "{\n" + ",\n".join(row(k, v) for k, v in about.items())
        for part, rows in (("operations", sorted(operations.items())), ("shapes", sorted(shapes.items()))):
            text += f',\n"{part}": {{\n' + ",\n".join(row(n, v) for n, v in rows) + "\n}"
        (OUT / f"{service_id(meta)}.json").write_text(text + "\n}\n")
    names = {service_id(loader.load_service_model(n, "service-2")["metadata"]) for n in loader.list_available_services("service-2")}
    (OUT / "services.txt").write_text("\n".join(sorted(names)) + "\n")


main()
