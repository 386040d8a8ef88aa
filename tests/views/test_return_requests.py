"""Ways back other than a plain post: methods, middleware, no database, async."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.db import connection
from django.test import AsyncClient, Client

from nexi_payments.enums import OrderState
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.shopper import Shopper, new_order
from tests.views.test_return_body import (
    FORM,
    PARTS,
    Make,
    _form,
    _named,
    _parts,
    _raw,
    picture,
    send,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]


# -- other ways ------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", [FORM, PARTS, f"{FORM}; charset=UTF8"])
def test_after_a_middleware_that_has_read_it(
    shopper: Shopper, settings: Any, sent_pares: list[str], content_type: str
) -> None:
    settings.MIDDLEWARE = [
        "tests.views.test_return_requests.curious",
        *settings.MIDDLEWARE,
    ]
    form = shopper.start(new_order())
    fields = shopper.answer_challenge(form)
    make = _parts() if content_type == PARTS else _form
    body = make(fields["PaRes"], fields["paymentId"])
    assert send(form, body, content_type) == 303
    assert sent_pares == [fields["PaRes"]]


@pytest.mark.parametrize(
    "content_type", [f"{FORM}; charset=windows-1253", f"{FORM}; charset=none", PARTS]
)
def test_after_a_middleware_that_lets_django_refuse_it(
    shopper: Shopper, settings: Any, sent_pares: list[str], content_type: str
) -> None:
    """Django answers 400 to a charset that it does not take, wherever it is asked for
    the form: it finds none."""
    settings.MIDDLEWARE = [
        "tests.views.test_return_requests.careless",
        *settings.MIDDLEWARE,
    ]
    form = shopper.start(new_order())
    fields = shopper.answer_challenge(form)
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1
    make = _parts() if content_type == PARTS else _form
    body = make(fields["PaRes"], fields["paymentId"])
    assert send(form, body, content_type) == 303
    assert sent_pares == [fields["PaRes"]]


def careless(get_response: Any) -> Any:
    def look(request: Any) -> Any:
        request.POST.get("anything")
        return get_response(request)

    return look


def curious(get_response: Any) -> Any:
    """A middleware of a host that looks into every post, and survives what it finds."""

    def look(request: Any) -> Any:
        try:
            request.POST.get("anything")
        except Exception:
            logging.getLogger("host").debug("odd")
        return get_response(request)

    return look


def test_a_post_that_has_it_in_its_address(
    shopper: Shopper, sent_pares: list[str]
) -> None:
    form = shopper.start(new_order())
    fields = shopper.answer_challenge(form)
    query = _raw(fields["PaRes"], fields["paymentId"]).decode()
    assert send(form, b"", None, QUERY_STRING=query) == 303
    assert sent_pares == [fields["PaRes"]]


@pytest.mark.parametrize("make", [_form, _raw, _named("pares", "PAYMENTID")])
def test_a_get_that_has_it_is_posted_again(
    shopper: Shopper, gateway: Simulator, make: Make
) -> None:
    from tests.support.shopper import parse_form

    form = shopper.start(new_order())
    fields = shopper.answer_challenge(form)
    before = picture()
    query = make(fields["PaRes"], fields["paymentId"]).decode()
    answer = Client(HTTP_HOST="127.0.0.1:8000").get(f"{form.path}?{query}")
    assert answer.status_code == 200
    assert parse_form(answer).fields == fields
    assert picture() == before


@pytest.mark.parametrize(
    "method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"]
)
def test_other_methods_only_show(
    shopper: Shopper, gateway: Simulator, caplog: Any, method: str
) -> None:
    form = shopper.start(new_order())
    fields = shopper.answer_challenge(form)
    before, calls = picture(), len(gateway.calls)
    answer = Client(HTTP_HOST="127.0.0.1:8000").generic(
        method, form.path, _form(fields["PaRes"], fields["paymentId"]), FORM
    )
    order = PaymentOrder.objects.get()
    assert (answer.status_code, answer["Location"]) == (
        303,
        f"/payments/result/{order.public_id}/",
    )
    assert picture() == before
    assert len(gateway.calls) == calls
    assert form.path.split("/")[-2] not in caplog.text


def test_a_database_that_is_away_shows_no_error_page(
    shopper: Shopper, gateway: Simulator, monkeypatch: Any, caplog: Any
) -> None:
    form = shopper.start(new_order())
    fields = shopper.answer_challenge(form)

    def away(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("away")

    with monkeypatch.context() as patched:
        patched.setattr(connection, "cursor", away)
        body = _form(fields["PaRes"], fields["paymentId"])
        assert send(form, body, FORM) == 303
    assert form.path.split("/")[-2] not in caplog.text
    shopper.return_from_issuer(form, fields)
    assert PaymentOrder.objects.get().state == OrderState.PAID


def test_on_an_async_server(shopper: Shopper, sent_pares: list[str]) -> None:
    import asyncio

    from asgiref.sync import sync_to_async
    from django.db import connections

    form = shopper.start(new_order())
    fields = shopper.answer_challenge(form)
    body = _raw(fields["PaRes"], fields["paymentId"])

    async def post() -> int:
        answer = await AsyncClient().post(
            form.path, body, content_type=f"{FORM}; charset=windows-1253"
        )
        await sync_to_async(connections.close_all)()
        return answer.status_code

    assert asyncio.run(post()) == 303
    assert sent_pares == [fields["PaRes"]]
