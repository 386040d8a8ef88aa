"""What an error tracker is told of requests with a card that fail anywhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import warm_processes

pytestmark = pytest.mark.seen_on("sqlite")

ROOT = Path(__file__).resolve().parents[2]


def test_sentry_learns_no_card_wherever_it_fails(migrated: Path) -> None:
    done = warm_processes.run(
        *("-m", "tests.support.sentry_requests"),
        env={
            "PATH": "",
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": f"sqlite:///{migrated}",
        },
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    lines = done.stdout.splitlines()
    # two servers, nine slots and three defects, three phases, three places; address,
    # host, database, good
    assert len(lines) == 2 * (9 * 3 * 3 + 3 * 3) + 4 * 3
    assert [line for line in lines if not line.endswith(" []")] == []


def test_no_trace_and_no_error_has_a_secret_of_our_urls(migrated: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.sentry_traces"],
        env={
            "PATH": "",
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": f"sqlite:///{migrated}",
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.splitlines() == [
        "pay 200 ['transaction'] []",
        "pay fails 500 ['event', 'transaction'] []",
        "result 200 ['transaction'] []",
        "result fails 500 ['event', 'transaction'] []",
        "status 200 ['transaction'] []",
        "status fails 500 ['event', 'transaction'] []",
        "return 200 ['transaction'] []",
        "return fails 500 ['event', 'transaction'] []",
    ]
