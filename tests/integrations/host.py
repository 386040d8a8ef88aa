"""A host project in its own process and environment, and a shopper in Chromium."""

from __future__ import annotations

import contextlib
import copy
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support import pages
from tests.support.servers import free_port, wait_until_up
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".venv-bridges/bin/python"


_RESEND_SCRIPT = """
from nexi_payments import delivery_workers
from nexi_payments.models import Event
from nexi_payments.signals import SIGNAL_BY_EVENT_KIND
for event in Event.objects.filter(kind__in=SIGNAL_BY_EVENT_KIND):
    assert delivery_workers.redeliver(event)
"""


class Host:
    """``python -m django`` with the settings of one host."""

    def __init__(self, settings: str, folder: Path) -> None:
        self.database = folder / "host.sqlite3"
        self.log = folder / "log"
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "DJANGO", "NEXI", "VIRTUAL"))
        } | {
            "DJANGO_SETTINGS_MODULE": settings,
            "BRIDGE_DATABASE": str(self.database),
            "PYTHONPATH": str(ROOT),
        }
        self.site = ""

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(PYTHON), "-W", "ignore", "-m", "django", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def resend_signals(self) -> None:
        """Every signal a second time, in another process."""
        self.manage("shell", "-v", "0", "-c", _RESEND_SCRIPT)

    def rows(self, query: str) -> list[Any]:
        with contextlib.closing(sqlite3.connect(self.database, timeout=20)) as db:
            return db.execute(query).fetchall()

    def with_environment(self, **environment: str) -> Host:
        """The same shop and database under other settings."""
        other = copy.copy(self)
        other.environment = self.environment | environment
        other.log = self.log.with_name("other-log")
        return other

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        port = free_port()
        self.site = f"http://127.0.0.1:{port}"
        with self.log.open("w") as log:
            command = ("runserver", "--noreload", f"127.0.0.1:{port}")
            server = subprocess.Popen(
                [str(PYTHON), "-W", "ignore", "-m", "django", *command],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
            try:
                wait_until_up(self.site + "/admin/login/", server)
                yield self.site
            except AssertionError:
                print(self.log.read_text())
                raise
            finally:
                server.terminate()
                server.wait(20)

    def wait_for_rows(self, query: str, wanted: list[Any]) -> None:
        wait_until(lambda: self.rows(query) == wanted, 10)
        assert self.rows(query) == wanted, query


def enter_card(page: Any, ending: str = "challenge") -> None:
    """On our card page, which the shop leads to."""
    page.wait_for_url("**/pay/*/", timeout=20_000)
    pages.enter_card(page, ending)


def screenshot(page: Any, name: str) -> None:
    """Into the folder ``SCREENSHOTS``, where there is one."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
