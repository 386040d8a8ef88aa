"""A known card is posted while something fails before, around and after the view, and
looked for in whatever is told about that: error mails, debug pages, logs, frames."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import django
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.core import mail
from django.core.signals import got_request_exception
from django.db import OperationalError, connection, connections
from django.test import AsyncClient, Client
from django.utils.log import AdminEmailHandler

from nexi_payments import flows
from nexi_payments.flows import moto
from nexi_payments.models import CardVerification, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.api_clients import API_ROOT, PURCHASE, PayerClient, ShopServer
from tests.support.clerk import Clerk, card_url
from tests.support.shopper import new_order
from tests.system.test_canary import (
    AMEX,
    ears,
    everything_stored,
    found_in,
    frames_of,
    sent_emails,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]
assert ears  # the fixture

FORM = "application/x-www-form-urlencoded"
CARD = {
    "cardholder_name": "Giulia Bianchi",
    "card_number": AMEX.number,
    "expiry": AMEX.expiry,
    "security_code": AMEX.cvv,
}
SLOTS = range(len(django_settings.MIDDLEWARE) + 1)
PLACES = ["pay", "desk", "verify", "api-pay", "api-moto", "api-card-verifications"]


class Post:
    """A request with a card, by somebody who may send it."""

    def __init__(self, place: str) -> None:
        self.headers: dict[str, str] = {}
        self.browser = Client(HTTP_HOST="127.0.0.1:8000")
        fields: dict[str, str] = {}
        if place == "pay":
            self.path = new_order().get_absolute_url()
        elif place in ("desk", "verify"):
            clerk = Clerk("take_moto", "verify_card")
            self.browser = clerk.browser
            self.path = "/admin/nexi_payments/cardverification/verify/"
            if place == "desk":
                order = moto.create_moto_order(
                    amount=Decimal("12.50"),
                    currency="EUR",
                    reference="R-1",
                    terminal="moto",
                    actor=flows.Actor(clerk.user),
                )
                self.path = card_url(order)
            fields = {"currency": "EUR", "nonce": uuid.uuid4().hex}
        elif place == "api-pay":
            payer = PayerClient(new_order())
            self.headers = payer.headers
            self.path = f"{API_ROOT}checkout/{payer.id}/pay/"
        else:
            server = ShopServer("take_moto", "verify_card")
            self.browser = server.browser
            self.path = API_ROOT + place.removeprefix("api-") + "/"
            fields = PURCHASE if place == "api-moto" else {"currency": "EUR"}
        fields = {**fields, **CARD}  # last: what is cut off is of the card
        self.kind = FORM
        self.body = urlencode(fields).encode()
        if place.startswith("api"):
            self.headers["Idempotency-Key"] = str(uuid.uuid4())
            self.kind = "application/json"
            self.body = json.dumps(fields).encode()
        self.browser.raise_request_exception = False
        self.browser.handler._middleware_chain = None  # loaded anew, as it is set then

    def send(self, **more: Any) -> Any:
        return self.browser.generic(
            "POST", self.path, self.body, self.kind, headers=self.headers, **more
        )


class Reports:
    """All that is told of the requests meanwhile."""

    def __init__(self, ears: io.StringIO) -> None:
        self.ears = ears
        self.frames: list[str] = []
        self.pages: list[str] = []

    def note(self, sender: Any, request: Any, **kwargs: Any) -> None:
        error = sys.exc_info()[1]
        assert error is not None
        stream = request.META.get("wsgi.input")
        self.frames += [
            frames_of(error),
            repr(vars(request)),
            repr(dict(request.POST.lists())),
            request.body.decode("latin-1"),
            stream.read().decode("latin-1") if stream is not None else "",
        ]

    def found(self) -> list[str]:
        told = [
            *self.frames,
            *self.pages,
            self.ears.getvalue(),
            *sent_emails(),
        ]
        return [word for text in told for word in found_in(text, AMEX)]


@pytest.fixture
def reports(ears: io.StringIO, settings: Any) -> Iterator[Reports]:
    ada = "ada@shop.example"
    settings.ADMINS = [ada if django.VERSION >= (6, 0) else ("Ada", ada)]
    mails = AdminEmailHandler(include_html=True)
    mails.setLevel(logging.WARNING)
    logger = logging.getLogger("django")
    it = Reports(ears)
    with ExitStack() as end:
        logger.addHandler(mails)
        end.callback(logger.removeHandler, mails)
        got_request_exception.connect(it.note)
        end.callback(got_request_exception.disconnect, it.note)
        yield it


def broken_in(slot: int, kind: str) -> list[str]:
    around = list(django_settings.MIDDLEWARE)
    around.insert(slot, f"tests.support.failing_middleware.{kind}")
    return around


def told(reports: Reports, answer: Any, status: int = 500) -> None:
    assert answer.status_code == status
    reports.pages.append(answer.content.decode())
    assert any(one.alternatives for one in mail.outbox), "nobody was told"
    assert reports.found() == []


@pytest.mark.parametrize(
    ("slot", "debug"),
    [
        *((slot, True) for slot in SLOTS),
        # fewer values are reported: outermost and innermost are enough
        *((slot, False) for slot in (SLOTS[0], SLOTS[-1])),
    ],
)
@pytest.mark.parametrize("kind", ["OnRequest", "OnView", "OnResponse"])
@pytest.mark.parametrize("place", PLACES)
def test_a_middleware_that_breaks_tells_no_card(
    gateway: Simulator,
    settings: Any,
    reports: Reports,
    place: str,
    slot: int,
    kind: str,
    debug: bool,
) -> None:
    post = Post(place)
    settings.DEBUG = debug
    settings.MIDDLEWARE = broken_in(slot, kind)
    told(reports, post.send())
    assert len(reports.frames) == 5
    assert ("tests/support/failing_middleware.py" in reports.pages[0]) == debug
    assert found_in(everything_stored(), AMEX) == []
    if kind != "OnResponse":
        assert gateway.calls == ()


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("place", PLACES)
def test_another_host_name(
    gateway: Simulator, settings: Any, reports: Reports, place: str, debug: bool
) -> None:
    post = Post(place)
    settings.DEBUG = debug
    told(reports, post.send(HTTP_HOST="shop.invalid"), 400)
    assert gateway.calls == ()


class Gone(io.BytesIO):
    """Half of the body arrives."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body[: len(body) - 4])
        self.read_before = False

    def read(self, size: int | None = -1, /) -> bytes:
        if self.read_before:
            raise OSError("the client has gone")
        self.read_before = True
        return super().read(size)


def cut(body: bytes) -> dict[str, Any]:
    return {"wsgi.input": io.BytesIO(body[:-4]), "CONTENT_LENGTH": len(body) - 4}


def sent(body: bytes) -> dict[str, Any]:
    return {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": len(body)}


BROKEN_BODIES: dict[str, Any] = {
    "cut": lambda body: sent(body[:-4]),
    "no UTF-8": lambda body: sent(body[:-4] + b"\xe8\xff"),
    "gone": lambda body: {"wsgi.input": Gone(body), "CONTENT_LENGTH": len(body)},
    "short": lambda body: {**sent(body[:-4]), "CONTENT_LENGTH": len(body)},
}


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("slot", [0, len(SLOTS) - 1])
@pytest.mark.parametrize("broken", sorted(BROKEN_BODIES))
@pytest.mark.parametrize("place", PLACES)
def test_a_broken_body(
    gateway: Simulator,
    settings: Any,
    reports: Reports,
    place: str,
    broken: str,
    slot: int,
    debug: bool,
) -> None:
    post = Post(place)
    settings.DEBUG = debug
    settings.MIDDLEWARE = broken_in(slot, "OnRequest")
    told(reports, post.send(**BROKEN_BODIES[broken](post.body)))
    assert gateway.calls == ()


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("broken", sorted(BROKEN_BODIES))
@pytest.mark.parametrize("place", PLACES)
def test_a_broken_body_is_answered(
    gateway: Simulator,
    settings: Any,
    reports: Reports,
    place: str,
    broken: str,
    debug: bool,
) -> None:
    """By the view, and nothing is charged."""
    post = Post(place)
    settings.DEBUG = debug
    answer = post.send(**BROKEN_BODIES[broken](post.body))
    reports.pages.append(answer.content.decode())
    assert reports.found() == []
    assert gateway.calls == ()
    if place.startswith("api"):
        assert answer.status_code == 400
        assert answer.json()["code"] == "invalid_body"
    else:
        assert answer.status_code == (200 if place == "pay" else 400)


def away(execute: Any, sql: str, *rest: Any) -> Any:
    raise OperationalError("the database is away")


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("way", ["user", "csrf", "view"])
@pytest.mark.parametrize("place", PLACES)
def test_the_database_is_away(
    gateway: Simulator,
    settings: Any,
    reports: Reports,
    place: str,
    way: str,
    debug: bool,
) -> None:
    post = Post(place)
    if place in ("pay", "api-pay"):
        post.browser.force_login(Clerk(name="somebody").user)
    settings.DEBUG = debug
    if way == "csrf":
        settings.CSRF_USE_SESSIONS = True
        post.browser.handler.enforce_csrf_checks = True
    if way == "user":
        settings.MIDDLEWARE = broken_in(len(SLOTS) - 2, "ReadsUser")
    with connection.execute_wrapper(away):
        if way == "csrf" and not debug:
            # Django's page for errors needs the session, too: the server gets it
            with pytest.raises(OperationalError) as raised:
                post.send()
            reports.frames.append(frames_of(raised.value))
            assert reports.found() == []
        else:
            told(reports, post.send())
    assert len(reports.frames) >= 5
    assert gateway.calls == ()


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("fails", ["tag", "processor"])
@pytest.mark.parametrize("place", ["pay", "desk", "verify"])
def test_a_template_fails(
    gateway: Simulator,
    settings: Any,
    reports: Reports,
    tmp_path: Any,
    place: str,
    fails: str,
    debug: bool,
) -> None:
    post = Post(place)
    settings.DEBUG = debug
    engine = {**settings.TEMPLATES[0], "DIRS": [tmp_path]}
    if fails == "tag":
        (tmp_path / "nexi_payments").mkdir()
        for name in ("pay", "phone_order_card", "verify_card"):
            page = tmp_path / "nexi_payments" / f"{name}.html"
            page.write_text("{{ form.as_p }}{% url 'nowhere' form request.POST %}")
    else:
        mine = [
            *engine["OPTIONS"]["context_processors"],
            "tests.support.failing_middleware.failing_context_processor",
        ]
        engine["OPTIONS"] = {"context_processors": mine}
    settings.TEMPLATES = [engine]
    post.body = post.body.replace(b"12%2F30", b"12%2F99")
    answer = post.send()
    if debug:
        told(reports, answer)
    else:  # our own template is shown instead, and nothing but a log line tells it
        assert answer.status_code == (200 if place == "pay" else 400)
        reports.pages.append(answer.content.decode())
        assert reports.found() == []
    assert gateway.calls == ()


# -- addresses that are none, or become one later --------------------------------------


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("changed", ["no slash", "two slashes", "nowhere", "script"])
def test_an_address_that_is_not_quite_right(
    gateway: Simulator,
    settings: Any,
    reports: Reports,
    place: str,
    changed: str,
    debug: bool,
) -> None:
    post = Post(place)
    settings.DEBUG = debug
    settings.MIDDLEWARE = broken_in(0, "OnRequest")
    more = {}
    if changed == "no slash":
        post.path = post.path.rstrip("/")
    elif changed == "two slashes":
        post.path = "/" + post.path
        more = {"PATH_INFO": post.path}
    elif changed == "nowhere":
        post.path = "/de/shop" + post.path
    else:
        more = {"SCRIPT_NAME": "/shop"}
    told(reports, post.send(**more))


@pytest.mark.parametrize("place", PLACES)
def test_a_middleware_chooses_the_urlconf(
    gateway: Simulator, settings: Any, reports: Reports, place: str
) -> None:
    """Later than the card is set aside, and it is taken all the same."""
    post = Post(place)
    settings.ROOT_URLCONF = "tests.support.urls_empty"
    settings.MIDDLEWARE = [
        "tests.support.failing_middleware.TenantUrlconf",
        *settings.MIDDLEWARE,
    ]
    answer = post.send(HTTP_HOST="localhost")
    assert answer.status_code in (200, 201, 302), answer.content
    assert len(gateway.calls) >= 1
    assert reports.found() == []


# -- other servers ---------------------------------------------------------------------


@pytest.mark.parametrize("slot", [0, 4, len(SLOTS) - 1])
@pytest.mark.parametrize("place", ["pay", "api-pay"])
def test_on_an_async_server(
    gateway: Simulator, settings: Any, reports: Reports, place: str, slot: int
) -> None:
    post = Post(place)
    settings.DEBUG = True
    settings.MIDDLEWARE = broken_in(slot, "OnRequest")
    browser = AsyncClient(raise_request_exception=False)

    async def send() -> Any:
        answer = await browser.generic(
            "POST", post.path, post.body, post.kind, headers=post.headers
        )
        await sync_to_async(connections.close_all)()
        return answer

    told(reports, asyncio.run(send()))


# -- and payments work -----------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
def test_a_card_is_taken_once(
    gateway: Simulator, settings: Any, reports: Reports, place: str
) -> None:
    post = Post(place)
    answer = post.send()
    assert answer.status_code in (200, 201, 302), answer.content
    assert len(gateway.calls) >= 1
    if place in ("verify", "api-card-verifications"):
        assert CardVerification.objects.get().card_last4 == AMEX.number[-4:]
    else:
        assert PaymentOrder.objects.get().card_last4 == AMEX.number[-4:]
    assert reports.found() == []
