"""Run by ``test_error_tracking``: what Sentry's SDK would send, with its own defaults,
of requests that end before, while and after the card is read. Through the WSGI handler:
Django's test client is none of Sentry's business."""

from __future__ import annotations

import base64
import io
import json
import uuid
from typing import Any
from wsgiref.util import setup_testing_defaults

import sentry_sdk
from sentry_sdk.transport import Transport

envelopes: list[Any] = []


class RecordingTransport(Transport):
    def capture_envelope(self, envelope: Any) -> None:
        envelopes.append(envelope)


sentry_sdk.init(
    "https://k@sentry.invalid/1", transport=RecordingTransport, traces_sample_rate=1.0
)

import django  # noqa: E402

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import OperationalError  # noqa: E402
from django.test.utils import override_settings, setup_test_environment  # noqa: E402
from rest_framework.throttling import SimpleRateThrottle  # noqa: E402

setup_test_environment()
settings.NEXI_PAYMENTS["API_PASSWORD_AUTHENTICATION"] = [
    "rest_framework.authentication.BasicAuthentication"
]
call_command("migrate", verbosity=0)

from nexi_payments import conf  # noqa: E402
from nexi_payments.api import authentication, idempotency  # noqa: E402
from nexi_payments.conf import gateway_factory  # noqa: E402
from nexi_payments.simulator import Simulator  # noqa: E402
from tests.support.api_clients import PURCHASE, PayerClient, ShopServer, card_fields  # noqa: E402
from tests.support.shopper import new_order  # noqa: E402

gateway = Simulator()
gateway_factory.simulator = conf.simulator = lambda: gateway
application = get_wsgi_application()
PAN, CODE = card_fields()["card_number"], card_fields()["security_code"]


def send_request(
    what: str, method: str, path: str, body: Any, headers: dict[str, str]
) -> None:
    """Prints the status, and what of the card Sentry was told."""
    raw = json.dumps(body).encode()
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": "/api/payments/" + path,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(raw)),
        "HTTP_HOST": "127.0.0.1:8000",
        "REMOTE_ADDR": "10.1.2.3",
        "HTTP_IDEMPOTENCY_KEY": str(uuid.uuid4()),
        "wsgi.input": io.BytesIO(raw),
        **{f"HTTP_{n.upper().replace('-', '_')}": v for n, v in headers.items()},
    }
    setup_testing_defaults(environ)
    statuses: list[str] = []
    answer = application(environ, lambda status, *rest: statuses.append(status))
    list(answer)
    answer.close()
    sentry_sdk.flush()
    told = "".join(envelope.serialize().decode() for envelope in envelopes)
    assert '"type":"transaction"' in told, "nothing was watched"
    secrets = {"number": PAN, "code": f'"{CODE}"'}
    print(what, statuses[0][:3], [n for n, text in secrets.items() if text in told])
    envelopes.clear()


def raise_database_error(*args: Any, **kwargs: Any) -> Any:
    raise OperationalError("the database is away")


class UnavailableCache:
    get = raise_database_error


payer, clerk, nobody = PayerClient(new_order()), ShopServer("take_moto"), ShopServer()
for one in (clerk, nobody):
    one.user.set_password("x")
    one.user.save()


def basic_auth(server: ShopServer) -> dict[str, str]:
    word = base64.b64encode(f"{server.user.username}:x".encode()).decode()
    return {"Authorization": f"Basic {word}"}


PAY, CALL = f"checkout/{payer.id}/pay/", {**PURCHASE, **card_fields()}
mine = payer.headers
send_request("good", "POST", PAY, card_fields(), mine)
send_request("good-moto", "POST", "moto/", CALL, basic_auth(clerk))
send_request("secret", "POST", PAY, card_fields(), {"X-Client-Secret": "cs_wrong"})
send_request("permission", "POST", "moto/", CALL, basic_auth(nobody))
odd = {"cardNumber": PAN, "cvv": CODE, "expiry": "12/30"}
send_request("names", "POST", PAY, odd, mine)
send_request("continue", "POST", f"checkout/{payer.id}/continue/", card_fields(), mine)
send_request("method", "GET", PAY, card_fields(), mine)
limits = {**settings.NEXI_PAYMENTS, "RATE_LIMITS": {"everyone": None}}
with override_settings(NEXI_PAYMENTS=limits):
    rates = {"DEFAULT_THROTTLE_RATES": {"nexi_card": "0/min"}}
    with override_settings(REST_FRAMEWORK=rates):
        send_request("throttled", "POST", PAY, card_fields(), mine)
    SimpleRateThrottle.cache = UnavailableCache()
    send_request("cache", "POST", PAY, card_fields(), mine)
    send_request("cache-moto", "POST", "moto/", CALL, basic_auth(clerk))
real, idempotency.IdempotencyKey.get_or_create_record = (
    idempotency.IdempotencyKey.get_or_create_record,
    raise_database_error,
)
send_request("key", "POST", PAY, card_fields(), mine)
idempotency.IdempotencyKey.get_or_create_record = real
authentication.order_for_secret = raise_database_error
send_request("database", "POST", PAY, card_fields(), mine)
