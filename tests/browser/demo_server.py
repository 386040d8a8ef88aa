"""The demo as ``make demo`` serves it, the Chromium that visits it, and its staff."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.servers import free_port, wait_until_up

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = (
    os.environ.get("CHROMIUM")
    or shutil.which("chromium")
    or shutil.which("google-chrome")
)
#: Chromium without a window: the same pages for half the work, but no icons of tabs
HEADLESS_SHELL = (
    os.environ.get("CHROMIUM") or shutil.which("chromium-headless-shell") or CHROMIUM
)
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.contextmanager
def serve_demo(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The demo in a process of its own, with its database in ``folder``. Yields its
    address and the process."""
    port = free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{folder / 'demo.sqlite3'}",
        "NEXI_SIMULATOR_STATE": str(folder / "simulator.sqlite3"),
        "DJANGO_SETTINGS_MODULE": "demo_shop.settings",
        "NEXI_SETTLE_AFTER": "30",  # looks again every two seconds
    }
    address = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.browser.served", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            try:
                wait_until_up(address, process)
            except AssertionError:
                raise AssertionError((folder / "log").read_text()) from None
            yield address, process
        finally:
            process.terminate()
            process.wait()


class PaymentRows:
    """The payments in the demo's database, for what no click leads to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, change: str, *values: str) -> None:
        """One row is changed: ``rows("SET … WHERE public_id = ?", public_id)``."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=20)) as database:
            table = "nexi_payments_paymentorder"
            assert database.execute(f"UPDATE {table} {change}", values).rowcount == 1
            database.commit()

    def add_discrepancy(
        self, reference: str, kind: str, ours: str, theirs: str
    ) -> None:
        """Records a discrepancy about the payment of this reference."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=20)) as database:
            database.execute(
                "INSERT INTO nexi_payments_discrepancy"
                " (order_id, kind, ours, theirs, created_at, resolved_by_name)"
                " SELECT id, ?, ?, ?, created_at, '' FROM nexi_payments_paymentorder"
                " WHERE reference = ?",
                [kind, ours, theirs, reference],
            )
            database.commit()

    def age_operations(self, reference: str) -> None:
        """As if what was done with the payment had been done half a day ago."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=20)) as database:
            database.execute(
                "UPDATE nexi_payments_operation"
                " SET created_at = datetime(created_at, '-12 hours') WHERE order_id IN"
                " (SELECT id FROM nexi_payments_paymentorder WHERE reference = ?)",
                [reference],
            )
            database.execute(
                "UPDATE nexi_payments_paymentorder"
                " SET unsettled_since = datetime(unsettled_since, '-12 hours')"
                " WHERE reference = ?",
                [reference],
            )
            database.commit()

    def value(self, column: str, name: str) -> str:
        """``name`` is the id in the address of a page: of shoppers or of staff."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=20)) as database:
            table = "nexi_payments_paymentorder WHERE ? IN (public_id, order_id)"
            found = database.execute(f"SELECT {column} FROM {table}", [name])
            return str(found.fetchone()[0])


class StaffPages:
    """``pages(login, language="en", **options)`` → a page, logged in to the admin.

    ``sessions``: login → the cookies that it was given, so that each logs in once.
    """

    def __init__(self, chromium: Any, demo: str, sessions: dict[str, Any]) -> None:
        self.chromium, self.demo, self.sessions = chromium, demo, sessions
        self.contexts: list[Any] = []

    def __call__(self, login: str, language: str = "en", **options: Any) -> Any:
        context = self.chromium.new_context(
            base_url=self.demo,
            locale={"en": "en-GB", "it": "it-IT"}[language],
            storage_state=self.sessions.get(login),
            **options,
        )
        context.set_default_timeout(30_000)
        self.contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        if login in self.sessions:
            page.goto("/admin/")
            return page
        page.goto("/admin/login/?next=/admin/")
        page.fill("[name=username]", login)
        page.fill("[name=password]", login)
        page.click("[type=submit]")
        page.wait_for_url("**/admin/")
        self.sessions[login] = context.storage_state()
        return page

    def close(self) -> None:
        for context in self.contexts:
            context.close()
