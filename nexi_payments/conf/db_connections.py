"""Return pooled database connections to the pool during a gateway call.

A gateway call takes about a second, and Django keeps a connection until the request
ends, so four connections would serve four payments a second. Released, they serve
hundreds. Without ``OPTIONS["pool"]`` no connection is closed: a new one costs more than
this saves.
"""

from __future__ import annotations

from typing import Any

from django.db import connections
from requests.adapters import BaseAdapter

from nexi_payments.gateway.connections import shared_adapter


class ConnectionReleasingAdapter(BaseAdapter):
    """The process's shared adapter; calls ``release_connections`` before each
    request."""

    def send(self, *args: Any, **kwargs: Any) -> Any:
        release_connections()
        return shared_adapter().send(*args, **kwargs)

    def close(self) -> None:
        """Does nothing: the shared adapter stays open."""


def pooling_enabled() -> bool:
    """Whether a database of this project has a pool."""
    return any(_is_pooled(config) for config in connections.settings.values())


def release_connections() -> None:
    """Return this thread's pooled connections that are in no transaction.

    The next query takes a new one. If the project wraps a status inquiry in a
    transaction, that connection is kept. Money calls never run in a transaction.
    """
    for connection in connections.all(initialized_only=True):
        if _is_pooled(connection.settings_dict) and not connection.in_atomic_block:
            connection.close()


def _is_pooled(config: dict[str, Any]) -> bool:
    return bool(config.get("OPTIONS", {}).get("pool"))
