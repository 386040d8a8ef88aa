from __future__ import annotations

import copy
import gc
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from nexi_payments import conf, money
from nexi_payments.conf import gateway_factory
from nexi_payments.flows.inquiry import query, sweeps
from nexi_payments.flows.ledger import terminal_outages
from nexi_payments.gateway import connections, deadline
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests import databases
from tests.gateway.clock import CLOCK, StillClock
from tests.support.closing_day import DayClock
from tests.support.contracts import Clock
from tests.support.shopper import Shopper, new_order

# a module that imports it may be collected before one that names it as a plugin
pytest.register_assert_rewrite("nexi_payments.testing.pytest_plugin")
pytest_plugins = [
    "tests.support.canary",
    "tests.support.database",
    "tests.support.error_pages",
    "tests.support.repeat",
]

BROWSER_TESTS = Path(__file__).parent / "browser"

# The suite starts a hundred processes: each would compile all of it anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# a busy machine is no defect: examples are judged by their answers, not by the clock
hypothesis_settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("patient")


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A fresh simulator behind every simulated terminal."""
    fresh = Simulator()
    monkeypatch.setattr(gateway_factory, "simulator", lambda: fresh)
    monkeypatch.setattr(conf, "simulator", lambda: fresh)
    # the two looks after a doubtful answer, without the wait before them
    monkeypatch.setattr(query, "INQUIRE_AFTER", (0.0, 0.0))
    # each test asks anew whether the key works
    monkeypatch.setattr(terminal_outages, "accepted_probes", {})
    # no sweep of GET /orders among the calls that a test counts: only the cursor moves
    monkeypatch.setattr(sweeps, "search", lambda terminal, since: 0)
    yield fresh
    fresh.reset()


@pytest.fixture
def shopper(gateway: Simulator) -> Shopper:
    return Shopper(gateway)


@pytest.fixture
def order(db: None) -> PaymentOrder:
    return new_order()


@pytest.fixture
def change_settings(settings: Any) -> Any:
    """Changes keys of NEXI_PAYMENTS: ``change_settings(SEALED_CARD_TTL=1)``."""

    def change(**keys: Any) -> None:
        settings.NEXI_PAYMENTS = {**settings.NEXI_PAYMENTS, **keys}

    return change


@pytest.fixture
def every_currency(settings: Any, change_settings: Any) -> None:
    """Each terminal takes all currencies; EUR is the first."""
    every = list(dict.fromkeys(("EUR", *money.CURRENCIES)))
    terminals = settings.NEXI_PAYMENTS["TERMINALS"]
    change_settings(
        TERMINALS={
            name: {**options, "CURRENCIES": every}
            for name, options in terminals.items()
        }
    )


@pytest.fixture
def clock(gateway: Simulator) -> Any:
    it = Clock(gateway)
    yield it
    it.traveller.stop()


@pytest.fixture
def day_clock(gateway: Simulator) -> Iterator[DayClock]:
    it = DayClock(gateway)
    yield it
    it.traveller.stop()


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    """Deadlines and idle connections grow older by ``still.leap()`` only."""
    monkeypatch.setattr(deadline, "time", CLOCK)
    monkeypatch.setattr(connections, "time", CLOCK)
    return CLOCK


@pytest.fixture
def log_records() -> Iterator[list[str]]:
    """Whatever any logger is told, at DEBUG: every record, as text, with its arguments
    and attributes, and the request that it carries."""
    found: list[str] = []

    class Ears(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = logging.Formatter().format(copy.copy(record))
            meta = getattr(getattr(record, "request", None), "META", "")
            found.append(f"{text} {record.getMessage()} {vars(record)} {meta}")

    root, ears = logging.getLogger(), Ears()
    loggers = [root, *map(logging.getLogger, list(root.manager.loggerDict))]
    levels = [(one, one.level, one.propagate) for one in loggers]
    root.addHandler(ears)
    for one in loggers:
        one.setLevel(logging.DEBUG)
        one.propagate = True
    yield found
    root.removeHandler(ears)
    for one, level, propagates in levels:
        one.setLevel(level)
        one.propagate = propagates


@pytest.fixture
def sent_pares(gateway: Simulator, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What validation was asked with, to the character."""
    heard: list[str] = []
    handle = gateway.handle

    def listening(method: str, url: str, headers: Any, body: bytes) -> Any:
        if url.endswith("/validation"):
            heard.append(json.loads(body)["threeDSAuthResponse"])
        return handle(method, url, headers, body)

    monkeypatch.setattr(gateway, "handle", listening)
    return heard


def pytest_configure(config: pytest.Config) -> None:
    """A report shows warnings and errors. What a search for cards has loggers say at
    DEBUG, half a megabyte a test, is neither formatted for it nor kept."""
    if plugin := config.pluginmanager.get_plugin("logging-plugin"):
        plugin.report_handler.setLevel(logging.WARNING)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """``make browser`` is a command of its own: other runs leave the folder out, unless
    they name it or a file in it."""
    if collection_path != BROWSER_TESTS or config.option.markexpr == "browser":
        return None
    named = [Path(one.partition("::")[0]).absolute() for one in config.args]
    return None if any(BROWSER_TESTS in (one, *one.parents) for one in named) else True


@pytest.hookimpl(tryfirst=True)  # before ``-m`` selects by these marks
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """What another database does not have is left out there, not skipped: CI runs each
    database, and lets nothing skip."""
    databases.mark(items)
    if elsewhere := databases.omitted(items, connection.vendor):
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = [item for item in items if item not in elsewhere]


def pytest_collection_finish() -> None:
    """Thousands of tests live as long as the session: collecting garbage need not look
    at them again and again, nor after every 700 objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--examples", help="how many histories the property tests try")
    parser.addoption(
        "--full",
        action="store_true",
        help="all random ids, not a fifth of them; ten times the random histories",
    )


@pytest.fixture
def examples(pytestconfig: pytest.Config) -> Callable[[int], int]:
    """How many random histories to try: ``examples(10)`` is 10, and 100 by ``make
    full``. ``make histories`` lives more of them, on real servers."""

    def count(usual: int) -> int:
        ten_times = 10 if pytestconfig.getoption("--full") else 1
        return int(pytestconfig.getoption("--examples") or usual * ten_times)

    return count
