"""Run by ``test_error_reports``: what Sentry's SDK would send, told to send all it can,
of requests with a card that fail before, around or after the view.

Through the WSGI and ASGI handlers: Django's test client is none of Sentry's business.
"""

from __future__ import annotations

import asyncio
import io
import json
import uuid
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode
from wsgiref.util import setup_testing_defaults

import sentry_sdk
from sentry_sdk.transport import Transport

envelopes: list[Any] = []


class RecordingTransport(Transport):
    def capture_envelope(self, envelope: Any) -> None:
        envelopes.append(envelope)


sentry_sdk.init(
    "https://k@sentry.invalid/1",
    transport=RecordingTransport,
    traces_sample_rate=1.0,
    send_default_pii=True,
    max_request_body_size="always",
    include_local_variables=True,
)

import django  # noqa: E402

django.setup()

from django.conf import settings  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import OperationalError, connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import override_settings, setup_test_environment  # noqa: E402

setup_test_environment()
call_command("migrate", verbosity=0)

from nexi_payments import conf  # noqa: E402
from nexi_payments.conf import gateway_factory  # noqa: E402
from nexi_payments.simulator import Simulator  # noqa: E402
from tests.support.api_clients import PayerClient, card_fields  # noqa: E402
from tests.support.canary import AMEX, found_in  # noqa: E402
from tests.support.clerk import Clerk, card_url, order_from_redirect  # noqa: E402
from tests.support.shopper import new_order  # noqa: E402

gateway = Simulator()
gateway_factory.simulator = conf.simulator = lambda: gateway
CARD = card_fields(card_number=AMEX.number, security_code=AMEX.cvv)
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


def cookies_of(client: Client) -> str:
    return "; ".join(f"{one.key}={one.value}" for one in client.cookies.values())


def card_posts() -> dict[str, tuple[str, str, bytes, dict[str, str]]]:
    """What is sent where: path, kind, body, headers."""
    payer, clerk = PayerClient(new_order()), Clerk("take_moto", name=uuid.uuid4().hex)
    desk = card_url(
        order_from_redirect(clerk.create_order(reference=uuid.uuid4().hex[:8]))
    )
    token = "a" * 32
    form = urlencode(
        {"csrfmiddlewaretoken": token, "allow_duplicate": "on", **CARD}
    ).encode()
    guest = {"Cookie": f"csrftoken={token}"}
    cookie = f"{cookies_of(clerk.browser)}; csrftoken={token}"
    key = {"Idempotency-Key": str(uuid.uuid4())}
    api = f"/api/payments/checkout/{payer.id}/pay/"
    page = new_order().page_url()
    return {
        "pay": (page, FORM, form, guest),
        "desk": (desk, FORM, form, {"Cookie": cookie}),
        "api": (api, JSON, json.dumps(CARD).encode(), {**payer.headers, **key}),
    }


def wsgi(path: str, kind: str, body: bytes, headers: dict[str, str]) -> str:
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path.partition("?")[0],
        "QUERY_STRING": path.partition("?")[2],
        "CONTENT_TYPE": kind,
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "127.0.0.1:8000",
        "REMOTE_ADDR": "10.1.2.3",
        "wsgi.input": io.BytesIO(body),
        **{f"HTTP_{n.upper().replace('-', '_')}": v for n, v in headers.items()},
    }
    setup_testing_defaults(environ)
    statuses: list[str] = []
    answer = get_wsgi_application()(environ, lambda one, *rest: statuses.append(one))
    list(answer)
    answer.close()
    return statuses[0][:3]


def asgi(path: str, kind: str, body: bytes, headers: dict[str, str]) -> str:
    named = {"Host": "127.0.0.1:8000", "Content-Type": kind, **headers}
    named["Content-Length"] = str(len(body))
    scope = {
        "type": "http",
        "method": "POST",
        "path": path.partition("?")[0],
        "query_string": path.partition("?")[2].encode(),
        "headers": [(n.lower().encode(), v.encode()) for n, v in named.items()],
        "client": ("10.1.2.3", 1),
    }
    statuses: list[str] = []
    arrived = [{"type": "http.request", "body": body}]

    async def receive() -> Any:
        if arrived:
            return arrived.pop()
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(str(message["status"]))

    asyncio.run(get_asgi_application()(scope, receive, send))
    return statuses[0]


def print_leaks(what: str, server: Any, *post: Any, events: bool = True) -> None:
    """Prints what was done, how it was answered, and what of the card was told."""
    envelopes.clear()
    try:
        status = server(*post)
    except OperationalError:  # Django's page for errors needs the session, too
        status = "away"
    sentry_sdk.flush()
    told = "".join(envelope.serialize().decode() for envelope in envelopes)
    assert not events or '"exception"' in told, (what, status, "nothing was reported")
    print(what, server.__name__, status, sorted(set(found_in(told, AMEX))))


def raise_database_error(*args: Any) -> Any:
    raise OperationalError("the database is away")


SLOTS = len(settings.MIDDLEWARE) + 1
for server in (wsgi, asgi):
    for slot in range(SLOTS):
        for kind in ("OnRequest", "OnView", "OnResponse"):
            around = list(settings.MIDDLEWARE)
            around.insert(slot, f"tests.support.failing_middleware.{kind}")
            for place, post in card_posts().items():
                with override_settings(MIDDLEWARE=around):
                    print_leaks(f"{place} {kind} {slot}", server, *post)
    for place, post in card_posts().items():
        for defect in (
            "sealed_cards.sealing._encrypt",
            "sealed_cards.sealing._token_bytes",
            "card_extraction.body.read_body",
        ):
            seals = place == "pay" and defect.startswith("sealed_cards")
            with patch(f"nexi_payments.{defect}", side_effect=RuntimeError):
                print_leaks(f"{place} {defect}", server, *post, events=seals)
for place, (path, kind, body, headers) in card_posts().items():
    # below WSGI, Sentry has read the address before Django's handler is called
    around = ["tests.support.failing_middleware.OnRequest", *settings.MIDDLEWARE]
    told = f"{path}?{urlencode(CARD)}"
    before = {**headers, "Referer": f"http://127.0.0.1:8000{told}"}
    with override_settings(MIDDLEWARE=around):
        print_leaks(f"{place} address", asgi, told, kind, body, before)
    elsewhere = {**headers, "Host": "shop.invalid"}
    print_leaks(f"{place} host", wsgi, path, kind, body, elsewhere, events=False)
    changed = override_settings(CSRF_USE_SESSIONS=place != "api")
    with changed, connection.execute_wrapper(raise_database_error):
        signed = {"Cookie": f"sessionid={'x' * 32}", **headers}
        if place == "pay":
            signed["Cookie"] += f"; sessionid={'x' * 32}"
        print_leaks(f"{place} database", wsgi, path, kind, body, signed, events=False)
for place, post in card_posts().items():
    print_leaks(f"{place} good", wsgi, *post, events=False)
