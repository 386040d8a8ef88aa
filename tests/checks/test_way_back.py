"""The ReturnUrl is followed through the middleware; what is left is accepted."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage
from django.middleware.common import CommonMiddleware
from django.test import Client

from nexi_payments.checks import way_back
from nexi_payments.enums import OrderState
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.seen_on("sqlite")
WWW = {"PUBLIC_URL": "https://www.shop.example"}
BARE = {"PUBLIC_URL": "https://shop.example"}


class Canonical(CommonMiddleware):
    """Of a project: a subclass that redirects to one name."""

    def process_request(self, request: Any) -> Any:
        if not request.get_host().startswith("www."):
            return self.response_redirect_class(f"https://www.x.example{request.path}")
        return super().process_request(request)


@pytest.fixture
def deployed(settings: Any) -> Any:
    settings.ALLOWED_HOSTS = [".shop.example"]
    return settings


def ids(found: list[CheckMessage]) -> list[str]:
    return [str(one.id).removeprefix("nexi_payments.") for one in found]


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (BARE, {}, []),
        (WWW, {"PREPEND_WWW": True}, []),
        (BARE, {"PREPEND_WWW": True}, ["E052"]),
        (BARE, {"SECURE_SSL_REDIRECT": True}, []),
        (BARE, {"SECURE_SSL_REDIRECT": True, "SECURE_SSL_HOST": "a.b"}, []),
        (
            BARE,
            {
                "SECURE_SSL_REDIRECT": True,
                "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
            },
            [],
        ),
        (
            {"PUBLIC_URL": "http://127.0.0.1:8000"},
            {"SECURE_SSL_REDIRECT": True},
            ["E052"],
        ),
        (BARE, {"APPEND_SLASH": False}, []),
        (BARE, {"ALLOWED_HOSTS": ["web"], "PREPEND_WWW": True}, []),
        (BARE, {"ALLOWED_HOSTS": ["*"]}, []),
        ({"PUBLIC_URL": ""}, {"PREPEND_WWW": True}, []),
        (BARE, {"ROOT_URLCONF": "tests.support.urls_empty"}, []),
        ({"SEALED_CARD_TLL": 1}, {"PREPEND_WWW": True}, []),
        (BARE, {"MIDDLEWARE": ["shop.gone.Middleware"]}, []),
        (BARE, {"MIDDLEWARE": [f"{__name__}.Canonical"]}, ["E052"]),
    ],
)
def test_redirects_that_lose_the_issuers_post(
    deployed: Any,
    change_settings: Any,
    ours: dict[str, Any],
    theirs: dict[str, Any],
    expected: list[str],
) -> None:
    if "127.0.0.1" in str(ours):
        deployed.ALLOWED_HOSTS = ["127.0.0.1"]
    change_settings(**ours)
    for name, value in theirs.items():
        setattr(deployed, name, value)
    assert ids(way_back.check_way_back()) == expected


def test_what_it_says(deployed: Any, change_settings: Any) -> None:
    change_settings(**BARE)
    deployed.PREPEND_WWW = True
    (message,) = way_back.check_way_back()
    assert message.msg == (
        "django.middleware.common.CommonMiddleware redirects the ReturnUrl from"
        " https://shop.example to https://www.shop.example: the browser loses the"
        " issuer's answer, and no payment goes on."
    )


@pytest.mark.parametrize(
    ("hosts", "domain", "expected"),
    [
        (["shop.example"], None, []),
        (["shop.example", "shop.de"], None, ["W050"]),
        (["shop.example", "www.shop.example"], None, ["W050"]),
        (["shop.example", "www.shop.example"], ".shop.example", []),
        (["shop.example", "shop.de"], ".shop.example", ["W050"]),
        (["shop.example", "web", "10.0.0.7", "[::1]", "app.localhost"], None, []),
        (["*"], None, []),
        (["web", "shop.de"], None, ["E053"]),
        ([], None, ["E053"]),
    ],
)
def test_two_domains(
    settings: Any,
    change_settings: Any,
    hosts: list[str],
    domain: str | None,
    expected: list[str],
) -> None:
    change_settings(**BARE)
    settings.ALLOWED_HOSTS = hosts
    settings.SESSION_COOKIE_DOMAIN = domain
    assert ids(way_back.check_domains()) == expected


def test_domains_of_a_shop_under_development(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["shop.de"]
    assert ids(way_back.check_domains()) == []
    settings.NEXI_PAYMENTS = {"TERMINALS": {}}
    assert ids(way_back.check_domains()) == []


# -- what is left ----------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("debug", [False, True])
def test_a_proxy_that_cuts_the_slash(
    settings: Any, shopper: Shopper, gateway: Simulator, debug: bool
) -> None:
    settings.DEBUG = debug
    order = new_order()
    form = shopper.start(order)
    fields = shopper.answer_challenge(form)
    answer = Client(HTTP_HOST="127.0.0.1:8000").post(form.path.rstrip("/"), fields)
    assert answer["Location"] == f"/payments/result/{order.public_id}/"
    order.refresh_from_db()
    assert order.state == OrderState.PAID
    assert form.path.endswith("/")  # the address that is given out has it


@pytest.mark.django_db(transaction=True)
def test_a_post_that_became_a_get_changes_nothing(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order()
    form = shopper.start(order)
    fields = shopper.answer_challenge(form)
    lost = Client(HTTP_HOST="127.0.0.1:8000").get(form.path)
    assert lost["Location"] == f"/payments/result/{order.public_id}/"
    order.refresh_from_db()
    assert order.state == OrderState.AWAITING_3DS
    # the shopper goes back, and the browser posts once more, to the right address
    shopper.return_from_issuer(form, fields)
    order.refresh_from_db()
    assert order.state == OrderState.PAID
    assert gateway.count("payment") == 1


# -- logged in on shop.de, back at shop.example ----------------------------------------


@pytest.fixture
def bought(shopper: Shopper) -> Any:
    """Starts a payment of a logged-in user; returns it and its browser's form."""

    def start(ending: str = "challenge", **changes: Any) -> tuple[PaymentOrder, Any]:
        user = get_user_model().objects.create_user("giulia")
        shopper.browser.force_login(user)
        order = new_order(user=user, **changes)
        return order, shopper.start(order, ending)

    return start


def elsewhere() -> Client:
    """The same browser on the other domain: without the session."""
    return Client(HTTP_HOST="127.0.0.1:8000")


@pytest.mark.django_db(transaction=True)
def test_paid_and_shown(shopper: Shopper, bought: Any) -> None:
    order, form = bought()
    there = elsewhere()
    answer = there.post(form.path, shopper.answer_challenge(form))
    assert answer["Location"].startswith(f"/payments/result/{order.public_id}/?back=")
    page = there.get(answer["Location"])
    assert page.status_code == 200
    assert "12.50" in page.content.decode()
    # nobody else's, and not for ever: the address without the proof is as before
    assert there.get(f"/payments/result/{order.public_id}/").status_code == 404
    assert there.get(order.page_url()).status_code == 404
    other = new_order(user=order.user, reference="R-2")
    proof = answer["Location"].partition("?")[2]
    foreign = there.get(f"/payments/result/{other.public_id}/?{proof}")
    assert foreign.status_code == 404


@pytest.mark.django_db(transaction=True)
def test_paid_and_led_to_the_shop(shopper: Shopper, bought: Any) -> None:
    order, form = bought(success_url="https://shop.de/thanks/")
    there = elsewhere()
    answer = there.post(form.path, shopper.answer_challenge(form))
    led = there.get(answer["Location"])
    assert led["Location"] == f"https://shop.de/thanks/?payment={order.order_id}"


@pytest.mark.django_db(transaction=True)
def test_declined_and_shown_without_a_form(shopper: Shopper, bought: Any) -> None:
    order, form = bought(failure_url="https://shop.de/basket/")
    there = elsewhere()
    answer = there.post(form.path, shopper.answer_challenge(form, "fail"))
    page = there.get(answer["Location"]).content.decode()
    order.refresh_from_db()
    assert order.state == OrderState.FAILED
    assert "Nothing has been charged" in page
    assert 'href="https://shop.de/basket/"' in page
    assert order.page_url() not in page
    assert "<form" not in page


@pytest.mark.django_db(transaction=True)
def test_in_doubt_it_goes_on_asking(
    shopper: Shopper, bought: Any, gateway: Simulator
) -> None:
    order, form = bought("pending_then_paid")
    there = elsewhere()
    answer = there.post(form.path, shopper.answer_challenge(form))
    order.refresh_from_db()
    assert order.state == OrderState.PAYING
    page = there.get(answer["Location"]).content.decode()
    proof = answer["Location"].partition("?")[2]
    status = f"/payments/status/{order.public_id}/?{proof}"
    assert f'data-poll="{status}"' in page
    assert f'data-self="{answer["Location"]}"' in page
    assert there.get(status).json()["state"] == "paying"
    assert there.get(status.partition("?")[0]).status_code == 404


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("token", ["x" * 43, "\u00e9"])
def test_a_wrong_token_proves_nothing(
    shopper: Shopper, bought: Any, token: str
) -> None:
    order, form = bought()
    there = elsewhere()
    path = form.path.rstrip("/").rpartition("/")[0] + f"/{token}/"
    answer = there.post(path, shopper.answer_challenge(form))
    assert answer.status_code == 303
    assert "?back=" in answer["Location"]  # as for the right one
    assert there.get(answer["Location"]).status_code == 404
    order.refresh_from_db()
    assert order.state == OrderState.AWAITING_3DS


@pytest.mark.django_db(transaction=True)
def test_a_proof_is_over_after_an_hour(
    shopper: Shopper, bought: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    _order, form = bought()
    there = elsewhere()
    answer = there.post(form.path, shopper.answer_challenge(form))
    now = time.time()
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + 3700)
    assert there.get(answer["Location"]).status_code == 404
