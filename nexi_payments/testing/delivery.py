"""Signals in tests: inside Django's ``TestCase`` nothing is ever committed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections
from django.utils import timezone

from nexi_payments import outbox
from nexi_payments.models import Event, database

log = logging.getLogger("nexi_payments.testing")


@contextmanager
def committing() -> Iterator[None]:
    """What waits for the commit of this block happens at its end.

    Only inside a ``TestCase``: elsewhere there are commits, and nothing is left over.
    Each call is taken away before it is made, so that a ``captureOnCommitCallbacks``
    around the block does not make it again.
    """
    connection: Any = connections[database.alias()]
    before = len(connection.run_on_commit)
    yield
    while len(connection.run_on_commit) > before:
        _, call, robust = connection.run_on_commit.pop(before)
        try:
            call()
        except Exception:
            if not robust:
                raise
            log.exception("after the commit")


def deliver_new() -> None:
    """Signals that nobody was sent yet, because of a ``TestCase``, are due now."""
    new = Event.objects.filter(deliver_at__isnull=False, attempts=0)
    new.update(deliver_at=timezone.now())
    outbox.deliver_due()
