"""The pictures of README and docs, with the present look: `make pictures`.

Without PICTURES, the folder they go to, nothing is drawn and these tests are left out.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.browser.palette import fewer_colours
from tests.browser.phone import charge, key_card, open_order
from tests.browser.test_shopping import enter_card, to_the_card_page
from tests.browser.test_weight import SHIFTS

FOLDER = os.environ.get("PICTURES", "")
#: What README and the pages may weigh together.
MOST = 900_000
WITHOUT_DEMO = """document.querySelectorAll(
  '.backstage, section.cards, .weather, link[href*=demo_shop]'
  ).forEach(e => e.remove())"""


def keep(page: Any, name: str) -> None:
    page.wait_for_load_state()
    page.evaluate(SHIFTS)  # nothing moves any more
    path = Path(FOLDER) / f"{name}.png"
    path.write_bytes(fewer_colours(page.screenshot()))
    assert 2_000 < path.stat().st_size < 60_000


@pytest.fixture
def visitor(chromium: Any, demo: str) -> Any:
    contexts = []

    def come(width: int, height: int, **options: Any) -> Any:
        size = {"width": width, "height": height}
        options = {"locale": "en-GB", **options}
        context = chromium.new_context(base_url=demo, viewport=size, **options)
        context.set_default_timeout(15_000)
        contexts.append(context)
        return context.new_page()

    yield come
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_of_the_card_page_and_a_decline(visitor: Any, scheme: str) -> None:
    dark = "-dark" if scheme == "dark" else ""
    page = visitor(560, 720, color_scheme=scheme)
    to_the_card_page(page)
    page.evaluate(WITHOUT_DEMO)
    page.fill("[name=card_number]", "4349940199004549")
    page.fill("[name=expiry]", "12/30")
    page.click("[name=security_code]")
    keep(page, f"card{dark}")
    page.reload()
    enter_card(page, "declined")
    page.wait_for_url("**/result/**")
    page.evaluate(WITHOUT_DEMO)
    keep(page, f"declined{dark}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_of_the_desk(desk: Any, scheme: str) -> None:
    dark = "-dark" if scheme == "dark" else ""
    size = {"width": 960, "height": 520}
    page = desk("clerk", color_scheme=scheme, viewport=size)
    open_order(page)
    page.wait_for_url("**/card/")
    key_card(page, "declined")
    charge(page)
    page.wait_for_selector(".nexi-panel")
    keep(page, f"desk-declined{dark}")


def test_of_the_demo(visitor: Any) -> None:
    page = visitor(1120, 860)
    to_the_card_page(page)
    page.wait_for_selector("[data-story] svg")
    keep(page, "demo-card")
    page.click("[data-keep=gateway] summary")
    page.check("[name=how][value=on]")
    page.click("[name=fault][value=lost]")
    page.wait_for_selector("[data-weather=lost]:visible")
    page.click("[data-keep=gateway] summary")
    enter_card(page, "frictionless")
    page.wait_for_url("**/result/**")
    page.wait_for_selector(".calls li")
    keep(page, "demo-lost")
    page.click("[data-keep=gateway] summary")
    page.click("[name=fault][value='']")
    page.wait_for_selector("[data-weather=lost]", state="hidden")


def test_of_the_demo_on_a_phone(visitor: Any) -> None:
    page = visitor(360, 780, locale="it-IT", color_scheme="dark")
    to_the_card_page(page)
    enter_card(page, "declined")
    page.wait_for_url("**/result/**")
    page.wait_for_selector(".calls li")
    page.evaluate("document.querySelector('.backstage').scrollIntoView()")
    keep(page, "demo-phone.it")


def test_they_are_light_together() -> None:
    assert sum(one.stat().st_size for one in Path(FOLDER).glob("*.png")) < MOST
