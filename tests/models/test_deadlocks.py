"""A deadlock at any write leaves no trace: each flow ends as it does without one.

InnoDB may choose any statement as the victim (error 1213), a lone UPDATE, too. Each
flow runs once to count its writes to our tables, then once for each of them, in an
empty database, with a deadlock instead of that write.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from django.apps import apps
from django.core import mail
from django.core.cache import cache
from django.db import OperationalError, connection, models

from nexi_payments import signals
from nexi_payments.models import (
    Discrepancy,
    Event,
    deadlocks,
)
from nexi_payments.simulator import Simulator
from tests.support.database import Tables
from tests.support.flows_that_write import DAY, FLOWS, Act
from tests.support.shopper import Shopper

pytestmark = pytest.mark.django_db(transaction=True)

WRITE = re.compile(r"\s*(INSERT INTO|UPDATE|DELETE FROM)\s+[\"`]nexi_payments_")
#: Columns that differ in each run (a note may have a time): only whether they are empty
#: is compared.
RANDOM = re.compile(
    r"(^|_)(ids?|hash|reference|key|blob|cid|body|theirs|fingerprint|caller|host|nonce|note)$"
    r"|^(rrn|authorization_code|calls)$"
)


class Writes:
    """Counts writes to our tables, and answers the one numbered ``victim`` as InnoDB
    answers a deadlock: the whole transaction is rolled back."""

    def __init__(self, victim: int = 0) -> None:
        self.count = 0
        self.victim = victim

    def __call__(
        self, execute: Any, sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if WRITE.match(sql):
            self.count += 1
            if self.count == self.victim:
                context["connection"].connection.rollback()
                native = Exception(1213, "Deadlock found when trying to get lock")
                raise OperationalError(*native.args) from native
        return execute(sql, params, many, context)


# -- what is compared ----------------------------------------------------------------


@pytest.fixture
def heard() -> Iterator[Counter[str]]:
    """How often receivers were called, by kind of event."""
    counts: Counter[str] = Counter()

    def hear(event: Event, **more: Any) -> None:
        counts[event.kind] += 1

    def hear_discrepancy(discrepancy: Discrepancy, **more: Any) -> None:
        counts[discrepancy.kind] += 1

    for signal in set(signals.SIGNAL_BY_EVENT_KIND.values()):
        signal.connect(hear)
    signals.discrepancy_found.connect(hear_discrepancy)
    yield counts
    for signal in set(signals.SIGNAL_BY_EVENT_KIND.values()):
        signal.disconnect(hear)
    signals.discrepancy_found.disconnect(hear_discrepancy)


#: Of staff: each run has users and payments of its own, which an access names.
OF_STAFF = re.compile(r"^(actor_name|clerk_name|resolved_by_name|detail|about)$")


def _rows(model: type[models.Model]) -> list[dict[str, Any]]:
    def comparable(name: str, value: Any) -> Any:
        varies = RANDOM.search(name) or OF_STAFF.search(name)
        varies = varies or isinstance(value, datetime)
        return bool(value) if varies else value

    return [
        {
            field.attname: comparable(field.attname, getattr(row, field.attname))
            for field in model._meta.concrete_fields
            if not field.primary_key
        }
        for row in model._default_manager.order_by("pk")
    ]


def _result(gateway: Simulator, heard: Counter[str]) -> dict[str, Any]:
    ours = apps.get_app_config("nexi_payments").get_models()
    return {
        **{model.__name__: _rows(model) for model in ours if not model._meta.proxy},
        "calls at the gateway": dict(gateway.counts),
        "signals": dict(heard),
        "emails": len(mail.outbox),
    }


@contextmanager
def _empty_world(gateway: Simulator, heard: Counter[str]) -> Iterator[None]:
    Tables("default").emptied()
    gateway.reset()
    cache.clear()
    yield
    heard.clear()
    mail.outbox.clear()


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.__name__)
def test_a_deadlock_at_any_write(
    flow: Callable[[Shopper], Act],
    gateway: Simulator,
    heard: Counter[str],
    change_settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change_settings(
        MAILS=["receipt", "card_expires"], MERCHANT_NAME="Caffè Verdi", RETENTION=DAY
    )
    monkeypatch.setattr(deadlocks.time, "sleep", lambda seconds: None)

    def run(victim: int) -> tuple[int, dict[str, Any]]:
        with _empty_world(gateway, heard):
            act = flow(Shopper(gateway))
            heard.clear()
            mail.outbox.clear()
            writes = Writes(victim)
            with connection.execute_wrapper(writes):
                act()
            return writes.count, _result(gateway, heard)

    count, expected = run(victim=0)
    assert count > 0
    for victim in range(1, count + 1):
        assert run(victim)[1] == expected, f"after a deadlock at write {victim}"
