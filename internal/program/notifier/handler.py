"""Tells of executions that failed, of batches that ended, and of alarms.

A queue has what it is to tell of: EventBridge's events of executions, and, with a webhook,
what the topic has got of alarms. Failures that are alike are one notice, which goes to the
topic (e-mail) and to Slack. Standard library only: what signs the request is at the end.
"""

import datetime
import hashlib
import hmac
import json
import os
import re
import shlex
import urllib.error
import urllib.parse
import urllib.request

PIPELINE = os.environ.get("PIPELINETUI_PIPELINE", "")
TOPIC = os.environ.get("PIPELINETUI_TOPIC", "")
ALARMS = os.environ.get("PIPELINETUI_ALARMS", "")
SLACK = os.environ.get("PIPELINETUI_SLACK", "")
REGION = os.environ.get("AWS_REGION", "us-east-1")
SUFFIX = "amazonaws.com.cn" if REGION.startswith("cn-") else "amazonaws.com"
ENDPOINT = os.environ.get("AWS_ENDPOINT_URL", "").rstrip("/")
SECONDS = 10
ORIGIN = "pipelinetui"  # the attribute that tells our own messages from alarms
MOST = 20  # notices of one call; what is left is summed up in one more
WORDS = {"FAILED": "failed", "TIMED_OUT": "timed out", "ABORTED": "was stopped", "SUCCEEDED": "succeeded"}


deaf = set()  # who has not answered in time: not asked again in this call


def handler(event, context):
    deaf.clear()
    groups, lost = {}, []

    def late():
        # One notice is a call of SNS and one of Slack. What is left is tried again, which
        # what is told would be, too, if the time of the function ran out.
        return context is not None and context.get_remaining_time_in_millis() < 3 * SECONDS * 1000

    for record in event.get("Records") or []:
        try:
            body = json.loads(record["body"])
        except (KeyError, ValueError):
            continue  # no notice of ours
        if isinstance(body, dict) and isinstance(body.get("detail"), dict):
            detail = body["detail"]
            groups.setdefault(group_of(detail), []).append((record["messageId"], detail))
        elif isinstance(body, dict) and body.get("Type") == "Notification" and (late() or not told_alarm(body)):
            lost.append(record["messageId"])
    for members in bounded(list(groups.items())):
        details = [detail for _, detail in members]
        keys = {group_of(detail) for detail in details}
        if late() or not tell(*(notice(keys.pop(), details) if len(keys) == 1 else summary(details))):
            lost.extend(identifier for identifier, _ in members)
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in lost]}


def bounded(groups):
    """What each notice is about: those of too many groups are one."""
    if len(groups) <= MOST:
        return [members for _, members in groups]
    return [members for _, members in groups[:MOST]] + [[m for _, members in groups[MOST:] for m in members]]


def group_of(detail):
    """What failures that are alike have in common: as `executions list --group` has it."""
    status = detail.get("status") or ""
    if status == "SUCCEEDED":
        return status, detail.get("name") or "", ""
    return status, detail.get("error") or "", alike(message_of(detail.get("cause") or ""))


QUOTED_EXPRESSION = re.compile(r"The JSONata expression '(.*)' specified for the field '", re.S)
QUOTED_TEXT = re.compile(r"""\"[^"\n]*"|\B'[^'\n]*'\B""", re.A)
HEX_ID = re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b|\b(?:0x)?[0-9a-f]*[a-f][0-9a-f]*\b", re.A)
MIXED_ID = re.compile(r"\b[A-Za-z_]+[0-9](?:[A-Za-z_-]*[0-9])+[A-Za-z0-9_]*", re.A)
NUMBER = re.compile(r"(?:\B[-+])?\b[0-9]+(?:[.,][0-9]+)*(?:[eE][-+]?[0-9]+\b)?", re.A)


def message_of(cause):
    quoted = QUOTED_EXPRESSION.search(cause)
    if quoted and len(quoted.group(1).encode()) > 120:
        return cause[: quoted.start(1)] + "..." + cause[quoted.end(1) :]
    try:
        message = json.loads(cause).get("errorMessage")
    except (ValueError, AttributeError):
        message = None
    return message if isinstance(message, str) and message else cause


def alike(message):
    if not QUOTED_TEXT.fullmatch(message):  # else the value is all that it says, as of a KeyError
        message = QUOTED_TEXT.sub(lambda m: m.group()[0] + "..." + m.group()[0], message)
    message = HEX_ID.sub(lambda m: m.group() if len(m.group()) < 8 or not re.search("[0-9]", m.group()) else "<id>", message)
    message = MIXED_ID.sub("<id>", message)
    return NUMBER.sub("<n>", message)


def summary(details):
    """The subject and the text of a notice of executions that have little in common."""
    counts = {}
    for detail in details:
        status = detail.get("status") or ""
        counts[status] = counts.get(status, 0) + 1
    since = min((detail.get("startDate") or 0) for detail in details)
    subject = "%s: %d more executions ended" % (PIPELINE, len(details))
    lines = ["%d more executions of %s ended." % (len(details), PIPELINE), ""]
    lines += ["%-11s %d" % (line(status) + ":", n) for status, n in sorted(counts.items())]
    return subject, told(lines, ["pipelinetui executions list %s --since %s --group" % (PIPELINE, moment(since))])


def notice(key, details):
    """The subject and the text of a notice of executions that are alike."""
    status, error, pattern = key
    names = [line(detail.get("name") or "") for detail in details]
    since = min((detail.get("startDate") or 0) for detail in details)
    until = max((detail.get("stopDate") or 0) for detail in details)
    named = "%s %s%s" % (PIPELINE, "-- " if names[0].startswith("-") else "", shlex.quote(names[0]))
    show = "pipelinetui executions show " + named
    if status == "SUCCEEDED":
        lines = ["The batch execution %s of %s succeeded." % (names[0], PIPELINE), "", "ended:  %s" % moment(until), "took:   %s" % took(until - since)]
        return "%s: %s succeeded" % (PIPELINE, names[0]), told(lines, [show, "pipelinetui results show " + named])
    many = "%d executions" % len(names) if len(names) > 1 else "an execution"
    word = WORDS.get(status, status)
    if len(names) > 1:
        word = word.replace("was ", "were ")
    subject = "%s: %s %s" % (PIPELINE, many, word) + (" (%s)" % line(error) if error else "")
    message = message_of(details[0].get("cause") or "")
    if len(names) > 1:
        message = pattern
    lines = ["%s%s of %s %s." % (many[0].upper(), many[1:], PIPELINE, word), ""]
    if error:
        lines.append("error:    %s" % line(error))
    if message:
        lines.append("cause:    %s" % clipped(message, 1000))
    lines += ["count:    %d" % len(names), "last:     %s" % moment(until), "example:  %s" % names[0]]
    listed = "pipelinetui executions list %s --status %s --since %s" % (PIPELINE, status, moment(since))
    if error:
        listed += " --error %s" % shlex.quote(glob_of(error))
    return subject, told(lines, [listed + " --group", show])


def told(lines, commands):
    return "\n".join(lines + ["", "Look:"] + ["  " + command for command in commands]) + "\n"


def line(text):
    """Foreign text as one line that can be read: no line breaks, no other control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def glob_of(text):
    """The pattern of --error for just this text; what cannot be printed is any character."""
    return "".join("\\" + c if c in "\\*?[" else c if c.isprintable() else "?" for c in str(text))


def clipped(text, most):
    text = line(text)
    return text if len(text) <= most else text[: most - 3] + "..."


def moment(milliseconds):
    return datetime.datetime.fromtimestamp(milliseconds // 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def took(milliseconds):
    return str(datetime.timedelta(seconds=max(0, milliseconds) // 1000))


def told_alarm(envelope):
    """Hands an alarm of the pipeline on to Slack; what else the topic has is not ours."""
    if ORIGIN in (envelope.get("MessageAttributes") or {}):
        return True
    try:
        alarm = json.loads(envelope.get("Message") or "")
        name = alarm["AlarmName"]
    except (ValueError, KeyError, TypeError):
        return True
    if not name.startswith(ALARMS):
        return True
    lines = ["%s: %s" % (alarm.get("NewStateValue"), name), alarm.get("AlarmDescription") or "", alarm.get("NewStateReason") or ""]
    return slack("\n".join(line for line in lines if line))


def tell(subject, text):
    """Tells of a notice; false if nobody has got it, so that it is tried again."""
    results = [publish(subject, text)] if TOPIC else []
    if SLACK and "Slack" not in deaf:
        results.append(slack(subject + "\n" + text))
    return any(results) or not (TOPIC or SLACK)


def slack(text):
    for plain, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(plain, escaped)
    return post("Slack", SLACK, json.dumps({"text": text}).encode(), {"Content-Type": "application/json"})


def publish(subject, text):
    # A subject is one line of less than 100 characters of ASCII.
    # (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html)
    subject = clipped(subject.encode("ascii", "replace").decode(), 99)
    body = urllib.parse.urlencode({
        "Action": "Publish", "Version": "2010-03-31", "TopicArn": TOPIC, "Subject": subject, "Message": text,
        "MessageAttributes.entry.1.Name": ORIGIN, "MessageAttributes.entry.1.Value.DataType": "String", "MessageAttributes.entry.1.Value.StringValue": PIPELINE,
    }).encode()
    url = (ENDPOINT or "https://sns.%s.%s" % (REGION, SUFFIX)) + "/"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    headers["Authorization"] = signed("sns", url, body, headers)
    return post("SNS", url, body, headers)


def post(who, url, body, headers):
    if who in deaf:
        return False
    try:
        request = urllib.request.Request(url, data=body, method="POST", headers=headers)
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            response.read()
        print(json.dumps({"message": "told", "who": who}))
        return True
    except urllib.error.HTTPError as e:
        print(json.dumps({"level": "ERROR", "message": "not told", "who": who, "status": e.code}))
    except Exception as e:  # refused, reset, too slow, no URL; the address, which may stand in it, is a secret
        reason = getattr(e, "reason", e)
        if isinstance(e, TimeoutError) or isinstance(reason, TimeoutError):
            deaf.add(who)
        print(json.dumps({"level": "ERROR", "message": "not told", "who": who, "reason": type(e).__name__}))
    return False


def signed(service, url, body, headers):
    """The Authorization of a POST by Signature Version 4; it adds the headers that it is about.

    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html)
    """
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers["Host"], headers["X-Amz-Date"] = urllib.parse.urlsplit(url).netloc, now
    if os.environ.get("AWS_SESSION_TOKEN"):
        headers["X-Amz-Security-Token"] = os.environ["AWS_SESSION_TOKEN"]
    names = sorted(headers, key=str.lower)
    listed = ";".join(n.lower() for n in names)
    canonical = "\n".join(["POST", "/", "", *("%s:%s" % (n.lower(), headers[n]) for n in names), "", listed, hashlib.sha256(body).hexdigest()])
    scope = "/".join([now[:8], REGION, service, "aws4_request"])
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for step in scope.split("/"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (os.environ["AWS_ACCESS_KEY_ID"], scope, listed, signature)
