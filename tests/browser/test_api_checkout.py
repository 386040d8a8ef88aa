"""The checkout on one page: the REST API as a headless shop uses it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.browser.shopper import CARDS, at_the_bank


def open_page(page: Any, language: str = "en") -> None:
    page.goto("/")
    page.click("li.card >> nth=0 >> button")
    page.goto("/one-page/")
    if language == "it":
        page.click("button[value=it]")
    page.fill("[name=name]", "Giulia Bianchi")
    page.fill("[name=email]", "giulia@shop.example")


def pay(page: Any, ending: str) -> None:
    card = CARDS[ending]
    page.click(f"button[data-number='{card.number}']")
    assert page.input_value("[name=cardholder_name]") == "Giulia Bianchi"
    page.click("#card button")


def says(page: Any, words: str) -> None:
    """It does, or it will."""
    told = "words => document.getElementById('message').textContent.includes(words)"
    page.wait_for_function(told, arg=words)


@pytest.mark.parametrize("language", ["en", "it"])
def test_approved_at_the_bank(page: Any, picture: Any, language: str) -> None:
    open_page(page, language)
    picture(page, f"one-page.{language}")
    pay(page, "challenge")
    at_the_bank(page, "approve")
    page.wait_for_url("**/one-page/?payment=*")
    page.wait_for_selector("#onward:visible")
    said = {"en": "Payment received. Thank you", "it": "Pagamento ricevuto. Grazie"}
    says(page, said[language])
    assert page.evaluate("sessionStorage.length") == 0
    assert page.is_hidden("#card")
    assert page.locator("nav a >> nth=0").text_content() in ("Basket", "Carrello")
    picture(page, f"one-page-paid.{language}")
    page.click("#onward")
    page.wait_for_url("**/orders/D*/")


def test_declined_then_another_card(page: Any, picture: Any) -> None:
    open_page(page)
    pay(page, "declined")
    page.wait_for_url("**/payments/result/**")
    page.goto("/one-page/")
    page.wait_for_selector("#message:visible")
    says(page, "The card was declined")
    assert page.input_value("[name=card_number]") == ""
    picture(page, "one-page-declined")
    assert page.is_hidden("[name=email]")  # the payment is made, its payer known
    page.fill("[name=cardholder_name]", "Giulia Bianchi")
    pay(page, "frictionless")
    page.wait_for_selector("#onward:visible", timeout=20_000)


def test_what_is_shown_is_what_is_charged(page: Any) -> None:
    """A second product after a declined card belongs to the payment, too; a basket that
    changed in another tab is not charged unseen."""
    open_page(page)
    pay(page, "declined")
    page.wait_for_url("**/payments/result/**")
    page.goto("/")
    page.click("li.card >> nth=1 >> button")
    page.goto("/one-page/")
    page.wait_for_selector("#message:visible")
    total = page.input_value("[name=total]")
    other = page.context.new_page()
    other.goto("/")
    other.click("li.card >> nth=1 >> button")
    page.fill("[name=cardholder_name]", "Giulia Bianchi")
    pay(page, "frictionless")
    says(page, "basket has changed")
    assert page.is_visible("#card")
    page.reload()
    page.wait_for_selector("#message:visible")
    assert page.input_value("[name=total]") > total
    total = page.input_value("[name=total]")
    page.fill("[name=cardholder_name]", "Giulia Bianchi")
    answers: list[Any] = []

    def kept(route: Any) -> None:
        answer = route.fetch()
        answers.append(answer.json())
        route.fulfill(response=answer)

    page.route("**/pay/", kept)
    pay(page, "frictionless")
    page.wait_for_selector("#onward:visible", timeout=20_000)
    assert [answer["amount"] for answer in answers] == [total]
    page.click("#onward")
    page.wait_for_url("**/orders/D*/")
    assert page.locator("[data-paid]").count() == 1


def test_a_secret_that_is_no_longer_good(page: Any) -> None:
    open_page(page)
    kept = json.dumps({"id": "0" * 32, "client_secret": "cs_" + "0" * 43})
    page.evaluate("kept => sessionStorage.setItem('one-page payment', kept)", kept)
    page.reload()
    page.wait_for_selector("#message:visible")
    says(page, "cannot be shown here any more")
    assert page.evaluate("sessionStorage.length") == 0
    assert page.is_visible("#card [name=email]")


def test_a_broken_connection_does_not_end_the_looking(page: Any, later: Any) -> None:
    open_page(page)
    pay(page, "pending_then_paid")
    page.wait_for_url("**/payments/result/**")
    page.goto("/one-page/")
    page.wait_for_selector("#message:visible")
    page.context.set_offline(True)
    says(page, "The connection broke")
    page.context.set_offline(False)
    later()
    page.wait_for_selector("#onward:visible", timeout=60_000)


def test_a_wrong_number_is_named_and_nothing_is_sent(page: Any, picture: Any) -> None:
    open_page(page)
    page.fill("[name=cardholder_name]", "Giulia Bianchi")
    page.fill("[name=card_number]", "4349 9401 9900 4540")
    page.fill("[name=expiry]", "12/30")
    page.fill("[name=security_code]", "396")
    page.click("#card button")
    page.wait_for_selector("[name=card_number][aria-invalid=true]")
    says(page, "check the digits")
    assert page.evaluate("document.activeElement.name") == "card_number"
    picture(page, "one-page-wrong-number")
    page.fill("[name=card_number]", CARDS["challenge"].number)
    page.click("#card button")
    at_the_bank(page, "approve")
    page.wait_for_selector("#onward:visible")


def test_pending_moves_on_by_itself(page: Any, later: Any) -> None:
    open_page(page)
    pay(page, "pending_then_paid")
    page.wait_for_url("**/payments/result/**")
    page.goto("/one-page/")
    page.wait_for_selector("#message:visible")
    says(page, "We are checking your payment")
    assert page.is_hidden("#card")
    later()
    page.wait_for_selector("#onward:visible", timeout=60_000)


def test_the_gateway_is_down(page: Any) -> None:
    open_page(page)
    pay(page, "gateway_down")
    page.wait_for_selector("#message:visible")
    says(page, "did not go through")
    assert page.is_visible("#card")
