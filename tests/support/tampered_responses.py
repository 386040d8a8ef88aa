"""Responses of the gateway with changed members."""

from __future__ import annotations

import json
from typing import Any

from nexi_payments.simulator import Reply, Simulator

PAYMENT_ENDPOINT = "POST /orders/3steps/payment"


def tamper_next_response(gateway: Simulator, path_part: str, **changes: Any) -> None:
    """The next answer to ``part`` is done and comes with other members."""
    handle = gateway.handle

    def lying(method: str, url: str, headers: Any, body: bytes) -> Reply:
        reply = handle(method, url, headers, body)
        if not url.endswith(path_part) or reply.status != 200:
            return reply
        gateway.handle = handle  # type: ignore[method-assign]
        answer = json.loads(reply.body)
        for name, value in changes.items():
            holder = answer if name in answer else answer["operation"]
            if value is ABSENT:
                holder.pop(name, None)
            else:
                holder[name] = value
        return Reply(200, json.dumps(answer).encode(), reply.headers)

    gateway.handle = lying  # type: ignore[method-assign]


ABSENT = object()
