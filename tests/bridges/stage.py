"""A host project in its own process and environment, and a shopper in Chromium."""

from __future__ import annotations

import contextlib
import copy
import os
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nexi_payments.simulator import TEST_CARDS

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".venv-bridges/bin/python"
CARDS = {card.ending: card for card in TEST_CARDS[::-1]}


_TELL_AGAIN = """
from nexi_payments import outbox
from nexi_payments.models import Event
from nexi_payments.signals import BY_KIND
for event in Event.objects.filter(kind__in=BY_KIND):
    assert outbox.send_again(event)
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

    def tell_again(self) -> None:
        """Every signal a second time, in another process."""
        self.manage("shell", "-v", "0", "-c", _TELL_AGAIN)

    def rows(self, query: str) -> list[Any]:
        with contextlib.closing(sqlite3.connect(self.database, timeout=20)) as db:
            return db.execute(query).fetchall()

    def with_(self, **environment: str) -> Host:
        """The same shop and database under other settings."""
        other = copy.copy(self)
        other.environment = self.environment | environment
        other.log = self.log.with_name("other-log")
        return other

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
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
                self._wait(server)
                yield self.site
            finally:
                server.terminate()
                server.wait(20)

    def _wait(self, server: subprocess.Popen[bytes]) -> None:
        for _ in range(300):
            assert server.poll() is None, self.log.read_text()
            try:
                urllib.request.urlopen(self.site + "/admin/login/", timeout=30).close()
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError(self.log.read_text())

    def eventually(self, query: str, wanted: list[Any]) -> None:
        for _ in range(100):
            if self.rows(query) == wanted:
                return
            time.sleep(0.1)
        assert self.rows(query) == wanted, query


def enter_card(page: Any, ending: str = "challenge") -> None:
    """On our card page, which the shop has led to."""
    page.wait_for_url("**/pay/*/", timeout=20_000)
    card = CARDS[ending]
    page.fill("[name=cardholder_name]", "Giulia Bianchi")
    page.fill("[name=card_number]", card.number)
    page.fill("[name=expiry]", card.expiry)
    page.fill("[name=security_code]", card.cvv)
    page.click("button[type=submit]")


def at_the_bank(page: Any, answer: str = "approve") -> None:
    page.wait_for_url("**/monetaweb/phoenixstos")
    page.click(f"button[value={answer}]")


def picture(page: Any, name: str) -> None:
    """Into the folder ``SCREENSHOTS``, where there is one."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
