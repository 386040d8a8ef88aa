"""The pictures of README and docs, with the present look: ``make pictures``.

python -m tests.browser.pictures FOLDER
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.browser.demo_server import (
    CHROMIUM_ARGS,
    HEADLESS_SHELL,
    PaymentRows,
    StaffPages,
    serve_demo,
)
from tests.browser.png_palette import reduce_colours
from tests.browser.shopper import enter_card, to_the_card_page
from tests.browser.test_page_weight import SHIFTS

#: What README and the pages may weigh together.
MOST = 900_000
WITHOUT_DEMO = """document.querySelectorAll(
  '.simulator-panel, section.cards, .fault-banner, link[href*=demo_shop]'
  ).forEach(e => e.remove())"""


class Studio:
    """The demo in Chromium; pictures go to ``folder``."""

    def __init__(self, chromium: Any, demo: str, data: Path, folder: Path) -> None:
        self.chromium, self.demo, self.folder = chromium, demo, folder
        self.staff_page = StaffPages(chromium, demo, {})
        self.rows = PaymentRows(data / "demo.sqlite3")

    def visitor(self, width: int, height: int, **options: Any) -> Any:
        size = {"width": width, "height": height}
        options = {"locale": "en-GB", "viewport": size, **options}
        context = self.chromium.new_context(base_url=self.demo, **options)
        context.set_default_timeout(15_000)
        return context.new_page()

    def keep(self, page: Any, name: str) -> None:
        page.wait_for_load_state()
        page.evaluate(SHIFTS)  # nothing moves any more
        path = self.folder / f"{name}.png"
        path.write_bytes(reduce_colours(page.screenshot()))
        assert 2_000 < path.stat().st_size < 60_000, path


def draw_card_page(studio: Studio, scheme: str) -> None:
    """And, in the light one, a declined card."""
    dark = "-dark" if scheme == "dark" else ""
    page = studio.visitor(560, 720, color_scheme=scheme)
    to_the_card_page(page)
    page.evaluate(WITHOUT_DEMO)
    page.fill("[name=card_number]", "4349940199004549")
    page.fill("[name=expiry]", "12/30")
    page.click("[name=security_code]")
    studio.keep(page, f"card{dark}")
    if dark:
        return
    page.reload()
    enter_card(page, "declined")
    page.wait_for_url("**/result/**")
    page.evaluate(WITHOUT_DEMO)
    studio.keep(page, "declined")


def draw_demo(studio: Studio) -> None:
    page = studio.visitor(1120, 860)
    to_the_card_page(page)
    page.wait_for_selector("[data-trace] svg")
    studio.keep(page, "demo-card")
    page.click("[data-keep=gateway] summary")
    page.check("[name=how][value=on]")
    page.click("[name=fault][value=lost]")
    page.wait_for_selector("[data-fault=lost]:visible")
    page.click("[data-keep=gateway] summary")
    enter_card(page, "frictionless")
    page.wait_for_url("**/result/**")
    page.wait_for_selector(".calls li")
    studio.keep(page, "demo-lost")
    page.click("[data-keep=gateway] summary")
    page.click("[name=fault][value='']")
    page.wait_for_selector("[data-fault=lost]", state="hidden")


def draw_demo_on_a_phone(studio: Studio) -> None:
    page = studio.visitor(360, 780, locale="it-IT", color_scheme="dark")
    to_the_card_page(page)
    enter_card(page, "declined")
    page.wait_for_url("**/result/**")
    page.wait_for_selector(".calls li")
    page.evaluate("document.querySelector('.simulator-panel').scrollIntoView()")
    studio.keep(page, "demo-phone.it")


def main(folder: Path) -> None:
    from tests.browser import pictures_of_staff

    with (
        tempfile.TemporaryDirectory() as data,
        serve_demo(Path(data)) as (demo, _),
        sync_playwright() as driver,
    ):
        chromium = driver.chromium.launch(
            executable_path=HEADLESS_SHELL, args=CHROMIUM_ARGS
        )
        studio = Studio(chromium, demo, Path(data), folder)
        for scheme in ("light", "dark"):
            draw_card_page(studio, scheme)
        draw_demo(studio)
        draw_demo_on_a_phone(studio)
        pictures_of_staff.trade(studio)
        for language in ("en", "it"):
            pictures_of_staff.draw(studio, language)
        chromium.close()
    weight = sum(one.stat().st_size for one in folder.glob("*.png"))
    assert weight < MOST, f"{weight} bytes"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
