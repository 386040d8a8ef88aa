"""User models with primary keys of any type, on the database of the suite: SQLite,
PostgreSQL and MariaDB (.ci/run)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import warm_processes

pytestmark = pytest.mark.mariadb

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("users", ["ByUuid", "ByAddress", "ByNumber", "ByToken"])
def test_every_road_where_users_have_such_keys(tmp_path: Path, users: str) -> None:
    done = warm_processes.run(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"),
        *("--create-db", "--ds=tests.hosts.custom_user_settings"),
        "tests/hosts/custom_user_suite.py",
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("PYTEST")},
            "USER_MODEL": users,
            "SQLITE_TEST_FILE": str(tmp_path / "keyed.sqlite3"),
        },
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout
    assert "14 passed" in done.stdout
