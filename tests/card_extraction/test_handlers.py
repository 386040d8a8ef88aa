"""Card extraction in every handler, payments through it, and its own defects."""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import Any
from urllib.parse import urlencode

import pytest
from asgiref.sync import sync_to_async
from django.apps import apps
from django.conf import settings as django_settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.test.client import ClientHandler

from nexi_payments import card_extraction
from nexi_payments.card_extraction import handlers
from nexi_payments.card_extraction.submission import CardNotRead
from nexi_payments.enums import OrderState
from nexi_payments.simulator import Simulator
from nexi_payments.views import pay
from tests.card_extraction.test_body import LIMIT, MULTIPART, refused
from tests.support.canary import break_at
from tests.support.card_posts import CARD, FORM, PLACES, Post
from tests.support.shopper import Shopper, new_order, post_form

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]


# -- the card on its way ---------------------------------------------------------------


def test_a_submission_shows_nothing_and_is_taken_once() -> None:
    submission = card_extraction.Submission(dict(CARD))
    assert repr(submission) == str(submission) == f"{submission}"
    assert CARD["card_number"] not in repr([submission, {"a": submission}])
    assert not hasattr(submission, "__dict__")
    assert pickle.loads(pickle.dumps(submission)).take() is None
    assert copy.copy(submission) is copy.deepcopy(submission) is submission
    assert submission.take() == CARD
    assert submission.take() is None


def test_a_copied_request_has_the_card_once(settings: Any) -> None:
    request = RequestFactory().post(
        "/payments/pay/x/", urlencode(CARD), content_type=FORM
    )
    card_extraction.extract_card(request, card_extraction.FORM)
    twin = copy.copy(request)
    assert card_extraction.take_submission(twin)["card_number"] == CARD["card_number"]
    assert card_extraction.take_submission(request) is None
    assert CARD["card_number"] not in repr(vars(request))


def test_what_nobody_took_is_forgotten_after_the_response() -> None:
    request = RequestFactory().post(
        "/payments/pay/x/", urlencode(CARD), content_type=FORM
    )

    def chain(request: Any) -> HttpResponse:
        assert vars(request)["_nexi_payments_submission"]._fields is not None
        return HttpResponse()

    handlers._wrap_chain(chain, respond_error=None)(request)  # type: ignore[arg-type]
    assert card_extraction.take_submission(request) is None


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_a_defect_while_reading_leaves_its_frames_behind(error: Any) -> None:
    def reads() -> None:
        number = CARD["card_number"]
        raise error(number)

    kind = CardNotRead if error is ValueError else error
    with pytest.raises(kind) as raised:
        card_extraction.call_without_frames(reads)
    assert raised.value.__context__ is raised.value.__cause__ is None
    names = [entry.name for entry in raised.traceback]
    assert "reads" not in names
    assert CARD["card_number"] not in str(raised.value)
    assert kind is error or str(raised.value) == "ValueError"


# -- every handler ---------------------------------------------------------------------


def test_handlers_are_wrapped_once() -> None:
    apps.get_app_config("nexi_payments").ready()
    chain = get_wsgi_application()._middleware_chain
    assert chain.__module__ == "nexi_payments.card_extraction.handlers"
    inner = dict(zip(chain.__code__.co_freevars, chain.__closure__, strict=True))
    assert (
        inner["chain"].cell_contents.__module__
        != "nexi_payments.card_extraction.handlers"
    )
    assert handlers.extracts_cards(WSGIHandler())
    assert handlers.extracts_cards(ASGIHandler())
    assert handlers.extracts_cards(ClientHandler())


def test_a_handler_that_loads_its_own_way_is_seen() -> None:
    class Own(BaseHandler):
        def load_middleware(self, is_async: bool = False) -> None:
            self._middleware_chain = self.get_response

    handler = Own()
    assert not handlers.extracts_cards(handler)
    handler.load_middleware()
    assert not handlers.extracts_cards(handler)


def test_a_view_that_no_handler_guards_guards_itself(gateway: Simulator) -> None:
    order = new_order()
    factory = RequestFactory(HTTP_HOST="127.0.0.1:8000")

    def ask(body: Any, kind: str = FORM) -> Any:
        request = factory.post(order.get_absolute_url(), body, content_type=kind)
        return request, pay(request, public_id=order.public_id)

    refused(ask(b"x" * (LIMIT + 1))[1], "pay", 413)
    refused(ask(b"x", MULTIPART)[1], "pay", 415)
    assert gateway.calls == ()
    request, answer = ask(urlencode(CARD))
    assert answer.status_code == 200
    assert len(gateway.calls) == 1
    assert CARD["card_number"] not in repr(vars(request))
    assert CARD["card_number"].encode() not in request.body


# -- and payments work -----------------------------------------------------------------


@pytest.mark.parametrize("first", range(len(django_settings.MIDDLEWARE)))
def test_payments_in_any_order_of_middleware(
    shopper: Shopper, settings: Any, first: int
) -> None:
    """Rotated where that is allowed: sessions come before those who ask for them."""
    wanted = list(settings.MIDDLEWARE)
    wanted.insert(0, wanted.pop(first))
    if first in (5, 6):  # users and messages need sessions before them
        wanted.insert(0, wanted.pop(wanted.index(settings.MIDDLEWARE[1])))
    if first == 6:
        wanted.remove(settings.MIDDLEWARE[6])
        wanted.append(settings.MIDDLEWARE[6])
    settings.MIDDLEWARE = wanted
    assert shopper.pay(new_order()).state == OrderState.PAID


@pytest.mark.parametrize("atomic", [True, False])
def test_payments_in_atomic_requests(
    shopper: Shopper, monkeypatch: pytest.MonkeyPatch, atomic: bool
) -> None:
    for connection in connections.all():
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)
    assert shopper.pay(new_order()).state == OrderState.PAID


def test_a_payment_on_an_async_server(gateway: Simulator) -> None:
    order = new_order()
    browser = AsyncClient(headers={"host": "127.0.0.1:8000"})

    async def send() -> Any:
        page = order.get_absolute_url()
        answer = await browser.post(page, urlencode(CARD), content_type=FORM)
        await sync_to_async(connections.close_all)()
        return answer

    assert asyncio.run(send()).status_code == 200
    order.refresh_from_db()
    assert order.state == OrderState.AWAITING_3DS
    assert len(gateway.calls) == 1


def test_csrf_is_checked_with_the_token_that_is_left(gateway: Simulator) -> None:
    page = new_order().get_absolute_url()
    strict = Client(HTTP_HOST="127.0.0.1:8000", enforce_csrf_checks=True)
    assert post_form(strict, page, CARD).status_code == 403
    strict.cookies["csrftoken"] = token = "a" * 32
    assert gateway.calls == ()
    posted = {**CARD, "csrfmiddlewaretoken": token}
    assert post_form(strict, page, posted).status_code == 200
    assert len(gateway.calls) == 1


# -- defects of ours -------------------------------------------------------------------


DEFECTS = [
    "body.read_body",
    "body.body_length",
    "body.is_consumed",
    "body.read_body body.replace_body",
    "body.read_body body.empty_body",
    "extraction.hide_from_error_reports",
    "extraction._rejection_status",
    "extraction._set_aside",
    "extraction._store",
]


@pytest.mark.parametrize("defect", DEFECTS)
@pytest.mark.parametrize("place", PLACES)
def test_a_defect_of_ours_is_a_refusal(
    gateway: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    place: str,
    defect: str,
) -> None:
    """Past Django's own handling: a server would get the error with all its frames."""
    post = Post(place)
    requests: list[Any] = []
    chain = BaseHandler.load_middleware

    def noting(self: Any, is_async: bool = False) -> None:
        chain(self, is_async)
        inner = self._middleware_chain

        def noted(request: Any) -> Any:
            requests.append(request)
            return inner(request)

        self._middleware_chain = noted

    monkeypatch.setattr(BaseHandler, "load_middleware", noting)
    for one in defect.split():
        break_at(monkeypatch, f"nexi_payments.card_extraction.{one}")
    answer = post.send()
    assert gateway.calls == ()
    (request,) = requests
    monkeypatch.undo()
    told = repr(vars(request)) + repr(request.body) + repr(request.POST) + caplog.text
    assert CARD["card_number"] not in told
    assert answer.status_code == 400
    assert "no-store" in answer["Cache-Control"]
    assert any("Defect" in one.getMessage() for one in caplog.records)
    if place.startswith("api"):
        assert answer.json()["code"] == "invalid_body"
    else:
        assert "Nothing has been charged." in answer.content.decode()


def test_a_defect_of_ours_is_no_matter_of_the_hosts(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.ROOT_URLCONF = "tests.card_extraction.test_body"
    break_at(monkeypatch, "nexi_payments.card_extraction.body.body_length")
    settings.MIDDLEWARE = []
    answer = Client().post("/upload/", b"a=1", content_type=FORM)
    assert (answer.status_code, answer.content) == (200, b"a=1|<MultiValueDict: {}>")


@pytest.mark.parametrize("stop", [SystemExit, KeyboardInterrupt])
def test_what_stops_the_process_leaves_its_frames_behind(
    monkeypatch: pytest.MonkeyPatch, stop: Any
) -> None:
    def stops(raw: Any) -> None:
        number = CARD["card_number"]
        raise stop(number)

    monkeypatch.setattr("nexi_payments.card_extraction.body.split_form", stops)
    request = RequestFactory().post("/x/", urlencode(CARD), content_type=FORM)
    with pytest.raises(stop) as raised:
        card_extraction.extract_card(request, card_extraction.FORM)
    assert "stops" not in [entry.name for entry in raised.traceback]
    assert CARD["card_number"] not in str(raised.value)
