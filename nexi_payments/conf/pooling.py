"""A connection of the database's pool goes back to it while Nexi thinks.

A gateway call takes a second, and Django keeps a connection until the request ends:
four connections would carry four payments a second. Given back, they carry hundreds.
Without ``OPTIONS["pool"]`` nothing is closed: to connect anew costs more than it saves.
"""

from __future__ import annotations

from typing import Any

from django.db import connections
from requests.adapters import BaseAdapter

from nexi_payments.gateway.wire import shared_adapter


class GivesBack(BaseAdapter):
    """The process's adapter; before a request leaves, ``give_back``."""

    def send(self, *args: Any, **kwargs: Any) -> Any:
        give_back()
        return shared_adapter().send(*args, **kwargs)

    def close(self) -> None:
        """The process's adapter stays."""


def in_use() -> bool:
    """Whether any database of this project has a pool."""
    return any(_pooled(facts) for facts in connections.settings.values())


def give_back() -> None:
    """Each connection of this thread that came from a pool and is in no transaction.

    The next query takes one again. A transaction of the host's around a look-up keeps
    its own; around anything that moves money there is none.
    """
    for connection in connections.all(initialized_only=True):
        if _pooled(connection.settings_dict) and not connection.in_atomic_block:
            connection.close()


def _pooled(facts: dict[str, Any]) -> bool:
    return bool(facts.get("OPTIONS", {}).get("pool"))
