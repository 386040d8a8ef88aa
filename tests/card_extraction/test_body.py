"""The body of a request with a card: how much is read, and what the host gets."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.db import connections
from django.http import HttpResponse, UnreadablePostError
from django.test import Client, RequestFactory
from django.test.client import ClientHandler
from django.urls import path

from nexi_payments import card_extraction
from nexi_payments.card_extraction import handlers
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from nexi_payments.views import pay
from tests.support.card_posts import CARD, FORM, PLACES, Post
from tests.support.shopper import new_order

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]

JSON = "application/json"
LIMIT = 16 * 1024
MULTIPART = "multipart/form-data; boundary=x"


class Counting(io.BytesIO):
    """A server's stream that counts what is read of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        got = super().read(size)
        self.taken += len(got)
        return got


def stream(body: bytes) -> dict[str, Any]:
    return {"wsgi.input": Counting(body), "CONTENT_LENGTH": len(body)}


def refused(answer: Any, place: str, status: int) -> None:
    assert answer.status_code == status
    assert "no-store" in answer["Cache-Control"]
    if not place.startswith("api"):
        assert "form-action" in answer["Content-Security-Policy"]
        assert "This form could not be read" in answer.content.decode()
        assert "Nothing has been charged." in answer.content.decode()
        return
    code = {413: "body_too_large", 415: "unsupported_media_type"}[status]
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": f"urn:nexi-payments:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": {413: "The body is too large.", 415: "Send application/json."}[
            status
        ],
    }


# -- the limit -------------------------------------------------------------------------


@pytest.mark.parametrize("size", [LIMIT + 1, 98 * 1024, 391 * 1024, 1024 * 1024])
@pytest.mark.parametrize("place", PLACES)
def test_a_large_body_is_refused_unread(
    gateway: Simulator, place: str, size: int
) -> None:
    post = Post(place)
    before = PaymentOrder.objects.count()
    much = stream(b"card_number=" + b"1 " * (size // 2) + b"1" * (size % 2))
    much["CONTENT_LENGTH"] = size
    refused(post.send(**much), place, 413)
    assert much["wsgi.input"].taken == 0
    assert gateway.calls == ()
    assert PaymentOrder.objects.count() == before


def test_nobody_needs_to_be_known_for_that(gateway: Simulator) -> None:
    much = stream(b"x" * (LIMIT + 1))
    answer = Client(enforce_csrf_checks=True).generic(
        "POST", "/payments/pay/unknown/", content_type=FORM, **much
    )
    refused(answer, "pay", 413)
    assert much["wsgi.input"].taken == 0


@pytest.mark.parametrize("place", PLACES)
def test_a_body_as_large_as_the_limit_is_read(gateway: Simulator, place: str) -> None:
    post = Post(place)
    if post.kind == FORM:
        post.body += b"&filler=" + b"x" * (LIMIT - len(post.body) - 8)
    else:
        post.body += b" " * (LIMIT - len(post.body))
    body = stream(post.body)
    assert post.send(**body).status_code in (200, 201, 302)
    assert body["wsgi.input"].taken == LIMIT
    assert len(gateway.calls) == 1


@pytest.mark.parametrize(
    "kind", [MULTIPART, "text/plain", "application/xml", "", "FORM or JSON"]
)
@pytest.mark.parametrize("place", PLACES)
def test_another_type_of_content_is_refused_unread(
    gateway: Simulator, place: str, kind: str
) -> None:
    post = Post(place)
    if kind == "FORM or JSON":
        kind = JSON if post.kind == FORM else FORM
    post.kind = kind
    body = stream(post.body)
    refused(post.send(**body), place, 415)
    assert body["wsgi.input"].taken == 0
    assert gateway.calls == ()


def test_the_page_is_in_the_language_of_its_reader(gateway: Simulator) -> None:
    post = Post("pay")
    much = stream(b"x" * (LIMIT + 1))
    answer = post.send(HTTP_ACCEPT_LANGUAGE="it", **much)
    assert '<html lang="it"' in answer.content.decode()


def test_a_template_of_the_host_that_needs_more_is_no_obstacle(
    gateway: Simulator, settings: Any, tmp_path: Any
) -> None:
    (tmp_path / "nexi_payments").mkdir()
    page = tmp_path / "nexi_payments" / "base.html"
    page.write_text("{% url request.resolver_match.view_name %}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    answer = Post("pay").send(**stream(b"x" * (LIMIT + 1)))
    assert answer.status_code == 413
    assert answer.content == b"Not read. Nothing was charged."


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FORM, b"&".join([b"a"] * 1200)),
        (FORM + "; charset=iso-8859-1", urlencode(CARD).encode()),
    ],
)
def test_a_form_that_django_does_not_read(
    gateway: Simulator, kind: str, body: bytes
) -> None:
    post = Post("pay")
    post.kind, post.body = kind, body
    answer = post.send()
    assert answer.status_code == 400
    assert "This form could not be read" in answer.content.decode()
    assert gateway.calls == ()


@pytest.mark.parametrize("charset", ["utf-8", "UTF8", "utf_8"])
def test_utf8_by_any_name(gateway: Simulator, charset: str) -> None:
    post = Post("pay")
    post.kind = f"{FORM}; charset={charset}"
    assert post.send().status_code == 200
    assert len(gateway.calls) == 1


@pytest.mark.parametrize("size", [LIMIT + 1, 1024 * 1024])
@pytest.mark.parametrize("length", ["right", "none", "too small"])
def test_an_async_server_has_received_it_all(
    gateway: Simulator, size: int, length: str
) -> None:
    """Whatever the header says: some clients send none."""
    page = new_order().get_absolute_url()
    told = {"right": str(size), "none": None, "too small": "9"}[length]
    answers = asyncio.run(_asgi(page, b"x" * size, told))
    assert answers[0]["status"] == 413


async def _asgi(page: str, body: bytes, length: str | None) -> list[Any]:
    headers = [(b"host", b"127.0.0.1:8000"), (b"content-type", FORM.encode())]
    if length is not None:
        headers.append((b"content-length", length.encode()))
    scope = {"type": "http", "method": "POST", "path": page, "headers": headers}
    sent: list[Any] = []
    parts = [{"type": "http.request", "body": body}]

    async def receive() -> Any:
        return parts.pop() if parts else await asyncio.sleep(60)

    async def send(message: Any) -> None:
        sent.append(message)

    await ASGIHandler()(scope, receive, send)
    await sync_to_async(connections.close_all)()
    return sent


# -- what the others get ---------------------------------------------------------------

seen: dict[str, Any] = {}


class Sees:
    """A middleware that reads in every way there is."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        seen["raw"] = request.environ["wsgi.input"].read()
        seen["length"] = request.META["CONTENT_LENGTH"]
        seen["stream"] = request.read()
        seen["body"] = request.body
        seen["post"] = {name: request.POST.getlist(name) for name in request.POST}
        seen["files"] = dict(request.FILES)
        return self.get_response(request)


def test_a_middleware_gets_all_but_the_card(gateway: Simulator, settings: Any) -> None:
    settings.MIDDLEWARE = [f"{__name__}.Sees", *settings.MIDDLEWARE]
    post = Post("pay")
    other = {"cvc": "396", "note": "my card 4349 9401 9900 4549", "two": ["a", "b"]}
    fields = {"csrfmiddlewaretoken": "4349940199004549" * 2, **other, **CARD}
    post.body = urlencode(fields, doseq=True).encode()
    assert post.send().status_code == 200
    assert len(gateway.calls) == 1
    left = {
        "csrfmiddlewaretoken": ["4349940199004549" * 2],
        "cvc": [""],
        "note": [""],
        "two": ["a", "b"],
        "cardholder_name": ["Giulia Bianchi"],
        "card_number": [""],
        "expiry": [""],
        "security_code": [""],
    }
    assert seen["post"] == left
    assert seen["raw"] == seen["stream"] == seen["body"]
    assert seen["body"] == urlencode(left, doseq=True).encode()
    assert seen["length"] == str(len(seen["body"]))
    assert seen["files"] == {}


def test_of_json_too(gateway: Simulator, settings: Any) -> None:
    settings.MIDDLEWARE = [f"{__name__}.Sees", *settings.MIDDLEWARE]
    post = Post("api-moto")
    assert post.send().status_code == 201
    assert json.loads(seen["body"]) == {
        "amount": "12.50",
        "currency": "EUR",
        "reference": "R-1",
        "cardholder_name": "Giulia Bianchi",
        "card_number": "",
        "expiry": "",
        "security_code": "",
    }
    assert seen["raw"] == seen["stream"] == seen["body"]
    assert seen["post"] == {}


def upload(request: Any) -> HttpResponse:
    """A page of the host, which reads as it likes."""
    return HttpResponse(request.read() + b"|" + str(request.FILES).encode())


urlpatterns = [
    path("upload/", upload),
    path("shop/pay/<slug:id>/", upload),
    path("mine/<slug:public_id>/", pay),
]


@pytest.mark.parametrize("kind", [FORM, JSON, MULTIPART, "text/plain"])
@pytest.mark.parametrize("size", [100, LIMIT + 1, 200_000])
@pytest.mark.parametrize("address", ["/upload/", "/shop/pay/7/"])
def test_bodies_of_other_addresses_are_left_alone(
    settings: Any, address: str, kind: str, size: int
) -> None:
    settings.ROOT_URLCONF = __name__
    much = stream(b"card_number=4349940199004549&".ljust(size, b"x"))
    handler = ClientHandler()
    factory = RequestFactory()
    request = factory.generic("POST", address, content_type=kind, **much)
    before = dict(vars(request))
    taken: list[int] = []

    def chain(request: Any) -> HttpResponse:
        taken.append(much["wsgi.input"].taken)
        assert vars(request) == before
        return HttpResponse()

    handlers._wrap_chain(chain, respond_error=None)(request)  # type: ignore[arg-type]
    assert taken == [0]
    assert handler


def test_a_post_to_nowhere_without_a_card_is_as_it_was(settings: Any) -> None:
    """It is looked into, as the address may be ours under another URLconf."""
    settings.ROOT_URLCONF = __name__
    request = RequestFactory().post("/nowhere/", b"name=x&b=2", content_type=FORM)
    assert card_extraction.request_body_kind(request) is card_extraction.PEEK
    assert card_extraction.extract_card(request, card_extraction.PEEK) == 0
    assert card_extraction.take_submission(request) is None
    assert request.POST == {"name": ["x"], "b": ["2"]}
    assert request.body == request.read() == b"name=x&b=2"


def test_a_post_to_nowhere_whose_sender_has_gone_fails_as_it_did(
    settings: Any,
) -> None:
    class Gone(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("gone")

    body = {"wsgi.input": Gone(), "CONTENT_LENGTH": 10}
    request = RequestFactory().generic("POST", "/nowhere/", content_type=FORM, **body)
    assert card_extraction.extract_card(request, card_extraction.PEEK) == 0
    with pytest.raises(UnreadablePostError):
        assert request.body


# -- which addresses -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("/payments/pay/x/", card_extraction.FORM),
        ("/payments/return/x/y/", card_extraction.RAW),
        ("/payments/result/x/", card_extraction.PEEK),
        ("/admin/nexi_payments/cardverification/verify/", card_extraction.FORM),
        ("/admin/nexi_payments/paymentorder/moto/", card_extraction.FORM),
        (
            "/admin/nexi_payments/paymentorder/moto/" + "a" * 32 + "/card/",
            card_extraction.FORM,
        ),
        ("/admin/nexi_payments/paymentorder/", card_extraction.PEEK),
        ("/admin/login/", None),
        ("/api/payments/moto/", card_extraction.JSON),
        ("/api/payments/card-verifications/", card_extraction.JSON),
        ("/api/payments/checkout/x/pay/", card_extraction.JSON),
        ("/api/payments/checkout/x/continue/", card_extraction.PEEK),
        ("/api/payments/orders/", card_extraction.PEEK),
        ("/nowhere/", card_extraction.PEEK),
    ],
)
def test_the_kind_of_an_address(address: str, kind: Any) -> None:
    assert card_extraction.request_body_kind(RequestFactory().get(address)) is kind


def test_a_route_of_the_hosts_own_to_our_view(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    assert (
        card_extraction.request_body_kind(RequestFactory().get("/mine/x/"))
        is card_extraction.FORM
    )
    assert (
        card_extraction.request_body_kind(RequestFactory().get("/shop/pay/7/")) is None
    )
    ours = f"/shop/pay/{'7' * 32}/"  # under a catch-all of the host
    assert (
        card_extraction.request_body_kind(RequestFactory().get(ours))
        is card_extraction.PEEK
    )


@pytest.mark.parametrize(
    "page",
    [
        "admin/nexi_payments/cardverification/verify/",
        "cards/nexi_payments/cardverification/verify/",
        "office/nexi_payments/paymentorder/moto/",
    ],
)
def test_another_admin_site(settings: Any, page: str) -> None:
    settings.ROOT_URLCONF = "tests.support.urls_two_admins"
    assert (
        card_extraction.request_body_kind(RequestFactory().get(f"/{page}"))
        is card_extraction.FORM
    )


@pytest.mark.parametrize("language", ["en", "it"])
def test_addresses_with_a_language(settings: Any, language: str) -> None:
    """In whatever language the thread's last request was."""
    from django.utils import translation

    settings.ROOT_URLCONF = "tests.support.urls_i18n"
    with translation.override("el"):
        for one, kind in (
            (language, card_extraction.FORM),
            ("xx", card_extraction.PEEK),
        ):
            request = RequestFactory().get(f"/{one}/payments/pay/x/")
            assert card_extraction.request_body_kind(request) is kind
