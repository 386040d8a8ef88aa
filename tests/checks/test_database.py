"""What is set wrong about the database, told by ``check`` and before a migration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connection, connections, models

from nexi_payments.checks import database, routers
from nexi_payments.enums import ContractState
from nexi_payments.models import Contract
from tests.support.contracts import make_contract
from tests.support.shopper import Shopper

pytestmark = pytest.mark.django_db


def found() -> set[str]:
    messages = run_checks(tags=["database"], databases=["default"])
    ours = {one.id for one in messages}
    # "conditions of indexes are ignored here": Django's own word about MySQL
    return ours - {"models.W037"}


def options(monkeypatch: pytest.MonkeyPatch, **given: Any) -> set[str]:
    with monkeypatch.context() as change:
        change.setitem(connection.settings_dict, "OPTIONS", given)
        return found()


class Answers:
    """A cursor that answers as a server that is set otherwise would."""

    def __init__(self, *rows: tuple[Any, ...]) -> None:
        self.rows = list(rows)

    @contextmanager
    def cursor(self) -> Iterator[Answers]:
        yield self

    def execute(self, *args: Any) -> None:
        """The next row answers whatever is asked."""

    def fetchone(self) -> Any:
        return self.rows.pop(0)


def server(*rows: tuple[Any, ...], **options: Any) -> Any:
    it = Answers(*rows)
    it.alias = "default"  # type: ignore[attr-defined]
    it.vendor = "another"  # type: ignore[attr-defined]
    it.settings_dict = {"OPTIONS": options}  # type: ignore[attr-defined]
    return it


def ids(messages: Any) -> list[str]:
    return [str(one.id).removeprefix("nexi_payments.") for one in messages]


def test_this_one_is_set_well(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {"nexi_payments.W006"} if connection.vendor == "mysql" else set()
    assert found() == expected
    monkeypatch.setitem(connection.settings_dict, "AUTOCOMMIT", False)
    assert found() == expected | {"nexi_payments.E008"}


def test_only_our_own_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "AUTOCOMMIT", False)
    monkeypatch.setattr(database.db_transactions, "alias", lambda: "payments")
    assert found() == set()


def test_isolation_and_sqlite_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real server that the tests run on."""
    if connection.vendor == "sqlite":
        assert options(monkeypatch) == {"nexi_payments.W001"}
    elif connection.vendor == "postgresql":
        from django.db.backends.postgresql.psycopg_any import IsolationLevel

        assert options(monkeypatch) == set()
        level = IsolationLevel.SERIALIZABLE
        assert options(monkeypatch, isolation_level=level) == {"nexi_payments.E016"}
    else:
        level = "repeatable read"
        expected = {"nexi_payments.E016", "nexi_payments.W006"}
        assert options(monkeypatch, isolation_level=level) == expected


def test_postgresql_set_otherwise() -> None:
    check = database._check_postgresql
    utf8 = ("UTF8",)
    assert ids(check(server(("read committed",), ("on",), utf8))) == []
    assert ids(check(server(("repeatable read",), ("on",), utf8))) == ["E016"]
    assert ids(check(server(("read committed",), ("off",), utf8))) == ["W005"]
    assert ids(check(server(("read committed",), ("on",), ("LATIN1",)))) == ["E050"]
    # the number or the member of psycopg's enumeration
    level: Any
    for level in (2, IntEnum("Level", "READ_UNCOMMITTED READ_COMMITTED")(2)):
        assert ids(check(server(("on",), utf8, isolation_level=level))) == []
    assert ids(check(server(("on",), utf8, isolation_level=4))) == ["E016"]


def test_mysql_set_otherwise() -> None:
    check = database._check_mysql
    strict, good = ("STRICT_TRANS_TABLES,NO_ZERO_DATE", "1"), ("InnoDB", "utf8mb4_bin")
    mb4 = ("utf8mb4", "utf8mb4", None)
    assert ids(check(server(strict, good, mb4))) == []
    assert ids(check(server(strict, None, mb4))) == []  # before the first migration
    assert ids(check(server(("", "1"), good, mb4))) == ["E014"]
    assert ids(check(server(strict, ("MyISAM", "utf8mb4_bin"), mb4))) == ["E015"]
    assert ids(check(server((strict[0], "2"), good, mb4))) == ["W005"]
    ci = ("InnoDB", "utf8mb4_general_ci")
    assert ids(check(server(strict, ci, mb4))) == ["W006"]
    level = {"isolation_level": "serializable"}
    assert ids(check(server(strict, good, mb4, **level))) == ["E016"]
    for three in (
        ("utf8mb3", "utf8mb4", None),
        ("utf8mb4", "utf8mb3", None),
        ("utf8mb4", "utf8mb4", "latin1"),
    ):
        assert ids(check(server(strict, good, three))) == ["E050"]


def test_another_vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(connections["default"]), "vendor", "mssql")
    assert found() == {"nexi_payments.W007"}


class Router:
    """Sends what ``moved`` names elsewhere; reads from ``replica``."""

    moved = ""
    replica = ""

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str | None:
        return "other" if model.__name__ == self.moved else None

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str | None:
        return self.replica or None


class MigratesElsewhere(Router):
    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return False if app_label == "contenttypes" else None


def test_a_router_that_migrates_a_table_elsewhere(settings: Any) -> None:
    settings.DATABASE_ROUTERS = [MigratesElsewhere()]
    (message,) = routers.check_router()
    assert message.id == "nexi_payments.E051"
    assert "contenttypes.ContentType" in message.msg


def test_routers(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DATABASE_ROUTERS = [Router()]
    assert ids(routers.check_router()) == []
    monkeypatch.setattr(Router, "moved", "SealedCard")
    assert ids(routers.check_router()) == ["E012"]
    # the hint of E012, taken literally: ours in one database, users in another
    monkeypatch.setattr(Router, "moved", "User")
    (message,) = routers.check_router()
    assert message.id == "nexi_payments.E051"
    assert "auth.User" in message.msg
    monkeypatch.setattr(Router, "moved", "")
    monkeypatch.setattr(Router, "replica", "replica")
    assert ids(routers.check_router()) == ["E013"]


def test_w028_a_contract_in_a_currency_that_is_not_taken(
    shopper: Shopper, change_settings: Any, settings: Any
) -> None:
    contract = make_contract(shopper)
    assert "nexi_payments.W028" not in found()
    default = settings.NEXI_PAYMENTS["TERMINALS"]["default"]
    change_settings(TERMINALS={"default": {**default, "CURRENCIES": ["CHF"]}})
    [message] = [
        one
        for one in run_checks(tags=["database"], databases=["default"])
        if one.id == "nexi_payments.W028"
    ]
    assert message.msg == (
        "Terminal 'default' has saved cards to charge in EUR, and its CURRENCIES are"
        " CHF."
    )
    Contract.objects.filter(pk=contract.pk).update(state=ContractState.ENDED)
    assert "nexi_payments.W028" not in found()
