"""How often the page that waits asks: ever more rarely, and not for ever."""

from __future__ import annotations

from typing import Any

from tests.browser.clock import moved_by_hand
from tests.browser.shopper import enter_card, to_the_card_page


def test_the_page_that_waits_asks_a_bounded_number_of_times(page: Any) -> None:
    to_the_card_page(page)
    enter_card(page, "pending_then_paid")
    page.wait_for_url("**/payments/result/**")
    asked: list[str] = []

    def undecided(route: Any) -> None:
        asked.append(route.request.url)
        route.fulfill(
            json={"state": "paying", "final": False, "message": "…", "next": None}
        )

    forward = moved_by_hand(page, "/payments/status/")
    page.route("**/payments/status/**", undecided)
    page.reload()
    by_minute = []
    for minute in range(40):
        # later it asks every 15 seconds
        forward(60, 1.5 if minute < 3 else 5)
        by_minute.append(len(asked))
    assert by_minute[0] >= 15  # it is the clock that moves it
    assert by_minute[0] <= 25
    assert by_minute[9] - by_minute[8] <= 4
    assert by_minute[-1] == by_minute[31] <= 160
    assert page.locator("[data-stopped]").is_visible()
