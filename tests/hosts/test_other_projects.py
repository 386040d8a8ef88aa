"""Projects that are set up otherwise: another database than "default", ASGI."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import AsyncClient

from nexi_payments.enums import OperationKind, OrderState
from nexi_payments.models import Operation
from nexi_payments.simulator import Simulator
from tests.support import warm_processes
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.seen_on("sqlite")

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("settings", "alias"),
    [("tests.hosts.second_database", "payments"), ("tests.settings", "default")],
)
def test_every_road_in_another_project(
    tmp_path: Path, settings: str, alias: str
) -> None:
    """The second is the usual one: the same file must pass there."""
    done = warm_processes.run(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider"),
        *(f"--ds={settings}", "tests/hosts/any_project_suite.py"),
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("PYTEST")},
            "DATABASE_ALIAS": alias,
            "DATABASE_URL": "sqlite://:memory:",
            "SQLITE_TEST_FILE": str(tmp_path / "other.sqlite3"),
        },
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout
    assert "8 passed" in done.stdout


@pytest.mark.django_db(transaction=True)
def test_ten_returns_at_once_on_an_async_server(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order()
    form = shopper.start(order)
    fields = shopper.answer_challenge(form)

    async def all_at_once() -> list[int]:
        browser = AsyncClient()
        posts = [browser.post(form.path, fields) for _ in range(10)]
        answers = await asyncio.gather(*posts)
        # the test client leaves connections of its threads open
        await sync_to_async(connections.close_all)()
        return [answer.status_code for answer in answers]

    assert asyncio.run(all_at_once()) == [303] * 10
    order.refresh_from_db()
    assert order.state == OrderState.PAID
    assert gateway.count("payment") == 1
    assert Operation.objects.filter(kind=OperationKind.PAYMENT).count() == 1
