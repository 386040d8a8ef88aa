"""The management commands, as a person runs them."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.management import call_command

from nexi_payments.simulator import server

ROOT = Path(__file__).resolve().parent.parent


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
    assert passed == [
        ["--port", "1", "--latency-ms", "2", "--state", "f"],
        ["--port", "8900", "--latency-ms", "0"],
    ]
