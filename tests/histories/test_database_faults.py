"""Which faults of the database are played where, and which pages they excuse."""

from __future__ import annotations

import shutil

import pytest

from tests.histories import database_faults

pytestmark = pytest.mark.seen_on("sqlite")

POSTGRES = "postgres://postgres@127.0.0.1:5432/postgres"


@pytest.mark.parametrize(
    ("name", "url", "reason"),
    [
        ("", "sqlite", ""),
        ("", POSTGRES, ""),
        ("locked", "sqlite", ""),
        ("locked", POSTGRES, "locked is for sqlite"),
        ("cut", "sqlite", "cut is for postgres"),
        ("serializable", POSTGRES, ""),
        ("cut", "mysql://root@127.0.0.1:3306/test", "cut is for postgres"),
    ],
)
def test_a_fault_is_of_one_database(name: str, url: str, reason: str) -> None:
    assert database_faults.why_not(name, url) == reason


def test_without_pgbouncer_its_histories_are_skipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert database_faults.why_not("pgbouncer", POSTGRES) == (
        "pgbouncer is not installed"
    )
    assert database_faults.why_not("cut", POSTGRES) == ""


def test_a_mode_excuses_only_pages_with_a_transaction_of_the_host() -> None:
    paths = ("/checkout/", "/payments/pay/0123/", "/admin/")
    found = {
        name: [database_faults.may_fail(name, path) for path in paths]
        for name in ("", "cut", "serializable")
    }
    assert found == {
        "": [False, False, False],
        "cut": [True, True, True],
        "serializable": [True, False, False],
    }
