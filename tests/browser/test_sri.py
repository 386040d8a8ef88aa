"""The demo's pages name the hash of each file: the browser holds it against them."""

from __future__ import annotations

from typing import Any

from tests.browser.shopper import enter_card, to_the_card_page


def test_a_changed_script_does_not_run(page: Any) -> None:
    def tampered(route: Any) -> None:
        answer = route.fetch()
        evil = answer.text() + "\ndocument.title = 'stolen';"
        route.fulfill(response=answer, body=evil)

    page.route("**/nexi_payments/card*.js", tampered)
    to_the_card_page(page)
    page.wait_for_load_state("networkidle")
    assert page.title() == "Pay"
    (complaint,) = [one for one in page.complaints if "integrity" in one]
    assert "card" in complaint
    # without our script the page takes the payment all the same
    enter_card(page, "frictionless")
    page.wait_for_url("**/orders/D*/?payment=*")


def test_an_unchanged_one_does(page: Any) -> None:
    to_the_card_page(page)
    tag = page.locator("script[src*='nexi_payments/card']")
    assert tag.get_attribute("integrity").startswith("sha384-")
    page.fill("[name=card_number]", "4349940199004549")
    assert page.text_content("[data-brand]") == "Visa"
    assert page.complaints == []
