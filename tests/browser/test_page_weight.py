"""What our pages weigh and how soon they can be used: the table in docs/templates.md.

`pytest -s` prints it. Counts, bytes and layout shifts are asserted; milliseconds are
those of one machine and are only printed.
"""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.shopper import enter_card, to_the_card_page
from tests.browser.test_card_page import STATIC
from tests.browser.test_page_load import READY

WITH_ICONS = True
DOCS = Path(__file__).resolve().parents[2] / "docs/templates.md"
PAINT = """performance.getEntriesByName('first-contentful-paint')[0].startTime"""
#: Everything that moved while the page was loading (CLS), as Lighthouse adds it up.
SHIFTS = """() => new Promise(done => { let sum = 0;
  const seen = new PerformanceObserver(list => {
    list.getEntriesByType('layout-shift').forEach(e => { sum += e.value });
    // asked for after the shifts: what has moved was told by then
    if (list.getEntriesByType('paint').length) done(sum) });
  seen.observe({type: 'layout-shift', buffered: true});
  seen.observe({type: 'paint', buffered: true}); })"""
#: The page as a shop has it: without the demo's panel and test cards.
OURS = """() => { const copy = document.documentElement.cloneNode(true);
  copy.querySelectorAll('.simulator-panel, section.cards, .fault-banner,'
    + ' [href*=demo_shop], [src*=demo_shop]').forEach(e => e.remove());
  return copy.outerHTML }"""
#: page → the files it needs beside itself
NEEDS = {
    "pay.html": ["card.js", "card.svg", "methods.js", "pages.css"],
    "result.html": ["card.svg", "forward.js", "methods.js", "pages.css"],
    "pending.html": ["card.svg", "pages.css", "pending.js"],
}


def packed(content: bytes) -> int:
    return len(gzip.compress(content, mtime=0))


def weigh(page: Any, name: str) -> tuple[int, float, float]:
    """Reloads without a cache: bytes with gzip, ms to the first paint and to input."""
    network = page.context.new_cdp_session(page)
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    page.wait_for_load_state("networkidle")  # what comes late is not of the next one
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.wait_for_load_state("networkidle")  # the icon comes last
    names = [url.rsplit("/", 1)[-1] for url in asked if "/nexi_payments/" in url]
    files = {name: (STATIC / name).read_bytes() for name in names}
    assert sorted(files) == NEEDS[name]
    assert page.evaluate(SHIFTS) == 0
    html = page.evaluate(OURS).encode()
    together = packed(html) + sum(packed(content) for content in files.values())
    return together, page.evaluate(PAINT), page.evaluate(READY)


@pytest.fixture
def places(page: Any) -> Any:
    """``places(template)``: opens that page."""

    def go(name: str) -> None:
        to_the_card_page(page)
        if name != "pay.html":
            ending = {"result.html": "declined", "pending.html": "pending_then_paid"}
            enter_card(page, ending[name])
            page.wait_for_url("**/result/**")

    return go


@pytest.mark.parametrize("name", NEEDS)
def test_what_a_page_weighs(page: Any, places: Any, name: str) -> None:
    places(name)
    weight, paint, ready = weigh(page, name)
    row = re.search(
        rf"^\| the page of `{name}` \| (\d+) \| ([\d.]+) kB \|",
        DOCS.read_text(),
        re.M,
    )
    print(
        f"| the page of `{name}` | {len(NEEDS[name]) + 1} | {weight / 1000:.1f} kB"
        f" | {paint:.0f} ms | {ready:.0f} ms |"
    )
    assert row, "docs/templates.md has a row for each page"
    assert int(row[1]) == len(NEEDS[name]) + 1
    # the page tells the truth about itself: within a tenth
    assert weight / 1000 == pytest.approx(float(row[2]), rel=0.1)
    assert weight < 15 * 1024
