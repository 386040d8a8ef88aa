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
Answer = tuple[str, dict[str, str], bytes]


class Browser:
    """Posts and gets. Keeps no cookies but the one for CSRF."""

    def __init__(self) -> None:
        self.app = WSGIHandler()

    def ask(self, path: str, fields: dict[str, Any] | None = None) -> Answer:
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
    """``calls`` of the gateway in a payment; ``floor`` is what it is compared with."""

    name: str
    calls: int
    floor: str
    pay: Callable[[Browser], None]


def reference() -> str:
    return f"BENCH{next(_references)}"


def _at_once(path: str, good: bytes) -> Callable[[Browser], None]:
    def pay(browser: Browser) -> None:
        status, headers, body = browser.ask(path, {**CARD, "reference": reference()})
        assert good in (body or headers["Location"].encode()), (status, body)

    return pay


def _and_back(begin: str, back: str, good: bytes) -> Callable[[Browser], None]:
    def pay(browser: Browser) -> None:
        _, _, body = browser.ask(begin, {**CARD, "reference": reference()})
        # the floor holds no card: it is posted again, which ours does not look at
        again = {**CARD, **json.loads(body), "PaRes": "Y" * 600}
        _, _, body = browser.ask(back, again)
        assert good in body, body

    return pay


def _pages(browser: Browser) -> None:
    """Card page, card, bank, back, result: all that is shipped."""
    from decimal import Decimal

    from benchmarks.payment.reading import form_in
    from nexi_payments import flows

    order = flows.create_order(
        amount=Decimal("12.50"), currency="EUR", reference=reference()
    )
    page = order.get_absolute_url()
    browser.ask(page)
    fields = form_in(browser.ask(page, CARD)[2])
    back = fields["ReturnUrl"].removeprefix("http://127.0.0.1:8000")
    bank = {"PaRes": "Y" * 600, "paymentId": fields["transactionId"]}
    status, headers, _ = browser.ask(back, bank)
    assert status.startswith("303"), status
    status, _, _ = browser.ask(headers["Location"])
    order.refresh_from_db()
    assert (status[:3], order.state) == ("200", "paid"), (status, order.state)


def flows_to_measure() -> list[Flow]:
    ours, floor = b'"paid"', b'"EXECUTED"'
    found = [
        Flow("floor, MOTO", 1, "", _at_once("/floor/moto/", floor)),
        Flow("ours, MOTO", 1, "floor, MOTO", _at_once("/ours/moto/", ours)),
        Flow(
            "floor, MOTO, with our trips to the database",
            1,
            "floor, MOTO",
            _at_once("/floor/moto/trips/", floor),
        ),
    ]
    if find_spec("payments") and find_spec("djstripe"):
        found += [
            Flow(name, 1, "floor, MOTO", _at_once(f"/peers/{path}/", good))
            for name, path, good in (
                ("django-payments, card form", "authorizenet", b"/done/"),
                ("dj-stripe, create and sync", "djstripe", b'"succeeded"'),
                ("stripe-python, bare view", "stripe", b'"succeeded"'),
            )
        ]
    for name, path, calls in (("2 steps", "2steps", 2), ("3 steps", "3steps", 3)):
        bare = _and_back(f"/floor/{path}/", f"/floor/{path}/back/", floor)
        full = _and_back(f"/ours/{path}/", "/ours/back/", ours)
        found += [
            Flow(f"floor, {name}", calls, "", bare),
            Flow(f"ours, {name}", calls, f"floor, {name}", full),
        ]
    trips = _and_back("/floor/3steps/", "/floor/3steps/back/trips/", floor)
    return [
        *found,
        Flow("ours, 3 steps, all pages", 3, "floor, 3 steps", _pages),
        Flow(
            "floor, 3 steps, with our trips to the database",
            3,
            "floor, 3 steps",
            trips,
        ),
    ]
