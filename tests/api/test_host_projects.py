"""The API in projects that are set up otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from nexi_payments.api.idempotency import _shortened_caller
from nexi_payments.models import Operation
from nexi_payments.simulator import Simulator
from tests.support.api_clients import (
    ALL_PERMISSIONS,
    ApiClient,
    PayerClient,
    ShopServer,
    assert_problem,
)
from tests.support.shopper import Shopper, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]

#: what a host may say of its own API, and what must not reach ours
ODD = {
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.BrowsableAPIRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FormParser"],
    "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
    "DEFAULT_VERSION": "9",
    "ALLOWED_VERSIONS": ["9"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "PAGE_SIZE": 1,
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
    "EXCEPTION_HANDLER": "rest_framework.views.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "NON_FIELD_ERRORS_KEY": "errors",
    "DATETIME_FORMAT": "%d/%m/%Y",
    "COERCE_DECIMAL_TO_STRING": False,
    "URL_FORMAT_OVERRIDE": "as",
    "STRICT_JSON": False,
}


@pytest.fixture
def odd(settings: Any, gateway: Simulator) -> None:
    settings.REST_FRAMEWORK = ODD
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]


@pytest.mark.usefixtures("odd")
def test_a_purchase_where_everything_is_set_otherwise(shopper: Shopper) -> None:
    server = ShopServer(*ALL_PERMISSIONS)
    made = server.create()
    payer = PayerClient(made)
    form = payer.pay().json()["next_action"]["fields"]
    body = {
        "token": payer.id,
        **shopper.gateway.answer_challenge(form["transactionId"], "approve"),
    }
    body["token"] = form["ReturnUrl"].rstrip("/").rpartition("/")[2]
    answer = payer.post(f"checkout/{payer.id}/continue/", body)
    assert answer.json()["state"] == "paid"
    done = server.post(f"orders/{payer.id}/refund/", {"amount": "1.00"})
    assert done.json()["order"]["refunded"] == "1.00"
    new_order()
    assert len(server.get("orders/").json()["results"]) == 2


@pytest.mark.usefixtures("odd")
def test_nobody_is_refused_where_everything_is_set_otherwise() -> None:
    nobody = ApiClient()
    assert_problem(nobody.get("orders/"), 403, "permission_denied")
    assert_problem(nobody.post("moto/", {}), 403, "permission_denied")
    assert_problem(nobody.get(f"checkout/{'0' * 32}/"), 401, "not_authenticated")
    body = assert_problem(
        ShopServer(*ALL_PERMISSIONS).post("orders/", {"as": "html"}), 400, "invalid"
    )
    assert [row["field"] for row in body["errors"]] == ["as"]
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Client-Secret": "caffè"},
        {"X-Client-Secret": "cs_" + "\xff" * 43},
        {"X-Client-Secret": "x" * 100_000},
        {"Accept-Language": "\xff" * 1000},
        {"X-Request-ID": "\xff\x00"},
    ],
)
def test_odd_headers_are_no_error_page(
    gateway: Simulator, headers: dict[str, str]
) -> None:
    payer = PayerClient(new_order())
    payer.headers |= headers
    answer = payer.pay()
    assert answer.status_code == (401 if "X-Client-Secret" in headers else 200)


def test_a_user_with_a_long_key_has_keys_of_his_own() -> None:
    one, other = (f"user:{name}@{'x' * 80}.example" for name in ("ann", "bob"))
    assert _shortened_caller("user:1") == "user:1"
    assert len(_shortened_caller(one)) == len(_shortened_caller(other)) == 64
    assert _shortened_caller(one) != _shortened_caller(other)
    assert _shortened_caller(one) == _shortened_caller(one)
