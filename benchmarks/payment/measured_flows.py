"""Whoever pays, as bytes on the WSGI callable."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlencode

from django.core.handlers.wsgi import WSGIHandler

from nexi_payments.simulator import TEST_CARDS

CARD = {
    "cardholder_name": "Giulia Bianchi",
    "card_number": TEST_CARDS[0].number,
    "expiry": TEST_CARDS[0].expiry.replace("/", ""),
    "security_code": TEST_CARDS[0].cvv,
}
_references = itertools.count(1)
WsgiResponse = tuple[str, dict[str, str], bytes]


class WsgiClient:
    """Posts and gets. Keeps no cookies but the one for CSRF."""

    def __init__(self) -> None:
        self.app = WSGIHandler()

    def request(self, path: str, fields: dict[str, Any] | None = None) -> WsgiResponse:
        body = urlencode(fields or {}).encode()
        path, _, query = path.partition("?")
        environ = {
            "REQUEST_METHOD": "GET" if fields is None else "POST",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SCRIPT_NAME": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "127.0.0.1:8000",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_COOKIE": "csrftoken=" + "a" * 32,
            "HTTP_X_CSRFTOKEN": "a" * 32,
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "wsgi.version": (1, 0),
        }
        begun: list[Any] = []
        answer = self.app(environ, lambda *args: begun.extend(args))
        content = b"".join(answer)
        answer.close()
        return begun[0], dict(begun[1]), content


@dataclass(frozen=True)
class Flow:
    """``calls`` of the gateway in a payment; ``baseline``: what it is compared with."""

    name: str
    calls: int
    baseline: str
    pay: Callable[[WsgiClient], None]


def next_reference() -> str:
    return f"BENCH{next(_references)}"


def _single_request(path: str, good: bytes) -> Callable[[WsgiClient], None]:
    def pay(browser: WsgiClient) -> None:
        status, headers, body = browser.request(
            path, {**CARD, "reference": next_reference()}
        )
        assert good in (body or headers["Location"].encode()), (status, body)

    return pay


def _with_return(begin: str, back: str, good: bytes) -> Callable[[WsgiClient], None]:
    def pay(browser: WsgiClient) -> None:
        _, _, body = browser.request(begin, {**CARD, "reference": next_reference()})
        # the baseline holds no card: it is posted again, which ours does not look at
        again = {**CARD, **json.loads(body), "PaRes": "Y" * 600}
        _, _, body = browser.request(back, again)
        assert good in body, body

    return pay


def _all_pages(browser: WsgiClient) -> None:
    """Card page, card, bank, back, result: all that is shipped."""
    from decimal import Decimal

    from nexi_payments import flows
    from nexi_payments.testing.forms import hidden_fields

    order = flows.create_order(
        amount=Decimal("12.50"), currency="EUR", reference=next_reference()
    )
    page = order.page_url()
    browser.request(page)
    fields = hidden_fields(browser.request(page, CARD)[2].decode())
    back = fields["ReturnUrl"].removeprefix("http://127.0.0.1:8000")
    bank = {"PaRes": "Y" * 600, "paymentId": fields["transactionId"]}
    status, headers, _ = browser.request(back, bank)
    assert status.startswith("303"), status
    status, _, _ = browser.request(headers["Location"])
    order.refresh_from_db()
    assert (status[:3], order.state) == ("200", "paid"), (status, order.state)


def flows_to_measure() -> list[Flow]:
    ours, baseline = b'"paid"', b'"EXECUTED"'
    found = [
        Flow("baseline, MOTO", 1, "", _single_request("/baseline/moto/", baseline)),
        Flow("ours, MOTO", 1, "baseline, MOTO", _single_request("/ours/moto/", ours)),
        Flow(
            "baseline, MOTO, with our queries",
            1,
            "baseline, MOTO",
            _single_request("/baseline/moto/queries/", baseline),
        ),
    ]
    if find_spec("payments") and find_spec("djstripe"):
        found += [
            Flow(name, 1, "baseline, MOTO", _single_request(f"/others/{path}/", good))
            for name, path, good in (
                ("django-payments, card form", "authorizenet", b"/done/"),
                ("dj-stripe, create and sync", "djstripe", b'"succeeded"'),
                ("stripe-python, bare view", "stripe", b'"succeeded"'),
            )
        ]
    for name, path, calls in (("2 steps", "2steps", 2), ("3 steps", "3steps", 3)):
        bare = _with_return(f"/baseline/{path}/", f"/baseline/{path}/back/", baseline)
        full = _with_return(f"/ours/{path}/", "/ours/back/", ours)
        found += [
            Flow(f"baseline, {name}", calls, "", bare),
            Flow(f"ours, {name}", calls, f"baseline, {name}", full),
        ]
    with_queries = _with_return(
        "/baseline/3steps/", "/baseline/3steps/back/queries/", baseline
    )
    return [
        *found,
        Flow("ours, 3 steps, all pages", 3, "baseline, 3 steps", _all_pages),
        Flow(
            "baseline, 3 steps, with our queries",
            3,
            "baseline, 3 steps",
            with_queries,
        ),
    ]
