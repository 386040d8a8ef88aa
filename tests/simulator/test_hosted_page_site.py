"""The hosted page in a browser without JavaScript."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin

import pytest

from nexi_payments.simulator import Reply, Simulator
from nexi_payments.simulator.hosted_page_texts import TEXTS
from nexi_payments.simulator.hosted_payments import ENDINGS
from nexi_payments.simulator.notifications import MODES
from tests.simulator.merchant_client import (
    CANCEL_URL,
    CARDS,
    RESULT_URL,
    MerchantClient,
    hosted_order,
)
from tests.simulator.test_hosted_orders import create, operations, results
from tests.simulator.test_payment_links import link_body


class Page(HTMLParser):
    """Links, fields, labels and buttons of a page."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply
        self.source = reply.body.decode()
        self.action = ""
        self.links: list[str] = []
        self.fields: dict[str, dict[str, Any]] = {}
        self.labelled: set[str | None] = set()
        self.buttons: dict[str, dict[str, Any]] = {}
        self.options: list[str] = []
        self.language = ""
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert tag not in ("script", "img", "iframe")
        assert "style" not in found
        assert not [name for name in found if name.startswith("on")]
        if tag == "form":
            self.action = found["action"] or ""
            assert found["method"] == "post"
        elif tag in ("input", "select"):
            self.fields[found["name"] or ""] = found
        elif tag == "label":
            self.labelled.add(found["for"])
        elif tag == "button":
            self.buttons[found["value"] or ""] = found
        elif tag == "option":
            self.options.append(found["value"] or "")
        elif tag == "a":
            self.links.append(found["href"] or "")
        elif tag == "html":
            self.language = found["lang"] or ""

    @property
    def heading(self) -> str:
        (found,) = re.findall("<h1>(.*?)</h1>", self.source)
        return html.unescape(found)


class Browser:
    def __init__(self, simulator: Simulator, url: str) -> None:
        self.simulator = simulator
        self.url = url

    def get(self, address: str = "", language: str = "en") -> Page:
        url = urljoin(self.url, address)
        headers = {"Accept-Language": language}
        return Page(self.simulator.handle("GET", url, headers, b""))

    def post(self, page: Page, **fields: str) -> Page:
        url = urljoin(self.url, page.action)
        body = urlencode(fields).encode()
        return Page(self.simulator.handle("POST", url, {}, body))


def browser(terminal: MerchantClient, *args: str, **changes: str) -> Browser:
    return Browser(terminal.simulator, create(terminal, *args, **changes)["hostedPage"])


def card(ending: str = "challenge") -> Mapping[str, str]:
    found = CARDS[ending]
    number = " ".join(re.findall("....", found.number))
    return {
        "card_number": number,
        "expiry": found.expiry,
        "security_code": found.cvv,
    }


def test_a_method_is_chosen_then_paid(terminal: MerchantClient) -> None:
    shopper = browser(terminal)
    choice = shopper.get()
    assert choice.reply.status == 200
    assert choice.heading == "Choose how to pay"
    codes = [link.rpartition("=")[2] for link in choice.links]
    assert codes == [
        *("CARDS", "PAYPAL", "PAYPAL_BNPL", "GOOGLEPAY", "APPLEPAY"),
        *("BANCOMATPAY", "MYBANK"),
    ]
    assert "12.50 EUR" in choice.source
    page = shopper.get(choice.links[1])
    assert page.heading == "PayPal"
    assert set(page.buttons) == set(ENDINGS)
    assert page.options == list(MODES)
    assert set(page.fields) == {"notify"}
    assert page.labelled == {"notify"}
    outcome = shopper.post(page, ending="pay", notify="after")
    assert outcome.heading == "The payment was made"
    assert outcome.links == [RESULT_URL]
    assert "BACK TO THE SHOP" in outcome.source
    assert results(terminal) == ["EXECUTED"]
    assert operations(terminal)[0]["paymentCircuit"] == "PAYPAL"


def test_opening_the_page_makes_the_order_known(terminal: MerchantClient) -> None:
    shopper = browser(terminal)
    assert terminal.call("GET", "/orders/ORDER1").status == 404
    shopper.get()
    assert results(terminal) == []


def test_the_method_that_the_shop_asked_for(terminal: MerchantClient) -> None:
    shopper = browser(terminal, service="BANCOMATPAY")
    assert shopper.get().heading == "BANCOMAT Pay"
    page = shopper.get("?" + shopper.url.partition("?")[2] + "&method=CARDS")
    assert page.heading == "BANCOMAT Pay"


def test_a_card_is_paid_and_forgotten(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    shopper = browser(terminal, service="CARDS")
    page = shopper.get()
    assert page.fields.keys() == {"card_number", "expiry", "security_code", "notify"}
    assert page.labelled == set(page.fields)
    kinds = [one.get("autocomplete") for one in page.fields.values()]
    assert kinds == ["cc-number", "cc-exp", "cc-csc", None]
    assert all(
        "required" in one for name, one in page.fields.items() if name != "notify"
    )
    without_card = {
        name for name, one in page.buttons.items() if "formnovalidate" in one
    }
    assert without_card == {"cancel", "leave", "close"}
    outcome = shopper.post(page, ending="pay", **card())
    assert outcome.heading == "The payment was made"
    assert operations(terminal)[0]["paymentInstrumentInfo"] == "***4549"
    assert CARDS["challenge"].number not in repr(simulator.payments("ORDER1"))


def test_the_test_card_decides(terminal: MerchantClient) -> None:
    shopper = browser(terminal, service="CARDS")
    outcome = shopper.post(shopper.get(), ending="pay", **card("declined"))
    assert outcome.heading == "The payment was declined"
    assert outcome.links[0] == RESULT_URL
    again = shopper.get(outcome.links[1])
    assert again.heading == "Card"
    outcome = shopper.post(again, ending="pay", **card())
    assert outcome.heading == "The payment was made"
    assert results(terminal) == ["DECLINED", "EXECUTED"]


@pytest.mark.parametrize("number", ["4242424242424242", "", "4349", "x" * 40])
def test_only_test_cards(terminal: MerchantClient, number: str) -> None:
    shopper = browser(terminal, service="CARDS")
    fields = {**card(), "card_number": number}
    page = shopper.post(shopper.get(), ending="pay", **fields)
    assert page.reply.status == 422
    assert 'role="alert"' in page.source
    assert "no test card" in page.source
    assert page.fields["card_number"]["aria-invalid"] == "true"
    assert page.fields["card_number"]["aria-describedby"] == "error"
    assert not number or number not in page.source
    assert results(terminal) == []


@pytest.mark.parametrize(
    ("ending", "heading", "links", "shown"),
    [
        ("pay_twice", "The payment was made", [RESULT_URL], ["EXECUTED"] * 2),
        ("pay_late", "The payment will be made in some hours", [], []),
        ("close", "Nothing was paid", [], []),
        ("pending", "The payment is being confirmed", [RESULT_URL], ["PENDING"]),
        ("pending_fails", "The payment is being confirmed", [RESULT_URL], ["PENDING"]),
    ],
)
def test_endings(
    terminal: MerchantClient,
    ending: str,
    heading: str,
    links: list[str],
    shown: list[str],
) -> None:
    shopper = browser(terminal, service="PAYPAL")
    outcome = shopper.post(shopper.get(), ending=ending)
    assert outcome.heading == heading
    assert outcome.links == links
    assert results(terminal) == shown


@pytest.mark.parametrize(("ending", "shown"), [("cancel", ["CANCELED"]), ("leave", [])])
@pytest.mark.parametrize("service", ["PAYPAL", "CARDS"])
def test_the_way_to_the_cancel_address(
    terminal: MerchantClient, service: str, ending: str, shown: list[str]
) -> None:
    shopper = browser(terminal, service=service)
    reply = shopper.post(shopper.get(), ending=ending).reply
    assert (reply.status, reply.headers) == (303, {"Location": CANCEL_URL})
    assert results(terminal) == shown


def test_a_paid_page_takes_no_second_payment(terminal: MerchantClient) -> None:
    shopper = browser(terminal, service="PAYPAL")
    page = shopper.get()
    shopper.post(page, ending="pending")
    for again in (shopper.get(), shopper.post(page, ending="pay")):
        assert again.heading == "The payment is being confirmed"
        assert again.links == [RESULT_URL]
    assert results(terminal) == ["PENDING"]
    terminal.simulator.advance(20)
    assert shopper.get().heading == "The payment was made"


@pytest.mark.parametrize(
    "fields", [{"ending": "explode"}, {}, {"ending": "pay", "notify": "loud"}]
)
def test_forms_that_make_no_sense(
    terminal: MerchantClient, fields: dict[str, str]
) -> None:
    shopper = browser(terminal, service="PAYPAL")
    assert shopper.post(shopper.get(), **fields).reply.status == 400
    assert results(terminal) == []


@pytest.mark.parametrize("query", ["?paymentid=1", "", "?paymentid=", "?x"])
def test_no_such_page(terminal: MerchantClient, query: str) -> None:
    shopper = browser(terminal)
    shopper.url = shopper.url.partition("?")[0] + query
    page = shopper.get(language="it-IT")
    assert page.reply.status == 404
    assert "Questa pagina di pagamento non esiste." in page.source


def test_a_link_without_a_way_back(terminal: MerchantClient) -> None:
    answer = terminal.post("/orders/paybylink", link_body())
    shopper = Browser(terminal.simulator, answer["paymentLink"]["link"])
    page = shopper.get(shopper.get().links[1])
    outcome = shopper.post(page, ending="leave")
    assert (outcome.heading, outcome.links) == ("Nothing was paid", [])
    outcome = shopper.post(page, ending="pay")
    assert (outcome.heading, outcome.links) == ("The payment was made", [])
    assert "You can close this window." in outcome.source
    assert results(terminal) == ["EXECUTED"]


def test_a_link_that_was_cancelled(terminal: MerchantClient) -> None:
    link = terminal.post("/orders/paybylink", link_body())["paymentLink"]
    terminal.call("POST", f"/paybylink/{link['linkId']}/cancels", {})
    page = Browser(terminal.simulator, link["link"]).get()
    assert page.reply.status == 410
    assert "no longer valid" in page.source
    assert page.action == ""


def test_notifications_come_before_and_after_the_outcome_page(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    posts: list[str] = []

    def deliver(url: str, headers: Mapping[str, str], body: bytes) -> int:
        posts.append(url)
        return 200

    simulator.deliver = deliver
    shopper = browser(terminal, service="PAYPAL")
    shopper.post(shopper.get(), ending="decline", notify="before")
    assert len(posts) == 1
    shopper.post(shopper.get(), ending="pay", notify="after")
    assert len(posts) == 1
    shopper.get()
    assert len(posts) == 2


def test_the_language_is_the_one_the_shop_asked_for(terminal: MerchantClient) -> None:
    shopper = browser(terminal, language="ITA")
    page = shopper.get(language="en")
    assert (page.language, page.heading) == ("it", "Scelga come pagare")
    other = browser(terminal, "ORDER2", language="DEU")
    assert other.get(language="it").language == "en"


def test_both_languages_have_every_text() -> None:
    assert TEXTS["it"].keys() == TEXTS["en"].keys()
    assert {f"ending_{ending}" for ending in ENDINGS} <= TEXTS["en"].keys()
    assert {f"notify_{mode}" for mode in MODES} <= TEXTS["en"].keys()


def test_texts_of_the_shop_are_escaped(terminal: MerchantClient) -> None:
    body = hosted_order(resultUrl='https://shop.test/"&lt')
    body["order"]["description"] = 'Tom & "Jerry"'
    url = terminal.post("/orders/hpp", body)["hostedPage"]
    shopper = Browser(terminal.simulator, url)
    page = shopper.get(shopper.get().links[1])
    assert "Tom &amp; &quot;Jerry&quot;" in page.source
    outcome = shopper.post(page, ending="pay")
    assert outcome.links == ['https://shop.test/"&lt']


def test_nothing_from_another_host_and_nothing_inline(terminal: MerchantClient) -> None:
    reply = browser(terminal).get().reply
    (style,) = re.findall("<style>(.*?)</style>", reply.body.decode())
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert f"style-src 'sha256-{digest}'" in policy
    assert "prefers-color-scheme:dark" in style
    assert reply.headers["Cache-Control"] == "private, no-store"
