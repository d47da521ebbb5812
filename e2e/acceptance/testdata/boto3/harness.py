"""Counts checks of a sandbox that the AWS variables of the environment name. Each file of checks ends with done()."""

import base64
import datetime as dt
import hashlib
import io
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
import uuid
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

EP = os.environ["AWS_ENDPOINT_URL"]
N = 0
BAD = []


def now_utc():
    return dt.datetime.now(dt.timezone.utc)


def client(service, region="us-east-1", validate=True, **options):
    """Without validation the client lets pass what AWS is to refuse."""
    config = Config(retries={"max_attempts": 1}, parameter_validation=validate, **options)
    return boto3.client(service, region_name=region, endpoint_url=EP, config=config)


def wrong(name, *what):
    BAD.append(name)
    print("WRONG", name, "->", *(str(w)[:600] for w in what))


def ok(name, call, holds=None):
    """The call succeeds, and its answer is as it has to be."""
    global N
    N += 1
    try:
        out = call()
        if holds is not None and not holds(out):
            wrong(name, out)
        return out
    except Exception as e:
        wrong(name, type(e).__name__, e)


def soon(name, call, holds):
    """The call succeeds, and its answer becomes as it has to be: metrics and logs arrive later, on AWS as here."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if holds(call()):
                break
        except Exception:
            pass  # the last look tells
        time.sleep(0.05)
    return ok(name, call, holds)


def err(name, call, code, text=None, status=None):
    """AWS refuses the call with a code, and a text and a status where they are known."""
    global N
    N += 1
    try:
        wrong(name, "no error", call())
    except ClientError as e:
        got = e.response["Error"]
        at = e.response["ResponseMetadata"]["HTTPStatusCode"]
        if got["Code"] != code or text and not re.search(text, got.get("Message", "")) or status and status != at:
            wrong(name, at, got)
    except Exception as e:
        wrong(name, type(e).__name__, e)


def zipof(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, text in files.items():
            z.writestr(name, text)
    return out.getvalue()


def done():
    print(N, "checks,", len(BAD), "wrong")
    sys.exit(1 if BAD else 0)
