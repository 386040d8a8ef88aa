"""A real Chromium on the demo shop as `make demo` serves it: the shop on 127.0.0.1, the
issuer's page on localhost, which is another site to a browser."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.demo_server import (
    CHROMIUM,
    CHROMIUM_ARGS,
    HEADLESS_SHELL,
    PaymentRows,
    StaffPages,
    serve_demo,
)

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is missing")


def pytest_collection_modifyitems(items: list[Any]) -> None:
    for item in items:
        if "/browser/" in str(item.path):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo keeps its database."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="session")
def demo_process(folder: Path) -> Iterator[tuple[str, Any]]:
    """The demo in a process of its own: its address, and the process."""
    with serve_demo(folder) as served:
        yield served


@pytest.fixture(scope="session")
def demo(demo_process: tuple[str, Any]) -> str:
    """The address of the demo."""
    return demo_process[0]


@pytest.fixture
def later(demo_process: tuple[str, Any]) -> Callable[[], None]:
    """``later()``: half a minute passes in the demo and at its gateway, so that what is
    pending is decided. Nobody is asked anything: the demo's own reconciler runs."""
    return lambda: demo_process[1].send_signal(signal.SIGUSR1)


@pytest.fixture
def payment_rows(demo: str, folder: Path) -> PaymentRows:
    return PaymentRows(folder / "demo.sqlite3")


def _as_long(fixture_name: str, config: pytest.Config) -> Any:
    """Playwright keeps an event loop running in this thread, in which Django would
    refuse the database to the tests of the next file: where there are others than those
    in a browser, a browser lives for one file."""
    here = Path(__file__).parent
    named = [Path(one.partition("::")[0]).absolute() for one in config.args]
    alone = all(path == here or here in path.parents for path in named)
    return "session" if alone or config.option.markexpr == "browser" else "module"


@pytest.fixture(scope=_as_long)
def browsers() -> Iterator[Callable[[str], Any]]:
    """``browsers(executable)``: started when it is first asked for."""
    with playwright.sync_playwright() as driver, contextlib.ExitStack() as end:
        started: dict[str, Any] = {}

        def of(executable: str) -> Any:
            if executable not in started:
                options = {"executable_path": executable, "args": CHROMIUM_ARGS}
                started[executable] = driver.chromium.launch(**options)
                end.callback(started[executable].close)
            return started[executable]

        yield of


@pytest.fixture(scope="module")
def chromium(request: pytest.FixtureRequest, browsers: Callable[[str], Any]) -> Any:
    """A file that asks for icons says ``WITH_ICONS = True``."""
    executable = (
        CHROMIUM if getattr(request.module, "WITH_ICONS", False) else HEADLESS_SHELL
    )
    if not executable:
        pytest.skip("no Chromium on this machine")
    return browsers(executable)


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
    made.on("console", lambda message: _record_complaint(made, message))
    made.on("pageerror", lambda error: made.complaints.append(str(error)))
    return made


def _record_complaint(page: Any, message: Any) -> None:
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


@pytest.fixture(scope="session")
def sessions() -> dict[str, Any]:
    """Login → the cookies that it was given: nobody logs in twice."""
    return {}


@pytest.fixture
def staff_page(
    chromium: Any, demo: str, sessions: dict[str, Any]
) -> Iterator[StaffPages]:
    pages = StaffPages(chromium, demo, sessions)
    yield pages
    pages.close()
