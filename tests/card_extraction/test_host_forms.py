"""Forms of the host at URLs that may be ours: its view gets the posted body unchanged.
Cards posted to URLs that turn out to be ours."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from asgiref.sync import sync_to_async
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.http import HttpResponse, JsonResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import include, path

from nexi_payments import card_extraction
from nexi_payments.simulator import Simulator
from nexi_payments.views import pay
from tests.support.canary import AMEX
from tests.support.card_posts import CARD, FORM
from tests.support.shopper import new_order

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]

JSON = "application/json"
OWN_PAGE = "/account/pay/0f8fad5b-d9cb-469f-a165-70867728950e/"


def mirror(request: Any, name: str = "") -> JsonResponse:
    """A page of the host, which tells what it got in each way."""
    return JsonResponse(
        {
            "post": request.POST.dict(),
            "body": request.body.decode("latin-1"),
            "stream": request.read().decode("latin-1"),
            "server's": request.environ["wsgi.input"].read().decode("latin-1")
            if hasattr(request, "environ")
            else "",
            "length": request.META["CONTENT_LENGTH"],
            "files": {name: one.read().decode() for name, one in request.FILES.items()},
        }
    )


def around_ours(request: Any, public_id: str) -> HttpResponse:
    """A view of the host that calls ours, without a mark."""
    return pay(request, public_id=public_id)


urlpatterns = [
    path("vouchers/", mirror),
    path("account/pay/<slug:name>/", mirror),
    path("around/<slug:public_id>/", around_ours),
    path("", include("tests.urls")),
]

seen: list[Any] = []


class Chooses:
    """Like packages for subdomains. Looks at the form before the view is known."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        request.urlconf = __name__
        seen.append((request.POST.dict(), request.body))
        return self.get_response(request)


@pytest.fixture
def tenant(settings: Any) -> Client:
    settings.MIDDLEWARE = [f"{__name__}.Chooses", *settings.MIDDLEWARE]
    settings.ROOT_URLCONF = "tests.support.urls_empty"
    seen.clear()
    return Client(HTTP_HOST="127.0.0.1:8000")


#: kind of content, body
INNOCENT = {
    "another name": (FORM, b"gift_card_number=GC-77&quantity=100&year=2026&amount=250"),
    "a text": (JSON, b'{"q": "what is my card_number?", "amount": 100}'),
    "a text in a form": (FORM, b"q=card_number&amount=100"),
    "a list": (JSON, b'["card_number", 100]'),
    "no JSON": (JSON, b'{"q": 100, "q": 200}'),
    "plain": ("text/plain", b"card_number 100"),
}
#: What of it has the name of a card's field is not shown to middleware.
NAMED = {
    "second factor": (FORM, b"security_code=123456&quantity=100&year=2026"),
    "in JSON": (JSON, b'{"a": [{"card_number": "GC-77"}], "year": 2026}'),
    "no JSON": (JSON, b'{"card_number": "GC-77", "card_number": "GC-77"}'),
    "cut": (JSON, b'{"card_number": "GC-77"'),
}


def got(answer: Any, body: bytes) -> Any:
    assert answer.status_code == 200, answer.content
    told = answer.json()
    text = body.decode()
    assert (told["body"], told["stream"]) == (text, text)
    assert told["server's"] in (text, "")
    assert told["length"] == str(len(body))
    return told


@pytest.mark.parametrize("what", sorted(INNOCENT))
def test_an_innocent_form_of_a_tenant(tenant: Client, what: str) -> None:
    kind, body = INNOCENT[what]
    told = got(tenant.post("/vouchers/", body, content_type=kind), body)
    fields = dict(pair.split("=") for pair in body.decode().split("&") if kind == FORM)
    assert told["post"] == fields
    assert seen == [(fields, body)]


@pytest.mark.parametrize("what", sorted(NAMED))
def test_a_form_of_a_tenant_with_names_of_ours(tenant: Client, what: str) -> None:
    kind, body = NAMED[what]
    got(tenant.post("/vouchers/", body, content_type=kind), body)
    assert b"GC-77" not in seen[0][1]


def test_of_which_a_middleware_sees_the_rest(tenant: Client) -> None:
    kind, body = NAMED["second factor"]
    told = got(tenant.post("/vouchers/", body, content_type=kind), body)
    fields = {"security_code": "123456", "quantity": "100", "year": "2026"}
    assert told["post"] == fields
    assert seen == [({**fields, "security_code": ""}, body.replace(b"123456", b""))]


def test_too_many_fields_are_refused_as_they_were(tenant: Client) -> None:
    body = b"security_code=123456" + b"&a" * 1200
    answer = tenant.post("/vouchers/", body, content_type=FORM)
    assert answer.status_code == 400
    assert seen == [({}, b"")]


@pytest.mark.parametrize(("kind", "body"), [*INNOCENT.values(), *NAMED.values()])
def test_a_page_of_the_host_that_ends_as_ours_do(
    settings: Any, kind: str, body: bytes
) -> None:
    settings.ROOT_URLCONF = __name__
    browser = Client(HTTP_HOST="127.0.0.1:8000")
    got(browser.post(OWN_PAGE, body, content_type=kind), body)


@pytest.mark.parametrize("word", ["card_number", "no such word"])
def test_an_upload_stays_as_it_is(tenant: Client, word: str) -> None:
    file = SimpleUploadedFile("a.txt", f"{word} is documented".encode())
    fields = {"doc": file, "card_number": "GC-77", "year": "2026"}
    told = tenant.post("/vouchers/", fields).json()
    assert told["files"] == {"doc": f"{word} is documented"}
    assert told["post"] == {"card_number": "GC-77", "year": "2026"}
    assert seen[0][0] == {"card_number": "GC-77", "year": "2026"}


@pytest.mark.parametrize("what", ["another name", "second factor", "in JSON"])
def test_on_an_async_server(tenant: Client, what: str) -> None:
    kind, body = {**INNOCENT, **NAMED}[what]

    async def send() -> Any:
        browser = AsyncClient(headers={"host": "127.0.0.1:8000"})
        answer = await browser.post("/vouchers/", body, content_type=kind)
        await sync_to_async(connections.close_all)()
        return answer

    got(asyncio.run(send()), body)


def test_a_view_of_ours_below_one_of_the_hosts(
    tenant: Client, gateway: Simulator
) -> None:
    order = new_order()
    page = f"/around/{order.public_id}/"
    answer = tenant.post(page, urlencode(CARD), content_type=FORM)
    assert answer.status_code == 200
    assert len(gateway.calls) == 1
    assert seen[0][0] == {
        "cardholder_name": "Giulia Bianchi",
        "card_number": "",
        "expiry": "",
        "security_code": "",
    }
    request = answer.wsgi_request
    assert AMEX.number.encode() not in request.body
    assert AMEX.number not in repr(vars(request))


# -- what is found at an address that is not quite right -------------------------------

PIECES = {"a": AMEX.number[:8], "b": AMEX.number[8:]}
FOUND = {
    "form": (FORM, urlencode(CARD)),
    "escaped in a form": (FORM, urlencode(CARD).replace("_", "%5F")),
    "escaped in JSON": (JSON, json.dumps(CARD).replace("_", "\\u005f")),
    "in pieces": (JSON, json.dumps({"card_number": PIECES})),
    "pieces in a list": (JSON, json.dumps({"card_number": [*PIECES.values()]})),
    "names of pieces": (
        JSON,
        json.dumps({"card_number": {one: {} for one in PIECES.values()}}),
    ),
    "deep": (JSON, json.dumps([{"order": {"card": CARD}}])),
    "deeper than is read": (JSON, '{"a":' * 2000 + json.dumps(CARD) + "}" * 2000),
    "escaped and twice": (
        JSON,
        json.dumps({"card_number": PIECES}).replace("_", "\\u005F")[:-1]
        + ', "a": 1, "a": 2}',
    ),
}


@pytest.mark.parametrize("what", sorted(FOUND))
def test_a_card_is_set_aside(what: str) -> None:
    kind, body = FOUND[what]
    request = RequestFactory().post("/nowhere/", body, content_type=kind)
    assert card_extraction.extract_card(request, card_extraction.PEEK) == 0
    left = request.body.decode() + repr(request.POST) + repr(vars(request))
    for secret in (AMEX.number, *PIECES.values(), AMEX.cvv):
        assert secret not in left
    card_extraction.restore_body(request)
    card_extraction.restore_body(request)
    assert request.body == body.encode()
    assert card_extraction.take_submission(request) is None


@pytest.mark.parametrize("what", ["in pieces", "pieces in a list", "names of pieces"])
def test_a_number_in_pieces_at_a_card_page(what: str) -> None:
    kind, body = FOUND[what]
    request = RequestFactory().post("/api/payments/moto/", body, content_type=kind)
    assert card_extraction.extract_card(request, card_extraction.JSON) == 0
    assert json.loads(request.body) == {"card_number": ""}
    assert card_extraction.take_submission(request) == json.loads(body)


def test_what_nobody_took_is_forgotten_with_its_original() -> None:
    request = RequestFactory().post("/nowhere/", urlencode(CARD), content_type=FORM)
    card_extraction.extract_card(request, card_extraction.PEEK)
    card_extraction.discard_submission(request)
    card_extraction.restore_body(request)
    assert card_extraction.take_submission(request) is None
    assert AMEX.number.encode() not in request.body
