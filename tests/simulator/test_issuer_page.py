"""The issuer's page: what the browser sees and what it brings back."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin

import pytest

from nexi_payments.simulator import Reply, Simulator
from tests.simulator.merchant_client import CARDS, SITE, MerchantClient, purchase

BANK = SITE + "/monetaweb/phoenixstos"
RETURN = "https://shop.test/back/token?x=1&y=2"


class Page(HTMLParser):
    """Forms, buttons and scripts of a page."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.source = reply.body.decode()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.buttons: list[dict[str, Any]] = []
        self.scripts: list[dict[str, Any]] = []
        self.language = ""
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "form":
            self.action = found["action"] or ""
            assert found["method"] == "post"
        elif tag == "input":
            assert found["type"] == "hidden"
            self.fields[found["name"] or ""] = found["value"] or ""
        elif tag == "button":
            self.buttons.append(found)
        elif tag == "script":
            self.scripts.append(found)
        elif tag == "html":
            self.language = found["lang"] or ""
        assert "style" not in found
        assert not [name for name in found if name.startswith("on")]


def visit(
    simulator: Simulator,
    fields: dict[str, str],
    url: str = BANK,
    language: str = "en",
) -> Reply:
    headers = {"Accept-Language": language}
    return simulator.handle("POST", url, headers, urlencode(fields).encode())


def form(operation_id: str, **changes: str) -> dict[str, str]:
    fields = {
        "ThreeDsRequest": "notneeded",
        "ReturnUrl": RETURN,
        "transactionId": operation_id,
    }
    return fields | changes


def press(simulator: Simulator, page: Page, answer: str) -> Reply:
    fields = page.fields | {"answer": answer}
    return visit(simulator, fields, urljoin(BANK, page.action))


def test_a_challenge_asks(terminal: MerchantClient, simulator: Simulator) -> None:
    reply = visit(simulator, form(terminal.init(purchase())))
    page = Page(reply)
    assert reply.status == 200
    assert "SIMULATOR – no real bank" in page.source
    assert "12.50 EUR" in page.source
    assert "•••• 4549" in page.source
    assert CARDS["challenge"].number not in page.source
    answers = [button["value"] for button in page.buttons]
    assert answers == ["approve", "refuse", "walk_away"]
    assert page.scripts == []
    assert (page.language, "Closing this window" in page.source) == ("en", True)


def test_it_speaks_italian(terminal: MerchantClient, simulator: Simulator) -> None:
    operation_id = terminal.init(purchase())
    page = Page(visit(simulator, form(operation_id), language="it-IT,it;q=0.9,en"))
    assert page.language == "it"
    assert "nessuna vera banca" in page.source
    assert "Approva" in page.source


@pytest.mark.parametrize(
    ("currency", "shown"), [("JPY", "1250 JPY"), ("KWD", "1.250 KWD")]
)
def test_the_amount_has_the_places_of_its_currency(
    terminal: MerchantClient, simulator: Simulator, currency: str, shown: str
) -> None:
    body = purchase()
    body["order"]["currency"] = currency
    page = Page(visit(simulator, form(terminal.init(body))))
    assert f">{shown}<" in page.source


def test_the_page_allows_its_own_style_and_nothing_else(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    reply = visit(simulator, form(terminal.init(purchase())))
    policy = reply.headers["Content-Security-Policy"]
    [style] = re.findall("<style>(.*?)</style>", reply.body.decode(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'")
    assert f"style-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert reply.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("answer", ["approve", "refuse", "walk_away"])
def test_the_answer_goes_back_to_the_shop(
    terminal: MerchantClient, simulator: Simulator, answer: str
) -> None:
    operation_id = terminal.init(purchase())
    asked = Page(visit(simulator, form(operation_id)))
    back = Page(press(simulator, asked, answer))
    assert back.action == RETURN
    assert len(back.buttons) == 1
    script = urljoin(urljoin(BANK, asked.action), back.scripts[0]["src"])
    served = simulator.handle("GET", script, {}, b"")
    assert (served.status, served.headers["Content-Type"]) == (200, "text/javascript")
    if answer == "walk_away":
        assert back.fields == {}
        return
    assert set(back.fields) == {"PaRes", "paymentId"}
    assert back.fields["paymentId"] == operation_id
    assert set("+/=") <= set(back.fields["PaRes"])
    body = {
        "operationId": operation_id,
        "threeDSAuthResponse": back.fields["PaRes"],
    }
    validated = terminal.post("/orders/3steps/validation", body)["operation"]
    good = answer == "approve"
    assert validated["operationResult"] == (
        "THREEDS_VALIDATED" if good else "THREEDS_FAILED"
    )


@pytest.mark.parametrize(
    "ending", [e for e in CARDS if e not in ("challenge", "gateway_down", "risk")]
)
def test_other_cards_go_straight_back(
    terminal: MerchantClient, simulator: Simulator, ending: str
) -> None:
    page = Page(visit(simulator, form(terminal.init(purchase(ending)))))
    assert page.action == RETURN
    assert urljoin(BANK, page.scripts[0]["src"]) == BANK + ".js"
    assert (page.fields["PaRes"] == "notneeded") is (ending == "frictionless")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/back",
        "//shop.test/back",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://shop.test/",
        "https:",
        "https://[shop.test/",
    ],
)
def test_only_web_addresses_to_return_to(
    terminal: MerchantClient, simulator: Simulator, url: str
) -> None:
    fields = form(terminal.init(purchase()), ReturnUrl=url)
    for path in ("", "/answer"):
        reply = visit(simulator, fields | {"answer": "approve"}, BANK + path)
        assert reply.status == 400
        assert Page(reply).action == ""


def test_what_a_shop_sends_is_escaped(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    hostile = 'https://shop.test/"><script>alert(1)</script>'
    page = Page(visit(simulator, form(terminal.init(purchase()), ReturnUrl=hostile)))
    assert page.scripts == []
    assert html.escape(hostile) in page.source
    assert page.fields["ReturnUrl"] == hostile


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "", b"", 400),
        ("POST", "", b"", 400),
        ("POST", "", b"\xff", 400),
        ("POST", "", urlencode(form("1")).encode(), 400),
        ("GET", ".js", b"", 200),
    ],
)
def test_opened_in_another_way(
    simulator: Simulator, method: str, path: str, body: bytes, status: int
) -> None:
    assert simulator.handle(method, BANK + path, {}, body).status == status


def test_no_other_page(terminal: MerchantClient, simulator: Simulator) -> None:
    fields = form(terminal.init(purchase()))
    assert visit(simulator, fields, BANK + "/other").status == 404


def test_no_answer_for_an_unknown_operation(simulator: Simulator) -> None:
    assert simulator.answer_challenge("1", "approve") == {}
