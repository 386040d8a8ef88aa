"""Run by ``test_tracked``: what Sentry's SDK would send, with its own defaults, of
requests that end before, while and after the card is read. Through the WSGI handler:
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

sent: list[Any] = []


class Keeps(Transport):
    def capture_envelope(self, envelope: Any) -> None:
        sent.append(envelope)


sentry_sdk.init("https://k@sentry.invalid/1", transport=Keeps, traces_sample_rate=1.0)

import django  # noqa: E402

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import OperationalError  # noqa: E402
from django.test.utils import override_settings, setup_test_environment  # noqa: E402
from rest_framework.throttling import SimpleRateThrottle  # noqa: E402

setup_test_environment()
call_command("migrate", verbosity=0)

from nexi_payments import conf  # noqa: E402
from nexi_payments.api import access, keys  # noqa: E402
from nexi_payments.conf import links  # noqa: E402
from nexi_payments.simulator import Simulator  # noqa: E402
from tests.api.caller import PURCHASE, Payer, Server, card  # noqa: E402
from tests.shopper import new_order  # noqa: E402

gateway = Simulator()
links.simulator = conf.simulator = lambda: gateway
application = get_wsgi_application()
PAN, CODE = card()["card_number"], card()["security_code"]


def send(what: str, method: str, path: str, body: Any, headers: dict[str, str]) -> None:
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
    told = "".join(envelope.serialize().decode() for envelope in sent)
    assert '"type":"transaction"' in told, "nothing was watched"
    secrets = {"number": PAN, "code": f'"{CODE}"'}
    print(what, statuses[0][:3], [n for n, text in secrets.items() if text in told])
    sent.clear()


def broken(*args: Any, **kwargs: Any) -> Any:
    raise OperationalError("the database is away")


class Away:
    get = broken


payer, clerk, nobody = Payer(new_order()), Server("take_moto"), Server()
for one in (clerk, nobody):
    one.user.set_password("x")
    one.user.save()


def login(server: Server) -> dict[str, str]:
    word = base64.b64encode(f"{server.user.username}:x".encode()).decode()
    return {"Authorization": f"Basic {word}"}


PAY, CALL = f"checkout/{payer.id}/pay/", {**PURCHASE, **card()}
mine = payer.headers
send("good", "POST", PAY, card(), mine)
send("good-moto", "POST", "moto/", CALL, login(clerk))
send("secret", "POST", PAY, card(), {"X-Client-Secret": "cs_wrong"})
send("permission", "POST", "moto/", CALL, login(nobody))
odd = {"cardNumber": PAN, "cvv": CODE, "expiry": "12/30"}
send("names", "POST", PAY, odd, mine)
send("continue", "POST", f"checkout/{payer.id}/continue/", card(), mine)
send("method", "GET", PAY, card(), mine)
limits = {**settings.NEXI_PAYMENTS, "RATE_LIMITS": {"everyone": None}}
with override_settings(NEXI_PAYMENTS=limits):
    rates = {"DEFAULT_THROTTLE_RATES": {"nexi_card": "0/min"}}
    with override_settings(REST_FRAMEWORK=rates):
        send("throttled", "POST", PAY, card(), mine)
    SimpleRateThrottle.cache = Away()
    send("cache", "POST", PAY, card(), mine)
    send("cache-moto", "POST", "moto/", CALL, login(clerk))
real, keys.Key.claim = keys.Key.claim, broken
send("key", "POST", PAY, card(), mine)
keys.Key.claim = real
access.is_secret_of = broken
send("database", "POST", PAY, card(), mine)
