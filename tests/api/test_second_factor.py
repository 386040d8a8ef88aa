"""What moves money needs more than a password, and passwords cannot be guessed."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from rest_framework.authentication import BasicAuthentication
from rest_framework.test import APIClient

from nexi_payments.api.views import BaseAPIView
from nexi_payments.models import CardVerification, Contract, Operation, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.api_clients import (
    ALL_PERMISSIONS,
    API_ROOT,
    PURCHASE,
    ApiClient,
    PayerClient,
    assert_problem,
    card_fields,
)
from tests.support.clerk import Clerk, action_url, grant
from tests.support.contracts import make_contract
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

BASIC = "rest_framework.authentication.BasicAuthentication"
SESSION = "rest_framework.authentication.SessionAuthentication"
#: Without credentials, and with wrong ones: sessions come first, so there is no 401.
REFUSED = 403
PASSWORD = "a long password of the manager"


class TokenLike(BasicAuthentication):
    """Also a password: another scheme's name changes nothing."""


def says_yes(request: Any) -> bool:
    return True


def says_no(request: Any) -> bool:
    return False


def has_the_header(request: Any) -> bool:
    return bool(request.headers.get("X-Second-Factor") == "shown")


def breaks(request: Any) -> bool:
    raise RuntimeError("no database")


@pytest.fixture(autouse=True)
def defaults(change_settings: Any, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()
    change_settings(API_PASSWORD_AUTHENTICATION=None)


@pytest.fixture
def manager(gateway: Simulator) -> Any:
    user = get_user_model().objects.create_user("manager", password=PASSWORD)
    grant(user, *ALL_PERMISSIONS)
    return user


def basic(password: str = PASSWORD, name: str = "manager", **client: str) -> ApiClient:
    pair = base64.b64encode(f"{name}:{password}".encode()).decode()
    made = ApiClient(Authorization=f"Basic {pair}")
    made.browser.defaults.update(client)
    return made


def session(user: Any) -> ApiClient:
    client = ApiClient()
    client.browser.force_login(user)
    return client


@pytest.fixture
def money(shopper: Shopper, manager: Any) -> dict[str, Any]:
    """Every path that moves money, or takes a card → a body."""
    paid = shopper.pay(new_order())
    held = shopper.pay(new_order(terminal="manual"))
    unpaid = new_order()
    user = get_user_model().objects.create_user("giulia")
    shopper.browser.force_login(user)
    contract = make_contract(shopper, user=user)
    charge = {"amount": "9.00", "currency": "EUR", "reference": "S-1"}
    return {
        f"orders/{held.order_id}/capture/": {},
        f"orders/{held.order_id}/void/": {},
        f"orders/{paid.order_id}/refund/": {},
        f"orders/{paid.order_id}/cancel-capture/": {},
        f"orders/{unpaid.order_id}/cancel/": {},
        f"contracts/{contract.contract_id}/charge/": charge,
        f"contracts/{contract.contract_id}/end/": {},
        "moto/": {**PURCHASE, **card_fields(), "amount": "3.00"},
        "card-verifications/": card_fields(),
    }


def everything() -> list[Any]:
    rows = [
        model.objects.order_by("pk").values()
        for model in (PaymentOrder, Operation, Contract, CardVerification)
    ]
    return [list(one) for one in rows]


@pytest.mark.parametrize("kind", ["basic", "session"])
def test_a_manager_with_a_password_alone_moves_no_money(
    money: dict[str, Any], manager: Any, gateway: Simulator, kind: str
) -> None:
    client = basic() if kind == "basic" else session(manager)
    before, sent = everything(), len(gateway.calls)
    for path, body in money.items():
        assert_problem(client.post(path, body), 403, "second_factor_required")
    assert (everything(), len(gateway.calls)) == (before, sent)
    # reading, and making a payment that a shopper has to pay, is no such action
    assert client.get("orders/").status_code == 200
    made = client.post("orders/", {**PURCHASE, "reference": "R-9"})
    assert made.status_code == 201


@pytest.mark.parametrize(("kind", "named"), [("basic", BASIC), ("session", SESSION)])
def test_a_class_that_is_named_may(
    money: dict[str, Any],
    manager: Any,
    gateway: Simulator,
    change_settings: Any,
    kind: str,
    named: str,
) -> None:
    change_settings(API_PASSWORD_AUTHENTICATION=[named])
    clients = {"basic": basic(), "session": session(manager)}
    path = next(path for path in money if path.endswith("/refund/"))
    other = clients.pop("session" if kind == "basic" else "basic")
    assert_problem(other.post(path), 403, "second_factor_required")
    (client,) = clients.values()
    assert client.post(path).status_code == 200
    assert client.post("moto/", money["moto/"]).json()["state"] == "paid"


def test_a_subclass_is_not_named_by_its_base(
    shopper: Shopper,
    manager: Any,
    change_settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = shopper.pay(new_order())
    monkeypatch.setattr(BaseAPIView, "authentication_classes", [TokenLike])
    change_settings(API_PASSWORD_AUTHENTICATION=[BASIC])
    answer = basic().post(f"orders/{order.order_id}/refund/")
    assert_problem(answer, 403, "second_factor_required")
    change_settings(API_PASSWORD_AUTHENTICATION=[f"{__name__}.TokenLike"])
    assert basic().post(f"orders/{order.order_id}/refund/").status_code == 200


def test_who_lacks_the_permission_learns_no_more(shopper: Shopper) -> None:
    order = shopper.pay(new_order())
    get_user_model().objects.create_user("nobody", password=PASSWORD)
    refund = f"orders/{order.order_id}/refund/"
    assert_problem(basic(name="nobody").post(refund), 403, "permission_denied")
    assert_problem(ApiClient().post(refund), REFUSED, "permission_denied")


def test_other_authentication_moves_money(shopper: Shopper, manager: Any) -> None:
    """As a token does: what DRF calls a forced one is no subclass of either."""
    order = shopper.pay(new_order())
    client = APIClient()
    client.force_authenticate(manager)
    answer = client.post(
        f"{API_ROOT}orders/{order.order_id}/refund/",
        {},
        format="json",
        headers={"Idempotency-Key": "the-first"},
    )
    assert answer.status_code == 200


# -- the shop's word -------------------------------------------------------------------


def test_a_session_that_the_shop_has_verified_moves_money(
    shopper: Shopper, manager: Any, gateway: Simulator, change_settings: Any
) -> None:
    order = shopper.pay(new_order())
    change_settings(
        IS_VERIFIED=f"{__name__}.has_the_header", API_PASSWORD_AUTHENTICATION=None
    )
    path, client = f"orders/{order.order_id}/refund/", session(manager)
    assert_problem(client.post(path), 403, "second_factor_required")
    # a password in each request is no second factor, whatever the function says
    guesser = basic()
    guesser.headers["X-Second-Factor"] = "shown"
    assert_problem(guesser.post(path), 403, "second_factor_required")
    assert gateway.count("/refunds") == 0
    client.headers["X-Second-Factor"] = "shown"
    assert client.post(path).status_code == 200


@pytest.mark.parametrize("function", ["says_no", "breaks", "is_missing"])
def test_the_shop_has_a_veto(
    shopper: Shopper,
    manager: Any,
    gateway: Simulator,
    change_settings: Any,
    caplog: pytest.LogCaptureFixture,
    function: str,
) -> None:
    order = shopper.pay(new_order())
    change_settings(
        IS_VERIFIED=f"{__name__}.{function}", API_PASSWORD_AUTHENTICATION=[SESSION]
    )
    answer = session(manager).post(f"orders/{order.order_id}/refund/")
    assert_problem(answer, 403, "second_factor_required")
    assert gateway.count("/refunds") == 0
    assert ("IS_VERIFIED failed" in caplog.text) is (function != "says_no")


@pytest.mark.parametrize("action", ["refund"])
def test_the_admin_asks_the_shop_too(
    shopper: Shopper, gateway: Simulator, change_settings: Any, action: str
) -> None:
    order = shopper.pay(new_order())
    clerk = Clerk("view_paymentorder", "refund_payment", "cancel_capture", "take_moto")
    url = action_url(order, action)
    change_settings(IS_VERIFIED=f"{__name__}.says_no")
    sent = len(gateway.calls)
    page = clerk.get_text(f"/admin/nexi_payments/paymentorder/{order.pk}/change/")
    assert url not in page
    assert clerk.post(url, amount="12.50").status_code == 403
    assert clerk.browser.get("/admin/nexi_payments/paymentorder/moto/").status_code == (
        403
    )
    assert len(gateway.calls) == sent
    assert Operation.objects.filter(kind=action).count() == 0
    change_settings(IS_VERIFIED=f"{__name__}.says_yes")
    page = clerk.get_text(f"/admin/nexi_payments/paymentorder/{order.pk}/change/")
    assert url in page


# -- guessing --------------------------------------------------------------------------


@pytest.fixture
def throttled(change_settings: Any) -> None:
    change_settings(RATE_LIMITS=None, API_PASSWORD_AUTHENTICATION=[BASIC])


@pytest.mark.usefixtures("throttled")
def test_400_wrong_passwords(
    shopper: Shopper, manager: Any, gateway: Simulator
) -> None:
    order = shopper.pay(new_order())
    refund = f"orders/{order.order_id}/refund/"
    statuses = [basic(f"guess {n}").post(refund).status_code for n in range(400)]
    assert statuses == [REFUSED] * 20 + [429] * 380
    answer = basic().post(refund)  # the right one is not looked at either
    body = assert_problem(answer, 429, "too_many_requests")
    assert body["status"] == 429
    assert 0 < int(answer["Retry-After"]) <= 61
    assert gateway.count("/refunds") == 0
    order.refresh_from_db()
    assert order.refunded_amount == 0
    # who calls from elsewhere is not stopped, and after the time nobody is
    assert basic(REMOTE_ADDR="10.9.9.9").post(refund).status_code == 200
    cache.clear()
    assert basic().get("orders/").status_code == 200


@pytest.mark.usefixtures("throttled")
def test_good_credentials_and_none_at_all_do_not_count(manager: Any) -> None:
    for _ in range(30):
        assert basic().get("orders/").status_code == 200
        assert ApiClient().get("orders/").status_code == REFUSED
    assert basic().get("orders/").status_code == 200


@pytest.mark.usefixtures("throttled")
def test_client_secrets_are_not_guessed_either(gateway: Simulator) -> None:
    payer = PayerClient(new_order())
    right = payer.headers["X-Client-Secret"]
    payer.headers["X-Client-Secret"] = right[:-3] + "abc"
    path = f"checkout/{payer.id}/"
    assert [payer.get(path).status_code for _ in range(25)] == [401] * 20 + [429] * 5
    payer.headers["X-Client-Secret"] = right
    assert payer.get(path).status_code == 429
    cache.clear()
    assert payer.get(path).status_code == 200


@pytest.mark.usefixtures("throttled")
def test_addresses_of_one_ipv6_network_guess_together(manager: Any) -> None:
    statuses = [
        basic("wrong", REMOTE_ADDR=f"2001:db8::{n:x}").get("orders/").status_code
        for n in range(1, 31)
    ]
    assert statuses == [REFUSED] * 20 + [429] * 10
