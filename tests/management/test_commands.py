"""The management commands, as a person runs them."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.management import call_command
from django.db import OperationalError

from nexi_payments.delivery_workers import DeliveryWorkers
from nexi_payments.simulator import server
from tests.support.shopper import new_order

ROOT = Path(__file__).resolve().parents[2]


def test_the_simulator_as_a_process(tmp_path: Path) -> None:
    command = "manage.py nexi_simulator --port 0 --latency-ms 1 --state"
    process = subprocess.Popen(
        [sys.executable, "-u", *command.split(), str(tmp_path / "state.sqlite3")],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "demo_shop.settings"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    word, base_url = process.stdout.readline().split()
    assert word == "BASE_URL"
    headers = {"X-Api-Key": "k", "Correlation-Id": str(uuid.uuid4())}
    answer = requests.get(base_url + "/payment_methods", headers=headers, timeout=5)
    assert answer.status_code == 200
    process.terminate()
    process.wait()
    process.stdout.close()


def test_the_simulators_options(monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[Any] = []
    monkeypatch.setattr(server, "main", passed.append)
    call_command("nexi_simulator", port=1, state="f", latency_ms=2)
    call_command("nexi_simulator")
    command = ["nexi_simulator", "--world", "late,pending", "--world", "twice"]
    call_command(*command, seed="7")
    standard = ["--port", "8900", "--latency-ms", "0"]
    assert passed == [
        ["--port", "1", "--latency-ms", "2", "--seed", "", "--state", "f"],
        [*standard, "--seed", ""],
        [*standard, "--seed", "7", "--world", "late,pending", "--world", "twice"],
    ]


@pytest.mark.django_db(transaction=True)
def test_one_pass(gateway: Any) -> None:
    out = io.StringIO()
    call_command("nexi_reconcile", stdout=out)
    assert out.getvalue().startswith("inquired=0 paid=0")


def test_watching_until_told_to_stop(demo_tables: Path, tmp_path: Path) -> None:
    shutil.copy(demo_tables, tmp_path / "watch.sqlite3")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "demo_shop.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'watch.sqlite3'}",
        "NEXI_SIMULATOR_STATE": str(tmp_path / "simulator.sqlite3"),
    }
    run = partial(subprocess.run, cwd=ROOT, env=environment, check=True)
    manage = [sys.executable, "-u", "manage.py"]
    process = subprocess.Popen(
        [*manage, "nexi_reconcile", "--watch", "--interval", "0.2"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    order = (
        "from decimal import Decimal; from nexi_payments import flows;"
        "flows.create_order(amount=Decimal('1'), currency='EUR', expires_in=0.01)"
    )
    run([*manage, "shell", "-c", order], stdout=subprocess.DEVNULL)
    assert process.stdout is not None
    assert " failed=1 " in process.stdout.readline()
    process.terminate()
    assert process.wait(timeout=20) == 0
    process.stdout.close()


@pytest.mark.django_db(transaction=True)
def test_a_broken_pass_does_not_end_the_watch(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from nexi_payments.management.commands import nexi_reconcile

    def broken() -> None:
        raise OperationalError("away")

    monkeypatch.setattr(nexi_reconcile.flows, "reconcile", broken)
    nexi_reconcile.Command()._reconcile_once(DeliveryWorkers())
    assert "a reconciler run failed" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_the_celery_task(gateway: Any) -> None:
    tasks = pytest.importorskip("nexi_payments.tasks", reason="celery is missing")
    order = new_order(expires_in=0.001)
    assert " failed=1 " in tasks.reconcile()
    order.refresh_from_db()
    assert order.state == "failed"
    entry = tasks.BEAT_SCHEDULE["nexi_payments.reconcile"]
    assert entry["task"] == tasks.reconcile.name == "nexi_payments.reconcile"
