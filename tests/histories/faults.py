"""Faults of a gateway call: names, weights, and the response that the caller gets."""

from __future__ import annotations

import json

from nexi_payments.simulator.responses import Reply

JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html"}
ERROR = b'{"errors":[{"code":"PS0026","description":"invalid parameter"}]}'

#: Not executed, with a response that says so: name → weight
NOT_PROCESSED = {
    "reset": 4,
    "close": 4,
    "hang": 3,
    "500 json": 4,
    "502 html": 4,
    "503 empty": 3,
    "400 json": 4,
    "400 html": 2,
    "404": 1,
    "409": 1,
    "429": 2,
    "302": 2,
    "204": 1,
    "garbage": 3,
    "half": 2,
    "401": 1,
}
#: Executed, and then this happens to the response.
PROCESSED = {
    "reset": 6,
    "close": 6,
    "hang": 4,
    "500 json": 5,
    "502 html": 4,
    "400 json": 3,
    "302": 1,
    "204": 2,
    "garbage": 4,
    "half": 4,
    "drip": 3,
    "unknown word": 3,
    "no amount": 2,
    "wrong amount": 2,
    "said declined": 2,
}
#: Connection cut; executed some seconds later.
DELAYED_WEIGHT = 8
#: Faults of an inquiry; "missing" is a 404 on an order that exists.
INQUIRY_FAULTS = {
    "reset": 4,
    "close": 3,
    "hang": 2,
    "500 json": 4,
    "502 html": 2,
    "429": 2,
    "302": 1,
    "garbage": 3,
    "half": 3,
    "missing": 2,
    "401": 1,
}
FIXED_REPLIES = {
    "500 json": Reply(500, ERROR, JSON),
    "502 html": Reply(502, b"<html>bad gateway</html>", HTML),
    "503 empty": Reply(503),
    "400 json": Reply(400, ERROR, JSON),
    "400 html": Reply(400, b"<html>no</html>", HTML),
    "404": Reply(404),
    "missing": Reply(404),
    "401": Reply(401),
    "409": Reply(409, ERROR, JSON),
    "429": Reply(429, b"", {"Retry-After": "1"}),
    "302": Reply(302, b"", {"Location": "http://127.0.0.1:9/thief"}),
    "204": Reply(204),
    "garbage": Reply(200, b"<html>welcome</html>", HTML),
}


def altered_reply(name: str, reply: Reply) -> Reply:
    """The real response with one member changed, if it has that member."""
    try:
        data = json.loads(reply.body)
        operation = data["operation"]
    except (ValueError, KeyError, TypeError):
        return FIXED_REPLIES[
            "500 json"
        ]  # refused, or a capture's: lost is all it can be
    if name == "unknown word":
        operation["operationResult"] = "MAYBE"
    elif name == "no amount":
        operation["operationAmount"] = operation["operationCurrency"] = None
    elif name == "wrong amount":
        operation["operationAmount"] = str(int(operation["operationAmount"]) + 1)
    elif operation["operationResult"] in ("EXECUTED", "AUTHORIZED"):
        operation["operationResult"] = "DECLINED"
    return Reply(reply.status, json.dumps(data).encode(), JSON)
