"""nexi_doctor compares our clock with Nexi's and the database's."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connections

from nexi_payments import doctor
from nexi_payments.doctor import backlog
from nexi_payments.simulator import Reply, Simulator
from tests.doctor.test_doctor import a_shop_that_runs, ask  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("off", "code"), [(0, 0), (4, 0), (-4, 0), (90, 1), (-90, 1)])
def test_the_gateways_clock(
    gateway: Simulator, capsys: Any, off: int, code: int
) -> None:
    body = b'{"paymentMethods":[{"circuit":"VISA"},{"circuit":7},null]}'
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=off), usegmt=True)
    gateway.next_reply("/payment_methods", Reply(200, body, {"Date": date}))
    found, said = ask(capsys)
    assert found == code
    apart = int(re.search(r"clock and ours are (\d+) s apart", said)[1])  # type: ignore[index]
    assert abs(apart - abs(off)) <= 2
    assert " ms: VISA, 7\n" in said


@pytest.mark.parametrize("date", ["yesterday", "Mon, 1 Jan 2026 10:00:00 -0000", ""])
def test_a_clock_that_says_nothing(gateway: Simulator, capsys: Any, date: str) -> None:
    gateway.next_reply(
        "/payment_methods", Reply(200, b'{"paymentMethods":[]}', {"Date": date})
    )
    code, said = ask(capsys)
    assert code == 0
    assert "no methods" in said
    assert "s apart" not in said


@pytest.mark.parametrize("zone", [UTC, None])
def test_the_databases_clock(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, zone: Any
) -> None:
    """As a server would answer whose clock is a minute behind."""
    theirs = datetime.now(UTC) - timedelta(seconds=60)
    real = connections["default"]

    class Cursor:
        def __enter__(self) -> Any:
            return self

        def __exit__(self, *error: Any) -> None: ...

        def execute(self, sql: str) -> None:
            assert sql == "SELECT clock_timestamp()"

        def fetchone(self) -> Any:
            return (theirs.replace(tzinfo=zone),)

    server = SimpleNamespace(vendor="postgresql", cursor=Cursor)
    monkeypatch.setattr(backlog, "connections", {"default": server})
    (found,) = backlog.database_clock()
    assert found.level == doctor.WARNING
    assert found.message == "clock of the database: 60.0 s from ours"
    monkeypatch.setattr(backlog, "connections", {"default": real})
    assert all(one.level == doctor.OK for one in backlog.database_clock())
