"""A script that got into the card page is blocked, and the shop hears of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.browser.shopper import to_the_card_page


def test_an_injected_script_is_reported(page: Any, demo: str, folder: Path) -> None:
    def injected(route: Any) -> None:
        answer = route.fetch()
        evil = "<script>document.title = 'stolen'</script></body>"
        route.fulfill(response=answer, body=answer.text().replace("</body>", evil))

    to_the_card_page(page)
    address = page.url
    page.route(address, injected)
    page.reload()
    assert page.title() != "stolen"
    line = f"blocked by the policy of {demo}: inline by script-src-elem, from {demo}"
    until = time.monotonic() + 90
    while line not in (log := (folder / "log").read_text()):
        assert time.monotonic() < until, log[-2000:]
        time.sleep(0.2)
    secret = address.rstrip("/").rpartition("/")[2]
    reported = [one for one in log.splitlines() if "blocked by the policy" in one]
    assert not any(secret in one for one in reported)
