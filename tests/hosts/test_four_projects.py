"""Four projects that are not ours, and the same life of a payment in each."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests.docs.test_fresh_project import lines_for, run
from tests.hosts.projects import fresh

ROOT = Path(__file__).resolve().parents[2]
LIFE = "tests/hosts/projects/life.py"


def live(tmp_path: Path, module: str, **environment: str) -> str:
    """Runs ``life.py`` under these settings; returns what pytest counted."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            # as in a project of others: without our conftest
            *("--noconftest", "-p", "nexi_payments.testing.pytest_plugin"),
            *("-p", "no:xdist", "--create-db", f"--ds={module}", LIFE),
        ],
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("PYTEST")},
            "SQLITE_TEST_FILE": str(tmp_path / "life.sqlite3"),
            "PYTHONPATH": str(tmp_path),
            **environment,
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return re.findall(r"\d+ passed.*", done.stdout)[-1]


@pytest.mark.seen_on("sqlite")
def test_a_project_of_startproject(tmp_path: Path) -> None:
    run(tmp_path, "-m", "django", "startproject", "shop", ".")
    for name, more in (("settings", fresh.SETTINGS), ("urls", fresh.URLS)):
        file = tmp_path / f"shop/{name}.py"
        file.write_text(file.read_text() + lines_for(f"{name}.py") + more)
    assert live(tmp_path, "shop.settings").startswith("19 passed")


@pytest.mark.seen_on("sqlite")
def test_a_project_where_nothing_is_the_default(tmp_path: Path) -> None:
    found = live(tmp_path, "tests.hosts.projects.contrary")
    assert found.startswith("19 passed")


@pytest.mark.seen_on("sqlite")
def test_a_project_without_sessions_and_admin(tmp_path: Path) -> None:
    found = live(tmp_path, "tests.hosts.projects.headless")
    assert found.startswith("16 passed, 3 skipped")


@pytest.mark.mariadb
@pytest.mark.only_on("mysql")
@pytest.mark.parametrize("charset", ["utf8mb4", "utf8mb3"])
def test_a_project_on_mariadb(tmp_path: Path, charset: str) -> None:
    """``utf8mb3`` is found by ``check``, and costs no payment but one with an emoji."""
    assert settings.DATABASES["default"]["ENGINE"].endswith("mysql")
    found = live(tmp_path, "tests.hosts.projects.mariadb", CHARSET=charset)
    assert found.startswith("19 passed")
