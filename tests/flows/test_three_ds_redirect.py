"""Where a browser may be sent: hostile addresses and texts are never rendered."""

from __future__ import annotations

from typing import Any

import pytest

from nexi_payments import conf
from nexi_payments.enums import OrderState, Reason
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.shopper import Shopper, new_order
from tests.support.tampered_responses import PAYMENT_ENDPOINT, tamper_next_response

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "http://evil.test/monetaweb",
        "https://evil.test/monetaweb",
        "https://localhost@evil.test/monetaweb",
        "https://localhost\\.evil.test/",
        "https://localhost.evil.test/",
        "//evil.test/",
        "https://loc\u0430lhost/",
        "https://localhost%2eevil.test/",
        " http://localhost:8000/monetaweb",
        "http://localhost:8000/a'b",
        'http://localhost:8000/"><script>',
        "http://localhost:8000/#x",
        "HTTP://localhost:8000/",
        "http://127.0.0.2:8000/",
        "x" * 5000,
    ],
)
def test_a_hostile_3ds_address_is_never_rendered(
    shopper: Shopper, gateway: Simulator, url: str
) -> None:
    order = new_order()
    tamper_next_response(gateway, "/init", threeDSAuthUrl=url)
    response = shopper.submit_card(order)
    assert response.status_code == 303
    order.refresh_from_db()
    assert (order.state, order.reason) == (
        OrderState.FAILED,
        Reason.UNSAFE_THREE_DS_URL,
    )
    assert gateway.counts[PAYMENT_ENDPOINT] == 0
    page = shopper.browser.get(response["Location"]).content.decode()
    assert "evil" not in page
    assert "script>" not in page.replace("</script>", "").replace(" defer>", "")


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://xpay.nexigroup.com/monetaweb/phoenixstos", True),
        ("https://xpay.nexigroup.com:443/monetaweb/phoenixstos?a=1", True),
        ("https://xpay.nexigroup.com:444/monetaweb", False),
        ("http://xpay.nexigroup.com/monetaweb", False),
        ("https://a.xpay.nexigroup.com/", False),
        ("https://xpay.nexigroup.com.evil.test/", False),
        ("http://localhost/", False),
        ("https://localhost/", False),
    ],
)
def test_in_production_only_the_gateways_own_host(
    change_settings: Any, url: str, safe: bool
) -> None:
    change_settings(
        TERMINALS={"default": {"API_KEY": "k", "ENVIRONMENT": "production"}},
        PUBLIC_URL="https://shop.example",
    )
    terminal = conf.current().terminal("default")
    assert conf.is_safe_three_ds_url(url, terminal) is safe


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("http://localhost:9999/acs", True),
        ("https://acs.bank.example:8443/acs", True),
        ("https://acs.bank.example/acs", False),
        ("https://plain.example/acs", True),
        ("https://plain.example:8443/acs", False),
        ("http://127.0.0.1:9999/acs", False),
    ],
)
def test_listed_hosts_are_taken_literally(
    change_settings: Any, url: str, safe: bool
) -> None:
    hosts = ["localhost", "acs.bank.example:8443", "plain.example"]
    change_settings(TERMINALS={"default": {"API_KEY": "k", "THREE_DS_HOSTS": hosts}})
    terminal = conf.current().terminal("default")
    assert conf.is_safe_three_ds_url(url, terminal) is safe


def test_text_of_the_gateway_reaches_no_page(
    shopper: Shopper, gateway: Simulator
) -> None:
    hostile = b'{"errors":[{"code":"PS0041","description":"<script>x</script>"}]}'
    gateway.next_reply("/init", Reply(400, hostile))
    response = shopper.submit_card(new_order())
    page = shopper.browser.get(response["Location"]).content.decode()
    assert "<script>x" not in page
    assert PaymentOrder.objects.get().reason == Reason.REJECTED
