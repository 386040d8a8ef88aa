"""Redact secrets of our URLs in what Sentry's SDK sends: errors and traces.

Its WSGI middleware reads the URL of a request before Django does, so nothing inside
Django can hide it. The last hooks before sending are ``before_send`` and
``before_send_transaction``: ours calls the host's, then redacts. No setting is needed
if the settings file calls ``sentry_sdk.init``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from nexi_payments.web.log_redaction import redact

_HOOKS: Final = ("before_send", "before_send_transaction")


@dataclass(frozen=True)
class _Redaction:
    """``theirs``: the hook of the host, or ``None``."""

    theirs: Callable[[Any, Any], Any] | None

    def __call__(self, event: Any, hint: Any) -> Any:
        kept = event if self.theirs is None else self.theirs(event, hint)
        return None if kept is None else _redacted_event(kept)


def install() -> None:
    """Idempotent. Does nothing without an initialised ``sentry_sdk``."""
    sdk = sys.modules.get("sentry_sdk")
    if sdk is None or not hasattr(sdk, "get_client"):  # version 1
        return
    client = sdk.get_client()
    for name in _HOOKS if client.is_active() else ():
        theirs = client.options.get(name)
        if not isinstance(theirs, _Redaction):
            client.options[name] = _Redaction(theirs)


def _redacted_event(event: Any) -> Any:
    redacted = _redacted(event)
    request = redacted.get("request") or {}
    if request.get("url") != (event.get("request") or {}).get("url"):
        request["query_string"] = ""  # it may hold PaRes
    return redacted


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {name: _redacted(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_redacted(one) for one in value]
    return value
