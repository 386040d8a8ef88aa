"""``Idempotency-Key``: the same key with the same request repeats the response.

The same key with another request is an error. An error response is not stored, so the
request may be tried again."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any, Final

from nexi_payments.simulator import responses
from nexi_payments.simulator.responses import Reply
from nexi_payments.simulator.state import SimulatorState
from nexi_payments.simulator.worlds import Forgetful, Twice

#: Characters of a key.
MAX_KEY_LENGTH: Final = 63


def fingerprint(*request: Any) -> str:
    """Return a hash of what two requests with one key must have in common."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def earlier_reply(state: SimulatorState, key: str, request: str) -> Reply | None:
    """Return the reply for a key that was used, else ``None``.

    ``request`` is a fingerprint. Call it inside the transaction of the change. The
    worlds ``Twice`` and ``Forgetful`` answer a repetition as a new request."""
    found = state.store.find_reply(key)
    if found is None:
        return None
    earlier, body, used_at = found
    forgetful = state.worlds.find(Forgetful)
    if forgetful and state.now() >= used_at + timedelta(seconds=forgetful.seconds):
        return None
    if earlier != request:
        return responses.error_reply("PS0025", "idempotency key of another request")
    if state.worlds.find(Twice):
        return None
    return responses.json_reply(json.loads(body))
