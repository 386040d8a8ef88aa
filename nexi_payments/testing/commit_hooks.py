"""What follows a commit, inside Django's ``TestCase``, which never commits."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections
from django.utils import timezone

from nexi_payments import outbox
from nexi_payments.models import Event, QueuedRefund, db_transactions

log = logging.getLogger("nexi_payments.testing")


@contextmanager
def run_commit_hooks() -> Iterator[None]:
    """Run the ``on_commit`` callbacks of this block at its end.

    They remain only inside a ``TestCase``: elsewhere a commit has run them. Each
    callback is removed before it runs, so that ``captureOnCommitCallbacks`` around the
    block does not run it again.
    """
    connection: Any = connections[db_transactions.alias()]
    before = len(connection.run_on_commit)
    yield
    while len(connection.run_on_commit) > before:
        _, call, robust = connection.run_on_commit.pop(before)
        try:
            call()
        except Exception:
            if not robust:
                raise
            log.exception("on_commit callback failed")


def release_queued_refunds() -> None:
    """Make the queued refunds due that the code under test has just queued."""
    new = QueuedRefund.objects.filter(next_attempt_at__isnull=False, attempts=0)
    new.update(next_attempt_at=timezone.now())


def deliver_new_signals() -> None:
    """Deliver the signals that a ``TestCase`` has kept back."""
    new = Event.objects.filter(deliver_at__isnull=False, attempts=0)
    new.update(deliver_at=timezone.now())
    outbox.deliver_due()
