"""Run by ``test_sentry_traces``: which secrets of our URLs Sentry's SDK would send,
told to send all it can, in traces and errors of pages of a payment.
"""

from __future__ import annotations

import io
from typing import Any
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
)

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.test.utils import override_settings, setup_test_environment  # noqa: E402

setup_test_environment()
call_command("migrate", verbosity=0)

from tests.support.shopper import new_order  # noqa: E402

TOKEN = "t0kenOfTheReturn" * 3
PARES = "eJxVUtFu"


def get(path: str) -> str:
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": f"PaRes={PARES}",
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_REFERER": f"http://127.0.0.1:8000{path}",
        "wsgi.input": io.BytesIO(),
    }
    setup_testing_defaults(environ)
    statuses: list[str] = []
    answer = get_wsgi_application()(environ, lambda one, *rest: statuses.append(one))
    list(answer)
    answer.close()
    return statuses[0][:3]


def print_leaks(what: str, path: str, secrets: tuple[str, ...]) -> None:
    """Prints the kinds of what was sent, and which secrets it held."""
    envelopes.clear()
    status = get(path)
    sentry_sdk.flush()
    told = "".join(envelope.serialize().decode() for envelope in envelopes)
    kinds = sorted(
        {item.headers["type"] for envelope in envelopes for item in envelope.items}
    )
    print(what, status, kinds, sorted(one for one in secrets if one in told))


order = new_order()
secrets = (order.public_id, TOKEN)
for name, path in {
    "pay": order.page_url(),
    "result": f"/payments/result/{order.public_id}/",
    "status": f"/payments/status/{order.public_id}/",
    "return": f"/payments/return/{order.public_id}/{TOKEN}/",
}.items():
    if name == "return":
        secrets = (*secrets, PARES)
    print_leaks(name, path, secrets)
    middleware = ["tests.support.failing_middleware.OnRequest"]
    with override_settings(MIDDLEWARE=middleware):
        print_leaks(f"{name} fails", path, secrets)
