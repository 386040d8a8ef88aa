"""A real Chromium on the demo shop as `make demo` serves it: the shop on 127.0.0.1, the
bank's page on localhost, which is another site to a browser."""

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

import pytest

from tests.servers import free_port, wait_until_up

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is missing")

ROOT = Path(__file__).resolve().parent.parent.parent
CHROMIUM = (
    os.environ.get("CHROMIUM")
    or shutil.which("chromium")
    or shutil.which("google-chrome")
)
#: Chromium without a window: the same pages for half the work, but no icons of tabs
SHELL = (
    os.environ.get("CHROMIUM") or shutil.which("chromium-headless-shell") or CHROMIUM
)
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


#: Drawn by `make pictures`, which names a folder for them.
collect_ignore = (
    []
    if os.environ.get("PICTURES")
    else ["test_pictures.py", "test_pictures_of_staff.py"]
)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    for item in items:
        if "/browser/" in str(item.path):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo keeps its database."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="session")
def demo(folder: Path) -> Iterator[str]:
    """The demo in a process of its own; its address."""
    port = free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{folder / 'demo.sqlite3'}",
        "NEXI_SIMULATOR_STATE": str(folder / "simulator.sqlite3"),
        "DJANGO_SETTINGS_MODULE": "demo_shop.settings",
        "NEXI_SETTLE_AFTER": "30",  # looks again every two seconds
    }
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "manage.py", "demo", "--port", str(port)],
        cwd=ROOT,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        try:
            wait_until_up(address, process)
        except AssertionError:
            raise AssertionError((folder / "log").read_text()) from None
        yield address
    finally:
        process.terminate()
        process.wait()
        log.close()


class Rows:
    """The payments in the demo's database, for what no click leads to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, change: str, *values: str) -> None:
        """One row is changed: ``rows("SET … WHERE public_id = ?", public_id)``."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=20)) as database:
            table = "nexi_payments_paymentorder"
            assert database.execute(f"UPDATE {table} {change}", values).rowcount == 1
            database.commit()

    def one(self, column: str, public_id: str) -> str:
        with contextlib.closing(sqlite3.connect(self.path, timeout=20)) as database:
            table = "nexi_payments_paymentorder WHERE public_id = ?"
            found = database.execute(f"SELECT {column} FROM {table}", [public_id])
            return str(found.fetchone()[0])


@pytest.fixture
def rows(demo: str, folder: Path) -> Rows:
    return Rows(folder / "demo.sqlite3")


@pytest.fixture(scope="module")
def chromium(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A browser for one file: Playwright keeps an event loop running in this thread, in
    which Django would refuse the database to the tests of the next file. A file that
    asks for icons says ``WITH_ICONS = True``."""
    executable = CHROMIUM if getattr(request.module, "WITH_ICONS", False) else SHELL
    if not executable:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Any, demo: str) -> Iterator[Any]:
    made = chromium.new_context(base_url=demo, locale="en-GB")
    made.set_default_timeout(30_000)
    yield made
    made.close()


@pytest.fixture
def page(context: Any) -> Any:
    """A page that notes every complaint of the browser's console."""
    made = context.new_page()
    made.complaints = []
    made.on("console", lambda message: _note(made, message))
    made.on("pageerror", lambda error: made.complaints.append(str(error)))
    return made


def _note(page: Any, message: Any) -> None:
    if message.type in ("error", "warning"):
        page.complaints.append(message.text)


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Any:
    """``picture(page, "name")`` keeps a screenshot in the folder SCREENSHOTS names."""
    folder = os.environ.get("SCREENSHOTS")

    def take(page: Any, name: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)

    return take


@pytest.fixture
def desk(chromium: Any, demo: str) -> Iterator[Any]:
    """``desk(login, language="en", **options)`` → a page, logged in to the admin."""
    contexts = []

    def log_in(login: str, language: str = "en", **options: Any) -> Any:
        locale = {"en": "en-GB", "it": "it-IT"}[language]
        context = chromium.new_context(base_url=demo, locale=locale, **options)
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto("/admin/login/?next=/admin/")
        page.fill("[name=username]", login)
        page.fill("[name=password]", login)
        page.click("[type=submit]")
        page.wait_for_url("**/admin/")
        return page

    yield log_in
    for context in contexts:
        context.close()
